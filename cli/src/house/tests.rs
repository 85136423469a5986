//! Determinism: the same input gives the same bytes, however many partitions the book has and however many nodes share
//! them.

use std::{
    fs, iter,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use clearing_node::node::{CycleStatus, Request};
use cu_log::embedded::EmbeddedLog;
use domain::date::Date;
use sha2::{Digest as _, Sha256};
use simulator::{SimulateConfig, simulate};
use tempfile::TempDir;

use super::*;
use crate::{
    clear::patient,
    scheme_folder::{SchemeFolder, home_cities},
};

const PARTITIONS: [usize; 3] = [1, 2, 4];
const NODES: [usize; 3] = [1, 2, 3];
const DATES: [&str; 2] = ["2018-09-01", "2018-09-02"];
const WAIT: Duration = Duration::from_secs(120);

/// Files by their paths.
type Files = BTreeMap<String, Vec<u8>>;

/// Two days of six cities, with everything that `simulate` has go wrong, records that are parked over the first close
/// among it, are settled by one to three nodes over one, two and four partitions.
///
/// **What is compared:** every file that comes out: both cycle folders whole, `manifest.json` included, the results of
/// every city's every file, and the receipts. The number of nodes changes no byte. The number of partitions is a rule:
/// it stands in `rulebook.toml`, of which each folder holds a copy and whose digest stands in the manifest, on which the
/// next manifest is chained. So between numbers of partitions `rulebook.toml` is compared with its input, and the
/// manifests with these two digests blotted out; not a byte else differs.
#[test]
fn partitions_and_nodes_change_no_byte() {
    let folder = TempDir::new().unwrap();
    let scheme = folder.path().join("scheme");
    let mut config = SimulateConfig::new(scheme.clone());
    (config.taps, config.cities, config.days, config.seed) = (Some(4_000), 6, 2, 5);
    simulate(&config, &mut |_| {}).unwrap();
    let rules = fs::read_to_string(scheme.join("rulebook.toml")).unwrap();

    let mut of_one_partition: Option<Files> = None;
    for partitions in PARTITIONS {
        fs::write(scheme.join("rulebook.toml"), spread(&rules, partitions)).unwrap();
        let mut of_one_node: Option<Files> = None;
        for nodes in NODES {
            let at = folder.path().join(format!("{partitions}-{nodes}"));
            let files = settle(&SchemeFolder::open(&scheme).unwrap(), &at, nodes);
            check_whole(&files);
            same(
                &format!("{partitions} partitions on {nodes} nodes"),
                of_one_node.get_or_insert(files.clone()),
                &files,
            );
        }
        let files = blotted(of_one_node.unwrap(), &fs::read(scheme.join("rulebook.toml")).unwrap());
        same(&format!("{partitions} partitions"), of_one_partition.get_or_insert(files.clone()), &files);
    }
}

/// The rules with another number of partitions, over which the cities are spread.
fn spread(rules: &str, partitions: usize) -> String {
    let mut place = 0;
    let mut in_table = false;
    let line = |line: &str| {
        in_table = line == "[clearing.assignment]" || in_table && !line.is_empty();
        match line.split_once(" = ") {
            Some(("partitions", _)) => format!("partitions = {partitions}\n"),
            Some((city, _)) if in_table => {
                place += 1;
                format!("{city} = {}\n", (place - 1) % partitions)
            }
            _ => format!("{line}\n"),
        }
    };
    let spread: String = rules.lines().map(line).collect();
    assert!(spread.contains(&format!(" = {}\n", partitions - 1)), "{spread}");
    spread
}

/// Clears both days with so many nodes in one group, and returns all that came out.
fn settle(scheme: &SchemeFolder, at: &Path, nodes: usize) -> Files {
    let (state, out) = (at.join("state"), at.join("out"));
    let cities: BTreeSet<City> = scheme.rulebook.participants.iter().map(|it| it.city).collect();
    let log: Arc<dyn Log> = Arc::new(EmbeddedLog::open(&at.join("log")).unwrap());
    let house = House::start(log, Topics::default(), &scheme.rulebook, &cities, &state, &out, None).unwrap();
    let others: Vec<Node> = (1..nodes).map(|number| join(&house, scheme, at, number)).collect();
    let nodes: Vec<&Node> = iter::once(&house.node).chain(&others).collect();
    wait("a share for each", || shared(&nodes, scheme.rulebook.partitions).then_some(()));
    let all: Vec<City> = cities.iter().copied().collect();
    house.adapter.follow(&all).unwrap();
    for (cycle, date) in (1..).zip(DATES) {
        clear(&house, scheme, &nodes, cycle, date.parse().unwrap());
    }
    wait("the last results", || {
        let mut partitions = nodes.iter().flat_map(|node| node.partitions().into_values());
        partitions.all(|progress| progress.unpublished.load(Ordering::Relaxed) == 0).then_some(())
    });
    house.adapter.catch_up(&all, WAIT).unwrap();
    house.adapter.render(&all).unwrap();
    assert!(nodes.iter().all(|node| node.failed().is_none()));
    let mut files = Files::new();
    gather(&out, &out, &mut files);
    files
}

/// A further node beside that of the house.
fn join(house: &House, scheme: &SchemeFolder, at: &Path, number: usize) -> Node {
    let config = NodeConfig {
        state_dir: at.join(format!("node-{number}")),
        work_dir: at.join(format!("work-{number}")),
        objects: Objects::open(at.join("state/objects").to_str().unwrap()).unwrap(),
        render_niceness: 0,
        out_dir: at.join("out"),
        partitions: scheme.rulebook.partitions,
        signers: None,
        people: None,
        barrier_max: None,
        restore: None,
    };
    Node::start(config, &house.log, &house.topics, &house.scheme).unwrap()
}

/// Whether every partition is at work on one node, one node coordinates, and nobody has nothing who could have something.
fn shared(nodes: &[&Node], partitions: u32) -> bool {
    let owned = |node: &&Node| node.partitions().values().filter(|at| at.has_caught_up()).count();
    let coordinates = |node: &&Node| usize::from(node.status().caught_up);
    let all: usize = nodes.iter().map(owned).sum();
    let busy = nodes.iter().filter(|node| owned(node) + coordinates(node) > 0).count();
    // They share `cu.cycles` too.
    let could = nodes.len().min(partitions as usize + 1);
    all == partitions as usize && nodes.iter().map(coordinates).sum::<usize>() == 1 && busy == could
}

fn clear(house: &House, scheme: &SchemeFolder, nodes: &[&Node], cycle: u32, date: Date) {
    let version = scheme.rulebook.version;
    let is_open = |status: &CycleStatus| status.open_cycle().is_some_and(|opening| opening.cycle == cycle);
    ask(nodes, Request::Open { business_date: date, version }, is_open);
    let cities: BTreeSet<City> = house.adapter.cities().into_iter().collect();
    let homes = home_cities(scheme, &scheme.rulebook, date);
    let up: BTreeSet<City> = homes.keys().copied().collect();
    let switch = house.switch(patient(), &cities, homes, &scheme.rulebook).unwrap();
    wait("what was parked", || (switch.parked_waiting_for(|city| up.contains(&city)) == 0).then_some(()));
    let taps = scheme.taps().unwrap();
    let due = taps.files.iter().filter(|file| file.date().is_none_or(|named| named <= date));
    let members: BTreeSet<City> = scheme.rulebook.members(date).collect();
    let taken = house
        .adapter
        .take(due.map(|file| file.upload()).collect(), &|city| members.contains(&city), &|_| {})
        .unwrap();
    assert!(taken.failures.is_empty());
    wait("every result", || {
        (cities.iter().map(|city| house.adapter.open_batches(*city)).sum::<u64>() == 0).then_some(())
    });
    ask(nodes, Request::CutOff { opens: None }, |status| !status.open && status.barrier_waits_for.is_empty());
    switch.stop().unwrap();
    wait("the folder", || nodes.iter().find_map(|node| node.status().published(cycle).cloned()));
}

/// Asks whichever node coordinates, again and again, until it says that it is done.
fn ask(nodes: &[&Node], request: Request, done: impl Fn(&CycleStatus) -> bool) {
    wait("the answer to a request", || {
        let node = nodes.iter().find(|node| node.status().caught_up)?;
        if done(&node.status()) {
            return Some(());
        }
        node.request(request.clone());
        std::thread::sleep(Duration::from_millis(40));
        None
    });
}

#[track_caller]
fn wait<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + WAIT;
    loop {
        if let Some(value) = found() {
            return value;
        }
        assert!(Instant::now() < deadline, "{what} did not come within {WAIT:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn gather(root: &Path, folder: &Path, files: &mut Files) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            gather(root, &path, files);
        } else {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            files.insert(name, fs::read(&path).unwrap());
        }
    }
}

/// Both folders, a result for every city and day, and a receipt for every city are among the files, and something was
/// parked over the first close.
fn check_whole(files: &Files) {
    for date in DATES {
        for name in ["manifest.json", "rulebook.toml", "positions.csv"] {
            assert!(files.contains_key(&format!("{date}-001/{name}")), "{date} {name} in {:?}", files.keys());
        }
    }
    let count = |of: &str| files.keys().filter(|name| name.starts_with(of)).count();
    assert!(count("results/") >= 12 && count("receipts/") >= 6, "{:?}", files.keys());
    let waiting = files.iter().filter(|(name, _)| name.starts_with("2018-09-01-001/acquirer/"));
    let waiting = waiting.filter(|(_, bytes)| bytes.windows(7).any(|word| word == b"parked,"));
    assert!(waiting.count() > 0, "nothing was parked");
}

fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The files without what says how many partitions the rules have.
fn blotted(mut files: Files, rules: &[u8]) -> Files {
    let manifests = DATES.map(|date| format!("{date}-001/manifest.json"));
    let chain: Vec<String> = manifests.iter().map(|name| hex(&Sha256::digest(&files[name]))).collect();
    for (date, manifest) in DATES.iter().zip(&manifests) {
        let copy = files.insert(format!("{date}-001/rulebook.toml"), b"compared".to_vec());
        assert!(copy.as_deref() == Some(rules), "{date}: another rulebook than was given");
        let text = String::from_utf8(files[manifest].clone()).unwrap();
        let text = text.replace(&hex(&Sha256::digest(rules)), "of the rules");
        let text = chain.iter().fold(text, |text, digest| text.replace(digest, "of the manifest before"));
        files.insert(manifest.clone(), text.into_bytes());
        // The record of how far the cycle is names its manifest.
        let record = format!("releases/{date}-001.json");
        let text = String::from_utf8(files[&record].clone()).unwrap();
        let text = chain.iter().fold(text, |text, digest| text.replace(digest, "of the manifest"));
        files.insert(record, text.into_bytes());
    }
    files
}

#[track_caller]
fn same(what: &str, wanted: &Files, found: &Files) {
    assert!(wanted.keys().eq(found.keys()), "{what}: other files: {:?}, {:?}", wanted.keys(), found.keys());
    let mut others = wanted.iter().filter(|(name, bytes)| found[*name] != **bytes);
    if let Some((name, bytes)) = others.next() {
        let lines = bytes.split(|byte| *byte == b'\n').zip(found[name].split(|byte| *byte == b'\n'));
        let line = lines.map(|(a, b)| [a, b].map(String::from_utf8_lossy)).find(|[a, b]| a != b);
        panic!("{what}: {name} and {} more files differ, first {line:?}", others.count());
    }
}
