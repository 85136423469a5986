//! Taking files over, without a copy where that can be.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::{Objects, ObjectsError, name};

impl Objects {
    /// Puts files under names, in place of what was there, and takes them away from where they are: they are moved if
    /// the store is a folder on their file system, else copied. For what can be made again: files that are moved are
    /// **not** synced, so after a power failure they may be damaged. After an error some of them may have been taken.
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
            let to = folder.join(name);
            let parent = to.parent().unwrap_or(folder);
            fs::create_dir_all(parent).map_err(failed("create", parent))?;
            match fs::rename(file, &to) {
                Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
                    self.copy_and_remove(name, file)?;
                }
                moved => moved.map_err(failed("move", file))?,
            }
        }
        Ok(())
    }

    fn copy_and_remove(&self, name: &str, file: &Path) -> Result<(), ObjectsError> {
        self.put_file(name, file)?;
        let failed = |source| ObjectsError::File { doing: "remove", path: file.to_owned(), source };
        fs::remove_file(file).map_err(failed)
    }
}
