//! What can go wrong with an object store.

use std::{io, path::PathBuf};

/// Why an object could not be put, read or deleted.
#[derive(Debug, thiserror::Error)]
pub enum ObjectsError {
    /// The place cannot be used as a store.
    #[error("the object store {place} cannot be used")]
    Open {
        /// As it was given.
        place: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// This program was built without S3.
    #[error(
        "{place} is an S3 store, and this program was built without them; build it with the feature s3, or name a folder"
    )]
    NoS3 {
        /// As it was given.
        place: String,
    },
    /// A name that no store takes.
    #[error(
        "{name:?} is no name of an object: parts of letters, digits and . _ - =, with / between them, at most {limit} bytes"
    )]
    Name {
        /// The name.
        name: String,
        /// Longest name, bytes.
        limit: usize,
    },
    /// There is no such object.
    #[error("{place} has no object {name}")]
    NotFound {
        /// Where it was looked for.
        place: String,
        /// Its name.
        name: String,
    },
    /// The object is longer than the caller takes.
    #[error("object {name} in {place} has {bytes} bytes, more than the {limit} that it may have")]
    TooLarge {
        /// Where it is.
        place: String,
        /// Its name.
        name: String,
        /// Its length.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// A listing is longer than any that this system makes.
    #[error("{place} holds more than {limit} objects below one prefix; is it the right place?")]
    TooMany {
        /// The store.
        place: String,
        /// Most that are listed.
        limit: usize,
    },
    /// The store failed: the source says how (a full disk, a refused credential, no answer).
    #[error("failed to {doing} {name} in the object store {place}")]
    Store {
        /// What was being done.
        doing: &'static str,
        /// The store.
        place: String,
        /// Which object.
        name: String,
        /// What the store said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A local file that is copied to or from the store failed.
    #[error("failed to {doing} {}", path.display())]
    File {
        /// What was being done.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl ObjectsError {
    /// Whether the object is simply not there.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }
}
