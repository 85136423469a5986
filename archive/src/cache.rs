//! Files of an archive on this machine, each checked against its digest before it is read.

use std::{
    collections::{BTreeMap, VecDeque},
    fs::{self, File},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use cu_objects::Objects;

use crate::{ArchiveError, format, manifest::FileEntry};

/// More than this is not kept; the file in use may be larger.
const BYTES_MAX: u64 = 4 << 30;

/// Brings files from the object store and keeps some. What is in a folder already is read where it is.
pub(crate) struct Cache {
    objects: Objects,
    folder: tempfile::TempDir,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// Where each file is that was found to be right.
    files: BTreeMap<String, PathBuf>,
    /// Those that were copied, oldest first, with their sizes.
    copies: VecDeque<(String, u64)>,
    bytes: u64,
    number: u64,
}

impl Cache {
    /// Keeps its files in a folder of its own inside `work`, which goes with it.
    pub(crate) fn new(objects: &Objects, work: &Path) -> Result<Self, ArchiveError> {
        fs::create_dir_all(work).map_err(ArchiveError::work(work))?;
        let folder = tempfile::Builder::new().prefix(".archive-").tempdir_in(work);
        let folder = folder.map_err(ArchiveError::work(work))?;
        Ok(Self { objects: objects.clone(), folder, kept: Mutex::default() })
    }

    /// Opens a file.
    ///
    /// # Errors
    /// [`ArchiveError::Damaged`] if its bytes are not those that the manifest names.
    pub(crate) fn open(&self, key: &str, entry: &FileEntry) -> Result<File, ArchiveError> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(path) = kept.files.get(key) {
            return File::open(path).map_err(ArchiveError::work(path));
        }
        let (path, copied) = match self.objects.file(key) {
            Some(path) => (path, false),
            None => {
                kept.number += 1;
                let path = self.folder.path().join(kept.number.to_string());
                self.objects.get_file(key, &path)?;
                (path, true)
            }
        };
        let file = File::open(&path).map_err(ArchiveError::work(&path))?;
        check(key, entry, &file)?;
        kept.files.insert(key.to_owned(), path.clone());
        if copied {
            kept.copies.push_back((key.to_owned(), entry.size));
            kept.bytes += entry.size;
            kept.forget();
        }
        File::open(&path).map_err(ArchiveError::work(&path))
    }
}

impl Kept {
    /// Removes the oldest copies; who reads one goes on reading it.
    fn forget(&mut self) {
        while self.bytes > BYTES_MAX && self.copies.len() > 1 {
            let Some((key, size)) = self.copies.pop_front() else { return };
            self.bytes -= size;
            if let Some(path) = self.files.remove(&key) {
                // It goes with the folder at the latest.
                drop(fs::remove_file(path));
            }
        }
    }
}

/// Checks a whole file against what the manifest says of it.
pub(crate) fn check(key: &str, entry: &FileEntry, input: impl std::io::Read) -> Result<(), ArchiveError> {
    let written = format::digest(input).map_err(ArchiveError::format(key))?;
    if written.size != entry.size || crate::manifest::hex(&written.sha256) != entry.sha256 {
        let why = "its SHA-256 or size is not the one in the manifest";
        return Err(ArchiveError::damaged(key, why));
    }
    Ok(())
}
