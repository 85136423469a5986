//! Reads a file of another layout, row by row.

use std::io::Read;

use super::{
    Mapping, MappingError,
    bind::Binder,
    cells::{Cells, Shape},
    charset::Input,
    control::{Figures, Ledger},
    engine::{Engine, Verdict},
    feed::Feed,
    plan::Plan,
    row::MappedRow,
    spec::Length,
};
use crate::lines::KeptLine;

/// A file that is read through a mapping.
pub struct MappedReader<R> {
    mapping: Mapping,
    feed: Feed<R>,
    engine: Engine,
    names: Option<Vec<String>>,
    head: Vec<KeptLine>,
    header: Option<Figures>,
    trailer: Option<(KeptLine, Figures)>,
    ended: bool,
    checked: bool,
    /// Whether the last row is one that has waited.
    waited: bool,
}

/// What one row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mapped<'a> {
    /// A row with everything that the mapping names.
    Row(&'a MappedRow),
    /// A row that cannot be read so.
    Bad(&'a BadRow),
}

/// A row that cannot be read through the mapping.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {column}: {reason}")]
pub struct BadRow {
    /// Physical line, 1-based.
    pub line: u32,
    /// The target column, or `line`.
    pub column: &'static str,
    /// What is wrong there.
    pub reason: String,
}

/// What became of rows that are no records by themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Rows that the filters leave out.
    pub dropped: u64,
    /// Entries with their exits.
    pub pairs: u64,
    /// Entries without exit.
    pub no_exit: u64,
    /// Exits without entry.
    pub no_entry: u64,
}

/// What came next.
enum Next {
    Row,
    Bad,
    End,
}

impl<R: Read> MappedReader<R> {
    pub(super) fn new(mapping: &Mapping, input: R) -> Result<Self, MappingError> {
        let input = Input::open(input, &mapping.charset)?;
        let mut head = Vec::new();
        let mut feed = Feed::new(input, mapping.skip, mapping.comment.clone(), &mut head)?;
        let mut header = None;
        let mut header_line = None;
        if let Some(control) = &mapping.header {
            let line = feed
                .next_line()?
                .ok_or_else(|| MappingError::Control("the file has no header".to_owned()))?;
            let bytes = feed.bytes();
            if control.starts_with.as_ref().is_some_and(|start| !bytes.starts_with(start)) {
                let (number, start) = (line.number, &control.start_text);
                return Err(MappingError::Control(format!(
                    "line {number} is no header, which begins with `{start}`"
                )));
            }
            let figures = control.read(line.number, bytes, mapping.dialect, &mapping.charset);
            header = Some(figures.map_err(MappingError::Control)?);
            header_line = Some(bytes.to_vec());
            head.push(KeptLine { number: line.number, bytes: bytes.to_vec() });
        }
        let names = if mapping.names { Some(names(mapping, &mut feed, &mut head)?) } else { None };
        let plan = Plan::new(mapping, Binder::new(mapping, names.clone(), header_line))?;
        if mapping.trailer.as_ref().is_some_and(|trailer| trailer.starts_with.is_none()) {
            feed.keep_last();
        }
        let engine = Engine::new(plan, mapping.charset.clone());
        let mapping = mapping.clone();
        let (trailer, ended, checked, waited) = (None, false, false, false);
        Ok(Self { mapping, feed, engine, names, head, header, trailer, ended, checked, waited })
    }

    /// The next row that is not dropped; `None` at the end of the file.
    ///
    /// # Errors
    /// [`MappingError::Io`], [`MappingError::TooManyLines`], [`MappingError::TooManyOpen`], and at the end
    /// [`MappingError::Control`] if a control line disagrees with the rows.
    pub fn next_row(&mut self) -> Result<Option<Mapped<'_>>, MappingError> {
        Ok(match self.advance()? {
            Next::Row => Some(Mapped::Row(&self.engine.row)),
            Next::Bad => Some(Mapped::Bad(&self.engine.bad)),
            Next::End => None,
        })
    }

    fn advance(&mut self) -> Result<Next, MappingError> {
        loop {
            self.waited = true;
            let verdict = match self.engine.next_ready() {
                Some(verdict) => verdict,
                None if self.ended => return self.check(),
                None => {
                    self.waited = false;
                    self.take_line()?
                }
            };
            match verdict {
                Verdict::Row => return Ok(Next::Row),
                Verdict::Bad => return Ok(Next::Bad),
                Verdict::Nothing => {}
            }
        }
    }

    fn take_line(&mut self) -> Result<Verdict, MappingError> {
        let Some(line) = self.feed.next_line()? else {
            self.ended = true;
            self.engine.end();
            return Ok(Verdict::Nothing);
        };
        let number = line.number;
        if let Some((trailer, _)) = &self.trailer {
            let trailer = trailer.number;
            let why = format!("line {number} stands behind the trailer on line {trailer}");
            return Err(MappingError::Control(why));
        }
        if line.too_long {
            return Ok(self.engine.unreadable(number, "longer than 64 KiB".to_owned()));
        }
        let bytes = self.feed.bytes();
        if let Some(control) = &self.mapping.trailer
            && control.starts_with.as_ref().is_some_and(|start| bytes.starts_with(start))
        {
            let figures = control.read(number, bytes, self.mapping.dialect, &self.mapping.charset);
            let line = KeptLine { number, bytes: bytes.to_vec() };
            self.trailer = Some((line, figures.map_err(MappingError::Control)?));
            return Ok(Verdict::Nothing);
        }
        self.engine.take(bytes, number)
    }

    /// Compares the control lines with the rows, once.
    fn check(&mut self) -> Result<Next, MappingError> {
        if self.checked {
            return Ok(Next::End);
        }
        self.checked = true;
        let Mapping { header, trailer, dialect, charset, .. } = &self.mapping;
        let check = || {
            if let (Some(control), Some(figures)) = (header, &self.header) {
                control.check(figures, &self.engine.ledger)?;
            }
            let Some(control) = trailer else { return Ok(()) };
            let figures = match (&self.trailer, self.feed.last_line()) {
                (Some((_, figures)), _) => figures.clone(),
                (None, Some((line, bytes))) => control.read(line.number, bytes, *dialect, charset)?,
                (None, None) => {
                    let start = match control.start_text.as_str() {
                        "" => String::new(),
                        start => format!(" (no line begins with `{start}`)"),
                    };
                    return Err(format!("the file has no trailer{start}; it may be cut short"));
                }
            };
            control.check(&figures, &self.engine.ledger)
        };
        check().map(|()| Next::End).map_err(MappingError::Control)
    }

    /// How many rows the mapping's filters have dropped so far.
    pub fn dropped(&self) -> u64 {
        self.engine.counts.dropped
    }

    /// What became so far of rows that are no records by themselves.
    pub fn counts(&self) -> Counts {
        self.engine.counts
    }

    /// The line of the last row in the file's bytes, without its line end; empty if it was too long. Lines of UTF-16
    /// files are UTF-8. The line of a trip is its exit's.
    pub fn raw(&self) -> &[u8] {
        if self.waited { &self.engine.raw } else { self.feed.bytes() }
    }

    /// The lines before the data, as [`MappedReader::raw`] gives lines: those that are passed over (empty if they are
    /// long), the header, the names.
    pub fn head(&self) -> &[KeptLine] {
        &self.head
    }

    /// The entry of the trip that the last bad row ends.
    pub fn entry(&self) -> Option<&KeptLine> {
        self.engine.entry.as_ref()
    }

    /// The trailer, once the file is read to its end.
    pub fn tail(&self) -> Option<KeptLine> {
        let last = || self.feed.last_line().map(|(line, bytes)| (line.number, bytes.to_vec()));
        let last = || last().map(|(number, bytes)| KeptLine { number, bytes });
        self.trailer.as_ref().map(|(line, _)| line.clone()).or_else(last)
    }

    /// What the rows come to and which line the header is, without comparing control lines.
    ///
    /// # Errors
    /// As [`MappedReader::next_row`].
    pub(super) fn come_to(&mut self) -> Result<(Ledger, Option<u32>), MappingError> {
        self.checked = true;
        while self.next_row()?.is_some() {}
        Ok((self.engine.ledger, self.header.as_ref().map(|figures| figures.line)))
    }

    /// The names of the file's columns, if it has names.
    pub fn columns(&self) -> Option<&[String]> {
        self.names.as_deref()
    }

    /// The names of the columns that the mapping does not read.
    pub fn unread_columns(&self) -> Vec<&str> {
        let names = self.names.iter().flatten().enumerate();
        names
            .filter(|(place, _)| !self.engine.used().contains(place))
            .map(|(_, name)| name.as_str())
            .collect()
    }

    /// The input, for what was found out while it was read.
    pub fn into_input(self) -> R {
        self.feed.into_input()
    }
}

/// The names line.
fn names<R: Read>(
    mapping: &Mapping,
    feed: &mut Feed<R>,
    head: &mut Vec<KeptLine>,
) -> Result<Vec<String>, MappingError> {
    let line = feed
        .next_line()?
        .ok_or_else(|| MappingError::Header { line: 1, why: "the file has no line".to_owned() })?;
    let wrong = |why: String| MappingError::Header { line: line.number.into(), why };
    if line.too_long {
        return Err(wrong("longer than 64 KiB".to_owned()));
    }
    head.push(KeptLine { number: line.number, bytes: feed.bytes().to_vec() });
    let shape = Shape::Separated { dialect: mapping.dialect, columns: None, length: Length::Any };
    let mut cells = Cells::new(shape, mapping.charset.clone());
    cells.split(feed.bytes()).map_err(wrong)?;
    let name = |place| cells.get(feed.bytes(), place).map(|name| String::from_utf8_lossy(name).into_owned());
    (0..cells.len()).map(name).collect::<Result<_, _>>().map_err(wrong)
}
