//! A node and a switch that stand still for longer than their session, and wake up behind the others.

use std::time::{Duration, Instant};

use cu_log::testing::Broker;

use crate::{
    cluster::{Cluster, Kind},
    world::{DATES, World},
};

const TAPS: u32 = 30_000;

#[test]
fn those_that_stood_still_change_nothing_when_they_wake_up() {
    let mut cluster = Cluster::new(World::new(19, TAPS), Broker::shared().bootstrap(), 2, 2);
    cluster.start_all();
    cluster.wait("each has its share", |cluster| {
        let shares = |cluster: &Cluster| {
            let nodes = cluster.of(Kind::Node);
            nodes.iter().all(|at| !cluster.services[*at].partitions("working").is_empty())
        };
        (shares(cluster) && cluster.coordinator().is_some()).then_some(())
    });
    // The node that coordinates is the one to stand still.
    let node = cluster.coordinator().unwrap();
    let switch = cluster.of(Kind::Switch)[0];
    let (mut begun, mut stopped) = (Instant::now(), false);
    cluster.play(DATES[0], "1500/s", |cluster| {
        if !stopped && begun.elapsed() > Duration::from_secs(3) {
            [node, switch].into_iter().for_each(|at| cluster.stop(at));
            stopped = true;
            begun = Instant::now();
        }
    });
    assert!(stopped, "the day was over too soon");
    let cities = i64::try_from(cluster.world.cities.len()).unwrap();
    cluster.wait("the others have taken over", |cluster| {
        (cluster.working().len() == 4 && cluster.switched() == cities).then_some(())
    });
    eprintln!("taken over {:?} after they stood still", begun.elapsed());
    cluster.drain(DATES[0]);
    cluster.close(DATES[0], |_| {});

    // They wake up in the middle of the next day.
    let (begun, mut woken) = (Instant::now(), false);
    cluster.play(DATES[1], "1500/s", |cluster| {
        if !woken && begun.elapsed() > Duration::from_secs(3) {
            [node, switch].into_iter().for_each(|at| cluster.go_on(at));
            woken = true;
        }
    });
    for at in [node, switch] {
        let name = cluster.services[at].name.clone();
        cluster
            .wait("it says that it lost them", |cluster| cluster.said(&name).contains("lost").then_some(()));
    }
    cluster.wait("all share again", |cluster| {
        let owned = cluster.services[switch].metric("cityunion_switch_acquirers")?;
        let working = cluster.services[node].partitions("working");
        (owned > 0 && !working.is_empty() && cluster.working().len() == 4).then_some(())
    });
    cluster.drain(DATES[1]);
    cluster.close(DATES[1], |_| {});
    cluster.check_all();
    assert!(cluster.ended.is_empty(), "{:?}", cluster.ended);
}
