//! Folders whose entries outlive a crash.

use std::{
    fs::{self, File},
    io,
    path::Path,
};

/// Makes a folder and those on its way, each of them durable in the one that holds it.
pub fn make_folders(folder: &Path) -> io::Result<()> {
    let missing = folder.ancestors().take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists());
    let missing: Vec<&Path> = missing.collect();
    fs::create_dir_all(folder)?;
    missing.into_iter().try_for_each(sync_parent)
}

/// Makes durable which entries a folder has.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    File::open(here)?.sync_all()
}

/// Makes durable that a file stands in its folder.
pub fn sync_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), sync_folder)
}
