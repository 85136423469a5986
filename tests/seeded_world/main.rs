//! The whole system in one deterministic world: the production cores of adapters, switches, book and
//! coordinator over a simulated log with crashes between any two effects, zombies, late copies, dark home
//! cities and changing rules, compared with a naive reference. A failing seed replays exactly:
//! `CU_SEED=n cargo test -p system-tests seeded_world -- --nocapture` runs it with a trace.
#![expect(clippy::unwrap_used, reason = "a test says what it found by failing")]

mod ablation;
mod adapting;
mod book_only;
mod booking;
mod centre;
mod checks;
mod commands;
mod coordinating;
mod dice;
mod disks;
mod drawing;
mod ending;
mod env;
mod faults;
mod holes;
mod interleaving;
mod net;
mod never_twice;
mod profiles;
mod records;
mod reference;
mod rendering;
mod scheme;
mod store;
mod switching;
mod trace;
mod world;

use std::ops::Range;

use dice::Dice;
use profiles::Profile;
use world::World;

/// Seeds of the whole world that every run of the tests goes through.
const SEEDS: u64 = 6_000;
/// Seeds of the world with the book alone.
const BOOK_SEEDS: u64 = 4_000;

fn whole(seed: u64, trace: bool) -> Result<(), String> {
    let mut dice = Dice::new(seed);
    let profile = Profile::of(&mut dice);
    World::new(seed, profile, dice, trace)?.run()
}

fn book_alone(seed: u64, trace: bool) -> Result<(), String> {
    let mut dice = Dice::new(seed);
    let profile = Profile::book_only(&mut dice);
    book_only::run(seed, profile, dice, trace)
}

/// Runs all seeds, or the one of `CU_SEED` with a trace, or those of `CU_SEEDS`, such as `100..900`.
fn sweep(world: impl Fn(u64, bool) -> Result<(), String>, seeds: Range<u64>) {
    if let Ok(seed) = std::env::var("CU_SEED") {
        return world(seed.parse().unwrap(), true).unwrap();
    }
    let given = std::env::var("CU_SEEDS").ok().map(|range| {
        let (first, end) = range.split_once("..").unwrap();
        first.parse().unwrap()..end.parse().unwrap()
    });
    let run = |seed| world(seed, false).err().map(|why| format!("seed {seed}: {why}"));
    let failed: Vec<String> = given.unwrap_or(seeds).filter_map(run).collect();
    assert!(failed.is_empty(), "{} seeds fail:\n{}", failed.len(), failed.join("\n"));
}

#[test]
fn seeded_world() {
    sweep(whole, 0..SEEDS);
}

#[test]
fn seeded_book() {
    sweep(book_alone, 0..BOOK_SEEDS);
}
