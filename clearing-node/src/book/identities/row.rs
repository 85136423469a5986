//! The identities that one message took, of one day, as a row of the store.
//!
//! Terminals and sequences are kept as distances from the smallest of the row, each as wide as the largest needs;
//! a city's batch takes about seven bytes an identity. Byte 0 is the width of a terminal, byte 1 that of a
//! sequence, then the smallest terminal (8) and sequence (4), then for each identity content (4), sequence and
//! terminal, all little-endian. The day stands in the row's key.

use super::{Entry, Key};

const HEAD_LEN: usize = 14;
const CONTENT_LEN: usize = 4;
/// The bits of a terminal's number.
const NUMBER: u64 = (1 << 48) - 1;

/// Writes a row; all entries are of one day.
#[must_use]
pub fn pack(entries: &[Entry]) -> Vec<u8> {
    let range = |values: &mut dyn Iterator<Item = u64>| {
        values.fold((u64::MAX, 0), |(low, high), value| (low.min(value), high.max(value)))
    };
    let terminals = range(&mut entries.iter().map(|entry| scheme_last(entry.key.terminal)));
    let sequences = range(&mut entries.iter().map(|entry| u64::from(entry.key.sequence)));
    let (terminal_len, sequence_len) = (width(terminals), width(sequences));
    let len = CONTENT_LEN + sequence_len + terminal_len;
    let mut bytes = Vec::with_capacity(HEAD_LEN + entries.len() * len);
    bytes.extend([terminal_len, sequence_len].map(|len| u8::try_from(len).unwrap_or(u8::MAX)));
    bytes.extend_from_slice(&terminals.0.to_le_bytes());
    bytes.extend_from_slice(&sequences.0.to_le_bytes()[..4]);
    for Entry { key, content, .. } in entries {
        let terminal =
            u128::from(scheme_last(key.terminal) - terminals.0) << (8 * (CONTENT_LEN + sequence_len));
        let sequence = u128::from(u64::from(key.sequence) - sequences.0) << (8 * CONTENT_LEN);
        let word = terminal | sequence | u128::from(*content);
        bytes.extend_from_slice(&word.to_le_bytes()[..len]);
    }
    bytes
}

/// A terminal with its scheme in the lowest bit in place of bit 48: so terminals of a city are near each other,
/// whatever the scheme of the cards.
fn scheme_last(terminal: u64) -> u64 {
    terminal >> 49 << 49 | (terminal & NUMBER) << 1 | terminal >> 48 & 1
}

/// What [`scheme_last`] was given.
fn scheme_first(terminal: u64) -> u64 {
    terminal >> 49 << 49 | (terminal & 1) << 48 | terminal >> 1 & NUMBER
}

/// Bytes that the distance between two values needs.
fn width((low, high): (u64, u64)) -> usize {
    let bits = u64::BITS - high.saturating_sub(low).leading_zeros();
    bits.div_ceil(8) as usize
}

/// Adds every entry of a row of the day `day` (Julian) to `entries`; `None` if it is no such row.
#[must_use]
pub fn unpack(bytes: &[u8], day: i32, entries: &mut Vec<Entry>) -> Option<()> {
    let ([terminal_len, sequence_len, head @ ..], body) = bytes.split_first_chunk::<HEAD_LEN>()?;
    let (terminal_len, sequence_len) = (usize::from(*terminal_len), usize::from(*sequence_len));
    if terminal_len > size_of::<u64>() || sequence_len > size_of::<u32>() {
        return None;
    }
    let (first_terminal, first_sequence) = head.split_first_chunk()?;
    let first_terminal = u64::from_le_bytes(*first_terminal);
    let first_sequence = u32::from_le_bytes(first_sequence.try_into().ok()?);
    let len = CONTENT_LEN + sequence_len + terminal_len;
    if !body.len().is_multiple_of(len) {
        return None;
    }
    let (sequences, terminals) = (mask(sequence_len), mask(terminal_len));
    let mut entry = |content: [u8; CONTENT_LEN], sequence: u64, terminal: u64| {
        let terminal = scheme_first(first_terminal.checked_add(terminal)?);
        let sequence = first_sequence.checked_add(u32::try_from(sequence).ok()?)?;
        entries.push(Entry { key: Key { terminal, sequence }, day, content: u32::from_le_bytes(content) });
        Some(())
    };
    // Words of fixed length are read over the end of an entry, of the last one too.
    let body = [body, &[0; 16]].concat();
    for at in (0..body.len() - 16).step_by(len) {
        let (content, rest) = body.get(at..)?.split_first_chunk()?;
        let sequence = u64::from_le_bytes(*rest.first_chunk()?) & sequences;
        let terminal = u64::from_le_bytes(*rest.get(sequence_len..)?.first_chunk()?) & terminals;
        entry(*content, sequence, terminal)?;
    }
    Some(())
}

/// The bits of the lowest `len` bytes, at most 8.
fn mask(len: usize) -> u64 {
    match len {
        0 => 0,
        _ => u64::MAX >> (u64::BITS as usize - 8 * len),
    }
}
