//! The last folded message, so that a start sees whether it still stands where it stood.

use xxhash_rust::xxh3::xxh3_128;

use crate::store::StoreError;

/// Where the last folded message stood, and what it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tip {
    /// Its offset.
    pub offset: u64,
    /// XXH3-128 of its bytes. It tells a topic that was made anew; it is no protection against forgery.
    pub digest: u128,
}

impl Tip {
    /// The tip after the message at `offset`.
    #[must_use]
    pub fn of(offset: u64, payload: &[u8]) -> Self {
        Self { offset, digest: xxh3_128(payload) }
    }

    /// The bytes in the store.
    #[must_use]
    pub fn pack(&self) -> Vec<u8> {
        [self.offset.to_be_bytes().as_slice(), &self.digest.to_be_bytes()].concat()
    }

    /// Reads them back.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if the bytes are not what [`Tip::pack`] writes.
    pub fn unpack(bytes: &[u8]) -> Result<Self, StoreError> {
        let parts =
            bytes.split_first_chunk().and_then(|(offset, digest)| Some((*offset, digest.try_into().ok()?)));
        let (offset, digest) = parts.ok_or(StoreError::Damaged { row: "tip" })?;
        Ok(Self { offset: u64::from_be_bytes(offset), digest: u128::from_be_bytes(digest) })
    }
}
