//! What the stage tells those who show it, and what it can be asked to do.

use std::{collections::BTreeMap, path::PathBuf};

use domain::{city::City, result::RecordResult, settlement::Net};

/// A city as it is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The city.
    pub city: City,
    /// English name.
    pub name_en: String,
    /// Chinese name.
    pub name_zh: String,
}

/// The demo at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Milliseconds since the demo began.
    pub at_ms: u64,
    /// Seconds that were played; rates are taken when it goes up.
    pub second: u64,
    /// Counts over all cities, since the demo was started.
    pub counts: Counts,
    /// Records of each city's terminals, since the demo was started.
    pub acquirers: BTreeMap<City, Acquirer>,
    /// When `acquirers` was counted, milliseconds since the demo began.
    pub acquirers_at_ms: u64,
    /// Home cities that do not answer, with the parts of batches that wait for each.
    pub dark: BTreeMap<City, usize>,
    /// Cities that are no members on the open cycle's business date.
    pub absent: Vec<City>,
    /// The open cycle, if one is.
    pub open: Option<OpenCycle>,
    /// The closed cycles, oldest first.
    pub closed: Vec<Closed>,
    /// A tap of each city that was handed in a little while ago.
    pub recent: BTreeMap<City, TapName>,
}

/// Counts over all cities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records that arrived.
    pub arrived: u64,
    /// Paid by their home city.
    pub cleared: u64,
    /// Rejected, duplicates and conflicts.
    pub rejected: u64,
    /// Waiting now for a home city that does not answer.
    pub parked: u64,
}

/// What became of the records of one city's terminals.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Acquirer {
    /// Records that arrived.
    pub arrived: u64,
    /// Final results.
    pub results: BTreeMap<RecordResult, u64>,
    /// Waiting now for a home city that does not answer.
    pub parked: u64,
}

impl Acquirer {
    /// Paid by their home city.
    #[must_use]
    pub fn cleared(&self) -> u64 {
        self.results.get(&RecordResult::Cleared).copied().unwrap_or(0)
    }

    /// Rejected, duplicates and conflicts.
    #[must_use]
    pub fn rejected(&self) -> u64 {
        self.results.values().sum::<u64>().saturating_sub(self.cleared())
    }
}

/// The open cycle.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenCycle {
    /// Its name.
    pub name: String,
    /// Seconds to its cut-off.
    pub cut_off_in_s: u64,
    /// Whether it is being cut off.
    pub closing: bool,
    /// The rows that `net.csv` would have now.
    pub net: Vec<Net>,
}

/// A closed cycle.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Closed {
    /// Its name, which is that of its folder.
    pub name: String,
    /// Its folder.
    pub folder: PathBuf,
    /// Cleared records.
    pub records: u64,
    /// Their amount, fen.
    pub amount_fen: u64,
}

/// What names a tap for people: its terminal and the terminal's counter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TapName {
    /// 12 hex digits.
    pub terminal: String,
    /// The terminal's counter.
    pub sequence: u32,
}

/// What became of the two bad files of a city.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BadFiles {
    /// The file with broken lines.
    pub broken: String,
    /// What the receipt says of it.
    pub broken_receipt: String,
    /// Its quarantined lines.
    pub lines: Vec<BadLine>,
    /// The file with a bad header.
    pub headless: String,
    /// What the receipt says of it.
    pub headless_receipt: String,
    /// The folder of results and receipts.
    pub answers: PathBuf,
}

/// A quarantined line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BadLine {
    /// Physical line, from 1.
    pub line: u64,
    /// The first bad column, or `line`.
    pub column: String,
    /// What is wrong with it.
    pub why: String,
    /// What stands in that column; empty for the line as such.
    pub found: String,
}

/// What the stage tells.
#[derive(Clone, Debug)]
pub enum Told {
    /// How things are now.
    Snapshot(Box<Snapshot>),
    /// A cycle's folder has appeared.
    Closed(Closed),
    /// Something worth a line.
    Note(String),
    /// What became of the bad files.
    BadFiles(City, BadFiles),
    /// A tap's life, line by line, or why it cannot be told.
    Traced(TapName, Result<Vec<String>, String>),
}

/// What the stage can be asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Takes a home city's endpoint away, or gives it back.
    Darken(City, bool),
    /// Hands in two bad files of a city.
    BadFiles(City),
    /// Ends the open cycle now.
    CutOff,
    /// Tells a tap's life.
    Trace(TapName),
    /// Ends the demo.
    End,
}
