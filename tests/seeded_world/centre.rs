//! The book and the cut-offs without processes: messages go straight to the log, a coordinator is at once done
//! with what it says. What the book makes of each message is compared with the reference as it is appended.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use bytes::Bytes;
use clearing_node::{
    book::{Effect as Said, Target},
    coordinator::{Coordinator, Effect, Input},
};
use domain::{city::City, date::Date, result::RecordResult};
use proto::{
    Clearing, CycleEvent, JudgedPart, LateVerdicts, Marker, Outcome, PartVerdicts, Verdicts,
    city_event::What, clearing, cycle_event,
};

use super::{
    env::Env,
    net::Topic,
    records::{Record, batch, bytes_of},
    reference::Check,
    scheme::{PARTITIONS, index_of, parse},
};

/// A log with its oracle, and the coordinator.
pub struct Centre {
    pub env: Env,
    pub core: Coordinator,
    next: BTreeMap<City, u64>,
    known: usize,
    /// The last thing that the coordinator refused or wants a person to see.
    pub told: Option<String>,
    /// Markers are written when somebody says so: until then the switches know of a cycle that the book does not.
    pub slow: bool,
    marks: VecDeque<(u32, Marker)>,
    /// What moves from one partition to another and has not landed.
    pub moving: VecDeque<(u32, Bytes)>,
    /// Where each city arrived last.
    arrived: BTreeMap<City, u32>,
}

impl Centre {
    pub fn new(env: Env) -> Result<Self, String> {
        let mut centre = Self {
            env,
            core: Coordinator::new(PARTITIONS),
            next: BTreeMap::new(),
            known: 0,
            told: None,
            slow: false,
            marks: VecDeque::new(),
            moving: VecDeque::new(),
            arrived: BTreeMap::new(),
        };
        centre.coordinate(Input::CaughtUp)?;
        Ok(centre)
    }

    /// Appends a message to a partition.
    pub fn clearing(&mut self, partition: u32, body: clearing::Body) -> Check {
        self.land(partition, bytes_of(&Clearing { body: Some(body) }))
    }

    /// A message lands in a partition, and what the book says to it is heard.
    pub fn land(&mut self, partition: u32, payload: Bytes) -> Check {
        let mut todo = Vec::new();
        self.hear(partition, payload, &mut todo)?;
        self.work(todo)
    }

    /// The partition to which the switches send a city's batches.
    pub fn place(&self, of: City) -> u32 {
        let opening = self.core.last_opening();
        let ruling = opening.and_then(|opening| {
            self.env.documents.iter().find(|d| d.rulebook.digest().as_slice() == opening.rulebook_digest)
        });
        ruling.unwrap_or(&self.env.documents[0]).terms.places[index_of(of)]
    }

    /// The partition where operators find a city: where it arrived last.
    pub fn home(&self, of: City) -> u32 {
        self.arrived.get(&of).copied().unwrap_or_else(|| self.place(of))
    }

    /// The next batch of a city, on its way; `answered` says which home cities' verdicts come with it.
    pub fn make(
        &mut self,
        of: City,
        records: &[Record],
        mut answered: impl FnMut(&mut Env, City) -> bool,
    ) -> Outcome {
        let number = *self.next.entry(of).and_modify(|number| *number += 1).or_insert(1);
        let batch = batch(of, number, "a.csv", records);
        let parts = batch.parts.into_iter().map(|part| {
            let issuer = parse(&part.issuer);
            let codes: Bytes = self.env.home_city_says(&part.taps).into();
            let verdicts = answered(&mut self.env, issuer).then(|| Verdicts { codes, ..Verdicts::default() });
            JudgedPart { part: Some(part), verdicts }
        });
        let (acquirer, digest, records) = (of.to_string(), batch.digest, batch.records);
        Outcome { acquirer, number, digest, file: batch.file, records, parts: parts.collect() }
    }

    /// Books the next batch of a city. Its number.
    pub fn present(
        &mut self,
        of: City,
        records: &[Record],
        answered: impl FnMut(&mut Env, City) -> bool,
    ) -> Result<u64, String> {
        let outcome = self.make(of, records, answered);
        let number = outcome.number;
        self.clearing(self.place(of), clearing::Body::Outcome(outcome))?;
        Ok(number)
    }

    /// A home city answers one of the parts that are parked in a partition, if there is one at that place.
    pub fn answer(&mut self, partition: u32, place: usize) -> Check {
        let parked = self.env.partitions[usize::try_from(partition).unwrap()].reference.parked();
        let Some((city, number, digest, issuer, taps)) = parked.get(place).cloned() else { return Ok(()) };
        let codes = self.env.home_city_says(&taps).into();
        let verdicts = Some(Verdicts { codes, ..Verdicts::default() });
        let parts = vec![PartVerdicts { issuer: issuer.to_string(), verdicts }];
        let late = LateVerdicts { acquirer: city.to_string(), number, digest, parts };
        self.clearing(partition, clearing::Body::Late(late))
    }

    /// The message at an offset lands once more.
    pub fn again(&mut self, partition: u32, offset: u64) -> Check {
        match self.env.log.read(Topic::Clearing(partition), offset) {
            Some(payload) => self.land(partition, payload),
            None => Ok(()),
        }
    }

    /// What a record of a batch is now.
    pub fn result(&self, of: City, number: u64, position: usize) -> RecordResult {
        let partition = &self.env.partitions[usize::try_from(self.place(of)).unwrap()];
        partition.reference.batches[&(of, number)].rows[position].result
    }

    /// Asks for the next cycle, where none is open.
    pub fn open(&mut self, business_date: Date, version: u32) -> Check {
        self.coordinate(Input::Open { business_date, version })
    }

    /// Ends the open cycle.
    pub fn cut_off(&mut self, opens: Option<(Date, u32)>) -> Check {
        self.coordinate(Input::CutOff { opens, ends: Vec::new() })
    }

    /// Steps the coordinator and does at once what it says.
    fn coordinate(&mut self, input: Input) -> Check {
        for document in &self.env.documents[self.known..] {
            self.core.step(Input::Learn(Arc::clone(&document.rulebook)), &mut Vec::new());
        }
        self.known = self.env.documents.len();
        let mut todo = Vec::new();
        self.core.step(input, &mut todo);
        self.work(todo)
    }

    fn work(&mut self, mut todo: Vec<Effect>) -> Check {
        while !todo.is_empty() {
            match todo.remove(0) {
                Effect::Say(event) => {
                    self.env.append(Topic::Cycles, bytes_of(&event))?;
                    self.core.step(Input::Event(event), &mut todo);
                }
                Effect::Mark(marker) => {
                    self.marks.extend((0..PARTITIONS).map(|partition| (partition, marker.clone())));
                    while !self.slow && !self.marks.is_empty() {
                        self.mark(&mut todo)?;
                    }
                }
                Effect::Refused(why) | Effect::Alarm(why) => self.told = Some(why),
                Effect::Render { .. } | Effect::Identify(_) | Effect::Adjust(_) => {}
            }
        }
        self.core.halted().map_or(Ok(()), |why| Err(why.to_owned()))
    }

    /// The next marker is written, if one is due.
    pub fn write_marker(&mut self) -> Check {
        let mut todo = Vec::new();
        self.mark(&mut todo)?;
        self.work(todo)
    }

    /// All markers are written.
    pub fn write_markers(&mut self) -> Check {
        while !self.marks.is_empty() {
            self.write_marker()?;
        }
        Ok(())
    }

    fn mark(&mut self, todo: &mut Vec<Effect>) -> Check {
        let Some((partition, marker)) = self.marks.pop_front() else { return Ok(()) };
        let payload = bytes_of(&Clearing { body: Some(clearing::Body::Marker(marker)) });
        self.hear(partition, payload, todo)
    }

    /// Appends a message, and brings what the book says to it where it goes.
    fn hear(&mut self, partition: u32, payload: Bytes, todo: &mut Vec<Effect>) -> Check {
        self.env.append(Topic::Clearing(partition), payload)?;
        let said = self.env.partitions[usize::try_from(partition).unwrap()].effects.last().cloned();
        for effect in said.unwrap_or_default() {
            match effect {
                Said::Publish { target: Target::Cycles, payload, .. } => {
                    self.env.append(Topic::Cycles, payload.clone())?;
                    let event: CycleEvent = proto::Message::decode(payload).map_err(|e| e.to_string())?;
                    if let Some(cycle_event::Body::City(said)) = &event.body
                        && let Some(What::Arrived(_)) = &said.what
                    {
                        self.arrived.insert(parse(&said.city), said.partition);
                    }
                    self.core.step(Input::Event(event), todo);
                }
                Said::Publish { target: Target::Clearing(to), payload, .. } => {
                    self.moving.push_back((to, payload));
                }
                _ => {}
            }
        }
        Ok(())
    }
}
