//! The whole system in one deterministic world: the production cores of adapters, switches, book and
//! coordinator over a simulated log with crashes between any two effects, zombies, late copies, dark home
//! cities and changing rules, compared with a naive reference. A failing seed replays exactly:
//! `CU_SEED=n cargo test -p system-tests seeded_world -- --nocapture` runs it with a trace.
#![expect(clippy::unwrap_used, reason = "a test says what it found by failing")]

mod adapting;
mod booking;
mod checks;
mod coordinating;
mod dice;
mod ending;
mod env;
mod faults;
mod net;
mod profiles;
mod records;
mod reference;
mod scheme;
mod store;
mod switching;
mod trace;
mod world;

use dice::Dice;
use profiles::Profile;
use world::World;

/// Seeds that every run of the tests goes through.
const SEEDS: u64 = 500;

fn run(seed: u64, trace: bool) -> Result<(), String> {
    let mut dice = Dice::new(seed);
    let profile = Profile::of(&mut dice);
    World::new(seed, profile, dice, trace)?.run()
}

fn given_seed() -> Option<u64> {
    std::env::var("CU_SEED").ok().map(|seed| seed.parse().unwrap())
}

#[test]
fn seeded_world() {
    if let Some(seed) = given_seed() {
        return run(seed, true).unwrap();
    }
    let seeds = given_range().unwrap_or(0..SEEDS);
    let failed: Vec<String> =
        seeds.filter_map(|seed| run(seed, false).err().map(|why| format!("seed {seed}: {why}"))).collect();
    assert!(failed.is_empty(), "{} seeds fail:\n{}", failed.len(), failed.join("\n"));
}

/// `CU_SEEDS=100..900` runs other seeds.
fn given_range() -> Option<std::ops::Range<u64>> {
    let range = std::env::var("CU_SEEDS").ok()?;
    let (first, end) = range.split_once("..").unwrap();
    Some(first.parse().unwrap()..end.parse().unwrap())
}
