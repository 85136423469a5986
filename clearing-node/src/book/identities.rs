//! The identities that have been paid: who holds each, and since which day.
//!
//! An open-addressing table of 24-byte entries, cut into shards so that growing moves a small part
//! at a time: at most 57 bytes of memory an identity, 29 at best. The content of the holder is kept
//! as 64 bits of digest: a collision could only call a conflict a duplicate, and neither is paid.

use domain::{
    city::{City, Scheme},
    date::Date,
    tap::Tap,
};
use hashbrown::{HashTable, hash_table::Entry as Slot};
use xxhash_rust::xxh3::xxh3_64;

/// Number of shards, a power of two.
const SHARDS: usize = 256;

/// Length in bytes of an entry in the store.
pub const ENTRY_LEN: usize = 24;

/// Scheme and terminal in one word, and the terminal's sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
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

    /// Scheme and terminal in one word.
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

    fn hash(self) -> u64 {
        let mut bytes = [0; 12];
        bytes[..8].copy_from_slice(&self.terminal.to_le_bytes());
        bytes[8..].copy_from_slice(&self.sequence.to_le_bytes());
        xxh3_64(&bytes)
    }
}

/// A paid identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    // Not a `Key`, whose padding would cost eight bytes an identity.
    terminal: u64,
    sequence: u32,
    day: i32,
    content: u64,
}

const _: () = assert!(size_of::<Entry>() == ENTRY_LEN);

impl Entry {
    /// An identity with the day it was tapped and the digest of its content.
    #[must_use]
    pub fn new(key: Key, tapped: Date, content: u64) -> Self {
        let Key { terminal, sequence } = key;
        Self { terminal, sequence, day: tapped.julian_day(), content }
    }

    /// The identity.
    #[must_use]
    pub fn key(&self) -> Key {
        Key { terminal: self.terminal, sequence: self.sequence }
    }

    /// The day it was tapped.
    #[must_use]
    pub fn day(&self) -> Date {
        Date::from_julian_day(self.day)
    }

    /// The bytes in the store, and in the parts of an import.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; ENTRY_LEN] {
        let mut bytes = [0; ENTRY_LEN];
        bytes[..8].copy_from_slice(&self.terminal.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.day.to_le_bytes());
        bytes[16..].copy_from_slice(&self.content.to_le_bytes());
        bytes
    }

    /// Reads what [`Entry::to_bytes`] wrote.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; ENTRY_LEN]) -> Self {
        let word = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| bytes[at + i]));
        let half = |at: usize| u32::from_le_bytes(std::array::from_fn(|i| bytes[at + i]));
        Self { terminal: word(0), sequence: half(8), day: half(12).cast_signed(), content: word(16) }
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

/// All paid identities of a partition.
#[derive(Debug)]
pub struct Identities {
    shards: Vec<HashTable<Entry>>,
}

impl Default for Identities {
    fn default() -> Self {
        Self { shards: std::iter::repeat_with(HashTable::new).take(SHARDS).collect() }
    }
}

impl Identities {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shards.iter().map(HashTable::len).sum()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.shards.iter().all(HashTable::is_empty)
    }

    /// Bytes of memory that the table holds.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.shards.iter().map(HashTable::allocation_size).sum()
    }

    /// All of them, in no order.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.shards.iter().flatten()
    }

    fn shard(&mut self, hash: u64) -> &mut HashTable<Entry> {
        // The top bits mark the slots inside a table, the lowest choose the bucket.
        let index = usize::try_from(hash >> 32).unwrap_or(0) & (SHARDS - 1);
        &mut self.shards[index]
    }

    /// Takes the identity for a record, unless another record holds it. A holder tapped before `line`, the drop
    /// line under which the record arrived, does not count: so the result does not depend on whether it was
    /// forgotten already.
    pub fn claim(&mut self, entry: Entry, line: Date) -> Claim {
        let hash = entry.key().hash();
        match self.shard(hash).entry(hash, |held| held.key() == entry.key(), |held| held.key().hash()) {
            Slot::Vacant(slot) => {
                slot.insert(entry);
                Claim::Granted
            }
            Slot::Occupied(mut slot) if slot.get().day < line.julian_day() => {
                *slot.get_mut() = entry;
                Claim::Granted
            }
            Slot::Occupied(slot) if slot.get().content == entry.content => Claim::SameContent,
            Slot::Occupied(_) => Claim::OtherContent,
        }
    }

    /// Puts back entries as they stand in the store; of two with the same key the one tapped later stays.
    ///
    /// Returns `false` if the bytes are no whole number of entries.
    #[must_use]
    pub fn restore(&mut self, bytes: &[u8]) -> bool {
        let (entries, rest) = bytes.as_chunks::<ENTRY_LEN>();
        for entry in entries {
            let entry = Entry::from_bytes(entry);
            self.claim(entry, Date::from_julian_day(entry.day));
        }
        rest.is_empty()
    }

    /// Forgets what was tapped before `line`.
    pub fn forget_before(&mut self, line: Date) {
        for shard in &mut self.shards {
            shard.retain(|entry| entry.day >= line.julian_day());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: Date = Date::from_julian_day(-10);

    fn entry(terminal: u64, sequence: u32, day: i32, content: u64) -> Entry {
        Entry::new(Key { terminal, sequence }, Date::from_julian_day(day), content)
    }

    #[test]
    fn the_first_to_claim_holds_and_a_third_is_compared_with_the_holder() {
        let mut identities = Identities::default();
        assert_eq!(identities.claim(entry(1, 1, 10, 7), LINE), Claim::Granted);
        assert_eq!(identities.claim(entry(1, 1, 10, 8), LINE), Claim::OtherContent);
        assert_eq!(identities.claim(entry(1, 1, 11, 7), LINE), Claim::SameContent);
        assert_eq!(identities.claim(entry(1, 1, 10, 8), LINE), Claim::OtherContent);
        assert_eq!(identities.claim(entry(1, 2, 10, 7), LINE), Claim::Granted);
        assert_eq!(identities.claim(entry(1 << 48 | 1, 1, 10, 7), LINE), Claim::Granted, "another scheme");
        assert_eq!(identities.len(), 3);
    }

    #[test]
    fn a_holder_from_before_the_drop_line_does_not_count_even_if_it_is_still_there() {
        let mut identities = Identities::default();
        identities.claim(entry(1, 1, 10, 7), LINE);
        assert_eq!(identities.claim(entry(1, 1, 30, 8), Date::from_julian_day(10)), Claim::OtherContent);
        assert_eq!(identities.claim(entry(1, 1, 30, 8), Date::from_julian_day(11)), Claim::Granted);
        assert_eq!(identities.claim(entry(1, 1, 30, 8), Date::from_julian_day(11)), Claim::SameContent);
        let mut restored = Identities::default();
        for row in [entry(1, 1, 30, 8), entry(1, 1, 10, 7)] {
            assert!(restored.restore(&row.to_bytes()));
        }
        assert_eq!(restored.claim(entry(1, 1, 30, 8), LINE), Claim::SameContent);
    }

    #[test]
    fn forgetting_keeps_what_is_young() {
        let mut identities = Identities::default();
        for day in 1_i32..=9 {
            identities.claim(entry(5, day.cast_unsigned(), day, 1), LINE);
        }
        identities.forget_before(Date::from_julian_day(6));
        assert_eq!(identities.len(), 4);
        assert_eq!(identities.claim(entry(5, 6, 6, 1), LINE), Claim::SameContent);
        assert_eq!(identities.claim(entry(5, 5, 5, 1), LINE), Claim::Granted, "its life is over");
    }

    #[test]
    fn entries_come_back_from_the_store() {
        let mut identities = Identities::default();
        let bytes: Vec<u8> = [entry(1, 2, -3, 4), entry(u64::MAX >> 8, u32::MAX, 9, u64::MAX)]
            .iter()
            .flat_map(Entry::to_bytes)
            .collect();
        assert!(identities.restore(&bytes));
        assert_eq!(identities.claim(entry(1, 2, -3, 4), LINE), Claim::SameContent);
        assert_eq!(identities.len(), 2);
        assert!(!identities.restore(&bytes[1..]), "a torn row is noticed");
    }

    #[test]
    fn an_identity_takes_less_than_64_bytes_however_many_there_are() {
        let mut identities = Identities::default();
        for count in 1..=200_000_u32 {
            identities.claim(entry(u64::from(count % 977), count, 1, 0), LINE);
            // Below that a shard's smallest table weighs more than what is in it.
            if count >= 20_000 && count.is_multiple_of(1_000) {
                let bytes = identities.memory_bytes();
                assert!(bytes < identities.len() * 64, "{bytes} bytes for {count}");
            }
        }
    }
}
