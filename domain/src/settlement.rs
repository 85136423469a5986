//! From a cycle's totals to the rows of `positions.csv` and `net.csv` (files contract §4 and §6).
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions)]

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use crate::{
    city::City,
    cycle::CycleName,
    date::Date,
    fees::Basis,
    rulebook::Rulebook,
    tap::Kind,
    totals::{Tally, TotalKey},
};

mod accounts;
pub mod confirmation;
mod payments;
mod reference;

pub use accounts::{AccountNet, AccountPosition, PartyAccount, account_nets, account_positions};
pub use payments::{Leg, Movement, MovementKey, Payments, Purpose};
pub use reference::{Reference, reference};

/// The largest figure of a settlement, fen: what every reader of JSON holds exactly (below 2^53).
pub const FIGURE_FEN_MAX: u64 = (1 << 53) - 1;

/// What an item does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ItemKind {
    /// A correction: moves its amount from debtor to creditor.
    Adjustment,
    /// A refund: moves its amount from debtor to creditor.
    Refund,
    /// A dispute: moves nothing yet.
    Dispute,
}

impl ItemKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Adjustment, Self::Refund, Self::Dispute];

    /// The word of the contract.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Adjustment => "adjustment",
            Self::Refund => "refund",
            Self::Dispute => "dispute",
        }
    }

    /// Whether the amount enters the net.
    #[must_use]
    pub const fn moves_money(self) -> bool {
        !matches!(self, Self::Dispute)
    }
}

/// Something settled besides the taps, linked to an earlier cycle if it corrects one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its id, unique for ever.
    pub id: String,
    /// What it does.
    pub kind: ItemKind,
    /// Who pays.
    pub debtor: City,
    /// Who receives.
    pub creditor: City,
    /// How much, fen.
    pub amount_fen: u64,
    /// The cycle it corrects, if any.
    pub original_cycle: Option<CycleName>,
    /// Free reference.
    pub reference: String,
    /// Why, in words.
    pub reason: String,
}

/// A row of `positions.csv`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The city where the cards were used.
    pub acquirer: City,
    /// The cards' home city.
    pub issuer: City,
    /// The kind of movement.
    pub kind: Kind,
    /// Cleared records.
    pub count: u64,
    /// Their amounts, fen.
    pub amount_fen: u64,
    /// Interchange, fen; negative for a reversal.
    pub interchange_fen: i64,
    /// Switch fee, fen; negative for a reversal.
    pub switch_fee_fen: i64,
}

/// Who has a row in `net.csv`. Cities come in order, the scheme last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Party {
    /// A participant.
    City(City),
    /// The scheme itself, which receives the switch fees.
    Scheme,
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::City(city) => fmt::Display::fmt(city, f),
            Self::Scheme => f.write_str("scheme"),
        }
    }
}

/// A row of `net.csv`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Net {
    /// Whose row it is.
    pub participant: Party,
    /// Amounts it receives, fen.
    pub receivable_fen: u64,
    /// Amounts it pays, fen.
    pub payable_fen: u64,
    /// Interchange it receives, fen; reversals count negative.
    pub interchange_receivable_fen: i64,
    /// Interchange it pays, fen; reversals count negative.
    pub interchange_payable_fen: i64,
    /// Switch fee it pays, fen; negative for the scheme, which receives it.
    pub switch_fee_fen: i64,
    /// Items, fen: what it receives less what it pays.
    pub adjustment_fen: i64,
    /// What it receives in all, fen; negative if it pays.
    pub net_fen: i64,
}

/// A cycle's settlement: exactly the rows of its two files, in order, and what goes over accounts by sector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// The rows of `positions.csv`.
    pub positions: Vec<Position>,
    /// The rows of `net.csv`.
    pub net: Vec<Net>,
    /// What cities are paid over their accounts by sector, by acquirer, account, issuer and kind.
    pub accounts: Vec<AccountPosition>,
}

/// Why a cycle cannot be settled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettleError {
    /// A figure is too large.
    #[error(
        "{column} of {row} is beyond {FIGURE_FEN_MAX}, the largest figure a settlement file may hold; \
         look for a broken total in this cycle"
    )]
    TooLarge {
        /// Whose row.
        row: String,
        /// Which column.
        column: &'static str,
    },
    /// The same item twice.
    #[error("item {id} occurs twice in the cycle; give each item an id of its own")]
    ItemTwice {
        /// Its id.
        id: String,
    },
    /// The nets do not cancel.
    #[error("the nets of the cycle sum to {sum_fen} fen instead of 0; nothing may be paid on them")]
    NotZero {
        /// Their sum.
        sum_fen: i128,
    },
}

/// Computes a cycle's positions and nets from its totals and items, by the rules of that cycle. Each key comes once,
/// in any order.
///
/// # Errors
/// [`SettleError`] if a figure, or one of the messages to banks, is beyond [`FIGURE_FEN_MAX`], an item occurs
/// twice, or the nets do not sum to zero.
pub fn settle<'a>(
    rulebook: &Rulebook,
    business_date: Date,
    totals: impl IntoIterator<Item = (&'a TotalKey, &'a Tally)>,
    items: &[Item],
) -> Result<Settlement, SettleError> {
    let (positions, mut accounts) = positions(rulebook, totals)?;
    accounts::in_order(&mut accounts, items);
    let mut nets = Nets::new(rulebook.members(business_date));
    positions.iter().for_each(|position| nets.enter_position(position));
    nets.enter_items(items)?;
    let net = nets.rows()?;
    let sum_fen = net.iter().fold(0_i128, |sum, row| sum.saturating_add(i128::from(row.net_fen)));
    if sum_fen != 0 {
        return Err(SettleError::NotZero { sum_fen });
    }
    let moved_fen = moved_fen(&positions, items);
    let settlement = Settlement { positions, net, accounts };
    // What could not be told to a bank is refused now, before there is a plan that must be carried out. Every figure of
    // a message is a sum of some of these, so nearly always their sum answers for all.
    if moved_fen > u128::from(FIGURE_FEN_MAX) {
        Payments::over_accounts(&settlement, items)?;
    }
    Ok(settlement)
}

/// All amounts and fees of a cycle together, whatever their sign.
fn moved_fen(positions: &[Position], items: &[Item]) -> u128 {
    let of_position = |it: &Position| {
        [it.amount_fen, it.interchange_fen.unsigned_abs(), it.switch_fee_fen.unsigned_abs()].map(u128::from)
    };
    let of_items = items.iter().map(|item| u128::from(item.amount_fen));
    positions.iter().flat_map(of_position).chain(of_items).fold(0, u128::saturating_add)
}

/// One row for each pair and kind, its fees rounded once for each fee line; and in any order the parts of them that go over
/// accounts by sector.
fn positions<'a>(
    rulebook: &Rulebook,
    totals: impl IntoIterator<Item = (&'a TotalKey, &'a Tally)>,
) -> Result<(Vec<Position>, Vec<AccountPosition>), SettleError> {
    let mut totals: Vec<_> = totals.into_iter().filter(|(_, tally)| tally.count > 0).collect();
    // They nearly always come in order, and then this is only a look.
    totals.sort_by_key(|(key, _)| *key);
    let of = |key: &TotalKey| (key.acquirer, key.issuer, key.kind);
    let lines = totals.chunk_by(|(one, _), (next, _)| of(one) == of(next));
    let mut parts = Vec::new();
    let rows = lines.filter_map(|lines| Some(position(rulebook, lines.first()?.0, lines, &mut parts)));
    let mut rows = rows.collect::<Result<Vec<_>, _>>()?;
    // The file sorts kinds by their names.
    rows.sort_by(|a, b| (a.acquirer, a.issuer, a.kind.name()).cmp(&(b.acquirer, b.issuer, b.kind.name())));
    Ok((rows, parts))
}

/// The row of the totals of one pair and kind; its parts over accounts by sector are added to those of others.
fn position(
    rulebook: &Rulebook,
    pair: &TotalKey,
    lines: &[(&TotalKey, &Tally)],
    parts: &mut Vec<AccountPosition>,
) -> Result<Position, SettleError> {
    let mut sums = [0_i128; 4];
    if lines.iter().all(|(key, _)| rulebook.fees.account_of(key.fee_line) == 0) {
        for (key, tally) in lines {
            let (interchange, switch_fee) = fees(rulebook, key.fee_line, tally);
            let figures = [tally.count, tally.amount_fen, interchange, switch_fee];
            sums.iter_mut().zip(figures).for_each(|(sum, figure)| enter(sum, figure.into()));
        }
        return row(pair, sums);
    }
    let TotalKey { acquirer, issuer, kind, .. } = pair;
    let overflow = |_| SettleError::TooLarge {
        row: format!("position {acquirer} {issuer} {}", kind.name()),
        column: "amount_fen",
    };
    for (account, figures) in accounts::split(rulebook, lines).map_err(overflow)? {
        sums.iter_mut().zip(figures).for_each(|(sum, figure)| enter(sum, figure));
        if account > 0 {
            parts.push(AccountPosition { account, part: row(pair, figures)? });
        }
    }
    row(pair, sums)
}

/// A position of these figures: count, amount, and both fees without their sign.
fn row(
    TotalKey { acquirer, issuer, kind, .. }: &TotalKey,
    figures: accounts::Figures,
) -> Result<Position, SettleError> {
    let [count, amount, interchange, switch_fee] = figures;
    let row = || format!("position {acquirer} {issuer} {}", kind.name());
    let signed = |fee: i128| if is_reversal(*kind) { fee.saturating_neg() } else { fee };
    Ok(Position {
        acquirer: *acquirer,
        issuer: *issuer,
        kind: *kind,
        count: figure_u64(row, "count", count)?,
        amount_fen: figure_u64(row, "amount_fen", amount)?,
        interchange_fen: figure_i64(row, "interchange_fen", signed(interchange))?,
        switch_fee_fen: figure_i64(row, "switch_fee_fen", signed(switch_fee))?,
    })
}

/// Interchange and switch fee of a slot's total, fen.
fn fees(rulebook: &Rulebook, slot: u16, tally: &Tally) -> (u64, u64) {
    match rulebook.fees.basis {
        Basis::PerRecord => (tally.interchange_fen, tally.switch_fee_fen),
        Basis::CycleBilateral => {
            let rates = rulebook.fees.rates(slot);
            (rates.interchange.of(tally.amount_fen), rates.switch.of(tally.amount_fen))
        }
    }
}

const fn is_reversal(kind: Kind) -> bool {
    matches!(kind, Kind::PurchaseReversal | Kind::LoadReversal)
}

/// A row of `net.csv` while it is summed, wide enough that no sum of 64-bit figures wraps.
#[derive(Clone, Copy, Default)]
struct Sums {
    receivable: i128,
    payable: i128,
    interchange_receivable: i128,
    interchange_payable: i128,
    switch_fee: i128,
    adjustment: i128,
}

/// The rows of `net.csv` while they are summed.
struct Nets {
    cities: BTreeMap<City, Sums>,
    scheme: Sums,
}

impl Nets {
    /// A row for each of these cities, and for the scheme.
    fn new(members: impl Iterator<Item = City>) -> Self {
        Self { cities: members.map(|city| (city, Sums::default())).collect(), scheme: Sums::default() }
    }

    /// The row of a city, made if there is none.
    fn city(&mut self, city: City) -> &mut Sums {
        self.cities.entry(city).or_default()
    }

    /// Enters a position for both cities and the scheme.
    ///
    /// The *seller* is owed the amount of the kind that is not taken back, and pays the fees on it: the
    /// acquirer of a purchase, the home city of a load. A reversal turns the amount round and, its fees
    /// being negative, those too.
    fn enter_position(&mut self, position: &Position) {
        let (seller, buyer) = match position.kind {
            Kind::Purchase | Kind::PurchaseReversal => (position.acquirer, position.issuer),
            Kind::Load | Kind::LoadReversal => (position.issuer, position.acquirer),
        };
        let taken_back = is_reversal(position.kind);
        let amount = i128::from(position.amount_fen);
        let interchange = i128::from(position.interchange_fen);
        let switch_fee = i128::from(position.switch_fee_fen);
        let seller = self.city(seller);
        enter(if taken_back { &mut seller.payable } else { &mut seller.receivable }, amount);
        enter(&mut seller.interchange_payable, interchange);
        enter(&mut seller.switch_fee, switch_fee);
        let buyer = self.city(buyer);
        enter(if taken_back { &mut buyer.receivable } else { &mut buyer.payable }, amount);
        enter(&mut buyer.interchange_receivable, interchange);
        enter(&mut self.scheme.switch_fee, switch_fee.saturating_neg());
    }

    /// Enters the items that move money.
    fn enter_items(&mut self, items: &[Item]) -> Result<(), SettleError> {
        let mut ids = BTreeSet::new();
        for item in items {
            if !ids.insert(&item.id) {
                return Err(SettleError::ItemTwice { id: item.id.clone() });
            }
            if item.kind.moves_money() {
                let amount = i128::from(item.amount_fen);
                enter(&mut self.city(item.creditor).adjustment, amount);
                enter(&mut self.city(item.debtor).adjustment, amount.saturating_neg());
            }
        }
        Ok(())
    }

    /// The finished rows.
    fn rows(&self) -> Result<Vec<Net>, SettleError> {
        let cities = self.cities.iter().map(|(city, sums)| sums.row(Party::City(*city)));
        cities.chain([self.scheme.row(Party::Scheme)]).collect()
    }
}

/// Adds to a figure.
const fn enter(sum: &mut i128, fen: i128) {
    *sum = sum.saturating_add(fen);
}

impl Sums {
    /// The finished row.
    fn row(&self, participant: Party) -> Result<Net, SettleError> {
        let name = || format!("net {participant}");
        let net = self
            .receivable
            .saturating_sub(self.payable)
            .saturating_add(self.interchange_receivable)
            .saturating_sub(self.interchange_payable)
            .saturating_sub(self.switch_fee)
            .saturating_add(self.adjustment);
        Ok(Net {
            participant,
            receivable_fen: figure_u64(name, "receivable_fen", self.receivable)?,
            payable_fen: figure_u64(name, "payable_fen", self.payable)?,
            interchange_receivable_fen: figure_i64(
                name,
                "interchange_receivable_fen",
                self.interchange_receivable,
            )?,
            interchange_payable_fen: figure_i64(name, "interchange_payable_fen", self.interchange_payable)?,
            switch_fee_fen: figure_i64(name, "switch_fee_fen", self.switch_fee)?,
            adjustment_fen: figure_i64(name, "adjustment_fen", self.adjustment)?,
            net_fen: figure_i64(name, "net_fen", net)?,
        })
    }
}

/// The figure, if its size is at most [`FIGURE_FEN_MAX`].
fn figure_i64(row: impl Fn() -> String, column: &'static str, figure: i128) -> Result<i64, SettleError> {
    let within = figure.unsigned_abs().cmp(&u128::from(FIGURE_FEN_MAX)) != Ordering::Greater;
    match i64::try_from(figure) {
        Ok(figure) if within => Ok(figure),
        _ => Err(SettleError::TooLarge { row: row(), column }),
    }
}

/// The same for a figure that is never negative.
fn figure_u64(row: impl Fn() -> String, column: &'static str, figure: i128) -> Result<u64, SettleError> {
    let checked = figure_i64(&row, column, figure)?;
    u64::try_from(checked).map_err(|_| SettleError::TooLarge { row: row(), column })
}

#[cfg(test)]
mod tests;
