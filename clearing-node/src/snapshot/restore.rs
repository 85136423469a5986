//! A store comes back from its snapshots.

use std::{
    fs::{self, File},
    ops::Range,
    path::{Path, PathBuf},
};

use cu_objects::{Objects, ObjectsError};
use runtime::whole_text;

use super::{
    Catalog, Manifest, SnapshotError,
    checkpoint::{Position, remove},
};
use crate::{partition::Restore, rocks::RocksStore};

/// Which snapshot is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Which {
    /// The next offset after it is at least this.
    pub at_least: u64,
    /// And at most this, if given.
    pub at_most: Option<u64>,
}

/// A store that was restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// Name of the snapshot's manifest.
    pub name: String,
    /// What it says.
    pub manifest: Manifest,
    /// Snapshots that go further but could not be used: name and reason.
    pub passed_over: Vec<(String, String)>,
    /// Where the store is that stood in its place.
    pub replaced: Option<PathBuf>,
}

/// Restores the store of a partition into `folder` from the snapshot that goes furthest. Every file is compared
/// with its digest, and the store is opened and asked where it stands; a snapshot that is damaged or incomplete is
/// named in the log, and the one before it is used. The folder appears as a whole; what stood there is kept beside
/// it as `FOLDER.replaced`, in place of an earlier one. None if there is no snapshot that can be used.
///
/// # Errors
/// [`SnapshotError`] if the object store does not answer or this machine cannot take the files; `folder` is as it
/// was then.
pub fn restore(
    objects: &Objects,
    partition: u32,
    folder: &Path,
    which: Which,
) -> Result<Option<Restored>, SnapshotError> {
    let catalog = Catalog::read(objects, partition)?;
    let mut passed_over = Vec::new();
    for found in &catalog.snapshots {
        let at_most = which.at_most.unwrap_or(u64::MAX);
        if !(which.at_least..=at_most).contains(&found.next_offset) {
            continue;
        }
        let name = &found.object.name;
        let fetched = match &found.manifest {
            Ok(manifest) => fetch(objects, name, manifest, &beside(folder, "restoring")),
            Err(why) => Err(SnapshotError::Damaged { name: name.clone(), why: why.clone() }),
        };
        match (fetched, &found.manifest) {
            (Ok(()), Ok(manifest)) => {
                let replaced = put_in_place(folder)?;
                let (name, manifest) = (name.clone(), manifest.clone());
                return Ok(Some(Restored { name, manifest, passed_over, replaced }));
            }
            (Err(SnapshotError::Damaged { name, why }), _) => {
                tracing::error!("the snapshot {name} is damaged: {why}; the one before it is tried");
                passed_over.push((name, why));
            }
            (Err(error), _) => return Err(error),
            (Ok(()), Err(_)) => {}
        }
    }
    Ok(None)
}

/// Brings the files of a snapshot into a new folder, and asks the store that they make.
fn fetch(objects: &Objects, name: &str, manifest: &Manifest, into: &Path) -> Result<(), SnapshotError> {
    remove(into)?;
    fs::create_dir_all(into).map_err(SnapshotError::folder("make", into))?;
    let fetched = fetch_files(objects, name, manifest, into).and_then(|()| ask(name, manifest, into));
    if fetched.is_err() {
        remove(into)?;
    }
    fetched
}

fn fetch_files(objects: &Objects, name: &str, manifest: &Manifest, into: &Path) -> Result<(), SnapshotError> {
    let damaged = |why: String| SnapshotError::Damaged { name: name.to_owned(), why };
    for file in &manifest.files {
        let object = manifest.object(file);
        let sum = match objects.get_file(&object, &into.join(&file.name)) {
            Err(ObjectsError::NotFound { .. }) => {
                return Err(damaged(format!("its file {} ({object}) is missing", file.name)));
            }
            sum => sum?,
        };
        if (sum.bytes, sum.hex().as_str()) != (file.bytes, file.sha256.as_str()) {
            let why = format!("its file {} ({object}) has other bytes than were put there", file.name);
            return Err(damaged(why));
        }
    }
    sync(into)
}

/// Files may each be right and still not be one store.
fn ask(name: &str, manifest: &Manifest, folder: &Path) -> Result<(), SnapshotError> {
    let damaged = |why: String| SnapshotError::Damaged { name: name.to_owned(), why };
    let store = RocksStore::open_to_read(folder).map_err(|error| damaged(whole_text(&error)))?;
    let position = Position::read(&store.begin()).map_err(|error| damaged(whole_text(&error)))?;
    if (position.next_offset, &position.tip) == (manifest.next_offset, &manifest.tip) {
        Ok(())
    } else {
        Err(damaged(format!("its store stands at offset {}", position.next_offset)))
    }
}

/// The restored folder takes its place by a rename; where the old one is now.
fn put_in_place(folder: &Path) -> Result<Option<PathBuf>, SnapshotError> {
    let (fresh, old) = (beside(folder, "restoring"), beside(folder, "replaced"));
    let replaced = folder.exists();
    if replaced {
        remove(&old)?;
        fs::rename(folder, &old).map_err(SnapshotError::folder("move aside", folder))?;
    }
    fs::rename(&fresh, folder).map_err(SnapshotError::folder("put in place", folder))?;
    if let Some(parent) = folder.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        sync(parent)?;
    }
    Ok(replaced.then_some(old))
}

fn sync(folder: &Path) -> Result<(), SnapshotError> {
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(SnapshotError::folder("sync", folder))
}

/// `partition-3` becomes `partition-3.restoring`.
fn beside(folder: &Path, what: &str) -> PathBuf {
    folder.with_extension(what)
}

/// Brings stores back for a clearing node.
#[derive(Clone, Debug)]
pub struct Restorer {
    objects: Objects,
}

impl Restorer {
    /// From the snapshots in an object store.
    #[must_use]
    pub fn new(objects: Objects) -> Self {
        Self { objects }
    }
}

impl Restore for Restorer {
    fn restore(
        &self,
        partition: u32,
        folder: &Path,
        next_offset: Option<u64>,
        retained: Range<u64>,
    ) -> Result<bool, String> {
        // One that is as far behind as what is there, or that the log does not continue, is of no use; nor is one that
        // goes further than the log, which was restored from an archive.
        let at_least = retained.start.max(next_offset.map_or(1, |next| next.saturating_add(1)));
        let which = Which { at_least, at_most: Some(retained.end) };
        let restored =
            restore(&self.objects, partition, folder, which).map_err(|error| whole_text(&error))?;
        let Some(restored) = restored else {
            if retained.start > 0 {
                tracing::error!(
                    "{} holds no usable snapshot of partition {partition} from offset {at_least} on, where the log begins",
                    self.objects.place()
                );
            }
            return Ok(false);
        };
        tracing::warn!(
            "the store of partition {partition} comes from the snapshot {} at offset {}",
            restored.name,
            restored.manifest.next_offset
        );
        if let Some(replaced) = &restored.replaced {
            tracing::warn!("the store that stood there is now {}", replaced.display());
        }
        Ok(true)
    }
}
