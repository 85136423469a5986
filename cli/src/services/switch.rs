//! The switch alone.

use std::{collections::BTreeMap, sync::Arc};

use anyhow::{Context, Result, bail};
use domain::city::City;
use runtime::{
    admin::{AdminConfig, Missing},
    log_watch::LogWatch,
};
use serde::{Deserialize, Serialize};
use switch::{
    core::SwitchConfig,
    directory::{Directory, endpoint},
    metrics::Metrics,
    service::{ServiceConfig, Surroundings, SwitchHandle},
};

use super::{Configured, LogConfig, frame::Frame};

/// `switch.toml`.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Config {
    log: LogConfig,
    /// Acquirers whose taps and parks this switch owns; no other switch may own them.
    acquirers: Vec<City>,
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
        if self.acquirers.is_empty() {
            bail!("acquirers is empty: name the cities whose taps this switch owns");
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
    let watched = config.acquirers.iter().map(|city| topics.taps(*city)).collect();
    let watch = frame.watch(&log, watched)?;
    let taps = topics.clone();
    let surroundings = Surroundings {
        log,
        topics,
        acquirers: config.acquirers.clone(),
        directory,
        partition_of: Arc::new(move |city| rulebook.partition_of(city)),
        tokio: frame.tokio.handle().clone(),
    };
    let switch = switch::service::start(limits, surroundings).context("start the switch")?;
    tracing::info!("switching for {} acquirers", config.acquirers.len());
    let metrics = frame.board.register(Metrics::register);
    frame.run(|| {
        let status = switch.status();
        metrics.show(&status, |city| watch.end(&taps.taps(city)));
        if let Some(why) = scheme.failed() {
            bail!("the cycles cannot be followed any more: {why}");
        }
        match switch.failed() {
            Some(why) => bail!("the switch stands still: {why}"),
            None => Ok(missing(&switch, &watch)),
        }
    })?;
    switch.stop().map_err(anyhow::Error::msg).context("stop the switch")
}

/// What keeps the switch from its work. A dark home city does not: what waits for it is parked.
fn missing(switch: &SwitchHandle, watch: &LogWatch) -> Vec<Missing> {
    let status = switch.status();
    let mut missing: Vec<Missing> = watch.trouble().map(|why| Missing::new("log", why)).into_iter().collect();
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
