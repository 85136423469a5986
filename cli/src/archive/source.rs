//! Which log and which object store a command works on.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, Result};
use cu_log::{
    Log,
    embedded::EmbeddedLog,
    kafka::{KafkaConfig, KafkaLog},
    topics::Topics,
};
use cu_objects::Objects;

use crate::errors::Usage;

/// What it calls itself before Kafka.
const CLIENT: &str = "cityunion-archive";

/// A log on the command line.
#[derive(clap::Args, Clone, Debug)]
pub struct LogArgs {
    /// The log on this Apache Kafka
    #[arg(long, value_name = "HOST:PORT", conflicts_with = "log")]
    pub kafka: Option<String>,
    /// What its topic names begin with
    #[arg(long, requires = "kafka")]
    pub prefix: Option<String>,
    /// The embedded log in this folder, such as OUT/.state/log of `clear`
    #[arg(long, value_name = "DIR")]
    pub log: Option<PathBuf>,
}

impl LogArgs {
    /// Opens the log to read it.
    ///
    /// # Errors
    /// [`Usage`] if none is named or there is none, or what the log says.
    pub fn open(&self) -> Result<(Arc<dyn Log>, Topics)> {
        if let Some(folder) = self.log.as_ref().filter(|folder| !folder.join("CURRENT").is_file()) {
            let text = format!(
                "there is no embedded log in {}; `clear` keeps it in OUT/.state/log",
                folder.display()
            );
            return Err(Usage(text).into());
        }
        self.open_or_make()
    }

    /// Opens the log; an embedded one is made if it is not there.
    ///
    /// # Errors
    /// [`Usage`] if none is named, or what the log says.
    pub fn open_or_make(&self) -> Result<(Arc<dyn Log>, Topics)> {
        match (&self.kafka, &self.log) {
            (Some(bootstrap), _) => {
                let log = KafkaLog::connect(KafkaConfig::new(bootstrap, CLIENT))
                    .with_context(|| format!("failed to reach Kafka at {bootstrap}; is it running?"))?;
                Ok((Arc::new(log), Topics::new(self.prefix.as_deref().unwrap_or_default())))
            }
            (None, Some(folder)) => {
                let log = EmbeddedLog::open(folder).context("failed to open the embedded log")?;
                Ok((Arc::new(log), Topics::default()))
            }
            (None, None) => {
                Err(Usage("name a log: --kafka HOST:PORT, or --log DIR for an embedded one".to_owned())
                    .into())
            }
        }
    }
}

/// Opens an object store.
///
/// # Errors
/// [`Usage`] if none is named, or what the store says.
pub fn objects(place: Option<&str>) -> Result<Objects> {
    let place = place
        .ok_or_else(|| Usage("name the object store: --objects DIR or s3://BUCKET/PREFIX".to_owned()))?;
    Objects::open(place).context("failed to open the object store")
}

/// A folder to work in: the one that is given, or one that goes with this value.
///
/// # Errors
/// If it cannot be made.
pub fn work(given: Option<&Path>) -> Result<(PathBuf, Option<tempfile::TempDir>)> {
    if let Some(folder) = given {
        std::fs::create_dir_all(folder).with_context(|| format!("failed to make {}", folder.display()))?;
        return Ok((folder.to_owned(), None));
    }
    let folder = tempfile::Builder::new().prefix("cityunion-").tempdir();
    let folder = folder.context("failed to make a folder to work in; name one with --work")?;
    Ok((folder.path().to_owned(), Some(folder)))
}
