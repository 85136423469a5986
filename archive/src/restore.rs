//! A log brought back from an archive: the same messages at the same offsets, in topics that hold nothing else.
//!
//! `cu.parked.<city>` and the switches' positions are made from `cu.clearing` ([`crate::park`]);
//! `cu.results.<city>` stays empty, the books publish everything again as they fold from offset 0, and so does
//! `cu.acts`: words on acts stand on `cu.cycles` with the acts. Events of
//! `cu.cycles` that speak of more than is archived become empty messages ([`crate::beyond`]). The rules and
//! the cycles come last, so nobody begins to work on half a log. Killed and repeated it goes on: what stands in a
//! topic already must be the beginning of what belongs there, message for message.

use std::{collections::BTreeSet, path::Path};

use bytes::Bytes;
use cu_log::{
    Commit, Entry, Log, Partition, TopicSpec,
    topics::{SWITCH_GROUP, Topics},
    visit_range,
};
use domain::{city::City, rulebook::Rulebook};
use proto::{CycleEvent, Message, TapBatch, cycle_event::Body};

use crate::{
    ArchiveError, Progress,
    beyond::Void,
    chain::Archive,
    facts::Facts,
    filling::{Filling, used},
    log::ArchiveLog,
    park::Park,
};

/// What was restored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// The last cycle that the log holds now.
    pub last_cycle: u32,
    /// Messages that stand in the log now.
    pub messages: u64,
    /// Messages that this run wrote.
    pub written: u64,
    /// Parts that wait for a home city.
    pub parked: u64,
    /// Cities with a position.
    pub positions: u64,
    /// Events that speak of more than is archived: empty messages stand in their places.
    pub void: u64,
}

/// Restores the log of an archive into topics that are empty, or hold a beginning of it.
///
/// # Errors
/// [`ArchiveError::Refused`] if a topic holds anything else, [`ArchiveError::Damaged`], [`ArchiveError::Log`].
pub fn restore(
    archive: &Archive,
    log: &dyn Log,
    topics: &Topics,
    work: &Path,
    progress: Progress<'_>,
) -> Result<Restored, ArchiveError> {
    let Some(last) = archive.cycles.last() else {
        let why = format!("{} holds no archived cycle", archive.objects.place());
        return Err(ArchiveError::Refused(why));
    };
    let archived = ArchiveLog::open(archive.clone(), work)?;
    let facts = crate::write::facts(&archived, &Topics::default(), archive, work)?;
    let partitions = last.manifest.partitions;
    let park = park_of(&archived, partitions)?;
    let cities = cities(&facts, &park)?;
    log.create_topics(&specs(topics, partitions, &cities))?;
    let void = Void::now(archive, &facts);
    let (archived, park, cities) = (&archived, &park, &cities);
    let plan = Plan { log, topics, archived, park, cities, void: &void, partitions, progress };
    let first = plan.pass("restored")?;
    // Everything is read back and compared: now nothing may be missing.
    let second = plan.pass("compared")?;
    if second.written > 0 {
        let why =
            format!("{} messages that had been written were not there when they were read", second.written);
        return Err(ArchiveError::Refused(why));
    }
    Ok(Restored { last_cycle: last.manifest.cycle, ..first })
}

/// Reads `cu.clearing` for what waits and how far each city is.
fn park_of(archived: &ArchiveLog, partitions: u32) -> Result<Park, ArchiveError> {
    let mut park = Park::default();
    for number in 0..partitions {
        let partition = Topics::default().clearing(number);
        let end = archived.archive().end(&partition).unwrap_or(0);
        visit_range(archived, &partition, 0..end, &mut |entry| {
            let taken = park.take(number, entry.offset, &entry.payload);
            taken.map_err(|why| unreadable(&partition, entry.offset, why))
        })?;
    }
    Ok(park)
}

fn unreadable(partition: &Partition, offset: u64, why: String) -> ArchiveError {
    ArchiveError::Message { partition: partition.to_string(), offset, why }
}

/// Every city that was ever a participant or has anything on the log.
fn cities(facts: &Facts, park: &Park) -> Result<BTreeSet<City>, ArchiveError> {
    let mut cities: BTreeSet<City> = park.passed.keys().copied().collect();
    for (offset, document) in facts.rulebooks.values() {
        let rules = Rulebook::parse(&document.toml)
            .map_err(|why| unreadable(&Topics::default().rulebook(), *offset, runtime::whole_text(&why)))?;
        cities.extend(rules.participants.iter().map(|participant| participant.city));
    }
    let barriers = facts.cut_offs.values().flat_map(|cut_off| &cut_off.barrier);
    cities.extend(barriers.filter_map(|end| end.acquirer.parse::<City>().ok()));
    Ok(cities)
}

fn specs(topics: &Topics, partitions: u32, cities: &BTreeSet<City>) -> Vec<TopicSpec> {
    let mut specs = topics.of_centre(partitions);
    cities.iter().for_each(|city| specs.extend(topics.of_city(city)));
    specs
}

/// What belongs into the log.
struct Plan<'a> {
    log: &'a dyn Log,
    topics: &'a Topics,
    archived: &'a ArchiveLog,
    park: &'a Park,
    cities: &'a BTreeSet<City>,
    void: &'a Void,
    partitions: u32,
    progress: Progress<'a>,
}

impl Plan<'_> {
    /// Writes what is missing; what is there is compared.
    fn pass(&self, what: &str) -> Result<Restored, ArchiveError> {
        let bare = Topics::default();
        let mut restored = Restored::default();
        // What was asked on a lost log is not asked on this one: every act that counts stands on `cu.cycles`.
        let acts = self.topics.acts();
        if self.log.bounds(&acts)?.end > 0 {
            return Err(used(&acts, "it must be empty"));
        }
        for city in self.cities {
            let have = self.log.bounds(&self.topics.results(city))?;
            if have.end > 0 {
                return Err(used(&self.topics.results(city), "it must be empty"));
            }
        }
        for number in 0..self.partitions {
            let (from, to) = (bare.clearing(number), self.topics.clearing(number));
            self.copy(&from, &to, what, &mut |entry| Ok(entry.payload))?.finish(&mut restored)?;
        }
        let mut positions = Vec::new();
        for city in self.cities {
            let passed = self.park.passed.get(city).copied();
            let offset = self.taps(*city, passed, what, &mut restored)?;
            self.parked(*city, &mut restored)?;
            if let Some(number) = passed {
                positions.push((self.topics.taps(city), Commit { offset, note: number.to_string() }));
            }
        }
        self.log.commit(&self.topics.group(SWITCH_GROUP), &positions)?;
        restored.positions = positions.len() as u64;
        let rulebook = (bare.rulebook(), self.topics.rulebook());
        self.copy(&rulebook.0, &rulebook.1, what, &mut |entry| Ok(entry.payload))?.finish(&mut restored)?;
        self.cycles(what, &mut restored)?;
        Ok(restored)
    }

    /// Copies a partition, message for message, each as `told` gives it back; to be finished.
    fn copy(
        &self,
        from: &Partition,
        to: &Partition,
        what: &str,
        told: &mut dyn FnMut(Entry) -> Result<Bytes, ArchiveError>,
    ) -> Result<Filling<'_>, ArchiveError> {
        let end = self.archived.archive().end(from).unwrap_or(0);
        let mut filling = Filling::open(self.log, to)?;
        visit_range(self.archived, from, 0..end, &mut |entry| {
            if entry.offset % 256 == 0 {
                (self.progress)(&format!("{to} {what}"), entry.offset, end);
            }
            filling.push(told(entry)?)
        })?;
        Ok(filling)
    }

    /// Copies the cycles without what is void, and says behind them what the log is.
    fn cycles(&self, what: &str, restored: &mut Restored) -> Result<(), ArchiveError> {
        let from = Topics::default().cycles();
        let mut void = 0;
        let mut filling = self.copy(&from, &self.topics.cycles(), what, &mut |entry| {
            let is_void = self.void.has(entry.offset, &entry.payload);
            if is_void.map_err(|why| unreadable(&from, entry.offset, why))? {
                void += 1;
                return Ok(Bytes::new());
            }
            Ok(entry.payload)
        })?;
        restored.void = void;
        let body = Body::Restored(proto::Restored { cycle: self.archived.archive().last() });
        filling.push(CycleEvent { body: Some(body) }.encode_to_vec().into())?;
        filling.finish(restored)
    }

    /// Copies a city's taps and finds its switch's position: after the batch `passed`, or at the end if that
    /// batch came later than what is archived.
    fn taps(
        &self,
        city: City,
        passed: Option<u64>,
        what: &str,
        restored: &mut Restored,
    ) -> Result<u64, ArchiveError> {
        let from = Topics::default().taps(city);
        let mut position = None;
        let filling = self.copy(&from, &self.topics.taps(city), what, &mut |entry| {
            let batch = TapBatch::decode(entry.payload.clone());
            let batch = batch.map_err(|why| unreadable(&from, entry.offset, why.to_string()))?;
            if position.is_none() && Some(batch.number) == passed {
                position = Some(entry.offset + 1);
            }
            Ok(entry.payload)
        })?;
        filling.finish(restored)?;
        Ok(position.unwrap_or_else(|| self.archived.archive().end(&from).unwrap_or(0)))
    }

    /// Puts what waits of a city into its park, in the order of its batches.
    fn parked(&self, city: City, restored: &mut Restored) -> Result<(), ArchiveError> {
        let mut filling = Filling::open(self.log, &self.topics.parked(city))?;
        for (_, partition, offset) in self.park.waiting().filter(|(of, ..)| *of == city) {
            let clearing = Topics::default().clearing(partition);
            visit_range(self.archived, &clearing, offset..offset + 1, &mut |entry| {
                let parts = self.park.parts(&entry.payload);
                for part in parts.map_err(|why| unreadable(&clearing, offset, why))? {
                    restored.parked += 1;
                    filling.push(part.encode_to_vec().into())?;
                }
                Ok::<(), ArchiveError>(())
            })?;
        }
        filling.finish(restored)
    }
}
