//! Writes one tap file, line by line, and its manifest.

use std::{
    fs::File,
    io::{BufWriter, Write as _},
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};

use crate::{
    config::SimulateError,
    record::{HEADER, Quoting, Record},
};

/// How a city writes its files: everything here is legal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Habit {
    /// Two files a day instead of one.
    pub(crate) two_files: bool,
    manifest: bool,
    crlf_and_bom: bool,
    blank_lines: bool,
    /// A further column at the end, which means nothing.
    extra_column: bool,
    pub(crate) quoting: Quoting,
}

impl Habit {
    /// The habit of participant number `place`.
    pub(crate) const fn of(place: usize) -> Self {
        Self {
            two_files: place.is_multiple_of(5),
            manifest: place.is_multiple_of(3),
            crlf_and_bom: place % 16 == 7,
            blank_lines: place % 16 == 11,
            extra_column: place % 16 == 9,
            quoting: if place % 16 == 13 { Quoting::Everything } else { Quoting::Needed },
        }
    }
}

/// A tap file that is being written.
pub(crate) struct TapFile {
    path: PathBuf,
    out: BufWriter<File>,
    digest: Option<Sha256>,
    habit: Habit,
    buffer: Vec<u8>,
    line: u64,
    records: u64,
    amount_fen: u64,
}

impl TapFile {
    pub(crate) fn create(path: PathBuf, habit: Habit) -> Result<Self, SimulateError> {
        let file = File::create_new(&path).map_err(SimulateError::io(&path))?;
        let mut tap_file = Self {
            path,
            out: BufWriter::with_capacity(1 << 18, file),
            digest: habit.manifest.then(Sha256::new),
            habit,
            buffer: Vec::with_capacity(512),
            line: 0,
            records: 0,
            amount_fen: 0,
        };
        if habit.crlf_and_bom {
            tap_file.buffer.extend_from_slice("\u{FEFF}".as_bytes());
        }
        tap_file.buffer.extend_from_slice(HEADER.as_bytes());
        if habit.extra_column {
            tap_file.buffer.extend_from_slice(b",remark");
        }
        tap_file.end_line()?;
        Ok(tap_file)
    }

    /// Writes a record and says on which line, 1-based.
    pub(crate) fn record(&mut self, record: &Record) -> Result<u64, SimulateError> {
        self.amount_fen += u64::from(record.tap.amount_fen.get());
        record.write(self.habit.quoting, &mut self.buffer);
        self.data_line()
    }

    /// Writes a line that is no record and says on which line, 1-based.
    pub(crate) fn damaged(&mut self, line: &[u8]) -> Result<u64, SimulateError> {
        self.buffer.extend_from_slice(line);
        self.data_line()
    }

    fn data_line(&mut self) -> Result<u64, SimulateError> {
        self.records += 1;
        if self.habit.extra_column {
            self.buffer.extend_from_slice(b",-");
        }
        self.end_line()?;
        let line = self.line;
        if self.habit.blank_lines && self.records.is_multiple_of(50) {
            self.end_line()?;
        }
        Ok(line)
    }

    fn end_line(&mut self) -> Result<(), SimulateError> {
        self.buffer.extend_from_slice(if self.habit.crlf_and_bom { b"\r\n" } else { b"\n" });
        if let Some(digest) = &mut self.digest {
            digest.update(&self.buffer);
        }
        self.out.write_all(&self.buffer).map_err(SimulateError::io(&self.path))?;
        self.buffer.clear();
        self.line += 1;
        Ok(())
    }

    /// Ends the file and writes the manifest, if the city writes one.
    pub(crate) fn finish(mut self) -> Result<(), SimulateError> {
        self.out.flush().map_err(SimulateError::io(&self.path))?;
        let Some(digest) = self.digest else { return Ok(()) };
        let sha256: String = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        let (amount_fen, records) = (self.amount_fen, self.records);
        let manifest = format!(
            "{{\n  \"amount_fen\": {amount_fen},\n  \"records\": {records},\n  \"sha256\": \"{sha256}\"\n}}\n"
        );
        let mut name = self.path.into_os_string();
        name.push(".manifest.json");
        write(Path::new(&name), &manifest)
    }
}

/// Writes a small file whole.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), SimulateError> {
    std::fs::write(path, text).map_err(SimulateError::io(path))
}
