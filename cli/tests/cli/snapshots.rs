//! Snapshots as an operator takes, lists and restores them.

use std::{fs, path::Path};

use tempfile::TempDir;

use crate::support::{assert_same, cityunion, clear, tree};

fn list(objects: &Path, words: &str) -> serde_json::Value {
    let ran = cityunion(&format!("book list --objects {{}} -o json {words}"), &[objects]);
    serde_json::from_str(&ran.stdout).unwrap()
}

fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_lost_store_is_restored_and_the_next_day_comes_out_the_same() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    let [scheme, calm, out, objects] = ["scheme", "calm", "out", "objects"].map(path);
    cityunion("simulate --out {} --seed 11 --cities 4 --taps 3000 --days 2", &[&scheme]).ok();
    clear(&scheme, &calm);
    clear(&scheme, &calm);

    clear(&scheme, &out);
    let state = out.join(".state/book");
    let take = || cityunion("book snapshot --partition 0 --state {} --objects {}", &[&state, &objects]).ok();
    assert!(take().stdout.contains("snapshots/partition-0/"));
    let listed = list(&objects, "");
    let snapshot = &listed["snapshots"][0];
    assert_eq!((&snapshot["partition"], &snapshot["state"]), (&0.into(), &"whole".into()), "{listed}");
    assert_eq!(snapshot["closed_cycle"], 1, "{listed}");

    let words = "book restore --partition 0 --state {} --objects {}";
    cityunion(words, &[&state, &objects]).exits(3).says(&["is there already", "--replace"]);
    fs::remove_dir_all(state.join("partition-0")).unwrap();
    let said = cityunion(words, &[&state, &objects]).ok().stdout;
    assert!(said.contains("goes on at offset"), "{said}");
    clear(&scheme, &out);
    assert_same("after a store was restored", &tree(&calm), &out);
}

#[test]
fn a_damaged_snapshot_is_told_passed_over_and_never_put_in_place_of_a_store() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    let [scheme, out, objects] = ["scheme", "out", "objects"].map(path);
    cityunion("simulate --out {} --seed 12 --cities 3 --taps 500", &[&scheme]).ok();
    clear(&scheme, &out);
    let state = out.join(".state/book");
    cityunion("book snapshot --partition 0 --state {} --objects {}", &[&state, &objects]).ok();
    let files = objects.join("snapshots/partition-0/files");
    let file = fs::read_dir(&files).unwrap().next().unwrap().unwrap().path();
    flip(&file);

    assert_eq!(list(&objects, "")["snapshots"][0]["state"], "whole", "lengths alone do not tell");
    let told = list(&objects, "--check")["snapshots"][0]["state"].clone();
    assert!(told.as_str().unwrap().contains("other bytes"), "{told}");
    cityunion("book list --objects {} --check", &[&objects]).exits(4);
    let before = tree(&state);
    let words = "book restore --partition 0 --replace --state {} --objects {}";
    cityunion(words, &[&state, &objects]).exits(3).says(&["no usable snapshot of partition 0", "--check"]);
    assert!(before == tree(&state), "the store was touched");
    flip(&file);
    let said = cityunion(words, &[&state, &objects]).ok().stdout;
    assert!(said.contains("partition-0.replaced"), "{said}");
}

#[test]
fn what_is_not_there_or_not_known_is_named() {
    let folder = TempDir::new().unwrap();
    let [state, objects] = ["state", "objects"].map(|name| folder.path().join(name));
    cityunion("book snapshot --partition 5 --state {} --objects {}", &[&state, &objects])
        .exits(1)
        .says(&["partition-5 holds no store of a partition"]);
    cityunion("book restore --partition 5 --state {} --objects {}", &[&state, &objects])
        .exits(3)
        .says(&["no usable snapshot of partition 5"]);
    assert!(!state.join("partition-5").exists());
    cityunion("book list --objects gopher://bucket", &[]).exits(2).says(&["only folders and s3://"]);
}
