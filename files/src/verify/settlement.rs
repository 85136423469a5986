//! Positions, nets and items: their files against the detail, the rulebook and each other.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use domain::{
    city::City,
    cycle::CycleName,
    rulebook::Rulebook,
    settlement::{Item, ItemKind, Net, Party, Position, settle},
    tap::Kind,
    totals::{Tally, TotalKey},
};

use super::{
    member::{Row, read_csv},
    reader::{Fields, decimal, signed},
    report::{Check, Findings},
};
use crate::{error::FilesError, layout, manifest::FileEntry};

/// Rows of a file with their lines.
type Lines<T> = Vec<(u64, T)>;

/// Reads `positions.csv`.
pub(super) fn read_positions(
    folder: &Path,
    entry: &FileEntry,
    cycle: CycleName,
    findings: &mut Findings,
) -> Result<Lines<Position>, FilesError> {
    read(folder, entry, &layout::POSITIONS, findings, |f| {
        in_cycle(f, cycle)?;
        Ok(Position {
            acquirer: city(f, 2)?,
            issuer: city(f, 3)?,
            kind: Kind::ALL.into_iter().find(|k| k.name().as_bytes() == f.get(4)).ok_or(4_usize)?,
            count: decimal(f.get(5)).ok_or(5_usize)?,
            amount_fen: decimal(f.get(6)).ok_or(6_usize)?,
            interchange_fen: signed(f.get(7)).ok_or(7_usize)?,
            switch_fee_fen: signed(f.get(8)).ok_or(8_usize)?,
        })
    })
}

/// Reads `net.csv`.
pub(super) fn read_net(
    folder: &Path,
    entry: &FileEntry,
    cycle: CycleName,
    findings: &mut Findings,
) -> Result<Lines<Net>, FilesError> {
    read(folder, entry, &layout::NET, findings, |f| {
        in_cycle(f, cycle)?;
        let participant = if f.get(2) == b"scheme" { Party::Scheme } else { Party::City(city(f, 2)?) };
        let figure = |column: usize| signed(f.get(column)).ok_or(column);
        Ok(Net {
            participant,
            receivable_fen: decimal(f.get(3)).ok_or(3_usize)?,
            payable_fen: decimal(f.get(4)).ok_or(4_usize)?,
            interchange_receivable_fen: figure(5)?,
            interchange_payable_fen: figure(6)?,
            switch_fee_fen: figure(7)?,
            adjustment_fen: figure(8)?,
            net_fen: figure(9)?,
        })
    })
}

/// Reads `items.csv`.
pub(super) fn read_items(
    folder: &Path,
    entry: &FileEntry,
    cycle: CycleName,
    findings: &mut Findings,
) -> Result<Lines<Item>, FilesError> {
    read(folder, entry, &layout::ITEMS, findings, |f| {
        let text = |column: usize| f.text(column).map(str::to_owned).ok_or(column);
        let original_cycle = match f.text(5).ok_or(5_usize)? {
            "" => None,
            name => Some(name.parse().ok().filter(|original| *original < cycle).ok_or(5_usize)?),
        };
        Ok(Item {
            id: text(0).ok().filter(|id| !id.is_empty()).ok_or(0_usize)?,
            kind: ItemKind::ALL.into_iter().find(|k| k.word().as_bytes() == f.get(1)).ok_or(1_usize)?,
            debtor: city(f, 2)?,
            creditor: city(f, 3)?,
            amount_fen: decimal(f.get(4)).ok_or(4_usize)?,
            original_cycle,
            reference: text(6)?,
            reason: text(7)?,
        })
    })
}

/// Reads a small file whole; rows with a field of no valid form are failures and left out.
fn read<T>(
    folder: &Path,
    entry: &FileEntry,
    layout: &layout::Layout,
    findings: &mut Findings,
    parse: impl Fn(&Fields) -> Result<T, usize>,
) -> Result<Lines<T>, FilesError> {
    let mut rows = Vec::new();
    read_csv(folder, entry, layout, findings, |row: &Row<'_>, findings| match parse(row.fields) {
        Ok(parsed) => rows.push((row.line, parsed)),
        Err(column) => row.bad_field(findings, &entry.name, layout, column),
    })?;
    Ok(rows)
}

/// The two columns that name the cycle.
fn in_cycle(fields: &Fields, cycle: CycleName) -> Result<(), usize> {
    if fields.get(0) != cycle.business_date.to_string().as_bytes() {
        return Err(0);
    }
    if fields.get(1) == cycle.sequence_text().as_bytes() { Ok(()) } else { Err(1) }
}

fn city(fields: &Fields, column: usize) -> Result<City, usize> {
    City::parse(fields.get(column)).map_err(|_| column)
}

/// Notes each row that is not behind the row before it.
pub(super) fn check_order<T, K: Ord>(
    rows: &Lines<T>,
    file: &str,
    key: impl Fn(&T) -> K,
    findings: &mut Findings,
) {
    for pair in rows.windows(2) {
        if let [(_, before), (line, row)] = pair
            && key(before) >= key(row)
        {
            findings.fail(Check::Order, file, Some(*line), "it is not behind the row before");
        }
    }
}

/// What positions are sorted by.
pub(super) fn position_key(position: &Position) -> (City, City, &'static str) {
    (position.acquirer, position.issuer, position.kind.name())
}

/// Compares positions with those that follow from the home cities' rows and the rulebook.
pub(super) fn check_positions(
    published: &Lines<Position>,
    rulebook: &Rulebook,
    cycle: CycleName,
    totals: &BTreeMap<TotalKey, Tally>,
    findings: &mut Findings,
) {
    let file = layout::POSITIONS_FILE;
    let settlement = match settle(rulebook, cycle.business_date, totals, &[]) {
        Ok(settlement) => settlement,
        Err(e) => return findings.fail(Check::Positions, file, None, format!("cannot be recomputed: {e}")),
    };
    let mut expected: BTreeMap<_, Position> =
        settlement.positions.into_iter().map(|position| (position_key(&position), position)).collect();
    for (line, position) in published {
        match expected.remove(&position_key(position)) {
            Some(recomputed) if recomputed == *position => {}
            Some(Position { count, amount_fen, interchange_fen, switch_fee_fen, .. }) => {
                let what = format!(
                    "the home city's rows and the rulebook give count {count}, amount_fen {amount_fen}, \
                     interchange_fen {interchange_fen}, switch_fee_fen {switch_fee_fen}"
                );
                findings.fail(Check::Positions, file, Some(*line), what);
            }
            None => {
                let what = "the home city's file has no record for it, or it is there twice";
                findings.fail(Check::Positions, file, Some(*line), what);
            }
        }
    }
    for (acquirer, issuer, kind) in expected.into_keys() {
        let what =
            format!("no row for acquirer {acquirer}, issuer {issuer}, {kind}, though there are records");
        findings.fail(Check::Positions, file, None, what);
    }
    let version = rulebook.version;
    let what = format!("{} positions recomputed from detail, rulebook version {version}", published.len());
    findings.checked(Check::Positions, what);
}

/// The figures of a net row, in the order of its columns.
type Figures = [i128; 7];
/// The first of those columns.
const FIGURES_AT: usize = 3;

/// Compares nets with those that follow from positions and items.
///
/// The arithmetic is written out here once more, apart from the one that made the files.
pub(super) fn check_net(
    published: &Lines<Net>,
    positions: &Lines<Position>,
    items: &Lines<Item>,
    members: impl Iterator<Item = City>,
    findings: &mut Findings,
) {
    let file = layout::NET_FILE;
    let mut expected: BTreeMap<Party, Figures> = members.map(|city| (Party::City(city), [0; 7])).collect();
    expected.insert(Party::Scheme, [0; 7]);
    for (_, position) in positions {
        add_position(&mut expected, position);
    }
    for (_, item) in items.iter().filter(|(_, item)| item.kind.moves_money()) {
        expected.entry(Party::City(item.creditor)).or_default()[5] += i128::from(item.amount_fen);
        expected.entry(Party::City(item.debtor)).or_default()[5] -= i128::from(item.amount_fen);
    }
    let mut seen = BTreeSet::new();
    for (line, net) in published {
        let [receivable, payable, interchange_in, interchange_out, switch_fee, adjustment, _] =
            expected.get(&net.participant).copied().unwrap_or_default();
        let sum = receivable - payable + interchange_in - interchange_out - switch_fee + adjustment;
        let figures = [receivable, payable, interchange_in, interchange_out, switch_fee, adjustment, sum];
        if figures != figures_of(net) {
            findings.fail(Check::Net, file, Some(*line), wrong_figures(figures, figures_of(net)));
        }
        if !expected.contains_key(&net.participant) || !seen.insert(net.participant) {
            let what = format!("{} should have no row, or has another one", net.participant);
            findings.fail(Check::Net, file, Some(*line), what);
        }
    }
    for party in expected.keys().filter(|party| !seen.contains(party)) {
        findings.fail(Check::Net, file, None, format!("no row for {party}"));
    }
    let what = format!("{} nets recomputed from positions and {} items", published.len(), items.len());
    findings.checked(Check::Net, what);
}

/// Compares the sum of the nets with zero.
pub(super) fn check_zero_sum(published: &Lines<Net>, findings: &mut Findings) {
    let nets = || published.iter().map(|(_, net)| i128::from(net.net_fen));
    let sum: i128 = nets().sum();
    if sum != 0 {
        let what = format!("net_fen sums to {sum} instead of 0");
        findings.fail(Check::ZeroSum, layout::NET_FILE, None, what);
    }
    let moved: i128 = nets().filter(|net| *net > 0).sum();
    findings.checked(Check::ZeroSum, format!("{} nets, {moved} fen to receive", published.len()));
}

/// The columns that are wrong, each with both figures.
fn wrong_figures(expected: Figures, published: Figures) -> String {
    let columns = layout::NET.columns.iter().skip(FIGURES_AT);
    let wrong = columns.zip(expected.iter().zip(published)).filter(|(_, (expected, said))| *expected != said);
    let told: Vec<String> = wrong
        .map(|(column, (expected, said))| format!("{column} is {said}, positions and items give {expected}"))
        .collect();
    told.join("; ")
}

fn figures_of(net: &Net) -> Figures {
    [
        net.receivable_fen.into(),
        net.payable_fen.into(),
        net.interchange_receivable_fen.into(),
        net.interchange_payable_fen.into(),
        net.switch_fee_fen.into(),
        net.adjustment_fen.into(),
        net.net_fen.into(),
    ]
}

/// Enters a position: who has the money pays the amount and receives the interchange.
fn add_position(nets: &mut BTreeMap<Party, Figures>, position: &Position) {
    let (acquirer, issuer) = (Party::City(position.acquirer), Party::City(position.issuer));
    let amount = i128::from(position.amount_fen);
    let interchange = i128::from(position.interchange_fen);
    let switch_fee = i128::from(position.switch_fee_fen);
    // (receives the amount, pays the amount, pays the fees, receives the interchange)
    let (creditor, debtor, payer, receiver) = match position.kind {
        Kind::Purchase => (acquirer, issuer, acquirer, issuer),
        Kind::PurchaseReversal => (issuer, acquirer, acquirer, issuer),
        Kind::Load => (issuer, acquirer, issuer, acquirer),
        Kind::LoadReversal => (acquirer, issuer, issuer, acquirer),
    };
    nets.entry(creditor).or_default()[0] += amount;
    nets.entry(debtor).or_default()[1] += amount;
    nets.entry(receiver).or_default()[2] += interchange;
    nets.entry(payer).or_default()[3] += interchange;
    nets.entry(payer).or_default()[4] += switch_fee;
    nets.entry(Party::Scheme).or_default()[4] -= switch_fee;
}
