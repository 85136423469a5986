//! How files are signed, as data: a name in configurations, object identifiers in signatures.

use serde::{Deserialize, Serialize};
use x509_cert::{
    der::{Any, asn1::ObjectIdentifier},
    spki::AlgorithmIdentifierOwned,
};

/// A way of signing. One that is added here needs a key in `key.rs` and a reader other than ours that accepts it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub enum Algorithm {
    /// ECDSA on the curve P-256 over SHA-256, with the nonces of RFC 6979.
    #[default]
    #[serde(rename = "ecdsa-p256-sha256")]
    EcdsaP256Sha256,
}

/// `id-data`: the signed content is plain bytes.
pub(crate) const DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
/// `id-signedData`.
pub(crate) const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
/// The attribute that names the type of the signed content.
pub(crate) const CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
/// The attribute that holds the digest of the signed content.
pub(crate) const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");

const SHA_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
const ECDSA_WITH_SHA_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 1] = [Self::EcdsaP256Sha256];

    /// Its name in configurations.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::EcdsaP256Sha256 => "ecdsa-p256-sha256",
        }
    }

    /// The digest, as signatures name it.
    pub(crate) const fn digest(self) -> AlgorithmIdentifierOwned {
        match self {
            Self::EcdsaP256Sha256 => AlgorithmIdentifierOwned { oid: SHA_256, parameters: None },
        }
    }

    /// The signature, as signatures and certificates name it.
    pub(crate) const fn signature(self) -> AlgorithmIdentifierOwned {
        match self {
            Self::EcdsaP256Sha256 => AlgorithmIdentifierOwned { oid: ECDSA_WITH_SHA_256, parameters: None },
        }
    }

    /// Whether a certificate's key is one of this algorithm.
    pub(crate) fn is_of_key(self, key: &AlgorithmIdentifierOwned) -> bool {
        let curve = |parameters: &Any| parameters.decode_as::<ObjectIdentifier>().ok();
        match self {
            Self::EcdsaP256Sha256 => {
                key.oid == EC_PUBLIC_KEY && key.parameters.as_ref().and_then(curve) == Some(P_256)
            }
        }
    }

    /// The algorithm with which a certificate or signature says that it was signed.
    pub(crate) fn of_signature(signature: &AlgorithmIdentifierOwned) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.signature() == *signature)
    }
}
