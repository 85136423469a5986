//! Public keys, and what they say of a signature.

use p256::ecdsa::{self, signature::hazmat::PrehashVerifier as _};
use sha2::{Digest as _, Sha256};
use sm2::dsa::{self, signature::Verifier as _};
use x509_cert::{
    der::{Encode as _, referenced::OwnedToRef as _},
    spki::{DecodePublicKey as _, SubjectPublicKeyInfoOwned},
};

use crate::algorithm::{Algorithm, SM2_ID};

/// A public key.
#[derive(Clone, Debug)]
pub(crate) enum PublicKey {
    /// A point of P-256.
    EcdsaP256(ecdsa::VerifyingKey),
    /// A point of SM2's curve.
    Sm2(dsa::VerifyingKey),
}

/// What a key says of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// It made it.
    Mine,
    /// It made it, or somebody turned one that it made into another: of the two numbers that fit it has the higher one.
    Turned,
    /// It did not make it.
    NotMine,
}

impl PublicKey {
    /// The key of a certificate; `None` if it is of no known algorithm, or no point of its curve.
    pub(crate) fn of(info: &SubjectPublicKeyInfoOwned) -> Option<Self> {
        let der = info.to_der().ok()?;
        match Algorithm::of_key(&info.algorithm.owned_to_ref())? {
            Algorithm::EcdsaP256Sha256 => {
                ecdsa::VerifyingKey::from_public_key_der(&der).ok().map(Self::EcdsaP256)
            }
            Algorithm::Sm2Sm3 => {
                let point = sm2::PublicKey::from_public_key_der(&der).ok()?;
                dsa::VerifyingKey::new(SM2_ID, point).ok().map(Self::Sm2)
            }
        }
    }

    /// How it checks.
    pub(crate) const fn algorithm(&self) -> Algorithm {
        match self {
            Self::EcdsaP256(_) => Algorithm::EcdsaP256Sha256,
            Self::Sm2(_) => Algorithm::Sm2Sm3,
        }
    }

    /// Whether it made a signature, in DER, over bytes.
    ///
    /// ECDSA's signature stays good if its second number is subtracted from the order of the curve, which anybody can do.
    /// Of SM2's both numbers enter the point that is computed, together with the private key: who could turn one into
    /// another would know the key.
    pub(crate) fn says(&self, bytes: &[u8], signature: &[u8]) -> Said {
        match self {
            Self::EcdsaP256(key) => {
                let digest: [u8; 32] = Sha256::digest(bytes).into();
                let read = ecdsa::Signature::from_der(signature).ok();
                let good = read.filter(|it| key.verify_prehash(&digest, it).is_ok());
                good.map_or(
                    Said::NotMine,
                    |it| if it.normalize_s() == it { Said::Mine } else { Said::Turned },
                )
            }
            Self::Sm2(key) => {
                let read = dsa::Signature::from_der(signature).ok();
                let good = read.is_some_and(|it| key.verify(bytes, &it).is_ok());
                if good { Said::Mine } else { Said::NotMine }
            }
        }
    }
}
