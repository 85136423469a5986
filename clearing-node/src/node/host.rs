//! What this node owns: the group gives and takes partitions, each is begun and given up by itself.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use cu_log::{Owner, topics::Topics};
use runtime::whole_text;

use crate::partition::{Partition, Progress, Surroundings};

#[derive(Debug, Default)]
struct Owned {
    partitions: BTreeMap<u32, Partition>,
    /// Given up while their stores were being opened.
    leftovers: Vec<Partition>,
    /// Why a partition that is owned could not even be begun.
    unbegun: BTreeMap<u32, String>,
}

/// The partitions of a node. Clones share everything.
#[derive(Clone)]
pub(super) struct Host {
    owned: Arc<Mutex<Owned>>,
    owns_cycles: Arc<AtomicBool>,
    /// Whether the group has given it anything yet.
    was_given: Arc<AtomicBool>,
    state_dir: PathBuf,
    around: Surroundings,
}

impl Host {
    pub(super) fn new(state_dir: PathBuf, around: Surroundings, owns_cycles: Arc<AtomicBool>) -> Self {
        Self { owned: Arc::default(), owns_cycles, was_given: Arc::default(), state_dir, around }
    }

    /// What is going on in each partition that is owned.
    pub(super) fn partitions(&self) -> BTreeMap<u32, Arc<Progress>> {
        let owned = self.lock();
        owned.partitions.iter().map(|(number, at)| (*number, Arc::clone(&at.progress))).collect()
    }

    /// Why a partition does not work, if one does not.
    pub(super) fn failed(&self) -> Option<String> {
        let owned = self.lock();
        let failed = owned.partitions.values().find_map(Partition::failed);
        failed.or_else(|| owned.unbegun.values().next().cloned())
    }

    /// Has a partition that stands still try again.
    pub(super) fn resume(&self, number: u32) -> Result<(), String> {
        let mut owned = self.lock();
        if owned.unbegun.contains_key(&number) {
            self.begin(&mut owned, number);
            return Ok(());
        }
        let Some(partition) = owned.partitions.get(&number) else {
            return Err(format!(
                "partition {number} is not on this node; `cityunion node list` says where it is"
            ));
        };
        let state = partition.progress.state();
        if partition.resume() {
            tracing::warn!("partition {number} is resumed by an operator");
            return Ok(());
        }
        Err(format!("partition {number} does not stand still: it is {}", state.name()))
    }

    /// Whether the group has given it anything yet.
    pub(super) fn was_given(&self) -> bool {
        self.was_given.load(Ordering::Relaxed)
    }

    /// Waits until nothing is left of what was given up.
    pub(super) fn finish(&self) {
        let leftovers = std::mem::take(&mut self.lock().leftovers);
        drop(leftovers);
    }

    fn begin(&self, owned: &mut Owned, number: u32) {
        let folder = self.state_dir.join(format!("partition-{number}"));
        owned.unbegun.remove(&number);
        match Partition::start(number, folder, &self.around) {
            Ok(partition) => {
                owned.partitions.insert(number, partition);
            }
            Err(error) => {
                let why = whole_text(&error);
                tracing::error!("partition {number} cannot begin: {why}");
                owned.unbegun.insert(number, why);
            }
        }
    }

    fn topics(&self) -> &Topics {
        &self.around.topics
    }

    /// The number of a partition of `cu.clearing`; none for that of `cu.cycles`.
    fn number(&self, partition: &cu_log::Partition) -> Option<u32> {
        (*partition == self.topics().clearing(partition.number)).then_some(partition.number)
    }

    fn give_up(&self, partitions: &[cu_log::Partition]) {
        for partition in partitions {
            let Some(number) = self.number(partition) else {
                self.owns_cycles.store(false, Ordering::Relaxed);
                continue;
            };
            // Taken out first: whoever looks at the others meanwhile must not wait.
            let taken = {
                let mut owned = self.lock();
                owned.unbegun.remove(&number);
                owned.partitions.remove(&number)
            };
            let Some(mut taken) = taken else { continue };
            taken.give_up();
            let mut owned = self.lock();
            owned.leftovers.retain(|left| !left.is_over());
            if !taken.is_over() {
                owned.leftovers.push(taken);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Owned> {
        self.owned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Owner for Host {
    fn assigned(&mut self, partitions: &[cu_log::Partition]) {
        tracing::info!("owns {partitions:?} from now on");
        self.was_given.store(true, Ordering::Relaxed);
        for partition in partitions {
            match self.number(partition) {
                Some(number) => {
                    let mut owned = self.lock();
                    if !owned.partitions.contains_key(&number) {
                        self.begin(&mut owned, number);
                    }
                }
                None => self.owns_cycles.store(true, Ordering::Relaxed),
            }
        }
    }

    fn revoked(&mut self, partitions: &[cu_log::Partition]) {
        tracing::info!("gives up {partitions:?}");
        self.give_up(partitions);
    }

    fn lost(&mut self, partitions: &[cu_log::Partition]) {
        tracing::error!("lost {partitions:?}: this node was away for too long, others own them by now");
        self.give_up(partitions);
    }
}
