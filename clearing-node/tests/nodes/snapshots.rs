//! Snapshots of nodes at work, and nodes that begin with them.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use clearing_node::{
    node::{Node, Request},
    partition::{Progress, Restore, State},
    rocks::RocksStore,
    snapshot::{Last, Pruning, Restorer, SnapshotConfig, Snapshotter},
    store::Txn as _,
};
use cu_objects::Objects;

use crate::{
    faults::{Faults, Faulty},
    town::{CITIES, OPEN, Town, is_cut_off, is_opened, undisturbed, wait},
};

fn objects(folder: &Path) -> Objects {
    Objects::open(folder.to_str().unwrap()).unwrap()
}

fn restorer(objects: &Objects) -> Option<Arc<dyn Restore>> {
    Some(Arc::new(Restorer::new(objects.clone())))
}

fn state(town: &Town, name: &str) -> PathBuf {
    town.folder.path().join(name).join("state")
}

fn snapshotter(town: &Town, name: &str, node: &Node, objects: &Objects) -> Snapshotter {
    let config = SnapshotConfig {
        objects: objects.clone(),
        state_dir: state(town, name),
        every: Duration::from_secs(3600),
        pruning: Pruning::default(),
    };
    Snapshotter::start(config, node.stores().clone()).unwrap()
}

fn last(snapshotter: &Snapshotter, partition: u32) -> Option<Last> {
    snapshotter.status().get(&partition)?.last
}

/// Waits until both partitions stand at an offset.
fn folded(node: &Node, next_offset: u64) {
    wait("the folding", || {
        let at = node.partitions();
        let there = |p: &Arc<Progress>| {
            let read = |of: &AtomicU64| of.load(Ordering::Relaxed);
            read(&p.next_offset) >= next_offset && read(&p.unpublished) == 0
        };
        (at.len() == 2 && at.values().all(there)).then_some(())
    });
}

/// The rows of a partition's store, but for what was still to be published, and how far it is: each node that takes the
/// cycles over repeats the last marker, which changes nothing else.
fn rows(folder: &Path) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut rows = BTreeMap::new();
    let mut visit = |key: &[u8], value: &[u8]| {
        if !key.starts_with(b"o/") && key != b"m/offset" && key != b"m/tip" {
            rows.insert(key.to_vec(), value.to_vec());
        }
        Ok(())
    };
    RocksStore::open(folder).unwrap().begin().scan(b"", &mut visit).unwrap();
    rows
}

#[test]
fn an_empty_disk_is_restored_and_replayed_to_the_same_rows_and_files() {
    let town = Town::new();
    let objects = objects(&town.folder.path().join("objects"));
    {
        let node = town.node("a");
        town.ask(OPEN, || vec![&node], is_opened);
        CITIES.iter().for_each(|city| town.present(city, 1, 3));
        folded(&node, 2);
        let snapshots = snapshotter(&town, "a", &node, &objects);
        for partition in [0, 1] {
            let last = wait("a snapshot", || last(&snapshots, partition));
            assert_eq!((last.next_offset, last.closed_cycle), (2, 0));
        }
        // More than the snapshots hold.
        CITIES.iter().for_each(|city| town.present(city, 2, 2));
        folded(&node, 3);
    }
    let before: Vec<_> = [0, 1].map(|p| rows(&state(&town, "a").join(format!("partition-{p}")))).into();
    fs::remove_dir_all(state(&town, "a")).unwrap();

    // The log no longer holds what is in the snapshot of partition 1.
    let (log, faults) = Faulty::over(&town.log, Faults::default());
    faults.retained_from.store(2, Ordering::SeqCst);
    {
        let node = town.node_restored("b", &log, restorer(&objects));
        folded(&node, 3);
        assert_eq!(node.failed(), None);
    }
    let after: Vec<_> = [0, 1].map(|p| rows(&state(&town, "b").join(format!("partition-{p}")))).into();
    for (before, after) in before.iter().zip(&after) {
        let keys = before.keys().chain(after.keys());
        let differ: Vec<_> = keys.filter(|key| before.get(*key) != after.get(*key)).collect();
        let shown: Vec<_> = differ
            .iter()
            .map(|key| (key.escape_ascii().to_string(), before.get(*key), after.get(*key)))
            .collect();
        assert!(differ.is_empty(), "restored and replayed rows differ from undisturbed ones: {shown:?}");
    }

    let node = town.node("b");
    town.ask(Request::CutOff { opens: None }, || vec![&node], is_cut_off);
    wait("the folder", || node.status().published(1).cloned());
    assert!(town.files("2018-09-01-001") == undisturbed(), "the settled files differ");
}

#[test]
fn a_store_that_the_log_has_overtaken_is_replaced_by_a_newer_snapshot() {
    let town = Town::new();
    let objects = objects(&town.folder.path().join("objects"));
    {
        let node = town.node("old");
        town.ask(OPEN, || vec![&node], is_opened);
        CITIES.iter().for_each(|city| town.present(city, 1, 3));
        folded(&node, 2);
    }
    CITIES.iter().for_each(|city| town.present(city, 2, 2));
    {
        let node = town.node("other");
        folded(&node, 3);
        let snapshots = snapshotter(&town, "other", &node, &objects);
        wait("a snapshot", || last(&snapshots, 1));
    }
    town.present("cu-3000", 3, 1);
    let (log, faults) = Faulty::over(&town.log, Faults::default());
    faults.retained_from.store(3, Ordering::SeqCst);

    // Without the snapshots it stands still.
    {
        let node = town.node_over("old", &log);
        let why = wait("a stopped partition", || match node.partitions().get(&1)?.state() {
            State::Stopped(why) => Some(why),
            _ => None,
        });
        assert!(why.contains("2 was asked for"), "{why}");
    }
    let node = town.node_restored("old", &log, restorer(&objects));
    wait("the third batch", || town.results("cu-3000").get(&3).cloned());
    assert_eq!(node.failed(), None);
    assert!(state(&town, "old").join("partition-1.replaced").is_dir());
    // What the log still holds is not restored.
    assert!(!state(&town, "old").join("partition-0.replaced").exists());
}

#[test]
fn a_snapshot_of_another_log_is_passed_over() {
    let town = Town::new();
    let objects = objects(&town.folder.path().join("objects"));
    {
        let node = town.node("a");
        town.ask(OPEN, || vec![&node], is_opened);
        CITIES.iter().for_each(|city| town.present(city, 1, 3));
        folded(&node, 2);
        let snapshots = snapshotter(&town, "a", &node, &objects);
        for partition in [0, 1] {
            wait("a snapshot", || last(&snapshots, partition));
        }
    }
    // The log that came in its place goes further, with other messages.
    let other = Town::new();
    {
        let node = other.node("first");
        other.ask(OPEN, || vec![&node], is_opened);
        CITIES.iter().for_each(|city| other.present(city, 1, 4));
        CITIES.iter().for_each(|city| other.present(city, 2, 1));
        folded(&node, 3);
    }
    let node = other.node_restored("b", &other.log, restorer(&objects));
    folded(&node, 3);
    assert_eq!(node.failed(), None, "it folds the log from its beginning");
    // Those of its own log are taken.
    let node = town.node_restored("b", &town.log, restorer(&objects));
    folded(&node, 2);
    assert_eq!(node.failed(), None);
}

#[test]
fn a_snapshot_is_taken_at_the_end_of_a_cycle_and_when_somebody_asks() {
    let town = Town::new();
    let objects = objects(&town.folder.path().join("objects"));
    let node = town.node("a");
    let snapshots = snapshotter(&town, "a", &node, &objects);
    town.ask(OPEN, || vec![&node], is_opened);
    wait("the first snapshot", || last(&snapshots, 0));
    town.present("cu-2000", 1, 3);
    wait("the result", || town.results("cu-2000").get(&1).cloned());
    assert_eq!(last(&snapshots, 0).unwrap().next_offset, 1);
    assert!(snapshots.ask(0));
    wait("the snapshot that was asked for", || last(&snapshots, 0).filter(|last| last.next_offset == 2));
    assert!(!snapshots.ask(7), "it is not here");

    town.ask(Request::CutOff { opens: None }, || vec![&node], is_cut_off);
    for partition in [0, 1] {
        wait("the snapshot after the cycle", || last(&snapshots, partition).filter(|l| l.closed_cycle == 1));
    }
}

/// A small file system of its own; unmounted at the end.
struct Disk(PathBuf);

impl Disk {
    /// `None` where mounting is not allowed.
    fn new(path: PathBuf, kib: u32) -> Option<Self> {
        fs::create_dir_all(&path).unwrap();
        let mount = |args: &[&str]| Command::new("mount").args(args).arg(&path).output();
        let mounted = mount(&["-t", "tmpfs", "-o", &format!("size={kib}k"), "tmpfs"]).ok()?;
        mounted.status.success().then_some(Self(path))
    }

    fn grow(&self, kib: u32) {
        let remount = format!("remount,size={kib}k");
        assert!(Command::new("mount").args(["-o", &remount]).arg(&self.0).status().unwrap().success());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}

#[test]
fn a_full_object_store_raises_an_alarm_and_clearing_goes_on() {
    let town = Town::new();
    let Some(disk) = Disk::new(town.folder.path().join("disk"), 4) else { return };
    let objects = objects(&disk.0);
    let node = town.node("a");
    let snapshots = snapshotter(&town, "a", &node, &objects);
    town.ask(OPEN, || vec![&node], is_opened);
    let failed = |p| snapshots.status().get(&p)?.failed.clone();
    let why = wait("the alarm", || failed(0));
    assert!(why.contains("No space left on device"), "{why}");

    for number in 1..=3 {
        CITIES.iter().for_each(|city| town.present(city, number, 3));
        CITIES.iter().for_each(|city| {
            wait("a result", || town.results(city).get(&number).cloned());
        });
    }
    assert_eq!((last(&snapshots, 0), node.failed()), (None, None));
    // It heals by itself.
    disk.grow(8192);
    let healed = wait("a snapshot", || last(&snapshots, 0));
    assert_eq!((healed.next_offset, failed(0)), (4, None));
}
