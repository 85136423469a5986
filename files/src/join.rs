//! Segments of several partitions become the files of one cycle. Every byte is read and checked against the
//! segments' digests on the way, in memory of a fixed size.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use domain::{city::City, merkle::Merkle};
use sha2::{Digest as _, Sha256};

use crate::{
    error::FilesError,
    layout::{self, Layout, Member},
    manifest::FileEntry,
    segment::{Block, SegmentFile, SegmentFiles, SegmentManifest},
    table::Table,
    text,
};

/// Bytes read at once.
const READ_BYTES: usize = 256 * 1024;

/// A segment: what it should hold, and where that is.
#[derive(Clone, Copy)]
pub struct Segment<'a> {
    /// Its manifest.
    pub manifest: &'a SegmentManifest,
    /// Its files.
    pub files: &'a dyn SegmentFiles,
}

impl<'a> Segment<'a> {
    fn damaged(&self, file: &str, what: impl Into<String>) -> FilesError {
        let partition = self.manifest.partition;
        FilesError::SegmentDamaged { partition, file: file.to_owned(), what: what.into() }
    }

    /// Puts one of its files at `to`.
    fn place(&self, name: &str, to: &Path) -> Result<(), FilesError> {
        self.files.place(name, to).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => self.damaged(name, "it is missing"),
            _ => {
                let (partition, file) = (self.manifest.partition, name.to_owned());
                FilesError::SegmentUnreachable { partition, file, source }
            }
        })
    }
}

/// The segments that have a file, with what they say of it.
fn having<'a>(segments: &[Segment<'a>], name: &str) -> Vec<(Segment<'a>, &'a SegmentFile)> {
    segments.iter().filter_map(|segment| Some((*segment, segment.manifest.file(name)?))).collect()
}

/// Refuses an acquirer that has detail in two partitions.
pub(crate) fn one_segment_each(segments: &[Segment<'_>]) -> Result<(), FilesError> {
    let mut of: BTreeMap<City, u32> = BTreeMap::new();
    for manifest in segments.iter().map(|segment| segment.manifest) {
        let mut acquirers = BTreeSet::new();
        for file in &manifest.files {
            if let Member::Acquirer(city) = Member::of(&file.name) {
                acquirers.insert(city);
            }
            acquirers.extend(file.blocks.iter().map(|block| block.acquirer));
        }
        for acquirer in acquirers {
            if let Some(other) = of.insert(acquirer, manifest.partition) {
                return Err(FilesError::TwoPartitions { acquirer, partitions: [other, manifest.partition] });
            }
        }
    }
    Ok(())
}

/// Places a file for each city, with a row for each record the centre took from it.
pub(crate) fn acquirers(
    dir: &Path,
    cities: &BTreeSet<City>,
    segments: &[Segment<'_>],
) -> Result<Vec<FileEntry>, FilesError> {
    let file = |city: &City| {
        let name = layout::acquirer_file(*city);
        match having(segments, &name).first() {
            None => empty(dir, name, &layout::ACQUIRER),
            Some((segment, file)) => whole(dir, segment, file, &mut |_| {}),
        }
    };
    cities.iter().map(file).collect()
}

/// Joins a file for each city, with a row for each record it pays for; and the Merkle tree over all of them.
pub(crate) fn issuers(
    dir: &Path,
    cities: &BTreeSet<City>,
    segments: &[Segment<'_>],
) -> Result<(Vec<FileEntry>, Merkle), FilesError> {
    let mut merkle = Merkle::default();
    let mut files = Vec::new();
    for city in cities {
        let name = layout::issuer_file(*city);
        let mut leaves = Leaves::new(*city, &mut merkle);
        files.push(match having(segments, &name).as_slice() {
            [] => empty(dir, name, &layout::ISSUER)?,
            [(segment, file)] => {
                let before = leaves.merkle.leaves();
                let entry = whole(dir, segment, file, &mut |bytes| leaves.take(bytes))?;
                if leaves.merkle.leaves() - before != file.rows {
                    return Err(segment.damaged(&file.name, "it has another number of rows"));
                }
                entry
            }
            shares => Joining::new(dir, name, shares)?.join(&mut leaves)?,
        });
    }
    Ok((files, merkle))
}

/// A file with nothing in it but its header.
fn empty(dir: &Path, name: String, layout: &'static Layout) -> Result<FileEntry, FilesError> {
    Table::create(dir, name, layout)?.finish()
}

/// Places a file that a single segment has whole, checks it, and shows its rows.
fn whole(
    dir: &Path,
    segment: &Segment<'_>,
    file: &SegmentFile,
    rows: &mut dyn FnMut(&[u8]),
) -> Result<FileEntry, FilesError> {
    let path = dir.join(&file.name);
    segment.place(&file.name, &path)?;
    let mut share = Share::open(*segment, file, path)?;
    while let Some(bytes) = share.read(u64::MAX)? {
        rows(bytes);
    }
    share.finish()?;
    Ok(file.entry())
}

/// The leaves of one home city: its rows, each after the city's name and a comma.
struct Leaves<'m> {
    merkle: &'m mut Merkle,
    /// The leaf that is being put together.
    leaf: Vec<u8>,
    name_len: usize,
}

impl<'m> Leaves<'m> {
    fn new(city: City, merkle: &'m mut Merkle) -> Self {
        let mut leaf = city.spelling().to_vec();
        leaf.push(b',');
        Self { merkle, name_len: leaf.len(), leaf }
    }

    /// Takes rows, the last of which may go on in the next call.
    fn take(&mut self, mut bytes: &[u8]) {
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            let (row, rest) = bytes.split_at(end);
            self.leaf.extend_from_slice(row);
            self.merkle.push(&self.leaf);
            self.leaf.truncate(self.name_len);
            bytes = rest.get(1..).unwrap_or_default();
        }
        self.leaf.extend_from_slice(bytes);
    }
}

/// A file of a segment that is read once from its beginning to its end, and checked.
struct Share<'a> {
    segment: Segment<'a>,
    file: &'a SegmentFile,
    path: PathBuf,
    from: File,
    sha256: Sha256,
    buffer: Vec<u8>,
    read: u64,
    /// The next block.
    next: usize,
}

impl<'a> Share<'a> {
    /// Opens a placed file and passes over its header.
    fn open(segment: Segment<'a>, file: &'a SegmentFile, path: PathBuf) -> Result<Self, FilesError> {
        let from = File::open(&path).map_err(FilesError::io("open", &path))?;
        let (sha256, buffer) = (Sha256::new(), vec![0; READ_BYTES]);
        let mut share = Self { segment, file, path, from, sha256, buffer, read: 0, next: 0 };
        share.read(file.header_bytes())?;
        Ok(share)
    }

    /// The next bytes, at most `bytes_max` of them; none at the end of the file.
    fn read(&mut self, bytes_max: u64) -> Result<Option<&[u8]>, FilesError> {
        let room = usize::try_from(bytes_max).unwrap_or(usize::MAX).min(self.buffer.len());
        let buffer = self.buffer.get_mut(..room).unwrap_or_default();
        let read = self.from.read(buffer).map_err(FilesError::io("read", &self.path))?;
        let bytes = buffer.get(..read).unwrap_or_default();
        self.sha256.update(bytes);
        self.read += read as u64;
        Ok((read > 0).then_some(bytes))
    }

    /// The block that comes next.
    fn block(&self) -> Option<&'a Block> {
        self.file.blocks.get(self.next)
    }

    /// Refuses the file unless all of it was read and it is what the manifest says.
    fn finish(mut self) -> Result<(), FilesError> {
        let damaged = |what: String| Err(self.segment.damaged(&self.file.name, what));
        if self.read != self.file.size {
            return damaged(format!("it has {} bytes, its manifest says {}", self.read, self.file.size));
        }
        if self.read(1)?.is_some() {
            return Err(self.segment.damaged(&self.file.name, "it goes on where it should end"));
        }
        let sha256 = text::digest_hex(&self.sha256.finalize().into());
        if sha256 != self.file.sha256 {
            let what = format!("its SHA-256 is {sha256}, its manifest says {}", self.file.sha256);
            return Err(self.segment.damaged(&self.file.name, what));
        }
        Ok(())
    }
}

/// A file on its way from the shares of several segments.
struct Joining<'a> {
    path: PathBuf,
    name: String,
    to: File,
    sha256: Sha256,
    size: u64,
    shares: Vec<Share<'a>>,
}

impl<'a> Joining<'a> {
    /// Places the shares beside the file that they become, under names that go away again.
    fn new(
        dir: &Path,
        name: String,
        shares: &[(Segment<'a>, &'a SegmentFile)],
    ) -> Result<Self, FilesError> {
        let path = dir.join(&name);
        let mut to = File::create_new(&path).map_err(FilesError::io("create", &path))?;
        let header = format!("{}\n", layout::ISSUER.header());
        to.write_all(header.as_bytes()).map_err(FilesError::io("write", &path))?;
        let open = |(segment, file): &(Segment<'a>, &'a SegmentFile)| {
            let at = dir.join(format!(".share-{}", segment.manifest.partition));
            segment.place(&file.name, &at)?;
            Share::open(*segment, file, at)
        };
        let shares = shares.iter().map(open).collect::<Result<Vec<_>, _>>()?;
        let sha256 = Sha256::new_with_prefix(header.as_bytes());
        Ok(Self { path, name, to, sha256, size: header.len() as u64, shares })
    }

    fn join(mut self, leaves: &mut Leaves<'_>) -> Result<FileEntry, FilesError> {
        let before = leaves.merkle.leaves();
        let mut order: Vec<(City, usize)> = Vec::new();
        let (mut rows, mut totals) = (0, BTreeMap::<String, i128>::new());
        for (at, share) in self.shares.iter().enumerate() {
            order.extend(share.file.blocks.iter().map(|block| (block.acquirer, at)));
            rows += share.file.rows;
            for (column, total) in &share.file.totals {
                *totals.entry(column.clone()).or_default() += total;
            }
        }
        order.sort_unstable();
        for (_, at) in order {
            self.block(at, leaves)?;
        }
        for share in self.shares {
            let path = share.path.clone();
            share.finish()?;
            fs::remove_file(&path).map_err(FilesError::io("remove", &path))?;
        }
        let sha256 = text::digest_hex(&self.sha256.finalize().into());
        debug_assert_eq!(leaves.merkle.leaves() - before, rows, "the rows of {}", self.name);
        Ok(FileEntry { name: self.name, rows: Some(rows), sha256, size: self.size, totals })
    }

    /// Appends the next block of a share.
    fn block(&mut self, at: usize, leaves: &mut Leaves<'_>) -> Result<(), FilesError> {
        let Some(share) = self.shares.get_mut(at) else { return Ok(()) };
        let (segment, file) = (share.segment, share.file);
        let Some(block) = share.block() else { return Ok(()) };
        share.next += 1;
        let (mut left, before) = (block.size, leaves.merkle.leaves());
        while left > 0 {
            let Some(bytes) = share.read(left)? else {
                return Err(segment.damaged(&file.name, format!("it ends in the rows of {}", block.acquirer)));
            };
            self.sha256.update(bytes);
            self.to.write_all(bytes).map_err(FilesError::io("write", &self.path))?;
            leaves.take(bytes);
            left -= bytes.len() as u64;
        }
        self.size += block.size;
        if leaves.merkle.leaves() - before != block.rows {
            let what = format!("it has another number of rows of {}", block.acquirer);
            return Err(segment.damaged(&file.name, what));
        }
        Ok(())
    }
}
