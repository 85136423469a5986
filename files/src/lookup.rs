//! Finds records of closed cycles in their published files, for disputes: what is claimed must stand there.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use domain::{
    city::{City, Scheme},
    cycle::CycleName,
    date::LocalTime,
    dispute::{Record, Subject, WholeFile, goes_with_file},
    result::RecordResult,
};
use memchr::memmem::Finder;

mod claimed;

pub use claimed::check_claims;

use crate::{
    error::FilesError,
    layout,
    verify::{Ear, Fields, Line, Lines, version_of},
};

/// The most records that one question finds.
const FOUND_MAX: usize = 16;

/// Where a record is looked for.
#[derive(Clone, Copy, Debug)]
pub enum Place<'a> {
    /// A line of an acquirer's file.
    Line {
        /// The file's base name.
        file: &'a str,
        /// The line.
        line: u64,
    },
    /// A tap.
    Tap {
        /// The terminal (PSAM) number, twelve upper-case hex digits.
        terminal: &'a str,
        /// The terminal's sequence.
        terminal_seq: u32,
    },
}

/// Why nothing was found. Each message reads well after "failed to".
#[derive(Debug, thiserror::Error)]
pub enum LookupError {
    /// The folder cannot be read.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// The cycle is not published here.
    #[error("find {cycle} in {}: no such cycle is published there", root.display())]
    NoCycle {
        /// The cycle.
        cycle: CycleName,
        /// Where it was looked for.
        root: PathBuf,
    },
    /// The files say nothing of it, or something else.
    #[error("find {what} in {}; the files of the cycle say what was taken in it", folder.display())]
    NotThere {
        /// What was looked for.
        what: String,
        /// The cycle's folder.
        folder: PathBuf,
    },
    /// It was paid after all.
    #[error("dispute {subject}: it was presented again and paid in {cycle}")]
    PaidAs {
        /// What was claimed.
        subject: String,
        /// The cycle that paid it.
        cycle: CycleName,
    },
    /// A record stands in the file twice.
    #[error(
        "dispute {subject}: terminal {terminal} number {terminal_seq} stands in it twice, and is paid once at most; dispute its \
         records one by one"
    )]
    Repeated {
        /// What was claimed.
        subject: String,
        /// The record's terminal.
        terminal: String,
        /// Its sequence.
        terminal_seq: u32,
    },
    /// Another dispute is about it.
    #[error(
        "dispute {subject}: {dispute} asks for terminal {terminal} number {terminal_seq} of it already, and cityunion dispute show \
         {dispute} tells how that stands; dispute the other records one by one"
    )]
    Claimed {
        /// What is claimed.
        subject: String,
        /// The other dispute.
        dispute: String,
        /// The record of both: its terminal.
        terminal: String,
        /// Its sequence.
        terminal_seq: u32,
    },
    /// A line cannot be read.
    #[error("read {} line {line}: it is no row of this file; cityunion verify says more", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The line.
        line: u64,
    },
}

/// The folder of a closed cycle under `root`: the newest version, if it was corrected.
///
/// # Errors
/// [`LookupError`] if it is not there.
pub fn cycle_folder(root: &Path, cycle: CycleName) -> Result<PathBuf, LookupError> {
    let entries = fs::read_dir(root).map_err(FilesError::io("read", root))?;
    let versions = entries.filter_map(|entry| {
        let name = entry.ok()?.file_name();
        let (its, version) = version_of(name.to_str()?)?;
        (its == cycle && root.join(&name).join(layout::MANIFEST_FILE).is_file()).then_some((version, name))
    });
    match versions.max() {
        Some((_, name)) => Ok(root.join(name)),
        None => Err(LookupError::NoCycle { cycle, root: root.to_owned() }),
    }
}

/// The records at a place of a closed cycle: one, or more where a tap was presented again. Of all acquirers, if none is
/// named.
///
/// # Errors
/// [`LookupError`] if there is none, or the files cannot be read.
pub fn records(
    root: &Path,
    cycle: CycleName,
    acquirer: Option<City>,
    place: Place<'_>,
) -> Result<Vec<Record>, LookupError> {
    let folder = cycle_folder(root, cycle)?;
    let acquirers = match acquirer {
        Some(acquirer) => vec![acquirer],
        None => all_acquirers(&folder)?,
    };
    let needle = match place {
        Place::Line { line, .. } => format!(",{line},"),
        Place::Tap { terminal, terminal_seq } => format!(",{terminal},{terminal_seq},"),
    };
    let mut found = Vec::new();
    for acquirer in acquirers {
        each_record(&folder, cycle, acquirer, &needle, &mut |record| {
            if found.len() < FOUND_MAX && place.is(&record) {
                found.push(record);
            }
        })?;
    }
    if found.is_empty() {
        let what = match (place, acquirer) {
            (Place::Line { file, line }, Some(acquirer)) => format!("line {line} of {file} of {acquirer}"),
            (Place::Line { file, line }, None) => format!("line {line} of {file}"),
            (Place::Tap { terminal, terminal_seq }, _) => {
                format!("terminal {terminal} number {terminal_seq}")
            }
        };
        return Err(LookupError::NotThere { what, folder });
    }
    Ok(found)
}

/// All records of a file with cards of one home city: those that it paid, or the others that can be asked for together.
///
/// # Errors
/// [`LookupError`] if there is none, or the files cannot be read.
pub fn whole_file(
    root: &Path,
    cycle: CycleName,
    (acquirer, issuer): (City, City),
    file: &str,
    paid: bool,
) -> Result<WholeFile, LookupError> {
    let folder = cycle_folder(root, cycle)?;
    let mut whole =
        WholeFile { cycle, acquirer, issuer, file: file.to_owned(), paid, count: 0, amount_fen: 0 };
    each_record(&folder, cycle, acquirer, &format!(",{issuer},"), &mut |record| {
        let asked = if paid { record.is_paid() } else { goes_with_file(record.result) };
        if record.file == file && record.issuer == issuer && asked {
            whole.count = whole.count.saturating_add(1);
            whole.amount_fen = whole.amount_fen.saturating_add(record.amount_fen);
        }
    })?;
    if whole.count == 0 {
        let which = if paid { "records that were paid" } else { "records that could be asked for together" };
        let what = format!("{which} in {file} of {acquirer} with cards of {issuer}");
        return Err(LookupError::NotThere { what, folder });
    }
    Ok(whole)
}

/// Whether the files of its cycle say of a record or file what is claimed, to the fen.
///
/// # Errors
/// [`LookupError`] if they do not, or cannot be read.
pub fn check(root: &Path, subject: &Subject) -> Result<(), LookupError> {
    let cycle = subject.cycle();
    let same = match subject {
        Subject::Record(record) => {
            let place = Place::Line { file: &record.file, line: record.line };
            records(root, cycle, Some(record.acquirer), place)?.contains(record)
        }
        Subject::File(file) => {
            whole_file(root, cycle, (file.acquirer, file.issuer), &file.file, file.paid)? == *file
        }
    };
    if same {
        return match subject {
            Subject::File(file) if !file.paid => claimed::check_file(root, file),
            Subject::File(_) => Ok(()),
            Subject::Record(record) => match paid_as(root, record)? {
                Some(cycle) => Err(LookupError::PaidAs { subject: subject.to_string(), cycle }),
                None => Ok(()),
            },
        };
    }
    let what = format!("{subject} as it is claimed (amount, result, terminal, home city)");
    Err(LookupError::NotThere { what, folder: cycle_folder(root, cycle)? })
}

/// The cycle in which a rejected record was presented again and paid, if one is published.
fn paid_as(root: &Path, record: &Record) -> Result<Option<CycleName>, LookupError> {
    if !matches!(record.result, RecordResult::Rejected(_)) {
        return Ok(None);
    }
    let place = (record.terminal.clone(), record.terminal_seq);
    let of = (record.acquirer, record.issuer.scheme());
    paid_among(root, record.cycle, of, &BTreeSet::from([place]))
}

/// The first cycle since `since` in which one of these records of an acquirer and a scheme's cards was paid.
fn paid_among(
    root: &Path,
    since: CycleName,
    (acquirer, scheme): (City, Scheme),
    places: &BTreeSet<claimed::Place>,
) -> Result<Option<CycleName>, LookupError> {
    let entries = fs::read_dir(root).map_err(FilesError::io("read", root))?;
    let cycle = |name: &str| version_of(name).map(|(cycle, _)| cycle);
    let cycles: BTreeSet<CycleName> =
        entries.filter_map(|entry| cycle(entry.ok()?.file_name().to_str()?)).collect();
    // Of one record its own columns tell most rows apart; of many, that they were paid.
    let needle = match places.first() {
        Some((terminal, seq)) if places.len() == 1 => format!(",{terminal},{seq},"),
        _ => format!(",{},", RecordResult::Cleared.name()),
    };
    for cycle in cycles.range(since..) {
        let Ok(folder) = cycle_folder(root, *cycle) else { continue };
        let mut paid = false;
        each_record(&folder, *cycle, acquirer, &needle, &mut |other| {
            let theirs = other.is_paid() && other.issuer.scheme() == scheme;
            paid |= theirs && places.contains(&(other.terminal, other.terminal_seq));
        })?;
        if paid {
            return Ok(Some(*cycle));
        }
    }
    Ok(None)
}

/// Card and local time of a record that its home city paid; none if its file has no such record.
///
/// # Errors
/// [`LookupError`] if the files cannot be read.
pub fn card_of(root: &Path, record: &Record) -> Result<Option<([u8; 8], LocalTime)>, LookupError> {
    let folder = cycle_folder(root, record.cycle)?;
    let path = folder.join(layout::issuer_file(record.issuer));
    let start = format!("{},{},{},", record.acquirer, record.terminal, record.terminal_seq);
    let read = FilesError::io;
    let mut lines = Lines::open(&path, Ear::default()).map_err(read("open", &path))?;
    let mut fields = Fields::default();
    while let Line::Whole(line) = lines.next().map_err(read("read", &path))? {
        // None of the first columns needs quotes.
        if line.starts_with(start.as_bytes()) && fields.split(line).is_ok() {
            let card = fields.text(3).and_then(|card| u64::from_str_radix(card, 16).ok());
            let tapped_at = LocalTime::parse(fields.get(8)).ok();
            return Ok(card.map(u64::to_be_bytes).zip(tapped_at));
        }
    }
    Ok(None)
}

impl Place<'_> {
    fn is(&self, record: &Record) -> bool {
        match *self {
            Self::Line { file, line } => (record.file.as_str(), record.line) == (file, line),
            Self::Tap { terminal, terminal_seq } => {
                (record.terminal.as_str(), record.terminal_seq) == (terminal, terminal_seq)
            }
        }
    }
}

/// The cities that have an acquirer's file in a cycle.
fn all_acquirers(folder: &Path) -> Result<Vec<City>, FilesError> {
    let within = folder.join("acquirer");
    let entries = fs::read_dir(&within).map_err(FilesError::io("read", &within))?;
    let city = |name: &str| name.strip_suffix(".csv").and_then(|city| city.parse().ok());
    let mut cities: Vec<City> = entries.filter_map(|entry| city(entry.ok()?.file_name().to_str()?)).collect();
    cities.sort_unstable();
    Ok(cities)
}

/// Shows the records of an acquirer's file that hold a text; one that is not there has none.
fn each_record(
    folder: &Path,
    cycle: CycleName,
    acquirer: City,
    needle: &str,
    show: &mut dyn FnMut(Record),
) -> Result<(), LookupError> {
    let path = folder.join(layout::acquirer_file(acquirer));
    if !path.is_file() {
        return Ok(());
    }
    let finder = Finder::new(needle);
    let read = FilesError::io;
    let mut lines = Lines::open(&path, Ear::default()).map_err(read("open", &path))?;
    let mut fields = Fields::default();
    let mut number = 0_u64;
    while let Line::Whole(line) = lines.next().map_err(read("read", &path))? {
        number += 1;
        if number == 1 || finder.find(line).is_none() {
            continue;
        }
        let damaged = || LookupError::Damaged { path: path.clone(), line: number };
        fields.split(line).map_err(|_| damaged())?;
        show(record_of(&fields, cycle, acquirer).ok_or_else(damaged)?);
    }
    Ok(())
}

/// A row of an acquirer's file.
fn record_of(fields: &Fields, cycle: CycleName, acquirer: City) -> Option<Record> {
    if fields.len() < layout::ACQUIRER.columns.len() {
        return None;
    }
    Some(Record {
        cycle,
        acquirer,
        file: fields.text(0)?.to_owned(),
        line: fields.text(1)?.parse().ok()?,
        terminal: fields.text(2)?.to_owned(),
        terminal_seq: fields.text(3)?.parse().ok()?,
        issuer: City::parse(fields.get(4)).ok()?,
        amount_fen: fields.text(5)?.parse().ok()?,
        result: RecordResult::from_columns(fields.text(6)?, fields.text(7)?)?,
    })
}
