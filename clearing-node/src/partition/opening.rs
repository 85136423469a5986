//! A partition is opened: its store is there and belongs to the log, or it does not begin.

use std::{
    ops::Range,
    path::Path,
    time::{Duration, Instant},
};

use cu_log::{Entry, Log, LogError, Partition as Place, Reader, visit_range};

use super::{PartitionError, Surroundings};
use crate::{
    book::{Book, Halt, rows, tip::Tip},
    reload,
    rocks::RocksStore,
    store::StoreError,
};

/// Bytes of messages read at once.
pub(super) const READ_BYTES: usize = 4 << 20;
/// How long one look at the log waits: also how fast a stop is noticed.
pub(super) const POLL: Duration = Duration::from_millis(50);
/// How long the last folded message is waited for; it is on the log or it is not.
const TIP_WAIT: Duration = Duration::from_secs(30);

/// A partition on the log, for who brings its store back.
pub struct There<'a> {
    /// The log.
    pub log: &'a dyn Log,
    /// The partition.
    pub partition: &'a Place,
    /// The offsets that the log holds.
    pub retained: Range<u64>,
}

impl There<'_> {
    /// Whether the message at an offset has a digest (as [`Tip`]'s, hex), as far as the log can tell: also for one
    /// that it does not hold any more.
    ///
    /// # Errors
    /// [`LogError`] if it cannot be read.
    pub fn holds(&self, offset: u64, digest: &str) -> Result<bool, LogError> {
        if !self.retained.contains(&offset) {
            return Ok(offset < self.retained.start);
        }
        let mut same = false;
        visit_range(self.log, self.partition, offset..offset + 1, &mut |entry| {
            same = format!("{:032x}", Tip::of(entry.offset, &entry.payload).digest) == digest;
            Ok::<(), LogError>(())
        })?;
        Ok(same)
    }
}

/// Brings a partition's store back from a copy kept elsewhere.
pub trait Restore: Send + Sync + std::fmt::Debug {
    /// Asked before a store is opened that is not there (`next_offset` is none) or whose next offset the log no longer
    /// holds; it then is closed. Puts a store in the place of `folder` that goes further than what is there and that
    /// the log continues, or leaves everything as it is. Returns whether it did.
    ///
    /// # Errors
    /// Why it could not look, or could not finish; `folder` is as it was then.
    fn restore(
        &self,
        partition: u32,
        folder: &Path,
        next_offset: Option<u64>,
        there: &There<'_>,
    ) -> Result<bool, String>;
}

/// What a partition begins with.
pub(super) struct Opened {
    pub store: RocksStore,
    pub book: Book,
    pub reader: Box<dyn Reader>,
    /// What was read behind the last folded message when that was looked at.
    pub first: Vec<Entry>,
    /// Where the log ended.
    pub end: u64,
}

/// Opens the store in `folder`, restored if it must be, and a reader at its own offset.
pub(super) fn open(number: u32, folder: &Path, around: &Surroundings) -> Result<Opened, PartitionError> {
    let place = around.topics.clearing(number);
    let have = around.log.bounds(&place)?;
    let halt = |halt| PartitionError::Halt { partition: number, halt };
    let log = around.log.as_ref();
    let there = There { log, partition: &place, retained: have.clone() };
    let store = open_store(number, folder, around, &there)?;
    let identities = reload::identities(&store, number)?;
    let book =
        Book::load_around(identities, number, &store.begin(), &around.scheme.rulebooks()).map_err(halt)?;
    let wanted = book.next_offset();
    if wanted < have.start || wanted > have.end {
        return Err(LogError::Hole { partition: place, wanted, have }.into());
    }
    let tip = book.tip().filter(|tip| tip.offset >= have.start);
    let mut reader = around.log.reader(&[(place.clone(), tip.map_or(wanted, |tip| tip.offset))])?;
    let first =
        tip.map(|tip| pass_tip(reader.as_mut(), &place, tip, number)).transpose()?.unwrap_or_default();
    Ok(Opened { store, book, reader, first, end: have.end })
}

fn open_store(
    number: u32,
    folder: &Path,
    around: &Surroundings,
    there: &There<'_>,
) -> Result<RocksStore, PartitionError> {
    let halt = |error: StoreError| PartitionError::Halt { partition: number, halt: error.into() };
    let open = || RocksStore::open(folder).map_err(halt);
    let Some(restore) = &around.restore else { return open() };
    let next_offset = if folder.exists() {
        let store = open()?;
        let next = rows::next_offset(&store.begin()).map_err(halt)?;
        if next >= there.retained.start {
            return Ok(store);
        }
        Some(next)
    } else {
        None
    };
    let restored = restore.restore(number, folder, next_offset, there);
    if restored.map_err(|why| PartitionError::Restore { partition: number, why })? {
        tracing::warn!("the store of partition {number} was restored from a snapshot");
    }
    open()
}

/// Reads the last folded message again. Another one in its place means another log; returns what came behind it.
fn pass_tip(
    reader: &mut dyn Reader,
    place: &Place,
    tip: Tip,
    partition: u32,
) -> Result<Vec<Entry>, PartitionError> {
    let deadline = Instant::now() + TIP_WAIT;
    loop {
        let mut entries = reader.poll(1, POLL)?.into_iter();
        if let Some(found) = entries.next() {
            if found.offset == tip.offset && Tip::of(found.offset, &found.payload) == tip {
                return Ok(entries.collect());
            }
            let halt = if found.offset == tip.offset {
                Halt::AnotherTopic { offset: tip.offset }
            } else {
                Halt::Hole { expected: tip.offset, found: found.offset }
            };
            return Err(PartitionError::Halt { partition, halt });
        }
        if Instant::now() > deadline {
            tracing::warn!("{place} does not give the message at offset {}", tip.offset);
            return Err(LogError::Timeout(TIP_WAIT).into());
        }
    }
}
