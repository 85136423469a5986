//! The rulebook: participants, terminals, fees, window and partitions, validated once.

use std::{collections::BTreeMap, sync::Arc};

use sha2::{Digest, Sha256};

use crate::{
    city::City,
    date::Date,
    document::{self, Fault},
    fees::{FeeTable, Fees},
    limits::Limits,
    tap::Sector,
    terminal::{Ownership, TerminalPrefix},
    terms::{Account, SectorAccount, Terms},
};

pub mod changes;
pub mod past;
mod read;
mod read_terms;
mod warnings;

/// The largest rulebook, bytes.
pub const RULEBOOK_BYTES_MAX: usize = 4 << 20;

/// A member city.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Participant {
    /// Its city.
    pub city: City,
    /// Its English name.
    pub name_en: String,
    /// Its Chinese name.
    pub name_zh: String,
    /// The first business date of its membership.
    pub joined: Date,
    /// The first business date after its membership.
    pub left: Option<Date>,
    /// The first business date of its suspension.
    pub suspended_from: Option<Date>,
    /// The first business date after its suspension; without it the suspension is open-ended.
    pub suspended_until: Option<Date>,
    /// The terminals it owns, whatever its membership.
    pub terminal_prefixes: Vec<TerminalPrefix>,
    /// Where it is paid.
    pub account: Account,
    /// Where it is paid instead for what it takes in some sectors, in the order of the rulebook; no sector is in two.
    pub sector_accounts: Vec<SectorAccount>,
    /// The most it should come to owe in a cycle, fen, if that is watched.
    pub net_debit_cap_fen: Option<u64>,
}

impl Participant {
    /// The number of the account over which it is paid for a sector: 0 is the main one, 1 the first of those by sector.
    #[must_use]
    pub fn account_of(&self, sector: Sector) -> u8 {
        let found = self.sector_accounts.iter().position(|one| one.sectors.contains(&sector));
        found.and_then(|at| u8::try_from(at.saturating_add(1)).ok()).unwrap_or(0)
    }

    /// The account of a number.
    #[must_use]
    pub fn account_numbered(&self, number: u8) -> Option<&Account> {
        match usize::from(number).checked_sub(1) {
            None => Some(&self.account),
            Some(at) => self.sector_accounts.get(at).map(|one| &one.account),
        }
    }

    /// The numbers of all its accounts, the main one first.
    pub fn accounts(&self) -> impl Iterator<Item = u8> + use<> {
        0..=u8::try_from(self.sector_accounts.len()).unwrap_or(u8::MAX)
    }

    /// Whether it is a member on that business date, suspended or not.
    #[must_use]
    pub fn is_member(&self, date: Date) -> bool {
        self.joined <= date && self.left.is_none_or(|left| date < left)
    }

    /// How it stands as a home city on that business date.
    #[must_use]
    pub fn standing(&self, date: Date) -> Standing {
        let begun = self.suspended_from.is_some_and(|from| from <= date);
        let ended = self.suspended_until.is_some_and(|until| until <= date);
        match (self.is_member(date), begun && !ended) {
            (false, _) => Standing::Unknown,
            (true, true) => Standing::Suspended,
            (true, false) => Standing::Member,
        }
    }
}

/// How a city stands as a home city on a business date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// No member.
    Unknown,
    /// A member whose cards are not accepted.
    Suspended,
    /// A member.
    Member,
}

/// One version of the rules; it never changes, its digest names its bytes.
#[derive(Clone, Debug)]
pub struct Rulebook {
    /// Its version, from 1.
    pub version: u32,
    /// How many days after the tap a record may be presented.
    pub presentment_days: u32,
    /// How many hours after a card became hot its home city still pays.
    pub hotlist_grace_hours: u32,
    /// The fees.
    pub fees: Fees,
    /// The participants, sorted by city.
    pub participants: Vec<Participant>,
    /// How many partitions the book has.
    pub partitions: u32,
    /// When and through whom nets are paid.
    pub terms: Terms,
    /// What is watched.
    pub limits: Limits,
    assignment: BTreeMap<City, u32>,
    ownership: Ownership,
    unknown_tables: Vec<String>,
    unknown_fields: Vec<String>,
    bytes: Arc<[u8]>,
    digest: [u8; 32],
}

/// Why a rulebook is refused.
#[derive(Debug, thiserror::Error)]
pub enum RulebookError {
    /// Too many bytes.
    #[error("a rulebook of {bytes} bytes; at most {RULEBOOK_BYTES_MAX} are read")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Not UTF-8.
    #[error("the rulebook is not UTF-8 text; save it as UTF-8")]
    NotUtf8(#[source] std::str::Utf8Error),
    /// Something in it is missing, misspelt or contradicts something else.
    #[error("the rulebook is wrong in {0}")]
    Wrong(Fault),
}

impl Rulebook {
    /// Reads and validates a rulebook (files contract §5).
    ///
    /// # Errors
    /// [`RulebookError`], naming the line, entry and field, if it is no TOML, lacks something, or
    /// contradicts itself.
    pub fn parse(toml_bytes: &[u8]) -> Result<Self, RulebookError> {
        if toml_bytes.len() > RULEBOOK_BYTES_MAX {
            return Err(RulebookError::TooLong { bytes: toml_bytes.len() });
        }
        let text = std::str::from_utf8(toml_bytes).map_err(RulebookError::NotUtf8)?;
        let body = document::read(text, read::rulebook).map_err(RulebookError::Wrong)?;
        let prefixes = body.participants.iter().flat_map(|participant| {
            participant.terminal_prefixes.iter().map(|prefix| (*prefix, participant.city))
        });
        Ok(Self {
            version: body.version,
            presentment_days: body.presentment_days,
            hotlist_grace_hours: body.hotlist_grace_hours,
            fees: body.fees,
            ownership: Ownership::new(prefixes),
            participants: body.participants,
            partitions: body.partitions,
            terms: body.terms,
            limits: body.limits,
            assignment: body.assignment,
            unknown_tables: body.unknown_tables,
            unknown_fields: body.unknown_fields,
            bytes: toml_bytes.into(),
            digest: Sha256::digest(toml_bytes).into(),
        })
    }

    /// Everything that is wrong in a rulebook, as far as one fault does not hide another: at most one in each entry, in
    /// the order of the lines; empty if [`Rulebook::parse`] takes it.
    ///
    /// # Errors
    /// [`RulebookError`] if it is too long, or not text.
    pub fn faults(toml_bytes: &[u8]) -> Result<Vec<Fault>, RulebookError> {
        let first = match Self::parse(toml_bytes) {
            Ok(_) => return Ok(Vec::new()),
            Err(RulebookError::Wrong(first)) => first,
            Err(error) => return Err(error),
        };
        let text = std::str::from_utf8(toml_bytes).map_err(RulebookError::NotUtf8)?;
        // What is no TOML has one fault, the first.
        let mut faults = document::read(text, |top| Ok(read::faults(top))).unwrap_or_default();
        if !faults.contains(&first) {
            faults.push(first);
        }
        faults.sort_by(|a, b| (a.line, &a.entry, &a.field).cmp(&(b.line, &b.entry, &b.field)));
        faults.dedup();
        Ok(faults)
    }

    /// SHA-256 of its bytes.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// The TOML as it was.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Top-level tables and keys that have no meaning here, in order of their names; other programs may use them.
    #[must_use]
    pub fn unknown_tables(&self) -> &[String] {
        &self.unknown_tables
    }

    /// The participant with that city.
    #[must_use]
    pub fn participant(&self, city: City) -> Option<&Participant> {
        let found = self.participants.binary_search_by_key(&city, |participant| participant.city);
        found.ok().and_then(|index| self.participants.get(index))
    }

    /// How a city stands as a home city on a business date.
    #[must_use]
    pub fn standing(&self, city: City, date: Date) -> Standing {
        self.participant(city).map_or(Standing::Unknown, |participant| participant.standing(date))
    }

    /// The members on a business date, suspended ones included, in order.
    pub fn members(&self, date: Date) -> impl Iterator<Item = City> {
        self.participants.iter().filter(move |p| p.is_member(date)).map(|p| p.city)
    }

    /// The fee lines of a pair on a business date, and the acquirer's accounts, by sector and product.
    #[must_use]
    pub fn fee_table(&self, acquirer: City, issuer: City, business_date: Date) -> FeeTable {
        let table = self.fees.table(acquirer, issuer, business_date);
        match self.participant(acquirer) {
            Some(it) if !it.sector_accounts.is_empty() => table.over(|sector| it.account_of(sector)),
            _ => table,
        }
    }

    /// Whether any participant has accounts by sector.
    #[must_use]
    pub fn has_sector_accounts(&self) -> bool {
        self.participants.iter().any(|participant| !participant.sector_accounts.is_empty())
    }

    /// The partition of the book that keeps a city's taps.
    #[must_use]
    pub fn partition_of(&self, city: City) -> u32 {
        self.assignment.get(&city).copied().unwrap_or(0)
    }

    /// The cities whose partition is stated, with it, in order; all others are in partition 0.
    pub fn assignments(&self) -> impl Iterator<Item = (City, u32)> {
        self.assignment.iter().map(|(city, partition)| (*city, *partition))
    }

    /// Who owns a terminal: the longest prefix counts.
    #[must_use]
    pub fn terminal_owner(&self, terminal: [u8; 6]) -> Option<City> {
        let [a, b, c, d, e, f] = terminal;
        self.ownership.owner(u64::from_be_bytes([0, 0, a, b, c, d, e, f]))
    }

    /// The owners of all terminals.
    #[must_use]
    pub fn ownership(&self) -> &Ownership {
        &self.ownership
    }
}

#[cfg(test)]
mod tests;
