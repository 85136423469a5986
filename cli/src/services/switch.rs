//! The switch alone.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use anyhow::{Context, Result, bail};
use cu_log::{Partition, topics::Topics};
use domain::city::City;
use runtime::{
    admin::{AdminConfig, Missing},
    log_watch::LogWatch,
    scheme::SchemeView,
};
use serde::{Deserialize, Serialize};
use switch::{
    core::SwitchConfig,
    directory::{Directory, endpoint},
    metrics::Metrics,
    service::{Acquirers, ServiceConfig, Status, Surroundings},
};

use super::{Configured, LogConfig, frame::Frame};

/// `switch.toml`.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Config {
    log: LogConfig,
    /// Acquirers whose taps and parks this switch owns; no other switch may own them. Without them it shares
    /// all participants with the other switches that have none.
    acquirers: Option<BTreeSet<City>>,
    /// How long a home city may take before its part is parked.
    #[serde(default = "park_after_ms")]
    park_after_ms: u64,
    /// Where home cities answer: `"cu-2000" = "http://127.0.0.1:7001"`.
    home_cities: BTreeMap<City, String>,
    /// The admin port; none without it.
    admin: Option<AdminConfig>,
}

const fn park_after_ms() -> u64 {
    2_000
}

impl Configured for Config {
    fn check(&self) -> Result<()> {
        if self.acquirers.as_ref().is_some_and(BTreeSet::is_empty) {
            bail!(
                "acquirers is empty: name the cities whose taps this switch owns, or leave it out to share all \
                 cities with the other switches"
            );
        }
        self.admin.as_ref().map_or(Ok(()), AdminConfig::check)?;
        self.uris().map(drop)
    }
}

impl Config {
    fn uris(&self) -> Result<Vec<(City, tonic::transport::Uri)>> {
        let uri = |(city, uri): (&City, &String)| {
            let what =
                || format!("home_cities: `{uri}` of {city} is no address such as http://127.0.0.1:7001");
            let parsed: tonic::transport::Uri = uri.parse().with_context(what)?;
            match (parsed.scheme_str(), parsed.authority()) {
                (Some("http"), Some(_)) => Ok((*city, parsed)),
                _ => bail!(what()),
            }
        };
        self.home_cities.iter().map(uri).collect()
    }
}

pub(super) fn run(config: Config) -> Result<()> {
    let frame = Frame::start("switch", config.admin.as_ref(), axum::Router::new())?;
    let Some((log, topics)) = frame.log(&config.log, "cityunion-switch")? else { return Ok(()) };
    let Some(scheme) = frame.scheme(&log, &topics)? else { return Ok(()) };
    let why = "no cycle was ever opened; is a clearing node running?";
    let Some(rulebook) = frame.wait_for("rulebook", why, || scheme.last_rulebook())? else { return Ok(()) };
    let directory: Directory = {
        let _inside = frame.tokio.enter();
        config.uris()?.into_iter().map(|(city, uri)| (city, endpoint(uri).connect_lazy())).collect()
    };
    let mut limits = ServiceConfig::default();
    limits.switch = SwitchConfig { park_after_ms: Some(config.park_after_ms), ..limits.switch };
    let acquirers = match config.acquirers.clone() {
        Some(its_own) => Acquirers::Own(its_own),
        None => Acquirers::Shared(participants(&scheme)),
    };
    let (Acquirers::Own(served) | Acquirers::Shared(served)) = &acquirers;
    tracing::info!("switching for {}", described(&acquirers));
    let mut watched = served.clone();
    let watch = frame.watch(&log, taps(&topics, &watched))?;
    let rules = Arc::clone(&scheme);
    let surroundings = Surroundings {
        log,
        topics: topics.clone(),
        acquirers,
        directory,
        // A city that joins later has its partition from the rules that brought it.
        partition_of: Arc::new(move |city| {
            rules.last_rulebook().map_or_else(|| rulebook.partition_of(city), |last| last.partition_of(city))
        }),
        tokio: frame.tokio.handle().clone(),
    };
    let switch = switch::service::start(limits, surroundings).context("start the switch")?;
    let metrics = frame.board.register(Metrics::register);
    frame.run(|| {
        if config.acquirers.is_none() {
            let all = participants(&scheme);
            switch.share(&all).context("share the cities that have joined")?;
            if all != watched {
                watch.watch(taps(&topics, &all));
                watched = all;
            }
        }
        let status = switch.status();
        metrics.show(&status, |city| watch.end(&topics.taps(city)));
        if let Some(why) = scheme.failed() {
            bail!("the cycles cannot be followed any more: {why}");
        }
        match switch.failed() {
            Some(why) => bail!("the switch stands still: {why}"),
            None => Ok(missing(&status, &watch)),
        }
    })?;
    switch.stop().map_err(anyhow::Error::msg).context("stop the switch")
}

/// Every city that any version of the rules knows: taps of one that has left may still have to be cleared.
fn participants(scheme: &SchemeView) -> BTreeSet<City> {
    let known = scheme.rulebooks();
    known.iter().flat_map(|rulebook| &rulebook.participants).map(|participant| participant.city).collect()
}

fn described(acquirers: &Acquirers) -> String {
    match acquirers {
        Acquirers::Own(cities) => format!("{} acquirers of its own", cities.len()),
        Acquirers::Shared(cities) => format!("its share of {} acquirers", cities.len()),
    }
}

fn taps(topics: &Topics, cities: &BTreeSet<City>) -> Vec<Partition> {
    cities.iter().map(|city| topics.taps(*city)).collect()
}

/// What keeps the switch from its work. A dark home city does not: what waits for it is parked.
fn missing(status: &Status, watch: &LogWatch) -> Vec<Missing> {
    let mut missing: Vec<Missing> = watch.trouble().map(|why| Missing::new("log", why)).into_iter().collect();
    for city in &status.coming {
        missing.push(Missing::new("positions", format!("the log has not said where {city} stands")));
    }
    for (city, acquirer) in &status.acquirers {
        if let Some(why) = &acquirer.stopped {
            missing.push(Missing::new("acquirer", format!("{city} is stopped: {why}")));
        }
        if acquirer.park_unread > 0 {
            let unread = acquirer.park_unread;
            missing.push(Missing::new("park", format!("{unread} messages of {city} are still to be read")));
        }
    }
    missing
}
