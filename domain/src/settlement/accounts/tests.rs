//! Accounts by sector by hand, and what must hold of all of them.

use proptest::prelude::*;

use super::*;
use crate::{
    settlement::{ItemKind, Leg, Movement, Net, Payments, Settlement, settle},
    testing::{city, date, rulebook},
    totals::merged,
};

const FEES: &str = r#"
version = 3
presentment_days = 10
hotlist_grace_hours = 24
[fees]
basis = "cycle_bilateral"
interchange_rate = "0.003"
switch_rate = "0.001"
[[fees.line]]
name = "metro-delta"
acquirer = "cu-2000"
sector = "metro"
interchange_rate = "0.0025"
switch_rate = "0.0005"
"#;

/// Those of the participant before them: the first for parking and utility, the second for retail.
const ACCOUNTS: &str = r#"[[participant.sector_account]]
sectors = ["parking", "utility"]
bank = "ICBKCNBJ"
account = "62-1"
[[participant.sector_account]]
sectors = ["retail"]
bank = "ABOCCNBJ"
account = "62-2"
"#;

/// The slots of Shanghai: a line and the default rates for each account.
const METRO: u16 = 0;
const DEFAULT: u16 = 1;
const PARKING: u16 = 3;
const RETAIL: u16 = 5;

const CITIES: [&str; 3] = ["cu-2000", "cu-3000", "cu-4000"];

fn rules(fees: &str, accounts: &str) -> Rulebook {
    let entry = |name: &&str| {
        let accounts = if *name == "cu-2000" { accounts } else { "" };
        format!(
            "[[participant]]\ncity = \"{name}\"\nname_en = \"City\"\nname_zh = \"市\"\njoined = \"2018-01-01\"\n{accounts}"
        )
    };
    rulebook(&(fees.to_owned() + &CITIES.iter().map(entry).collect::<String>()))
}

fn total(
    (acquirer, issuer): (&str, &str),
    kind: Kind,
    slot: u16,
    count: u64,
    amount_fen: u64,
) -> (TotalKey, Tally) {
    let key = TotalKey { acquirer: city(acquirer), issuer: city(issuer), kind, fee_line: slot };
    (key, Tally { count, amount_fen, ..Tally::default() })
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

fn settled(rules: &Rulebook, totals: &[(TotalKey, Tally)], items: &[Item]) -> Settlement {
    let totals = totals.iter().map(|(key, tally)| (key, tally));
    settle(rules, date("2018-09-01"), totals, items).unwrap_or_else(|error| panic!("{error}"))
}

fn paid(settlement: &Settlement, items: &[Item]) -> Payments {
    Payments::over_accounts(settlement, items).unwrap_or_else(|error| panic!("{error}"))
}

const HERE: (&str, &str) = ("cu-2000", "cu-3000");

/// Tianjin's cards in Shanghai, and one of Shanghai's in Tianjin:
///
/// ```text
///                         metro         bus        parking      retail
///   purchases             3 × = 1000   2 × = 500   4 × = 1000   1 × 2000
///   interchange           2.5 → 3      3500 × 0.003 = 10.5 → 11: 1.57, 3.14, 6.29 → 2, 3, 6
///   switch fee            0.5 → 1      3500 × 0.001 =  3.5 →  4: 0.57, 1.14, 2.29 → 1, 1, 2
///   taken back                                     1 × 500, 1.5 → − 2, 0.5 → − 1
///   top-up                                                      1 × 700, 2.1 → 2, paid by Tianjin: 0.7 → 1
///
///   main account    1500 − 5 − 2, as home city − 10 000 + 30, an adjustment of − 100    = − 8577
///   parking         1000 − 3 − 1 − 500 + 2 + 1                                          =    499
///   retail          2000 − 6 − 2 − 700 + 2                                              =   1294
///                                                              net of Shanghai          = − 6784
/// ```
fn by_hand() -> (Vec<(TotalKey, Tally)>, Vec<Item>) {
    let totals = vec![
        total(HERE, Kind::Purchase, METRO, 3, 1000),
        total(HERE, Kind::Purchase, DEFAULT, 2, 500),
        total(HERE, Kind::Purchase, PARKING, 4, 1000),
        total(HERE, Kind::Purchase, RETAIL, 1, 2000),
        total(HERE, Kind::PurchaseReversal, PARKING, 1, 500),
        total(HERE, Kind::Load, RETAIL, 1, 700),
        total(("cu-3000", "cu-2000"), Kind::Purchase, DEFAULT, 1, 10_000),
    ];
    (totals, vec![item("a", "cu-2000", "cu-3000", 100)])
}

/// Every payment as `account ±fen`.
fn legs(payments: &Payments) -> Vec<String> {
    payments.legs.iter().map(|leg| format!("{} {}", leg.account(), leg.signed_fen())).collect()
}

fn movements(payments: &Payments, number: u8) -> Vec<String> {
    let told = |it: &Movement| {
        let side = if it.key.pays { "pay" } else { "receive" };
        format!("{} {side} {} {} ({})", it.key.purpose.word(), it.key.counterparty, it.fen, it.count)
    };
    payments.movements_over(city("cu-2000"), number).iter().map(told).collect()
}

#[test]
fn two_accounts_by_sector_by_hand() {
    let (totals, items) = by_hand();
    let found = settled(&rules(FEES, ACCOUNTS), &totals, &items);
    let part = |it: &AccountPosition| {
        let Position { kind, count, amount_fen, interchange_fen, switch_fee_fen, .. } = it.part;
        (it.account, kind, count, amount_fen, interchange_fen, switch_fee_fen)
    };
    assert_eq!(
        found.accounts.iter().map(part).collect::<Vec<_>>(),
        [
            (1, Kind::Purchase, 4, 1000, 3, 1),
            (1, Kind::PurchaseReversal, 1, 500, -2, -1),
            (2, Kind::Load, 1, 700, 2, 1),
            (2, Kind::Purchase, 1, 2000, 6, 2),
        ]
    );
    let payments = paid(&found, &items);
    assert_eq!(legs(&payments), ["cu-2000 -8577", "cu-2000-1 499", "cu-2000-2 1294", "cu-3000 6769"]);
    assert_eq!(payments.paid_in_fen, 8577);
    let parking = [
        "purchase receive cu-3000 1000 (4)",
        "purchase_reversal pay cu-3000 -500 (1)",
        "interchange pay cu-3000 -1 (5)",
    ];
    assert_eq!(movements(&payments, 1), parking, "the switch fee has come back");
    let retail = [
        "purchase receive cu-3000 2000 (1)",
        "load pay cu-3000 -700 (1)",
        "interchange receive cu-3000 2 (1)",
        "interchange pay cu-3000 -6 (1)",
        "switch_fee pay scheme -2 (1)",
    ];
    assert_eq!(movements(&payments, 2), retail);
    let main = [
        "purchase receive cu-3000 1500 (5)",
        "purchase pay cu-3000 -10000 (1)",
        "interchange receive cu-3000 30 (1)",
        "interchange pay cu-3000 -5 (5)",
        "adjustment pay cu-3000 -100 (1)",
        "switch_fee pay scheme -2 (5)",
    ];
    assert_eq!(movements(&payments, 0), main);
    // Where the same city has one account, the book's rows are the same, and so is what it pays.
    let of_line =
        |(key, tally): &(TotalKey, Tally)| (TotalKey { fee_line: key.fee_line % 2, ..*key }, *tally);
    let one = merged(totals.iter().map(of_line).collect()).unwrap_or_else(|error| panic!("{error}"));
    let alone = settled(&rules(FEES, ""), &one, &items);
    assert_eq!((&alone.positions, &alone.net), (&found.positions, &found.net));
    assert_eq!(alone.accounts, []);
    assert_eq!(legs(&paid(&alone, &items)), ["cu-2000 -6784", "cu-3000 6769"]);
    assert_eq!(movements(&paid(&alone, &items), 1), [""; 0]);
}

#[test]
fn fees_of_records_stay_with_their_account() {
    let fees = |(key, tally): (TotalKey, Tally), interchange_fen, switch_fee_fen| {
        (key, Tally { interchange_fen, switch_fee_fen, ..tally })
    };
    let totals = [
        fees(total(HERE, Kind::Purchase, DEFAULT, 2, 500), 2, 1),
        fees(total(HERE, Kind::Purchase, PARKING, 4, 1000), 5, 3),
    ];
    let found = settled(&rules(&FEES.replace("cycle_bilateral", "per_record"), ACCOUNTS), &totals, &[]);
    let figures = |it: &Position| (it.amount_fen, it.interchange_fen, it.switch_fee_fen);
    assert_eq!(found.positions.iter().map(figures).collect::<Vec<_>>(), [(1500, 7, 4)]);
    assert_eq!(found.accounts.iter().map(|it| figures(&it.part)).collect::<Vec<_>>(), [(1000, 5, 3)]);
    assert_eq!(legs(&paid(&found, &[])), ["cu-2000 497", "cu-2000-1 992", "cu-3000 -1493"]);
}

/// The least and the most hold for the whole of a line: 5 on nothing at all, shared 1 : 3 by records; 20 on 4 times 10 000,
/// shared by amounts.
#[test]
fn the_least_and_the_most_are_shared() {
    let held = "switch_rate = \"0.001\"\ninterchange_min_fen = 5\ninterchange_max_fen = 20";
    let rules = rules(&FEES.replace("switch_rate = \"0.001\"", held), ACCOUNTS);
    for (amounts, whole, share) in [([0, 0], 5, 4), ([10_000, 30_000], 20, 15)] {
        let totals = [
            total(HERE, Kind::Purchase, DEFAULT, 1, amounts[0]),
            total(HERE, Kind::Purchase, PARKING, 3, amounts[1]),
        ];
        let found = settled(&rules, &totals, &[]);
        let shares: Vec<i64> = found.accounts.iter().map(|it| it.part.interchange_fen).collect();
        assert_eq!((found.positions[0].interchange_fen, shares), (whole, vec![share]));
    }
}

#[test]
fn accounts_of_a_city_without_a_net_do_not_move() {
    let (totals, mut items) = by_hand();
    items.push(item("b", "cu-3000", "cu-2000", 6784));
    let found = settled(&rules(FEES, ACCOUNTS), &totals, &items);
    assert_eq!(found.accounts.len(), 4, "what they took is known all the same");
    assert_eq!(legs(&paid(&found, &items)), ["cu-3000 -15"]);
}

/// Else its accounts by sector would be paid while its main one owes.
#[test]
fn a_city_that_has_failed_to_pay_settles_over_its_main_account() {
    let (totals, mut items) = by_hand();
    items.push(item("F-2018-09-01-001-1-cu-2000-cu-3000", "cu-3000", "cu-2000", 6769));
    let found = settled(&rules(FEES, ACCOUNTS), &totals, &items);
    assert_eq!(found.accounts, []);
    assert_eq!(legs(&paid(&found, &items)), ["cu-2000 -15"]);
    let rules = rules(FEES, ACCOUNTS);
    let by_totals = account_positions(&rules, totals.iter().map(|(key, tally)| (key, tally)), &items);
    assert_eq!(by_totals, Ok(Vec::new()), "whoever recomputes comes to the same");
    // The debt that a later cycle carries is an item like any other.
    let due = [item("F-2018-08-31-001-1-cu-2000-cu-3000-due", "cu-2000", "cu-3000", 5)];
    assert_eq!(settled(&rules, &totals, &due).accounts.len(), 4);
}

/// Pair, kind, slot, count, amount, interchange, switch fee.
type AnyTotal = (usize, usize, u16, u64, u64, u64, u64);

/// Purchases, loads and reversals of three cities; those of the first over three accounts.
fn any_totals() -> impl Strategy<Value = Vec<(TotalKey, Tally)>> {
    let amount = prop_oneof![0..50_u64, 0..1_u64 << 40];
    let one = (0..6_usize, 0..4_usize, 0..6_u16, 1..5_u64, amount, 0..1000_u64, 0..1000_u64);
    let pairs = [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)];
    let read = move |(pair, kind, slot, count, amount_fen, interchange_fen, switch_fee_fen): AnyTotal| {
        let (acquirer, issuer): (usize, usize) = pairs[pair];
        let slot = if acquirer == 0 { slot } else { slot % 2 };
        let (key, tally) =
            total((CITIES[acquirer], CITIES[issuer]), Kind::ALL[kind], slot, count, amount_fen);
        (key, Tally { interchange_fen, switch_fee_fen, ..tally })
    };
    let all = prop::collection::vec(one.prop_map(read), 0..40);
    all.prop_map(|totals| merged(totals).unwrap_or_else(|error| panic!("{error}")))
}

proptest! {
    #[test]
    fn accounts_come_to_nets_and_payments_to_zero(
        totals in any_totals(),
        owed in (0..3_usize, 0..3_usize, 0..1_u64 << 30),
        basis in prop::sample::select(Basis::ALL.to_vec()),
    ) {
        let fees = FEES.replace("cycle_bilateral", basis.word());
        let items = [item("a", CITIES[owed.0], CITIES[owed.1], owed.2)];
        let found = settled(&rules(&fees, ACCOUNTS), &totals, &items);
        // Positions and nets are those of a city with one account.
        let of_line = |(key, tally): &(TotalKey, Tally)| (TotalKey { fee_line: key.fee_line % 2, ..*key }, *tally);
        let one = merged(totals.iter().map(of_line).collect()).unwrap_or_else(|error| panic!("{error}"));
        let alone = settled(&rules(&fees, ""), &one, &items);
        prop_assert_eq!((&alone.positions, &alone.net), (&found.positions, &found.net));

        let payments = paid(&found, &items);
        let signed = |leg: &Leg| leg.signed_fen();
        for Net { participant, net_fen, .. } in &found.net {
            let own = payments.legs.iter().filter(|leg| leg.account().party == *participant);
            let sum: i128 = own.map(signed).sum();
            match participant {
                Party::City(_) => prop_assert_eq!(sum, i128::from(*net_fen)),
                Party::Scheme => prop_assert_eq!(sum, 0),
            }
        }
        let scheme = found.net.last().map_or(0, |net| i128::from(net.net_fen));
        prop_assert_eq!(payments.legs.iter().map(signed).sum::<i128>(), -scheme);
        // What is told of an account comes to what is paid over it, of all accounts to the net.
        let shanghai = city(CITIES[0]);
        let net = found.net.iter().find(|net| net.participant == Party::City(shanghai)).map_or(0, |net| net.net_fen);
        let mut all = 0;
        for number in 0..3 {
            let told: i64 = payments.movements_over(shanghai, number).iter().map(|it| it.fen).sum();
            let leg = payments.legs.iter().find(|leg| (leg.city, leg.number) == (shanghai, number));
            prop_assert!(net == 0 || i128::from(told) == leg.map_or(0, signed), "account {}", number);
            all += told;
        }
        prop_assert_eq!(all, net);
        // No part has more than the whole.
        for AccountPosition { part, .. } in &found.accounts {
            let whole = found.positions.iter().find(|it| (it.acquirer, it.issuer, it.kind) == (part.acquirer, part.issuer, part.kind));
            prop_assert!(whole.is_some_and(|it| it.amount_fen >= part.amount_fen
                && it.interchange_fen.unsigned_abs() >= part.interchange_fen.unsigned_abs()));
        }
    }
}
