//! A Merkle tree over lines as RFC 6962 defines it (SHA-256), built in one pass, and proofs that a line is in it.

use sha2::{Digest, Sha256};

/// A node's or leaf's hash.
pub type Hash = [u8; 32];

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

/// A tree that finds the audit path of one leaf while it is built: the hashes of RFC 6962, 2.1.1, from the leaf up.
#[derive(Clone, Debug)]
pub struct Prover {
    /// As in [`Merkle`], and whether the leaf is below it.
    subtrees: Vec<(Hash, bool)>,
    index: u64,
    leaves: u64,
    path: Vec<Hash>,
}

impl Prover {
    /// Proves the leaf at `index`, counted from 0.
    #[must_use]
    pub const fn new(index: u64) -> Self {
        Self { subtrees: Vec::new(), index, leaves: 0, path: Vec::new() }
    }

    /// Appends a leaf.
    pub fn push(&mut self, leaf: &[u8]) {
        let mut carried = (digest(&[&[0x00], leaf]), self.leaves == self.index);
        for _ in 0..self.leaves.trailing_ones() {
            if let Some(left) = self.subtrees.pop() {
                carried = self.join(left, carried);
            }
        }
        self.subtrees.push(carried);
        self.leaves += 1;
    }

    /// The audit path, the number of leaves and the root; none if there are no more leaves than `index`.
    #[must_use]
    pub fn finish(mut self) -> Option<(Vec<Hash>, u64, Hash)> {
        let subtrees = std::mem::take(&mut self.subtrees);
        let mut smallest_first = subtrees.into_iter().rev();
        let mut carried = smallest_first.next()?;
        for left in smallest_first {
            carried = self.join(left, carried);
        }
        (self.index < self.leaves).then_some((self.path, self.leaves, carried.0))
    }

    /// The node over two subtrees; the hash of the one beside the leaf's is part of the path.
    fn join(&mut self, (left, in_left): (Hash, bool), (right, in_right): (Hash, bool)) -> (Hash, bool) {
        if in_left || in_right {
            self.path.push(if in_left { right } else { left });
        }
        (node(&left, &right), in_left || in_right)
    }
}

/// Why an audit path cannot be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// No such leaf.
    #[error("index {index} is not below the tree's size {leaves}")]
    NoSuchLeaf {
        /// The index.
        index: u64,
        /// The size.
        leaves: u64,
    },
    /// Too few or too many hashes.
    #[error("the audit path is too {}: {has} hashes, and leaf {index} of {leaves} needs {needs}", if has < needs { "short" } else { "long" })]
    Length {
        /// The index.
        index: u64,
        /// The size of the tree.
        leaves: u64,
        /// Hashes that there are.
        has: usize,
        /// Hashes that there must be.
        needs: usize,
    },
}

/// The root to which a leaf and its audit path come (RFC 9162, 2.1.3.2).
///
/// # Errors
/// [`PathError`] if no leaf of that index in a tree of that size has a path of that length.
pub fn root_of(leaf: &[u8], index: u64, leaves: u64, path: &[Hash]) -> Result<Hash, PathError> {
    if index >= leaves {
        return Err(PathError::NoSuchLeaf { index, leaves });
    }
    let sides = sides(index, leaves);
    let (has, needs) = (path.len(), sides.len());
    if has != needs {
        return Err(PathError::Length { index, leaves, has, needs });
    }
    let leaf = digest(&[&[0x00], leaf]);
    let join = |below: Hash, (sibling, is_right): (&Hash, bool)| {
        if is_right { node(&below, sibling) } else { node(sibling, &below) }
    };
    Ok(path.iter().zip(sides).fold(leaf, join))
}

/// Whether each sibling on the way from a leaf to the root is on the right.
fn sides(index: u64, leaves: u64) -> Vec<bool> {
    let mut sides = Vec::new();
    let (mut at, mut last) = (index, leaves.saturating_sub(1));
    while last > 0 {
        if at & 1 == 1 || at < last {
            sides.push(at & 1 == 0);
        }
        // The last node of a level without a sibling goes up as it is.
        (at, last) = (at >> 1, last >> 1);
    }
    sides
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

    fn proof(leaves: &[Vec<u8>], index: u64) -> Option<(Vec<Hash>, u64, Hash)> {
        let mut prover = Prover::new(index);
        leaves.iter().for_each(|leaf| prover.push(leaf));
        prover.finish()
    }

    /// The path by the definition in RFC 6962, 2.1.1.
    fn path_by_definition(leaves: &[Vec<u8>], index: usize) -> Vec<Hash> {
        if leaves.len() == 1 {
            return Vec::new();
        }
        let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
        let (mut path, sibling) = match index < left.len() {
            true => (path_by_definition(left, index), by_definition(right)),
            false => (path_by_definition(right, index - left.len()), by_definition(left)),
        };
        path.push(sibling);
        path
    }

    #[test]
    fn every_leaf_of_every_tree_has_the_path_of_the_definition() {
        let leaves: Vec<Vec<u8>> = (0..70_u32).map(|n| n.to_be_bytes().to_vec()).collect();
        for size in 1..=leaves.len() {
            let (leaves, root) = (&leaves[..size], by_definition(&leaves[..size]));
            for index in 0..size {
                let (path, count, found) = proof(leaves, index as u64).unwrap();
                assert_eq!((count, found), (size as u64, root));
                assert_eq!(path, path_by_definition(leaves, index), "leaf {index} of {size}");
                assert_eq!(root_of(&leaves[index], index as u64, size as u64, &path), Ok(root));
            }
            assert_eq!(proof(leaves, size as u64), None);
        }
    }

    #[test]
    fn another_leaf_index_size_or_path_comes_to_another_root() {
        let leaves: Vec<Vec<u8>> = (0..21_u32).map(|n| n.to_be_bytes().to_vec()).collect();
        for index in 0..21_u64 {
            let (path, _, root) = proof(&leaves, index).unwrap();
            let leaf = &leaves[usize::try_from(index).unwrap()];
            assert_ne!(root_of(b"another", index, 21, &path), Ok(root));
            for other in (0..21).filter(|other| *other != index) {
                assert_ne!(root_of(leaf, other, 21, &path), Ok(root), "index {other}");
            }
            for at in 0..path.len() {
                let mut altered = path.clone();
                altered[at][31] ^= 1;
                assert_ne!(root_of(leaf, index, 21, &altered), Ok(root), "hash {at}");
            }
            let (short, mut long) = (&path[1..], path.clone());
            long.push(root);
            assert!(matches!(root_of(leaf, index, 21, short), Err(PathError::Length { .. })));
            assert!(matches!(root_of(leaf, index, 21, &long), Err(PathError::Length { .. })));
        }
        assert_eq!(root_of(b"", 21, 21, &[]), Err(PathError::NoSuchLeaf { index: 21, leaves: 21 }));
        assert_eq!(root_of(b"", 0, 0, &[]), Err(PathError::NoSuchLeaf { index: 0, leaves: 0 }));
    }
}
