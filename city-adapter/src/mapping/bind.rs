//! Finds once for each file where the fields of a mapping stand in it.

use std::collections::BTreeSet;

use super::{
    Mapping, MappingError,
    cells::{Cells, Cut},
    control::control_text,
    pairs::Values,
    spec::{Derive, Length, Ref},
    text::{Scratch, Source, Text},
};

/// How a name says that it is a field of the entry's row.
const ENTRY: &str = "entry.";

/// Where a field stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the line.
    Cell(usize),
    /// Among the derived fields.
    Derived(usize),
    /// Among what is kept of the entry's row.
    Entry(usize),
}

/// A text whose fields were found.
#[derive(Clone, Debug)]
pub struct Bound {
    text: Text,
    from: From,
}

#[derive(Clone, Debug)]
enum From {
    Place(Place),
    Join(Vec<Place>, Vec<u8>),
    Constant(Vec<u8>),
    Derived(Derive),
}

/// A row to read fields from.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// The line.
    pub line: &'a [u8],
    /// Its fields.
    pub cells: &'a Cells,
    /// Its derived fields.
    pub derived: &'a Derived,
    /// What is kept of the entry's row.
    pub entry: Option<&'a Values>,
    /// Texts that mean nothing.
    pub empty: &'a [String],
}

/// The derived fields of a row.
#[derive(Default)]
pub struct Derived {
    bytes: Vec<u8>,
    fields: Vec<Result<(usize, usize), String>>,
}

impl Derived {
    /// Forgets the last row's.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.fields.clear();
    }

    /// The next field.
    pub fn push(&mut self, text: Result<&[u8], String>) {
        let start = self.bytes.len();
        self.fields.push(text.map(|text| {
            self.bytes.extend_from_slice(text);
            (start, self.bytes.len())
        }));
    }

    fn get(&self, place: usize) -> Result<&[u8], String> {
        match self.fields.get(place) {
            Some(Ok((start, end))) => Ok(&self.bytes[*start..*end]),
            Some(Err(why)) => Err(why.clone()),
            None => Ok(&[]),
        }
    }
}

impl<'a> View<'a> {
    /// The text at a place.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub fn get(self, place: Place) -> Result<&'a [u8], String> {
        let text = match place {
            Place::Cell(place) => self.cells.get(self.line, place)?,
            Place::Derived(place) => self.derived.get(place)?,
            Place::Entry(place) => self.entry.map_or(&[][..], |entry| entry.get(place)),
        };
        let nothing = !self.empty.is_empty() && self.empty.iter().any(|empty| empty.as_bytes() == text);
        Ok(if nothing { &[] } else { text })
    }
}

/// Buffers for one text.
#[derive(Default)]
pub struct Buffers {
    joined: Vec<u8>,
    scratch: Scratch,
}

impl Bound {
    /// The text that a row makes.
    ///
    /// # Errors
    /// What is wrong with it, to be read after the name of the column.
    pub fn read<'t>(&'t self, row: View<'t>, buffers: &'t mut Buffers) -> Result<&'t [u8], String> {
        let Buffers { joined, scratch } = buffers;
        let text = match &self.from {
            From::Place(place) => row.get(*place)?,
            From::Constant(text) => return Ok(text),
            From::Join(places, with) => {
                joined.clear();
                let mut found = false;
                for (count, place) in places.iter().enumerate() {
                    if count > 0 {
                        joined.extend_from_slice(with);
                    }
                    let text = row.get(*place)?;
                    found |= !text.is_empty();
                    joined.extend_from_slice(text);
                }
                if found { joined.trim_ascii() } else { &[] }
            }
            From::Derived(_) => &[],
        };
        self.text.finish(text, scratch)
    }

    /// How it is made from other columns of the record, if it is.
    pub const fn derive(&self) -> Option<Derive> {
        match self.from {
            From::Derived(derive) => Some(derive),
            _ => None,
        }
    }
}

/// Finds places.
pub struct Binder<'m> {
    mapping: &'m Mapping,
    /// The names of the columns, if the file has them.
    pub names: Option<Vec<String>>,
    /// The header control line, if the file has one.
    pub header: Option<Vec<u8>>,
    /// The places of a fixed file.
    pub cuts: Vec<Cut>,
    /// The fields that are kept of an entry's row.
    pub entry: Vec<Place>,
    /// Columns that are read.
    pub used: BTreeSet<usize>,
}

impl<'m> Binder<'m> {
    /// For a file.
    pub fn new(mapping: &'m Mapping, names: Option<Vec<String>>, header: Option<Vec<u8>>) -> Self {
        Self { mapping, names, header, cuts: Vec::new(), entry: Vec::new(), used: BTreeSet::new() }
    }

    /// Finds the fields of a text.
    ///
    /// # Errors
    /// [`MappingError::NoColumn`], [`MappingError::TwoColumns`], [`MappingError::Control`].
    pub fn text(&mut self, text: &Text) -> Result<Bound, MappingError> {
        let from = match &text.source {
            Source::Field(field) => From::Place(self.place(field)?),
            Source::Bytes(start, length) => From::Place(self.cut(Cut { start: *start, length: *length })),
            Source::Constant(text) => From::Constant(text.clone().into_bytes()),
            Source::Join(fields, with) => {
                let places = fields.iter().map(|field| self.place(field)).collect::<Result<_, _>>()?;
                From::Join(places, with.clone().into_bytes())
            }
            Source::Header(place) => {
                let (mapping, line) = (self.mapping, self.header.as_deref().unwrap_or_default());
                let found = control_text(line, place, mapping.dialect, &mapping.charset);
                let found = found.map_err(|why| MappingError::Control(format!("header: {why}")))?;
                let mut scratch = Scratch::default();
                let finished = text.finish(found.as_bytes(), &mut scratch);
                let finished = finished.map_err(|why| MappingError::Control(format!("header: {why}")))?;
                From::Constant(finished.to_vec())
            }
            Source::Derived(derive) => From::Derived(*derive),
        };
        Ok(Bound { text: text.clone(), from })
    }

    /// Finds a field.
    ///
    /// # Errors
    /// [`MappingError::NoColumn`], [`MappingError::TwoColumns`].
    pub fn place(&mut self, field: &Ref) -> Result<Place, MappingError> {
        let name = match field {
            Ref::Position(position) => return self.position(*position),
            Ref::Name(name) => name,
        };
        if let Some(own) = name.strip_prefix(ENTRY).filter(|_| self.mapping.pairing.is_some()) {
            let place = self.own_place(own)?;
            let known = self.entry.iter().position(|kept| *kept == place);
            return Ok(Place::Entry(known.unwrap_or_else(|| {
                self.entry.push(place);
                self.entry.len() - 1
            })));
        }
        self.own_place(name)
    }

    fn own_place(&mut self, name: &str) -> Result<Place, MappingError> {
        if let Some(place) = self.mapping.fields.iter().position(|(field, _)| field == name) {
            return Ok(Place::Derived(place));
        }
        let names = self.names.as_deref().unwrap_or_default();
        let places: Vec<usize> = (0..names.len()).filter(|place| names[*place] == name).collect();
        match places[..] {
            [place] => {
                self.used.insert(place);
                Ok(Place::Cell(place))
            }
            [] => Err(self.no_column(name.to_owned())),
            [first, ..] => Err(MappingError::TwoColumns {
                name: name.to_owned(),
                times: places.len(),
                places: places.iter().map(|place| (place + 1).to_string()).collect::<Vec<_>>().join(" and "),
                first: first + 1,
            }),
        }
    }

    fn position(&mut self, position: usize) -> Result<Place, MappingError> {
        let beyond = self.names.as_ref().is_some_and(|names| position > names.len());
        if position == 0 || beyond && self.mapping.length != Length::Any {
            return Err(self.no_column(position.to_string()));
        }
        self.used.insert(position - 1);
        Ok(Place::Cell(position - 1))
    }

    fn cut(&mut self, cut: Cut) -> Place {
        let known = self.cuts.iter().position(|known| *known == cut);
        Place::Cell(known.unwrap_or_else(|| {
            self.cuts.push(cut);
            self.cuts.len() - 1
        }))
    }

    fn no_column(&self, name: String) -> MappingError {
        let names = self.names.as_deref().unwrap_or_default();
        let near = names.iter().map(|other| (distance(&name, other), other)).min();
        let near =
            near.filter(|(distance, other)| *distance * 3 <= name.chars().count().max(other.chars().count()));
        let near = near.map_or_else(String::new, |(_, other)| format!(" (did you mean `{other}`?)"));
        let columns: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        MappingError::NoColumn { name, near, columns: columns.join(", ") }
    }
}

/// How different two names are; case and spaces hardly count.
fn distance(a: &str, b: &str) -> usize {
    let plain = |text: &str| -> String {
        text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    strsim::damerau_levenshtein(&plain(a), &plain(b))
}
