//! The lines of a file that count: without what is passed over, and with the last line set apart if it is the trailer.

use std::{io::Read, mem};

use super::{MappingError, charset::Input};
use crate::lines::{KeptLine, LINE_LEN_MAX, Lines};

/// What MS-DOS wrote at the end of a text.
const END_OF_TEXT: &[u8] = b"\x1A";

/// Reads lines.
pub struct Feed<R> {
    lines: Lines<Input<R>>,
    comment: Option<Vec<u8>>,
    /// Whether the last line is kept back.
    keep_last: bool,
    now: Now,
    /// The line that is kept back, in `ahead`.
    next: Option<FeedLine>,
    ahead: Vec<u8>,
    copy: Vec<u8>,
}

/// Where the bytes of the last line are.
enum Now {
    Nowhere,
    Buffer(usize, usize),
    Copy,
}

/// A line.
#[derive(Clone, Copy, Debug)]
pub struct FeedLine {
    /// Line number, 1-based.
    pub number: u32,
    /// Whether it was too long to be read.
    pub too_long: bool,
}

impl<R: Read> Feed<R> {
    /// Reads from a file, after passing over its first `skip` lines, which go to `head` as far as they are short.
    ///
    /// # Errors
    /// [`MappingError::Skip`], [`MappingError::Io`].
    pub fn new(
        input: Input<R>,
        skip: u32,
        comment: Option<Vec<u8>>,
        head: &mut Vec<KeptLine>,
    ) -> Result<Self, MappingError> {
        let mut lines = Lines::new(input);
        let mut room = LINE_LEN_MAX;
        for number in 1..=skip {
            let Some(line) = lines.next_line()? else {
                return Err(MappingError::Skip { skip, lines: number - 1 });
            };
            let bytes = line.range.map_or(&[][..], |range| lines.bytes(range));
            let bytes = if bytes.len() > room { Vec::new() } else { bytes.to_vec() };
            room -= bytes.len();
            head.push(KeptLine { number, bytes });
        }
        let (ahead, copy) = (Vec::new(), Vec::new());
        Ok(Self { lines, comment, keep_last: false, now: Now::Nowhere, next: None, ahead, copy })
    }

    /// From here on the last line of the file is kept back.
    pub fn keep_last(&mut self) {
        self.keep_last = true;
    }

    /// The next line.
    ///
    /// # Errors
    /// [`MappingError::Io`], [`MappingError::TooManyLines`].
    pub fn next_line(&mut self) -> Result<Option<FeedLine>, MappingError> {
        if !self.keep_last {
            return self.read();
        }
        loop {
            let Some(line) = self.read()? else {
                self.now = Now::Nowhere;
                return Ok(None);
            };
            let before = self.next.replace(line);
            if before.is_some() {
                mem::swap(&mut self.ahead, &mut self.copy);
            }
            self.ahead.clear();
            if let Now::Buffer(start, end) = self.now {
                self.ahead.extend_from_slice(self.lines.bytes((start, end)));
            }
            if before.is_some() {
                self.now = Now::Copy;
                return Ok(before);
            }
        }
    }

    /// The last line of the file, once there is no next one.
    pub fn last_line(&self) -> Option<(FeedLine, &[u8])> {
        self.next.map(|line| (line, self.ahead.as_slice()))
    }

    fn read(&mut self) -> Result<Option<FeedLine>, MappingError> {
        loop {
            let Some(line) = self.lines.next_line()? else { return Ok(None) };
            let number = u32::try_from(line.number).map_err(|_| MappingError::TooManyLines)?;
            let Some(range) = line.range else {
                self.now = Now::Nowhere;
                return Ok(Some(FeedLine { number, too_long: true }));
            };
            let bytes = self.lines.bytes(range);
            let comment = self.comment.as_ref().is_some_and(|comment| bytes.starts_with(comment));
            if !bytes.is_empty() && bytes != END_OF_TEXT && !comment {
                self.now = Now::Buffer(range.0, range.1);
                return Ok(Some(FeedLine { number, too_long: false }));
            }
        }
    }

    /// The bytes of the line that came last; empty if it was too long.
    pub fn bytes(&self) -> &[u8] {
        match self.now {
            Now::Nowhere => &[],
            Now::Buffer(start, end) => self.lines.bytes((start, end)),
            Now::Copy => &self.copy,
        }
    }

    /// The file, for what was found out while it was read.
    pub fn into_input(self) -> R {
        self.lines.into_input().into_input()
    }
}
