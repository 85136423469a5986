//! A stopped city goes on.

use proto::{Resume, SwitchStop};

use super::*;

fn resume(id: &str, next: u64, taps_end: u64) -> Body {
    Body::Resume(Resume {
        id: id.to_owned(),
        city: "cu-2000".to_owned(),
        next,
        reason: "batch 2 was sent again".to_owned(),
        operator: "li".to_owned(),
        taps_end,
    })
}

fn refusal(what: What) -> String {
    match what {
        What::Resumed(resumed) => resumed.refused,
        other => panic!("{other:?}"),
    }
}

/// Number 2 is lost before the book, 3 and 4 came. After the resume they come again from 2 on; 5, which the
/// switch sent meanwhile, is passed over once more. Each record is paid once.
#[test]
fn a_skipped_number_is_made_up_for_and_everything_is_paid_once() {
    let mut desk = Desk::new(0);
    desk.open(1, "2018-09-01");
    assert_eq!(desk.batch(1, &[ride(1, 100)]), [1]);
    assert_eq!(desk.batch(3, &[ride(3, 400)]), [0; 0], "nothing is booked");
    desk.batch(4, &[ride(4, 800)]);
    assert_eq!(desk.stopped(), ["cu-2000: batch 3 came where 2 was due: a batch is missing"]);
    assert!(matches!(desk.last_event(), What::Stopped(_)));

    desk.fold(resume("r0", 3, 9));
    assert_eq!(refusal(desk.last_event()), "batch 2 is due and not 3", "what the operator saw is checked");
    desk.fold(resume("r1", 2, 9));
    assert_eq!(refusal(desk.last_event()), "");
    assert_eq!(desk.stopped(), [""; 0]);
    desk.crash();
    assert_eq!(desk.batch(5, &[ride(5, 1600)]), [0; 0], "2 comes first");
    assert_eq!(desk.stopped(), [""; 0], "and that stops nobody");
    for (number, fen) in [(2, 200), (3, 400), (4, 800), (5, 1600), (6, 3200)] {
        let seq = u32::try_from(number).unwrap();
        assert_eq!(desk.batch(number, &[ride(seq, fen)]), [1], "{number}");
    }
    assert_eq!(desk.batch(3, &[ride(3, 400)]), [1], "a repeat");
    desk.fold(resume("r1", 7, 9));
    assert_eq!(desk.events().len(), 3, "a repeated message says nothing");
    desk.fold(resume("r2", 7, 9));
    assert_eq!(refusal(desk.last_event()), "it is not stopped");
    assert!(desk.batch(8, &[ride(8, 1)]).is_empty());
    assert_eq!(desk.stopped().len(), 1, "a new hole stops it again");
    assert_eq!(desk.close(1), (6, 100 + 200 + 400 + 800 + 1600 + 3200));
}

/// Two contents under number 1: the first counts for ever, the second is paid under a new number.
#[test]
fn of_two_contents_under_one_number_the_first_counts() {
    let mut desk = Desk::new(0);
    desk.open(1, "2018-09-01");
    desk.batch(1, &[ride(1, 100)]);
    assert!(desk.batch(1, &[ride(2, 500)]).is_empty());
    assert_eq!(desk.stopped().len(), 1);
    desk.batch(2, &[ride(3, 900)]);
    desk.fold(resume("r1", 2, 0));
    assert_eq!(desk.batch(2, &[ride(3, 900)]), [1], "what came behind it comes again");
    assert_eq!(desk.batch(3, &[ride(2, 500)]), [1], "the other content, under a number of its own");
    assert_eq!(desk.close(1), (3, 1500));
}

#[test]
fn what_the_switch_stopped_is_told_once_and_what_it_read_before_is_booked() {
    let mut desk = Desk::new(0);
    desk.open(1, "2018-09-01");
    let stop = |taps_offset| {
        let (acquirer, reason) = ("cu-2000".to_owned(), "numbers were skipped".to_owned());
        Body::SwitchStop(SwitchStop { acquirer, taps_offset, reason })
    };
    desk.fold(stop(4));
    desk.fold(stop(4));
    assert_eq!(desk.stopped(), ["cu-2000: at the switch: numbers were skipped"]);
    assert_eq!(desk.batch(1, &[ride(1, 100)]), [1], "the book is not stopped");
    desk.fold(resume("r1", 2, 7));
    desk.crash();
    desk.fold(stop(4));
    assert_eq!(desk.stopped(), [""; 0], "a switch that comes back late says old things");
    desk.fold(stop(7));
    assert_eq!(desk.stopped().len(), 1);
    assert_eq!(desk.events().len(), 3);
}
