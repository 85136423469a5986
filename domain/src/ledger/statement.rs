//! What a participant is told of its position in a cycle, from the ledger's entries alone.

use super::{Account, Book, Entry, Reason};
use crate::{city::City, cycle::CycleName, settlement::Party};

/// A city's position in a cycle: at the opening, what moved it, at the close. The same figures as in the cycle's
/// `camt.053`, which is made another way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The balance before, fen: 0, since what an earlier version of the plan posted was taken back.
    pub opening_fen: i128,
    /// What the newest version of the plan posted.
    pub entries: Vec<Entry>,
    /// The balance behind them, before it is paid, fen.
    pub closing_fen: i128,
}

impl Statement {
    /// That of a city in a cycle, from all entries of the cycle in the order in which they were posted.
    #[must_use]
    pub fn of(city: City, cycle: CycleName, posted: &[Entry]) -> Self {
        let account = Account::of(Party::City(city), Book::Position);
        let own = || posted.iter().filter(move |entry| (entry.account, entry.cycle) == (account, cycle));
        let closings = || own().filter(|entry| entry.reason == Reason::Closed);
        let newest = closings().map(|entry| entry.version).max().unwrap_or_default();
        let of_newest = |entry: &&Entry| entry.version == newest;
        let sum = |sum: i128, entry: &Entry| sum.saturating_add(i128::from(entry.fen));
        let opening_fen = own().filter(|entry| !of_newest(entry)).fold(0, sum);
        let entries: Vec<Entry> = closings().filter(of_newest).copied().collect();
        let closing_fen = entries.iter().fold(opening_fen, sum);
        Self { opening_fen, entries, closing_fen }
    }
}
