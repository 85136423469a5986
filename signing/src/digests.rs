//! The digests of what is signed: one for each algorithm, made in one pass, since whoever hands bytes over for signing
//! or checking does not know which one is needed.

use std::io::{self, Read};

use sha2::{Digest as _, Sha256};
use sm3::Sm3;

use crate::algorithm::Algorithm;

/// How many bytes are read at once.
const BUFFER_BYTES: usize = 64 << 10;

/// The digests of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digests {
    sha256: [u8; 32],
    sm3: [u8; 32],
}

impl Digests {
    /// The digests of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self { sha256: Sha256::digest(bytes).into(), sm3: Sm3::digest(bytes).into() }
    }

    /// The digests of everything that a reader gives.
    ///
    /// # Errors
    /// What the reader says.
    pub fn read(mut from: impl Read) -> io::Result<Self> {
        let (mut sha256, mut sm3) = (Sha256::new(), Sm3::new());
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            let read = match from.read(&mut buffer) {
                Ok(0) => return Ok(Self { sha256: sha256.finalize().into(), sm3: sm3.finalize().into() }),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let bytes = buffer.get(..read).unwrap_or_default();
            sha256.update(bytes);
            sm3.update(bytes);
        }
    }

    /// The one that an algorithm signs.
    #[must_use]
    pub const fn by(&self, algorithm: Algorithm) -> &[u8; 32] {
        match algorithm {
            Algorithm::EcdsaP256Sha256 => &self.sha256,
            Algorithm::Sm2Sm3 => &self.sm3,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hex;

    /// The two examples of GM/T 0004, A.1 and A.2.
    #[test]
    fn sm3_is_that_of_the_standard() {
        let sm3 = |bytes: &[u8]| hex(Digests::of(bytes).by(Algorithm::Sm2Sm3));
        assert_eq!(sm3(b"abc"), "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0");
        let longer = sm3("abcd".repeat(16).as_bytes());
        assert_eq!(longer, "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732");
    }

    #[test]
    fn what_is_read_in_pieces_has_the_same_digests() {
        let bytes = "a line of a file\n".repeat(10_000).into_bytes();
        assert_eq!(Digests::read(bytes.as_slice()).unwrap(), Digests::of(&bytes));
        assert!(bytes.len() > 2 * BUFFER_BYTES);
        assert_eq!(Digests::read(io::empty()).unwrap(), Digests::of(b""));
    }
}
