//! One listed file against its entry in the manifest.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::Path,
};

use super::{
    reader::{Fields, Line, Lines, signed},
    report::{Check, Findings},
};
use crate::{
    error::FilesError,
    layout::{self, Layout},
    manifest::FileEntry,
    text,
};

/// A data row as it is handed to the check of its file.
#[derive(Debug)]
pub(super) struct Row<'a> {
    /// Physical line, 1-based.
    pub(super) line: u64,
    /// The row's bytes without line end.
    pub(super) bytes: &'a [u8],
    /// Its fields.
    pub(super) fields: &'a Fields,
}

impl Row<'_> {
    /// Notes a field that has no valid form.
    pub(super) fn bad_field(&self, findings: &mut Findings, file: &str, layout: &Layout, column: usize) {
        let (name, text) = (layout.columns[column], String::from_utf8_lossy(self.fields.get(column)));
        findings.fail(Check::Fields, file, Some(self.line), format!("{name}: `{text}` is not allowed there"));
    }
}

/// Reads a CSV file: digest, size, header, columns, rows and totals are compared with its entry;
/// each row with the right number of columns is handed on.
pub(super) fn read_csv(
    folder: &Path,
    entry: &FileEntry,
    layout: &Layout,
    findings: &mut Findings,
    mut on_row: impl FnMut(&Row<'_>, &mut Findings),
) -> Result<(), FilesError> {
    let path = folder.join(&entry.name);
    let Some(mut lines) = open(&path, entry, findings)? else { return Ok(()) };
    let failed = |e| FilesError::io("read", &path)(e);
    let mut fields = Fields::default();
    let mut counts = match read_header(&mut lines, &mut fields, layout).map_err(failed)? {
        Ok(counts) => counts,
        Err(what) => {
            findings.fail(Check::Fields, &entry.name, Some(1), what);
            compare_digest(lines.finish().map_err(failed)?, entry, findings);
            return Ok(());
        }
    };
    loop {
        let number = lines.number() + 1;
        let bytes = match lines.next().map_err(failed)? {
            Line::Whole(bytes) => bytes,
            Line::Broken(what) => break findings.fail(Check::Fields, &entry.name, Some(number), what),
            Line::End => break,
        };
        counts.rows += 1;
        match counts.read_row(bytes, &mut fields) {
            Ok(()) => on_row(&Row { line: number, bytes, fields: &fields }, findings),
            Err(what) => findings.fail(Check::Fields, &entry.name, Some(number), what),
        }
    }
    counts.compare(entry, findings);
    compare_digest(lines.finish().map_err(failed)?, entry, findings);
    Ok(())
}

/// Reads a file that is no CSV: digest and size are compared with its entry.
pub(super) fn read_other(
    folder: &Path,
    entry: &FileEntry,
    findings: &mut Findings,
) -> Result<(), FilesError> {
    let path = folder.join(&entry.name);
    let Some(lines) = open(&path, entry, findings)? else { return Ok(()) };
    if entry.rows.is_some() || !entry.totals.is_empty() {
        let what = "the manifest states rows or totals of a file that is no CSV of this layout";
        findings.fail(Check::Counts, &entry.name, None, what);
    }
    compare_digest(lines.finish().map_err(FilesError::io("read", &path))?, entry, findings);
    Ok(())
}

/// Opens a listed file; a missing one is a failure.
fn open(path: &Path, entry: &FileEntry, findings: &mut Findings) -> Result<Option<Lines>, FilesError> {
    match Lines::open(path, findings.ear().clone()) {
        Ok(lines) => Ok(Some(lines)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            findings.fail(Check::Files, &entry.name, None, "the manifest lists it, but it is missing");
            Ok(None)
        }
        Err(e) => Err(FilesError::io("open", path)(e)),
    }
}

/// Reads a file of any kind: digest and size alone are compared with its entry.
pub(super) fn read_bytes(
    folder: &Path,
    entry: &FileEntry,
    findings: &mut Findings,
) -> Result<(), FilesError> {
    let path = folder.join(&entry.name);
    let Some(lines) = open(&path, entry, findings)? else { return Ok(()) };
    compare_digest(lines.finish().map_err(FilesError::io("read", &path))?, entry, findings);
    Ok(())
}

fn compare_digest((sha256, size): ([u8; 32], u64), entry: &FileEntry, findings: &mut Findings) {
    if size != entry.size {
        let what = format!("it has {size} bytes, the manifest says {}", entry.size);
        findings.fail(Check::Files, &entry.name, None, what);
    }
    let sha256 = text::digest_hex(&sha256);
    if sha256 != entry.sha256 {
        let what = format!("its SHA-256 is {sha256}, the manifest says {}", entry.sha256);
        findings.fail(Check::Files, &entry.name, None, what);
    }
}

/// Rows and sums of a file as it is read.
#[derive(Debug)]
struct Counts {
    columns: usize,
    rows: u64,
    /// Place and name of each summed column, and its sum so far.
    sums: Vec<(usize, String, i128)>,
}

/// Reads the header row. Columns that a later version added at the end are allowed.
fn read_header(
    lines: &mut Lines,
    fields: &mut Fields,
    layout: &Layout,
) -> io::Result<Result<Counts, String>> {
    let expected = || format!("the header is not {}", layout.header());
    let Line::Whole(header) = lines.next()? else { return Ok(Err(expected())) };
    let names: Option<Vec<&str>> = match fields.split(header) {
        Ok(()) => (0..fields.len()).map(|column| fields.text(column)).collect(),
        Err(_) => None,
    };
    let Some(names) = names.filter(|names| names.starts_with(layout.columns)) else {
        return Ok(Err(expected()));
    };
    let summed = names.iter().enumerate().filter(|(_, name)| layout::is_summed(name));
    let sums = summed.map(|(column, name)| (column, (*name).to_owned(), 0)).collect();
    Ok(Ok(Counts { columns: names.len(), rows: 0, sums }))
}

impl Counts {
    /// Splits a row and adds its figures.
    fn read_row(&mut self, bytes: &[u8], fields: &mut Fields) -> Result<(), String> {
        if bytes.contains(&b'\r') {
            return Err("it has a carriage return".to_owned());
        }
        fields.split(bytes)?;
        if fields.len() != self.columns {
            return Err(format!("it has {} columns instead of {}", fields.len(), self.columns));
        }
        for (column, name, sum) in &mut self.sums {
            let figure = signed(fields.get(*column)).ok_or_else(|| format!("{name} is no number"))?;
            *sum += i128::from(figure);
        }
        Ok(())
    }

    /// Compares with what the manifest states.
    fn compare(self, entry: &FileEntry, findings: &mut Findings) {
        if entry.rows != Some(self.rows) {
            let stated = entry.rows.map_or("none".to_owned(), |rows| rows.to_string());
            let what = format!("it has {} rows, the manifest says {stated}", self.rows);
            findings.fail(Check::Counts, &entry.name, None, what);
        }
        let totals: BTreeMap<String, i128> =
            self.sums.into_iter().map(|(_, name, sum)| (name, sum)).collect();
        if totals != entry.totals {
            let columns: BTreeSet<&String> = totals.keys().chain(entry.totals.keys()).collect();
            let text = |sum: Option<&i128>| sum.map_or("nothing".to_owned(), i128::to_string);
            let wrong: Vec<String> = columns
                .into_iter()
                .map(|column| (column, totals.get(column), entry.totals.get(column)))
                .filter(|(_, sum, stated)| sum != stated)
                .map(|(column, sum, stated)| {
                    format!("{column} sums to {}, the manifest says {}", text(sum), text(stated))
                })
                .collect();
            findings.fail(Check::Counts, &entry.name, None, wrong.join("; "));
        }
    }
}
