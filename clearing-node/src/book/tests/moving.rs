//! A city moves from one partition to another, and is paid once.

use proto::{Departing, Moved};

use super::*;

fn go(part: u32) -> Body {
    let (id, city) = ("m1".to_owned(), "cu-2000".to_owned());
    Body::Moved(Moved { id, city, from: 0, to: 1, part })
}

/// What is on its way to the other partition.
fn parts(effects: &[Effect]) -> Vec<Body> {
    let part = |effect: &Effect| match effect {
        Effect::Publish { target: Target::Clearing(1), payload, .. } => {
            Clearing::decode(payload.clone()).unwrap().body
        }
        _ => None,
    };
    effects.iter().filter_map(part).collect()
}

fn departing(desk: &Desk) -> Departing {
    match desk.last_event() {
        What::Departing(departing) => departing,
        other => panic!("{other:?}"),
    }
}

/// In partition 0 a ride is paid and a copy is not. In partition 1 the batch is recognised when it is delivered
/// again, its rides are duplicates, another content is a conflict, and the next number is due.
#[test]
fn a_city_that_has_moved_is_known_in_its_new_partition() {
    let (mut here, mut there) = (Desk::new(0), Desk::new(1));
    here.open(1, "2018-09-01");
    there.open(1, "2018-09-01");
    assert_eq!(here.batch(1, &[ride(1, 100), ride(1, 100)]), [1, 2]);
    let sent = parts(&here.fold(go(1)));
    assert_eq!(sent.len(), 1);
    let Departing { refused, last, .. } = departing(&here);
    assert_eq!((refused.as_str(), last), ("", true));
    assert!(parts(&here.fold(go(1))).is_empty(), "a repeat sends nothing");
    assert_eq!(here.close(1), (1, 100), "what was paid here is settled from here");
    assert_eq!(there.close(1), (0, 0));

    for _ in 0..2 {
        there.fold(sent[0].clone());
        there.crash();
    }
    assert!(matches!(there.last_event(), What::Arrived(a) if a.batches == 1 && a.identities == 1));
    assert_eq!(there.events().len(), 1);
    here.open(2, "2018-09-02");
    there.open(2, "2018-09-02");
    assert_eq!(there.batch(1, &[ride(1, 100), ride(1, 100)]), [1, 2], "recognised: its result of then");
    assert_eq!(there.batch(2, &[ride(1, 100), ride(1, 150), ride(2, 200)]), [2, 3, 1]);
    assert_eq!(there.batch(4, &[ride(4, 400)]), [0; 0]);
    assert_eq!(there.stopped().len(), 1, "3 is due");
    assert!(here.batch(3, &[ride(3, 300)]).is_empty(), "nothing is booked where it was");
    assert_eq!((here.close(2), there.close(2)), ((0, 0), (1, 200)));
}

/// A large city goes in several parts. Killed between any two and repeated from the beginning, it arrives whole.
#[test]
fn a_large_city_goes_in_parts_and_is_taken_when_all_are_there() {
    let (mut here, mut there) = (Desk::new(0), Desk::new(1));
    here.open(1, "2018-09-01");
    there.open(1, "2018-09-01");
    let mut number = 0;
    for first in (0..200_000_u32).step_by(4_000) {
        number += 1;
        let taps: Vec<Tap> = (first..first + 4_000).map(|seq| ride(seq, 1)).collect();
        here.batch(number, &taps);
    }
    let mut sent = Vec::new();
    for part in 1..=3 {
        sent.extend(parts(&here.fold(go(part))));
        here.crash();
        if part < 3 {
            assert!(!departing(&here).last, "part {part}");
        }
    }
    assert!(departing(&here).last);
    assert_eq!(sent.len(), 3);
    for body in [&sent[0], &sent[1], &sent[0], &sent[1]] {
        there.fold(body.clone());
        there.crash();
        assert_eq!(there.stopped().len(), 1, "it is not whole yet");
        assert!(there.batch(51, &[ride(0, 1)]).is_empty());
    }
    there.fold(sent[2].clone());
    assert!(matches!(there.last_event(), What::Arrived(a) if a.batches == 50 && a.identities == 200_000));
    assert_eq!(there.batch(51, &[ride(0, 1), ride(199_999, 1), ride(200_000, 1)]), [2, 2, 1]);
    assert_eq!((here.close(1).0, there.close(1).0), (200_000, 1));
}

#[test]
fn a_city_that_is_parked_or_stopped_does_not_move() {
    let mut desk = Desk::new(0);
    desk.open(1, "2018-09-01");
    let Body::Outcome(mut parked) = outcome(1, &[ride(1, 100)]) else { panic!() };
    parked.parts[0].verdicts = None;
    desk.fold(Body::Outcome(parked));
    assert!(parts(&desk.fold(go(1))).is_empty());
    assert!(departing(&desk).refused.contains("parked"), "{:?}", desk.last_event());
    desk.batch(3, &[ride(3, 1)]);
    let mut other = Desk::new(0);
    other.open(1, "2018-09-01");
    other.batch(2, &[ride(1, 100)]);
    other.fold(go(1));
    assert!(departing(&other).refused.contains("resume it first"), "{:?}", other.last_event());
    let mut wrong = Desk::new(1);
    wrong.fold(go(1));
    assert!(departing(&wrong).refused.contains("this is partition 1"), "{:?}", wrong.last_event());
}
