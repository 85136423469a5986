//! The ledger of a scheme in double entry: every change of a cycle's state posts entries that sum to zero.
//!
//! Everybody has a position with the scheme, payments in transit, and an account at the settlement bank; the scheme's own
//! position are the fees that it has earned and not yet received. A figure above 0 is in favour of the account's owner.
//! So all balances sum to zero at every point, and so do those at the bank alone: no money comes from nowhere.
//!
//! Here are accounts, events and the order in which they come; `postings.rs` has the entries of each event,
//! `statement.rs` what a participant is told of them.
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions)]

use std::{collections::BTreeMap, fmt};

use crate::{
    cycle::CycleName,
    settlement::{Item, Party, Payments, Purpose},
};

mod postings;
mod statement;
#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test that overflows fails")]
mod tests;

pub use statement::Statement;

/// What an account is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Book {
    /// What closed cycles owe its owner, or its owner owes, until they are released.
    Position,
    /// What was released and the bank has not confirmed.
    InTransit,
    /// What the settlement bank has moved.
    Bank,
    /// Debts of a failed cycle until a later one carries them, and the claims on them.
    Suspense,
}

impl Book {
    /// All of them, in the order of money's way.
    pub const ALL: [Self; 4] = [Self::Position, Self::InTransit, Self::Bank, Self::Suspense];

    /// The account's word, which is another one for the scheme's.
    #[must_use]
    pub const fn word(self, owner: Party) -> &'static str {
        match (self, owner) {
            (Self::Position, Party::City(_)) => "position",
            (Self::Position, Party::Scheme) => "fees_income",
            (Self::InTransit, _) => "in_transit",
            (Self::Bank, Party::City(_)) => "nostro",
            (Self::Bank, Party::Scheme) => "settlement_account",
            (Self::Suspense, _) => "suspense",
        }
    }
}

/// An account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Account {
    /// Whose.
    pub owner: Party,
    /// What for.
    pub book: Book,
}

impl Account {
    const fn of(owner: Party, book: Book) -> Self {
        Self { owner, book }
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.owner, self.book.word(self.owner))
    }
}

/// Why something is posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// What a plan moves between positions.
    Closed,
    /// The same taken back, since a new version of the plan takes its place.
    Reversed,
    /// A debt that was not paid leaves the positions, and comes back in a later cycle.
    Carried,
    /// A payment of a released plan.
    Released,
    /// The same taken back: the bank refused it, or its debtor failed.
    Withdrawn,
    /// A payment that the bank has carried out.
    Confirmed,
}

impl Reason {
    /// Its word in tables.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Reversed => "reversed",
            Self::Carried => "carried",
            Self::Released => "released",
            Self::Withdrawn => "withdrawn",
            Self::Confirmed => "confirmed",
        }
    }
}

/// One side of a posting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The cycle.
    pub cycle: CycleName,
    /// The version of its plan.
    pub version: u32,
    /// Why.
    pub reason: Reason,
    /// The account.
    pub account: Account,
    /// Between whom, or from where: the other account.
    pub against: Account,
    /// What for, if it is a part of a net.
    pub purpose: Option<Purpose>,
    /// Of how many records or items; 0 if it is no part of a net.
    pub count: u64,
    /// How much, fen; above 0 in favour of the account's owner. Never 0.
    pub fen: i64,
}

/// What happens to a cycle.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A version of its plan was made.
    Closed {
        /// Who pays whom, and what nets are made of.
        payments: &'a Payments,
        /// The items in it.
        items: &'a [Item],
    },
    /// Its files may be carried out.
    Released,
    /// The bank refused them; another version comes.
    Refused,
    /// A participant does not pay; a version without it comes.
    Failed,
    /// The bank has carried them out, each leg as planned.
    Confirmed,
    /// It is over. Posts nothing.
    Settled,
}

impl Event<'_> {
    const fn word(&self) -> &'static str {
        match self {
            Self::Closed { .. } => "closed",
            Self::Released => "released",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Confirmed => "confirmed",
            Self::Settled => "settled",
        }
    }
}

/// How far a cycle is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Its plan is made.
    Closed,
    /// Its payments are on their way.
    Released,
    /// They came back; another version takes its place.
    Void,
    /// The bank has made them.
    Confirmed,
    /// It is over.
    Settled,
}

impl Stage {
    /// Its word in tables.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Released => "released",
            Self::Void => "void",
            Self::Confirmed => "confirmed",
            Self::Settled => "settled",
        }
    }
}

/// Why something cannot be posted; nothing has changed then. Each message reads well after "failed to".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// An event out of order.
    #[error("post that {cycle} is {event} at version {version} of its plan: it is {stage}")]
    Order {
        /// The cycle.
        cycle: CycleName,
        /// The version that the event is about.
        version: u32,
        /// The event.
        event: &'static str,
        /// How far the cycle is, and at which version.
        stage: String,
    },
    /// What a net is made of does not come to it.
    #[error(
        "post {cycle}: what the net of {party} is made of comes to {moved_fen} fen, the net is {net_fen}"
    )]
    Net {
        /// The cycle.
        cycle: CycleName,
        /// Whose net.
        party: Party,
        /// What its movements come to, fen.
        moved_fen: i128,
        /// Its net, fen.
        net_fen: i128,
    },
    /// The entries do not cancel.
    #[error("post {cycle}: its entries sum to {sum_fen} fen instead of 0")]
    NotZero {
        /// The cycle.
        cycle: CycleName,
        /// Their sum.
        sum_fen: i128,
    },
}

/// What the ledger keeps of a cycle.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Booked {
    version: u32,
    stage: Stage,
    /// What closing it posted, to be taken back; empty once it is settled.
    closing: Vec<Entry>,
    /// What each party's net is, fen.
    nets: BTreeMap<Party, i64>,
}

/// The balances of all accounts, and how far each cycle is. Entries are for whoever posts to keep.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    balances: BTreeMap<Account, i128>,
    cycles: BTreeMap<CycleName, Booked>,
}

impl Ledger {
    /// Posts what happened to a cycle at a version of its plan; the entries, which sum to zero.
    ///
    /// # Errors
    /// [`LedgerError`] if the event does not follow from what happened before, or figures do not agree.
    pub fn post(
        &mut self,
        cycle: CycleName,
        version: u32,
        event: Event<'_>,
    ) -> Result<Vec<Entry>, LedgerError> {
        let before = self.cycles.get(&cycle);
        let stage = next(before, version, &event).ok_or_else(|| LedgerError::Order {
            cycle,
            version,
            event: event.word(),
            stage: before.map_or("not known here".to_owned(), |it| {
                format!("{} at version {}", it.stage.word(), it.version)
            }),
        })?;
        let (entries, booked) = match (event, before) {
            (Event::Closed { payments, items }, before) => {
                let mut entries = before.map(Booked::reversed).unwrap_or_default();
                let (closing, nets) = postings::closing(cycle, version, payments, items)?;
                entries.extend_from_slice(&closing);
                (entries, Booked { version, stage, closing, nets })
            }
            (event, Some(before)) => (before.moved(cycle, &event), before.at(stage)),
            (_, None) => return Ok(Vec::new()),
        };
        let sum_fen = entries.iter().fold(0_i128, |sum, entry| sum.saturating_add(i128::from(entry.fen)));
        if sum_fen != 0 {
            return Err(LedgerError::NotZero { cycle, sum_fen });
        }
        for entry in &entries {
            let balance = self.balances.entry(entry.account).or_default();
            *balance = balance.saturating_add(i128::from(entry.fen));
        }
        self.cycles.insert(cycle, booked);
        Ok(entries)
    }

    /// The balance of an account, fen.
    #[must_use]
    pub fn balance(&self, account: Account) -> i128 {
        self.balances.get(&account).copied().unwrap_or_default()
    }

    /// Every account that was ever posted to, with its balance, fen; cities in order, the scheme last.
    pub fn balances(&self) -> impl Iterator<Item = (Account, i128)> {
        self.balances.iter().map(|(account, balance)| (*account, *balance))
    }

    /// Every cycle with the version of its plan and how far it is, in order.
    pub fn cycles(&self) -> impl Iterator<Item = (CycleName, u32, Stage)> {
        self.cycles.iter().map(|(cycle, booked)| (*cycle, booked.version, booked.stage))
    }
}

/// How far a cycle is after an event, if that may come now.
fn next(before: Option<&Booked>, version: u32, event: &Event<'_>) -> Option<Stage> {
    if let Event::Closed { .. } = event {
        let follows = match before {
            None => version == 1,
            Some(it) => {
                matches!(it.stage, Stage::Closed | Stage::Void) && version == it.version.saturating_add(1)
            }
        };
        return follows.then_some(Stage::Closed);
    }
    let before = before.filter(|it| it.version == version)?;
    match (before.stage, event) {
        (Stage::Closed, Event::Released) => Some(Stage::Released),
        (Stage::Released, Event::Refused | Event::Failed) => Some(Stage::Void),
        (Stage::Released, Event::Confirmed) => Some(Stage::Confirmed),
        (Stage::Confirmed, Event::Settled) => Some(Stage::Settled),
        _ => None,
    }
}

impl Booked {
    /// The same at another stage.
    fn at(&self, stage: Stage) -> Self {
        let over = stage == Stage::Settled;
        let closing = if over { Vec::new() } else { self.closing.clone() };
        Self { version: self.version, stage, closing, nets: self.nets.clone() }
    }
}
