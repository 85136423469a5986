//! A city moves from one partition to another, and is paid once.

use proto::{Departing, Moved, Resume};

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
    here.open_moved(2, "2018-09-02");
    there.open_moved(2, "2018-09-02");
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
    assert_eq!((here.close(1).0, there.close(1).0), (200_000, 0));
    there.open_moved(2, "2018-09-02");
    assert_eq!(there.batch(51, &[ride(0, 1), ride(199_999, 1), ride(200_000, 1)]), [2, 2, 1]);
    assert_eq!(there.close(2).0, 1);
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

fn resume(id: &str, next: u64) -> Body {
    let (city, reason) = ("cu-2000".to_owned(), "the cycle is open".to_owned());
    Body::Resume(Resume { id: id.to_owned(), city, next, reason, ..Resume::default() })
}

fn resumed(desk: &Desk) -> String {
    match desk.last_event() {
        What::Resumed(resumed) => resumed.refused,
        other => panic!("{other:?}"),
    }
}

/// The switch follows the cut-off event, and its batch is there before the marker. In the cycle that still keeps the
/// city elsewhere nothing of it is booked, and nothing is lost: it comes again behind the marker.
#[test]
fn a_batch_that_comes_before_the_marker_of_the_new_table_is_booked_behind_it() {
    let (mut here, mut there) = (Desk::new(0), Desk::new(1));
    here.open(1, "2018-09-01");
    there.open(1, "2018-09-01");
    assert_eq!(here.batch(1, &[ride(1, 100)]), [1]);
    there.fold(parts(&here.fold(go(1)))[0].clone());
    assert!(there.batch(2, &[ride(2, 200)]).is_empty());
    let stopped = there.stopped();
    assert!(stopped[0].contains("cycle 1 keeps the city in partition 0"), "{stopped:?}");
    assert!(stopped[0].contains("cityunion book resume --city cu-2000"), "{stopped:?}");
    assert!(matches!(there.last_event(), What::Stopped(_)));
    there.crash();
    assert!(there.batch(3, &[ride(3, 400)]).is_empty());
    assert_eq!(there.batch(1, &[ride(1, 100)]), [0; 0], "it is stopped");
    there.fold(resume("r1", 2));
    assert!(resumed(&there).contains("keeps it in partition 0"), "too early: {:?}", there.last_event());
    assert_eq!(there.stopped().len(), 1);
    assert_eq!((here.close(1), there.close(1)), ((1, 100), (0, 0)));

    here.open_moved(2, "2018-09-02");
    there.open_moved(2, "2018-09-02");
    assert!(there.batch(4, &[ride(4, 800)]).is_empty(), "an operator looks first");
    there.fold(resume("r2", 2));
    assert_eq!(resumed(&there), "");
    for (number, fen) in [(2, 200), (3, 400), (4, 800)] {
        assert_eq!(there.batch(number, &[ride(u32::try_from(number).unwrap(), fen)]), [1], "{number}");
    }
    assert_eq!((here.close(2), there.close(2)), ((0, 0), (3, 1400)));
}

/// Half of a city is here: its taps wait for the rest, whatever an operator says. What came too early is noticed by the
/// number that is missing.
#[test]
fn a_city_that_is_not_whole_yet_cannot_be_resumed() {
    let (mut here, mut there) = (Desk::new(0), Desk::new(1));
    here.open(1, "2018-09-01");
    there.open(1, "2018-09-01");
    let taps: Vec<Tap> = (0..4_000).map(|seq| ride(seq, 1)).collect();
    for number in 1..=26 {
        let taps: Vec<Tap> =
            taps.iter().map(|tap| ride(tap.terminal_seq.get() + 4_000 * number, 1)).collect();
        here.batch(u64::from(number), &taps);
    }
    let mut sent = parts(&here.fold(go(1)));
    sent.extend(parts(&here.fold(go(2))));
    assert_eq!(sent.len(), 2);
    there.fold(sent[0].clone());
    there.crash();
    there.fold(resume("r1", 1));
    assert!(resumed(&there).contains("not whole here"), "{:?}", there.last_event());
    assert!(there.batch(27, &[ride(1, 1)]).is_empty());
    there.fold(sent[1].clone());
    assert_eq!(there.stopped(), [""; 0]);
    there.close(1);
    there.open_moved(2, "2018-09-02");
    assert!(there.batch(28, &[ride(2, 1)]).is_empty());
    assert!(there.stopped()[0].contains("batch 28 came where 27 was due"), "{:?}", there.stopped());
    there.fold(resume("r2", 27));
    assert_eq!(there.batch(27, &[ride(4_001, 1)]), [2], "what came with it is remembered");
    assert_eq!(there.batch(28, &[ride(2, 1)]), [1]);
}

/// A city comes back to where it was years ago. Its terminals count from one again, and this partition, a marker
/// behind, still remembers who had that number then: what was paid since is remembered all the same.
#[test]
fn what_comes_with_a_city_replaces_what_is_remembered_of_its_earlier_stay() {
    let (mut here, mut there) = (Desk::new(0), Desk::new(1));
    here.open_moved(1, "2018-09-01");
    there.open_moved(1, "2018-09-01");
    assert_eq!(there.batch(1, &[ride(1, 100)]), [1]);
    let away =
        Body::Moved(Moved { id: "m0".to_owned(), city: "cu-2000".to_owned(), from: 1, to: 0, part: 1 });
    let to_here = there.fold(away).into_iter().find_map(|effect| match effect {
        Effect::Publish { target: Target::Clearing(0), payload, .. } => {
            Clearing::decode(payload).unwrap().body
        }
        _ => None,
    });
    here.fold(to_here.unwrap());
    for desk in [&mut here, &mut there] {
        desk.open(2, "2018-09-02");
    }
    here.open(3, "2018-09-20");
    let again = ride_on("2018-09-20", 1, 700);
    assert_eq!(here.batch(2, &[again]), [1], "the first one is forgotten here");
    there.fold(parts(&here.fold(go(1)))[0].clone());
    there.open(3, "2018-09-20");
    there.open_moved(4, "2018-09-20");
    there.crash();
    assert_eq!(there.batch(3, &[again]), [2], "paid once");
}
