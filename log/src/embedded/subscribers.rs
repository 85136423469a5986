//! Which readers wait for which partitions.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crossbeam_channel::{Receiver, Sender, bounded};

/// Readers by partition id. A signal that was not yet heard stands for all later ones.
#[derive(Default)]
pub(super) struct Subscribers {
    by_partition: Mutex<BTreeMap<u32, Vec<Sender<()>>>>,
}

/// One reader's end.
pub(super) struct Subscription {
    signal: Sender<()>,
    pub heard: Receiver<()>,
}

impl Subscribers {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u32, Vec<Sender<()>>>> {
        self.by_partition.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn subscribe(&self, ids: impl Iterator<Item = u32>) -> Subscription {
        let (signal, heard) = bounded(1);
        let mut by_partition = self.lock();
        for id in ids {
            by_partition.entry(id).or_default().push(signal.clone());
        }
        Subscription { signal, heard }
    }

    pub(super) fn unsubscribe(&self, subscription: &Subscription) {
        self.lock().retain(|_, signals| {
            signals.retain(|signal| !signal.same_channel(&subscription.signal));
            !signals.is_empty()
        });
    }

    /// Wakes the readers of these partitions.
    pub(super) fn wake(&self, ids: impl Iterator<Item = u32>) {
        let by_partition = self.lock();
        for signal in ids.filter_map(|id| by_partition.get(&id)).flatten() {
            // Full means that the reader has not yet looked after an earlier signal: it will.
            let _ = signal.try_send(());
        }
    }
}
