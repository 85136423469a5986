//! A log brought back from an archive: the same messages at the same offsets, in topics that hold nothing else.
//!
//! `cu.parked.<city>` and the switches' positions are made from `cu.clearing` ([`crate::park`]);
//! `cu.results.<city>` stays empty, the books publish everything again as they fold from offset 0. The rules and
//! the cycles come last, so nobody begins to work on half a log. Killed and repeated it goes on: what stands in a
//! topic already must be the beginning of what belongs there, message for message.

use std::{
    collections::{BTreeSet, VecDeque},
    path::Path,
    time::Duration,
};

use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender};
use cu_log::{
    Commit, Log, LogError, Partition, TopicSpec, Writer,
    topics::{SWITCH_GROUP, Topics},
};
use domain::{city::City, rulebook::Rulebook};
use proto::{Message, TapBatch};

use crate::{ArchiveError, Progress, chain::Archive, facts::Facts, log::ArchiveLog, park::Park, read};

/// Bytes of messages in one append.
const GROUP_BYTES: usize = 2 << 20;
/// Appends on their way at a time.
const GROUPS_MAX: usize = 8;
/// How long an append may take to become durable.
const APPEND_WAIT: Duration = Duration::from_secs(120);

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
    let plan = Plan { log, topics, archived: &archived, park: &park, cities: &cities, partitions, progress };
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
        read::range(archived, &partition, 0, end, &mut |entry| {
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
    partitions: u32,
    progress: Progress<'a>,
}

impl Plan<'_> {
    /// Writes what is missing; what is there is compared.
    fn pass(&self, what: &str) -> Result<Restored, ArchiveError> {
        let bare = Topics::default();
        let mut restored = Restored::default();
        for city in self.cities {
            let have = self.log.bounds(&self.topics.results(city))?;
            if have.end > 0 {
                return Err(used(&self.topics.results(city), "it must be empty"));
            }
        }
        for number in 0..self.partitions {
            let (from, to) = (bare.clearing(number), self.topics.clearing(number));
            self.copy(&from, &to, what, &mut restored, &mut |_, _| Ok(()))?;
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
        for (from, to) in [(bare.rulebook(), self.topics.rulebook()), (bare.cycles(), self.topics.cycles())] {
            self.copy(&from, &to, what, &mut restored, &mut |_, _| Ok(()))?;
        }
        Ok(restored)
    }

    /// Copies a partition, message for message.
    fn copy(
        &self,
        from: &Partition,
        to: &Partition,
        what: &str,
        restored: &mut Restored,
        watch: &mut dyn FnMut(u64, &Bytes) -> Result<(), ArchiveError>,
    ) -> Result<(), ArchiveError> {
        let end = self.archived.archive().end(from).unwrap_or(0);
        let mut filling = Filling::open(self.log, to)?;
        read::range(self.archived, from, 0, end, &mut |entry| {
            if entry.offset % 256 == 0 {
                (self.progress)(&format!("{to} {what}"), entry.offset, end);
            }
            watch(entry.offset, &entry.payload)?;
            filling.push(entry.payload)
        })?;
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
        self.copy(&from, &self.topics.taps(city), what, restored, &mut |offset, payload| {
            let batch = TapBatch::decode(payload.clone());
            let batch = batch.map_err(|why| unreadable(&from, offset, why.to_string()))?;
            if position.is_none() && Some(batch.number) == passed {
                position = Some(offset + 1);
            }
            Ok(())
        })?;
        Ok(position.unwrap_or_else(|| self.archived.archive().end(&from).unwrap_or(0)))
    }

    /// Puts what waits of a city into its park, in the order of its batches.
    fn parked(&self, city: City, restored: &mut Restored) -> Result<(), ArchiveError> {
        let mut filling = Filling::open(self.log, &self.topics.parked(city))?;
        for (_, partition, offset) in self.park.waiting().filter(|(of, ..)| *of == city) {
            let clearing = Topics::default().clearing(partition);
            read::range(self.archived, &clearing, offset, offset + 1, &mut |entry| {
                let parts = self.park.parts(&entry.payload);
                for part in parts.map_err(|why| unreadable(&clearing, offset, why))? {
                    restored.parked += 1;
                    filling.push(part.encode_to_vec().into())?;
                }
                Ok(())
            })?;
        }
        filling.finish(restored)
    }
}

fn used(partition: &Partition, why: &str) -> ArchiveError {
    ArchiveError::Refused(format!(
        "{partition} is in use: {why}; restore into topics that do not exist yet, or under another prefix"
    ))
}

type Ack = (u64, u64, Result<Vec<u64>, LogError>);

/// Fills a partition in order; what stands in it already is compared.
struct Filling<'a> {
    log: &'a dyn Log,
    partition: Partition,
    /// Opened when there is something to write.
    writer: Option<Box<dyn Writer>>,
    reader: Option<Box<dyn cu_log::Reader>>,
    /// What was read of it and not compared yet.
    there: VecDeque<Bytes>,
    /// Where it ended at the beginning.
    end: u64,
    /// Offset of the next message.
    next: u64,
    group: Vec<(Partition, Bytes)>,
    group_bytes: usize,
    acks: (Sender<Ack>, Receiver<Ack>),
    coming: usize,
}

impl<'a> Filling<'a> {
    fn open(log: &'a dyn Log, partition: &Partition) -> Result<Self, ArchiveError> {
        let have = log.bounds(partition)?;
        if have.start > 0 {
            return Err(used(partition, "messages were deleted from it"));
        }
        let reader = (have.end > 0).then(|| log.reader(&[(partition.clone(), 0)])).transpose()?;
        Ok(Self {
            log,
            partition: partition.clone(),
            writer: None,
            reader,
            there: VecDeque::new(),
            end: have.end,
            next: 0,
            group: Vec::new(),
            group_bytes: 0,
            acks: crossbeam_channel::unbounded(),
            coming: 0,
        })
    }

    /// The next message.
    fn push(&mut self, payload: Bytes) -> Result<(), ArchiveError> {
        self.next += 1;
        if self.next <= self.end {
            if self.read()? != payload {
                let why = format!("the message at offset {} is another than the archived one", self.next - 1);
                return Err(used(&self.partition, &why));
            }
            return Ok(());
        }
        self.group_bytes += payload.len();
        self.group.push((self.partition.clone(), payload));
        if self.group_bytes >= GROUP_BYTES { self.append() } else { Ok(()) }
    }

    /// The next message that stands there.
    fn read(&mut self) -> Result<Bytes, ArchiveError> {
        loop {
            if let Some(payload) = self.there.pop_front() {
                return Ok(payload);
            }
            let read = self.reader.as_mut().map(|reader| reader.poll(GROUP_BYTES, APPEND_WAIT));
            let entries = read.transpose()?.unwrap_or_default();
            if entries.is_empty() {
                return Err(LogError::Timeout(APPEND_WAIT).into());
            }
            self.there.extend(entries.into_iter().map(|entry| entry.payload));
        }
    }

    fn append(&mut self) -> Result<(), ArchiveError> {
        if self.group.is_empty() {
            return Ok(());
        }
        let (first, end) = (self.next - self.group.len() as u64, self.next);
        let acked = self.acks.0.clone();
        let group = std::mem::take(&mut self.group);
        self.group_bytes = 0;
        let writer = match &mut self.writer {
            Some(writer) => writer,
            None => self.writer.insert(self.log.writer()?),
        };
        // The restoring may have ended: nobody is left to tell.
        writer.append(group, Box::new(move |done| drop(acked.send((first, end, done)))))?;
        self.coming += 1;
        while self.coming > GROUPS_MAX {
            self.acknowledged()?;
        }
        Ok(())
    }

    fn acknowledged(&mut self) -> Result<(), ArchiveError> {
        let (first, end, offsets) =
            self.acks.1.recv_timeout(APPEND_WAIT).map_err(|_| LogError::Timeout(APPEND_WAIT))?;
        self.coming -= 1;
        if offsets?.into_iter().ne(first..end) {
            return Err(used(&self.partition, "somebody else writes to it"));
        }
        Ok(())
    }

    fn finish(mut self, restored: &mut Restored) -> Result<(), ArchiveError> {
        if self.next < self.end {
            let why = format!("it ends at offset {}, the archive at {}", self.end, self.next);
            return Err(used(&self.partition, &why));
        }
        self.append()?;
        while self.coming > 0 {
            self.acknowledged()?;
        }
        restored.messages += self.next;
        restored.written += self.next - self.end;
        Ok(())
    }
}
