//! The way back: taps of `cityunion-tap/1` as lines of the layout that a mapping describes.
//!
//! A mapping is turned round once ([`Back::of`]); what it cannot tell backwards is an error that names the target
//! column. Nothing is written on trust: every line is read through the mapping again ([`Back::verify`]), and one that
//! does not come back as the same tap is not written but named.

use std::{collections::BTreeMap, io, path::Path};

use crate::{
    mapping::{
        self, MappedRow, Mapping, MappingError,
        spec::{FilterSpec, Spec},
    },
    tapfile::{Column, TapLine},
};
use cells::Cells;
use domain::tap::{Algorithm, Medium, Product, Sector};
use rule::Turned;

pub use control::Totals;
pub use verify::Tried;

mod cells;
mod control;
mod rule;
#[cfg(test)]
mod tests;
mod value;
mod verify;

/// Why a mapping cannot be turned round.
#[derive(Debug, thiserror::Error)]
pub enum BackError {
    /// The mapping itself.
    #[error(transparent)]
    Mapping(#[from] MappingError),
    /// A target column does not tell what stood in the file.
    #[error("column `{column}` cannot be written back: {why}")]
    Column {
        /// The target column.
        column: &'static str,
        /// Why, and what would help.
        why: String,
    },
    /// The layout as a whole.
    #[error("files of this mapping cannot be written: {0}")]
    Layout(String),
}

/// A tap that cannot be written in the other layout.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{column}: {why}")]
pub struct Unfit {
    /// The target column, or `line`.
    pub column: &'static str,
    /// Why.
    pub why: String,
}

/// A mapping that has been turned round.
pub struct Back {
    mapping: Mapping,
    spec: Spec,
    cells: Cells,
    rules: Vec<(Column, Turned)>,
}

impl Back {
    /// Reads the mapping in a file, with the files beside it, and turns it round.
    ///
    /// # Errors
    /// As [`Back::of`], and [`MappingError::Unreadable`].
    pub fn load(path: &Path) -> Result<Self, BackError> {
        let unreadable = |source| MappingError::Unreadable { path: path.to_owned(), source };
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        Self::of(&text, &|name| mapping::beside(folder, name))
    }

    /// Turns a mapping round; `files` gives the bytes of a file beside it.
    ///
    /// # Errors
    /// [`BackError`] naming the column that cannot be written back.
    pub fn of(toml_text: &str, files: &dyn Fn(&str) -> io::Result<Vec<u8>>) -> Result<Self, BackError> {
        let mapping = Mapping::parse_with(toml_text, files)?;
        let spec: Spec = toml::from_str(toml_text).map_err(MappingError::from)?;
        mapping.check_complete()?;
        if spec.pairing.is_some() {
            let why = "[pairing] makes one record of two rows, and a record does not tell both".to_owned();
            return Err(BackError::Layout(why));
        }
        let mut cells = Cells::new(&mapping, &spec);
        let mut rules = Vec::new();
        for column in Column::ALL {
            if let Some(rule) = spec.columns.get(column.name()) {
                let wrong = |why| BackError::Column { column: column.name(), why };
                let text = mapping.rules.get(&column).map(|rule| &rule.text);
                rules.push((column, Turned::of(column, rule, text, &mut cells).map_err(wrong)?));
            }
        }
        check_told(&rules)?;
        for filter in &spec.keep {
            cells.fill(filter)?;
        }
        control::check(&mapping, &spec)?;
        cells.place();
        Ok(Self { mapping, spec, cells, rules })
    }

    /// The line of a tap, without its end, in the encoding of the file (UTF-8 for UTF-16).
    ///
    /// # Errors
    /// [`Unfit`] naming the column whose value has no place in the other layout.
    pub fn line(&self, row: &MappedRow) -> Result<Vec<u8>, Unfit> {
        let mut candidates: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        for (column, rule) in &self.rules {
            let unfit = |why| Unfit { column: column.name(), why };
            for (cell, texts) in rule.texts(*column, row, &self.cells).map_err(unfit)? {
                match candidates.get_mut(&cell) {
                    None => drop(candidates.insert(cell, texts)),
                    Some(known) => {
                        known.retain(|text| texts.contains(text));
                        if known.is_empty() {
                            let name = self.cells.name(cell);
                            return Err(unfit(format!(
                                "needs another text in {name} than the columns before it"
                            )));
                        }
                    }
                }
            }
        }
        self.cells.line(&candidates)
    }

    fn head_lines(&self) -> usize {
        usize::try_from(self.mapping.skip).unwrap_or(usize::MAX)
            + usize::from(self.mapping.header.is_some())
            + usize::from(self.mapping.names)
    }

    /// What stands before the lines, each with its end.
    #[must_use]
    pub fn head(&self, totals: Totals) -> Vec<u8> {
        let mut head = "\n".repeat(usize::try_from(self.mapping.skip).unwrap_or(0)).into_bytes();
        if let Some(header) = &self.spec.header {
            control::line(header, &self.cells, totals, &mut head);
        }
        if self.mapping.names {
            self.cells.write_names(&mut head);
        }
        head
    }

    /// What stands behind the lines.
    #[must_use]
    pub fn tail(&self, totals: Totals) -> Vec<u8> {
        let mut tail = Vec::new();
        if let Some(trailer) = &self.spec.trailer {
            control::line(trailer, &self.cells, totals, &mut tail);
        }
        tail
    }

    /// Whether the first lines say what the others come to, so that these must be counted first.
    #[must_use]
    pub fn counts_first(&self) -> bool {
        self.spec.header.as_ref().is_some_and(|header| header.records.is_some() || header.amount.is_some())
    }

    /// Lines as bytes of the file: everything else that this gives is UTF-8 where the file is UTF-16.
    #[must_use]
    pub fn encoded(&self, bytes: Vec<u8>) -> Vec<u8> {
        let encoding = self.mapping.charset.encoding;
        let units: fn(u16) -> [u8; 2] = match () {
            () if encoding == encoding_rs::UTF_16LE => u16::to_le_bytes,
            () if encoding == encoding_rs::UTF_16BE => u16::to_be_bytes,
            () => return bytes,
        };
        String::from_utf8_lossy(&bytes).encode_utf16().flat_map(units).collect()
    }
}

/// Texts that no rule tells for certain: a cell with value tables alone must have one text for each combination of
/// values.
fn check_told(rules: &[(Column, Turned)]) -> Result<(), BackError> {
    let mut of_cell: BTreeMap<usize, Vec<(Column, &Turned)>> = BTreeMap::new();
    for (column, rule) in rules {
        for cell in rule.cells() {
            of_cell.entry(*cell).or_default().push((*column, rule));
        }
    }
    for makers in of_cell.values() {
        if makers.iter().any(|(_, rule)| rule.tells()) {
            continue;
        }
        let Some((column, first)) = makers.first() else { continue };
        let wrong = |why: String| BackError::Column { column: column.name(), why };
        if let Some(why) = makers.iter().find_map(|(_, rule)| rule.open()) {
            return Err(wrong(why.to_owned()));
        }
        let mut seen: BTreeMap<Vec<&str>, &str> = BTreeMap::new();
        for text in first.keys() {
            let values: Option<Vec<&str>> = makers.iter().map(|(_, rule)| rule.value_of(text)).collect();
            let Some(values) = values else { continue };
            if let Some(other) = seen.insert(values, text) {
                return Err(wrong(format!(
                    "the texts `{other}` and `{text}` both stand for it, so its value does \
                            not tell which stood there"
                )));
            }
        }
    }
    Ok(())
}

/// A line of a tap file as the row of a mapping.
#[must_use]
pub fn row_of(line: &TapLine<'_>) -> MappedRow {
    let tap = &line.tap;
    let text = |bytes: &[u8]| Some(String::from_utf8_lossy(bytes).into_owned());
    MappedRow {
        line: tap.line.get(),
        terminal: Some(tap.terminal),
        terminal_seq: Some(tap.terminal_seq.get()),
        issuer: Some(line.issuer),
        card: Some(tap.card),
        card_counter: Some(tap.card_counter.get()),
        type_byte: Some(tap.type_byte),
        amount_fen: Some(tap.amount_fen.get()),
        fare_fen: Some(tap.fare_fen.get()),
        tapped_at: Some(tap.tapped_at()),
        medium: Medium::from_index(tap.medium),
        sector: Sector::from_index(tap.sector),
        product: Product::from_index(tap.product),
        operator: text(line.operator),
        line_name: text(line.line),
        station: text(line.station),
        key_version: Some(tap.key_version),
        algorithm: Algorithm::from_index(tap.algorithm),
        tac: Some(tap.tac),
    }
}

/// Rows that a filter keeps say one of its texts.
fn kept_text(filter: &FilterSpec) -> Option<&String> {
    filter.values.first().or(filter.prefixes.first()).or(filter.from.as_ref()).or(filter.to.as_ref())
}
