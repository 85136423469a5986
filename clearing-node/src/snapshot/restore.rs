//! A store comes back from its snapshots.

use std::{
    fs::{self, File},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use cu_log::LogError;
use cu_objects::{Objects, ObjectsError};
use runtime::whole_text;
use tempfile::TempDir;

use super::{
    Catalog, Manifest, SnapshotError,
    checkpoint::{Position, remove},
};
use crate::{
    partition::{Restore, There},
    rocks::RocksStore,
};

/// What the name of a folder in which a snapshot is fetched goes on with.
const FETCHING: &str = "restoring-";
/// Who puts a store in its place.
static PLACING: Mutex<()> = Mutex::new(());

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
/// named in the log, and the one before it is used; so is one that does not belong to the log, as `belongs` says.
/// The folder appears as a whole; what stood there is kept beside it as `FOLDER.replaced`, in place of an earlier one.
/// None if there is no snapshot that can be used. Attempts at the same time do not disturb each other: the first that
/// is ready counts.
///
/// # Errors
/// [`SnapshotError`] if the object store does not answer or this machine cannot take the files; `folder` is as it
/// was then. [`SnapshotError::Overtaken`] if another attempt was first.
pub fn restore(
    objects: &Objects,
    partition: u32,
    folder: &Path,
    which: Which,
    belongs: &dyn Fn(&Manifest) -> Result<bool, LogError>,
) -> Result<Option<Restored>, SnapshotError> {
    let before = identity(folder);
    let catalog = Catalog::read(objects, partition)?;
    let mut passed_over = Vec::new();
    for found in &catalog.snapshots {
        let at_most = which.at_most.unwrap_or(u64::MAX);
        if !(which.at_least..=at_most).contains(&found.next_offset) {
            continue;
        }
        let name = &found.object.name;
        let damaged = |why: &String| SnapshotError::Damaged { name: name.clone(), why: why.clone() };
        let fetched = found.manifest.as_ref().map_err(damaged).and_then(|manifest| {
            if !belongs(manifest)? {
                return Err(damaged(&"the log has another message where its last one stands".to_owned()));
            }
            Ok((manifest, fetch(objects, name, manifest, folder)?))
        });
        match fetched {
            Ok((manifest, fresh)) => {
                let replaced = put_in_place(fresh, folder, before)?;
                let (name, manifest) = (name.clone(), manifest.clone());
                return Ok(Some(Restored { name, manifest, passed_over, replaced }));
            }
            Err(SnapshotError::Damaged { name, why }) => {
                tracing::error!("the snapshot {name} cannot be used: {why}; the one before it is tried");
                passed_over.push((name, why));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// Removes what killed attempts left in a folder of stores. Nobody may be at an attempt there.
///
/// # Errors
/// [`SnapshotError::Folder`].
pub fn clean(state_dir: &Path) -> Result<(), SnapshotError> {
    let failed = SnapshotError::folder("read", state_dir);
    let entries = match fs::read_dir(state_dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(failed)?,
    };
    for entry in entries {
        let path = entry.map_err(SnapshotError::folder("read", state_dir))?.path();
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        if extension.starts_with(FETCHING) || extension == "restoring" {
            remove(&path)?;
        }
    }
    Ok(())
}

/// Brings the files of a snapshot into a new folder beside `folder`, and asks the store that they make.
fn fetch(
    objects: &Objects,
    name: &str,
    manifest: &Manifest,
    folder: &Path,
) -> Result<TempDir, SnapshotError> {
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(SnapshotError::folder("make", parent))?;
    // A name of its own: another attempt may be at work, by a node that lost the partition and has it again.
    let prefix = folder.with_extension(FETCHING);
    let prefix = prefix.file_name().unwrap_or_default();
    let open = fs::Permissions::from_mode(0o777);
    let fresh = tempfile::Builder::new().prefix(prefix).permissions(open).tempdir_in(parent);
    let fresh = fresh.map_err(SnapshotError::folder("make a folder in", parent))?;
    fetch_files(objects, name, manifest, fresh.path())?;
    ask(name, manifest, fresh.path())?;
    Ok(fresh)
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

/// The restored folder takes its place by a rename; where the old one is now. Nothing is touched if another folder
/// stands there than before the attempt: somebody may be at work in it.
fn put_in_place(
    fresh: TempDir,
    folder: &Path,
    before: Option<(u64, u64)>,
) -> Result<Option<PathBuf>, SnapshotError> {
    let _placing = PLACING.lock().unwrap_or_else(PoisonError::into_inner);
    if identity(folder) != before {
        return Err(SnapshotError::Overtaken(folder.to_owned()));
    }
    let old = folder.with_extension("replaced");
    let replaced = before.is_some();
    if replaced {
        remove(&old)?;
        fs::rename(folder, &old).map_err(SnapshotError::folder("move aside", folder))?;
    }
    fs::rename(fresh.path(), folder).map_err(SnapshotError::folder("put in place", folder))?;
    // It is no scratch any more.
    drop(fresh.keep());
    if let Some(parent) = folder.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        sync(parent)?;
    }
    Ok(replaced.then_some(old))
}

fn sync(folder: &Path) -> Result<(), SnapshotError> {
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(SnapshotError::folder("sync", folder))
}

/// What tells one folder from another of the same name; none if there is none.
fn identity(folder: &Path) -> Option<(u64, u64)> {
    fs::metadata(folder).ok().map(|meta| (meta.dev(), meta.ino()))
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
        there: &There<'_>,
    ) -> Result<bool, String> {
        let retained = &there.retained;
        // One that is as far behind as what is there, or that the log does not continue, is of no use; nor is one that
        // goes further than the log, which was restored from an archive.
        let at_least = retained.start.max(next_offset.map_or(1, |next| next.saturating_add(1)));
        let which = Which { at_least, at_most: Some(retained.end) };
        let restored = restore(&self.objects, partition, folder, which, &|manifest| manifest.is_of(there));
        let restored = restored.map_err(|error| whole_text(&error))?;
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
