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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{city, tap};

    #[test]
    fn the_scheme_belongs_to_the_identity_and_the_city_to_the_content() {
        let tap = tap();
        assert_eq!(Identity::of(city("cu-2000"), &tap), Identity::of(city("cu-3000"), &tap));
        assert_ne!(Identity::of(city("cu-2000"), &tap), Identity::of(city("tu-2000"), &tap));
        assert_ne!(content_digest(city("cu-2000"), &tap), content_digest(city("cu-3000"), &tap));
    }

    #[test]
    fn where_a_record_lies_is_no_content_but_every_column_is() {
        let digest = |change: fn(&mut Tap)| {
            let mut tap = tap();
            change(&mut tap);
            content_digest(city("cu-2000"), &tap)
        };
        let original = digest(|_| ());
        assert_eq!(original, digest(|tap| (tap.line, tap.position) = (9.into(), 9.into())));
        let changes: [fn(&mut Tap); 14] = [
            |tap| tap.terminal[0] ^= 1,
            |tap| tap.terminal_seq = 9.into(),
            |tap| tap.card[7] ^= 1,
            |tap| tap.card_counter = 9.into(),
            |tap| tap.type_byte = 9,
            |tap| tap.medium = 3,
            |tap| tap.sector = 3,
            |tap| tap.product = 3,
            |tap| tap.amount_fen = 9.into(),
            |tap| tap.fare_fen = 9.into(),
            |tap| tap.tapped_day = 9.into(),
            |tap| tap.tapped_second = 9.into(),
            |tap| tap.key_version = 9,
            |tap| (tap.algorithm, tap.tac[3]) = (1, 9),
        ];
        for (number, change) in changes.into_iter().enumerate() {
            assert_ne!(original, digest(change), "change {number}");
        }
    }

    /// Books keep the digest, so a change of its rule would make every duplicate a conflict.
    #[test]
    fn the_digest_never_changes() {
        assert_eq!(content_digest(city("cu-2000"), &tap()), 0x9C4F_D6A0_E0E2_7692);
    }
}
