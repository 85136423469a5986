//! What a clearing node tells of itself in numbers.

use std::sync::{PoisonError, atomic::Ordering};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};
use runtime::metrics::{counter, gauge, number, show};

use crate::{book::Booked, node::Node, partition::Progress};

/// The label of what became of records.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfResult {
    result: &'static str,
}

/// The label of instruments that there are for each partition.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfPartition {
    partition: u32,
}

/// The instruments.
#[derive(Debug)]
pub struct Metrics {
    arrived: Counter,
    results: Family<OfResult, Counter>,
    parked: Gauge,
    waiting_batches: Gauge,
    unpublished: Gauge,
    identities: Gauge,
    identities_bytes: Gauge,
    stopped_cities: Gauge,
    lag: Family<OfPartition, Gauge>,
    open_cycle: Gauge,
    closed_cycles: Counter,
    barrier_cities: Gauge,
    alarms: Counter,
}

impl Metrics {
    /// Adds the instruments to a registry.
    pub fn register(registry: &mut Registry) -> Self {
        let node = registry.sub_registry_with_prefix("clearing");
        let results = Family::default();
        node.register("records", "Records booked since the start, by result", results.clone());
        let lag = Family::default();
        node.register("lag_messages", "Messages of cu.clearing that are not folded yet", lag.clone());
        Self {
            arrived: counter(node, "arrived_records", "Records that arrived since the start"),
            results,
            parked: gauge(node, "parked_records", "Records that wait for a home city"),
            waiting_batches: gauge(node, "waiting_batches", "Batches that hold parked records"),
            unpublished: gauge(
                node,
                "unpublished_messages",
                "Results and events that must still reach the log",
            ),
            identities: gauge(node, "identities", "Paid identities that are remembered"),
            identities_bytes: gauge(node, "identities_bytes", "Memory that the identities take"),
            stopped_cities: gauge(
                node,
                "stopped_cities",
                "Cities whose traffic is stopped until somebody looks",
            ),
            lag,
            open_cycle: gauge(node, "open_cycle", "Number of the open cycle; 0 while none is open"),
            closed_cycles: counter(node, "closed_cycles", "Cycles whose folder is published"),
            barrier_cities: gauge(node, "barrier_cities", "Acquirers for whose taps a cut-off waits"),
            alarms: counter(node, "alarms", "Alarms of the coordinator since the start"),
        }
    }

    /// Shows how a node is. `end` says where a partition of `cu.clearing` ends, if that is known.
    pub fn show(&self, node: &Node, end: impl Fn(u32) -> Option<u64>) {
        let mut booked = Booked::default();
        let sum = |of: fn(&Progress) -> u64| node.partitions.iter().map(|p| of(&p.progress)).sum::<u64>();
        let mut stopped = 0;
        for (partition, at) in (0..).zip(&node.partitions) {
            let progress = &at.progress;
            let here = *progress.booked.lock().unwrap_or_else(PoisonError::into_inner);
            booked.arrived += here.arrived;
            booked.cleared += here.cleared;
            booked.duplicate += here.duplicate;
            booked.conflict += here.conflict;
            booked.rejected += here.rejected;
            stopped += progress.stopped.lock().unwrap_or_else(PoisonError::into_inner).len();
            if let Some(end) = end(partition) {
                let behind = end.saturating_sub(progress.next_offset.load(Ordering::Relaxed));
                self.lag.get_or_create(&OfPartition { partition }).set(number(behind));
            }
        }
        show(&self.arrived, booked.arrived);
        let results = [
            ("cleared", booked.cleared),
            ("duplicate", booked.duplicate),
            ("conflict", booked.conflict),
            ("rejected", booked.rejected),
        ];
        for (result, records) in results {
            show(&self.results.get_or_create(&OfResult { result }), records);
        }
        self.parked.set(number(sum(|p| p.parked_records.load(Ordering::Relaxed))));
        self.waiting_batches.set(number(sum(|p| p.waiting_batches.load(Ordering::Relaxed))));
        self.unpublished.set(number(sum(|p| p.unpublished.load(Ordering::Relaxed))));
        self.identities.set(number(sum(|p| p.identities.load(Ordering::Relaxed))));
        self.identities_bytes.set(number(sum(|p| p.identities_bytes.load(Ordering::Relaxed))));
        self.stopped_cities.set(number(stopped));
        self.show_cycles(node);
    }

    fn show_cycles(&self, node: &Node) {
        let status = node.status();
        self.open_cycle.set(status.open_cycle().map_or(0, |opening| opening.cycle.into()));
        show(&self.closed_cycles, status.published.len() as u64);
        self.barrier_cities.set(number(status.barrier_waits_for.len()));
        show(&self.alarms, status.alarms.len() as u64);
    }
}
