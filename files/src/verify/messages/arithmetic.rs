//! The sums of each message.

use std::collections::BTreeMap;

use domain::{
    city::City,
    cycle::CycleName,
    settlement::{Party, Position, reference},
    tap::Kind,
};
use serde::de::DeserializeOwned;

use super::Facts;
use crate::{
    layout::SettlementFile,
    settlement::{Amount, Camt053, Direction, Pacs029, Pain001, PartyId, yuan},
};

/// What a city receives of each counterparty, less what it pays.
pub(super) type Parts = BTreeMap<Party, BTreeMap<Party, i128>>;

/// What the sums are compared with.
pub(super) struct Known<'a> {
    /// The cycle.
    pub(super) cycle: CycleName,
    /// The version of its plan.
    pub(super) version: u32,
    /// The nets that are not 0.
    pub(super) nets: &'a BTreeMap<Party, i64>,
    /// What each net is made of.
    pub(super) parts: &'a Parts,
}

/// What every city receives of each counterparty by positions and items.
pub(super) fn parts(facts: &Facts<'_>) -> Parts {
    let mut parts = Parts::new();
    for position in &facts.positions {
        let Position { acquirer, issuer, kind, .. } = *position;
        let amount = i128::from(position.amount_fen);
        let interchange = i128::from(position.interchange_fen);
        // (receives the amount, pays it, pays the fees, receives the interchange)
        let (creditor, debtor, payer, receiver) = match kind {
            Kind::Purchase => (acquirer, issuer, acquirer, issuer),
            Kind::PurchaseReversal => (issuer, acquirer, acquirer, issuer),
            Kind::Load => (issuer, acquirer, issuer, acquirer),
            Kind::LoadReversal => (acquirer, issuer, issuer, acquirer),
        };
        pay(&mut parts, Party::City(debtor), Party::City(creditor), amount);
        pay(&mut parts, Party::City(payer), Party::City(receiver), interchange);
        pay(&mut parts, Party::City(payer), Party::Scheme, position.switch_fee_fen.into());
    }
    for item in facts.items.iter().filter(|item| item.kind.moves_money()) {
        pay(&mut parts, Party::City(item.debtor), Party::City(item.creditor), item.amount_fen.into());
    }
    parts
}

fn pay(parts: &mut Parts, debtor: Party, creditor: Party, fen: i128) {
    *parts.entry(debtor).or_default().entry(creditor).or_default() -= fen;
    *parts.entry(creditor).or_default().entry(debtor).or_default() += fen;
}

/// What is wrong with the sums of a message; empty if nothing is.
pub(super) fn check(file: SettlementFile, text: &str, known: &Known<'_>) -> Vec<String> {
    let mut faults = Vec::new();
    match file {
        SettlementFile::Pacs029 => with(text, &mut faults, |message, faults| pacs029(message, known, faults)),
        SettlementFile::Pain001 => with(text, &mut faults, |message, faults| pain001(message, known, faults)),
        SettlementFile::Camt053(city) => {
            with(text, &mut faults, |message, faults| camt053(message, city, known, faults));
        }
        // A page for people: it is compared with the one made anew.
        SettlementFile::Statement(_) => {}
    }
    faults
}

fn with<T: DeserializeOwned>(text: &str, faults: &mut Vec<String>, check: impl FnOnce(&T, &mut Vec<String>)) {
    match quick_xml::de::from_str(text) {
        Ok(message) => check(&message, faults),
        Err(e) => faults.push(format!("no message of this layout: {e}")),
    }
}

/// An amount with its sign; 0, and a fault, if it is none.
fn signed(of: &str, amount: &Amount, direction: Direction, faults: &mut Vec<String>) -> i128 {
    let Some(fen) = amount.fen() else {
        faults.push(format!("{of}: `{} {}` is no amount", amount.currency, amount.value));
        return 0;
    };
    if direction == Direction::Debit { -i128::from(fen) } else { fen.into() }
}

/// A party by its id; a fault if there is none of that id.
fn party(id: &PartyId, faults: &mut Vec<String>) -> Option<Party> {
    let found = parse(id.id());
    if found.is_none() {
        faults.push(format!("`{}` is neither a city nor the scheme", id.id()));
    }
    found
}

fn parse(id: &str) -> Option<Party> {
    if id == "scheme" { Some(Party::Scheme) } else { id.parse().ok().map(Party::City) }
}

/// Fen with their sign, as faults show them.
fn told(fen: i128) -> String {
    let sign = if fen < 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", fen.unsigned_abs() / 100, fen.unsigned_abs() % 100)
}

/// Compares sums with the figures that `source`, party by party.
fn compare<T: Into<i128> + Copy>(
    verb: &str,
    found: &BTreeMap<Party, i128>,
    expected: &BTreeMap<Party, T>,
    source: &str,
    faults: &mut Vec<String>,
) {
    for (party, figure) in expected {
        let figure: i128 = (*figure).into();
        match found.get(party) {
            None if figure != 0 => {
                faults.push(format!("nothing for {party}, {source} {}", told(figure)));
            }
            Some(sum) if *sum != figure => {
                faults.push(format!("{party} {verb} {}, {source} {}", told(*sum), told(figure)));
            }
            _ => {}
        }
    }
    for party in found.keys().filter(|party| !expected.contains_key(party)) {
        faults.push(format!("it has {party}, for whom {source} nothing"));
    }
}

fn compare_total(what: &str, stated: &str, fen: u128, faults: &mut Vec<String>) {
    if yuan::fen(stated).map(u128::from) != Some(fen) {
        let sum = told(i128::try_from(fen).unwrap_or(i128::MAX));
        faults.push(format!("{what} is `{stated}`, its amounts sum to {sum}"));
    }
}

fn compare_count(what: &str, stated: u64, count: usize, faults: &mut Vec<String>) {
    if stated != count as u64 {
        faults.push(format!("{what} is {stated}, there are {count}"));
    }
}

/// Everybody's amount is the net, once.
fn pacs029(message: &Pacs029, known: &Known<'_>, faults: &mut Vec<String>) {
    let (header, request) = (&message.body.header, &message.body.request);
    let mut found: BTreeMap<Party, i128> = BTreeMap::new();
    let mut sum = 0_u128;
    for movement in &request.movements {
        let amount = signed(&movement.id, &movement.amount.amount, movement.amount.direction, faults);
        sum += amount.unsigned_abs();
        let Some(party) = party(&movement.participant, faults) else { continue };
        if movement.id != reference(known.cycle, known.version, party) {
            faults.push(format!("the movement of {party} has the id `{}`", movement.id));
        }
        *found.entry(party).or_default() += amount;
    }
    compare("has", &found, known.nets, "net.csv gives", faults);
    compare_total("CtrlSum", &header.sum, sum, faults);
    compare_count("NbOfMvmntRcrds", request.count, request.movements.len(), faults);
}

/// What everybody receives less what it pays is the net; each payment is between one city and the scheme.
fn pain001(message: &Pain001, known: &Known<'_>, faults: &mut Vec<String>) {
    let mut found: BTreeMap<Party, i128> = BTreeMap::new();
    let mut ids: BTreeMap<String, u32> = BTreeMap::new();
    let (mut sum, mut count) = (0_u128, 0_usize);
    for payment in &message.body.payments {
        let Some(debtor) = party(&payment.debtor, faults) else { continue };
        let mut paid = 0_u128;
        for transfer in &payment.transfers {
            let id = &transfer.id.end_to_end;
            let amount = signed(id, &transfer.amount.amount, Direction::Credit, faults);
            paid += amount.unsigned_abs();
            *ids.entry(id.clone()).or_default() += 1;
            let Some(creditor) = party(&transfer.creditor, faults) else { continue };
            let city = match (debtor, creditor) {
                (city @ Party::City(_), Party::Scheme) | (Party::Scheme, city @ Party::City(_)) => city,
                _ => {
                    faults.push(format!(
                        "`{id}` goes from {debtor} to {creditor}, not over the scheme's account"
                    ));
                    continue;
                }
            };
            if *id != reference(known.cycle, known.version, city) {
                faults.push(format!("the payment between {debtor} and {creditor} has the id `{id}`"));
            }
            *found.entry(debtor).or_default() -= amount;
            *found.entry(creditor).or_default() += amount;
        }
        compare_total(&format!("CtrlSum of {debtor}"), &payment.sum, paid, faults);
        compare_count(&format!("NbOfTxs of {debtor}"), payment.count, payment.transfers.len(), faults);
        sum += paid;
        count += payment.transfers.len();
    }
    // The scheme's own payments may cancel, and are no net then.
    found.retain(|party, fen| *fen != 0 || *party != Party::Scheme);
    compare("receives less what it pays", &found, known.nets, "net.csv gives", faults);
    for (id, times) in ids.iter().filter(|(_, times)| **times > 1) {
        faults.push(format!("the id `{id}` is there {times} times"));
    }
    compare_total("CtrlSum", &message.body.header.sum, sum, faults);
    compare_count("NbOfTxs", message.body.header.count, count, faults);
}

/// It opens at 0, closes at the net, and the entries of each counterparty sum to what positions and items give.
fn camt053(message: &Camt053, city: City, known: &Known<'_>, faults: &mut Vec<String>) {
    let statement = &message.body.statement;
    let net = known.nets.get(&Party::City(city)).copied().map_or(0, i128::from);
    let balances: Vec<i128> = statement
        .balances
        .iter()
        .map(|balance| signed("a balance", &balance.amount, balance.direction, faults))
        .collect();
    match balances[..] {
        [0, closing] if closing == net => {}
        [0, closing] => {
            faults.push(format!("it closes at {}, net.csv gives {}", told(closing), told(net)));
        }
        _ => faults.push(format!("it does not open at 0 and close at {}", told(net))),
    }
    let mut found: BTreeMap<Party, i128> = BTreeMap::new();
    let mut sum = 0_i128;
    for entry in &statement.entries {
        let amount = signed(&entry.reference, &entry.amount, entry.direction, faults);
        sum += amount;
        match parse(entry.counterparty()) {
            Some(counterparty) => *found.entry(counterparty).or_default() += amount,
            None => faults.push(format!("entry `{}` has no counterparty", entry.reference)),
        }
    }
    if sum != net {
        faults.push(format!("its entries sum to {}, net.csv gives {}", told(sum), told(net)));
    }
    let empty = BTreeMap::new();
    let expected = known.parts.get(&Party::City(city)).unwrap_or(&empty);
    compare("gives", &found, expected, "positions and items give", faults);
}
