//! What an upload would be, without taking it.

use domain::city::City;

use super::inbox::{Inbox, InboxError};
use crate::{
    mapping::{Counts, Mapping},
    tapfile::Line,
};

/// What an upload would be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judged {
    /// Data lines.
    pub lines: u64,
    /// Lines that would be quarantined.
    pub malformed: Vec<Bad>,
    /// What would become of rows that are no lines by themselves.
    pub counts: Counts,
}

/// A line that would be quarantined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bad {
    /// Physical line, 1-based.
    pub line: u32,
    /// The column, or `line`.
    pub column: String,
    /// What is wrong there.
    pub reason: String,
}

/// Reads an upload in memory as one of `city`.
///
/// # Errors
/// [`InboxError`] if it would be refused whole.
pub fn judge(upload: &[u8], city: City, mapping: Option<&Mapping>) -> Result<Judged, InboxError> {
    let mut file = Inbox::open(upload, city, mapping)?;
    let mut judged = Judged::default();
    while let Some(line) = file.next_line()? {
        judged.lines += 1;
        if let Line::Malformed(bad) = line {
            let (column, reason) = (bad.reason.column().to_owned(), bad.reason.why().to_owned());
            judged.malformed.push(Bad { line: bad.line, column, reason });
        }
    }
    judged.counts = file.counts();
    Ok(judged)
}
