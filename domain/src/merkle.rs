//! A Merkle tree over lines as RFC 6962 defines it (SHA-256), built in one pass.

use sha2::{Digest, Sha256};

/// A node's or leaf's hash.
type Hash = [u8; 32];

/// The tree so far. Memory grows with the logarithm of the leaves.
#[derive(Clone, Debug, Default)]
pub struct Merkle {
    /// Roots of the complete subtrees, largest first: one for each bit set in `leaves`.
    subtrees: Vec<Hash>,
    leaves: u64,
}

impl Merkle {
    /// Appends a leaf.
    pub fn push(&mut self, leaf: &[u8]) {
        let mut hash = digest(&[&[0x00], leaf]);
        // Each trailing one of the count is a complete subtree as large as what we carry.
        for _ in 0..self.leaves.trailing_ones() {
            if let Some(left) = self.subtrees.pop() {
                hash = node(&left, &hash);
            }
        }
        self.subtrees.push(hash);
        self.leaves += 1;
    }

    /// How many leaves there are.
    #[must_use]
    pub fn leaves(&self) -> u64 {
        self.leaves
    }

    /// The root of the tree as it stands; without leaves, the SHA-256 of nothing.
    #[must_use]
    pub fn root(&self) -> Hash {
        let mut smallest_first = self.subtrees.iter().rev().copied();
        match smallest_first.next() {
            Some(right) => smallest_first.fold(right, |right, left| node(&left, &right)),
            None => digest(&[]),
        }
    }
}

fn node(left: &Hash, right: &Hash) -> Hash {
    digest(&[&[0x01], left, right])
}

fn digest(parts: &[&[u8]]) -> Hash {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}
