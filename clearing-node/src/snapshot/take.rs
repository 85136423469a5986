//! A checkpoint goes to the object store: only what is not there yet, the manifest last.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use cu_objects::{Objects, Sum};

use super::{
    FileNote, Manifest, SnapshotError,
    checkpoint::Checkpoint,
    manifest::{folder, is_shared, object},
};
use crate::rocks::RocksStore;

/// A snapshot that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Name of its manifest.
    pub name: String,
    /// What it says.
    pub manifest: Manifest,
    /// Files that had to be copied.
    pub new_files: usize,
    /// Their length, bytes.
    pub new_bytes: u64,
}

/// Takes a snapshot of the store in the folder of a node that does not run.
///
/// # Errors
/// [`SnapshotError`], among them that there is no store, or that a process has it open.
pub fn take_stopped(
    objects: &Objects,
    partition: u32,
    folder: &Path,
    now: SystemTime,
) -> Result<Taken, SnapshotError> {
    if !folder.join("CURRENT").is_file() {
        return Err(SnapshotError::NoStore(folder.to_owned()));
    }
    let store = RocksStore::open(folder)?;
    let checkpoint = Checkpoint::take(&store, &folder.with_extension("checkpoint"))?;
    drop(store);
    if checkpoint.position.next_offset == 0 {
        return Err(SnapshotError::Empty(folder.to_owned()));
    }
    Taker::new(objects.clone(), partition).put(&checkpoint, now, &AtomicBool::new(false))
}

/// What tells that a file has not changed since it was read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Unchanged {
    name: String,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
}

/// Takes the snapshots of one partition, and remembers what it has read and put.
#[derive(Debug)]
pub(super) struct Taker {
    objects: Objects,
    partition: u32,
    /// Digests of files of rows: they are read once, not for every snapshot.
    sums: HashMap<Unchanged, Sum>,
    /// Objects that this process has put itself or has read to their end. All others are read once before a
    /// snapshot builds on them, so one that was damaged meanwhile is put anew and does not spoil all that follow.
    trusted: BTreeSet<String>,
}

impl Taker {
    pub(super) fn new(objects: Objects, partition: u32) -> Self {
        Self { objects, partition, sums: HashMap::new(), trusted: BTreeSet::new() }
    }

    /// Copies what is new, then writes the manifest.
    pub(super) fn put(
        &mut self,
        checkpoint: &Checkpoint,
        now: SystemTime,
        stop: &AtomicBool,
    ) -> Result<Taken, SnapshotError> {
        let files = self.sum_up(checkpoint, stop)?;
        let (mut new_files, mut new_bytes) = (0, 0);
        let there = self.there()?;
        for file in &files {
            if self.put_unless_there(checkpoint, file, &there, stop)? {
                (new_files, new_bytes) = (new_files + 1, new_bytes + file.bytes);
            }
        }
        let taken_at_s = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let manifest = Manifest::new(self.partition, &checkpoint.position, taken_at_s, files);
        let (name, bytes) = manifest
            .encode()
            .map_err(|e| SnapshotError::Damaged { name: String::new(), why: e.to_string() })?;
        self.objects.put_bytes(&name, bytes)?;
        // Another node may have pruned between our look and the manifest: what is named now is safe from it.
        let there = self.there()?;
        for file in &manifest.files {
            self.put_unless_there(checkpoint, file, &there, stop)?;
        }
        let named: BTreeSet<String> = manifest.files.iter().map(|file| manifest.object(file)).collect();
        self.trusted.retain(|object| named.contains(object));
        Ok(Taken { name, manifest, new_files, new_bytes })
    }

    /// The objects of the partition's files, and their lengths.
    fn there(&self) -> Result<BTreeMap<String, u64>, SnapshotError> {
        let listed = self.objects.list(&folder(self.partition))?;
        Ok(listed.into_iter().map(|object| (object.name, object.bytes)).collect())
    }

    /// Puts a file where it is missing; whether it was.
    fn put_unless_there(
        &mut self,
        checkpoint: &Checkpoint,
        file: &FileNote,
        there: &BTreeMap<String, u64>,
        stop: &AtomicBool,
    ) -> Result<bool, SnapshotError> {
        if stop.load(Ordering::Relaxed) {
            return Err(SnapshotError::GivenUp);
        }
        let object = object(self.partition, checkpoint.position.next_offset, file);
        if there.get(&object) == Some(&file.bytes) {
            if self.trusted.contains(&object) {
                return Ok(false);
            }
            match self.objects.sum(&object) {
                Ok(sum) if sum.hex() == file.sha256 => {
                    self.trusted.insert(object);
                    return Ok(false);
                }
                Err(error) if !error.is_not_found() => return Err(error.into()),
                _ => tracing::error!(
                    "{object} in {} was damaged: it is put anew, but snapshots that name it were of no use",
                    self.objects.place()
                ),
            }
        }
        let path = checkpoint.path(&file.name);
        let sum = self.objects.put_file(&object, &path)?;
        if sum.hex() != file.sha256 {
            let why = format!("{} changed while it was copied", path.display());
            return Err(SnapshotError::Damaged { name: object, why });
        }
        self.trusted.insert(object);
        Ok(true)
    }

    fn sum_up(&mut self, checkpoint: &Checkpoint, stop: &AtomicBool) -> Result<Vec<FileNote>, SnapshotError> {
        let (mut files, mut sums) = (Vec::new(), HashMap::new());
        for name in &checkpoint.files {
            if stop.load(Ordering::Relaxed) {
                return Err(SnapshotError::GivenUp);
            }
            let path = checkpoint.path(name);
            let failed = SnapshotError::folder("read", &path);
            let (sum, unchanged) = self.sum_of(name, &path).map_err(failed)?;
            if is_shared(name) {
                sums.insert(unchanged, sum);
            }
            files.push(FileNote { name: name.clone(), bytes: sum.bytes, sha256: sum.hex() });
        }
        self.sums = sums;
        Ok(files)
    }

    fn sum_of(&self, name: &str, path: &Path) -> io::Result<(Sum, Unchanged)> {
        let mut file = fs::File::open(path)?;
        let meta = file.metadata()?;
        let unchanged = Unchanged {
            name: name.to_owned(),
            inode: meta.ino(),
            bytes: meta.len(),
            modified: (meta.mtime(), meta.mtime_nsec()),
        };
        if let Some(sum) = self.sums.get(&unchanged) {
            return Ok((*sum, unchanged));
        }
        Ok((Sum::read(&mut file)?, unchanged))
    }
}
