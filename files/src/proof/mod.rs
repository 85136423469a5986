//! Proofs that one paid record is in a closed cycle: a line, its audit path, and nothing of the other records.

mod check;
mod find;

use std::path::Path;

use serde::{Deserialize, Serialize};

pub use check::{ProofReport, check};
pub use find::{Place, ProveError, prove};

use crate::error::FilesError;

/// The layout version that a proof names.
pub const PROOF_LAYOUT: &str = "cityunion-proof/1";
/// Above this size the white space is left out, bytes.
const INDENTED_BYTES_MAX: usize = 2048;
/// The largest proof that is read, bytes: a tree of 2^64 leaves has no longer one.
const PROOF_BYTES_MAX: u64 = 16 << 10;

/// A proof. Fields stand in the order of their sorted keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    /// How the tree is made, [`crate::layout::MERKLE_ALGORITHM`].
    pub algorithm: String,
    /// The hashes beside the way from the leaf to the root, lower-case hex, from the leaf up.
    pub audit_path: Vec<String>,
    /// The cycle, such as `2018-09-01-001`.
    pub cycle: String,
    /// Which leaf it is, counted from 0.
    pub index: u64,
    /// [`PROOF_LAYOUT`].
    pub layout: String,
    /// The line of the home city's file, after the city and a comma.
    pub leaf: String,
    /// The root, lower-case hex.
    pub root: String,
    /// Leaves of the tree.
    pub tree_size: u64,
}

impl Proof {
    /// The bytes of a proof: keys sorted, two-space indent, LF at the end; without white space where that would make
    /// it longer than 2 KiB.
    ///
    /// # Errors
    /// Never for a proof of this type; the encoder's signature allows one.
    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut bytes = serde_json::to_vec_pretty(self)?;
        if bytes.len() >= INDENTED_BYTES_MAX {
            bytes = serde_json::to_vec(self)?;
        }
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Reads a proof from its bytes.
    ///
    /// # Errors
    /// What is wrong and where, if it is none of this layout.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }
}

/// Reads a file of bounded size.
pub(super) fn read(path: &Path, bytes_max: u64) -> Result<Vec<u8>, FilesError> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(bytes_max).read_to_end(&mut bytes));
    read.map_err(FilesError::io("read", path))?;
    Ok(bytes)
}
