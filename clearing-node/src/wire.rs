//! Conversions between the wire and the domain.

use domain::{
    city::City,
    settlement::{Item, ItemKind, Party, Settlement},
    tap::Kind,
    totals::{Tally, TotalKey},
};
use proto::{AccountPosition, Adjustment, Name, Net, Plan, Position, Total};

/// The name of the scheme's own row.
const SCHEME: &str = "scheme";

/// A running total as it travels.
#[must_use]
pub fn total_to_wire(key: &TotalKey, tally: &Tally) -> Total {
    Total {
        acquirer: key.acquirer.into(),
        issuer: key.issuer.into(),
        kind: u32::from(key.kind as u8),
        fee_line: u32::from(key.fee_line),
        count: tally.count,
        amount_fen: tally.amount_fen,
        interchange_fen: tally.interchange_fen,
        switch_fee_fen: tally.switch_fee_fen,
    }
}

/// A running total as it is counted; `None` if it names no city, kind or fee line.
#[must_use]
pub fn total_from_wire(total: &Total) -> Option<(TotalKey, Tally)> {
    let key = TotalKey {
        acquirer: City::parse(total.acquirer.as_bytes()).ok()?,
        issuer: City::parse(total.issuer.as_bytes()).ok()?,
        kind: kind_from_wire(total.kind)?,
        fee_line: u16::try_from(total.fee_line).ok()?,
    };
    let tally = Tally {
        count: total.count,
        amount_fen: total.amount_fen,
        interchange_fen: total.interchange_fen,
        switch_fee_fen: total.switch_fee_fen,
    };
    Some((key, tally))
}

fn kind_from_wire(kind: u32) -> Option<Kind> {
    Kind::ALL.get(usize::try_from(kind).ok()?).copied()
}

/// The rows of a settlement as they travel in a plan: positions, nets, and what goes over accounts by sector.
#[must_use]
pub fn settlement_to_wire(settlement: &Settlement) -> (Vec<Position>, Vec<Net>, Vec<AccountPosition>) {
    let position = |p: &domain::settlement::Position| Position {
        acquirer: p.acquirer.into(),
        issuer: p.issuer.into(),
        kind: u32::from(p.kind as u8),
        count: p.count,
        amount_fen: p.amount_fen,
        interchange_fen: p.interchange_fen,
        switch_fee_fen: p.switch_fee_fen,
    };
    let net = |n: &domain::settlement::Net| Net {
        participant: match n.participant {
            Party::City(city) => city.into(),
            Party::Scheme => SCHEME.into(),
        },
        receivable_fen: n.receivable_fen,
        payable_fen: n.payable_fen,
        interchange_receivable_fen: n.interchange_receivable_fen,
        interchange_payable_fen: n.interchange_payable_fen,
        switch_fee_fen: n.switch_fee_fen,
        adjustment_fen: n.adjustment_fen,
        net_fen: n.net_fen,
    };
    let over_account = |it: &domain::settlement::AccountPosition| AccountPosition {
        acquirer: it.part.acquirer.into(),
        account: u32::from(it.account),
        issuer: it.part.issuer.into(),
        kind: u32::from(it.part.kind as u8),
        count: it.part.count,
        amount_fen: it.part.amount_fen,
        interchange_fen: it.part.interchange_fen,
        switch_fee_fen: it.part.switch_fee_fen,
    };
    (
        settlement.positions.iter().map(position).collect(),
        settlement.net.iter().map(net).collect(),
        settlement.accounts.iter().map(over_account).collect(),
    )
}

/// The settlement in a plan; `None` if a row names no city, account or kind.
#[must_use]
pub fn settlement_from_wire(plan: &Plan) -> Option<Settlement> {
    let party = |name: &Name| match name.as_bytes() {
        scheme if scheme == SCHEME.as_bytes() => Some(Party::Scheme),
        city => City::parse(city).ok().map(Party::City),
    };
    let net_row = |n: &Net| {
        Some(domain::settlement::Net {
            participant: party(&n.participant)?,
            receivable_fen: n.receivable_fen,
            payable_fen: n.payable_fen,
            interchange_receivable_fen: n.interchange_receivable_fen,
            interchange_payable_fen: n.interchange_payable_fen,
            switch_fee_fen: n.switch_fee_fen,
            adjustment_fen: n.adjustment_fen,
            net_fen: n.net_fen,
        })
    };
    Some(Settlement {
        positions: plan.positions.iter().map(position_from_wire).collect::<Option<_>>()?,
        net: plan.net.iter().map(net_row).collect::<Option<_>>()?,
        accounts: plan.accounts.iter().map(account_from_wire).collect::<Option<_>>()?,
    })
}

fn position_from_wire(row: &Position) -> Option<domain::settlement::Position> {
    Some(domain::settlement::Position {
        acquirer: City::parse(row.acquirer.as_bytes()).ok()?,
        issuer: City::parse(row.issuer.as_bytes()).ok()?,
        kind: kind_from_wire(row.kind)?,
        count: row.count,
        amount_fen: row.amount_fen,
        interchange_fen: row.interchange_fen,
        switch_fee_fen: row.switch_fee_fen,
    })
}

fn account_from_wire(row: &AccountPosition) -> Option<domain::settlement::AccountPosition> {
    let AccountPosition {
        acquirer,
        account,
        issuer,
        kind,
        count,
        amount_fen,
        interchange_fen,
        switch_fee_fen,
    } = *row;
    let position = Position { acquirer, issuer, kind, count, amount_fen, interchange_fen, switch_fee_fen };
    let account = u8::try_from(account).ok().filter(|account| *account > 0)?;
    Some(domain::settlement::AccountPosition { account, part: position_from_wire(&position)? })
}

/// A settlement item as it travels.
#[must_use]
pub fn item_to_wire(item: &Item) -> Adjustment {
    Adjustment {
        id: item.id.clone(),
        kind: item.kind.word().to_owned(),
        debtor: item.debtor.to_string(),
        creditor: item.creditor.to_string(),
        amount_fen: item.amount_fen,
        original_cycle: item.original_cycle.map(|cycle| cycle.to_string()).unwrap_or_default(),
        reference: item.reference.clone(),
        reason: item.reason.clone(),
    }
}

/// An adjustment as a settlement item; `None` if it names no city or kind of item.
#[must_use]
pub fn item_from_wire(adjustment: &Adjustment) -> Option<Item> {
    Some(Item {
        id: adjustment.id.clone(),
        kind: match adjustment.kind.as_str() {
            "adjustment" => ItemKind::Adjustment,
            "refund" => ItemKind::Refund,
            "dispute" => ItemKind::Dispute,
            _ => return None,
        },
        debtor: City::parse(adjustment.debtor.as_bytes()).ok()?,
        creditor: City::parse(adjustment.creditor.as_bytes()).ok()?,
        amount_fen: adjustment.amount_fen,
        original_cycle: match adjustment.original_cycle.as_str() {
            "" => None,
            name => Some(name.parse().ok()?),
        },
        reference: adjustment.reference.clone(),
        reason: adjustment.reason.clone(),
    })
}
