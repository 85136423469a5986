//! Identities as they travel in an import, one by one: 20 bytes, little-endian (terminal and scheme u64, sequence
//! u32, Julian day i32, digest of the content u32).

use domain::date::Date;

use super::{Entry, Identities, Key};

/// Length in bytes of an identity in an import.
pub const ENTRY_LEN: usize = 20;

impl Key {
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
        let [_, _, a, b, c, d, e, f] = (self.terminal >> 1).to_be_bytes();
        [a, b, c, d, e, f]
    }
}

impl Entry {
    /// The identity.
    #[must_use]
    pub const fn key(&self) -> Key {
        self.key
    }

    /// The bytes in a part of an import.
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
        let half = |at: usize| u32::from_le_bytes(std::array::from_fn(|i| bytes[at + i]));
        let terminal = u64::from_le_bytes(std::array::from_fn(|i| bytes[i]));
        let key = Key { terminal, sequence: half(8) };
        Self { key, day: half(12).cast_signed(), content: half(16) }
    }
}

impl Identities {
    /// All of them but those that are being forgotten, in no order.
    pub fn entries(&self) -> impl Iterator<Item = Entry> {
        let line = Date::from_julian_day(self.forgetting.line);
        self.shards.iter().flat_map(super::Shard::entries).filter(move |entry| entry.day() >= line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_back_and_what_is_being_forgotten_is_not_among_them() {
        let mut identities = Identities::default();
        let line = Date::from_julian_day(-10);
        let entry = |terminal: u64, sequence: u32, day: i32| {
            Entry::new(Key::from_parts(terminal, sequence), Date::from_julian_day(day), 7 << 32 | 9)
        };
        let taken = [entry(3, 70, 5), entry(3, 1, 6), entry(u64::MAX >> 15, u32::MAX, -3), entry(4, 1, 7)];
        for entry in &taken {
            identities.claim(entry, line);
            assert_eq!(Entry::from_bytes(&entry.to_bytes()), *entry);
        }
        let all = |identities: &Identities| {
            let mut all: Vec<_> = identities.entries().map(|entry| (entry.key(), entry.to_bytes())).collect();
            all.sort_unstable();
            all
        };
        let mut wanted: Vec<_> = taken.iter().map(|entry| (entry.key(), entry.to_bytes())).collect();
        wanted.sort_unstable();
        assert_eq!(all(&identities), wanted);
        identities.forget_before(Date::from_julian_day(6));
        assert_eq!(all(&identities).len(), 2);
        assert_eq!(entry(0x2000_0000_0001 << 1 | 1, 1, 1).key().terminal_number(), [0x20, 0, 0, 0, 0, 1]);
    }
}
