//! What killed puts left in a folder.

use std::{
    fs, io,
    path::Path,
    time::{Duration, SystemTime},
};

use crate::{Objects, ObjectsError};

/// Deepest folder below a swept one.
const DEPTH_MAX: usize = 16;

impl Objects {
    /// Deletes drafts below a prefix that nobody has written to for `older_than`: what a put leaves behind when
    /// its process is killed. Only folders show them; a bucket needs a rule of its own that ends incomplete
    /// multipart uploads. Returns how many there were.
    ///
    /// # Errors
    /// [`ObjectsError::File`] if a folder cannot be read or a draft cannot be deleted.
    pub fn sweep(&self, prefix: &str, older_than: Duration) -> Result<usize, ObjectsError> {
        crate::name::checked(prefix)?;
        let Some(folder) = self.place.folder() else { return Ok(0) };
        sweep(&folder.join(prefix), SystemTime::now(), older_than, DEPTH_MAX)
    }
}

fn sweep(folder: &Path, now: SystemTime, older_than: Duration, depth: usize) -> Result<usize, ObjectsError> {
    let failed = |source| ObjectsError::File { doing: "sweep", path: folder.to_owned(), source };
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        entries => entries.map_err(failed)?,
    };
    let mut swept = 0;
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let Ok(meta) = entry.metadata() else { continue };
        if meta.is_dir() && depth > 0 {
            swept += sweep(&entry.path(), now, older_than, depth - 1)?;
        } else if meta.is_file() && is_draft(&entry.file_name().to_string_lossy()) {
            let age = meta.modified().ok().and_then(|at| now.duration_since(at).ok());
            if age.is_some_and(|age| age >= older_than) {
                fs::remove_file(entry.path()).map_err(failed)?;
                swept += 1;
            }
        }
    }
    Ok(swept)
}

/// The crate below names a draft after its object: `name#1`.
fn is_draft(name: &str) -> bool {
    name.rsplit_once('#')
        .is_some_and(|(_, number)| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}
