//! A broker that is killed, and a network that fails in front of it.

use std::time::{Duration, Instant};

use crate::{
    cluster::{Cluster, free_ports},
    kafka::Kafka,
    proxy::{Mode, Proxy},
    world::{DATES, World},
};

const TAPS: u32 = 30_000;
const RATE: &str = "1000/s";

#[test]
fn a_broker_that_is_killed_and_started_again_loses_nothing() {
    let kafka = Kafka::start(None);
    let mut cluster = Cluster::new(World::new(20, TAPS), &format!("127.0.0.1:{}", kafka.port()), 2, 2);
    cluster.start_all();
    for date in DATES {
        let (begun, mut killed) = (Instant::now(), false);
        cluster.play(date, RATE, |_| {
            if !killed && begun.elapsed() > Duration::from_secs(4) {
                kafka.kill();
                std::thread::sleep(Duration::from_secs(3));
                kafka.start_again();
                killed = true;
            }
        });
        assert!(killed, "the day was over too soon");
        cluster.drain(date);
        cluster.close(date, |_| {});
    }
    cluster.check_all();
}

/// What the network does, and from which second on.
const WEATHER: [(u64, Mode); 9] = [
    (3, Mode::Delays(Duration::from_millis(150))),
    (7, Mode::Cut),
    (8, Mode::Passes),
    (10, Mode::Cut),
    (11, Mode::Passes),
    (13, Mode::Silent),
    (38, Mode::Cut),
    (43, Mode::Delays(Duration::from_millis(50))),
    (46, Mode::Passes),
];

#[test]
fn a_broker_that_cannot_be_reached_only_delays() {
    let port = free_ports(1)[0];
    let kafka = Kafka::start(Some(port));
    let proxy = Proxy::start(port, kafka.port());
    let mut cluster = Cluster::new(World::new(21, TAPS), &format!("127.0.0.1:{port}"), 2, 2);
    cluster.start_all();
    let begun = Instant::now();
    let mut weather = WEATHER.iter().peekable();
    let mut blow = || {
        while let Some((_, mode)) = weather.next_if(|(at, _)| begun.elapsed().as_secs() >= *at) {
            proxy.set(*mode);
        }
        weather.peek().is_none()
    };
    cluster.play(DATES[0], RATE, |_| {
        blow();
    });
    cluster.wait("fair weather", |_| blow().then_some(()));
    cluster.drain(DATES[0]);
    cluster.close(DATES[0], |_| {});
    cluster.play(DATES[1], "max", |_| {});
    cluster.drain(DATES[1]);
    cluster.close(DATES[1], |_| {});
    cluster.check_all();
}
