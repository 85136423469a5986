//! Which transaction a record is, and what it says.

use xxhash_rust::xxh3::xxh3_64;

use crate::{
    city::{City, Scheme},
    tap::{TAP_LEN, Tap},
};

/// The identity of a transaction: the card's scheme, the terminal and its sequence number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// Scheme of the card's home city.
    pub scheme: Scheme,
    /// Terminal (PSAM) number.
    pub terminal: [u8; 6],
    /// Terminal transaction sequence.
    pub terminal_seq: u32,
}

impl Identity {
    /// The identity of a tap with a card of `issuer`.
    #[must_use]
    pub fn of(issuer: City, tap: &Tap) -> Self {
        Self { scheme: issuer.scheme(), terminal: tap.terminal, terminal_seq: tap.terminal_seq.get() }
    }
}

/// A digest of the content: two records of one identity with the same digest are duplicates.
///
/// It is kept in books, so it never changes: XXH3 (64 bits, seed 0) over the issuer's spelling and
/// [`Tap::content_bytes`].
#[must_use]
pub fn content_digest(issuer: City, tap: &Tap) -> u64 {
    let mut content = [0; City::SPELLING_LEN + TAP_LEN];
    let spelling = issuer.spelling();
    let bytes = tap.content_bytes();
    let (head, tail) = content.split_at_mut(City::SPELLING_LEN);
    head.copy_from_slice(&spelling);
    let tail = &mut tail[..bytes.len()];
    tail.copy_from_slice(bytes);
    let len = City::SPELLING_LEN + bytes.len();
    xxh3_64(&content[..len])
}
