//! Detached signatures over the files of a cycle, and the keys and certificates behind them. The only place that
//! knows CMS, X.509 and private keys.
//!
//! A signature is a CMS `SignedData` (RFC 5652) without the content, with the signer's certificate inside and no
//! time of signing: the same file, pair and certificate give the same bytes, whenever and wherever they are made.
//! `openssl cms -verify -binary -inform DER` reads it, if it is of ECDSA; OpenSSL 3.0 knows SM2 and its certificates, but
//! not this way of using them (`docs/signatures.md`).

mod algorithm;
mod authority;
mod certificate;
mod digests;
mod envelope;
mod error;
mod folder;
mod key;
mod public;

pub use algorithm::{Algorithm, UnknownAlgorithm};
pub use authority::{Authority, Issued, Order, Usage};
pub use certificate::{Person, Signed, Trust};
pub use digests::Digests;
pub use error::{Invalid, SigningError};
pub use folder::{Signer, Signers};

/// What a signature is called: the name of the file and this.
pub const SIGNATURE_SUFFIX: &str = ".p7s";
/// The largest signature that is read, bytes: one certificate and a few hundred bytes.
pub const SIGNATURE_BYTES_MAX: u64 = 64 << 10;

/// Bytes as lower-case hex.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
