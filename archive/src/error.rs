//! What can go wrong with an archive.

use std::{io, path::PathBuf};

use cu_log::LogError;
use cu_objects::ObjectsError;

use crate::format::FormatError;

/// Why a cycle could not be archived, or an archive not be used. Each message reads well after "failed to".
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The log cannot be read or written; a hole is among these.
    #[error("use the log")]
    Log(#[from] LogError),
    /// The object store failed.
    #[error("use the object store")]
    Objects(#[from] ObjectsError),
    /// A file of the work folder cannot be used.
    #[error("use {path}; see that there is room and permission")]
    Work {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The archive is damaged; it names what, and what to do.
    #[error(
        "read the archive: {what} is damaged: {why}; bring it back from another copy of the object store"
    )]
    Damaged {
        /// The object.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// A message on the log is none of this system.
    #[error("read the message at offset {offset} of {partition}: {why}")]
    Message {
        /// The partition.
        partition: String,
        /// Its offset.
        offset: u64,
        /// What is wrong.
        why: String,
    },
    /// The request contradicts what there is.
    #[error("{0}")]
    Refused(String),
}

impl ArchiveError {
    pub(crate) fn work(path: &std::path::Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| Self::Work { path: path.to_owned(), source }
    }

    pub(crate) fn damaged(what: &str, why: impl ToString) -> Self {
        Self::Damaged { what: what.to_owned(), why: why.to_string() }
    }

    pub(crate) fn format(what: &str) -> impl FnOnce(FormatError) -> Self + '_ {
        move |why| Self::damaged(what, runtime::whole_text(&why))
    }
}
