//! The whole life of one tap, as data.

use domain::{
    city::City,
    dispute::{Dispute, Refund},
};
use serde::{Serialize, Serializer};

use crate::dispute::known::ItemOf;

/// Everything that is known of one terminal and sequence.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Life {
    /// Terminal, 12 hex digits.
    pub terminal: String,
    /// The terminal's own counter.
    pub terminal_seq: u32,
    /// The scheme of the card, if only one was asked for.
    pub scheme: Option<&'static str>,
    /// Who owns the terminal by the rulebook; more than one if it moved.
    pub owners: Vec<Owner>,
    /// Every record with this identity, in the order in which they came.
    pub presentations: Vec<Presentation>,
    /// How many more there are than are kept here.
    pub presentations_left_out: u64,
    /// Records of the same terminal that are nearest to the sequence.
    pub near: Vec<Near>,
    /// The cities that are named here.
    pub cities: Vec<CityName>,
    /// What all topic names begin with.
    pub topic_prefix: String,
    /// What was read.
    pub looked: Vec<Looked>,
    /// What a person should know about the answer.
    pub notes: Vec<String>,
    /// What to do next, if nothing was found.
    pub next: Vec<String>,
}

/// A city and its names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CityName {
    /// The city.
    pub city: City,
    /// Its English name.
    pub name_en: String,
    /// Its Chinese name.
    pub name_zh: String,
}

/// A participant that owns the terminal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Owner {
    /// Its city.
    pub city: City,
    /// The versions of the rulebook that say so.
    pub rulebook_versions: Vec<u32>,
}

/// A place that was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Looked {
    /// Topic and partition, or folder.
    pub place: String,
    /// How much of it was read.
    pub read: String,
}

/// A record of the same terminal that is not the one meant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Near {
    /// Its sequence.
    pub terminal_seq: u32,
    /// City that handed it in.
    pub acquirer: City,
    /// Its file.
    pub file: String,
    /// Physical line, the header is line 1.
    pub line: u32,
    /// Home city of the card.
    pub issuer: City,
    /// Fen.
    pub amount_fen: u32,
    /// Local time, if known.
    pub tapped_at: Option<String>,
}

/// One record with the identity.
#[derive(Clone, Debug, Serialize)]
pub struct Presentation {
    /// City that handed it in.
    pub acquirer: City,
    /// Base name of the file, with `.csv`.
    pub file: String,
    /// Physical line, the header is line 1.
    pub line: u32,
    /// Home city of the card; for a malformed line the text that stands there.
    pub issuer: String,
    /// Amount, fen, a number in JSON; for a malformed line the text that stands there.
    #[serde(serialize_with = "number_or_text")]
    pub amount_fen: String,
    /// What the record says, as far as it is known.
    pub tap: Option<TapFacts>,
    /// Its batch, if it was presented and the log was read.
    pub batch: Option<BatchPlace>,
    /// Where the batch was judged.
    pub outcome: Option<OutcomePlace>,
    /// What the home city said, in order; only the first that came while the record waited counts.
    pub verdicts: Vec<VerdictSaid>,
    /// Where it waited for its home city.
    pub park: Option<Park>,
    /// The results that were said of it, one after another, from the log or else from the published files.
    pub results: Vec<ResultSaid>,
    /// The record that stands in its place, if it is a duplicate or a conflict.
    pub stands: Option<Stands>,
    /// How it was settled, if it was cleared in a cycle whose rules are known.
    pub settlement: Option<Settlement>,
    /// What was disputed of it after its cycle was closed, if the log was read.
    pub disputes: Vec<Disputed>,
    /// What its acquirer gave back of it, if the log was read.
    pub refunds: Vec<Refunded>,
    /// Its rows in the published files.
    pub rows: Vec<FileRow>,
}

/// A dispute about a record or about the whole of its file.
#[derive(Clone, Debug, Serialize)]
pub struct Disputed {
    /// The dispute.
    #[serde(flatten)]
    pub dispute: Dispute,
    /// Its items, each with the cycle that it is part of.
    pub items: Vec<ItemOf>,
}

/// A refund of a record.
#[derive(Clone, Debug, Serialize)]
pub struct Refunded {
    /// The refund.
    #[serde(flatten)]
    pub refund: Refund,
    /// Its item, with the cycle that it is part of.
    pub item: ItemOf,
}

/// An amount as a number; what is none stays the text that it is.
fn number_or_text<S: Serializer>(text: &str, to: S) -> Result<S::Ok, S::Error> {
    match text.parse::<u64>() {
        Ok(number) => to.serialize_u64(number),
        Err(_) => to.serialize_str(text),
    }
}

/// The columns of a record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TapFacts {
    /// Application serial of the card.
    pub card: String,
    /// The card's transaction counter.
    pub card_counter: String,
    /// Transaction type byte.
    #[serde(rename = "type")]
    pub type_byte: String,
    /// Fare before discount, fen, a number in JSON.
    #[serde(serialize_with = "number_or_text")]
    pub fare_fen: String,
    /// Local time of the tap.
    pub tapped_at: String,
    /// What the traveller held to the reader.
    pub medium: String,
    /// Where the card was used.
    pub sector: String,
    /// How the fare was made.
    pub product: String,
    /// Operator, if known.
    pub operator: Option<String>,
    /// Line of the operator, if known.
    pub route: Option<String>,
    /// Station, if known.
    pub station: Option<String>,
    /// Version of the key that made the cryptogram, if known.
    pub key_version: Option<u8>,
    /// Algorithm of the cryptogram, if known.
    pub algorithm: Option<&'static str>,
    /// The cryptogram, if known.
    pub tac: Option<String>,
}

/// Offsets at which something was seen: the first few, and how many there are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Offsets {
    /// The first of them.
    pub first: Vec<u64>,
    /// How many there are.
    pub count: u64,
}

/// Offsets of one kind that are kept.
const OFFSETS_MAX: usize = 16;

impl Offsets {
    /// Counts one more.
    pub fn push(&mut self, offset: u64) {
        if self.first.len() < OFFSETS_MAX {
            self.first.push(offset);
        }
        self.count += 1;
    }
}

/// A record's place in its batch and on `cu.taps.<city>`.
#[derive(Clone, Debug, Serialize)]
pub struct BatchPlace {
    /// Number of the batch, from 1 for each city.
    pub number: u64,
    /// Place in it, 0-based.
    pub position: u16,
    /// Records in it.
    pub records: u32,
    /// Its digest, hex.
    pub digest: String,
    /// Topic of the batch.
    pub topic: String,
    /// Where it stands there; more than one if it was delivered again.
    pub offsets: Offsets,
}

/// Where a batch was judged on `cu.clearing`.
#[derive(Clone, Debug, Serialize)]
pub struct OutcomePlace {
    /// Partition of the topic.
    pub partition: u32,
    /// Offset of the outcome.
    pub offset: u64,
    /// The cycle in which it arrived.
    pub cycle: Option<String>,
    /// Where the batch came again as a whole; it counts nothing then.
    pub again: Offsets,
    /// Where its number alone was said again, to have its result repeated.
    pub headers: Offsets,
}

/// What a home city said of a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VerdictSaid {
    /// `accepted`, or the reason of the rejection.
    pub verdict: &'static str,
    /// Whether it came after the outcome.
    pub late: bool,
    /// Partition of `cu.clearing`.
    pub partition: u32,
    /// Where it was said, and said again.
    pub offsets: Offsets,
    /// The cycle that was open there.
    pub cycle: Option<String>,
}

/// The time for which a record waited for its home city.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Park {
    /// Offsets on `cu.parked.<city>`.
    pub offsets: Offsets,
    /// The cycle in which it began to wait.
    pub since: Option<String>,
    /// The cycle in which it ceased to wait, if it did.
    pub until: Option<String>,
}

/// A result that was said of a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ResultSaid {
    /// The column `result`.
    pub result: String,
    /// The column `reason`.
    pub reason: String,
    /// The column `decided_by`.
    pub decided_by: String,
    /// The cycle of the result.
    pub cycle: Option<String>,
    /// Where it was first said on `cu.results.<city>`, if the log was read.
    pub offset: Option<u64>,
}

/// The record that holds the identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stands {
    /// Its place among the presentations, 1-based.
    pub presentation: usize,
    /// Its file.
    pub file: String,
    /// Its line.
    pub line: u32,
    /// Columns in which the two differ: name, what stands, what this one says.
    pub differs: Vec<(&'static str, String, String)>,
}

/// How a cleared record was settled.
#[derive(Clone, Debug, Serialize)]
pub struct Settlement {
    /// The cycle.
    pub cycle: String,
    /// The kind of movement.
    pub kind: &'static str,
    /// The fee line that applies; `None` for the rates of `[fees]`.
    pub fee_line: Option<String>,
    /// What the acquirer pays to the issuer, as a part of the amount.
    pub interchange_rate: String,
    /// What the acquirer pays to the scheme, as a part of the amount.
    pub switch_rate: String,
    /// On what fees are computed.
    pub basis: &'static str,
    /// Version of the rules.
    pub rulebook_version: u32,
    /// Records of the pair and kind under this fee line, if the cycle's totals are known.
    pub line_count: Option<u64>,
    /// Their sum, fen.
    pub line_amount_fen: Option<u64>,
    /// The row of the pair and kind, if the cycle is closed.
    pub position: Option<PositionRow>,
    /// Offset of the plan on `cu.cycles`, if the log was read.
    pub plan_offset: Option<u64>,
    /// Name of the published folder.
    pub folder: Option<String>,
}

/// A row of `positions.csv`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PositionRow {
    /// Records.
    pub count: u64,
    /// Their sum, fen.
    pub amount_fen: u64,
    /// What the acquirer pays to the issuer, fen.
    pub interchange_fen: i64,
    /// What the acquirer pays to the scheme, fen.
    pub switch_fee_fen: i64,
}

/// Which published file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RowKind {
    /// `receipts/<city>.csv`.
    Receipt,
    /// `<cycle>/acquirer/<city>.csv`.
    Acquirer,
    /// `<cycle>/issuer/<city>.csv`.
    Issuer,
    /// `<cycle>/positions.csv`.
    Position,
    /// `results/<city>/<name>.csv`.
    Answer,
}

/// A row of a published file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileRow {
    /// Which file.
    pub kind: RowKind,
    /// Name of the cycle's folder, if it is in one.
    pub cycle: Option<String>,
    /// Path in the folder that was read.
    pub path: String,
    /// Physical line, the header is line 1.
    pub line: u64,
    /// The row, by column name.
    pub row: std::collections::BTreeMap<String, String>,
}

impl FileRow {
    /// A column; empty if there is none.
    #[must_use]
    pub fn get(&self, column: &str) -> &str {
        self.row.get(column).map_or("", String::as_str)
    }
}

impl Presentation {
    /// The last result that is known.
    #[must_use]
    pub fn result(&self) -> Option<&ResultSaid> {
        self.results.last()
    }

    /// Its rows of one kind.
    pub fn rows_of(&self, kind: RowKind) -> impl Iterator<Item = &FileRow> {
        self.rows.iter().filter(move |row| row.kind == kind)
    }
}

impl Life {
    /// Whether any record was found.
    #[must_use]
    pub fn found(&self) -> bool {
        !self.presentations.is_empty()
    }

    /// A city with its names, if they are known.
    #[must_use]
    pub fn named(&self, city: &str) -> String {
        match self.cities.iter().find(|known| known.city.to_string() == city) {
            Some(known) => format!("{city} ({} {})", known.name_en, known.name_zh),
            None => city.to_owned(),
        }
    }
}
