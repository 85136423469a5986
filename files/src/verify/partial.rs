//! A part of a folder, as a bank or a city gets it: what is there against manifest and signatures.

use std::{collections::BTreeSet, io, path::Path};

use signing::Trust;

use super::{
    chain, check_manifest, member,
    report::{Check, Findings, Report},
    signatures,
};
use crate::{error::FilesError, layout, manifest::Manifest};

/// Why checks that need the whole folder are not made.
pub const PART_ONLY: &str = "this is a part of a folder";

/// What was found of a part of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// What was checked.
    pub report: Report,
    /// The listed files that are there, by name.
    pub present: Vec<String>,
    /// The listed files that are not there, by name.
    pub missing: Vec<String>,
}

/// Checks the manifest, its signature, and every other file that is there: listed, size, digest, and its own signature if
/// that is there. What is missing is told and nothing wrong. Figures are not recomputed.
///
/// # Errors
/// [`FilesError::NoManifest`] without a manifest, which is what files are checked against; [`FilesError::Io`].
pub fn verify_part(folder: &Path, trust: Option<&Trust>) -> Result<Part, FilesError> {
    let bytes = chain::read_manifest(folder)?.ok_or_else(|| FilesError::NoManifest(folder.to_owned()))?;
    let mut findings = Findings::default();
    let (mut present, mut missing) = (Vec::new(), Vec::new());
    match Manifest::from_bytes(&bytes) {
        Ok(manifest) if check_manifest(&manifest, &bytes, &mut findings) => {
            let mut size = 0_u64;
            for entry in &manifest.files {
                if !is_there(&folder.join(&entry.name))? {
                    missing.push(entry.name.clone());
                    continue;
                }
                member::read_bytes(folder, entry, &mut findings)?;
                size = size.saturating_add(entry.size);
                present.push(entry.name.clone());
            }
            check_unlisted(folder, &manifest, &mut findings)?;
            let what = format!(
                "{} of {} files are here, {size} bytes: size, SHA-256",
                present.len(),
                manifest.files.len()
            );
            findings.checked(Check::Files, what);
            signatures::check_part(folder, &manifest, trust, &mut findings)?;
        }
        Ok(_) => {}
        Err(e) => findings.fail(Check::Manifest, layout::MANIFEST_FILE, None, format!("no manifest: {e}")),
    }
    for check in Check::ALL {
        if !matches!(check, Check::Manifest | Check::Files | Check::Signatures) {
            findings.skipped(check, PART_ONLY);
        }
    }
    Ok(Part { report: findings.report(folder.to_owned()), present, missing })
}

/// Whether something of this name is there.
pub(super) fn is_there(path: &Path) -> Result<bool, FilesError> {
    match path.symlink_metadata() {
        Ok(_) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(FilesError::io("read", path)(e)),
    }
}

/// A file that the manifest does not list is no part of the cycle.
fn check_unlisted(folder: &Path, manifest: &Manifest, findings: &mut Findings) -> Result<(), FilesError> {
    let listed: BTreeSet<&str> = manifest.files.iter().map(|file| file.name.as_str()).collect();
    super::check_no_other(folder, &listed, findings)
}
