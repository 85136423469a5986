//! Mappings: how a tap file of another layout becomes records, told by column names in a TOML text.
//!
//! ```toml
//! layout = "cityunion-mapping/1"
//!
//! [file]
//! separator = ";"            # one ASCII character; default ","
//! encoding = "utf-8"         # the only one so far
//!
//! [[drop]]                   # rows that are no payable taps; they are counted, not reported
//! column = "kind"
//! values = ["entry"]
//!
//! [columns.terminal]         # one table a target column, named as in cityunion-tap/1
//! column = "gate"            # the source column, or `constant = "…"`
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
//! Columns are found by the name in the file's header, so their order does not matter. Spaces
//! around a field are not part of it.

use std::{
    collections::BTreeMap,
    io::{self, Read},
};

use serde::Deserialize;

pub use file::MappedFile;
pub use reader::{BadRow, Mapped, MappedReader};
pub use row::MappedRow;

use crate::tapfile::Column;
use clock::Format;
use row::Convert;

mod clock;
mod file;
mod reader;
mod row;
#[cfg(test)]
mod tests;

/// The layout that this version reads.
const LAYOUT: &str = "cityunion-mapping/1";

/// Why a mapping, or a file that it is for, cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MappingError {
    /// The text is no TOML, or has keys that are not known.
    #[error("the mapping is not readable")]
    Toml(#[from] toml::de::Error),
    /// The layout or a setting of the file is not supported.
    #[error("the mapping says {key} = \"{value}\"; {expected}")]
    Setting {
        /// The key in the mapping.
        key: &'static str,
        /// What it says.
        value: String,
        /// What is supported.
        expected: &'static str,
    },
    /// A table `[columns.…]` is wrong.
    #[error("the mapping's table [columns.{target}] {why}")]
    Rule {
        /// Name of the table.
        target: String,
        /// What is wrong with it.
        why: String,
    },
    /// The mapping does not make every column that a tap needs.
    #[error("the mapping makes no column `{0}`, without which no tap can be presented")]
    Incomplete(&'static str),
    /// The file has no header, or one that cannot be read.
    #[error("line 1 of the file is no readable header row")]
    Header,
    /// The file's header does not have a column that the mapping names.
    #[error("the file's header does not name column `{0}` exactly once, but the mapping reads it")]
    NoColumn(String),
    /// The file has more lines than a record can point to.
    #[error("the file has more than 4294967295 lines; split it")]
    TooManyLines,
    /// The file could not be read.
    #[error("the file cannot be read")]
    Io(#[from] io::Error),
}

/// A checked mapping.
#[derive(Clone, Debug)]
pub struct Mapping {
    separator: u8,
    drops: Vec<Filter>,
    rules: BTreeMap<Column, Rule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    layout: String,
    #[serde(default)]
    file: FileSettings,
    #[serde(default)]
    drop: Vec<Filter>,
    columns: BTreeMap<String, RuleTable>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileSettings {
    separator: Option<String>,
    encoding: Option<String>,
}

/// Rows whose `column` says one of `values` are dropped.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Filter {
    column: String,
    values: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RuleTable {
    column: Option<String>,
    constant: Option<String>,
    values: Option<BTreeMap<String, String>>,
    default: Option<String>,
    unit: Option<Unit>,
    form: Option<Form>,
    prefix: Option<String>,
    formats: Option<Vec<String>>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Unit {
    Fen,
    Yuan,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Form {
    Hex,
    Decimal,
}

/// How one target column is made.
#[derive(Clone, Debug)]
struct Rule {
    source: Source,
    values: Option<BTreeMap<String, String>>,
    default: Option<String>,
    convert: Convert,
}

#[derive(Clone, Debug)]
enum Source {
    Column(String),
    Constant(String),
}

impl Mapping {
    /// Reads and checks a mapping.
    ///
    /// # Errors
    /// [`MappingError`] naming the key or table that is wrong.
    pub fn parse(toml_text: &str) -> Result<Self, MappingError> {
        let document: Document = toml::from_str(toml_text)?;
        setting("layout", Some(&document.layout), |v| v == LAYOUT, "expected cityunion-mapping/1")?;
        let encoding = document.file.encoding.as_deref();
        setting("file.encoding", encoding, |v| v.eq_ignore_ascii_case("utf-8"), "expected utf-8")?;
        let separator = document.file.separator.as_deref();
        let fits = |v: &str| matches!(v.as_bytes(), [byte] if !b"\"\r\n".contains(byte));
        setting("file.separator", separator, fits, "expected one ASCII character")?;
        let mut rules = BTreeMap::new();
        for (target, table) in document.columns {
            let wrong = |why: String| MappingError::Rule { target: target.clone(), why };
            let column = Column::of_name(&target)
                .ok_or_else(|| wrong("is no column of layout cityunion-tap/1".to_owned()))?;
            rules.insert(column, table.rule(column).map_err(wrong)?);
        }
        let separator = separator.and_then(|v| v.bytes().next()).unwrap_or(b',');
        Ok(Self { separator, drops: document.drop, rules })
    }

    /// Reads `input` (which needs no buffer) through this mapping.
    ///
    /// # Errors
    /// [`MappingError::Header`] or [`MappingError::NoColumn`] if the file's first line is not for this
    /// mapping, or [`MappingError::Io`].
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
}

fn setting(
    key: &'static str,
    value: Option<&str>,
    fits: impl Fn(&str) -> bool,
    expected: &'static str,
) -> Result<(), MappingError> {
    match value {
        Some(value) if !fits(value) => Err(MappingError::Setting { key, value: value.to_owned(), expected }),
        _ => Ok(()),
    }
}

impl RuleTable {
    fn rule(self, target: Column) -> Result<Rule, String> {
        let convert = self.convert(target)?;
        let source = match (self.column, self.constant) {
            (Some(column), None) => Source::Column(column),
            (None, Some(constant)) => {
                convert.put(target, &constant, &mut MappedRow::default())?;
                if self.values.is_some() || self.default.is_some() {
                    return Err("has a constant, which needs no `values` and no `default`".to_owned());
                }
                Source::Constant(constant)
            }
            _ => return Err("needs either `column` or `constant`".to_owned()),
        };
        if self.default.is_some() && self.values.is_none() {
            return Err("has a `default` but no `values`".to_owned());
        }
        for value in self.values.iter().flat_map(BTreeMap::values).chain(&self.default) {
            convert.put(target, value, &mut MappedRow::default())?;
        }
        Ok(Rule { source, values: self.values, default: self.default, convert })
    }

    fn convert(&self, target: Column) -> Result<Convert, String> {
        let only = |has: bool, key: &str, fits: bool| {
            if has && !fits { Err(format!("has `{key}`, which this column does not take")) } else { Ok(()) }
        };
        let amount = matches!(target, Column::AmountFen | Column::FareFen);
        let hex = matches!(target, Column::Terminal | Column::Card | Column::Tac);
        only(self.unit.is_some(), "unit", amount)?;
        only(self.form.is_some(), "form", hex)?;
        only(self.prefix.is_some(), "prefix", hex)?;
        only(self.formats.is_some(), "formats", target == Column::TappedAt)?;
        Ok(match target {
            Column::Terminal | Column::Card | Column::Tac => {
                Convert::hex(target, self.form.unwrap_or(Form::Hex), self.prefix.as_deref().unwrap_or(""))?
            }
            Column::AmountFen | Column::FareFen => Convert::Amount(self.unit.unwrap_or(Unit::Fen)),
            Column::TappedAt => {
                let default = ["%Y-%m-%dT%H:%M:%S".to_owned()];
                let formats = self.formats.as_deref().unwrap_or(&default);
                if formats.is_empty() {
                    return Err("has an empty list of `formats`".to_owned());
                }
                Convert::Time(formats.iter().map(|f| Format::parse(f)).collect::<Result<_, _>>()?)
            }
            _ => Convert::Plain,
        })
    }
}
