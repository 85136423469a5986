//! What was looked at of a file: its beginning, some stretches further in, its end.

use encoding_rs::{UTF_16BE, UTF_16LE};

use super::charset::Charset;
use crate::lines::LINE_LEN_MAX;

/// Lines of the beginning, and of each stretch further in, that are looked at.
const LINES_MAX: (usize, usize) = (20_000, 4_000);

/// A stretch of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Where it begins in the file, in bytes. Even, so that no UTF-16 unit is cut.
    pub offset: u64,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Stretches of one file in their order, none over another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// The stretches; the first begins at 0.
    pub parts: Vec<Part>,
    /// Whether the last stretch goes to the end of the file.
    pub to_the_end: bool,
}

/// A line of the sample.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// Its text; characters that could not be decoded are U+FFFD.
    pub text: String,
    /// Its bytes in the file; empty in UTF-16.
    pub raw: Vec<u8>,
    /// Its number in its stretch, 1-based, blank lines counted.
    pub number: usize,
}

/// The lines of a sample, and how they end.
#[derive(Clone, Debug, Default)]
pub(super) struct SampleLines {
    /// Lines that are not blank.
    pub lines: Vec<Line>,
    /// Whether the last of them is the last of the file.
    pub to_the_end: bool,
    /// Whether they are all lines of the file.
    pub all: bool,
    /// Lines with characters that could not be decoded.
    pub undecoded: usize,
    /// How many more lines of a stretch are taken.
    room: usize,
}

impl Sample {
    /// A file that was read whole.
    #[must_use]
    pub fn whole(bytes: &[u8]) -> Self {
        Self { parts: vec![Part { offset: 0, bytes: bytes.to_vec() }], to_the_end: true }
    }

    /// The beginning of the file.
    pub(super) fn head(&self) -> &[u8] {
        self.parts.first().map_or(&[], |part| &part.bytes)
    }

    /// Whether it is the whole file.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.to_the_end && self.parts.len() <= 1
    }

    /// The lines that are whole in a stretch, without their ends, as bytes of the file.
    pub(super) fn raw_lines(&self) -> impl Iterator<Item = &[u8]> {
        let last = self.parts.len().saturating_sub(1);
        self.parts.iter().enumerate().flat_map(move |(index, part)| {
            whole_lines(&part.bytes, index == 0, index == last && self.to_the_end)
        })
    }

    /// Its lines as text.
    pub(super) fn lines(&self, charset: &Charset) -> SampleLines {
        let wide = [UTF_16LE, UTF_16BE].contains(&charset.encoding);
        let last = self.parts.len().saturating_sub(1);
        let mut got = SampleLines { to_the_end: self.to_the_end, all: self.is_whole(), ..Default::default() };
        for (index, part) in self.parts.iter().enumerate() {
            let bytes = if index == 0 { charset.without_mark(&part.bytes) } else { &part.bytes };
            let ends = (index == 0, index == last && self.to_the_end);
            got.room = if index == 0 { LINES_MAX.0 } else { LINES_MAX.1 };
            if wide {
                let (text, _) = charset.encoding.decode_without_bom_handling(bytes);
                for (number, line) in (1..).zip(whole_lines(text.as_bytes(), ends.0, ends.1)) {
                    got.add(number, String::from_utf8_lossy(line).into_owned(), Vec::new());
                }
            } else {
                for (number, line) in (1..).zip(whole_lines(bytes, ends.0, ends.1)) {
                    let (text, _) = charset.encoding.decode_without_bom_handling(line);
                    got.add(number, text.into_owned(), line.to_vec());
                }
            }
        }
        got
    }
}

impl SampleLines {
    fn add(&mut self, number: usize, text: String, raw: Vec<u8>) {
        if text.is_empty() || text.len() > LINE_LEN_MAX {
            return;
        }
        if self.room == 0 {
            // The last line of the file tells more than one in the middle.
            self.all = false;
            self.lines.pop();
        } else {
            self.room -= 1;
        }
        self.undecoded += usize::from(text.contains('\u{FFFD}'));
        self.lines.push(Line { text, raw, number });
    }
}

/// The lines of a stretch that are whole in it.
fn whole_lines(bytes: &[u8], from_the_start: bool, to_the_end: bool) -> impl Iterator<Item = &[u8]> {
    let start =
        if from_the_start { 0 } else { memchr::memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1) };
    let end = if to_the_end { bytes.len() } else { memchr::memrchr(b'\n', bytes).map_or(start, |at| at + 1) };
    let inside = bytes.get(start..end).unwrap_or_default();
    let inside = inside.strip_suffix(b"\n").unwrap_or(inside);
    let none = inside.is_empty();
    let lines = inside.split(|byte| *byte == b'\n');
    lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line)).filter(move |_| !none)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(bytes: &[u8], start: bool, end: bool) -> Vec<&[u8]> {
        whole_lines(bytes, start, end).collect()
    }

    #[test]
    fn lines_that_a_stretch_cuts_are_left_out() {
        assert_eq!(lines(b"a\nb\r\nc", true, true), [b"a", b"b", b"c"]);
        assert_eq!(lines(b"a\nb\nc", true, false), [b"a", b"b"]);
        assert_eq!(lines(b"a\nb\nc", false, true), [b"b", b"c"]);
        assert_eq!(lines(b"a\nb\nc\n", false, false), [b"b", b"c"]);
        for (start, end) in [(true, false), (false, true), (false, false)] {
            assert_eq!(lines(b"abc", start, end).len(), 0, "{start} {end}");
        }
        assert_eq!(lines(b"", true, true).len(), 0);
    }
}
