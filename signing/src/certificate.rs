//! Certificates: whom a CA has certified, for what, and for how long.

use std::{
    fmt, fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use domain::date::{Date, LocalTime};
use sha2::{Digest as _, Sha256};
use x509_cert::{
    Certificate,
    der::{DecodePem as _, Encode as _, asn1::ObjectIdentifier},
    ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage},
};

use crate::{
    algorithm::Algorithm,
    digests::Digests,
    envelope::Envelope,
    error::{Invalid, SigningError},
    hex,
    public::{PublicKey, Said},
};

/// The largest file of certificates that is read, bytes.
const PEM_BYTES_MAX: u64 = 1 << 20;

/// Extended key usages that allow signing files: anything, documents, mail (what `openssl cms` asks for).
const FOR_FILES: [ObjectIdentifier; 3] = [
    ObjectIdentifier::new_unwrap("2.5.29.37.0"),
    ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.36"),
    ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.4"),
];
const CLIENT_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.2");
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
const ORGANIZATIONAL_UNIT: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.11");
/// Extensions that are understood; another one that is critical makes a certificate unusable.
const UNDERSTOOD: [ObjectIdentifier; 6] = [
    ObjectIdentifier::new_unwrap("2.5.29.14"),
    ObjectIdentifier::new_unwrap("2.5.29.15"),
    ObjectIdentifier::new_unwrap("2.5.29.17"),
    ObjectIdentifier::new_unwrap("2.5.29.19"),
    ObjectIdentifier::new_unwrap("2.5.29.35"),
    ObjectIdentifier::new_unwrap("2.5.29.37"),
];

/// Whom signatures are checked against: one CA certificate, or several while one replaces another.
#[derive(Clone, PartialEq, Eq)]
pub struct Trust {
    authorities: Vec<Certificate>,
}

/// A signature that is right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The subject of the signer's certificate.
    pub signer: String,
    /// Serial number of the signer's certificate, hex.
    pub serial: String,
    /// How he signed.
    pub algorithm: Algorithm,
    /// SHA-256 of the CA's certificate, hex: what a bank compares with what it was told by another way.
    pub authority_sha256: String,
}

/// Whose signature it is, by the subject of his certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// `CN`.
    pub name: String,
    /// `OU`.
    pub unit: String,
}

impl Trust {
    /// Reads a file of CA certificates in PEM.
    ///
    /// # Errors
    /// [`SigningError`] if it has none, or one that is no CA's.
    pub fn read(path: &Path) -> Result<Self, SigningError> {
        let authorities = read_certificates(path)?;
        let wrong = |what: String| SigningError::Certificate { path: path.to_owned(), what };
        for authority in &authorities {
            check_authority(authority).map_err(|why| wrong(format!("{}: {why}", subject(authority))))?;
        }
        Ok(Self { authorities })
    }

    /// Checks a signature over bytes of these digests. The certificates must have been valid at the end of the business
    /// date in UTC+8.
    ///
    /// # Errors
    /// [`Invalid`]: what is wrong with it.
    pub fn check(&self, digests: &Digests, signature: &[u8], date: Date) -> Result<Signed, Invalid> {
        let Envelope { certificate, algorithm, .. } = &signed_by(digests, signature)?;
        let authority = self.issuer_of(certificate, date)?;
        Ok(Signed {
            signer: subject(certificate),
            serial: hex(certificate.tbs_certificate().serial_number().as_bytes()),
            algorithm: *algorithm,
            authority_sha256: fingerprint(authority),
        })
    }

    /// Checks the signature of a person or a participant over bytes of these digests, by the certificate that also opens his
    /// connections. It must be valid at the end of the day in UTC+8.
    ///
    /// # Errors
    /// [`Invalid`]: what is wrong with it.
    pub fn check_person(&self, digests: &Digests, signature: &[u8], date: Date) -> Result<Person, Invalid> {
        let Envelope { certificate, .. } = &signed_by(digests, signature)?;
        self.issuer_on(certificate, date, check_person)?;
        person_of(certificate)
    }

    /// The CA that issued a signer's certificate; both must be valid at the end of the date.
    pub(crate) fn issuer_of(&self, certificate: &Certificate, date: Date) -> Result<&Certificate, Invalid> {
        self.issuer_on(certificate, date, check_purpose)
    }

    /// The same for a purpose.
    fn issuer_on(
        &self,
        certificate: &Certificate,
        date: Date,
        purpose: fn(&Certificate) -> Result<(), &'static str>,
    ) -> Result<&Certificate, Invalid> {
        // A CA that was renewed with its key stands here twice: the one of the day counts.
        let authority = self.issued(certificate).find(|authority| valid_on(authority, date));
        let authority = authority.map_or_else(|| self.issuer(certificate), Ok)?;
        purpose(certificate).map_err(|why| Invalid::Purpose { whose: subject(certificate), why })?;
        for certificate in [certificate, authority] {
            if !valid_on(certificate, date) {
                let (from, until) = validity(certificate);
                return Err(Invalid::NotOn { whose: subject(certificate), from, until, date });
            }
        }
        Ok(authority)
    }

    /// The CA that issued a certificate, whatever the day.
    pub(crate) fn issuer(&self, certificate: &Certificate) -> Result<&Certificate, Invalid> {
        self.issued(certificate).next().ok_or_else(|| Invalid::Stranger {
            signer: subject(certificate),
            issuer: certificate.tbs_certificate().issuer().to_string(),
        })
    }

    /// Those CA certificates by whose key a certificate was issued.
    fn issued<'a>(&'a self, certificate: &Certificate) -> impl Iterator<Item = &'a Certificate> {
        let issued = move |authority: &&Certificate| {
            let tbs = certificate.tbs_certificate();
            let bytes = tbs.to_der().unwrap_or_default();
            let signature = certificate.signature().as_bytes().unwrap_or_default();
            let same = certificate.signature_algorithm() == tbs.signature();
            let by = Algorithm::of_certificate(tbs.signature()).zip(key_of(authority));
            // Of the two forms of an ECDSA signature a CA may write either.
            let good = by.is_some_and(|(algorithm, key)| {
                key.algorithm() == algorithm && key.says(&bytes, signature) != Said::NotMine
            });
            same && tbs.issuer() == authority.tbs_certificate().subject() && good
        };
        self.authorities.iter().filter(issued)
    }

    /// Each of its CA certificates: subject, and SHA-256 as lower-case hex.
    pub fn authorities(&self) -> impl Iterator<Item = (String, String)> {
        self.authorities.iter().map(|authority| (subject(authority), fingerprint(authority)))
    }

    /// Whether it has every certificate of another one.
    #[must_use]
    pub fn has_all_of(&self, other: &Self) -> bool {
        other.authorities.iter().all(|authority| self.authorities.contains(authority))
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.authorities.iter().map(subject)).finish()
    }
}

/// Reads all certificates of a PEM file; at least one.
pub(crate) fn read_certificates(path: &Path) -> Result<Vec<Certificate>, SigningError> {
    let wrong = |what: String| SigningError::Certificate { path: PathBuf::from(path), what };
    let mut text = String::new();
    let file = fs::File::open(path).map_err(SigningError::io(path))?;
    file.take(PEM_BYTES_MAX).read_to_string(&mut text).map_err(SigningError::io(path))?;
    let mut certificates = Vec::new();
    let mut rest = text.as_str();
    while let Some((_, from)) = rest.split_once(BEGIN) {
        let Some((body, behind)) = from.split_once(END) else {
            return Err(wrong("its last certificate has no END line".to_owned()));
        };
        let pem = format!("{BEGIN}{body}{END}\n");
        let parsed = Certificate::from_pem(pem.as_bytes());
        certificates.push(parsed.map_err(|error| wrong(format!("it cannot be read: {error}")))?);
        rest = behind;
    }
    if certificates.is_empty() {
        return Err(wrong(format!("it has no {BEGIN} (PEM)")));
    }
    Ok(certificates)
}

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// The name of a certificate's subject.
pub(crate) fn subject(certificate: &Certificate) -> String {
    certificate.tbs_certificate().subject().to_string()
}

/// SHA-256 of a certificate, lower-case hex: what `openssl x509 -fingerprint -sha256` shows in another spelling.
fn fingerprint(certificate: &Certificate) -> String {
    // What was read from DER can be written as DER.
    hex(&Sha256::digest(certificate.to_der().unwrap_or_default()))
}

/// From when and until when a certificate is valid.
pub(crate) fn validity(certificate: &Certificate) -> (String, String) {
    let validity = certificate.tbs_certificate().validity();
    (validity.not_before.to_string(), validity.not_after.to_string())
}

/// The first second of a certificate, since 1970.
pub(crate) fn not_before_s(certificate: &Certificate) -> u64 {
    certificate.tbs_certificate().validity().not_before.to_unix_duration().as_secs()
}

/// Whether a certificate is valid at the end of a day in UTC+8.
pub(crate) fn valid_on(certificate: &Certificate, date: Date) -> bool {
    let end = LocalTime::end_of(date).unix_seconds();
    let until = certificate.tbs_certificate().validity().not_after.to_unix_duration().as_secs();
    u64::try_from(end).is_ok_and(|end| (not_before_s(certificate)..=until).contains(&end))
}

/// The public key of a certificate, if it is of a known algorithm.
fn key_of(certificate: &Certificate) -> Option<PublicKey> {
    PublicKey::of(certificate.tbs_certificate().subject_public_key_info())
}

/// How the key of a certificate signs, if that is known.
pub(crate) fn algorithm_of(certificate: &Certificate) -> Option<Algorithm> {
    key_of(certificate).map(|key| key.algorithm())
}

/// Reads a signature over bytes of these digests that was made with the key of the certificate in it, in the one form
/// that a signature has.
fn signed_by(digests: &Digests, signature: &[u8]) -> Result<Envelope, Invalid> {
    let envelope = Envelope::parse(signature)?;
    let (algorithm, digest) = (envelope.algorithm, envelope.digest);
    let whose = || subject(&envelope.certificate);
    let key = key_of(&envelope.certificate).filter(|key| key.algorithm() == algorithm);
    let Some(key) = key else { return Err(Invalid::Algorithm { algorithm, whose: whose() }) };
    if digest != *digests.by(algorithm) {
        return Err(Invalid::OtherBytes { algorithm, digest });
    }
    let attributes = envelope.signed_bytes().map_err(|error| Invalid::Form(error.to_string()))?;
    match key.says(&attributes, &envelope.signature) {
        Said::Mine => Ok(envelope),
        Said::NotMine => Err(Invalid::Signature(whose())),
        Said::Turned => Err(Invalid::Form("of the two numbers s that fit it has the higher one".to_owned())),
    }
}

/// Whether a certificate is one for signing files.
pub(crate) fn check_purpose(certificate: &Certificate) -> Result<(), &'static str> {
    check_critical(certificate)?;
    let tbs = certificate.tbs_certificate();
    let unreadable = |_| "an extension of it cannot be read";
    if tbs.get_extension::<BasicConstraints>().map_err(unreadable)?.is_some_and(|(_, it)| it.ca) {
        return Err("it is the certificate of a CA");
    }
    let usage = tbs.get_extension::<KeyUsage>().map_err(unreadable)?;
    if usage.is_some_and(|(_, usage)| !usage.digital_signature() && !usage.non_repudiation()) {
        return Err("its key usage has neither digitalSignature nor nonRepudiation");
    }
    let extended = tbs.get_extension::<ExtendedKeyUsage>().map_err(unreadable)?;
    if extended.is_some_and(|(_, usages)| !usages.0.iter().any(|usage| FOR_FILES.contains(usage))) {
        return Err("its extended key usage names other purposes, such as TLS");
    }
    Ok(())
}

/// Whether a certificate is one by which somebody is known: for signing files, or as a TLS client.
fn check_person(certificate: &Certificate) -> Result<(), &'static str> {
    check_critical(certificate)?;
    let tbs = certificate.tbs_certificate();
    let unreadable = |_| "an extension of it cannot be read";
    if tbs.get_extension::<BasicConstraints>().map_err(unreadable)?.is_some_and(|(_, it)| it.ca) {
        return Err("it is the certificate of a CA");
    }
    let usage = tbs.get_extension::<KeyUsage>().map_err(unreadable)?;
    if usage.is_some_and(|(_, usage)| !usage.digital_signature()) {
        return Err("its key usage has no digitalSignature");
    }
    let extended = tbs.get_extension::<ExtendedKeyUsage>().map_err(unreadable)?;
    let known = |usage: &ObjectIdentifier| FOR_FILES.contains(usage) || *usage == CLIENT_AUTH;
    if extended.is_some_and(|(_, usages)| !usages.0.iter().any(known)) {
        return Err("its extended key usage names neither a TLS client nor documents");
    }
    Ok(())
}

/// Whom a certificate names.
pub(crate) fn person_of(certificate: &Certificate) -> Result<Person, Invalid> {
    Ok(Person {
        name: part_of_name(certificate, COMMON_NAME)?,
        unit: part_of_name(certificate, ORGANIZATIONAL_UNIT)?,
    })
}

/// The one value of a kind in a certificate's subject.
fn part_of_name(certificate: &Certificate, kind: ObjectIdentifier) -> Result<String, Invalid> {
    let form = |why| Invalid::Purpose { whose: subject(certificate), why };
    let parts = certificate.tbs_certificate().subject().iter();
    let mut found = parts.filter(|part| part.oid == kind);
    let (Some(part), None) = (found.next(), found.next()) else {
        return Err(form("its subject must have one CN and one OU"));
    };
    let text = std::str::from_utf8(part.value.value());
    text.map(str::to_owned).map_err(|_| form("its subject is not UTF-8"))
}

/// Of a CA whose signatures nobody here can check.
const CA_OF_UNKNOWN_KEY: &str =
    "its key is of none of the known algorithms: use a CA of ecdsa-p256-sha256 or sm2-sm3";

/// Whether a certificate is a CA's whose signatures can be checked.
fn check_authority(certificate: &Certificate) -> Result<(), &'static str> {
    check_critical(certificate)?;
    let tbs = certificate.tbs_certificate();
    let constraints = tbs.get_extension::<BasicConstraints>();
    if !constraints.is_ok_and(|found| found.is_some_and(|(_, it)| it.ca)) {
        return Err("it is no certificate of a CA (basicConstraints CA:TRUE)");
    }
    let usage = tbs.get_extension::<KeyUsage>();
    if !usage.is_ok_and(|found| found.is_none_or(|(_, usage)| usage.key_cert_sign())) {
        return Err("its key usage does not allow it to certify (keyCertSign)");
    }
    match key_of(certificate) {
        Some(_) => Ok(()),
        None => Err(CA_OF_UNKNOWN_KEY),
    }
}

fn check_critical(certificate: &Certificate) -> Result<(), &'static str> {
    let extensions = certificate.tbs_certificate().extensions().map(Vec::as_slice).unwrap_or_default();
    match extensions.iter().any(|it| it.critical && !UNDERSTOOD.contains(&it.extn_id)) {
        true => Err("it has a critical extension that is not understood"),
        false => Ok(()),
    }
}
