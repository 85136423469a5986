//! An upload made of mended rows.

use super::{HEADER_COLUMN, Script, TRAILER_COLUMN};
use crate::mapping::{Mapping, MappingError};

/// The rows of a quarantine file, to be an upload of their own.
#[derive(Clone, Debug, Default)]
pub struct Correction {
    head: Vec<Row>,
    data: Vec<Row>,
    tail: Vec<Row>,
}

#[derive(Clone, Debug)]
struct Row {
    /// Where it stands in the quarantine file.
    place: u64,
    line: Vec<u8>,
}

impl Correction {
    /// Adds the row at `place` of the quarantine file: its column, and its line as [`Script::read`] gives it.
    ///
    /// # Errors
    /// What is wrong with the row.
    pub fn add(&mut self, place: u64, column: &str, line: Vec<u8>) -> Result<(), String> {
        let rows = match column {
            HEADER_COLUMN if self.data.is_empty() => &mut self.head,
            HEADER_COLUMN => return Err(format!("a row `{HEADER_COLUMN}` behind the lines: put it first")),
            TRAILER_COLUMN => &mut self.tail,
            _ if line.is_empty() => {
                return Err(
                    "raw is empty, as that of a line over 64 KiB is: write the line there (the archived \
                            upload has it), or take the row out"
                        .to_owned(),
                );
            }
            _ => &mut self.data,
        };
        rows.push(Row { place, line });
        Ok(())
    }

    /// How many rows are lines of data, entries of trips among them.
    #[must_use]
    pub fn lines(&self) -> u64 {
        u64::try_from(self.data.len()).unwrap_or(u64::MAX)
    }

    /// The row of the quarantine file behind a line of the upload, 1-based.
    #[must_use]
    pub fn place_of(&self, line: u32) -> Option<u64> {
        let index = usize::try_from(line).ok()?.checked_sub(1)?;
        self.rows().nth(index).map(|row| row.place)
    }

    /// The upload, in the layout of the file that the rows came from. The figures of its control lines are made anew
    /// where the mapping tells how they are written.
    ///
    /// # Errors
    /// [`MappingError`] if the mapping cannot read the upload.
    pub fn upload(&self, mapping: Option<&Mapping>) -> Result<Vec<u8>, MappingError> {
        let lines = self.rows().map(|row| row.line.clone());
        let Some(mapping) = mapping else {
            let lines: Vec<_> = lines.collect();
            return Ok(Script::UTF_8.file(lines.iter().map(Vec::as_slice)));
        };
        let lines = mapping.refigured(lines.collect())?;
        Ok(mapping.script().file(lines.iter().map(Vec::as_slice)))
    }

    fn rows(&self) -> impl Iterator<Item = &Row> {
        self.head.iter().chain(&self.data).chain(&self.tail)
    }
}
