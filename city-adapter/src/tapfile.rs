//! Reads tap files of layout `cityunion-tap/1`, line by line and field by field.
//!
//! A bad line never stops a file: it becomes [`Line::Malformed`] with the column and what is wrong.

use std::{
    fmt,
    io::{self, Read},
};

use domain::{city::City, tap::Tap};

pub use columns::{Column, HEADER, TEXT_LEN_MAX};

use crate::{
    fields::{Dialect, Fields, Unreadable},
    lines::{KeptLine, Lines},
};

mod columns;
#[cfg(test)]
mod tests;

pub use crate::lines::LINE_LEN_MAX;

/// Why a file cannot be taken as a tap file.
#[derive(Debug, thiserror::Error)]
pub enum TapFileError {
    /// Line 1 is not the header of the layout.
    #[error(
        "line 1 is not the header of layout cityunion-tap/1; it begins with `terminal,terminal_seq,issuer`"
    )]
    Header,
    /// The file has more lines than a record can point to.
    #[error("the file has more than 4294967295 lines; split it")]
    TooManyLines,
    /// The file could not be read.
    #[error("the file cannot be read")]
    Io(#[from] io::Error),
}

/// A tap file that is being read.
pub struct TapFile<R> {
    lines: Lines<R>,
    acquirer: City,
    columns: usize,
    fields: Fields,
    reader: columns::ColumnReader,
    last: Option<(usize, usize)>,
    head: [KeptLine; 1],
}

/// What a data line of a tap file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// A tap of another city's card, to be presented.
    Tap(TapLine<'a>),
    /// A tap of the acquiring city's own card: not an inter-city record.
    Local(TapLine<'a>),
    /// A line that is quarantined.
    Malformed(Malformed<'a>),
}

/// A good line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TapLine<'a> {
    /// Home city of the card.
    pub issuer: City,
    /// The tap with its line; the place in its batch is not known yet and 0.
    pub tap: Tap,
    /// Operator, UTF-8, at most 64 bytes.
    pub operator: &'a [u8],
    /// Line, UTF-8, at most 64 bytes.
    pub line: &'a [u8],
    /// Station, UTF-8, at most 64 bytes.
    pub station: &'a [u8],
    /// What the line says in the columns that its result repeats.
    pub texts: RawTexts<'a>,
}

/// A bad line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed<'a> {
    /// Physical line, 1-based.
    pub line: u32,
    /// What is wrong.
    pub reason: Reason<'a>,
    /// What the line says in the columns that its result repeats; empty if the line as such is bad.
    pub texts: RawTexts<'a>,
}

/// Texts of a line that its result repeats, as they were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RawTexts<'a> {
    /// Column `terminal`.
    pub terminal: &'a [u8],
    /// Column `terminal_seq`.
    pub terminal_seq: &'a [u8],
    /// Column `issuer`.
    pub issuer: &'a [u8],
    /// Column `amount_fen`.
    pub amount_fen: &'a [u8],
}

/// What is wrong with a line; its text is the `reason` of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason<'a> {
    /// The line as such is bad.
    Line(&'static str),
    /// The first bad column.
    Column(Column),
    /// What a mapping cannot read.
    Mapped {
        /// The target column, or `line`.
        column: &'static str,
        /// What is wrong there.
        why: &'a str,
    },
}

impl<'a> Reason<'a> {
    /// The name of the column, or `line`.
    #[must_use]
    pub fn column(self) -> &'static str {
        match self {
            Self::Line(_) => "line",
            Self::Column(column) => column.name(),
            Self::Mapped { column, .. } => column,
        }
    }

    /// What is wrong there.
    #[must_use]
    pub const fn why(self) -> &'a str {
        match self {
            Self::Line(why) => why,
            Self::Mapped { why, .. } => why,
            Self::Column(column) => column.expected(),
        }
    }
}

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.column(), self.why())
    }
}

impl From<Unreadable> for Reason<'_> {
    fn from(unreadable: Unreadable) -> Self {
        Self::Line(unreadable.text())
    }
}

impl<R: Read> TapFile<R> {
    /// Begins to read the file of `acquirer`; `input` needs no buffer.
    ///
    /// # Errors
    /// [`TapFileError::Header`] if line 1 is not the header (an empty file has none), or
    /// [`TapFileError::Io`].
    pub fn open(input: R, acquirer: City) -> Result<Self, TapFileError> {
        let mut lines = Lines::new(input);
        let mut fields = Fields::default();
        let first = lines.next_line()?.and_then(|line| line.range).ok_or(TapFileError::Header)?;
        let header = lines.bytes(first);
        match header.strip_prefix(HEADER.as_bytes()) {
            Some([] | [b',', ..]) => {}
            _ => return Err(TapFileError::Header),
        }
        fields.split(header, Dialect::CSV).map_err(|_| TapFileError::Header)?;
        let head = [KeptLine { number: 1, bytes: header.to_vec() }];
        let reader = columns::ColumnReader::default();
        Ok(Self { columns: fields.len(), lines, acquirer, fields, reader, last: None, head })
    }

    /// The next data line; `None` at the end of the file. Blank lines are skipped.
    ///
    /// # Errors
    /// [`TapFileError::Io`], [`TapFileError::TooManyLines`].
    pub fn next_line(&mut self) -> Result<Option<Line<'_>>, TapFileError> {
        let (number, range) = loop {
            let Some(line) = self.lines.next_line()? else { return Ok(None) };
            let number = u32::try_from(line.number).map_err(|_| TapFileError::TooManyLines)?;
            match line.range {
                Some((start, end)) if start == end => {}
                range => break (number, range),
            }
        };
        self.last = range;
        let Some(range) = range else {
            return Ok(Some(bad_line(number, Reason::Line("longer than 64 KiB"))));
        };
        Ok(Some(self.judge(number, range)))
    }

    /// The bytes of the last line without its line end; empty before the first, and if it was longer than
    /// [`LINE_LEN_MAX`].
    pub fn raw(&self) -> &[u8] {
        self.last.map_or(&[], |range| self.lines.bytes(range))
    }

    /// The lines before the data: the header.
    pub fn head(&self) -> &[KeptLine] {
        &self.head
    }

    /// The input, for what was found out while it was read.
    pub fn into_input(self) -> R {
        self.lines.into_input()
    }

    fn judge(&mut self, number: u32, range: (usize, usize)) -> Line<'_> {
        let line = self.lines.bytes(range);
        if let Err(unreadable) = self.fields.split(line, Dialect::CSV) {
            return bad_line(number, unreadable.into());
        }
        if self.fields.len() != self.columns {
            return bad_line(number, Reason::Line("wrong number of columns"));
        }
        let fields = &self.fields;
        let text = |column: Column| fields.get(line, column.index());
        let texts = RawTexts {
            terminal: text(Column::Terminal),
            terminal_seq: text(Column::TerminalSeq),
            issuer: text(Column::Issuer),
            amount_fen: text(Column::AmountFen),
        };
        let (issuer, tap) = match self.reader.tap(line, fields, number) {
            Ok(read) => read,
            Err(column) => {
                return Line::Malformed(Malformed { line: number, reason: Reason::Column(column), texts });
            }
        };
        let operator = text(Column::Operator);
        let tap = TapLine {
            issuer,
            tap,
            operator,
            line: text(Column::Line),
            station: text(Column::Station),
            texts,
        };
        if issuer == self.acquirer { Line::Local(tap) } else { Line::Tap(tap) }
    }
}

fn bad_line<'a>(line: u32, reason: Reason<'a>) -> Line<'a> {
    Line::Malformed(Malformed { line, reason, texts: RawTexts::default() })
}
