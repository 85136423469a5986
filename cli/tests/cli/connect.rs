//! The example of `docs/connect-a-city.md`: what the page shows is what a reader gets.

use std::{fs, path::PathBuf};

use tempfile::TempDir;

use crate::support::{cityunion, columns, repository};

fn example(name: &str) -> PathBuf {
    repository().join("docs/examples/connect-a-city").join(name)
}

#[test]
fn the_mapping_of_the_page_presents_the_taps_of_its_file() {
    let [mapping, file] = ["mapping.toml", "SKMX20180901.txt"].map(example);
    let ran = cityunion("mapping check {} --sample {} --city cu-3100 -o csv", &[&mapping, &file]).ok();
    let rows = "\nwhat,rows\ntaken,16\n\"of these local, left to the city\",1\nmalformed,3\n\
        dropped by the mapping's filters,3\n";
    assert!(ran.stdout.contains(rows), "{}", ran.stdout);
}

#[test]
fn the_file_of_the_page_clears_as_the_page_shows() {
    let folder = TempDir::new().unwrap();
    let [trial, settled, bad] = ["trial", "settled", "malformed.csv"].map(|name| folder.path().join(name));
    cityunion("simulate --out {} --cities 3 --taps 0", &[&trial]).ok();
    for city in ["cu-2000", "cu-3100", "cu-3120"] {
        let taps = trial.join("taps").join(city);
        fs::remove_dir_all(&taps).unwrap();
        fs::create_dir(&taps).unwrap();
    }
    let taps = trial.join("taps/cu-3100/2018-09-01.csv");
    let [mapping, file] = ["mapping.toml", "SKMX20180901.txt"].map(example);
    cityunion("convert --mapping {} {} --out {} --quarantine {}", &[&mapping, &file, &taps, &bad]).ok();
    assert_eq!(columns(&bad, &["line", "column"]), ["1 header", "8 terminal", "15 amount_fen", "16 line"]);

    cityunion("clear {} --out {}", &[&trial, &settled]).ok();
    let results = columns(&settled.join("results/cu-3100/2018-09-01.csv"), &["line", "result", "reason"]);
    let not_cleared: Vec<&str> =
        results.iter().map(String::as_str).filter(|row| !row.ends_with(" cleared")).collect();
    assert_eq!(results.len(), 16);
    assert_eq!(
        not_cleared,
        [
            "6 local",
            "10 rejected hotlisted",
            "13 rejected tac_invalid",
            "14 parked issuer_unreachable",
            "17 duplicate"
        ]
    );
}
