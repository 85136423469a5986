//! The whole system as `make up` starts it: real processes, a day fed in, cut off by hand, and the same files as
//! `clear` makes of the same pieces.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::Command,
};

use cu_log::testing::free_ports;
use tempfile::TempDir;

use crate::support::{
    Ran, Running, arguments, assert_same, cityunion, clear, columns, command, repository, rows, tree,
    verify_all, wait_for,
};

const CITIES: [&str; 3] = ["cu-2000", "cu-3100", "cu-3120"];
const CYCLE: &str = "2018-09-01-001";

/// A system on free ports in a folder of its own; it is ended when this is dropped.
struct Local {
    folder: TempDir,
    environment: BTreeMap<&'static str, String>,
    /// Admin ports, by part.
    admin: BTreeMap<String, u16>,
}

impl Local {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let ports = free_ports(15);
        let list = |ports: &[u16]| ports.iter().map(u16::to_string).collect::<Vec<_>>().join(" ");
        let environment = BTreeMap::from([
            ("LOCAL_DIR", folder.path().join("local").display().to_string()),
            ("PROGRAM", env!("CARGO_BIN_EXE_cityunion").to_owned()),
            ("TAPS", "30000".to_owned()),
            ("CITIES", CITIES.join(" ")),
            ("KAFKA_PORT", ports[0].to_string()),
            ("KAFKA_CONTROLLER_PORT", ports[1].to_string()),
            ("CLEARING_NODE_ADMIN_PORT", ports[2].to_string()),
            ("SWITCH_ADMIN_PORT", ports[3].to_string()),
            ("ISSUER_PORTS", list(&ports[4..7])),
            ("ADAPTER_ADMIN_PORTS", list(&ports[7..10])),
            ("INGEST_PORTS", list(&ports[10..13])),
            ("PORTAL_PORT", ports[13].to_string()),
            ("PORTAL_ADMIN_PORT", ports[14].to_string()),
        ]);
        let mut admin = BTreeMap::from([
            ("clearing-node".to_owned(), ports[2]),
            ("switch".to_owned(), ports[3]),
            ("portal".to_owned(), ports[14]),
        ]);
        admin.extend(CITIES.iter().zip(&ports[7..]).map(|(city, port)| (format!("adapter-{city}"), *port)));
        Self { folder, environment, admin }
    }

    fn dir(&self) -> PathBuf {
        self.folder.path().join("local")
    }

    fn run(&self, script: &str) -> Ran {
        let mut command = Command::new(repository().join("deploy/local").join(script));
        command.envs(&self.environment).env_remove("CITYUNION_LOG");
        Running::start(command).wait()
    }

    /// Makes it look as if a part ran: another process, whose command line names the folder.
    fn pretend(&self, part: &str) -> Running {
        let mut command = Command::new("tail");
        command.args(["-f", "/dev/null"]).arg(self.dir().join(part));
        let running = Running::start(command);
        self.note(part, running.id());
        running
    }

    /// Writes the number of a part's process.
    fn note(&self, part: &str, process: u32) {
        fs::create_dir_all(self.dir().join("run")).unwrap();
        fs::write(self.dir().join(format!("run/{part}.pid")), process.to_string()).unwrap();
    }

    fn up(&self) -> Ran {
        let ran = self.run("up");
        let logs = || self.run("logs").stdout;
        assert_eq!(ran.code, Some(0), "{}\n{}\n{}", ran.stdout, ran.stderr, logs());
        ran
    }

    /// The process of each part, by part.
    fn processes(&self) -> BTreeMap<String, u32> {
        let parts = ["kafka", "clearing-node", "switch", "portal"].map(str::to_owned);
        let parts = parts.into_iter().chain(CITIES.map(|city| format!("adapter-{city}")));
        let process = |part: &String| fs::read_to_string(self.dir().join(format!("run/{part}.pid"))).unwrap();
        parts.map(|part| (part.clone(), process(&part).trim().parse().unwrap())).collect()
    }

    /// Status and body of a request to a part's admin port.
    fn ask(&self, part: &str, path: &str) -> (u16, String) {
        ask(self.admin[part], path).unwrap_or_else(|error| panic!("{part}: {error}"))
    }

    fn feed(&self) -> Running {
        let words = "feed --local {} --rate 8000/s --curve rush-hour --piece-taps 400 --bursts 3 -o json";
        Running::start(command(arguments(words, &[&self.dir()])))
    }

    fn cycle(&self, words: &str) -> Ran {
        let config = self.dir().join("config/clearing-node.toml");
        cityunion(&format!("cycle {words} --config {{}}"), &[&config])
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        self.run("down");
    }
}

pub fn ask(port: u16, path: &str) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
    Ok((status, body.to_owned()))
}

/// What a metric is, summed over its labels.
pub fn metric(text: &str, name: &str) -> i64 {
    let values = text.lines().filter(|line| {
        line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ') || rest.starts_with('{'))
    });
    let values: Vec<i64> = values.map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect();
    assert!(!values.is_empty(), "{name} is missing in:\n{text}");
    values.iter().sum()
}

/// Processes whose command line names a folder.
fn processes_of(folder: &Path) -> Vec<String> {
    let folder = folder.display().to_string();
    let line = |entry: std::io::Result<fs::DirEntry>| {
        let line = fs::read_to_string(entry.ok()?.path().join("cmdline")).ok()?;
        line.contains(&folder).then(|| line.replace('\0', " "))
    };
    fs::read_dir("/proc").unwrap().filter_map(line).collect()
}

/// `clear` of the pieces that were fed, cut anew from the same scheme.
fn cleared_alone(local: &Local) -> PathBuf {
    let (from, scheme) = (local.dir().join("scheme"), local.folder.path().join("pieces"));
    let out = local.folder.path().join("out");
    fs::create_dir_all(&scheme).unwrap();
    for name in ["rulebook.toml", "keys.toml", "hotlist.csv", "outages.csv"] {
        fs::copy(from.join(name), scheme.join(name)).unwrap();
    }
    std::os::unix::fs::symlink(from.join("pki"), scheme.join("pki")).unwrap();
    let inboxes = CITIES.map(|city| scheme.join("taps").join(city));
    let mut words = "feed --scheme {} --piece-taps 400 --rate max".to_owned();
    for (city, inbox) in CITIES.iter().zip(&inboxes) {
        fs::create_dir_all(inbox).unwrap();
        words.push_str(&format!(" --inbox-of {city}={}", inbox.display()));
    }
    cityunion(&words, &[&from]).ok();
    clear(&scheme, &out);
    out
}

#[test]
fn a_day_through_real_processes_gives_the_files_that_clear_gives() {
    let local = Local::new();
    let first = local.up();
    assert!(
        ["feed --local", "cycle cut-off", "adapter status", "adapter missing", "report", "trace"]
            .iter()
            .all(|command| first.stdout.contains(command)),
        "it says what now: {}",
        first.stdout
    );
    let started = local.processes();
    for part in local.admin.keys() {
        assert_eq!(local.ask(part, "/healthz"), (200, "ok\n".to_owned()), "{part}");
        assert_eq!(local.ask(part, "/readyz"), (200, "ready\n".to_owned()), "{part}");
    }

    // A file without a header, which no city takes, goes with the day.
    let bad = local.dir().join("scheme/taps/cu-3100/2018-09-01-z.csv");
    fs::write(bad, "gate;card;time\n1;2;3\n").unwrap();
    let feed = local.feed();
    let piece = local.dir().join("answers/cu-2000/receipts/cu-2000.csv");
    wait_for("the first piece", || (piece.exists() && !columns(&piece, &["state"]).is_empty()).then_some(()));
    // The switch dies while taps are on their way; `up` starts what is missing and leaves the rest alone.
    let switch = started["switch"].to_string();
    assert!(Command::new("kill").args(["-KILL", &switch]).status().unwrap().success());
    wait_for("the end of the switch", || {
        (!Path::new("/proc").join(&switch).join("exe").exists()).then_some(())
    });
    local.up();
    let now = local.processes();
    let changed: Vec<&String> = now.keys().filter(|part| now[*part] != started[*part]).collect();
    assert_eq!(changed, ["switch"]);

    let fed: serde_json::Value = serde_json::from_str(&feed.wait().ok().stdout).unwrap();
    assert_eq!(fed["handed_in_taps"], 30_001, "{fed}");
    assert_eq!(fed["refused"].as_array().unwrap().len(), 1, "{fed}");
    let again: serde_json::Value = serde_json::from_str(&local.feed().wait().ok().stdout).unwrap();
    assert_eq!(again["handed_in_pieces"], 0, "{again}");

    local.cycle("cut-off --cycle 2018-09-02-001").exits(3).says(&["refused", CYCLE]);
    let closed = local.cycle("cut-off").ok();
    assert!(closed.stdout.contains(&format!("{CYCLE} is closed")), "{}", closed.stdout);
    local.cycle(&format!("cut-off --cycle {CYCLE}")).ok();
    let status: serde_json::Value = serde_json::from_str(&local.cycle("status -o json").ok().stdout).unwrap();
    let states: Vec<&str> =
        status["cycles"].as_array().unwrap().iter().map(|cycle| cycle["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["open", "closed"], "{status}");

    same_as_clear(&local);
    fetched(&first.stdout);
    traced(&local, true);
    let node = local.ask("clearing-node", "/metrics").1;
    let count = |name: &str| -> usize {
        CITIES
            .iter()
            .map(|city| {
                columns(&local.dir().join("settled").join(CYCLE).join(name).join(format!("{city}.csv")), &[])
            })
            .map(|rows| rows.len())
            .sum()
    };
    assert_eq!(metric(&node, "cityunion_clearing_arrived_records_total"), count("acquirer") as i64);
    assert_eq!(metric(&node, "cityunion_clearing_identities"), count("issuer") as i64);
    assert_eq!(metric(&node, "cityunion_clearing_open_cycle"), 2);
    let batches = metric(&local.ask("switch", "/metrics").1, "cityunion_switch_last_batch");
    let published = |city: &&str| {
        metric(&local.ask(&format!("adapter-{city}"), "/metrics").1, "cityunion_adapter_last_batch")
    };
    assert_eq!(batches, CITIES.iter().map(published).sum::<i64>());

    local.run("down").ok();
    assert_eq!(processes_of(&local.dir()), Vec::<String>::new());
    local.run("down").ok();
    local.feed().wait().exits(1).says(&["nothing was handed in", "cu-2000", "cu-3120", "make up"]);
    traced(&local, false);
}

/// The line of `up` works as typed: the bank gets what is released, which is nothing yet, and operations see the cycle.
fn fetched(said: &str) {
    let line = said.lines().map(str::trim).find(|line| line.starts_with("curl ")).unwrap();
    let cycles = |line: &str| -> serde_json::Value {
        let ran = Command::new("sh").args(["-c", line]).current_dir(repository()).output().unwrap();
        assert!(ran.status.success(), "{line}: {}", String::from_utf8_lossy(&ran.stderr));
        serde_json::from_slice(&ran.stdout).unwrap()
    };
    assert_eq!(cycles(line)["cycles"], serde_json::json!([]), "{line}");
    let all = cycles(&line.replace("bank", "operator-li"));
    assert_eq!(all["cycles"][0]["cycle"], CYCLE, "{all}");
    assert_eq!(all["cycles"][0]["state"], "closed", "{all}");
    let own = line.replace("bank", "client-cu-3100").replace("/v1/cycles", &format!("/v1/cycles/{CYCLE}"));
    let own = cycles(&own);
    assert!(own.to_string().contains("issuer/cu-3100.csv") && !own.to_string().contains("cu-2000"), "{own}");
}

/// The folder alone is enough to trace a tap: it says where the log and the answers are.
fn traced(local: &Local, runs: bool) {
    let taken = rows(&local.dir().join("settled").join(CYCLE).join("acquirer/cu-2000.csv"));
    let (terminal, seq) = (&taken[0]["terminal"], &taken[0]["terminal_seq"]);
    let words = format!("trace {{}} --terminal {terminal} --seq {seq} -o json");
    let life: serde_json::Value =
        serde_json::from_str(&cityunion(&words, &[&local.dir()]).ok().stdout).unwrap();
    let record = &life["presentations"][0];
    assert_eq!(record["batch"].is_object(), runs, "{life:#}");
    let kinds: BTreeSet<&str> =
        record["rows"].as_array().unwrap().iter().map(|row| row["kind"].as_str().unwrap()).collect();
    for kind in ["acquirer", "answer", "receipt"] {
        assert!(kinds.contains(kind), "{kind}: {life:#}");
    }
    assert_eq!(life["notes"].to_string().contains("make up"), !runs, "{life:#}");
}

/// Says that it is ready to whoever asks, as the same part of another system would; until the test's process ends.
pub fn stranger(port: u16) {
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            // Who only looks whether the port is taken hangs up at once.
            drop(stream.read(&mut [0; 1024]));
            let head =
                "HTTP/1.1 200 OK\r\ncontent-length: 6\r\ncityunion-process: 1\r\nconnection: close\r\n";
            drop(write!(stream, "{head}\r\nready\n"));
        }
    });
}

#[test]
fn nothing_is_started_beside_a_system_that_holds_the_same_ports() {
    let local = Local::new();
    let ports = [local.admin["clearing-node"], local.admin["adapter-cu-3100"]];
    ports.into_iter().for_each(stranger);
    let wanted = ports.map(|port| port.to_string());
    local.run("up").exits(1).says(&[
        "nothing was started",
        &wanted[0],
        "CLEARING_NODE_ADMIN_PORT",
        &wanted[1],
        "ADAPTER_ADMIN_PORTS",
        "make down",
    ]);
    assert_eq!(processes_of(&local.dir()), Vec::<String>::new());
    assert!(!local.dir().join("run").exists());
}

#[test]
fn a_stranger_that_answers_for_a_part_is_not_taken_for_it() {
    let mut local = Local::new();
    local.environment.insert("READY_WAIT_S_MAX", "2".to_owned());
    local.environment.insert("SCHEME", local.folder.path().display().to_string());
    fs::write(local.folder.path().join("rulebook.toml"), "").unwrap();
    fs::create_dir_all(local.folder.path().join("taps")).unwrap();
    let parts = ["kafka", "clearing-node"].map(|part| local.pretend(part));
    let port = local.admin["clearing-node"];
    stranger(port);
    let ran =
        local.run("up").exits(1).says(&["clearing-node is not ready", "another program", &port.to_string()]);
    assert!(!ran.stdout.contains("is ready"), "{}", ran.stdout);
    parts.into_iter().for_each(|part| drop(part.kill()));
}

#[test]
fn what_a_crash_left_behind_is_cleared_away_without_a_word() {
    let local = Local::new();
    local.note("switch", u32::MAX);
    let ran = local.run("down").ok();
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("", ""));
    assert!(!local.dir().join("run/switch.pid").exists());
}

/// Every file of the cycle and every answer is, byte for byte, what `clear` makes of the same pieces.
fn same_as_clear(local: &Local) {
    let out = cleared_alone(local);
    let settled = local.dir().join("settled");
    assert_same("the cycle", &tree(&out.join(CYCLE)), &settled.join(CYCLE));
    assert!(settled.join(CYCLE).join("manifest.json.p7s").is_file(), "it is signed");
    verify_all(&settled);
    let mut results = BTreeSet::new();
    for city in CITIES {
        let answers = local.dir().join("answers").join(city);
        let receipts = format!("receipts/{city}.csv");
        assert_eq!(
            fs::read(answers.join(&receipts)).unwrap(),
            fs::read(out.join(&receipts)).unwrap(),
            "{city}"
        );
        let wanted = tree(&out.join("results").join(city));
        wait_for("every answer", || (tree(&answers.join("results").join(city)) == wanted).then_some(()));
        for name in wanted.keys() {
            let rows = columns(&out.join("results").join(city).join(name), &["result", "reason"]);
            results.extend(rows.into_iter().map(|row| row.split(':').next().unwrap_or_default().to_owned()));
        }
    }
    let needed = ["cleared", "duplicate", "conflict", "rejected hotlisted", "malformed tac", "local"];
    for result in needed {
        assert!(results.contains(result), "the day has no {result}: {results:?}");
    }
}
