//! Kills at any instant.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use cu_log::testing::Broker;

use crate::{
    cluster::{Cluster, Kind, seed},
    support::Dice,
    world::{DATES, World},
};

const TAPS: u32 = 50_000;
/// Taps a second: each day is under way for 50 s.
const RATE: &str = "500/s";
const KILLS_MIN: u32 = 50;
/// Kills while a cycle is being closed.
const KILLS_OF_CLOSE: u32 = 4;

/// Kills processes at instants that a seed draws.
struct Killer {
    dice: Dice,
    next: Instant,
    /// By what was killed.
    kills: BTreeMap<&'static str, u32>,
}

impl Killer {
    fn new(seed: u64) -> Self {
        Self { dice: Dice(seed), next: Instant::now(), kills: BTreeMap::new() }
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.dice.below(end.try_into().unwrap())).unwrap()
    }

    fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.dice.below(to - from))
    }

    /// Kills something if it is time to.
    fn under_load(&mut self, cluster: &mut Cluster) {
        if Instant::now() < self.next {
            return;
        }
        let kind = match self.below(10) {
            0..4 => Kind::Adapter,
            4..7 => Kind::Switch,
            _ => Kind::Node,
        };
        // The coordinator of the cycles is one node of several: half of the kills of nodes are for it.
        let coordinator = cluster.coordinator().filter(|_| kind == Kind::Node && self.below(2) == 0);
        let of_kind = cluster.of(kind);
        let at = coordinator.unwrap_or_else(|| of_kind[self.below(of_kind.len())]);
        if cluster.runs(at) {
            self.kill(cluster, at);
        }
        self.next = Instant::now() + self.millis(800, 2_600);
    }

    /// Kills the coordinator of a close, and the next one.
    fn while_closing(&mut self, cluster: &mut Cluster, left: &mut u32) {
        if *left == 0 || Instant::now() < self.next {
            return;
        }
        if let Some(at) = cluster.coordinator() {
            self.kill(cluster, at);
            *left -= 1;
            self.next = Instant::now() + self.millis(50, 1_500);
        }
    }

    fn kill(&mut self, cluster: &mut Cluster, at: usize) {
        let what = match cluster.services[at].kind {
            Kind::Adapter => "adapter",
            Kind::Switch => "switch",
            Kind::Node if cluster.coordinator() == Some(at) => "clearing node that coordinates",
            Kind::Node => "clearing node",
        };
        let back = self.millis(0, 2_000);
        cluster.kill(at, back);
        *self.kills.entry(what).or_default() += 1;
    }

    fn count(&self) -> u32 {
        self.kills.values().sum()
    }
}

#[test]
fn fifty_kills_at_random_instants_change_no_byte() {
    let seed = seed();
    eprintln!("seed {seed}: CU_SEED={seed} repeats it");
    let world = World::new(17, TAPS);
    let mut cluster = Cluster::new(world, Broker::shared().bootstrap(), 3, 2);
    cluster.start_all();
    let mut killer = Killer::new(seed);
    for date in DATES {
        cluster.play(date, RATE, |cluster| killer.under_load(cluster));
        cluster.drain(date);
        let mut left = KILLS_OF_CLOSE;
        killer.next = Instant::now() + killer.millis(0, 500);
        cluster.close(date, |cluster| killer.while_closing(cluster, &mut left));
    }
    cluster.check_all();
    eprintln!("seed {seed}: {} kills", killer.count());
    killer.kills.iter().for_each(|(what, kills)| eprintln!("{kills:>4} {what}"));
    assert!(killer.count() >= KILLS_MIN, "only {} kills", killer.count());
}
