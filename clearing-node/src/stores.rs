//! The stores of the partitions that this node owns, for those who read them beside the fold.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::rocks::RocksStore;

/// Open stores by partition. Clones share everything. A store taken from here keeps it open: whoever has done with
/// it drops it soon, since a partition that comes back to this node must be able to open it.
#[derive(Clone, Debug, Default)]
pub struct Stores(Arc<Mutex<BTreeMap<u32, RocksStore>>>);

impl Stores {
    /// The store of a partition, while this node works on it.
    #[must_use]
    pub fn get(&self, partition: u32) -> Option<RocksStore> {
        self.lock().get(&partition).cloned()
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> BTreeMap<u32, RocksStore> {
        self.lock().clone()
    }

    pub(crate) fn put(&self, partition: u32, store: RocksStore) {
        self.lock().insert(partition, store);
    }

    pub(crate) fn remove(&self, partition: u32) {
        self.lock().remove(&partition);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u32, RocksStore>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
