//! Instruments that every service has, and what the instruments of the services share.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, info::Info},
    registry::Registry,
};

/// The label of instruments that there are for each city.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OfCity {
    /// The city, such as `cu-2000`.
    pub city: String,
}

impl OfCity {
    /// The label of a city.
    #[must_use]
    pub fn new(city: domain::city::City) -> Self {
        Self { city: city.to_string() }
    }
}

/// What every service tells.
pub(crate) struct Common {
    /// 1 while the service does its work.
    pub(crate) ready: Gauge,
}

impl Common {
    pub(crate) fn register(registry: &mut Registry, service: &'static str) -> Self {
        let build = Info::new([("service", service), ("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The service and its version", build);
        let common = Self { ready: Gauge::default() };
        registry.register(
            "ready",
            "1 while the service does its work, as /readyz says",
            common.ready.clone(),
        );
        common
    }
}

/// Adds an instrument for a number that goes up and down. The name ends in its unit.
pub fn gauge(registry: &mut Registry, name: &str, help: &str) -> Gauge {
    let gauge = Gauge::default();
    registry.register(name, help, gauge.clone());
    gauge
}

/// Adds an instrument for a number that only grows. The name ends in its unit; `_total` is added to it.
pub fn counter(registry: &mut Registry, name: &str, help: &str) -> Counter {
    let counter = Counter::default();
    registry.register(name, help, counter.clone());
    counter
}

/// Adds a gauge for each city.
pub fn gauge_of_cities(registry: &mut Registry, name: &str, help: &str) -> Family<OfCity, Gauge> {
    let family = Family::default();
    registry.register(name, help, family.clone());
    family
}

/// Shows a number that is counted elsewhere. It must not have been higher before.
pub fn show(counter: &Counter, value: u64) {
    counter.inner().fetch_max(value, std::sync::atomic::Ordering::Relaxed);
}

/// A count as a gauge takes it.
pub fn number(count: impl TryInto<i64>) -> i64 {
    count.try_into().unwrap_or(i64::MAX)
}
