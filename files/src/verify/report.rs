//! What a verification checked and what it found.

use std::{fmt, path::PathBuf, sync::Arc};

/// The most failures that a report lists; it counts all of them.
pub const FAILURES_LISTED_MAX: usize = 100;

/// One subject of a verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Check {
    /// The manifest's own form and the folder's name.
    Manifest,
    /// Every listed file is there with its size and digest, and no other file.
    Files,
    /// Rows and column sums as the manifest states them.
    Counts,
    /// Headers and the form of every field.
    Fields,
    /// Sort orders, and that nothing is there twice.
    Order,
    /// The acquirers' cleared rows are the home cities' rows.
    Detail,
    /// Positions recomputed from the home cities' rows and the rulebook.
    Positions,
    /// Nets recomputed from positions and items.
    Net,
    /// The nets sum to zero.
    ZeroSum,
    /// The messages to banks, recomputed from nets, positions, items and rulebook.
    Messages,
    /// The Merkle tree over the home cities' rows.
    Merkle,
    /// The link to the cycle before, and from the one after.
    Chain,
    /// The signatures beside the manifest and what banks are told.
    Signatures,
}

impl Check {
    /// All of them, in the order of a report.
    pub const ALL: [Self; 13] = [
        Self::Manifest,
        Self::Files,
        Self::Counts,
        Self::Fields,
        Self::Order,
        Self::Detail,
        Self::Positions,
        Self::Net,
        Self::ZeroSum,
        Self::Messages,
        Self::Merkle,
        Self::Chain,
        Self::Signatures,
    ];

    /// Its name in a report.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Manifest => "manifest",
            Self::Files => "files",
            Self::Counts => "counts",
            Self::Fields => "fields",
            Self::Order => "order",
            Self::Detail => "detail",
            Self::Positions => "positions",
            Self::Net => "net",
            Self::ZeroSum => "zero sum",
            Self::Messages => "messages",
            Self::Merkle => "merkle",
            Self::Chain => "chain",
            Self::Signatures => "signatures",
        }
    }
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Which check found it.
    pub check: Check,
    /// The file, relative to the folder.
    pub file: String,
    /// The physical line, 1-based, if it is one.
    pub line: Option<u64>,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.what)
    }
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing wrong.
    Passed,
    /// This many failures.
    Failed(u64),
    /// It could not be made; nothing is known.
    Skipped,
}

/// One check of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckResult {
    /// Which.
    pub check: Check,
    /// How it ended.
    pub outcome: Outcome,
    /// What was checked, with counts; or why it was not.
    pub what: String,
}

/// The result of a verification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The folder.
    pub folder: PathBuf,
    /// Every check, in the order of [`Check::ALL`].
    pub checks: Vec<CheckResult>,
    /// The first failures, at most [`FAILURES_LISTED_MAX`], by check.
    pub failures: Vec<Failure>,
    /// How many failures there are in all.
    pub failures_total: u64,
}

impl Report {
    /// Whether nothing is wrong. A check that could not be made does not count as wrong.
    #[must_use]
    pub const fn passed(&self) -> bool {
        self.failures_total == 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.folder.display())?;
        for CheckResult { check, outcome, what } in &self.checks {
            let outcome = match outcome {
                Outcome::Passed => "ok",
                Outcome::Failed(_) => "FAILED",
                Outcome::Skipped => "skipped",
            };
            writeln!(f, "{outcome:<8}{:<11}{what}", check.name())?;
            for failure in self.failures.iter().filter(|failure| failure.check == *check) {
                writeln!(f, "          {failure}")?;
            }
        }
        let unlisted = self.failures_total.saturating_sub(self.failures.len() as u64);
        if unlisted > 0 {
            writeln!(f, "and {unlisted} more failures")?;
        }
        Ok(())
    }
}

/// What one check has found so far.
#[derive(Clone, Debug, Default)]
struct Found {
    failures: u64,
    checked: Option<String>,
    skipped: Option<String>,
}

/// Hears how many bytes were read, and of how many in all.
pub type Heard = Arc<dyn Fn(u64, u64) + Send + Sync>;

/// Who is told about progress.
#[derive(Clone, Default)]
pub(crate) struct Ear {
    heard: Option<Heard>,
    bytes_total: u64,
}

impl Ear {
    /// Tells `heard` of each part of `bytes_total` bytes.
    pub(crate) fn new(heard: Option<Heard>, bytes_total: u64) -> Self {
        Self { heard, bytes_total }
    }

    /// Tells that bytes were read.
    pub(crate) fn tell(&self, bytes: u64) {
        if let Some(heard) = &self.heard {
            heard(bytes, self.bytes_total);
        }
    }
}

impl fmt::Debug for Ear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ear").field("bytes_total", &self.bytes_total).finish_non_exhaustive()
    }
}

/// Failures and notes while they are gathered.
#[derive(Clone, Debug, Default)]
pub(super) struct Findings {
    failures: Vec<Failure>,
    found: [Found; Check::ALL.len()],
    ear: Ear,
}

impl Findings {
    /// None yet; who is told about progress.
    pub(super) fn told(ear: Ear) -> Self {
        Self { ear, ..Self::default() }
    }

    /// Who is told about progress.
    pub(super) const fn ear(&self) -> &Ear {
        &self.ear
    }

    /// Notes something wrong.
    pub(super) fn fail(&mut self, check: Check, file: &str, line: Option<u64>, what: impl Into<String>) {
        self.found[check as usize].failures += 1;
        if self.failures.len() < FAILURES_LISTED_MAX {
            self.failures.push(Failure { check, file: file.to_owned(), line, what: what.into() });
        }
    }

    /// Notes what a check looked at.
    pub(super) fn checked(&mut self, check: Check, what: String) {
        self.found[check as usize].checked = Some(what);
    }

    /// Notes that a check could not be made.
    pub(super) fn skipped(&mut self, check: Check, why: &str) {
        self.found[check as usize].skipped = Some(why.to_owned());
    }

    /// Adds what another part found; failures only, it notes nothing else.
    pub(super) fn merge(&mut self, other: Self) {
        for (found, other) in self.found.iter_mut().zip(other.found) {
            found.failures += other.failures;
        }
        self.failures.extend(other.failures);
    }

    /// The report.
    pub(super) fn report(mut self, folder: PathBuf) -> Report {
        self.failures.sort_by_key(|failure| failure.check);
        self.failures.truncate(FAILURES_LISTED_MAX);
        let failures_total = self.found.iter().map(|found| found.failures).sum();
        let result = |(check, found): (Check, Found)| {
            let skipped = found.skipped.or_else(|| found.checked.is_none().then(|| "not reached".to_owned()));
            let (outcome, what) = match (found.failures, skipped, found.checked) {
                (0, Some(why), _) => (Outcome::Skipped, why),
                (0, None, what) => (Outcome::Passed, what.unwrap_or_default()),
                (failures, why, what) => (Outcome::Failed(failures), what.or(why).unwrap_or_default()),
            };
            CheckResult { check, outcome, what }
        };
        let checks = Check::ALL.into_iter().zip(self.found).map(result).collect();
        Report { folder, checks, failures: self.failures, failures_total }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_lists_some_failures_and_counts_all() {
        let mut findings = Findings::default();
        for line in 1..=150 {
            findings.fail(Check::Order, "net.csv", Some(line), "it is not behind the row before");
        }
        let report = findings.report(PathBuf::from("2018-09-01-001"));
        assert_eq!((report.failures.len(), report.failures_total), (FAILURES_LISTED_MAX, 150));
        assert!(!report.passed());
        let text = report.to_string();
        assert!(text.contains("net.csv:100: ") && !text.contains("net.csv:101: "), "{text}");
        assert!(text.ends_with("and 50 more failures\n"), "{text}");
    }
}
