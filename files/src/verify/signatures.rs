//! The signatures of a folder: there, of these bytes, by somebody whom the CA had certified on the business date.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, Read as _},
    path::Path,
};

use signing::{Digests, Invalid, SIGNATURE_BYTES_MAX, SIGNATURE_SUFFIX, Signed, Trust};

use super::{
    Before,
    report::{Check, Findings},
};
use crate::{
    error::FilesError,
    layout,
    manifest::Manifest,
    sign::{digests, is_signed, signature_of},
    text,
};

/// Checks every signature that there must be, and that there is no other.
pub(super) fn check(
    folder: &Path,
    manifest: &Manifest,
    before: Before,
    trust: Option<&Trust>,
    findings: &mut Findings,
) -> Result<(), FilesError> {
    let signed = signed(manifest);
    let there = check_no_other(folder, &signed, findings)?;
    if before.signing && there.is_empty() {
        let what =
            "unsigned: closed before signing began; a later signed manifest covers it through the chain";
        findings.skipped(Check::Signatures, what);
        return Ok(());
    }
    let Some(trust) = trust else {
        skip(there.len(), findings);
        return Ok(());
    };
    check_these(folder, manifest, trust, &signed, findings)
}

/// Checks the signature of the manifest, and of those other files that are there with theirs.
pub(super) fn check_part(
    folder: &Path,
    manifest: &Manifest,
    trust: Option<&Trust>,
    findings: &mut Findings,
) -> Result<(), FilesError> {
    let there = check_no_other(folder, &signed(manifest), findings)?;
    let Some(trust) = trust else {
        skip(there.len(), findings);
        return Ok(());
    };
    let with_theirs = |name: &&str| *name == layout::MANIFEST_FILE || there.contains(&signature_of(name));
    let signed = signed(manifest).into_iter().filter(with_theirs).collect();
    check_these(folder, manifest, trust, &signed, findings)
}

/// The files that have signatures.
fn signed(manifest: &Manifest) -> BTreeSet<&str> {
    let listed = manifest.files.iter().map(|file| file.name.as_str());
    listed.chain([layout::MANIFEST_FILE]).filter(|name| is_signed(name)).collect()
}

/// All signatures that are there; one of no such file is wrong.
fn check_no_other(
    folder: &Path,
    signed: &BTreeSet<&str>,
    findings: &mut Findings,
) -> Result<BTreeSet<String>, FilesError> {
    let there = signatures(folder)?;
    for name in &there {
        let of = name.strip_suffix(SIGNATURE_SUFFIX).unwrap_or_default();
        if !signed.contains(of) {
            findings.fail(Check::Signatures, name, None, "there is no file that it should sign");
        }
    }
    Ok(there)
}

fn skip(count: usize, findings: &mut Findings) {
    let what = format!("without a CA certificate {count} signatures were not checked: give one with --ca");
    findings.skipped(Check::Signatures, &what);
}

/// Checks the signatures of these files.
fn check_these(
    folder: &Path,
    manifest: &Manifest,
    trust: &Trust,
    signed: &BTreeSet<&str>,
    findings: &mut Findings,
) -> Result<(), FilesError> {
    let mut files: Vec<(Digests, &str)> = Vec::new();
    for name in signed {
        let path = folder.join(name);
        match digests(&path) {
            Ok(digests) => files.push((digests, name)),
            // That it is missing is another check's finding.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(FilesError::io("read", &path)(error)),
        }
    }
    let mut signers = BTreeSet::new();
    for (digests, name) in &files {
        let signature = signature_of(name);
        let Some(bytes) = read(&folder.join(&signature))? else {
            findings.fail(
                Check::Signatures,
                &signature,
                None,
                format!("it is missing: {name} is not signed"),
            );
            continue;
        };
        match trust.check(digests, &bytes, manifest.business_date) {
            Ok(signed) => drop(signers.insert(shown(&signed))),
            Err(invalid) => {
                findings.fail(Check::Signatures, &signature, None, what(&invalid, name, manifest, &files))
            }
        }
    }
    let by = signers.into_iter().collect::<Vec<_>>().join("; ");
    let by = if by.is_empty() { "nobody".to_owned() } else { by };
    findings.checked(Check::Signatures, format!("{}, signed by {by}", counted(signed.len())));
    Ok(())
}

/// Who signed, and by which CA.
pub(crate) fn shown(signed: &Signed) -> String {
    let Signed { signer, serial, algorithm, authority_sha256 } = signed;
    format!("{signer} (serial {serial}), {}, CA certificate {authority_sha256}", algorithm.name())
}

fn counted(files: usize) -> String {
    if files == 1 { "1 file".to_owned() } else { format!("{files} files") }
}

/// What is wrong with the signature of a file.
fn what(invalid: &Invalid, name: &str, manifest: &Manifest, files: &[(Digests, &str)]) -> String {
    let Invalid::OtherBytes { algorithm, digest: other } = invalid else { return invalid.to_string() };
    let (signed, kind) = (text::digest_hex(other), algorithm.digest_name());
    // The manifest knows files by their SHA-256, which no other digest is equal to.
    let own = manifest.files.iter().any(|file| file.name == name && file.sha256 == signed);
    match files.iter().find(|(digests, _)| digests.by(*algorithm) == other) {
        _ if own => format!("{name} was altered after it was signed with the {kind} {signed}"),
        Some((_, another)) => format!("it is the signature of {another}, not of {name}"),
        None => format!(
            "{name} was altered after it was signed, or this is the signature of another file: it signs the {kind} \
             {signed}"
        ),
    }
}

/// Reads a signature; `None` if there is none.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>, FilesError> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(SIGNATURE_BYTES_MAX).read_to_end(&mut bytes));
    match read {
        Ok(_) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FilesError::io("read", path)(error)),
    }
}

/// All signatures below a folder, by name.
pub(super) fn signatures(folder: &Path) -> Result<BTreeSet<String>, FilesError> {
    let mut found = BTreeSet::new();
    let mut folders = vec![(folder.to_owned(), String::new())];
    while let Some((path, prefix)) = folders.pop() {
        for entry in fs::read_dir(&path).map_err(FilesError::io("read", &path))? {
            let entry = entry.map_err(FilesError::io("read", &path))?;
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            if entry.file_type().map_err(FilesError::io("read", &entry.path()))?.is_dir() {
                folders.push((entry.path(), format!("{name}/")));
            } else if name.ends_with(SIGNATURE_SUFFIX) {
                found.insert(name);
            }
        }
    }
    Ok(found)
}
