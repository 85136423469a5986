//! A mapping as its text says it, before anything but the form of the text is checked.

use std::collections::BTreeMap;

use serde::Deserialize;

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
    pub skip: u64,
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

/// How one text is made and read: tables `[columns.…]`, `[fields.…]` and the figures of control lines.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RuleSpec {
    /// Source: a field.
    pub column: Option<Ref>,
    /// Source: bytes of a fixed file; the first, 1-based.
    pub at: Option<usize>,
    /// How many bytes.
    pub length: Option<usize>,
    /// Source: the same text for every row.
    pub constant: Option<String>,
    /// Source: several fields.
    pub join: Option<Vec<Ref>>,
    /// What stands between them.
    pub with: Option<String>,
    /// Source: made from other columns of the record.
    pub derive: Option<Derive>,
    /// Source: the header control line.
    pub header: Option<ControlPlace>,
    /// Part: the text is split here.
    pub split: Option<String>,
    /// Which part, 1-based, negative from the end.
    pub part: Option<i64>,
    /// Part: what stands between these two.
    pub between: Option<[String; 2]>,
    /// Part: characters.
    pub characters: Option<Characters>,
    /// Edit: these are taken out.
    pub remove: Option<Vec<String>>,
    /// Edit: zeros are put in front up to this length.
    pub digits: Option<usize>,
    /// Edit: ASCII letters become upper case.
    pub upper: Option<bool>,
    /// Edit: a number written as a float.
    pub float: Option<bool>,
    /// The text for an empty one.
    pub empty: Option<String>,
    /// Translation of texts.
    pub values: Option<BTreeMap<String, String>>,
    /// Translation by a named table.
    pub table: Option<String>,
    /// For texts that are not in the translation.
    pub default: Option<String>,
    /// How digits are written.
    pub form: Option<Form>,
    /// Hex digits that go in front.
    pub prefix: Option<String>,
    /// Where digits are filled up.
    pub pad: Option<Pad>,
    /// With which digit.
    pub pad_with: Option<String>,
    /// Which digits of a longer number stay.
    pub keep: Option<Keep>,
    /// Unit of an amount.
    pub unit: Option<Unit>,
    /// Decimal sign.
    pub decimal: Option<String>,
    /// Sign between groups of three digits.
    pub thousands: Option<String>,
    /// Factor of an amount.
    pub multiply: Option<u32>,
    /// Divisor of an amount.
    pub divide: Option<u32>,
    /// Sign of an amount.
    pub sign: Option<Sign>,
    /// Formats of a time.
    pub formats: Option<Vec<String>>,
    /// A time as a count since 1970.
    pub unix: Option<Unix>,
    /// The first two-digit year of the 1900s.
    pub pivot: Option<u8>,
    /// The zone in which a time is written.
    pub zone: Option<String>,
    /// The zone of the terminals.
    pub local: Option<String>,
    /// How far the hours of a service day run.
    pub service_day_until: Option<String>,
    /// Scheme of a city that is written as its code alone.
    pub scheme: Option<String>,
    /// Whether long free texts are cut.
    pub shorten: Option<bool>,
    /// Taken off a count.
    pub subtract: Option<u64>,
}

/// A range of characters.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Characters {
    /// The first, 1-based, negative from the end.
    pub from: i64,
    /// How many; all that follow if not stated.
    pub length: Option<usize>,
}

/// How a terminal sequence is made that the file does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Derive {
    /// Seconds from 2000-01-01 to the time of the tap.
    Second,
    /// Days from 2000-01-01, times 100,000, and a running number of the terminal's day.
    Count,
}

/// How digits are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// Hex digits.
    Hex,
    /// Hex digits, last byte first.
    HexLe,
    /// A decimal number.
    Decimal,
    /// Decimal digits that are the hex digits.
    Bcd,
    /// Any text, which its digest stands for.
    Digest,
}

/// Where digits are filled up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pad {
    /// In front.
    Left,
    /// Behind.
    Right,
    /// Nowhere: they must be enough.
    None,
}

/// Which digits stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Keep {
    /// The first ones.
    First,
    /// The last ones.
    Last,
}

/// Unit of an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// 1/100 yuan; cents of other currencies.
    Fen,
    /// Yuan; the main unit of other currencies.
    Yuan,
}

/// Sign of an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sign {
    /// Charges have none.
    Plus,
    /// Charges have a minus.
    Minus,
}

/// Unit of a count since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unix {
    /// Seconds.
    Seconds,
    /// Milliseconds; what is less than a second is left out.
    Millis,
}
