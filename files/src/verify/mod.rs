//! Recomputes everything that follows from a closed folder alone and says what it checked.

mod began;
mod chain;
pub mod compare;
mod content;
mod detail;
mod figures;
mod member;
mod messages;
mod partial;
mod reader;
mod report;
mod settlement;
mod signatures;

use std::{collections::BTreeSet, fs, path::Path};

use domain::cycle::CycleName;
use signing::Trust;

pub use began::{Before, began};
pub use partial::{PART_ONLY, Part, verify_part};
pub use report::{Check, CheckResult, FAILURES_LISTED_MAX, Failure, Heard, Outcome, Report};

pub(crate) use chain::{MANIFEST_BYTES_MAX, parse_name as version_of, read_manifest};
pub(crate) use figures::read_figures;
pub(crate) use reader::{Fields, Line, Lines, decimal};
pub(crate) use report::Ear;
pub(crate) use signatures::{read as read_signature, shown as signed_by};

use self::report::Findings;
use crate::{
    error::FilesError,
    layout::{self, Member},
    manifest::Manifest,
};

/// Verifies a cycle folder, reading each file once and keeping none in memory. Folders beside it
/// are read for the chain only.
///
/// # Errors
/// [`FilesError::NoManifest`] if it is no cycle folder, [`FilesError::Io`] if something in it cannot
/// be read. Whatever is wrong with the content is in the report.
pub fn verify(folder: &Path) -> Result<Report, FilesError> {
    verify_told(folder, None)
}

/// The same; `heard` is told how much of the files was read, from several threads.
///
/// # Errors
/// As [`verify`].
pub fn verify_told(folder: &Path, heard: Option<Heard>) -> Result<Report, FilesError> {
    verify_signed(folder, None, heard)
}

/// The same; signatures are checked against the CA certificates of `trust`.
///
/// # Errors
/// As [`verify`].
pub fn verify_signed(
    folder: &Path,
    trust: Option<&Trust>,
    heard: Option<Heard>,
) -> Result<Report, FilesError> {
    verify_among(folder, Before::default(), trust, heard)
}

/// The same for one of several folders, of which [`began`] has said what had not begun yet when it was closed.
///
/// # Errors
/// As [`verify`].
pub fn verify_among(
    folder: &Path,
    before: Before,
    trust: Option<&Trust>,
    heard: Option<Heard>,
) -> Result<Report, FilesError> {
    let bytes = chain::read_manifest(folder)?.ok_or_else(|| FilesError::NoManifest(folder.to_owned()))?;
    let mut findings = Findings::default();
    match Manifest::from_bytes(&bytes) {
        Ok(manifest) => {
            let bytes_total = manifest.files.iter().fold(0_u64, |sum, file| sum.saturating_add(file.size));
            findings = Findings::told(Ear::new(heard, bytes_total));
            verify_manifest(folder, (&manifest, &bytes), before, trust, &mut findings)?;
        }
        Err(e) => findings.fail(Check::Manifest, layout::MANIFEST_FILE, None, format!("no manifest: {e}")),
    }
    Ok(findings.report(folder.to_owned()))
}

/// Checks the signatures of a folder and nothing else; the failures.
///
/// # Errors
/// As [`verify`].
pub fn check_signatures(folder: &Path, trust: &Trust) -> Result<Vec<Failure>, FilesError> {
    let bytes = chain::read_manifest(folder)?.ok_or_else(|| FilesError::NoManifest(folder.to_owned()))?;
    let mut findings = Findings::default();
    match Manifest::from_bytes(&bytes) {
        Ok(manifest) if check_manifest(&manifest, &bytes, &mut findings) => {
            signatures::check(folder, &manifest, Before::default(), Some(trust), &mut findings)?;
        }
        Ok(_) => {}
        Err(e) => findings.fail(Check::Manifest, layout::MANIFEST_FILE, None, format!("no manifest: {e}")),
    }
    Ok(findings.report(folder.to_owned()).failures)
}

/// Verifies a folder whose manifest can be read.
fn verify_manifest(
    folder: &Path,
    (manifest, bytes): (&Manifest, &[u8]),
    before: Before,
    trust: Option<&Trust>,
    findings: &mut Findings,
) -> Result<(), FilesError> {
    let safe = check_manifest(manifest, bytes, findings);
    let version = check_name(folder, manifest, findings);
    if !safe {
        return Ok(());
    }
    check_presence(folder, manifest, findings)?;
    if let Some(version) = version {
        content::verify(folder, version.0, manifest, before, findings)?;
        chain::check_chain(folder, version, manifest, findings)?;
    }
    signatures::check(folder, manifest, before, trust, findings)
}

/// The manifest's form. False if its names cannot be trusted as paths.
fn check_manifest(manifest: &Manifest, bytes: &[u8], findings: &mut Findings) -> bool {
    let mut fail = |what: String| findings.fail(Check::Manifest, layout::MANIFEST_FILE, None, what);
    if manifest.to_bytes().ok().as_deref() != Some(bytes) {
        fail("its keys are not sorted, or it is not indented by two spaces with LF at the end".to_owned());
    }
    if manifest.layout != layout::CYCLE_LAYOUT {
        fail(format!("its layout is `{}`, not {}", manifest.layout, layout::CYCLE_LAYOUT));
    }
    if manifest.merkle.algorithm != layout::MERKLE_ALGORITHM {
        let algorithm = &manifest.merkle.algorithm;
        fail(format!("its Merkle algorithm is `{algorithm}`, not {}", layout::MERKLE_ALGORITHM));
    }
    let names: Vec<&str> = manifest.files.iter().map(|file| file.name.as_str()).collect();
    if !names.is_sorted_by(|a, b| a < b) {
        fail("its files are not sorted by name, or one is listed twice".to_owned());
    }
    for required in [layout::ITEMS_FILE, layout::NET_FILE, layout::POSITIONS_FILE, layout::RULEBOOK_FILE] {
        if !names.contains(&required) {
            fail(format!("it does not list {required}"));
        }
    }
    let unsafe_names: Vec<&str> = names.into_iter().filter(|name| !is_safe(name)).collect();
    for name in &unsafe_names {
        fail(format!("`{name}` is no name inside the folder"));
    }
    findings.checked(Check::Manifest, format!("{}, {} files", manifest.layout, manifest.files.len()));
    unsafe_names.is_empty()
}

/// Whether a listed name stays inside the folder and is not the manifest's own.
fn is_safe(name: &str) -> bool {
    let plain = |part: &str| !matches!(part, "" | "." | "..") && !part.contains(['\0', '\\']);
    name != layout::MANIFEST_FILE && name.split('/').all(plain)
}

/// The cycle by the folder's name, which the manifest must agree with.
fn check_name(folder: &Path, manifest: &Manifest, findings: &mut Findings) -> Option<chain::Version> {
    let file = layout::MANIFEST_FILE;
    let stated: Option<CycleName> = format!("{}-{}", manifest.business_date, manifest.cycle).parse().ok();
    let Some(stated) = stated else {
        findings.fail(Check::Manifest, file, None, format!("its cycle `{}` is no nnn", manifest.cycle));
        return None;
    };
    let absolute = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    let name = absolute.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    match chain::parse_name(name) {
        Some(version) if version.0 == stated => {
            check_replaces(version, manifest, findings);
            Some(version)
        }
        _ => {
            let what = format!("it is the manifest of {stated}, but the folder's name is `{name}`");
            findings.fail(Check::Manifest, file, None, what);
            Some((stated, 1))
        }
    }
}

/// A correction names what it replaces, and nothing else does.
fn check_replaces((cycle, version): chain::Version, manifest: &Manifest, findings: &mut Findings) {
    let mut fail = |what: String| findings.fail(Check::Manifest, layout::MANIFEST_FILE, None, what);
    match &manifest.replaces {
        None if version == 1 => {}
        None => {
            fail("the folder is a correction, but its manifest names nothing that it replaces".to_owned())
        }
        Some(replaces) => {
            let before = version.checked_sub(1).filter(|before| *before > 0);
            let folder = before.map(|before| chain::spell((cycle, before)));
            if folder.as_ref() != Some(&replaces.folder) || replaces.version != version {
                fail(format!(
                    "it replaces {} as version {}, which is not what its folder's name says",
                    replaces.folder, replaces.version
                ));
            }
            if manifest.previous_manifest_sha256.as_ref() != Some(&replaces.manifest_sha256) {
                fail("what it replaces is not the manifest that it follows".to_owned());
            }
            if replaces.reason.is_empty() {
                fail("it does not say why it replaces another".to_owned());
            }
        }
    }
}

/// Every participant has both detail files, and no file is there that the manifest does not list.
fn check_presence(folder: &Path, manifest: &Manifest, findings: &mut Findings) -> Result<(), FilesError> {
    let listed: BTreeSet<&str> = manifest.files.iter().map(|file| file.name.as_str()).collect();
    for name in &listed {
        let twin = match Member::of(name) {
            Member::Acquirer(city) => layout::issuer_file(city),
            Member::Issuer(city) => layout::acquirer_file(city),
            _ => continue,
        };
        if !listed.contains(twin.as_str()) {
            findings.fail(Check::Files, &twin, None, format!("it is missing, though there is {name}"));
        }
    }
    check_no_other(folder, &listed, findings)?;
    let size: u64 = manifest.files.iter().map(|file| file.size).sum();
    findings.checked(Check::Files, format!("{} files, {size} bytes: there, size, SHA-256", listed.len()));
    Ok(())
}

/// No file is there that the manifest does not list, but itself and signatures.
fn check_no_other(folder: &Path, listed: &BTreeSet<&str>, findings: &mut Findings) -> Result<(), FilesError> {
    let mut folders = vec![(folder.to_owned(), String::new())];
    while let Some((path, prefix)) = folders.pop() {
        for entry in fs::read_dir(&path).map_err(FilesError::io("read", &path))? {
            let entry = entry.map_err(FilesError::io("read", &path))?;
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            let kind = entry.file_type().map_err(FilesError::io("read", &entry.path()))?;
            let signature = name.ends_with(".p7s");
            if kind.is_dir() {
                folders.push((entry.path(), format!("{name}/")));
            } else if !kind.is_file() {
                findings.fail(Check::Files, &name, None, "it is no regular file");
            } else if name != layout::MANIFEST_FILE && !signature && !listed.contains(name.as_str()) {
                findings.fail(Check::Files, &name, None, "the manifest does not list it");
            }
        }
    }
    Ok(())
}
