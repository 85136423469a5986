//! What the group tells a switch that shares acquirers with others.

use std::time::Duration;

use crossbeam_channel::{Sender, bounded};
use cu_log::{Owner, Partition, topics::Topics};
use domain::city::City;
use tracing::{error, warn};

use super::Event;

/// Passes on to the core's thread what the group tells.
pub(super) struct Ownership {
    pub(super) topics: Topics,
    pub(super) events: Sender<Event>,
    /// How long giving up may take.
    pub(super) patience: Duration,
}

impl Ownership {
    fn acquirers(&self, partitions: &[Partition]) -> Vec<City> {
        let one = |partition: &Partition| match self.topics.acquirer(partition).map(str::parse) {
            Some(Ok(acquirer)) => Some(acquirer),
            _ => {
                error!(%partition, "the group shares a partition that holds no city's taps; nobody reads it");
                None
            }
        };
        partitions.iter().filter_map(one).collect()
    }
}

// A switch that has ended hears nothing: the group is left with it.
impl Owner for Ownership {
    fn assigned(&mut self, partitions: &[Partition]) {
        drop(self.events.send(Event::Own(self.acquirers(partitions))));
    }

    fn revoked(&mut self, partitions: &[Partition]) {
        let (tell, told) = bounded(1);
        let acquirers = self.acquirers(partitions);
        if self.events.send(Event::GiveUp(acquirers.clone(), tell)).is_err() {
            return;
        }
        if told.recv_timeout(self.patience) == Err(crossbeam_channel::RecvTimeoutError::Timeout) {
            warn!(?acquirers, "given up with work under way: whoever owns them does it again");
        }
    }

    fn lost(&mut self, partitions: &[Partition]) {
        drop(self.events.send(Event::Lost(self.acquirers(partitions))));
    }
}
