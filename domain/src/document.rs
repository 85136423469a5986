//! Reads a TOML document table by table, so that every refusal names the entry, field and line.

use std::{fmt, ops::RangeInclusive};

use toml::{
    Spanned,
    de::{DeString, DeTable, DeValue},
};

/// What is wrong in a document, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Physical line, 1-based.
    pub line: usize,
    /// The table entry, such as `[[participant]] 3`; empty at the top.
    pub entry: String,
    /// The field; empty if the entry as a whole is wrong.
    pub field: String,
    /// What is wrong and what to write instead.
    pub why: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.line)?;
        if !self.entry.is_empty() {
            write!(f, ", {}", self.entry)?;
        }
        if !self.field.is_empty() {
            write!(f, ", {}", self.field)?;
        }
        write!(f, ": {}", self.why)
    }
}

/// Parses a whole document and hands its top table to `read`.
///
/// # Errors
/// The first [`Fault`], of the TOML itself or of `read`.
pub(crate) fn read<T>(text: &str, read: impl FnOnce(&Table<'_>) -> Result<T, Fault>) -> Result<T, Fault> {
    let table = DeTable::parse(text).map_err(|error| Fault {
        line: line_at(text, error.span().map_or(0, |span| span.start)),
        entry: String::new(),
        field: String::new(),
        why: format!("not TOML: {}", error.message()),
    })?;
    read(&Table { text, entry: String::new(), start: 0, entries: table.get_ref() })
}

fn line_at(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
    before.split(|b| *b == b'\n').count()
}

/// A table with its place in the document.
pub(crate) struct Table<'d> {
    text: &'d str,
    entry: String,
    start: usize,
    entries: &'d DeTable<'d>,
}

/// A value under a key, not yet read as something.
pub(crate) type Value<'d> = &'d DeValue<'d>;

impl<'d> Table<'d> {
    /// A refusal of one field.
    pub(crate) fn fault(&self, field: &str, why: impl fmt::Display) -> Fault {
        let found = self.entries.get_key_value(field).map(|(key, _)| key.span().start);
        self.fault_at(found.unwrap_or(self.start), field, why)
    }

    fn fault_at(&self, offset: usize, field: &str, why: impl fmt::Display) -> Fault {
        Fault {
            line: line_at(self.text, offset),
            entry: self.entry.clone(),
            field: field.to_owned(),
            why: why.to_string(),
        }
    }

    /// The field as `as_what` reads it, if it is there.
    pub(crate) fn optional<T>(
        &self,
        field: &str,
        as_what: impl FnOnce(Value<'d>) -> Result<T, String>,
    ) -> Result<Option<T>, Fault> {
        let Some(value) = self.entries.get(field) else { return Ok(None) };
        as_what(value.get_ref()).map(Some).map_err(|why| self.fault_at(value.span().start, field, why))
    }

    /// The field as `as_what` reads it.
    pub(crate) fn required<T>(
        &self,
        field: &str,
        as_what: impl FnOnce(Value<'d>) -> Result<T, String>,
    ) -> Result<T, Fault> {
        self.optional(field, as_what)?.ok_or_else(|| self.fault(field, "missing; state it"))
    }

    /// The field as a list, each member as `as_what` reads it, if it is there.
    pub(crate) fn list<T>(
        &self,
        field: &str,
        as_what: impl Fn(Value<'d>) -> Result<T, String>,
    ) -> Result<Option<Vec<T>>, Fault> {
        let Some(value) = self.entries.get(field) else { return Ok(None) };
        let DeValue::Array(members) = value.get_ref() else {
            return Err(self.fault_at(value.span().start, field, "not a list: write [\"…\", \"…\"]"));
        };
        let read = |member: &'d Spanned<DeValue<'d>>| {
            as_what(member.get_ref()).map_err(|why| self.fault_at(member.span().start, field, why))
        };
        members.iter().map(read).collect::<Result<_, _>>().map(Some)
    }

    /// The sub-table `[name]`, if it is there.
    pub(crate) fn table(&self, name: &str) -> Result<Option<Self>, Fault> {
        let Some(value) = self.entries.get(name) else { return Ok(None) };
        match value.get_ref() {
            DeValue::Table(entries) => Ok(Some(self.inner(format!("[{}]", self.path(name)), value, entries))),
            _ => Err(self.fault(name, format_args!("not a table: write [{}]", self.path(name)))),
        }
    }

    /// The tables `[[name]]`, in order; none if there are none.
    pub(crate) fn tables(&self, name: &str) -> Result<Vec<Self>, Fault> {
        let Some(value) = self.entries.get(name) else { return Ok(Vec::new()) };
        let heading = format!("[[{}]]", self.path(name));
        let wrong = || self.fault(name, format_args!("not a list of tables: write {heading} before each"));
        let DeValue::Array(members) = value.get_ref() else { return Err(wrong()) };
        let one = |(index, member): (usize, &'d Spanned<DeValue<'d>>)| match member.get_ref() {
            DeValue::Table(entries) => Ok(self.inner(format!("{heading} {}", index + 1), member, entries)),
            _ => Err(wrong()),
        };
        members.iter().enumerate().map(one).collect()
    }

    fn inner(&self, entry: String, at: &Spanned<DeValue<'d>>, entries: &'d DeTable<'d>) -> Self {
        Self { text: self.text, entry, start: at.span().start, entries }
    }

    /// A name with the names of the tables around it.
    fn path(&self, name: &str) -> String {
        let around = self.entry.trim_start_matches('[').split(']').next().unwrap_or_default();
        if around.is_empty() { name.to_owned() } else { format!("{around}.{name}") }
    }

    /// The keys and values, in the order of the keys.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&'d str, Value<'d>)> + use<'d> {
        self.entries.iter().map(|(key, value)| (as_str(key), value.get_ref()))
    }

    /// Refuses the first field that is not in `known`.
    pub(crate) fn only(&self, known: &[&str]) -> Result<(), Fault> {
        match self.fields().find(|(field, _)| !known.contains(field)) {
            None => Ok(()),
            Some((field, _)) => {
                let why = format_args!("unknown; known here: {}", known.join(", "));
                Err(self.fault(field, why))
            }
        }
    }
}

fn as_str<'d>(key: &'d Spanned<DeString<'d>>) -> &'d str {
    key.get_ref()
}

/// A string.
pub(crate) fn text<'d>(value: Value<'d>) -> Result<&'d str, String> {
    match value {
        DeValue::String(text) => Ok(text),
        other => Err(format!("{} where text is expected: put it in quotes", other.type_str())),
    }
}

/// A string that is not empty and not longer than `bytes_max`.
pub(crate) fn name(bytes_max: usize) -> impl Fn(Value<'_>) -> Result<String, String> {
    move |value| match text(value)? {
        "" => Err("empty; give it a name".to_owned()),
        long if long.len() > bytes_max => Err(format!("longer than {bytes_max} bytes")),
        name => Ok(name.to_owned()),
    }
}

/// A string that reads as a `T`.
pub(crate) fn parsed<T: std::str::FromStr<Err: fmt::Display>>(value: Value<'_>) -> Result<T, String> {
    let text = text(value)?;
    text.parse().map_err(|error| format!("`{text}`: {error}"))
}

/// A whole number within a range.
pub(crate) fn integer(range: RangeInclusive<u32>) -> impl Fn(Value<'_>) -> Result<u32, String> {
    move |value| {
        let number = match value {
            DeValue::Integer(integer) => u32::from_str_radix(integer.as_str(), integer.radix()).ok(),
            _ => None,
        };
        number
            .filter(|n| range.contains(n))
            .ok_or_else(|| format!("not a whole number from {} to {}", range.start(), range.end()))
    }
}

/// A whole number of fen up to `max`.
pub(crate) fn fen(max: u64) -> impl Fn(Value<'_>) -> Result<u64, String> {
    move |value| {
        let number = match value {
            DeValue::Integer(integer) => u64::from_str_radix(integer.as_str(), integer.radix()).ok(),
            _ => None,
        };
        number.filter(|n| *n <= max).ok_or_else(|| format!("not a whole number of fen from 0 to {max}"))
    }
}
