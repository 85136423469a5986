//! What all processes share: the log with its checks, the home cities, the committed positions, the rules.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::Bytes;
use clearing_node::book::{Effect, Target};
use domain::{city::City, rulebook::Rulebook};
use proto::{Clearing, Message, ParkedPart, TapBatch, clearing};

use super::{
    checks::{Checks, Partition},
    dice::Dice,
    net::{Landed, Log, Net, Topic, Writer},
    profiles::Profile,
    records::{Record, home_city_says},
    reference::{Check, Reference},
    scheme::{
        ACQUIRERS, Document, FIRST_DATE, ISSUERS, PARTITIONS, Terms, acquirers, city, index_of, parse,
        partition_of,
    },
};

/// How a home city behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Home {
    Up,
    Dark,
    Slow,
    Wrong,
}

/// A question to a home city.
pub struct Request {
    pub writer: Writer,
    pub issuer: City,
    pub id: u64,
    pub parts: Vec<Bytes>,
}

/// What all processes share.
pub struct Env {
    pub dice: Dice,
    pub profile: Profile,
    pub now_ms: u64,
    /// Faults have stopped.
    pub calm: bool,
    pub net: Net,
    pub log: Log,
    pub documents: Vec<Arc<Document>>,
    pub records: Vec<Record>,
    /// Next tap offset and highest number, and next park offset, as the switches committed them.
    pub committed: BTreeMap<City, (u64, u64)>,
    pub committed_park: BTreeMap<City, u64>,
    pub endpoint: [bool; ISSUERS],
    pub home: [Home; ISSUERS],
    pub requests: Vec<Request>,
    /// Everything presented is in the book: a cycle may end before the next is known.
    pub quiet: bool,
    /// How many cycles shall be closed.
    pub wanted: u32,
    pub partitions: Vec<Partition>,
    pub checks: Checks,
    trace: bool,
}

impl Env {
    pub fn new(seed: u64, profile: Profile, mut dice: Dice, trace: bool) -> Self {
        let days = u32::try_from(dice.pick(&[1, 2, 3])).unwrap();
        let first = Terms::first(days, dice.permille(400));
        Self::with_terms(seed, profile, dice, trace, first)
    }

    /// A world whose first version of the rules is given.
    pub fn with_terms(seed: u64, profile: Profile, dice: Dice, trace: bool, first: Terms) -> Self {
        let net = Net::new(30 * profile.copies / 1000, profile.upgrades);
        let mut env = Self {
            dice,
            profile,
            now_ms: 1_000,
            calm: false,
            net,
            log: Log::default(),
            documents: vec![Arc::new(first.document())],
            records: Vec::new(),
            committed: acquirers().map(|city| (city, (0, 0))).collect(),
            committed_park: acquirers().map(|city| (city, 0)).collect(),
            endpoint: [true; ISSUERS],
            home: [Home::Up; ISSUERS],
            requests: Vec::new(),
            quiet: false,
            wanted: 0,
            partitions: (0..PARTITIONS).map(Partition::new).collect(),
            checks: Checks::default(),
            trace,
        };
        env.trace(|| format!("seed {seed}: {:?}", env.profile));
        env.checks.publish(&env.documents[0]);
        for partition in &mut env.partitions {
            partition.reference.pairs_in_order = env.profile.always_answered();
        }
        env
    }

    #[expect(clippy::print_stdout, reason = "a trace is asked for by CU_SEED")]
    pub fn trace(&self, line: impl FnOnce() -> String) {
        if self.trace {
            println!("{}", line());
        }
    }

    /// The rulebooks as a process learns them; the order is nobody's promise.
    pub fn rulebooks(&mut self) -> Vec<Arc<Rulebook>> {
        let mut all: Vec<_> = self.documents.iter().map(|d| Arc::clone(&d.rulebook)).collect();
        if self.dice.permille(300) {
            all.reverse();
        }
        all
    }

    pub fn publish_rules(&mut self) {
        let latest = Arc::clone(self.documents.iter().max_by_key(|d| d.terms.version).unwrap());
        let Some(mut next) = latest.terms.changed(&mut self.dice, self.profile.prefixes) else { return };
        if self.dice.permille(100) {
            // An operator's slip: other bytes under a version that exists.
            next.version = latest.terms.version;
        }
        self.publish(next);
    }

    /// A version of the rules appears.
    pub fn publish(&mut self, terms: Terms) {
        self.trace(|| format!("rules {terms:?}"));
        let document = terms.document();
        self.checks.publish(&document);
        self.documents.push(Arc::new(document));
    }

    /// What a home city says of taps now: what it accepts may stand on its hotlist at this moment, and at the next
    /// no more.
    pub fn home_city_says(&mut self, taps: &[u8]) -> Vec<u8> {
        let mut codes = home_city_says(taps);
        for code in codes.iter_mut().filter(|code| **code == 0) {
            if self.profile.hotlists > 0 && self.dice.permille(self.profile.hotlists) {
                *code = 3;
            }
        }
        codes
    }

    /// The reference of a partition.
    pub fn reference(&self, partition: u32) -> &Reference {
        &self.partitions[usize::try_from(partition).unwrap()].reference
    }

    /// The latest version of the rules.
    pub fn latest_version(&self) -> u32 {
        self.documents.iter().map(|d| d.terms.version).max().unwrap_or(1)
    }

    /// Whether taps may be presented: a cycle is open everywhere.
    pub fn is_open(&self) -> bool {
        self.partitions.iter().all(|p| p.reference.open_cycle().is_some())
    }

    /// Makes new records for a file of a city: fresh ones, repeats of earlier ones, clashes with earlier ones.
    pub fn new_records(&mut self, acquirer: City) -> Vec<Record> {
        let count = 1 + self.dice.below(self.profile.records_max);
        let acquirer = index_of(acquirer);
        (0..count)
            .map(|_| {
                let record = self.new_record(acquirer);
                self.records.push(record.clone());
                record
            })
            .collect()
    }

    fn new_record(&mut self, acquirer: usize) -> Record {
        let uid = u32::try_from(self.records.len()).unwrap();
        let dice = &mut self.dice;
        let bad = |dice: &mut Dice, often: u32| {
            if dice.permille(often) { u8::try_from(1 + dice.below(3)).unwrap() } else { 0 }
        };
        if dice.permille(self.profile.repeats) {
            let reach = if self.profile.ruley { self.records.len() } else { 40 };
            let foreign = if self.profile.ruley { 500 } else { 200 };
            let recent = self.records.iter().rev().take(reach);
            let earlier: Vec<&Record> =
                recent.filter(|r| r.acquirer == acquirer || dice.permille(foreign)).collect();
            if !earlier.is_empty() {
                let mut record = Record { acquirer, ..earlier[dice.below(earlier.len())].clone() };
                if !dice.permille(600) {
                    record.content = uid;
                    if dice.permille(500) {
                        record.issuer = dice.below(ISSUERS);
                    }
                    record.tapped += dice.pick(&[0, 0, 1, 2]);
                    record.code = bad(dice, self.profile.bad);
                }
                return record;
            }
        }
        let partition = usize::try_from(partition_of(city(acquirer))).unwrap();
        let reference = &self.partitions[partition].reference;
        let owners = reference.document().unwrap_or(&self.documents[0]).terms.owners;
        let own: Vec<usize> = (0..ACQUIRERS).filter(|p| owners[*p] == Some(acquirer)).collect();
        let prefix = if !own.is_empty() && dice.permille(900) { dice.pick(&own) } else { dice.below(3) };
        let date = reference.date().unwrap_or(FIRST_DATE);
        Record {
            acquirer,
            issuer: dice.below(ISSUERS),
            prefix,
            sequence: uid,
            content: uid,
            tapped: date + dice.pick(&[1, 0, 0, -1, -1, -2, -3, -4, 2]),
            code: bad(dice, self.profile.bad),
            poison: dice.permille(self.profile.poison),
        }
    }

    /// Lands one message; returns whom to tell.
    pub fn deliver(&mut self) -> Result<Option<Landed>, String> {
        let Some(landed) = self.net.land(&mut self.dice, self.calm) else { return Ok(None) };
        if let (Topic::Taps(city), true) = (landed.topic, landed.ack.is_some())
            && !self.calm
            && self.dice.permille(self.profile.losses)
        {
            // The log acknowledges and loses: the one fault that only a skipped number shows.
            let batch = TapBatch::decode(landed.payload.clone()).map_err(|e| e.to_string())?;
            self.trace(|| format!("taps {city}: batch {} is lost", batch.number));
            self.checks.lose(city, batch.number);
            return Ok(Some(landed));
        }
        self.append(landed.topic, landed.payload.clone())?;
        Ok(Some(landed))
    }

    /// Appends to the log and checks what that means.
    pub fn append(&mut self, topic: Topic, payload: Bytes) -> Check {
        let offset = self.log.append(topic, payload.clone());
        match topic {
            Topic::Clearing(number) => {
                let message = Clearing::decode(payload.clone()).map_err(|e| e.to_string())?;
                self.trace(|| format!("clearing.{number} {offset} {}", super::trace::clearing(&message)));
                self.hand_over(number, &message);
                let partition = &mut self.partitions[usize::try_from(number).unwrap()];
                let did = partition.append(offset, payload, &message, &self.documents)?;
                if let Some((city, _, _, cycle)) = &did.booked {
                    self.checks.place(*city, *cycle, number)?;
                }
                let closed = did.marker.as_ref().map_or(0, |marker| marker.closes);
                self.checks.clearing(did)?;
                if let Some(rendered) = self.reference(number).closed.get(&closed).map(|_| closed) {
                    let rows = &self.partitions[usize::try_from(number).unwrap()].rows;
                    super::rendering::cycle(self, number, rows, rendered)?;
                }
                let told = match message.body {
                    Some(clearing::Body::Outcome(o)) => Some((o.acquirer, o.number, o.digest)),
                    Some(clearing::Body::Repeat(r)) => Some((r.acquirer, r.number, r.digest)),
                    _ => None,
                };
                if let Some((acquirer, number, digest)) = told {
                    self.checks.told(parse(&acquirer), number, digest);
                }
            }
            Topic::Cycles => {
                let event = proto::CycleEvent::decode(payload).map_err(|e| e.to_string())?;
                self.trace(|| format!("cycles {offset} {}", super::trace::cycles(&event)));
                self.checks.cycles(event)?;
            }
            Topic::Taps(city) => {
                let batch = TapBatch::decode(payload).map_err(|e| e.to_string())?;
                self.trace(|| format!("taps {city} {offset} batch {}", batch.number));
                self.checks.tap(city, batch.number, batch.digest, offset);
            }
            Topic::Parked(city) => {
                let part = ParkedPart::decode(payload).map_err(|e| e.to_string())?;
                let issuer = parse(&part.part.unwrap_or_default().issuer);
                self.trace(|| format!("parked {city} {offset} batch {} {issuer}", part.number));
                let partition = &self.partitions[usize::try_from(partition_of(city)).unwrap()];
                self.checks.park(city, part.number, issuer, &partition.reference)?;
            }
            Topic::Results(city) => {
                self.trace(|| {
                    let result = proto::BatchResult::decode(payload).unwrap_or_default();
                    let parked = result.exceptions.iter().filter(|e| e.result == 4).count();
                    format!("results {city} {offset} batch {} parked {parked}", result.number)
                });
            }
        }
        Ok(())
    }

    /// The log loses some of the last messages of a partition: batches and verdicts that said no more than results. Everything is
    /// folded anew from what is left.
    pub fn lose_end(&mut self, number: u32, count: usize) -> Check {
        let (topic, place) = (Topic::Clearing(number), usize::try_from(number).unwrap());
        let mut spoken = 0;
        for (offset, said) in
            (0_u64..).zip(&self.partitions[place].effects).collect::<Vec<_>>().into_iter().rev().take(count)
        {
            let payload = self.log.archived(topic, offset).unwrap();
            let body = Clearing::decode(payload).map_err(|e| e.to_string())?.body;
            let batch = matches!(body, Some(clearing::Body::Outcome(_) | clearing::Body::Late(_)));
            let results = |said: &Effect| matches!(said, Effect::Publish { target: Target::Results(_), .. });
            if !batch || !said.iter().all(results) {
                break;
            }
            spoken += 1;
        }
        let lost = self.log.lose_tail(topic, spoken).len();
        let end = self.log.end(topic);
        self.trace(|| format!("clearing.{number} loses {lost} messages and ends at {end}"));
        let before = std::mem::replace(&mut self.partitions[place], Partition::new(number));
        before.paid_since(end).for_each(|paid| self.checks.unpay(paid));
        let reference = &mut self.partitions[place].reference;
        reference.pairs_in_order = before.reference.pairs_in_order;
        reference.operators.imported = before.reference.operators.imported;
        for offset in 0..end {
            let payload = self.log.archived(topic, offset).unwrap();
            let message = Clearing::decode(payload.clone()).map_err(|e| e.to_string())?;
            self.hand_over(number, &message);
            self.partitions[place].append(offset, payload, &message, &self.documents)?;
        }
        if self.partitions[place].effects != before.effects[..usize::try_from(end).unwrap()] {
            return Err(format!("partition {number} says something else when it is folded again"));
        }
        Ok(())
    }

    /// What the reference of one partition knows of a city that arrives in another.
    fn hand_over(&mut self, to: u32, message: &Clearing) {
        let Some(clearing::Body::Import(import)) = &message.body else { return };
        let Some(arrival) = &import.arrival else { return };
        let [from, to] = [arrival.from, to].map(|number| usize::try_from(number).unwrap());
        let luggage = self.partitions[from].reference.operators.departed.get(&import.id).cloned();
        self.partitions[to].reference.operators.arriving = luggage;
    }

    /// A switch commits a position in the taps.
    pub fn commit(&mut self, city: City, offset: u64, number: u64) -> Check {
        self.trace(|| format!("commit taps {city} {offset} {number}"));
        let partition = &self.partitions[usize::try_from(partition_of(city)).unwrap()];
        self.checks.committed(city, offset, &partition.reference)?;
        self.committed.insert(city, (offset, number));
        Ok(())
    }

    /// A city is stopped: right only where its adapter's disk went back.
    pub fn stop(&mut self, city: City, reason: &str) -> Check {
        self.trace(|| format!("STOPPED {city}: {reason}"));
        self.checks.stop(city, reason)
    }

    /// Cities that are stopped.
    pub fn stopped(&self) -> &BTreeSet<City> {
        &self.checks.stopped
    }
}
