//! How one text is made and read.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{ControlPlace, Ref};

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
