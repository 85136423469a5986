//! The whole switch on the embedded log, with home cities behind real connections.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod home;
mod sharing;
mod world;

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use cu_log::topics::SWITCH_GROUP;
use domain::{city::City, tap::TAP_LEN};
use proto::{Message, Verdicts, clearing::Body};
use switch::{
    directory::Directory,
    service::{self, Acquirers, ServiceConfig, Surroundings},
};

use self::{
    home::Running,
    world::{Book, World, city},
};

/// For each acquirer, in order: the number and, for each home city, the verdicts or none where parked.
type Told = Vec<(u64, BTreeMap<String, Option<Vec<u8>>>)>;

fn told(bodies: &[Body], acquirer: City) -> (Told, Told) {
    let (mut outcomes, mut late) = (Told::new(), Told::new());
    let codes = |verdicts: &Verdicts| verdicts.codes.to_vec();
    for body in bodies {
        match body {
            Body::Outcome(o) if o.acquirer == acquirer.to_string() => {
                let parts = o
                    .parts
                    .iter()
                    .map(|judged| (judged.part.clone().unwrap().issuer, judged.verdicts.as_ref().map(codes)));
                outcomes.push((o.number, parts.collect()));
            }
            Body::Late(l) if l.acquirer == acquirer.to_string() => {
                let parts = l.parts.iter().map(|p| (p.issuer.clone(), p.verdicts.as_ref().map(codes)));
                late.push((l.number, parts.collect()));
            }
            _ => {}
        }
    }
    (outcomes, late)
}

#[test]
fn verdicts_come_back_in_the_order_of_the_batches() {
    let world = World::new(&["2000", "4000"], &["1000", "3000", "5000"]);
    let homes: Vec<Running> = world.homes.values().map(|address| Running::at(*address)).collect();
    world.publish(1..=40);
    let book = Book::over(Arc::clone(&world.log), world.topics.clone());
    let switch = world.start(None);
    world.wait_for_taps(&switch, 40);
    switch.stop().unwrap();
    let bodies = book.end();
    for acquirer in &world.acquirers {
        let (outcomes, late) = told(&bodies, *acquirer);
        assert!(late.is_empty());
        let numbers: Vec<u64> = outcomes.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, (1..=40).collect::<Vec<_>>());
        for (_, parts) in outcomes {
            assert_eq!(parts.len(), 3);
            assert!(parts.values().all(|codes| *codes == Some(vec![0, 2])), "{parts:?}");
        }
    }
    for home in &homes {
        assert_eq!(home.judged.load(Ordering::Relaxed), 2 * 40 * 2, "each tap was asked about once");
    }
}

#[test]
fn a_city_that_goes_dark_parks_and_delivers_while_the_others_go_on() {
    let world = World::new(&["2000", "4000"], &["1000", "3000"]);
    let (bright, dark) = (city("1000"), city("3000"));
    let _bright = Running::at(world.homes[&bright]);
    let book = Book::over(Arc::clone(&world.log), world.topics.clone());

    // Nobody listens at the dark city's address.
    world.publish(1..=10);
    let switch = world.start(Some(200));
    world.wait_for_taps(&switch, 10);
    world.wait(&switch, "the dark city is seen", || switch.status().homes[&dark].dark);
    world.wait(&switch, "its parts stand in the park", || {
        switch.parked_waiting_for(|home| home == dark) == 20
    });
    assert_eq!(switch.parked_waiting_for(|home| home == bright), 0);

    // It comes up; all it missed is delivered, then traffic is direct again.
    let returned = Running::at(world.homes[&dark]);
    world.wait(&switch, "the park empties", || switch.parked_waiting_for(|_| true) == 0);
    world.publish(11..=20);
    world.wait_for_taps(&switch, 20);

    // It vanishes with its connections; a switch that starts while it is gone finds its park.
    drop(returned);
    world.publish(21..=30);
    world.wait_for_taps(&switch, 30);
    switch.stop().unwrap();
    let switch = world.start(Some(200));
    assert_eq!(switch.parked_waiting_for(|home| home == dark), 20);
    let _returned = Running::at(world.homes[&dark]);
    world.wait(&switch, "the park empties again", || switch.parked_waiting_for(|_| true) == 0);
    for acquirer in &world.acquirers {
        let done = || {
            let park = world.log.bounds(&world.topics.parked(acquirer)).unwrap();
            world.committed(world.topics.parked(acquirer)).0 == park.end
        };
        world.wait(&switch, "the park's position is committed", done);
    }
    switch.stop().unwrap();

    let bodies = book.end();
    for acquirer in &world.acquirers {
        let (outcomes, late) = told(&bodies, *acquirer);
        let numbers: Vec<u64> = outcomes.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, (1..=30).collect::<Vec<_>>());
        let direct =
            |parts: &BTreeMap<String, Option<Vec<u8>>>, home: City| parts[&home.to_string()].is_some();
        assert!(outcomes.iter().all(|(_, parts)| direct(parts, bright)), "the other city never waited");
        let parked: Vec<u64> =
            outcomes.iter().filter(|(_, parts)| !direct(parts, dark)).map(|(number, _)| *number).collect();
        let away = (1..=10).chain(21..=30).collect::<Vec<_>>();
        assert_eq!(parked, away);
        let delivered: Vec<u64> = late.iter().map(|(number, _)| *number).collect();
        assert_eq!(delivered, away, "in the order of the park");
        assert!(late.iter().all(|(_, parts)| parts[&dark.to_string()] == Some(vec![0, 2])));
    }
}

#[test]
fn an_endpoint_can_be_taken_away_and_given_back() {
    let world = World::new(&["2000"], &["1000"]);
    let home = city("1000");
    let running = Running::at(world.homes[&home]);
    let book = Book::over(Arc::clone(&world.log), world.topics.clone());
    let switch = world.start(None);
    switch.set_endpoint(home, None);
    world.wait(&switch, "the endpoint is gone", || !switch.status().homes[&home].endpoint);
    world.publish(1..=5);
    world.wait_for_taps(&switch, 5);
    assert_eq!(running.judged.load(Ordering::Relaxed), 0);
    switch.set_endpoint(home, Some(world.channel(home)));
    world.wait(&switch, "the park empties", || switch.parked_waiting_for(|_| true) == 0);
    switch.stop().unwrap();
    let (outcomes, late) = told(&book.end(), city("2000"));
    assert!(outcomes.iter().all(|(_, parts)| parts["cu-1000"].is_none()));
    assert_eq!(late.len(), 5);
    assert_eq!(TAP_LEN * 10, world_bytes(&world), "every tap stood in the park once");
}

/// Bytes of taps in the park of the first acquirer.
fn world_bytes(world: &World) -> usize {
    let parked = world.topics.parked(world.acquirers[0]);
    let end = world.log.bounds(&parked).unwrap().end;
    let mut reader = world.log.reader(&[(parked, 0)]).unwrap();
    let (mut bytes, mut next) = (0, 0);
    while next < end {
        for entry in reader.poll(1 << 20, Duration::from_secs(1)).unwrap() {
            let part = proto::ParkedPart::decode(entry.payload).unwrap().part.unwrap();
            bytes += part.taps.len();
            next = entry.offset + 1;
        }
    }
    bytes
}

#[test]
fn a_switch_dropped_in_the_middle_goes_on_from_the_log() {
    let world = World::new(&["2000"], &["1000", "3000"]);
    let _homes: Vec<Running> = world.homes.values().map(|address| Running::at(*address)).collect();
    let book = Book::over(Arc::clone(&world.log), world.topics.clone());
    world.publish(1..=60);
    let switch = world.start(None);
    world.wait(&switch, "some batches have passed", || switch.status().taps_routed > 0);
    drop(switch);
    let switch = world.start(None);
    world.wait_for_taps(&switch, 60);
    switch.stop().unwrap();
    let (outcomes, _) = told(&book.end(), city("2000"));
    let mut highest = 0;
    for (number, parts) in &outcomes {
        assert!(*number <= highest + 1, "no number is skipped");
        highest = highest.max(*number);
        assert!(parts.values().all(|codes| *codes == Some(vec![0, 2])));
    }
    assert_eq!(highest, 60);
}

#[test]
fn a_position_without_a_batch_number_is_refused() {
    let world = World::new(&["2000"], &["1000"]);
    let commit = cu_log::Commit { offset: 0, note: "seven".to_owned() };
    world.log.commit(&world.topics.group(SWITCH_GROUP), &[(world.topics.taps("cu-2000"), commit)]).unwrap();
    let with = Surroundings {
        log: Arc::clone(&world.log),
        topics: world.topics.clone(),
        acquirers: Acquirers::Own(world.acquirers.iter().copied().collect()),
        directory: Directory::new(),
        partition_of: Arc::new(|_| 0),
        tokio: world.runtime.handle().clone(),
    };
    let Err(error) = service::start(ServiceConfig::default(), with) else { panic!("started") };
    assert!(error.to_string().contains("`seven` is no batch number"), "{error}");
}
