//! Rows of a CSV file of a cycle folder, read one at a time.

use std::{fs::File, path::PathBuf};

use csv::{ByteRecord, Reader, ReaderBuilder};
use files::layout::Layout;

use crate::error::ReportError;

/// Bytes read at once.
const BUFFER_BYTES: usize = 256 * 1024;
/// The longest text that an error repeats, characters.
const SHOWN_CHARS_MAX: usize = 60;

/// A file being read.
pub struct Rows {
    path: PathBuf,
    layout: &'static Layout,
    reader: Reader<File>,
    record: ByteRecord,
    columns: usize,
}

impl Rows {
    /// Opens a file and checks its header. Columns behind those of the layout are allowed.
    ///
    /// # Errors
    /// If it cannot be opened, or has another header.
    pub fn open(path: PathBuf, layout: &'static Layout) -> Result<Self, ReportError> {
        let file = File::open(&path).map_err(ReportError::io("open", &path))?;
        let reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .buffer_capacity(BUFFER_BYTES)
            .from_reader(file);
        let mut rows = Self { path, layout, reader, record: ByteRecord::new(), columns: 0 };
        rows.read()?;
        rows.columns = rows.record.len();
        let stated = rows.record.iter().take(layout.columns.len());
        if stated.ne(layout.columns.iter().map(|column| column.as_bytes())) {
            return Err(rows.damaged(None, format!("the header is not `{}`", layout.header())));
        }
        Ok(rows)
    }

    /// Goes to the next row; false at the end.
    ///
    /// # Errors
    /// If the file cannot be read or the row has another number of columns than the header.
    pub fn next(&mut self) -> Result<bool, ReportError> {
        if !self.read()? {
            return Ok(false);
        }
        match self.record.len() {
            found if found == self.columns => Ok(true),
            found => Err(self.damaged(None, format!("{found} columns, the header has {}", self.columns))),
        }
    }

    /// Bytes read so far.
    pub fn position(&self) -> u64 {
        self.reader.position().byte()
    }

    /// The field of a column; empty beyond the last.
    pub fn get(&self, column: usize) -> &[u8] {
        self.record.get(column).unwrap_or_default()
    }

    /// The field of a column, as `parse` reads it.
    ///
    /// # Errors
    /// If `parse` does not take it: the error names line and column, and says that `wanted` should stand there.
    pub fn field<T>(
        &self,
        column: usize,
        wanted: &str,
        parse: impl FnOnce(&[u8]) -> Option<T>,
    ) -> Result<T, ReportError> {
        let field = self.get(column);
        parse(field).ok_or_else(|| {
            let shown: String = String::from_utf8_lossy(field).chars().take(SHOWN_CHARS_MAX).collect();
            let name = self.layout.columns.get(column).copied();
            self.damaged(name, format!("`{shown}` is no {wanted}"))
        })
    }

    /// A whole number.
    ///
    /// # Errors
    /// As [`Rows::field`].
    pub fn number<T: std::str::FromStr>(&self, column: usize) -> Result<T, ReportError> {
        self.field(column, "whole number that fits", |field| str::from_utf8(field).ok()?.parse().ok())
    }

    /// A text.
    pub fn text(&self, column: usize) -> String {
        String::from_utf8_lossy(self.get(column)).into_owned()
    }

    /// The error of this row.
    pub fn damaged(&self, column: Option<&'static str>, what: String) -> ReportError {
        let line = self.record.position().map_or(1, csv::Position::line);
        ReportError::Row { path: self.path.clone(), line, column, what }
    }

    fn read(&mut self) -> Result<bool, ReportError> {
        self.reader.read_byte_record(&mut self.record).map_err(|error| match error.into_kind() {
            csv::ErrorKind::Io(source) => ReportError::io("read", &self.path)(source),
            other => self.damaged(None, format!("{other:?}")),
        })
    }
}
