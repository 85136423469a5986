//! Killed after any change it makes to the disk, whoever publishes leaves nothing visible, or the whole folder; and what
//! becomes visible is on the disk before.
//!
//! The process that is killed is this very test program, which runs one test and is made to die by
//! `tools/kill-after.c`: what is tested is the code as it is, without a hook in it.

use std::{
    collections::BTreeMap,
    env, fs,
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
};

use domain::{cycle::CycleName, date::Date};
use signing::{Algorithm, Signers, Trust};
use tempfile::TempDir;

use super::{detail, read_all, scratch, signatures::signers, with_input, write};
use crate::{
    correct, layout::MANIFEST_FILE, manifest::Replaces, publish, sign, sign::digest, text::digest_hex,
    verify::verify_signed,
};

/// Which version the process shall publish, and where.
const VERSION: &str = "CU_TEST_VERSION";
const OUT: &str = "CU_TEST_OUT";
const NAME: &str = "2018-09-01-001";
const SECOND: &str = "2018-09-01-001.v2";
const SIGKILL: i32 = 9;
/// More changes than these nobody makes to publish three cities.
const CHANGES_MAX: u32 = 2000;

/// What the process that is killed does.
#[test]
#[ignore = "the tests below run it in a process of its own"]
fn publishes() {
    let (Some(version), Some(out)) = (env::var_os(VERSION), env::var_os(OUT)) else { return };
    publish_version(version == "2", Path::new(&out));
}

/// Makes, signs and publishes a version of the cycle, as the coordinator's node does. Keys lie beside OUT.
fn publish_version(second: bool, out: &Path) {
    let pki = out.with_file_name("pki");
    let signers = Signers::open(&pki, &pki.join("ca.pem"), None).unwrap();
    let cycle: CycleName = NAME.parse().unwrap();
    let made = scratch(out, &cycle);
    let name = if second {
        let first = out.join(NAME);
        let sha256 = digest(&first.join(MANIFEST_FILE)).unwrap();
        let replaces = Replaces {
            folder: NAME.to_owned(),
            manifest_sha256: digest_hex(&sha256),
            reason: "the bank refused it".to_owned(),
            version: 2,
        };
        with_input(NAME, 2, Some(sha256), |input| correct(&made, input, &first, replaces)).unwrap();
        SECOND
    } else {
        let work = out.join(".work");
        fs::create_dir_all(&work).unwrap();
        with_input(NAME, 1, None, |input| write(&made, input, vec![detail(&work)])).unwrap();
        NAME
    };
    let date: Date = "2018-09-01".parse().unwrap();
    sign(&made, &signers.on(date).unwrap()).unwrap();
    publish(&made, out, name).unwrap();
}

/// The library that kills, keys, and what an undisturbed process publishes.
struct World {
    folder: TempDir,
    second: bool,
    /// What was visible before.
    before: BTreeMap<String, Vec<u8>>,
    /// And what is when all is done.
    wanted: BTreeMap<String, Vec<u8>>,
}

impl World {
    fn new(second: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tools/kill-after.c");
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(folder.path().join("kill-after.so"))
            .arg(source)
            .arg("-ldl")
            .output()
            .unwrap_or_else(|error| panic!("cc, which building needs too: {error}"));
        assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
        signers(&folder.path().join("pki"), Algorithm::EcdsaP256Sha256);
        let mut world = Self { folder, second, before: BTreeMap::new(), wanted: BTreeMap::new() };
        let out = world.out();
        world.before = visible(&out);
        publish_version(second, &out);
        world.wanted = visible(&out);
        let trust = Trust::read(&world.folder.path().join("pki/ca.pem")).unwrap();
        let report = verify_signed(&out.join(world.name()), Some(&trust), None).unwrap();
        assert!(report.passed(), "{:?}", report.failures);
        world
    }

    fn name(&self) -> &'static str {
        if self.second { SECOND } else { NAME }
    }

    /// An OUT as it is before.
    fn out(&self) -> PathBuf {
        let out = self.folder.path().join("out");
        drop(fs::remove_dir_all(&out));
        fs::create_dir(&out).unwrap();
        if self.second {
            publish_version(false, &out);
        }
        // The library knows paths as the system does.
        out.canonicalize().unwrap()
    }

    /// Publishes in a process of its own that is killed after so many changes, if it makes that many.
    fn process(&self, out: &Path, after: u32, log: &Path) -> ExitStatus {
        let ran = Command::new(env::current_exe().unwrap())
            .args(["--exact", "tests::killed::publishes", "--ignored", "--test-threads", "1"])
            .env(VERSION, if self.second { "2" } else { "1" })
            .env(OUT, out)
            .env("LD_PRELOAD", self.folder.path().join("kill-after.so"))
            .env("KILL_UNDER", out)
            .env("KILL_AFTER", after.to_string())
            .env("KILL_LOG", log)
            .output()
            .unwrap();
        let killed = ran.status.signal() == Some(SIGKILL);
        assert!(killed || ran.status.success(), "{}", String::from_utf8_lossy(&ran.stdout));
        ran.status
    }
}

/// What readers see of an OUT: names that begin with a dot are nobody's.
fn visible(out: &Path) -> BTreeMap<String, Vec<u8>> {
    let hidden = |name: &str| name.split('/').any(|part| part.starts_with('.'));
    read_all(out).into_iter().filter(|(name, _)| !hidden(name)).collect()
}

/// Kills after the first change, after the second, … until a process ends by itself; then publishes again.
fn killed_after_each_change(second: bool) {
    let world = World::new(second);
    let log = world.folder.path().join("log");
    let (mut nothing, mut whole) = (0, 0);
    for after in 1..=CHANGES_MAX {
        let out = world.out();
        drop(fs::remove_file(&log));
        if world.process(&out, after, &log).success() {
            assert!(nothing > 50 && whole > 0, "{nothing} kills before it was visible, {whole} behind");
            assert_eq!(visible(&out), world.wanted);
            return;
        }
        let last = fs::read_to_string(&log).unwrap().lines().last().unwrap_or_default().to_owned();
        // A folder without a file would be seen too.
        if out.join(world.name()).symlink_metadata().is_err() {
            assert!(visible(&out) == world.before, "killed after {last}: something is visible");
            nothing += 1;
        } else {
            assert!(visible(&out) == world.wanted, "killed after {last}: it is visible and not whole");
            whole += 1;
        }
        publish_version(second, &out);
        assert!(visible(&out) == world.wanted, "published again after {last}");
    }
    panic!("it makes more than {CHANGES_MAX} changes");
}

#[test]
fn a_cycle_is_visible_whole_or_not_at_all_whenever_it_is_killed() {
    killed_after_each_change(false);
}

#[test]
fn a_correction_is_visible_whole_or_not_at_all_whenever_it_is_killed() {
    killed_after_each_change(true);
}

/// One change as the library notes it.
struct Change {
    what: String,
    path: PathBuf,
    to: Option<PathBuf>,
}

impl Change {
    /// None of the names here has a space but those of taps' files, which stand in no path.
    fn read(line: &str) -> Self {
        let mut words = line.split(' ');
        let (what, path) = (words.next().unwrap(), words.next().unwrap());
        Self { what: what.to_owned(), path: path.into(), to: words.next().map(PathBuf::from) }
    }

    /// Whether it changes the bytes of this file, or the names in this folder.
    fn changes(&self, path: &Path) -> bool {
        let names = |it: &Path| self.what != "write" && it.parent() == Some(path);
        let named = |it: &Path| it == path || names(it);
        self.what != "sync" && (named(&self.path) || self.to.as_deref().is_some_and(named))
    }

    fn syncs(&self, path: &Path) -> bool {
        self.what == "sync" && self.path == path
    }
}

/// A power failure keeps only what was synced: so a kill cannot show that each file was, but the order of the changes does.
#[test]
fn everything_is_on_the_disk_before_it_is_visible() {
    for second in [false, true] {
        let world = World::new(second);
        let (out, log) = (world.out(), world.folder.path().join("log"));
        assert!(world.process(&out, 0, &log).success());
        let changes: Vec<Change> = fs::read_to_string(&log).unwrap().lines().map(Change::read).collect();
        let target = out.join(world.name());
        let shown = changes.iter().position(|it| it.to.as_ref() == Some(&target)).unwrap();
        let scratch = changes[shown].path.clone();
        let behind = &changes[shown + 1..];
        assert!(behind.iter().any(|it| it.syncs(&out)), "its name is synced too");
        assert!(!behind.iter().any(|it| it.path.starts_with(&target)), "nothing in it changes any more");

        let files: Vec<PathBuf> = read_all(&target).keys().map(|name| scratch.join(name)).collect();
        let folders = ["", "acquirer", "issuer", "settlement"].map(|name| scratch.join(name));
        let folders = folders.iter().map(|folder| folder.components().collect::<PathBuf>());
        assert!(files.len() > 15, "{files:?}");
        for path in files.iter().cloned().chain(folders) {
            let before = &changes[..shown];
            let changed = before.iter().rposition(|it| it.changes(&path));
            let synced = before.iter().rposition(|it| it.syncs(&path));
            assert!(changed.is_some() && synced > changed, "{} is synced last", path.display());
        }
    }
}
