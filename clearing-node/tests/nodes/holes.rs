//! A hole before the next offset, or another log, stops its partition alone; an operator has it go on.

use std::sync::{Arc, atomic::Ordering};

use clearing_node::{
    node::Node,
    partition::{Progress, State},
};

use runtime::{scheme::SchemeView, whole_text};

use crate::{
    faults::{Faults, Faulty},
    town::{CITIES, OPEN, Town, is_opened, wait},
};

fn partition(node: &Node, number: u32) -> Option<Arc<Progress>> {
    node.partitions().get(&number).cloned()
}

/// Why a partition is stopped, once it is.
fn stopped(node: &Node, number: u32) -> String {
    wait("a stopped partition", || match partition(node, number)?.state() {
        State::Stopped(why) => Some(why),
        _ => None,
    })
}

fn works(node: &Node, number: u32) {
    wait("a partition at work", || partition(node, number)?.has_caught_up().then_some(()));
}

#[test]
fn a_log_that_begins_after_the_store_stops_its_partition_and_no_other() {
    let town = Town::new();
    {
        let node = town.node("before");
        town.ask(OPEN, || vec![&node], is_opened);
        CITIES.iter().for_each(|city| town.present(city, 1, 3));
        works(&node, 1);
    }
    let (log, faults) = Faulty::over(&town.log, Faults::default());
    faults.retained_from.store(2, Ordering::SeqCst);
    let node = town.node_over("empty", &log);
    let why = stopped(&node, 1);
    assert!(why.contains("cu.clearing/1 holds offsets 2..2, 0 was asked for"), "{why}");
    works(&node, 0);
    wait("the coordinator", || node.status().caught_up.then_some(()));
    town.present("cu-2000", 2, 1);
    wait("the other city's result", || town.results("cu-2000").get(&2).cloned());

    assert!(node.resume(0).unwrap_err().to_string().contains("does not stand still"));
    assert!(node.resume(7).unwrap_err().to_string().contains("not on this node"));
    node.resume(1).unwrap();
    assert!(stopped(&node, 1).contains("holds offsets"), "nothing was put right");
    faults.retained_from.store(0, Ordering::SeqCst);
    node.resume(1).unwrap();
    works(&node, 1);
    assert_eq!(node.failed(), None);
}

#[test]
fn a_gap_while_reading_stops_the_partition_and_nothing_is_booked_past_it() {
    let town = Town::new();
    let (log, faults) = Faulty::over(&town.log, Faults::default());
    let node = town.node_over("a", &log);
    town.ask(OPEN, || vec![&node], is_opened);
    works(&node, 1);
    faults.skipped.store(1, Ordering::SeqCst);
    town.present("cu-3000", 1, 3);
    town.present("cu-3000", 2, 3);
    let why = stopped(&node, 1);
    assert!(why.contains("from offset 1 to 2"), "{why}");
    assert!(town.results("cu-3000").is_empty());
    faults.skipped.store(0, Ordering::SeqCst);
    node.resume(1).unwrap();
    wait("both results", || (town.results("cu-3000").len() == 2).then_some(()));
}

#[test]
fn a_topic_that_was_made_anew_stops_the_partition() {
    let (town, other) = (Town::new(), Town::new());
    for (town, records) in [(&town, 3), (&other, 4)] {
        let node = town.node("a");
        town.ask(OPEN, || vec![&node], is_opened);
        CITIES.iter().for_each(|city| town.present(city, 1, records));
        wait("the results", || CITIES.iter().all(|city| town.results(city).len() == 1).then_some(()));
    }
    // The store of one log on another, as long as it.
    let state = |town: &Town| town.folder.path().join("a/state/partition-1");
    std::fs::remove_dir_all(state(&other)).unwrap();
    std::fs::rename(state(&town), state(&other)).unwrap();
    let node = other.node("a");
    let why = stopped(&node, 1);
    assert!(why.contains("the message at offset 1 is not the one that was folded there"), "{why}");
    works(&node, 0);
}

#[test]
fn a_log_that_ends_before_the_store_stops_the_partition() {
    let (town, other) = (Town::new(), Town::new());
    for (town, batches) in [(&town, 2), (&other, 0)] {
        let node = town.node("a");
        town.ask(OPEN, || vec![&node], is_opened);
        (1..=batches).for_each(|number| town.present("cu-3000", number, 3));
        wait("the results", || (town.results("cu-3000").len() as u64 == batches).then_some(()));
    }
    let state = |town: &Town| town.folder.path().join("a/state/partition-1");
    std::fs::remove_dir_all(state(&other)).unwrap();
    std::fs::rename(state(&town), state(&other)).unwrap();
    let node = other.node("a");
    let why = stopped(&node, 1);
    assert!(why.contains("holds offsets 0..1, 3 was asked for"), "{why}");
}

/// Whoever reads rules and cycles from an offset that is not the first would take a later cycle for the first.
#[test]
fn rules_and_cycles_without_their_beginning_are_not_followed() {
    let town = Town::new();
    let node = town.node("a");
    town.ask(OPEN, || vec![&node], is_opened);
    drop(node);
    for topic in ["cu.rulebook", "cu.cycles"] {
        let (log, faults) = Faulty::over(&town.log, Faults::default());
        *faults.begins.lock().unwrap() = Some((topic.to_owned(), 1));
        let why = whole_text(&SchemeView::follow(&log, &town.topics).unwrap_err());
        assert!(why.contains(&format!("{topic}/0 lacks its beginning; restore the log")), "{why}");
        *faults.begins.lock().unwrap() = None;
        SchemeView::follow(&log, &town.topics).unwrap();
    }
    let (log, faults) = Faulty::over(&town.log, Faults::default());
    *faults.lacks.lock().unwrap() = Some(("cu.cycles".to_owned(), 0));
    let why = whole_text(&SchemeView::follow(&log, &town.topics).unwrap_err());
    assert!(why.contains("cu.cycles/0 goes from offset 0 to 1"), "{why}");
}

/// A gap that appears while it follows: it says so and takes nothing more.
#[test]
fn a_gap_in_the_cycles_while_they_are_followed_is_told() {
    let town = Town::new();
    let (log, faults) = Faulty::over(&town.log, Faults::default());
    let scheme = SchemeView::follow(&log, &town.topics).unwrap();
    assert_eq!(scheme.failed(), None);
    *faults.lacks.lock().unwrap() = Some(("cu.cycles".to_owned(), 0));
    let node = town.node("a");
    town.ask(OPEN, || vec![&node], is_opened);
    let why = wait("what is wrong", || scheme.failed());
    assert!(why.contains("messages are missing; restore the log"), "{why}");
    assert!(scheme.open_cycle().is_none());
}
