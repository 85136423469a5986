//! Each service alone: `cityunion adapter|switch|clearing-node run --config FILE`.

mod adapter;
mod clearing_node;
pub mod cycles;
mod frame;
mod ingest;
mod portal;
mod snapshots;
mod switch;

use std::{process::ExitCode, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use cu_log::{
    Log,
    kafka::{KafkaConfig, KafkaLog, SESSION_TIMEOUT},
    topics::Topics,
};
use runtime::config::ConfigError;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

pub use adapter::AdapterArgs;
pub use portal::PortalArgs;

use crate::{
    args::{Action, Config, Service},
    errors::Usage,
    output::{Format, say},
};

/// The log that the services share.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct LogConfig {
    /// `HOST:PORT` of Apache Kafka, several separated by commas.
    kafka: String,
    /// What all topic names begin with.
    #[serde(default)]
    prefix: String,
    /// How long a service that shares work with others may be silent before they take its work over.
    #[serde(default = "session_timeout_s")]
    session_timeout_s: u64,
}

const fn session_timeout_s() -> u64 {
    SESSION_TIMEOUT.as_secs()
}

impl LogConfig {
    /// A log at this address, everything else as usual.
    fn at(kafka: &str, prefix: &str) -> Self {
        let (kafka, prefix) = (kafka.to_owned(), prefix.to_owned());
        Self { kafka, prefix, session_timeout_s: session_timeout_s() }
    }

    fn open(&self, client: &str) -> Result<(Arc<dyn Log>, Topics)> {
        let session_timeout = Duration::from_secs(self.session_timeout_s);
        let log = KafkaLog::connect(KafkaConfig { session_timeout, ..KafkaConfig::new(&self.kafka, client) })
            .with_context(|| format!("failed to reach Kafka at {}; is it running?", self.kafka))?;
        Ok((Arc::new(log), Topics::new(&self.prefix)))
    }
}

/// A service's configuration.
trait Configured: DeserializeOwned + Serialize {
    /// Checks what the types cannot.
    fn check(&self) -> Result<()>;
}

/// Runs or checks the adapter, or says what is going on there.
///
/// # Errors
/// What is wrong with the configuration, or why the service ended.
pub fn adapter(args: &AdapterArgs) -> Result<ExitCode> {
    args.act()
}

/// Runs or checks the switch.
///
/// # Errors
/// What is wrong with the configuration, or why the service ended.
pub fn switch(service: &Service) -> Result<ExitCode> {
    act(service, switch::run)
}

/// Runs or checks the clearing node.
///
/// # Errors
/// What is wrong with the configuration, or why the service ended.
pub fn clearing_node(service: &Service) -> Result<ExitCode> {
    act(service, clearing_node::run)
}

/// Runs or checks the portal, or lists what participants said there.
///
/// # Errors
/// What is wrong with the configuration, or why the service ended.
pub fn portal(args: &PortalArgs) -> Result<ExitCode> {
    args.act()
}

fn act<C: Configured>(service: &Service, run: fn(C) -> Result<()>) -> Result<ExitCode> {
    match &service.action {
        Action::Run(config) => run(load(config)?)?,
        Action::CheckConfig(config) => {
            let config: C = load(config)?;
            say(Format::Table, &toml::to_string_pretty(&config).context("failed to show the configuration")?);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn load<C: Configured>(args: &Config) -> Result<C> {
    // The filter of log lines is no part of a configuration.
    let mut environment: Vec<(String, String)> =
        std::env::vars().filter(|(name, _)| name != runtime::logging::FILTER).collect();
    environment.extend(args.kafka.clone().map(|kafka| ("CITYUNION_LOG__KAFKA".to_owned(), kafka)));
    let loaded = runtime::config::load(Some(&args.config), "CITYUNION", environment.into_iter());
    let config: C = loaded.map_err(|error| {
        let next = match error {
            ConfigError::Read { .. } => "name one with --config; deploy/local has examples",
            ConfigError::Wrong { .. } => "correct it",
        };
        let text = runtime::whole_text(&error);
        Usage(format!("{}\nnext: {next}; docs/configuration.md tells every setting", text.trim_end()))
    })?;
    config.check().map_err(|error| Usage(format!("{}: {error:#}", args.config.display())))?;
    Ok(config)
}

fn network() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("start the network runtime")
}
