//! `directory.toml`: whose certificate is whose.

use std::{collections::BTreeMap, fmt, sync::Arc};

use domain::city::City;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::access::Role;

/// The longest name of a participant, bytes.
const NAME_LEN_MAX: usize = 64;

/// The SHA-256 of a certificate: 64 lower-case hex digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// Of a certificate in DER.
    #[must_use]
    pub fn of(certificate: &[u8]) -> Self {
        Self(hex(&Sha256::digest(certificate)))
    }

    /// Reads hex digits of either case, with or without colons, as `openssl x509 -fingerprint` prints them.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let digits = text.replace(':', "").to_ascii_lowercase();
        let right = digits.len() == 64 && digits.bytes().all(|b| b.is_ascii_hexdigit());
        right.then_some(Self(digits))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Bytes as lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Who is behind a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Participant {
    /// The name for people.
    pub name: String,
    /// What it is to the scheme.
    pub role: Role,
}

impl Participant {
    /// What its answers are kept under: a city's code, else the name.
    #[must_use]
    pub fn id(&self) -> String {
        match self.role {
            Role::City(city) => city.to_string(),
            Role::Bank | Role::Operations => self.name.clone(),
        }
    }
}

/// The certificates that are let in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directory(BTreeMap<Fingerprint, Arc<Participant>>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    #[serde(default)]
    certificate: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    sha256: String,
    name: String,
    role: Word,
    city: Option<City>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    City,
    Bank,
    Operations,
}

impl Directory {
    /// Reads a directory.
    ///
    /// # Errors
    /// What is wrong, with the line or the number of the entry.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text: Text = toml::from_str(text).map_err(|error| error.to_string())?;
        let mut directory = BTreeMap::new();
        let mut roles: BTreeMap<String, Role> = BTreeMap::new();
        for (index, entry) in text.certificate.iter().enumerate() {
            let of_entry = |why: &str| format!("certificate {} (`{}`): {why}", index + 1, entry.name);
            let (fingerprint, participant) = entry.read().map_err(|why| of_entry(&why))?;
            let role = *roles.entry(participant.name.clone()).or_insert(participant.role);
            if role != participant.role {
                return Err(of_entry("an entry before has this name with another role or city"));
            }
            if directory.insert(fingerprint, Arc::new(participant)).is_some() {
                return Err(of_entry("an entry before has this sha256"));
            }
        }
        Ok(Self(directory))
    }

    /// Who is behind a certificate, if it is let in.
    #[must_use]
    pub fn find(&self, fingerprint: &Fingerprint) -> Option<Arc<Participant>> {
        self.0.get(fingerprint).cloned()
    }

    /// The number of certificates.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nobody is let in.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Entry {
    fn read(&self) -> Result<(Fingerprint, Participant), String> {
        let fingerprint = Fingerprint::read(&self.sha256).ok_or(
            "sha256: expected 64 hex digits, as `openssl x509 -noout -fingerprint -sha256` prints them",
        )?;
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if self.name.is_empty() || self.name.len() > NAME_LEN_MAX || !self.name.bytes().all(plain) {
            let form = "letters, digits, `-` and `_`, such as icbc-settlement";
            return Err(format!("name: expected 1 to {NAME_LEN_MAX} {form}"));
        }
        let role = match (self.role, self.city) {
            (Word::City, Some(city)) => Role::City(city),
            (Word::City, None) => return Err("city: role \"city\" needs one, such as \"cu-2000\"".to_owned()),
            (_, Some(_)) => return Err("city: only role \"city\" has one".to_owned()),
            (Word::Bank, None) => Role::Bank,
            (Word::Operations, None) => Role::Operations,
        };
        // Answers are kept by these names, and a city's by its code.
        if !matches!(role, Role::City(_)) && self.name.parse::<City>().is_ok() {
            return Err("name: this is the code of a city; choose another".to_owned());
        }
        Ok((fingerprint, Participant { name: self.name.clone(), role }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(digit: &str, rest: &str) -> String {
        format!("[[certificate]]\nsha256 = \"{}\"\n{rest}\n", digit.repeat(64))
    }

    #[test]
    fn a_certificate_leads_to_its_participant() {
        let colons = ["AB"; 32].join(":");
        let text = format!(
            "[[certificate]]\nsha256 = \"{colons}\"\nname = \"shanghai\"\nrole = \"city\"\ncity = \"cu-2000\"\n{}",
            entry("c", "name = \"icbc\"\nrole = \"bank\"")
        );
        let directory = Directory::parse(&text).unwrap();
        let found = directory.find(&Fingerprint::read(&"ab".repeat(32)).unwrap()).unwrap();
        assert_eq!((found.id().as_str(), found.name.as_str()), ("cu-2000", "shanghai"));
        assert_eq!(directory.find(&Fingerprint::read(&"c".repeat(64)).unwrap()).unwrap().id(), "icbc");
        assert_eq!(directory.find(&Fingerprint::of(b"other")), None);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_entry() {
        let bank = "name = \"x\"\nrole = \"bank\"";
        for (text, said) in [
            (
                "[[certificate]]\nsha256 = \"12\"\nname = \"x\"\nrole = \"bank\"\n".to_owned(),
                "1 (`x`): sha256",
            ),
            (entry("a", bank) + &entry("a", bank), "2 (`x`): an entry before has this sha256"),
            (entry("a", bank) + &entry("b", "name = \"x\"\nrole = \"operations\""), "another role"),
            (entry("a", "name = \"x\"\nrole = \"city\""), "needs one"),
            (entry("a", "name = \"x\"\nrole = \"bank\"\ncity = \"cu-2000\""), "only role"),
            (entry("a", "name = \"cu-2000\"\nrole = \"bank\""), "code of a city"),
            (entry("a", "name = \"../x\"\nrole = \"bank\""), "letters"),
            (entry("a", "name = \"x\"\nrole = \"king\""), "king"),
            (entry("a", "name = \"x\"\nrole = \"bank\"\nkings = 1"), "kings"),
        ] {
            let why = Directory::parse(&text).unwrap_err();
            assert!(why.contains(said), "{said}: {why}");
        }
    }
}
