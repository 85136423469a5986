//! Signatures beside the manifest and what banks are told, made before the folder appears. They are no part of the
//! manifest: it is what they sign.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    path::Path,
};

use sha2::{Digest as _, Sha256};
use signing::{Digests, SIGNATURE_SUFFIX, Signer};

use crate::{error::FilesError, layout};

/// The folder of what banks and participants are told.
const SETTLEMENT: &str = "settlement";

/// Signs the manifest and every file below `settlement/` of a folder that nobody has seen yet. Returns how many
/// files it signed.
///
/// # Errors
/// [`FilesError`] if a file cannot be read, or its signature not be made or written.
pub fn sign(dir: &Path, signer: &Signer) -> Result<u64, FilesError> {
    let mut names = vec![layout::MANIFEST_FILE.to_owned()];
    let settlement = dir.join(SETTLEMENT);
    if settlement.is_dir() {
        list(&settlement, SETTLEMENT, &mut names)?;
    }
    for name in &names {
        let path = dir.join(name);
        let digests = digests(&path).map_err(FilesError::io("read", &path))?;
        let to = dir.join(signature_of(name));
        let signature = signer.sign(&digests)?;
        let written = File::create_new(&to).and_then(|mut file| file.write_all(&signature));
        written.map_err(FilesError::io("write", &to))?;
    }
    Ok(names.len() as u64)
}

/// Whether a file of this name, relative to the folder, is signed.
pub(crate) fn is_signed(name: &str) -> bool {
    let told = name.strip_prefix(SETTLEMENT).is_some_and(|rest| rest.starts_with('/'));
    name == layout::MANIFEST_FILE || (told && !name.ends_with(SIGNATURE_SUFFIX))
}

/// The name of a file's signature.
pub(crate) fn signature_of(name: &str) -> String {
    format!("{name}{SIGNATURE_SUFFIX}")
}

/// What is signed of a file.
pub(crate) fn digests(path: &Path) -> io::Result<Digests> {
    File::open(path).and_then(Digests::read)
}

/// SHA-256 of a file.
pub(crate) fn digest(path: &Path) -> io::Result<[u8; 32]> {
    let (mut file, mut sha256) = (File::open(path)?, Sha256::new());
    let mut buffer = vec![0; 64 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(sha256.finalize().into()),
            read => sha256.update(buffer.get(..read).unwrap_or_default()),
        }
    }
}

/// Adds the files below a folder, by name.
fn list(folder: &Path, prefix: &str, names: &mut Vec<String>) -> Result<(), FilesError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(FilesError::io("read", folder))? {
        found.push(entry.map_err(FilesError::io("read", folder))?);
    }
    found.sort_by_key(fs::DirEntry::file_name);
    for entry in found {
        let name = format!("{prefix}/{}", entry.file_name().to_string_lossy());
        if entry.file_type().map_err(FilesError::io("read", &entry.path()))?.is_dir() {
            list(&entry.path(), &name, names)?;
        } else {
            names.push(name);
        }
    }
    Ok(())
}
