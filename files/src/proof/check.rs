//! Checks a proof against a manifest, and the manifest against its signature. No folder is needed.

use std::path::Path;

use domain::merkle::{Hash, root_of};
use signing::{Digests, Trust};

use super::{PROOF_BYTES_MAX, PROOF_LAYOUT, Proof, read};
use crate::{
    error::FilesError,
    layout,
    manifest::Manifest,
    sign::signature_of,
    text,
    verify::{MANIFEST_BYTES_MAX, Outcome, read_signature, signed_by},
};

/// The largest tree in which a leaf is looked for under another index.
const SEARCHED_LEAVES_MAX: u64 = 1 << 16;

/// What was checked of a proof and what came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProofReport {
    /// The name of each check, how it ended, and what was checked or is wrong.
    pub checks: Vec<(&'static str, Outcome, String)>,
    /// The line that is proved, if there is one.
    pub leaf: Option<String>,
}

impl ProofReport {
    /// Whether nothing is wrong. A signature that could not be checked does not count as wrong.
    #[must_use]
    pub fn passed(&self) -> bool {
        !self.checks.iter().any(|(_, outcome, _)| matches!(outcome, Outcome::Failed(_)))
    }

    fn note(&mut self, check: &'static str, found: Result<String, String>) {
        let (outcome, what) = match found {
            Ok(what) => (Outcome::Passed, what),
            Err(what) => (Outcome::Failed(1), what),
        };
        self.checks.push((check, outcome, what));
    }
}

/// Checks a proof with the manifest of its cycle and, with `trust`, the signature beside that.
///
/// # Errors
/// [`FilesError::Io`] if a file cannot be read. Whatever is wrong with the proof is in the report.
pub fn check(proof: &Path, manifest: &Path, trust: Option<&Trust>) -> Result<ProofReport, FilesError> {
    let mut report = ProofReport::default();
    let proof = match Proof::from_bytes(&read(proof, PROOF_BYTES_MAX)?) {
        Ok(proof) => proof,
        Err(error) => {
            report.note("form", Err(format!("it is no proof: {error}")));
            return Ok(report);
        }
    };
    report.note("form", form(&proof));
    let bytes = read(manifest, MANIFEST_BYTES_MAX)?;
    match Manifest::from_bytes(&bytes) {
        Ok(stated) => {
            report.note("cycle", cycle(&proof, &stated));
            report.note("tree", tree(&proof, &stated));
            report.note("path", path(&proof));
            report.checks.push(signature(manifest, &bytes, &stated, trust)?);
        }
        Err(error) => report.note("cycle", Err(format!("{} is no manifest: {error}", manifest.display()))),
    }
    report.leaf = Some(proof.leaf);
    Ok(report)
}

fn form(proof: &Proof) -> Result<String, String> {
    if proof.layout != PROOF_LAYOUT {
        return Err(format!("its layout is `{}`, not {PROOF_LAYOUT}", proof.layout));
    }
    if proof.algorithm != layout::MERKLE_ALGORITHM {
        return Err(format!("its algorithm is `{}`, not {}", proof.algorithm, layout::MERKLE_ALGORITHM));
    }
    Ok(format!("{PROOF_LAYOUT}, {}", layout::MERKLE_ALGORITHM))
}

fn cycle(proof: &Proof, manifest: &Manifest) -> Result<String, String> {
    let stated = format!("{}-{}", manifest.business_date, manifest.cycle);
    match proof.cycle == stated {
        true => Ok(stated),
        false => Err(format!("it is a proof for {}, but the manifest is that of {stated}", proof.cycle)),
    }
}

fn tree(proof: &Proof, manifest: &Manifest) -> Result<String, String> {
    let merkle = &manifest.merkle;
    if proof.tree_size != merkle.leaves {
        return Err(format!(
            "its tree has {} leaves, that of the manifest has {}",
            proof.tree_size, merkle.leaves
        ));
    }
    if proof.root != merkle.root {
        return Err(format!("its root {} differs from the manifest's {}", proof.root, merkle.root));
    }
    Ok(format!("{} leaves, root {}", merkle.leaves, merkle.root))
}

/// The way from the leaf to the root that the proof itself names.
fn path(proof: &Proof) -> Result<String, String> {
    let (leaf, index, size) = (proof.leaf.as_bytes(), proof.index, proof.tree_size);
    let mut path: Vec<Hash> = Vec::new();
    for (at, hash) in (1..).zip(&proof.audit_path) {
        path.push(
            from_hex(hash).ok_or_else(|| format!("hash {at} of its audit path is no SHA-256: `{hash}`"))?,
        );
    }
    let found = root_of(leaf, index, size, &path).map_err(|error| error.to_string())?;
    let found = text::digest_hex(&found);
    if found == proof.root {
        return Ok(format!("leaf {index} and {} hashes come to the root", path.len()));
    }
    let elsewhere = |other: &u64| {
        root_of(leaf, *other, size, &path).is_ok_and(|root| text::digest_hex(&root) == proof.root)
    };
    if let Some(other) = (0..size.min(SEARCHED_LEAVES_MAX)).find(elsewhere) {
        return Err(format!("its index is wrong: leaf and audit path belong to index {other}, not {index}"));
    }
    Err(format!(
        "the leaf or its audit path was altered: they come to the root {found}, not to {}",
        proof.root
    ))
}

/// The signature beside the manifest.
fn signature(
    manifest: &Path,
    bytes: &[u8],
    stated: &Manifest,
    trust: Option<&Trust>,
) -> Result<(&'static str, Outcome, String), FilesError> {
    let check = "signature";
    let name = manifest.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let Some(trust) = trust else {
        let what = "without a CA certificate the manifest's signature was not checked: give one with --ca";
        return Ok((check, Outcome::Skipped, what.to_owned()));
    };
    let path = manifest.with_file_name(signature_of(&name));
    let Some(signature) = read_signature(&path)? else {
        let what = format!("{} is missing: nobody has signed the manifest", path.display());
        return Ok((check, Outcome::Failed(1), what));
    };
    Ok(match trust.check(&Digests::of(bytes), &signature, stated.business_date) {
        Ok(signed) => (check, Outcome::Passed, format!("signed by {}", signed_by(&signed))),
        Err(invalid) => (check, Outcome::Failed(1), format!("{}: {invalid}", path.display())),
    })
}

/// 64 lower-case hex digits.
fn from_hex(text: &str) -> Option<Hash> {
    let mut hash = [0; 32];
    let digits: Option<Vec<u8>> = text
        .bytes()
        .map(|digit| match digit {
            b'0'..=b'9' => Some(digit - b'0'),
            b'a'..=b'f' => Some(digit - b'a' + 10),
            _ => None,
        })
        .collect();
    let digits = digits.filter(|digits| digits.len() == 64)?;
    for (byte, pair) in hash.iter_mut().zip(digits.chunks(2)) {
        let [high, low] = pair else { return None };
        *byte = high << 4 | low;
    }
    Some(hash)
}
