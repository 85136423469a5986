//! A batch arrives with what its home cities said.

use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;
use domain::{
    city::City,
    guard::{Rule, holds},
    result::RecordResult,
    rulebook::Standing,
    rules::CycleRules,
};
use proto::{Message, Outcome, Part, Repeat};

use super::{
    Book, Effect, Halt, OpenCycle, Waiting,
    batch::{PartView, Place, some_in_file_order, whole_in_file_order},
    judge::{Judge, PartTotals, Taken},
    lane::Lane,
    rows::{self, BatchRow, Exception, Exceptions, ParkedRow},
};
use crate::store::Txn;

impl Book {
    /// An outcome: booked if its number is the next, else a redelivery that counts nothing anew.
    pub(super) fn outcome(
        &mut self,
        txn: &mut dyn Txn,
        offset: u64,
        outcome: Outcome,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Halt> {
        let Some(city) = self.running_city(&outcome.acquirer, offset)? else {
            self.pass_over(&outcome, effects);
            return Ok(());
        };
        let (next, owed) = self.lanes.get(&city).map_or((1, 0), |lane| (lane.next, lane.owed));
        if outcome.number < next && holds(Rule::RedeliveryCountsNothing) {
            return self.redelivered(txn, offset, city, outcome, effects);
        }
        if let Some(place) = self.elsewhere(city) {
            self.stop_misplaced(txn, offset, (city, outcome.number, place), effects);
            return Ok(());
        }
        if outcome.number > next && holds(Rule::SkippedNumberStops) {
            if owed < next {
                let reason =
                    format!("batch {} came where {next} was due: a batch is missing", outcome.number);
                self.stop(txn, offset, city, reason, effects);
            }
            self.pass_over(&outcome, effects);
            return Ok(());
        }
        let number = outcome.number;
        let read = |part: proto::JudgedPart| {
            PartView::new(part.part.ok_or("a part is empty")?, part.verdicts.map(|v| v.codes))
        };
        let parts = outcome.parts.into_iter().map(read).collect::<Result<Vec<_>, String>>();
        let checked = parts.and_then(|parts| Ok((whole_in_file_order(&parts, outcome.records)?, parts)));
        match checked {
            Err(why) => {
                self.stop(txn, offset, city, format!("batch {number} is damaged: {why}"), effects);
                self.owe(city, number);
            }
            Ok((order, parts)) => {
                let row = BatchRow {
                    digest: outcome.digest,
                    offset,
                    cycle: self.open.as_ref().map_or(0, |open| open.ordinal),
                    records: outcome.records,
                    exceptions: Vec::new(),
                };
                self.book_batch(txn, city, number, row, &parts, &order, effects)?;
            }
        }
        Ok(())
    }

    /// The city of a message, unless it is stopped.
    pub(super) fn running_city(&self, name: &str, offset: u64) -> Result<Option<City>, Halt> {
        let city = City::parse(name.as_bytes())
            .map_err(|e| Halt::Unreadable { offset, why: format!("acquirer `{name}` is {e}") })?;
        let stopped = self.lanes.get(&city).is_some_and(|lane| lane.stopped.is_some());
        Ok((!stopped).then_some(city))
    }

    #[expect(clippy::too_many_arguments, reason = "the batch, where it stands and where its effects go")]
    fn book_batch(
        &mut self,
        txn: &mut dyn Txn,
        city: City,
        number: u64,
        mut row: BatchRow,
        parts: &[PartView],
        order: &[Place],
        effects: &mut Vec<Effect>,
    ) -> Result<(), Halt> {
        let offset = row.offset;
        let Some(open) = &mut self.open else { return Err(Halt::NoOpenCycle { city, number, offset }) };
        let mut totals = open.part_totals(city, parts);
        let acquirer = open.acquirer(city);
        let mut judge = Judge {
            rules: &open.rules,
            line: open.rules.drop_line(),
            identities: &mut self.identities,
            taken: Taken::default(),
        };
        let standings: Vec<Standing> = parts.iter().map(|p| open.rules.standing(p.issuer)).collect();
        let mut exceptions = Exceptions::default();
        let mut parked_parts = BTreeSet::new();
        let by_part: Vec<Place>;
        let order = if holds(Rule::FileOrder) {
            order
        } else {
            by_part = order_by_part(parts);
            &by_part
        };
        let taps: Vec<_> = parts.iter().map(PartView::taps).collect();
        let ahead = judge.look_ahead(parts, order);
        for (place, ahead) in order.iter().zip(&ahead) {
            let (p, t) = (usize::from(place.part), usize::from(place.tap));
            let tap = &taps[p][t];
            let result = match open.rules.arrival(&acquirer, standings[p], tap) {
                Some(rejection) => RecordResult::Rejected(rejection),
                None => match &parts[p].codes {
                    Some(codes) => judge.judge(tap, ahead, codes[t], &mut totals[p])?,
                    None => {
                        parked_parts.insert(p);
                        RecordResult::Parked
                    }
                },
            };
            if result != RecordResult::Cleared {
                let position = tap.position.get();
                exceptions.0.push(Exception { position, result, cycle: open.ordinal });
            }
        }
        if !holds(Rule::FileOrder) {
            exceptions.0.sort_unstable_by_key(|e| e.position);
        }
        judge.taken.write(txn, offset);
        self.count_arrived(city, u64::from(row.records));
        self.count(city, RecordResult::Cleared, u64::from(row.records) - exceptions.0.len() as u64);
        exceptions.0.iter().for_each(|e| self.count(city, e.result, 1));
        self.merge(city, totals)?;
        self.park(txn, city, number, exceptions.parked(), parked_parts.iter().map(|p| &parts[*p]));
        row.exceptions = exceptions.pack();
        txn.put(rows::batch(city, number), row.encode_to_vec());
        let lane = self.lanes.entry(city).or_insert_with(Lane::new);
        lane.next = number + 1;
        lane.dirty = true;
        self.publish_result(txn, city, number, &row, &exceptions, effects);
        Ok(())
    }

    /// Adds the totals of a batch's parts to those of its acquirer.
    pub(super) fn merge(&mut self, city: City, totals: Vec<PartTotals>) -> Result<(), Halt> {
        let running = self.running.entry(city).or_default();
        totals.into_iter().try_for_each(|part| part.merge_into(running))
    }

    /// Keeps parts until their home cities have spoken.
    fn park<'a>(
        &mut self,
        txn: &mut dyn Txn,
        city: City,
        number: u64,
        records: u64,
        parts: impl Iterator<Item = &'a PartView>,
    ) {
        let parts: Vec<&PartView> = parts.collect();
        let Some(line) = self.drop_line.filter(|_| !parts.is_empty()) else { return };
        let part =
            |p: &&PartView| Part { issuer: p.issuer.to_string(), taps: p.taps.clone(), texts: Bytes::new() };
        let row = ParkedRow { line: line.julian_day(), parts: parts.iter().map(part).collect() };
        txn.put(rows::parked(city, number), row.encode_to_vec());
        let issuers = parts.iter().map(|p| p.issuer).collect();
        self.waiting.insert((city, number), Waiting { records, line, issuers });
    }

    /// A number that is known: its verdicts settle what is parked, its result is said again.
    fn redelivered(
        &mut self,
        txn: &mut dyn Txn,
        offset: u64,
        city: City,
        outcome: Outcome,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Halt> {
        let verdicts = outcome.parts.into_iter().filter_map(|judged| {
            let (part, verdicts) = (judged.part?, judged.verdicts?);
            Some(proto::PartVerdicts { issuer: part.issuer, verdicts: Some(verdicts) })
        });
        let verdicts = if holds(Rule::RedeliveredVerdictsSettle) { verdicts.collect() } else { Vec::new() };
        self.settle(txn, offset, city, outcome.number, &outcome.digest, verdicts, effects)
    }

    /// A repeated header: the whole current result is said again.
    pub(super) fn repeat(
        &mut self,
        txn: &mut dyn Txn,
        offset: u64,
        repeat: &Repeat,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Halt> {
        let Some(city) = self.running_city(&repeat.acquirer, offset)? else { return Ok(()) };
        self.settle(txn, offset, city, repeat.number, &repeat.digest, Vec::new(), effects)
    }
}

impl OpenCycle {
    /// The acquirer's part of the rules, compiled once a cycle.
    fn acquirer(&mut self, city: City) -> domain::rules::AcquirerRules {
        let Self { acquirers, rules, .. } = self;
        acquirers.entry(city).or_insert_with(|| rules.acquirer(city)).clone()
    }

    /// Empty totals for the parts of a batch.
    pub(super) fn part_totals(&mut self, acquirer: City, parts: &[PartView]) -> Vec<PartTotals> {
        let Self { fee_tables, distinct, rules, .. } = self;
        let mut one = |issuer: City| {
            let table = fee_tables.entry((acquirer, issuer)).or_insert_with(|| {
                let table = rules.fee_table(acquirer, issuer);
                let known = distinct.get(&table).cloned();
                known.unwrap_or_else(|| {
                    let table = Arc::new(table);
                    distinct.insert(Arc::clone(&table));
                    table
                })
            });
            PartTotals::new(acquirer, issuer, Arc::clone(table))
        };
        parts.iter().map(|part| one(part.issuer)).collect()
    }
}

/// The standing of a home city under the rules of a cycle.
trait StandingOf {
    fn standing(&self, issuer: City) -> Standing;
}

impl StandingOf for CycleRules {
    fn standing(&self, issuer: City) -> Standing {
        self.rulebook().standing(issuer, self.business_date())
    }
}

/// Part after part: what happens to file order without the rule that keeps it.
fn order_by_part(parts: &[PartView]) -> Vec<Place> {
    (0..parts.len())
        .flat_map(|p| {
            let mut places = some_in_file_order(&parts[p..=p]);
            for place in &mut places {
                place.part = u16::try_from(p).unwrap_or(u16::MAX);
            }
            places
        })
        .collect()
}
