//! The rows of the acquirers' files, by input file, merged by line.

use std::{collections::BTreeMap, io, path::Path};

use domain::{city::City, result::RecordResult};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned, little_endian::U32};

use super::spool::{Merge, Record, Run, Spool};

/// One record that the centre took from an acquirer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AcquirerRow {
    /// Physical line in its file, 1-based (the header is line 1).
    pub line: u32,
    /// Terminal (PSAM) number.
    pub terminal: [u8; 6],
    /// Terminal transaction sequence.
    pub terminal_seq: u32,
    /// Home city of the card.
    pub issuer: City,
    /// Deducted amount, fen.
    pub amount_fen: u32,
    /// What became of it in this cycle.
    pub result: RecordResult,
}

/// An [`AcquirerRow`] as it lies in the temporary file.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct PackedRow {
    pub(crate) line: U32,
    pub(crate) terminal: [u8; 6],
    pub(crate) terminal_seq: U32,
    pub(crate) issuer: [u8; City::SPELLING_LEN],
    pub(crate) amount_fen: U32,
    pub(crate) result: u8,
}

impl From<&AcquirerRow> for PackedRow {
    fn from(row: &AcquirerRow) -> Self {
        Self {
            line: row.line.into(),
            terminal: row.terminal,
            terminal_seq: row.terminal_seq.into(),
            issuer: row.issuer.spelling(),
            amount_fen: row.amount_fen.into(),
            result: row.result.code(),
        }
    }
}

impl Record for PackedRow {
    /// The line.
    type Rank = u32;

    fn rank(&self) -> Self::Rank {
        self.line.get()
    }
}

/// The runs of one input file, and the line of the last row of the last run.
#[derive(Debug, Default)]
struct FileRuns {
    runs: Vec<Run<PackedRow>>,
    last_line: u32,
}

/// Rows by acquirer and input file, in runs of rising lines.
#[derive(Debug)]
pub(crate) struct AcquirerRows {
    spool: Spool,
    files: BTreeMap<City, BTreeMap<Box<str>, FileRuns>>,
}

impl AcquirerRows {
    /// Starts gathering.
    pub(crate) fn new(work_dir: &Path) -> io::Result<Self> {
        Ok(Self { spool: Spool::new(work_dir)?, files: BTreeMap::new() })
    }

    /// Takes rows of one input file.
    pub(crate) fn push(&mut self, acquirer: City, file: &str, rows: &[AcquirerRow]) -> io::Result<()> {
        let files = self.files.entry(acquirer).or_default();
        if !files.contains_key(file) {
            files.insert(file.into(), FileRuns::default());
        }
        let Some(of_file) = files.get_mut(file) else { return Ok(()) };
        for row in rows {
            let offset = self.spool.len();
            match of_file.runs.last_mut() {
                Some(run) if run.end() == offset && of_file.last_line < row.line => run.records += 1,
                _ => of_file.runs.push(Run { offset, records: 1, first: row.line }),
            }
            of_file.last_line = row.line;
            self.spool.append(PackedRow::from(row).as_bytes())?;
        }
        Ok(())
    }

    /// Makes everything readable.
    pub(crate) fn seal(&mut self) -> io::Result<()> {
        self.spool.flush()
    }

    /// The acquirers with rows.
    pub(crate) fn acquirers(&self) -> impl Iterator<Item = City> {
        self.files.keys().copied()
    }

    /// The input files of an acquirer.
    pub(crate) fn files_of(&self, acquirer: City) -> impl Iterator<Item = &str> {
        self.files.get(&acquirer).into_iter().flat_map(|files| files.keys().map(|file| &**file))
    }

    /// Gives the rows of an input file to a merge.
    pub(crate) fn give<'a>(&'a self, acquirer: City, file: &str, merge: &mut Merge<'a, PackedRow>) {
        let runs = self.files.get(&acquirer).and_then(|files| files.get(file));
        for run in runs.into_iter().flat_map(|of_file| &of_file.runs) {
            merge.add_run(&self.spool, run);
        }
    }
}
