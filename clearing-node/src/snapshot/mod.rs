//! Snapshots: a partition's store is copied to the object store while it works, and comes back on an empty disk.
//!
//! | object | what it is |
//! |---|---|
//! | `snapshots/partition-P/OFFSET-DIGEST.json` | the manifest of a snapshot, named by its own SHA-256; written last, so a snapshot is there whole or not at all |
//! | `snapshots/partition-P/files/DIGEST` | a file of sorted rows: it never changes, so snapshots share it and only new ones are copied |
//! | `snapshots/partition-P/rest/OFFSET-DIGEST` | a small file that belongs to one snapshot |
//!
//! Names follow from content. So two nodes that copy the same partition at once (its owner, and one that does not
//! know yet that it is no longer) never write different bytes under one name, and either's snapshot is as good: at
//! equal offsets both stores hold equal rows.

mod catalog;
mod checkpoint;
mod manifest;
mod metrics;
mod prune;
mod restore;
mod snapshotter;
mod take;

use std::{io, path::PathBuf};

use cu_log::LogError;
use cu_objects::ObjectsError;

use crate::store::StoreError;

pub use catalog::{Catalog, Found, partitions};
pub use checkpoint::Position;
pub use manifest::{CycleNote, FileNote, Manifest, TipNote};
pub use metrics::SnapshotMetrics;
pub use prune::{KEEP, Pruned, Pruning, prune};
pub use restore::{Restored, Restorer, Which, clean, restore};
pub use snapshotter::{Last, SnapshotConfig, SnapshotStatus, Snapshotter};
pub use take::{Taken, take_stopped};

/// Why a snapshot could not be taken, listed, pruned or restored.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The object store failed.
    #[error(transparent)]
    Objects(#[from] ObjectsError),
    /// The log failed, when it was asked whether a snapshot belongs to it.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The partition's store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A snapshot is not what it says.
    #[error("the snapshot {name} is damaged: {why}")]
    Damaged {
        /// Name of its manifest.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// A folder on this machine failed.
    #[error("failed to {doing} {}", path.display())]
    Folder {
        /// What was being done.
        doing: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The work was ended from outside, between two files.
    #[error("the snapshot was given up: its node stops")]
    GivenUp,
    /// There is no store to copy.
    #[error("{} holds no store of a partition", .0.display())]
    NoStore(PathBuf),
    /// The store holds nothing.
    #[error("the store in {} has folded nothing yet: there is nothing to copy", .0.display())]
    Empty(PathBuf),
    /// Somebody else put a store there while this one was fetched.
    #[error("{} was put there meanwhile, by another attempt: look again", .0.display())]
    Overtaken(PathBuf),
    /// No thread could be started.
    #[error("start the thread that takes snapshots")]
    Thread(#[source] io::Error),
}

impl SnapshotError {
    fn folder(doing: &'static str, path: &std::path::Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Folder { doing, path, source }
    }
}

#[cfg(test)]
mod tests;
