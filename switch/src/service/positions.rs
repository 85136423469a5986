//! Where an acquirer's taps, park and results stand when it is assigned.

use cu_log::{
    Log, Partition,
    topics::{SWITCH_GROUP, Topics},
};
use domain::city::City;

use super::{SwitchError, reader::Kind};
use crate::core::Assignment;

/// What the log holds for an acquirer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Positions {
    pub(super) assignment: Assignment,
    results_end: u64,
}

impl Positions {
    /// Asks the log. The end of the park must not be older than the assignment.
    pub(super) fn find(log: &dyn Log, topics: &Topics, acquirer: City) -> Result<Self, SwitchError> {
        let at = |context| move |source| SwitchError::Log { context, source };
        let partitions = [topics.taps(acquirer), topics.parked(acquirer)];
        let [taps, parked] = &partitions;
        let results = topics.results(acquirer);
        let results_end = log.bounds(&results).map_err(at("find the end of a city's results"))?.end;
        let committed = log
            .committed(&topics.group(SWITCH_GROUP), &partitions)
            .map_err(at("read the switch's positions"))?;
        let (at_taps, at_park) = (committed.first().cloned().flatten(), committed.get(1).cloned().flatten());
        let park = log.bounds(parked).map_err(at("find the end of a city's park"))?;
        let (tap_offset, number) = match at_taps {
            Some(commit) => match commit.note.parse() {
                Ok(number) => (commit.offset, number),
                Err(_) => return Err(SwitchError::Note { partition: taps.clone(), note: commit.note }),
            },
            None => (log.bounds(taps).map_err(at("find the start of a city's taps"))?.start, 0),
        };
        let park_offset = at_park.map_or(park.start, |commit| commit.offset);
        let park_end = park.end;
        let assignment = Assignment { acquirer, tap_offset, number, park_offset, park_end };
        Ok(Self { assignment, results_end })
    }

    /// What is to be read, and from where.
    pub(super) fn sources(&self, topics: &Topics) -> [(Partition, Kind, u64); 3] {
        let Assignment { acquirer, tap_offset, park_offset, .. } = self.assignment;
        [
            (topics.taps(acquirer), Kind::Taps, tap_offset),
            (topics.parked(acquirer), Kind::Parked, park_offset),
            (topics.results(acquirer), Kind::Results, self.results_end),
        ]
    }
}
