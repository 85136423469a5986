//! `manifest.json` of an archived cycle: every file with its range and digest, and the chain of cycles.

use domain::cycle::CycleName;
use serde::{Deserialize, Serialize};

/// The layout version that a manifest names.
pub const LAYOUT: &str = "cityunion-archive/1";
/// Where archived cycles stand in an object store.
pub const FOLDER: &str = "archive";

/// The manifest of an archived cycle. Fields stand in the order of their sorted keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Ordinal of the cycle, 1 for the first ever.
    pub cycle: u32,
    /// Its files, by topic and partition; a range without messages has none.
    pub files: Vec<FileEntry>,
    /// The layout version, [`LAYOUT`].
    pub layout: String,
    /// The cycle's name, such as `2018-09-01-001`.
    pub name: String,
    /// Number of partitions of `cu.clearing`.
    pub partitions: u32,
    /// SHA-256 of the archive manifest of the cycle before, lower-case hex; none for the first.
    pub previous_sha256: Option<String>,
    /// SHA-256 of the manifest of the cycle's published folder, lower-case hex.
    pub published_sha256: String,
}

/// One file: the messages `first..end` of a partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Offset after the last message.
    pub end: u64,
    /// Offset of the first message.
    pub first: u64,
    /// Number of messages.
    pub messages: u64,
    /// Name in the cycle's folder of the archive.
    pub name: String,
    /// Number of the partition.
    pub partition: u32,
    /// SHA-256, lower-case hex.
    pub sha256: String,
    /// Size in bytes.
    pub size: u64,
    /// The topic, without the system's prefix.
    pub topic: String,
}

impl Manifest {
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
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let manifest: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if manifest.layout != LAYOUT {
            return Err(format!("its layout is {}, this version reads {LAYOUT}", manifest.layout));
        }
        Ok(manifest)
    }

    /// The key of one of its files in the object store.
    #[must_use]
    pub fn key(&self, file: &FileEntry) -> String {
        format!("{FOLDER}/{}/{}", self.name, file.name)
    }
}

impl FileEntry {
    /// The name that the file of a range has. It says the range, so two files of one name hold the same messages.
    #[must_use]
    pub fn name_of(topic: &str, partition: u32, first: u64, end: u64) -> String {
        format!("{topic}-{partition}.{first}-{end}.culog")
    }
}

/// The key of a cycle's manifest in the object store.
#[must_use]
pub fn manifest_key(name: &str) -> String {
    format!("{FOLDER}/{name}/manifest.json")
}

/// The cycle of which a key is the manifest.
#[must_use]
pub fn cycle_of_key(key: &str) -> Option<CycleName> {
    key.strip_prefix(FOLDER)?.strip_prefix('/')?.strip_suffix("/manifest.json")?.parse().ok()
}

/// Lower-case hex.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
