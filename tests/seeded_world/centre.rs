//! The book and the cut-offs without processes: messages go straight to the log, a coordinator is at once done
//! with what it says. What the book makes of each message is compared with the reference as it is appended.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use clearing_node::{
    book::{Effect as Said, Target},
    coordinator::{Coordinator, Effect, Input},
};
use domain::{city::City, date::Date, result::RecordResult};
use proto::{
    Clearing, CycleEvent, JudgedPart, LateVerdicts, Outcome, PartVerdicts, Verdicts, clearing, cycle_event,
};

use super::{
    env::Env,
    net::Topic,
    records::{Record, batch, bytes_of},
    reference::Check,
    scheme::{PARTITIONS, partition_of},
};

/// A log with its oracle, and the coordinator.
pub struct Centre {
    pub env: Env,
    pub core: Coordinator,
    next: BTreeMap<City, u64>,
    known: usize,
    /// The last thing that the coordinator refused or wants a person to see.
    pub told: Option<String>,
}

impl Centre {
    pub fn new(env: Env) -> Result<Self, String> {
        let core = Coordinator::new(PARTITIONS);
        let mut centre = Self { env, core, next: BTreeMap::new(), known: 0, told: None };
        centre.coordinate(Input::CaughtUp)?;
        Ok(centre)
    }

    /// Appends a message to a partition.
    pub fn clearing(&mut self, partition: u32, body: clearing::Body) -> Check {
        self.env.append(Topic::Clearing(partition), bytes_of(&Clearing { body: Some(body) }))
    }

    /// Books the next batch of a city; `answered` says which home cities' verdicts come with it. Its number.
    pub fn present(
        &mut self,
        of: City,
        records: &[Record],
        mut answered: impl FnMut(&mut Env, City) -> bool,
    ) -> Result<u64, String> {
        let number = *self.next.entry(of).and_modify(|number| *number += 1).or_insert(1);
        let batch = batch(of, number, "a.csv", records);
        let parts = batch.parts.into_iter().map(|part| {
            let issuer = super::scheme::parse(&part.issuer);
            let codes: Bytes = self.env.home_city_says(&part.taps).into();
            let verdicts = answered(&mut self.env, issuer).then(|| Verdicts { codes, ..Verdicts::default() });
            JudgedPart { part: Some(part), verdicts }
        });
        let (acquirer, digest, records) = (of.to_string(), batch.digest, batch.records);
        let outcome = Outcome { acquirer, number, digest, file: batch.file, records, parts: parts.collect() };
        self.clearing(partition_of(of), clearing::Body::Outcome(outcome))?;
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
            Some(payload) => self.env.append(Topic::Clearing(partition), payload),
            None => Ok(()),
        }
    }

    /// What a record of a batch is now.
    pub fn result(&self, of: City, number: u64, position: usize) -> RecordResult {
        let partition = &self.env.partitions[usize::try_from(partition_of(of)).unwrap()];
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
        while !todo.is_empty() {
            match todo.remove(0) {
                Effect::Say(event) => {
                    self.env.append(Topic::Cycles, bytes_of(&event))?;
                    self.core.step(Input::Event(event), &mut todo);
                }
                Effect::Mark(marker) => {
                    for partition in 0..PARTITIONS {
                        self.clearing(partition, clearing::Body::Marker(marker.clone()))?;
                        self.totals(partition, &mut todo)?;
                    }
                }
                Effect::Refused(why) | Effect::Alarm(why) => self.told = Some(why),
                Effect::Render { .. } => {}
            }
        }
        self.core.halted().map_or(Ok(()), |why| Err(why.to_owned()))
    }

    /// Brings the totals that a marker made to the coordinator.
    fn totals(&mut self, partition: u32, todo: &mut Vec<Effect>) -> Check {
        let said = self.env.partitions[usize::try_from(partition).unwrap()].effects.last().cloned();
        for effect in said.unwrap_or_default() {
            if let Said::Publish { target: Target::Cycles, payload, .. } = effect {
                self.env.append(Topic::Cycles, payload.clone())?;
                let event: CycleEvent = proto::Message::decode(payload).map_err(|e| e.to_string())?;
                if matches!(event.body, Some(cycle_event::Body::Totals(_))) {
                    self.core.step(Input::Event(event), todo);
                }
            }
        }
        Ok(())
    }
}
