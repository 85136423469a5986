//! The first side and the second: the answers that an acquirer got, and what the centre says it took from it. Both have
//! their rows by file and line.

use std::{
    cmp::Ordering,
    collections::VecDeque,
    fs,
    path::{Path, PathBuf},
};

use domain::{city::City, cycle::CycleName, result::RecordResult};

use super::{Finding, Reconciled, Sides, paid::Sorter, word};
use crate::{
    error::FilesError,
    layout::{ACQUIRER, Layout, RESULTS, acquirer_file},
    verify::{Ear, Fields, Line, Lines, decimal},
};

/// One record, as a side has it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    file: String,
    line: u64,
    terminal: String,
    terminal_seq: u32,
    issuer: City,
    amount_fen: u32,
    result: RecordResult,
}

/// Compares the two sides of an acquirer.
pub(super) fn compare(
    sides: &Sides,
    cycle: CycleName,
    acquirer: City,
    found: &mut Reconciled,
    sorter: &mut Sorter,
) -> Result<(), FilesError> {
    let mut taken = Taken { rows: Rows::open(&sides.folder.join(acquirer_file(acquirer)), &ACQUIRER)? };
    let mut answers = Answers::open(&sides.results.join(acquirer.to_string()), cycle)?;
    let (mut a, mut b) = (next(&mut answers)?, taken.next()?);
    loop {
        let order = match (&a, &b) {
            (None, None) => return Ok(()),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(a), Some(b)) => (a.file.as_str(), a.line).cmp(&(b.file.as_str(), b.line)),
        };
        if let Some(row) = a.as_ref().filter(|_| order.is_le()) {
            note_answer(acquirer, row, found);
        }
        if let Some(row) = b.as_ref().filter(|_| order.is_ge()) {
            note_taken(acquirer, row, answers.is_some(), found, sorter)?;
        }
        match (order, &a, &b) {
            (Ordering::Less, Some(a), _) => {
                let what =
                    format!("the acquirer's answer says {}, the centre has no such row", word(a.result));
                found.found(|| finding(acquirer, a, what));
            }
            (Ordering::Greater, _, Some(b)) if answers.is_some() && b.result == RecordResult::Parked => {
                found.answered_later = found.answered_later.saturating_add(1);
            }
            (Ordering::Greater, _, Some(b)) if answers.is_some() => {
                let what = format!("the centre says {}, no answer to the acquirer does", word(b.result));
                found.found(|| finding(acquirer, b, what));
            }
            (Ordering::Equal, Some(a), Some(b)) if a != b => {
                let what = format!("the acquirer's answer says {}, the centre {}", said(a), said(b));
                found.found(|| finding(acquirer, b, what));
            }
            _ => {}
        }
        if order.is_le() {
            a = next(&mut answers)?;
        }
        if order.is_ge() {
            b = taken.next()?;
        }
    }
}

fn next(answers: &mut Option<Answers>) -> Result<Option<Row>, FilesError> {
    answers.as_mut().map_or(Ok(None), Answers::next)
}

fn note_answer(acquirer: City, row: &Row, found: &mut Reconciled) {
    if row.result == RecordResult::Cleared {
        let pair = found.pair(acquirer, row.issuer);
        pair.answered.get_or_insert_default().add(row.amount_fen.into());
    }
}

fn note_taken(
    acquirer: City,
    row: &Row,
    answers_are_here: bool,
    found: &mut Reconciled,
    sorter: &mut Sorter,
) -> Result<(), FilesError> {
    if row.result != RecordResult::Cleared {
        let key = (acquirer, row.issuer, row.result.name(), row.result.reason());
        found.unpaid.entry(key).or_default().add(row.amount_fen.into());
        return Ok(());
    }
    let pair = found.pair(acquirer, row.issuer);
    if answers_are_here {
        pair.answered.get_or_insert_default();
    }
    pair.taken.add(row.amount_fen.into());
    sorter.taken(acquirer, row.issuer, &row.terminal, row.terminal_seq, row.amount_fen)
}

fn finding(acquirer: City, row: &Row, what: String) -> Finding {
    Finding {
        acquirer,
        issuer: row.issuer,
        terminal: row.terminal.clone(),
        terminal_seq: row.terminal_seq,
        place: Some((row.file.clone(), row.line)),
        what,
    }
}

/// Everything that two rows of one line may differ in.
fn said(row: &Row) -> String {
    let Row { terminal, terminal_seq, issuer, amount_fen, result, .. } = row;
    format!("{} of {amount_fen} fen, {issuer}, terminal {terminal} number {terminal_seq}", word(*result))
}

/// A file read row by row.
struct Rows {
    path: PathBuf,
    lines: Lines,
    fields: Fields,
    columns: usize,
}

impl Rows {
    fn open(path: &Path, layout: &'static Layout) -> Result<Self, FilesError> {
        let mut lines = Lines::open(path, Ear::new(None, 0)).map_err(FilesError::io("read", path))?;
        let header = lines.next().map_err(FilesError::io("read", path))?;
        if header != Line::Whole(layout.header().as_bytes()) {
            return Err(damaged(path, 1, "its header is another one"));
        }
        Ok(Self { path: path.to_owned(), lines, fields: Fields::default(), columns: layout.columns.len() })
    }

    /// Splits the next row; false at the end.
    fn next(&mut self) -> Result<bool, FilesError> {
        let (path, columns) = (&self.path, self.columns);
        match self.lines.next().map_err(FilesError::io("read", path))? {
            Line::End => Ok(false),
            Line::Broken(why) => Err(damaged(path, self.lines.number(), why)),
            Line::Whole(line) => {
                let split = self.fields.split(line);
                let whole = split.is_ok() && self.fields.len() >= columns;
                if whole { Ok(true) } else { Err(damaged(path, self.lines.number(), "it is no row")) }
            }
        }
    }

    fn text(&self, column: usize) -> Result<&str, FilesError> {
        self.fields.text(column).ok_or_else(|| self.bad("it is not UTF-8"))
    }

    fn read<T: std::str::FromStr>(&self, column: usize) -> Result<T, FilesError> {
        self.text(column)?.parse().map_err(|_| self.bad("a value has another form"))
    }

    fn bad(&self, why: &str) -> FilesError {
        damaged(&self.path, self.lines.number(), why)
    }

    fn result(&self, name: usize) -> Result<RecordResult, FilesError> {
        let reason = self.text(name.saturating_add(1))?;
        RecordResult::from_columns(self.text(name)?, reason).ok_or_else(|| self.bad("its result is none"))
    }
}

fn damaged(path: &Path, line: u64, why: &str) -> FilesError {
    let text = format!("line {line}: {why}");
    FilesError::io("read", path)(std::io::Error::new(std::io::ErrorKind::InvalidData, text))
}

/// The rows of `acquirer/<city>.csv`.
struct Taken {
    rows: Rows,
}

impl Taken {
    fn next(&mut self) -> Result<Option<Row>, FilesError> {
        let rows = &mut self.rows;
        if !rows.next()? {
            return Ok(None);
        }
        Ok(Some(Row {
            file: rows.text(0)?.to_owned(),
            line: decimal(rows.fields.get(1)).ok_or_else(|| rows.bad("its line is no number"))?,
            terminal: rows.text(2)?.to_owned(),
            terminal_seq: rows.read(3)?,
            issuer: rows.read(4)?,
            amount_fen: rows.read(5)?,
            result: rows.result(6)?,
        }))
    }
}

/// The rows of all `results/<city>/<name>.csv` that a cycle decided.
struct Answers {
    files: VecDeque<(String, PathBuf)>,
    open: Option<(String, Rows)>,
    cycle: String,
}

impl Answers {
    /// None if there is no folder.
    fn open(folder: &Path, cycle: CycleName) -> Result<Option<Self>, FilesError> {
        if !folder.is_dir() {
            return Ok(None);
        }
        let mut files = Vec::new();
        for entry in fs::read_dir(folder).map_err(FilesError::io("read", folder))? {
            let path = entry.map_err(FilesError::io("read", folder))?.path();
            let name = path.file_name().and_then(|name| name.to_str()).filter(|name| name.ends_with(".csv"));
            if let Some(name) = name.filter(|name| !name.starts_with('.')) {
                files.push((name.to_owned(), path));
            }
        }
        files.sort_unstable();
        Ok(Some(Self { files: files.into(), open: None, cycle: cycle.to_string() }))
    }

    fn next(&mut self) -> Result<Option<Row>, FilesError> {
        loop {
            let Some((name, rows)) = &mut self.open else {
                let Some((name, path)) = self.files.pop_front() else { return Ok(None) };
                self.open = Some((name, Rows::open(&path, &RESULTS)?));
                continue;
            };
            if !rows.next()? {
                self.open = None;
                continue;
            }
            if rows.fields.get(8) != self.cycle.as_bytes() {
                continue;
            }
            return Ok(Some(Row {
                file: name.clone(),
                line: decimal(rows.fields.get(0)).ok_or_else(|| rows.bad("its line is no number"))?,
                terminal: rows.text(1)?.to_owned(),
                terminal_seq: rows.read(2)?,
                issuer: rows.read(3)?,
                amount_fen: rows.read(4)?,
                result: rows.result(5)?,
            }));
        }
    }
}
