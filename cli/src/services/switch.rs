//! The switch alone.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::{Context, Result, bail};
use domain::city::City;
use runtime::scheme::SchemeView;
use serde::{Deserialize, Serialize};
use switch::{
    core::SwitchConfig,
    directory::{Directory, endpoint},
    service::{ServiceConfig, Surroundings},
};

use super::{Configured, LogConfig, network, until_stopped};

/// How long the first rulebook is waited for.
const RULES_WAIT: Duration = Duration::from_secs(300);

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
}

const fn park_after_ms() -> u64 {
    2_000
}

impl Configured for Config {
    fn check(&self) -> Result<()> {
        if self.acquirers.is_empty() {
            bail!("acquirers is empty: name the cities whose taps this switch owns");
        }
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
    let (log, topics) = config.log.open("cityunion-switch")?;
    let tokio = network()?;
    let scheme = Arc::new(
        SchemeView::follow(&log, &topics).context("follow the cycles; is a clearing node running?")?,
    );
    let rulebook = scheme
        .wait_for(RULES_WAIT, SchemeView::last_rulebook)
        .context("wait for the first cycle to open; is a clearing node running?")?;
    let directory: Directory = {
        let _inside = tokio.enter();
        config.uris()?.into_iter().map(|(city, uri)| (city, endpoint(uri).connect_lazy())).collect()
    };
    let mut limits = ServiceConfig::default();
    limits.switch = SwitchConfig { park_after_ms: Some(config.park_after_ms), ..limits.switch };
    let surroundings = Surroundings {
        log,
        topics,
        acquirers: config.acquirers.clone(),
        directory,
        partition_of: Arc::new(move |city| rulebook.partition_of(city)),
        tokio: tokio.handle().clone(),
    };
    let switch = switch::service::start(limits, surroundings).context("start the switch")?;
    tracing::info!("switching for {} acquirers", config.acquirers.len());
    until_stopped(&tokio, || match switch.failed() {
        Some(why) => bail!("the switch stands still: {why}"),
        None => Ok(()),
    })?;
    switch.stop().map_err(anyhow::Error::msg).context("stop the switch")
}
