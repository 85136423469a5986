//! `clear` killed at any instant and run again ends with the same bytes.

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::support::{
    Dice, Running, arguments, assert_same, cityunion, clear, command, cycles, tree, verify_all,
};

const KILLS: u64 = 12;
const ROUNDS_MAX: u64 = 40;

/// Two days; one home city is dark on the first.
pub fn two_days(folder: &Path, taps: u32) -> PathBuf {
    let scheme = folder.join("scheme");
    cityunion(&format!("simulate --out {{}} --seed 17 --cities 6 --days 2 --taps {taps}"), &[&scheme]).ok();
    let dark =
        fs::read_dir(scheme.join("taps")).unwrap().map(|entry| entry.unwrap().file_name()).max().unwrap();
    let outages = format!("issuer,business_date\n{},2018-09-01\n", dark.to_string_lossy());
    fs::write(scheme.join("outages.csv"), outages).unwrap();
    scheme
}

/// Starts `clear` and kills it after a while; whether it was still at work.
pub fn killed_after(words: &str, scheme: &Path, out: &Path, delay: Duration) -> bool {
    let mut running = Running::start(command(arguments(words, &[scheme, out])));
    let deadline = Instant::now() + delay;
    while Instant::now() < deadline && running.ended().is_none() {
        thread::sleep(Duration::from_millis(1));
    }
    match running.ended() {
        Some(_) => {
            running.wait().ok();
            false
        }
        None => running.kill().code.is_none(),
    }
}

#[test]
fn killed_at_random_instants_and_run_again_it_writes_the_same_bytes() {
    let folder = TempDir::new().unwrap();
    let scheme = two_days(folder.path(), 30_000);
    let calm = folder.path().join("calm");
    let started = Instant::now();
    clear(&scheme, &calm);
    let long = started.elapsed();
    clear(&scheme, &calm);
    let wanted = tree(&calm);

    let mut dice = Dice(2018);
    let mut kills = 0;
    for round in 0..ROUNDS_MAX {
        if kills >= KILLS {
            break;
        }
        let out = folder.path().join(format!("out-{round}"));
        // Several in a row on the same OUT: each run goes on where the last was killed.
        for attempt in 4 * round..4 * round + 4 {
            // Spread over the run's length; a run that ends before its kill is none.
            let stratum = attempt % 7;
            let delay = (long * 1000 / 7 * u32::try_from(stratum).unwrap()
                + long / 7 * u32::try_from(dice.below(1000)).unwrap())
                / 1000;
            kills += u64::from(killed_after("clear {} --out {}", &scheme, &out, delay));
        }
        for _ in 0..3 {
            clear(&scheme, &out);
        }
        assert_eq!(cycles(&out).len(), 2);
        assert_same(&format!("round {round}, {kills} kills so far"), &wanted, &out);
    }
    assert!(kills >= KILLS, "only {kills} runs were still at work when they were killed");
    verify_all(&calm);
}
