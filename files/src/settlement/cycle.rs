//! What all settlement files of a cycle share: ids, dates, parties and accounts.

use domain::{
    city::City,
    cycle::CycleName,
    date::Date,
    rulebook::{Participant, Rulebook},
    settlement::{Item, Leg, Movement, Net, Party, PartyAccount, Payments, Settlement, reference},
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
        let payments = Payments::over_accounts(settlement, items).map_err(FilesError::Unsettled)?;
        Ok(Self { name, version, payments, rulebook, net: &settlement.net })
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

    /// Every payment with its sign for the city, by city and account, and last the scheme's net if it is not 0.
    pub(super) fn settled(&self) -> impl Iterator<Item = (PartyAccount, i64)> {
        let leg = |leg: &Leg| (leg.account(), i64::try_from(leg.signed_fen()).unwrap_or_default());
        let scheme = self.nets().filter(|(party, _)| *party == Party::Scheme);
        self.payments.legs.iter().map(leg).chain(scheme.map(|(party, net)| (party.into(), net)))
    }

    /// The numbers of a city's accounts, the main one first.
    pub(super) fn accounts(&self, city: City) -> Vec<u8> {
        self.participant(city).map_or_else(|| vec![0], |participant| participant.accounts().collect())
    }

    /// The payment over an account of a city; none if the account comes to 0.
    pub(super) fn leg(&self, account: PartyAccount) -> Option<&Leg> {
        self.payments.legs.iter().find(|leg| leg.account() == account)
    }

    /// The sectors of an account, in the order of their list; none of a main account.
    pub(super) fn sectors(&self, city: City, number: u8) -> Vec<&'static str> {
        let at = usize::from(number).checked_sub(1);
        let account = at.zip(self.participant(city)).and_then(|(at, it)| it.sector_accounts.get(at));
        account.map_or_else(Vec::new, |it| it.sectors.iter().map(|sector| sector.word()).collect())
    }

    /// The payments to the scheme, or those by it.
    pub(super) fn legs(&self, receives: bool) -> impl Iterator<Item = &Leg> {
        self.payments.legs.iter().filter(move |leg| leg.receives == receives)
    }

    /// The reference of a payment over a city's account, or of the scheme's net: the end-to-end id that a bank's answer
    /// repeats.
    pub(super) fn reference(&self, account: impl Into<PartyAccount>) -> String {
        reference(self.name, self.version, account)
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

    fn stated(&self, of: PartyAccount) -> Option<&'a Account> {
        match of.party {
            Party::City(city) => self.participant(city).and_then(|it| it.account_numbered(of.number)),
            Party::Scheme => Some(&self.rulebook.terms.account),
        }
    }

    /// The number of an account; without one, the party's own name.
    pub(super) fn account_number(&self, of: impl Into<PartyAccount>) -> String {
        let of = of.into();
        let number = self.stated(of).and_then(|account| account.number.as_ref());
        number.map_or_else(|| of.party.to_string(), ToString::to_string)
    }

    /// The bank that has an account.
    pub(super) fn bank(&self, of: impl Into<PartyAccount>) -> Option<&'a Bank> {
        self.stated(of.into()).and_then(|account| account.bank.as_ref())
    }

    /// The name that an account is held under; without one, the party's own.
    pub(super) fn holder(&self, of: impl Into<PartyAccount>) -> Option<String> {
        let of = of.into();
        let account = self.stated(of).and_then(|account| account.name.as_deref());
        let own = match of.party {
            Party::City(city) => self.participant(city).map(|participant| participant.name_zh.as_str()),
            Party::Scheme => self.scheme_name(),
        };
        account.or(own).map(|name| cut(name, NAME_CHARS_MAX))
    }

    /// The party of an account as messages name it: by the account's holder, with the party's own id.
    pub(super) fn party(&self, of: impl Into<PartyAccount>) -> PartyId {
        let of = of.into();
        PartyId::of(self.holder(of), &of.party.to_string())
    }

    /// An account as messages name it.
    pub(super) fn account(&self, of: impl Into<PartyAccount>) -> AccountId {
        let of = of.into();
        let name = self.stated(of).and_then(|account| account.name.as_deref());
        AccountId::of(self.account_number(of), name.map(|name| cut(name, ACCOUNT_NAME_CHARS_MAX)))
    }

    /// The bank of an account as messages name it.
    pub(super) fn agent(&self, of: impl Into<PartyAccount>) -> Option<Agent> {
        self.bank(of).map(Agent::of)
    }
}
