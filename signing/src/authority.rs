//! A CA of known key, for TEST schemes: everything it issues follows from the secrets that it is given.

use std::str::FromStr as _;

use domain::date::Date;
use p256::ecdsa::DerSignature;
use x509_cert::{
    Certificate, TbsCertificate,
    builder::{self, Builder as _, CertificateBuilder, profile::BuilderProfile},
    der::{
        DateTime, EncodePem as _,
        asn1::{BitString, Ia5String, ObjectIdentifier},
        flagset::FlagSet,
        pem::LineEnding,
    },
    ext::{
        Extension, ToExtension as _,
        pkix::{
            AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectAltName,
            SubjectKeyIdentifier, name::GeneralName,
        },
    },
    name::Name,
    serial_number::SerialNumber,
    spki::SubjectPublicKeyInfoRef,
    time::{Time, Validity},
};

use crate::{algorithm::Algorithm, error::SigningError, key::PrivateKey};

const SERVER_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");
const CLIENT_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.2");

/// What a certificate is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Usage {
    /// Issuing certificates.
    Authority,
    /// Signing files.
    Signer,
    /// Being known at a TLS server.
    Client,
    /// A TLS server of these names; addresses count too.
    Server(Vec<String>),
}

/// What a certificate shall say.
#[derive(Clone, Debug)]
pub struct Order<'a> {
    /// Its subject, as RFC 4514 spells names, such as `CN=Clearing,O=City Union,C=CN`.
    pub subject: &'a str,
    /// Its serial number.
    pub serial: u64,
    /// The first day, from its beginning in UTC.
    pub from: Date,
    /// The last day, to its end in UTC.
    pub until: Date,
    /// What it is for.
    pub usage: Usage,
    /// Of what algorithm its key is. The CA's own says how it is signed.
    pub algorithm: Algorithm,
}

/// A certificate and its key.
#[derive(Clone)]
pub struct Issued {
    /// The certificate in PEM.
    pub certificate: String,
    /// The key in PKCS#8 and PEM.
    pub key: String,
}

/// A CA.
#[derive(Clone, Debug)]
pub struct Authority {
    key: PrivateKey,
    name: Name,
}

impl Authority {
    /// A CA whose key is `scalar`, and its own certificate.
    ///
    /// # Errors
    /// [`SigningError::Encode`] if the order cannot be met, or `scalar` is no key of the order's algorithm (one of
    /// 2³² is none).
    pub fn new(scalar: &[u8; 32], order: &Order<'_>) -> Result<(Self, Issued), SigningError> {
        let name = Name::from_str(order.subject).map_err(SigningError::encode("a subject"))?;
        let authority = Self { key: key(scalar, order.algorithm)?, name };
        let issued = authority.issue(scalar, order)?;
        Ok((authority, issued))
    }

    /// Issues a certificate for the key that is `scalar`.
    ///
    /// # Errors
    /// As [`Authority::new`].
    pub fn issue(&self, scalar: &[u8; 32], order: &Order<'_>) -> Result<Issued, SigningError> {
        let key = key(scalar, order.algorithm)?;
        let failed = "a certificate";
        let profile = Profile {
            issuer: self.name.clone(),
            subject: Name::from_str(order.subject).map_err(SigningError::encode("a subject"))?,
            usage: order.usage.clone(),
        };
        let validity = Validity::new(time(order.from, (0, 0, 0))?, time(order.until, (23, 59, 59))?);
        let serial = SerialNumber::from(order.serial);
        let builder = CertificateBuilder::new(profile, serial, validity, key.public()?);
        let builder = builder.map_err(SigningError::encode(failed))?;
        let certificate = self.certify(builder)?;
        Ok(Issued {
            certificate: certificate.to_pem(LineEnding::LF).map_err(SigningError::encode(failed))?,
            key: key.to_pem()?,
        })
    }

    /// Signs a certificate.
    fn certify(&self, mut builder: CertificateBuilder<Profile>) -> Result<Certificate, SigningError> {
        let failed = "a certificate";
        let certificate = match &self.key {
            PrivateKey::EcdsaP256(key) => builder.build::<_, DerSignature>(key),
            PrivateKey::Sm2(key) => {
                let bytes = builder.finalize(key).map_err(SigningError::encode(failed))?;
                let signature = BitString::from_bytes(&self.key.sign(&bytes)?);
                builder.assemble(signature.map_err(SigningError::encode(failed))?, key)
            }
        };
        certificate.map_err(SigningError::encode(failed))
    }
}

fn key(scalar: &[u8; 32], algorithm: Algorithm) -> Result<PrivateKey, SigningError> {
    PrivateKey::from_scalar(algorithm, scalar).ok_or_else(|| {
        SigningError::encode("a key")(format!("it is no number of the field of {}", algorithm.name()))
    })
}

fn time(date: Date, (hour, minute, second): (u8, u8, u8)) -> Result<Time, SigningError> {
    let (year, month, day) = date.ymd();
    let at = DateTime::new(year, month, day, hour, minute, second);
    at.map(Time::from).map_err(SigningError::encode("a date of a certificate"))
}

/// What goes into a certificate.
struct Profile {
    issuer: Name,
    subject: Name,
    usage: Usage,
}

impl BuilderProfile for Profile {
    fn get_issuer(&self, _: &Name) -> Name {
        self.issuer.clone()
    }

    fn get_subject(&self) -> Name {
        self.subject.clone()
    }

    fn build_extensions(
        &self,
        key: SubjectPublicKeyInfoRef<'_>,
        issuer: SubjectPublicKeyInfoRef<'_>,
        tbs: &TbsCertificate,
    ) -> builder::Result<Vec<Extension>> {
        let subject = tbs.subject();
        let mut made = Vec::new();
        let ca = self.usage == Usage::Authority;
        let path_len_constraint = ca.then_some(0);
        made.push((true, &BasicConstraints { ca, path_len_constraint }).to_extension(subject, &made)?);
        made.push(KeyUsage(self.key_usage()).to_extension(subject, &made)?);
        made.push(SubjectKeyIdentifier::try_from(key)?.to_extension(subject, &made)?);
        made.push(AuthorityKeyIdentifier::try_from(issuer)?.to_extension(subject, &made)?);
        match &self.usage {
            Usage::Authority | Usage::Signer => {}
            Usage::Client => made.push(ExtendedKeyUsage(vec![CLIENT_AUTH]).to_extension(subject, &made)?),
            Usage::Server(names) => {
                made.push(ExtendedKeyUsage(vec![SERVER_AUTH]).to_extension(subject, &made)?);
                let names =
                    names.iter().map(|name| general_name(name)).collect::<builder::Result<Vec<_>>>()?;
                made.push(SubjectAltName(names).to_extension(subject, &made)?);
            }
        }
        Ok(made)
    }
}

impl Profile {
    fn key_usage(&self) -> FlagSet<KeyUsages> {
        match self.usage {
            Usage::Authority => KeyUsages::KeyCertSign | KeyUsages::CRLSign,
            Usage::Signer => KeyUsages::DigitalSignature | KeyUsages::NonRepudiation,
            Usage::Client | Usage::Server(_) => KeyUsages::DigitalSignature.into(),
        }
    }
}

/// A host name or an address.
fn general_name(name: &str) -> builder::Result<GeneralName> {
    match name.parse::<std::net::IpAddr>() {
        Ok(address) => Ok(GeneralName::from(address)),
        Err(_) => Ok(GeneralName::DnsName(Ia5String::new(name)?)),
    }
}
