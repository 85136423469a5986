//! What a switch tells of itself in numbers.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use domain::city::City;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};
use runtime::metrics::{OfCity, counter, gauge_of_cities, number, show};

use crate::core::Status;

/// The label of what waits between two cities.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfPair {
    acquirer: String,
    issuer: String,
}

/// The instruments.
#[derive(Debug)]
pub struct Metrics {
    taps: Counter,
    acquirers: Gauge,
    /// Those that are shown: one that was handed over is shown no more.
    shown: Mutex<BTreeSet<City>>,
    batches: Family<OfCity, Gauge>,
    last_batch: Family<OfCity, Gauge>,
    lag: Family<OfCity, Gauge>,
    parked: Family<OfPair, Gauge>,
    stopped: Family<OfCity, Gauge>,
    dark: Family<OfCity, Gauge>,
}

impl Metrics {
    /// Adds the instruments to a registry.
    pub fn register(registry: &mut Registry) -> Self {
        let switch = registry.sub_registry_with_prefix("switch");
        let parked = Family::default();
        let acquirers = Gauge::default();
        switch.register("acquirers", "Acquirers whose taps this switch owns", acquirers.clone());
        switch.register("parked_parts", "Parts of batches that wait for a home city", parked.clone());
        Self {
            acquirers,
            shown: Mutex::default(),
            taps: counter(switch, "taps", "Taps read since the start"),
            batches: gauge_of_cities(switch, "working_batches", "Batches of an acquirer in work"),
            last_batch: gauge_of_cities(switch, "last_batch", "Highest batch number passed on and committed"),
            lag: gauge_of_cities(switch, "lag_batches", "Batches of an acquirer's log not passed on yet"),
            parked,
            stopped: gauge_of_cities(
                switch,
                "stopped",
                "1 for an acquirer that is stopped until somebody looks",
            ),
            dark: gauge_of_cities(switch, "home_city_dark", "1 for a home city that does not answer"),
        }
    }

    /// Shows how a switch is. `end` says where an acquirer's tap log ends, if that is known.
    pub fn show(&self, status: &Status, end: impl Fn(City) -> Option<u64>) {
        show(&self.taps, status.taps_routed);
        self.acquirers.set(number(status.acquirers.len()));
        self.forget_all_but(status);
        // A pair of which nothing waits any more is not in the status.
        self.parked.clear();
        for (city, acquirer) in &status.acquirers {
            let label = OfCity::new(*city);
            self.batches.get_or_create(&label).set(number(acquirer.batches));
            self.last_batch.get_or_create(&label).set(number(acquirer.number));
            self.stopped.get_or_create(&label).set(i64::from(acquirer.stopped.is_some()));
            if let Some(end) = end(*city) {
                self.lag.get_or_create(&label).set(number(end.saturating_sub(acquirer.tap_offset)));
            }
            for (issuer, parts) in &acquirer.parked {
                let label = OfPair { acquirer: city.to_string(), issuer: issuer.to_string() };
                self.parked.get_or_create(&label).set(number(*parts));
            }
        }
        for (city, home) in &status.homes {
            self.dark.get_or_create(&OfCity::new(*city)).set(i64::from(home.dark));
        }
    }

    fn forget_all_but(&self, status: &Status) {
        let now = status.acquirers.keys().copied().collect();
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        for label in shown.difference(&now).map(|city| OfCity::new(*city)) {
            for family in [&self.batches, &self.last_batch, &self.lag, &self.stopped] {
                family.remove(&label);
            }
        }
        *shown = now;
    }
}
