//! From a closed cycle to money that has moved: people release it, the bank confirms or refuses it, a debt is carried.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Ran, cityunion, clear, cycles, rows, tree};

/// Two days of three cities, of which `clear` has closed the first and left it to people.
struct World {
    folder: TempDir,
    cycle: String,
}

impl World {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let path = |name: &str| folder.path().join(name);
        cityunion("simulate --out {} --cities 3 --days 2 --taps 3000 --seed 7", &[&path("scheme")]).ok();
        let closed = cityunion("clear {} --out {} --release people", &[&path("scheme"), &path("out")]).ok();
        assert!(!closed.stdout.contains("is released"), "{}", closed.stdout);
        let cycle = cycles(&path("out"))[0].clone();
        Self { folder, cycle }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn out(&self) -> PathBuf {
        self.path("out")
    }

    /// A command about the cycle by somebody.
    fn act(&self, by: &str, words: &str) -> Ran {
        let certificate = self.path("scheme/pki/tls").join(format!("{by}.pem"));
        let words = words.replace("CYCLE", &self.cycle);
        cityunion(&format!("cycle {words} --in {{}} --certificate {{}}"), &[&self.out(), &certificate])
    }

    fn release(&self) {
        self.act("operator-li", "propose CYCLE").ok();
        self.act("operator-wang", "release CYCLE").ok();
    }

    fn shown(&self) -> Value {
        let words = format!("cycle releases {} --in {{}} -o json", self.cycle);
        serde_json::from_str(&cityunion(&words, &[&self.out()]).ok().stdout).unwrap()
    }

    fn state(&self) -> String {
        self.shown()["state"].as_str().unwrap().to_owned()
    }

    /// The record beside the cycles.
    fn record(&self) -> Value {
        let path = self.out().join("releases").join(format!("{}.json", self.cycle));
        serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
    }

    fn nets(&self, folder: &str) -> BTreeMap<String, i64> {
        let net =
            |row: &BTreeMap<String, String>| (row["participant"].clone(), row["net_fen"].parse().unwrap());
        rows(&self.out().join(folder).join("net.csv")).iter().map(net).collect()
    }

    /// What a bank answers that has paid a version of the cycle.
    fn answer(&self, folder: &str, change: impl Fn(&str, i64) -> Option<i64>) -> PathBuf {
        let mut text = "reference,amount_fen,status,reason\n".to_owned();
        for (party, net) in self.nets(folder).iter().filter(|(party, net)| *party != "scheme" && **net != 0) {
            if let Some(fen) = change(party, net.abs()) {
                text += &format!("{folder}-{party},{fen},paid,\n");
            }
        }
        let path = self.path("answer.csv");
        fs::write(&path, text).unwrap();
        path
    }

    /// What a command that succeeds prints.
    #[track_caller]
    fn done(&self, by: &str, words: &str, printed: &str) {
        let ran = self.act(by, words).ok();
        assert!(ran.stdout.contains(printed), "`{printed}` is missing in:\n{}", ran.stdout);
    }

    fn confirm(&self, by: &str, answer: &Path) -> Ran {
        self.act(by, &format!("confirm CYCLE {}", answer.display()))
    }
}

#[test]
fn two_people_release_and_the_bank_confirms_all_or_nothing() {
    let world = World::new();
    let published = tree(&world.out().join(&world.cycle));
    let record = world.record();
    assert_eq!((record["state"].as_str(), record["released"].as_bool()), (Some("closed"), Some(false)));
    world.act("operator-wang", "release CYCLE").exits(3).says(&["no release of", "propose it"]);
    let proposed = world.act("operator-li", "propose CYCLE").ok();
    let manifest =
        Command::new("sha256sum").arg(world.out().join(&world.cycle).join("manifest.json")).output();
    let sha256 = String::from_utf8(manifest.unwrap().stdout).unwrap();
    assert!(proposed.stdout.contains(sha256.split(' ').next().unwrap()), "{}", proposed.stdout);
    world.act("operator-li", "release CYCLE").exits(3).says(&["another person"]);
    world.act("client-cu-2000", "release CYCLE").exits(3).says(&["cu-2000 may not do this"]);
    world.act("bank", "release CYCLE").exits(3).says(&["it is for operations"]);
    assert_eq!(world.state(), "closed");
    world.done("operator-wang", "release CYCLE", "approved by wang");
    let record = world.record();
    assert_eq!((record["state"].as_str(), record["released"].as_bool()), (Some("released"), Some(true)));
    assert_eq!(record["released_by"], serde_json::json!(["li (operations)", "wang (operations)"]));

    let right = world.answer(&world.cycle, |_, fen| Some(fen));
    world.confirm("client-cu-2000", &right).exits(3).says(&["for the settlement bank"]);
    let short = world.answer(&world.cycle, |party, fen| (party != "cu-2000").then_some(fen));
    world.confirm("bank", &short).exits(3).says(&["cu-2000: the answer lacks it"]);
    let wrong = world.answer(&world.cycle, |party, fen| Some(fen + i64::from(party == "cu-2000")));
    world.confirm("bank", &wrong).exits(3).says(&["the bank says"]);
    fs::write(&wrong, "reference,amount_fen,status,reason\nx,-1,paid,\n").unwrap();
    world.confirm("bank", &wrong).exits(2).says(&["answer.csv:2", "amount_fen"]);
    assert_eq!(world.state(), "released");
    let right = world.answer(&world.cycle, |_, fen| Some(fen));
    world.done("bank", &format!("confirm CYCLE {}", right.display()), "is confirmed");
    world
        .confirm("bank", &right)
        .exits(3)
        .says(&["is confirmed; a confirmation is for one that is released"]);
    world.act("bank", "settle CYCLE").exits(3);
    world.act("operator-zhao", "settle CYCLE").ok();
    assert_eq!(world.state(), "settled");
    assert_eq!(
        world.record()["steps"].as_array().unwrap().len(),
        6,
        "two agree, proposed, approved, confirmed, settled"
    );
    assert_eq!(tree(&world.out().join(&world.cycle)), published, "nothing that was published has changed");
}

#[test]
fn what_was_left_to_people_no_later_run_releases() {
    let world = World::new();
    let again =
        ["clear", &world.path("scheme").display().to_string(), "--out", &world.out().display().to_string()]
            .join(" ");
    cityunion(&format!("{again} --business-date 2018-09-01"), &[]).ok();
    assert_eq!(world.state(), "closed");
    clear(&world.path("scheme"), &world.out());
    assert_eq!(world.state(), "closed");
    cityunion(&again, &[]).ok();
    assert_eq!(world.state(), "closed");
    let all: Value =
        serde_json::from_str(&cityunion("cycle releases --in {} -o json", &[&world.out()]).ok().stdout)
            .unwrap();
    assert_eq!(all["cycles"][1]["state"], "released", "the next day was begun for the batch process");
}

#[test]
fn refused_files_are_replaced_by_a_version_beside_them() {
    let world = World::new();
    let published = tree(&world.out().join(&world.cycle));
    world
        .act("bank", "refuse CYCLE --reason early")
        .exits(3)
        .says(&["a refusal is for one that is released"]);
    world.release();
    let second = format!("{}.v2", world.cycle);
    world.done("bank", "refuse CYCLE --reason account-closed", &second);
    let folder = world.out().join(&second);
    cityunion("verify {}", &[&folder]).ok();
    cityunion("verify {}", &[&world.out()]).ok();
    let manifest: Value = serde_json::from_slice(&fs::read(folder.join("manifest.json")).unwrap()).unwrap();
    assert_eq!(manifest["replaces"]["folder"], world.cycle.as_str());
    assert_eq!(manifest["replaces"]["reason"], "refused by the bank: account-closed");
    assert_eq!(manifest["cycle"], "001");
    let pain = fs::read_to_string(folder.join("settlement/pain.001.001.09.xml")).unwrap();
    assert!(pain.contains(&format!("{second}-cu-2000")), "references tell the versions apart");
    assert_eq!(tree(&world.out().join(&world.cycle)), published);
    // Whoever looks at the first version is told so before any figure.
    let page = world.path("page.html");
    let told = cityunion("report {} --html {}", &[&world.out().join(&world.cycle), &page]).ok().stdout;
    let first = told.lines().next().unwrap();
    let wanted =
        format!("REPLACED: refused by the bank: account-closed; version 2 counts ({second}, closed)");
    assert!(first.starts_with(&wanted), "{told}");
    assert!(fs::read_to_string(&page).unwrap().contains(&wanted));
    let told = |folder: &str| -> Value {
        let ran = cityunion("report {} -o json", &[&world.out().join(folder)]).ok();
        serde_json::from_str(&ran.stdout).unwrap()
    };
    assert_eq!(
        (&told(&world.cycle)["state"], &told(&second)["state"]),
        (&"replaced".into(), &"closed".into())
    );
    let told = cityunion("report {}", &[&folder]).ok().stdout;
    assert!(told.starts_with("Cycle "), "{told}");
    // The first version's references confirm nothing any more.
    assert_eq!((world.state(), world.shown()["version"].as_u64()), ("closed".to_owned(), Some(2)));
    world.release();
    let first = world.answer(&world.cycle, |_, fen| Some(fen));
    world.confirm("bank", &first).exits(3).says(&["version 1 of its plan"]);
    let right = world.answer(&second, |_, fen| Some(fen));
    world.confirm("bank", &right).ok();
    // The next cycle follows the version that is current.
    clear(&world.path("scheme"), &world.out());
    cityunion("verify {}", &[&world.out()]).ok();
    let next = cycles(&world.out()).into_iter().find(|cycle| !cycle.starts_with(&world.cycle)).unwrap();
    let next: Value =
        serde_json::from_slice(&fs::read(world.out().join(next).join("manifest.json")).unwrap()).unwrap();
    let sum = Command::new("sha256sum").arg(folder.join("manifest.json")).output().unwrap().stdout;
    let sum = String::from_utf8(sum).unwrap();
    assert_eq!(next["previous_manifest_sha256"].as_str(), sum.split(' ').next());
}

#[test]
fn a_debt_that_is_not_paid_is_carried_into_the_next_cycle() {
    let world = World::new();
    let nets = world.nets(&world.cycle);
    let (debtor, owed) =
        nets.iter().filter(|(party, _)| *party != "scheme").min_by_key(|(_, net)| **net).unwrap();
    assert!(*owed < 0, "{nets:?}");
    world.release();
    world.act("operator-li", &format!("fail CYCLE --city {debtor} --reason no-cover")).ok();
    let received: i64 =
        nets.iter().filter(|(party, net)| *party != "scheme" && **net > 0).map(|(_, net)| net).sum();
    let carried = received.min(-owed);
    let shown = world.shown();
    let proposal = shown["proposals"][0]["proposal"].as_str().unwrap();
    world.act("operator-li", &format!("approve {proposal}")).exits(3).says(&["another person"]);
    world.act("operator-wang", &format!("approve {proposal}")).ok();
    let second = format!("{}.v2", world.cycle);
    cityunion("verify {}", &[&world.out().join(&second)]).ok();
    assert_eq!(
        world.nets(&second)[debtor],
        owed + carried,
        "it owes the scheme's fees and no city in this cycle"
    );
    clear(&world.path("scheme"), &world.out());
    cityunion("verify {}", &[&world.out()]).ok();
    let next = cycles(&world.out()).into_iter().find(|cycle| !cycle.starts_with(&world.cycle)).unwrap();
    let items = rows(&world.out().join(next).join("items.csv"));
    let due: i64 = items.iter().map(|item| item["amount_fen"].parse::<i64>().unwrap()).sum();
    assert_eq!(due, carried);
    assert!(
        items.iter().all(|item| item["debtor"] == *debtor && item["original_cycle"] == world.cycle),
        "{items:?}"
    );
}
