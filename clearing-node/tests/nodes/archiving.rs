//! The thread that archives each cycle once it is published.

use std::{collections::BTreeMap, fs, path::PathBuf, time::Duration};

use clearing_node::{
    archiver::{ArchiveStatus, Archiver},
    node::{Node, Request},
};
use cu_objects::Objects;
use proto::cycle_event::Body;

use crate::town::{CITIES, DATE, OPEN, Town, is_opened, wait};

fn store(town: &Town) -> PathBuf {
    town.folder.path().join("store")
}

fn archiver(town: &Town) -> Archiver {
    let objects = Objects::open(store(town).to_str().unwrap()).unwrap();
    let work = town.folder.path().join("drafts");
    Archiver::start(&town.log, &town.topics, &objects, work, Duration::from_millis(100)).unwrap()
}

/// Ends a cycle and opens the next; waits for its folder.
fn close(town: &Town, node: &Node, cycle: u32) {
    let opens = Some((DATE.plus_days(i32::try_from(cycle).unwrap()), 1));
    let is_cut_off = |events: &[Body]| {
        events.iter().any(|event| matches!(event, Body::CutOff(cut_off) if cut_off.cycle == cycle))
    };
    town.ask(Request::CutOff { opens }, || vec![node], is_cut_off);
    wait("the folder", || node.status().published(cycle).cloned());
}

fn archived(archiver: &Archiver, cycle: u32) -> ArchiveStatus {
    wait("the archived cycle", || Some(archiver.status()).filter(|status| status.archived == cycle))
}

/// The objects of the archive, by name, with when they were put.
fn objects(town: &Town) -> BTreeMap<String, std::time::SystemTime> {
    let objects = Objects::open(store(town).to_str().unwrap()).unwrap().list("archive").unwrap();
    objects.into_iter().map(|object| (object.name, object.modified)).collect()
}

fn cycles(town: &Town) -> u64 {
    let objects = Objects::open(store(town).to_str().unwrap()).unwrap();
    let work = town.folder.path().join("verified");
    let report = archive::verify::verify(&objects, &work, &|_, _, _| {}).unwrap();
    assert!(report.passed(), "{report:?}");
    report.cycles
}

#[test]
fn a_published_cycle_is_archived_through_a_failing_store_and_a_restart() {
    let town = Town::new();
    let node = town.node("only");
    town.ask(OPEN, || vec![&node], is_opened);
    CITIES.iter().for_each(|city| town.present(city, 1, 3));
    let first = archiver(&town);
    close(&town, &node, 1);
    // Nothing is archived before somebody says that it is published here.
    std::thread::sleep(Duration::from_millis(700));
    assert_eq!((first.status(), objects(&town)), (ArchiveStatus::default(), BTreeMap::new()));

    // The store takes nothing for a while.
    fs::create_dir_all(store(&town)).unwrap();
    fs::write(store(&town).join("archive"), "in the way").unwrap();
    first.published(1);
    let why = wait("the alarm", || first.status().trouble);
    assert!(why.contains("archive"), "{why}");
    CITIES.iter().for_each(|city| town.present(city, 2, 2));
    close(&town, &node, 2);
    assert_eq!(node.failed(), None, "closing waits for no archive");
    fs::remove_file(store(&town).join("archive")).unwrap();
    let status = archived(&first, 1);
    assert_eq!((status.trouble, status.published), (None, 1));
    assert_eq!(cycles(&town), 1, "cycle 2 was not asked for");
    drop(first);

    // The next life goes on where the store is, and writes nothing of cycle 1 again.
    let before = objects(&town);
    let second = archiver(&town);
    second.published(2);
    archived(&second, 2);
    second.published(1);
    assert_eq!(second.status().published, 2);
    assert_eq!(cycles(&town), 2);
    let after = objects(&town);
    assert!(after.len() > before.len());
    assert!(before.iter().all(|(name, put)| after.get(name) == Some(put)), "{before:?} {after:?}");
}
