//! What a node tells of its snapshots in numbers.

use std::{collections::BTreeMap, time::SystemTime};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{family::Family, gauge::Gauge},
    registry::Registry,
};
use runtime::metrics::number;

use super::SnapshotStatus;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfPartition {
    partition: u32,
}

/// The instruments; each has a line for every partition at work here.
#[derive(Debug)]
pub struct SnapshotMetrics {
    age_s: Family<OfPartition, Gauge>,
    offset: Family<OfPartition, Gauge>,
    bytes: Family<OfPartition, Gauge>,
    failing: Family<OfPartition, Gauge>,
}

impl SnapshotMetrics {
    /// Adds the instruments to a registry.
    pub fn register(registry: &mut Registry) -> Self {
        let node = registry.sub_registry_with_prefix("clearing_snapshot");
        let mut family = |name: &str, help: &str| {
            let family = Family::default();
            node.register(name, help, Family::clone(&family));
            family
        };
        Self {
            age_s: family("age_seconds", "Age of the last snapshot of a partition"),
            offset: family("offset", "Next offset of cu.clearing after the last snapshot of a partition"),
            bytes: family("bytes", "Length of the last snapshot of a partition"),
            failing: family("failing", "1 while no snapshot of a partition can be taken"),
        }
    }

    /// Shows how the snapshots of the partitions at work are.
    pub fn show(&self, snapshots: &BTreeMap<u32, SnapshotStatus>, now: SystemTime) {
        for family in [&self.age_s, &self.offset, &self.bytes, &self.failing] {
            family.clear();
        }
        for (partition, status) in snapshots {
            let of = OfPartition { partition: *partition };
            self.failing.get_or_create(&of).set(i64::from(status.failed.is_some()));
            if let Some(last) = status.last {
                self.age_s.get_or_create(&of).set(number(last.age_s(now)));
                self.offset.get_or_create(&of).set(number(last.next_offset));
                self.bytes.get_or_create(&of).set(number(last.bytes));
            }
        }
    }
}
