//! The settings of the ingest.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::{core::Limits, service::MESSAGE_LEN_MAX};

const MIB: u64 = 1 << 20;

/// `[ingest]` of an adapter's configuration.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct IngestConfig {
    /// Address to listen on.
    pub listen: SocketAddr,
    /// The most that is kept of what is not on the log, in MiB of lines.
    #[serde(default = "spool_mib_max")]
    pub spool_mib_max: u64,
    /// How many sources there may ever be.
    #[serde(default = "sources_max")]
    pub sources_max: usize,
    /// How many streams may be open at a time.
    #[serde(default = "streams_max")]
    pub streams_max: usize,
    /// Seconds after which journaled taps become an upload.
    #[serde(default = "seal_after_s")]
    pub seal_after_s: u64,
    /// Taps that become an upload sooner.
    #[serde(default = "seal_taps")]
    pub seal_taps: u64,
    /// MiB of lines that become an upload sooner.
    #[serde(default = "seal_mib")]
    pub seal_mib: u64,
    /// Taps of each source on the log whose content is remembered, to tell a repeat from another record.
    #[serde(default = "remember_taps")]
    pub remember_taps: u64,
}

const fn spool_mib_max() -> u64 {
    4096
}

const fn sources_max() -> usize {
    64
}

const fn streams_max() -> usize {
    64
}

const fn seal_after_s() -> u64 {
    30
}

const fn seal_taps() -> u64 {
    100_000
}

const fn seal_mib() -> u64 {
    16
}

const fn remember_taps() -> u64 {
    1_000_000
}

/// A setting that cannot work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("ingest.{key}: {value} cannot work; it must be from {min} to {max}")]
pub struct IngestConfigError {
    /// The key.
    key: &'static str,
    /// What it says.
    value: u64,
    /// The least that it may say.
    min: u64,
    /// The most.
    max: u64,
}

impl IngestConfig {
    /// The settings of an ingest on this address that says nothing else.
    #[must_use]
    pub fn on(listen: SocketAddr) -> Self {
        Self {
            listen,
            spool_mib_max: spool_mib_max(),
            sources_max: sources_max(),
            streams_max: streams_max(),
            seal_after_s: seal_after_s(),
            seal_taps: seal_taps(),
            seal_mib: seal_mib(),
            remember_taps: remember_taps(),
        }
    }

    /// Checks what the types cannot.
    ///
    /// # Errors
    /// [`IngestConfigError`] names the first key that cannot work.
    pub fn check(&self) -> Result<(), IngestConfigError> {
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        // Two messages at least, or a client with a large one could never be served.
        let spool_min = 2 * count(MESSAGE_LEN_MAX) / MIB;
        let ranges = [
            ("spool_mib_max", self.spool_mib_max, spool_min, 1 << 24),
            ("sources_max", count(self.sources_max), 1, 10_000),
            ("streams_max", count(self.streams_max), 1, 1000),
            ("seal_after_s", self.seal_after_s, 1, 86_400),
            ("seal_taps", self.seal_taps, 1, 10_000_000),
            ("seal_mib", self.seal_mib, 1, 1024),
            ("remember_taps", self.remember_taps, 0, 1_000_000_000),
        ];
        for (key, value, min, max) in ranges {
            if value < min || value > max {
                return Err(IngestConfigError { key, value, min, max });
            }
        }
        Ok(())
    }

    pub(super) fn limits(&self) -> Limits {
        Limits {
            spool_bytes_max: self.spool_mib_max.saturating_mul(MIB),
            sources_max: self.sources_max,
            seal_taps: self.seal_taps,
            seal_bytes: self.seal_mib.saturating_mul(MIB),
            seal_after_ms: self.seal_after_s.saturating_mul(1000),
            remember_taps: self.remember_taps,
        }
    }
}
