//! Later versions of a cycle come back like first ones: from log or archive alone, after a disaster, and on a disk that
//! lost them.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    archive::lose_the_centre,
    support::{Ran, assert_same, cityunion, clear, cycles, rows, tree},
};

const CYCLE: &str = "2018-09-01-001";
const SECOND: &str = "2018-09-01-001.v2";
const THIRD: &str = "2018-09-01-001.v3";
const NEXT: &str = "2018-09-02-001";

/// Three days of three cities, of which two are closed: the first cycle was refused by the bank, and then a debtor did not
/// pay; the second follows the third version of the first.
struct World {
    folder: TempDir,
}

impl World {
    /// The first day is closed and released.
    fn begun() -> Self {
        let world = Self { folder: TempDir::new().unwrap() };
        let (scheme, out) = (world.path("scheme"), world.path("out"));
        cityunion("simulate --out {} --cities 3 --days 3 --taps 900 --seed 7", &[&scheme]).ok();
        cityunion("clear {} --out {} --release people", &[&scheme, &out]).ok();
        world.release();
        world
    }

    /// The bank refused the first cycle when the next one was published already, and the second version is released.
    fn refused_late() -> Self {
        let world = Self::begun();
        let out = world.path("out");
        clear(&world.path("scheme"), &out);
        world.act("bank", "refuse CYCLE --reason account-closed");
        world.release();
        assert_eq!(cycles(&out), [CYCLE, SECOND, NEXT]);
        world
    }

    fn new() -> Self {
        let world = Self::begun();
        let (scheme, out) = (world.path("scheme"), world.path("out"));
        world.act("bank", "refuse CYCLE --reason account-closed");
        world.release();
        let net = |row: &BTreeMap<String, String>| row["net_fen"].parse::<i64>().unwrap();
        let nets = rows(&out.join(SECOND).join("net.csv"));
        let cities = nets.iter().filter(|row| row["participant"] != "scheme");
        let debtor = cities.min_by_key(|row| net(row)).unwrap()["participant"].clone();
        world.act("operator-li", &format!("fail CYCLE --city {debtor} --reason no-cover"));
        let shown = json(&cityunion(&format!("cycle releases {CYCLE} --in {{}} -o json"), &[&out]).ok());
        let proposal = shown["proposals"][0]["proposal"].as_str().unwrap();
        world.act("operator-wang", &format!("approve {proposal}"));
        clear(&scheme, &out);
        assert_eq!(cycles(&out), [CYCLE, SECOND, THIRD, NEXT]);
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Something that somebody does about the first cycle.
    #[track_caller]
    fn act(&self, by: &str, words: &str) -> Ran {
        self.act_in("out", by, words)
    }

    /// Likewise, where the system stands in another folder.
    #[track_caller]
    fn act_in(&self, out: &str, by: &str, words: &str) -> Ran {
        let certificate = self.path("scheme/pki/tls").join(format!("{by}.pem"));
        let words = words.replace("CYCLE", CYCLE);
        cityunion(&format!("cycle {words} --in {{}} --certificate {{}}"), &[&self.path(out), &certificate])
            .ok()
    }

    fn release(&self) {
        self.act("operator-li", "propose CYCLE");
        self.act("operator-wang", "release CYCLE");
    }

    fn archive(&self) {
        let log = self.path("out/.state/log");
        cityunion("archive --log {} --objects {}", &[&log, &self.path("store")]).ok();
    }

    /// A replay of everything, from the log or the archive, compared with what is published.
    fn replay(&self, from: &str) -> Ran {
        let place = if from == "log" { self.path("out/.state/log") } else { self.path("store") };
        let option = if from == "log" { "log" } else { "objects" };
        let words = format!("replay --from {from} --{option} {{}} --all --published {{}} -o json");
        cityunion(&words, &[&place, &self.path("out")])
    }
}

/// Version, state and manifest of the first cycle, by the record from which the portal learns what is released.
fn record(out: &Path) -> [String; 3] {
    let text = fs::read_to_string(out.join("releases").join(format!("{CYCLE}.json"))).unwrap();
    let record: Value = serde_json::from_str(&text).unwrap();
    ["version", "state", "manifest_sha256"].map(|name| record[name].to_string().trim_matches('"').to_owned())
}

fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {}", ran.stdout))
}

/// Folder, file and field of each difference.
fn differences(ran: &Ran) -> Vec<[String; 3]> {
    let told = json(ran);
    let text = |it: &Value, name: &str| it[name].as_str().unwrap_or_default().to_owned();
    let one = |it: &Value| ["cycle", "file", "field"].map(|name| text(it, name));
    told["differences"].as_array().unwrap().iter().map(one).collect()
}

fn copy(from: &Path, to: &Path) {
    for (name, bytes) in tree(from) {
        let path = to.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

#[test]
fn every_version_is_made_again_and_compared() {
    let world = World::new();
    world.archive();
    let (out, store, rebuilt) = (world.path("out"), world.path("store"), world.path("rebuilt"));
    let pki = world.path("scheme/pki");
    let words =
        "replay --from archive --objects {} --all --published {} --out {} --signing-dir {} --ca {} -o json";
    let replayed = json(&cityunion(words, &[&store, &out, &rebuilt, &pki, &pki.join("ca.pem")]).ok());
    let compared: Vec<&str> =
        replayed["cycles"].as_array().unwrap().iter().map(|it| it["cycle"].as_str().unwrap()).collect();
    assert_eq!((&replayed["same"], compared), (&Value::Bool(true), vec![CYCLE, SECOND, THIRD, NEXT]));
    let published = tree(&out);
    for (name, bytes) in tree(&rebuilt) {
        assert!(published[&name] == bytes, "{name} differs");
    }
    assert_eq!(cycles(&rebuilt), cycles(&out));
    assert_eq!(differences(&world.replay("log").ok()), Vec::<[String; 3]>::new());

    // A figure of the second version is altered, the third is gone, and nobody published a fourth.
    let net = out.join(SECOND).join("net.csv");
    let text = fs::read_to_string(&net).unwrap();
    let (before, after) = text.trim_end().rsplit_once(',').unwrap();
    fs::write(&net, format!("{before},{after}0\n")).unwrap();
    let forged = out.join(format!("{CYCLE}.v4"));
    fs::rename(out.join(THIRD), &forged).unwrap();
    let found = differences(&world.replay("log").exits(4));
    let named = |folder: &str, file: &str, field: &str| [folder, file, field].map(str::to_owned);
    assert!(found.contains(&named(SECOND, "net.csv", "net_fen")), "{found:?}");
    assert!(found.contains(&named(THIRD, THIRD, "folder")), "{found:?}");
    let fourth = format!("{CYCLE}.v4");
    assert!(found.contains(&named(&fourth, &fourth, "folder")), "{found:?}");
    assert!(found.iter().all(|[folder, ..]| folder != CYCLE && folder != NEXT), "{found:?}");
    // An archive may end before a version; it says so, and no more.
    fs::rename(&forged, out.join(THIRD)).unwrap();
    fs::write(&net, text).unwrap();
    copy(&out.join(THIRD), &forged);
    assert_eq!(differences(&world.replay("archive").ok()), Vec::<[String; 3]>::new());
    let people =
        cityunion("replay --from archive --objects {} --cycle 1 --published {}", &[&store, &out]).ok();
    assert!(
        people.stdout.contains("2018-09-01-001.v4 is published and not in the archive"),
        "{}",
        people.stdout
    );
}

#[test]
fn a_disk_that_lost_versions_gets_them_again() {
    let world = World::new();
    let out = world.path("out");
    let wanted = tree(&out);
    for gone in [SECOND, THIRD, "releases"] {
        fs::remove_dir_all(out.join(gone)).unwrap();
    }
    clear(&world.path("scheme"), &out);
    let found = tree(&out);
    let lost = |name: &&String| [SECOND, THIRD].iter().any(|folder| name.starts_with(&format!("{folder}/")));
    let record = format!("releases/{CYCLE}.json");
    for name in wanted.keys().filter(lost).chain([&record]) {
        assert!(found.get(name) == wanted.get(name), "{name} is not what it was");
    }
    cityunion("verify {}", &[&out]).ok();
}

/// A version whose predecessor is not as it was published is not made, and nothing else waits for it.
#[test]
fn a_lost_version_is_made_of_what_was_published_or_not_at_all() {
    let world = World::new();
    let out = world.path("out");
    for gone in [SECOND, THIRD] {
        fs::remove_dir_all(out.join(gone)).unwrap();
    }
    let file = fs::read_dir(out.join(CYCLE).join("issuer")).unwrap().next().unwrap().unwrap().path();
    fs::write(&file, fs::read_to_string(&file).unwrap() + "x\n").unwrap();
    clear(&world.path("scheme"), &out).says(&["version 2 of cycle 1 cannot be rendered", "has SHA-256"]);
    assert_eq!(cycles(&out), [CYCLE, NEXT, "2018-09-03-001"]);
}

#[test]
fn after_a_disaster_versions_are_there_too() {
    let world = World::new();
    world.archive();
    let (scheme, store, out, new) =
        (world.path("scheme"), world.path("store"), world.path("out"), world.path("new"));
    clear(&scheme, &out);
    let wanted = tree(&out);
    lose_the_centre(&out, &new);
    let log = new.join(".state/log");
    cityunion("archive restore --log {} --objects {}", &[&log, &store]).ok();
    let pki = scheme.join("pki");
    let words = "replay --from archive --objects {} --all --out {} --signing-dir {} --ca {}";
    cityunion(words, &[&store, &new, &pki, &pki.join("ca.pem")]).ok();
    cityunion("adapter rejoin --state {} --log {}", &[&new.join(".state/adapter"), &log]).ok();
    clear(&scheme, &new);
    assert_same("after the disaster", &wanted, &new);
}

/// The first cycle is archived, its successor too; its second version is not, since it was said behind both.
#[test]
fn what_was_said_since_the_last_archived_publication_is_said_again() {
    let world = World::refused_late();
    world.archive();
    let (scheme, store, out, new, kept) =
        (world.path("scheme"), world.path("store"), world.path("out"), world.path("new"), world.path("kept"));
    copy(&out, &kept);
    lose_the_centre(&out, &new);
    let log = new.join(".state/log");
    cityunion("archive restore --log {} --objects {}", &[&log, &store]).ok();
    let pki = scheme.join("pki");
    let words = "replay --from archive --objects {} --all --published {} --out {} --signing-dir {} --ca {}";
    let ran = cityunion(words, &[&store, &kept, &new, &pki, &pki.join("ca.pem")]).ok();
    let note = format!(
        "{SECOND} is published and not in the archive: what was said since the last archived publication, of whatever cycle,"
    );
    assert!(ran.stdout.contains(&note), "`{note}` is missing in:\n{}", ran.stdout);
    assert_eq!(cycles(&new), [CYCLE, NEXT], "the version is not made");
    cityunion("adapter rejoin --state {} --log {}", &[&new.join(".state/adapter"), &log]).ok();
    clear(&scheme, &new);
    let [version, state, manifest] = record(&new);
    let [was_version, was_state, was_manifest] = record(&kept);
    assert_eq!((&*version, &*was_version), ("1", "2"), "the log knows of the first version alone");
    assert_eq!((&*state, &*was_state), ("released", "released"));
    assert_ne!(manifest, was_manifest);

    world.act_in("new", "bank", "refuse CYCLE --reason account-closed");
    assert_same("the version said again", &tree(&kept.join(SECOND)), &new.join(SECOND));
    world.act_in("new", "operator-li", "propose CYCLE");
    world.act_in("new", "operator-wang", "release CYCLE");
    assert_eq!(record(&new), record(&kept));
}

#[test]
fn a_damaged_folder_in_out_is_told_and_stays() {
    let world = World::new();
    let (log, made) = (world.path("out/.state/log"), world.path("made"));
    let alone = || cityunion("replay --from log --log {} --all --out {} -o json", &[&log, &made]);
    let both = || {
        let words = "replay --from log --log {} --all --published {} --out {} -o json";
        cityunion(words, &[&log, &made, &made])
    };
    alone().ok();
    let wanted = tree(&made);
    assert_eq!(cycles(&made), [CYCLE, SECOND, THIRD, NEXT]);
    alone().ok();
    both().ok();

    // The amount of the first record of a file is another one.
    let is_detail = |name: &&String| name.starts_with(&format!("{CYCLE}/acquirer/"));
    let name = wanted.keys().filter(is_detail).max_by_key(|name| wanted[*name].len()).unwrap();
    let text = String::from_utf8(wanted[name].clone()).unwrap();
    let row = text.lines().nth(1).unwrap();
    let mut fields: Vec<String> = row.split(',').map(str::to_owned).collect();
    fields[5].push('9');
    let damaged = text.replacen(row, &fields.join(","), 1);
    fs::write(made.join(name), &damaged).unwrap();
    let file = name.strip_prefix(&format!("{CYCLE}/")).unwrap();
    let named = |cycle: &str| [[cycle, file, "amount_fen"].map(str::to_owned)];
    assert_eq!(differences(&both().exits(4)), named(CYCLE));
    assert_eq!(differences(&alone().exits(4)), named(&made.join(CYCLE).display().to_string()));
    assert!(fs::read_to_string(made.join(name)).unwrap() == damaged, "it was written over");

    // Moved away it is made again, as is one that is lost; who compares is told that it was.
    fs::remove_dir_all(made.join(CYCLE)).unwrap();
    alone().ok();
    assert_same("made again", &wanted, &made);
    fs::remove_dir_all(made.join(NEXT)).unwrap();
    assert_eq!(differences(&both().exits(4)), [[NEXT, NEXT, "folder"].map(str::to_owned)]);
    assert_same("made again", &wanted, &made);
    both().ok();
}
