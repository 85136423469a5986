//! The names of the topics.

use std::fmt;

use crate::{Partition, TopicSpec};

/// The consumer group under which switches commit their positions.
pub const SWITCH_GROUP: &str = "cu-switch";

/// The group whose members share the clearing nodes' work.
pub const CLEARING_MEMBERS: &str = "cu-clearing-members";
/// The consumer group whose members share the acquirers' taps. A group with members keeps no positions.
pub const SWITCH_MEMBERS: &str = "cu-switch-members";

/// Names of topics under a prefix (empty for none), so that several systems can share one log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Topics {
    prefix: String,
}

impl Topics {
    /// Topics whose names begin with `prefix`.
    #[must_use]
    pub fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned() }
    }

    /// The prefix.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The name a group gets under this prefix.
    #[must_use]
    pub fn group(&self, group: &str) -> String {
        format!("{}{group}", self.prefix)
    }

    fn one(&self, name: &str, city: impl fmt::Display) -> Partition {
        Partition::new(&format!("{}{name}{city}", self.prefix), 0)
    }

    /// `cu.taps.<city>`: numbered batches, adapter → switch.
    #[must_use]
    pub fn taps(&self, acquirer: impl fmt::Display) -> Partition {
        self.one("cu.taps.", acquirer)
    }

    /// The acquirer whose taps a partition holds, if it holds taps.
    #[must_use]
    pub fn acquirer<'a>(&self, taps: &'a Partition) -> Option<&'a str> {
        taps.topic.strip_prefix(self.prefix.as_str())?.strip_prefix("cu.taps.")
    }

    /// `cu.parked.<acquirer>`: parts that wait, switch → switch.
    #[must_use]
    pub fn parked(&self, acquirer: impl fmt::Display) -> Partition {
        self.one("cu.parked.", acquirer)
    }

    /// `cu.results.<city>`: batch results, clearing node → adapter and switch.
    #[must_use]
    pub fn results(&self, acquirer: impl fmt::Display) -> Partition {
        self.one("cu.results.", acquirer)
    }

    /// `cu.clearing`, one of its partitions.
    #[must_use]
    pub fn clearing(&self, number: u32) -> Partition {
        Partition::new(&format!("{}cu.clearing", self.prefix), number)
    }

    /// `cu.cycles`: the settlement state machine.
    #[must_use]
    pub fn cycles(&self) -> Partition {
        self.one("cu.cycles", "")
    }

    /// `cu.acts`: what people, cities and banks ask for, each message signed; only the coordinator reads it.
    #[must_use]
    pub fn acts(&self) -> Partition {
        self.one("cu.acts", "")
    }

    /// `cu.rulebook`: every version of the rules.
    #[must_use]
    pub fn rulebook(&self) -> Partition {
        self.one("cu.rulebook", "")
    }

    /// The topics of one city.
    #[must_use]
    pub fn of_city(&self, city: impl fmt::Display + Copy) -> Vec<TopicSpec> {
        [self.taps(city), self.parked(city), self.results(city)]
            .into_iter()
            .map(|p| TopicSpec { name: p.topic.to_string(), partitions: 1 })
            .collect()
    }

    /// The topics of the centre, `cu.clearing` with its fixed number of partitions.
    #[must_use]
    pub fn of_centre(&self, clearing_partitions: u32) -> Vec<TopicSpec> {
        let spec = |p: Partition, partitions| TopicSpec { name: p.topic.to_string(), partitions };
        vec![
            spec(self.clearing(0), clearing_partitions),
            spec(self.cycles(), 1),
            spec(self.acts(), 1),
            spec(self.rulebook(), 1),
        ]
    }
}
