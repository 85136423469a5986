//! What all settlement files of a cycle share: ids, dates, parties and accounts.

use domain::{
    city::City,
    cycle::CycleName,
    date::Date,
    rulebook::{Participant, Rulebook},
    settlement::{Item, Leg, Movement, Net, Party, Payments, Settlement, reference},
    terms::{Account, Bank},
};

use super::parts::{AccountId, Agent, PartyId, cut};
use crate::error::FilesError;

/// The longest name of a party, characters.
const NAME_CHARS_MAX: usize = 140;
/// The longest name of an account, characters.
const ACCOUNT_NAME_CHARS_MAX: usize = 70;

/// A cycle as its settlement files see it.
pub(crate) struct Cycle<'a> {
    /// Its name.
    pub(super) name: CycleName,
    /// The version of its plan.
    pub(super) version: u32,
    /// Who pays whom, and what nets are made of.
    pub(super) payments: Payments,
    rulebook: &'a Rulebook,
    net: &'a [Net],
}

impl<'a> Cycle<'a> {
    pub(super) fn of(
        name: CycleName,
        version: u32,
        rulebook: &'a Rulebook,
        settlement: &'a Settlement,
        items: &[Item],
    ) -> Result<Self, FilesError> {
        let Settlement { net, positions } = settlement;
        let payments = Payments::of(net, positions, items).map_err(FilesError::Unsettled)?;
        Ok(Self { name, version, payments, rulebook, net })
    }

    /// Every net that is not 0, by city, the scheme last.
    pub(super) fn nets(&self) -> impl Iterator<Item = (Party, i64)> {
        self.net.iter().map(|net| (net.participant, net.net_fen)).filter(|(_, net)| *net != 0)
    }

    /// The row of `net.csv`.
    pub(super) fn net(&self, city: City) -> Option<&Net> {
        self.net.iter().find(|net| net.participant == Party::City(city))
    }

    /// What a city's net is made of.
    pub(super) fn movements(&self, city: City) -> &[Movement] {
        self.payments.movements(city)
    }

    /// The payments to the scheme, or those by it.
    pub(super) fn legs(&self, receives: bool) -> impl Iterator<Item = &Leg> {
        self.payments.legs.iter().filter(move |leg| leg.receives == receives)
    }

    /// The reference of a city's payment, or of the scheme's net: the end-to-end id that a bank's answer repeats.
    pub(super) fn reference(&self, party: Party) -> String {
        reference(self.name, self.version, party)
    }

    /// The folder that the messages stand in.
    pub(super) fn folder(&self) -> String {
        match self.version {
            1 => self.name.to_string(),
            version => format!("{}.v{version}", self.name),
        }
    }

    /// The id of a message; at most 35 characters whatever the cycle's number.
    pub(super) fn message_id(&self, message: &str) -> String {
        format!("{}-{message}", self.folder())
    }

    /// When the messages were made: when the cycle ended, by the rulebook.
    pub(super) fn created(&self) -> String {
        format!("{}+08:00", self.rulebook.terms.cut_off(self.name))
    }

    /// When the nets are paid.
    pub(super) fn settlement_date(&self) -> Date {
        self.rulebook.terms.settlement_date(self.name.business_date)
    }

    /// The participant, if the rulebook lists it.
    pub(super) fn participant(&self, city: City) -> Option<&'a Participant> {
        self.rulebook.participant(city)
    }

    /// The version of the rules.
    pub(super) fn rulebook_version(&self) -> u32 {
        self.rulebook.version
    }

    /// The scheme's name, if the rulebook states it.
    pub(super) fn scheme_name(&self) -> Option<&'a str> {
        self.rulebook.terms.name.as_deref()
    }

    fn stated(&self, party: Party) -> Option<&'a Account> {
        match party {
            Party::City(city) => self.participant(city).map(|participant| &participant.account),
            Party::Scheme => Some(&self.rulebook.terms.account),
        }
    }

    /// The number of a party's account; without one, the party's own name.
    pub(super) fn account_number(&self, party: Party) -> String {
        let number = self.stated(party).and_then(|account| account.number.as_ref());
        number.map_or_else(|| party.to_string(), ToString::to_string)
    }

    /// A party's bank.
    pub(super) fn bank(&self, party: Party) -> Option<&'a Bank> {
        self.stated(party).and_then(|account| account.bank.as_ref())
    }

    /// The name that a party's account is held under; without one, the party's own.
    pub(super) fn holder(&self, party: Party) -> Option<String> {
        let account = self.stated(party).and_then(|account| account.name.as_deref());
        let own = match party {
            Party::City(city) => self.participant(city).map(|participant| participant.name_zh.as_str()),
            Party::Scheme => self.scheme_name(),
        };
        account.or(own).map(|name| cut(name, NAME_CHARS_MAX))
    }

    /// A party as messages name it.
    pub(super) fn party(&self, party: Party) -> PartyId {
        PartyId::of(self.holder(party), &party.to_string())
    }

    /// A party's account as messages name it.
    pub(super) fn account(&self, party: Party) -> AccountId {
        let name = self.stated(party).and_then(|account| account.name.as_deref());
        AccountId::of(self.account_number(party), name.map(|name| cut(name, ACCOUNT_NAME_CHARS_MAX)))
    }

    /// A party's bank as messages name it.
    pub(super) fn agent(&self, party: Party) -> Option<Agent> {
        self.bank(party).map(Agent::of)
    }
}
