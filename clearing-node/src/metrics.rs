//! What a clearing node tells of itself in numbers.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
};

use domain::limits::Exposure;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};
use runtime::metrics::{counter, gauge, number, show};

use crate::{
    archiver::ArchiveStatus,
    book::Booked,
    coordinator::Stage,
    node::{Node, Role},
    partition::Progress,
};

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

/// The label of instruments that there are for each participant with a cap.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfParticipant {
    participant: String,
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
    troubled: Family<OfPartition, Gauge>,
    /// Partitions that have instruments of their own now.
    shown: Mutex<BTreeSet<u32>>,
    owned: Gauge,
    coordinates: Gauge,
    halted: Gauge,
    archived_cycle: Gauge,
    archive_failing: Gauge,
    missing_totals: Gauge,
    open_cycle: Gauge,
    closed_cycles: Counter,
    barrier_cities: Gauge,
    alarms: Counter,
    net_debit: Family<OfParticipant, Gauge>,
    net_debit_cap: Family<OfParticipant, Gauge>,
}

impl Metrics {
    /// Adds the instruments to a registry.
    pub fn register(registry: &mut Registry) -> Self {
        let node = registry.sub_registry_with_prefix("clearing");
        let results = Family::default();
        node.register("records", "Records booked since the start, by result", results.clone());
        let lag = Family::default();
        node.register("lag_messages", "Messages of cu.clearing that are not folded yet", lag.clone());
        let troubled = Family::default();
        node.register(
            "partition_stopped",
            "1 while a partition stands still or tries again",
            troubled.clone(),
        );
        let (net_debit, net_debit_cap) = (Family::default(), Family::default());
        let help = "What a participant with a cap owes in the open cycle so far, fen";
        node.register("net_debit_fen", help, net_debit.clone());
        node.register("net_debit_cap_fen", "The cap of its net debit, fen", net_debit_cap.clone());
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
            troubled,
            shown: Mutex::default(),
            owned: gauge(node, "partitions", "Partitions of cu.clearing that this node owns"),
            coordinates: gauge(node, "coordinates", "1 while this node coordinates the cycles"),
            halted: gauge(node, "close_halted", "1 while the close stands still until somebody looks"),
            archived_cycle: gauge(
                node,
                "archived_cycle",
                "Ordinal of the last cycle that this node archived",
            ),
            archive_failing: gauge(node, "archive_failing", "1 while a published cycle cannot be archived"),
            missing_totals: gauge(node, "missing_totals", "Partitions whose totals a close waits for"),
            open_cycle: gauge(node, "open_cycle", "Number of the open cycle; 0 while none is open"),
            closed_cycles: counter(node, "closed_cycles", "Cycles whose folder is published"),
            barrier_cities: gauge(node, "barrier_cities", "Acquirers for whose taps a cut-off waits"),
            alarms: counter(node, "alarms", "Alarms of the coordinator since the start"),
            net_debit,
            net_debit_cap,
        }
    }

    /// Shows how a node is. `end` says where a partition of `cu.clearing` ends, if that is known.
    pub fn show(&self, node: &Node, end: impl Fn(u32) -> Option<u64>) {
        let partitions = node.partitions();
        let mut booked = Booked::default();
        let sum = |of: fn(&Progress) -> u64| partitions.values().map(|progress| of(progress)).sum::<u64>();
        for progress in partitions.values() {
            let here = progress.booked();
            booked.arrived += here.arrived;
            booked.cleared += here.cleared;
            booked.duplicate += here.duplicate;
            booked.conflict += here.conflict;
            booked.rejected += here.rejected;
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
        self.stopped_cities.set(number(sum(|p| p.stopped_cities().len() as u64)));
        self.show_partitions(&partitions, end);
        self.show_cycles(node);
    }

    /// Shows what participants with a cap owe so far.
    pub fn show_exposures(&self, exposures: &[Exposure]) {
        // Whoever has no cap any more has no instrument any more.
        self.net_debit.clear();
        self.net_debit_cap.clear();
        for exposure in exposures {
            let of = OfParticipant { participant: exposure.city.to_string() };
            self.net_debit.get_or_create(&of).set(number(exposure.net_debit_fen));
            self.net_debit_cap.get_or_create(&of).set(number(exposure.cap_fen));
        }
    }

    /// Shows how far archiving is.
    pub fn show_archive(&self, archive: &ArchiveStatus) {
        self.archived_cycle.set(archive.archived.into());
        self.archive_failing.set(i64::from(archive.trouble.is_some()));
    }

    fn show_partitions(&self, partitions: &BTreeMap<u32, Arc<Progress>>, end: impl Fn(u32) -> Option<u64>) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        for partition in shown.iter().filter(|number| !partitions.contains_key(number)) {
            let gone = OfPartition { partition: *partition };
            self.lag.remove(&gone);
            self.troubled.remove(&gone);
        }
        *shown = partitions.keys().copied().collect();
        for (partition, progress) in partitions {
            let of = OfPartition { partition: *partition };
            if let Some(end) = end(*partition) {
                let behind = end.saturating_sub(progress.next_offset.load(Ordering::Relaxed));
                self.lag.get_or_create(&of).set(number(behind));
            }
            self.troubled.get_or_create(&of).set(i64::from(progress.state().trouble().is_some()));
        }
        self.owned.set(number(partitions.len()));
    }

    fn show_cycles(&self, node: &Node) {
        let status = node.status();
        self.coordinates.set(i64::from(status.role == Role::Coordinates));
        self.halted.set(i64::from(
            status.halted.is_some() || status.unrendered.is_some() || status.segment_failed.is_some(),
        ));
        self.open_cycle.set(status.open_cycle().map_or(0, |opening| opening.cycle.into()));
        show(&self.closed_cycles, status.published.len() as u64);
        self.barrier_cities.set(number(status.barrier_waits_for.len()));
        let missing = status.cycles.iter().map(|cycle| match &cycle.stage {
            Stage::Totals(missing) => missing.len(),
            _ => 0,
        });
        self.missing_totals.set(number(missing.sum::<usize>()));
        show(&self.alarms, status.alarms_in_all);
    }
}
