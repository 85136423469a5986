//! How many are in at a time, by who they are.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

/// Counts who came in and has not left.
#[derive(Debug)]
pub(crate) struct Crowd<K>(Mutex<BTreeMap<K, u32>>);

impl<K> Default for Crowd<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Ord + Clone> Crowd<K> {
    /// One comes in; how many of the same are in now.
    pub(crate) fn enter(&self, who: &K) -> u32 {
        let mut inside = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = inside.entry(who.clone()).or_default();
        *count = count.saturating_add(1);
        *count
    }

    /// One leaves.
    pub(crate) fn leave(&self, who: &K) {
        let mut inside = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = inside.get_mut(who) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                inside.remove(who);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_counted_apart_and_leaves_nothing_behind() {
        let crowd = Crowd::default();
        assert_eq!([crowd.enter(&"a"), crowd.enter(&"a"), crowd.enter(&"b")], [1, 2, 1]);
        crowd.leave(&"a");
        assert_eq!(crowd.enter(&"a"), 2);
        ["a", "a", "b", "nobody"].iter().for_each(|who| crowd.leave(who));
        assert!(crowd.0.lock().unwrap().is_empty());
    }
}
