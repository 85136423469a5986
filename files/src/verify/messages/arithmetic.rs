//! The sums of each message.

use std::{collections::BTreeMap, fmt::Display};

use domain::{
    city::City,
    cycle::CycleName,
    settlement::{AccountPosition, Party, PartyAccount, Position, Reference},
    tap::Kind,
};
use serde::de::DeserializeOwned;

use super::Facts;
use crate::{
    layout::SettlementFile,
    settlement::{Amount, Camt053, Direction, Pacs029, Pain001, PartyId, Statement, yuan},
};

/// What a city receives of each counterparty, less what it pays.
pub(super) type Parts = BTreeMap<Party, BTreeMap<Party, i128>>;

/// What each account of a city with accounts by sector comes to, in the order of its accounts. A city without a net pays
/// and is paid over none.
pub(super) type Due = BTreeMap<City, Vec<i128>>;

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
    /// What the accounts of cities that have several come to.
    pub(super) due: &'a Due,
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

/// What the accounts of each city that has several come to, by the parts of positions over accounts by sector.
pub(super) fn due(facts: &Facts<'_>) -> Due {
    let mut due = Due::new();
    for (party, net) in facts.nets() {
        let Party::City(city) = party else { continue };
        let Some(participant) = facts.rulebook.participant(city) else { continue };
        if !participant.sector_accounts.is_empty() {
            let mut accounts = vec![0; participant.accounts().count()];
            accounts[0] = net.into();
            due.insert(city, accounts);
        }
    }
    for AccountPosition { account, part } in &facts.accounts {
        let Some(accounts) = due.get_mut(&part.acquirer) else { continue };
        let (amount, interchange) = (i128::from(part.amount_fen), i128::from(part.interchange_fen));
        let fen = match part.kind {
            Kind::Purchase => amount - interchange - i128::from(part.switch_fee_fen),
            Kind::PurchaseReversal => -amount - interchange - i128::from(part.switch_fee_fen),
            Kind::Load => interchange - amount,
            Kind::LoadReversal => interchange + amount,
        };
        if let Some(sum) = accounts.get_mut(usize::from(*account)) {
            *sum += fen;
            accounts[0] -= fen;
        }
    }
    due
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

/// Compares sums with the figures that `source`, party by party or account by account.
fn compare<K: Ord + Display, T: Into<i128> + Copy>(
    verb: &str,
    found: &BTreeMap<K, i128>,
    expected: &BTreeMap<K, T>,
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

/// Takes the account out of an id, and notes one that is not an id of the party in this cycle.
fn account(id: &str, party: Party, known: &Known<'_>) -> Option<PartyAccount> {
    let Reference { cycle, version, account } = Reference::parse(id)?;
    ((cycle, version, account.party) == (known.cycle, known.version, party)).then_some(account)
}

/// What went over each account.
type Accounts = BTreeMap<PartyAccount, i128>;

/// Compares what went over the accounts of cities that have several; others have one, which was compared as their net.
fn compare_accounts(verb: &str, mut found: Accounts, known: &Known<'_>, faults: &mut Vec<String>) {
    let by_sector = |of: &PartyAccount| match of.party {
        Party::City(city) => of.number > 0 || known.due.contains_key(&city),
        Party::Scheme => false,
    };
    found.retain(|of, _| by_sector(of));
    let all = known.due.iter().flat_map(|(city, accounts)| {
        let of = move |number| PartyAccount { party: Party::City(*city), number };
        (0..).map(of).zip(accounts.iter().copied())
    });
    let expected: Accounts = all.filter(|(_, fen)| *fen != 0).collect();
    compare(verb, &found, &expected, "its records by sector give", faults);
}

/// Everybody's amount is the net, by account where a city has several.
fn pacs029(message: &Pacs029, known: &Known<'_>, faults: &mut Vec<String>) {
    let (header, request) = (&message.body.header, &message.body.request);
    let mut found: BTreeMap<Party, i128> = BTreeMap::new();
    let mut over = Accounts::new();
    let mut sum = 0_u128;
    for movement in &request.movements {
        let amount = signed(&movement.id, &movement.amount.amount, movement.amount.direction, faults);
        sum += amount.unsigned_abs();
        let Some(party) = party(&movement.participant, faults) else { continue };
        match account(&movement.id, party, known) {
            Some(account) => *over.entry(account).or_default() += amount,
            None => faults.push(format!("the movement of {party} has the id `{}`", movement.id)),
        }
        *found.entry(party).or_default() += amount;
    }
    compare("has", &found, known.nets, "net.csv gives", faults);
    compare_accounts("has", over, known, faults);
    compare_total("CtrlSum", &header.sum, sum, faults);
    compare_count("NbOfMvmntRcrds", request.count, request.movements.len(), faults);
}

/// What everybody receives less what it pays is the net, by account where a city has several; each payment is between one
/// city and the scheme.
fn pain001(message: &Pain001, known: &Known<'_>, faults: &mut Vec<String>) {
    let mut found: BTreeMap<Party, i128> = BTreeMap::new();
    let mut ids: BTreeMap<String, u32> = BTreeMap::new();
    let mut over = Accounts::new();
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
            match account(id, city, known) {
                Some(account) => {
                    *over.entry(account).or_default() += if city == debtor { -amount } else { amount };
                }
                None => {
                    faults.push(format!("the payment between {debtor} and {creditor} has the id `{id}`"));
                }
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
    compare_accounts("receives less what it pays", over, known, faults);
    for (id, times) in ids.iter().filter(|(_, times)| **times > 1) {
        faults.push(format!("the id `{id}` is there {times} times"));
    }
    compare_total("CtrlSum", &message.body.header.sum, sum, faults);
    compare_count("NbOfTxs", message.body.header.count, count, faults);
}

/// Each statement opens at 0 and closes at what its account comes to, the net where there is one; the entries of each
/// counterparty sum to what positions and items give.
fn camt053(message: &Camt053, city: City, known: &Known<'_>, faults: &mut Vec<String>) {
    let net = known.nets.get(&Party::City(city)).copied().map_or(0, i128::from);
    let mut found: BTreeMap<Party, i128> = BTreeMap::new();
    let statements = &message.body.statements;
    match known.due.get(&city) {
        Some(accounts) => {
            if statements.len() != accounts.len() {
                let (has, wanted) = (statements.len(), accounts.len());
                faults.push(format!("it has {has} statements, {city} has {wanted} accounts"));
            }
            for ((statement, fen), number) in statements.iter().zip(accounts).zip(0..) {
                let of = PartyAccount { party: Party::City(city), number };
                let mut own = Vec::new();
                one_statement(statement, *fen, "its records by sector give", &mut found, &mut own);
                faults.extend(own.into_iter().map(|fault| format!("account {of}: {fault}")));
            }
        }
        None => match &statements[..] {
            [statement] => one_statement(statement, net, "net.csv gives", &mut found, faults),
            others => faults.push(format!("it has {} statements instead of one", others.len())),
        },
    }
    let empty = BTreeMap::new();
    let expected = known.parts.get(&Party::City(city)).unwrap_or(&empty);
    compare("gives", &found, expected, "positions and items give", faults);
}

/// The balances and the sum of the entries of a statement; what its entries give is added to `found`.
fn one_statement(
    statement: &Statement,
    closes_at: i128,
    source: &str,
    found: &mut BTreeMap<Party, i128>,
    faults: &mut Vec<String>,
) {
    let balances: Vec<i128> = statement
        .balances
        .iter()
        .map(|balance| signed("a balance", &balance.amount, balance.direction, faults))
        .collect();
    match balances[..] {
        [0, closing] if closing == closes_at => {}
        [0, closing] => {
            faults.push(format!("it closes at {}, {source} {}", told(closing), told(closes_at)));
        }
        _ => faults.push(format!("it does not open at 0 and close at {}", told(closes_at))),
    }
    let mut sum = 0_i128;
    for entry in &statement.entries {
        let amount = signed(&entry.reference, &entry.amount, entry.direction, faults);
        sum += amount;
        match parse(entry.counterparty()) {
            Some(counterparty) => *found.entry(counterparty).or_default() += amount,
            None => faults.push(format!("entry `{}` has no counterparty", entry.reference)),
        }
    }
    if sum != closes_at {
        faults.push(format!("its entries sum to {}, {source} {}", told(sum), told(closes_at)));
    }
}
