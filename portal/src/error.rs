//! Why the portal cannot begin.

use std::{io, net::SocketAddr, path::PathBuf};

/// Why the portal cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum PortalError {
    /// A setting makes no sense.
    #[error("{0}")]
    Config(String),
    /// A file or folder cannot be used.
    #[error("{what} {path}")]
    Io {
        /// What was tried: `read`, `make`.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The directory of certificates is wrong.
    #[error("use the directory {path}: {why}")]
    Directory {
        /// Its path.
        path: PathBuf,
        /// What is wrong, and where.
        why: String,
    },
    /// A file in PEM does not hold what it should.
    #[error("{key}: use {path}: {why}; it must hold {wanted} in PEM")]
    Pem {
        /// The setting.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
        /// What is wanted.
        wanted: &'static str,
    },
    /// Certificate and key do not go together, or the authority cannot be used.
    #[error("tls: {0}; look whether tls.key is the key of the first certificate in tls.certificate")]
    Tls(String),
    /// The address cannot be listened on.
    #[error("listen on {listen}; is the port taken? choose another `listen`")]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

impl PortalError {
    pub(crate) fn io(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { what, path, source }
    }
}
