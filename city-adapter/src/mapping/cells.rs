//! The fields of one line by number, whatever the file's form.

use super::{
    charset::{Charset, Undecodable, check_utf8},
    spec::Length,
};
use crate::fields::{Dialect, Fields};

/// How a line becomes fields.
#[derive(Clone, Debug)]
pub enum Shape {
    /// By a separator.
    Separated {
        /// Separator and quotes.
        dialect: Dialect,
        /// Columns of every row; known from the names line or the first row.
        columns: Option<usize>,
        /// Whether rows may have more or fewer.
        length: Length,
    },
    /// By places in bytes.
    Fixed {
        /// The places.
        cuts: Vec<Cut>,
        /// The length of every line.
        width: Option<usize>,
        /// Whether a line may end before its fields do.
        short: bool,
    },
}

/// A place in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Bytes before it.
    pub start: usize,
    /// Its length.
    pub length: usize,
}

/// Splits lines and keeps the fields of the last one.
pub struct Cells {
    pub(super) shape: Shape,
    charset: Charset,
    fields: Fields,
    decoded: Vec<u8>,
    in_decoded: bool,
    /// Of a fixed line: where each field stands, or why it cannot be read.
    places: Vec<Result<(usize, usize), Unfit>>,
    /// Of every byte of a fixed line: whether it is inside a character.
    insides: Vec<bool>,
}

/// Why a field of a fixed line cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unfit {
    Short(usize),
    Inside,
    Bytes(Undecodable),
}

impl Cells {
    /// For lines of a shape.
    pub fn new(shape: Shape, charset: Charset) -> Self {
        let (fields, decoded) = (Fields::default(), Vec::new());
        Self { shape, charset, fields, decoded, in_decoded: false, places: Vec::new(), insides: Vec::new() }
    }

    /// Splits a line.
    ///
    /// # Errors
    /// What is wrong with the line as such.
    pub fn split(&mut self, line: &[u8]) -> Result<(), String> {
        match &mut self.shape {
            Shape::Fixed { width: Some(width), .. } if line.len() != *width => {
                Err(format!("{} bytes long; expected {width}", line.len()))
            }
            Shape::Fixed { cuts, short, .. } => {
                self.places.clear();
                self.decoded.clear();
                let plain = line.is_ascii();
                self.charset.mark_insides(line, &mut self.insides);
                self.in_decoded = !plain && self.charset.encoding != encoding_rs::UTF_8;
                for cut in cuts {
                    let place = cut_of(*cut, line, *short).and_then(|(start, end)| {
                        if plain {
                            return Ok((start, end));
                        }
                        if self.insides.get(start) == Some(&true) {
                            return Err(Unfit::Inside);
                        }
                        if !self.in_decoded {
                            return check_utf8(&line[start..end])
                                .map(|()| (start, end))
                                .map_err(Unfit::Bytes);
                        }
                        let from = self.decoded.len();
                        let decoded = self.charset.decode(&line[start..end], &mut self.decoded);
                        decoded.map(|()| (from, self.decoded.len())).map_err(Unfit::Bytes)
                    });
                    self.places.push(place);
                }
                Ok(())
            }
            Shape::Separated { dialect, columns, length } => {
                self.in_decoded = false;
                let mut text = line;
                if !line.is_ascii() {
                    if self.charset.encoding.is_ascii_compatible()
                        && self.charset.encoding != encoding_rs::UTF_8
                    {
                        self.decoded.clear();
                        let decoded = self.charset.decode(line, &mut self.decoded);
                        decoded.map_err(|bad| bad.text(&self.charset))?;
                        self.in_decoded = true;
                        text = &self.decoded;
                    } else if let Err(bad) = check_utf8(line) {
                        let cut = if bad.cut { ": the last character is cut in the middle" } else { "" };
                        return Err(format!("bytes that are not {}{cut}", self.charset.name()));
                    }
                }
                self.fields.split_text(text, *dialect).map_err(|unreadable| unreadable.text().to_owned())?;
                let found = self.fields.len();
                let fits = match (&mut *columns, length) {
                    (_, Length::Any) => true,
                    (Some(columns), Length::Exact) => found == *columns,
                    (Some(columns), Length::Longer) => found >= *columns,
                    (columns @ None, _) => {
                        *columns = Some(found);
                        true
                    }
                };
                let expected = columns.unwrap_or(found);
                let wrong = || format!("wrong number of columns: {found} instead of {expected}");
                fits.then_some(()).ok_or_else(wrong)
            }
        }
    }

    /// How many fields the last line has.
    pub fn len(&self) -> usize {
        match self.shape {
            Shape::Separated { .. } => self.fields.len(),
            Shape::Fixed { .. } => self.places.len(),
        }
    }

    /// Field `place` of the last line, which must be given again, without spaces around it; empty beyond the last.
    ///
    /// # Errors
    /// Why the bytes at its place cannot be read.
    pub fn get<'a>(&'a self, line: &'a [u8], place: usize) -> Result<&'a [u8], String> {
        let text = if self.in_decoded { &self.decoded } else { line };
        match &self.shape {
            Shape::Separated { .. } => Ok(self.fields.get(text, place).trim_ascii()),
            Shape::Fixed { cuts, .. } => match self.places.get(place) {
                Some(Ok((start, end))) => Ok(text[*start..*end].trim_ascii()),
                Some(Err(unfit)) => {
                    let (from, to) =
                        cuts.get(place).map_or((0, 0), |cut| (cut.start + 1, cut.start + cut.length));
                    Err(match unfit {
                        Unfit::Short(len) => {
                            format!("stands at bytes {from} to {to}, but the line has only {len}")
                        }
                        Unfit::Inside => {
                            let name = self.charset.name();
                            format!("bytes {from} to {to}: begin in the middle of a character ({name})")
                        }
                        Unfit::Bytes(bad) => format!("bytes {from} to {to}: {}", bad.text(&self.charset)),
                    })
                }
                None => Ok(&[]),
            },
        }
    }
}

fn cut_of(cut: Cut, line: &[u8], short: bool) -> Result<(usize, usize), Unfit> {
    let end = cut.start + cut.length;
    match line.len() {
        len if end <= len => Ok((cut.start, end)),
        len if short => Ok((cut.start.min(len), len)),
        len => Err(Unfit::Short(len)),
    }
}
