//! A CSV file on its way to disk: digest, size, rows and totals are taken as it is written.

use std::{
    fs::File,
    io::Write as _,
    path::{Path, PathBuf},
};

use domain::{city::City, date::LocalTime};
use sha2::{Digest as _, Sha256};

use crate::{
    error::FilesError,
    layout::{self, Layout},
    manifest::FileEntry,
    text,
};

/// Bytes gathered before they are hashed and written.
const BUFFER_BYTES: usize = 256 * 1024;

/// A CSV file being written: rows are begun, filled column by column, and ended.
#[derive(Debug)]
pub struct Table {
    file: File,
    path: PathBuf,
    name: String,
    layout: &'static Layout,
    buffer: Vec<u8>,
    column: usize,
    sha256: Sha256,
    size: u64,
    rows: u64,
    sums: Vec<i128>,
}

impl Table {
    /// Creates `folder/name` and writes the header row.
    ///
    /// # Errors
    /// [`FilesError::Io`] if the file is there already or cannot be created.
    pub fn create(folder: &Path, name: String, layout: &'static Layout) -> Result<Self, FilesError> {
        let path = folder.join(&name);
        let file = File::create_new(&path).map_err(FilesError::io("create", &path))?;
        let mut buffer = Vec::with_capacity(BUFFER_BYTES + 1024);
        buffer.extend_from_slice(layout.header().as_bytes());
        buffer.push(b'\n');
        let sums = vec![0; layout.columns.len()];
        let sha256 = Sha256::new();
        Ok(Self { file, path, name, layout, buffer, column: 0, sha256, size: 0, rows: 0, sums })
    }

    /// The name in the cycle folder.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Begins a row.
    ///
    /// # Errors
    /// [`FilesError::Io`] if earlier rows cannot be written.
    pub fn begin(&mut self) -> Result<&mut Self, FilesError> {
        if self.buffer.len() >= BUFFER_BYTES {
            self.flush()?;
        }
        self.column = 0;
        Ok(self)
    }

    /// A field of bytes that need no quotes.
    pub fn plain(&mut self, bytes: &[u8]) -> &mut Self {
        self.field().extend_from_slice(bytes);
        self
    }

    /// A city.
    pub fn city(&mut self, city: City) -> &mut Self {
        self.plain(&city.spelling())
    }

    /// A number that is no total's part.
    pub fn number(&mut self, number: u64) -> &mut Self {
        text::push_decimal(self.field(), number);
        self
    }

    /// A number of a column whose sum the manifest states.
    pub fn summed(&mut self, number: u64) -> &mut Self {
        self.sums[self.column] += i128::from(number);
        self.number(number)
    }

    /// A number of a summed column which may be negative.
    pub fn summed_signed(&mut self, number: i64) -> &mut Self {
        self.sums[self.column] += i128::from(number);
        text::push_signed(self.field(), number);
        self
    }

    /// Bytes as upper-case hex.
    pub fn hex(&mut self, bytes: &[u8]) -> &mut Self {
        text::push_hex(self.field(), bytes);
        self
    }

    /// A local time.
    pub fn time(&mut self, time: LocalTime) -> &mut Self {
        text::push_time(self.field(), time);
        self
    }

    /// Free text, quoted where needed.
    ///
    /// # Errors
    /// [`FilesError::LineBreak`] if it would break the row in two.
    pub fn text(&mut self, text: &str) -> Result<&mut Self, FilesError> {
        if text::has_line_break(text) {
            return Err(FilesError::LineBreak { file: self.name.clone(), text: text.to_owned() });
        }
        text::push_text(self.field(), text);
        Ok(self)
    }

    /// Bytes so far, header included.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size + self.buffer.len() as u64
    }

    /// Ends the row.
    pub fn end(&mut self) {
        debug_assert_eq!(self.column, self.layout.columns.len(), "a row of {}", self.name);
        self.rows += 1;
        self.buffer.push(b'\n');
    }

    /// Writes what is left and returns the file's entry in the manifest.
    ///
    /// # Errors
    /// [`FilesError::Io`] if the rest cannot be written.
    pub fn finish(mut self) -> Result<FileEntry, FilesError> {
        self.flush()?;
        let columns = self.layout.columns.iter().zip(self.sums);
        let totals = columns.filter(|(column, _)| layout::is_summed(column));
        Ok(FileEntry {
            name: self.name,
            rows: Some(self.rows),
            sha256: text::digest_hex(&self.sha256.finalize().into()),
            size: self.size,
            totals: totals.map(|(column, sum)| ((*column).to_owned(), sum)).collect(),
        })
    }

    /// The buffer at the start of the next field.
    fn field(&mut self) -> &mut Vec<u8> {
        if self.column > 0 {
            self.buffer.push(b',');
        }
        self.column += 1;
        &mut self.buffer
    }

    /// Hashes and writes the buffer.
    fn flush(&mut self) -> Result<(), FilesError> {
        self.sha256.update(&self.buffer);
        self.size += self.buffer.len() as u64;
        self.file.write_all(&self.buffer).map_err(FilesError::io("write", &self.path))?;
        self.buffer.clear();
        Ok(())
    }
}
