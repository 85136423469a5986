//! Terminal back-ends that stream to a real adapter, on a real Apache Kafka, through kills.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use cu_log::{
    Log,
    kafka::{KafkaConfig, KafkaLog},
    testing::{Broker, free_ports, unique_prefix},
    topics::Topics,
};
use runtime::scheme::SchemeView;
use tempfile::TempDir;

use crate::{
    scheme::{HEADER, Scheme, tap},
    support::{Dice, Running, arguments, cityunion, command, repository, rows, wait_for},
};

mod client;

const CITIES: [&str; 2] = ["cu-2000", "cu-3000"];
const AT: &str = "2018-09-01T09:00:00";

/// The services of a small scheme; terminals stream to the first city's adapter.
struct Town {
    folder: TempDir,
    scheme: Scheme,
    topics: Topics,
    ports: Vec<u16>,
}

impl Town {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let scheme = Scheme::new(folder.path().join("scheme"), &CITIES);
        scheme.change_rules(|rules| rules.replace("presentment_days = 10", "presentment_days = 3000"));
        let town = Self { folder, scheme, topics: Topics::new(&unique_prefix()), ports: free_ports(3) };
        for city in CITIES {
            fs::create_dir_all(town.path(&format!("inbox-{city}"))).unwrap();
        }
        town.write_configurations();
        town
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write_configurations(&self) {
        let here = self.folder.path().display();
        let kafka = Broker::shared().bootstrap();
        let log = format!("[log]\nkafka = \"{kafka}\"\nprefix = \"{}\"\n", self.topics.prefix());
        let node = format!(
            "state_dir = \"{here}/node\"\nout_dir = \"{here}/out\"\nrulebook = \"{here}/scheme/rulebook.toml\"\n\
             first_business_date = \"2018-09-01\"\ncut_off_every_s = 3600\n{log}"
        );
        fs::write(self.path("clearing-node.toml"), node).unwrap();
        let [first, second, ingest] = self.ports[..] else { unreachable!("three were asked for") };
        let homes =
            format!("cu-2000 = \"http://127.0.0.1:{first}\"\ncu-3000 = \"http://127.0.0.1:{second}\"\n");
        let switch = format!("acquirers = [\"cu-2000\", \"cu-3000\"]\n{log}\n[home_cities]\n{homes}");
        fs::write(self.path("switch.toml"), switch).unwrap();
        for (city, port) in CITIES.iter().zip(&self.ports) {
            let adapter = format!(
                "city = \"{city}\"\nstate_dir = \"{here}/state-{city}\"\ninbox_dir = \"{here}/inbox-{city}\"\n\
                 stable_s = 2\nout_dir = \"{here}/answers\"\n{log}\n[issuer]\nlisten = \"127.0.0.1:{port}\"\n\
                 keys = \"{here}/scheme/keys.toml\"\nhotlist = \"{here}/scheme/hotlist.csv\"\ntest_mode = true\n"
            );
            let streams =
                format!("[ingest]\nlisten = \"127.0.0.1:{ingest}\"\nseal_after_s = 1\nseal_taps = 500\n");
            let adapter = adapter + if *city == CITIES[0] { &streams } else { "" };
            fs::write(self.path(&format!("adapter-{city}.toml")), adapter).unwrap();
        }
    }

    fn start(&self, service: &str, config: &str) -> Running {
        let words = format!("{service} run --config {{}}");
        Running::start(command(arguments(&words, &[&self.path(config)])))
    }

    fn start_adapter(&self) -> Running {
        self.start("adapter", "adapter-cu-2000.toml")
    }

    /// Starts everything but the first city's adapter.
    fn start_others(&self) -> Vec<Running> {
        let node = self.start("clearing-node", "clearing-node.toml");
        let kafka = KafkaConfig::new(Broker::shared().bootstrap(), "test");
        let log: Arc<dyn Log> = Arc::new(KafkaLog::connect(kafka).unwrap());
        wait_for("the first cycle", || SchemeView::follow(&log, &self.topics).ok()?.open_cycle());
        vec![node, self.start("switch", "switch.toml"), self.start("adapter", "adapter-cu-3000.toml")]
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.ports[2])
    }

    /// What came of each sequence of a source, once every one has a result: terminal_seq, result, reason.
    fn wait_for_results(&self, source: &str, taps: usize) -> BTreeMap<u64, [String; 3]> {
        let folder = self.path("answers/results/cu-2000");
        wait_for("all results", || {
            let results = results(&folder, source);
            let decided = results.values().all(|[_, result, _]| !result.is_empty());
            (results.len() == taps && decided).then_some(results)
        })
    }
}

/// The results in all uploads of a source, by sequence. One sequence has one line.
fn results(folder: &Path, source: &str) -> BTreeMap<u64, [String; 3]> {
    let mut all = BTreeMap::new();
    let Ok(entries) = fs::read_dir(folder) else { return all };
    for entry in entries {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let Some(first) = name.strip_prefix(&format!("ingest-{source}-")) else { continue };
        let first: u64 = first.strip_suffix(".csv").unwrap().parse().unwrap();
        for row in rows(&path) {
            let sequence = first + row["line"].parse::<u64>().unwrap() - 2;
            let what = ["terminal_seq", "result", "reason"].map(|column| row[column].clone());
            let before = all.insert(sequence, what);
            assert!(before.is_none(), "sequence {sequence} stands in two uploads");
        }
    }
    all
}

#[test]
fn every_streamed_tap_has_one_result_however_often_the_adapter_is_killed() {
    const TAPS: u32 = 12_000;
    const KILLS: usize = 8;
    let town = Town::new();
    let _others = town.start_others();
    let lines: Vec<String> = (1..=TAPS)
        .map(|seq| match seq % 50 {
            // Of the city itself: no inter-city record.
            0 => tap("200000000001", seq, "cu-2000", 100, AT, "3des"),
            // No tap: malformed, and not lost.
            1 => format!("200000000001,{seq},cu-3000,no card"),
            _ => tap("200000000001", seq, "cu-3000", 100, AT, "sm4"),
        })
        .map(|line| town.scheme.sealed(&line))
        .collect();

    let mut dice = Dice(7);
    let mut adapter = town.start_adapter();
    let client = client::start(town.address(), "bus", lines);
    for kill in 0..KILLS {
        let before = client.heard();
        wait_for("the adapter to take more", || (client.heard().replies > before.replies).then_some(()));
        let until = Instant::now() + Duration::from_millis(dice.below(700));
        wait_for("the next kill", || (Instant::now() >= until).then_some(()));
        assert!(client.heard().on_log < u64::from(TAPS), "all is done before kill {kill}");
        adapter.kill();
        adapter = town.start_adapter();
    }
    client.finish();
    let results = town.wait_for_results("bus", usize::try_from(TAPS).unwrap());
    for (sequence, what) in results {
        let text = sequence.to_string();
        let want = match sequence % 50 {
            0 => [text.as_str(), "local", ""],
            1 => ["", "malformed", "line: wrong number of columns"],
            _ => [text.as_str(), "cleared", ""],
        };
        assert_eq!(what, want, "sequence {sequence}");
    }
    adapter.signal("TERM").ok();
}

/// Generates the Python code of our `.proto` into a folder.
fn generate_python(to: &Path) {
    let python = repository().join(".deps/python/bin/python");
    assert!(python.exists(), "the tests need gRPC for Python in .deps/python: run tools/setup once");
    let mut protoc = Command::new(python);
    protoc.args(["-m", "grpc_tools.protoc", "--proto_path"]).arg(repository().join("proto"));
    for kind in ["--python_out", "--grpc_python_out"] {
        protoc.arg(kind).arg(to);
    }
    Running::start({
        protoc.arg("cityunion/v1/ingest.proto");
        protoc
    })
    .wait()
    .ok();
}

#[test]
fn the_python_client_streams_a_file_and_goes_on_after_a_kill() {
    const TAPS: u32 = 6000;
    let town = Town::new();
    let _others = town.start_others();
    let generated = town.path("generated");
    fs::create_dir(&generated).unwrap();
    generate_python(&generated);
    let bad = |seq: u32| match seq {
        2 => Some((
            "amount_fen",
            tap("200000000001", seq, "cu-3000", 100, AT, "sm4").replace(",100,", ",1.00,"),
        )),
        3 => Some(("terminal", tap("20000000000a", seq, "cu-3000", 100, AT, "sm4"))),
        4 => Some(("medium", tap("200000000001", seq, "cu-3000", 100, AT, "sm4").replace(",cpu,", ",CPU,"))),
        5 => Some(("line", "\"never closed".to_owned())),
        _ => None,
    };
    let line =
        |seq| bad(seq).map_or_else(|| tap("200000000001", seq, "cu-3000", 100, AT, "sm4"), |bad| bad.1);
    let sealed = |seq| match bad(seq) {
        Some(_) => format!("{}00000000\n", line(seq)),
        None => town.scheme.sealed(&line(seq)),
    };
    let file = town.path("taps.csv");
    fs::write(&file, HEADER.to_owned() + &(1..=TAPS).map(sealed).collect::<String>()).unwrap();

    let python = repository().join(".deps/python/bin/python");
    let mut client = Command::new(python);
    client.arg(repository().join("examples/python-ingest/client.py")).env("PYTHONPATH", &generated);
    client.args(["--to", &town.address(), "--source", "metro-1"]).arg(&file);
    // It begins before there is anybody to hear it, and lives through a kill.
    let client = Running::start(client);
    let adapter = town.start_adapter();
    wait_for("the first upload", || {
        let mut entries = fs::read_dir(town.path("inbox-cu-2000")).unwrap();
        entries.any(|entry| entry.unwrap().file_name().to_string_lossy().ends_with(".csv")).then_some(())
    });
    adapter.kill();
    let _adapter = town.start_adapter();

    let said = client.wait().ok();
    assert!(said.stderr.contains("UNAVAILABLE"), "it lived through nothing: {}", said.stderr);
    assert!(said.stdout.ends_with(&format!("journaled {TAPS}  on the log {TAPS}\n")), "{}", said.stdout);
    for (sequence, [_, result, reason]) in town.wait_for_results("metro-1", usize::try_from(TAPS).unwrap()) {
        match bad(u32::try_from(sequence).unwrap()) {
            None => assert_eq!(result, "cleared", "sequence {sequence}"),
            Some((column, _)) => {
                assert_eq!(result, "malformed", "sequence {sequence}");
                assert!(reason.starts_with(&format!("{column}: ")), "sequence {sequence}: {reason}");
            }
        }
    }
}

#[test]
fn limits_that_cannot_work_are_refused_before_anything_runs() {
    let town = Town::new();
    let path = town.path("adapter-cu-2000.toml");
    let shown = cityunion("adapter check-config --config {}", &[&path]).ok();
    assert!(shown.stdout.contains("remember_taps = 1000000"), "{}", shown.stdout);
    let good = fs::read_to_string(&path).unwrap();
    for (bad, words) in [
        ("spool_mib_max = 1", ["ingest.spool_mib_max", "from 8 to"]),
        ("seal_after_s = 0", ["ingest.seal_after_s", "from 1 to"]),
        ("spool_gib = 1", ["spool_gib", "unknown field"]),
    ] {
        let key = bad.split(' ').next().unwrap();
        let kept: String =
            good.lines().filter(|line| !line.starts_with(key)).map(|line| format!("{line}\n")).collect();
        fs::write(&path, format!("{kept}{bad}\n")).unwrap();
        cityunion("adapter check-config --config {}", &[&path]).exits(2).says(&words);
    }
}
