//! Physical lines of a file of any size, in memory of one fixed size.

use std::io::{self, ErrorKind, Read};

/// The longest line that is read, in bytes, without its line end.
pub const LINE_LEN_MAX: usize = 64 * 1024;

const BUFFER_LEN: usize = 4 * LINE_LEN_MAX;
const BOM: &[u8] = b"\xEF\xBB\xBF";

/// A line that is kept while others are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptLine {
    /// Physical line, 1-based.
    pub number: u32,
    /// Its bytes without the line end.
    pub bytes: Vec<u8>,
}

/// Reads lines that end in LF or CRLF. A byte order mark before the first is skipped.
pub struct Lines<R> {
    input: R,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    at_end: bool,
    number: u64,
}

/// Where a line stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Physical {
    /// Line number, 1-based.
    pub number: u64,
    /// Its bytes in [`Lines::bytes`] without the line end; `None` for a line over [`LINE_LEN_MAX`],
    /// whose bytes are skipped.
    pub range: Option<(usize, usize)>,
}

impl<R: Read> Lines<R> {
    /// Reads from `input`, which needs no buffer of its own.
    pub fn new(input: R) -> Self {
        let buffer = vec![0; BUFFER_LEN].into_boxed_slice();
        Self { input, buffer, start: 0, end: 0, at_end: false, number: 0 }
    }

    /// The bytes of a range of the last line.
    pub fn bytes(&self, (start, end): (usize, usize)) -> &[u8] {
        &self.buffer[start..end]
    }

    /// Gives the input back.
    pub fn into_input(self) -> R {
        self.input
    }

    /// The next line; `None` at the end of the file. A last line without a line end counts.
    ///
    /// # Errors
    /// What the input says.
    pub fn next_line(&mut self) -> io::Result<Option<Physical>> {
        if self.number == 0 {
            self.skip_bom()?;
        }
        let mut searched = 0;
        loop {
            let window = &self.buffer[self.start..self.end];
            if let Some(at) = memchr::memchr(b'\n', &window[searched..]) {
                let end = self.start + searched + at;
                let range =
                    (self.start, end - usize::from(end > self.start && self.buffer[end - 1] == b'\r'));
                self.start = end + 1;
                return Ok(Some(self.numbered(range)));
            }
            searched = window.len();
            if searched > LINE_LEN_MAX + 1 {
                return self.skip_rest().map(Some);
            }
            if !self.fill()? {
                let range = (self.start, self.end);
                self.start = self.end;
                return Ok((range.0 < range.1).then(|| self.numbered(range)));
            }
        }
    }

    fn numbered(&mut self, range: (usize, usize)) -> Physical {
        self.number += 1;
        Physical { number: self.number, range: (range.1 - range.0 <= LINE_LEN_MAX).then_some(range) }
    }

    fn skip_bom(&mut self) -> io::Result<()> {
        while self.end < BOM.len() && self.fill()? {}
        if self.buffer[..self.end].starts_with(BOM) {
            self.start = BOM.len();
        }
        Ok(())
    }

    /// Skips a line that is too long to its end, keeping nothing of it.
    fn skip_rest(&mut self) -> io::Result<Physical> {
        loop {
            if let Some(at) = memchr::memchr(b'\n', &self.buffer[self.start..self.end]) {
                self.start += at + 1;
                break;
            }
            self.start = self.end;
            if !self.fill()? {
                break;
            }
        }
        self.number += 1;
        Ok(Physical { number: self.number, range: None })
    }

    /// Reads more bytes behind those that wait; false at the end of the input.
    fn fill(&mut self) -> io::Result<bool> {
        if self.at_end {
            return Ok(false);
        }
        if self.start > 0 && (self.start == self.end || self.buffer.len() - self.end < LINE_LEN_MAX) {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        loop {
            match self.input.read(&mut self.buffer[self.end..]) {
                Ok(0) => {
                    self.at_end = true;
                    return Ok(false);
                }
                Ok(read) => {
                    self.end += read;
                    return Ok(true);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives its bytes a few at a time, so that lines span reads.
    struct Slowly<'a>(&'a [u8], usize);
    impl Read for Slowly<'_> {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            let n = self.1.min(self.0.len()).min(to.len());
            to[..n].copy_from_slice(&self.0[..n]);
            self.0 = &self.0[n..];
            Ok(n)
        }
    }

    fn lines(mut from: Lines<impl Read>) -> Vec<(u64, Option<Vec<u8>>)> {
        let mut all = Vec::new();
        while let Some(line) = from.next_line().unwrap() {
            all.push((line.number, line.range.map(|range| from.bytes(range).to_vec())));
        }
        all
    }

    #[test]
    fn line_ends_and_byte_order_mark_are_taken_off() {
        for step in [1, 2, 3, 7, 1000] {
            let got = lines(Lines::new(Slowly(b"\xEF\xBB\xBFa\r\n\nb\r\r\nc\r", step)));
            let want: [&[u8]; 4] = [b"a", b"", b"b\r", b"c\r"];
            let want: Vec<_> = (1..).zip(want.map(|line| Some(line.to_vec()))).collect();
            assert_eq!(got, want, "{step} bytes at a time");
        }
        assert_eq!(lines(Lines::new(&b""[..])), []);
        assert_eq!(lines(Lines::new(&b"\xEF\xBB\xBF"[..])), []);
        assert_eq!(lines(Lines::new(&b"\xEF\xBB"[..])), [(1, Some(b"\xEF\xBB".to_vec()))]);
    }

    #[test]
    fn the_limit_holds_to_the_byte_and_the_next_line_is_whole() {
        for (len, fits) in [(LINE_LEN_MAX - 1, true), (LINE_LEN_MAX, true), (LINE_LEN_MAX + 1, false)] {
            for end in ["\n", "\r\n"] {
                let text = format!("first{end}{}{end}last", "x".repeat(len));
                for step in [1000, LINE_LEN_MAX, usize::MAX] {
                    let got = lines(Lines::new(Slowly(text.as_bytes(), step)));
                    assert_eq!(got.len(), 3, "{len} {end:?}");
                    assert_eq!(got[1].1.as_ref().map(Vec::len), fits.then_some(len), "{len} {end:?}");
                    assert_eq!(got[2], (3, Some(b"last".to_vec())));
                }
            }
        }
    }

    #[test]
    fn a_line_of_a_gigabyte_is_one_line_in_little_memory() {
        let endless = io::repeat(b'x').take(1 << 30).chain(&b"\nnext\n"[..]);
        let mut from = Lines::new(endless);
        assert_eq!(from.next_line().unwrap(), Some(Physical { number: 1, range: None }));
        let next = from.next_line().unwrap().unwrap();
        assert_eq!(from.bytes(next.range.unwrap()), b"next");
        assert_eq!(from.buffer.len(), BUFFER_LEN);
        assert_eq!(from.next_line().unwrap(), None);
    }
}
