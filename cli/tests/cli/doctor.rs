//! `doctor` looks at the real machine, and `completions` at what a real shell does with them.

use std::{
    fs,
    net::TcpListener,
    process::{Command, Stdio},
};

use cu_log::testing::{Broker, unique_prefix};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Ran, Running, cityunion};

fn checks(ran: &Ran) -> Vec<Value> {
    let document: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|e| panic!("{e}: {}", ran.stdout));
    document["checks"].as_array().unwrap().clone()
}

fn check<'a>(checks: &'a [Value], name: &str) -> &'a Value {
    let found = checks.iter().find(|check| check["check"] == name);
    found.unwrap_or_else(|| panic!("{name} is not among {checks:#?}"))
}

#[test]
fn a_taken_port_warns_and_a_missing_folder_fails() {
    let folder = TempDir::new().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let file = folder.path().join("ports.env");
    let port = taken.local_addr().unwrap().port();
    fs::write(&file, format!(": \"${{A_PORT:={free}}}\"\n: \"${{B_PORTS:={free} {port}}}\"\n")).unwrap();
    let ran = cityunion("doctor --dir {} --ports {} -o json", &[folder.path(), &file]).ok();
    let found = checks(&ran);
    assert_eq!(check(&found, "ports: A_PORT")["outcome"], "ok");
    let wrong = check(&found, "ports: B_PORTS");
    assert_eq!(wrong["outcome"], "warn");
    assert!(wrong["found"].as_str().unwrap().starts_with(&format!("{port}: ")), "{wrong}");
    assert!(wrong["next"].as_str().unwrap().contains("set B_PORTS"), "{wrong}");
    for name in ["build: cargo", "build: git", "inotify: max_user_watches", "clock"] {
        assert!(!check(&found, name)["found"].as_str().unwrap().is_empty());
    }
    assert_eq!(check(&found, "build: rustc")["outcome"], "ok", "it builds this");

    let none = folder.path().join("none");
    let ran = cityunion("doctor --dir {}", &[&none]).exits(1);
    assert!(ran.stdout.contains("fail") && ran.stdout.contains("--dir"), "{}", ran.stdout);
    cityunion("doctor --ports {}", &[&none]).exits(1).says(&["failed to read", "none"]);
    fs::write(&file, "A_PORT=eighty\n").unwrap();
    cityunion("doctor --ports {}", &[&file]).exits(1).says(&["line 1", "A_PORT", "eighty"]);
}

#[test]
fn too_few_open_files_fail() {
    let program = env!("CARGO_BIN_EXE_cityunion");
    let mut shell = Command::new("bash");
    shell.args(["-c", &format!("ulimit -n 200 && exec {program} doctor -o json")]);
    let ran = Running::start(shell).wait().exits(1);
    let limit = check(&checks(&ran), "open files").clone();
    assert_eq!((&limit["outcome"], &limit["found"]), (&"fail".into(), &"200 a process".into()));
    assert!(limit["next"].as_str().unwrap().contains("ulimit -n"));
}

#[test]
fn a_kafka_is_looked_at() {
    let folder = TempDir::new().unwrap();
    let scheme = crate::scheme::three_cities(folder.path());
    let kafka = Broker::shared().bootstrap();
    let out = folder.path().join("out");
    cityunion(&format!("clear {{}} --out {{}} --kafka {kafka}"), &[&scheme.path, &out]).ok();
    let state = fs::read_to_string(out.join(".state/log.json")).unwrap();
    let prefix = serde_json::from_str::<Value>(&state).unwrap()["prefix"].as_str().unwrap().to_owned();

    let ran = cityunion(&format!("doctor --kafka {kafka} --prefix {prefix} -o json"), &[]);
    let found = checks(&ran);
    for name in ["message.max.bytes", "offsets.retention.minutes", "auto.create.topics.enable"] {
        assert_eq!(check(&found, &format!("kafka: {name}"))["outcome"], "ok", "{found:#?}");
    }
    let answers = check(&found, &format!("kafka: {kafka}"));
    assert!(answers["found"].as_str().unwrap().ends_with("topics of the system: 13"), "{answers}");
    assert_eq!(check(&found, "kafka topics")["outcome"], "ok");
    assert_eq!(check(&found, "kafka: clock")["found"], "no message is stamped later than now");

    let ran = cityunion(&format!("doctor --kafka {kafka} --prefix {} -o json", unique_prefix()), &[]);
    let found = checks(&ran);
    assert!(check(&found, "kafka: clock")["found"].as_str().unwrap().contains("no message"));
}

#[test]
fn a_kafka_that_is_not_there_fails_at_once() {
    let ran = cityunion("doctor --kafka 127.0.0.1:1 -o json", &[]).exits(1);
    let gone = check(&checks(&ran), "kafka: 127.0.0.1:1").clone();
    assert_eq!(gone["outcome"], "fail");
    assert!(gone["found"].as_str().unwrap().contains("refused"), "{gone}");
    assert!(gone["next"].as_str().unwrap().contains("deploy/kafka/run start"), "{gone}");
}

#[test]
fn a_shell_completes_commands_and_options() {
    // In a file, as a shell reads it: it is longer than one argument may be.
    let folder = TempDir::new().unwrap();
    let script = folder.path().join("cityunion.bash");
    fs::write(&script, cityunion("completions bash", &[]).ok().stdout).unwrap();
    let script = script.display();
    let completed = |words: &str, at: usize| {
        let mut shell = Command::new("bash");
        let last = words.rsplit(' ').next().unwrap();
        let ask = format!(
            ". {script}\nCOMP_WORDS=({words}); COMP_CWORD={at}; _cityunion cityunion '{last}' ''; printf '%s\\n' \"${{COMPREPLY[@]}}\""
        );
        let said = shell.args(["--norc", "-c", &ask]).stdin(Stdio::null()).output().unwrap();
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
        String::from_utf8(said.stdout).unwrap().lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(completed("cityunion tra", 1), ["trace"]);
    assert_eq!(completed("cityunion trace --ter", 2), ["--terminal"]);
    assert_eq!(completed("cityunion completions fi", 2), ["fish"]);
    for shell in ["zsh", "fish"] {
        let script = cityunion(&format!("completions {shell}"), &[]).ok().stdout;
        for word in ["trace", "terminal", "doctor", "clearing-node"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    cityunion("completions tcsh", &[]).exits(2).says(&["tcsh", "bash"]);
}
