//! A CSV file of a cycle folder, row by row; its digest is taken on the way.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use csv::{ByteRecord, Reader, ReaderBuilder, Terminator};
use files::{layout::Layout, text::digest_hex};
use sha2::{Digest as _, Sha256};

use crate::error::ColumnarError;

/// Bytes read at once.
const BUFFER_BYTES: usize = 256 * 1024;
/// The longest text that an error repeats, characters.
const SHOWN_CHARS_MAX: usize = 60;

/// A file that is hashed as it is read.
struct Hashing {
    file: File,
    sha256: Sha256,
}

impl Read for Hashing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.sha256.update(buffer.get(..read).unwrap_or_default());
        Ok(read)
    }
}

/// A file being read.
pub(crate) struct Rows {
    path: PathBuf,
    layout: &'static Layout,
    reader: Reader<Hashing>,
    record: ByteRecord,
}

impl Rows {
    /// Opens a file and checks its header.
    pub(crate) fn open(path: &Path, layout: &'static Layout) -> Result<Self, ColumnarError> {
        let file = File::open(path).map_err(ColumnarError::io("open", path))?;
        let reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .terminator(Terminator::Any(b'\n'))
            .buffer_capacity(BUFFER_BYTES)
            .from_reader(Hashing { file, sha256: Sha256::new() });
        let mut rows = Self { path: path.to_owned(), layout, reader, record: ByteRecord::new() };
        rows.read()?;
        if rows.record.iter().ne(layout.columns.iter().map(|column| column.as_bytes())) {
            return Err(rows.damaged(None, format!("the header is not `{}`", layout.header())));
        }
        Ok(rows)
    }

    /// The next row; none at the end.
    pub(crate) fn next(&mut self) -> Result<Option<&ByteRecord>, ColumnarError> {
        if !self.read()? {
            return Ok(None);
        }
        match (self.record.len(), self.layout.columns.len()) {
            (found, columns) if found == columns => Ok(Some(&self.record)),
            (found, columns) => Err(self.damaged(None, format!("{found} columns, the header has {columns}"))),
        }
    }

    /// Bytes read so far.
    pub(crate) fn position(&self) -> u64 {
        self.reader.position().byte()
    }

    /// The error of a field of this row.
    pub(crate) fn bad_field(&self, at: usize, wanted: &str) -> ColumnarError {
        let field = String::from_utf8_lossy(self.record.get(at).unwrap_or_default());
        let shown: String = field.chars().take(SHOWN_CHARS_MAX).collect();
        self.damaged(self.layout.columns.get(at).copied(), format!("`{shown}` is no {wanted}"))
    }

    /// SHA-256 of the file, lower-case hex, when all of it was read.
    pub(crate) fn sha256(self) -> String {
        digest_hex(&self.reader.into_inner().sha256.finalize().into())
    }

    fn damaged(&self, column: Option<&'static str>, what: String) -> ColumnarError {
        let line = self.record.position().map_or(1, csv::Position::line);
        ColumnarError::Row { path: self.path.clone(), line, column, what }
    }

    fn read(&mut self) -> Result<bool, ColumnarError> {
        self.reader.read_byte_record(&mut self.record).map_err(|error| match error.into_kind() {
            csv::ErrorKind::Io(source) => ColumnarError::io("read", &self.path)(source),
            other => self.damaged(None, format!("{other:?}")),
        })
    }
}
