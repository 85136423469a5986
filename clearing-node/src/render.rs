//! A closed cycle becomes files: from the log between its two markers and the book's exceptions.
//!
//! Rendering decides nothing: positions and nets are those of the plan, results those of the book.
//! It may run any time after the marker and gives the same bytes whenever it runs.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use cu_log::{Entry, Log, LogError, topics::Topics};
use domain::{city::City, result::RecordResult, rulebook::Rulebook, settlement::Party, tap::Tap};
use files::{AcquirerRow, CycleInput, Detail, FilesError};
use proto::{Clearing, Message, Opening, Outcome, PartitionTotals, Plan, Published, clearing::Body};

use crate::{
    book::{
        batch::{PartView, whole_in_file_order},
        opening_name,
        rows::{self, BatchRow, CycleRow, Exceptions},
    },
    rocks::RocksStore,
    store::StoreError,
    wire,
};

/// Bytes of messages read at once.
const READ_BYTES: usize = 4 << 20;
/// How long a message that must be there is waited for.
const READ_WAIT: Duration = Duration::from_secs(30);
/// Carried batches closer together than this are read on instead of sought.
const SEEK_OVER: u64 = 64;

/// Why a cycle cannot be rendered.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The book cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The files cannot be written.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// The work folder cannot be used.
    #[error("use the work folder {path}")]
    WorkFolder {
        /// Its path.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// Log and book do not fit together.
    #[error("the log and the book of partition {partition} do not fit together: {what}")]
    Contradiction {
        /// Number of the partition.
        partition: u32,
        /// What does not fit.
        what: String,
    },
}

/// What a cycle is rendered from.
pub struct Source<'a> {
    /// Its opening.
    pub opening: &'a Opening,
    /// Its rules.
    pub rulebook: &'a Arc<Rulebook>,
    /// Its plan.
    pub plan: &'a Plan,
    /// The totals of each partition, which say where its log range is.
    pub totals: Vec<&'a PartitionTotals>,
    /// The manifest of the cycle before.
    pub previous_manifest: Option<[u8; 32]>,
    /// The partitions' stores, by number.
    pub stores: &'a BTreeMap<u32, RocksStore>,
    /// The log.
    pub log: &'a Arc<dyn Log>,
    /// Its topics.
    pub topics: &'a Topics,
}

/// Renders a cycle and publishes its folder under `out`.
///
/// # Errors
/// [`RenderError`]; nothing is visible then.
pub fn render(source: &Source<'_>, work_dir: &Path, out: &Path) -> Result<Published, RenderError> {
    let name = opening_name(source.opening);
    let work = |error| RenderError::WorkFolder { path: work_dir.to_owned(), source: error };
    std::fs::create_dir_all(work_dir).map_err(work)?;
    std::fs::create_dir_all(out).map_err(work)?;
    let memory = files::MEMORY_BYTES_DEFAULT / source.totals.len().max(1);
    let details = std::thread::scope(|scope| {
        let gather = |totals| {
            let detail = Detail::new(work_dir, memory).map_err(work);
            scope.spawn(move || Gathering::new(source, totals)?.gather(detail?))
        };
        let threads: Vec<_> = source.totals.iter().copied().map(gather).collect();
        let joined = threads.into_iter().zip(&source.totals).map(|(thread, totals)| {
            thread.join().unwrap_or_else(|_| {
                let what = "the thread that gathers its detail panicked".to_owned();
                Err(RenderError::Contradiction { partition: totals.partition, what })
            })
        });
        joined.collect::<Result<Vec<Detail>, RenderError>>()
    })?;
    let damaged = || StoreError::Damaged { row: "plan" };
    let settlement =
        wire::settlement_from_wire(&source.plan.positions, &source.plan.net).ok_or_else(damaged)?;
    let items: Option<Vec<_>> = source.plan.items.iter().map(wire::item_from_wire).collect();
    let items = items.ok_or_else(damaged)?;
    let city = |party: &Party| match party {
        Party::City(city) => Some(*city),
        Party::Scheme => None,
    };
    let participants: BTreeSet<City> =
        settlement.net.iter().filter_map(|row| city(&row.participant)).collect();
    let participants: Vec<City> = participants.into_iter().collect();
    let input = CycleInput {
        name,
        settlement: &settlement,
        items: &items,
        rulebook: source.rulebook,
        previous_manifest: source.previous_manifest,
        participants: &participants,
    };
    let scratch = files::scratch(work_dir, &name);
    let written = files::write(&scratch, &input, details)?;
    files::publish(&scratch, out, &name)?;
    Ok(Published {
        cycle: source.opening.cycle,
        version: source.plan.version,
        folder: name.to_string(),
        manifest_digest: written.manifest_sha256.to_vec().into(),
    })
}

/// Gathers the detail of one partition.
struct Gathering<'a> {
    source: &'a Source<'a>,
    totals: &'a PartitionTotals,
    store: &'a RocksStore,
    rows: Vec<AcquirerRow>,
}

impl<'a> Gathering<'a> {
    fn new(source: &'a Source<'a>, totals: &'a PartitionTotals) -> Result<Self, RenderError> {
        let store = source.stores.get(&totals.partition);
        let what = "its store is not on this node".to_owned();
        let store = store.ok_or(RenderError::Contradiction { partition: totals.partition, what })?;
        Ok(Self { source, totals, store, rows: Vec::new() })
    }

    fn contradiction(&self, what: String) -> RenderError {
        RenderError::Contradiction { partition: self.totals.partition, what }
    }

    fn gather(mut self, mut detail: Detail) -> Result<Detail, RenderError> {
        self.arrived(&mut detail)?;
        self.carried(&mut detail)?;
        Ok(detail)
    }

    /// The batches that arrived in the cycle.
    fn arrived(&mut self, detail: &mut Detail) -> Result<(), RenderError> {
        let (first, end) = (self.totals.first_offset, self.totals.end_offset);
        self.read(first, end, &mut |this, entry| this.entry(entry, false, detail))
    }

    /// The batches that had parked records when it opened.
    fn carried(&mut self, detail: &mut Detail) -> Result<(), RenderError> {
        let key = rows::cycle(self.totals.cycle);
        let Some(cycle) = rows::load::<CycleRow>(&self.store.begin(), &key, "cycle")? else {
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
            self.read(first, end, &mut |this, entry| {
                if offsets.contains(&entry.offset) { this.entry(entry, true, detail) } else { Ok(()) }
            })?;
        }
        Ok(())
    }

    /// Visits the messages `first..end` of the partition.
    fn read(
        &mut self,
        first: u64,
        end: u64,
        visit: &mut dyn FnMut(&mut Self, Entry) -> Result<(), RenderError>,
    ) -> Result<(), RenderError> {
        if first >= end {
            return Ok(());
        }
        let clearing = self.source.topics.clearing(self.totals.partition);
        let mut reader = self.source.log.reader(&[(clearing, first)])?;
        let mut next = first;
        while next < end {
            let entries = reader.poll(READ_BYTES, READ_WAIT)?;
            if entries.is_empty() {
                return Err(LogError::Timeout(READ_WAIT).into());
            }
            for entry in entries {
                next = entry.offset + 1;
                if entry.offset < end {
                    visit(self, entry)?;
                }
            }
        }
        Ok(())
    }

    fn batch(&self, city: City, number: u64) -> Result<(BatchRow, Exceptions), RenderError> {
        let row = rows::load::<BatchRow>(&self.store.begin(), &rows::batch(city, number), "batch")?;
        let row = row.ok_or_else(|| self.contradiction(format!("batch {number} of {city} is not booked")))?;
        let exceptions = Exceptions::unpack(&row.exceptions)?;
        Ok((row, exceptions))
    }

    /// The rows of a batch's records in this cycle, if this message is the one that brought the batch.
    fn entry(&mut self, entry: Entry, carried: bool, detail: &mut Detail) -> Result<(), RenderError> {
        let offset = entry.offset;
        let unreadable =
            |this: &Self| this.contradiction(format!("the message at offset {offset} cannot be read"));
        let message = Clearing::decode(entry.payload).map_err(|_| unreadable(self))?;
        let Some(Body::Outcome(outcome)) = message.body else { return Ok(()) };
        let city = City::parse(outcome.acquirer.as_bytes()).map_err(|_| unreadable(self))?;
        let row = rows::load::<BatchRow>(&self.store.begin(), &rows::batch(city, outcome.number), "batch")?;
        let Some(row) = row.filter(|row| row.offset == offset) else { return Ok(()) };
        let exceptions = Exceptions::unpack(&row.exceptions)?;
        self.outcome(city, outcome, &exceptions, carried, detail)
    }

    fn outcome(
        &mut self,
        city: City,
        outcome: Outcome,
        exceptions: &Exceptions,
        carried: bool,
        detail: &mut Detail,
    ) -> Result<(), RenderError> {
        let damaged =
            |this: &Self| this.contradiction(format!("batch {} of {city} cannot be read", outcome.number));
        let records = outcome.records;
        let file = outcome.file;
        let parts = outcome.parts.into_iter().filter_map(|judged| Some(PartView::new(judged.part?, None)));
        let parts = parts.collect::<Result<Vec<_>, _>>().map_err(|_| damaged(self))?;
        let order = whole_in_file_order(&parts, records).map_err(|_| damaged(self))?;
        let results = results_in(self.totals.cycle, records, exceptions, carried);
        for part in &parts {
            for tap in part.taps() {
                if result_at(&results, tap) == Some(RecordResult::Cleared) {
                    detail.cleared(part.issuer, city, tap)?;
                }
            }
        }
        self.rows.clear();
        for place in order {
            let Some(part) = parts.get(usize::from(place.part)) else { continue };
            let Some(tap) = part.taps().get(usize::from(place.tap)) else { continue };
            if let Some(result) = result_at(&results, tap) {
                self.rows.push(AcquirerRow {
                    line: tap.line.get(),
                    terminal: tap.terminal,
                    terminal_seq: tap.terminal_seq.get(),
                    issuer: part.issuer,
                    amount_fen: tap.amount_fen.get(),
                    result,
                });
            }
        }
        detail.acquirer_rows(city, &file, &self.rows)?;
        Ok(())
    }
}

fn result_at(results: &[Option<RecordResult>], tap: &Tap) -> Option<RecordResult> {
    results.get(usize::from(tap.position.get())).copied().flatten()
}

/// The result that each record of a batch shows in a cycle, by position: none if it has no row in it.
///
/// A record has one row `parked` in every cycle it waits, and its final row in one. So with the cycle of its last
/// result alone, the rows of every earlier cycle follow, whenever they are rendered.
fn results_in(cycle: u32, records: u32, exceptions: &Exceptions, carried: bool) -> Vec<Option<RecordResult>> {
    let plain = (!carried).then_some(RecordResult::Cleared);
    let mut results = vec![plain; usize::try_from(records).unwrap_or(0)];
    for e in &exceptions.0 {
        let shown = match e.cycle.cmp(&cycle) {
            std::cmp::Ordering::Equal => Some(e.result),
            std::cmp::Ordering::Greater => Some(RecordResult::Parked),
            std::cmp::Ordering::Less => None,
        };
        if let Some(slot) = results.get_mut(usize::from(e.position)) {
            *slot = shown;
        }
    }
    results
}

#[cfg(test)]
mod tests {
    use domain::result::Rejection;

    use super::*;
    use crate::book::rows::Exception;

    #[test]
    fn a_parked_record_has_a_row_in_every_cycle_it_waits_and_one_final_row() {
        let late = RecordResult::Rejected(Rejection::Late);
        let exceptions = Exceptions(vec![
            Exception { position: 1, result: late, cycle: 4 },
            Exception { position: 2, result: RecordResult::Cleared, cycle: 6 },
        ]);
        let cleared = Some(RecordResult::Cleared);
        let parked = Some(RecordResult::Parked);
        assert_eq!(results_in(4, 3, &exceptions, false), [cleared, Some(late), parked]);
        assert_eq!(results_in(5, 3, &exceptions, true), [None, None, parked]);
        assert_eq!(results_in(6, 3, &exceptions, true), [None, None, cleared]);
        assert_eq!(results_in(7, 3, &exceptions, true), [None, None, None]);
    }
}
