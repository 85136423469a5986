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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::hex;

    /// The leaves and roots that Certificate Transparency's own tests use.
    #[test]
    fn roots_are_those_of_certificate_transparency() {
        let leaves: [&[u8]; 8] = [
            b"",
            b"\x00",
            b"\x10",
            b"\x20\x21",
            b"\x30\x31",
            b"\x40\x41\x42\x43",
            b"\x50\x51\x52\x53\x54\x55\x56\x57",
            b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
        ];
        let roots = [
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ];
        let mut tree = Merkle::default();
        assert_eq!(tree.root(), hex(roots[0]));
        for (number, leaf) in (1..).zip(leaves) {
            tree.push(leaf);
            assert_eq!(tree.leaves(), number);
            let index = usize::try_from(number).unwrap_or(0);
            assert_eq!(tree.root(), hex(roots[index]), "{number} leaves");
        }
    }

    /// The definition itself: split at the largest power of two below the number of leaves.
    fn by_definition(leaves: &[Vec<u8>]) -> Hash {
        match leaves {
            [] => digest(&[]),
            [leaf] => digest(&[&[0x00], leaf]),
            _ => {
                let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
                node(&by_definition(left), &by_definition(right))
            }
        }
    }

    #[test]
    fn one_pass_gives_the_tree_of_the_definition() {
        let leaves: Vec<Vec<u8>> = (0..130_u32).map(|n| n.to_be_bytes().to_vec()).collect();
        let mut tree = Merkle::default();
        for end in 0..leaves.len() {
            assert_eq!(tree.root(), by_definition(&leaves[..end]), "{end} leaves");
            tree.push(&leaves[end]);
        }
    }
}
