//! Digests of messages, by which redeliveries and copies are recognised.

use sha2::{Digest, Sha256};

use crate::{Message, Part, Plan};

/// The digest of a batch: SHA-256 over acquirer, number, file and every part with its issuer, taps and texts,
/// each preceded by its length in eight big-endian bytes.
#[must_use]
pub fn batch(acquirer: &str, number: u64, file: &str, parts: &[Part]) -> [u8; 32] {
    let mut hash = Sha256::new();
    field(&mut hash, acquirer.as_bytes());
    hash.update(number.to_be_bytes());
    field(&mut hash, file.as_bytes());
    for part in parts {
        field(&mut hash, part.issuer.as_bytes());
        field(&mut hash, &part.taps);
        field(&mut hash, &part.texts);
    }
    hash.finalize().into()
}

/// The digest of a plan: SHA-256 over its encoding with an empty digest.
#[must_use]
pub fn plan(plan: &Plan) -> [u8; 32] {
    if !plan.digest.is_empty() {
        return self::plan(&Plan { digest: bytes::Bytes::new(), ..plan.clone() });
    }
    Sha256::digest(plan.encode_to_vec()).into()
}

/// SHA-256 of plain bytes.
#[must_use]
pub fn bytes(content: &[u8]) -> [u8; 32] {
    Sha256::digest(content).into()
}

fn field(hash: &mut Sha256, content: &[u8]) {
    hash.update(u64::try_from(content.len()).unwrap_or(u64::MAX).to_be_bytes());
    hash.update(content);
}
