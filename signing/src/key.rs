//! Private keys: read from PKCS#8 files that nobody else can read, never shown.

use std::{
    fmt, fs,
    io::Read as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use p256::{
    ecdsa::{Signature, SigningKey, signature::hazmat::PrehashSigner as _},
    pkcs8::{DecodePrivateKey as _, EncodePublicKey as _},
};
use x509_cert::spki::SubjectPublicKeyInfoOwned;

use crate::{algorithm::Algorithm, error::SigningError};

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
pub(crate) struct PrivateKey(SigningKey);

impl PrivateKey {
    /// The key that 32 bytes are. Only test keys are made of known bytes.
    pub(crate) fn from_scalar(scalar: &[u8; 32]) -> Option<Self> {
        SigningKey::from_slice(scalar).ok().map(Self)
    }

    /// Reads a PKCS#8 file in PEM.
    pub(crate) fn read(path: &Path) -> Result<Self, SigningError> {
        let mut file = fs::File::open(path).map_err(SigningError::io(path))?;
        let mode = file.metadata().map_err(SigningError::io(path))?.permissions().mode() & 0o7777;
        if mode & refused(path) != 0 {
            return Err(SigningError::KeyIsOpen { path: path.to_owned(), mode });
        }
        let mut text = String::new();
        let read = file.by_ref().take(KEY_BYTES_MAX).read_to_string(&mut text);
        read.map_err(SigningError::io(path))?;
        let key = SigningKey::from_pkcs8_pem(&text).map(Self);
        key.map_err(|_| SigningError::Key { path: PathBuf::from(path), what: why(&text) })
    }

    /// How it signs.
    #[expect(clippy::unused_self, reason = "a key knows its algorithm; there is one so far")]
    pub(crate) const fn algorithm(&self) -> Algorithm {
        Algorithm::EcdsaP256Sha256
    }

    /// Its public half, as certificates hold it.
    pub(crate) fn public(&self) -> Result<SubjectPublicKeyInfoOwned, SigningError> {
        let failed = "a public key";
        let document = self.0.verifying_key().to_public_key_der().map_err(SigningError::encode(failed))?;
        SubjectPublicKeyInfoOwned::try_from(document.as_bytes()).map_err(SigningError::encode(failed))
    }

    /// Signs a digest; the DER of ECDSA's two numbers, of which the second is the lower of the two that fit.
    pub(crate) fn sign(&self, sha256: &[u8; 32]) -> Result<Vec<u8>, SigningError> {
        let signature: Result<Signature, _> = self.0.sign_prehash(sha256);
        let signature = signature.map_err(SigningError::encode("a signature"))?;
        Ok(signature.normalize_s().to_der().as_bytes().to_vec())
    }

    /// The key itself, for those that issue certificates.
    pub(crate) const fn inner(&self) -> &SigningKey {
        &self.0
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

/// Why a key's text is none that can be used.
fn why(text: &str) -> &'static str {
    let has = |words: &str| text.contains(words);
    if has("BEGIN ENCRYPTED PRIVATE KEY") {
        "it is encrypted, and nobody is there to type its password; protect the file instead, and decrypt it with \
         openssl pkcs8 -topk8 -nocrypt"
    } else if has("BEGIN EC PRIVATE KEY") || has("BEGIN RSA PRIVATE KEY") {
        "it is not in PKCS#8; write it anew with openssl pkcs8 -topk8 -nocrypt"
    } else if has("BEGIN PRIVATE KEY") {
        "it is not a key of ecdsa-p256-sha256, or is damaged"
    } else {
        "it has no -----BEGIN PRIVATE KEY----- (PKCS#8 in PEM)"
    }
}
