//! A log with the rules of two cities, each in a partition of its own, and nodes over it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use clearing_node::{
    node::{Node, NodeConfig, Request},
    partition::Restore,
};
use cu_log::{Log, Partition, append_and_wait, embedded::EmbeddedLog, topics::Topics};
use cu_objects::Objects;
use domain::{date::Date, tap::Tap};
use proto::{
    BatchResult, Clearing, CycleEvent, JudgedPart, Message, Outcome, Part, RulebookDocument, Verdicts,
    clearing::Body, cycle_event,
};
use runtime::scheme::SchemeView;
use signing::Trust;
use tempfile::TempDir;
use zerocopy::{FromZeros, IntoBytes};

pub const CITIES: [&str; 2] = ["cu-2000", "cu-3000"];
pub const PARTITIONS: u32 = 2;
pub const WAIT: Duration = Duration::from_secs(120);
const RULES: &str = r#"
version = 1
presentment_days = 10
hotlist_grace_hours = 24
[fees]
basis = "cycle_bilateral"
interchange_rate = "0.003"
switch_rate = "0.001"
[clearing]
partitions = 2
[clearing.assignment]
"cu-2000" = 0
"cu-3000" = 1
[[participant]]
city = "cu-2000"
name_en = "Shanghai"
name_zh = "上海"
joined = "2018-01-01"
terminal_prefixes = ["20"]
[[participant]]
city = "cu-3000"
name_en = "Tianjin"
name_zh = "天津"
joined = "2018-01-01"
terminal_prefixes = ["30"]
"#;

pub fn date(text: &str) -> Date {
    text.parse().unwrap()
}

/// Waits until `found` finds something.
pub fn wait<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + WAIT;
    loop {
        if let Some(value) = found() {
            return value;
        }
        assert!(Instant::now() < deadline, "{what} did not come");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub struct Town {
    pub folder: TempDir,
    pub log: Arc<dyn Log>,
    pub topics: Topics,
    /// Who certifies people, if somebody does.
    pub people: Option<Trust>,
}

impl Town {
    pub fn new() -> Self {
        let town = Self::empty();
        let mut specs = town.topics.of_centre(PARTITIONS);
        CITIES.iter().for_each(|city| specs.extend(town.topics.of_city(*city)));
        town.log.create_topics(&specs).unwrap();
        town.publish(1, RULES);
        town
    }

    /// A log without a topic.
    pub fn empty() -> Self {
        let folder = TempDir::new().unwrap();
        let log: Arc<dyn Log> = Arc::new(EmbeddedLog::open(&folder.path().join("log")).unwrap());
        Self { folder, log, topics: Topics::default(), people: None }
    }

    fn publish(&self, version: u32, rules: &str) {
        let digest = domain::rulebook::Rulebook::parse(rules.as_bytes()).unwrap().digest();
        let toml = rules.as_bytes().to_vec().into();
        let document = RulebookDocument { version, digest: digest.to_vec().into(), toml };
        self.append(&self.topics.rulebook(), document.encode_to_vec());
    }

    /// Version 2 of the rules: Tianjin is in partition 0.
    pub fn publish_moved(&self) {
        let rules = RULES.replace("version = 1", "version = 2");
        self.publish(2, &rules.replace("\"cu-3000\" = 1", "\"cu-3000\" = 0"));
    }

    /// A message lands in a partition of `cu.clearing`.
    pub fn clearing(&self, partition: u32, body: Body) {
        self.append(&self.topics.clearing(partition), Clearing { body: Some(body) }.encode_to_vec());
    }

    pub fn append(&self, partition: &Partition, payload: Vec<u8>) {
        let mut writer = self.log.writer().unwrap();
        append_and_wait(writer.as_mut(), partition, payload.into(), WAIT).unwrap();
    }

    /// A node with folders of its own name.
    pub fn node(&self, name: &str) -> Node {
        self.node_over(name, &self.log)
    }

    /// A node that sees the log through `log`.
    pub fn node_over(&self, name: &str, log: &Arc<dyn Log>) -> Node {
        self.node_restored(name, log, None)
    }

    /// And that brings back stores that are not there.
    pub fn node_restored(&self, name: &str, log: &Arc<dyn Log>, restore: Option<Arc<dyn Restore>>) -> Node {
        let scheme = Arc::new(SchemeView::follow(&self.log, &self.topics).unwrap());
        let path = |what: &str| self.folder.path().join(name).join(what);
        let config = NodeConfig {
            state_dir: path("state"),
            work_dir: path("work"),
            objects: Objects::open(self.folder.path().join("objects").to_str().unwrap()).unwrap(),
            render_niceness: 0,
            out_dir: self.folder.path().join("out"),
            signers: None,
            people: self.people.clone(),
            partitions: PARTITIONS,
            barrier_max: None,
            restore,
        };
        Node::start(config, log, &self.topics, &scheme).unwrap()
    }

    /// The switch writes a batch of `records` accepted taps of a city, each of 1.00 yuan.
    pub fn present(&self, city: &str, number: u64, records: u32) {
        self.present_in(u32::from(city == CITIES[1]), city, number, records);
    }

    /// And it goes to this partition.
    pub fn present_in(&self, partition: u32, city: &str, number: u64, records: u32) {
        let taps: Vec<Tap> = (0..records).map(|position| ride(city, number, position)).collect();
        let codes = vec![0; taps.len()].into();
        let taps = taps.as_slice().as_bytes().to_vec().into();
        let part = Part { issuer: other(city).to_owned(), taps, texts: proto::Bytes::new() };
        let verdicts = Some(Verdicts { codes, issuer_seal: proto::Bytes::new() });
        let outcome = Outcome {
            acquirer: city.to_owned(),
            number,
            digest: proto::digest::bytes(&number.to_be_bytes()).to_vec().into(),
            file: format!("2018-09-01-{number:06}.csv"),
            records,
            parts: vec![JudgedPart { part: Some(part), verdicts }],
        };
        self.clearing(partition, Body::Outcome(outcome));
    }

    /// Everything that stands in a partition.
    pub fn read(&self, partition: &Partition) -> Vec<proto::Bytes> {
        let end = self.log.bounds(partition).unwrap().end;
        let mut reader = self.log.reader(&[(partition.clone(), 0)]).unwrap();
        let mut payloads = Vec::new();
        while (payloads.len() as u64) < end {
            payloads.extend(reader.poll(1 << 20, WAIT).unwrap().into_iter().map(|entry| entry.payload));
        }
        payloads
    }

    pub fn events(&self) -> Vec<cycle_event::Body> {
        // An empty message says nothing.
        let read = self.read(&self.topics.cycles()).into_iter().filter(|payload| !payload.is_empty());
        read.map(|payload| CycleEvent::decode(payload).unwrap().body.unwrap()).collect()
    }

    /// What was said about each batch of a city, without repeats.
    pub fn results(&self, city: &str) -> BTreeMap<u64, Vec<BatchResult>> {
        let mut results: BTreeMap<u64, Vec<BatchResult>> = BTreeMap::new();
        for payload in self.read(&self.topics.results(city)) {
            let result = BatchResult::decode(payload).unwrap();
            let known = results.entry(result.number).or_default();
            if !known.contains(&result) {
                known.push(result);
            }
        }
        results
    }

    /// Asks whichever node coordinates, again and again, until `done` says that it stands on the log.
    pub fn ask<'n>(
        &self,
        request: Request,
        nodes: impl Fn() -> Vec<&'n Node>,
        done: impl Fn(&[cycle_event::Body]) -> bool,
    ) {
        wait("the answer to a request", || {
            if done(&self.events()) {
                return Some(());
            }
            if let Some(node) = nodes().into_iter().find(|node| node.status().caught_up) {
                node.request(request.clone());
            }
            std::thread::sleep(Duration::from_millis(50));
            None
        });
    }

    /// The files of a cycle, by their paths.
    pub fn files(&self, cycle: &str) -> BTreeMap<PathBuf, Vec<u8>> {
        let root = self.folder.path().join("out").join(cycle);
        let mut files = BTreeMap::new();
        gather(&root, &root, &mut files);
        files
    }
}

/// The other city: whose cards ride in this one.
pub fn other(city: &str) -> &'static str {
    CITIES.iter().find(|other| **other != city).unwrap()
}

/// A tap of a batch, by its place.
pub fn ride(city: &str, number: u64, position: u32) -> Tap {
    let mut tap = Tap::new_zeroed();
    tap.line = (position + 2).into();
    tap.position = u16::try_from(position).unwrap().into();
    tap.terminal = if city == CITIES[0] { [0x20, 0, 0, 0, 0, 1] } else { [0x30, 0, 0, 0, 0, 1] };
    tap.terminal_seq = (u32::try_from(number).unwrap() * 10_000 + position).into();
    tap.type_byte = 6;
    tap.amount_fen = 100.into();
    tap.fare_fen = 100.into();
    tap.tapped_day = date("2018-09-01").julian_day().into();
    tap.key_version = 1;
    tap
}

fn gather(root: &Path, folder: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            gather(root, &path, files);
        } else {
            files.insert(path.strip_prefix(root).unwrap().to_owned(), fs::read(&path).unwrap());
        }
    }
}

pub const OPEN: Request = Request::Open { business_date: DATE, version: 1 };
/// 2018-09-01.
pub const DATE: Date = Date::from_julian_day(2_458_363);

pub fn is_opened(events: &[cycle_event::Body]) -> bool {
    events.iter().any(|event| matches!(event, cycle_event::Body::Opened(_)))
}

pub fn is_cut_off(events: &[cycle_event::Body]) -> bool {
    events.iter().any(|event| matches!(event, cycle_event::Body::CutOff(_)))
}

/// The distinct plans and totals that were said, by cycle (and partition): more than one is a contradiction.
pub fn said_once(events: &[cycle_event::Body]) {
    let mut totals: BTreeMap<(u32, u32), BTreeSet<Vec<u8>>> = BTreeMap::new();
    let mut plans: BTreeMap<u32, BTreeSet<Vec<u8>>> = BTreeMap::new();
    let mut folders: BTreeMap<u32, BTreeSet<Vec<u8>>> = BTreeMap::new();
    for event in events {
        match event {
            cycle_event::Body::Totals(t) => {
                totals.entry((t.cycle, t.partition)).or_default().insert(t.encode_to_vec());
            }
            cycle_event::Body::Plan(plan) => {
                plans.entry(plan.cycle).or_default().insert(plan.encode_to_vec());
            }
            cycle_event::Body::Published(published) => {
                folders.entry(published.cycle).or_default().insert(published.encode_to_vec());
            }
            _ => {}
        }
    }
    assert!(totals.values().all(|said| said.len() == 1), "two totals for one partition");
    assert!(plans.values().all(|said| said.len() == 1), "two plans for one cycle");
    assert!(folders.values().all(|said| said.len() == 1), "two folders for one cycle");
}

/// The files of a day in which nothing went wrong: two batches of each city.
pub fn undisturbed() -> BTreeMap<PathBuf, Vec<u8>> {
    let town = Town::new();
    let node = town.node("only");
    town.ask(OPEN, || vec![&node], is_opened);
    for city in CITIES {
        town.present(city, 1, 3);
        town.present(city, 2, 2);
    }
    town.ask(Request::CutOff { opens: None }, || vec![&node], is_cut_off);
    wait("the folder", || node.status().published(1).cloned());
    let files = town.files("2018-09-01-001");
    assert!(files.contains_key(Path::new("positions.csv")), "{:?}", files.keys());
    files
}
