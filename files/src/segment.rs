//! One partition's share of a cycle's detail: sorted files that are joined with those of the other partitions.
//!
//! A segment holds `acquirer/<city>.csv` whole, since an acquirer lives in one partition, and of every
//! `issuer/<city>.csv` the rows of its own acquirers, in *blocks* by acquirer. Each file has its header, so with one
//! partition it is the cycle's file already; with several, blocks are joined in the order of their acquirers.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
    thread,
};

use domain::{city::City, cycle::CycleName};
use serde::{Deserialize, Serialize};

use crate::{
    detail::Detail,
    detail_files,
    error::FilesError,
    folder::prepare,
    layout::Member,
    manifest::FileEntry,
};

/// The layout version that a segment's manifest names.
pub const SEGMENT_LAYOUT: &str = "cityunion-segment/1";
/// The manifest of a segment, beside its files.
pub const SEGMENT_MANIFEST_FILE: &str = "manifest.json";

/// What is in a segment. Fields stand in the order of their sorted keys; the same detail gives the same bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentManifest {
    /// Folder name of the cycle, such as `2018-09-01-001`.
    pub cycle: String,
    /// Its files, by name.
    pub files: Vec<SegmentFile>,
    /// The layout version, [`SEGMENT_LAYOUT`].
    pub layout: String,
    /// The partition whose share it is.
    pub partition: u32,
}

/// One file of a segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentFile {
    /// Of an `issuer/` file: the rows of each acquirer, by acquirer. Empty for an `acquirer/` file.
    pub blocks: Vec<Block>,
    /// Name as in the cycle's folder.
    pub name: String,
    /// Rows without the header.
    pub rows: u64,
    /// SHA-256, lower-case hex.
    pub sha256: String,
    /// Size in bytes, header included.
    pub size: u64,
    /// Sums of every `*_fen` column, by column.
    pub totals: BTreeMap<String, i128>,
}

/// Consecutive rows of an `issuer/` file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Block {
    /// Whose terminals collected them.
    pub acquirer: City,
    /// What they come to, fen.
    pub amount_fen: u64,
    /// How many.
    pub rows: u64,
    /// Size in bytes.
    pub size: u64,
}

impl SegmentManifest {
    /// The bytes of the manifest: keys sorted, two-space indent, LF at the end.
    ///
    /// # Errors
    /// Never for a manifest of this type; the encoder's signature allows one.
    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut bytes = serde_json::to_vec_pretty(self)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Reads a segment's manifest.
    ///
    /// # Errors
    /// What is wrong, if it is no manifest of this layout or its figures do not fit together.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let manifest: Self = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
        if manifest.layout != SEGMENT_LAYOUT {
            return Err(format!("its layout is {}, expected {SEGMENT_LAYOUT}", manifest.layout));
        }
        if !manifest.files.is_sorted_by(|a, b| a.name < b.name) {
            return Err("its files are not in the order of their names".to_owned());
        }
        match manifest.files.iter().find(|file| !file.fits_together()) {
            Some(file) => Err(format!("the figures of {} do not fit together", file.name)),
            None => Ok(manifest),
        }
    }

    /// The file of a name.
    #[must_use]
    pub fn file(&self, name: &str) -> Option<&SegmentFile> {
        let found = self.files.binary_search_by(|file| file.name.as_str().cmp(name)).ok()?;
        self.files.get(found)
    }

    /// Every city that has a file.
    pub(crate) fn cities(&self) -> impl Iterator<Item = City> {
        self.files.iter().filter_map(|file| match Member::of(&file.name) {
            Member::Acquirer(city) | Member::Issuer(city) => Some(city),
            _ => None,
        })
    }
}

impl SegmentFile {
    /// Bytes of the header row.
    pub(crate) fn header_bytes(&self) -> u64 {
        let layout = Member::of(&self.name).layout();
        layout.map_or(0, |layout| layout.header().len() as u64 + 1)
    }

    /// Whether name, sizes and rows can belong to one file of a segment.
    fn fits_together(&self) -> bool {
        let sum = |of: fn(&Block) -> u64| self.blocks.iter().try_fold(0_u64, |sum, b| sum.checked_add(of(b)));
        match Member::of(&self.name) {
            Member::Acquirer(_) => self.blocks.is_empty() && self.size >= self.header_bytes(),
            Member::Issuer(_) => {
                self.blocks.is_sorted_by(|a, b| a.acquirer < b.acquirer)
                    && sum(|b| b.rows) == Some(self.rows)
                    && sum(|b| b.size) == self.size.checked_sub(self.header_bytes())
            }
            _ => false,
        }
    }

    /// The file's line in the cycle's manifest, where the cycle has the whole file from this segment.
    pub(crate) fn entry(&self) -> FileEntry {
        FileEntry {
            name: self.name.clone(),
            rows: Some(self.rows),
            sha256: self.sha256.clone(),
            size: self.size,
            totals: self.totals.clone(),
        }
    }

    pub(crate) fn new(entry: FileEntry, blocks: Vec<Block>) -> Self {
        Self {
            blocks,
            name: entry.name,
            rows: entry.rows.unwrap_or_default(),
            sha256: entry.sha256,
            size: entry.size,
            totals: entry.totals,
        }
    }
}

/// Where the files of a segment are.
pub trait SegmentFiles: Sync {
    /// Puts a file of the segment at `to`, where nothing is: as another name of the same file where that can be, else
    /// as a copy. It will only be read.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] if the segment has lost the file; anything else may pass by itself.
    fn place(&self, name: &str, to: &Path) -> io::Result<()>;
}

/// A segment in a folder of this machine.
#[derive(Clone, Debug)]
pub struct LocalSegment(pub PathBuf);

impl SegmentFiles for LocalSegment {
    fn place(&self, name: &str, to: &Path) -> io::Result<()> {
        let from = self.0.join(name);
        fs::hard_link(&from, to).or_else(|_| fs::copy(&from, to).map(drop))
    }
}

/// Writes a partition's share of a cycle into a folder. `dir` is new or a scratch folder (its name begins with a
/// dot), of which whatever an earlier attempt left is replaced. The manifest is returned, not written.
///
/// # Errors
/// [`FilesError`] if the disk refuses, a text has a line break, a tap's bytes stand for nothing, or a record has two
/// rows.
pub fn write_segment(
    dir: &Path,
    cycle: &CycleName,
    partition: u32,
    detail: Detail,
) -> Result<SegmentManifest, FilesError> {
    prepare(dir)?;
    let Detail { mut taps, mut rows } = detail;
    taps.seal().map_err(FilesError::Spool)?;
    rows.seal().map_err(FilesError::Spool)?;
    let acquirers: BTreeSet<City> = rows.acquirers().collect();
    let issuers: BTreeSet<City> = taps.issuers().collect();
    let (issuers, acquirers) = thread::scope(|scope| {
        let acquirers = scope.spawn(|| {
            let write = |city| detail_files::write_acquirer(dir, city, &rows);
            acquirers.into_iter().map(write).collect::<Result<Vec<_>, _>>()
        });
        let write = |city| detail_files::write_issuer(dir, city, &taps);
        let issuers: Result<Vec<_>, _> = issuers.into_iter().map(write).collect();
        let acquirers = acquirers.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        (issuers, acquirers)
    });
    let mut files = acquirers?;
    files.extend(issuers?);
    files.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(SegmentManifest { cycle: cycle.to_string(), files, layout: SEGMENT_LAYOUT.to_owned(), partition })
}

