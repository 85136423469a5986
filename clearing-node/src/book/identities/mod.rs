//! The identities that have been paid: who holds each, and since which day.
//!
//! A terminal's sequences only grow, so nearly every look-up is for the one after the last. Kept are blocks of 64
//! consecutive sequences of a terminal: 32 bytes with a bit for each, and five bytes for each that is taken (day
//! and a digest of the content). That makes six bytes of memory an identity where sequences come without
//! gaps, and at most 64 where no two come near each other; a look-up finds its block in a table
//! that is small enough for the processor's cache. The content of the holder is kept as 32 bits of digest: a
//! collision (one conflict in four billion) could only call a conflict a duplicate, and neither is paid.

mod cells;
mod restore;
pub mod row;
mod shard;
mod slab;
#[cfg(test)]
mod tests;

use domain::{
    city::{City, Scheme},
    date::Date,
    tap::Tap,
};
pub use restore::Restoring;
use shard::{NONE, Shard};
use xxhash_rust::xxh3::xxh3_64;

/// Number of shards, a power of two: a shard grows alone, so that no look-up waits for all of them.
const SHARDS: usize = 64;

/// How many blocks [`Identities::forget_more`] looks at.
const FORGET_BLOCKS: u32 = 2048;

/// Length in bytes of what [`Entry::to_bytes`] writes.
pub const ENTRY_LEN: usize = 20;

/// Scheme and terminal in one word, and the terminal's sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Scheme × 2^48 + terminal.
    terminal: u64,
    sequence: u32,
}

impl Key {
    /// The identity of a tap of a card of `issuer`.
    #[must_use]
    pub fn of(issuer: City, tap: &Tap) -> Self {
        let scheme = match issuer.scheme() {
            Scheme::CityUnion => 0,
            Scheme::TUnion => 1_u64 << 48,
        };
        Self { terminal: scheme | tap.terminal_number(), sequence: tap.terminal_seq.get() }
    }

    /// The key of these parts.
    #[must_use]
    pub const fn from_parts(terminal: u64, sequence: u32) -> Self {
        Self { terminal, sequence }
    }

    /// Terminal and scheme in one word.
    #[must_use]
    pub const fn terminal(self) -> u64 {
        self.terminal
    }

    /// The terminal's sequence.
    #[must_use]
    pub const fn sequence(self) -> u32 {
        self.sequence
    }

    /// The terminal's number, as it stands on taps.
    #[must_use]
    pub const fn terminal_number(self) -> [u8; 6] {
        let [_, _, a, b, c, d, e, f] = self.terminal.to_be_bytes();
        [a, b, c, d, e, f]
    }

    /// Number of its block among those of the terminal.
    fn number(self) -> u32 {
        self.sequence / 64
    }

    /// Its place in the block.
    fn bit(self) -> u32 {
        self.sequence % 64
    }
}

/// The hash of a block.
fn hash(terminal: u64, number: u32) -> u64 {
    let mut bytes = [0; 12];
    bytes[..8].copy_from_slice(&terminal.to_le_bytes());
    bytes[8..].copy_from_slice(&number.to_le_bytes());
    xxh3_64(&bytes)
}

/// A paid identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    key: Key,
    /// Julian day.
    day: i32,
    content: u32,
}

impl Entry {
    /// The identity.
    #[must_use]
    pub fn key(&self) -> Key {
        self.key
    }

    /// Scheme and terminal (8), sequence (4), day (4) and content (4), little-endian.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; ENTRY_LEN] {
        let mut bytes = [0; ENTRY_LEN];
        bytes[..8].copy_from_slice(&self.key.terminal.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.key.sequence.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.day.to_le_bytes());
        bytes[16..].copy_from_slice(&self.content.to_le_bytes());
        bytes
    }

    /// Reads what [`Entry::to_bytes`] wrote.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; ENTRY_LEN]) -> Self {
        let word = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| bytes[at + i]));
        let half = |at: usize| u32::from_le_bytes(std::array::from_fn(|i| bytes[at + i]));
        let key = Key { terminal: word(0), sequence: half(8) };
        Self { key, day: half(12).cast_signed(), content: half(16) }
    }

    /// The day it was tapped.
    #[must_use]
    pub fn day(&self) -> Date {
        Date::from_julian_day(self.day)
    }

    /// An identity with the day it was tapped and the digest of its content, whose low half is kept.
    #[must_use]
    pub fn new(key: Key, tapped: Date, content: u64) -> Self {
        let [a, b, c, d, ..] = content.to_le_bytes();
        Self { key, day: tapped.julian_day(), content: u32::from_le_bytes([a, b, c, d]) }
    }
}

/// An identity, and where it was looked for.
#[derive(Clone, Copy, Debug)]
pub struct Ahead {
    entry: Entry,
    hash: u64,
    /// Its block as it was seen, or none: only a hint.
    seen: u32,
}

impl Ahead {
    fn of(entry: Entry) -> Self {
        Self { entry, hash: hash(entry.key.terminal, entry.key.number()), seen: NONE }
    }

    /// The identity.
    #[must_use]
    pub fn entry(&self) -> &Entry {
        &self.entry
    }
}

/// What claiming an identity says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// It was free and now belongs to this record.
    Granted,
    /// It belongs to a record with the same content.
    SameContent,
    /// It belongs to a record with other content.
    OtherContent,
}

/// How far forgetting is.
#[derive(Debug)]
struct Forgetting {
    line: i32,
    shard: usize,
    block: u32,
    /// How many shards must still be gone through.
    left: usize,
}

/// All paid identities of a partition.
#[derive(Debug)]
pub struct Identities {
    shards: Vec<Shard>,
    forgetting: Forgetting,
}

impl Default for Identities {
    fn default() -> Self {
        Self {
            shards: std::iter::repeat_with(Shard::default).take(SHARDS).collect(),
            forgetting: Forgetting { line: i32::MIN, shard: 0, block: 0, left: 0 },
        }
    }
}

/// The shard of a hash. Its top bits mark the slots inside a table, the lowest choose the bucket.
fn shard_of(hash: u64) -> usize {
    usize::try_from(hash >> 32).unwrap_or(0) & (SHARDS - 1)
}

impl Identities {
    /// How many there are. Those are counted that are being forgotten, so it depends on how far that is.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shards.iter().map(Shard::len).sum()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory that they take.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.shards.iter().map(|shard| size_of::<Shard>() + shard.memory_bytes()).sum()
    }

    /// All of them in no order, without those that are being forgotten: so they do not depend on how far that is.
    pub fn entries(&self) -> impl Iterator<Item = Entry> {
        let line = self.forgetting.line;
        self.shards.iter().flat_map(Shard::entries).filter(move |entry| entry.day >= line)
    }

    /// Takes the identity for a record, unless another record holds it. A holder tapped before `line`, the drop
    /// line under which the record arrived, does not count: so the result does not depend on whether it was
    /// forgotten already.
    pub fn claim(&mut self, entry: Entry, line: Date) -> Claim {
        self.claim_ahead(&Ahead::of(entry), line)
    }

    /// As [`Identities::claim`], for an entry that was looked for by [`Identities::look_ahead`] at any time before.
    pub fn claim_ahead(&mut self, ahead: &Ahead, line: Date) -> Claim {
        let Ahead { entry, hash, seen } = ahead;
        self.shards[shard_of(*hash)].claim(*hash, *seen, entry, line.julian_day())
    }

    /// Looks where the identities of a batch are. No step depends on another, so the processor does
    /// many at a time: where claims one after another would each wait for memory, these wait together.
    #[must_use]
    pub fn look_ahead(&self, entries: impl Iterator<Item = Entry>) -> Vec<Ahead> {
        let mut ahead: Vec<Ahead> = entries.map(Ahead::of).collect();
        for one in &mut ahead {
            one.seen = self.shards[shard_of(one.hash)].look(one.hash, one.entry.key);
        }
        for one in &ahead {
            self.shards[shard_of(one.hash)].touch(one.seen, one.entry.key);
        }
        ahead
    }

    /// Begins to forget what was tapped before `line`: some at once, the rest with [`Identities::forget_more`].
    /// Returns false if that was begun before: a later cycle of the same date forgets nothing more.
    pub fn forget_before(&mut self, line: Date) -> bool {
        if self.forgetting.line == line.julian_day() {
            return false;
        }
        self.forgetting.line = line.julian_day();
        // The shard at which an earlier forgetting stands is gone through a second time from its start.
        self.forgetting.left = SHARDS + 1;
        self.forget_more();
        true
    }

    /// Goes on forgetting for a bounded time. What is not forgotten yet does no harm: a claim takes no
    /// notice of a holder from before its drop line.
    pub fn forget_more(&mut self) {
        let Self { shards, forgetting: at } = self;
        let mut budget = FORGET_BLOCKS;
        while at.left > 0 && budget > 0 {
            let looked = shards[at.shard].forget(at.line, at.block, budget);
            budget -= looked;
            at.block += looked;
            if budget > 0 {
                (at.shard, at.block, at.left) = ((at.shard + 1) % SHARDS, 0, at.left - 1);
            }
        }
    }
}
