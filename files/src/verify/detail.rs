//! The rows of the acquirers' and the home cities' files: forms, order, sums by pair of cities.

use std::{collections::BTreeMap, path::Path};

use domain::{
    city::City,
    date::{Date, LocalTime},
    fees::{Basis, FeeTable},
    merkle::Merkle,
    result::{ALL_RESULTS, RecordResult},
    rulebook::Rulebook,
    tap::{Kind, Medium, Product, Sector},
    totals::{Tally, TotalKey},
};
use xxhash_rust::xxh3::xxh3_128;

use super::{
    member::{Row, read_csv},
    reader::{Fields, decimal, hex},
    report::{Check, Findings},
};
use crate::{error::FilesError, layout, manifest::FileEntry};

/// Cleared records of one pair of cities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct PairSum {
    pub(super) count: u64,
    pub(super) amount_fen: u64,
    /// The sum of the records' hashes: equal for the same records in any order.
    fingerprint: u128,
}

impl PairSum {
    fn add(&mut self, terminal: &[u8; 12], terminal_seq: u32, amount_fen: u32) {
        let mut record = [0; 20];
        record[..12].copy_from_slice(terminal);
        record[12..16].copy_from_slice(&terminal_seq.to_le_bytes());
        record[16..].copy_from_slice(&amount_fen.to_le_bytes());
        self.count += 1;
        self.amount_fen = self.amount_fen.saturating_add(amount_fen.into());
        self.fingerprint = self.fingerprint.wrapping_add(xxh3_128(&record));
    }

    fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.amount_fen = self.amount_fen.saturating_add(other.amount_fen);
        self.fingerprint = self.fingerprint.wrapping_add(other.fingerprint);
    }
}

/// Cleared records by acquirer and issuer.
pub(super) type Pairs = BTreeMap<(City, City), PairSum>;

/// What the acquirers' files say.
#[derive(Debug, Default)]
pub(super) struct AcquirerSide {
    pub(super) rows: u64,
    pub(super) cleared: Pairs,
}

/// What the home cities' files say.
#[derive(Debug, Default)]
pub(super) struct IssuerSide {
    pub(super) rows: u64,
    pub(super) cleared: Pairs,
    pub(super) totals: BTreeMap<TotalKey, Tally>,
    pub(super) merkle: Merkle,
}

/// Reads all acquirers' files.
pub(super) fn read_acquirers(
    folder: &Path,
    files: &[(City, &FileEntry)],
    findings: &mut Findings,
) -> Result<AcquirerSide, FilesError> {
    let mut side = AcquirerSide::default();
    for (acquirer, entry) in files {
        let mut by_issuer: BTreeMap<City, PairSum> = BTreeMap::new();
        let mut last: (Vec<u8>, u32) = (Vec::new(), 0);
        read_csv(folder, entry, &layout::ACQUIRER, findings, |row, findings| {
            side.rows += 1;
            let parsed = match AcquirerLine::parse(row.fields) {
                Ok(parsed) => parsed,
                Err(column) => return row.bad_field(findings, &entry.name, &layout::ACQUIRER, column),
            };
            let file = row.fields.get(0);
            if (last.0.as_slice(), last.1) >= (file, parsed.line) {
                let what = "it is not behind the row before, by file and line";
                findings.fail(Check::Order, &entry.name, Some(row.line), what);
            }
            if last.0 != file {
                last.0 = file.to_vec();
            }
            last.1 = parsed.line;
            if parsed.result == RecordResult::Cleared {
                let sum = by_issuer.entry(parsed.issuer).or_default();
                sum.add(&parsed.terminal, parsed.terminal_seq, parsed.amount_fen);
            }
        })?;
        side.cleared.extend(by_issuer.into_iter().map(|(issuer, sum)| ((*acquirer, issuer), sum)));
    }
    Ok(side)
}

/// Reads all home cities' files, in name order. Without a rulebook no totals are made.
pub(super) fn read_issuers(
    folder: &Path,
    files: &[(City, &FileEntry)],
    rules: Option<(&Rulebook, Date)>,
    findings: &mut Findings,
) -> Result<IssuerSide, FilesError> {
    let mut side = IssuerSide::default();
    for (issuer, entry) in files {
        let mut reader = IssuerReader {
            issuer: *issuer,
            entry,
            rules,
            pair: None,
            last: None,
            last_row: Vec::new(),
            leaf: Vec::new(),
        };
        read_csv(folder, entry, &layout::ISSUER, findings, |row, findings| {
            reader.read(row, &mut side, findings);
        })?;
        reader.close_pair(&mut side, findings);
    }
    Ok(side)
}

/// The sums of the pair with one acquirer while its rows follow each other.
struct OpenPair {
    acquirer: City,
    fees: Option<FeeTable>,
    sum: PairSum,
    tallies: BTreeMap<(Kind, u16), Tally>,
}

/// One home city's file while it is read.
struct IssuerReader<'a> {
    issuer: City,
    entry: &'a FileEntry,
    rules: Option<(&'a Rulebook, Date)>,
    pair: Option<OpenPair>,
    last: Option<(City, [u8; 12], u32)>,
    last_row: Vec<u8>,
    leaf: Vec<u8>,
}

impl IssuerReader<'_> {
    fn read(&mut self, row: &Row<'_>, side: &mut IssuerSide, findings: &mut Findings) {
        side.rows += 1;
        self.leaf.clear();
        self.leaf.extend_from_slice(&self.issuer.spelling());
        self.leaf.push(b',');
        self.leaf.extend_from_slice(row.bytes);
        side.merkle.push(&self.leaf);
        let parsed = match IssuerLine::parse(row.fields) {
            Ok(parsed) => parsed,
            Err(column) => return row.bad_field(findings, &self.entry.name, &layout::ISSUER, column),
        };
        let place = Some((parsed.acquirer, parsed.terminal, parsed.terminal_seq));
        // One identity may be paid again with other content when its window is over.
        if self.last > place || (self.last == place && self.last_row == row.bytes) {
            let what = "it is not behind the row before, by acquirer, terminal and terminal_seq";
            findings.fail(Check::Order, &self.entry.name, Some(row.line), what);
        }
        self.last = place;
        self.last_row.clear();
        self.last_row.extend_from_slice(row.bytes);
        if self.pair.as_ref().is_none_or(|pair| pair.acquirer != parsed.acquirer) {
            self.close_pair(side, findings);
            self.open_pair(parsed.acquirer);
        }
        self.add(&parsed, findings);
    }

    fn open_pair(&mut self, acquirer: City) {
        let fees = self.rules.map(|(rulebook, date)| rulebook.fee_table(acquirer, self.issuer, date));
        self.pair = Some(OpenPair { acquirer, fees, sum: PairSum::default(), tallies: BTreeMap::new() });
    }

    /// Adds a record to its pair, and to the tally of its kind and fee line.
    fn add(&mut self, line: &IssuerLine, findings: &mut Findings) {
        let Some(pair) = &mut self.pair else { return };
        pair.sum.add(&line.terminal, line.terminal_seq, line.amount_fen);
        if let (Some((rulebook, _)), Some(fees)) = (self.rules, &pair.fees) {
            let fee_line = fees.slot(line.sector.index(), line.product.index());
            let rates = (rulebook.fees.basis == Basis::PerRecord).then(|| rulebook.fees.rates(fee_line));
            let tally = pair.tallies.entry((line.kind, fee_line)).or_default();
            if let Err(e) = tally.add(line.amount_fen, rates) {
                findings.fail(Check::Positions, &self.entry.name, None, e.to_string());
            }
        }
    }

    /// Adds the sums of the open pair to those of all.
    fn close_pair(&mut self, side: &mut IssuerSide, findings: &mut Findings) {
        let Some(OpenPair { acquirer, sum, tallies, .. }) = self.pair.take() else { return };
        side.cleared.entry((acquirer, self.issuer)).or_default().merge(&sum);
        for ((kind, fee_line), tally) in tallies {
            let key = TotalKey { acquirer, issuer: self.issuer, kind, fee_line };
            if let Err(e) = side.totals.entry(key).or_default().merge(&tally) {
                findings.fail(Check::Positions, &self.entry.name, None, e.to_string());
            }
        }
    }
}

/// A row of `acquirer/<city>.csv`.
struct AcquirerLine {
    line: u32,
    terminal: [u8; 12],
    terminal_seq: u32,
    issuer: City,
    amount_fen: u32,
    result: RecordResult,
}

impl AcquirerLine {
    /// Reads the fields; the column that has no valid form otherwise.
    fn parse(fields: &Fields) -> Result<Self, usize> {
        let file = fields.text(0).filter(|file| file.ends_with(".csv"));
        file.filter(|file| !file.contains('/')).ok_or(0_usize)?;
        let words = [fields.get(6), fields.get(7), fields.get(8)];
        let is = |result: &RecordResult| {
            [result.name(), result.reason(), result.decided_by()].map(str::as_bytes) == words
        };
        Ok(Self {
            line: number(fields, 1).filter(|line| *line > 1).ok_or(1_usize)?,
            terminal: hex(fields.get(2)).ok_or(2_usize)?,
            terminal_seq: number(fields, 3).ok_or(3_usize)?,
            issuer: City::parse(fields.get(4)).map_err(|_| 4_usize)?,
            amount_fen: number(fields, 5).ok_or(5_usize)?,
            result: ALL_RESULTS.into_iter().find(is).ok_or(6_usize)?,
        })
    }
}

/// A row of `issuer/<city>.csv`, as far as figures follow from it.
struct IssuerLine {
    acquirer: City,
    terminal: [u8; 12],
    terminal_seq: u32,
    kind: Kind,
    amount_fen: u32,
    sector: Sector,
    product: Product,
}

impl IssuerLine {
    /// Reads the fields; the column that has no valid form otherwise.
    fn parse(fields: &Fields) -> Result<Self, usize> {
        hex::<16>(fields.get(3)).ok_or(3_usize)?;
        decimal(fields.get(4)).filter(|counter| *counter <= u16::MAX.into()).ok_or(4_usize)?;
        number(fields, 7).ok_or(7_usize)?;
        LocalTime::parse(fields.get(8)).map_err(|_| 8_usize)?;
        Medium::parse(fields.get(11)).ok_or(11_usize)?;
        Ok(Self {
            acquirer: City::parse(fields.get(0)).map_err(|_| 0_usize)?,
            terminal: hex(fields.get(1)).ok_or(1_usize)?,
            terminal_seq: number(fields, 2).ok_or(2_usize)?,
            kind: kind(fields.get(5)).ok_or(5_usize)?,
            amount_fen: number(fields, 6).ok_or(6_usize)?,
            sector: Sector::parse(fields.get(9)).ok_or(9_usize)?,
            product: Product::parse(fields.get(10)).ok_or(10_usize)?,
        })
    }
}

/// A number of at most 32 bits.
fn number(fields: &Fields, column: usize) -> Option<u32> {
    decimal(fields.get(column)).and_then(|number| u32::try_from(number).ok())
}

/// The kind of movement that a type in two hex digits makes.
fn kind(text: &[u8]) -> Option<Kind> {
    let digits = hex::<2>(text)?;
    let type_byte = u8::from_str_radix(str::from_utf8(&digits).ok()?, 16).ok()?;
    Kind::of_type(type_byte)
}
