//! A cycle's way through the ledger by hand, and what must hold on every way.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::{
    settlement::{ItemKind, Position, Settlement, settle},
    tap::Kind,
    testing::{city, date, rulebook},
    totals::{Tally, TotalKey},
};

/// Shanghai is owed a purchase of 100,000 by Tianjin: 300 of interchange, 100 of switch fee. So Shanghai receives 99,600,
/// Tianjin pays 99,700, and 100 stay with the scheme.
fn rules() -> crate::rulebook::Rulebook {
    let city = |code: &str| {
        format!(
            "[[participant]]\ncity = \"{code}\"\nname_en = \"C\"\nname_zh = \"市\"\njoined = \"2018-01-01\"\n"
        )
    };
    let fees = "version = 1\npresentment_days = 10\nhotlist_grace_hours = 24\n[fees]\nbasis = \"cycle_bilateral\"\n\
                interchange_rate = \"0.003\"\nswitch_rate = \"0.001\"\n";
    rulebook(&(fees.to_owned() + &CITIES.map(city).concat()))
}

const CITIES: [&str; 4] = ["cu-2000", "cu-3000", "cu-4000", "cu-5000"];

/// A plan of purchases (acquirer, issuer, fen) and items.
fn plan(purchases: &[(&str, &str, u64)], items: &[Item]) -> (Settlement, Payments) {
    let total = |(acquirer, issuer, amount_fen): &(&str, &str, u64)| {
        let key =
            TotalKey { acquirer: city(acquirer), issuer: city(issuer), kind: Kind::Purchase, fee_line: 0 };
        (key, Tally { count: 1, amount_fen: *amount_fen, ..Tally::default() })
    };
    let totals: BTreeMap<TotalKey, Tally> = purchases.iter().map(total).collect();
    let settlement =
        settle(&rules(), date("2018-09-01"), &totals, items).unwrap_or_else(|error| panic!("{error}"));
    let Settlement { net, positions, .. } = &settlement;
    let payments = Payments::of(net, positions, items).unwrap_or_else(|error| panic!("{error}"));
    (settlement, payments)
}

fn item(id: &str, debtor: &str, creditor: &str, amount_fen: u64) -> Item {
    Item {
        id: id.to_owned(),
        kind: ItemKind::Adjustment,
        debtor: city(debtor),
        creditor: city(creditor),
        amount_fen,
        original_cycle: None,
        reference: String::new(),
        reason: String::new(),
    }
}

fn cycle(text: &str) -> CycleName {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

/// A ledger and everything that was posted.
#[derive(Default)]
struct Kept {
    ledger: Ledger,
    posted: Vec<Entry>,
}

impl Kept {
    fn post(&mut self, name: &str, version: u32, event: Event<'_>) -> &[Entry] {
        let entries = self.ledger.post(cycle(name), version, event);
        let before = self.posted.len();
        self.posted.extend(entries.unwrap_or_else(|error| panic!("{error}")));
        &self.posted[before..]
    }

    fn closed(&mut self, name: &str, version: u32, purchases: &[(&str, &str, u64)], items: &[Item]) {
        let (_, payments) = plan(purchases, items);
        self.post(name, version, Event::Closed { payments: &payments, items });
    }

    /// Every balance that is not 0.
    fn told(&self) -> Vec<String> {
        let there = self.ledger.balances().filter(|(_, fen)| *fen != 0);
        there.map(|(account, fen)| format!("{account} {fen}")).collect()
    }
}

/// Why an event cannot be posted.
fn refused(ledger: &mut Ledger, name: &str, version: u32, event: Event<'_>) -> String {
    let before = ledger.clone();
    let error = ledger.post(cycle(name), version, event).err();
    assert_eq!(*ledger, before, "a refusal changes nothing");
    error.map_or_else(|| "posted".to_owned(), |error| error.to_string())
}

const C1: &str = "2018-09-01-001";
const C2: &str = "2018-09-02-001";
const PURCHASE: [(&str, &str, u64); 1] = [("cu-2000", "cu-3000", 100_000)];

#[test]
fn a_cycle_goes_from_positions_over_transit_to_the_bank() {
    let mut kept = Kept::default();
    kept.closed(C1, 1, &PURCHASE, &[]);
    let told: Vec<String> = kept
        .posted
        .iter()
        .map(|entry| {
            let purpose = entry.purpose.map_or("", Purpose::word);
            format!("{} / {}: {purpose} {} ({})", entry.account, entry.against.owner, entry.fen, entry.count)
        })
        .collect();
    assert_eq!(
        told,
        [
            "cu-2000 position / cu-3000: purchase 100000 (1)",
            "cu-2000 position / cu-3000: interchange -300 (1)",
            "cu-2000 position / scheme: switch_fee -100 (1)",
            "scheme fees_income / cu-2000: switch_fee 100 (1)",
            "cu-3000 position / cu-2000: purchase -100000 (1)",
            "cu-3000 position / cu-2000: interchange 300 (1)",
        ]
    );
    assert_eq!(kept.told(), ["cu-2000 position 99600", "cu-3000 position -99700", "scheme fees_income 100"]);
    kept.post(C1, 1, Event::Released);
    let transit = ["cu-2000 in_transit 99600", "cu-3000 in_transit -99700", "scheme in_transit 100"];
    assert_eq!(kept.told(), transit);
    kept.post(C1, 1, Event::Confirmed);
    let paid = ["cu-2000 nostro 99600", "cu-3000 nostro -99700", "scheme settlement_account 100"];
    assert_eq!(kept.told(), paid);
    assert_eq!(kept.post(C1, 1, Event::Settled), []);
    assert_eq!(kept.told(), paid);
    // The next cycle adds to what is there.
    kept.closed(C2, 1, &PURCHASE, &[]);
    kept.post(C2, 1, Event::Released);
    kept.post(C2, 1, Event::Confirmed);
    assert_eq!(
        kept.told(),
        ["cu-2000 nostro 199200", "cu-3000 nostro -199400", "scheme settlement_account 200"]
    );
}

#[test]
fn a_new_version_takes_the_old_one_back() {
    let mut kept = Kept::default();
    kept.closed(C1, 1, &PURCHASE, &[]);
    kept.post(C1, 1, Event::Released);
    kept.post(C1, 1, Event::Refused);
    assert_eq!(kept.told(), ["cu-2000 position 99600", "cu-3000 position -99700", "scheme fees_income 100"]);
    kept.closed(C1, 2, &PURCHASE, &[item("a", "cu-3000", "cu-2000", 40)]);
    assert_eq!(kept.told(), ["cu-2000 position 99640", "cu-3000 position -99740", "scheme fees_income 100"]);
    let statement = Statement::of(city("cu-2000"), cycle(C1), &kept.posted);
    assert_eq!((statement.opening_fen, statement.closing_fen), (0, 99_640));
    let fens: Vec<i64> = statement.entries.iter().map(|entry| entry.fen).collect();
    assert_eq!(fens, [100_000, -300, 40, -100]);
    kept.post(C1, 2, Event::Released);
    kept.post(C1, 2, Event::Confirmed);
    let paid = ["cu-2000 nostro 99640", "cu-3000 nostro -99740", "scheme settlement_account 100"];
    assert_eq!(kept.told(), paid);
}

/// Tianjin does not pay its 99,700. Shanghai and Xian receive 99,600 and 19,920 together, and bear of it 83,083 and
/// 16,617 fen; the next cycle has the items by which Tianjin pays after all.
#[test]
fn a_debt_that_is_not_paid_waits_in_suspense_for_a_later_cycle() {
    let purchases = [("cu-2000", "cu-3000", 100_000), ("cu-4000", "cu-5000", 20_000)];
    let mut kept = Kept::default();
    kept.closed(C1, 1, &purchases, &[]);
    kept.post(C1, 1, Event::Released);
    kept.post(C1, 1, Event::Failed);
    let out = [
        item("F-2018-09-01-001-1-cu-3000-cu-2000", "cu-2000", "cu-3000", 83_083),
        item("F-2018-09-01-001-1-cu-3000-cu-4000", "cu-4000", "cu-3000", 16_617),
    ];
    kept.closed(C1, 2, &purchases, &out);
    let suspense = ["cu-2000 suspense 83083", "cu-3000 suspense -99700", "cu-4000 suspense 16617"];
    let without: Vec<String> = kept.told().into_iter().filter(|told| !told.contains("suspense")).collect();
    assert_eq!(
        kept.told().into_iter().filter(|told| told.contains("suspense")).collect::<Vec<_>>(),
        suspense
    );
    assert_eq!(
        without,
        [
            "cu-2000 position 16517",
            "cu-4000 position 3303",
            "cu-5000 position -19940",
            "scheme fees_income 120"
        ]
    );
    kept.post(C1, 2, Event::Released);
    kept.post(C1, 2, Event::Confirmed);
    let due = [
        item("F-2018-09-01-001-1-cu-3000-cu-2000-due", "cu-3000", "cu-2000", 83_083),
        item("F-2018-09-01-001-1-cu-3000-cu-4000-due", "cu-3000", "cu-4000", 16_617),
    ];
    kept.closed(C2, 1, &[], &due);
    kept.post(C2, 1, Event::Released);
    kept.post(C2, 1, Event::Confirmed);
    // As if Tianjin had paid at once.
    assert_eq!(
        kept.told(),
        [
            "cu-2000 nostro 99600",
            "cu-3000 nostro -99700",
            "cu-4000 nostro 19920",
            "cu-5000 nostro -19940",
            "scheme settlement_account 120",
        ]
    );
}

#[test]
fn an_item_of_another_kind_or_name_moves_nothing_to_suspense() {
    let with = |id: &str, kind| Item { kind, ..item(id, "cu-2000", "cu-3000", 5) };
    for (id, kind) in [
        ("F-1", ItemKind::Adjustment),
        ("F-2018-09-01-001-1-cu-2000-cu-3000", ItemKind::Adjustment), // named the other way round
        ("F-2018-09-01-001-1-cu-3000-cu-4000", ItemKind::Adjustment),
        ("F-2018-09-01-1-cu-3000-cu-2000", ItemKind::Adjustment),
        ("F-2018-09-01-001-x-cu-3000-cu-2000", ItemKind::Adjustment),
        ("F-2018-09-01-001-1-cu-3000-cu-2000", ItemKind::Refund),
    ] {
        let mut kept = Kept::default();
        kept.closed(C1, 1, &[], &[with(id, kind)]);
        assert_eq!(kept.told(), ["cu-2000 position -5", "cu-3000 position 5"], "{id}");
    }
}

#[test]
fn what_does_not_follow_is_refused() {
    let (_, payments) = plan(&PURCHASE, &[]);
    let closed = Event::Closed { payments: &payments, items: &[] };
    let mut ledger = Ledger::default();
    for event in [Event::Released, Event::Refused, Event::Failed, Event::Confirmed, Event::Settled] {
        let why = refused(&mut ledger, C1, 1, event);
        assert!(why.contains("it is not known here"), "{why}");
    }
    assert!(refused(&mut ledger, C1, 2, closed).contains("not known here"));
    ledger.post(cycle(C1), 1, closed).unwrap_or_else(|error| panic!("{error}"));
    for (version, event) in [
        (1, closed),
        (3, closed),
        (2, Event::Released),
        (1, Event::Refused),
        (1, Event::Confirmed),
        (1, Event::Settled),
    ] {
        let why = refused(&mut ledger, C1, version, event);
        assert!(why.ends_with("it is closed at version 1"), "{why}");
    }
    ledger.post(cycle(C1), 1, Event::Released).unwrap_or_else(|error| panic!("{error}"));
    for (version, event) in [(1, Event::Released), (2, closed), (1, Event::Settled)] {
        assert!(refused(&mut ledger, C1, version, event).ends_with("it is released at version 1"));
    }
    ledger.post(cycle(C1), 1, Event::Confirmed).unwrap_or_else(|error| panic!("{error}"));
    for (version, event) in [(2, closed), (1, Event::Refused), (1, Event::Failed), (1, Event::Confirmed)] {
        assert!(refused(&mut ledger, C1, version, event).ends_with("it is confirmed at version 1"));
    }
}

#[test]
fn a_net_that_is_not_what_it_is_made_of_is_refused() {
    let (settlement, _) = plan(&PURCHASE, &[]);
    let mut net = settlement.net.clone();
    net[0].net_fen += 1;
    let payments = Payments::of(&net, &settlement.positions, &[]).unwrap_or_else(|error| panic!("{error}"));
    let closed = Event::Closed { payments: &payments, items: &[] };
    let why = refused(&mut Ledger::default(), C1, 1, closed);
    assert_eq!(
        why,
        "post 2018-09-01-001: what the net of cu-2000 is made of comes to 99600 fen, the net is 99601"
    );
    let more = [Position { amount_fen: 7, ..settlement.positions[0] }];
    let payments = Payments::of(&settlement.net, &more, &[]).unwrap_or_else(|error| panic!("{error}"));
    assert!(
        refused(&mut Ledger::default(), C1, 1, Event::Closed { payments: &payments, items: &[] })
            .contains("cu-2000")
    );
}

/// What must hold at every point.
fn check(kept: &Kept, last: &[Entry]) {
    let sum: i128 = last.iter().map(|entry| i128::from(entry.fen)).sum();
    assert_eq!(sum, 0, "a posting sums to zero");
    assert!(last.iter().all(|entry| entry.fen != 0 && entry.account != entry.against));
    for book in Book::ALL {
        // Position and transit of all cycles, the bank, and suspense, each for itself.
        let of_book: i128 =
            kept.ledger.balances().filter(|(it, _)| it.book == book).map(|(_, fen)| fen).sum();
        assert_eq!(of_book, 0, "{book:?}");
    }
    let mut folded: BTreeMap<Account, i128> = BTreeMap::new();
    for entry in &kept.posted {
        *folded.entry(entry.account).or_default() += i128::from(entry.fen);
    }
    assert_eq!(folded.into_iter().collect::<Vec<_>>(), kept.ledger.balances().collect::<Vec<_>>());
}

/// The items that take the first debtor out of a plan, and those that bring its debt back: creditors bear it in order.
fn carried(name: &str, version: u32, settlement: &Settlement) -> (Vec<Item>, Vec<Item>) {
    let nets = || {
        settlement.net.iter().filter_map(|net| match net.participant {
            Party::City(city) => Some((city.to_string(), net.net_fen)),
            Party::Scheme => None,
        })
    };
    let Some((debtor, owed)) = nets().find(|(_, net)| *net < 0) else { return (Vec::new(), Vec::new()) };
    let (mut left, mut out, mut due) = (owed.unsigned_abs(), Vec::new(), Vec::new());
    for (creditor, net) in nets().filter(|(_, net)| *net > 0) {
        let part = left.min(net.unsigned_abs());
        if part > 0 {
            let id = format!("F-{name}-{version}-{debtor}-{creditor}");
            out.push(item(&id, &creditor, &debtor, part));
            due.push(item(&format!("{id}-due"), &debtor, &creditor, part));
        }
        left -= part;
    }
    (out, due)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Cycles of random purchases and items, refused, failed and corrected at random, each to its end.
    #[test]
    fn every_posting_sums_to_zero_on_every_way(
        cycles in prop::collection::vec(
            (
                prop::collection::vec((0_usize..4, 0_usize..4, 1_u64..5_000_000), 0..6),
                prop::collection::vec((0_usize..4, 0_usize..4, 1_u64..900), 0..3),
                prop::collection::vec(0_u8..4, 0..4),
            ),
            1..4,
        ),
    ) {
        let mut kept = Kept::default();
        let mut due: Vec<Item> = Vec::new();
        for (day, (purchases, adjustments, turns)) in cycles.iter().enumerate() {
            let name = format!("2018-09-{:02}-001", day + 1);
            let other = |a: usize, b: usize| if a == b { (a + 1) % 4 } else { b };
            let purchases: Vec<(&str, &str, u64)> =
                purchases.iter().map(|(a, b, fen)| (CITIES[*a], CITIES[other(*a, *b)], *fen)).collect();
            let mut items = std::mem::take(&mut due);
            items.extend(adjustments.iter().enumerate().map(|(at, (a, b, fen))| {
                item(&format!("a-{day}-{at}"), CITIES[*a], CITIES[other(*a, *b)], *fen)
            }));
            let mut version = 1;
            let mut turns = turns.iter();
            loop {
                let (settlement, payments) = plan(&purchases, &items);
                let last = kept.post(&name, version, Event::Closed { payments: &payments, items: &items }).to_vec();
                check(&kept, &last);
                for net in &settlement.net {
                    let Party::City(of) = net.participant else { continue };
                    let statement = Statement::of(of, cycle(&name), &kept.posted);
                    prop_assert_eq!((statement.opening_fen, statement.closing_fen), (0, i128::from(net.net_fen)));
                }
                let turn = turns.next().copied().unwrap_or_default();
                if turn > 0 {
                    if turn < 3 {
                        let last = kept.post(&name, version, Event::Released).to_vec();
                        check(&kept, &last);
                        let event = if turn == 1 { Event::Refused } else { Event::Failed };
                        let last = kept.post(&name, version, event).to_vec();
                        check(&kept, &last);
                    }
                    if turn == 2 {
                        let (out, later) = carried(&name, version, &settlement);
                        items.extend(out);
                        due.extend(later);
                    }
                    version += 1;
                    continue;
                }
                for event in [Event::Released, Event::Confirmed, Event::Settled] {
                    let last = kept.post(&name, version, event).to_vec();
                    check(&kept, &last);
                }
                break;
            }
        }
        let open = |(account, fen): &(Account, i128)| {
            matches!(account.book, Book::Position | Book::InTransit) && *fen != 0
        };
        prop_assert_eq!(kept.ledger.balances().find(open), None);
        // Only what no cycle has carried yet is suspended.
        let suspended: i128 = kept.ledger.balances().filter(|(it, fen)| it.book == Book::Suspense && *fen > 0).map(|(_, fen)| fen).sum();
        let carried: u64 = due.iter().map(|item| item.amount_fen).sum();
        prop_assert!(suspended <= i128::from(carried));
        prop_assert!(!due.is_empty() || suspended == 0);
    }
}
