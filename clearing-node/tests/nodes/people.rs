//! A TEST CA, and people whom it certifies.

use std::{fs, os::unix::fs::PermissionsExt as _};

use domain::{
    act::{Act, Written},
    date::Date,
};
use proto::{Bytes, Message as _};
use signing::{Algorithm, Authority, Digests, Issued, Order, Signer, Trust, Usage};
use tempfile::TempDir;

/// Who there is, and what he is to the scheme.
const PEOPLE: [(&str, &str); 6] = [
    ("li", "operators"),
    ("wang", "operators"),
    ("bank", "banks"),
    ("cu-2000", "participants"),
    ("cu-3000", "participants"),
    ("cu-9999", "strangers"),
];

pub struct People {
    folder: TempDir,
}

fn order(subject: &str, serial: u64, usage: Usage) -> Order<'_> {
    let (from, until) = (Date::from_ymd(2000, 1, 1).unwrap(), Date::from_ymd(2099, 12, 31).unwrap());
    Order { subject, serial, from, until, usage, algorithm: Algorithm::EcdsaP256Sha256 }
}

impl People {
    pub fn new() -> Self {
        let people = Self { folder: TempDir::new().unwrap() };
        let (ca, issued) =
            Authority::new(&[1; 32], &order("CN=TEST CA,O=TEST,C=CN", 1, Usage::Authority)).unwrap();
        people.keep("ca", &issued);
        for (number, (name, unit)) in (2_u8..).zip(PEOPLE) {
            let subject = format!("CN={name},OU={unit},O=TEST,C=CN");
            let issued = ca.issue(&[number; 32], &order(&subject, number.into(), Usage::Client)).unwrap();
            people.keep(name, &issued);
        }
        people
    }

    fn keep(&self, name: &str, issued: &Issued) {
        let path = |ending: &str| self.folder.path().join(format!("{name}.{ending}"));
        fs::write(path("pem"), &issued.certificate).unwrap();
        fs::write(path("key"), &issued.key).unwrap();
        fs::set_permissions(path("key"), fs::Permissions::from_mode(0o600)).unwrap();
    }

    pub fn trust(&self) -> Trust {
        Trust::read(&self.folder.path().join("ca.pem")).unwrap()
    }

    /// An act on a log, as it stands on `cu.acts`.
    pub fn act(&self, by: &str, log: &str, id: &str, act: Act) -> Vec<u8> {
        let path = |ending: &str| self.folder.path().join(format!("{by}.{ending}"));
        let signer = Signer::read(&path("pem"), &path("key")).unwrap();
        let written = Written { id: id.to_owned(), at: String::new(), log: log.to_owned(), act };
        let text: Bytes = serde_json::to_vec(&written).unwrap().into();
        let signature = signer.sign(&Digests::of(&text)).unwrap().into();
        proto::Act { text, signature }.encode_to_vec()
    }
}
