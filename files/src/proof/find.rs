//! Makes a proof from a cycle's folder, in two passes over the home cities' files and memory of a fixed size.

use std::path::{Path, PathBuf};

use domain::{city::City, merkle::Prover};

use super::{PROOF_LAYOUT, Proof};
use crate::{
    error::FilesError,
    layout::{self, Member},
    manifest::Manifest,
    text,
    verify::{Ear, Fields, Line, Lines, read_manifest},
};

/// The most matching records that are named.
const NAMED_MAX: usize = 8;

/// What is to be proved.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The terminal (PSAM) number, twelve upper-case hex digits.
    pub terminal: &'a str,
    /// The terminal's sequence.
    pub terminal_seq: u32,
    /// The home city, where several records have that terminal and sequence.
    pub issuer: Option<City>,
}

/// Why there is no proof. Each message reads well after "failed to".
#[derive(Debug, thiserror::Error)]
pub enum ProveError {
    /// The folder cannot be read, or is none.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// The folder is not what its manifest says.
    #[error("prove anything of {}: {what}; cityunion verify says more", folder.display())]
    Damaged {
        /// The folder.
        folder: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// No home city pays for the record in this cycle.
    #[error("prove terminal {terminal} number {terminal_seq}: no home city pays for it in {cycle}{hint}")]
    NotPaid {
        /// The terminal.
        terminal: String,
        /// Its sequence.
        terminal_seq: u32,
        /// The cycle.
        cycle: String,
        /// What became of it, as far as the folder says.
        hint: String,
    },
    /// Several records match.
    #[error(
        "prove terminal {terminal} number {terminal_seq}: several records of the cycle have them, say with --issuer \
         whose card it was:\n  {}",
        leaves.join("\n  ")
    )]
    Several {
        /// The terminal.
        terminal: String,
        /// Its sequence.
        terminal_seq: u32,
        /// Some of them.
        leaves: Vec<String>,
    },
}

/// Proves that a home city pays for a record in a cycle.
///
/// # Errors
/// [`ProveError`].
pub fn prove(folder: &Path, place: &Place<'_>) -> Result<Proof, ProveError> {
    let bytes = read_manifest(folder)?.ok_or_else(|| FilesError::NoManifest(folder.to_owned()))?;
    let damaged = |what: String| ProveError::Damaged { folder: folder.to_owned(), what };
    let manifest = Manifest::from_bytes(&bytes).map_err(|error| damaged(format!("no manifest: {error}")))?;
    let leaves = Leaves { folder, manifest: &manifest };
    let (mut found, mut count) = (Vec::new(), 0_u64);
    leaves.each(|index, leaf| {
        if place.is(leaf) {
            count += 1;
            if found.len() < NAMED_MAX {
                found.push((index, String::from_utf8_lossy(leaf).into_owned()));
            }
        }
    })?;
    let cycle = format!("{}-{}", manifest.business_date, manifest.cycle);
    let (terminal, terminal_seq) = (place.terminal.to_owned(), place.terminal_seq);
    let Some((index, leaf)) = found.first().cloned() else {
        let hint = leaves.hint(place)?;
        return Err(ProveError::NotPaid { terminal, terminal_seq, cycle, hint });
    };
    if count > 1 {
        let leaves = found.into_iter().map(|(_, leaf)| leaf).collect();
        return Err(ProveError::Several { terminal, terminal_seq, leaves });
    }
    let mut prover = Prover::new(index);
    leaves.each(|_, leaf| prover.push(leaf))?;
    let (path, tree_size, root) =
        prover.finish().ok_or_else(|| damaged("its files change while they are read".to_owned()))?;
    let root = text::digest_hex(&root);
    if (tree_size, &root) != (manifest.merkle.leaves, &manifest.merkle.root) {
        let stated = &manifest.merkle;
        return Err(damaged(format!(
            "its records come to {tree_size} leaves and the root {root}, its manifest says {} and {}",
            stated.leaves, stated.root
        )));
    }
    Ok(Proof {
        algorithm: layout::MERKLE_ALGORITHM.to_owned(),
        audit_path: path.iter().map(text::digest_hex).collect(),
        cycle,
        index,
        layout: PROOF_LAYOUT.to_owned(),
        leaf,
        root,
        tree_size,
    })
}

impl Place<'_> {
    /// Whether a leaf is the record. Its columns need no quotes: issuer, acquirer, terminal, sequence.
    fn is(&self, leaf: &[u8]) -> bool {
        let mut columns = leaf.splitn(5, |byte| *byte == b',');
        let issuer = columns.next().unwrap_or_default();
        let terminal = columns.nth(1).unwrap_or_default();
        let seq = columns.next().unwrap_or_default();
        terminal == self.terminal.as_bytes()
            && seq == self.terminal_seq.to_string().as_bytes()
            && self.issuer.is_none_or(|city| city.spelling() == issuer)
    }
}

/// The leaves of a folder's tree.
struct Leaves<'a> {
    folder: &'a Path,
    manifest: &'a Manifest,
}

impl Leaves<'_> {
    /// Shows every leaf with its index.
    fn each(&self, mut show: impl FnMut(u64, &[u8])) -> Result<(), FilesError> {
        let (mut index, mut leaf) = (0, Vec::new());
        for file in &self.manifest.files {
            let Member::Issuer(city) = Member::of(&file.name) else { continue };
            let path = self.folder.join(&file.name);
            let mut lines = Lines::open(&path, Ear::default()).map_err(FilesError::io("open", &path))?;
            let mut header = true;
            while let Line::Whole(line) = lines.next().map_err(FilesError::io("read", &path))? {
                if !std::mem::take(&mut header) {
                    leaf.clear();
                    leaf.extend_from_slice(&city.spelling());
                    leaf.push(b',');
                    leaf.extend_from_slice(line);
                    show(index, &leaf);
                    index += 1;
                }
            }
        }
        Ok(())
    }

    /// What the acquirers' files say of a record that nobody pays for.
    fn hint(&self, place: &Place<'_>) -> Result<String, FilesError> {
        let mut fields = Fields::default();
        for file in &self.manifest.files {
            let Member::Acquirer(_) = Member::of(&file.name) else { continue };
            let path = self.folder.join(&file.name);
            let mut lines = Lines::open(&path, Ear::default()).map_err(FilesError::io("open", &path))?;
            while let Line::Whole(line) = lines.next().map_err(FilesError::io("read", &path))? {
                if fields.split(line).is_err() {
                    continue;
                }
                let text = |column| fields.text(column).unwrap_or_default();
                let seq = place.terminal_seq.to_string();
                if (text(2), text(3)) == (place.terminal, seq.as_str()) {
                    let result = [text(6), text(7)].join(" ");
                    return Ok(format!(
                        "; {} line {} of {} says: {}",
                        text(0),
                        text(1),
                        file.name,
                        result.trim_end()
                    ));
                }
            }
        }
        Ok(", and no acquirer presented it".to_owned())
    }
}
