//! The thread of a node that renders the segments of the partitions it owns.
//!
//! What is due is told by [`crate::coordinator::Coordinator::segments_due`]: after the plan, so that nothing is
//! rendered between marker and plan. One segment is rendered at a time, by at most two threads of low priority.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use cu_log::{Log, LogError, append_and_wait, topics::Topics};
use cu_objects::{Objects, ObjectsError};
use proto::{CycleEvent, Message, Opening, PartitionTotals, cycle_event::Body};
use runtime::whole_text;

use crate::{
    book::opening_name,
    coordinator::{Coordinator, SegmentDue},
    priority::stand_back,
    render::{self, RenderError, Share},
    rocks::RocksStore,
    stores::Stores,
};

/// How often it looks whether a partition has come, or has folded far enough.
const LOOK: Duration = Duration::from_millis(100);
/// Pause after a failure.
const AGAIN: Duration = Duration::from_secs(5);
/// How long an event may take to become durable.
const APPEND_WAIT: Duration = Duration::from_secs(60);

/// What a renderer works with.
#[derive(Clone)]
pub struct Surroundings {
    /// The log.
    pub log: Arc<dyn Log>,
    /// Its topics.
    pub topics: Topics,
    /// The stores of the partitions that this node owns.
    pub stores: Stores,
    /// Where segments go.
    pub objects: Objects,
    /// A folder of this node alone, for drafts; best on the file system of the object store.
    pub work_dir: PathBuf,
    /// How much its threads stand back behind others: 0 (not at all) to 19.
    pub niceness: i32,
}

/// Why a segment could not be rendered; it is tried again.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Render(#[from] RenderError),
    #[error(transparent)]
    Objects(#[from] ObjectsError),
    #[error(transparent)]
    Log(#[from] LogError),
}

/// A segment to render.
#[derive(Clone, Debug)]
struct Order {
    opening: Opening,
    totals: PartitionTotals,
}

#[derive(Default)]
struct State {
    orders: BTreeMap<SegmentDue, Arc<Order>>,
    /// Said, and not yet read back.
    said: BTreeSet<SegmentDue>,
    at: Option<SegmentDue>,
    /// Why those could not be rendered that were tried and failed.
    failing: BTreeMap<SegmentDue, String>,
    /// The one that failed last: others come before it.
    failed_last: Option<SegmentDue>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    stop: AtomicBool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self, state: MutexGuard<'_, State>, most: Duration) {
        drop(self.changed.wait_timeout(state, most).unwrap_or_else(PoisonError::into_inner));
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// A node's renderer. Dropping it stops it: soon while it reads, else after the segment at hand.
pub struct Renderer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Renderer {
    /// Starts the thread.
    ///
    /// # Errors
    /// If there can be none.
    pub fn start(around: Surroundings) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let worker = Worker { around, shared: Arc::clone(&shared) };
        let thread = std::thread::Builder::new().name("renderer".to_owned()).spawn(move || worker.work())?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Learns what is due. Cheap while that does not change.
    pub fn follow(&self, core: &Coordinator) {
        let due: BTreeSet<SegmentDue> = core.segments_due().into_iter().collect();
        let mut state = self.shared.lock();
        if state.orders.keys().eq(due.iter()) {
            return;
        }
        let before = std::mem::take(&mut state.orders);
        for due in due {
            let order = before.get(&due).cloned().or_else(|| {
                let opening = core.opening(due.cycle)?.clone();
                let totals = core.totals(due.cycle).find(|totals| totals.partition == due.partition)?.clone();
                Some(Arc::new(Order { opening, totals }))
            });
            if let Some(order) = order {
                state.orders.insert(due, order);
            }
        }
        let State { orders, said, failing, .. } = &mut *state;
        said.retain(|due| orders.contains_key(due));
        failing.retain(|due, _| orders.contains_key(due));
        drop(state);
        self.shared.changed.notify_all();
    }

    /// What it is rendering.
    #[must_use]
    pub fn at(&self) -> Option<SegmentDue> {
        self.shared.lock().at
    }

    /// Why a segment could not be rendered when it was tried last; it is tried again.
    #[must_use]
    pub fn failed(&self) -> Option<String> {
        self.shared.lock().failing.values().next().cloned()
    }
}

impl Drop for Renderer {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the renderer's thread panicked");
        }
    }
}

/// A segment that can be rendered now.
struct Ready {
    due: SegmentDue,
    order: Arc<Order>,
    store: RocksStore,
}

struct Worker {
    around: Surroundings,
    shared: Arc<Shared>,
}

impl Worker {
    fn work(&self) {
        stand_back(self.around.niceness);
        // What a life that was killed has left.
        if let Err(error) = fs::remove_dir_all(&self.around.work_dir)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "cannot empty {}", self.around.work_dir.display());
        }
        while !self.shared.stopped() {
            match self.next() {
                Ok(Some(Ready { due, order, store })) => self.take(due, &order, store),
                Ok(None) => self.shared.wait(self.shared.lock(), LOOK),
                Err((due, error)) => self.fail(due, &error),
            }
        }
    }

    /// The first segment that is due whose partition is here and has folded all of it; those before the one that failed
    /// last come after the others.
    fn next(&self) -> Result<Option<Ready>, (SegmentDue, Failure)> {
        let state = self.shared.lock();
        let mut orders: Vec<(SegmentDue, Arc<Order>)> = state
            .orders
            .iter()
            .filter(|(due, _)| !state.said.contains(due))
            .map(|(due, order)| (*due, Arc::clone(order)))
            .collect();
        let failed = state.failed_last;
        drop(state);
        let first = orders.partition_point(|(due, _)| failed.is_some_and(|failed| *due <= failed));
        orders.rotate_left(first);
        for (due, order) in orders {
            let Some(store) = self.around.stores.get(due.partition) else { continue };
            // A look at one row: there is nothing to break off.
            let folded = self.share(&order, &store, &|| true).is_folded();
            if folded.map_err(|error| (due, error.into()))? {
                return Ok(Some(Ready { due, order, store }));
            }
        }
        Ok(None)
    }

    fn share<'a>(
        &'a self,
        order: &'a Order,
        store: &'a RocksStore,
        wanted: &'a (dyn Fn() -> bool + Sync),
    ) -> Share<'a> {
        let Surroundings { log, topics, .. } = &self.around;
        Share { totals: &order.totals, store, log: log.as_ref(), topics, wanted }
    }

    fn take(&self, due: SegmentDue, order: &Order, store: RocksStore) {
        self.shared.lock().at = Some(due);
        let made = self.make(due, order, store);
        self.shared.lock().at = None;
        match made {
            Ok(()) => {
                let mut state = self.shared.lock();
                state.failing.remove(&due);
                state.said.insert(due);
            }
            Err(Failure::Render(RenderError::Unwanted)) => {}
            Err(error) => self.fail(due, &error),
        }
    }

    /// Renders a segment, puts it and says so.
    fn make(&self, due: SegmentDue, order: &Order, store: RocksStore) -> Result<(), Failure> {
        let wanted = || !self.shared.stopped() && self.around.stores.get(due.partition).is_some();
        let name = opening_name(&order.opening);
        let folder = self.around.work_dir.join(format!(".{name}-p{}", due.partition));
        let detail = render::detail(&self.share(order, &store, &wanted), &self.around.work_dir)?;
        // Everything is read: who opens the partition next must not wait for the writing.
        drop(store);
        let manifest = render::write_segment(&order.totals, &name, detail, &folder)?;
        let digest = super::put(&self.around.objects, &name, &manifest, &folder)?;
        if let Err(error) = fs::remove_dir_all(&folder) {
            tracing::warn!(%error, "cannot remove {}", folder.display());
        }
        let segment = proto::Segment {
            cycle: due.cycle,
            partition: due.partition,
            manifest_digest: digest.to_vec().into(),
            round: due.round,
            lost: false,
        };
        let event = CycleEvent { body: Some(Body::Segment(segment)) }.encode_to_vec();
        let mut writer = self.around.log.writer()?;
        append_and_wait(writer.as_mut(), &self.around.topics.cycles(), event.into(), APPEND_WAIT)?;
        tracing::info!("rendered the segment of partition {} for {name}", due.partition);
        Ok(())
    }

    /// Tells why, and pauses.
    fn fail(&self, due: SegmentDue, error: &Failure) {
        let SegmentDue { cycle, partition, .. } = due;
        let why = whole_text(error);
        let why = format!("the segment of partition {partition} for cycle {cycle} cannot be rendered: {why}");
        let mut state = self.shared.lock();
        if state.failing.get(&due) != Some(&why) {
            tracing::error!("{why}; it is tried again every {AGAIN:?}");
        }
        state.failing.insert(due, why);
        state.failed_last = Some(due);
        let stopped = |_: &mut State| !self.shared.stopped();
        let waited = self.shared.changed.wait_timeout_while(state, AGAIN, stopped);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }
}
