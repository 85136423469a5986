//! What comes out of a simulated scheme is what its `truth.csv` says.

use std::{collections::BTreeMap, path::Path};

use tempfile::TempDir;

use crate::support::{assert_same, cityunion, clear, cycles, rows, tree, verify_all};

/// City, file and line of a record.
type Place = (String, String, u64);
/// Business date and `result` or `result:reason`.
type Outcome = (String, String);

/// Compares every row of the acquirers' files and of the results with `truth.csv`; gives the records.
#[track_caller]
pub fn agrees(scheme: &Path, out: &Path) -> usize {
    let truth = truth(scheme);
    let mut found = from_cycles(out);
    let mut wrong = from_results(out, &mut found);
    let places: std::collections::BTreeSet<&Place> = truth.keys().chain(found.keys()).collect();
    for place in places {
        let sorted = |of: &BTreeMap<Place, Vec<Outcome>>| {
            let mut outcomes = of.get(place).cloned().unwrap_or_default();
            outcomes.sort();
            outcomes
        };
        let (expected, got) = (sorted(&truth), sorted(&found));
        let plain = expected.is_empty() && matches!(got.as_slice(), [(_, outcome)] if outcome == "cleared");
        if !plain && expected != got {
            wrong.push(format!("{place:?}: truth {expected:?}, got {got:?}"));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} differences, first:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(10)].join("\n")
    );
    found.len()
}

fn truth(scheme: &Path) -> BTreeMap<Place, Vec<Outcome>> {
    let mut truth: BTreeMap<Place, Vec<Outcome>> = BTreeMap::new();
    for row in rows(&scheme.join("truth.csv")) {
        let place = (row["city"].clone(), row["file"].clone(), row["line"].parse().unwrap());
        truth.entry(place).or_default().push((row["business_date"].clone(), row["expected"].clone()));
    }
    truth
}

/// The acquirers' files, cycle after cycle.
fn from_cycles(out: &Path) -> BTreeMap<Place, Vec<Outcome>> {
    let mut found: BTreeMap<Place, Vec<Outcome>> = BTreeMap::new();
    for cycle in cycles(out) {
        for (city, path) in files(&out.join(&cycle).join("acquirer")) {
            for row in rows(&path) {
                let place = (city.clone(), row["file"].clone(), row["line"].parse().unwrap());
                found.entry(place).or_default().push((cycle[..10].to_owned(), outcome(&row)));
            }
        }
    }
    found
}

/// The results: rows of the edge are added, the others must be what the last cycle says. Gives what is wrong.
fn from_results(out: &Path, found: &mut BTreeMap<Place, Vec<Outcome>>) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut answered = 0;
    for city in folders(&out.join("results")) {
        for (name, path) in files(&out.join("results").join(&city)) {
            for row in rows(&path) {
                answered += 1;
                let place = (city.clone(), format!("{name}.csv"), row["line"].parse().unwrap());
                if row["decided_by"] == "edge" {
                    let column = row["reason"].split(':').next().unwrap_or_default();
                    let outcome = if column.is_empty() {
                        row["result"].clone()
                    } else {
                        format!("{}:{column}", row["result"])
                    };
                    found.entry(place).or_default().push((String::new(), outcome));
                    continue;
                }
                let got = (row["cycle"].get(..10).unwrap_or_default().to_owned(), outcome(&row));
                if found.get(&place).and_then(|outcomes| outcomes.last()) != Some(&got) {
                    wrong.push(format!("results of {place:?}: {got:?}, cycles {:?}", found.get(&place)));
                }
            }
        }
    }
    if answered != found.len() {
        wrong.push(format!("{answered} rows in results, {} records", found.len()));
    }
    wrong
}

fn outcome(row: &BTreeMap<String, String>) -> String {
    match row["reason"].as_str() {
        "" => row["result"].clone(),
        reason => format!("{}:{reason}", row["result"]),
    }
}

/// The CSV files of a folder, by name without `.csv`.
fn files(folder: &Path) -> Vec<(String, std::path::PathBuf)> {
    let name = |name: String| name.strip_suffix(".csv").map(|stem| (stem.to_owned(), folder.join(&name)));
    folders(folder).into_iter().filter_map(name).collect()
}

fn folders(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Simulates, clears day after day, compares and verifies; gives the records.
fn whole(words: &str, days: usize) -> usize {
    let folder = TempDir::new().unwrap();
    let (scheme, out) = (folder.path().join("scheme"), folder.path().join("out"));
    cityunion(&format!("simulate --out {{}} --days {days} {words}"), &[&scheme]).ok();
    for _ in 0..days {
        clear(&scheme, &out);
    }
    assert_eq!(cycles(&out).len(), days);
    let records = agrees(&scheme, &out);
    verify_all(&out);
    let before = tree(&out);
    let again = clear(&scheme, &out);
    assert!(again.stdout.contains("nothing has changed"), "{}", again.stdout);
    assert_same("run once more", &before, &out);
    records
}

#[test]
fn twenty_cities_over_two_days() {
    assert!(whole("--seed 7 --cities 20 --taps 20000", 2) > 18_000);
}

#[test]
fn three_cities_over_four_days_with_outages() {
    assert!(whole("--seed 11 --cities 3 --taps 6000", 4) > 5_000);
}

#[test]
fn other_seeds() {
    for seed in [1, 23] {
        assert!(whole(&format!("--seed {seed} --cities 6 --taps 4000"), 2) > 3_500);
    }
}

#[test]
fn one_city_alone() {
    assert!(whole("--seed 3 --cities 1 --taps 500", 1) > 400);
}

#[test]
fn no_tap_at_all_is_a_cycle_too() {
    assert_eq!(whole("--seed 5 --cities 4 --taps 0", 1), 0);
}
