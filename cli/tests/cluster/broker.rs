//! A broker that is killed, and a network that fails in front of it.

use std::{
    ops::Range,
    time::{Duration, Instant},
};

use crate::{
    cluster::{Cluster, Kind},
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

/// What the network does, and from which second on: every short trouble, then a whole minute without the broker in
/// one piece, first of silence, then of refusals, and trouble once more while everybody comes back.
const WEATHER: [(u64, Mode); 11] = [
    (3, Mode::Delays(Duration::from_millis(150))),
    (6, Mode::Cut),
    (7, Mode::Passes),
    (9, Mode::Resets),
    (10, Mode::Passes),
    (11, Mode::Delays(Duration::from_millis(500))),
    (MINUTE.start, Mode::Silent),
    (MINUTE.start + 35, Mode::Refuses),
    (MINUTE.end, Mode::Delays(Duration::from_millis(50))),
    (MINUTE.end + 2, Mode::Resets),
    (MINUTE.end + 3, Mode::Passes),
];
/// The seconds in which nobody reaches the broker.
const MINUTE: Range<u64> = 13..73;
/// Taps a second in bad weather: they come in long after the minute has begun.
const SLOW: &str = "600/s";

/// What is seen while the broker is away.
#[derive(Default)]
struct Seen {
    /// Answers that were there soon after the minute began.
    answers: Option<usize>,
    /// Most batches that waited at adapters and at switches.
    before: i64,
    behind: i64,
    looked: bool,
}

impl Seen {
    /// Nothing gets through; adapters, switches and nodes say so, and work waits before the log and behind it.
    fn look(&mut self, cluster: &Cluster, second: u64) {
        if !(MINUTE.start + 2..MINUTE.end).contains(&second) || self.looked {
            return;
        }
        let now = cluster.answered_of(DATES[0], &cluster.world.cities);
        let answers = *self.answers.get_or_insert(now);
        let waiting = |kind: Kind, metric: &str| -> i64 {
            let services = cluster.of(kind).into_iter().map(|at| &cluster.services[at]);
            services.filter_map(|service| service.metric(metric)).sum()
        };
        self.before = self.before.max(waiting(Kind::Adapter, "cityunion_adapter_waiting_batches"));
        self.behind = self.behind.max(waiting(Kind::Switch, "cityunion_switch_working_batches"));
        if second < MINUTE.end - 3 {
            return;
        }
        self.looked = true;
        assert_eq!(now, answers, "something was answered without a broker");
        for service in &cluster.services {
            assert!(!service.ready(), "{} says that it is ready", service.name);
        }
        assert!(cluster.ended.is_empty(), "nobody gives up: {:?}", cluster.ended);
        let Self { before, behind, .. } = self;
        eprintln!("without a broker {before} batches waited at the adapters, {behind} at the switches");
        // What the switches had read before may all have been answered.
        assert!(*before > 0, "no batch waited for the log");
    }
}

#[test]
fn a_broker_that_cannot_be_reached_for_a_minute_only_delays() {
    let port = cu_log::testing::free_ports(1)[0];
    let kafka = Kafka::start(Some(port));
    let proxy = Proxy::start(port, kafka.port());
    // Most of its time it waits, so it runs beside another test.
    let world = World::beside(21, TAPS);
    let mut cluster = Cluster::new(world, &format!("127.0.0.1:{port}"), 2, 2);
    cluster.start_all();
    let begun = Instant::now();
    let (mut weather, mut seen) = (WEATHER.iter().peekable(), Seen::default());
    let mut blow = |cluster: &mut Cluster| {
        let second = begun.elapsed().as_secs();
        while let Some((_, mode)) = weather.next_if(|(at, _)| second >= *at) {
            proxy.set(*mode);
        }
        seen.look(cluster, second);
        weather.peek().is_none().then_some(())
    };
    cluster.play(DATES[0], SLOW, |cluster| {
        blow(cluster);
    });
    cluster.wait("fair weather", &mut blow);
    assert!(seen.looked, "the minute was not looked at");
    cluster.drain(DATES[0]);
    eprintln!(
        "everything was answered {:?} after the broker was back",
        begun.elapsed() - Duration::from_secs(MINUTE.end)
    );
    cluster.close(DATES[0], |_| {});
    cluster.play(DATES[1], "max", |_| {});
    cluster.drain(DATES[1]);
    cluster.close(DATES[1], |_| {});
    cluster.check_all();
    assert!(cluster.ended.is_empty(), "nobody had to be started again: {:?}", cluster.ended);
}
