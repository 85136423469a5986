//! A city leaves this partition: what is known of it goes to its new one, part by part.

use std::collections::BinaryHeap;

use domain::{city::City, rulebook::Rulebook};
use proto::{
    Arrival, Clearing, Departing, Import, Message, Moved, MovedBatch, Opening, city_event::What, clearing,
};

use super::{
    Book, Effect, Halt, Stepped, Target,
    identities::{Entry, Key},
    import::IDENTITIES_MAX,
    lane::Lane,
    rows::{self, BatchRow, CycleRow, Leaving},
};
use crate::store::{StoreError, Txn};

/// Most bytes of batches in one part, about.
const BATCH_BYTES_MAX: usize = 2 << 20;

impl Book {
    /// Sends the part that is due of a city on its way. From the first on nothing of the city is booked here.
    pub(super) fn depart(
        &mut self,
        txn: &mut dyn Txn,
        offset: u64,
        moved: &Moved,
        effects: &mut Vec<Effect>,
    ) -> Result<Stepped, Halt> {
        let Ok(city) = City::parse(moved.city.as_bytes()) else {
            effects.push(Effect::Alarm(format!("`{}` cannot be moved: it is no city", moved.city)));
            return Ok(Stepped::Done);
        };
        // It may have come back since.
        let done = rows::operation(&moved.id);
        if txn.get(&done)?.is_some() {
            return Ok(Stepped::Done);
        }
        let leaving = self.lanes.get(&city).and_then(|lane| lane.leaving.clone());
        let leaving = leaving.filter(|leaving| leaving.id == moved.id || !leaving.all);
        let due = leaving.as_ref().map_or(1, |leaving| leaving.parts + 1);
        if moved.part < due && leaving.as_ref().is_some_and(|leaving| leaving.id == moved.id) {
            return Ok(Stepped::Done);
        }
        if let Some(refused) = self.move_refused(city, moved, leaving.as_ref(), due) {
            let (id, to, part) = (moved.id.clone(), moved.to, moved.part);
            let what = Departing { id, to, refused, part, last: false };
            self.say(txn, offset, city, What::Departing(what), effects);
            return Ok(Stepped::Done);
        }
        let opening = self.last_opening(txn)?;
        let rulebook = match opening.as_ref().map(|opening| (self.rulebook(opening), opening)) {
            Some((None, opening)) => {
                return Ok(Stepped::NeedsRulebook { version: opening.rulebook_version });
            }
            Some((Some(rulebook), _)) => Some(rulebook),
            None => None,
        };
        let begun = Leaving { id: moved.id.clone(), to: moved.to, ..Leaving::default() };
        let mut leaving = leaving.unwrap_or(begun);
        leaving.parts = moved.part;
        let import = self.next_part(txn, city, rulebook.as_deref(), &mut leaving)?;
        let payload = Clearing { body: Some(clearing::Body::Import(import)) }.encode_to_vec();
        self.publish(txn, Target::Clearing(moved.to), payload.into(), effects);
        let lane = self.lanes.entry(city).or_insert_with(Lane::new);
        lane.stopped = Some(format!("it has moved to partition {}", moved.to));
        lane.dirty = true;
        let last = leaving.all;
        if last {
            txn.put(done, moved.part.to_string().into_bytes());
        }
        lane.leaving = Some(leaving);
        let (id, to) = (moved.id.clone(), moved.to);
        let what = Departing { id, to, refused: String::new(), part: moved.part, last };
        self.say(txn, offset, city, What::Departing(what), effects);
        Ok(Stepped::Done)
    }

    fn move_refused(&self, city: City, moved: &Moved, leaving: Option<&Leaving>, due: u32) -> Option<String> {
        if moved.from != self.partition || moved.to == self.partition {
            return Some(format!(
                "it would go from partition {} to {}, and this is partition {}",
                moved.from, moved.to, self.partition
            ));
        }
        if let Some(leaving) = leaving {
            let other = leaving.id != moved.id || leaving.to != moved.to;
            return if other {
                Some(format!("it is on its way to partition {} already", leaving.to))
            } else if leaving.all || moved.part > due {
                Some(format!("part {} is not due", moved.part))
            } else {
                None
            };
        }
        let waiting = self.waiting.keys().filter(|(acquirer, _)| *acquirer == city).count();
        let lane = self.lanes.get(&city);
        if waiting > 0 {
            Some(format!("{waiting} of its batches are parked; wait until their home cities have answered"))
        } else if let Some(why) = lane.and_then(Lane::why_stopped) {
            Some(format!("it is stopped: {why}; resume it first"))
        } else if lane.is_some_and(|lane| lane.has_left()) {
            Some("it is not here any more".to_owned())
        } else if lane.is_some_and(|lane| lane.owed >= lane.next) {
            Some("batches that were passed over must come again first".to_owned())
        } else if moved.part != 1 {
            Some("part 1 is due".to_owned())
        } else {
            None
        }
    }

    fn last_opening(&self, txn: &dyn Txn) -> Result<Option<Opening>, Halt> {
        if self.last_cycle == 0 {
            return Ok(None);
        }
        let row: Option<CycleRow> = rows::load(txn, &rows::cycle(self.last_cycle), "cycle")?;
        Ok(Some(row.and_then(|row| row.opening).ok_or(StoreError::Damaged { row: "cycle" })?))
    }

    /// The part behind what went before: batches first, then identities in the order of their keys.
    fn next_part(
        &self,
        txn: &dyn Txn,
        city: City,
        rulebook: Option<&Rulebook>,
        leaving: &mut Leaving,
    ) -> Result<Import, Halt> {
        let (next, taps_from) = self.lanes.get(&city).map_or((1, 0), |lane| (lane.next, lane.taps_from));
        let mut batches = Vec::new();
        let mut bytes = 0;
        while leaving.batch + 1 < next && bytes < BATCH_BYTES_MAX {
            let number = leaving.batch + 1;
            let row: Option<BatchRow> = rows::load(txn, &rows::batch(city, number), "batch")?;
            let row = row.ok_or(StoreError::Damaged { row: "batch" })?;
            bytes += 64 + row.exceptions.len();
            batches.push(MovedBatch {
                number,
                digest: row.digest,
                cycle: row.cycle,
                records: row.records,
                exceptions: row.exceptions.into(),
            });
            leaving.batch = number;
        }
        let mut identities = Vec::new();
        if leaving.batch + 1 == next {
            identities = self.identities_behind(city, rulebook, leaving);
            leaving.all = identities.len() < IDENTITIES_MAX;
            leaving.identities += identities.len() as u64;
            if let Some(last) = identities.last().map(Entry::key) {
                leaving.terminal = Some(last.terminal());
                leaving.sequence = last.sequence();
            }
        }
        let arrival =
            Arrival { from: self.partition, next, taps_from, batches, batches_total: leaving.batch };
        Ok(Import {
            id: leaving.id.clone(),
            city: city.to_string(),
            part: leaving.parts,
            last: leaving.all,
            identities: identities.iter().flat_map(Entry::to_bytes).collect::<Vec<u8>>().into(),
            identities_total: leaving.identities,
            overlap: true,
            arrival: Some(arrival),
        })
    }

    /// The identities of a city's terminals behind the last that went, the lowest keys first.
    fn identities_behind(&self, city: City, rulebook: Option<&Rulebook>, leaving: &Leaving) -> Vec<Entry> {
        let Some(rulebook) = rulebook else { return Vec::new() };
        let after = leaving.terminal.map(|terminal| Key::from_parts(terminal, leaving.sequence));
        let owned = |key: Key| rulebook.terminal_owner(key.terminal_number()) == Some(city);
        let mut lowest: BinaryHeap<(Key, [u8; super::identities::ENTRY_LEN])> = BinaryHeap::new();
        for entry in self.identities.entries() {
            let key = entry.key();
            if after.is_some_and(|after| key <= after) || !owned(key) {
                continue;
            }
            if lowest.len() < IDENTITIES_MAX {
                lowest.push((key, entry.to_bytes()));
            } else if lowest.peek().is_some_and(|(greatest, _)| key < *greatest) {
                lowest.pop();
                lowest.push((key, entry.to_bytes()));
            }
        }
        lowest.into_sorted_vec().iter().map(|(_, bytes)| Entry::from_bytes(bytes)).collect()
    }
}
