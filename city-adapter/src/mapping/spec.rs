//! A mapping as its text says it, before anything but the form of the text is checked.

use std::collections::BTreeMap;

use serde::Deserialize;

pub use rule::{Characters, Derive, Form, Keep, Pad, RuleSpec, Sign, Unit, Unix};

mod rule;

/// The whole document.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Name of the layout.
    pub layout: String,
    /// How the file is written.
    #[serde(default)]
    pub file: FileSpec,
    /// The control line before the rows.
    pub header: Option<ControlSpec>,
    /// The control line behind the rows.
    pub trailer: Option<ControlSpec>,
    /// Named lookup tables.
    #[serde(default)]
    pub tables: BTreeMap<String, TableSpec>,
    /// Derived fields by name.
    #[serde(default)]
    pub fields: BTreeMap<String, RuleSpec>,
    /// Rows that match any of these are left out.
    #[serde(default)]
    pub drop: Vec<FilterSpec>,
    /// Rows that do not match all of these are left out.
    #[serde(default)]
    pub keep: Vec<FilterSpec>,
    /// How each column of a tap file is made.
    pub columns: BTreeMap<String, RuleSpec>,
    /// How the two rows of a trip become one record.
    pub pairing: Option<PairingSpec>,
}

/// Table `[file]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FileSpec {
    /// Label of the encoding.
    pub encoding: Option<String>,
    /// One ASCII character or its name.
    pub separator: Option<String>,
    /// One ASCII character, or nothing for none.
    pub quote: Option<String>,
    /// Whether fields are places in bytes.
    pub fixed: bool,
    /// Length of every line of a fixed file, in bytes.
    pub width: Option<usize>,
    /// Whether a line of column names stands before the rows.
    pub names: Option<bool>,
    /// Physical lines to pass over at the start.
    pub skip: u32,
    /// Lines that begin so are passed over.
    pub comment: Option<String>,
    /// How many columns a row has.
    pub length: Length,
    /// Texts that mean nothing.
    pub empty: Vec<String>,
}

/// How many columns a row must have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Length {
    /// As many as the names line, or as the first row.
    #[default]
    Exact,
    /// No fewer; more are ignored.
    Longer,
    /// Any number; missing ones are empty.
    Any,
}

/// Table `[header]` or `[trailer]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ControlSpec {
    /// What the line begins with.
    pub starts_with: Option<String>,
    /// Where it says how many lines the file has.
    pub records: Option<RuleSpec>,
    /// Where it says the sum of their amounts.
    pub amount: Option<RuleSpec>,
    /// Which lines it counts.
    #[serde(default)]
    pub counts: Counted,
}

/// Which lines the figures of a control line are about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Counted {
    /// Every data line.
    #[default]
    All,
    /// Those that the filters keep.
    Kept,
}

/// Table `[tables.NAME]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TableSpec {
    /// Text to text.
    pub values: Option<BTreeMap<String, String>>,
    /// Beginning of a text to text.
    pub prefixes: Option<BTreeMap<String, String>>,
    /// Ranges of texts to text.
    pub ranges: Option<Vec<RangeSpec>>,
    /// A CSV file beside the mapping.
    pub file: Option<String>,
    /// Its column with the whole text.
    pub key: Option<String>,
    /// Its column with the beginning of the text.
    pub prefix: Option<String>,
    /// Its column with the first text of a range.
    pub from: Option<String>,
    /// Its column with the last text of a range.
    pub to: Option<String>,
    /// Its column with what the text becomes.
    pub value: Option<String>,
}

/// A range of texts of one length, both ends included.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RangeSpec {
    /// The first.
    pub from: String,
    /// The last.
    pub to: String,
    /// What they become.
    pub value: String,
}

/// A field by its name or its place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(untagged, expecting = "expected a column's name in quotes or its position, such as 3")]
pub enum Ref {
    /// By name.
    Name(String),
    /// By place, 1-based.
    Position(usize),
}

/// A place in a control line.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "expected a position such as 3, or { at = 1, length = 8 }")]
pub enum ControlPlace {
    /// A column, 1-based.
    Position(usize),
    /// Bytes.
    Bytes {
        /// The first, 1-based.
        at: usize,
        /// How many.
        length: usize,
    },
}

/// Table `[[drop]]` or `[[keep]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilterSpec {
    /// The field that is looked at.
    pub column: Ref,
    /// It is one of these.
    #[serde(default)]
    pub values: Vec<String>,
    /// It begins with one of these.
    #[serde(default)]
    pub prefixes: Vec<String>,
    /// It is not less.
    pub from: Option<String>,
    /// It is not more.
    pub to: Option<String>,
    /// It is empty.
    #[serde(default)]
    pub empty: bool,
}

/// Table `[pairing]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PairingSpec {
    /// What the two rows of a trip have in common.
    pub card: Refs,
    /// The field that tells entries from exits.
    pub kind: Ref,
    /// Its texts for an entry.
    pub entry: Vec<String>,
    /// Its texts for an exit.
    pub exit: Vec<String>,
    /// The longest trip.
    pub minutes_max: Option<u32>,
    /// A field with whole numbers that grow from entry to exit.
    pub station_order: Option<Ref>,
    /// Whether the rows of a card stand in the file in their order.
    pub rows: RowOrder,
    /// What an entry without exit becomes.
    #[serde(default)]
    pub missing_exit: MissingExit,
    /// What an exit without entry becomes.
    #[serde(default)]
    pub missing_entry: MissingEntry,
    /// The most rows that wait.
    pub open_max: Option<usize>,
    /// The columns of an entry without exit that are made otherwise.
    #[serde(default)]
    pub max_fare: BTreeMap<String, RuleSpec>,
}

/// One field or several.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "expected a column, or a list of columns")]
pub enum Refs {
    /// One.
    One(Ref),
    /// Several.
    Many(Vec<Ref>),
}

/// In which order the rows of a card stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowOrder {
    /// An entry stands before its exit, and both before the card's next entry.
    InOrder,
    /// In any order: they wait for the end of the file and are paired by time.
    AnyOrder,
}

/// What an entry without exit becomes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissingExit {
    /// Nothing; it is counted.
    #[default]
    Drop,
    /// A record, by `[pairing.max_fare]`.
    MaxFare,
}

/// What an exit without entry becomes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissingEntry {
    /// A record by itself.
    #[default]
    Take,
    /// Nothing; it is counted.
    Drop,
    /// A malformed line.
    Bad,
}
