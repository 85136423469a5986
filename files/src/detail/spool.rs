//! Fixed-size records outside memory: sorted runs in one temporary file, merged in rank order.

use std::{
    borrow::Cow,
    cmp::Reverse,
    collections::BinaryHeap,
    fs::File,
    io::{self, Write as _},
    os::unix::fs::FileExt as _,
    path::Path,
};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Bytes gathered before they are written to the temporary file.
const WRITE_BUFFER_BYTES: usize = 1 << 20;
/// Bytes read at once from one run.
const READ_BUFFER_BYTES: usize = 64 * 1024;

/// A record of fixed size that has a place in an order.
pub(crate) trait Record: Copy + FromBytes + IntoBytes + Immutable + KnownLayout {
    /// What records are sorted by.
    type Rank: Ord + Copy;
    /// The record's place.
    fn rank(&self) -> Self::Rank;
}

/// An append-only temporary file. It has no name, so a crash leaves nothing behind.
#[derive(Debug)]
pub(crate) struct Spool {
    file: File,
    pending: Vec<u8>,
    len: u64,
}

impl Spool {
    /// Creates the file in a folder.
    pub(crate) fn new(folder: &Path) -> io::Result<Self> {
        Ok(Self { file: tempfile::tempfile_in(folder)?, pending: Vec::new(), len: 0 })
    }

    /// Where the next byte goes.
    pub(crate) const fn len(&self) -> u64 {
        self.len
    }

    /// Appends bytes.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.pending.len() + bytes.len() > WRITE_BUFFER_BYTES {
            self.flush()?;
        }
        if bytes.len() >= WRITE_BUFFER_BYTES {
            self.file.write_all(bytes)?;
        } else {
            self.pending.extend_from_slice(bytes);
        }
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// Makes everything readable.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.file.write_all(&self.pending)?;
        self.pending.clear();
        Ok(())
    }
}

/// A sorted run of records in a [`Spool`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run<R: Record> {
    /// Where it begins, bytes.
    pub(crate) offset: u64,
    /// How many records it has; at least one.
    pub(crate) records: u64,
    /// The rank of its first record.
    pub(crate) first: R::Rank,
}

impl<R: Record> Run<R> {
    /// Where the byte behind it is.
    pub(crate) const fn end(&self) -> u64 {
        self.offset + self.records * size_of::<R>() as u64
    }
}

/// One run while it is merged. It is read only when its first record's turn comes, so runs that do
/// not overlap cost no memory.
#[derive(Debug)]
struct Cursor<'a, R: Record> {
    spool: Option<&'a Spool>,
    offset: u64,
    unread: u64,
    buffer: Cow<'a, [R]>,
    next: usize,
}

impl<R: Record> Cursor<'_, R> {
    /// The next record, without taking it.
    fn peek(&mut self) -> io::Result<Option<R>> {
        if self.next == self.buffer.len() {
            self.refill()?;
        }
        Ok(self.buffer.get(self.next).copied())
    }

    /// Reads the next piece of the run.
    fn refill(&mut self) -> io::Result<()> {
        let at_once = (READ_BUFFER_BYTES / size_of::<R>()).max(1);
        let records = usize::try_from(self.unread).unwrap_or(usize::MAX).min(at_once);
        let mut buffer = vec![R::new_zeroed(); records];
        if let Some(spool) = self.spool.filter(|_| records > 0) {
            spool.file.read_exact_at(buffer.as_mut_slice().as_mut_bytes(), self.offset)?;
        }
        (self.buffer, self.next) = (Cow::Owned(buffer), 0);
        self.offset += (records * size_of::<R>()) as u64;
        self.unread -= records as u64;
        Ok(())
    }
}

/// Merges sorted runs, those in memory and those in spools, into one.
#[derive(Debug)]
pub(crate) struct Merge<'a, R: Record> {
    cursors: Vec<Cursor<'a, R>>,
    heap: BinaryHeap<Reverse<(R::Rank, usize)>>,
}

impl<'a, R: Record> Merge<'a, R> {
    /// A merge of nothing yet.
    pub(crate) const fn new() -> Self {
        Self { cursors: Vec::new(), heap: BinaryHeap::new() }
    }

    /// Adds a run of a flushed spool.
    pub(crate) fn add_run(&mut self, spool: &'a Spool, run: &Run<R>) {
        let (offset, unread) = (run.offset, run.records);
        self.add(run.first, Cursor { spool: Some(spool), offset, unread, buffer: Cow::default(), next: 0 });
    }

    /// Adds a run in memory.
    pub(crate) fn add_sorted(&mut self, records: &'a [R]) {
        if let Some(first) = records.first().map(R::rank) {
            let buffer = Cow::Borrowed(records);
            self.add(first, Cursor { spool: None, offset: 0, unread: 0, buffer, next: 0 });
        }
    }

    /// Adds a cursor whose first record has this rank.
    fn add(&mut self, first: R::Rank, cursor: Cursor<'a, R>) {
        self.heap.push(Reverse((first, self.cursors.len())));
        self.cursors.push(cursor);
    }

    /// Takes the record of the lowest rank; `None` at the end.
    pub(crate) fn next(&mut self) -> io::Result<Option<R>> {
        let Some(Reverse((_, at))) = self.heap.pop() else { return Ok(None) };
        let cursor = &mut self.cursors[at];
        let record = cursor.peek()?;
        cursor.next += 1;
        match cursor.peek()? {
            Some(following) => self.heap.push(Reverse((following.rank(), at))),
            None => cursor.buffer = Cow::default(),
        }
        Ok(record)
    }
}
