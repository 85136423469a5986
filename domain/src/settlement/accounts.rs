//! What a city with accounts by sector is paid over each of them.
//!
//! An account by sector takes what its city comes to as *acquirer* in those sectors: amounts, interchange and, where the
//! city pays it, the switch fee, loads and reversals with their signs. Everything else goes over the main account: the
//! other sectors, all that the city pays and receives as home city, and items. So the accounts of a city come to its net.
//!
//! Fees are rounded once for each pair, kind and fee line, whatever the accounts, and then shared among those that have
//! records of that line: in proportion to amounts under `cycle_bilateral`, as rounded record by record under
//! `per_record`.

use std::{collections::BTreeMap, fmt};

use super::{Item, Party, Position, SettleError, enter, fees, figure_i64, is_reversal, positions};
use crate::{
    city::City,
    fees::Basis,
    money::{MoneyOverflow, apportion},
    release::failed_debtor,
    rulebook::Rulebook,
    tap::Kind,
    totals::{Tally, TotalKey},
};

/// One of a party's accounts. A city without accounts by sector has its main one alone, and so has the scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartyAccount {
    /// Whose.
    pub party: Party,
    /// Which: 0 is the main one, 1 the first of those by sector in the rulebook.
    pub number: u8,
}

impl From<Party> for PartyAccount {
    fn from(party: Party) -> Self {
        Self { party, number: 0 }
    }
}

impl fmt::Display for PartyAccount {
    /// The party for its main account, such as `cu-2000`; `cu-2000-1` for its first one by sector.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number {
            0 => fmt::Display::fmt(&self.party, f),
            number => write!(f, "{}-{number}", self.party),
        }
    }
}

/// The part of a position that its acquirer is paid over an account by sector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountPosition {
    /// The number of the account, from 1.
    pub account: u8,
    /// The part.
    pub part: Position,
}

/// What an account by sector comes to in a cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountNet {
    /// Whose.
    pub city: City,
    /// The number of the account, from 1.
    pub account: u8,
    /// What it receives, fen; negative if it pays; never 0.
    pub net_fen: i64,
}

/// What each account by sector is paid by the totals and items of a cycle, as [`settle`](super::settle) gives it.
///
/// # Errors
/// [`SettleError`] if a figure is beyond [`FIGURE_FEN_MAX`](super::FIGURE_FEN_MAX).
pub fn account_positions<'a>(
    rulebook: &Rulebook,
    totals: impl IntoIterator<Item = (&'a TotalKey, &'a Tally)>,
    items: &[Item],
) -> Result<Vec<AccountPosition>, SettleError> {
    let (_, mut parts) = positions(rulebook, totals)?;
    in_order(&mut parts, items);
    Ok(parts)
}

/// Sorts them by acquirer, account, issuer and kind.
///
/// A city that has failed to pay in this cycle settles what is left over its main account alone: else an account of it
/// would be paid while another one owes.
pub(super) fn in_order(parts: &mut Vec<AccountPosition>, items: &[Item]) {
    if parts.is_empty() {
        return;
    }
    let failed: Vec<City> = items.iter().filter_map(failed_debtor).collect();
    parts.retain(|it| !failed.contains(&it.part.acquirer));
    let key = |it: &AccountPosition| (it.part.acquirer, it.account, it.part.issuer, it.part.kind.name());
    parts.sort_by_key(key);
}

/// What the accounts by sector come to, those that come to 0 left out, by city and account.
///
/// # Errors
/// [`SettleError::TooLarge`] if a sum is beyond [`FIGURE_FEN_MAX`](super::FIGURE_FEN_MAX).
pub fn account_nets(parts: &[AccountPosition]) -> Result<Vec<AccountNet>, SettleError> {
    let mut sums: BTreeMap<(City, u8), i128> = BTreeMap::new();
    for AccountPosition { account, part } in parts {
        enter(sums.entry((part.acquirer, *account)).or_default(), for_acquirer(part));
    }
    let net = |((city, account), fen): ((City, u8), i128)| {
        let row = || PartyAccount { party: Party::City(city), number: account }.to_string();
        let net_fen = figure_i64(row, "the net", fen)?;
        Ok(AccountNet { city, account, net_fen })
    };
    sums.into_iter().filter(|(_, fen)| *fen != 0).map(net).collect()
}

/// What a position comes to for its acquirer, fen. The acquirer of a load owes the amount and receives the interchange.
fn for_acquirer(position: &Position) -> i128 {
    let amount = i128::from(position.amount_fen);
    let amount = if is_reversal(position.kind) { amount.saturating_neg() } else { amount };
    let interchange = i128::from(position.interchange_fen);
    match position.kind {
        Kind::Purchase | Kind::PurchaseReversal => {
            amount.saturating_sub(interchange).saturating_sub(position.switch_fee_fen.into())
        }
        Kind::Load | Kind::LoadReversal => interchange.saturating_sub(amount),
    }
}

/// Count, amount, interchange and switch fee of a position, the fees without their sign.
pub(super) type Figures = [i128; 4];

/// The figures of each account out of the totals of one pair and kind.
///
/// # Errors
/// [`MoneyOverflow`] if the amounts of a fee line leave 64 bits together.
pub(super) fn split(
    rulebook: &Rulebook,
    totals: &[(&TotalKey, &Tally)],
) -> Result<BTreeMap<u8, Figures>, MoneyOverflow> {
    let mut lines: BTreeMap<u16, Vec<(u8, &Tally)>> = BTreeMap::new();
    for &(key, tally) in totals {
        let line = lines.entry(rulebook.fees.line_of(key.fee_line)).or_default();
        line.push((rulebook.fees.account_of(key.fee_line), tally));
    }
    let mut accounts: BTreeMap<u8, Figures> = BTreeMap::new();
    for (line, tallies) in &lines {
        let shares = fee_shares(rulebook, *line, tallies)?;
        for ((account, tally), (interchange, switch_fee)) in tallies.iter().zip(shares) {
            let figures = [tally.count, tally.amount_fen, interchange, switch_fee];
            let sums = accounts.entry(*account).or_default();
            sums.iter_mut().zip(figures).for_each(|(sum, figure)| enter(sum, figure.into()));
        }
    }
    Ok(accounts)
}

/// What each account bears of the interchange and the switch fee of a fee line.
fn fee_shares(
    rulebook: &Rulebook,
    line: u16,
    tallies: &[(u8, &Tally)],
) -> Result<Vec<(u64, u64)>, MoneyOverflow> {
    if rulebook.fees.basis == Basis::PerRecord {
        return Ok(tallies.iter().map(|(_, tally)| (tally.interchange_fen, tally.switch_fee_fen)).collect());
    }
    let mut whole = Tally::default();
    for (_, tally) in tallies {
        whole.merge(tally)?;
    }
    let (interchange, switch_fee) = fees(rulebook, line, &whole);
    // The least of a fee is due on records over nothing too: those are shared by their number.
    let weight = |tally: &Tally| if whole.amount_fen == 0 { tally.count } else { tally.amount_fen };
    let weights: Vec<u64> = tallies.iter().map(|(_, tally)| weight(tally)).collect();
    Ok(apportion(interchange, &weights).into_iter().zip(apportion(switch_fee, &weights)).collect())
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test that overflows fails")]
mod tests;
