//! The folder of a signer's pairs, and which of them signs.

use std::{
    fs,
    path::{Path, PathBuf},
};

use domain::date::Date;
use x509_cert::Certificate;

use crate::{
    algorithm::{Algorithm, NAMES},
    certificate::{
        Person, Trust, algorithm_of, check_purpose, not_before_s, person_of, read_certificates, subject,
        valid_on, validity,
    },
    digests::Digests,
    envelope::Envelope,
    error::{Invalid, SigningError},
    key::PrivateKey,
};

/// The most pairs of a folder.
const PAIRS_MAX: usize = 256;

/// A folder of pairs `signer-NAME.pem`, `signer-NAME.key`, and the CA that certified them. It is read anew whenever
/// something is signed, so a pair that is put there is used from its first day on.
#[derive(Clone, Debug)]
pub struct Signers {
    folder: PathBuf,
    ca: PathBuf,
    only: Option<Algorithm>,
}

/// A pair that signs the files of one business date.
#[derive(Clone, Debug)]
pub struct Signer {
    certificate: Certificate,
    key: PrivateKey,
}

impl Signers {
    /// Opens the folder and checks every pair in it: key and certificate belong together, the CA certified them, the
    /// key is secret. `ca` is the file of CA certificates by which others check. A pair signs as its key does; with `only`
    /// a pair of another algorithm is refused.
    ///
    /// # Errors
    /// [`SigningError`] naming file and fault.
    pub fn open(folder: &Path, ca: &Path, only: Option<Algorithm>) -> Result<Self, SigningError> {
        let signers = Self { folder: folder.to_owned(), ca: ca.to_owned(), only };
        let trust = signers.trust()?;
        for path in signers.certificates()? {
            let certificate = read_one(&path)?;
            signers.check(&certificate, &path, &trust)?;
            signers.key_of(&certificate, &path)?;
        }
        Ok(signers)
    }

    /// The file of CA certificates.
    #[must_use]
    pub fn ca(&self) -> &Path {
        &self.ca
    }

    /// The CA certificates.
    ///
    /// # Errors
    /// [`SigningError`] if they cannot be read.
    pub fn trust(&self) -> Result<Trust, SigningError> {
        Trust::read(&self.ca)
    }

    /// The pair for a business date: of those valid at its end in UTC+8 the one whose validity begins last.
    ///
    /// # Errors
    /// [`SigningError::NoneValid`], or whatever is wrong with that pair. No other is taken in its place: every node
    /// must make the same bytes.
    pub fn on(&self, date: Date) -> Result<Signer, SigningError> {
        let (trust, mut there) = (self.trust()?, Vec::new());
        for path in self.certificates()? {
            there.push((read_one(&path)?, path));
        }
        let of_day = there.iter().filter(|(certificate, _)| valid_on(certificate, date));
        let Some((certificate, path)) =
            of_day.max_by_key(|(certificate, path)| (not_before_s(certificate), path))
        else {
            let one = |(certificate, _): &(Certificate, PathBuf)| {
                let (from, until) = validity(certificate);
                format!("{}: {from} to {until}", subject(certificate))
            };
            let there = there.iter().map(one).collect::<Vec<_>>().join("; ");
            return Err(SigningError::NoneValid { folder: self.folder.clone(), date, there });
        };
        self.check(certificate, path, &trust)?;
        // A published folder never changes: what nobody would accept on that day is not signed.
        trust.issuer_of(certificate, date).map_err(|error| SigningError::Certificate {
            path: path.clone(),
            what: format!("{error} ({})", self.ca.display()),
        })?;
        Ok(Signer { key: self.key_of(certificate, path)?, certificate: certificate.clone() })
    }

    /// The certificates of the folder, by name.
    fn certificates(&self) -> Result<Vec<PathBuf>, SigningError> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(SigningError::io(&self.folder))? {
            let path = entry.map_err(SigningError::io(&self.folder))?.path();
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            if name.starts_with("signer-") && name.ends_with(".pem") {
                found.push(path);
            }
        }
        if found.is_empty() || found.len() > PAIRS_MAX {
            return Err(SigningError::NoPair(self.folder.clone()));
        }
        found.sort();
        Ok(found)
    }

    /// Refuses a certificate whose signatures nobody would accept.
    fn check(&self, certificate: &Certificate, path: &Path, trust: &Trust) -> Result<(), SigningError> {
        let wrong = |what: String| SigningError::Certificate { path: path.to_owned(), what };
        let ca = self.ca.display();
        trust.issuer(certificate).map_err(|error| wrong(format!("{error} ({ca})")))?;
        check_purpose(certificate).map_err(|why| wrong(why.to_owned()))?;
        match (algorithm_of(certificate), self.only) {
            (None, _) => Err(wrong(format!("its key is of none of the known algorithms ({NAMES})"))),
            (Some(own), Some(only)) if own != only => Err(wrong(format!(
                "its key is one of {}, and signing_algorithm allows {} alone",
                own.name(),
                only.name()
            ))),
            (Some(_), _) => Ok(()),
        }
    }

    /// The private key of a certificate.
    fn key_of(&self, certificate: &Certificate, path: &Path) -> Result<PrivateKey, SigningError> {
        let path = path.with_extension("key");
        let key = PrivateKey::read(&path)?;
        if key.public()? != *certificate.tbs_certificate().subject_public_key_info() {
            let what = "it is not the key of the certificate beside it";
            return Err(SigningError::Key { path, what });
        }
        Ok(key)
    }
}

/// Reads a file with one certificate.
fn read_one(path: &Path) -> Result<Certificate, SigningError> {
    let mut certificates = read_certificates(path)?;
    match (certificates.pop(), certificates.len()) {
        (Some(certificate), 0) => Ok(certificate),
        _ => {
            let what = "it must hold one certificate, the signer's own".to_owned();
            Err(SigningError::Certificate { path: path.to_owned(), what })
        }
    }
}

impl Signer {
    /// A person's or a participant's own pair.
    ///
    /// # Errors
    /// [`SigningError`] if a file cannot be used, or the key is not the certificate's.
    pub fn read(certificate: &Path, key: &Path) -> Result<Self, SigningError> {
        let (own, secret) = (read_one(certificate)?, PrivateKey::read(key)?);
        if secret.public()? != *own.tbs_certificate().subject_public_key_info() {
            let what = "it is not the key of the certificate that was named with it";
            return Err(SigningError::Key { path: key.to_owned(), what });
        }
        Ok(Self { certificate: own, key: secret })
    }

    /// Whom the certificate names.
    ///
    /// # Errors
    /// [`Invalid`] if it names nobody.
    pub fn person(&self) -> Result<Person, Invalid> {
        person_of(&self.certificate)
    }

    /// Signs bytes of these digests: the bytes of the `.p7s` file, the same ones every time.
    ///
    /// # Errors
    /// [`SigningError::Encode`], which no pair that was read comes to.
    pub fn sign(&self, digests: &Digests) -> Result<Vec<u8>, SigningError> {
        let failed = "a signature";
        let algorithm = self.key.algorithm();
        let mut envelope = Envelope {
            algorithm,
            digest: *digests.by(algorithm),
            certificate: self.certificate.clone(),
            signature: Vec::new(),
        };
        let bytes = envelope.signed_bytes().map_err(SigningError::encode(failed))?;
        envelope.signature = self.key.sign(&bytes)?;
        envelope.to_der().map_err(SigningError::encode(failed))
    }

    /// The subject of its certificate.
    #[must_use]
    pub fn name(&self) -> String {
        subject(&self.certificate)
    }
}
