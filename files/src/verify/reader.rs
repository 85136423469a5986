//! Reads a file of the folder once: its lines, its digest, its size.

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader, Read},
    path::Path,
};

use sha2::{Digest as _, Sha256};

use super::report::Ear;

/// Bytes read at once.
const BUFFER_BYTES: usize = 256 * 1024;
/// The longest line of a CSV file, bytes.
const LINE_BYTES_MAX: u64 = 1 << 20;

/// A file that is hashed while it is read.
#[derive(Debug)]
struct Hashed {
    file: File,
    sha256: Sha256,
    size: u64,
    ear: Ear,
}

impl Read for Hashed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.sha256.update(&buffer[..read]);
        self.size += read as u64;
        self.ear.tell(read as u64);
        Ok(read)
    }
}

/// A file being read line by line.
#[derive(Debug)]
pub(crate) struct Lines {
    reader: BufReader<Hashed>,
    line: Vec<u8>,
    number: u64,
}

/// What stands in a file at some line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line<'a> {
    /// A line, without its LF.
    Whole(&'a [u8]),
    /// A last line without LF, or a line that is too long: nothing behind it is read.
    Broken(&'static str),
    /// The end of the file.
    End,
}

impl Lines {
    /// Opens a file; `ear` is told how much of it was read.
    pub(crate) fn open(path: &Path, ear: Ear) -> io::Result<Self> {
        let hashed = Hashed { file: File::open(path)?, sha256: Sha256::new(), size: 0, ear };
        Ok(Self { reader: BufReader::with_capacity(BUFFER_BYTES, hashed), line: Vec::new(), number: 0 })
    }

    /// The number of the last line that was read, 1-based.
    pub(crate) const fn number(&self) -> u64 {
        self.number
    }

    /// The next line.
    pub(crate) fn next(&mut self) -> io::Result<Line<'_>> {
        self.line.clear();
        self.reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut self.line)?;
        if self.line.is_empty() {
            return Ok(Line::End);
        }
        self.number += 1;
        Ok(match self.line.split_last() {
            Some((b'\n', line)) => Line::Whole(line),
            _ if self.line.len() as u64 == LINE_BYTES_MAX => Line::Broken("the line is over 1 MiB long"),
            _ => Line::Broken("the last line has no line end"),
        })
    }

    /// Reads the rest; returns the file's SHA-256 and size.
    pub(crate) fn finish(mut self) -> io::Result<([u8; 32], u64)> {
        io::copy(&mut self.reader, &mut io::sink())?;
        let Hashed { sha256, size, .. } = self.reader.into_inner();
        Ok((sha256.finalize().into(), size))
    }
}

/// The fields of one line, unquoted.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Fields {
    /// Splits a line as RFC 4180 says.
    ///
    /// # Errors
    /// What is wrong with its quotes.
    pub(crate) fn split(&mut self, line: &[u8]) -> Result<(), &'static str> {
        self.bytes.clear();
        self.ends.clear();
        if line.contains(&b'"') {
            return self.split_quoted(line);
        }
        self.bytes.extend_from_slice(line);
        let commas = line.iter().enumerate().filter(|(_, byte)| **byte == b',');
        self.ends.extend(commas.map(|(at, _)| at));
        self.ends.push(line.len());
        Ok(())
    }

    /// The same for a line with quotes; a comma stays between the fields in `bytes`.
    fn split_quoted(&mut self, line: &[u8]) -> Result<(), &'static str> {
        let mut rest = line;
        loop {
            rest = match rest.split_first() {
                Some((b'"', quoted)) => self.take_quoted(quoted)?,
                _ => {
                    let len = rest.iter().position(|byte| *byte == b',').unwrap_or(rest.len());
                    let (field, behind) = rest.split_at(len);
                    if field.contains(&b'"') {
                        return Err("a quote inside an unquoted field");
                    }
                    self.bytes.extend_from_slice(field);
                    behind
                }
            };
            self.ends.push(self.bytes.len());
            match rest.split_first() {
                Some((b',', behind)) => rest = behind,
                Some(_) => return Err("text behind a closing quote"),
                None => return Ok(()),
            }
            self.bytes.push(b',');
        }
    }

    /// Takes a field up to its closing quote; returns what stands behind it.
    fn take_quoted<'l>(&mut self, mut rest: &'l [u8]) -> Result<&'l [u8], &'static str> {
        loop {
            let quote = rest.iter().position(|byte| *byte == b'"').ok_or("a quote is not closed")?;
            self.bytes.extend_from_slice(&rest[..quote]);
            rest = &rest[quote + 1..];
            let Some(behind) = rest.strip_prefix(b"\"") else { return Ok(rest) };
            self.bytes.push(b'"');
            rest = behind;
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// A field; empty beyond the last.
    pub(crate) fn get(&self, column: usize) -> &[u8] {
        let start = match column.checked_sub(1) {
            Some(before) => self.ends.get(before).map_or(self.bytes.len(), |end| end + 1),
            None => 0,
        };
        let end = self.ends.get(column).copied().unwrap_or(start);
        self.bytes.get(start..end).unwrap_or_default()
    }

    /// A field as text.
    pub(crate) fn text(&self, column: usize) -> Option<&str> {
        str::from_utf8(self.get(column)).ok()
    }
}

/// Plain decimal digits: no sign, leading zeros or spaces.
pub(crate) fn decimal(text: &[u8]) -> Option<u64> {
    let plain = match text {
        [] => false,
        [b'0'] => true,
        [b'0', ..] => false,
        _ => text.len() <= 20,
    };
    if !plain {
        return None;
    }
    text.iter().try_fold(0_u64, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

/// The same with `-` before a negative number.
pub(super) fn signed(text: &[u8]) -> Option<i64> {
    match text.strip_prefix(b"-") {
        Some(digits) => decimal(digits).filter(|n| *n > 0).and_then(|n| 0_i64.checked_sub_unsigned(n)),
        None => decimal(text).and_then(|n| i64::try_from(n).ok()),
    }
}

/// Upper-case hex digits.
pub(super) fn hex<const DIGITS: usize>(text: &[u8]) -> Option<[u8; DIGITS]> {
    let upper = |byte: &u8| byte.is_ascii_digit() || (b'A'..=b'F').contains(byte);
    text.iter().all(upper).then(|| text.try_into().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The fields of a line as texts.
    fn split(line: &str) -> Result<Vec<String>, &'static str> {
        let mut fields = Fields::default();
        fields.split(line.as_bytes())?;
        Ok((0..fields.len()).map(|at| fields.text(at).unwrap().to_owned()).collect())
    }

    #[test]
    fn fields_come_back_unquoted() {
        for (line, expected) in [
            ("a,b,,d", vec!["a", "b", "", "d"]),
            ("", vec![""]),
            (",", vec!["", ""]),
            ("\"a,b.csv\",2", vec!["a,b.csv", "2"]),
            ("\"say \"\"hi\"\"\",\"\",x", vec!["say \"hi\"", "", "x"]),
        ] {
            assert_eq!(split(line), Ok(expected.into_iter().map(str::to_owned).collect()), "{line}");
        }
        for line in ["a\"b,c", "\"a", "\"a\"b,c"] {
            assert!(split(line).is_err(), "{line}");
        }
    }

    #[test]
    fn numbers_have_one_spelling() {
        assert_eq!(decimal(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(signed(b"-9223372036854775808"), Some(i64::MIN));
        for text in ["", "01", "+1", " 1", "1.0", "-1", "18446744073709551616"] {
            assert_eq!(decimal(text.as_bytes()), None, "{text}");
        }
        for text in ["", "-", "-0", "--1", "-01", "9223372036854775808"] {
            assert_eq!(signed(text.as_bytes()), None, "{text}");
        }
        assert_eq!(hex::<4>(b"0AF9"), Some(*b"0AF9"));
        assert_eq!((hex::<4>(b"0af9"), hex::<4>(b"0AF")), (None, None));
    }
}
