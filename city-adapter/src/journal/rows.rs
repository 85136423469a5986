//! What the journal keeps, as rows of a key-value store.

use prost::Message;

/// How far the taking of an upload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum UploadState {
    /// Its batches are being cut and published.
    Taking = 0,
    /// All of it is on the log.
    Taken = 1,
    /// None of it was published, and none will be under this name.
    Refused = 2,
}

/// One upload: a file under its name with its bytes.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct UploadRow {
    /// Base name with `.csv`.
    #[prost(string, tag = "1")]
    pub name: String,
    /// How far it is.
    #[prost(enumeration = "UploadState", tag = "2")]
    pub state: i32,
    /// SHA-256 of its bytes; empty while it is being taken.
    #[prost(bytes = "vec", tag = "3")]
    pub sha256: Vec<u8>,
    /// Data lines.
    #[prost(uint64, tag = "4")]
    pub records: u64,
    /// Quarantined data lines.
    #[prost(uint64, tag = "5")]
    pub malformed: u64,
    /// Data lines of the city's own cards.
    #[prost(uint64, tag = "6")]
    pub local: u64,
    /// Published data lines.
    #[prost(uint64, tag = "7")]
    pub presented: u64,
    /// Amount of the published data lines, fen.
    #[prost(uint64, tag = "8")]
    pub amount_fen: u64,
    /// Why it is refused; empty otherwise.
    #[prost(string, tag = "9")]
    pub reason: String,
    /// Number of its first batch (of the one it would have, if it has none).
    #[prost(uint64, tag = "10")]
    pub first_number: u64,
    /// How many batches it has; 0 while it is being taken.
    #[prost(uint64, tag = "11")]
    pub batches: u64,
    /// Whether its last results have been written, so that nothing more is kept for them.
    #[prost(bool, tag = "12")]
    pub closed: bool,
}

/// One batch, journaled before it is published.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct BatchRow {
    /// Its digest.
    #[prost(bytes = "vec", tag = "1")]
    pub digest: Vec<u8>,
    /// Its taps.
    #[prost(uint32, tag = "2")]
    pub records: u32,
    /// Whether every record of it has a final result.
    #[prost(bool, tag = "3")]
    pub done: bool,
}

/// The result of one batch, as far as it is known.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct ResultRow {
    /// Ordinal of the cycle in which it arrived.
    #[prost(uint32, tag = "1")]
    pub cycle: u32,
    /// Exceptions, 7 bytes each: position u16, result code u8, cycle u32, little-endian.
    #[prost(bytes = "vec", tag = "2")]
    pub exceptions: Vec<u8>,
}

/// A number that stands alone.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct NumberRow {
    /// The number.
    #[prost(uint64, tag = "1")]
    pub number: u64,
}

/// The folder name of a cycle.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct CycleRow {
    /// Such as `2018-09-01-001`.
    #[prost(string, tag = "1")]
    pub name: String,
}

/// A key: one letter for the kind of row, then what names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// An upload, by name and digest (empty while it is being taken).
    Upload(String, Vec<u8>),
    /// A batch, by number.
    Batch(u64),
    /// A result, by number.
    Result(u64),
    /// A cycle's folder name, by ordinal.
    Cycle(u32),
    /// The highest number that is durable on the log, all below it too.
    Durable,
    /// The next offset of the results log.
    ResultsOffset,
    /// The highest number whose results may be missing, since the log dropped them unread.
    Missed,
}

impl Key {
    /// The bytes of the key.
    pub fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Upload(name, sha256) => [b"F", name.as_bytes(), b"\0", sha256].concat(),
            Self::Batch(number) => [&b"B"[..], &number.to_be_bytes()].concat(),
            Self::Result(number) => [&b"R"[..], &number.to_be_bytes()].concat(),
            Self::Cycle(cycle) => [&b"C"[..], &cycle.to_be_bytes()].concat(),
            Self::Durable => b"D".to_vec(),
            Self::ResultsOffset => b"O".to_vec(),
            Self::Missed => b"M".to_vec(),
        }
    }

    /// The key of the bytes; `None` for bytes that are no key.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (kind, rest) = bytes.split_first()?;
        let number = || Some(u64::from_be_bytes(rest.try_into().ok()?));
        match kind {
            b'F' => {
                let end = memchr::memchr(0, rest)?;
                let name = std::str::from_utf8(&rest[..end]).ok()?;
                Some(Self::Upload(name.to_owned(), rest[end + 1..].to_vec()))
            }
            b'B' => Some(Self::Batch(number()?)),
            b'R' => Some(Self::Result(number()?)),
            b'C' => Some(Self::Cycle(u32::from_be_bytes(rest.try_into().ok()?))),
            b'D' => Some(Self::Durable),
            b'O' => Some(Self::ResultsOffset),
            b'M' => Some(Self::Missed),
            _ => None,
        }
    }
}
