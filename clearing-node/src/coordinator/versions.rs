//! Later versions of a cycle's plan: after the bank refused the files, or a participant did not pay.
//!
//! A later version comes from the same totals, with what the failure adds to the items. Its folder stands beside the
//! one it replaces, which stays as it is.

use std::collections::{BTreeMap, BTreeSet};

use domain::{
    cycle::CycleName,
    release::{Closed, State},
    settlement::Item,
};
use proto::{CycleEvent, Plan, Published, cycle_event::Body};

use super::{Coordinator, Effect, keep_first};
use crate::book::opening_name;

/// Plans and folders of version 2 and more, by cycle and version.
#[derive(Debug, Default)]
pub(super) struct Versions {
    plans: BTreeMap<(u32, u32), Plan>,
    published: BTreeMap<(u32, u32), Published>,
    /// The later version that was current when the next cycle was cut off, by the ordinal of that next cycle.
    followed: BTreeMap<u32, u32>,
    /// What this life has asked for.
    planned: BTreeSet<(u32, u32)>,
    rendered: BTreeSet<(u32, u32)>,
}

impl Versions {
    /// What this life has begun may be due again in the next one.
    pub(super) fn stand_by(&mut self) {
        self.planned.clear();
        self.rendered.clear();
    }

    /// A cycle is cut off: its folder will follow the version of the one before that is current now.
    pub(super) fn cut_off(&mut self, cycle: u32) {
        let before = cycle.saturating_sub(1);
        if let Some(((_, version), _)) = self.published.range((before, 0)..=(before, u32::MAX)).next_back() {
            self.followed.insert(cycle, *version);
        }
    }
}

/// What a later version is made from, besides totals.
#[derive(Clone, Debug, PartialEq)]
pub struct Correction {
    /// The folder it replaces.
    pub replaces: Published,
    /// Why.
    pub reason: String,
    /// What it was published as, if it was: made again it comes out the same, or it is not published.
    pub published: Option<Published>,
}

impl Coordinator {
    pub(super) fn fold_version(&mut self, plan: Plan, effects: &mut Vec<Effect>) {
        let key = (plan.cycle, plan.version);
        let name = || format!("two different plans of version {} for cycle {}", key.1, key.0);
        keep_first(&mut self.versions.plans, key, plan, name, &mut self.halted, effects);
    }

    pub(super) fn fold_published_version(&mut self, published: Published, effects: &mut Vec<Effect>) {
        let key = (published.cycle, published.version);
        let name = || format!("two different publications of version {} of cycle {}", key.1, key.0);
        keep_first(&mut self.versions.published, key, published, name, &mut self.halted, effects);
    }

    /// Plans and folders of later versions that are due.
    pub(super) fn advance_versions(&mut self, effects: &mut Vec<Effect>) {
        let due: Vec<(CycleName, u32, Vec<Item>)> = self
            .acts
            .releases
            .new_versions()
            .map(|closed| (closed.plan.cycle, closed.plan.version.saturating_add(1), closed.items.clone()))
            .collect();
        for (name, version, items) in due {
            let Some(cycle) = self.ordinal(name) else { continue };
            if self.versions.plans.contains_key(&(cycle, version))
                || self.versions.planned.contains(&(cycle, version))
            {
                continue;
            }
            match self.make_plan(cycle, version, &items) {
                Ok(Some(plan)) => {
                    self.versions.planned.insert((cycle, version));
                    effects.push(Effect::Say(CycleEvent { body: Some(Body::Plan(plan)) }));
                }
                Ok(None) => {}
                Err(why) => {
                    let alarm = format!("version {version} of cycle {cycle} cannot be settled: {why}");
                    self.halted = Some(alarm.clone());
                    effects.push(Effect::Alarm(alarm));
                }
            }
        }
        let unpublished = |key: &&(u32, u32)| !self.versions.published.contains_key(key);
        let due: Vec<(u32, u32)> = self.versions.plans.keys().filter(unpublished).copied().collect();
        for (cycle, version) in due {
            if self.versions.rendered.insert((cycle, version)) {
                effects.push(Effect::Render { cycle, version });
            }
        }
    }

    /// The plan of a version of a cycle.
    #[must_use]
    pub fn plan_of(&self, cycle: u32, version: u32) -> Option<&Plan> {
        self.plans
            .get(&cycle)
            .filter(|plan| plan.version == version)
            .or_else(|| self.versions.plans.get(&(cycle, version)))
    }

    /// The publication of a version of a cycle.
    #[must_use]
    pub fn published_of(&self, cycle: u32, version: u32) -> Option<&Published> {
        self.published
            .get(&cycle)
            .filter(|published| published.version == version)
            .or_else(|| self.versions.published.get(&(cycle, version)))
    }

    /// The publication that the manifest of a cycle's version follows: the version that it replaces, else that of the
    /// cycle before which was current at the cut-off.
    #[must_use]
    pub fn followed_by(&self, cycle: u32, version: u32) -> Option<&Published> {
        if version > 1 {
            return self.published_of(cycle, version.saturating_sub(1));
        }
        let before = cycle.checked_sub(1)?;
        match self.versions.followed.get(&cycle) {
            Some(version) => self.published_of(before, *version),
            None => self.published.get(&before),
        }
    }

    /// What a later version replaces, and why.
    #[must_use]
    pub fn correction(&self, cycle: u32, version: u32) -> Option<Correction> {
        let replaces = self.published_of(cycle, version.checked_sub(1)?)?.clone();
        let reason = self.versions.plans.get(&(cycle, version))?.reason.clone();
        let published = self.versions.published.get(&(cycle, version)).cloned();
        Some(Correction { replaces, reason, published })
    }

    /// The publications of later versions, each with the one that it replaces.
    pub fn later_versions(&self) -> impl Iterator<Item = (&Published, &Published)> {
        self.versions.published.iter().filter_map(|((cycle, version), published)| {
            Some((published, self.published_of(*cycle, version.checked_sub(1)?)?))
        })
    }

    /// Why the next version of a cycle is made.
    pub(super) fn reason_of(&self, name: CycleName) -> String {
        match self.acts.releases.cycle(name).map(|closed: &Closed| &closed.state) {
            Some(State::Refused { reason }) => format!("refused by the bank: {reason}"),
            Some(State::Failed { city, reason }) => format!("{city} does not pay: {reason}"),
            _ => String::new(),
        }
    }

    /// The ordinal of a cycle.
    #[must_use]
    pub fn ordinal(&self, name: CycleName) -> Option<u32> {
        self.openings
            .values()
            .rev()
            .find(|opening| opening_name(opening) == name)
            .map(|opening| opening.cycle)
    }
}
