//! Home cities agree by their own records, and three sides of a cycle are reconciled.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    scheme::{Scheme, tap},
    support::{Ran, cityunion, clear},
};

const CYCLE: &str = "2018-09-01-001";
const SECOND: &str = "2018-09-02-001";
const T: &str = "200000000001";

/// Two closed cycles: ten cleared records, a duplicate, a conflict, a bad cryptogram; then one more of a later day, and
/// one that was paid already.
struct World {
    folder: TempDir,
}

impl World {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let scheme = Scheme::new(folder.path().join("scheme"), &["cu-2000", "cu-3000", "cu-4000"]);
        let line = |seq: u32, fen: u32, issuer: &str| {
            let algorithm = if issuer == "cu-4000" { "3des" } else { "sm4" };
            tap(T, seq, issuer, fen, "2018-09-01T12:00:00", algorithm)
        };
        let mut lines: Vec<String> = (1..=10).map(|seq| line(seq, 100 + seq, "cu-3000")).collect();
        lines.push(line(5, 105, "cu-3000"));
        lines.push(line(6, 999, "cu-3000"));
        lines.push(line(50, 100, "cu-4000"));
        lines.push(line(60, 100, "cu-4000") + "00000000");
        scheme.taps("cu-2000", "2018-09-01.csv", &lines.iter().map(String::as_str).collect::<Vec<_>>());
        let next = tap(T, 90, "cu-3000", 500, "2018-09-02T12:00:00", "sm4");
        scheme.taps("cu-2000", "2018-09-02.csv", &[&next, &line(7, 107, "cu-3000")]);
        let world = Self { folder };
        clear(&scheme.path, &world.out());
        clear(&scheme.path, &world.out());
        world
    }

    fn out(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    fn own(&self, city: &str) -> PathBuf {
        self.out().join(".state/accepted").join(city)
    }

    fn agree(&self, cycle: &str) -> Ran {
        cityunion(&format!("agree --in {{}} --cycle {cycle} -o json"), &[&self.out()])
    }

    fn reconcile(&self, words: &str) -> Ran {
        cityunion(&format!("reconcile {{}} {words} -o json"), &[&self.out()])
    }
}

fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {}", ran.stdout))
}

fn edit(path: &Path, change: impl Fn(&str) -> String) {
    let text = fs::read_to_string(path).unwrap();
    let changed = change(&text);
    assert_ne!(text, changed, "{}", path.display());
    fs::write(path, changed).unwrap();
}

#[test]
fn the_home_cities_of_clear_agree_by_themselves() {
    let world = World::new();
    for (cycle, count) in [(CYCLE, 10), (SECOND, 1)] {
        let kept = fs::read_to_string(world.own("cu-3000").join(format!("agreed/{cycle}.json"))).unwrap();
        let kept: Value = serde_json::from_str(&kept).unwrap();
        assert_eq!((kept["count"].as_u64(), kept["city"].as_str()), (Some(count), Some("cu-3000")));
        let manifest = fs::read_to_string(world.out().join(cycle).join("manifest.json")).unwrap();
        let digest = kept["sha256"].as_str().unwrap();
        assert!(manifest.contains(digest), "the file as the city makes it is the one that was published");
    }
    let told = cityunion(&format!("cycle releases {CYCLE} --in {{}} -o json"), &[&world.out()]).ok();
    let told = json(&told);
    assert_eq!(told["not_agreed"], Value::Array(Vec::new()), "{told}");
    let steps = told["steps"].to_string();
    assert!(steps.contains("cu-3000 agrees: 10 records of 1055 fen"), "{steps}");
    assert!(steps.contains("cu-4000 agrees: 1 records of 100 fen"), "{steps}");
    // Again, by hand, as often as one likes.
    for _ in 0..2 {
        let again = json(&world.agree(CYCLE).ok());
        assert_eq!(again["agreed"], Value::Bool(true));
        assert_eq!(again["agreements"][0]["amount_fen"], 1055);
    }
}

#[test]
fn an_invented_row_is_named() {
    let world = World::new();
    let file = world.out().join(CYCLE).join("issuer/cu-3000.csv");
    let whole = fs::read_to_string(&file).unwrap();
    // One that nobody tapped, one with another amount, and one that the second cycle pays.
    let of_second = fs::read_to_string(world.out().join(SECOND).join("issuer/cu-3000.csv")).unwrap();
    let paid = of_second.lines().nth(1).unwrap();
    edit(&file, |text| {
        let text = text.replace(&format!("{T},10,"), &format!("{T},11,")).replace(",103,103,", ",903,103,");
        format!("{text}{paid}\n")
    });
    let told = json(&world.agree(CYCLE).exits(4));
    let what: Vec<&str> =
        told["differences"].as_array().unwrap().iter().map(|it| it["what"].as_str().unwrap()).collect();
    assert_eq!(what, ["other_content", "never_accepted", "paid_before"], "{told}");
    let why = told["differences"][0]["why"].as_str().unwrap();
    assert_eq!(why, "the city accepted it with amount_fen 103 and not 903");
    assert_eq!((&told["agreed"], &told["agreements"][0]["count"]), (&Value::Bool(false), &8.into()));
    // People read each of them once.
    let people = cityunion(&format!("agree --in {{}} --cycle {CYCLE}"), &[&world.out()]).exits(4).stdout;
    for text in ["the city never accepted it", "with amount_fen 103 and not 903", &format!("({paid})")] {
        assert_eq!(people.matches(text).count(), 1, "`{text}` in {people}");
    }
    // Nothing of what it knows is lost by that.
    fs::write(&file, whole).unwrap();
    world.agree(CYCLE).ok();
    world.agree(SECOND).ok();
}

#[test]
fn what_is_asked_for_in_a_wrong_way_is_refused() {
    let world = World::new();
    let words = |words: &str| cityunion(words, &[&world.out()]);
    words("agree --in {} --cycle 2018-09-09-001").exits(3).says(&["is not closed, or not fetched"]);
    words("agree --published {} --cycle 2018-09-01-001").exits(2).says(&["--config FILE of its adapter"]);
    words("reconcile {} --cycle 2018-09-09-001").exits(3).says(&["2018-09-09-001 is not in"]);
    fs::remove_dir_all(world.out().join(".state/accepted")).unwrap();
    world.agree(CYCLE).exits(3).says(&["there are no records of home cities"]);
}

#[test]
fn three_sides_of_a_cycle_are_reconciled() {
    let world = World::new();
    let csv = world.folder.path().join("sides.csv");
    let words = format!("reconcile {{}} --cycle {CYCLE} --csv {{}} -o json");
    let told = json(&cityunion(&words, &[&world.out(), &csv]).ok());
    assert_eq!(told["agrees"], Value::Bool(true), "{told}");
    let pair = &told["pairs"][0];
    for side in ["answered", "booked", "taken", "paid", "accepted"] {
        assert_eq!(
            (&pair[format!("{side}_count")], &pair[format!("{side}_fen")]),
            (&10.into(), &1055.into())
        );
    }
    let results: Vec<&str> = told["taken_and_not_paid"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["result"].as_str().unwrap())
        .collect();
    assert_eq!(results, ["conflict", "duplicate", "rejected"], "{told}");
    // What its home cities accepted for the other cycle makes no row of zeros here.
    let pairs: Vec<&str> =
        told["pairs"].as_array().unwrap().iter().map(|it| it["issuer"].as_str().unwrap()).collect();
    assert_eq!(pairs, ["cu-3000", "cu-4000"], "{told}");
    let second = json(&world.reconcile(&format!("--cycle {SECOND}")).ok());
    let pairs: Vec<&str> =
        second["pairs"].as_array().unwrap().iter().map(|it| it["issuer"].as_str().unwrap()).collect();
    assert_eq!(pairs, ["cu-3000"], "{second}");
    let text = fs::read_to_string(&csv).unwrap();
    assert!(text.starts_with("acquirer,issuer,agrees,answered_count,"), "{text}");
    assert!(
        text.contains("\ncu-2000,cu-3000,true,10,1055,10,1055,10,1055,10,1055,10,1055,0,0,1055\n"),
        "{text}"
    );

    // A row of an answer is lost, and a home city lost its records of the cycle.
    let answers = world.out().join("results/cu-2000/2018-09-01.csv");
    edit(&answers, |text| text.replace("cleared,,book,2018-09-01-001", "cleared,,book,2018-08-31-001"));
    fs::remove_file(world.own("cu-4000").join(format!("paid/{CYCLE}.taps"))).unwrap();
    let told = json(&world.reconcile(&format!("--cycle {CYCLE} --list 3")).exits(4));
    assert_eq!((&told["differences_total"], told["differences"].as_array().unwrap().len()), (&12.into(), 3));
    let people = cityunion(&format!("reconcile {{}} --cycle {CYCLE}"), &[&world.out()]).exits(4).stdout;
    assert!(people.contains("the centre says cleared, no answer to the acquirer does"), "{people}");
    assert!(people.contains("100 fen, the home city accepted nothing"), "{people}");
    assert!(people.contains("sides DIFFER in 2 of 2 pairs, in 12 records"), "{people}");
}
