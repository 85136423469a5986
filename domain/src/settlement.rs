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

pub mod confirmation;
mod payments;
mod reference;

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

/// A cycle's settlement: exactly the rows of its two files, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// The rows of `positions.csv`.
    pub positions: Vec<Position>,
    /// The rows of `net.csv`.
    pub net: Vec<Net>,
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

/// Computes a cycle's positions and nets from its totals and items, by the rules of that cycle.
///
/// # Errors
/// [`SettleError`] if a figure, or one of the messages to banks, is beyond [`FIGURE_FEN_MAX`], an item occurs
/// twice, or the nets do not sum to zero.
pub fn settle(
    rulebook: &Rulebook,
    business_date: Date,
    totals: &BTreeMap<TotalKey, Tally>,
    items: &[Item],
) -> Result<Settlement, SettleError> {
    let positions = positions(rulebook, totals)?;
    let mut nets: BTreeMap<Party, Sums> =
        rulebook.members(business_date).map(|city| (Party::City(city), Sums::default())).collect();
    nets.insert(Party::Scheme, Sums::default());
    for position in &positions {
        enter_position(&mut nets, position);
    }
    enter_items(&mut nets, items)?;
    let net = nets.iter().map(|(party, sums)| sums.row(*party)).collect::<Result<Vec<_>, _>>()?;
    let sum_fen = net.iter().fold(0_i128, |sum, row| sum.saturating_add(i128::from(row.net_fen)));
    if sum_fen != 0 {
        return Err(SettleError::NotZero { sum_fen });
    }
    // What could not be told to a bank is refused now, before there is a plan that must be carried out. Every figure of
    // a message is a sum of some of these, so nearly always their sum answers for all.
    if moved_fen(&positions, items) > u128::from(FIGURE_FEN_MAX) {
        Payments::of(&net, &positions, items)?;
    }
    Ok(Settlement { positions, net })
}

/// All amounts and fees of a cycle together, whatever their sign.
fn moved_fen(positions: &[Position], items: &[Item]) -> u128 {
    let of_position = |it: &Position| {
        [it.amount_fen, it.interchange_fen.unsigned_abs(), it.switch_fee_fen.unsigned_abs()].map(u128::from)
    };
    let of_items = items.iter().map(|item| u128::from(item.amount_fen));
    positions.iter().flat_map(of_position).chain(of_items).fold(0, u128::saturating_add)
}

/// What positions are summed by. The kind stands there by its name, which the file sorts by.
type PositionKey = (City, City, &'static str);

/// One row for each pair and kind, its fees rounded once for each fee line.
fn positions(rulebook: &Rulebook, totals: &BTreeMap<TotalKey, Tally>) -> Result<Vec<Position>, SettleError> {
    let mut rows: BTreeMap<PositionKey, (Kind, [i128; 4])> = BTreeMap::new();
    for (key, tally) in totals.iter().filter(|(_, tally)| tally.count > 0) {
        let (interchange, switch_fee) = fees(rulebook, key, tally);
        let figures = [tally.count, tally.amount_fen, interchange, switch_fee].map(i128::from);
        let position = (key.acquirer, key.issuer, key.kind.name());
        let (_, sums) = rows.entry(position).or_insert((key.kind, [0; 4]));
        for (sum, figure) in sums.iter_mut().zip(figures) {
            *sum = sum.saturating_add(figure);
        }
    }
    rows.into_iter().map(|(key, (kind, sums))| position(key, kind, sums)).collect()
}

/// The row of count, amount, interchange and switch fee, the fees with their sign.
fn position(
    (acquirer, issuer, name): PositionKey,
    kind: Kind,
    [count, amount, interchange, switch_fee]: [i128; 4],
) -> Result<Position, SettleError> {
    let row = || format!("position {acquirer} {issuer} {name}");
    let signed = |fee: i128| if is_reversal(kind) { fee.saturating_neg() } else { fee };
    Ok(Position {
        acquirer,
        issuer,
        kind,
        count: figure_u64(row, "count", count)?,
        amount_fen: figure_u64(row, "amount_fen", amount)?,
        interchange_fen: figure_i64(row, "interchange_fen", signed(interchange))?,
        switch_fee_fen: figure_i64(row, "switch_fee_fen", signed(switch_fee))?,
    })
}

/// Interchange and switch fee of one total, fen.
fn fees(rulebook: &Rulebook, key: &TotalKey, tally: &Tally) -> (u64, u64) {
    match rulebook.fees.basis {
        Basis::PerRecord => (tally.interchange_fen, tally.switch_fee_fen),
        Basis::CycleBilateral => {
            let rates = rulebook.fees.rates(key.fee_line);
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

/// Adds to a column of a party's row, creating the row.
fn enter(nets: &mut BTreeMap<Party, Sums>, party: Party, column: fn(&mut Sums) -> &mut i128, fen: i128) {
    let sum = column(nets.entry(party).or_default());
    *sum = sum.saturating_add(fen);
}

/// Enters a position for both cities and the scheme.
///
/// The *seller* is owed the amount of the kind that is not taken back, and pays the fees on it: the
/// acquirer of a purchase, the home city of a load. A reversal turns the amount round and, its fees
/// being negative, those too.
fn enter_position(nets: &mut BTreeMap<Party, Sums>, position: &Position) {
    let (acquirer, issuer) = (Party::City(position.acquirer), Party::City(position.issuer));
    let (seller, buyer) = match position.kind {
        Kind::Purchase | Kind::PurchaseReversal => (acquirer, issuer),
        Kind::Load | Kind::LoadReversal => (issuer, acquirer),
    };
    let (creditor, debtor) = if is_reversal(position.kind) { (buyer, seller) } else { (seller, buyer) };
    let amount = i128::from(position.amount_fen);
    enter(nets, creditor, |sums| &mut sums.receivable, amount);
    enter(nets, debtor, |sums| &mut sums.payable, amount);
    let interchange = i128::from(position.interchange_fen);
    enter(nets, seller, |sums| &mut sums.interchange_payable, interchange);
    enter(nets, buyer, |sums| &mut sums.interchange_receivable, interchange);
    let switch_fee = i128::from(position.switch_fee_fen);
    enter(nets, seller, |sums| &mut sums.switch_fee, switch_fee);
    enter(nets, Party::Scheme, |sums| &mut sums.switch_fee, switch_fee.saturating_neg());
}

/// Enters the items that move money.
fn enter_items(nets: &mut BTreeMap<Party, Sums>, items: &[Item]) -> Result<(), SettleError> {
    let mut ids = BTreeSet::new();
    for item in items {
        if !ids.insert(&item.id) {
            return Err(SettleError::ItemTwice { id: item.id.clone() });
        }
        if item.kind.moves_money() {
            let amount = i128::from(item.amount_fen);
            enter(nets, Party::City(item.creditor), |sums| &mut sums.adjustment, amount);
            enter(nets, Party::City(item.debtor), |sums| &mut sums.adjustment, amount.saturating_neg());
        }
    }
    Ok(())
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
