//! What can go wrong with keys and certificates, and what can be wrong with a signature.

use std::{io, path::PathBuf};

use domain::date::Date;

use crate::{algorithm::Algorithm, hex};

/// Why nothing can be signed or checked. Each message reads well after "failed to".
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    /// A file or folder cannot be read.
    #[error("read {}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A private key that others than its owner may read is no secret.
    #[error(
        "use the key {}: its mode is {mode:04o}, so others than its owner can read it; run chmod 600 on it, and \
         replace the pair if somebody may have",
        path.display()
    )]
    KeyIsOpen {
        /// The key.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// A private key that cannot be used. The message never shows any of it.
    #[error("use the key {}: {what}", path.display())]
    Key {
        /// The key.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A certificate that cannot be used.
    #[error("use the certificate {}: {what}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A folder without pairs.
    #[error("sign with {}: it has no pair signer-*.pem, signer-*.key", .0.display())]
    NoPair(PathBuf),
    /// No certificate is valid on the day.
    #[error(
        "sign files of {date} with {}: none of its certificates is valid at the end of that day in UTC+8 ({there}); \
         put a pair there that is, as signer-NAME.pem and signer-NAME.key",
        folder.display()
    )]
    NoneValid {
        /// The folder of pairs.
        folder: PathBuf,
        /// The business date.
        date: Date,
        /// The certificates that are there, with their validity.
        there: String,
    },
    /// A structure cannot be encoded.
    #[error("encode {what}: {why}")]
    Encode {
        /// What.
        what: &'static str,
        /// Why not.
        why: String,
    },
}

impl SigningError {
    /// A closure that names the path, for `map_err`.
    pub(crate) fn io(path: &std::path::Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { path: path.to_owned(), source }
    }

    /// A closure that names what cannot be encoded, for `map_err`.
    pub(crate) fn encode<E: std::fmt::Display>(what: &'static str) -> impl FnOnce(E) -> Self {
        move |error| Self::Encode { what, why: error.to_string() }
    }
}

/// What is wrong with a signature.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// It is no signature, or not in the one form that is written here.
    #[error("it is no signature in the form of this contract: {0}")]
    Form(String),
    /// It signs something else.
    #[error(
        "it signs other bytes, with the {} {}: they were altered, or it belongs to another file",
        algorithm.digest_name(),
        hex(digest)
    )]
    OtherBytes {
        /// How it was made.
        algorithm: Algorithm,
        /// The digest that it signs, the algorithm's own.
        digest: [u8; 32],
    },
    /// It says that it was made in another way than the key in its certificate can sign.
    #[error(
        "it is said to be of {}, and the key of {whose}, whose certificate is in it, is not: one of them was altered",
        algorithm.name()
    )]
    Algorithm {
        /// How it is said to have been made.
        algorithm: Algorithm,
        /// Whose key it is.
        whose: String,
    },
    /// It was not made with the key of the certificate inside it.
    #[error("it was not made with the key of {0}, whose certificate is in it: one of them was altered")]
    Signature(String),
    /// The CA did not issue the certificate.
    #[error("its signer {signer} is none that the CA certified: the certificate names {issuer} as its CA")]
    Stranger {
        /// The subject of the certificate.
        signer: String,
        /// Who it says has issued it.
        issuer: String,
    },
    /// The certificate was not valid on the day.
    #[error(
        "the certificate of {whose} was valid from {from} until {until}, not at the end of {date} in UTC+8"
    )]
    NotOn {
        /// Whose.
        whose: String,
        /// First instant.
        from: String,
        /// Last instant.
        until: String,
        /// The business date.
        date: Date,
    },
    /// The certificate is not one for signing files.
    #[error("the certificate of {whose} is not for signing files: {why}")]
    Purpose {
        /// Whose.
        whose: String,
        /// Why not.
        why: &'static str,
    },
}
