//! Mappings: how a tap file of another layout becomes records, told in a TOML text.
//!
//! A row of the file goes this way: its bytes become fields (`cells`), further fields are derived from them, filters
//! leave rows out, entries and exits are paired, and each column of a tap is made by a rule: a source, a part of it, an
//! edit, a translation (`text`), a conversion (`convert`). Where fields stand is found once a file (`bind`).
//!
//! ```toml
//! layout = "cityunion-mapping/1"
//!
//! [file]
//! separator = ";"            # one ASCII character; default ","
//! encoding = "utf-8"         # or gbk, gb18030, utf-16, windows-1252, …
//!
//! [[drop]]                   # rows that are no payable taps; they are counted, not reported
//! column = "kind"
//! values = ["entry"]
//!
//! [columns.terminal]         # one table a target column, named as in cityunion-tap/1
//! column = "gate"            # the source column by its name, or by its position such as 3
//! form = "decimal"           # terminal, card, tac: "hex" (default) or "decimal" digits
//! prefix = "5180"            # put before the digits, which are padded with zeros on the left
//!
//! [columns.tapped_at]
//! column = "time"
//! formats = ["%Y-%m-%d %H:%M:%S", "%Y%m%d%H%M%S"]
//!
//! [columns.amount_fen]
//! column = "charged"
//! unit = "yuan"              # "fen" (default) or "yuan" with up to two decimals
//!
//! [columns.sector]
//! column = "kind"
//! values = { exit = "metro", ride = "bus" }
//! default = "retail"         # for every other text; without it such a row is bad
//!
//! [columns.medium]
//! constant = "cpu"
//! ```
//!
//! `docs/mappings.md` has the whole reference.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read},
    path::{Component, Path},
};

pub use error::MappingError;
pub use file::MappedFile;
pub use reader::{BadRow, Counts, Mapped, MappedReader};
pub use row::MappedRow;

use crate::{fields::Dialect, quarantine::Script, tapfile::Column};
use charset::Charset;
use control::Control;
use convert::Convert;
use filter::Filter;
use spec::{Derive, Length, MissingEntry, MissingExit, Ref, RowOrder, Spec};
use text::{Source, Text};

pub(crate) mod bind;
pub(crate) mod cells;
pub(crate) mod charset;
mod check;
pub(crate) mod clock;
pub(crate) mod control;
pub(crate) mod convert;
mod engine;
mod error;
mod feed;
mod file;
pub(crate) mod filter;
pub(crate) mod number;
mod pairs;
mod plan;
mod reader;
mod refigure;
mod row;
mod sequence;
pub(crate) mod spec;
pub(crate) mod table;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod text;
mod trips;

/// A checked mapping.
#[derive(Clone, Debug)]
pub struct Mapping {
    pub(crate) charset: Charset,
    pub(crate) dialect: Dialect,
    pub(crate) fixed: bool,
    pub(crate) width: Option<usize>,
    pub(crate) names: bool,
    pub(crate) skip: u32,
    pub(crate) comment: Option<Vec<u8>>,
    pub(crate) length: Length,
    pub(crate) empty: Vec<String>,
    pub(crate) header: Option<Control>,
    pub(crate) trailer: Option<Control>,
    /// Derived fields by name, each after those that it reads.
    pub(crate) fields: Vec<(String, Text)>,
    pub(crate) drops: Vec<Filter>,
    pub(crate) keeps: Vec<Filter>,
    pub(crate) rules: BTreeMap<Column, Rule>,
    pub(crate) pairing: Option<Pairing>,
}

/// How one target column is made.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) text: Text,
    pub(crate) convert: Convert,
}

/// How the two rows of a trip become one record.
#[derive(Clone, Debug)]
pub(crate) struct Pairing {
    pub(crate) card: Vec<Ref>,
    pub(crate) kind: Ref,
    pub(crate) entry: Vec<String>,
    pub(crate) exit: Vec<String>,
    pub(crate) stop: Option<Ref>,
    pub(crate) rule: pairs::Rule,
    pub(crate) rows: RowOrder,
    pub(crate) missing_exit: MissingExit,
    pub(crate) missing_entry: MissingEntry,
    pub(crate) max_fare: BTreeMap<Column, Rule>,
}

impl Mapping {
    /// Reads and checks a mapping whose tables have no files of their own.
    ///
    /// # Errors
    /// [`MappingError`] naming the key or table that is wrong.
    pub fn parse(toml_text: &str) -> Result<Self, MappingError> {
        let none =
            |_: &str| Err(io::Error::new(io::ErrorKind::NotFound, "this mapping stands beside no files"));
        Self::parse_with(toml_text, &none)
    }

    /// Reads and checks a mapping; `files` gives the bytes of a file beside it.
    ///
    /// # Errors
    /// [`MappingError`] naming the key or table that is wrong.
    pub fn parse_with(
        toml_text: &str,
        files: &dyn Fn(&str) -> io::Result<Vec<u8>>,
    ) -> Result<Self, MappingError> {
        let spec: Spec = toml::from_str(toml_text)?;
        check::mapping(&spec, files)
    }

    /// Reads and checks the mapping in a file, with the files beside it.
    ///
    /// # Errors
    /// [`MappingError`] naming the file, or the key or table that is wrong.
    pub fn load(path: &Path) -> Result<Self, MappingError> {
        let unreadable = |source| MappingError::Unreadable { path: path.to_owned(), source };
        let text = fs::read_to_string(path).map_err(unreadable)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        Self::parse_with(&text, &|name| beside(folder, name))
    }

    /// Reads `input` (which needs no buffer) through this mapping.
    ///
    /// # Errors
    /// What [`MappingError::is_of_file`] says if the file is not for this mapping, or [`MappingError::Io`].
    pub fn reader<R: Read>(&self, input: R) -> Result<MappedReader<R>, MappingError> {
        MappedReader::new(self, input)
    }

    /// The target columns that it does not make.
    pub fn missing(&self) -> impl Iterator<Item = Column> {
        Column::ALL.into_iter().filter(|column| !self.rules.contains_key(column))
    }

    /// Checks that it makes whole taps; only the free texts may be missing.
    ///
    /// # Errors
    /// [`MappingError::Incomplete`] names the first column that it does not make.
    pub fn check_complete(&self) -> Result<(), MappingError> {
        let text = |column: &Column| matches!(column, Column::Operator | Column::Line | Column::Station);
        match self.missing().find(|column| !text(column)) {
            Some(column) => Err(MappingError::Incomplete(column.name())),
            None => Ok(()),
        }
    }

    /// Whether only the end of a file says that it is whole, so that it must be read to its end before anything of it
    /// is presented.
    #[must_use]
    pub fn has_controls(&self) -> bool {
        self.trailer.is_some()
            || self.header.as_ref().is_some_and(Control::has_figures)
            || self.pairing.as_ref().is_some_and(|pairing| pairing.rows == RowOrder::AnyOrder)
    }

    /// How its files' lines are text.
    #[must_use]
    pub const fn script(&self) -> Script {
        Script::new(self.charset.encoding, self.charset.by_mark)
    }

    /// Whether a row's sequence depends on the rows before it, so that rows cannot be sent without them.
    #[must_use]
    pub fn counts_rows(&self) -> bool {
        let rule = self.rules.get(&Column::TerminalSeq);
        rule.is_some_and(|rule| matches!(rule.text.source, Source::Derived(Derive::Count)))
    }

    /// A line of a file as text, as [`MappedReader::raw`] gives it; `None` if it has bytes that are not of the file's
    /// encoding.
    #[must_use]
    pub fn text_of(&self, raw: &[u8]) -> Option<String> {
        // Lines of UTF-16 are UTF-8 already.
        let narrow = self.charset.encoding.is_ascii_compatible();
        let encoding = if narrow { self.charset.encoding } else { encoding_rs::UTF_8 };
        encoding.decode_without_bom_handling_and_without_replacement(raw).map(std::borrow::Cow::into_owned)
    }

    pub(crate) fn sums_amounts(&self) -> bool {
        [&self.header, &self.trailer].into_iter().flatten().any(|control| control.amount.is_some())
    }
}

/// Reads a file in the mapping's folder or below it, and no other.
pub(crate) fn beside(folder: &Path, name: &str) -> io::Result<Vec<u8>> {
    let plain = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
    if !plain || name.is_empty() {
        let why = "its name must be that of a file in the mapping's folder or below";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    fs::read(folder.join(name))
}
