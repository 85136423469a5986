//! The demo, as somebody who looks for five minutes runs it.

use std::{fs, path::Path};

use tempfile::TempDir;

use crate::support::{Running, arguments, cityunion, command, cycles, verify_all, wait_for};

const WORDS: &str = "demo --cities 4 --rate 400 --cycle-s 3 --dir {}";

fn cleared(settled: &Path) -> usize {
    let lines = |cycle: String| {
        fs::read_to_string(settled.join(cycle).join("positions.csv")).unwrap().lines().count() - 1
    };
    cycles(settled).into_iter().map(lines).sum()
}

#[test]
fn it_ends_by_itself_goes_on_and_ends_on_sigint() {
    let folder = TempDir::new().unwrap();
    let dir = folder.path().join("demo");
    let settled = dir.join("settled");
    cityunion(&format!("{WORDS} --for-s 8"), &[&dir]).ok();
    let first = cycles(&settled);
    assert!(!first.is_empty(), "no cycle was closed");
    assert!(cleared(&settled) > 0, "nothing was cleared");
    verify_all(&settled);

    let running = Running::start(command(arguments(WORDS, &[&dir])));
    wait_for("another closed cycle", || (cycles(&settled).len() > first.len()).then_some(()));
    let ended = running.signal("INT").ok();
    assert!(ended.stdout.contains("stopped"), "{}", ended.stdout);
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    let all = cycles(&settled);
    let dates: Vec<String> = (1..=all.len()).map(|day| format!("2018-09-{day:02}-001")).collect();
    assert_eq!(all, dates, "business dates go on");
    verify_all(&settled);
}
