//! Killed after any change to what stands under OUT, the program leaves each thing there whole or not at all, and run
//! again it ends with the same bytes.
//!
//! Folders are put together in `.state`, where nobody looks: the tests of `files` kill after each change there. Here it
//! is every change beside it: cycles, corrections, reports, `releases/`, results, receipts, `ca.pem`.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Ran, Running, arguments, cityunion, clear, command, repository, tree, verify_all};

/// More changes than these nobody makes for three cities.
const CHANGES_MAX: u32 = 400;
const CYCLE: &str = "2018-09-01-001";
const SECOND: &str = "2018-09-01-001.v2";
/// Times a command is run again until a correction is there: one is enough unless the machine is very busy.
const AGAIN_MAX: u32 = 10;

type Files = BTreeMap<String, Vec<u8>>;

/// A scheme of three cities, and the library that kills.
struct World {
    folder: TempDir,
}

impl World {
    fn new() -> Self {
        let world = Self { folder: TempDir::new().unwrap() };
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(world.path("kill-after.so"))
            .arg(repository().join("tools/kill-after.c"))
            .arg("-ldl")
            .output()
            .unwrap();
        assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
        cityunion("simulate --out {} --cities 3 --taps 300 --seed 7", &[&world.path("scheme")]).ok();
        world
    }

    /// The library knows paths as the system does.
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join(name)
    }

    /// Runs the program; it gets SIGKILL after so many changes under `out`, if it makes that many. Also what it changed.
    fn killed(&self, words: &str, paths: &[&Path], out: &Path, after: u32) -> (Ran, String) {
        let log = self.path("log");
        drop(std::fs::remove_file(&log));
        let mut command = command(arguments(words, paths));
        command
            .env("LD_PRELOAD", self.path("kill-after.so"))
            .env("KILL_UNDER", out)
            .env("KILL_BUT", out.join(".state"))
            .env("KILL_AFTER", after.to_string())
            .env("KILL_LOG", &log);
        let ran = Running::start(command).wait();
        (ran, std::fs::read_to_string(log).unwrap_or_default())
    }
}

/// What readers see of an OUT: names that begin with a dot are nobody's.
fn visible(out: &Path) -> Files {
    let hidden = |name: &str| name.split('/').any(|part| part.starts_with('.'));
    tree(out).into_iter().filter(|(name, _)| !hidden(name)).collect()
}

/// A record tells the steps so far, so there are several whole ones.
fn is_record(name: &str) -> bool {
    name.starts_with("releases/")
}

/// Everything that is there is whole: each file is one of `wanted`, these folders have all of theirs, and a record is of
/// a folder that is there.
#[track_caller]
fn assert_whole(what: &str, wanted: &Files, folders: &[&str], out: &Path) {
    let found = visible(out);
    for (name, bytes) in &found {
        if !is_record(name) {
            assert!(wanted.get(name) == Some(bytes), "{what}: {name} is not whole");
            continue;
        }
        let record: Value =
            serde_json::from_slice(bytes).unwrap_or_else(|error| panic!("{what}: {name}: {error}"));
        assert_eq!(record["cycle"], CYCLE, "{what}");
        assert!(found.contains_key(&format!("{CYCLE}/manifest.json")), "{what}: {record}");
    }
    for folder in folders.iter().filter(|folder| out.join(folder).symlink_metadata().is_ok()) {
        let of = |files: &Files| -> Vec<String> {
            files.keys().filter(|name| name.starts_with(&format!("{folder}/"))).cloned().collect()
        };
        assert_eq!(of(&found), of(wanted), "{what}: {folder} is visible and not whole");
    }
}

/// Compares two OUTs but for the times in records.
#[track_caller]
fn assert_equal(what: &str, wanted: &Files, out: &Path) {
    let found = visible(out);
    let names = |files: &Files| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(wanted), names(&found), "{what}: other files");
    let other = found.iter().find(|(name, bytes)| !is_record(name) && wanted[*name] != **bytes);
    assert!(other.is_none(), "{what}: {:?} has other bytes", other.map(|(name, _)| name));
}

#[test]
fn clear_leaves_whole_files_and_folders_whenever_it_is_killed() {
    let world = World::new();
    let (scheme, calm) = (world.path("scheme"), world.path("calm"));
    clear(&scheme, &calm);
    verify_all(&calm);
    let wanted = visible(&calm);
    let reports = format!("reports/{CYCLE}");
    let things = ["ca.pem", CYCLE, &reports, "releases", "receipts", "results"];
    let mut seen: BTreeSet<(&str, bool)> = BTreeSet::new();
    let mut ended = false;
    for after in 1..=CHANGES_MAX {
        let out = world.path(&format!("out-{after}"));
        let (ran, changes) = world.killed("clear {} --out {}", &[&scheme, &out], &out, after);
        if ran.code == Some(0) {
            ended = true;
            break;
        }
        assert_eq!(ran.code, None, "{ran:?}");
        let what = format!("killed after change {after}, {}", changes.lines().last().unwrap_or_default());
        assert_whole(&what, &wanted, &[CYCLE, &reports], &out);
        seen.extend(things.map(|thing| (thing, out.join(thing).symlink_metadata().is_ok())));
        clear(&scheme, &out);
        assert_equal(&what, &wanted, &out);
        std::fs::remove_dir_all(&out).unwrap();
    }
    assert!(ended, "it makes more than {CHANGES_MAX} changes");
    for thing in things {
        assert!(seen.contains(&(thing, false)) && seen.contains(&(thing, true)), "{thing}: {seen:?}");
    }
}

#[test]
fn a_correction_appears_whole_or_not_at_all_whenever_it_is_killed() {
    let world = World::new();
    let (scheme, base) = (world.path("scheme"), world.path("base"));
    cityunion("clear {} --out {} --release people", &[&scheme, &base]).ok();
    let act = |by: &str, words: &str, out: &Path| {
        let certificate = scheme.join("pki/tls").join(format!("{by}.pem"));
        (format!("cycle {words} --in {{}} --certificate {{}}"), [out.to_owned(), certificate])
    };
    let done = |(words, paths): (String, [PathBuf; 2])| cityunion(&words, &[&paths[0], &paths[1]]);
    done(act("operator-li", &format!("propose {CYCLE}"), &base)).ok();
    done(act("operator-wang", &format!("release {CYCLE}"), &base)).ok();
    let refuse = |out: &Path| act("bank", &format!("refuse {CYCLE} --reason account-closed"), out);
    let copy = |name: &str| {
        let out = world.path(name);
        assert!(Command::new("cp").arg("-a").arg(&base).arg(&out).status().unwrap().success());
        out
    };
    let calm = copy("calm");
    done(refuse(&calm)).ok();
    verify_all(&calm);
    let wanted = visible(&calm);
    let mut seen = BTreeSet::new();
    let mut ended = false;
    for after in 1..=CHANGES_MAX {
        let out = copy(&format!("out-{after}"));
        let (words, paths) = refuse(&out);
        let (ran, changes) = world.killed(&words, &[&paths[0], &paths[1]], &out, after);
        if ran.code == Some(0) {
            ended = true;
            break;
        }
        assert_eq!(ran.code, None, "{ran:?}");
        let what = format!("killed after change {after}, {}", changes.lines().last().unwrap_or_default());
        assert_whole(&what, &wanted, &[CYCLE, SECOND], &out);
        let there = || out.join(SECOND).symlink_metadata().is_ok();
        seen.insert(there());
        // What was refused before the kill stays so, and whoever opens the book next makes its new version.
        for _ in 0..AGAIN_MAX {
            if there() {
                break;
            }
            let again = done(refuse(&out));
            assert!(matches!(again.code, Some(0 | 3)), "{what}: {again:?}");
        }
        // What the record says of it follows from the log, at the end of the next run at the latest.
        clear(&scheme, &out);
        assert_equal(&what, &wanted, &out);
        std::fs::remove_dir_all(&out).unwrap();
    }
    assert!(ended, "it makes more than {CHANGES_MAX} changes");
    assert_eq!(seen, BTreeSet::from([false, true]), "kills before it was there and behind");
}
