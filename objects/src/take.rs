//! Taking files over, without a copy where that can be.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use crate::{Objects, ObjectsError, name};

impl Objects {
    /// Puts files under names, in place of what was there, and takes them away from where they are: they are moved if
    /// the store is a folder on their file system, else copied. Durable when it returns; after a failure some of them
    /// may have been taken.
    ///
    /// # Errors
    /// [`ObjectsError`] if a file cannot be read or the store does not take it.
    pub fn take_files(&self, files: &[(String, PathBuf)]) -> Result<(), ObjectsError> {
        let Some(folder) = self.place.folder() else {
            return files.iter().try_for_each(|(name, file)| self.copy_and_remove(name, file));
        };
        let failed = |doing, path: &Path| {
            let path = path.to_owned();
            move |source| ObjectsError::File { doing, path, source }
        };
        for (name, file) in files {
            name::checked(name)?;
            File::open(file).and_then(|file| file.sync_all()).map_err(failed("sync", file))?;
        }
        let mut changed = BTreeSet::new();
        for (name, file) in files {
            let to = folder.join(name);
            let parents = to.ancestors().skip(1).take_while(|parent| parent.starts_with(folder));
            changed.extend(parents.map(Path::to_owned));
            let parent = to.parent().unwrap_or(folder);
            fs::create_dir_all(parent).map_err(failed("create", parent))?;
            match fs::rename(file, &to) {
                Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
                    self.copy_and_remove(name, file)?;
                }
                moved => moved.map_err(failed("move", file))?,
            }
        }
        for folder in changed {
            File::open(&folder).and_then(|open| open.sync_all()).map_err(failed("sync", &folder))?;
        }
        Ok(())
    }

    fn copy_and_remove(&self, name: &str, file: &Path) -> Result<(), ObjectsError> {
        self.put_file(name, file)?;
        let failed = |source| ObjectsError::File { doing: "remove", path: file.to_owned(), source };
        fs::remove_file(file).map_err(failed)
    }
}
