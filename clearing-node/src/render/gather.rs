//! Gathers the detail of one partition: the log between a cycle's markers, with the book's exceptions laid over it.

use std::{collections::BTreeSet, ops::Range};

use cu_log::{Entry, Log, topics::Topics, visit_range};
use domain::city::City;
use files::Detail;
use proto::{Clearing, Message, Outcome, PartitionTotals, clearing::Body};

use super::{
    RenderError,
    rows::{RowsError, rows_in},
};
use crate::{
    book::rows::{self, BatchRow, CycleRow, Exceptions},
    rocks::RocksStore,
    store::StoreError,
};

/// Carried batches closer together than this are read on instead of sought.
const SEEK_OVER: u64 = 64;

/// One partition's share of a cycle.
pub struct Share<'a> {
    /// Its totals, which say where its log range is.
    pub totals: &'a PartitionTotals,
    /// The partition's store, folded past the end of that range.
    pub store: &'a RocksStore,
    /// The log.
    pub log: &'a dyn Log,
    /// Its topics.
    pub topics: &'a Topics,
    /// Asked now and then: whether the work is still wanted.
    pub wanted: &'a (dyn Fn() -> bool + Sync),
}

impl Share<'_> {
    /// Whether the book has folded past the end of the range: only then it knows every result of the cycle.
    ///
    /// # Errors
    /// [`RenderError`] if the store cannot be read, or knows another range.
    pub fn is_folded(&self) -> Result<bool, RenderError> {
        let totals = self.totals;
        let Some(row) = self.cycle()? else { return Ok(false) };
        match row.end_offset {
            None => Ok(false),
            Some(end) if (row.first_offset, end) == (totals.first_offset, totals.end_offset) => Ok(true),
            Some(end) => Err(self.contradiction(format!(
                "cycle {} is at offsets {}..{end} here and at {}..{} by the totals that count",
                totals.cycle, row.first_offset, totals.first_offset, totals.end_offset
            ))),
        }
    }

    fn cycle(&self) -> Result<Option<CycleRow>, RenderError> {
        Ok(rows::load(&self.store.begin(), &rows::cycle(self.totals.cycle), "cycle")?)
    }

    fn contradiction(&self, what: String) -> RenderError {
        RenderError::Contradiction { partition: self.totals.partition, what }
    }

    /// Gathers everything into `detail`.
    ///
    /// # Errors
    /// [`RenderError`].
    pub fn gather(&self, mut detail: Detail) -> Result<Detail, RenderError> {
        self.arrived(&mut detail)?;
        self.carried(&mut detail)?;
        Ok(detail)
    }

    /// The batches that arrived in the cycle.
    fn arrived(&self, detail: &mut Detail) -> Result<(), RenderError> {
        let (first, end) = (self.totals.first_offset, self.totals.end_offset);
        self.read(first..end, &mut |entry| self.entry(entry, false, detail))
    }

    /// The batches that had parked records when it opened.
    fn carried(&self, detail: &mut Detail) -> Result<(), RenderError> {
        let Some(cycle) = self.cycle()? else {
            return Err(self.contradiction("it does not know the cycle".to_owned()));
        };
        let mut offsets = BTreeSet::new();
        for carried in cycle.carried {
            let city = City::parse(carried.acquirer.as_bytes());
            let city = city.map_err(|_| StoreError::Damaged { row: "cycle" })?;
            offsets.insert(self.batch(city, carried.number)?.0.offset);
        }
        let mut runs: Vec<(u64, u64)> = Vec::new();
        for offset in &offsets {
            match runs.last_mut() {
                Some((_, end)) if *offset < *end + SEEK_OVER => *end = offset + 1,
                _ => runs.push((*offset, offset + 1)),
            }
        }
        for (first, end) in runs {
            self.read(first..end, &mut |entry| {
                if offsets.contains(&entry.offset) { self.entry(entry, true, detail) } else { Ok(()) }
            })?;
        }
        Ok(())
    }

    /// Visits messages of the partition.
    fn read(
        &self,
        range: Range<u64>,
        visit: &mut dyn FnMut(Entry) -> Result<(), RenderError>,
    ) -> Result<(), RenderError> {
        let clearing = self.topics.clearing(self.totals.partition);
        visit_range(self.log, &clearing, range, &mut |entry| {
            if (self.wanted)() { visit(entry) } else { Err(RenderError::Unwanted) }
        })
    }

    fn batch(&self, city: City, number: u64) -> Result<(BatchRow, Exceptions), RenderError> {
        let row = rows::load::<BatchRow>(&self.store.begin(), &rows::batch(city, number), "batch")?;
        let row = row.ok_or_else(|| self.contradiction(format!("batch {number} of {city} is not booked")))?;
        let exceptions = Exceptions::unpack(&row.exceptions)?;
        Ok((row, exceptions))
    }

    /// The rows of a batch's records in this cycle, if this message is the one that brought the batch.
    fn entry(&self, entry: Entry, carried: bool, detail: &mut Detail) -> Result<(), RenderError> {
        let offset = entry.offset;
        let unreadable = || self.contradiction(format!("the message at offset {offset} cannot be read"));
        let message = Clearing::decode(entry.payload).map_err(|_| unreadable())?;
        let Some(Body::Outcome(outcome)) = message.body else { return Ok(()) };
        let city = City::parse(outcome.acquirer.as_bytes()).map_err(|_| unreadable())?;
        let row = rows::load::<BatchRow>(&self.store.begin(), &rows::batch(city, outcome.number), "batch")?;
        let Some(row) = row.filter(|row| row.offset == offset) else { return Ok(()) };
        let exceptions = Exceptions::unpack(&row.exceptions)?;
        self.outcome(city, outcome, &exceptions, carried, detail)
    }

    fn outcome(
        &self,
        city: City,
        outcome: Outcome,
        exceptions: &Exceptions,
        carried: bool,
        detail: &mut Detail,
    ) -> Result<(), RenderError> {
        let number = outcome.number;
        match rows_in(self.totals.cycle, city, outcome, exceptions, carried, detail) {
            Ok(()) => Ok(()),
            Err(RowsError::Files(error)) => Err(error.into()),
            Err(RowsError::Unreadable) => {
                Err(self.contradiction(format!("batch {number} of {city} cannot be read")))
            }
        }
    }
}
