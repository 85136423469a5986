//! A bank gets what two people released, and nothing before or after.

use std::{fs, path::Path};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::ACKNOWLEDGED;
use crate::{
    portal::world::World,
    support::{cityunion, wait_for},
};

const FIRST: &str = "2018-09-01-001";
const SECOND: &str = "2018-09-01-001.v2";

/// A portal over one cycle that nobody has released yet.
fn closed() -> World {
    let folder = TempDir::new().unwrap();
    let (scheme, out) = (folder.path().join("scheme"), folder.path().join("out"));
    cityunion("simulate --out {} --taps 2000 --cities 3 --days 1 --seed 7", &[&scheme]).ok();
    cityunion("clear {} --out {} --release people", &[&scheme, &out]).ok();
    World::over(folder, "")
}

/// `cycle …` by somebody of the scheme.
#[track_caller]
fn act(world: &World, words: &str, by: &str) {
    let certificate = world.path("scheme/pki/tls").join(format!("{by}.pem"));
    let line = format!("cycle {words} --in {{}} --certificate {{}}");
    cityunion(&line, &[&world.path("out"), &certificate]).ok();
}

fn release(world: &World) {
    act(world, &format!("propose {FIRST}"), "operator-wang");
    act(world, &format!("release {FIRST}"), "operator-li");
}

/// The cycles of somebody's list: folder, version, state.
fn listed(world: &World, who: &str) -> Vec<(String, u64, Value)> {
    let list = world.get(who, "/v1/cycles", &[]).is(200).json();
    let row = |it: &Value| {
        (it["cycle"].as_str().unwrap().to_owned(), it["version"].as_u64().unwrap(), it["state"].clone())
    };
    list["cycles"].as_array().unwrap().iter().map(row).collect()
}

fn row(folder: &str, version: u64, state: &str) -> (String, u64, Value) {
    (folder.to_owned(), version, json!(state))
}

/// For the bank a folder is as if it were not there, whatever it asks for.
#[track_caller]
fn unknown_to_the_bank(world: &World, folder: &str) {
    for what in ["", "/files/net.csv", "/files/manifest.json", "/files/none.csv", "/answer"] {
        let path = format!("/v1/cycles/{folder}{what}");
        let got = world.get("icbc", &path, &[]);
        assert_eq!(got.status, if what == "/files/none.csv" { 403 } else { 404 }, "{path}: {}", got.text());
    }
    let path = format!("/v1/cycles/{folder}/answer");
    world.get("icbc", &path, &["-H", "Content-Type: application/json", "-d", ACKNOWLEDGED]).is(404);
    let page = world.get("icbc", "/", &[]).is(200).text();
    assert!(!page.contains(&format!(">{folder}<")), "{page}");
}

#[track_caller]
fn the_bank_gets(world: &World, folder: &str) {
    let path = format!("/v1/cycles/{folder}");
    wait_for("the record", || (world.get("icbc", &path, &[]).status == 200).then_some(()));
    for file in world.get("icbc", &path, &[]).json()["files"].as_array().unwrap() {
        let got = world.get("icbc", file["href"].as_str().unwrap(), &[]).is(200);
        let name = file["name"].as_str().unwrap();
        assert_eq!(got.body, fs::read(world.path("out").join(folder).join(name)).unwrap(), "{name}");
    }
}

#[test]
fn a_bank_gets_what_is_released() {
    let world = closed();
    unknown_to_the_bank(&world, FIRST);
    assert_eq!(listed(&world, "icbc"), []);
    // A home city must see its file to agree to it, and operations see everything.
    for who in ["shanghai", "operations"] {
        assert_eq!(listed(&world, who), [row(FIRST, 1, "closed")], "{who}");
        let cycle = world.get(who, &format!("/v1/cycles/{FIRST}"), &[]).is(200).json();
        assert_eq!((&cycle["state"], &cycle["version"]), (&json!("closed"), &json!(1)));
    }
    let own = format!("/v1/cycles/{FIRST}/files/issuer/{}.csv", world.cities[0]);
    world.get("shanghai", &own, &[]).is(200);
    let record = format!("/v1/files/releases/{FIRST}.json");
    assert_eq!(world.get("operations", &record, &[]).is(200).json()["state"], "closed");
    for who in ["shanghai", "icbc"] {
        world.get(who, &record, &[]).is(403);
    }

    release(&world);
    the_bank_gets(&world, FIRST);
    assert_eq!(listed(&world, "icbc"), [row(FIRST, 1, "released")]);
    let page = world.get("icbc", "/", &[]).is(200).text();
    assert!(page.contains("已放行"), "{page}");
    world.say("icbc", ACKNOWLEDGED).is(201);
}

#[test]
fn what_is_refused_is_gone_and_the_next_version_waits_for_its_release() {
    let world = closed();
    release(&world);
    the_bank_gets(&world, FIRST);
    act(&world, &format!("refuse {FIRST} --reason account"), "bank");
    wait_for("its end", || listed(&world, "icbc").is_empty().then_some(()));
    unknown_to_the_bank(&world, FIRST);
    wait_for("the second version", || {
        (listed(&world, "shanghai") == [row(SECOND, 2, "closed"), row(FIRST, 1, "replaced")]).then_some(())
    });
    unknown_to_the_bank(&world, SECOND);

    release(&world);
    the_bank_gets(&world, SECOND);
    assert_eq!(listed(&world, "icbc"), [row(SECOND, 2, "released")]);
    unknown_to_the_bank(&world, FIRST);

    // Other files than those that were released are not handed out.
    let manifest = world.path("out").join(SECOND).join("manifest.json");
    let mut bytes = fs::read(&manifest).unwrap();
    bytes.push(b'\n');
    replace(&manifest, &bytes);
    assert_eq!(listed(&world, "icbc"), []);
    unknown_to_the_bank(&world, SECOND);
}

/// Folders of a version before there were records.
#[test]
fn without_records_a_bank_gets_nothing_unless_one_says_so() {
    let mut world = World::start("");
    assert_eq!(listed(&world, "icbc").len(), 2, "`clear` releases what its cities agree to");
    fs::remove_dir_all(world.path("out/releases")).unwrap();
    assert_eq!(listed(&world, "icbc"), []);
    world.end().ok();
    let text = fs::read_to_string(world.config()).unwrap();
    fs::write(world.config(), format!("released_only = false\n{text}")).unwrap();
    world.begin();
    let all = listed(&world, "icbc");
    assert_eq!(all.len(), 2);
    assert!(all.iter().all(|(_, _, state)| state.is_null()), "{all:?}");
    the_bank_gets(&world, &world.cycle);
}

fn replace(path: &Path, bytes: &[u8]) {
    fs::remove_file(path).unwrap();
    fs::write(path, bytes).unwrap();
}
