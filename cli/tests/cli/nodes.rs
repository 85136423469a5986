//! Two clearing nodes as processes on a real Kafka: one stands still for longer than its session, and comes back.

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
    support::{Running, arguments, cityunion, command, verify_all, wait_for},
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
        let admins = free_ports(2);
        let (here, prefix) = (folder.path().display(), unique_prefix());
        for (name, admin) in ["a", "b"].iter().zip(&admins) {
            let text = format!(
                "state_dir = \"{here}/state-{name}\"\nout_dir = \"{here}/out\"\nobjects = \"{here}/objects\"\n\
                 rulebook = \"{here}/scheme/rulebook.toml\"\ncut_off = \"by_hand\"\n\
                 first_business_date = \"2018-09-01\"\n[log]\nkafka = \"{}\"\nprefix = \"{prefix}\"\n\
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
