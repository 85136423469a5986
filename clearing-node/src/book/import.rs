//! What a partition is told of a city that it did not book itself: identities that an older system has paid, or
//! everything of a city that comes from another partition.

use domain::{city::City, date::Date, identity::content_digest, tap::Tap};
use proto::{Arrival, Arrived, Import, Imported, Message, city_event::What};

use super::{
    Book, Effect, Halt,
    identities::{Claim, ENTRY_LEN, Entry, Key},
    judge::Taken,
    lane::Lane,
    rows::{self, BatchRow, ImportRow},
};
use crate::store::Txn;

/// Most identities in one part of an import.
pub const IDENTITIES_MAX: usize = 100_000;

/// The identity of a paid tap as it travels in an import.
#[must_use]
pub fn identity_to_wire(issuer: City, tap: &Tap) -> [u8; ENTRY_LEN] {
    let day = Date::from_julian_day(tap.tapped_day.get());
    Entry::new(Key::of(issuer, tap), day, content_digest(issuer, tap)).to_bytes()
}

impl Book {
    /// A part of an import. Parts are taken in order, each once.
    pub(super) fn import(
        &mut self,
        txn: &mut dyn Txn,
        offset: u64,
        import: &Import,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Halt> {
        let (id, part) = (&import.id, import.part);
        let Ok(city) = City::parse(import.city.as_bytes()) else {
            effects.push(Effect::Alarm(format!("import {id} is of `{}`, which is no city", import.city)));
            return Ok(());
        };
        let (entries, rest) = import.identities.as_chunks::<ENTRY_LEN>();
        if !rest.is_empty() || entries.len() > IDENTITIES_MAX {
            effects
                .push(Effect::Alarm(format!("part {part} of import {id} is damaged: nothing of it is used")));
            return Ok(());
        }
        let key = rows::import(id);
        let mut row: ImportRow = rows::load(txn, &key, "import")?.unwrap_or_default();
        if part <= row.parts {
            return Ok(());
        }
        if part > row.parts + 1 || row.all {
            effects.push(Effect::Alarm(format!(
                "part {part} of import {id} came where {} is due",
                row.parts + 1
            )));
            return Ok(());
        }
        if let Some(refused) = self.import_refused(city, import) {
            let what = Imported { id: id.clone(), refused, ..Imported::default() };
            self.say(txn, offset, city, What::Imported(what), effects);
            return Ok(());
        }
        row.parts = part;
        row.all = import.last;
        self.take_identities(txn, offset, entries, import.arrival.is_some(), &mut row);
        if let Some(arrival) = &import.arrival {
            self.arrive(txn, offset, (city, arrival), import, &mut row, effects)?;
        } else if import.last {
            let what = Imported {
                id: id.clone(),
                refused: String::new(),
                taken: row.taken,
                held: row.held,
                conflicts: row.conflicts,
                too_old: row.too_old,
            };
            self.say(txn, offset, city, What::Imported(what), effects);
        }
        txn.put(key, row.encode_to_vec());
        Ok(())
    }

    fn import_refused(&self, city: City, import: &Import) -> Option<String> {
        let lane = self.lanes.get(&city);
        if import.arrival.is_some() {
            return None;
        }
        if let Some(leaving) = lane.and_then(|lane| lane.leaving.as_ref()) {
            return Some(format!("{city} has moved to partition {}", leaving.to));
        }
        let next = lane.map_or(1, |lane| lane.next);
        (import.part == 1 && next > 1 && !import.overlap).then(|| {
            format!(
                "{city} has presented {} batches already, and what they paid is not known to the older system; \
                 import before the first tap file, or look at what would be paid twice and use --force",
                next - 1
            )
        })
    }

    /// What comes with a city is newer than what is remembered here of an earlier stay. This partition may be a marker
    /// behind and would still take such an old holder for a reason to forget the new one.
    fn take_identities(
        &mut self,
        txn: &mut dyn Txn,
        offset: u64,
        entries: &[[u8; ENTRY_LEN]],
        arrives: bool,
        row: &mut ImportRow,
    ) {
        let line = self.drop_line.unwrap_or(Date::from_julian_day(i32::MIN));
        let mut taken = Taken::default();
        for entry in entries {
            let entry = Entry::from_bytes(entry);
            if entry.day() < line {
                row.too_old += 1;
                continue;
            }
            let counts_from = if arrives { entry.day() } else { line };
            match self.identities.claim(entry, counts_from) {
                Claim::Granted => {
                    taken.push(&entry, entry.day());
                    row.taken += 1;
                }
                Claim::SameContent => row.held += 1,
                Claim::OtherContent => row.conflicts += 1,
            }
        }
        taken.write(txn, offset);
    }

    /// A part of a city that comes from another partition; with the last one its taps are taken.
    fn arrive(
        &mut self,
        txn: &mut dyn Txn,
        offset: u64,
        (city, arrival): (City, &Arrival),
        import: &Import,
        row: &mut ImportRow,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Halt> {
        for moved in &arrival.batches {
            let key = rows::batch(city, moved.number);
            let known: Option<BatchRow> = rows::load(txn, &key, "batch")?;
            // A city that comes back: its batches of then stand in the log of this partition.
            let offset = known.filter(|known| known.digest == moved.digest).map_or(u64::MAX, |k| k.offset);
            let batch = BatchRow {
                digest: moved.digest.clone(),
                offset,
                cycle: moved.cycle,
                records: moved.records,
                exceptions: moved.exceptions.to_vec(),
            };
            txn.put(key, batch.encode_to_vec());
            row.batches += 1;
        }
        let from = arrival.from;
        let lane = self.lanes.entry(city).or_insert_with(Lane::new);
        lane.leaving = None;
        lane.arriving = true;
        lane.dirty = true;
        lane.stopped = Some(format!("it comes from partition {from}, {} parts are here", row.parts));
        if !import.last {
            return Ok(());
        }
        let identities = row.taken + row.held + row.conflicts + row.too_old;
        if identities != import.identities_total || row.batches != arrival.batches_total {
            let reason = format!(
                "it came from partition {from} with {identities} identities and {} batches where {} and {} were \
                 said; report this",
                row.batches, import.identities_total, arrival.batches_total
            );
            self.stop(txn, offset, city, reason, effects);
            return Ok(());
        }
        lane.next = arrival.next;
        lane.taps_from = arrival.taps_from;
        lane.stopped = None;
        lane.arriving = false;
        // What came before it was whole, or after it had left, is noticed by the number that is missing.
        lane.owed = 0;
        let arrived = Arrived { id: import.id.clone(), from, batches: row.batches, identities };
        self.say(txn, offset, city, What::Arrived(arrived), effects);
        Ok(())
    }
}
