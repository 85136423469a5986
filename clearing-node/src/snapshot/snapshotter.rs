//! The thread that takes snapshots of the partitions at work, one after the other, beside the folding.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant, SystemTime},
};

use cu_objects::Objects;
use runtime::whole_text;

use super::{
    Catalog, Position, Pruning, SnapshotError, Taken,
    checkpoint::{Checkpoint, remove},
    prune,
    take::Taker,
};
use crate::{rocks::RocksStore, stores::Stores};

/// How often it looks how far the stores are.
const LOOK: Duration = Duration::from_millis(500);
/// Pause after a first failure; each further one doubles it.
const RETRY_FIRST: Duration = Duration::from_secs(5);
/// Longest pause after a failure.
const RETRY_MAX: Duration = Duration::from_secs(300);

/// How a node takes snapshots.
#[derive(Clone, Debug)]
pub struct SnapshotConfig {
    /// Where they go.
    pub objects: Objects,
    /// Folder of the partitions' stores; checkpoints stand in it for a while.
    pub state_dir: PathBuf,
    /// How long after a snapshot the next is taken, if anything was folded since. After the end of a cycle one is
    /// taken at once.
    pub every: Duration,
    /// What is kept.
    pub pruning: Pruning,
}

/// The last snapshot of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Last {
    /// The next offset to fold after it.
    pub next_offset: u64,
    /// Ordinal of the last cycle that it knows as closed.
    pub closed_cycle: u32,
    /// When it was there.
    pub at: SystemTime,
    /// Its length, bytes.
    pub bytes: u64,
}

impl Last {
    /// How old it is, seconds.
    #[must_use]
    pub fn age_s(&self, now: SystemTime) -> u64 {
        now.duration_since(self.at).map_or(0, |age| age.as_secs())
    }
}

/// How the snapshots of a partition are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SnapshotStatus {
    /// The last one, by whichever node it was taken.
    pub last: Option<Last>,
    /// Why the last attempt failed; it is tried again.
    pub failed: Option<String>,
    /// Failures since this node has the partition.
    pub failures: u64,
    /// Bytes copied since this node has the partition.
    pub copied_bytes: u64,
}

#[derive(Debug, Default)]
struct Shared {
    status: Mutex<BTreeMap<u32, SnapshotStatus>>,
    wanted: Mutex<BTreeSet<u32>>,
    stop: AtomicBool,
}

/// Takes the snapshots of a node. Dropping it ends it, between two files if it is at one.
#[derive(Debug)]
pub struct Snapshotter {
    stores: Stores,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Snapshotter {
    /// Begins to watch the stores of the partitions at work.
    ///
    /// # Errors
    /// [`SnapshotError::Thread`].
    pub fn start(config: SnapshotConfig, stores: Stores) -> Result<Self, SnapshotError> {
        let shared = Arc::<Shared>::default();
        let mut work =
            Work { config, stores: stores.clone(), shared: Arc::clone(&shared), at: BTreeMap::new() };
        let thread = thread::Builder::new().name("snapshots".to_owned()).spawn(move || {
            work.clean();
            while !work.shared.stop.load(Ordering::Relaxed) {
                work.look();
                thread::park_timeout(LOOK);
            }
        });
        Ok(Self { stores, shared, thread: Some(thread.map_err(SnapshotError::Thread)?) })
    }

    /// How the snapshots of each partition at work are.
    #[must_use]
    pub fn status(&self) -> BTreeMap<u32, SnapshotStatus> {
        lock(&self.shared.status).clone()
    }

    /// Has a snapshot of a partition taken soon; what becomes of it shows in [`Snapshotter::status`]. Whether the
    /// partition is at work here.
    #[must_use]
    pub fn ask(&self, partition: u32) -> bool {
        let here = self.stores.get(partition).is_some();
        if here {
            lock(&self.shared.status).entry(partition).or_default();
            lock(&self.shared.wanted).insert(partition);
            self.wake();
        }
        here
    }

    fn wake(&self) {
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

impl Drop for Snapshotter {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.wake();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that takes snapshots panicked");
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Work {
    config: SnapshotConfig,
    stores: Stores,
    shared: Arc<Shared>,
    at: BTreeMap<u32, At>,
}

/// A partition at work.
struct At {
    taker: Taker,
    plan: Plan,
}

impl Work {
    /// Removes what a killed process left: a checkpoint keeps files of rows that its store has done with.
    fn clean(&self) {
        let entries = std::fs::read_dir(&self.config.state_dir);
        for entry in entries.into_iter().flatten().flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|extension| extension == "checkpoint")
                && let Err(error) = remove(&path)
            {
                tracing::warn!("{}", whole_text(&error));
            }
        }
    }

    fn look(&mut self) {
        let here: BTreeSet<u32> = self.stores.all().into_keys().collect();
        // A partition that left and comes back begins anew: others have taken snapshots meanwhile.
        self.at.retain(|partition, _| here.contains(partition));
        lock(&self.shared.status).retain(|partition, _| here.contains(partition));
        lock(&self.shared.wanted).retain(|partition| here.contains(partition));
        for partition in here {
            if self.shared.stop.load(Ordering::Relaxed) {
                return;
            }
            let Some(store) = self.stores.get(partition) else { continue };
            lock(&self.shared.status).entry(partition).or_default();
            if let Err(error) = self.look_at(partition, store) {
                self.tell_failure(partition, &error);
            }
        }
    }

    /// Takes a snapshot if one is due. The store is let go of before anything is copied: it may move on.
    fn look_at(&mut self, partition: u32, store: RocksStore) -> Result<(), SnapshotError> {
        let at = self.at.entry(partition).or_insert_with(|| At {
            taker: Taker::new(self.config.objects.clone(), partition),
            plan: Plan::default(),
        });
        let now = Instant::now();
        if !at.plan.may_try(now) {
            return Ok(());
        }
        if !at.plan.knows_last {
            let last = last_of(&self.config.objects, partition)?;
            at.plan.learn(last, now);
            if let Some(status) = lock(&self.shared.status).get_mut(&partition) {
                status.last = last;
            }
        }
        let position = Position::read(&store.begin())?;
        // Taken out here: who asks while this one is taken, gets another.
        let wanted = lock(&self.shared.wanted).remove(&partition);
        if !at.plan.is_due(&position, wanted, self.config.every, now) {
            return Ok(());
        }
        let folder = self.config.state_dir.join(format!("partition-{partition}.checkpoint"));
        let checkpoint = Checkpoint::take(&store, &folder)?;
        drop(store);
        let taken = at.taker.put(&checkpoint, SystemTime::now(), &self.shared.stop)?;
        drop(checkpoint);
        let last = Last {
            next_offset: taken.manifest.next_offset,
            closed_cycle: taken.manifest.closed_cycle(),
            at: SystemTime::now(),
            bytes: taken.manifest.bytes(),
        };
        at.plan.learn(Some(last), now);
        self.tell_taken(partition, &taken, last);
        match prune(&self.config.objects, partition, self.config.pruning) {
            Ok(pruned) => tracing::debug!("{} snapshots and {} files went", pruned.snapshots, pruned.files),
            Err(error) => {
                tracing::error!("old snapshots of partition {partition} stay for now: {}", whole_text(&error))
            }
        }
        Ok(())
    }

    fn tell_taken(&self, partition: u32, taken: &Taken, last: Last) {
        tracing::info!(
            "snapshot of partition {partition} at offset {}: {} of {} files, {} of {} bytes were new",
            last.next_offset,
            taken.new_files,
            taken.manifest.files.len(),
            taken.new_bytes,
            last.bytes
        );
        if let Some(status) = lock(&self.shared.status).get_mut(&partition) {
            status.last = Some(last);
            status.failed = None;
            status.copied_bytes += taken.new_bytes;
        }
    }

    fn tell_failure(&mut self, partition: u32, error: &SnapshotError) {
        if matches!(error, SnapshotError::GivenUp) {
            return;
        }
        let pause = self.at.get_mut(&partition).map(|at| at.plan.failed(Instant::now()));
        let why = whole_text(error);
        tracing::error!(
            "no snapshot of partition {partition} could be taken in {}: {why}; clearing goes on, it is tried again in {:?}",
            self.config.objects.place(),
            pause.unwrap_or(RETRY_FIRST)
        );
        if let Some(status) = lock(&self.shared.status).get_mut(&partition) {
            status.failed = Some(why);
            status.failures += 1;
        }
    }
}

/// The snapshot that goes furthest, as the object store knows it.
fn last_of(objects: &Objects, partition: u32) -> Result<Option<Last>, SnapshotError> {
    let catalog = Catalog::read(objects, partition)?;
    Ok(catalog.whole().next().map(|(found, manifest)| Last {
        next_offset: manifest.next_offset,
        closed_cycle: manifest.closed_cycle(),
        at: found.object.modified,
        bytes: manifest.bytes(),
    }))
}

/// When the next snapshot of a partition is due.
#[derive(Debug, Default)]
pub(super) struct Plan {
    knows_last: bool,
    /// Offset and closed cycle of the last one.
    last: Option<(u64, u32)>,
    since: Option<Instant>,
    failures: u32,
    not_before: Option<Instant>,
}

impl Plan {
    /// Now `last` is the last one.
    pub(super) fn learn(&mut self, last: Option<Last>, now: Instant) {
        self.knows_last = true;
        self.last = last.map(|last| (last.next_offset, last.closed_cycle));
        self.since = Some(now);
        self.failures = 0;
        self.not_before = None;
    }

    /// Whether the pause after a failure is over.
    pub(super) fn may_try(&self, now: Instant) -> bool {
        self.not_before.is_none_or(|at| now >= at)
    }

    /// An attempt failed; the pause until the next.
    pub(super) fn failed(&mut self, now: Instant) -> Duration {
        let pause = RETRY_FIRST.saturating_mul(1 << self.failures.min(10)).min(RETRY_MAX);
        self.failures = self.failures.saturating_add(1);
        self.not_before = Some(now + pause);
        pause
    }

    /// Whether one is due for a store that stands at `position`: the first at once, one after each closed cycle at
    /// once, else after `every`, and only if something was folded. One that was asked for is due in any case.
    pub(super) fn is_due(&self, position: &Position, wanted: bool, every: Duration, now: Instant) -> bool {
        if position.next_offset == 0 {
            return false;
        }
        let Some((next_offset, closed)) = self.last else { return true };
        let is_time = self.since.is_none_or(|since| now.duration_since(since) >= every);
        wanted || position.closed_cycle() > closed || (is_time && position.next_offset != next_offset)
    }
}
