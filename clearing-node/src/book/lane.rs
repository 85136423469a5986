//! A lane: what the book knows of one acquirer's numbers, and why its traffic stands still, if it does.

use domain::{
    city::City,
    guard::{Rule, holds},
};
use proto::{CityEvent, CycleEvent, Message, Outcome, city_event::What, cycle_event};

use super::{Book, Effect, Target, rows};
use crate::store::Txn;

/// An acquirer as the book knows it.
#[derive(Debug)]
pub(super) struct Lane {
    /// The number its next batch must have.
    pub(super) next: u64,
    /// Why nothing of it is booked.
    pub(super) stopped: Option<String>,
    /// Why the switch takes no more of its taps; what was read before is booked.
    pub(super) held: Option<String>,
    /// Batches from `next` to this number were passed over and come again; below `next` there are none.
    pub(super) owed: u64,
    /// What a switch says of taps before this offset is old.
    pub(super) taps_from: u64,
    /// How far it has moved away.
    pub(super) leaving: Option<rows::Leaving>,
    /// It comes from another partition and is not whole here.
    pub(super) arriving: bool,
    pub(super) dirty: bool,
}

impl Lane {
    /// A city that has presented nothing yet.
    pub(super) fn new() -> Self {
        Self {
            next: 1,
            stopped: None,
            held: None,
            owed: 0,
            taps_from: 0,
            leaving: None,
            arriving: false,
            dirty: true,
        }
    }

    pub(super) fn of_row(row: rows::LaneRow) -> Self {
        let text = |text: String| (!text.is_empty()).then_some(text);
        Self {
            next: row.next,
            stopped: text(row.stopped),
            held: text(row.held),
            owed: row.owed,
            taps_from: row.taps_from,
            leaving: row.leaving,
            arriving: row.arriving,
            dirty: false,
        }
    }

    pub(super) fn row(&self) -> rows::LaneRow {
        rows::LaneRow {
            next: self.next,
            stopped: self.stopped.clone().unwrap_or_default(),
            held: self.held.clone().unwrap_or_default(),
            owed: self.owed,
            taps_from: self.taps_from,
            leaving: self.leaving.clone(),
            arriving: self.arriving,
        }
    }

    /// Why its traffic stands still. A city that moved away does not stand still.
    pub(super) fn why_stopped(&self) -> Option<&str> {
        if self.has_left() {
            return None;
        }
        self.stopped.as_deref().or(self.held.as_deref())
    }

    /// Whether it is whole in another partition.
    pub(super) fn has_left(&self) -> bool {
        self.leaving.as_ref().is_some_and(|leaving| leaving.all)
    }
}

impl Book {
    /// The partition where the rules of the open cycle keep a city, if it is not this one.
    pub(super) fn elsewhere(&self, city: City) -> Option<u32> {
        let place = self.open.as_ref()?.rules.rulebook().partition_of(city);
        (place != self.partition && holds(Rule::PlaceByTable)).then_some(place)
    }

    /// A batch of a city that the open cycle's table keeps in another partition. Booked here, the city's rows of one
    /// cycle would come from two partitions. It comes again in a cycle that keeps the city here.
    pub(super) fn stop_misplaced(
        &mut self,
        txn: &mut dyn Txn,
        offset: u64,
        (city, number, place): (City, u64, u32),
        effects: &mut Vec<Effect>,
    ) {
        let cycle = self.open_cycle_ordinal().unwrap_or(self.last_cycle);
        let reason = format!(
            "batch {number} came to partition {}, and cycle {cycle} keeps the city in partition {place}; once a cycle \
             is open that keeps it here, run `cityunion book resume --city {city}`, and the batch comes again \
             (docs/moving-a-city.md)",
            self.partition
        );
        self.stop(txn, offset, city, reason, effects);
        self.owe(city, number);
    }

    /// Stops a city's traffic, loudly.
    pub(super) fn stop(
        &mut self,
        txn: &mut dyn Txn,
        offset: u64,
        city: City,
        reason: String,
        effects: &mut Vec<Effect>,
    ) {
        let lane = self.lanes.entry(city).or_insert_with(Lane::new);
        lane.stopped = Some(reason.clone());
        lane.dirty = true;
        effects.push(Effect::Stopped { city, reason: reason.clone() });
        self.say(txn, offset, city, What::Stopped(reason), effects);
    }

    /// A batch that is not booked now comes again.
    pub(super) fn owe(&mut self, city: City, number: u64) {
        if let Some(lane) = self.lanes.get_mut(&city)
            && number >= lane.next.max(lane.owed + 1)
        {
            lane.owed = number;
            lane.dirty = true;
        }
    }

    /// An outcome of a city that is stopped, or before which others must come again.
    pub(super) fn pass_over(&mut self, outcome: &Outcome, effects: &mut Vec<Effect>) {
        let Ok(city) = City::parse(outcome.acquirer.as_bytes()) else { return };
        let number = outcome.number;
        let Some(lane) = self.lanes.get(&city).filter(|lane| number >= lane.next) else { return };
        let next = lane.next;
        if lane.has_left() {
            let text = format!(
                "batch {number} of {city} came to the partition that it has left: it waits for an operator \
                 (cityunion book resume --city {city}) once the city's next batch is noticed in its new one"
            );
            effects.push(Effect::Alarm(text));
        } else if lane.stopped.is_none() {
            let text =
                format!("batch {number} of {city} is passed over: {next} is due and comes again first");
            effects.push(Effect::Alarm(text));
        }
        self.owe(city, number);
    }

    /// Tells on `cu.cycles` what became of a city.
    pub(super) fn say(
        &mut self,
        txn: &mut dyn Txn,
        offset: u64,
        city: City,
        what: What,
        effects: &mut Vec<Effect>,
    ) {
        let next = self.lanes.get(&city).map_or(1, |lane| lane.next);
        let (city, partition) = (city.to_string(), self.partition);
        let event = CityEvent { city, partition, offset, next, what: Some(what) };
        let event = CycleEvent { body: Some(cycle_event::Body::City(event)) };
        self.publish(txn, Target::Cycles, event.encode_to_vec().into(), effects);
    }
}
