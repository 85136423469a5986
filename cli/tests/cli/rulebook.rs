//! The rules as operators handle them: checked, compared, published on the embedded log and on a real Kafka.

use std::{fs, path::PathBuf};

use cu_log::testing::{Broker, free_ports, unique_prefix};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    local::ask,
    scheme::{Scheme, tap},
    support::{Running, arguments, cityunion, command, verify_all, wait_for},
};

/// A scheme of two cities, and versions of its rules beside it.
struct Rules {
    folder: TempDir,
    scheme: Scheme,
}

impl Rules {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let scheme = Scheme::new(folder.path().join("scheme"), &["cu-2000", "cu-3000"]);
        Self { folder, scheme }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A file beside the scheme with its rulebook, changed.
    fn version(&self, number: u32, change: impl Fn(String) -> String) -> PathBuf {
        let rules = fs::read_to_string(self.scheme.path.join("rulebook.toml")).unwrap();
        let path = self.path(&format!("v{number}.toml"));
        fs::write(&path, change(rules.replace("version = 1\n", &format!("version = {number}\n")))).unwrap();
        path
    }
}

fn json(words: &str, paths: &[&std::path::Path]) -> Value {
    serde_json::from_str(&cityunion(words, paths).ok().stdout).unwrap()
}

#[test]
fn check_names_every_fault_at_once_and_warns_of_slips() {
    let rules = Rules::new();
    let good = rules.version(1, |text| text + "[surprise]\nx = 1\n");
    let said = cityunion("rulebook check {}", &[&good]).ok().stdout;
    for words in
        ["is good: version 1, 2 participants", "surprise: has no meaning", "cu-2000: no bank, no account"]
    {
        assert!(said.contains(words), "{words} is missing in:\n{said}");
    }
    let bad = rules.version(2, |text| {
        text.replace("\"0.003\"", "0.003").replace("\"2018-01-01\"", "\"1 January\"").replace("= 24", "= -1")
    });
    let found = cityunion("rulebook check {} -o json", &[&bad]).exits(1).stdout;
    let found: Value = serde_json::from_str(&found).unwrap();
    let faults = found["faults"].as_array().unwrap();
    let named: Vec<_> = faults
        .iter()
        .map(|fault| (fault["line"].as_u64().unwrap(), fault["field"].as_str().unwrap()))
        .collect();
    let expected = [(3, "hotlist_grace_hours"), (7, "interchange_rate"), (14, "joined"), (20, "joined")];
    assert_eq!(named, expected, "{found}");
    cityunion("rulebook diff {} {}", &[&good, &bad]).exits(2).says(&["line", "rulebook check"]);
}

#[test]
fn diff_says_in_words_what_changes_and_from_when() {
    let rules = Rules::new();
    let old = rules.version(1, |text| text);
    let new = rules.version(2, |text| {
        text.replace("\"0.001\"", "\"0.001\"\nswitch_max_fen = 900")
            .replace("name_zh = \"城1\"", "name_zh = \"城1\"\nleft = \"2019-03-01\"")
    });
    let said = cityunion("rulebook diff {} {}", &[&old, &new]).ok().stdout;
    for words in
        ["switch fee: 0.001 → 0.001, at most 900 fen", "next opening", "no member from 2019-03-01 on"]
    {
        assert!(said.contains(words), "{words} is missing in:\n{said}");
    }
    let same = cityunion("rulebook diff {} {}", &[&old, &old]).ok().stdout;
    assert!(same.contains("rule alike"), "{same}");
}

/// Two days on the embedded log: the version that is published between them rules the second, and cannot reach into the
/// first. Its fees have a least and a most, which `verify` recomputes; its cap is passed, which the report marks.
#[test]
fn a_version_published_between_two_days_rules_the_second() {
    let rules = Rules::new();
    let (scheme, out) = (rules.scheme.path.clone(), rules.path("out"));
    for day in ["2018-09-01", "2018-09-02"] {
        let seq = u32::from(day.ends_with('2'));
        let line = tap("200000000001", seq, "cu-3000", 100_000, &format!("{day}T10:00:00"), "sm4");
        rules.scheme.taps("cu-2000", &format!("{day}.csv"), &[&line]);
    }
    cityunion("clear {} --out {} --business-date 2018-09-01", &[&scheme, &out]).ok();

    let publish = "rulebook publish {} --in {}";
    let late = rules.version(2, |text| text.replace("\"城1\"", "\"城1\"\nleft = \"2018-09-01\""));
    cityunion(&format!("{publish} --yes"), &[&late, &out]).exits(3).says(&[
        "cu-3000",
        "2018-09-01, which is closed",
        "date the change 2018-09-02 or later",
    ]);
    let other = rules.version(1, |text| text.replace("0.003", "0.002"));
    cityunion(&format!("{publish} --yes"), &[&other, &out]).exits(3).says(&["never changes"]);
    let new = rules.version(5, |text| {
        text.replace("\"0.003\"", "\"0.003\"\ninterchange_max_fen = 120")
            .replace("\"0.001\"", "\"0.001\"\nswitch_min_fen = 150")
            .replace("\"城1\"", "\"城1\"\nnet_debit_cap_fen = 50000")
    });
    cityunion(publish, &[&new, &out]).exits(2).says(&["--yes"]);
    let look = cityunion(&format!("{publish} --look"), &[&new, &out]).ok().stdout;
    assert!(look.contains("at most 120 fen") && look.contains("next opening"), "{look}");
    let listed = json("rulebook list --in {} -o json", &[&out]);
    assert_eq!(listed["rulebooks"].as_array().unwrap().len(), 1, "looking changes nothing: {listed}");
    let done = cityunion(&format!("{publish} --yes"), &[&new, &out]).ok().stdout;
    assert!(done.contains("rules from the opening after 2018-09-01-001 on"), "{done}");
    assert!(done.contains("put this file there too"), "{done}");
    let again = cityunion(&format!("{publish} --yes"), &[&new, &out]).ok().stdout;
    assert!(again.contains("version 5 is on the log already"), "{again}");
    let lower = rules.version(4, |text| text);
    cityunion(&format!("{publish} --yes"), &[&lower, &out]).exits(3).says(&["higher version than 5"]);

    fs::copy(&new, scheme.join("rulebook.toml")).unwrap();
    cityunion("clear {} --out {} --business-date 2018-09-02", &[&scheme, &out]).ok();
    let listed = json("rulebook list --in {} -o json", &[&out]);
    let ruled = |at: usize| {
        let row = &listed["rulebooks"][at];
        (row["version"].as_u64().unwrap(), row["rules_from"].clone(), row["rules_until"].clone())
    };
    assert_eq!(ruled(0), (1, "2018-09-01-001".into(), "2018-09-01-001".into()));
    assert_eq!(ruled(1), (5, "2018-09-02-001".into(), Value::Null));

    verify_all(&out);
    let positions = |day: &str| fs::read_to_string(out.join(format!("{day}-001/positions.csv"))).unwrap();
    assert!(positions("2018-09-01").ends_with(",1,100000,300,100\n"), "{}", positions("2018-09-01"));
    assert!(positions("2018-09-02").ends_with(",1,100000,120,150\n"), "{}", positions("2018-09-02"));
    let report = json("report {} -o json", &[&out.join("2018-09-02-001")]);
    assert_eq!(report["beyond_cap"], serde_json::json!(["cu-3000"]), "{report}");
    let first = json("report {} -o json", &[&out.join("2018-09-01-001")]);
    assert_eq!(first["beyond_cap"], serde_json::json!([]));
}

/// A running clearing node opens its next cycle by what was published beside it, its own file being of another version;
/// and it closes at the times of the rules by itself: both of them are long over.
#[test]
fn a_running_node_follows_what_is_published_and_cuts_off_by_the_times_of_the_rules() {
    let rules = Rules::new();
    let ports = free_ports(1);
    let (here, admin) = (rules.folder.path().display(), ports[0]);
    let config = rules.path("node.toml");
    let text = format!(
        "state_dir = \"{here}/node\"\nout_dir = \"{here}/out\"\nrulebook = \"{here}/scheme/rulebook.toml\"\n\
         cut_off = \"by_hand\"\nfirst_business_date = \"2018-09-01\"\n[log]\nkafka = \"{}\"\nprefix = \"{}\"\n\
         [admin]\nlisten = \"127.0.0.1:{admin}\"\n",
        Broker::shared().bootstrap(),
        unique_prefix()
    );
    fs::write(&config, &text).unwrap();
    let start = || {
        let running = Running::start(command(arguments("clearing-node run --config {}", &[&config])));
        wait_for("readiness", || ask(admin, "/readyz").ok().filter(|(status, _)| *status == 200));
        running
    };
    let running = start();
    wait_for("an open cycle", || {
        let status = cityunion("cycle list -o json --config {}", &[&config]);
        status.stdout.contains("\"OPEN\"").then_some(())
    });
    let new = rules.version(2, |text| {
        text + "\n[[participant]]\ncity = \"cu-4000\"\nname_en = \"New\"\nname_zh = \"新\"\njoined = \"2018-09-02\"\n\
                [cut_off]\ntimes = [\"04:00\", \"16:00\"]\n"
    });
    let done = cityunion("rulebook publish {} --yes --config {}", &[&new, &config]).ok().stdout;
    assert!(done.contains("2018-09-01-001 on, which is open under version 1 to its end"), "{done}");
    cityunion("cycle cut-off --config {}", &[&config]).ok();
    let version = |cycle: &str| {
        let shown = json(&format!("cycle show {cycle} -o json --config {{}}"), &[&config]);
        shown["rulebook_version"].as_u64().unwrap()
    };
    assert_eq!((version("2018-09-01-001"), version("2018-09-02-001")), (1, 2));
    let nets = fs::read_to_string(rules.path("out/2018-09-01-001/net.csv")).unwrap();
    assert!(!nets.contains("cu-4000"), "{nets}");
    running.signal("TERM").ok();

    fs::write(&config, text.replace("by_hand", "by_date")).unwrap();
    let running = start();
    let folders =
        ["2018-09-02-001", "2018-09-02-002", "2018-09-03-001"].map(|name| rules.path("out").join(name));
    wait_for("the cycles of the times", || folders.iter().all(|folder| folder.is_dir()).then_some(()));
    assert!(!rules.path("out/2018-09-02-003").exists(), "a date has two");
    let nets = fs::read_to_string(folders[0].join("net.csv")).unwrap();
    assert!(nets.contains("cu-4000"), "{nets}");
    running.signal("TERM").ok();
}
