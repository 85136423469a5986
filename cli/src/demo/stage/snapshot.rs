//! How things are now, gathered from the books, the switch and the cycles.

use std::{
    collections::BTreeMap,
    sync::{atomic::Ordering, mpsc::SyncSender},
    time::Duration,
};

use anyhow::Result;
use clearing_node::{
    book::{AcquirerPicture, opening_name},
    node::CycleStatus,
};
use domain::{city::City, date::Date};

use super::{Stage, cycles::running_net, say};
use crate::demo::facts::{Acquirer, Counts, OpenCycle, Snapshot, Told};

impl Stage<'_> {
    /// Tells how things are now.
    pub(super) fn tell_snapshot(&mut self, tell: &SyncSender<Told>) -> Result<()> {
        let snapshot = self.snapshot()?;
        say(tell, Told::Snapshot(Box::new(snapshot)));
        Ok(())
    }

    fn snapshot(&mut self) -> Result<Snapshot> {
        self.look_at_the_books();
        let status = self.house.node.status();
        let switch = self.switch.status();
        let waiting = |city: City| {
            let parts = switch.acquirers.values().filter_map(|acquirer| acquirer.parked.get(&city));
            (city, parts.sum())
        };
        let date = status.openings.last().map(|opening| Date::from_julian_day(opening.business_date));
        let absent = |city: &&City| date.is_some_and(|date| !self.is_member(**city, date));
        Ok(Snapshot {
            at_ms: milliseconds(self.begun.elapsed()),
            second: self.second,
            counts: self.counts(),
            acquirers: self.acquirers(),
            acquirers_at_ms: self.pictures_at_ms,
            dark: self.darkness.cities().map(waiting).collect(),
            absent: self.cities.iter().filter(absent).copied().collect(),
            open: self.open_cycle(&status)?,
            closed: self.closed.last().to_vec(),
            recent: self.terminals.recent().map(|(city, tap)| (city, tap.clone())).collect(),
        })
    }

    fn is_member(&self, city: City, date: Date) -> bool {
        self.scheme.rulebook.participant(city).is_some_and(|participant| participant.is_member(date))
    }

    /// Takes the pictures that were asked for last time, and asks for new ones.
    fn look_at_the_books(&mut self) {
        let partitions = self.house.node.partitions();
        for (progress, picture) in partitions.values().zip(&mut self.pictures) {
            if let Some(taken) = progress.take_picture() {
                *picture = Some(taken);
                self.pictures_at_ms = milliseconds(self.begun.elapsed());
            }
            progress.ask_for_picture();
        }
    }

    fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for progress in self.house.node.partitions().values() {
            let booked = progress.booked();
            counts.arrived += booked.arrived;
            counts.cleared += booked.cleared;
            counts.rejected += booked.rejected + booked.duplicate + booked.conflict;
            counts.parked += progress.parked_records.load(Ordering::Relaxed);
        }
        counts
    }

    fn acquirers(&self) -> BTreeMap<City, Acquirer> {
        let pictures = self.pictures.iter().flatten().flat_map(|picture| &picture.acquirers);
        let one = |(city, seen): (&City, &AcquirerPicture)| {
            let results = seen.results.clone();
            (*city, Acquirer { arrived: seen.arrived, results, parked: seen.parked })
        };
        pictures.map(one).collect()
    }

    fn open_cycle(&self, status: &CycleStatus) -> Result<Option<OpenCycle>> {
        let Some(opening) = status.openings.last() else { return Ok(None) };
        let date = Date::from_julian_day(opening.business_date);
        Ok(Some(OpenCycle {
            name: opening_name(opening).to_string(),
            cut_off_in_s: self.left().as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX),
            closing: self.asked || !status.open,
            net: running_net(&self.scheme.rulebook, date, opening.cycle, &self.pictures)?,
        }))
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
