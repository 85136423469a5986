//! Markers: a cycle ends, a cycle begins, identities whose life is over are forgotten.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use domain::{
    calendar::drop_line,
    city::City,
    date::Date,
    guard::{Rule, holds},
    rulebook::Rulebook,
    rules::CycleRules,
};
use proto::{CycleEvent, Marker, Message, Opening, PartitionTotals, cycle_event};

use super::{
    Book, Effect, Halt, OpenCycle, Stepped, Target, opening_name,
    rows::{self, Carried, CycleRow},
};
use crate::store::{StoreError, Txn};

impl Book {
    /// A marker: closes the open cycle, opens the next, or both.
    pub(super) fn mark(
        &mut self,
        txn: &mut dyn Txn,
        offset: u64,
        marker: &Marker,
        effects: &mut Vec<Effect>,
    ) -> Result<Stepped, Halt> {
        let wrong = |what: String| Halt::WrongMarker { offset, what };
        if marker.closes > self.last_cycle {
            return Err(wrong(format!(
                "closes cycle {}, the last opened is {}",
                marker.closes, self.last_cycle
            )));
        }
        let closes = self.open.as_ref().is_some_and(|open| {
            let past = marker.closes < open.ordinal;
            let repeats_last = past && marker.closes + 1 == open.ordinal && !holds(Rule::PastMarkerIgnored);
            marker.closes > 0 && (!past || repeats_last)
        });
        let Some(opening) = &marker.opens else {
            if closes {
                self.close(txn, offset, effects)?;
            }
            return Ok(Stepped::Done);
        };
        let due = self.last_cycle + 1;
        if opening.cycle > due {
            return Err(wrong(format!("opens cycle {}, cycle {due} is due", opening.cycle)));
        }
        if opening.cycle == due && self.open.is_some() && !closes {
            return Err(wrong(format!("opens cycle {due} while cycle {} is open", self.last_cycle)));
        }
        let opens = opening.cycle == due;
        let rulebook = self.rulebook(opening);
        match (opens, rulebook) {
            (true, None) => Ok(Stepped::NeedsRulebook { version: opening.rulebook_version }),
            (true, Some(rulebook)) => {
                if closes {
                    self.close(txn, offset, effects)?;
                }
                self.open(txn, offset, opening, rulebook);
                Ok(Stepped::Done)
            }
            (false, _) if closes && !holds(Rule::PastMarkerIgnored) => {
                self.close(txn, offset, effects)?;
                Ok(Stepped::Done)
            }
            (false, _) => Ok(Stepped::Done),
        }
    }

    /// Ends the open cycle: parked records of cities that are gone end, the totals are published.
    fn close(&mut self, txn: &mut dyn Txn, offset: u64, effects: &mut Vec<Effect>) -> Result<(), Halt> {
        self.sweep_parked(txn, effects)?;
        let Some(open) = self.open.take() else { return Ok(()) };
        self.state_dirty = true;
        let key = rows::cycle(open.ordinal);
        let mut row: CycleRow =
            rows::load(txn, &key, "cycle")?.ok_or(StoreError::Damaged { row: "cycle" })?;
        row.end_offset = Some(offset);
        txn.put(key, row.encode_to_vec());
        let running = std::mem::take(&mut self.running);
        let mut totals = Vec::with_capacity(running.values().map(|running| running.totals.len()).sum());
        for (city, running) in running {
            totals.extend(running.totals.iter().map(|(key, tally)| crate::wire::total_to_wire(key, tally)));
            txn.delete(rows::totals(city));
        }
        let totals = PartitionTotals {
            cycle: open.ordinal,
            partition: self.partition,
            totals,
            adjustments: std::mem::take(&mut self.adjustments).into_values().collect(),
            first_offset: row.first_offset,
            end_offset: offset,
        };
        let event = CycleEvent { body: Some(cycle_event::Body::Totals(totals)) };
        self.publish(txn, Target::Cycles, event.encode_to_vec().into(), effects);
        Ok(())
    }

    fn open(&mut self, txn: &mut dyn Txn, offset: u64, opening: &Opening, rulebook: Arc<Rulebook>) {
        let date = Date::from_julian_day(opening.business_date);
        self.drop_line = Some(drop_line(self.drop_line, date, rulebook.presentment_days));
        self.last_cycle = opening.cycle;
        self.state_dirty = true;
        self.names.insert(opening.cycle, opening_name(opening));
        self.open = Some(self.open_cycle(opening, rulebook));
        let carried = |(city, number): &(City, u64)| Carried { acquirer: city.to_string(), number: *number };
        let row = CycleRow {
            opening: Some(opening.clone()),
            first_offset: offset + 1,
            end_offset: None,
            carried: self.waiting.keys().map(carried).collect(),
        };
        txn.put(rows::cycle(opening.cycle), row.encode_to_vec());
        self.forget(txn);
    }

    pub(super) fn open_cycle(&self, opening: &Opening, rulebook: Arc<Rulebook>) -> OpenCycle {
        let date = Date::from_julian_day(opening.business_date);
        let line = self.drop_line.unwrap_or(date);
        OpenCycle {
            ordinal: opening.cycle,
            rules: CycleRules::new(rulebook, date, line),
            acquirers: BTreeMap::new(),
            fee_tables: BTreeMap::new(),
            distinct: HashSet::new(),
        }
    }

    /// Forgets identities tapped before the drop line, none of them that a parked record may still meet: for it
    /// a holder counts that was tapped since the drop line under which it arrived.
    fn forget(&mut self, txn: &mut dyn Txn) {
        let Some(line) = self.drop_line else { return };
        let line = if holds(Rule::PruneAtDropLine) { line } else { line.plus_days(2) };
        let waiting = self.oldest_waiting_line().filter(|_| holds(Rule::KeepWhileArrivedParked));
        let line = waiting.map_or(line, |oldest| oldest.min(line));
        if self.identities.forget_before(line) {
            txn.delete_range(rows::IDENTITIES.to_vec(), rows::identities_of(line));
        }
    }
}
