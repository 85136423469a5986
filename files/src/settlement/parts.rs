//! Pieces of ISO 20022 messages that several of them have. Fields stand in the order of the schemas.

use domain::terms::{Bank, CURRENCY};
use quick_xml::{SeError, se::Serializer};
use serde::{Deserialize, Serialize};

use super::yuan;

/// The text of a message.
pub(super) fn to_xml<T: Serialize>(document: &T) -> Result<String, SeError> {
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let mut writer = Serializer::with_root(&mut xml, Some("Document"))?;
    writer.indent(' ', 1);
    document.serialize(writer)?;
    xml.push('\n');
    Ok(xml)
}

/// A text without what XML cannot hold, of at most so many characters.
pub(crate) fn cut(text: &str, chars_max: usize) -> String {
    let allowed = |c: char| !c.is_control() && !matches!(c, '\u{FFFE}' | '\u{FFFF}');
    text.chars().take(chars_max).map(|c| if allowed(c) { c } else { ' ' }).collect()
}

/// Which way money goes, seen from the account's owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Direction {
    /// It comes in.
    #[serde(rename = "CRDT")]
    Credit,
    /// It goes out.
    #[serde(rename = "DBIT")]
    Debit,
}

impl Direction {
    /// That of a figure; 0 counts as coming in.
    pub(crate) const fn of(fen: i64) -> Self {
        if fen < 0 { Self::Debit } else { Self::Credit }
    }
}

/// An amount with its currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Amount {
    #[serde(rename = "@Ccy")]
    pub(crate) currency: String,
    #[serde(rename = "$text")]
    pub(crate) value: String,
}

impl Amount {
    /// So many fen.
    pub(crate) fn of(fen: u64) -> Self {
        Self { currency: CURRENCY.to_owned(), value: yuan::yuan(fen) }
    }

    /// The fen; `None` if it is no amount of ours.
    pub(crate) fn fen(&self) -> Option<u64> {
        yuan::fen(&self.value).filter(|_| self.currency == CURRENCY)
    }
}

/// An id that no register has given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Other {
    #[serde(rename = "Id")]
    pub(crate) id: String,
}

/// An organisation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Organisation {
    #[serde(rename = "AnyBIC", skip_serializing_if = "Option::is_none")]
    bic: Option<String>,
    #[serde(rename = "Othr", skip_serializing_if = "Option::is_none")]
    other: Option<Other>,
}

/// What a party is known by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OfParty {
    #[serde(rename = "OrgId")]
    organisation: Organisation,
}

/// A party.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PartyId {
    #[serde(rename = "Nm", skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(rename = "Id")]
    id: OfParty,
}

impl PartyId {
    /// A party with this id.
    pub(super) fn of(name: Option<String>, id: &str) -> Self {
        let other = Some(Other { id: id.to_owned() });
        Self { name, id: OfParty { organisation: Organisation { bic: None, other } } }
    }

    /// A bank, where a message takes it for a party.
    pub(super) fn of_bank(bank: &Bank) -> Self {
        let (bic, other) = match bank {
            Bank::Bic(bic) => (Some(bic.clone()), None),
            Bank::Cnaps(id) => (None, Some(Other { id: id.clone() })),
        };
        Self { name: None, id: OfParty { organisation: Organisation { bic, other } } }
    }

    /// Its id.
    pub(crate) fn id(&self) -> &str {
        self.id.organisation.other.as_ref().map_or("", |other| &other.id)
    }
}

/// What an account is known by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OfAccount {
    #[serde(rename = "Othr")]
    other: Other,
}

/// An account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AccountId {
    #[serde(rename = "Id")]
    id: OfAccount,
    #[serde(rename = "Ccy")]
    currency: String,
    #[serde(rename = "Nm", skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(rename = "Ownr", skip_serializing_if = "Option::is_none")]
    owner: Option<PartyId>,
    #[serde(rename = "Svcr", skip_serializing_if = "Option::is_none")]
    servicer: Option<Agent>,
}

impl AccountId {
    /// The account of this number.
    pub(super) fn of(number: String, name: Option<String>) -> Self {
        let id = OfAccount { other: Other { id: number } };
        Self { id, currency: CURRENCY.to_owned(), name, owner: None, servicer: None }
    }

    /// The same with owner and bank, where a message says them there.
    pub(super) fn held(self, owner: PartyId, servicer: Option<Agent>) -> Self {
        Self { owner: Some(owner), servicer, ..self }
    }
}

/// The code of a clearing system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Code {
    #[serde(rename = "Cd")]
    code: String,
}

impl Code {
    pub(super) fn of(code: &str) -> Self {
        Self { code: code.to_owned() }
    }
}

/// A member of a clearing system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Member {
    #[serde(rename = "ClrSysId")]
    system: Code,
    #[serde(rename = "MmbId")]
    id: String,
}

/// A financial institution.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Institution {
    #[serde(rename = "BICFI", skip_serializing_if = "Option::is_none")]
    bic: Option<String>,
    #[serde(rename = "ClrSysMmbId", skip_serializing_if = "Option::is_none")]
    member: Option<Member>,
    #[serde(rename = "Othr", skip_serializing_if = "Option::is_none")]
    other: Option<Other>,
}

/// A bank.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Agent {
    #[serde(rename = "FinInstnId")]
    institution: Institution,
}

impl Agent {
    /// This bank.
    pub(super) fn of(bank: &Bank) -> Self {
        let institution = match bank {
            Bank::Bic(bic) => Institution { bic: Some(bic.clone()), ..Institution::default() },
            Bank::Cnaps(id) => {
                let member = Member { system: Code::of("CNAPS"), id: id.clone() };
                Institution { member: Some(member), ..Institution::default() }
            }
        };
        Self { institution }
    }

    /// Where a message must name a bank and none is known: the word that banks expect then.
    pub(super) fn unknown() -> Self {
        let other = Some(Other { id: "NOTPROVIDED".to_owned() });
        Self { institution: Institution { other, ..Institution::default() } }
    }
}

/// A date, where a message could also take a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Day {
    #[serde(rename = "Dt")]
    date: String,
}

impl Day {
    pub(super) fn of(date: domain::date::Date) -> Self {
        Self { date: date.to_string() }
    }
}
