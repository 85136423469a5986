//! `truth.csv` against a naive clearing house made of the system's own rules: two independent ways
//! to the same rows.

use std::collections::{BTreeMap, BTreeSet};

use crate::common::{Scheme, simulated};

/// Everything a record can come to.
const ALL: [&str; 15] = [
    "local",
    "rejected:foreign_terminal",
    "rejected:unknown_issuer",
    "rejected:issuer_suspended",
    "rejected:future",
    "rejected:late",
    "rejected:unknown_key",
    "rejected:tac_invalid",
    "rejected:hotlisted",
    "duplicate",
    "conflict",
    "cleared",
    "parked:issuer_unreachable",
    "malformed:tac",
    "malformed:line",
];

fn check(taps: u64, cities: u32, days: u32, seed: u64) -> Scheme {
    let scheme = simulated(|config| {
        config.taps = Some(taps);
        (config.cities, config.days, config.seed) = (cities, days, seed);
    });
    let (truth, naive) = (scheme.truth(), scheme.clear());
    let told: BTreeSet<&String> = truth.iter().collect();
    let found: BTreeSet<&String> = naive.iter().collect();
    let only_told: Vec<_> = told.difference(&found).take(10).collect();
    let only_found: Vec<_> = found.difference(&told).take(10).collect();
    assert!(
        only_told.is_empty() && only_found.is_empty(),
        "{taps} taps, {cities} cities, {days} days, seed {seed}: only in truth.csv {only_told:#?}, only by the rules {only_found:#?}"
    );
    assert_eq!(truth.len(), naive.len(), "a row is there twice");
    assert_eq!(scheme.summary.records, taps);
    assert_eq!(scheme.summary.expected.values().sum::<u64>(), taps);
    scheme
}

/// The expected results in `truth.csv`, with how often they are there.
fn results(scheme: &Scheme) -> BTreeMap<String, u64> {
    scheme.truth().iter().fold(BTreeMap::new(), |mut results, row| {
        *results.entry(row.rsplit(',').next().unwrap_or_default().to_owned()).or_default() += 1;
        results
    })
}

#[test]
fn the_usual_scheme_shows_everything_on_one_day() {
    let scheme = check(100_000, 80, 1, 7);
    let results = results(&scheme);
    for expected in ALL.iter().filter(|expected| **expected != "cleared") {
        assert!(results.contains_key(*expected), "{expected} is missing: {results:#?}");
    }
    let columns = results.keys().filter(|result| result.starts_with("malformed:")).count();
    assert_eq!(columns, 18, "every column, `line` as a column and as a whole being one: {results:#?}");
    let bad: u64 = results.iter().filter(|(result, _)| *result != "local").map(|(_, count)| count).sum();
    assert!(bad < 5_000, "bad records are a small share: {bad}");
    assert!(scheme.summary.expected["cleared"] > 90_000);
}

#[test]
fn several_days_deliver_what_was_parked_and_repeat_what_was_paid() {
    let scheme = check(100_000, 80, 2, 7);
    let results = results(&scheme);
    for expected in ALL {
        assert!(results.contains_key(expected), "{expected} is missing: {results:#?}");
    }
    let rows = scheme.truth();
    let row =
        |wanted: &dyn Fn(&[&str]) -> bool| rows.iter().any(|row| wanted(&row.split(',').collect::<Vec<_>>()));
    assert!(row(&|f| f[1].starts_with("2018-09-01") && f[3] == "2018-09-02" && f[4] == "cleared"));
    assert!(row(&|f| f[1].starts_with("2018-09-01") && f[3] == "2018-09-02" && f[4] == "duplicate"));
    assert!(row(&|f| f[1].starts_with("2018-09-01")
        && f[3] == "2018-09-02"
        && f[4] == "rejected:issuer_suspended"));
    assert!(row(&|f| f[1].starts_with("2018-09-01")
        && f[3] == "2018-09-02"
        && f[4] == "rejected:unknown_issuer"));
    assert!(row(&|f| f[1].starts_with("2018-09-02") && f[4] == "duplicate"));
}

#[test]
fn other_seeds_and_sizes_agree_too() {
    for (taps, cities, days, seed) in [
        (20_000, 12, 5, 1),
        (20_000, 8, 15, 2),
        (5_000, 3, 3, 3),
        (5_000, 4, 2, 4),
        (8_000, 6, 4, 5),
        (3_000, 120, 2, 6),
        (2_000, 2, 3, 8),
    ] {
        check(taps, cities, days, seed);
    }
}

#[test]
fn a_small_scheme_shows_almost_everything() {
    let results = results(&check(6_000, 5, 2, 11));
    for expected in ALL.iter().filter(|expected| **expected != "malformed:tac") {
        assert!(results.contains_key(*expected), "{expected} is missing: {results:#?}");
    }
}

#[test]
fn odd_numbers_are_schemes_too() {
    for (taps, cities, days) in
        [(0, 80, 1), (0, 1, 1), (1, 1, 1), (1_000, 1, 2), (1_000, 2, 1), (7, 400, 1), (5_000, 400, 2)]
    {
        let scheme = check(taps, cities, days, 7);
        assert_eq!(scheme.rulebook.participants.len(), usize::try_from(cities).unwrap());
        let folders = std::fs::read_dir(scheme.folder().join("taps")).unwrap().count();
        assert_eq!(folders, usize::try_from(cities).unwrap(), "every city has a folder");
    }
}
