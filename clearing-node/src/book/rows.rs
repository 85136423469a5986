//! The rows of the book's store: their keys and their encodings.

use bytes::Bytes;
use domain::{city::City, date::Date, result::RecordResult};
use prost::Message;
use proto::{Adjustment, Opening, Part, Total};

use super::identities::{self, Entry};
use crate::store::{StoreError, Txn};

/// Key of the next offset to read.
pub const OFFSET: &[u8] = b"m/offset";
/// Key of the [`Tip`](super::tip::Tip).
pub const TIP: &[u8] = b"m/tip";
/// Key of the [`StateRow`].
pub const STATE: &[u8] = b"m/state";

/// Key of the number of the format in which the store is written.
pub const FORMAT: &[u8] = b"m/format";
/// What all keys of identities begin with.
pub const IDENTITIES: &[u8] = b"i/";
/// The format that this program writes, and the only one it reads. 1 had no number.
pub const FORMAT_NOW: u32 = 2;

/// Where the partition stands between cycles.
#[derive(Clone, PartialEq, Message)]
pub struct StateRow {
    /// Ordinal of the last cycle that was opened; 0 before the first.
    #[prost(uint32, tag = "1")]
    pub last_cycle: u32,
    /// Whether it is still open.
    #[prost(bool, tag = "2")]
    pub open: bool,
    /// Drop line, Julian day; absent before the first opening.
    #[prost(sint32, optional, tag = "3")]
    pub drop_line: Option<i32>,
    /// Number that the next outbox row gets.
    #[prost(uint64, tag = "4")]
    pub outbox_next: u64,
    /// Adjustments since the last close.
    #[prost(message, repeated, tag = "5")]
    pub adjustments: Vec<Adjustment>,
}

/// A cycle of this partition.
#[derive(Clone, PartialEq, Message)]
pub struct CycleRow {
    /// Its opening.
    #[prost(message, optional, tag = "1")]
    pub opening: Option<Opening>,
    /// Offset after the marker that opened it.
    #[prost(uint64, tag = "2")]
    pub first_offset: u64,
    /// Offset of the marker that closed it; absent while it is open.
    #[prost(uint64, optional, tag = "3")]
    pub end_offset: Option<u64>,
    /// Batches that had parked records when it opened.
    #[prost(message, repeated, tag = "4")]
    pub carried: Vec<Carried>,
}

/// A batch with parked records.
#[derive(Clone, PartialEq, Message)]
pub struct Carried {
    /// City whose batch it is.
    #[prost(string, tag = "1")]
    pub acquirer: String,
    /// Its number.
    #[prost(uint64, tag = "2")]
    pub number: u64,
}

/// What is known of an acquirer.
#[derive(Clone, PartialEq, Message)]
pub struct LaneRow {
    /// The number its next batch must have.
    #[prost(uint64, tag = "1")]
    pub next: u64,
    /// Why it is stopped; empty while it runs.
    #[prost(string, tag = "2")]
    pub stopped: String,
    /// Why the switch has stopped it; empty while it runs.
    #[prost(string, tag = "3")]
    pub held: String,
    /// Batches up to this number were passed over while it was stopped and come again.
    #[prost(uint64, tag = "4")]
    pub owed: u64,
    /// What a switch says of taps before this offset is old.
    #[prost(uint64, tag = "5")]
    pub taps_from: u64,
    /// How far it has moved to another partition.
    #[prost(message, optional, tag = "6")]
    pub leaving: Option<Leaving>,
    /// Whether it comes from another partition and is not whole here.
    #[prost(bool, tag = "7")]
    pub arriving: bool,
}

/// How far a city has moved to another partition.
#[derive(Clone, PartialEq, Message)]
pub struct Leaving {
    /// Which move.
    #[prost(string, tag = "1")]
    pub id: String,
    /// Its new partition.
    #[prost(uint32, tag = "2")]
    pub to: u32,
    /// Parts that went on their way.
    #[prost(uint32, tag = "3")]
    pub parts: u32,
    /// Whether that is all.
    #[prost(bool, tag = "4")]
    pub all: bool,
    /// The last batch that went.
    #[prost(uint64, tag = "5")]
    pub batch: u64,
    /// The identity that went last: scheme and terminal, and sequence.
    #[prost(uint64, optional, tag = "6")]
    pub terminal: Option<u64>,
    /// Its sequence.
    #[prost(uint32, tag = "7")]
    pub sequence: u32,
    /// Identities that went.
    #[prost(uint64, tag = "8")]
    pub identities: u64,
}

/// How far something is imported.
#[derive(Clone, PartialEq, Message)]
pub struct ImportRow {
    /// Parts that were taken.
    #[prost(uint32, tag = "1")]
    pub parts: u32,
    /// Identities that were taken.
    #[prost(uint64, tag = "2")]
    pub taken: u64,
    /// Identities that were held before, with the same content.
    #[prost(uint64, tag = "3")]
    pub held: u64,
    /// Identities that were held before, with another.
    #[prost(uint64, tag = "4")]
    pub conflicts: u64,
    /// Identities from before the drop line.
    #[prost(uint64, tag = "5")]
    pub too_old: u64,
    /// Batches that were taken.
    #[prost(uint64, tag = "6")]
    pub batches: u64,
    /// Whether the last part was taken.
    #[prost(bool, tag = "7")]
    pub all: bool,
}

/// A batch that was booked.
#[derive(Clone, PartialEq, Message)]
pub struct BatchRow {
    /// Its digest.
    #[prost(bytes = "bytes", tag = "1")]
    pub digest: Bytes,
    /// Offset of its first outcome.
    #[prost(uint64, tag = "2")]
    pub offset: u64,
    /// Ordinal of the cycle in which it arrived.
    #[prost(uint32, tag = "3")]
    pub cycle: u32,
    /// Number of records.
    #[prost(uint32, tag = "4")]
    pub records: u32,
    /// Everything that is not "cleared in the cycle of arrival": [`Exceptions`], packed.
    #[prost(bytes = "vec", tag = "5")]
    pub exceptions: Vec<u8>,
}

/// Parts of a batch that wait for their home cities.
#[derive(Clone, PartialEq, Message)]
pub struct ParkedRow {
    /// The drop line when they arrived, Julian day: identities tapped since then may meet them.
    #[prost(sint32, tag = "1")]
    pub line: i32,
    /// The parts, without their texts.
    #[prost(message, repeated, tag = "2")]
    pub parts: Vec<Part>,
}

/// Running totals of an acquirer in the open cycle.
#[derive(Clone, PartialEq, Message)]
pub struct TotalsRow {
    /// The totals.
    #[prost(message, repeated, tag = "1")]
    pub totals: Vec<Total>,
}

/// A message that must still reach the log.
#[derive(Clone, PartialEq, Message)]
pub struct OutboxRow {
    /// City whose results topic it goes to; empty for `cu.cycles` and `cu.clearing`.
    #[prost(string, tag = "1")]
    pub results_of: String,
    /// The message.
    #[prost(bytes = "bytes", tag = "2")]
    pub payload: Bytes,
    /// The partition of `cu.clearing` to which it goes; absent for the others.
    #[prost(uint32, optional, tag = "3")]
    pub clearing: Option<u32>,
}

/// One record of a batch that is not "cleared in the cycle of arrival".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exception {
    /// Place in the batch.
    pub position: u16,
    /// Its result.
    pub result: RecordResult,
    /// Ordinal of the cycle of the result; for parked the latest in which it waits.
    pub cycle: u32,
}

/// The exceptions of a batch, by position.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exceptions(pub Vec<Exception>);

const EXCEPTION_LEN: usize = 7;

impl Exceptions {
    /// The bytes in the store.
    #[must_use]
    pub fn pack(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.0.len() * EXCEPTION_LEN);
        for e in &self.0 {
            bytes.extend_from_slice(&e.position.to_be_bytes());
            bytes.push(e.result.code());
            bytes.extend_from_slice(&e.cycle.to_be_bytes());
        }
        bytes
    }

    /// Reads them back.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if the bytes are not what [`Exceptions::pack`] writes.
    pub fn unpack(bytes: &[u8]) -> Result<Self, StoreError> {
        let damaged = || StoreError::Damaged { row: "batch" };
        let (chunks, rest) = bytes.as_chunks::<EXCEPTION_LEN>();
        if !rest.is_empty() {
            return Err(damaged());
        }
        let one = |[p1, p2, code, c @ ..]: &[u8; EXCEPTION_LEN]| {
            Some(Exception {
                position: u16::from_be_bytes([*p1, *p2]),
                result: RecordResult::from_code(*code)?,
                cycle: u32::from_be_bytes(*c),
            })
        };
        chunks.iter().map(one).collect::<Option<Vec<_>>>().map(Self).ok_or_else(damaged)
    }

    /// How many records are parked.
    #[must_use]
    pub fn parked(&self) -> u64 {
        self.0.iter().filter(|e| !e.result.is_final()).count() as u64
    }

    /// The exception at a place, if there is one.
    #[must_use]
    pub fn at(&self, position: u16) -> Option<&Exception> {
        let found = self.0.binary_search_by_key(&position, |e| e.position).ok()?;
        self.0.get(found)
    }

    /// The exception at a place, to be changed.
    pub fn at_mut(&mut self, position: u16) -> Option<&mut Exception> {
        let found = self.0.binary_search_by_key(&position, |e| e.position).ok()?;
        self.0.get_mut(found)
    }
}

fn city_key(prefix: &[u8], city: City) -> Vec<u8> {
    [prefix, city.spelling().as_slice()].concat()
}

/// Key of a lane.
#[must_use]
pub fn lane(city: City) -> Vec<u8> {
    city_key(b"l/", city)
}

/// Key of a batch.
#[must_use]
pub fn batch(city: City, number: u64) -> Vec<u8> {
    [city_key(b"b/", city).as_slice(), &number.to_be_bytes()].concat()
}

/// Key of a batch's parked parts.
#[must_use]
pub fn parked(city: City, number: u64) -> Vec<u8> {
    [city_key(b"p/", city).as_slice(), &number.to_be_bytes()].concat()
}

/// The city and number in a key made by [`batch`] or [`parked`].
///
/// # Errors
/// [`StoreError::Damaged`] for any other key.
pub fn city_and_number(key: &[u8]) -> Result<(City, u64), StoreError> {
    let damaged = || StoreError::Damaged { row: "batch" };
    let (city, number) =
        key.get(2..).and_then(|rest| rest.split_at_checked(City::SPELLING_LEN)).ok_or_else(damaged)?;
    let number = u64::from_be_bytes(number.try_into().map_err(|_| damaged())?);
    Ok((City::parse(city).map_err(|_| damaged())?, number))
}

/// The city in a key that ends with it.
///
/// # Errors
/// [`StoreError::Damaged`] for any other key.
pub fn city_of(key: &[u8]) -> Result<City, StoreError> {
    key.get(2..).and_then(|city| City::parse(city).ok()).ok_or(StoreError::Damaged { row: "city" })
}

/// Key of an acquirer's running totals.
#[must_use]
pub fn totals(city: City) -> Vec<u8> {
    city_key(b"t/", city)
}

/// Key of a cycle.
#[must_use]
pub fn cycle(ordinal: u32) -> Vec<u8> {
    [b"c/".as_slice(), &ordinal.to_be_bytes()].concat()
}

/// Key of an adjustment's id.
#[must_use]
pub fn adjustment(id: &str) -> Vec<u8> {
    [b"a/".as_slice(), id.as_bytes()].concat()
}

/// Key of the id of an operator's message.
#[must_use]
pub fn operation(id: &str) -> Vec<u8> {
    [b"d/o/".as_slice(), id.as_bytes()].concat()
}

/// Key of an import.
#[must_use]
pub fn import(id: &str) -> Vec<u8> {
    [b"d/i/".as_slice(), id.as_bytes()].concat()
}

/// Key of an outbox row.
#[must_use]
pub fn outbox(number: u64) -> Vec<u8> {
    [b"o/".as_slice(), &number.to_be_bytes()].concat()
}

/// Key of the identities tapped on one day that the message at `offset` brought.
#[must_use]
pub fn identities(day: Date, offset: u64) -> Vec<u8> {
    [identities_of(day).as_slice(), &offset.to_be_bytes()].concat()
}

/// First key of the identities tapped on one day. Keys are in day order.
#[must_use]
pub fn identities_of(day: Date) -> Vec<u8> {
    let ordered = day.julian_day().cast_unsigned() ^ 0x8000_0000;
    [IDENTITIES, &ordered.to_be_bytes()].concat()
}

/// Adds every identity of a row to `entries`.
///
/// # Errors
/// [`StoreError::Damaged`] if it is no such row.
pub fn unpack_identities(key: &[u8], row: &[u8], entries: &mut Vec<Entry>) -> Result<(), StoreError> {
    let day = key.strip_prefix(IDENTITIES).and_then(<[u8]>::first_chunk).copied();
    let day = day.map(|ordered| (u32::from_be_bytes(ordered) ^ 0x8000_0000).cast_signed());
    let unpacked = day.and_then(|day| identities::row::unpack(row, day, entries));
    unpacked.ok_or(StoreError::Damaged { row: "identities" })
}

/// Refuses a store that another version of the program wrote in another format. An empty store is of any format.
///
/// # Errors
/// [`StoreError::Format`].
pub fn check_format(txn: &dyn Txn) -> Result<(), StoreError> {
    let damaged = |_| StoreError::Damaged { row: "format" };
    let found = match txn.get(FORMAT)? {
        Some(bytes) => u32::from_be_bytes(bytes.as_slice().try_into().map_err(damaged)?),
        None if txn.get(OFFSET)?.is_none() => FORMAT_NOW,
        None => 1,
    };
    if found == FORMAT_NOW { Ok(()) } else { Err(StoreError::Format { found, wanted: FORMAT_NOW }) }
}

/// Reads and decodes a row.
///
/// # Errors
/// [`StoreError`] if the store cannot be read or the row is damaged.
pub fn load<R: Message + Default>(
    txn: &dyn Txn,
    key: &[u8],
    row: &'static str,
) -> Result<Option<R>, StoreError> {
    txn.get(key)?.map(|bytes| decode(&bytes, row)).transpose()
}

/// The next offset to read; 0 in an empty store.
///
/// # Errors
/// [`StoreError`] if the store cannot be read or the row is damaged.
pub fn next_offset(txn: &dyn Txn) -> Result<u64, StoreError> {
    let Some(bytes) = txn.get(OFFSET)? else { return Ok(0) };
    Ok(u64::from_be_bytes(bytes.try_into().map_err(|_| StoreError::Damaged { row: "offset" })?))
}

/// Decodes a row.
///
/// # Errors
/// [`StoreError::Damaged`].
pub fn decode<R: Message + Default>(bytes: &[u8], row: &'static str) -> Result<R, StoreError> {
    R::decode(bytes).map_err(|_| StoreError::Damaged { row })
}
