//! The small files of a folder, each against its entry in the manifest.

use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::{chain, content, report::Findings, settlement};
use crate::{error::FilesError, figures::Figures, layout, manifest::Manifest, text};

/// Reads rules, positions, nets and items.
///
/// # Errors
/// [`FilesError`] if there is no manifest, or something is not as it says.
pub(crate) fn read_figures(folder: &Path) -> Result<Figures, FilesError> {
    let damaged = |what: String| FilesError::Damaged { folder: folder.to_owned(), what };
    let bytes = chain::read_manifest(folder)?.ok_or_else(|| FilesError::NoManifest(folder.to_owned()))?;
    let manifest = Manifest::from_bytes(&bytes)
        .map_err(|error| damaged(format!("{}: {error}", layout::MANIFEST_FILE)))?;
    let mut findings = Findings::default();
    let named = super::check_name(folder, &manifest, &mut findings);
    let entry = |name: &str| {
        let found = manifest.files.iter().find(|file| file.name == name);
        found.ok_or_else(|| damaged(format!("its manifest does not list {name}")))
    };
    let (cycle, version) = named.ok_or_else(|| damaged("its manifest names no cycle".to_owned()))?;
    let positions = settlement::read_positions(folder, entry(layout::POSITIONS_FILE)?, cycle, &mut findings)?;
    let net = settlement::read_net(folder, entry(layout::NET_FILE)?, cycle, &mut findings)?;
    let items = settlement::read_items(folder, entry(layout::ITEMS_FILE)?, cycle, &mut findings)?;
    super::member::read_other(folder, entry(layout::RULEBOOK_FILE)?, &mut findings)?;
    let rulebook = content::read_rulebook(folder, &manifest, &mut findings)?;
    let report = findings.report(folder.to_owned());
    if let Some(failure) = report.failures.first() {
        return Err(damaged(failure.to_string()));
    }
    let rulebook = rulebook.ok_or_else(|| damaged(format!("{} is missing", layout::RULEBOOK_FILE)))?;
    Ok(Figures {
        folder: folder.to_owned(),
        cycle,
        version,
        manifest_sha256: text::digest_hex(&Sha256::digest(&bytes).into()),
        rulebook,
        positions: rows(positions),
        net: rows(net),
        items: rows(items),
    })
}

fn rows<T>(lines: Vec<(u64, T)>) -> Vec<T> {
    lines.into_iter().map(|(_, row)| row).collect()
}
