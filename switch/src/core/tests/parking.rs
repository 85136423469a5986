//! Into the park and out of it.

use super::*;

#[test]
fn a_city_without_an_endpoint_parks_at_once_in_the_order_of_the_protocol() {
    let (a, x, y) = (city("2000"), city("1000"), city("3000"));
    let mut desk = Desk::with(config(), &[a], &[x]);
    desk.tap(a, batch(a, 1, 1, &[(x, &[0]), (y, &[1])]));
    desk.tick(1);
    assert!(!desk.is_asked(y));
    desk.answer(x);
    assert_eq!(desk.told(), ["o1 1000 (3000)"]);
    assert!(desk.parked.is_empty(), "the park comes after the outcome is durable");
    desk.durable();
    desk.tick(1);
    let stands = ParkedPart::decode(desk.parked[&a][0].clone()).unwrap();
    assert_eq!((stands.number, stands.part.unwrap().issuer.as_str()), (1, "cu-3000"));
    assert!(desk.commits.is_empty(), "the commit comes after the park is durable");
    desk.durable();
    desk.tick(1);
    assert_eq!(desk.commits[&a], (1, 1));

    desk.read_park(a, 0);
    desk.step(Input::Endpoint { issuer: y, up: true });
    desk.tick(1);
    let (acquirer, offset) = desk.fetches[0];
    let messages = vec![(offset, desk.parked[&a][0].clone())];
    desk.step(Input::Fetched { acquirer, messages });
    desk.tick(1);
    desk.answer(y);
    assert_eq!(desk.told()[1..], ["l1 3000"]);
    desk.tick(1);
    assert!(desk.park_commits.is_empty(), "only the book's result takes it out");
    desk.report(a, 1, 1, &[1]);
    desk.tick(1);
    assert!(desk.park_commits.is_empty(), "parked still");
    desk.report(a, 1, 1, &[]);
    desk.tick(1);
    assert_eq!(desk.park_commits[&a], 1);
    assert_eq!(desk.switch.status().parked_waiting_for(|_| true), 0);
}

#[test]
fn a_dark_city_stops_only_its_own_traffic() {
    let (a, x, y) = (city("2000"), city("1000"), city("3000"));
    let mut desk = Desk::with(config(), &[a], &[x, y]);
    desk.tap(a, batch(a, 1, 1, &[(x, &[0]), (y, &[1])]));
    desk.tick(1);
    desk.answer(x);
    desk.tick(998);
    assert_eq!(desk.told(), [""; 0]);
    desk.tick(1);
    assert_eq!(desk.told(), ["o1 1000 (3000)"], "after its time a part is parked");
    desk.tap(a, batch(a, 2, 2, &[(x, &[0]), (y, &[1])]));
    desk.tick(1);
    desk.answer(x);
    assert_eq!(desk.told()[1..], ["o2 1000 (3000)"], "a known dark city parks at once");
    assert!(desk.switch.status().homes[&y].dark && !desk.switch.status().homes[&x].dark);

    desk.durable();
    desk.durable();
    desk.read_park(a, 0);
    let open = desk.asks.values().map(|(issuer, parts)| (*issuer, parts.len())).collect::<Vec<_>>();
    assert_eq!(open, [(y, 1), (y, 0)], "it is asked whether it answers, and nothing more");
    let probe = *desk.asks.keys().next_back().unwrap();
    desk.asks.remove(&probe);
    desk.step(Input::Answer { issuer: y, id: probe, answer: Ok(Vec::new()) });
    desk.asks.clear();
    desk.tick(1);
    while let Some((acquirer, offset)) = desk.fetches.pop() {
        let payload = desk.parked[&a][usize::try_from(offset).unwrap()].clone();
        desk.step(Input::Fetched { acquirer, messages: vec![(offset, payload)] });
        desk.tick(1);
    }
    let ids: Vec<u64> = desk.asks.keys().rev().copied().collect();
    for id in ids {
        let (issuer, parts) = desk.asks.remove(&id).unwrap();
        desk.step(Input::Answer { issuer, id, answer: Ok(accept(&parts)) });
    }
    assert_eq!(desk.told()[2..], ["l1 3000", "l2 3000"], "in the order of the park");
}

#[test]
fn without_a_time_only_a_missing_endpoint_parks() {
    let (a, x) = (city("2000"), city("1000"));
    let mut desk = Desk::with(SwitchConfig { park_after_ms: None, ..config() }, &[a], &[x]);
    desk.tap(a, batch(a, 1, 1, &[(x, &[0])]));
    desk.tick(1);
    desk.tick(20_000);
    desk.fail(x, NoAnswer::Unreachable("gone".to_owned()));
    desk.tick(20_000);
    assert_eq!(desk.told(), [""; 0]);
    desk.step(Input::Endpoint { issuer: x, up: false });
    assert_eq!(desk.told(), ["o1 (1000)"]);
}

#[test]
fn the_park_is_read_to_its_end_before_the_taps() {
    let (a, x) = (city("2000"), city("1000"));
    let mut first = Desk::with(config(), &[a], &[]);
    for number in 1..=2 {
        first.tap(a, batch(a, number, 1, &[(x, &[0])]));
    }
    first.durable();
    first.durable();

    let mut desk = Desk::with(config(), &[], &[x]);
    desk.parked = first.parked;
    desk.assign(a, 2, 2, 0, 2);
    assert!(desk.open.is_empty());
    assert_eq!(desk.switch.status().parked_waiting_for(|issuer| issuer == x), 2);
    let messages = desk.parked[&a].clone();
    desk.step(Input::Parked { acquirer: a, offset: 0, payload: messages[0].clone() });
    desk.tick(1);
    assert!(desk.asks.is_empty() && desk.open.is_empty());
    desk.step(Input::Parked { acquirer: a, offset: 1, payload: messages[1].clone() });
    assert!(desk.open.contains(&a));
    desk.tick(1);
    desk.answer(x);
    assert_eq!(desk.told(), ["l1 1000", "l2 1000"]);
}

#[test]
fn all_parts_of_a_batch_that_can_be_answered_are_said_together() {
    let (a, x, y, z) = (city("2000"), city("1000"), city("3000"), city("5000"));
    let mut desk = Desk::with(config(), &[a], &[]);
    desk.tap(a, batch(a, 1, 1, &[(x, &[0]), (y, &[1]), (z, &[2])]));
    desk.tap(a, batch(a, 2, 2, &[(x, &[0])]));
    desk.durable();
    desk.durable();
    for issuer in [x, y] {
        desk.step(Input::Endpoint { issuer, up: true });
    }
    desk.read_park(a, 0);
    desk.tick(1);
    desk.answer(x);
    assert_eq!(desk.told()[2..], [""; 0], "batch 2 waits for batch 1, batch 1 for its other part");
    desk.answer(y);
    assert_eq!(desk.told()[2..], ["l1 1000 3000", "l2 1000"], "nothing waits for a city without endpoint");
}

#[test]
fn later_parts_go_behind_what_is_parked() {
    let (a, x) = (city("2000"), city("1000"));
    let mut desk = Desk::with(SwitchConfig { catch_up_parts_max: 1, ..config() }, &[a], &[]);
    desk.tap(a, batch(a, 1, 1, &[(x, &[0])]));
    desk.tap(a, batch(a, 2, 2, &[(x, &[0])]));
    desk.durable();
    desk.durable();
    desk.step(Input::Endpoint { issuer: x, up: true });
    desk.tap(a, batch(a, 3, 3, &[(x, &[0])]));
    assert_eq!(desk.told()[2..], ["o3 (1000)"], "behind many it is parked too");
    desk.durable();
    desk.durable();
    desk.read_park(a, 0);
    desk.tick(1);
    desk.answer(x);
    assert_eq!(desk.told()[3..], ["l1 1000", "l2 1000", "l3 1000"]);
    desk.tap(a, batch(a, 4, 4, &[(x, &[0])]));
    desk.tick(1);
    desk.answer(x);
    assert_eq!(desk.told()[6..], ["o4 1000"], "once the others are said the way is free");
}

#[test]
fn a_later_part_waits_in_its_batch_behind_a_few_that_are_being_asked() {
    let (a, x) = (city("2000"), city("1000"));
    let mut desk = Desk::with(SwitchConfig { requests_in_flight_max: 1, ..config() }, &[a], &[]);
    desk.tap(a, batch(a, 1, 1, &[(x, &[0])]));
    desk.durable();
    desk.durable();
    desk.step(Input::Endpoint { issuer: x, up: true });
    desk.tap(a, batch(a, 2, 2, &[(x, &[0])]));
    desk.tick(1);
    desk.answer(x);
    assert_eq!(desk.told()[1..], [""; 0], "answered, but the parked one has not even been read back");
    desk.read_park(a, 0);
    desk.tick(1);
    desk.answer(x);
    assert_eq!(desk.told()[1..], ["l1 1000", "o2 1000"]);
}

#[test]
fn a_redelivered_batch_does_not_park_the_same_part_twice() {
    let (a, x) = (city("2000"), city("1000"));
    let mut desk = Desk::with(config(), &[a], &[]);
    desk.tap(a, batch(a, 1, 1, &[(x, &[0])]));
    desk.durable();
    assert_eq!(desk.parked[&a].len(), 1);
    // A crash before the commit: the batch is read again.
    desk.open.clear();
    desk.assign(a, 0, 0, 0, 1);
    desk.read_park(a, 0);
    desk.tap(a, batch(a, 1, 1, &[(x, &[0])]));
    desk.durable();
    desk.tick(1);
    assert_eq!(desk.parked[&a].len(), 1);
    assert_eq!(desk.commits[&a], (1, 1));
}

#[test]
fn the_book_is_reminded_until_it_reports() {
    let (a, x) = (city("2000"), city("1000"));
    let mut desk = Desk::with(config(), &[a], &[]);
    desk.tap(a, batch(a, 1, 1, &[(x, &[0])]));
    desk.durable();
    desk.durable();
    desk.read_park(a, 0);
    desk.tick(30_000);
    desk.tick(30_000);
    assert_eq!(desk.told()[1..], ["r1"], "a part that waits is asked of the book, once");
    desk.step(Input::Endpoint { issuer: x, up: true });
    desk.tick(1);
    let messages = vec![(0, desk.parked[&a][0].clone())];
    desk.step(Input::Fetched { acquirer: a, messages });
    desk.tick(1);
    desk.answer(x);
    assert_eq!(desk.told()[2..], ["l1 1000"]);
    desk.tick(30_000);
    desk.tick(30_000);
    desk.tick(30_000);
    assert_eq!(desk.told()[3..], ["l1 1000", "l1 1000"], "said again, ever more rarely");
    desk.report(a, 1, 1, &[]);
    desk.tick(600_000);
    assert_eq!(desk.told().len(), 5);
    assert_eq!(desk.park_commits[&a], 1);
}

#[test]
fn a_marker_ends_a_part_whose_home_city_never_comes_back() {
    let (a, x) = (city("2000"), city("1000"));
    let mut desk = Desk::with(config(), &[a], &[]);
    desk.tap(a, batch(a, 1, 1, &[(x, &[0, 1])]));
    desk.durable();
    desk.durable();
    desk.read_park(a, 0);
    desk.report(a, 1, 1, &[1]);
    desk.tick(1);
    assert_eq!(desk.switch.status().acquirers[&a].parked[&x], 1, "one tap of the part still waits");
    desk.report(a, 1, 1, &[]);
    desk.tick(1);
    assert_eq!(desk.park_commits[&a], 1);
    assert!(desk.switch.status().acquirers[&a].parked.is_empty());
}

#[test]
fn bodies_beyond_the_budget_are_fetched_again_when_they_are_needed() {
    let (a, x) = (city("2000"), city("1000"));
    let mut desk = Desk::with(config(), &[a], &[]);
    for number in 1..=20 {
        desk.tap(a, batch(a, number, 1, &[(x, &[0])]));
    }
    desk.durable();
    desk.durable();
    let all = desk.parked[&a].clone();

    let mut desk = Desk::with(SwitchConfig { park_bytes_max: 1, ..config() }, &[], &[x]);
    desk.parked.insert(a, all.clone());
    desk.assign(a, 20, 20, 0, 20);
    desk.read_park(a, 0);
    for _ in 0..60 {
        desk.tick(1);
        if desk.is_asked(x) {
            desk.answer(x);
        }
        for (acquirer, offset) in std::mem::take(&mut desk.fetches) {
            let from = usize::try_from(offset).unwrap();
            let messages =
                all.iter().enumerate().skip(from).map(|(o, p)| (u64::try_from(o).unwrap(), p.clone()));
            let messages = messages.collect();
            desk.step(Input::Fetched { acquirer, messages });
        }
    }
    let said: Vec<String> = (1..=20).map(|number| format!("l{number} 1000")).collect();
    assert_eq!(desk.told(), said);
}
