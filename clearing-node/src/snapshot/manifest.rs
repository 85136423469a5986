//! What a snapshot says of itself, and the names of its objects.

use cu_log::LogError;
use cu_objects::Sum;
use serde::{Deserialize, Serialize};

use super::checkpoint::Position;
use crate::partition::There;

/// First words of every manifest.
const FORMAT: &str = "cityunion-snapshot/1";
/// Longest manifest, bytes.
pub(super) const MANIFEST_BYTES_MAX: u64 = 16 << 20;

/// A snapshot.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    format: String,
    /// The partition of `cu.clearing`.
    pub partition: u32,
    /// The next offset to fold: everything before it is in the snapshot.
    pub next_offset: u64,
    /// The last message that is in it.
    pub tip: Option<TipNote>,
    /// Ordinal of the last cycle that was opened; 0 before the first.
    pub last_cycle: u32,
    /// Whether that one is still open.
    pub open: bool,
    /// The last two cycles, as far as there are, by ordinal.
    pub cycles: Vec<CycleNote>,
    /// When it was taken, seconds since 1970 by the clock of its node.
    pub taken_at_s: u64,
    /// Its files, by name.
    pub files: Vec<FileNote>,
}

/// The last message in a snapshot.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TipNote {
    /// Where it stood.
    pub offset: u64,
    /// XXH3-128 of its bytes, hex.
    pub digest: String,
}

/// Where a cycle lies in the partition.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CycleNote {
    /// Its ordinal.
    pub cycle: u32,
    /// Offset after the marker that opened it.
    pub first_offset: u64,
    /// Offset of the marker that closed it; none while it is open.
    pub end_offset: Option<u64>,
}

/// A file of a snapshot.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FileNote {
    /// Its name in the store's folder.
    pub name: String,
    /// Its length, bytes.
    pub bytes: u64,
    /// Its SHA-256, hex.
    pub sha256: String,
}

impl Manifest {
    pub(super) fn new(partition: u32, at: &Position, taken_at_s: u64, mut files: Vec<FileNote>) -> Self {
        files.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Self {
            format: FORMAT.to_owned(),
            partition,
            next_offset: at.next_offset,
            tip: at.tip.clone(),
            last_cycle: at.last_cycle,
            open: at.open,
            cycles: at.cycles.clone(),
            taken_at_s,
            files,
        }
    }

    /// Whether its last message is that of a log, as far as this can tell.
    ///
    /// # Errors
    /// [`LogError`] if the log cannot be read.
    pub fn is_of(&self, there: &There<'_>) -> Result<bool, LogError> {
        self.tip.as_ref().map_or(Ok(true), |tip| there.holds(tip.offset, &tip.digest))
    }

    /// Ordinal of the last cycle that it knows as closed; 0 if there is none.
    #[must_use]
    pub fn closed_cycle(&self) -> u32 {
        self.last_cycle.saturating_sub(u32::from(self.open))
    }

    /// Length of all its files, bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// Name of the object that holds a file of this snapshot.
    #[must_use]
    pub fn object(&self, file: &FileNote) -> String {
        object(self.partition, self.next_offset, file)
    }

    /// Name and bytes of the manifest's own object.
    pub(super) fn encode(&self) -> Result<(String, Vec<u8>), serde_json::Error> {
        let bytes = serde_json::to_vec_pretty(self)?;
        let (folder, digest) = (folder(self.partition), Sum::of(&bytes).hex());
        Ok((format!("{folder}/{:020}-{digest}.json", self.next_offset), bytes))
    }

    /// Reads a manifest and checks it against its name.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn decode(partition: u32, name: &str, bytes: &[u8]) -> Result<Self, String> {
        let (offset, digest) = name_parts(partition, name).ok_or("it has no name of a snapshot")?;
        if Sum::of(bytes).hex() != digest {
            return Err("its bytes are not those of its name's digest".to_owned());
        }
        let manifest: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if manifest.format != FORMAT {
            return Err(format!("it is `{}`, this program reads {FORMAT}", manifest.format));
        }
        if (manifest.partition, manifest.next_offset) != (partition, offset) {
            return Err("it tells of another partition or offset than its name".to_owned());
        }
        if manifest.files.is_empty() || !manifest.files.iter().all(|file| is_plain(&file.name)) {
            return Err("it names files that no store has".to_owned());
        }
        Ok(manifest)
    }
}

/// Where a partition's snapshots are.
pub(super) fn folder(partition: u32) -> String {
    format!("snapshots/partition-{partition}")
}

/// Name of the object that holds a file of the snapshot at `next_offset`.
pub(super) fn object(partition: u32, next_offset: u64, file: &FileNote) -> String {
    let (folder, digest) = (folder(partition), &file.sha256);
    if is_shared(&file.name) {
        format!("{folder}/files/{digest}")
    } else {
        format!("{folder}/rest/{next_offset:020}-{digest}")
    }
}

/// Whether a file of RocksDB never changes once it has its name, so that snapshots may share it.
pub(super) fn is_shared(file: &str) -> bool {
    file.ends_with(".sst") || file.ends_with(".blob")
}

/// The offset in the name of a manifest; none for any other object.
pub(super) fn offset_of(partition: u32, name: &str) -> Option<u64> {
    name_parts(partition, name).map(|(offset, _)| offset)
}

fn name_parts(partition: u32, name: &str) -> Option<(u64, &str)> {
    let rest = name.strip_prefix(&folder(partition))?.strip_prefix('/')?;
    let (offset, digest) = rest.strip_suffix(".json")?.split_once('-')?;
    let is_offset = offset.len() == 20 && offset.bytes().all(|byte| byte.is_ascii_digit());
    Some((offset.parse().ok().filter(|_| is_offset)?, digest))
}

/// A name without a way out of its folder.
fn is_plain(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    !name.is_empty() && !name.starts_with('.') && name.bytes().all(plain)
}
