//! The book of one partition of `cu.clearing`: identities, totals, parked records, cycles.
//!
//! A pure fold: [`Book::step`] takes one message of the log, gathers what must be written into a
//! transaction and returns what is to be told. [`Book::seal`] adds the rows that change with every message, the
//! log position among them, so that one atomic write carries everything that belongs together.

mod arrival;
pub mod batch;
pub mod identities;
mod import;
mod judge;
mod lane;
mod load;
mod marker;
mod moving;
mod picture;
mod resume;
pub mod rows;
mod said;
mod settle;
#[cfg(test)]
mod tests;
pub mod tip;

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
};

use bytes::Bytes;
use domain::{
    city::City,
    cycle::CycleName,
    date::Date,
    fees::FeeTable,
    guard::{Rule, holds},
    result::RecordResult,
    rulebook::Rulebook,
    rules::{AcquirerRules, CycleRules},
    totals::{Tally, TotalKey},
};
use proto::{Adjustment, BatchResult, Clearing, CycleName as WireCycleName, Message, Opening, clearing};

use crate::store::Txn;
use identities::Identities;
pub use import::{IDENTITIES_MAX, identity_to_wire};
use lane::Lane;
pub use picture::{AcquirerPicture, Picture};
use rows::{BatchRow, Exceptions, OutboxRow, StateRow};
pub use said::{Effect, Halt, Stepped, Target};
use tip::Tip;

/// The open cycle.
#[derive(Debug)]
struct OpenCycle {
    ordinal: u32,
    rules: CycleRules,
    acquirers: BTreeMap<City, AcquirerRules>,
    fee_tables: BTreeMap<(City, City), Arc<FeeTable>>,
    /// The tables that differ: nearly all pairs share one, and a marker lets go of few of them.
    distinct: HashSet<Arc<FeeTable>>,
}

/// Records booked since the start of this process, by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Booked {
    /// Records that arrived, redeliveries not counted.
    pub arrived: u64,
    /// Paid by their home city.
    pub cleared: u64,
    /// Paid before.
    pub duplicate: u64,
    /// Same identity, other content.
    pub conflict: u64,
    /// Rejected by the centre or the home city.
    pub rejected: u64,
}

impl Booked {
    fn count(&mut self, result: RecordResult, records: u64) {
        match result {
            RecordResult::Cleared => self.cleared += records,
            RecordResult::Duplicate => self.duplicate += records,
            RecordResult::Conflict => self.conflict += records,
            RecordResult::Rejected(_) => self.rejected += records,
            RecordResult::Parked => {}
        }
    }
}

/// A batch with parked parts, as kept in memory.
#[derive(Debug)]
struct Waiting {
    /// Records still parked.
    records: u64,
    /// Drop line when it arrived.
    line: Date,
    /// Home cities it waits for.
    issuers: BTreeSet<City>,
}

/// The running totals of one acquirer.
#[derive(Debug, Default)]
struct Running {
    totals: BTreeMap<TotalKey, Tally>,
    dirty: bool,
}

/// The book of one partition.
#[derive(Debug)]
pub struct Book {
    partition: u32,
    next_offset: u64,
    /// The last folded message, and the one that was last when rows were gathered.
    folded: Option<(u64, Bytes)>,
    tip: Option<Tip>,
    last_cycle: u32,
    open: Option<OpenCycle>,
    drop_line: Option<Date>,
    lanes: BTreeMap<City, Lane>,
    waiting: BTreeMap<(City, u64), Waiting>,
    identities: Identities,
    running: BTreeMap<City, Running>,
    adjustments: BTreeMap<String, Adjustment>,
    names: BTreeMap<u32, CycleName>,
    rulebooks: BTreeMap<u32, Vec<Arc<Rulebook>>>,
    outbox_next: u64,
    outbox: BTreeMap<u64, OutboxRow>,
    acknowledged: Vec<u64>,
    state_dirty: bool,
    booked: Booked,
    /// By acquirer what `booked` has in one; parked records are not counted here.
    acquirers: BTreeMap<City, AcquirerPicture>,
}

impl Book {
    /// An empty book of a partition.
    #[must_use]
    pub fn new(partition: u32) -> Self {
        Self {
            partition,
            next_offset: 0,
            folded: None,
            tip: None,
            last_cycle: 0,
            open: None,
            drop_line: None,
            lanes: BTreeMap::new(),
            waiting: BTreeMap::new(),
            identities: Identities::default(),
            running: BTreeMap::new(),
            adjustments: BTreeMap::new(),
            names: BTreeMap::new(),
            rulebooks: BTreeMap::new(),
            outbox_next: 0,
            outbox: BTreeMap::new(),
            acknowledged: Vec::new(),
            state_dirty: true,
            booked: Booked::default(),
            acquirers: BTreeMap::new(),
        }
    }

    /// Makes a version of the rules known. Versions never change: the same version with other bytes is kept
    /// beside the first, and an opening chooses by digest.
    pub fn learn(&mut self, rulebook: Arc<Rulebook>) {
        let known = self.rulebooks.entry(rulebook.version).or_default();
        if !known.iter().any(|k| k.digest() == rulebook.digest()) {
            known.push(rulebook);
        }
    }

    fn rulebook(&self, opening: &Opening) -> Option<Arc<Rulebook>> {
        let known = self.rulebooks.get(&opening.rulebook_version)?;
        if !holds(Rule::RulebookDigest) {
            return known.last().cloned();
        }
        known.iter().find(|k| k.digest().as_slice() == opening.rulebook_digest.as_ref()).cloned()
    }

    /// The next offset to read: where a reader must begin.
    #[must_use]
    pub fn next_offset(&self) -> u64 {
        self.next_offset
    }

    /// The last message that was folded when rows were gathered last.
    #[must_use]
    pub fn tip(&self) -> Option<Tip> {
        self.tip
    }

    /// Ordinal of the open cycle.
    #[must_use]
    pub fn open_cycle_ordinal(&self) -> Option<u32> {
        self.open.as_ref().map(|open| open.ordinal)
    }

    /// What became of the records booked by this object.
    #[must_use]
    pub fn booked(&self) -> Booked {
        self.booked
    }

    /// How many records are parked.
    #[must_use]
    pub fn parked_records(&self) -> u64 {
        self.waiting.values().map(|waiting| waiting.records).sum()
    }

    /// The paid identities.
    #[must_use]
    pub fn identities(&self) -> &Identities {
        &self.identities
    }

    /// The running totals of the open cycle.
    pub fn totals(&self) -> impl Iterator<Item = (&TotalKey, &Tally)> {
        self.running.values().flat_map(|running| &running.totals)
    }

    /// Cities whose traffic is stopped, here or at the switch, and why.
    pub fn stopped(&self) -> impl Iterator<Item = (City, &str)> {
        self.lanes.iter().filter_map(|(city, lane)| Some((*city, lane.why_stopped()?)))
    }

    /// Batches with parked records: acquirer, number, and the home cities they wait for.
    pub fn waiting(&self) -> impl Iterator<Item = (City, u64, &BTreeSet<City>)> {
        self.waiting.iter().map(|((city, number), waiting)| (*city, *number, &waiting.issuers))
    }

    /// What must still reach the log, oldest first: everything that a restart publishes again.
    pub fn outbox(&self) -> impl Iterator<Item = Effect> {
        let target = |row: &OutboxRow| match row.clearing {
            Some(partition) => Target::Clearing(partition),
            None => City::parse(row.results_of.as_bytes()).map_or(Target::Cycles, Target::Results),
        };
        self.outbox.iter().map(move |(number, row)| Effect::Publish {
            number: *number,
            target: target(row),
            payload: row.payload.clone(),
        })
    }

    /// How many messages must still reach the log.
    #[must_use]
    pub fn outbox_len(&self) -> u64 {
        self.outbox.len() as u64
    }

    /// An effect's message is durable on the log; its outbox row goes with the next transaction.
    pub fn published(&mut self, number: u64) {
        if self.outbox.remove(&number).is_some() {
            self.acknowledged.push(number);
        }
    }

    /// Folds the message at `offset` into the book.
    ///
    /// # Errors
    /// [`Halt`] if the partition must stop; the transaction must then be dropped.
    pub fn step(
        &mut self,
        txn: &mut dyn Txn,
        offset: u64,
        payload: Bytes,
        effects: &mut Vec<Effect>,
    ) -> Result<Stepped, Halt> {
        if offset != self.next_offset && holds(Rule::HoleStops) {
            return Err(Halt::Hole { expected: self.next_offset, found: offset });
        }
        let unreadable = |why: String| Halt::Unreadable { offset, why };
        let message = Clearing::decode(payload.clone()).map_err(|e| unreadable(e.to_string()))?;
        let body = message.body.ok_or_else(|| unreadable("no body".to_owned()))?;
        match body {
            clearing::Body::Outcome(outcome) => self.outcome(txn, offset, outcome, effects)?,
            clearing::Body::Late(late) => self.late(txn, offset, late, effects)?,
            clearing::Body::Repeat(repeat) => self.repeat(txn, offset, &repeat, effects)?,
            clearing::Body::Adjustment(adjustment) => self.adjust(txn, adjustment)?,
            clearing::Body::Resume(resume) => self.resume(txn, offset, &resume, effects)?,
            clearing::Body::SwitchStop(stop) => self.switch_stopped(txn, offset, &stop, effects),
            clearing::Body::Import(import) => self.import(txn, offset, &import, effects)?,
            clearing::Body::Moved(moved) => {
                if let Stepped::NeedsRulebook { version } = self.depart(txn, offset, &moved, effects)? {
                    return Ok(Stepped::NeedsRulebook { version });
                }
            }
            clearing::Body::Marker(marker) => {
                if let Stepped::NeedsRulebook { version } = self.mark(txn, offset, &marker, effects)? {
                    return Ok(Stepped::NeedsRulebook { version });
                }
            }
        }
        self.identities.forget_more();
        self.next_offset = offset + 1;
        self.folded = Some((offset, payload));
        Ok(Stepped::Done)
    }

    /// Gathers the rows that change with every message, so that the transaction can be committed.
    pub fn seal(&mut self, txn: &mut dyn Txn) {
        txn.put(rows::OFFSET.to_vec(), self.next_offset.to_be_bytes().to_vec());
        if let Some((offset, payload)) = self.folded.take() {
            let tip = Tip::of(offset, &payload);
            txn.put(rows::TIP.to_vec(), tip.pack());
            self.tip = Some(tip);
        }
        txn.put(rows::FORMAT.to_vec(), rows::FORMAT_NOW.to_be_bytes().to_vec());
        for number in self.acknowledged.drain(..) {
            txn.delete(rows::outbox(number));
        }
        for (city, lane) in self.lanes.iter_mut().filter(|(_, lane)| lane.dirty) {
            lane.dirty = false;
            txn.put(rows::lane(*city), lane.row().encode_to_vec());
        }
        for (city, running) in self.running.iter_mut().filter(|(_, running)| running.dirty) {
            running.dirty = false;
            let totals = running.totals.iter().map(|(k, t)| crate::wire::total_to_wire(k, t)).collect();
            txn.put(rows::totals(*city), rows::TotalsRow { totals }.encode_to_vec());
        }
        if std::mem::take(&mut self.state_dirty) {
            let row = StateRow {
                last_cycle: self.last_cycle,
                open: self.open.is_some(),
                drop_line: self.drop_line.map(Date::julian_day),
                outbox_next: self.outbox_next,
                adjustments: self.adjustments.values().cloned().collect(),
            };
            txn.put(rows::STATE.to_vec(), row.encode_to_vec());
        }
    }

    fn adjust(&mut self, txn: &mut dyn Txn, adjustment: Adjustment) -> Result<(), Halt> {
        let key = rows::adjustment(&adjustment.id);
        if holds(Rule::AdjustmentIdOnce) && txn.get(&key)?.is_some() {
            return Ok(());
        }
        txn.put(key, adjustment.encode_to_vec());
        let mut id = adjustment.id.clone();
        while self.adjustments.contains_key(&id) {
            id.push('\'');
        }
        self.adjustments.insert(id, adjustment);
        self.state_dirty = true;
        Ok(())
    }

    fn publish(&mut self, txn: &mut dyn Txn, target: Target, payload: Bytes, effects: &mut Vec<Effect>) {
        let number = self.outbox_next;
        self.outbox_next += 1;
        self.state_dirty = true;
        let (results_of, clearing) = match target {
            Target::Results(city) => (city.to_string(), None),
            Target::Cycles => (String::new(), None),
            Target::Clearing(partition) => (String::new(), Some(partition)),
        };
        let row = OutboxRow { results_of, payload: payload.clone(), clearing };
        if holds(Rule::OutboxKept) {
            txn.put(rows::outbox(number), row.encode_to_vec());
            self.outbox.insert(number, row);
        }
        effects.push(Effect::Publish { number, target, payload });
    }

    /// Publishes the whole current state of a batch.
    fn publish_result(
        &mut self,
        txn: &mut dyn Txn,
        city: City,
        number: u64,
        row: &BatchRow,
        exceptions: &Exceptions,
        effects: &mut Vec<Effect>,
    ) {
        let mut cycles: BTreeSet<u32> = exceptions.0.iter().map(|e| e.cycle).collect();
        cycles.insert(row.cycle);
        let name = |cycle: &u32| {
            let name = self.names.get(cycle)?;
            Some(WireCycleName { cycle: *cycle, name: name.to_string() })
        };
        let exception = |e: &rows::Exception| proto::ResultException {
            position: u32::from(e.position),
            result: u32::from(e.result.code()),
            cycle: e.cycle,
        };
        let result = BatchResult {
            acquirer: city.to_string(),
            number,
            digest: row.digest.clone(),
            records: row.records,
            cycle: row.cycle,
            exceptions: exceptions.0.iter().map(exception).collect(),
            cycles: cycles.iter().filter_map(name).collect(),
        };
        self.publish(txn, Target::Results(city), result.encode_to_vec().into(), effects);
    }
}

/// The folder name of a cycle.
#[must_use]
pub fn opening_name(opening: &Opening) -> CycleName {
    CycleName { business_date: Date::from_julian_day(opening.business_date), sequence: opening.sequence }
}
