//! Switches that share acquirers.

use std::{collections::BTreeMap, sync::Arc};

use cu_log::Commit;
use domain::city::City;
use proto::clearing::Body;
use switch::service::SwitchHandle;

use super::{
    home::Running,
    told,
    world::{Book, World, city},
};

fn owned(switch: &SwitchHandle) -> usize {
    let status = switch.status();
    if status.coming.is_empty() { status.acquirers.len() } else { 0 }
}

/// The digest under each number, which must be one, and how often each came.
fn numbers(bodies: &[Body], acquirer: City) -> BTreeMap<u64, usize> {
    let mut digests = BTreeMap::new();
    let mut seen: BTreeMap<u64, usize> = BTreeMap::new();
    for body in bodies {
        if let Body::Outcome(outcome) = body
            && outcome.acquirer == acquirer.to_string()
        {
            let digest = digests.entry(outcome.number).or_insert_with(|| outcome.digest.clone());
            assert_eq!(*digest, outcome.digest, "batch {} of {acquirer}", outcome.number);
            let expected = seen.keys().last().copied().unwrap_or_default() + 1;
            assert!(outcome.number <= expected, "{acquirer}: {} where {expected} is next", outcome.number);
            *seen.entry(outcome.number).or_default() += 1;
        }
    }
    seen
}

#[test]
fn switches_share_the_acquirers_and_hand_them_over_without_repeating_anything() {
    let world = World::new(&["2000", "4000", "6000", "8000"], &["1000", "3000"]);
    let _homes: Vec<Running> = world.homes.values().map(|address| Running::at(*address)).collect();
    let book = Book::over(Arc::clone(&world.log), world.topics.clone());
    let first = world.start_shared(None);
    world.wait(&first, "it owns all", || owned(&first) == 4);
    world.publish(1..=20);
    let second = world.start_shared(None);
    world.wait(&first, "each owns its half", || (owned(&first), owned(&second)) == (2, 2));
    world.publish(21..=40);
    world.wait_for_taps(&first, 40);
    first.stop().unwrap();
    world.wait(&second, "the other owns all", || owned(&second) == 4);
    world.publish(41..=60);
    world.wait_for_taps(&second, 60);
    second.stop().unwrap();
    let bodies = book.end();
    for acquirer in &world.acquirers {
        assert!((1..=60).map(|number| (number, 1)).eq(numbers(&bodies, *acquirer)), "{acquirer}");
    }
}

#[test]
fn a_park_follows_its_taps_to_the_next_owner() {
    let world = World::new(&["2000", "4000"], &["1000", "3000"]);
    let dark = city("3000");
    let _bright = Running::at(world.homes[&city("1000")]);
    let book = Book::over(Arc::clone(&world.log), world.topics.clone());
    let [first, second] = [(); 2].map(|()| world.start_shared(Some(100)));
    world.wait(&first, "each owns one", || (owned(&first), owned(&second)) == (1, 1));
    world.publish(1..=10);
    world.wait_for_taps(&first, 10);
    world.wait(&first, "its parts stand in its park", || first.parked_waiting_for(|home| home == dark) == 10);
    world.wait(&second, "the others in the other's", || second.parked_waiting_for(|home| home == dark) == 10);

    // One ends as in a crash; the other reads what it had parked, and tells it when the home city is back.
    drop(first);
    world.wait(&second, "both parks are the other's", || {
        owned(&second) == 2 && second.parked_waiting_for(|home| home == dark) == 20
    });
    let _returned = Running::at(world.homes[&dark]);
    world.wait(&second, "the parks empty", || second.parked_waiting_for(|_| true) == 0);
    second.stop().unwrap();
    let bodies = book.end();
    for acquirer in &world.acquirers {
        let (outcomes, late) = told(&bodies, *acquirer);
        assert!(outcomes.iter().all(|(_, parts)| parts["cu-3000"].is_none()));
        assert!(late.iter().map(|(number, _)| *number).eq(1..=10), "{late:?}");
    }
}

#[test]
fn one_that_ends_in_the_middle_is_replaced_and_nothing_is_skipped() {
    let world = World::new(&["2000", "4000"], &["1000", "3000"]);
    let _homes: Vec<Running> = world.homes.values().map(|address| Running::at(*address)).collect();
    let book = Book::over(Arc::clone(&world.log), world.topics.clone());
    let [first, second] = [(); 2].map(|()| world.start_shared(None));
    world.wait(&first, "each owns one", || (owned(&first), owned(&second)) == (1, 1));
    world.publish(1..=60);
    world.wait(&first, "some batches have passed", || first.status().taps_routed > 0);
    drop(first);
    world.wait_for_taps(&second, 60);
    second.stop().unwrap();
    let bodies = book.end();
    for acquirer in &world.acquirers {
        assert!(numbers(&bodies, *acquirer).keys().copied().eq(1..=60), "{acquirer}");
    }
}

#[test]
fn an_acquirer_that_joins_later_is_shared_too() {
    let world = World::new(&["2000", "4000"], &["1000"]);
    let _home = Running::at(world.homes[&city("1000")]);
    let (early, late) = (city("2000"), city("4000"));
    let switch = world.start_shared(None);
    world.wait(&switch, "it owns both", || owned(&switch) == 2);
    switch.share(&[early].into()).unwrap();
    world.wait(&switch, "it owns one", || switch.status().acquirers.keys().eq([&early]));
    switch.share(&[early, late].into()).unwrap();
    world.wait(&switch, "it owns both again", || owned(&switch) == 2);
    world.publish(1..=5);
    world.wait_for_taps(&switch, 5);
    switch.stop().unwrap();
}

#[test]
fn what_a_late_owner_commits_is_done_again_and_skips_nothing() {
    let world = World::new(&["2000"], &["1000"]);
    let _home = Running::at(world.homes[&city("1000")]);
    let book = Book::over(Arc::clone(&world.log), world.topics.clone());
    let first = world.start_shared(None);
    world.publish(1..=10);
    world.wait_for_taps(&first, 10);
    first.stop().unwrap();
    // An owner that stood still since batch 3 wakes up and commits what it had done by then.
    let position = Commit { offset: 3, note: "3".to_owned() };
    let group = world.topics.group(cu_log::topics::SWITCH_GROUP);
    world.log.commit(&group, &[(world.topics.taps("cu-2000"), position)]).unwrap();
    let second = world.start_shared(None);
    world.publish(11..=20);
    world.wait_for_taps(&second, 20);
    second.stop().unwrap();
    let seen = numbers(&book.end(), city("2000"));
    let expected = (1..=20).map(|number| (number, if (4..=10).contains(&number) { 2 } else { 1 }));
    assert!(expected.eq(seen.clone()), "{seen:?}");
}

#[test]
fn an_acquirer_whose_position_makes_no_sense_stops_alone() {
    let world = World::new(&["2000", "4000"], &["1000"]);
    let _home = Running::at(world.homes[&city("1000")]);
    let group = world.topics.group(cu_log::topics::SWITCH_GROUP);
    let beyond = Commit { offset: 7, note: "7".to_owned() };
    world.log.commit(&group, &[(world.topics.taps("cu-4000"), beyond)]).unwrap();
    let switch = world.start_shared(None);
    let stopped = || switch.status().acquirers.get(&city("4000")).and_then(|it| it.stopped.clone());
    world.wait(&switch, "the hole is found", || stopped().is_some());
    assert!(stopped().unwrap().contains("messages are missing"), "{:?}", stopped());
    world.publish(1..=5);
    world.wait(&switch, "the other goes on", || {
        world.committed(world.topics.taps("cu-2000")) == (5, "5".to_owned())
    });
    assert_eq!(world.committed(world.topics.taps("cu-4000")), (7, "7".to_owned()));
    switch.stop().unwrap();
}
