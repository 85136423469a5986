//! Quarantine files: lines that cannot be taken, each with what is wrong with it and its text, so that a person can
//! mend it and feed it back.
//!
//! Around the bad lines stand those that make the file readable: `header` for each line before the data, `trailer`
//! for the control line at its end, `entry` before an exit whose trip cannot be taken.

use std::io::{self, Write};

use crate::fields::write_field;

pub use correction::Correction;
pub use script::Script;

pub use crate::lines::KeptLine;

mod correction;
mod script;

/// The header of a quarantine file.
pub const QUARANTINE_HEADER: &str = "line,column,reason,raw\n";

/// The column of the rows that hold the lines before the data: titles, control line, names.
pub const HEADER_COLUMN: &str = "header";

/// The column of the row that holds the control line at the end.
pub const TRAILER_COLUMN: &str = "trailer";

/// The column of the row that holds the entry of the trip in the row behind it.
pub const ENTRY_COLUMN: &str = "entry";

/// Writes a quarantine file.
pub struct QuarantineRows<W> {
    to: W,
    script: Script,
    row: Vec<u8>,
}

impl<W: Write> QuarantineRows<W> {
    /// Begins a file with the lines before the data.
    ///
    /// # Errors
    /// What the writer says.
    pub fn begin(mut to: W, script: Script, head: &[KeptLine]) -> io::Result<Self> {
        to.write_all(QUARANTINE_HEADER.as_bytes())?;
        let mut rows = Self { to, script, row: Vec::new() };
        for line in head {
            rows.put(line.number, HEADER_COLUMN, "", &line.bytes)?;
        }
        Ok(rows)
    }

    /// Writes a row; `raw` is the line as its reader gives it.
    ///
    /// # Errors
    /// What the writer says.
    pub fn put(&mut self, line: u32, column: &str, reason: &str, raw: &[u8]) -> io::Result<()> {
        self.row.clear();
        self.row.extend_from_slice(format!("{line},{column},").as_bytes());
        write_field(&mut self.row, reason.as_bytes());
        self.row.extend_from_slice(b",\"");
        for (index, text) in self.script.shown(raw).split('"').enumerate() {
            if index > 0 {
                self.row.extend_from_slice(b"\"\"");
            }
            self.row.extend_from_slice(text.as_bytes());
        }
        self.row.extend_from_slice(b"\"\n");
        self.to.write_all(&self.row)
    }

    /// Hands everything on to the writer.
    ///
    /// # Errors
    /// What the writer says.
    pub fn flush(&mut self) -> io::Result<&mut W> {
        self.to.flush()?;
        Ok(&mut self.to)
    }

    /// What it was written to.
    pub fn into_inner(self) -> W {
        self.to
    }
}
