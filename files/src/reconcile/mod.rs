//! Three sides of a closed cycle, each from its own record: what the acquirer was answered, what the centre published,
//! what the home city accepted. By pair of cities, by count and amount, and where they differ by record.
//!
//! Rows are read in the order in which the files have them, or sorted through temporary files: memory is bounded.
#![deny(clippy::arithmetic_side_effects)]

mod answered;
mod money;
mod paid;

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use domain::{
    city::City,
    cycle::CycleName,
    result::RecordResult,
    tap::{CONTENT_LEN, Kind},
};

use crate::{error::FilesError, figures::Figures};

/// Taps that stay in memory while they are sorted, bytes.
const MEMORY_BYTES: usize = 128 << 20;

/// Records and their sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// How many.
    pub count: u64,
    /// Their amounts, fen.
    pub amount_fen: u64,
}

impl Sum {
    fn add(&mut self, amount_fen: u64) {
        self.count = self.count.saturating_add(1);
        self.amount_fen = self.amount_fen.saturating_add(amount_fen);
    }
}

/// What all sides say of one acquirer and one home city. A side that is not here is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pair {
    /// Cleared records by the answers that the acquirer got.
    pub answered: Option<Sum>,
    /// The row of `positions.csv`.
    pub booked: Sum,
    /// Cleared records in `acquirer/<city>.csv`.
    pub taken: Sum,
    /// Rows of `issuer/<city>.csv`.
    pub paid: Sum,
    /// Those of them that the home city accepted, by its own records.
    pub accepted: Option<Sum>,
    /// What disputes that passed added for the acquirer since, fen; negative if they took something away.
    pub disputes_fen: i64,
    /// What the acquirer gave back since, fen.
    pub refunds_fen: u64,
}

impl Pair {
    /// Whether all sides that are here say the same.
    #[must_use]
    pub fn agrees(&self) -> bool {
        let same = |side: Option<Sum>| side.is_none_or(|sum| sum == self.booked);
        self.taken == self.booked && self.paid == self.booked && same(self.answered) && same(self.accepted)
    }

    /// Whether no side has anything of it, and nothing moved: a city's own records may be of other cycles alone.
    fn is_empty(&self) -> bool {
        let sides = [self.answered, Some(self.booked), Some(self.taken), Some(self.paid), self.accepted];
        let moved = self.disputes_fen != 0 || self.refunds_fen != 0;
        !moved && sides.into_iter().flatten().all(|sum| sum == Sum::default())
    }

    /// Booked, and disputes passed, less refunds, fen.
    #[must_use]
    pub fn cleared_fen(&self) -> i128 {
        let booked = i128::from(self.booked.amount_fen).saturating_add(self.disputes_fen.into());
        booked.saturating_sub(self.refunds_fen.into())
    }
}

/// A record of which not all sides say the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The acquirer.
    pub acquirer: City,
    /// The home city.
    pub issuer: City,
    /// Terminal number, hex.
    pub terminal: String,
    /// Terminal sequence.
    pub terminal_seq: u32,
    /// The acquirer's file and the line in it, where they are known.
    pub place: Option<(String, u64)>,
    /// What each side says.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { acquirer, issuer, terminal, terminal_seq, place, what } = self;
        write!(f, "{acquirer} {issuer} terminal {terminal} number {terminal_seq}")?;
        if let Some((file, line)) = place {
            write!(f, " ({file} line {line})")?;
        }
        write!(f, ": {what}")
    }
}

/// Everything that was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// Every pair of cities with something on some side, by acquirer and home city.
    pub pairs: BTreeMap<(City, City), Pair>,
    /// Records that the cycle took and does not pay, by acquirer, home city and result.
    pub unpaid: BTreeMap<(City, City, &'static str, &'static str), Sum>,
    /// Parked records whose answer came in a later cycle.
    pub answered_later: u64,
    /// The first records of which not all sides say the same.
    pub findings: Vec<Finding>,
    /// How many there are in all.
    pub findings_total: u64,
    listed_max: usize,
}

impl Reconciled {
    /// Whether all sides say the same.
    #[must_use]
    pub fn agrees(&self) -> bool {
        self.findings_total == 0 && self.pairs.values().all(Pair::agrees)
    }

    fn pair(&mut self, acquirer: City, issuer: City) -> &mut Pair {
        self.pairs.entry((acquirer, issuer)).or_default()
    }

    fn found(&mut self, finding: impl FnOnce() -> Finding) {
        self.findings_total = self.findings_total.saturating_add(1);
        if self.findings.len() < self.listed_max {
            self.findings.push(finding());
        }
    }
}

/// A home city's own records.
pub trait Accepted {
    /// Tells each record to `each`, those that it agreed to pay in the cycle if it agreed, else all that it ever accepted.
    /// Returns whether it agreed; none if its records are not here.
    ///
    /// # Errors
    /// What `each` says, or that they cannot be read.
    fn records(
        &mut self,
        issuer: City,
        each: &mut dyn FnMut(&[u8; CONTENT_LEN]) -> Result<(), FilesError>,
    ) -> Result<Option<bool>, FilesError>;
}

/// Where the three sides are.
#[derive(Clone, Debug)]
pub struct Sides {
    /// The folder of the cycle, its newest version.
    pub folder: PathBuf,
    /// The folder with a folder of answers for each acquirer.
    pub results: PathBuf,
    /// Other closed cycles, each in its newest version, for what disputes and refunds moved since.
    pub others: Vec<PathBuf>,
    /// A folder for temporary files.
    pub work_dir: PathBuf,
}

/// Compares the three sides of a cycle; at most `listed_max` records are listed, all are counted.
///
/// # Errors
/// [`FilesError`] if something cannot be read.
pub fn reconcile(
    sides: &Sides,
    cycle: CycleName,
    accepted: &mut dyn Accepted,
    listed_max: usize,
) -> Result<Reconciled, FilesError> {
    let figures = Figures::read(&sides.folder)?;
    let mut found = Reconciled { listed_max, ..Reconciled::default() };
    for position in figures.positions.iter().filter(|position| position.kind == Kind::Purchase) {
        let sum = Sum { count: position.count, amount_fen: position.amount_fen };
        found.pair(position.acquirer, position.issuer).booked = sum;
    }
    money::moved(&sides.others, cycle, &mut found)?;
    let mut sorter = paid::Sorter::new(&sides.work_dir)?;
    for acquirer in cities(&sides.folder.join("acquirer"))? {
        answered::compare(sides, cycle, acquirer, &mut found, &mut sorter)?;
    }
    for issuer in cities(&sides.folder.join("issuer"))? {
        sorter.file(&sides.folder, issuer, &mut found)?;
        sorter.accepted(issuer, figures.rulebook.ownership(), accepted)?;
    }
    sorter.compare(&mut found)?;
    found.pairs.retain(|_, pair| !pair.is_empty());
    Ok(found)
}

/// The cities that have a file in a folder.
fn cities(folder: &Path) -> Result<Vec<City>, FilesError> {
    let mut cities = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(FilesError::io("read", folder))? {
        let name = entry.map_err(FilesError::io("read", folder))?.file_name();
        cities.extend(name.to_str().and_then(|name| name.strip_suffix(".csv")?.parse::<City>().ok()));
    }
    cities.sort_unstable();
    Ok(cities)
}

/// What a result means to somebody who misses the money.
#[must_use]
pub fn explained(result: &str, reason: &str) -> &'static str {
    match (result, reason) {
        ("parked", _) => "its home city does not answer; it is decided in a later cycle",
        ("duplicate", _) => "the same record is paid already",
        ("conflict", _) => "another record of its terminal and number is paid; a dispute decides",
        (_, "late") => "presented after the window",
        (_, "future") => "tapped after the business date",
        (_, "unknown_key" | "tac_invalid" | "hotlisted") => "its home city refuses it",
        (_, "foreign_terminal") => "its terminal is another participant's",
        (_, "unknown_issuer" | "issuer_suspended") => "its home city takes no part",
        _ => "",
    }
}

fn word(result: RecordResult) -> String {
    match result.reason() {
        "" => result.name().to_owned(),
        reason => format!("{} ({reason})", result.name()),
    }
}
