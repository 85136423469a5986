//! A log that was brought back from an archive whose last cycle was published late: events of the next cycle are
//! archived with it, and what they speak of is lost.

use std::{collections::BTreeMap, fs, path::PathBuf};

use archive::{chain::Archive, restore::Restored, write::archive_due};
use clearing_node::node::{Node, Request};
use cu_objects::Objects;
use domain::city::City;
use proto::cycle_event::Body;
use tempfile::TempDir;

use crate::town::{CITIES, DATE, OPEN, Town, is_opened, said_once, wait};

type Files = BTreeMap<PathBuf, Vec<u8>>;

fn cut_off(town: &Town, node: &Node, cycle: u32) {
    let opens = Some((DATE.plus_days(i32::try_from(cycle).unwrap()), 1));
    let is_cut_off = |events: &[Body]| {
        events.iter().any(|event| matches!(event, Body::CutOff(cut_off) if cut_off.cycle == cycle))
    };
    town.ask(Request::CutOff { opens }, || vec![node], is_cut_off);
}

fn published(node: &Node, cycle: u32) {
    wait("the folder", || {
        assert_eq!(node.status().halted, None);
        node.status().published(cycle).cloned()
    });
}

fn files(town: &Town, cycle: u32) -> Files {
    let files = town.files(&format!("2018-09-{cycle:02}-001"));
    assert!(files.contains_key(&PathBuf::from("positions.csv")), "{:?}", files.keys());
    files
}

fn stopped(node: &Node) -> Vec<City> {
    node.status().stopped_cities.into_iter().map(|(city, _)| city).collect()
}

/// An archive, and a folder to work in.
pub struct Kept {
    folder: TempDir,
    objects: Objects,
}

impl Kept {
    pub fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let objects = Objects::open(folder.path().join("store").to_str().unwrap()).unwrap();
        Self { folder, objects }
    }

    pub fn archive(&self, town: &Town, through: u32) {
        let work = self.folder.path();
        let log = town.log.as_ref();
        archive_due(log, &town.topics, &self.objects, work, Some(through), &|_, _, _| {}).unwrap();
        let report = archive::verify::verify(&self.objects, work, &|_, _, _| {}).unwrap();
        assert!(report.passed(), "{report:?}");
        assert_eq!(report.cycles, u64::from(through));
    }

    pub fn restore(&self, town: &Town) -> Restored {
        let archive = Archive::open(&self.objects).unwrap();
        archive::restore::restore(
            &archive,
            town.log.as_ref(),
            &town.topics,
            self.folder.path(),
            &|_, _, _| {},
        )
        .unwrap()
    }
}

impl Kept {
    /// Why it cannot be restored there.
    pub fn restore_error(&self, town: &Town) -> String {
        let archive = Archive::open(&self.objects).unwrap();
        let (log, topics, work) = (town.log.as_ref(), &town.topics, self.folder.path());
        archive::restore::restore(&archive, log, topics, work, &|_, _, _| {}).unwrap_err().to_string()
    }
}

/// Cycle 1 is closed but cannot be published until cycle 2 is closed too; a city is stopped in cycle 2.
fn published_late() -> Town {
    let town = Town::new();
    let in_the_way = town.folder.path().join("only/work");
    fs::create_dir_all(in_the_way.parent().unwrap()).unwrap();
    fs::write(&in_the_way, "no folder").unwrap();
    let node = town.node("only");
    town.ask(OPEN, || vec![&node], is_opened);
    CITIES.iter().for_each(|city| town.present(city, 1, 3));
    cut_off(&town, &node, 1);
    let planned = |cycle| {
        let plan = |event: &Body| matches!(event, Body::Plan(plan) if plan.cycle == cycle);
        wait("a plan", || town.events().iter().any(plan).then_some(()));
    };
    planned(1);
    // What comes again after the loss is other than this.
    for number in 2..=4 {
        town.present("cu-2000", number, 5);
    }
    town.present("cu-3000", 7, 1);
    wait("the stopped city", || (!stopped(&node).is_empty()).then_some(()));
    cut_off(&town, &node, 2);
    planned(2);
    assert!(node.status().published(1).is_none());
    fs::remove_file(in_the_way).unwrap();
    published(&node, 1);
    town
}

/// Cycles 2 and 3 as they come after the loss.
fn second(town: &Town, node: &Node) {
    CITIES.iter().for_each(|city| town.present(city, 2, 2));
    cut_off(town, node, 2);
    published(node, 2);
}

fn third(town: &Town, node: &Node) {
    CITIES.iter().for_each(|city| town.present(city, 3, 1));
    cut_off(town, node, 3);
    published(node, 3);
}

/// The files of cycles 1 to 3 where nothing was lost.
fn calm() -> Vec<Files> {
    let town = Town::new();
    let node = town.node("only");
    town.ask(OPEN, || vec![&node], is_opened);
    CITIES.iter().for_each(|city| town.present(city, 1, 3));
    cut_off(&town, &node, 1);
    published(&node, 1);
    second(&town, &node);
    third(&town, &node);
    (1..=3).map(|cycle| files(&town, cycle)).collect()
}

#[test]
fn what_the_lost_log_said_of_the_next_cycle_does_not_disturb_it() {
    let calm = calm();
    let kept = Kept::new();
    let lost = published_late();
    kept.archive(&lost, 1);
    assert!(files(&lost, 1) == calm[0]);
    drop(lost);

    let town = Town::empty();
    let restored = kept.restore(&town);
    // A cut-off, two totals, a plan, and the word that cu-3000 is stopped, at least.
    assert!(restored.void >= 5, "{restored:?}");
    let again = kept.restore(&town);
    assert_eq!((again.written, again.void), (0, restored.void));
    {
        let node = town.node("only");
        wait("the open cycle", || node.status().caught_up.then_some(()));
        assert_eq!((stopped(&node), node.status().halted), (vec![], None));
        second(&town, &node);
    }
    said_once(&town.events());
    assert!(files(&town, 2) == calm[1], "cycle 2 differs from an undisturbed one");

    // Archived behind the old events, and lost a second time.
    kept.archive(&town, 2);
    let before = town.read(&town.topics.cycles());
    drop(town);
    let town = Town::empty();
    assert_eq!(kept.restore(&town).void, restored.void, "what was void is void again");
    let cycles = town.read(&town.topics.cycles());
    let shared = cycles.len() - 1;
    assert!(cycles[..shared] == before[..shared], "the same messages at the same offsets");
    {
        let node = town.node("only");
        third(&town, &node);
    }
    assert!(files(&town, 3) == calm[2], "cycle 3 differs from an undisturbed one");
    kept.archive(&town, 3);

    // A new archive of that log is whole too.
    let other = Kept::new();
    other.archive(&town, 3);
}
