//! `portal.toml`.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use runtime::admin::AdminConfig;
use serde::{Deserialize, Serialize};

use crate::{error::PortalError, tls, watched::Watched};

/// The settings of the portal.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PortalConfig {
    /// Address to listen on.
    pub listen: SocketAddr,
    /// The published folder: OUT of `clear`, `out_dir` of the clearing nodes. It is only read.
    pub published_dir: PathBuf,
    /// Whether a bank gets only what is released. Without it a bank gets every published cycle: for folders of a version
    /// before there were records of releases.
    #[serde(default = "released_only")]
    pub released_only: bool,
    /// Folder of the answers.
    pub state_dir: PathBuf,
    /// Folder of the lines about accesses; `audit` in `state_dir` if it is not given.
    pub audit_dir: Option<PathBuf>,
    /// Whose certificate is whose.
    pub directory: PathBuf,
    /// Certificates and keys.
    pub tls: TlsConfig,
    /// What one may ask for.
    #[serde(default)]
    pub limits: Limits,
    /// The admin port; none without it.
    pub admin: Option<AdminConfig>,
}

const fn released_only() -> bool {
    true
}

/// `[tls]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// The portal's own certificate, and those that lead from it to a root, in PEM.
    pub certificate: PathBuf,
    /// Its private key in PEM.
    pub key: PathBuf,
    /// The authorities that issue certificates of clients, in PEM.
    pub clients_ca: PathBuf,
}

/// `[limits]`
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Connections at a time; more of them wait.
    pub connections_max: u32,
    /// Of these, connections with one certificate; more of them are answered with 429.
    pub certificate_connections_max: u32,
    /// Seconds until a connection must have said who it is, and each request what it wants.
    pub head_s_max: u64,
    /// Seconds that finding the answer may take.
    pub request_s_max: u64,
    /// Seconds in which a client must take the next 128 KiB of a download.
    pub stall_s_max: u64,
    /// Seconds that a connection may last, downloads included; what was cut is fetched on from where it was.
    pub connection_s_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 256,
            certificate_connections_max: 32,
            head_s_max: 10,
            request_s_max: 60,
            stall_s_max: 60,
            connection_s_max: 4 * 60 * 60,
        }
    }
}

impl Limits {
    pub(crate) const fn head(self) -> Duration {
        Duration::from_secs(self.head_s_max)
    }

    pub(crate) const fn request(self) -> Duration {
        Duration::from_secs(self.request_s_max)
    }

    pub(crate) const fn stall(self) -> Duration {
        Duration::from_secs(self.stall_s_max)
    }

    pub(crate) const fn connection(self) -> Duration {
        Duration::from_secs(self.connection_s_max)
    }
}

impl PortalConfig {
    /// Where the lines about accesses go.
    #[must_use]
    pub fn audit_dir(&self) -> PathBuf {
        self.audit_dir.clone().unwrap_or_else(|| self.state_dir.join("audit"))
    }

    /// Checks what the types cannot: folders, the directory, certificates and keys.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check(&self) -> Result<(), PortalError> {
        let limits = self.limits;
        let seconds = [limits.head_s_max, limits.request_s_max, limits.stall_s_max, limits.connection_s_max];
        if limits.connections_max == 0 || limits.certificate_connections_max == 0 || seconds.contains(&0) {
            return Err(PortalError::Config("every value of [limits] is at least 1".to_owned()));
        }
        for (key, folder) in [("state_dir", self.state_dir.clone()), ("audit_dir", self.audit_dir())] {
            if folder.starts_with(&self.published_dir) {
                let why = "lies in published_dir, which the portal only reads; choose another folder";
                return Err(PortalError::Config(format!("{key} {why}")));
            }
        }
        Watched::open(&self.directory)?;
        tls::server(&self.tls).map(drop)
    }
}
