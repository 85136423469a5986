//! A coordinator between its log, `cu.acts`, and whoever acts. It dies where it is told to.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use domain::act::{Act as Deed, Role};
use proto::{IssuerFile, Message as _, RuledAct};

use super::*;

pub const CITIES: [&str; 2] = ["cu-2000", "cu-3000"];

/// `cu.acts`, from the first offset that is still kept.
#[derive(Default)]
pub struct ActsTopic {
    pub start: u64,
    pub messages: Vec<Bytes>,
}

impl ActsTopic {
    pub fn end(&self) -> u64 {
        self.start + self.messages.len() as u64
    }

    pub fn from(&self, next: u64) -> Vec<(u64, Bytes)> {
        (self.start..).zip(self.messages.iter().cloned()).filter(|(place, _)| *place >= next).collect()
    }
}

/// A coordinator, its log, and the world around it.
pub struct World {
    pub core: Coordinator,
    pub log: Vec<CycleEvent>,
    /// How far the coordinator has read it.
    read: usize,
    pub acts: ActsTopic,
    /// Where it reads on in `cu.acts`, once it does.
    reader: Option<u64>,
    /// What it hears from those that it had do something.
    answers: VecDeque<Input>,
    /// It dies at so many appends from now, and whether the last one lands.
    pub dies: Option<(u32, bool)>,
    pub alarms: Vec<String>,
    number: u32,
    /// Items on their way to the book, and those that some cycle has.
    due: BTreeMap<String, Adjustment>,
    booked: BTreeSet<String>,
}

/// The certificate of somebody, as it is in this world.
pub fn signature(name: &str, role: Role) -> Bytes {
    format!("{name} {role}").into()
}

fn whose(act: &Act) -> Result<Signer, String> {
    let text = std::str::from_utf8(&act.signature).map_err(|error| error.to_string())?;
    let (name, role) = text.split_once(' ').ok_or("nobody signed it")?;
    Ok(Signer { name: name.to_owned(), role: role.parse().map_err(|_| "nobody signed it")? })
}

impl World {
    /// A world whose first cycle is closed and published, and whose second is open.
    pub fn new() -> Self {
        let mut world = Self {
            core: started(1),
            log: Vec::new(),
            read: 0,
            acts: ActsTopic::default(),
            reader: None,
            answers: VecDeque::new(),
            dies: None,
            alarms: Vec::new(),
            number: 0,
            due: BTreeMap::new(),
            booked: BTreeSet::new(),
        };
        world.run(Input::Open { business_date: date("2018-09-01"), version: 1 });
        world.close(1000);
        world
    }

    /// Steps, and goes on until nothing is left to be done.
    pub fn run(&mut self, input: Input) {
        self.step(input);
        self.settle();
    }

    /// Somebody else says something on `cu.cycles`.
    pub fn hear(&mut self, body: Body) {
        self.log.push(CycleEvent { body: Some(body) });
        self.settle();
    }

    pub fn settle(&mut self) {
        loop {
            if let Some(event) = self.log.get(self.read).cloned() {
                self.read += 1;
                self.step(Input::Event(event));
            } else if let Some(answer) = self.answers.pop_front() {
                self.step(answer);
            } else if !self.read_acts() {
                break;
            }
        }
        assert_eq!(self.core.halted(), None);
    }

    /// As the shell does; whether there was anything.
    fn read_acts(&mut self) -> bool {
        if !self.core.wants_acts() {
            return false;
        }
        let have = self.acts.start..self.acts.end();
        // A reader that stands outside of the topic hears so.
        let next = self.reader.take().filter(|next| (have.start..=have.end).contains(next));
        let Some(next) = next else {
            let position = self.core.acts_position();
            let there = position.last.and_then(|(place, _)| {
                let entry = self.acts.from(place).into_iter().next().filter(|(there, _)| *there == place)?;
                Some(proto::digest::bytes(&Act::decode(entry.1).map(|act| act.text).unwrap_or_default()))
            });
            let (next, why) = position.go_on(&have, there);
            self.reader = Some(next);
            if let Some(why) = why {
                self.step(Input::AskedAnew { next, why });
            }
            return true;
        };
        let messages = self.acts.from(next);
        self.reader = Some(have.end);
        let any = !messages.is_empty();
        if any {
            self.step(Input::Asked(messages));
        }
        any
    }

    fn step(&mut self, input: Input) {
        let mut effects = Vec::new();
        self.core.step(input, &mut effects);
        for effect in effects {
            match effect {
                Effect::Say(event) => {
                    if let Some((0, lands)) = self.dies {
                        self.dies = None;
                        self.log.extend(Some(event).filter(|_| lands));
                        return self.take_over();
                    }
                    self.dies = self.dies.map(|(left, lands)| (left - 1, lands));
                    self.log.push(event);
                }
                Effect::Render { cycle, version } => {
                    let published = self.published(cycle, version);
                    self.answers.push_back(Input::Rendered(published));
                }
                Effect::Adjust(item) => drop(self.due.insert(item.id.clone(), item)),
                Effect::Identify(act) => {
                    let by = whose(&act);
                    self.answers.push_back(Input::Identified { act, by, stands: Ok(()) });
                }
                Effect::Alarm(text) => self.alarms.push(text),
                Effect::Mark(_) | Effect::Refused(_) => {}
            }
        }
    }

    fn published(&self, cycle: u32, version: u32) -> Published {
        let plan = self.core.plan_of(cycle, version).unwrap();
        let issuers =
            CITIES.map(|city| IssuerFile { city: city.to_owned(), sha256: format!("{cycle}-{city}") });
        Published {
            cycle,
            version,
            folder: format!("{cycle}.v{version}"),
            manifest_digest: plan.digest.clone(),
            issuers: issuers.to_vec(),
        }
    }

    /// Ends the open cycle, in which cu-3000 owes `fen`, and opens the next.
    pub fn close(&mut self, fen: u64) {
        let opening = self.core.last_opening().unwrap().clone();
        self.until(|world| !world.core.is_open(), Input::CutOff { opens: None, ends: Vec::new() });
        let CycleEvent { body: Some(Body::Totals(mut totals)) } = totals(opening.cycle, 0, fen) else {
            return;
        };
        // The book takes each id once.
        totals.adjustments =
            self.due.values().filter(|item| !self.booked.contains(&item.id)).cloned().collect();
        self.booked.extend(self.due.keys().cloned());
        self.hear(Body::Totals(totals));
        self.hear(Body::Segment(proto::Segment { cycle: opening.cycle, ..proto::Segment::default() }));
        let business_date = Date::from_julian_day(opening.business_date + 1);
        self.until(|world| world.core.is_open(), Input::Open { business_date, version: 1 });
    }

    /// Asks until it is so: who dies with a request has not done it.
    fn until(&mut self, is: impl Fn(&Self) -> bool, input: Input) {
        while !is(self) {
            self.run(input.clone());
        }
    }

    /// Somebody's act as it stands on `cu.acts`.
    pub fn written(&mut self, name: &str, role: Role, act: Deed) -> Act {
        self.number += 1;
        let log = self.core.releases().log().to_owned();
        let written = Written { id: format!("a{}", self.number), at: String::new(), log, act };
        Act { text: serde_json::to_vec(&written).unwrap().into(), signature: signature(name, role) }
    }

    pub fn ask(&mut self, act: &Act) {
        self.acts.messages.push(act.encode_to_vec().into());
        self.settle();
    }

    /// It is asked for on the topic.
    pub fn act(&mut self, name: &str, role: Role, act: Deed) {
        let act = self.written(name, role, act);
        self.ask(&act);
    }

    /// It is decided within the coordinator's process.
    pub fn decide(&mut self, name: &str, role: Role, act: Deed) {
        let act = self.written(name, role, act);
        let written = serde_json::from_slice(&act.text).unwrap();
        self.run(Input::Decide(written, Signer { name: name.to_owned(), role }));
    }

    /// A standby that has read the same log coordinates from now on.
    pub fn take_over(&mut self) {
        let mut heir = Coordinator::new(1);
        heir.step(Input::Learn(rules(1)), &mut Vec::new());
        for event in &self.log {
            heir.step(Input::Event(event.clone()), &mut Vec::new());
        }
        if self.read == self.log.len() {
            assert_eq!(heir.releases(), self.core.releases(), "a standby comes to the same state");
            assert_eq!(heir.acts_position(), self.core.acts_position());
        }
        (self.core, self.read, self.reader) = (heir, self.log.len(), None);
        self.answers.clear();
        self.step(Input::CaughtUp);
    }

    /// The words on acts, in the order of the log.
    pub fn words(&self) -> impl Iterator<Item = &RuledAct> {
        self.log.iter().filter_map(|event| match &event.body {
            Some(Body::Ruled(ruled)) => Some(ruled),
            _ => None,
        })
    }

    /// Nothing of `cu.acts` was ruled twice, left out, or ruled out of its order.
    pub fn check_acts(&self) {
        let mut next = 0;
        for event in &self.log {
            match &event.body {
                Some(Body::Ruled(RuledAct { place: Some(place), .. })) => {
                    assert!(*place >= next, "{place} after {next}");
                    next = place + 1;
                }
                Some(Body::ActsRead(read)) => next = read.next,
                _ => {}
            }
        }
        let ruled: Vec<&[u8]> =
            self.words().filter(|word| word.place.is_some()).map(|word| &*word.text).collect();
        let once: BTreeSet<&[u8]> = ruled.iter().copied().collect();
        assert_eq!(once.len(), ruled.len(), "an act was ruled twice");
        let acts = self.acts.messages.iter().filter_map(|payload| Act::decode(payload.clone()).ok());
        let good = |act: &Act| serde_json::from_slice::<Written>(&act.text).is_ok() && whose(act).is_ok();
        for act in acts.filter(good) {
            let text = String::from_utf8_lossy(&act.text);
            assert!(once.contains(&*act.text), "nobody ruled {text}");
        }
    }
}
