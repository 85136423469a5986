//! Putting identities back from the store, by several threads at once.

use std::sync::{Mutex, PoisonError};

use super::{Ahead, Entry, Identities, SHARDS, shard::Shard, shard_of};

/// Identities that are being put back, in any order.
#[derive(Debug)]
pub struct Restoring {
    shards: Vec<Mutex<Shard>>,
}

impl Default for Restoring {
    fn default() -> Self {
        Self { shards: std::iter::repeat_with(Mutex::default).take(SHARDS).collect() }
    }
}

impl Restoring {
    /// Puts back identities from the store; of two with the same key the one tapped later stays.
    pub fn restore(&self, entries: &[Entry]) {
        let ahead: Vec<Ahead> = entries.iter().copied().map(Ahead::of).collect();
        let mut ends = [0; SHARDS];
        ahead.iter().for_each(|one| ends[shard_of(one.hash)] += 1);
        for shard in 1..SHARDS {
            ends[shard] += ends[shard - 1];
        }
        let mut by_shard = ahead.clone();
        let mut next = ends;
        for one in ahead.iter().rev() {
            let next = &mut next[shard_of(one.hash)];
            *next -= 1;
            by_shard[*next] = *one;
        }
        for (shard, (from, to)) in self.shards.iter().zip(next.into_iter().zip(ends)) {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.look_ahead(&mut by_shard[from..to]);
            for Ahead { entry, hash, seen } in &by_shard[from..to] {
                shard.claim(*hash, *seen, entry, entry.day);
            }
        }
    }

    /// All of them.
    #[must_use]
    pub fn finish(self) -> Identities {
        let shards = self.shards.into_iter();
        let shards = shards.map(|shard| shard.into_inner().unwrap_or_else(PoisonError::into_inner));
        Identities { shards: shards.collect(), ..Identities::default() }
    }
}
