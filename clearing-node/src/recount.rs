//! Counts a cycle again: its positions from the stored detail, against what the book has summed.
//!
//! The detail is the log between two markers with the book's exceptions over it, the same that the files are
//! rendered from. A store may be read while a node works on it: what it holds at one moment fits together.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use cu_log::{Entry, Log, LogError, topics::Topics, visit_range};
use domain::{
    city::City,
    date::Date,
    fees::{Basis, FeeTable},
    money::MoneyOverflow,
    result::RecordResult,
    rulebook::Rulebook,
    rules::CycleRules,
    tap::{Kind, Tap},
    totals::{Tally, TotalKey},
};
use proto::{Clearing, Message, Opening, Outcome, PartitionTotals, clearing::Body};

use crate::{
    book::{
        batch::PartView,
        rows::{self, BatchRow, CycleRow, Exceptions, StateRow, TotalsRow},
    },
    render::rows::results_in,
    rocks::RocksStore,
    store::{StoreError, Txn},
    wire,
};

/// Why a cycle cannot be counted.
#[derive(Debug, thiserror::Error)]
pub enum RecountError {
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A sum is too large.
    #[error("the cleared amounts are beyond 2^64 fen")]
    Overflow(#[from] MoneyOverflow),
    /// Something is missing.
    #[error("cycle {cycle} of partition {partition} cannot be counted: {what}")]
    Missing {
        /// Its ordinal.
        cycle: u32,
        /// The partition.
        partition: u32,
        /// What is missing.
        what: String,
    },
}

/// A total that differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Acquirer, issuer, kind and fee line.
    pub key: TotalKey,
    /// What the book has summed.
    pub summed: Tally,
    /// What the detail comes to.
    pub counted: Tally,
}

/// What was counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recount {
    /// Ordinal of the cycle.
    pub cycle: u32,
    /// Whether it is still open.
    pub open: bool,
    /// Batches with records that are cleared in it or were looked at for some.
    pub batches: u64,
    /// Their records.
    pub records: u64,
    /// Records cleared in it.
    pub cleared: u64,
    /// Totals that were compared.
    pub compared: u64,
    /// Those that differ.
    pub differences: Vec<Difference>,
}

/// What is counted from.
pub struct Source<'a> {
    /// Number of the partition.
    pub partition: u32,
    /// Its store.
    pub store: &'a RocksStore,
    /// The log.
    pub log: &'a Arc<dyn Log>,
    /// Its topics.
    pub topics: &'a Topics,
    /// The rules that an opening names.
    pub rulebook_of: &'a dyn Fn(&Opening) -> Option<Arc<Rulebook>>,
}

impl Source<'_> {
    /// Counts the open cycle as far as the store has folded it; `None` if none is open.
    ///
    /// # Errors
    /// [`RecountError`] if log or store cannot be read or do not fit together.
    pub fn open_cycle(&self) -> Result<Option<Recount>, RecountError> {
        let txn = self.store.begin();
        let state: StateRow = rows::load(&txn, rows::STATE, "state")?.unwrap_or_default();
        if !state.open {
            return Ok(None);
        }
        let offset = txn.get(rows::OFFSET)?.ok_or(StoreError::Damaged { row: "offset" })?;
        let end = u64::from_be_bytes(offset.try_into().map_err(|_| StoreError::Damaged { row: "offset" })?);
        let mut summed = BTreeMap::new();
        txn.scan(b"t/", &mut |_, value| {
            let row: TotalsRow = rows::decode(value, "totals")?;
            for total in &row.totals {
                let (key, tally) =
                    wire::total_from_wire(total).ok_or(StoreError::Damaged { row: "totals" })?;
                summed.insert(key, tally);
            }
            Ok(())
        })?;
        let mut recount = self.count(state.last_cycle, end, &summed)?;
        recount.open = true;
        Ok(Some(recount))
    }

    /// Counts a closed cycle against the totals that the partition published.
    ///
    /// # Errors
    /// As [`Source::open_cycle`].
    pub fn closed_cycle(&self, totals: &PartitionTotals) -> Result<Recount, RecountError> {
        let mut summed = BTreeMap::new();
        for total in &totals.totals {
            let (key, tally) = wire::total_from_wire(total).ok_or(StoreError::Damaged { row: "totals" })?;
            summed.insert(key, tally);
        }
        self.count(totals.cycle, totals.end_offset, &summed)
    }

    fn missing(&self, cycle: u32, what: &str) -> RecountError {
        RecountError::Missing { cycle, partition: self.partition, what: what.to_owned() }
    }

    fn count(
        &self,
        cycle: u32,
        end: u64,
        summed: &BTreeMap<TotalKey, Tally>,
    ) -> Result<Recount, RecountError> {
        let row: Option<CycleRow> = rows::load(&self.store.begin(), &rows::cycle(cycle), "cycle")?;
        let row = row.ok_or_else(|| self.missing(cycle, "the store does not know it"))?;
        let opening = row.opening.as_ref().ok_or(StoreError::Damaged { row: "cycle" })?;
        let rulebook = (self.rulebook_of)(opening);
        let rulebook = rulebook.ok_or_else(|| self.missing(cycle, "its rulebook is not on the log"))?;
        let date = Date::from_julian_day(opening.business_date);
        let mut counting = Counting {
            source: self,
            rules: CycleRules::new(rulebook, date, date),
            tables: BTreeMap::new(),
            counted: BTreeMap::new(),
            recount: Recount { cycle, ..Recount::default() },
        };
        self.visit(row.first_offset..end, &mut |entry| counting.entry(entry, false))?;
        for carried in &row.carried {
            let city = City::parse(carried.acquirer.as_bytes());
            let city = city.map_err(|_| StoreError::Damaged { row: "cycle" })?;
            let key = rows::batch(city, carried.number);
            let batch: Option<BatchRow> = rows::load(&self.store.begin(), &key, "batch")?;
            let offset = batch.ok_or(StoreError::Damaged { row: "batch" })?.offset;
            self.visit(offset..offset + 1, &mut |entry| counting.entry(entry, true))?;
        }
        Ok(counting.compare(summed))
    }

    fn visit(
        &self,
        range: Range<u64>,
        visit: &mut dyn FnMut(Entry) -> Result<(), RecountError>,
    ) -> Result<(), RecountError> {
        visit_range(self.log.as_ref(), &self.topics.clearing(self.partition), range, visit)
    }
}

struct Counting<'a> {
    source: &'a Source<'a>,
    rules: CycleRules,
    tables: BTreeMap<(City, City), FeeTable>,
    counted: BTreeMap<TotalKey, Tally>,
    recount: Recount,
}

impl Counting<'_> {
    /// Counts what is cleared of the batch that a message brought, if it brought one.
    fn entry(&mut self, entry: Entry, carried: bool) -> Result<(), RecountError> {
        let cycle = self.recount.cycle;
        let unreadable = |source: &Source<'_>| {
            source.missing(cycle, &format!("the message at offset {} cannot be read", entry.offset))
        };
        let message = Clearing::decode(entry.payload).map_err(|_| unreadable(self.source))?;
        let Some(Body::Outcome(outcome)) = message.body else { return Ok(()) };
        let city = City::parse(outcome.acquirer.as_bytes()).map_err(|_| unreadable(self.source))?;
        let key = rows::batch(city, outcome.number);
        let row: Option<BatchRow> = rows::load(&self.source.store.begin(), &key, "batch")?;
        let Some(row) = row.filter(|row| row.offset == entry.offset) else { return Ok(()) };
        let exceptions = Exceptions::unpack(&row.exceptions)?;
        let results = results_in(cycle, outcome.records, &exceptions, carried);
        self.recount.batches += 1;
        self.recount.records += u64::from(outcome.records);
        self.outcome(city, outcome, &results)
    }

    fn outcome(
        &mut self,
        acquirer: City,
        outcome: Outcome,
        results: &[Option<RecordResult>],
    ) -> Result<(), RecountError> {
        for part in outcome.parts.into_iter().filter_map(|judged| judged.part) {
            let part =
                PartView::new(part, None).map_err(|what| self.source.missing(self.recount.cycle, &what))?;
            for tap in part.taps() {
                let result = results.get(usize::from(tap.position.get())).copied().flatten();
                if result == Some(RecordResult::Cleared) {
                    self.add(acquirer, part.issuer, tap)?;
                }
            }
        }
        Ok(())
    }

    fn add(&mut self, acquirer: City, issuer: City, tap: &Tap) -> Result<(), RecountError> {
        let Self { tables, rules, .. } = self;
        let table = tables.entry((acquirer, issuer)).or_insert_with(|| rules.fee_table(acquirer, issuer));
        let Some(kind) = Kind::of_type(tap.type_byte) else { return Ok(()) };
        let fee_line = table.slot(tap.sector, tap.product);
        let fees = &rules.rulebook().fees;
        let rates = (fees.basis == Basis::PerRecord).then(|| fees.rates(fee_line));
        let key = TotalKey { acquirer, issuer, kind, fee_line };
        self.counted.entry(key).or_default().add(tap.amount_fen.get(), rates)?;
        self.recount.cleared += 1;
        Ok(())
    }

    fn compare(self, summed: &BTreeMap<TotalKey, Tally>) -> Recount {
        let Self { counted, mut recount, .. } = self;
        let mut keys: Vec<TotalKey> = counted.keys().chain(summed.keys()).copied().collect();
        keys.sort_unstable();
        keys.dedup();
        recount.compared = keys.len() as u64;
        let of = |tallies: &BTreeMap<TotalKey, Tally>, key: &TotalKey| {
            tallies.get(key).copied().unwrap_or_default()
        };
        let both = keys.into_iter().map(|key| Difference {
            key,
            summed: of(summed, &key),
            counted: of(&counted, &key),
        });
        recount.differences = both.filter(|difference| difference.summed != difference.counted).collect();
        recount
    }
}
