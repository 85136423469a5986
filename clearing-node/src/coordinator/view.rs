//! What the coordinator knows: of cycles, of the cities that are stopped, and how far a close is.

use std::{collections::BTreeSet, sync::Arc};

use domain::{
    city::City,
    guard::{Rule, holds},
    release::Releases,
    rulebook::Rulebook,
};
use proto::{Opening, PartitionTotals, Plan, Published, TapEnd};

use super::{Coordinator, SegmentDue, SegmentIn, Stage};

impl Coordinator {
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

    /// What has become of closed cycles, and what waits for a second person.
    #[must_use]
    pub fn releases(&self) -> &Releases {
        &self.acts.releases
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
        let missing: Vec<u32> = self.without_totals(cycle).collect();
        let last = self.cut_offs.keys().next_back() == Some(&cycle);
        let waits = if last { self.barrier_waits_for() } else { Vec::new() };
        match (missing.is_empty(), waits.is_empty() || self.totals(cycle).next().is_some()) {
            (true, _) => Stage::Plan,
            (false, true) => Stage::Totals(missing),
            (false, false) => Stage::Barrier(waits),
        }
    }

    /// The partitions whose totals of a cycle are missing.
    pub(super) fn without_totals(&self, cycle: u32) -> impl Iterator<Item = u32> {
        (0..self.partitions).filter(move |number| !self.totals.contains_key(&(cycle, *number)))
    }
}
