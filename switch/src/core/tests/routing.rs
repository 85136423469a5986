//! Splitting, rejoining, numbers, limits.

use super::*;

#[test]
fn outcomes_keep_the_order_of_batches_whatever_the_order_of_answers() {
    let (a, x, y) = (city("2000"), city("1000"), city("3000"));
    let mut desk = Desk::with(config(), &[a], &[x, y]);
    desk.tap(a, batch(a, 1, 1, &[(x, &[1]), (y, &[0, 2])]));
    desk.tap(a, batch(a, 2, 2, &[(x, &[0])]));
    desk.tick(1);
    assert_eq!(desk.asks.len(), 2, "one request a home city, over both batches");
    desk.answer(x);
    assert_eq!(desk.told(), [""; 0], "batch 1 still waits for one home city");
    desk.answer(y);
    assert_eq!(desk.told(), ["o1 1000 3000", "o2 1000"]);
    let Body::Outcome(outcome) = &desk.book[0] else { panic!() };
    assert_eq!(outcome.parts[1].part.as_ref().unwrap().taps, taps(&[0, 2]), "forwarded as they came");
    assert_eq!((outcome.file.as_str(), outcome.records), ("a.csv", 3));

    desk.tick(1);
    assert_eq!(desk.commits.get(&a), None, "nothing is committed before the outcome is durable");
    let second = desk.tokens.pop().unwrap();
    desk.step(Input::Durable { token: second });
    desk.tick(1);
    assert_eq!(desk.commits.get(&a), None, "nor out of order");
    desk.durable();
    desk.tick(1);
    assert_eq!(desk.commits[&a], (2, 2));
}

#[test]
fn a_redelivered_number_goes_on_as_a_header_in_its_place() {
    let (a, x) = (city("2000"), city("1000"));
    let mut desk = Desk::with(config(), &[], &[x]);
    desk.assign(a, 7, 7, 0, 0);
    desk.tap(a, batch(a, 8, 8, &[(x, &[0])]));
    desk.tap(a, batch(a, 8, 8, &[(x, &[0])]));
    desk.tap(a, batch(a, 3, 3, &[(x, &[0])]));
    desk.tick(1);
    assert_eq!(desk.told(), [""; 0], "headers do not overtake");
    desk.answer(x);
    assert_eq!(desk.told(), ["o8 1000", "r8", "r3"]);
    desk.durable();
    desk.tick(1);
    assert_eq!(desk.commits[&a], (10, 8), "a lower number does not lower what is committed");
}

#[test]
fn a_number_with_other_contents_stops_its_city_alone() {
    let (a, b, x) = (city("2000"), city("4000"), city("1000"));
    let mut desk = Desk::with(config(), &[a, b], &[x]);
    desk.tap(a, batch(a, 1, 1, &[(x, &[0])]));
    desk.tap(a, batch(a, 1, 2, &[(x, &[0])]));
    assert!(desk.stopped[&a].contains("different contents"), "{:?}", desk.stopped);
    assert_eq!(desk.alarms.len(), 1);
    desk.tap(a, batch(a, 2, 1, &[(x, &[0])]));
    desk.tap(b, batch(b, 1, 1, &[(x, &[0])]));
    desk.tick(1);
    desk.answer(x);
    assert_eq!(desk.told(), ["stopped", "o1 1000", "o1 1000"], "what came before, and the other city");
    assert_eq!(desk.open, [a, b].into(), "the message that lets it go on is looked for");
}

#[test]
fn a_skipped_number_stops_the_city() {
    let (a, x) = (city("2000"), city("1000"));
    for (committed, number) in [(0, 2), (7, 9)] {
        let mut desk = Desk::with(config(), &[], &[x]);
        desk.assign(a, committed, committed, 0, 0);
        desk.tap(a, batch(a, number, 1, &[(x, &[0])]));
        assert!(desk.stopped[&a].contains("skipped"));
    }
}

/// The message that lets a city go on at `next`.
fn resume(acquirer: City, next: u64) -> Bytes {
    let resume = Some(proto::TapResume { id: "one".to_owned(), next });
    let batch = TapBatch { acquirer: acquirer.to_string(), resume, ..TapBatch::default() };
    Bytes::from(batch.encode_to_vec())
}

/// Number 2 was lost between the adapter and the log. Until it is there, what comes is passed over; then
/// everything from 2 on comes again. A batch that comes between the copies is passed over too and comes again.
#[test]
fn a_resumed_city_takes_everything_again_from_what_was_missing() {
    let (a, x) = (city("2000"), city("1000"));
    let mut desk = Desk::with(config(), &[a], &[x]);
    let one = |number: u64| batch(a, number, u8::try_from(number).unwrap(), &[(x, &[0])]);
    for number in [1, 3, 4] {
        desk.tap(a, one(number));
    }
    assert!(desk.stopped[&a].contains("skipped"));
    for payload in [resume(a, 2), one(2), one(5), one(3), one(4)] {
        desk.tap(a, payload);
    }
    desk.tick(1);
    desk.answer(x);
    desk.durable();
    desk.tick(1);
    assert_eq!(desk.told(), ["stopped", "o1 1000", "o2 1000", "o3 1000", "o4 1000"]);
    assert_eq!(desk.commits[&a], (1, 1), "5 still comes again: after a crash it is read from here");
    desk.tap(a, one(5));
    desk.tick(1);
    desk.answer(x);
    desk.durable();
    desk.tick(1);
    assert_eq!(desk.told().last().unwrap(), "o5 1000");
    assert_eq!(desk.commits[&a], (9, 5));
    assert_eq!(desk.switch.status().acquirers[&a].stopped, None);

    let mut again = Desk::with(config(), &[], &[x]);
    again.assign(a, 1, 1, 0, 0);
    for payload in [one(3), one(4), resume(a, 2), one(2), one(5), one(3), one(4), one(5)] {
        again.tap(a, payload);
    }
    again.tick(1);
    again.answer(x);
    assert_eq!(again.told(), ["stopped", "o2 1000", "o3 1000", "o4 1000", "o5 1000"], "after a crash");
}

/// The book never got 2 and 3, which the switch had passed on: it goes back for them.
#[test]
fn a_switch_that_was_not_stopped_goes_back() {
    let (a, x) = (city("2000"), city("1000"));
    let mut desk = Desk::with(config(), &[a], &[x]);
    let one = |number: u64| batch(a, number, u8::try_from(number).unwrap(), &[(x, &[0])]);
    for payload in [one(1), one(2), one(3), resume(a, 2), one(2), one(3), one(4)] {
        desk.tap(a, payload);
    }
    desk.tick(1);
    desk.answer(x);
    let outcomes = ["o1 1000", "o2 1000", "o3 1000", "o2 1000", "o3 1000", "o4 1000"];
    assert_eq!(desk.told(), outcomes);
}

#[test]
fn an_unusable_batch_stops_the_city_and_nothing_of_it_is_used() {
    let (a, x, y) = (city("2000"), city("1000"), city("3000"));
    let good = batch(a, 1, 1, &[(x, &[0]), (y, &[1])]);
    let edit = |change: &dyn Fn(&mut TapBatch)| {
        let mut batch = TapBatch::decode(good.clone()).unwrap();
        change(&mut batch);
        Bytes::from(batch.encode_to_vec())
    };
    let cases = [
        ("bytes", good.slice(..good.len() - 1)),
        ("acquirer", edit(&|b| b.acquirer = "cu-9999".to_owned())),
        ("number", edit(&|b| b.number = 0)),
        ("digest", edit(&|b| b.digest = Bytes::from_static(b"short"))),
        ("records", edit(&|b| b.records = 3)),
        ("no parts", edit(&|b| b.parts.clear())),
        ("issuer", edit(&|b| b.parts[0].issuer = "cu-200g".to_owned())),
        ("order of parts", edit(&|b| b.parts.reverse())),
        ("tap length", edit(&|b| b.parts[0].taps = b.parts[0].taps.slice(..51))),
        ("text length", edit(&|b| b.parts[0].texts = Bytes::from_static(&[0, 0, 1]))),
        ("a position twice", batch(a, 1, 1, &[(x, &[0]), (y, &[0])])),
        ("a position missing", batch(a, 1, 1, &[(x, &[0]), (y, &[2])])),
        ("a position too high", batch(a, 1, 1, &[(x, &[4_096])])),
    ];
    for (what, payload) in cases {
        let mut desk = Desk::with(config(), &[a], &[x, y]);
        desk.tap(a, payload);
        desk.tick(1);
        assert_eq!(desk.stopped.len(), 1, "{what}");
        assert!(desk.asks.is_empty() && desk.commits.is_empty(), "{what}");
        assert_eq!(desk.told(), ["stopped"], "{what}");
    }
}

#[test]
fn taps_are_held_back_while_too_many_batches_are_in_work() {
    let (a, x) = (city("2000"), city("1000"));
    let mut desk = Desk::with(SwitchConfig { batches_max: 4, ..config() }, &[a], &[x]);
    for number in 1..=4 {
        assert!(desk.open.contains(&a));
        desk.tap(a, batch(a, number, 1, &[(x, &[0])]));
    }
    assert!(!desk.open.contains(&a));
    desk.tick(1);
    desk.answer(x);
    desk.durable();
    desk.tick(1);
    assert!(desk.open.contains(&a));
}

#[test]
fn a_request_is_bounded_and_so_are_requests() {
    let (a, x) = (city("2000"), city("1000"));
    let limits =
        SwitchConfig { request_taps_max: 2, requests_in_flight_max: 2, park_after_ms: None, ..config() };
    let mut desk = Desk::with(limits, &[a], &[x]);
    for number in 1..=5 {
        desk.tap(a, batch(a, number, 1, &[(x, &[0])]));
    }
    desk.tick(1);
    let sizes: Vec<usize> = desk.asks.values().map(|(_, parts)| parts.len()).collect();
    assert_eq!(sizes, [2, 2]);
}

#[test]
fn a_revoked_city_is_forgotten_and_taken_up_again_from_its_commit() {
    let (a, x) = (city("2000"), city("1000"));
    let mut desk = Desk::with(config(), &[a], &[x]);
    desk.tap(a, batch(a, 1, 1, &[(x, &[0])]));
    desk.tick(1);
    desk.step(Input::Revoked { acquirer: a });
    desk.answer(x);
    assert_eq!(desk.told(), [""; 0], "its answer finds nobody");
    desk.open.clear();
    desk.assign(a, 0, 0, 0, 0);
    desk.tap(a, batch(a, 1, 1, &[(x, &[0])]));
    desk.tick(1);
    desk.answer(x);
    desk.durable();
    desk.tick(1);
    assert_eq!(desk.told(), ["o1 1000"]);
    assert_eq!(desk.commits[&a], (1, 1));
}
