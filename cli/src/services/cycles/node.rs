//! What a clearing node shows of itself: its partitions, and what it is to the cycles.

use std::sync::atomic::Ordering;

use clearing_node::{node::Node, partition::Progress};
use serde::{Deserialize, Serialize};

/// A clearing node.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub struct NodeView {
    /// `reading`, `standby`, `taking_over` or `coordinates`.
    pub role: String,
    /// Number of all partitions of `cu.clearing`, here and elsewhere.
    pub partitions_in_all: u32,
    /// The partitions that it owns, by number.
    pub partitions: Vec<PartitionView>,
    /// Why the close stands still, as far as this node knows.
    pub halted: Option<String>,
    /// What keeps it from being ready, a line each.
    pub missing: Vec<String>,
}

/// A partition that the node owns.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct PartitionView {
    /// Its number.
    pub partition: u32,
    /// `opening`, `working`, `retrying` or `stopped`.
    pub state: String,
    /// Why it stands still or tries again.
    pub why: Option<String>,
    /// The next offset that it folds.
    pub next_offset: u64,
    /// Messages that it has not folded; none while that is not known.
    pub lag: Option<u64>,
    /// Paid identities that it remembers.
    pub identities: u64,
    /// Records that wait for a home city.
    pub parked_records: u64,
    /// Messages that must still reach the log.
    pub unpublished: u64,
    /// Age of the last snapshot, seconds; none without one.
    pub snapshot_age_s: Option<u64>,
    /// Cities whose traffic is stopped, and why.
    pub stopped_cities: Vec<(String, String)>,
}

impl NodeView {
    /// The picture of a node. `end` says where a partition of `cu.clearing` ends, if that is known.
    #[must_use]
    pub fn of(
        node: &Node,
        partitions_in_all: u32,
        end: impl Fn(u32) -> Option<u64>,
        missing: Vec<String>,
    ) -> Self {
        let status = node.status();
        let partitions = node.partitions();
        let partitions =
            partitions.iter().map(|(number, progress)| partition(*number, progress, end(*number)));
        Self {
            role: status.role.name().to_owned(),
            partitions_in_all,
            partitions: partitions.collect(),
            halted: status.halted.or(status.unrendered),
            missing,
        }
    }
}

fn partition(number: u32, progress: &Progress, end: Option<u64>) -> PartitionView {
    let read = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    let state = progress.state();
    let next_offset = read(&progress.next_offset);
    let stopped = progress.stopped_cities();
    PartitionView {
        partition: number,
        state: state.name().to_owned(),
        why: state.trouble().map(str::to_owned),
        next_offset,
        lag: end.map(|end| end.saturating_sub(next_offset)),
        identities: read(&progress.identities),
        parked_records: read(&progress.parked_records),
        unpublished: read(&progress.unpublished),
        snapshot_age_s: None,
        stopped_cities: stopped.into_iter().map(|(city, why)| (city.to_string(), why)).collect(),
    }
}
