//! What a run keeps under `OUT/.state`: which log it uses, so that the next run uses the same.

use std::{
    fs::{self, File, TryLockError},
    hash::{BuildHasher, Hasher, RandomState},
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
use serde::{Deserialize, Serialize};

use crate::errors::Refused;

/// Where the facts of an OUT stand.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(tag = "log", rename_all = "lowercase", deny_unknown_fields)]
pub enum Where {
    /// In `OUT/.state/log`.
    Embedded,
    /// On an Apache Kafka, in topics that begin with `prefix`.
    Kafka {
        /// Drawn once for each OUT.
        prefix: String,
    },
}

impl Where {
    /// Where the facts of `out` stand, if a run has said so.
    ///
    /// # Errors
    /// If what it said cannot be read.
    pub fn kept(out: &Path) -> Result<Option<Self>> {
        let path = out.join(".state/log.json");
        path.exists().then(|| Self::read(&path)).transpose()
    }

    fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("failed to understand {}", path.display()))
    }
}

/// The state of an OUT folder, locked for this process.
pub struct State {
    folder: PathBuf,
    stands: Where,
    kafka: Option<String>,
    _lock: File,
}

impl State {
    /// Opens the state of `out`, made if there is none.
    ///
    /// # Errors
    /// [`Refused`] if another process works on it, or if it began on another kind of log.
    pub fn open(out: &Path, kafka: Option<&str>) -> Result<Self> {
        let folder = out.join(".state");
        fs::create_dir_all(&folder).with_context(|| {
            format!(
                "failed to make {}: --out names a folder to write into; is a file in its place, or is there no \
                 right to write?",
                folder.display()
            )
        })?;
        let path = folder.join("lock");
        let lock = File::create(&path).with_context(|| format!("failed to open {}", path.display()))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let text = format!("another process works on {}; wait until it has ended", out.display());
                return Err(Refused(text).into());
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("failed to lock {}", path.display()));
            }
        }
        let stands = Self::stands(&folder.join("log.json"), kafka.is_some())?;
        match (&stands, kafka) {
            (Where::Kafka { .. }, None) => {
                let text = "the facts of this OUT stand on Kafka; give --kafka HOST:PORT again";
                return Err(Refused(text.to_owned()).into());
            }
            (Where::Embedded, Some(_)) => {
                let text =
                    "the facts of this OUT stand on the embedded log; leave --kafka out, or use another OUT";
                return Err(Refused(text.to_owned()).into());
            }
            _ => {}
        }
        Ok(Self { folder, stands, kafka: kafka.map(str::to_owned), _lock: lock })
    }

    fn stands(path: &Path, on_kafka: bool) -> Result<Where> {
        if path.exists() {
            return Where::read(path);
        }
        let stands = if on_kafka {
            Where::Kafka { prefix: format!("c{:012x}.", RandomState::new().build_hasher().finish() >> 16) }
        } else {
            Where::Embedded
        };
        let draft = path.with_extension("draft");
        let write = || -> std::io::Result<()> {
            fs::write(&draft, serde_json::to_string(&stands)?)?;
            File::open(&draft)?.sync_all()?;
            fs::rename(&draft, path)
        };
        write().with_context(|| format!("failed to write {}", path.display()))?;
        Ok(stands)
    }

    /// Where the services keep their state.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        self.folder.clone()
    }

    /// The names of the topics.
    #[must_use]
    pub fn topics(&self) -> Topics {
        match &self.stands {
            Where::Embedded => Topics::default(),
            Where::Kafka { prefix } => Topics::new(prefix),
        }
    }

    /// Opens the log.
    ///
    /// # Errors
    /// If it cannot be used.
    pub fn log(&self) -> Result<Arc<dyn Log>> {
        match &self.kafka {
            None => {
                let path = self.folder.join("log");
                Ok(Arc::new(EmbeddedLog::open(&path).context("failed to open the embedded log")?))
            }
            Some(bootstrap) => {
                let log = KafkaLog::connect(KafkaConfig::new(bootstrap, "cityunion-clear"))
                    .with_context(|| format!("failed to reach Kafka at {bootstrap}; is it running?"))?;
                Ok(Arc::new(log))
            }
        }
    }
}
