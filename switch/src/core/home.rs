//! What the switch knows of one home city: its health, what waits for it, what it was asked.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use domain::city::City;

/// Whether a home city answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Health {
    /// As far as is known.
    Up,
    /// A request failed: it gets no more until it answers an empty one.
    Suspect,
    /// It let a part's time run out: parts for it are parked at once.
    Dark,
}

/// A part that some home city is or shall be asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ref {
    /// A part of an item in work.
    Pipe { acquirer: City, seq: u64, index: usize },
    /// A parked part.
    Park { acquirer: City, number: u64 },
}

impl Ref {
    pub(super) fn acquirer(self) -> City {
        match self {
            Self::Pipe { acquirer, .. } | Self::Park { acquirer, .. } => acquirer,
        }
    }
}

/// A request without an answer. With no parts it only asks whether the home city answers.
#[derive(Debug, Default)]
pub(super) struct Request {
    /// Each part with its number of taps.
    pub(super) parts: Vec<(Ref, usize)>,
    pub(super) due_ms: u64,
    /// Whether its one part is asked about alone because it failed before.
    pub(super) alone: bool,
}

/// A home city.
#[derive(Debug)]
pub(super) struct Home {
    pub(super) endpoint: bool,
    pub(super) health: Health,
    /// When it last answered well.
    pub(super) answered_ms: Option<u64>,
    /// When it is asked next whether it answers, while it is not up.
    pub(super) probe_at_ms: u64,
    /// Failures in a row.
    pub(super) fails: u32,
    /// Until when further unusable answers raise no alarm.
    pub(super) quiet_until_ms: u64,
    /// Parts in work that were not asked about yet; may name parts that have gone on meanwhile.
    pub(super) fresh: VecDeque<Ref>,
    /// Parked parts that can be asked about, by batch number and acquirer.
    pub(super) ready: BTreeSet<(u64, City)>,
    /// Parked parts that could be asked about if their bytes were here.
    pub(super) hungry: BTreeSet<(u64, City)>,
    /// Parts that failed, by the time of their next attempt.
    pub(super) lone: BTreeSet<(u64, Ref)>,
    /// Requests in flight.
    pub(super) requests: BTreeMap<u64, Request>,
    /// Whether the next request begins with parked parts.
    pub(super) park_first: bool,
}

impl Default for Home {
    fn default() -> Self {
        Self {
            endpoint: false,
            health: Health::Up,
            answered_ms: None,
            probe_at_ms: 0,
            fails: 0,
            quiet_until_ms: 0,
            fresh: VecDeque::new(),
            ready: BTreeSet::new(),
            hungry: BTreeSet::new(),
            lone: BTreeSet::new(),
            requests: BTreeMap::new(),
            park_first: false,
        }
    }
}

impl Home {
    /// Whether it may be asked.
    pub(super) fn is_up(&self) -> bool {
        self.endpoint && self.health == Health::Up
    }

    /// Whether parts for it are parked at once although it has an endpoint.
    pub(super) fn is_dark(&self) -> bool {
        self.health == Health::Dark
    }

    /// Lets go of an acquirer's parts; requests in flight find nothing when they return.
    pub(super) fn forget(&mut self, acquirer: City) {
        self.fresh.retain(|part| part.acquirer() != acquirer);
        self.ready.retain(|(_, of)| *of != acquirer);
        self.hungry.retain(|(_, of)| *of != acquirer);
        self.lone.retain(|(_, part)| part.acquirer() != acquirer);
    }

    /// Takes a parked part out of the queues.
    pub(super) fn unqueue(&mut self, number: u64, acquirer: City) {
        self.ready.remove(&(number, acquirer));
        self.hungry.remove(&(number, acquirer));
    }
}
