//! How the text of a column is made from a row: where it comes from, which part of it counts, how it is edited and
//! translated.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    number::plain_number,
    spec::{Characters, ControlPlace, Derive, Ref, RuleSpec},
    table::Table,
};

/// Named tables of a mapping.
pub type Tables = BTreeMap<String, Arc<Table>>;

/// No line has more parts or characters.
const PLACE_MAX: u64 = 65_536;

/// How a text is made.
#[derive(Clone, Debug)]
pub struct Text {
    /// Where it comes from.
    pub source: Source,
    /// Which part of it counts.
    pub part: Option<Part>,
    /// How it is edited.
    pub edit: Edit,
    /// What stands for an empty one.
    pub empty: Option<String>,
    /// What it becomes.
    pub table: Option<Arc<Table>>,
    /// The table's name, if it is a named one.
    pub table_name: Option<String>,
    /// What a text becomes that is not in the table.
    pub default: Option<String>,
}

/// Where a text comes from.
#[derive(Clone, Debug)]
pub enum Source {
    /// One field.
    Field(Ref),
    /// Bytes of a fixed line: how many before them, how many.
    Bytes(usize, usize),
    /// The same for every row.
    Constant(String),
    /// Several fields and what stands between them.
    Join(Vec<Ref>, String),
    /// The header control line.
    Header(ControlPlace),
    /// Made from other columns of the record.
    Derived(Derive),
}

/// A part of a text.
#[derive(Clone, Debug)]
pub enum Part {
    /// Of the parts between separators: 1-based, negative from the end.
    Split(String, i64),
    /// What stands between two texts.
    Between(String, String),
    /// Characters.
    Characters(Characters),
}

/// What is done to a text, in the order of the fields.
#[derive(Clone, Debug, Default)]
pub struct Edit {
    /// Taken out wherever it stands.
    pub remove: Vec<String>,
    /// A number that is written as a float.
    pub float: bool,
    /// Zeros in front up to this length.
    pub digits: usize,
    /// ASCII letters to upper case.
    pub upper: bool,
}

impl Edit {
    /// Whether it changes anything.
    pub fn is_some(&self) -> bool {
        !self.remove.is_empty() || self.float || self.digits > 0 || self.upper
    }

    fn apply(&self, text: &[u8], to: &mut Vec<u8>, spare: &mut Vec<u8>) -> Result<(), String> {
        to.clear();
        if self.remove.is_empty() {
            to.extend_from_slice(text);
        } else {
            let mut rest = text;
            while let Some((first, after)) = rest.split_first() {
                let mut found = self.remove.iter().filter_map(|word| rest.strip_prefix(word.as_bytes()));
                rest = found.next().unwrap_or_else(|| {
                    to.push(*first);
                    after
                });
            }
            let trimmed = to.trim_ascii().len();
            let start = to.len() - to.trim_ascii_start().len();
            to.drain(..start);
            to.truncate(trimmed);
        }
        if to.is_empty() {
            return Ok(());
        }
        if self.float {
            spare.clear();
            if !plain_number(to, spare) {
                return Err(format!("`{}`: no number", shortened(to)));
            }
            std::mem::swap(to, spare);
        }
        if let Some(lacking) = self.digits.checked_sub(to.len()) {
            to.splice(..0, std::iter::repeat_n(b'0', lacking));
        }
        if self.upper {
            to.make_ascii_uppercase();
        }
        Ok(())
    }
}

impl Part {
    fn of(spec: &RuleSpec) -> Result<Option<Self>, String> {
        match (&spec.split, &spec.between, spec.characters) {
            (None, None, None) if spec.part.is_some() => Err("has `part` but no `split`".to_owned()),
            (None, None, None) => Ok(None),
            (Some(separator), None, None) => match spec.part {
                Some(part) if part != 0 && part.unsigned_abs() <= PLACE_MAX && !separator.is_empty() => {
                    Ok(Some(Self::Split(separator.clone(), part)))
                }
                _ => Err("has `split`, which needs a separator and `part`: 1, 2, … or -1 for the last, \
                              at most 65536"
                    .to_owned()),
            },
            (None, Some([start, end]), None) if !start.is_empty() && !end.is_empty() => {
                Ok(Some(Self::Between(start.clone(), end.clone())))
            }
            (None, None, Some(characters))
                if characters.from != 0 && characters.from.unsigned_abs() <= PLACE_MAX =>
            {
                Ok(Some(Self::Characters(characters)))
            }
            (None, None, Some(Characters { from, .. })) => Err(format!(
                "has `characters` from {from}; the first is 1, the last -1, and no text has more than 65536"
            )),
            _ => Err("has more than one of `split`, `between` and `characters`, or an empty one".to_owned()),
        }
    }

    fn of_text<'t>(&self, text: &'t [u8]) -> Option<&'t [u8]> {
        let text = std::str::from_utf8(text).ok()?;
        let found = match self {
            Self::Split(separator, part) => match usize::try_from(*part) {
                Ok(part) => text.split(separator.as_str()).nth(part - 1),
                Err(_) => text.rsplit(separator.as_str()).nth(usize::try_from(-part - 1).ok()?),
            },
            Self::Between(start, end) => {
                text.split_once(start.as_str()).and_then(|(_, after)| Some(after.split_once(end.as_str())?.0))
            }
            Self::Characters(Characters { from, length }) => {
                let start = match usize::try_from(*from) {
                    Ok(from) => text.char_indices().nth(from - 1)?.0,
                    Err(_) => text.char_indices().nth_back(usize::try_from(-from - 1).ok()?)?.0,
                };
                let rest = &text[start..];
                match length {
                    None => Some(rest),
                    Some(0) => Some(""),
                    Some(length) => {
                        let (last, character) = rest.char_indices().nth(length - 1)?;
                        Some(&rest[..last + character.len_utf8()])
                    }
                }
            }
        };
        found.map(|found| found.trim_ascii().as_bytes())
    }

    fn expected(&self) -> String {
        match self {
            Self::Split(separator, part) => format!("has no part {part} between `{separator}`"),
            Self::Between(start, end) => format!("has nothing between `{start}` and `{end}`"),
            Self::Characters(_) => "has too few characters".to_owned(),
        }
    }
}

impl Text {
    /// The text that a rule says, with its tables.
    ///
    /// # Errors
    /// What is wrong with the rule.
    pub fn of(spec: &RuleSpec, tables: &Tables) -> Result<Self, String> {
        let source = source(spec)?;
        let values = spec.values.as_ref().map(|values| Arc::new(Table::of_values(values)));
        let table =
            match (values, &spec.table) {
                (Some(_), Some(_)) => return Err("has both `values` and `table`".to_owned()),
                (Some(values), None) => Some(values),
                (None, Some(name)) => {
                    let table = tables.get(name).cloned();
                    Some(table.ok_or_else(|| {
                        format!("names the table `{name}`, but there is no [tables.{name}]")
                    })?)
                }
                (None, None) => None,
            };
        let pairs =
            table.iter().filter(|_| spec.values.is_some()).filter_map(|table| table.pairs()).flatten();
        for (key, _) in pairs {
            if key.trim() != key {
                return Err(format!("has `{key}` in `values`, but spaces around a field are not part of it"));
            }
        }
        if matches!(source, Source::Constant(_)) && (table.is_some() || spec.default.is_some()) {
            return Err("has a constant, which needs no `values`, no `table` and no `default`".to_owned());
        }
        if spec.default.is_some() && table.is_none() {
            return Err(
                "has a `default` but no `values` and no `table`; for empty fields say `empty`".to_owned()
            );
        }
        let edit = Edit {
            remove: spec.remove.clone().unwrap_or_default(),
            float: spec.float.unwrap_or(false),
            digits: spec.digits.unwrap_or(0),
            upper: spec.upper.unwrap_or(false),
        };
        if edit.remove.iter().any(String::is_empty) || edit.digits > 64 {
            return Err("has an empty text in `remove`, or more than 64 `digits`".to_owned());
        }
        let part = Part::of(spec)?;
        let text = Self {
            source,
            part,
            edit,
            empty: spec.empty.clone(),
            table,
            table_name: spec.table.clone(),
            default: spec.default.clone(),
        };
        if matches!(text.source, Source::Constant(_)) && !text.is_plain() {
            return Err("has a constant, which needs no other change".to_owned());
        }
        Ok(text)
    }

    /// Whether the source is the text.
    pub fn is_plain(&self) -> bool {
        self.part.is_none() && !self.edit.is_some() && self.table.is_none() && self.empty.is_none()
    }

    /// The fields that it reads.
    pub fn refs(&self) -> &[Ref] {
        match &self.source {
            Source::Field(field) => std::slice::from_ref(field),
            Source::Join(fields, _) => fields,
            _ => &[],
        }
    }

    /// Every text that it can become without looking at a row.
    pub fn known(&self) -> impl Iterator<Item = &str> {
        let constant = match &self.source {
            Source::Constant(constant) => Some(constant),
            _ => None,
        };
        let values = self.table.iter().flat_map(|table| table.values());
        constant.into_iter().chain(values).chain(&self.default).chain(&self.empty).map(String::as_str)
    }

    /// What becomes of the source's text.
    ///
    /// # Errors
    /// What is wrong with it, to be read after the name of the column.
    pub fn finish<'t>(&'t self, text: &'t [u8], scratch: &'t mut Scratch) -> Result<&'t [u8], String> {
        let text = match &self.part {
            Some(part) if !text.is_empty() => {
                part.of_text(text).ok_or_else(|| format!("`{}` {}", shortened(text), part.expected()))?
            }
            _ => text,
        };
        let text = if self.edit.is_some() {
            self.edit.apply(text, &mut scratch.edited, &mut scratch.spare)?;
            &scratch.edited
        } else {
            text
        };
        if let (true, Some(empty)) = (text.is_empty(), &self.empty) {
            return Ok(empty.as_bytes());
        }
        let Some(table) = &self.table else { return Ok(text) };
        match table.get(text).or(self.default.as_deref()) {
            Some(value) => Ok(value.as_bytes()),
            None => {
                let name = self
                    .table_name
                    .as_deref()
                    .map_or_else(|| "value table".to_owned(), |n| format!("table `{n}`"));
                Err(format!("`{}` is not in the mapping's {name}", shortened(text)))
            }
        }
    }
}

fn source(spec: &RuleSpec) -> Result<Source, String> {
    let mut sources = Vec::new();
    if let Some(column) = &spec.column {
        sources.push(Source::Field(column.clone()));
    }
    match (spec.at, spec.length) {
        (None, None) => {}
        (Some(at), Some(length)) if at > 0 && length > 0 && at <= 1 << 20 && length <= 1 << 16 => {
            sources.push(Source::Bytes(at - 1, length));
        }
        _ => return Err("needs both `at`, the first byte counted from 1, and `length` in bytes".to_owned()),
    }
    if let Some(constant) = &spec.constant {
        sources.push(Source::Constant(constant.clone()));
    }
    if let Some(fields) = &spec.join {
        sources.push(Source::Join(fields.clone(), spec.with.clone().unwrap_or_default()));
    } else if spec.with.is_some() {
        return Err("has `with` but no `join`".to_owned());
    }
    if let Some(place) = &spec.header {
        sources.push(Source::Header(place.clone()));
    }
    if let Some(derive) = spec.derive {
        sources.push(Source::Derived(derive));
    }
    match (sources.pop(), sources.len()) {
        (Some(source), 0) => Ok(source),
        (None, _) => {
            Err("needs either `column` or `constant`, or another source (at, join, header, derive)"
                .to_owned())
        }
        _ => {
            Err("has two sources; it needs either `column` or `constant`, at, join, header or derive"
                .to_owned())
        }
    }
}

/// Buffers for texts that are put together.
#[derive(Default)]
pub struct Scratch {
    edited: Vec<u8>,
    spare: Vec<u8>,
}

/// The beginning of a text, for messages.
pub fn shortened(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    match text.char_indices().nth(40) {
        None => text.into_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}
