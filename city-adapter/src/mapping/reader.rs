//! Reads a file of another layout, row by row.

use std::io::Read;

use super::{Mapping, MappingError, Rule, Source, row::MappedRow};
use crate::{
    fields::Fields,
    lines::Lines,
    tapfile::{Column, Reason},
};

/// A file that is read through a mapping.
pub struct MappedReader<R> {
    mapping: Mapping,
    lines: Lines<R>,
    fields: Fields,
    columns: usize,
    /// The place of each filter's column.
    drops: Vec<usize>,
    /// The place of each rule's source column, in the order of the rules.
    sources: Vec<Option<usize>>,
    dropped: u64,
}

/// What one row is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mapped {
    /// A row with everything that the mapping names.
    Row(MappedRow),
    /// A row that cannot be read so.
    Bad(BadRow),
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

impl<R: Read> MappedReader<R> {
    pub(super) fn new(mapping: &Mapping, input: R) -> Result<Self, MappingError> {
        let mut lines = Lines::new(input);
        let mut fields = Fields::default();
        let first = lines.next_line()?.and_then(|line| line.range).ok_or(MappingError::Header)?;
        let header = lines.bytes(first);
        fields.split(header, mapping.separator).map_err(|_| MappingError::Header)?;
        let columns = fields.len();
        let names: Vec<&[u8]> = (0..columns).map(|i| fields.get(header, i).trim_ascii()).collect();
        let find = |name: &str| {
            let mut places = (0..columns).filter(|i| names[*i] == name.as_bytes());
            match (places.next(), places.next()) {
                (Some(place), None) => Ok(place),
                _ => Err(MappingError::NoColumn(name.to_owned())),
            }
        };
        let drops = mapping.drops.iter().map(|drop| find(&drop.column)).collect::<Result<_, _>>()?;
        let source = |rule: &Rule| match &rule.source {
            Source::Column(name) => find(name).map(Some),
            Source::Constant(_) => Ok(None),
        };
        let sources = mapping.rules.values().map(source).collect::<Result<_, _>>()?;
        Ok(Self { mapping: mapping.clone(), lines, fields, columns, drops, sources, dropped: 0 })
    }

    /// The next row that is not dropped; `None` at the end of the file.
    ///
    /// # Errors
    /// [`MappingError::Io`], [`MappingError::TooManyLines`].
    pub fn next_row(&mut self) -> Result<Option<Mapped>, MappingError> {
        loop {
            let Some(line) = self.lines.next_line()? else { return Ok(None) };
            let number = u32::try_from(line.number).map_err(|_| MappingError::TooManyLines)?;
            let bad = |column, reason: &str| {
                Ok(Some(Mapped::Bad(BadRow { line: number, column, reason: reason.to_owned() })))
            };
            let Some(range) = line.range else { return bad("line", "longer than 64 KiB") };
            let bytes = self.lines.bytes(range);
            if bytes.is_empty() {
                continue;
            }
            if let Err(unreadable) = self.fields.split(bytes, self.mapping.separator) {
                return bad("line", Reason::from(unreadable).why());
            }
            if self.fields.len() != self.columns {
                return bad("line", "wrong number of columns");
            }
            if self.is_dropped(bytes) {
                self.dropped += 1;
                continue;
            }
            return Ok(Some(match self.row(number, bytes) {
                Ok(row) => Mapped::Row(row),
                Err((column, reason)) => Mapped::Bad(BadRow { line: number, column: column.name(), reason }),
            }));
        }
    }

    /// How many rows the mapping's filters have dropped so far.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// The input, for what was found out while it was read.
    pub fn into_input(self) -> R {
        self.lines.into_input()
    }

    fn is_dropped(&self, line: &[u8]) -> bool {
        self.mapping.drops.iter().zip(&self.drops).any(|(filter, place)| {
            let text = self.fields.get(line, *place).trim_ascii();
            filter.values.iter().any(|value| value.as_bytes() == text)
        })
    }

    fn row(&self, line: u32, bytes: &[u8]) -> Result<MappedRow, (Column, String)> {
        let mut row = MappedRow { line, ..MappedRow::default() };
        for ((target, rule), place) in self.mapping.rules.iter().zip(&self.sources) {
            let field = place.map(|place| self.fields.get(bytes, place).trim_ascii());
            let text = rule.text(field).map_err(|reason| (*target, reason))?;
            rule.convert.put(*target, text, &mut row).map_err(|reason| (*target, reason))?;
        }
        Ok(row)
    }
}

impl Rule {
    /// The text to convert: the constant, or the source's field as the value table translates it.
    fn text<'a>(&'a self, field: Option<&'a [u8]>) -> Result<&'a str, String> {
        let field = match (&self.source, field) {
            (Source::Constant(constant), _) => return Ok(constant),
            (Source::Column(_), field) => std::str::from_utf8(field.unwrap_or_default())
                .map_err(|_| "bytes that are not UTF-8".to_owned())?,
        };
        match &self.values {
            None => Ok(field),
            Some(values) => values
                .get(field)
                .or(self.default.as_ref())
                .map(String::as_str)
                .ok_or_else(|| format!("`{field}` is not in the mapping's value table")),
        }
    }
}
