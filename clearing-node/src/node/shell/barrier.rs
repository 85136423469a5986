//! The barrier of a cut-off: where the tap logs end, and how far the switches are.

use std::time::{Duration, Instant};

use cu_log::{LogError, topics::SWITCH_GROUP};
use domain::city::City;
use proto::TapEnd;

use super::{
    super::{NodeError, status::Role},
    Shell,
};
use crate::coordinator::Input;

/// How often the barrier asks how far the switches are.
const BARRIER_POLL: Duration = Duration::from_millis(50);
/// How often one that only follows asks.
const FOLLOW_POLL: Duration = Duration::from_secs(1);

impl Shell<'_> {
    /// Where the tap log of every acquirer with taps ends.
    pub(super) fn tap_ends(&self) -> Result<Vec<TapEnd>, NodeError> {
        let rulebooks = self.around.scheme.rulebooks();
        let mut cities: Vec<City> =
            rulebooks.iter().flat_map(|rulebook| rulebook.participants.iter().map(|p| p.city)).collect();
        cities.sort_unstable();
        cities.dedup();
        let mut ends = Vec::new();
        for city in cities {
            let offset = match self.around.log.bounds(&self.around.topics.taps(city)) {
                Ok(bounds) => bounds.end,
                Err(LogError::NoTopic(_)) => 0,
                Err(error) => return Err(error.into()),
            };
            if offset > 0 {
                ends.push(TapEnd { acquirer: city.to_string(), offset });
            }
        }
        Ok(ends)
    }

    /// While a barrier waits: looks how far the switches are, and gives up after the configured time.
    pub(super) fn watch_barrier(&mut self) -> Result<(), NodeError> {
        let waits = self.core.barrier_waits_for();
        if waits.is_empty() {
            self.barrier_since = None;
            return Ok(());
        }
        let now = Instant::now();
        let coordinates = self.role == Role::Coordinates;
        let every = if coordinates { BARRIER_POLL } else { FOLLOW_POLL };
        if self.barrier_asked.is_some_and(|asked| now - asked < every) {
            return Ok(());
        }
        self.barrier_asked = Some(now);
        let partitions: Vec<_> = waits.iter().map(|city| self.around.topics.taps(city)).collect();
        let group = self.around.topics.group(SWITCH_GROUP);
        let committed = self.around.log.committed(&group, &partitions)?;
        for (city, commit) in waits.iter().zip(committed) {
            if let Some(commit) = commit {
                self.step(Input::Passed { city: *city, offset: commit.offset })?;
            }
        }
        if !coordinates {
            self.barrier_since = None;
            return Ok(());
        }
        let since = *self.barrier_since.get_or_insert(now);
        if self.around.config.barrier_max.is_some_and(|max| now - since > max) {
            self.step(Input::BarrierTimedOut)?;
        }
        Ok(())
    }
}
