//! Length and digest of bytes that pass by.

use sha2::{Digest as _, Sha256};

/// Length and SHA-256 of an object or a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sum {
    /// Length, bytes.
    pub bytes: u64,
    /// SHA-256.
    pub sha256: [u8; 32],
}

impl Sum {
    /// The sum of bytes at hand.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self { bytes: bytes.len() as u64, sha256: Sha256::digest(bytes).into() }
    }

    /// The digest in lower-case hex digits.
    #[must_use]
    pub fn hex(&self) -> String {
        let mut text = String::with_capacity(64);
        for byte in self.sha256 {
            for digit in [byte >> 4, byte & 15] {
                text.extend(char::from_digit(u32::from(digit), 16));
            }
        }
        text
    }
}

/// Sums up what passes by.
#[derive(Default)]
pub(crate) struct Summing {
    bytes: u64,
    sha256: Sha256,
}

impl Summing {
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        self.sha256.update(bytes);
    }

    pub(crate) fn done(self) -> Sum {
        Sum { bytes: self.bytes, sha256: self.sha256.finalize().into() }
    }
}
