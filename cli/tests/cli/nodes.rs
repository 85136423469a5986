//! Two clearing nodes as processes on a real Kafka: one stands still for longer than its session, and comes back; one is
//! killed while people decide.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use cu_log::testing::{Broker, free_ports, unique_prefix};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    scheme::Scheme,
    support::{Ran, Running, arguments, cityunion, command, verify_all, wait_for},
};

struct Pair {
    folder: TempDir,
    admins: Vec<u16>,
}

impl Pair {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let scheme = Scheme::new(folder.path().join("scheme"), &["cu-2000", "cu-3000"]);
        let table = "[clearing]\npartitions = 2\n[clearing.assignment]\n\"cu-3000\" = 1\n[fees]";
        scheme.change_rules(|rules| rules.replace("[fees]", table));
        let people = folder.path().join("people");
        cityunion("simulate --out {} --seed 3 --taps 10 --cities 3 --days 1", &[&people]).ok();
        let admins = free_ports(2);
        let (here, prefix) = (folder.path().display(), unique_prefix());
        for (name, admin) in ["a", "b"].iter().zip(&admins) {
            let text = format!(
                "state_dir = \"{here}/state-{name}\"\nout_dir = \"{here}/out\"\nobjects = \"{here}/objects\"\n\
                 rulebook = \"{here}/scheme/rulebook.toml\"\ncut_off = \"by_hand\"\n\
                 first_business_date = \"2018-09-01\"\npeople_ca = \"{here}/people/pki/tls/ca.pem\"\n[log]\nkafka = \"{}\"\nprefix = \"{prefix}\"\n\
                 session_timeout_s = 6\n[admin]\nlisten = \"127.0.0.1:{admin}\"\n",
                Broker::shared().bootstrap()
            );
            fs::write(folder.path().join(format!("{name}.toml")), text).unwrap();
        }
        Self { folder, admins }
    }

    fn config(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.toml"))
    }

    fn start(&self, name: &str) -> Running {
        Running::start(command(arguments("clearing-node run --config {}", &[&self.config(name)])))
    }

    /// What `node list` says of some of the nodes.
    fn list(&self, names: &[&str]) -> Option<Value> {
        let configs: Vec<PathBuf> = names.iter().map(|name| self.config(name)).collect();
        let words = format!("node list -o json{}", " --config {}".repeat(configs.len()));
        let paths: Vec<&Path> = configs.iter().map(PathBuf::as_path).collect();
        let ran = cityunion(&words, &paths);
        (ran.code == Some(0)).then(|| serde_json::from_str(&ran.stdout).unwrap())
    }

    /// The admin port of the only node that coordinates, once all partitions are at work on the nodes named.
    fn settled(&self, names: &[&str]) -> String {
        wait_for("all partitions at work, one coordinator", || {
            let list = self.list(names)?;
            let working: Vec<u64> = list["partitions"]
                .as_array()?
                .iter()
                .filter(|row| row["state"] == "working")
                .filter_map(|row| row["partition"].as_u64())
                .collect();
            let roles: Vec<&Value> = list["nodes"].as_array()?.iter().collect();
            let coordinating: Vec<&&Value> =
                roles.iter().filter(|row| row["cycles"] == "coordinates").collect();
            let whole = working.len() == 2 && working.iter().collect::<BTreeSet<_>>().len() == 2;
            match coordinating.as_slice() {
                [one] if whole => Some(one["node"].as_str()?.to_owned()),
                _ => None,
            }
        })
    }
}

impl Pair {
    /// What somebody decides, told to the log alone: whichever node coordinates rules it.
    fn act(&self, words: &str, by: &str) -> Ran {
        let certificate = self.folder.path().join(format!("people/pki/tls/{by}.pem"));
        cityunion(
            &format!("cycle {words} --config {{}} --certificate {{}}"),
            &[&self.config("a"), &certificate],
        )
    }
}

fn signal(process: &Running, name: &str) {
    let sent = Command::new("kill").args(["-s", name, &process.id().to_string()]).status().unwrap();
    assert!(sent.success(), "kill -s {name}: {sent}");
}

#[test]
fn a_node_that_stood_still_is_replaced_and_stands_by_when_it_comes_back() {
    let pair = Pair::new();
    let running = [pair.start("a"), pair.start("b")];
    let coordinator = pair.settled(&["a", "b"]);
    let still = usize::from(coordinator.ends_with(&format!(":{}", pair.admins[1])));
    let (gone, stays) = if still == 0 { ("a", "b") } else { ("b", "a") };
    let is_open = || {
        let ran = cityunion("cycle list -o json --config {}", &[&pair.config(stays)]).ok();
        let list: Value = serde_json::from_str(&ran.stdout).unwrap();
        (list["cycles"][0]["state"] == "OPEN").then_some(())
    };
    wait_for("an open cycle", is_open);

    signal(&running[still], "STOP");
    pair.settled(&[stays]);
    let words = "cycle cut-off --next-date 2018-09-01 --config {}";
    cityunion(words, &[&pair.config(stays)]).ok();
    let shown = cityunion("cycle show 2018-09-01-001 --config {}", &[&pair.config(stays)]).ok();
    assert!(shown.stdout.contains("PUBLISHED"), "{}", shown.stdout);

    signal(&running[still], "CONT");
    pair.settled(&["a", "b"]);
    // The one that came back knows of the cycle that the other closed, and nothing stands still.
    let list = cityunion("cycle list -o json --config {}", &[&pair.config(gone)]).ok();
    assert!(list.stdout.contains("PUBLISHED"), "{}", list.stdout);
    let refused = cityunion("node resume --partition 0 --config {}", &[&pair.config("a")]);
    assert_eq!(refused.code, Some(3), "{refused:?}");
    for process in running {
        process.signal("TERM").ok();
    }
    verify_all(&pair.folder.path().join("out"));
}

#[test]
fn what_people_decide_counts_once_whoever_coordinates() {
    const CYCLE: &str = "2018-09-01-001";
    let pair = Pair::new();
    let mut running = vec![Some(pair.start("a")), Some(pair.start("b"))];
    let coordinator = pair.settled(&["a", "b"]);
    let dies = usize::from(coordinator.ends_with(&format!(":{}", pair.admins[1])));
    let (one, two) = (pair.config("a"), pair.config("b"));
    // As the node sees it that is asked for the cut-off: the one that stands by may know of it a moment earlier.
    wait_for("an open cycle", || {
        let list = cityunion("cycle list -o json --config {} --config {}", &[&one, &two]).ok();
        list.stdout.contains("OPEN").then_some(())
    });
    cityunion("cycle cut-off --next-date 2018-09-01 --config {} --config {}", &[&one, &two]).ok();

    // Nobody coordinates while this is asked: the heir rules it.
    drop(running[dies].take().map(Running::kill));
    pair.act(&format!("propose {CYCLE}"), "operator-li").ok();
    pair.act(&format!("release {CYCLE}"), "operator-li").exits(3).says(&["another person"]);
    pair.act(&format!("release {CYCLE}"), "operator-wang").ok();
    pair.act(&format!("release {CYCLE}"), "operator-zhao").exits(3);
    running[dies] = Some(pair.start(["a", "b"][dies]));
    pair.settled(&["a", "b"]);
    pair.act(&format!("refuse {CYCLE} --reason unknown-account"), "bank").ok();
    let out = pair.folder.path().join("out");
    assert!(out.join(format!("{CYCLE}.v2/manifest.json")).is_file());
    verify_all(&out);
    let shown = cityunion(&format!("cycle releases {CYCLE} -o json --config {{}}"), &[&one]).ok();
    let shown: Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!((shown["state"].as_str(), shown["version"].as_u64()), (Some("closed"), Some(2)));
    assert_eq!(
        shown["steps"].as_array().unwrap().len(),
        3,
        "proposed, approved, refused, each once: {shown}"
    );
    for process in running.into_iter().flatten() {
        process.signal("TERM").ok();
    }
}
