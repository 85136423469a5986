//! Private keys: read from PKCS#8 files that nobody else can read, never shown.

use std::{
    fmt, fs,
    io::Read as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use p256::{
    ecdsa::{self, signature::hazmat::PrehashSigner as _},
    pkcs8::{
        EncodePrivateKey as _, EncodePublicKey as _, PrivateKeyInfoRef, SecretDocument,
        der::{pem::LineEnding, pem::PemLabel as _},
    },
};
use sha2::{Digest as _, Sha256};
use sm2::dsa::{self, signature::Signer as _};
use x509_cert::spki::SubjectPublicKeyInfoOwned;

use crate::{
    algorithm::{Algorithm, SM2_ID},
    error::SigningError,
};

/// The largest key file that is read, bytes.
const KEY_BYTES_MAX: u64 = 64 << 10;
/// What the group may have no right to, and others.
const OF_OTHERS: u32 = 0o077;
/// The same where the system that mounts secrets gives them to the group of the process.
const OF_OTHERS_IN_A_MOUNT: u32 = 0o037;
/// The link through which Kubernetes replaces all files of a mounted secret at once.
const MOUNT_LINK: &str = "..data";

/// A private key.
#[derive(Clone)]
pub(crate) enum PrivateKey {
    /// A number of P-256.
    EcdsaP256(ecdsa::SigningKey),
    /// A number of SM2's curve.
    Sm2(dsa::SigningKey),
}

impl PrivateKey {
    /// The key that 32 bytes are. Only test keys are made of known bytes.
    pub(crate) fn from_scalar(algorithm: Algorithm, scalar: &[u8; 32]) -> Option<Self> {
        match algorithm {
            Algorithm::EcdsaP256Sha256 => ecdsa::SigningKey::from_slice(scalar).ok().map(Self::EcdsaP256),
            Algorithm::Sm2Sm3 => dsa::SigningKey::from_slice(SM2_ID, scalar).ok().map(Self::Sm2),
        }
    }

    /// Reads a PKCS#8 file in PEM. The key in it says its algorithm.
    pub(crate) fn read(path: &Path) -> Result<Self, SigningError> {
        let mut file = fs::File::open(path).map_err(SigningError::io(path))?;
        let mode = file.metadata().map_err(SigningError::io(path))?.permissions().mode() & 0o7777;
        if mode & refused(path) != 0 {
            return Err(SigningError::KeyIsOpen { path: path.to_owned(), mode });
        }
        let mut text = String::new();
        let read = file.by_ref().take(KEY_BYTES_MAX).read_to_string(&mut text);
        read.map_err(SigningError::io(path))?;
        Self::parse(&text).map_err(|what| SigningError::Key { path: PathBuf::from(path), what })
    }

    /// The key that a text holds.
    fn parse(text: &str) -> Result<Self, &'static str> {
        let (label, document) = SecretDocument::from_pem(text).map_err(|_| why(text))?;
        PrivateKeyInfoRef::validate_pem_label(label).map_err(|_| why(text))?;
        let info = PrivateKeyInfoRef::try_from(document.as_bytes()).map_err(|_| why(text))?;
        let damaged = |_| DAMAGED;
        match Algorithm::of_key(&info.algorithm).ok_or(FOREIGN)? {
            Algorithm::EcdsaP256Sha256 => {
                ecdsa::SigningKey::try_from(info).map(Self::EcdsaP256).map_err(damaged)
            }
            Algorithm::Sm2Sm3 => {
                let secret = sm2::SecretKey::try_from(info).map_err(damaged)?;
                dsa::SigningKey::new(SM2_ID, &secret).map(Self::Sm2).map_err(|_| DAMAGED)
            }
        }
    }

    /// How it signs.
    pub(crate) const fn algorithm(&self) -> Algorithm {
        match self {
            Self::EcdsaP256(_) => Algorithm::EcdsaP256Sha256,
            Self::Sm2(_) => Algorithm::Sm2Sm3,
        }
    }

    /// Its public half, as certificates hold it.
    pub(crate) fn public(&self) -> Result<SubjectPublicKeyInfoOwned, SigningError> {
        let failed = "a public key";
        let document = match self {
            Self::EcdsaP256(key) => key.verifying_key().to_public_key_der(),
            Self::Sm2(key) => key.verifying_key().to_public_key_der(),
        };
        let document = document.map_err(SigningError::encode(failed))?;
        SubjectPublicKeyInfoOwned::try_from(document.as_bytes()).map_err(SigningError::encode(failed))
    }

    /// The key as PKCS#8 in PEM.
    pub(crate) fn to_pem(&self) -> Result<String, SigningError> {
        let pem = match self {
            Self::EcdsaP256(key) => key.to_pkcs8_pem(LineEnding::LF),
            Self::Sm2(key) => sm2::SecretKey::from(*key.as_nonzero_scalar()).to_pkcs8_pem(LineEnding::LF),
        };
        Ok(pem.map_err(SigningError::encode("a key"))?.to_string())
    }

    /// Signs bytes: the DER of two numbers, the same ones every time. ECDSA's second one is the lower of the two that fit.
    pub(crate) fn sign(&self, bytes: &[u8]) -> Result<Vec<u8>, SigningError> {
        let failed = "a signature";
        match self {
            Self::EcdsaP256(key) => {
                let digest: [u8; 32] = Sha256::digest(bytes).into();
                let signature: Result<ecdsa::Signature, _> = key.sign_prehash(&digest);
                let signature = signature.map_err(SigningError::encode(failed))?;
                Ok(signature.normalize_s().to_der().as_bytes().to_vec())
            }
            // The nonce follows from the key and from what is signed, by RFC 6979 with SM3: no random number enters.
            Self::Sm2(key) => {
                let signature = key.try_sign(bytes).map_err(SigningError::encode(failed))?;
                Ok(signature.to_der().as_bytes().to_vec())
            }
        }
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(..)")
    }
}

/// Permissions that a key must not have. A mounted secret belongs to root; kubelet lets the group of the pod read it.
fn refused(path: &Path) -> u32 {
    let mounted = path.parent().is_some_and(|folder| folder.join(MOUNT_LINK).is_symlink());
    if mounted && path.is_symlink() { OF_OTHERS_IN_A_MOUNT } else { OF_OTHERS }
}

/// Of a key that is PKCS#8 to the eye, and cannot be read.
const DAMAGED: &str = "it is damaged; take it from its backup, or make a new pair";
/// Of a key of another kind.
const FOREIGN: &str = "it is a key of neither ecdsa-p256-sha256 nor sm2-sm3; make one with openssl genpkey -algorithm EC \
                       -pkeyopt ec_paramgen_curve:P-256, or with -algorithm SM2";

/// Why a key's text is none that can be used.
fn why(text: &str) -> &'static str {
    let has = |words: &str| text.contains(words);
    if has("BEGIN ENCRYPTED PRIVATE KEY") {
        "it is encrypted, and nobody is there to type its password; protect the file instead, and decrypt it with \
         openssl pkcs8 -topk8 -nocrypt"
    } else if has("BEGIN EC PRIVATE KEY") || has("BEGIN SM2 PRIVATE KEY") || has("BEGIN RSA PRIVATE KEY") {
        "it is not in PKCS#8; write it anew with openssl pkcs8 -topk8 -nocrypt"
    } else if has("BEGIN PRIVATE KEY") {
        DAMAGED
    } else {
        "it has no -----BEGIN PRIVATE KEY----- (PKCS#8 in PEM)"
    }
}
