//! A correction: a folder beside the one that it replaces, with the same detail and another settlement.

use std::{fs, path::Path};

use sha2::{Digest as _, Sha256};

use crate::{
    error::FilesError,
    folder::{CycleInput, Published, finish, prepare},
    layout::Member,
    manifest::{FileEntry, Manifest, Replaces},
    sign, text,
    verify::read_manifest,
};

/// Writes the folder of a later version of a cycle's plan. The detail is that of the folder it replaces, whose manifest
/// must have the digest that `replaces` names. `dir` is new or a scratch folder, as for [`crate::assemble`].
///
/// # Errors
/// [`FilesError::Replaced`] if that folder is not as it was published, [`FilesError::Io`] if the disk refuses.
pub fn correct(
    dir: &Path,
    input: &CycleInput<'_>,
    replaced: &Path,
    replaces: Replaces,
) -> Result<Published, FilesError> {
    let changed = |what: String| FilesError::Replaced { folder: replaced.to_owned(), what };
    let bytes = read_manifest(replaced)?.ok_or_else(|| FilesError::NoManifest(replaced.to_owned()))?;
    let sha256 = text::digest_hex(&Sha256::digest(&bytes).into());
    if sha256 != replaces.manifest_sha256 {
        return Err(changed(format!("its manifest has SHA-256 {sha256}, not {}", replaces.manifest_sha256)));
    }
    let manifest = Manifest::from_bytes(&bytes).map_err(|error| changed(error.to_string()))?;
    prepare(dir)?;
    let messages = input.messages()?;
    let is_detail =
        |file: &FileEntry| matches!(Member::of(&file.name), Member::Acquirer(_) | Member::Issuer(_));
    let details: Vec<FileEntry> = manifest.files.into_iter().filter(is_detail).collect();
    for file in &details {
        take(&replaced.join(&file.name), &dir.join(&file.name), file).map_err(|fault| match fault {
            Ok(what) => changed(what),
            Err(error) => error,
        })?;
    }
    finish(dir, input, &messages, details, manifest.merkle, Some(replaces))
}

/// Takes a file over; what is wrong with it, or why it cannot be.
fn take(from: &Path, to: &Path, file: &FileEntry) -> Result<(), Result<String, FilesError>> {
    // The folder may be served from another file system by and by: a copy, which nothing done to the other one changes.
    fs::copy(from, to).map_err(|error| Err(FilesError::io("copy", from)(error)))?;
    let sha256 = sign::digest(to).map_err(|error| Err(FilesError::io("read", to)(error)))?;
    let sha256 = text::digest_hex(&sha256);
    if sha256 == file.sha256 {
        return Ok(());
    }
    Err(Ok(format!("{} has SHA-256 {sha256}, its manifest says {}", file.name, file.sha256)))
}
