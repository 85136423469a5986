//! What is disputed: one record of a closed cycle, or all of a file's records with the cards of one home city.
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions)]

use std::fmt;

use super::refusal::Refusal;
use crate::{
    city::{City, Scheme},
    cycle::CycleName,
    liability::{Payer, of_result},
    result::{RecordResult, Rejection},
    settlement::FIGURE_FEN_MAX,
};

/// The longest name of a file, bytes.
const FILE_BYTES_MAX: usize = 200;

/// A record as the published files of its cycle show it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The cycle in which it has this result.
    pub cycle: CycleName,
    /// The city where the card was used.
    pub acquirer: City,
    /// The card's home city.
    pub issuer: City,
    /// The acquirer's file, its base name.
    pub file: String,
    /// Its line in there.
    pub line: u64,
    /// The terminal (PSAM) number, twelve upper-case hex digits.
    pub terminal: String,
    /// The terminal's sequence.
    pub terminal_seq: u32,
    /// Its amount, fen.
    pub amount_fen: u64,
    /// What became of it.
    pub result: RecordResult,
}

/// All records of one file with cards of one home city, in one cycle: either those that it paid, or those that it did
/// not and that can be asked for together ([`goes_with_file`]).
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WholeFile {
    /// The cycle.
    pub cycle: CycleName,
    /// The city that handed the file in.
    pub acquirer: City,
    /// The cards' home city.
    pub issuer: City,
    /// The file, its base name.
    pub file: String,
    /// Whether it is about the records that were paid, or about the others.
    pub paid: bool,
    /// How many records.
    pub count: u64,
    /// Their amounts, fen.
    pub amount_fen: u64,
}

/// What a dispute is about.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "of", rename_all = "snake_case", deny_unknown_fields)]
pub enum Subject {
    /// One record.
    Record(Record),
    /// A file.
    File(WholeFile),
}

/// Where money that was moved, or is asked for, is counted. What was paid is known by its cycle. What was not paid may
/// have been presented in several cycles, and is known by its identity alone: it is paid once at most.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    /// A record that was paid, or that was not (then without a cycle).
    Record { cycle: Option<CycleName>, acquirer: City, scheme: Scheme, terminal: String, terminal_seq: u32 },
    /// A file.
    File(FileKey),
}

/// A file, as far as it concerns one home city.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FileKey {
    cycle: CycleName,
    acquirer: City,
    issuer: City,
    file: String,
    paid: bool,
}

impl Record {
    /// Whether its home city paid for it.
    #[must_use]
    pub fn is_paid(&self) -> bool {
        self.result == RecordResult::Cleared
    }
}

impl Subject {
    /// Whether the rules leave it to a person who pays: a conflict, a terminal of nobody known.
    #[must_use]
    pub fn needs_person(&self) -> bool {
        match self {
            Self::Record(record) => of_result(record.result).payer == Payer::Undecided,
            Self::File(_) => false,
        }
    }

    /// The cycle.
    #[must_use]
    pub const fn cycle(&self) -> CycleName {
        match self {
            Self::Record(record) => record.cycle,
            Self::File(file) => file.cycle,
        }
    }

    /// The city where the cards were used.
    #[must_use]
    pub const fn acquirer(&self) -> City {
        match self {
            Self::Record(record) => record.acquirer,
            Self::File(file) => file.acquirer,
        }
    }

    /// The cards' home city.
    #[must_use]
    pub const fn issuer(&self) -> City {
        match self {
            Self::Record(record) => record.issuer,
            Self::File(file) => file.issuer,
        }
    }

    /// What all of it comes to, fen.
    #[must_use]
    pub const fn amount_fen(&self) -> u64 {
        match self {
            Self::Record(record) => record.amount_fen,
            Self::File(file) => file.amount_fen,
        }
    }

    /// Whether it was paid.
    #[must_use]
    pub fn is_paid(&self) -> bool {
        match self {
            Self::Record(record) => record.is_paid(),
            Self::File(file) => file.paid,
        }
    }

    /// The other of the two cities that it concerns; none if `city` is neither.
    #[must_use]
    pub fn other(&self, city: City) -> Option<City> {
        match (self.acquirer(), self.issuer()) {
            (acquirer, issuer) if acquirer == city => Some(issuer),
            (acquirer, issuer) if issuer == city => Some(acquirer),
            _ => None,
        }
    }

    fn file(&self) -> &str {
        match self {
            Self::Record(record) => &record.file,
            Self::File(file) => &file.file,
        }
    }

    pub(super) fn key(&self) -> Key {
        match self {
            Self::File(_) => Key::File(self.file_key()),
            Self::Record(record) => Key::Record {
                cycle: record.is_paid().then_some(record.cycle),
                acquirer: record.acquirer,
                scheme: record.issuer.scheme(),
                terminal: record.terminal.clone(),
                terminal_seq: record.terminal_seq,
            },
        }
    }

    pub(super) fn file_key(&self) -> FileKey {
        FileKey {
            cycle: self.cycle(),
            acquirer: self.acquirer(),
            issuer: self.issuer(),
            file: self.file().to_owned(),
            paid: self.is_paid(),
        }
    }

    /// Refuses what no published file can say.
    pub(super) fn check(&self) -> Result<(), Refusal> {
        let file = self.file();
        if self.acquirer() == self.issuer() {
            return Err(Refusal::NoSuch("acquirer and home city are one city"));
        }
        if file.is_empty() || file.len() > FILE_BYTES_MAX || file.contains(['/', '\\']) {
            return Err(Refusal::NoSuch("the file is no base name of at most 200 bytes"));
        }
        if file.chars().any(char::is_control) {
            return Err(Refusal::NoSuch("the name of the file has control characters"));
        }
        match self {
            Self::Record(record) => check_record(record),
            Self::File(whole) if whole.count == 0 => Err(Refusal::NoSuch("the file has no such record")),
            Self::File(whole) if whole.amount_fen > FIGURE_FEN_MAX => {
                Err(Refusal::NoSuch("the amount is beyond what a settlement may hold"))
            }
            Self::File(_) => Ok(()),
        }
    }

    /// Refuses what this city cannot ask for: the home city asks back what it paid, the acquirer asks for what it was
    /// not paid and somebody could owe it.
    pub(super) fn may_be_asked_by(&self, city: City) -> Result<(), Refusal> {
        if city == self.issuer() {
            return if self.is_paid() { Ok(()) } else { Err(Refusal::NotPaid) };
        }
        if self.is_paid() {
            return Err(Refusal::IsPaid);
        }
        let Self::Record(record) = self else { return Ok(()) };
        if can_be_owed(record.result) { Ok(()) } else { Err(Refusal::CannotBeOwed(record.result)) }
    }
}

/// Whether a record with this result, not paid, may yet be owed: not one that was paid under another line, that is not
/// final, or whose home city is unknown (nobody could answer).
#[must_use]
pub const fn can_be_owed(result: RecordResult) -> bool {
    use RecordResult as R;
    match result {
        R::Conflict => true,
        R::Rejected(reason) => !matches!(reason, Rejection::UnknownIssuer),
        R::Cleared | R::Duplicate | R::Parked => false,
    }
}

/// Whether a record with this result is among those that a whole file asks for: not one of which the rules leave it to a
/// person who pays. Such a record is disputed by itself, so that silence cannot pay it.
#[must_use]
pub fn goes_with_file(result: RecordResult) -> bool {
    can_be_owed(result) && of_result(result).payer != Payer::Undecided
}

fn check_record(record: &Record) -> Result<(), Refusal> {
    let upper_hex = |byte: u8| byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte);
    if record.terminal.len() != 12 || !record.terminal.bytes().all(upper_hex) {
        return Err(Refusal::NoSuch("the terminal is not 12 upper-case hex digits"));
    }
    if record.line < 2 {
        return Err(Refusal::NoSuch("the line is a header"));
    }
    if record.amount_fen > u64::from(u32::MAX) {
        return Err(Refusal::NoSuch("the amount is beyond what a record may hold"));
    }
    Ok(())
}

/// `cu-2000/2018-09-01.csv:17`, or without a line for a file: the reference of its items.
impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.acquirer(), self.file())?;
        match self {
            Self::Record(record) => write!(f, ":{}", record.line),
            Self::File(_) => Ok(()),
        }
    }
}
