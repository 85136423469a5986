//! The coordinator: opens and ends cycles, makes the plan, has the folder put together.
//!
//! Its state is a fold over `cu.cycles`, so a standby takes over where another stopped, and one that lost its
//! place can only repeat what was said first. [`Coordinator::step`] is synchronous and reads no clock.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use domain::{
    calendar::cut_off_allowed,
    city::City,
    date::Date,
    guard::{Rule, holds},
    rulebook::Rulebook,
    settlement::settle,
    totals::{Tally, TotalKey},
};
use proto::{
    CityEvent, CutOff, CycleEvent, Marker, Opened, Opening, PartitionTotals, Plan, Published, TapEnd,
    city_event::What, cycle_event::Body,
};

use crate::wire;

mod segments;
#[cfg(test)]
mod tests;

use segments::Segments;
pub use segments::{SegmentDue, SegmentIn};

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
    },
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

    /// The opening of the last cycle, open or not.
    #[must_use]
    pub fn last_opening(&self) -> Option<&Opening> {
        self.openings.values().next_back()
    }

    /// The opening of a cycle.
    #[must_use]
    pub fn opening(&self, cycle: u32) -> Option<&Opening> {
        self.openings.get(&cycle)
    }

    /// The openings of all cycles, in order.
    pub fn openings(&self) -> impl Iterator<Item = &Opening> {
        self.openings.values()
    }

    /// Whether the last cycle has not been cut off.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.last_opening().is_some_and(|o| !self.cut_offs.contains_key(&o.cycle))
    }

    /// The plan of a cycle.
    #[must_use]
    pub fn plan(&self, cycle: u32) -> Option<&Plan> {
        self.plans.get(&cycle)
    }

    /// The totals of a cycle, by partition.
    pub fn totals(&self, cycle: u32) -> impl Iterator<Item = &PartitionTotals> {
        self.totals.range((cycle, 0)..=(cycle, u32::MAX)).map(|(_, totals)| totals)
    }

    /// The publication of a cycle.
    #[must_use]
    pub fn published(&self, cycle: u32) -> Option<&Published> {
        self.published.get(&cycle)
    }

    /// The segments of a cycle that are in, by partition.
    pub fn segments(&self, cycle: u32) -> impl Iterator<Item = SegmentIn> {
        self.segments.of(cycle)
    }

    /// The segments that are due: of cycles with a plan and without a folder, in order.
    #[must_use]
    pub fn segments_due(&self) -> Vec<SegmentDue> {
        let open = self.plans.keys().filter(|cycle| !self.published.contains_key(cycle));
        open.flat_map(|cycle| self.segments.due(*cycle, self.partitions)).collect()
    }

    /// Why the close stands still, if it does.
    #[must_use]
    pub fn halted(&self) -> Option<&str> {
        self.halted.as_deref()
    }

    /// The rulebook that rules a cycle, if its bytes are here.
    #[must_use]
    pub fn rulebook_of(&self, opening: &Opening) -> Option<Arc<Rulebook>> {
        let known = self.rulebooks.get(&opening.rulebook_version)?;
        if !holds(Rule::RulebookDigest) {
            return known.last().cloned();
        }
        known.iter().find(|k| k.digest().as_slice() == opening.rulebook_digest.as_ref()).cloned()
    }

    /// Acquirers whose taps the barrier of the open cut-off still waits for.
    #[must_use]
    pub fn barrier_waits_for(&self) -> Vec<City> {
        let Some(cut_off) = self.cut_offs.values().next_back() else { return Vec::new() };
        if self.barrier_waived.contains(&cut_off.cycle) {
            return Vec::new();
        }
        let waits = |end: &TapEnd| {
            let city = City::parse(end.acquirer.as_bytes()).ok()?;
            let passed = self.passed.get(&city).copied().unwrap_or(0);
            let stopped = self.left_out.contains(&city) || self.stopped(city).is_some();
            (passed < end.offset && !stopped).then_some(city)
        };
        cut_off.barrier.iter().filter_map(waits).collect()
    }

    /// Why the book has stopped an acquirer, if it has.
    #[must_use]
    pub fn stopped(&self, city: City) -> Option<&str> {
        let moved = self.moved.get(&city).copied();
        let partition = match moved {
            Some(partition) => partition,
            None => self.rulebook_of(self.last_opening()?)?.partition_of(city),
        };
        self.cities.get(&(partition, city)).and_then(|(_, why)| why.as_deref())
    }

    /// The acquirers that the book has stopped, and why.
    pub fn stopped_cities(&self) -> impl Iterator<Item = (City, &str)> {
        let cities: BTreeSet<City> = self.cities.keys().map(|(_, city)| *city).collect();
        cities.into_iter().filter_map(|city| Some((city, self.stopped(city)?)))
    }

    /// How far a cycle is, as far as the log and the switches' positions tell.
    #[must_use]
    pub fn stage(&self, cycle: u32) -> Stage {
        if self.published.contains_key(&cycle) {
            return Stage::Published;
        }
        if self.plans.contains_key(&cycle) {
            let due = self.segments.due(cycle, self.partitions);
            let missing: Vec<u32> = due.into_iter().map(|due| due.partition).collect();
            return if missing.is_empty() { Stage::Closed } else { Stage::Segments(missing) };
        }
        if !self.cut_offs.contains_key(&cycle) {
            return Stage::Open;
        }
        let missing: Vec<u32> =
            (0..self.partitions).filter(|number| !self.totals.contains_key(&(cycle, *number))).collect();
        let last = self.cut_offs.keys().next_back() == Some(&cycle);
        let waits = if last { self.barrier_waits_for() } else { Vec::new() };
        match (missing.is_empty(), waits.is_empty() || self.totals(cycle).next().is_some()) {
            (true, _) => Stage::Plan,
            (false, true) => Stage::Totals(missing),
            (false, false) => Stage::Barrier(waits),
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
                    self.cut_offs.insert(cut_off.cycle, cut_off);
                    if let Some(opening) = opens {
                        self.fold_opening(opening);
                    }
                }
            }
            Some(Body::Totals(totals)) => {
                let key = (totals.cycle, totals.partition);
                let name = || format!("two different totals for cycle {} of partition {}", key.0, key.1);
                keep_first(&mut self.totals, key, totals, name, &mut self.halted, effects);
            }
            Some(Body::Plan(plan)) => {
                let cycle = plan.cycle;
                let name = || format!("two different plans for cycle {cycle}");
                keep_first(&mut self.plans, cycle, plan, name, &mut self.halted, effects);
            }
            Some(Body::Published(published)) => {
                let cycle = published.cycle;
                let name = || format!("two different publications of cycle {cycle}");
                keep_first(&mut self.published, cycle, published, name, &mut self.halted, effects);
            }
            Some(Body::City(event)) => self.fold_city(&event, effects),
            Some(Body::Opened(_) | Body::Restored(_)) => {}
            Some(Body::Segment(segment)) => self.fold_segment(&segment, effects),
            None => effects.push(Effect::Alarm("an event on cu.cycles has no body".to_owned())),
        }
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
            self.openings.insert(opening.cycle, opening);
        }
    }

    /// The opening of the next cycle, checked against what really ruled.
    fn next_opening(
        &self,
        business_date: Date,
        version: u32,
        effects: &mut Vec<Effect>,
    ) -> Result<Opening, String> {
        let newest = |version: u32| self.rulebooks.get(&version).and_then(|known| known.first());
        let wanted =
            newest(version).ok_or_else(|| format!("rulebook version {version} is not known here"))?;
        let mut history = Vec::new();
        for opening in self.openings.values() {
            let rulebook = self.rulebook_of(opening).ok_or_else(|| {
                format!("rulebook version {} of an earlier cycle is not known here", opening.rulebook_version)
            })?;
            history.push((Date::from_julian_day(opening.business_date), rulebook));
        }
        let past: Vec<(Date, &Rulebook)> = history.iter().map(|(date, book)| (*date, &**book)).collect();
        let mut rulebook = Arc::clone(wanted);
        if holds(Rule::CutOffChecked)
            && let Err(refusal) = cut_off_allowed(&past, &self.moved, business_date, wanted)
        {
            let Some((_, ruling)) = history.last() else { return Err(refusal.to_string()) };
            cut_off_allowed(&past, &self.moved, business_date, ruling).map_err(|e| e.to_string())?;
            effects.push(Effect::Alarm(format!(
                "rulebook version {version} cannot rule from {business_date} on ({refusal}); version {} goes on",
                ruling.version
            )));
            rulebook = Arc::clone(ruling);
        }
        let same_date = self.openings.values().filter(|o| o.business_date == business_date.julian_day());
        Ok(Opening {
            cycle: self.openings.keys().next_back().map_or(1, |last| last + 1),
            business_date: business_date.julian_day(),
            sequence: u32::try_from(same_date.count()).unwrap_or(u32::MAX).saturating_add(1),
            rulebook_version: rulebook.version,
            rulebook_digest: rulebook.digest().to_vec().into(),
        })
    }

    fn request_open(&mut self, business_date: Date, version: u32, effects: &mut Vec<Effect>) {
        if !self.caught_up || self.is_open() {
            effects.push(Effect::Refused("a cycle is open; cut it off first".to_owned()));
            return;
        }
        match self.next_opening(business_date, version, effects) {
            Err(why) => effects.push(Effect::Refused(why)),
            Ok(opening) => {
                if self.said.insert((Step::Open, opening.cycle)) {
                    effects.push(Effect::Say(CycleEvent { body: Some(Body::Opening(opening)) }));
                }
            }
        }
    }

    fn request_cut_off(
        &mut self,
        opens: Option<(Date, u32)>,
        barrier: Vec<TapEnd>,
        effects: &mut Vec<Effect>,
    ) {
        let refuse = |why: String, effects: &mut Vec<Effect>| effects.push(Effect::Refused(why));
        let Some(open) = self.last_opening().filter(|_| self.caught_up && self.is_open()).cloned() else {
            return refuse("no cycle is open".to_owned(), effects);
        };
        let unplanned = open.cycle > 1 && !self.plans.contains_key(&(open.cycle - 1));
        if unplanned && holds(Rule::PlanBeforeCutOff) {
            let why = format!("cycle {} has no plan yet; it must close first", open.cycle - 1);
            return refuse(why, effects);
        }
        let opens = match opens.map(|(date, version)| self.next_opening(date, version, effects)).transpose() {
            Ok(opens) => opens,
            Err(why) => return refuse(why, effects),
        };
        if self.said.insert((Step::CutOff, open.cycle)) {
            let cut_off = CutOff { cycle: open.cycle, opens, barrier };
            effects.push(Effect::Say(CycleEvent { body: Some(Body::CutOff(cut_off.clone())) }));
            if !holds(Rule::MarkerReadBack) {
                effects.push(Effect::Mark(Marker { closes: cut_off.cycle, opens: cut_off.opens }));
                self.said.insert((Step::MarkCutOff, open.cycle));
            }
        }
    }

    fn waive_barrier(&mut self, effects: &mut Vec<Effect>) {
        let waits = self.barrier_waits_for();
        let Some(cycle) = self.cut_offs.keys().next_back().copied() else { return };
        if !waits.is_empty() {
            self.barrier_waived.insert(cycle);
            let names: Vec<String> = waits.iter().map(City::to_string).collect();
            let names = names.join(", ");
            effects.push(Effect::Alarm(format!("cycle {cycle} closes without the last taps of {names}")));
        }
    }

    /// Does what is due: markers, plan, folder.
    fn advance(&mut self, effects: &mut Vec<Effect>) {
        if let Some(opening) = self.last_opening().filter(|_| self.is_open()).cloned() {
            let came_alone = opening.cycle == 1
                || self.cut_offs.get(&(opening.cycle - 1)).is_some_and(|cut| cut.opens.is_none());
            if came_alone && self.said.insert((Step::MarkOpening, opening.cycle)) {
                let cycle = opening.cycle;
                effects.push(Effect::Mark(Marker { closes: 0, opens: Some(opening) }));
                let opened = Body::Opened(Opened { cycle });
                effects.push(Effect::Say(CycleEvent { body: Some(opened) }));
            }
        }
        let unplanned: Vec<u32> =
            self.cut_offs.keys().copied().filter(|cycle| !self.plans.contains_key(cycle)).collect();
        for cycle in unplanned {
            self.advance_close(cycle, effects);
        }
        let due = self.plans.keys().copied().find(|cycle| !self.published.contains_key(cycle));
        if let Some(cycle) = due
            && self.segments.due(cycle, self.partitions).is_empty()
            && self.said.insert((Step::Render, cycle))
        {
            effects.push(Effect::Render { cycle });
        }
    }

    fn advance_close(&mut self, cycle: u32, effects: &mut Vec<Effect>) {
        let have = self.totals(cycle).count();
        let all = Ok(have) == usize::try_from(self.partitions);
        if !all {
            let passed = !holds(Rule::Barrier) || self.barrier_waits_for().is_empty();
            if passed && self.said.insert((Step::MarkCutOff, cycle)) {
                let opens = self.cut_offs.get(&cycle).and_then(|cut| cut.opens.clone());
                effects.push(Effect::Mark(Marker { closes: cycle, opens }));
            }
        }
        let enough = all || (!holds(Rule::PlanWaitsForAll) && have > 0);
        if enough && !self.said.contains(&(Step::Plan, cycle)) {
            match self.make_plan(cycle) {
                Ok(Some(plan)) => {
                    self.said.insert((Step::Plan, cycle));
                    effects.push(Effect::Say(CycleEvent { body: Some(Body::Plan(plan)) }));
                }
                Ok(None) => {}
                Err(why) => {
                    let alarm = format!("cycle {cycle} cannot be settled: {why}");
                    self.halted = Some(alarm.clone());
                    effects.push(Effect::Alarm(alarm));
                }
            }
        }
    }

    /// The plan of a cycle; `None` while the bytes of its rulebook are not here.
    fn make_plan(&self, cycle: u32) -> Result<Option<Plan>, String> {
        let Some(opening) = self.openings.get(&cycle) else { return Ok(None) };
        let Some(rulebook) = self.rulebook_of(opening) else { return Ok(None) };
        let mut totals: BTreeMap<TotalKey, Tally> = BTreeMap::new();
        let mut adjustments = Vec::new();
        for partition in self.totals(cycle) {
            for total in &partition.totals {
                let (key, tally) = wire::total_from_wire(total).ok_or("a total cannot be read")?;
                totals.entry(key).or_default().merge(&tally).map_err(|e| e.to_string())?;
            }
            adjustments.extend(partition.adjustments.iter().cloned());
        }
        adjustments.sort_by(|a, b| a.id.cmp(&b.id));
        let items: Option<Vec<_>> = adjustments.iter().map(wire::item_from_wire).collect();
        let items = items.ok_or("an adjustment cannot be read")?;
        let date = Date::from_julian_day(opening.business_date);
        let settlement = settle(&rulebook, date, &totals, &items).map_err(|e| e.to_string())?;
        let (positions, net) = wire::settlement_to_wire(&settlement);
        let mut plan =
            Plan { cycle, version: 1, digest: proto::Bytes::new(), positions, net, items: adjustments };
        plan.digest = proto::digest::plan(&plan).to_vec().into();
        Ok(Some(plan))
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
