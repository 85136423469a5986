//! The entries of each event.

use std::collections::BTreeMap;

use super::{Account, Book, Booked, Entry, Event, LedgerError, Reason};
use crate::{
    city::City,
    cycle::CycleName,
    release::is_carried,
    settlement::{Item, Movement, Party, Payments, Purpose},
};

/// What closing a cycle posts, and everybody's net.
///
/// # Errors
/// [`LedgerError::Net`] if what a net is made of does not come to it.
pub(super) fn closing(
    cycle: CycleName,
    version: u32,
    payments: &Payments,
    items: &[Item],
) -> Result<(Vec<Entry>, BTreeMap<Party, i64>), LedgerError> {
    let mut entries = Vec::new();
    for (city, movement) in payments.all_movements() {
        moved(cycle, version, (city, movement), &mut entries);
    }
    let nets = nets(cycle, payments, &entries)?;
    for item in items {
        suspended(cycle, version, item, &mut entries);
    }
    Ok((entries, nets))
}

/// A part of a city's net. The other city has a movement of its own; the scheme has none, so its side stands here.
fn moved(cycle: CycleName, version: u32, (city, movement): (City, &Movement), entries: &mut Vec<Entry>) {
    let Movement { key, count, fen } = *movement;
    let [own, other] = [Party::City(city), key.counterparty].map(|party| Account::of(party, Book::Position));
    let (reason, purpose) = (Reason::Closed, Some(key.purpose));
    let entry = Entry { cycle, version, reason, account: own, against: other, purpose, count, fen };
    entries.push(entry);
    if key.counterparty == Party::Scheme {
        entries.push(Entry { account: other, against: own, fen: fen.saturating_neg(), ..entry });
    }
}

/// Everybody's net, compared with what it is made of.
fn nets(
    cycle: CycleName,
    payments: &Payments,
    entries: &[Entry],
) -> Result<BTreeMap<Party, i64>, LedgerError> {
    let mut moved: BTreeMap<Party, i128> = BTreeMap::new();
    for entry in entries {
        let sum = moved.entry(entry.account.owner).or_default();
        *sum = sum.saturating_add(i128::from(entry.fen));
    }
    // What a city's accounts come to together: here it has one position, whichever of them is paid.
    let mut nets: BTreeMap<Party, i128> = BTreeMap::new();
    for leg in &payments.legs {
        let net = nets.entry(Party::City(leg.city)).or_default();
        *net = net.saturating_add(leg.signed_fen());
    }
    // The scheme has no leg: what the others pay more than they receive stays with it.
    let stays = nets.values().fold(0_i128, |sum, net| sum.saturating_sub(*net));
    nets.insert(Party::Scheme, stays);
    let mut found = BTreeMap::new();
    for party in moved.keys().chain(nets.keys()) {
        let of = |sums: &BTreeMap<Party, i128>| sums.get(party).copied().unwrap_or_default();
        let (moved_fen, net_fen) = (of(&moved), of(&nets));
        match i64::try_from(net_fen) {
            Ok(net) if moved_fen == net_fen => drop(found.insert(*party, net)),
            _ => return Err(LedgerError::Net { cycle, party: *party, moved_fen, net_fen }),
        }
    }
    found.retain(|_, net| *net != 0);
    Ok(found)
}

/// An item that takes a debt out of its cycle, or brings it into a later one, moves debt and claim to suspense or back.
fn suspended(cycle: CycleName, version: u32, item: &Item, entries: &mut Vec<Entry>) {
    let Ok(fen) = i64::try_from(item.amount_fen) else { return };
    if !is_carried(item) || fen == 0 {
        return;
    }
    // What the item does to the positions, suspense does the other way round.
    let sides = [(item.debtor, item.creditor, fen), (item.creditor, item.debtor, fen.saturating_neg())];
    for (owner, other, fen) in sides {
        entries.push(Entry {
            cycle,
            version,
            reason: Reason::Carried,
            account: Account::of(Party::City(owner), Book::Suspense),
            against: Account::of(Party::City(other), Book::Suspense),
            purpose: Some(Purpose::Adjustment),
            count: 1,
            fen,
        });
    }
}

impl Booked {
    /// What closing posted, taken back.
    pub(super) fn reversed(&self) -> Vec<Entry> {
        let back =
            |entry: &Entry| Entry { reason: Reason::Reversed, fen: entry.fen.saturating_neg(), ..*entry };
        self.closing.iter().map(back).collect()
    }

    /// Every net from one account to another, as an event has it.
    pub(super) fn moved(&self, cycle: CycleName, event: &Event<'_>) -> Vec<Entry> {
        let (reason, from, to) = match event {
            Event::Released => (Reason::Released, Book::Position, Book::InTransit),
            Event::Refused | Event::Failed => (Reason::Withdrawn, Book::InTransit, Book::Position),
            Event::Confirmed => (Reason::Confirmed, Book::InTransit, Book::Bank),
            Event::Settled | Event::Closed { .. } => return Vec::new(),
        };
        let pair = |(party, net): (&Party, &i64)| {
            let [from, to] = [from, to].map(|book| Account::of(*party, book));
            let entry = |account, against, fen| {
                let (version, purpose, count) = (self.version, None, 0);
                Entry { cycle, version, reason, account, against, purpose, count, fen }
            };
            [entry(from, to, net.saturating_neg()), entry(to, from, *net)]
        };
        self.nets.iter().flat_map(pair).collect()
    }
}
