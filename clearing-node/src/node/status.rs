//! The cycles as a clearing node sees them.

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use domain::{
    city::City,
    cycle::CycleName,
    limits::{Exposure, exposures},
    release::{Closed, Proposal},
};
use proto::{Opening, Published};

use crate::coordinator::{Coordinator, Stage};

/// Alarms that are kept; the oldest go first.
const ALARMS_MAX: usize = 1000;

/// What a node is to the cycles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// It reads the events that stood on the log when it started.
    #[default]
    Reading,
    /// Another node coordinates; this one follows.
    Standby,
    /// It owns `cu.cycles`, and reads what stood there when it got it.
    TakingOver,
    /// It opens and ends cycles, makes plans, has them rendered.
    Coordinates,
}

impl Role {
    /// The role in a word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Reading => "reading",
            Self::Standby => "standby",
            Self::TakingOver => "taking_over",
            Self::Coordinates => "coordinates",
        }
    }
}

/// A cycle, and how far it is.
#[derive(Clone, Debug, PartialEq)]
pub struct CycleProgress {
    /// Its opening.
    pub opening: Opening,
    /// How far it is.
    pub stage: Stage,
    /// When this node first saw each stage, by the stage's name; what happened before it started is not known.
    pub seen: BTreeMap<&'static str, SystemTime>,
    /// The partitions whose totals are in, with the offsets of the cycle in each.
    pub ranges: BTreeMap<u32, Range<u64>>,
    /// The digest of its plan, once that is made.
    pub plan_digest: Option<Vec<u8>>,
    /// What the plan has participants with a cap owe.
    pub exposures: Vec<Exposure>,
}

impl CycleProgress {
    /// Since when it has been in its stage, if this node saw it begin.
    #[must_use]
    pub fn since(&self) -> Option<SystemTime> {
        self.seen.get(self.stage.name()).copied()
    }
}

/// The cycles as the coordinator, or one that stands by, sees them.
#[derive(Clone, Debug, Default)]
pub struct CycleStatus {
    /// What this node is to them.
    pub role: Role,
    /// Openings of all cycles, in order.
    pub openings: Vec<Opening>,
    /// How far each cycle is, in order.
    pub cycles: Vec<CycleProgress>,
    /// Whether this node coordinates and has acted upon everything that stood on `cu.cycles` before.
    pub caught_up: bool,
    /// Whether the last of them is open.
    pub open: bool,
    /// Publications, in order.
    pub published: Vec<Published>,
    /// What has become of closed cycles, in order.
    pub closed: Vec<Arc<Closed>>,
    /// The log, as acts name it.
    pub log: String,
    /// What waits for a second person, by the id of the act that proposed it.
    pub proposals: Vec<(String, Proposal)>,
    /// Acquirers for whose taps the cut-off still waits.
    pub barrier_waits_for: Vec<City>,
    /// Acquirers that the book has stopped, and why.
    pub stopped_cities: Vec<(City, String)>,
    /// Why the last request was refused.
    pub refused: Option<String>,
    /// Why the close stands still.
    pub halted: Option<String>,
    /// Why the folder of a closed cycle is not there yet, if something is the matter; it is tried again.
    pub unrendered: Option<String>,
    /// Why this node could not render a partition's share of a closed cycle; it is tried again.
    pub segment_failed: Option<String>,
    /// Everything a person should look at, oldest first.
    pub alarms: Vec<String>,
    /// Alarms since the start.
    pub alarms_in_all: u64,
}

impl CycleStatus {
    /// The opening of the open cycle.
    #[must_use]
    pub fn open_cycle(&self) -> Option<&Opening> {
        self.openings.last().filter(|_| self.open)
    }

    /// The publication of a cycle.
    #[must_use]
    pub fn published(&self, cycle: u32) -> Option<&Published> {
        let found = self.published.binary_search_by_key(&cycle, |p| p.cycle).ok()?;
        self.published.get(found)
    }
}

impl CycleStatus {
    /// What has become of a closed cycle.
    #[must_use]
    pub fn closed(&self, cycle: CycleName) -> Option<&Closed> {
        let found = self.closed.binary_search_by_key(&cycle, |closed| closed.plan.cycle).ok()?;
        self.closed.get(found).map(Arc::as_ref)
    }
}

/// What a cycle's plan, if it is made, has participants with a cap owe.
fn exposures_of(core: &Coordinator, opening: &Opening) -> Vec<Exposure> {
    let (Some(plan), Some(rulebook)) = (core.plan(opening.cycle), core.rulebook_of(opening)) else {
        return Vec::new();
    };
    let city = |net: &proto::Net| Some((City::parse(net.participant.as_bytes()).ok()?, net.net_fen));
    exposures(&rulebook, plan.net.iter().filter_map(city))
}

/// The status of the cycles, where its writer and its readers meet.
#[derive(Debug, Default)]
pub(super) struct Shown {
    status: Mutex<CycleStatus>,
    changed: Condvar,
}

impl Shown {
    pub(super) fn lock(&self) -> MutexGuard<'_, CycleStatus> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut CycleStatus)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    /// Waits for a change, at most so long.
    pub(super) fn wait(&self, most: Duration) {
        drop(self.changed.wait_timeout(self.lock(), most).unwrap_or_else(PoisonError::into_inner));
    }

    /// Says that a person should look; what was said last is not said again.
    pub(super) fn alarm(&self, text: String) {
        self.change(|status| {
            if status.alarms.last() == Some(&text) {
                return;
            }
            tracing::error!("{text}");
            if status.alarms.len() >= ALARMS_MAX {
                status.alarms.remove(0);
            }
            status.alarms.push(text);
            status.alarms_in_all += 1;
        });
    }

    /// Puts up what the core knows. Times are taken only once `live`: before, history is being read.
    pub(super) fn show(&self, core: &Coordinator, role: Role, live: bool) {
        let now = SystemTime::now();
        self.change(|status| {
            let mut before: BTreeMap<u32, CycleProgress> =
                std::mem::take(&mut status.cycles).into_iter().map(|c| (c.opening.cycle, c)).collect();
            for opening in core.openings() {
                let known = before.remove(&opening.cycle);
                // A plan never changes, so neither does what it has anybody owe.
                let exposures = match &known {
                    Some(known) if known.plan_digest.is_some() => known.exposures.clone(),
                    _ => exposures_of(core, opening),
                };
                let stage = core.stage(opening.cycle);
                let news = known.as_ref().is_none_or(|known| known.stage.name() != stage.name());
                let mut seen = known.map(|known| known.seen).unwrap_or_default();
                if live && news {
                    seen.entry(stage.name()).or_insert(now);
                }
                let ranges = core.totals(opening.cycle).map(|t| (t.partition, t.first_offset..t.end_offset));
                status.cycles.push(CycleProgress {
                    opening: opening.clone(),
                    stage,
                    seen,
                    ranges: ranges.collect(),
                    plan_digest: core.plan(opening.cycle).map(|plan| plan.digest.to_vec()),
                    exposures,
                });
            }
            status.role = role;
            status.caught_up = role == Role::Coordinates;
            status.openings = core.openings().cloned().collect();
            status.open = core.is_open();
            status.published = core.openings().filter_map(|o| core.published(o.cycle).cloned()).collect();
            status.closed = core.releases().shared().cloned().collect();
            core.releases().log().clone_into(&mut status.log);
            let proposals = core.releases().proposals();
            status.proposals = proposals.map(|(id, proposal)| (id.to_owned(), proposal.clone())).collect();
            status.barrier_waits_for = core.barrier_waits_for();
            status.stopped_cities = core.stopped_cities().map(|(city, why)| (city, why.to_owned())).collect();
            status.halted = core.halted().map(str::to_owned);
        });
    }
}
