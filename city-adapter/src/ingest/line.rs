//! The line of a tap file that a record of a stream becomes: always exactly one.

use std::io::Write;

use domain::tap::{Algorithm, Medium, Product, Sector};
use proto::{Record, record::Content};
use sha2::{Digest as _, Sha256};

use crate::fields::write_field;

#[cfg(test)]
mod tests;

/// The first eight bytes of the SHA-256 of a line: tells a repeat from another record.
pub type Digest = u64;

/// The lines of consecutive records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    /// The lines with their line ends.
    bytes: Vec<u8>,
    /// Where each line ends.
    ends: Vec<usize>,
    digests: Vec<Digest>,
}

impl Lines {
    /// The lines of records.
    #[must_use]
    pub fn of(records: &[Record]) -> Self {
        let mut lines = Self::default();
        for record in records {
            lines.push(record);
        }
        lines
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The lines from the one at `skipped` on.
    #[must_use]
    pub fn bytes_from(&self, skipped: usize) -> &[u8] {
        let start = skipped.checked_sub(1).map_or(0, |last| self.ends.get(last).copied().unwrap_or_default());
        &self.bytes[start..]
    }

    /// The digest of each line.
    #[must_use]
    pub fn digests(&self) -> &[Digest] {
        &self.digests
    }

    fn push(&mut self, record: &Record) {
        let start = self.bytes.len();
        match &record.content {
            Some(Content::Tap(tap)) => write_tap(&mut self.bytes, tap),
            Some(Content::Line(line)) => self.bytes.extend_from_slice(line),
            None => {}
        }
        // One physical line, and none that a reader passes over.
        for byte in &mut self.bytes[start..] {
            if *byte == b'\n' {
                *byte = b'\r';
            }
        }
        if self.bytes[start..].iter().all(|byte| *byte == b'\r') {
            self.bytes.truncate(start);
            self.bytes.extend_from_slice(b"\"\"");
        }
        let hash = Sha256::digest(&self.bytes[start..]);
        self.digests.push(hash.first_chunk().copied().map_or(0, u64::from_be_bytes));
        self.bytes.push(b'\n');
        self.ends.push(self.bytes.len());
    }
}

fn write_tap(to: &mut Vec<u8>, tap: &proto::Tap) {
    hex(to, &tap.terminal);
    number(to, tap.terminal_seq);
    text(to, &tap.issuer);
    to.push(b',');
    hex(to, &tap.card);
    number(to, tap.card_counter);
    to.push(b',');
    match u8::try_from(tap.r#type) {
        Ok(type_byte) => hex(to, &[type_byte]),
        Err(_) => decimal(to, tap.r#type.into()),
    }
    number(to, tap.amount_fen);
    number(to, tap.fare_fen);
    text(to, &tap.tapped_at);
    word(to, tap.medium, |at| Medium::from_index(at).map(Medium::word));
    word(to, tap.sector, |at| Sector::from_index(at).map(Sector::word));
    word(to, tap.product, |at| Product::from_index(at).map(Product::word));
    text(to, &tap.operator);
    text(to, &tap.line);
    text(to, &tap.station);
    number(to, tap.key_version);
    word(to, tap.algorithm, |at| Algorithm::from_index(at).map(Algorithm::word));
    to.push(b',');
    hex(to, &tap.tac);
}

fn hex(to: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in bytes {
        to.extend([DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
}

fn number(to: &mut Vec<u8>, number: i64) {
    to.push(b',');
    decimal(to, number);
}

fn decimal(to: &mut Vec<u8>, number: i64) {
    // Writing into memory cannot fail.
    drop(write!(to, "{number}"));
}

fn text(to: &mut Vec<u8>, text: &str) {
    to.push(b',');
    write_field(to, text.as_bytes());
}

/// The word of an enumeration that counts from 1; a number that names none stays a number, 0 stays empty.
fn word(to: &mut Vec<u8>, value: i32, of_index: impl Fn(u8) -> Option<&'static str>) {
    to.push(b',');
    let index = value.checked_sub(1).and_then(|index| u8::try_from(index).ok());
    match index.and_then(of_index) {
        Some(word) => to.extend_from_slice(word.as_bytes()),
        None if value == 0 => {}
        None => decimal(to, value.into()),
    }
}
