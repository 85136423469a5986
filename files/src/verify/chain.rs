//! The chain of cycles: each manifest names the digest of the one before.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use domain::cycle::CycleName;
use sha2::{Digest as _, Sha256};

use super::report::{Check, Findings};
use crate::{error::FilesError, layout, manifest::Manifest, text};

/// The largest manifest that is read, bytes.
pub(crate) const MANIFEST_BYTES_MAX: u64 = 64 << 20;

/// A version of a cycle: 1 as first published, 2 and more for corrections (`….v2`).
pub(crate) type Version = (CycleName, u32);

/// Reads a folder's name; `None` if it is no cycle's.
pub(crate) fn parse_name(name: &str) -> Option<Version> {
    match name.split_once(".v") {
        None => name.parse().ok().map(|cycle| (cycle, 1)),
        Some((cycle, version)) => {
            let number: u32 = version.parse().ok().filter(|number| *number > 1)?;
            let plain = number.to_string() == version;
            cycle.parse().ok().filter(|_| plain).map(|cycle| (cycle, number))
        }
    }
}

/// The spelling of a folder's name.
pub(super) fn spell((cycle, version): Version) -> String {
    if version == 1 { cycle.to_string() } else { format!("{cycle}.v{version}") }
}

/// Reads a folder's `manifest.json`; `None` if it has none.
pub(crate) fn read_manifest(folder: &Path) -> Result<Option<Vec<u8>>, FilesError> {
    let path = folder.join(layout::MANIFEST_FILE);
    let mut bytes = Vec::new();
    let read = fs::File::open(&path).and_then(|file| file.take(MANIFEST_BYTES_MAX).read_to_end(&mut bytes));
    match read {
        Ok(_) => Ok(Some(bytes)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(FilesError::io("read", &path)(e)),
    }
}

/// The cycle folders beside this one.
fn siblings(folder: &Path) -> Result<BTreeMap<Version, PathBuf>, FilesError> {
    let folder = fs::canonicalize(folder).map_err(FilesError::io("find", folder))?;
    let Some(parent) = folder.parent() else { return Ok(BTreeMap::new()) };
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(parent).map_err(FilesError::io("read", parent))? {
        let path = entry.map_err(FilesError::io("read", parent))?.path();
        let version = path.file_name().and_then(|name| name.to_str()).and_then(parse_name);
        if let Some(version) = version.filter(|_| path.is_dir()) {
            found.insert(version, path);
        }
    }
    Ok(found)
}

/// The digests of some folders' manifests.
fn digests<'p>(folders: impl Iterator<Item = &'p PathBuf>) -> Result<Vec<String>, FilesError> {
    let manifests: Result<Vec<_>, _> = folders.map(|folder| read_manifest(folder)).collect();
    let digest = |bytes: Vec<u8>| text::digest_hex(&Sha256::digest(&bytes).into());
    Ok(manifests?.into_iter().flatten().map(digest).collect())
}

/// Checks the link to the cycle before and the one from the cycle after, if they are in the same
/// parent folder.
pub(super) fn check_chain(
    folder: &Path,
    (cycle, version): Version,
    manifest: &Manifest,
    findings: &mut Findings,
) -> Result<(), FilesError> {
    let siblings = siblings(folder)?;
    let before = check_before((cycle, version), manifest, &siblings, findings)?;
    let after = check_after((cycle, version), folder, &siblings, findings)?;
    match (before, after) {
        (None, None) => findings.skipped(Check::Chain, "the cycle before is not beside this one"),
        (before, after) => {
            let known = [before, after].into_iter().flatten().collect::<Vec<_>>();
            findings.checked(Check::Chain, known.join("; "));
        }
    }
    Ok(())
}

/// The manifest's own link. Says what was checked, `None` if the cycle before is not there.
fn check_before(
    (cycle, version): Version,
    manifest: &Manifest,
    siblings: &BTreeMap<Version, PathBuf>,
    findings: &mut Findings,
) -> Result<Option<String>, FilesError> {
    let file = layout::MANIFEST_FILE;
    // A correction follows the version it replaces; a cycle follows any version of the one before.
    let followed: Vec<Version> = if version > 1 {
        siblings.keys().copied().filter(|sibling| *sibling == (cycle, version - 1)).collect()
    } else {
        let last = siblings.range(..(cycle, 0)).next_back().map(|((before, _), _)| *before);
        siblings.keys().copied().filter(|(sibling, _)| Some(*sibling) == last).collect()
    };
    let first_of_all = version == 1 && cycle.sequence == 1;
    match (&manifest.previous_manifest_sha256, followed.first()) {
        (None, None) if first_of_all => Ok(Some("the first cycle".to_owned())),
        (None, None) => {
            let what = "previous_manifest_sha256 is null, but this is not the first cycle";
            findings.fail(Check::Chain, file, None, what);
            Ok(None)
        }
        (None, Some(before)) => {
            let what = format!("previous_manifest_sha256 is null, but {} was before", spell(*before));
            findings.fail(Check::Chain, file, None, what);
            Ok(None)
        }
        (Some(_), None) => Ok(None),
        (Some(stated), Some(before)) => {
            let folders = followed.iter().filter_map(|version| siblings.get(version));
            if !digests(folders)?.contains(stated) {
                let what = format!(
                    "previous_manifest_sha256 is {stated}, which no manifest of {} has: one of them was \
                     changed, or a cycle between them is missing here",
                    spell(*before)
                );
                findings.fail(Check::Chain, file, None, what);
            }
            Ok(Some(format!("follows {}", spell(*before))))
        }
    }
}

/// The link of the next folder to this one: it breaks if this manifest was changed later.
fn check_after(
    (cycle, version): Version,
    folder: &Path,
    siblings: &BTreeMap<Version, PathBuf>,
    findings: &mut Findings,
) -> Result<Option<String>, FilesError> {
    let correction = (cycle, version + 1);
    let next = match siblings.get_key_value(&correction) {
        Some(next) => Some(next),
        None => siblings.range((cycle, u32::MAX)..).next(),
    };
    let Some((next, path)) = next else { return Ok(None) };
    let Some(bytes) = read_manifest(path)? else { return Ok(None) };
    let Ok(manifest) = Manifest::from_bytes(&bytes) else { return Ok(None) };
    let versions: Vec<PathBuf> = if *next == correction {
        vec![folder.to_owned()]
    } else {
        siblings.range((cycle, 0)..=(cycle, u32::MAX)).map(|(_, path)| path.clone()).collect()
    };
    let stated = manifest.previous_manifest_sha256.unwrap_or_default();
    if !digests(versions.iter())?.contains(&stated) {
        let what =
            format!("{} follows another manifest than this one: one of them was changed", spell(*next));
        findings.fail(Check::Chain, layout::MANIFEST_FILE, None, what);
    }
    Ok(Some(format!("followed by {}", spell(*next))))
}
