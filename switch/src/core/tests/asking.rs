//! Home cities that fail, lie, or choke on one part.

use super::*;

#[test]
fn a_wrong_answer_is_no_answer() {
    let (a, x) = (city("2000"), city("1000"));
    let said = |codes: &[u8]| Verdicts { codes: Bytes::copy_from_slice(codes), issuer_seal: Bytes::new() };
    let wrong = [
        ("no parts", vec![]),
        ("too many parts", vec![said(&[0, 0]), said(&[0])]),
        ("too few verdicts", vec![said(&[0])]),
        ("too many verdicts", vec![said(&[0, 0, 0])]),
        ("no verdict", vec![said(&[0, 4])]),
    ];
    for (what, answer) in wrong {
        let mut desk = Desk::with(config(), &[a], &[x]);
        desk.tap(a, batch(a, 1, 1, &[(x, &[0, 1])]));
        desk.tick(1);
        let (id, _) = desk.take_ask(x);
        desk.step(Input::Answer { issuer: x, id, answer: Ok(answer) });
        assert_eq!(desk.told(), [""; 0], "{what}");
        assert_eq!(desk.alarms.len(), 1, "{what}");
        desk.tick(99);
        assert!(!desk.is_asked(x), "{what}: not at once");
        desk.tick(1);
        desk.answer(x);
        assert_eq!(desk.told(), ["o1 1000"], "{what}: asked again");
    }
}

#[test]
fn an_answer_that_comes_after_its_time_changes_nothing() {
    let (a, x) = (city("2000"), city("1000"));
    let mut desk = Desk::with(config(), &[a], &[x]);
    desk.tap(a, batch(a, 1, 1, &[(x, &[0])]));
    desk.tick(1);
    desk.tick(1_000);
    assert_eq!(desk.told(), ["o1 (1000)"]);
    let (id, (_, parts)) = desk.asks.pop_first().unwrap();
    desk.step(Input::Answer { issuer: x, id, answer: Ok(accept(&parts)) });
    assert_eq!(desk.told(), ["o1 (1000)"]);
    assert!(!desk.switch.status().homes[&x].dark, "but it shows that the city is back");
    desk.step(Input::Answer { issuer: x, id, answer: Ok(accept(&parts)) });
    assert_eq!(desk.told(), ["o1 (1000)"]);
}

#[test]
fn a_city_that_cannot_be_reached_is_asked_ever_more_rarely_whether_it_answers() {
    let (a, x) = (city("2000"), city("1000"));
    let mut desk = Desk::with(config(), &[a], &[x]);
    desk.tap(a, batch(a, 1, 1, &[(x, &[0])]));
    desk.tick(1);
    desk.fail(x, NoAnswer::Unreachable("refused".to_owned()));
    let mut asked_at = Vec::new();
    for ms in 0..3_000 {
        desk.tick(1);
        if desk.is_asked(x) {
            let (id, parts) = desk.take_ask(x);
            assert!(parts.is_empty());
            asked_at.push(ms);
            let answer = Err(NoAnswer::Unreachable("refused".to_owned()));
            desk.step(Input::Answer { issuer: x, id, answer });
        }
    }
    let waits: Vec<i32> = asked_at.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(waits.len() >= 3 && waits.is_sorted() && waits[0] >= 100, "{waits:?}");
    assert_eq!(desk.told(), ["o1 (1000)"]);
    assert!(desk.alarms.is_empty(), "a dark city is no part's fault");
}

/// Answers everything but `poison`, and counts how often that was asked about alone.
fn answer_all_but(desk: &mut Desk, issuer: City, poison: &Bytes) -> usize {
    let mut alone = 0;
    while desk.is_asked(issuer) {
        let id = *desk.asks.iter().find(|(_, (of, _))| *of == issuer).unwrap().0;
        let (_, parts) = desk.asks.remove(&id).unwrap();
        let answer = if parts.contains(poison) {
            alone += usize::from(parts.len() == 1);
            Err(NoAnswer::Refused("cannot".to_owned()))
        } else {
            Ok(accept(&parts))
        };
        desk.step(Input::Answer { issuer, id, answer });
    }
    alone
}

#[test]
fn a_part_that_fails_again_and_again_is_set_aside_and_its_pair_goes_on() {
    let (a, x) = (city("2000"), city("1000"));
    let mut desk = Desk::with(config(), &[a], &[]);
    desk.tap(a, batch(a, 1, 1, &[(x, &[0, 1])]));
    desk.tap(a, batch(a, 2, 2, &[(x, &[0])]));
    desk.durable();
    desk.durable();
    desk.step(Input::Endpoint { issuer: x, up: true });
    desk.read_park(a, 0);
    let poison = taps(&[0, 1]);
    let mut alone = 0;
    for _ in 0..20 {
        desk.tick(100);
        alone += answer_all_but(&mut desk, x, &poison);
    }
    assert_eq!(alone, 2, "once with others, then alone");
    assert_eq!(desk.told()[2..], ["l2 1000"], "the pair goes on");
    assert_eq!(desk.alarms.len(), 2, "{:?}", desk.alarms);
    assert!(desk.alarms[1].contains("set aside"));
    desk.report(a, 2, 2, &[]);
    let status = desk.switch.status();
    assert_eq!((status.acquirers[&a].parked[&x], status.parked_waiting_for(|_| true)), (1, 0));

    desk.tap(a, batch(a, 3, 3, &[(x, &[0])]));
    desk.tick(1);
    desk.answer(x);
    assert_eq!(desk.told()[3..], ["o3 1000"], "nothing has to go behind it");

    desk.tick(60_000);
    desk.tick(100);
    for (acquirer, offset) in std::mem::take(&mut desk.fetches) {
        let payload = desk.parked[&a][usize::try_from(offset).unwrap()].clone();
        desk.step(Input::Fetched { acquirer, messages: vec![(offset, payload)] });
    }
    desk.tick(100);
    desk.answer(x);
    assert!(desk.told().contains(&"l1 1000".to_owned()), "asked again slowly, and answered at last");
    desk.report(a, 1, 1, &[]);
    desk.tick(1);
    assert_eq!(desk.park_commits[&a], 2);
}

#[test]
fn a_part_in_work_that_fails_again_and_again_is_parked() {
    let (a, x) = (city("2000"), city("1000"));
    let mut desk = Desk::with(SwitchConfig { park_after_ms: None, ..config() }, &[a], &[x]);
    desk.tap(a, batch(a, 1, 1, &[(x, &[0, 1])]));
    desk.tap(a, batch(a, 2, 2, &[(x, &[0])]));
    let poison = taps(&[0, 1]);
    for _ in 0..20 {
        desk.tick(100);
        answer_all_but(&mut desk, x, &poison);
    }
    assert_eq!(desk.told(), ["o1 (1000)", "o2 (1000)"], "and what is behind it goes behind it");
}

#[test]
fn an_overdue_request_fails() {
    let (a, x) = (city("2000"), city("1000"));
    let patient = SwitchConfig { park_after_ms: None, request_deadline_ms: 500, ..config() };
    let mut desk = Desk::with(patient, &[a], &[x]);
    desk.tap(a, batch(a, 1, 1, &[(x, &[0])]));
    desk.tick(1);
    let (late, parts) = desk.take_ask(x);
    desk.tick(500);
    let (probe, none) = desk.take_ask(x);
    assert!(none.is_empty());
    desk.step(Input::Answer { issuer: x, id: probe, answer: Ok(Vec::new()) });
    desk.step(Input::Answer { issuer: x, id: late, answer: Ok(accept(&parts)) });
    assert_eq!(desk.told(), [""; 0], "too late");
    desk.tick(1_000);
    desk.answer(x);
    assert_eq!(desk.told(), ["o1 1000"]);
}
