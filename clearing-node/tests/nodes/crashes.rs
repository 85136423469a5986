//! A node dies at any step of a cycle, and a standby finishes the same cycle.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use clearing_node::node::{Node, Request};

use crate::{
    faults::{Faults, Faulty},
    town::{CITIES, OPEN, Town, is_cut_off, is_opened, said_once, undisturbed, wait},
};

/// A day in which node `a` dies at its append number `at`; whether it came so far.
fn day(at: i64, lands: bool, expected: &std::collections::BTreeMap<std::path::PathBuf, Vec<u8>>) -> bool {
    let town = Town::new();
    let faults = Faults { appends_left: Some(AtomicI64::new(at)), last_lands: lands, ..Faults::default() };
    let (log, faults) = Faulty::over(&town.log, faults);
    let mut a = Some(town.node_over("a", &log));
    wait("the first node", || a.as_ref()?.status().caught_up.then_some(()));
    let b = town.node("b");
    let dead = || faults.dead.load(Ordering::SeqCst);
    // A dead node is dropped: it can write nothing more, and leaves the group as one whose session is over.
    let mut presented = false;
    wait("the end of the day", || {
        if dead() {
            a = None;
        }
        let events = town.events();
        if !is_opened(&events) {
            ask(a.as_ref(), &b, OPEN);
        } else if !std::mem::replace(&mut presented, true) {
            for city in CITIES {
                town.present(city, 1, 3);
                town.present(city, 2, 2);
            }
        } else if !is_cut_off(&events) {
            let answered = CITIES.iter().all(|city| town.results(city).len() == 2);
            if answered {
                ask(a.as_ref(), &b, Request::CutOff { opens: None });
            }
        } else if b.status().cycles.first().is_some_and(|cycle| cycle.plan_digest.is_some()) && !dead() {
            // It did not die: it leaves in good order, so that the other can make the folder.
            a = None;
        }
        b.status().published(1).map(|_| ())
    });
    drop(a);
    said_once(&town.events());
    for city in CITIES {
        assert!(town.results(city).values().all(|said| said.len() == 1), "two results for one batch");
    }
    let folders = ["a", "b"].map(|name| town.files(name, "2018-09-01-001"));
    let made: Vec<_> = folders.iter().filter(|files| !files.is_empty()).collect();
    assert!(
        !made.is_empty() && made.into_iter().all(|files| files == expected),
        "append {at}, lands: {lands}"
    );
    let in_time = dead();
    drop(b);
    drop(Arc::clone(&town.log));
    in_time
}

fn ask(a: Option<&Node>, b: &Node, request: Request) {
    if let Some(node) = a.into_iter().chain([b]).find(|node| node.status().caught_up) {
        node.request(request);
        std::thread::sleep(std::time::Duration::from_millis(30));
    }
}

#[test]
fn a_standby_finishes_what_a_dying_node_began_at_every_step() {
    let expected = undisturbed();
    let mut steps = 0;
    for at in 0.. {
        if !day(at, at % 2 == 0, &expected) {
            break;
        }
        steps = at + 1;
    }
    assert!(steps >= 5, "a cycle has more steps than {steps}");
}
