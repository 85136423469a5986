//! Makes a rendered cycle visible: whole or not at all.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use crate::{error::FilesError, layout};

/// Publishes the folder that [`crate::assemble`] made as `out/<name>` and returns that path. `tmp`
/// must be on the file system of `out`. Everything is on disk before it becomes visible.
///
/// Publishing the same bytes again changes nothing and removes `tmp`.
///
/// # Errors
/// [`FilesError::AlreadyPublished`] if the cycle is there with another manifest (nothing is
/// changed then), [`FilesError::Io`] if the disk refuses.
pub fn publish(tmp: &Path, out: &Path, name: &str) -> Result<PathBuf, FilesError> {
    let target = out.join(name);
    if target.symlink_metadata().is_ok() {
        return confirm(tmp, out, target);
    }
    sync_tree(tmp)?;
    match fs::rename(tmp, &target) {
        // Another node was quicker.
        Err(_) if target.symlink_metadata().is_ok() => confirm(tmp, out, target),
        renamed => {
            renamed.map_err(FilesError::io("publish", &target))?;
            sync(out)?;
            Ok(target)
        }
    }
}

/// The cycle is there already: fine if it is the same one.
fn confirm(tmp: &Path, out: &Path, target: PathBuf) -> Result<PathBuf, FilesError> {
    let manifest = |folder: &Path| {
        let path = folder.join(layout::MANIFEST_FILE);
        fs::read(&path).map_err(FilesError::io("read", &path))
    };
    let published = match manifest(&target) {
        Err(FilesError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => None,
        published => Some(published?),
    };
    if published != Some(manifest(tmp)?) {
        return Err(FilesError::AlreadyPublished(target));
    }
    // Whoever put it there may have been killed before its name was on the disk.
    sync(out)?;
    fs::remove_dir_all(tmp).map_err(FilesError::io("remove", tmp))?;
    Ok(target)
}

/// Brings a folder and everything in it to the disk.
///
/// # Errors
/// [`FilesError::Io`] if the disk refuses.
pub fn sync_tree(folder: &Path) -> Result<(), FilesError> {
    for entry in fs::read_dir(folder).map_err(FilesError::io("read", folder))? {
        let entry = entry.map_err(FilesError::io("read", folder))?;
        let kind = entry.file_type().map_err(FilesError::io("read", &entry.path()))?;
        if kind.is_dir() { sync_tree(&entry.path())? } else { sync(&entry.path())? }
    }
    sync(folder)
}

fn sync(path: &Path) -> Result<(), FilesError> {
    File::open(path).and_then(|file| file.sync_all()).map_err(FilesError::io("sync", path))
}
