//! The fields of a line of the other layout.

use std::collections::BTreeMap;

use super::{BackError, Unfit, kept_text};
use crate::{
    fields::Dialect,
    mapping::{
        Mapping,
        charset::Charset,
        spec::{FilterSpec, Ref, RuleSpec, Spec},
        text::shortened,
    },
};

/// The longest line of places.
const LINE_LEN_MAX: usize = 64 * 1024;

/// Where a field stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Somewhere, under a name.
    Named(String),
    /// At a position, 0-based.
    At(usize),
    /// Bytes: how many before them, how many.
    Bytes(usize, usize),
}

/// A field.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    /// Where.
    pub place: Place,
    /// Whether it is filled up with zeros in front, not with spaces behind.
    pub zeros: bool,
    /// What stands there if no rule says it.
    pub filler: String,
}

/// The fields of a line.
pub(super) struct Cells {
    all: Vec<Cell>,
    derived: BTreeMap<String, RuleSpec>,
    dialect: Dialect,
    charset: Charset,
    fixed: bool,
    line_len: usize,
    /// The cell of each position.
    row: Vec<Option<usize>>,
}

impl Cells {
    /// No fields yet.
    pub fn new(mapping: &Mapping, spec: &Spec) -> Self {
        Self {
            all: Vec::new(),
            derived: spec.fields.clone(),
            dialect: mapping.dialect,
            charset: mapping.charset.clone(),
            fixed: mapping.fixed,
            line_len: mapping.width.unwrap_or(0),
            row: Vec::new(),
        }
    }

    /// How lines are cut, and their encoding.
    pub fn writing(&self) -> (Dialect, &Charset, bool) {
        (self.dialect, &self.charset, self.fixed)
    }

    /// The rule of a derived field.
    pub fn derived(&self, name: &str) -> Option<&RuleSpec> {
        self.derived.get(name)
    }

    /// The cell at a place, a new one if there is none.
    pub fn at(&mut self, place: Place) -> usize {
        if let Place::Bytes(start, len) = place {
            self.line_len = self.line_len.max(start + len);
        }
        if let Some(known) = self.all.iter().position(|cell| cell.place == place) {
            return known;
        }
        self.all.push(Cell { place, zeros: false, filler: String::new() });
        self.all.len() - 1
    }

    /// The cell of a field that is no derived one.
    pub fn of_ref(&mut self, field: &Ref) -> usize {
        self.at(match field {
            Ref::Name(name) => Place::Named(name.clone()),
            Ref::Position(position) => Place::At(position.saturating_sub(1)),
        })
    }

    /// A cell.
    pub fn cell_mut(&mut self, cell: usize) -> &mut Cell {
        &mut self.all[cell]
    }

    /// Its length in bytes, if it has one.
    pub fn len_of(&self, cell: usize) -> Option<usize> {
        match self.all[cell].place {
            Place::Bytes(_, len) => Some(len),
            _ => None,
        }
    }

    /// What people call it.
    pub fn name(&self, cell: usize) -> String {
        match &self.all[cell].place {
            Place::Named(name) => format!("column `{name}`"),
            Place::At(position) => format!("column {}", position + 1),
            Place::Bytes(start, len) => format!("bytes {} to {}", start + 1, start + len),
        }
    }

    /// Fills in what a filter keeps.
    pub fn fill(&mut self, filter: &FilterSpec) -> Result<(), BackError> {
        let cell = match &filter.column {
            Ref::Name(name) => match self.derived.get(name).cloned() {
                None => self.of_ref(&filter.column),
                Some(RuleSpec { at: Some(at), length: Some(length), .. }) => {
                    self.at(Place::Bytes(at.saturating_sub(1), length))
                }
                Some(_) => {
                    let why = format!("[[keep]] looks at the derived field `{name}`");
                    return Err(BackError::Layout(why));
                }
            },
            Ref::Position(_) => self.of_ref(&filter.column),
        };
        self.all[cell].filler = kept_text(filter).cloned().unwrap_or_default();
        Ok(())
    }

    /// Gives every field its position.
    pub fn place(&mut self) {
        let mut row: Vec<Option<usize>> = Vec::new();
        for (index, cell) in self.all.iter().enumerate() {
            if let Place::At(position) = cell.place {
                row.resize(row.len().max(position + 1), None);
                row[position] = Some(index);
            }
        }
        for (index, cell) in self.all.iter().enumerate() {
            if matches!(cell.place, Place::Named(_)) {
                match row.iter_mut().find(|position| position.is_none()) {
                    Some(free) => *free = Some(index),
                    None => row.push(Some(index)),
                }
            }
        }
        self.row = row;
    }

    /// The names line with its end.
    pub fn write_names(&self, to: &mut Vec<u8>) {
        for (position, cell) in self.row.iter().enumerate() {
            if position > 0 {
                to.push(self.dialect.separator);
            }
            let name = match cell.map(|cell| &self.all[cell].place) {
                Some(Place::Named(name)) => name.clone(),
                _ => format!("column_{}", position + 1),
            };
            // Names that the encoding does not have are found when the lines are read again.
            let (bytes, _, _) = self.charset.encoding.encode(&name);
            to.extend_from_slice(&self.dialect.quoted(&bytes).unwrap_or_default());
        }
        to.push(b'\n');
    }

    /// The line with these texts.
    pub fn line(&self, texts: &BTreeMap<usize, Vec<String>>) -> Result<Vec<u8>, Unfit> {
        let text =
            |cell: usize| texts.get(&cell).and_then(|texts| texts.first()).unwrap_or(&self.all[cell].filler);
        if self.fixed {
            return self.fixed_line(text);
        }
        let mut line = Vec::new();
        for (position, cell) in self.row.iter().enumerate() {
            if position > 0 {
                line.push(self.dialect.separator);
            }
            let Some(cell) = *cell else { continue };
            let bytes = self.bytes(cell, text(cell))?;
            let field = self.dialect.quoted(&bytes).ok_or_else(|| {
                self.unfit(cell, text(cell), "has the separator in it, and the layout has no quotes")
            })?;
            line.extend_from_slice(&field);
        }
        Ok(line)
    }

    fn fixed_line<'t>(&self, text: impl Fn(usize) -> &'t String) -> Result<Vec<u8>, Unfit> {
        let mut line = vec![b' '; self.line_len.min(LINE_LEN_MAX)];
        for (index, cell) in self.all.iter().enumerate() {
            let Place::Bytes(start, len) = cell.place else { continue };
            let bytes = self.bytes(index, text(index))?;
            let slot = line.get_mut(start..start + len);
            let Some(slot) = slot.filter(|slot| bytes.len() <= slot.len()) else {
                return Err(self.unfit(
                    index,
                    text(index),
                    &format!("has {} bytes, there is room for {len}", bytes.len()),
                ));
            };
            let before = if cell.zeros && !bytes.is_empty() { len - bytes.len() } else { 0 };
            slot[..before].fill(b'0');
            slot[before..before + bytes.len()].copy_from_slice(&bytes);
        }
        Ok(line)
    }

    fn bytes(&self, cell: usize, text: &str) -> Result<Vec<u8>, Unfit> {
        let (bytes, _, missing) = self.charset.encoding.encode(text);
        if missing {
            let why = format!("has a character that {} does not have", self.charset.name());
            return Err(self.unfit(cell, text, &why));
        }
        Ok(bytes.into_owned())
    }

    fn unfit(&self, cell: usize, text: &str, why: &str) -> Unfit {
        Unfit { column: "line", why: format!("{}: `{}` {why}", self.name(cell), shortened(text.as_bytes())) }
    }
}
