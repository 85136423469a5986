//! A settlement computed by hand, and what must hold of every settlement.

use proptest::prelude::*;

use super::*;
use crate::{
    money::MoneyOverflow,
    testing::{city, date, rulebook},
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

const METRO: u16 = 0;
const DEFAULT: u16 = 1;

/// The rules above with these participants, members since the beginning of 2018.
fn rules(cities: &[City], basis: Basis) -> Rulebook {
    let entry = |city: &City| {
        format!(
            "[[participant]]\ncity = \"{city}\"\nname_en = \"City\"\nname_zh = \"市\"\njoined = \"2018-01-01\"\n\
             terminal_prefixes = []\n"
        )
    };
    let participants: String = cities.iter().map(entry).collect();
    rulebook(&(FEES.replace("cycle_bilateral", basis.word()) + &participants))
}

fn total(
    acquirer: &str,
    issuer: &str,
    kind: Kind,
    fee_line: u16,
    count: u64,
    amount_fen: u64,
) -> (TotalKey, Tally) {
    let key = TotalKey { acquirer: city(acquirer), issuer: city(issuer), kind, fee_line };
    (key, Tally { count, amount_fen, ..Tally::default() })
}

fn item(id: &str, kind: ItemKind, debtor: &str, creditor: &str, amount_fen: u64) -> Item {
    Item {
        id: id.to_owned(),
        kind,
        debtor: city(debtor),
        creditor: city(creditor),
        amount_fen,
        original_cycle: None,
        reference: String::new(),
        reason: String::new(),
    }
}

/// The metro line above, whose interchange is 5 to 20 fen and whose switch fee is at most 3.
fn capped(basis: Basis) -> Rulebook {
    let toml = FEES.replace("cycle_bilateral", basis.word()).replace(
        "interchange_rate = \"0.0025\"",
        "interchange_rate = \"0.0025\"\ninterchange_min_fen = 5\ninterchange_max_fen = 20\nswitch_max_fen = 3",
    );
    let entry = |code: &str| {
        format!(
            "[[participant]]\ncity = \"cu-{code}\"\nname_en = \"City\"\nname_zh = \"市\"\njoined = \"2018-01-01\"\n"
        )
    };
    rulebook(&(toml + &["2000", "3000", "4000"].map(entry).concat()))
}

/// Under `cycle_bilateral` the least and the most hold for the rounded fee of each (pair, kind, fee line):
/// 1000 × 0.0025 = 2.5 → 3 → 5 and × 0.0005 → 1; 10 000 × 0.0025 = 25 → 20 and × 0.0005 = 5 → 3, taken back with its
/// sign; 200 000 on the default line, which has none, 600 and 200. A total without records has no fee.
#[test]
fn the_least_and_the_most_of_a_cycles_fees_by_hand() -> Result<(), SettleError> {
    let totals = BTreeMap::from([
        total("cu-2000", "cu-3000", Kind::Purchase, METRO, 3, 1000),
        total("cu-2000", "cu-3000", Kind::Purchase, DEFAULT, 1, 200_000),
        total("cu-2000", "cu-3000", Kind::PurchaseReversal, METRO, 1, 10_000),
        total("cu-2000", "cu-4000", Kind::Purchase, METRO, 0, 0),
        // A record over nothing is a record: the least is due.
        total("cu-2000", "cu-4000", Kind::Load, METRO, 1, 0),
    ]);
    let found = settle(&capped(Basis::CycleBilateral), date("2018-09-01"), &totals, &[])?;
    let fees: Vec<_> =
        found.positions.iter().map(|p| (p.issuer, p.kind, p.interchange_fen, p.switch_fee_fen)).collect();
    let expected = [
        (city("cu-3000"), Kind::Purchase, 5 + 600, 1 + 200),
        (city("cu-3000"), Kind::PurchaseReversal, -20, -3),
        (city("cu-4000"), Kind::Load, 5, 0),
    ];
    assert_eq!(fees, expected);
    assert_eq!(found.net.iter().map(|net| net.net_fen).sum::<i64>(), 0);
    Ok(())
}

/// 1 000 in two fee lines and 300 of another kind, handed in backwards: fees are rounded by fee line all the same, and
/// the file sorts a kind by its name, `load` before `purchase`, though a total's key has it the other way round.
#[test]
fn totals_may_come_in_any_order() -> Result<(), SettleError> {
    let totals = [
        total("cu-3000", "cu-2000", Kind::Load, DEFAULT, 1, 300),
        total("cu-2000", "cu-3000", Kind::Purchase, DEFAULT, 1, 500),
        total("cu-2000", "cu-3000", Kind::Load, DEFAULT, 1, 300),
        total("cu-2000", "cu-3000", Kind::Purchase, METRO, 1, 500),
    ];
    let rules = rules(&["cu-2000", "cu-3000"].map(city), Basis::CycleBilateral);
    let found = settle(&rules, date("2018-09-01"), totals.iter().map(|(key, tally)| (key, tally)), &[])?;
    let rows: Vec<_> = found
        .positions
        .iter()
        .map(|p| (p.acquirer, p.kind, p.count, p.amount_fen, p.interchange_fen))
        .collect();
    let expected = [
        ("cu-2000", Kind::Load, 1, 300, 1),
        // 500 × 0.003 = 1.5 → 2 and 500 × 0.0025 = 1.25 → 1.
        ("cu-2000", Kind::Purchase, 2, 1000, 3),
        ("cu-3000", Kind::Load, 1, 300, 1),
    ];
    assert_eq!(
        rows,
        expected.map(|(acquirer, kind, count, fen, fee)| (city(acquirer), kind, count, fen, fee))
    );
    Ok(())
}

/// Under `per_record` they have held already, record by record, where the totals were summed: here they hold no more.
#[test]
fn fees_of_records_are_not_held_again() -> Result<(), SettleError> {
    let (key, mut tally) = total("cu-2000", "cu-3000", Kind::Purchase, METRO, 0, 0);
    let rules = capped(Basis::PerRecord);
    for amount_fen in [1000, 10_000, 2800] {
        tally
            .add(amount_fen, Some(rules.fees.rates(METRO)))
            .map_err(|MoneyOverflow| SettleError::NotZero { sum_fen: 1 })?;
    }
    let found = settle(&rules, date("2018-09-01"), &BTreeMap::from([(key, tally)]), &[])?;
    // 5 + 20 + 7 and 1 + 3 + 1: 2800 × 0.0025 = 7, × 0.0005 = 1.4.
    let [position] = found.positions[..] else { panic!("{:?}", found.positions) };
    assert_eq!((position.count, position.interchange_fen, position.switch_fee_fen), (3, 32, 5));
    Ok(())
}

/// Three cities and a fourth that only watches. Arrows point from who pays the amount to who
/// receives it; the receiver of a purchase or load pays the fees on it.
///
/// ```text
///   Tianjin's cards in Shanghai                     Shanghai's cards in Tianjin
///     metro 3 × = 1000 at 0.25 %, 0.05 %              bus   1 × = 200 000 at 0.3 %, 0.1 %
///     bus   2 ×   500 at 0.3 %,  0.1 %                taken back    50 000
///
///   Tianjin ───────── 1 500 ────────▶ Shanghai      Shanghai ───── 200 000 ─────▶ Tianjin
///      ▲ interchange  3 + 2 = 5 ◀────────┤             ▲ interchange   600 ◀─────────┤
///        switch fee   1 + 1 = 2 ─▶ scheme              │ switch fee    200 ─▶ scheme
///                                                   Tianjin ────────  50 000 ────▶ Shanghai
///   Shanghai's cards topped up in Chongqing            interchange − 150, switch fee − 50
///     2 × = 10 000, one of 1 000 taken back
///                                                   Adjustment: Chongqing ─ 700 ─▶ Tianjin
///   Chongqing ────── 10 000 ────────▶ Shanghai      Dispute: 99 999, moves nothing
///      ▲ interchange   30 ◀──────────────┤
///        switch fee    10 ─▶ scheme      │          1000 × 0.0025 = 2.5 → 3, 1000 × 0.0005 = 0.5 → 1
///   Shanghai ───────  1 000 ────────▶ Chongqing      500 × 0.003  = 1.5 → 2,  500 × 0.001  = 0.5 → 1
///      interchange − 3, switch fee − 1
/// ```
#[test]
fn three_cities_by_hand() -> Result<(), SettleError> {
    let totals = BTreeMap::from([
        total("cu-2000", "cu-3000", Kind::Purchase, METRO, 3, 1000),
        total("cu-2000", "cu-3000", Kind::Purchase, DEFAULT, 2, 500),
        total("cu-3000", "cu-2000", Kind::Purchase, DEFAULT, 1, 200_000),
        total("cu-3000", "cu-2000", Kind::PurchaseReversal, DEFAULT, 1, 50_000),
        total("cu-4000", "cu-2000", Kind::Load, DEFAULT, 2, 10_000),
        total("cu-4000", "cu-2000", Kind::LoadReversal, DEFAULT, 1, 1000),
        total("cu-4000", "cu-3000", Kind::Purchase, DEFAULT, 0, 0),
    ]);
    let items = [
        item("a", ItemKind::Adjustment, "cu-4000", "cu-3000", 700),
        item("b", ItemKind::Dispute, "cu-3000", "cu-4000", 99_999),
    ];
    let cities = ["tu-2900", "cu-4000", "cu-3000", "cu-2000"].map(city);
    let found = settle(&rules(&cities, Basis::CycleBilateral), date("2018-09-01"), &totals, &items)?;

    let position = |(acquirer, issuer, kind, count, amount_fen, interchange_fen, switch_fee_fen)| Position {
        acquirer: city(acquirer),
        issuer: city(issuer),
        kind,
        count,
        amount_fen,
        interchange_fen,
        switch_fee_fen,
    };
    let positions = [
        ("cu-2000", "cu-3000", Kind::Purchase, 5, 1500, 5, 2),
        ("cu-3000", "cu-2000", Kind::Purchase, 1, 200_000, 600, 200),
        ("cu-3000", "cu-2000", Kind::PurchaseReversal, 1, 50_000, -150, -50),
        ("cu-4000", "cu-2000", Kind::Load, 2, 10_000, 30, 10),
        ("cu-4000", "cu-2000", Kind::LoadReversal, 1, 1000, -3, -1),
    ];
    assert_eq!(found.positions, positions.map(position));

    let net = |(participant, [receivable_fen, payable_fen], figures): (Party, [u64; 2], [i64; 5])| {
        let [interchange_receivable_fen, interchange_payable_fen, switch_fee_fen, adjustment_fen, net_fen] =
            figures;
        Net {
            participant,
            receivable_fen,
            payable_fen,
            interchange_receivable_fen,
            interchange_payable_fen,
            switch_fee_fen,
            adjustment_fen,
            net_fen,
        }
    };
    let nets = [
        // 1 500 + 10 000 + 50 000 and 200 000 + 1 000; 600 − 150 and 5 + 30 − 3; 2 + 10 − 1.
        (Party::City(city("cu-2000")), [61_500, 201_000], [450, 32, 11, 0, -139_093]),
        (Party::City(city("cu-3000")), [200_000, 51_500], [5, 450, 150, 700, 148_605]),
        (Party::City(city("cu-4000")), [1000, 10_000], [27, 0, 0, -700, -9673]),
        (Party::City(city("tu-2900")), [0, 0], [0, 0, 0, 0, 0]),
        (Party::Scheme, [0, 0], [0, 0, -161, 0, 161]),
    ];
    assert_eq!(found.net, nets.map(net));
    Ok(())
}

#[test]
fn per_record_fees_are_the_tallies_own() -> Result<(), SettleError> {
    let (key, tally) = total("cu-2000", "cu-3000", Kind::Purchase, METRO, 3, 1000);
    let totals = BTreeMap::from([(key, Tally { interchange_fen: 7, switch_fee_fen: 4, ..tally })]);
    let rules = rules(&["cu-2000", "cu-3000"].map(city), Basis::PerRecord);
    let found = settle(&rules, date("2018-09-01"), &totals, &[])?;
    assert_eq!((found.positions[0].interchange_fen, found.positions[0].switch_fee_fen), (7, 4));
    let nets: Vec<i64> = found.net.iter().map(|row| row.net_fen).collect();
    assert_eq!(nets, [1000 - 7 - 4, 7 - 1000, 4]);
    Ok(())
}

#[test]
fn who_is_no_member_has_a_row_only_with_figures() -> Result<(), SettleError> {
    let rules = rules(&["cu-2000", "cu-3000"].map(city), Basis::CycleBilateral);
    let parties = |day: &str, totals: &[(TotalKey, Tally)], items: &[Item]| {
        let found = settle(&rules, date(day), totals.iter().map(|(key, tally)| (key, tally)), items)?;
        Ok::<_, SettleError>(found.net.iter().map(|row| row.participant.to_string()).collect::<Vec<_>>())
    };
    assert_eq!(parties("2018-09-01", &[], &[])?, ["cu-2000", "cu-3000", "scheme"]);
    assert_eq!(parties("2017-12-31", &[], &[])?, ["scheme"]);
    let free_ride = [total("cu-3000", "cu-9000", Kind::Purchase, DEFAULT, 1, 0)];
    assert_eq!(parties("2017-12-31", &free_ride, &[])?, ["cu-3000", "cu-9000", "scheme"]);
    let items = [
        item("a", ItemKind::Refund, "cu-2000", "cu-9000", 1),
        item("b", ItemKind::Dispute, "cu-4000", "cu-5000", 1),
    ];
    assert_eq!(parties("2017-12-31", &[], &items)?, ["cu-2000", "cu-9000", "scheme"]);
    Ok(())
}

#[test]
fn absurd_figures_and_repeated_items_are_refused() {
    let rules = rules(&["cu-2000", "cu-3000"].map(city), Basis::CycleBilateral);
    let refused = |totals: &[(TotalKey, Tally)], items: &[Item]| {
        settle(&rules, date("2018-09-01"), totals.iter().map(|(key, tally)| (key, tally)), items)
            .map_or_else(|error| error.to_string(), |_| "settled".to_owned())
    };
    let purchase = |issuer, amount_fen| total("cu-2000", issuer, Kind::Purchase, DEFAULT, 1, amount_fen);
    assert_eq!(refused(&[purchase("cu-3000", FIGURE_FEN_MAX)], &[]), "settled");
    let message = refused(&[purchase("cu-3000", FIGURE_FEN_MAX + 1)], &[]);
    assert!(message.starts_with("amount_fen of position cu-2000 cu-3000 purchase is beyond"), "{message}");
    let message = refused(&[purchase("cu-3000", u64::MAX), purchase("cu-4000", u64::MAX)], &[]);
    assert!(message.starts_with("amount_fen of position"), "{message}");
    let message = refused(&[purchase("cu-3000", FIGURE_FEN_MAX), purchase("cu-4000", 1)], &[]);
    assert!(message.starts_with("receivable_fen of net cu-2000 is beyond"), "{message}");
    let twice = [1, 2].map(|amount| item("a", ItemKind::Adjustment, "cu-2000", "cu-3000", amount));
    assert!(refused(&[], &twice).starts_with("item a occurs twice"));
    let large = [item("a", ItemKind::Adjustment, "cu-2000", "cu-3000", u64::MAX)];
    assert!(refused(&[], &large).starts_with("adjustment_fen of net cu-2000 is beyond"));
}

#[test]
fn a_tally_of_the_whole_range_is_summed_or_refused_never_wrapped() -> Result<(), MoneyOverflow> {
    let (key, mut tally) = total("cu-2000", "cu-3000", Kind::Purchase, DEFAULT, 1, u64::MAX - 1);
    tally.add(1, None)?;
    let rules = rules(&["cu-2000", "cu-3000"].map(city), Basis::CycleBilateral);
    assert!(settle(&rules, date("2018-09-01"), &BTreeMap::from([(key, tally)]), &[]).is_err());
    Ok(())
}

/// A total by the indices of two cities, and an item likewise.
type AnyTotal = (usize, usize, usize, u16, u64, u64, [u64; 2]);
type AnyItem = (usize, usize, usize, u64);

const CITIES: [&str; 6] = ["cu-0001", "cu-2000", "cu-A004", "tu-0001", "tu-2000", "tu-2900"];

fn any_cycle() -> impl Strategy<Value = (Vec<AnyTotal>, Vec<AnyItem>)> {
    let amount = prop_oneof![0..1000_u64, 0..1_u64 << 40];
    let fees = [0..1000_u64, 0..1000_u64];
    let total = (0..6_usize, 0..6_usize, 0..4_usize, 0..2_u16, 0..5_u64, amount, fees);
    let item = (0..3_usize, 0..6_usize, 0..6_usize, 0..1_u64 << 40);
    (prop::collection::vec(total, 0..40), prop::collection::vec(item, 0..6))
}

/// Settles a cycle in which city number `n` is the city `names[n]`.
fn settle_with(
    names: &[City],
    basis: Basis,
    (totals, items): &(Vec<AnyTotal>, Vec<AnyItem>),
) -> Result<Settlement, SettleError> {
    let mut map = BTreeMap::new();
    for (acquirer, issuer, kind, fee_line, count, amount_fen, [interchange_fen, switch_fee_fen]) in totals {
        let key = TotalKey {
            acquirer: names[*acquirer],
            issuer: names[*issuer],
            kind: Kind::ALL[*kind],
            fee_line: *fee_line,
        };
        let tally = Tally {
            count: *count,
            amount_fen: *amount_fen,
            interchange_fen: *interchange_fen,
            switch_fee_fen: *switch_fee_fen,
        };
        map.insert(key, tally);
    }
    let item = |(number, (kind, debtor, creditor, amount_fen)): (usize, &AnyItem)| Item {
        debtor: names[*debtor],
        creditor: names[*creditor],
        ..item(&number.to_string(), ItemKind::ALL[*kind], CITIES[0], CITIES[0], *amount_fen)
    };
    let items: Vec<Item> = items.iter().enumerate().map(item).collect();
    settle(&rules(names, basis), date("2018-09-01"), &map, &items)
}

fn any_basis() -> impl Strategy<Value = Basis> {
    prop::sample::select(Basis::ALL.to_vec())
}

proptest! {
    #[test]
    fn nets_sum_to_zero(cycle in any_cycle(), basis in any_basis()) {
        let found = settle_with(&CITIES.map(city), basis, &cycle)?;
        let sum: i128 = found.net.iter().map(|row| i128::from(row.net_fen)).sum();
        prop_assert_eq!(sum, 0);
        let received: u64 = found.net.iter().map(|row| row.receivable_fen).sum();
        let paid: u64 = found.net.iter().map(|row| row.payable_fen).sum();
        let positions: u64 = found.positions.iter().map(|row| row.amount_fen).sum();
        prop_assert_eq!((received, paid), (positions, positions));
    }

    #[test]
    fn rows_are_in_order_and_occur_once(cycle in any_cycle(), basis in any_basis()) {
        let found = settle_with(&CITIES.map(city), basis, &cycle)?;
        let position = |row: &Position| {
            (row.acquirer.to_string(), row.issuer.to_string(), row.kind.name())
        };
        let positions: Vec<_> = found.positions.iter().map(position).collect();
        prop_assert!(positions.is_sorted_by(|a, b| a < b));
        prop_assert!(found.positions.iter().all(|row| row.count > 0));
        let (scheme, cities) = found.net.split_last().unzip();
        prop_assert_eq!(scheme.map(|row| row.participant), Some(Party::Scheme));
        let names: Vec<_> = cities.into_iter().flatten().map(|row| row.participant.to_string()).collect();
        prop_assert!(names.is_sorted_by(|a, b| a < b));
        prop_assert_eq!(names.len(), CITIES.len());
    }

    /// Giving the cities other names, so another order, changes nobody's figures.
    #[test]
    fn the_order_of_cities_does_not_matter(
        cycle in any_cycle(),
        basis in any_basis(),
        shuffled in Just(CITIES.map(city).to_vec()).prop_shuffle(),
    ) {
        let plain = CITIES.map(city);
        let renamed = |party: Party| match party {
            Party::Scheme => Party::Scheme,
            Party::City(city) => {
                let number = plain.iter().position(|name| *name == city);
                number.map_or(Party::Scheme, |number| Party::City(shuffled[number]))
            }
        };
        let mut expected = settle_with(&plain, basis, &cycle)?.net;
        expected.iter_mut().for_each(|row| row.participant = renamed(row.participant));
        expected.sort_by_key(|row| row.participant);
        prop_assert_eq!(settle_with(&shuffled, basis, &cycle)?.net, expected);
    }
}
