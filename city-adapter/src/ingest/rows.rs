//! What the spool keeps, as rows of a key-value store.
//!
//! A key is the source, a zero byte, one byte for the kind of row, and a sequence, so that all rows of a source
//! stand together: itself, its seals, its lines, its digests.

use prost::Message;

use super::{line::Digest, source::Source};

/// How far a source is.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct SourceRow {
    /// Highest journaled sequence.
    #[prost(uint64, tag = "1")]
    pub journaled_through: u64,
    /// Highest sequence on the log.
    #[prost(uint64, tag = "2")]
    pub on_log_through: u64,
}

/// An upload whose bytes are settled.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct SealRow {
    /// Its last sequence; the first is in the key.
    #[prost(uint64, tag = "1")]
    pub through: u64,
    /// Bytes of its lines.
    #[prost(uint64, tag = "2")]
    pub bytes: u64,
    /// 1, and one more for each time that it was refused.
    #[prost(uint32, tag = "3")]
    pub attempt: u32,
}

/// The kind of a row, by its byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A [`SourceRow`].
    Source = 0,
    /// A [`SealRow`], by its first sequence.
    Seal = 1,
    /// Lines with their line ends, by the sequence of the first.
    Lines = 2,
    /// Digests of lines, 8 bytes each, big-endian, by the sequence of the first.
    Digests = 3,
    /// No row: what lies behind all rows of a source.
    End = 4,
}

const KINDS: [Kind; 4] = [Kind::Source, Kind::Seal, Kind::Lines, Kind::Digests];

/// The key of a row.
#[must_use]
pub fn key(source: &Source, kind: Kind, sequence: u64) -> Vec<u8> {
    [source.as_str().as_bytes(), &[0, kind as u8], &sequence.to_be_bytes()].concat()
}

/// What a key says; `None` for bytes that are no key.
#[must_use]
pub fn parse_key(key: &[u8]) -> Option<(Source, Kind, u64)> {
    let (head, sequence) = key.split_last_chunk::<8>()?;
    let [source @ .., 0, kind] = head else { return None };
    let kind = KINDS.into_iter().find(|known| *known as u8 == *kind)?;
    let source = std::str::from_utf8(source).ok()?.parse().ok()?;
    Some((source, kind, u64::from_be_bytes(*sequence)))
}

/// The value of a row of digests.
#[must_use]
pub fn digests_value(digests: &[Digest]) -> Vec<u8> {
    digests.iter().flat_map(|digest| digest.to_be_bytes()).collect()
}

/// The digests in the value of a row.
pub fn digests_of(value: &[u8]) -> impl Iterator<Item = Digest> {
    value.as_chunks::<8>().0.iter().map(|bytes| Digest::from_be_bytes(*bytes))
}
