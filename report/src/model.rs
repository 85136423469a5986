//! What a report knows about a cycle.

use std::collections::BTreeMap;

use domain::{
    city::City,
    date::Date,
    limits::Exposure,
    result::RecordResult,
    settlement::Item,
    tap::{Medium, Product, Sector},
};

/// How many items a report lists; it counts all of them.
pub const ITEMS_LISTED_MAX: usize = 50;
/// The first day that is counted alone, in days after the business date; all before it are counted with it.
pub const DAYS_FIRST: i32 = -7;

/// Records and what they come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many.
    pub count: u64,
    /// Their amounts, fen.
    pub amount_fen: u64,
}

impl Tally {
    /// Adds records.
    pub fn add(&mut self, other: Self) {
        self.count += other.count;
        self.amount_fen += other.amount_fen;
    }
}

/// What is known of the folder's correctness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It was recomputed and is what its records say; the number of checks.
    Verified(usize),
    /// It was recomputed, and this many differences were found.
    Different(u64),
    /// Nobody asked.
    NotChecked,
}

/// A city with its names; the names are the code where the rulebook has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The city.
    pub city: City,
    /// English name.
    pub en: String,
    /// Chinese name.
    pub zh: String,
}

/// A participant's row of `net.csv`; all in fen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Net {
    /// Amounts it receives.
    pub receivable_fen: i64,
    /// Amounts it pays.
    pub payable_fen: i64,
    /// Interchange it receives.
    pub interchange_receivable_fen: i64,
    /// Interchange it pays.
    pub interchange_payable_fen: i64,
    /// Switch fee it pays; negative for the scheme.
    pub switch_fee_fen: i64,
    /// What items bring it.
    pub adjustment_fen: i64,
    /// What it receives in all; negative if it pays.
    pub net_fen: i64,
}

/// What one city owes another, before the other direction is set against it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pair {
    /// Records.
    pub count: u64,
    /// Amounts owed, fen.
    pub amount_fen: u64,
    /// Interchange that the creditor leaves to the debtor, fen.
    pub interchange_fen: u64,
}

impl Pair {
    /// What the debtor owes when interchange is taken off, fen.
    #[must_use]
    pub fn owed_fen(&self) -> i128 {
        i128::from(self.amount_fen) - i128::from(self.interchange_fen)
    }
}

/// One cycle's figures.
#[derive(Clone, Debug)]
pub struct Cycle {
    /// The folder's name, such as `2018-09-01-001` or `2018-09-01-001.v2`.
    pub name: String,
    /// Business date.
    pub business_date: Date,
    /// Which cycle of that date, `nnn`.
    pub sequence: String,
    /// SHA-256 of `manifest.json`, lower-case hex.
    pub manifest_sha256: String,
    /// SHA-256 of the manifest before; none for the first cycle.
    pub previous_manifest_sha256: Option<String>,
    /// Root of the tree over the home cities' rows.
    pub merkle_root: String,
    /// Version of the rules.
    pub rulebook_version: u32,
    /// SHA-256 of the rules.
    pub rulebook_sha256: String,
    /// Every city that has a file or a row, in order.
    pub cities: BTreeMap<City, Named>,
    /// Nets of participants, in order.
    pub nets: BTreeMap<City, Net>,
    /// What participants with a cap owe, in order.
    pub exposures: Vec<Exposure>,
    /// The scheme's own.
    pub scheme: Net,
    /// What is owed, by (creditor, debtor): for purchases (acquirer, home city).
    pub pairs: BTreeMap<(City, City), Pair>,
    /// What the centre took, by acquirer and result.
    pub taken: BTreeMap<City, BTreeMap<RecordResult, Tally>>,
    /// What waits, by home city.
    pub parked: BTreeMap<City, Tally>,
    /// Cleared records by the hour of the day and sector.
    pub hours: [BTreeMap<Sector, Tally>; 24],
    /// Cleared records by the day they were made: days after the business date, at least −7.
    pub days: BTreeMap<i32, Tally>,
    /// Cleared records by product.
    pub products: BTreeMap<Product, Tally>,
    /// Cleared records by medium.
    pub media: BTreeMap<Medium, Tally>,
    /// Fares of cleared records before discount, fen.
    pub fare_fen: u64,
    /// The first items.
    pub items: Vec<Item>,
    /// How many items there are.
    pub items_total: u64,
}

impl Cycle {
    /// A city's names.
    #[must_use]
    pub fn named(&self, city: City) -> Named {
        self.cities.get(&city).cloned().unwrap_or_else(|| {
            let code = city.to_string();
            Named { city, en: code.clone(), zh: code }
        })
    }

    /// What the centre took, by result, over all acquirers.
    #[must_use]
    pub fn results(&self) -> BTreeMap<RecordResult, Tally> {
        let mut results: BTreeMap<RecordResult, Tally> = BTreeMap::new();
        for (result, tally) in self.taken.values().flatten() {
            results.entry(*result).or_default().add(*tally);
        }
        results
    }

    /// All records that the centre took.
    #[must_use]
    pub fn presented(&self) -> Tally {
        sum(self.taken.values().flat_map(BTreeMap::values))
    }

    /// All cleared records.
    #[must_use]
    pub fn cleared(&self) -> Tally {
        sum(self.hours.iter().flat_map(BTreeMap::values))
    }

    /// Cleared records by sector.
    #[must_use]
    pub fn sectors(&self) -> BTreeMap<Sector, Tally> {
        let mut sectors: BTreeMap<Sector, Tally> = BTreeMap::new();
        for (sector, tally) in self.hours.iter().flatten() {
            sectors.entry(*sector).or_default().add(*tally);
        }
        sectors
    }

    /// What is paid out in the end: all positive nets, fen.
    #[must_use]
    pub fn paid_out_fen(&self) -> i128 {
        let nets = self.nets.values().chain([&self.scheme]);
        nets.map(|net| i128::from(net.net_fen)).filter(|net| *net > 0).sum()
    }
}

/// The sum of some tallies.
#[must_use]
pub fn sum<'t>(tallies: impl Iterator<Item = &'t Tally>) -> Tally {
    let mut sum = Tally::default();
    tallies.for_each(|tally| sum.add(*tally));
    sum
}
