//! The book and the cut-offs alone: no processes, messages go straight to the log. Much denser in days,
//! windows, prefixes, members and late verdicts, and the one place with pauses between two cycles.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use clearing_node::coordinator::{Coordinator, Effect, Input};
use domain::{city::City, date::Date};
use proto::{
    Clearing, CycleEvent, JudgedPart, LateVerdicts, Outcome, PartVerdicts, Verdicts, clearing, cycle_event,
};

use super::{
    booking::Booking,
    dice::Dice,
    env::Env,
    net::Topic,
    profiles::Profile,
    records::{batch, bytes_of, home_city_says},
    reference::Check,
    scheme::{FIRST_DATE, PARTITIONS, acquirers, partition_of},
    store::Rows,
};

/// A seed of this world.
pub fn run(seed: u64, profile: Profile, dice: Dice, trace: bool) -> Check {
    let env = Env::new(seed, profile, dice, trace);
    let mut world = BookOnly { env, core: Coordinator::new(PARTITIONS), next: BTreeMap::new(), known: 0 };
    world.coordinate(Input::CaughtUp)?;
    world.open()?;
    for _ in 0..world.env.profile.steps {
        world.step()?;
    }
    world.check_end()
}

struct BookOnly {
    env: Env,
    core: Coordinator,
    next: BTreeMap<City, u64>,
    known: usize,
}

impl BookOnly {
    fn step(&mut self) -> Check {
        match self.env.dice.below(100) {
            _ if !self.env.is_open() && self.env.dice.permille(500) => self.open(),
            0..50 if self.env.is_open() => self.outcome(),
            50..60 => self.late_verdicts(),
            60..64 => self.copy(),
            64..77 => {
                self.env.publish_rules();
                Ok(())
            }
            77.. if self.env.is_open() => self.cut_off(),
            _ => Ok(()),
        }
    }

    fn clearing(&mut self, partition: u32, body: clearing::Body) -> Check {
        self.env.append(Topic::Clearing(partition), bytes_of(&Clearing { body: Some(body) }))
    }

    fn outcome(&mut self) -> Check {
        let all: Vec<City> = acquirers().collect();
        let city = self.env.dice.pick(&all);
        let number = *self.next.entry(city).and_modify(|number| *number += 1).or_insert(1);
        let records = self.env.new_records(city);
        let batch = batch(city, number, "a.csv", &records);
        let parts = batch.parts.into_iter().map(|part| {
            let codes: Bytes = home_city_says(&part.taps).0.into();
            let answered = self.env.dice.permille(800);
            let verdicts = answered.then(|| Verdicts { codes, ..Verdicts::default() });
            JudgedPart { part: Some(part), verdicts }
        });
        let (acquirer, digest, records) = (city.to_string(), batch.digest, batch.records);
        let outcome = Outcome { acquirer, number, digest, file: batch.file, records, parts: parts.collect() };
        self.clearing(partition_of(city), clearing::Body::Outcome(outcome))
    }

    fn late_verdicts(&mut self) -> Check {
        let partition = u32::try_from(self.env.dice.below(usize::try_from(PARTITIONS).unwrap())).unwrap();
        let parked = self.env.partitions[usize::try_from(partition).unwrap()].reference.parked();
        if parked.is_empty() {
            return Ok(());
        }
        let place = self.env.dice.below(parked.len());
        let (city, number, digest, issuer, codes) = parked[place].clone();
        let verdicts = Some(Verdicts { codes: codes.into(), ..Verdicts::default() });
        let parts = vec![PartVerdicts { issuer: issuer.to_string(), verdicts }];
        let late = LateVerdicts { acquirer: city.to_string(), number, digest, parts };
        self.clearing(partition, clearing::Body::Late(late))
    }

    /// An earlier message lands once more.
    fn copy(&mut self) -> Check {
        let partition = u32::try_from(self.env.dice.below(usize::try_from(PARTITIONS).unwrap())).unwrap();
        let end = usize::try_from(self.env.log.end(Topic::Clearing(partition))).unwrap();
        let offset = self.env.dice.below(end) as u64;
        match self.env.log.read(Topic::Clearing(partition), offset) {
            Some(payload) => self.env.append(Topic::Clearing(partition), payload),
            None => Ok(()),
        }
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
            let effect = todo.remove(0);
            match effect {
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
                Effect::Render { .. } | Effect::Refused(_) | Effect::Alarm(_) => {}
            }
        }
        self.core.halted().map_or(Ok(()), |why| Err(why.to_owned()))
    }

    /// Brings the totals that a marker made to the coordinator.
    fn totals(&mut self, partition: u32, todo: &mut Vec<Effect>) -> Check {
        use clearing_node::book::{Effect as Said, Target};
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

    fn open(&mut self) -> Check {
        let (date, version) = self.wish();
        self.coordinate(Input::Open { business_date: date, version })
    }

    fn cut_off(&mut self) -> Check {
        let wish = self.wish();
        let opens = (!self.env.dice.permille(200)).then_some(wish);
        self.coordinate(Input::CutOff { opens, ends: Vec::new() })
    }

    /// The business date and the version that somebody wants next.
    fn wish(&mut self) -> (Date, u32) {
        let Some(last) = self.core.last_opening().cloned() else {
            return (Date::from_julian_day(FIRST_DATE), 1);
        };
        let latest = self.env.latest_version();
        let span = usize::try_from(latest.saturating_sub(last.rulebook_version)).unwrap() + 1;
        let any = last.rulebook_version + u32::try_from(self.env.dice.below(span)).unwrap();
        let version = if self.env.dice.permille(500) { any } else { latest };
        let days = if self.env.dice.permille(30) { -2 } else { self.env.dice.pick(&[0, 1, 1, 1, 2]) };
        (Date::from_julian_day(last.business_date + days), version)
    }

    /// Nodes that fold in groups and start from the store in between come to the same rows.
    fn check_end(&mut self) -> Check {
        self.env.checks.markers_are_copies()?;
        self.env.calm = true;
        for partition in 0..PARTITIONS {
            let mut node = Booking::load(&mut self.env, partition, Rows::new())?;
            while node.fold(&mut self.env)? || !node.has_read_all(&self.env) {
                if self.env.dice.permille(300) {
                    node = Booking::load(&mut self.env, partition, node.rows)?;
                }
            }
            node.compare(&self.env.partitions[usize::try_from(partition).unwrap()].rows)?;
        }
        Ok(())
    }
}
