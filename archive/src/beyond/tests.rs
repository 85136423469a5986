use cu_log::Partition;
use proto::{
    CityEvent, CutOff, Opened, Opening, PartitionTotals, Plan, Published, Restored, Segment, city_event::What,
};

use super::*;

/// Two cycles; partition 0 ends at 100, partition 1 at 70.
fn held() -> Held {
    let clearing = |number| Topics::default().clearing(number);
    let ends: [(Partition, u64); 2] = [(clearing(0), 100), (clearing(1), 70)];
    Held { last: 2, ends: ends.into() }
}

fn is_beyond(body: Body) -> bool {
    held().is_beyond(&CycleEvent { body: Some(body) })
}

#[test]
fn what_a_later_cycle_said_is_beyond_and_what_an_archived_one_said_is_not() {
    let of_cycle: [fn(u32) -> Body; 6] = [
        |cycle| Body::CutOff(CutOff { cycle, ..CutOff::default() }),
        |cycle| Body::Totals(PartitionTotals { cycle, ..PartitionTotals::default() }),
        |cycle| Body::Plan(Plan { cycle, ..Plan::default() }),
        |cycle| Body::Segment(Segment { cycle, ..Segment::default() }),
        |cycle| Body::Published(Published { cycle, ..Published::default() }),
        |cycle| Body::Opened(Opened { cycle }),
    ];
    for body in of_cycle {
        let found: Vec<bool> = [1, 2, 3, 4].into_iter().map(|cycle| is_beyond(body(cycle))).collect();
        assert_eq!(found, [false, false, true, true], "{:?}", body(3));
    }
}

#[test]
fn the_next_cycle_opens_again_and_the_one_after_it_does_not() {
    let opening = |cycle| Opening { cycle, ..Opening::default() };
    let alone = [1, 2, 3, 4].map(|cycle| is_beyond(Body::Opening(opening(cycle))));
    assert_eq!(alone, [false, false, false, true]);
    let cut = |cycle| CutOff { cycle, opens: Some(opening(cycle + 1)), ..CutOff::default() };
    assert!(!is_beyond(Body::CutOff(cut(2))), "the marker of cycle 2 opens cycle 3");
    assert!(is_beyond(Body::CutOff(cut(3))));
}

#[test]
fn a_word_about_a_city_is_kept_if_the_message_that_caused_it_is() {
    let said = |partition, offset| {
        let what = Some(What::Stopped("a number was skipped".to_owned()));
        is_beyond(Body::City(CityEvent { partition, offset, what, ..CityEvent::default() }))
    };
    assert!(!said(0, 99) && !said(1, 69));
    assert!(said(0, 100) && said(1, 70) && said(1, 99));
    assert!(said(2, 0), "nothing of this partition is held");
}

#[test]
fn an_event_is_void_by_any_restoring_behind_it_and_by_none_before_it() {
    let now = Held { last: 3, ..held() };
    let void = Void { restored: vec![(20, held()), (u64::MAX, now)] };
    let has = |offset, cycle| {
        let body = Body::Totals(PartitionTotals { cycle, ..PartitionTotals::default() });
        void.has(offset, &CycleEvent { body: Some(body) }.encode_to_vec()).unwrap()
    };
    assert!(has(19, 3), "cycle 3 came again after the first restoring");
    assert!(!has(21, 3), "and this is its own");
    assert!(has(19, 4) && has(21, 4));
    assert!(!void.has(5, b"").unwrap(), "an empty message says nothing");
    let word = CycleEvent { body: Some(Body::Restored(Restored { cycle: 2 })) };
    assert!(!void.has(5, &word.encode_to_vec()).unwrap());
    assert!(void.has(5, b"\xff").is_err());
}
