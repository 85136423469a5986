//! The quarantine file of an upload: each malformed line with what is wrong with it and its raw text, so that a
//! person can mend it and feed it back.
//!
//! It is written in two passes, because lines are reported without their text: the first keeps line, column and
//! reason beside the place of the file, the second puts the text of each line behind them. The upload's first
//! line stands in front as `header`, so that the mended rows can become a file of their own.

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader, BufWriter, ErrorKind, Write},
    path::{Path, PathBuf},
};

use super::{AcquirerError, source::hex};
use crate::{fields::write_field, tapfile::Malformed};

/// The header of a quarantine file.
pub const QUARANTINE_HEADER: &str = "line,column,reason,raw\n";

/// The column of the row that holds the upload's own first line.
pub const HEADER_COLUMN: &str = "header";

const BUFFER_LEN: usize = 256 * 1024;
const BOM: &[u8] = b"\xEF\xBB\xBF";

/// The quarantine file of one upload while that is being taken.
pub struct Quarantine {
    folder: Option<PathBuf>,
    name: String,
    notes: Option<Notes>,
}

/// Line, column and reason of the malformed lines so far.
struct Notes {
    path: PathBuf,
    to: BufWriter<File>,
    row: Vec<u8>,
}

impl Quarantine {
    /// Begins the file of upload `name`; without a folder nothing is kept.
    pub fn begin(folder: Option<PathBuf>, name: &str) -> Self {
        Self { folder, name: name.to_owned(), notes: None }
    }

    /// Keeps what is wrong with a line. Lines come in order.
    pub fn add(&mut self, bad: &Malformed<'_>) -> Result<(), AcquirerError> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let notes = match &mut self.notes {
            Some(notes) => notes,
            None => self.notes.insert(Notes::create(folder, &self.name)?),
        };
        notes.row.clear();
        notes.row.extend_from_slice(format!("{},{},", bad.line, bad.reason.column()).as_bytes());
        write_field(&mut notes.row, bad.reason.why().as_bytes());
        notes.row.push(b'\n');
        notes.to.write_all(&notes.row).map_err(AcquirerError::file(&notes.path))
    }

    /// Puts the file into its place, durably; none if no line is malformed.
    pub fn finish(self, upload: &Path) -> Result<(), AcquirerError> {
        let (Some(folder), Some(mut notes)) = (self.folder, self.notes) else { return Ok(()) };
        notes.to.flush().map_err(AcquirerError::file(&notes.path))?;
        let to = folder.join(&self.name);
        let beside = folder.join(format!(".{}.tmp", short(&self.name)));
        let written = join(&notes.path, upload, &beside).and_then(|()| {
            fs::rename(&beside, &to)?;
            File::open(&folder)?.sync_all()
        });
        written.map_err(|source| {
            // What is left is of no use; the error that counts is the first.
            drop(fs::remove_file(&beside));
            AcquirerError::File { path: to, source }
        })
    }
}

impl Notes {
    fn create(folder: &Path, name: &str) -> Result<Self, AcquirerError> {
        let path = folder.join(format!(".{}.notes", short(name)));
        let file = fs::create_dir_all(folder).and_then(|()| File::create(&path));
        let to = BufWriter::with_capacity(BUFFER_LEN, file.map_err(AcquirerError::file(&path))?);
        Ok(Self { path, to, row: Vec::new() })
    }
}

impl Drop for Notes {
    fn drop(&mut self) {
        // They can be made again from the upload.
        drop(fs::remove_file(&self.path));
    }
}

/// A name of bounded length for a file that is no upload's.
fn short(name: &str) -> String {
    hex(&proto::digest::bytes(name.as_bytes())[..16])
}

/// Puts the raw text of each line behind its note.
fn join(notes: &Path, upload: &Path, to: &Path) -> io::Result<()> {
    let mut notes = BufReader::with_capacity(BUFFER_LEN, File::open(notes)?);
    let mut lines = RawLines::new(BufReader::with_capacity(BUFFER_LEN, File::open(upload)?))?;
    let mut to = BufWriter::with_capacity(BUFFER_LEN, File::create(to)?);
    to.write_all(QUARANTINE_HEADER.as_bytes())?;
    let mut note = Vec::new();
    // The upload's own first line, unless it is quarantined itself.
    let mut header = Some(format!("1,{HEADER_COLUMN},").into_bytes());
    loop {
        note.clear();
        if notes.read_until(b'\n', &mut note)? == 0 {
            break;
        }
        let note = note.strip_suffix(b"\n").unwrap_or(&note);
        let number = note.split(|byte| *byte == b',').next().and_then(|digits| str::from_utf8(digits).ok());
        let number: u64 = number.and_then(|digits| digits.parse().ok()).unwrap_or_default();
        if let Some(header) = header.take().filter(|_| number > 1) {
            lines.write(1, &header, &mut to)?;
        }
        lines.write(number, note, &mut to)?;
    }
    to.flush()?;
    to.get_ref().sync_all()
}

/// Gives the raw bytes of lines, in increasing order of their numbers, in memory of one size.
struct RawLines<R> {
    from: R,
    next: u64,
}

impl<R: BufRead> RawLines<R> {
    fn new(mut from: R) -> io::Result<Self> {
        if from.fill_buf()?.starts_with(BOM) {
            from.consume(BOM.len());
        }
        Ok(Self { from, next: 1 })
    }

    /// Writes a row: what stands before the raw text, then the text of line `number`.
    fn write(&mut self, number: u64, before: &[u8], to: &mut impl Write) -> io::Result<()> {
        while self.next < number {
            if !self.line(|_| Ok(()))? {
                return Err(io::Error::other("the upload has become shorter while it was read"));
            }
        }
        to.write_all(before)?;
        to.write_all(b",\"")?;
        let mut raw = Escaping::default();
        self.line(|bytes| raw.put(bytes, to))?;
        raw.end(to)?;
        to.write_all(b"\"\n")
    }

    /// Hands over the bytes of the next line without its line feed; false at the end of the file.
    fn line(&mut self, mut take: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<bool> {
        let mut any = false;
        loop {
            let buffer = match self.from.fill_buf() {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                buffer => buffer?,
            };
            if buffer.is_empty() {
                self.next += u64::from(any);
                return Ok(any);
            }
            any = true;
            let end = memchr::memchr(b'\n', buffer);
            take(&buffer[..end.unwrap_or(buffer.len())])?;
            let used = end.map_or(buffer.len(), |end| end + 1);
            self.from.consume(used);
            if end.is_some() {
                self.next += 1;
                return Ok(true);
            }
        }
    }
}

/// Writes raw bytes as text inside a quoted field: `\\` stands for a backslash, `\xHH` for a byte that is no
/// UTF-8 and for a carriage return inside the line. A carriage return at its end is part of the line end.
#[derive(Default)]
struct Escaping {
    /// Bytes that may be the beginning of a character.
    open: Vec<u8>,
    /// A carriage return that may be the last byte of the line.
    carriage_return: bool,
}

impl Escaping {
    fn put(&mut self, bytes: &[u8], to: &mut impl Write) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let mut bytes = [&std::mem::take(&mut self.open), bytes].concat();
        if std::mem::take(&mut self.carriage_return) {
            to.write_all(b"\\x0D")?;
        }
        self.carriage_return = bytes.pop_if(|byte| *byte == b'\r').is_some();
        for chunk in bytes.utf8_chunks() {
            text(chunk.valid(), to)?;
            let bad = chunk.invalid();
            let at_end = std::ptr::eq(bad.as_ptr_range().end, bytes.as_ptr_range().end);
            let cut = at_end
                && !self.carriage_return
                && str::from_utf8(bad).is_err_and(|e| e.error_len().is_none());
            if cut {
                self.open = bad.to_vec();
            } else {
                hexed(bad, to)?;
            }
        }
        Ok(())
    }

    fn end(self, to: &mut impl Write) -> io::Result<()> {
        hexed(&self.open, to)
    }
}

fn text(text: &str, to: &mut impl Write) -> io::Result<()> {
    let mut rest = text.as_bytes();
    while let Some(at) = memchr::memchr3(b'\\', b'"', b'\r', rest) {
        to.write_all(&rest[..at])?;
        to.write_all(match rest[at] {
            b'\\' => b"\\\\",
            b'"' => b"\"\"",
            _ => b"\\x0D",
        })?;
        rest = &rest[at + 1..];
    }
    to.write_all(rest)
}

fn hexed(bytes: &[u8], to: &mut impl Write) -> io::Result<()> {
    bytes.iter().try_for_each(|byte| write!(to, "\\x{byte:02X}"))
}

/// The bytes that the `raw` text of a quarantine file stands for.
///
/// # Errors
/// What is no escape, or a line end inside the text.
pub fn raw_bytes(raw: &str) -> Result<Vec<u8>, String> {
    if raw.contains('\n') {
        return Err("it has a line break: one row is one line".to_owned());
    }
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((before, after)) = rest.split_once('\\') {
        bytes.extend_from_slice(before.as_bytes());
        if let Some(after) = after.strip_prefix('\\') {
            bytes.push(b'\\');
            rest = after;
            continue;
        }
        let digits = after.strip_prefix('x').and_then(|digits| digits.get(..2));
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let byte = byte.ok_or("a backslash must be followed by another one, or by x and two hex digits")?;
        bytes.push(byte);
        rest = &after[3..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    if memchr::memchr(b'\n', &bytes).is_some() {
        return Err("it has a line break: one row is one line".to_owned());
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(chunks: &[&[u8]]) -> String {
        let (mut raw, mut to) = (Escaping::default(), Vec::new());
        chunks.iter().for_each(|chunk| raw.put(chunk, &mut to).unwrap());
        raw.end(&mut to).unwrap();
        String::from_utf8(to).unwrap()
    }

    #[test]
    fn every_byte_comes_back_however_the_line_was_read() {
        let lines: [&[u8]; 7] = [
            b"plain",
            "深圳,\"北\"".as_bytes(),
            b"\\x41\\",
            b"\xC9\xEE\xDB\xDA;1",
            b"a\rb",
            b"cut \xE6\xB7",
            b"\xFF\\\r\rx",
        ];
        for line in lines {
            for step in [1, 2, 3, 100] {
                let chunks: Vec<&[u8]> = line.chunks(step).collect();
                let raw = escaped(&chunks).replace("\"\"", "\"");
                assert_eq!(raw_bytes(&raw).unwrap(), line, "{raw} in steps of {step}");
            }
        }
        assert_eq!(escaped(&["深圳 \\".as_bytes(), b"\xFF\r"]), "深圳 \\\\\\xFF");
    }

    #[test]
    fn what_is_no_escape_is_named() {
        for raw in ["a\\", "\\x4", "\\n", "\\xZZ", "a\nb", "\\x0A"] {
            assert!(raw_bytes(raw).is_err(), "{raw:?}");
        }
    }

    #[test]
    fn a_line_of_any_length_is_kept_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let long = "长".repeat(300_000);
        fs::write(path("upload"), format!("\u{FEFF}head\r\n{long}\r\n\nlast")).unwrap();
        fs::write(path("notes"), "2,line,longer than 64 KiB\n4,card,\"expected x, y\"\n").unwrap();
        join(&path("notes"), &path("upload"), &path("to")).unwrap();
        let want = format!(
            "{QUARANTINE_HEADER}1,header,,\"head\"\n2,line,longer than 64 KiB,\"{long}\"\n4,card,\"expected x, y\",\"last\"\n"
        );
        assert_eq!(fs::read_to_string(path("to")).unwrap(), want);
    }
}
