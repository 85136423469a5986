//! The coordinator: opens and ends cycles, makes the plan, has the folder put together.
//!
//! Its state is a fold over `cu.cycles`, so a standby takes over where another stopped, and one that lost its
//! place can only repeat what was said first. [`Coordinator::step`] is synchronous and reads no clock. Here are input,
//! effects and the fold; `acts.rs` rules what people decide, `requests.rs` checks what else is asked for, `advance.rs` does
//! what is due, `view.rs` tells.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use domain::{
    act::{Signer, Written},
    city::City,
    date::Date,
    guard::{Rule, holds},
    rulebook::Rulebook,
};
use proto::{
    Act, Adjustment, Bytes, CityEvent, CutOff, CycleEvent, Marker, Opening, PartitionTotals, Plan, Published,
    TapEnd, city_event::What, cycle_event::Body,
};

mod acts;
mod advance;
mod asked;
mod requests;
mod segments;
#[cfg(test)]
mod tests;
mod versions;
mod view;

use acts::Acts;
pub use asked::ActsPosition;
use segments::Segments;
pub use segments::{SegmentDue, SegmentIn};
pub use versions::Correction;
use versions::Versions;

/// What the coordinator is told.
#[derive(Clone, Debug)]
pub enum Input {
    /// The next event of `cu.cycles`.
    Event(CycleEvent),
    /// It owns `cu.cycles`, and every event that stood there then has been read: it may act.
    CaughtUp,
    /// It owns `cu.cycles` no longer: it follows, and does nothing until it has caught up again.
    StandBy,
    /// A version of the rules is known.
    Learn(Arc<Rulebook>),
    /// Open the next cycle; refused while one is open.
    Open {
        /// Its business date.
        business_date: Date,
        /// The rulebook version that is wanted.
        version: u32,
    },
    /// End the open cycle.
    CutOff {
        /// Business date and rulebook version of the cycle that follows at once, if that is known.
        opens: Option<(Date, u32)>,
        /// Where each acquirer's tap log ends.
        ends: Vec<TapEnd>,
    },
    /// The switch has committed an acquirer's taps up to an offset.
    Passed {
        /// The acquirer.
        city: City,
        /// The offset after the last tap batch it has passed on.
        offset: u64,
    },
    /// A city that is stopped elsewhere: no barrier waits for it. Those that the book has stopped are on the log.
    LeftOut(City),
    /// The barrier has waited long enough: the close goes on, what is missing waits for the next cycle.
    BarrierTimedOut,
    /// The cycle's folder stands under its final name.
    Rendered(Published),
    /// The segment of a partition, as it was said last, is missing or damaged.
    SegmentLost {
        /// The cycle.
        cycle: u32,
        /// The partition.
        partition: u32,
        /// What is wrong with it.
        what: String,
    },
    /// The next messages of `cu.acts`, each with its offset: told when [`Coordinator::wants_acts`].
    Asked(Vec<(u64, Bytes)>),
    /// `cu.acts` is read on from an offset that is not where the last reader stopped, and why.
    AskedAnew {
        /// The offset.
        next: u64,
        /// What is the matter.
        why: String,
    },
    /// Whose an act is, or why it is nobody's: the answer to [`Effect::Identify`].
    Identified {
        /// The act.
        act: Act,
        /// Who signed it.
        by: Result<Signer, String>,
        /// What the published files say against it.
        stands: Result<(), String>,
    },
    /// Somebody decides something within the process of this node, which answers for who it is.
    Decide(Written, Signer),
}

/// What the coordinator wants done. Every effect may be repeated.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Append an event to `cu.cycles`.
    Say(CycleEvent),
    /// Append a marker to every partition of `cu.clearing`.
    Mark(Marker),
    /// Put the folder of a planned cycle together from its segments and publish it, then tell [`Input::Rendered`], or
    /// [`Input::SegmentLost`].
    Render {
        /// Its ordinal.
        cycle: u32,
        /// The version of its plan; a later one is made from the folder that it replaces.
        version: u32,
    },
    /// Check the signature of an act, and tell [`Input::Identified`].
    Identify(Act),
    /// Hand an item to the book, for the open cycle. It has an id, and counts once.
    Adjust(Adjustment),
    /// A request cannot be met; the text says why and what to do.
    Refused(String),
    /// A person should look.
    Alarm(String),
}

/// How far a cycle is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Taps come in.
    Open,
    /// It is cut off; its markers wait until the switches have passed on the taps of these acquirers.
    Barrier(Vec<City>),
    /// Its markers are written, or may be; the totals of these partitions are missing.
    Totals(Vec<u32>),
    /// All totals are in, the plan is not made yet.
    Plan,
    /// The plan is made; the shares of these partitions in the folder are not rendered yet.
    Segments(Vec<u32>),
    /// The plan and all shares are there; the folder is not yet.
    Closed,
    /// The folder is there.
    Published,
}

impl Stage {
    /// The stage in a word.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Barrier(_) => "barrier",
            Self::Totals(_) => "totals",
            Self::Plan => "plan",
            Self::Segments(_) => "segments",
            Self::Closed => "closed",
            Self::Published => "published",
        }
    }
}

/// The coordinator's state.
#[derive(Debug)]
pub struct Coordinator {
    partitions: u32,
    caught_up: bool,
    halted: Option<String>,
    openings: BTreeMap<u32, Opening>,
    cut_offs: BTreeMap<u32, CutOff>,
    totals: BTreeMap<(u32, u32), PartitionTotals>,
    plans: BTreeMap<u32, Plan>,
    segments: Segments,
    acts: Acts,
    versions: Versions,
    published: BTreeMap<u32, Published>,
    rulebooks: BTreeMap<u32, Vec<Arc<Rulebook>>>,
    passed: BTreeMap<City, u64>,
    left_out: BTreeSet<City>,
    /// What partitions said last of an acquirer, by partition: at which offset, and why it is stopped, if it is.
    cities: BTreeMap<(u32, City), (u64, Option<String>)>,
    /// The partition of each city that has moved, and the moves that are known.
    moved: BTreeMap<City, u32>,
    moves: BTreeSet<String>,
    barrier_waived: BTreeSet<u32>,
    /// What this life has already asked for, so that it asks once.
    said: BTreeSet<(Step, u32)>,
}

/// A step of a cycle that one life takes once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Open,
    MarkOpening,
    CutOff,
    MarkCutOff,
    Plan,
    Render,
}

impl Coordinator {
    /// A coordinator that has read nothing yet.
    #[must_use]
    pub fn new(partitions: u32) -> Self {
        Self {
            partitions,
            caught_up: false,
            halted: None,
            openings: BTreeMap::new(),
            cut_offs: BTreeMap::new(),
            totals: BTreeMap::new(),
            plans: BTreeMap::new(),
            segments: Segments::default(),
            acts: Acts::default(),
            versions: Versions::default(),
            published: BTreeMap::new(),
            rulebooks: BTreeMap::new(),
            passed: BTreeMap::new(),
            left_out: BTreeSet::new(),
            cities: BTreeMap::new(),
            moved: BTreeMap::new(),
            moves: BTreeSet::new(),
            barrier_waived: BTreeSet::new(),
            said: BTreeSet::new(),
        }
    }

    /// Takes one input and appends what is to be done.
    pub fn step(&mut self, input: Input, effects: &mut Vec<Effect>) {
        match input {
            Input::Event(event) => self.fold(event, effects),
            Input::CaughtUp => self.caught_up = true,
            Input::StandBy => self.stand_by(),
            Input::Learn(rulebook) => self.learn(rulebook),
            Input::Open { business_date, version } => self.request_open(business_date, version, effects),
            Input::CutOff { opens, ends } => self.request_cut_off(opens, ends, effects),
            Input::Passed { city, offset } => {
                let passed = self.passed.entry(city).or_default();
                *passed = offset.max(*passed);
            }
            Input::LeftOut(city) => {
                self.left_out.insert(city);
            }
            Input::BarrierTimedOut => self.waive_barrier(effects),
            Input::Rendered(published) => {
                let event = CycleEvent { body: Some(Body::Published(published)) };
                effects.push(Effect::Say(event));
            }
            Input::SegmentLost { cycle, partition, what } => {
                self.segment_lost(cycle, partition, &what, effects);
            }
            Input::Asked(messages) => self.acts.ask(messages, effects),
            Input::AskedAnew { next, why } => self.acts.asked.gone(next, why, effects),
            Input::Identified { act, by, stands } => self.identified(act, by, stands, effects),
            Input::Decide(written, by) => self.acts.want(written, by),
        }
        if self.caught_up && self.halted.is_none() {
            self.advance(effects);
        }
    }

    /// What this life has said may be due again in the next one.
    fn stand_by(&mut self) {
        self.caught_up = false;
        self.said.clear();
        self.passed.clear();
        self.left_out.clear();
        self.barrier_waived.clear();
        self.acts.stand_by();
        self.versions.stand_by();
    }

    fn learn(&mut self, rulebook: Arc<Rulebook>) {
        let known = self.rulebooks.entry(rulebook.version).or_default();
        if !known.iter().any(|k| k.digest() == rulebook.digest()) {
            known.push(rulebook);
        }
    }

    fn fold(&mut self, event: CycleEvent, effects: &mut Vec<Effect>) {
        match event.body {
            Some(Body::Opening(opening)) => self.fold_opening(opening),
            Some(Body::CutOff(cut_off)) => {
                let ends = |open: u32| open == cut_off.cycle;
                let repeats = |open: u32| !holds(Rule::FirstEventWins) && ends(open.saturating_sub(1));
                let is_last = self.last_opening().is_some_and(|o| ends(o.cycle) || repeats(o.cycle));
                let first = !self.cut_offs.contains_key(&cut_off.cycle);
                if is_last && (first || !holds(Rule::FirstEventWins)) {
                    let opens = cut_off.opens.clone();
                    // Who was stopped then may have gone on since.
                    self.left_out.clear();
                    self.versions.cut_off(cut_off.cycle);
                    self.cut_offs.insert(cut_off.cycle, cut_off);
                    if let Some(opening) = opens {
                        self.fold_opening(opening);
                    }
                }
            }
            Some(Body::Totals(totals)) => {
                let key = (totals.cycle, totals.partition);
                self.acts.booked(totals.adjustments.iter().map(|item| item.id.clone()));
                let name = || format!("two different totals for cycle {} of partition {}", key.0, key.1);
                keep_first(&mut self.totals, key, totals, name, &mut self.halted, effects);
            }
            Some(Body::Plan(plan)) => self.fold_plan(plan, effects),
            Some(Body::Published(published)) => self.fold_published(published, effects),
            Some(Body::Ruled(ruled)) => self.fold_ruled(&ruled, effects),
            Some(Body::ActsRead(read)) => self.acts.asked.fold_read(&read),
            Some(Body::City(event)) => self.fold_city(&event, effects),
            Some(Body::Restored(restored)) => self.acts.restored(&restored),
            Some(Body::Opened(_)) => {}
            Some(Body::Segment(segment)) => self.fold_segment(&segment, effects),
            None => effects.push(Effect::Alarm("an event on cu.cycles has no body".to_owned())),
        }
    }

    fn fold_plan(&mut self, plan: Plan, effects: &mut Vec<Effect>) {
        let cycle = plan.cycle;
        if let Some(opening) = self.openings.get(&cycle) {
            self.acts.planned(opening, &plan);
        }
        if plan.version > 1 {
            return self.fold_version(plan, effects);
        }
        let name = || format!("two different plans for cycle {cycle}");
        keep_first(&mut self.plans, cycle, plan, name, &mut self.halted, effects);
    }

    fn fold_published(&mut self, published: Published, effects: &mut Vec<Effect>) {
        let cycle = published.cycle;
        if let Some(opening) = self.openings.get(&cycle) {
            self.acts.published(opening, &published);
        }
        if published.version > 1 {
            return self.fold_published_version(published, effects);
        }
        let name = || format!("two different publications of cycle {cycle}");
        keep_first(&mut self.published, cycle, published, name, &mut self.halted, effects);
    }

    /// What a partition says of a city. An owner that has lost the partition may say old things again.
    fn fold_city(&mut self, event: &CityEvent, effects: &mut Vec<Effect>) {
        let Ok(city) = City::parse(event.city.as_bytes()) else {
            let text = format!("partition {} speaks of `{}`, which is no city", event.partition, event.city);
            return effects.push(Effect::Alarm(text));
        };
        let stopped = match &event.what {
            Some(What::Arrived(arrived)) => {
                if self.moves.insert(arrived.id.clone()) {
                    self.moved.insert(city, event.partition);
                }
                None
            }
            Some(What::Stopped(why)) => Some(why.clone()),
            Some(What::Resumed(resumed)) if resumed.refused.is_empty() => None,
            _ => return,
        };
        let known = self.cities.get(&(event.partition, city));
        if known.is_none_or(|(offset, _)| *offset < event.offset) {
            if let Some(why) = stopped.as_ref().filter(|_| self.caught_up) {
                effects.push(Effect::Alarm(format!("{city} is stopped: {why}")));
            }
            self.cities.insert((event.partition, city), (event.offset, stopped));
        }
    }

    fn fold_opening(&mut self, opening: Opening) {
        let due = self.openings.keys().next_back().map_or(1, |last| last + 1);
        let closed = !self.is_open();
        let repeats = opening.cycle + 1 == due && !holds(Rule::FirstEventWins);
        if (opening.cycle == due && closed) || repeats {
            self.acts.opened(&opening);
            self.openings.insert(opening.cycle, opening);
        }
    }
}

/// Keeps the first value for a key; another one halts the close.
fn keep_first<K: Ord, V: PartialEq>(
    kept: &mut BTreeMap<K, V>,
    key: K,
    value: V,
    name: impl Fn() -> String,
    halted: &mut Option<String>,
    effects: &mut Vec<Effect>,
) {
    match kept.get(&key) {
        None => {
            kept.insert(key, value);
        }
        Some(first) if *first == value => {}
        Some(_) => {
            *halted = Some(name());
            effects.push(Effect::Alarm(name()));
        }
    }
}
