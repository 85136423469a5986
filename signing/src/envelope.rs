//! The CMS structure of a signature: written in exactly one form, and read in no other.

use cms::{
    cert::{CertificateChoices, IssuerAndSerialNumber},
    content_info::{CmsVersion, ContentInfo},
    signed_data::{
        CertificateSet, EncapsulatedContentInfo, SignedAttributes, SignedData, SignerIdentifier, SignerInfo,
        SignerInfos,
    },
};
use x509_cert::{
    Certificate,
    attr::Attribute,
    der::{
        self, Any, Decode as _, Encode as _,
        asn1::{ObjectIdentifier, OctetString, SetOfVec},
    },
};

use crate::{
    algorithm::{Algorithm, CONTENT_TYPE, DATA, MESSAGE_DIGEST, NAMES, SIGNED_DATA},
    error::Invalid,
};

/// What a signature holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Envelope {
    /// How it was made.
    pub(crate) algorithm: Algorithm,
    /// Digest of the signed bytes, the algorithm's own.
    pub(crate) digest: [u8; 32],
    /// Whose key made it.
    pub(crate) certificate: Certificate,
    /// The signature itself.
    pub(crate) signature: Vec<u8>,
}

impl Envelope {
    /// What the key signs: the attributes that name the content's type and digest (RFC 5652, 5.4).
    pub(crate) fn signed_bytes(&self) -> der::Result<Vec<u8>> {
        attributes(&self.digest)?.to_der()
    }

    /// The bytes of the `.p7s` file.
    pub(crate) fn to_der(&self) -> der::Result<Vec<u8>> {
        let tbs = self.certificate.tbs_certificate();
        let signer = IssuerAndSerialNumber {
            issuer: tbs.issuer().clone(),
            serial_number: tbs.serial_number().clone(),
        };
        let info = SignerInfo {
            version: CmsVersion::V1,
            sid: SignerIdentifier::IssuerAndSerialNumber(signer),
            digest_alg: self.algorithm.digest(),
            signed_attrs: Some(attributes(&self.digest)?),
            signature_algorithm: self.algorithm.signature(),
            signature: OctetString::new(self.signature.as_slice())?,
            unsigned_attrs: None,
        };
        let certificate = CertificateChoices::Certificate(self.certificate.clone());
        let data = SignedData {
            version: CmsVersion::V1,
            digest_algorithms: SetOfVec::try_from(vec![self.algorithm.digest()])?,
            encap_content_info: EncapsulatedContentInfo { econtent_type: DATA, econtent: None },
            certificates: Some(CertificateSet::try_from(vec![certificate])?),
            crls: None,
            signer_infos: SignerInfos::try_from(vec![info])?,
        };
        ContentInfo { content_type: SIGNED_DATA, content: Any::encode_from(&data)? }.to_der()
    }

    /// Reads a `.p7s` file. What is not covered by the signature has one form too, so that no byte can be changed.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Invalid> {
        let form = |what: &str| Invalid::Form(what.to_owned());
        let unreadable = |error: der::Error| Invalid::Form(format!("it is no detached CMS in DER: {error}"));
        let outer = ContentInfo::from_der(bytes).map_err(unreadable)?;
        if outer.content_type != SIGNED_DATA {
            return Err(form("its content is not SignedData"));
        }
        let data: SignedData = outer.content.decode_as().map_err(unreadable)?;
        let infos = data.signer_infos.0.as_slice();
        let [info] = infos else { return Err(form("it must have one signer")) };
        let certificates = data.certificates.as_ref().map(|set| set.0.as_slice()).unwrap_or_default();
        let [CertificateChoices::Certificate(certificate)] = certificates else {
            return Err(form("it must have the certificate of its signer and no other"));
        };
        let algorithm = Algorithm::of_signature(&info.signature_algorithm);
        let envelope = Self {
            algorithm: algorithm.ok_or_else(|| Invalid::Form(format!("its algorithm is none of {NAMES}")))?,
            digest: digest_in(info).ok_or_else(|| form("it has no digest of what is signed"))?,
            certificate: certificate.clone(),
            signature: info.signature.as_bytes().to_vec(),
        };
        match envelope.to_der() {
            Ok(same) if same == bytes => Ok(envelope),
            _ => Err(form("it says more than signer, digest and signature, or says it in another way")),
        }
    }
}

/// The two attributes that every signature needs, and no time.
fn attributes(digest: &[u8; 32]) -> der::Result<SignedAttributes> {
    let one = |oid: ObjectIdentifier, value: Any| {
        Ok::<_, der::Error>(Attribute { oid, values: SetOfVec::try_from(vec![value])? })
    };
    let digest = OctetString::new(digest.as_slice())?;
    SignedAttributes::try_from(vec![
        one(CONTENT_TYPE, Any::encode_from(&DATA)?)?,
        one(MESSAGE_DIGEST, Any::encode_from(&digest)?)?,
    ])
}

/// The digest that a signature says it is over.
fn digest_in(info: &SignerInfo) -> Option<[u8; 32]> {
    let attributes = info.signed_attrs.as_ref()?;
    let attribute = attributes.iter().find(|attribute| attribute.oid == MESSAGE_DIGEST)?;
    let value: OctetString = attribute.values.get(0)?.decode_as().ok()?;
    value.as_bytes().try_into().ok()
}
