//! How files are signed, as data: a name in configurations, object identifiers in keys, certificates and signatures.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use x509_cert::{
    der::{Any, asn1::ObjectIdentifier},
    spki::{AlgorithmIdentifierOwned, AlgorithmIdentifierRef},
};

/// A way of signing. One that is added here needs a key in `key.rs`, its public half in `public.rs`, a digest in
/// `digests.rs`, and a reader other than ours that accepts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub enum Algorithm {
    /// ECDSA on the curve P-256 over SHA-256, with the nonces of RFC 6979.
    #[serde(rename = "ecdsa-p256-sha256")]
    EcdsaP256Sha256,
    /// SM2 over SM3 (GM/T 0003.2, GB/T 32918.2), with the signer's id of GM/T 0009 and nonces as RFC 6979 makes them,
    /// by SM3.
    #[serde(rename = "sm2-sm3")]
    Sm2Sm3,
}

/// The names of all of them, for messages that must be constant.
pub(crate) const NAMES: &str = "ecdsa-p256-sha256, sm2-sm3";

/// By what every signer is known to SM2 (GM/T 0009): it enters the digest that is signed, before his public key.
pub(crate) const SM2_ID: &str = "1234567812345678";

/// `id-data`: the signed content is plain bytes.
pub(crate) const DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
/// `id-signedData`.
pub(crate) const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
/// The attribute that names the type of the signed content.
pub(crate) const CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
/// The attribute that holds the digest of the signed content.
pub(crate) const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");

/// Keys of both algorithms are points of a curve, which is the parameter.
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");

/// The object identifiers of an algorithm.
struct Identifiers {
    curve: ObjectIdentifier,
    digest: ObjectIdentifier,
    signature: ObjectIdentifier,
}

const ECDSA_P256_SHA256: Identifiers = Identifiers {
    curve: ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7"),
    digest: ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1"),
    signature: ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2"),
};
const SM2_SM3: Identifiers = Identifiers {
    curve: ObjectIdentifier::new_unwrap("1.2.156.10197.1.301"),
    digest: ObjectIdentifier::new_unwrap("1.2.156.10197.1.401"),
    signature: ObjectIdentifier::new_unwrap("1.2.156.10197.1.501"),
};

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::EcdsaP256Sha256, Self::Sm2Sm3];

    /// Its name in configurations.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::EcdsaP256Sha256 => "ecdsa-p256-sha256",
            Self::Sm2Sm3 => "sm2-sm3",
        }
    }

    /// The name of its digest.
    #[must_use]
    pub const fn digest_name(self) -> &'static str {
        match self {
            Self::EcdsaP256Sha256 => "SHA-256",
            Self::Sm2Sm3 => "SM3",
        }
    }

    const fn identifiers(self) -> &'static Identifiers {
        match self {
            Self::EcdsaP256Sha256 => &ECDSA_P256_SHA256,
            Self::Sm2Sm3 => &SM2_SM3,
        }
    }

    /// The digest, as signatures name it.
    pub(crate) const fn digest(self) -> AlgorithmIdentifierOwned {
        AlgorithmIdentifierOwned { oid: self.identifiers().digest, parameters: None }
    }

    /// The signature, as our signatures name it.
    pub(crate) const fn signature(self) -> AlgorithmIdentifierOwned {
        AlgorithmIdentifierOwned { oid: self.identifiers().signature, parameters: None }
    }

    /// The algorithm of a key, private or public.
    pub(crate) fn of_key(key: &AlgorithmIdentifierRef<'_>) -> Option<Self> {
        let curve = key.parameters_oid().ok().filter(|_| key.oid == EC_PUBLIC_KEY)?;
        Self::ALL.into_iter().find(|known| known.identifiers().curve == curve)
    }

    /// The algorithm with which a signature says that it was made.
    pub(crate) fn of_signature(signature: &AlgorithmIdentifierOwned) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.signature() == *signature)
    }

    /// The algorithm with which a certificate says that it was signed. Many CAs write NULL behind the name of SM2's.
    pub(crate) fn of_certificate(signature: &AlgorithmIdentifierOwned) -> Option<Self> {
        let null = signature.parameters.as_ref() == Some(&Any::null());
        if null && signature.oid == SM2_SM3.signature {
            return Some(Self::Sm2Sm3);
        }
        Self::of_signature(signature)
    }
}

/// A name that is none of an algorithm.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is no algorithm; known: {}", .0, NAMES)]
pub struct UnknownAlgorithm(String);

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(name: &str) -> Result<Self, UnknownAlgorithm> {
        let found = Self::ALL.into_iter().find(|known| known.name() == name);
        found.ok_or_else(|| UnknownAlgorithm(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_algorithm_has_one_name_everywhere() {
        assert_eq!(Algorithm::ALL.map(Algorithm::name).join(", "), NAMES);
        for known in Algorithm::ALL {
            assert_eq!(known.name().parse(), Ok(known));
        }
        let unknown = "rsa".parse::<Algorithm>().unwrap_err();
        assert_eq!(unknown.to_string(), "`rsa` is no algorithm; known: ecdsa-p256-sha256, sm2-sm3");
    }

    #[test]
    fn a_certificate_may_say_null_behind_sm2_and_a_signature_may_not() {
        let null = |algorithm: Algorithm| {
            let oid = algorithm.identifiers().signature;
            AlgorithmIdentifierOwned { oid, parameters: Some(Any::null()) }
        };
        let (sm2, ecdsa) = (null(Algorithm::Sm2Sm3), null(Algorithm::EcdsaP256Sha256));
        assert_eq!(Algorithm::of_certificate(&sm2), Some(Algorithm::Sm2Sm3));
        assert_eq!(Algorithm::of_signature(&sm2), None);
        assert_eq!(Algorithm::of_certificate(&ecdsa), None);
    }
}
