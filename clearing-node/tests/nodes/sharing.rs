//! Nodes share the partitions, hand them over, and one of them coordinates.

use std::collections::BTreeSet;

use clearing_node::{
    coordinator::Stage,
    node::{Node, Request, Role},
};
use proto::TapEnd;

use crate::town::{CITIES, OPEN, Town, is_cut_off, is_opened, said_once, undisturbed, wait};

fn owned(node: &Node) -> BTreeSet<u32> {
    node.partitions().into_iter().filter(|(_, at)| at.has_caught_up()).map(|(number, _)| number).collect()
}

#[test]
fn two_nodes_share_partitions_and_a_partition_that_moved_gives_the_same_folder() {
    let town = Town::new();
    let (a, b) = (town.node("a"), town.node("b"));
    wait("a share for each", || {
        let (of_a, of_b) = (owned(&a), owned(&b));
        let coordinators = [&a, &b].iter().filter(|node| node.status().caught_up).count();
        let shared = of_a.is_disjoint(&of_b) && of_a.union(&of_b).count() == 2;
        let both = !of_a.is_empty() || a.status().caught_up;
        (shared && both && coordinators == 1 && (!of_b.is_empty() || b.status().caught_up)).then_some(())
    });
    town.ask(OPEN, || vec![&a, &b], is_opened);
    for city in CITIES {
        town.present(city, 1, 3);
        town.present(city, 2, 2);
    }
    town.ask(Request::CutOff { opens: None }, || vec![&a, &b], is_cut_off);
    let stages = |node: &Node| node.status().cycles.first().map(|cycle| cycle.stage.clone());
    wait("the plan on both nodes", || {
        [&a, &b]
            .iter()
            .all(|node| matches!(stages(node), Some(Stage::Segments(_) | Stage::Closed | Stage::Published)))
            .then_some(())
    });
    drop(a);
    wait("the folder", || b.status().published(1).cloned());
    assert_eq!(b.status().role, Role::Coordinates);
    wait("both partitions", || (owned(&b) == BTreeSet::from([0, 1])).then_some(()));
    assert_eq!(town.files("2018-09-01-001"), undisturbed());
    said_once(&town.events());
    assert_eq!(b.failed(), None);
}

#[test]
fn a_city_that_is_stopped_on_another_node_holds_no_barrier_up() {
    let town = Town::new();
    let (a, b) = (town.node("a"), town.node("b"));
    town.ask(OPEN, || vec![&a, &b], is_opened);
    town.present("cu-3000", 1, 3);
    town.present("cu-3000", 3, 3);
    // Its taps stand on the log, and no switch will ever pass them on.
    town.append(&town.topics.taps("cu-3000"), b"taps".to_vec());
    for node in [&a, &b] {
        let stopped = wait("the stopped city", || node.status().stopped_cities.first().cloned());
        assert!(
            stopped.0.to_string() == "cu-3000" && stopped.1.contains("batch 3 came where 2 was due"),
            "{stopped:?}"
        );
    }
    town.ask(Request::CutOff { opens: None }, || vec![&a, &b], is_cut_off);
    let noted = town.events().into_iter().find_map(|event| match event {
        proto::cycle_event::Body::CutOff(cut_off) => Some(cut_off.barrier),
        _ => None,
    });
    assert_eq!(noted, Some(vec![TapEnd { acquirer: "cu-3000".to_owned(), offset: 1 }]));
    wait("the plan", || {
        let cycles = a.status().cycles;
        cycles.first().is_some_and(|cycle| cycle.plan_digest.is_some()).then_some(())
    });
}

#[test]
fn a_late_partition_is_waited_for_and_named_while_the_next_cycle_is_cleared() {
    let town = Town::new();
    let node = town.node("a");
    town.ask(OPEN, || vec![&node], is_opened);
    drop(node);
    // Partition 1 cannot be worked on: its store is in other hands.
    let other = town.folder.path().join("a/state/partition-1");
    let hold = clearing_node::rocks::RocksStore::open(&other).unwrap();
    let node = town.node("a");
    town.present("cu-2000", 1, 3);
    let opens = Some((crate::town::date("2018-09-02"), 1));
    town.ask(Request::CutOff { opens }, || vec![&node], is_cut_off);
    let cycle = wait("the missing partition", || {
        let first = node.status().cycles.first().cloned()?;
        (first.stage == Stage::Totals(vec![1])).then_some(first)
    });
    assert!(cycle.since().is_some(), "since when is known");
    town.present("cu-2000", 2, 3);
    wait("a batch of the next cycle", || town.results("cu-2000").get(&2).cloned());
    assert_eq!(node.status().cycles[0].stage, Stage::Totals(vec![1]), "it never closes with a hole");
    assert!(node.partitions()[&1].state().trouble().is_some());
    drop(hold);
    node.resume(1).unwrap();
    wait("the folder", || node.status().published(1).cloned());
    assert_eq!(node.failed(), None);
}
