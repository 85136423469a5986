//! The same record is never paid twice, however late it comes again: by name, what the seeds find by chance.
//! Every message is booked by the production book and compared with the reference on the way.

use domain::{
    date::Date,
    result::{RecordResult, Rejection},
};

use super::{
    centre::Centre,
    dice::Dice,
    env::Env,
    net::Topic,
    profiles::Profile,
    records::Record,
    scheme::{FIRST_DATE, Terms, city, partition_of},
};

const CLEARED: RecordResult = RecordResult::Cleared;
const LATE: RecordResult = RecordResult::Rejected(Rejection::Late);
const FOREIGN: RecordResult = RecordResult::Rejected(Rejection::ForeignTerminal);

/// A clearing house on its first business date, whose window is so many days long.
fn house(days: u32) -> Centre {
    let env = Env::with_terms(0, Profile::still(), Dice::new(0), false, Terms::first(days, false));
    let mut house = Centre::new(env).unwrap();
    house.open(day(0), 1).unwrap();
    house
}

/// The business date so many days after the first.
fn day(after: i32) -> Date {
    Date::from_julian_day(FIRST_DATE + after)
}

/// A tap on the terminal of a prefix, its home city the fourth.
fn tap(prefix: usize, sequence: u32, content: u32, tapped: i32) -> Record {
    let (acquirer, tapped) = (prefix, FIRST_DATE + tapped);
    Record { acquirer, issuer: 3, prefix, sequence, content, tapped, code: 0, poison: false }
}

/// Presents one record that its home city answers at once; what becomes of it.
fn present(house: &mut Centre, acquirer: usize, record: &Record) -> RecordResult {
    let number = house.present(city(acquirer), std::slice::from_ref(record), |_, _| true).unwrap();
    house.result(city(acquirer), number, 0)
}

/// Presents one record whose home city does not answer.
fn park(house: &mut Centre, acquirer: usize, record: &Record) -> u64 {
    house.present(city(acquirer), std::slice::from_ref(record), |_, _| false).unwrap()
}

/// The next business date, by a version of the rules; whether that version rules it.
fn next_day(house: &mut Centre, date: i32, version: u32) -> bool {
    house.told = None;
    house.cut_off(Some((day(date), version))).unwrap();
    let opening = house.core.last_opening().unwrap();
    assert_eq!(opening.business_date, FIRST_DATE + date, "{:?}", house.told);
    assert_eq!(opening.rulebook_version != version, house.told.is_some(), "whoever asked is told");
    opening.rulebook_version == version
}

/// Another version of the rules.
fn publish(house: &mut Centre, version: u32, change: impl FnOnce(&mut Terms)) {
    let mut terms = house.env.documents.last().unwrap().terms.clone();
    terms.version = version;
    change(&mut terms);
    house.env.publish(terms);
}

/// Closes the open cycle; how many records all plans pay.
fn paid(mut house: Centre) -> u64 {
    house.cut_off(None).unwrap();
    let plans = house.env.checks.plans.values();
    let nets = plans.clone().flat_map(|plan| &plan.net).map(|net| net.net_fen);
    assert_eq!(nets.sum::<i64>(), 0, "the zero sum");
    plans.flat_map(|plan| &plan.positions).map(|position| position.count).sum()
}

#[test]
fn a_terminal_goes_to_another_participant_when_no_tap_of_the_first_can_come_any_more() {
    let mut house = house(2);
    let record = tap(2, 1, 7, 0);
    assert_eq!(present(&mut house, 2, &record), CLEARED);
    publish(&mut house, 2, |terms| terms.owners[2] = None);
    publish(&mut house, 3, |terms| terms.owners[2] = Some(1));
    assert!(next_day(&mut house, 1, 2), "nobody may own it at any time");
    for early in [2, 3] {
        assert!(!next_day(&mut house, early, 3), "taps of its first owner are accepted on day {early}");
        assert_eq!(present(&mut house, 1, &record), FOREIGN, "day {early}");
    }
    assert!(next_day(&mut house, 4, 3));
    assert_eq!(present(&mut house, 1, &record), LATE, "the same tap by the new owner");
    let another = tap(2, 1, 8, 4);
    assert_eq!(present(&mut house, 1, &another), CLEARED, "the new owner counts from one again");
    assert_eq!(present(&mut house, 1, &another), RecordResult::Duplicate);
    assert_eq!(paid(house), 2);
}

#[test]
fn a_terminal_does_not_go_from_hand_to_hand() {
    let mut house = house(2);
    let record = tap(2, 1, 7, 0);
    assert_eq!(present(&mut house, 2, &record), CLEARED);
    publish(&mut house, 2, |terms| terms.owners[2] = Some(1));
    for date in 1..6 {
        assert!(!next_day(&mut house, date, 2), "day {date}: the day before it still was the first owner's");
        assert_eq!(present(&mut house, 1, &record), FOREIGN);
    }
    assert_eq!(paid(house), 1);
}

#[test]
fn a_longer_window_brings_nothing_back() {
    let mut house = house(1);
    let (record, other) = (tap(0, 1, 7, 0), tap(0, 1, 8, 0));
    assert_eq!(present(&mut house, 0, &record), CLEARED);
    publish(&mut house, 2, |terms| terms.days = 6);
    assert!(next_day(&mut house, 3, 1), "its identity is forgotten");
    assert_eq!(house.env.partitions[0].identities(), 0);
    assert!(next_day(&mut house, 4, 2));
    for again in [&record, &other] {
        assert_eq!(present(&mut house, 0, again), LATE, "four days old in a window of six");
    }
    assert_eq!(present(&mut house, 0, &tap(0, 2, 9, 2)), CLEARED, "what was not forgotten may come");
    assert_eq!(paid(house), 2);
}

#[test]
fn a_longer_window_lets_come_what_nobody_can_have_forgotten() {
    let mut house = house(1);
    let record = tap(0, 1, 7, 0);
    assert_eq!(present(&mut house, 0, &record), CLEARED);
    publish(&mut house, 2, |terms| terms.days = 6);
    assert!(next_day(&mut house, 1, 2), "before its identity is forgotten");
    assert!(next_day(&mut house, 6, 2));
    assert_eq!(present(&mut house, 0, &record), RecordResult::Duplicate);
    assert_eq!(present(&mut house, 0, &tap(0, 1, 8, 0)), RecordResult::Conflict);
    assert_eq!(present(&mut house, 0, &tap(0, 2, 9, 0)), CLEARED, "six days old and never seen");
    assert_eq!(paid(house), 2);
}

#[test]
fn a_duplicate_that_was_parked_comes_out_after_the_drop_line_has_passed() {
    let mut house = house(1);
    let record = tap(0, 1, 7, 0);
    assert_eq!(present(&mut house, 0, &record), CLEARED);
    let parked = park(&mut house, 0, &record);
    assert!(next_day(&mut house, 9, 1));
    assert_eq!(house.env.partitions[0].identities(), 1, "somebody may still meet it");
    house.answer(0, 0).unwrap();
    assert_eq!(house.result(city(0), parked, 0), RecordResult::Duplicate);
    assert!(next_day(&mut house, 10, 1));
    assert_eq!(house.env.partitions[0].identities(), 0, "nobody can meet it any more");
    assert_eq!(present(&mut house, 0, &record), LATE);
    assert_eq!(paid(house), 1);
}

#[test]
fn of_two_parked_after_the_drop_line_has_passed_one_is_paid() {
    let mut house = house(1);
    let record = tap(0, 1, 7, 0);
    let first = park(&mut house, 0, &record);
    assert!(next_day(&mut house, 1, 1));
    let second = park(&mut house, 0, &record);
    assert!(next_day(&mut house, 9, 1));
    house.answer(0, 1).unwrap();
    assert_eq!(house.result(city(0), second, 0), CLEARED, "its home city answered about it first");
    assert!(next_day(&mut house, 10, 1));
    house.answer(0, 0).unwrap();
    assert_eq!(house.result(city(0), first, 0), RecordResult::Duplicate);
    assert_eq!(paid(house), 1);
}

#[test]
fn a_parked_one_is_a_duplicate_of_what_was_paid_after_it_arrived() {
    let mut house = house(2);
    let record = tap(0, 1, 7, 0);
    let parked = park(&mut house, 0, &record);
    assert!(next_day(&mut house, 2, 1));
    assert_eq!(present(&mut house, 0, &record), CLEARED, "still within the window");
    assert!(next_day(&mut house, 20, 1));
    house.answer(0, 0).unwrap();
    assert_eq!(house.result(city(0), parked, 0), RecordResult::Duplicate);
    assert_eq!(paid(house), 1);
}

#[test]
fn what_is_delivered_again_after_its_identities_are_forgotten_counts_nothing() {
    let mut house = house(1);
    let record = tap(0, 1, 7, 0);
    let offset = house.env.log.end(Topic::Clearing(partition_of(city(0))));
    assert_eq!(present(&mut house, 0, &record), CLEARED);
    assert!(next_day(&mut house, 9, 1));
    assert_eq!(house.env.partitions[0].identities(), 0);
    house.again(0, offset).unwrap();
    assert_eq!(house.result(city(0), 1, 0), CLEARED, "in the cycle of then");
    assert_eq!(present(&mut house, 0, &record), LATE, "under a number of its own");
    assert_eq!(paid(house), 1);
}

#[test]
fn another_text_under_a_version_that_rules_changes_nothing() {
    let mut house = house(1);
    let record = tap(0, 1, 7, 0);
    assert_eq!(present(&mut house, 0, &record), CLEARED);
    publish(&mut house, 1, |terms| terms.days = 6);
    assert!(next_day(&mut house, 3, 1), "the version goes on as it was");
    assert_eq!(present(&mut house, 0, &record), LATE);
    assert_eq!(paid(house), 1);
}

#[test]
fn a_business_date_never_goes_back() {
    let mut house = house(1);
    let record = tap(0, 1, 7, 0);
    assert_eq!(present(&mut house, 0, &record), CLEARED);
    assert!(next_day(&mut house, 5, 1));
    house.cut_off(Some((day(0), 1))).unwrap();
    assert!(house.told.as_deref().unwrap().contains("before the last cycle's"), "{:?}", house.told);
    assert!(house.core.is_open(), "nothing was cut off");
    assert_eq!(present(&mut house, 0, &record), LATE);
    assert_eq!(paid(house), 1);
}
