//! What the portal tells of itself in numbers.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};
use runtime::metrics::{counter, gauge};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfStatus {
    status: u16,
}

/// The instruments. Clones share everything.
#[derive(Clone, Debug)]
pub struct Metrics {
    requests: Family<OfStatus, Counter>,
    pub(crate) connections: Gauge,
    pub(crate) handshakes_refused: Counter,
    pub(crate) downloads_cut: Counter,
    pub(crate) audit_failures: Counter,
}

impl Metrics {
    /// Adds the instruments to a registry.
    pub fn register(registry: &mut Registry) -> Self {
        let portal = registry.sub_registry_with_prefix("portal");
        let requests = Family::default();
        portal.register("requests", "Requests answered since the start, by status", requests.clone());
        Self {
            requests,
            connections: gauge(portal, "connections", "Open connections"),
            handshakes_refused: counter(
                portal,
                "handshakes_refused",
                "Connections without a valid certificate, or that said nothing in time",
            ),
            downloads_cut: counter(portal, "downloads_cut", "Downloads that ended early"),
            audit_failures: counter(
                portal,
                "audit_failures",
                "Requests refused because their line could not be written",
            ),
        }
    }

    pub(crate) fn answered(&self, status: u16) {
        self.requests.get_or_create(&OfStatus { status }).inc();
    }
}
