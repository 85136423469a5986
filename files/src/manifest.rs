//! `manifest.json`: every file of a cycle with its digest, and the chain of cycles.

use std::collections::BTreeMap;

use domain::date::Date;
use serde::{Deserialize, Serialize};

use crate::layout::SettlementFile;

/// The manifest of a cycle folder. Fields stand in the order of their sorted keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Business date of the cycle.
    pub business_date: Date,
    /// The folder's `nnn`: which cycle of that business date.
    pub cycle: String,
    /// Every file but the manifest itself and signatures, by name.
    pub files: Vec<FileEntry>,
    /// The layout version, [`crate::layout::CYCLE_LAYOUT`].
    pub layout: String,
    /// The tree over the issuers' detail.
    pub merkle: MerkleEntry,
    /// SHA-256 of the manifest of the cycle before, lower-case hex; none for the first.
    pub previous_manifest_sha256: Option<String>,
    /// In a correction: what it replaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<Replaces>,
    /// The rules of the cycle.
    pub rulebook: RulebookEntry,
}

/// What a correction replaces, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replaces {
    /// The folder.
    pub folder: String,
    /// SHA-256 of its manifest, lower-case hex.
    pub manifest_sha256: String,
    /// Why.
    pub reason: String,
    /// The version that this folder is.
    pub version: u32,
}

/// One file of a cycle folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Name relative to the folder, with `/`.
    pub name: String,
    /// Rows without the header; none if the file is no CSV.
    pub rows: Option<u64>,
    /// SHA-256, lower-case hex.
    pub sha256: String,
    /// Size in bytes.
    pub size: u64,
    /// Sums of `count` and of every `*_fen` column, by column.
    pub totals: BTreeMap<String, i128>,
}

/// The Merkle tree over the issuers' detail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MerkleEntry {
    /// [`crate::layout::MERKLE_ALGORITHM`].
    pub algorithm: String,
    /// Number of leaves.
    pub leaves: u64,
    /// The root, lower-case hex.
    pub root: String,
}

/// The rulebook of the cycle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RulebookEntry {
    /// SHA-256 of its bytes, lower-case hex.
    pub sha256: String,
    /// Its version.
    pub version: u32,
}

impl Manifest {
    /// The version of the plan that the folder is of.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.replaces.as_ref().map_or(1, |replaces| replaces.version)
    }

    /// The files of `settlement/`, in the order of their names: what is signed, and handed to banks.
    pub fn settlement_files(&self) -> impl Iterator<Item = (SettlementFile, &FileEntry)> {
        self.files.iter().filter_map(|entry| Some((SettlementFile::of(&entry.name)?, entry)))
    }

    /// The bytes of `manifest.json`: keys sorted, two-space indent, LF at the end.
    ///
    /// # Errors
    /// Never for a manifest of this type; the encoder's signature allows one.
    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut bytes = serde_json::to_vec_pretty(self)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Reads `manifest.json`.
    ///
    /// # Errors
    /// What is wrong and where, if it is no manifest of this layout.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }
}
