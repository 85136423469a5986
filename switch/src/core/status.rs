//! What the switch shows of itself.

use std::collections::{BTreeMap, BTreeSet};

use domain::city::City;

use super::{Switch, home::Health};

/// A picture of the switch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// The acquirers it owns.
    pub acquirers: BTreeMap<City, AcquirerStatus>,
    /// The acquirers that it has just come to own and has not begun to work for.
    pub coming: BTreeSet<City>,
    /// The home cities it knows.
    pub homes: BTreeMap<City, HomeStatus>,
    /// Taps read since the start, redelivered batches not counted.
    pub taps_routed: u64,
}

/// An acquirer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AcquirerStatus {
    /// The next tap offset, as committed last.
    pub tap_offset: u64,
    /// The highest batch number committed.
    pub number: u64,
    /// Batches in work.
    pub batches: usize,
    /// Parked parts that have not left, by home city.
    pub parked: BTreeMap<City, usize>,
    /// Those of them that were set aside, by home city.
    pub set_aside: BTreeMap<City, usize>,
    /// Messages of the park that were there at the assignment and are not read yet.
    pub park_unread: u64,
    /// Why no more taps are taken.
    pub stopped: Option<String>,
}

/// A home city.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HomeStatus {
    /// Whether the directory has an endpoint.
    pub endpoint: bool,
    /// Whether it does not answer at present.
    pub dark: bool,
}

impl Status {
    /// How many parked parts will leave because their home city is one of `up`: all but those set aside.
    /// Parts that are not read yet count too.
    #[must_use]
    pub fn parked_waiting_for(&self, up: impl Fn(City) -> bool) -> u64 {
        let waiting = self.acquirers.values().map(|acquirer| {
            let parked = acquirer.parked.iter().filter(|(issuer, _)| up(**issuer)).map(|(issuer, parts)| {
                let set_aside = acquirer.set_aside.get(issuer).copied().unwrap_or_default();
                parts.saturating_sub(set_aside)
            });
            u64::try_from(parked.sum::<usize>()).unwrap_or(u64::MAX).saturating_add(acquirer.park_unread)
        });
        waiting.sum()
    }
}

impl Switch {
    /// Whether batches are in work.
    #[must_use]
    pub fn is_working(&self) -> bool {
        self.acquirers.values().any(|state| !state.pipe.is_empty())
    }

    /// Whether batches of an acquirer are in work.
    #[must_use]
    pub fn is_working_for(&self, acquirer: City) -> bool {
        self.acquirers.get(&acquirer).is_some_and(|state| !state.pipe.is_empty())
    }

    /// A picture of the present state.
    #[must_use]
    pub fn status(&self) -> Status {
        let acquirers = self.acquirers.iter().map(|(city, state)| {
            let mut shown = AcquirerStatus {
                tap_offset: state.committed.0,
                number: state.committed.1,
                batches: state.pipe.len(),
                park_unread: state.park.unread(),
                stopped: state.stopped.clone(),
                ..AcquirerStatus::default()
            };
            for (issuer, (parked, set_aside)) in &state.park.counts {
                shown.parked.insert(*issuer, *parked);
                if *set_aside > 0 {
                    shown.set_aside.insert(*issuer, *set_aside);
                }
            }
            (*city, shown)
        });
        let homes = self.homes.iter().map(|(city, home)| {
            let dark = !home.endpoint || home.health != Health::Up;
            (*city, HomeStatus { endpoint: home.endpoint, dark })
        });
        Status {
            acquirers: acquirers.collect(),
            coming: BTreeSet::new(),
            homes: homes.collect(),
            taps_routed: self.taps_routed,
        }
    }
}
