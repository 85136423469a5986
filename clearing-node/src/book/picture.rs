//! A picture of the book for those who watch it: what became of each city's records, and the running totals.

use std::collections::BTreeMap;

use domain::{
    city::City,
    result::RecordResult,
    totals::{Tally, TotalKey},
};

use super::{Book, Waiting};

/// The book at one moment. It is large: made only when somebody asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Picture {
    /// Ordinal of the open cycle.
    pub open_cycle: Option<u32>,
    /// The running totals of the open cycle.
    pub totals: BTreeMap<TotalKey, Tally>,
    /// Every acquirer with records.
    pub acquirers: BTreeMap<City, AcquirerPicture>,
}

/// What became of one acquirer's records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AcquirerPicture {
    /// Records that arrived since the start of this process, redeliveries not counted.
    pub arrived: u64,
    /// Records with a final result since the start of this process.
    pub results: BTreeMap<RecordResult, u64>,
    /// Records that are parked now.
    pub parked: u64,
}

impl Book {
    /// The book as it is now.
    #[must_use]
    pub fn picture(&self) -> Picture {
        let mut acquirers = self.acquirers.clone();
        for ((city, _), Waiting { records, .. }) in &self.waiting {
            acquirers.entry(*city).or_default().parked += records;
        }
        let totals = self.totals().map(|(key, tally)| (*key, *tally)).collect();
        Picture { open_cycle: self.open_cycle_ordinal(), totals, acquirers }
    }

    /// Counts records of an acquirer that have their result.
    pub(super) fn count(&mut self, acquirer: City, result: RecordResult, records: u64) {
        self.booked.count(result, records);
        if result.is_final() && records > 0 {
            *self.acquirers.entry(acquirer).or_default().results.entry(result).or_default() += records;
        }
    }

    /// Counts records of an acquirer that arrived.
    pub(super) fn count_arrived(&mut self, acquirer: City, records: u64) {
        self.booked.arrived += records;
        self.acquirers.entry(acquirer).or_default().arrived += records;
    }
}
