//! Nodes and switches that come and go all the time.

use std::time::{Duration, Instant};

use cu_log::testing::Broker;

use crate::{
    cluster::{Cluster, Kind, seed},
    support::Dice,
    world::{DATES, World},
};

const TAPS: u32 = 40_000;
const RATE: &str = "900/s";

/// Has somebody leave or join: nodes and switches in turn, politely or not, and never the last one.
fn turn(cluster: &mut Cluster, dice: &mut Dice, turn: u64) {
    let kind = if turn.is_multiple_of(2) { Kind::Node } else { Kind::Switch };
    let (there, away): (Vec<usize>, Vec<usize>) =
        cluster.of(kind).into_iter().partition(|at| cluster.runs(*at));
    let mut one = |of: &[usize]| of[usize::try_from(dice.below(of.len() as u64)).unwrap()];
    if there.len() > 1 && (away.is_empty() || turn % 4 < 2) {
        let at = one(&there);
        match dice.below(2) {
            0 => cluster.end(at),
            _ => cluster.leave(at),
        }
    } else if !away.is_empty() {
        let at = one(&away);
        cluster.start(at, Duration::ZERO);
    }
}

#[test]
fn nodes_and_switches_that_join_and_leave_change_no_byte() {
    let seed = seed();
    eprintln!("seed {seed}: CU_SEED={seed} repeats it");
    let mut cluster = Cluster::new(World::new(18, TAPS), Broker::shared().bootstrap(), 3, 3);
    cluster.start_all();
    let mut dice = Dice(seed);
    let (mut turns, mut next) = (0, Instant::now());
    for date in DATES {
        cluster.play(date, RATE, |cluster| {
            if Instant::now() >= next {
                turn(cluster, &mut dice, turns);
                turns += 1;
                next = Instant::now() + Duration::from_millis(2_000 + dice.below(1_000));
            }
        });
        for kind in [Kind::Node, Kind::Switch] {
            for at in cluster.of(kind) {
                cluster.start(at, Duration::ZERO);
            }
        }
        cluster.drain(date);
        cluster.close(date, |_| {});
    }
    cluster.check_all();
    eprintln!("{turns} times somebody joined or left");
    assert!(turns >= 14, "only {turns} times somebody joined or left");
}
