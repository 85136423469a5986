//! A city's edge and the centre as processes on a real Kafka, for tests of the adapter.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use cu_log::{
    Log,
    kafka::{KafkaConfig, KafkaLog},
    testing::{free_ports, unique_prefix},
    topics::Topics,
};
use proto::{Message, TapBatch};
use runtime::scheme::SchemeView;
use tempfile::TempDir;

use crate::{
    scheme::{HEADER, Scheme, tap},
    support::{Ran, Running, WAIT_MAX, arguments, cityunion, command, wait_for},
};

/// The city whose adapter is tested.
pub const CITY: &str = "cu-2000";
/// The home city of its taps.
const HOME: &str = "cu-3000";

/// Folders and configurations of a centre and two cities.
pub struct Edge {
    pub folder: TempDir,
    pub kafka: String,
    pub topics: Topics,
    scheme: Scheme,
}

impl Edge {
    /// `settings` are further lines of the tested adapter's configuration.
    pub fn new(kafka: &str, settings: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let scheme = Scheme::new(folder.path().join("scheme"), &[CITY, HOME]);
        scheme.change_rules(|rules| rules.replace("presentment_days = 10", "presentment_days = 3000"));
        let edge = Self { folder, kafka: kafka.to_owned(), topics: Topics::new(&unique_prefix()), scheme };
        for name in ["inbox", "inbox-home", "out"] {
            fs::create_dir(edge.path(name)).unwrap();
        }
        edge.configure(settings);
        edge
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn configure(&self, settings: &str) {
        let here = self.folder.path().display();
        let log = format!("[log]\nkafka = \"{}\"\nprefix = \"{}\"\n", self.kafka, self.topics.prefix());
        let write = |name: &str, text: String| fs::write(self.path(name), text).unwrap();
        write(
            "node.toml",
            format!(
                "state_dir = \"{here}/node\"\nout_dir = \"{here}/out\"\n\
                 rulebook = \"{here}/scheme/rulebook.toml\"\ncut_off_every_s = 3600\n\
                 first_business_date = \"2018-09-01\"\n{log}"
            ),
        );
        let port = free_ports(1)[0];
        write(
            "switch.toml",
            format!("acquirers = [\"{CITY}\"]\n{log}[home_cities]\n{HOME} = \"http://127.0.0.1:{port}\"\n"),
        );
        write(
            "home.toml",
            format!(
                "city = \"{HOME}\"\nstate_dir = \"{here}/state-home\"\ninbox_dir = \"{here}/inbox-home\"\n\
                 out_dir = \"{here}/answers-home\"\n{log}[issuer]\nlisten = \"127.0.0.1:{port}\"\n\
                 keys = \"{here}/scheme/keys.toml\"\nhotlist = \"{here}/scheme/hotlist.csv\"\ntest_mode = true\n"
            ),
        );
        write(
            "adapter.toml",
            format!(
                "city = \"{CITY}\"\nstate_dir = \"{here}/state\"\ninbox_dir = \"{here}/inbox\"\n\
                 out_dir = \"{here}/answers\"\nstable_s = 0\n{settings}\n{log}"
            ),
        );
    }

    fn service(&self, service: &str, config: &str) -> Running {
        let words = format!("{service} run --config {{}}");
        Running::start(command(arguments(&words, &[&self.path(config)])))
    }

    pub fn node(&self) -> Running {
        self.service("clearing-node", "node.toml")
    }

    /// Starts the centre and the home city, and waits until taps may be presented.
    pub fn centre(&self) -> Vec<Running> {
        let node = self.node();
        self.wait_until_open();
        vec![node, self.service("switch", "switch.toml"), self.service("adapter", "home.toml")]
    }

    pub fn adapter(&self) -> Running {
        self.service("adapter", "adapter.toml")
    }

    pub fn log(&self) -> Arc<dyn Log> {
        Arc::new(KafkaLog::connect(KafkaConfig::new(&self.kafka, "test")).unwrap())
    }

    pub fn wait_until_open(&self) {
        let log = wait_for("Kafka", || KafkaLog::connect(KafkaConfig::new(&self.kafka, "test")).ok());
        let log: Arc<dyn Log> = Arc::new(log);
        wait_for("the first cycle", || SchemeView::follow(&log, &self.topics).ok()?.open_cycle());
    }

    /// The text of a file of good taps.
    pub fn taps(&self, seqs: impl IntoIterator<Item = u32>) -> String {
        let line = |seq| tap("200000000001", seq, HOME, seq % 1000, "2018-09-01T09:00:00", "sm4");
        seqs.into_iter().fold(HEADER.to_owned(), |text, seq| text + &self.scheme.sealed(&line(seq)))
    }

    /// Puts a complete file into the inbox.
    pub fn put(&self, name: &str, text: impl AsRef<[u8]>) {
        let draft = self.path("draft");
        fs::write(&draft, text).unwrap();
        fs::rename(draft, self.path("inbox").join(name)).unwrap();
    }

    /// `adapter status` as JSON, once there is one.
    pub fn status(&self) -> serde_json::Value {
        wait_for("the status", || {
            let ran = self.command("status --config {} -o json");
            serde_json::from_str(&ran.stdout).ok()
        })
    }

    /// A command of the adapter over its configuration.
    pub fn command(&self, words: &str) -> Ran {
        cityunion(&format!("adapter {words}"), &[&self.path("adapter.toml")])
    }

    /// How far the file of this path is, if it is known.
    pub fn way(&self, path: &str) -> Option<String> {
        let status = self.status();
        let file = status["files"].as_array()?.iter().find(|file| file["path"] == path)?.clone();
        Some(file["way"].as_str()?.to_owned())
    }

    #[track_caller]
    pub fn wait_way(&self, path: &str, way: &str) {
        wait_for(&format!("{path} {way}"), || (self.way(path)? == way).then_some(()));
    }

    /// Every batch of the city on the log, in order.
    pub fn batches(&self) -> Vec<TapBatch> {
        let (log, partition) = (self.log(), self.topics.taps(CITY));
        let end = log.bounds(&partition).unwrap().end;
        let mut reader = log.reader(&[(partition, 0)]).unwrap();
        let mut batches = Vec::new();
        while (batches.len() as u64) < end {
            for entry in reader.poll(1 << 20, WAIT_MAX).unwrap() {
                batches.push(TapBatch::decode(entry.payload).unwrap());
            }
        }
        batches
    }

    /// Checks the log against what was put in: every batch number stands for one content, numbers have no gaps,
    /// and every line of every file is in exactly one of them. Returns how many batches were sent again.
    pub fn check_log(&self, lines: &BTreeMap<String, usize>) -> usize {
        let batches = self.batches();
        let mut seen: BTreeMap<u64, TapBatch> = BTreeMap::new();
        let mut highest = 0;
        let sent = batches.len();
        for batch in batches {
            assert!(batch.number <= highest + 1, "batch {} came after {highest}", batch.number);
            highest = highest.max(batch.number);
            let first = seen.entry(batch.number).or_insert_with(|| batch.clone());
            assert_eq!(first.digest, batch.digest, "batch {} stands for two contents", batch.number);
        }
        let mut found: BTreeMap<String, Vec<u32>> = BTreeMap::new();
        for batch in seen.values() {
            let taps = batch.parts.iter().flat_map(|part| part.taps.chunks(52));
            let line = |tap: &[u8]| u32::from_le_bytes(tap[..4].try_into().unwrap());
            found.entry(batch.file.clone()).or_default().extend(taps.map(line));
        }
        for (name, lines) in lines {
            let mut found = found.remove(name).unwrap_or_default();
            found.sort_unstable();
            let want: Vec<u32> = (2..).take(*lines).collect();
            assert_eq!(found, want, "lines of {name} on the log");
        }
        assert_eq!(found.keys().collect::<Vec<_>>(), Vec::<&String>::new(), "files nobody put in");
        sent - seen.len()
    }

    /// Checks that every line of every file has its result, once, and that every file is in the archive.
    pub fn check_results(&self, lines: &BTreeMap<String, usize>) {
        for (name, lines) in lines {
            let results = fs::read_to_string(self.results(name)).unwrap();
            let numbers: Vec<usize> =
                results.lines().skip(1).map(|row| row.split(',').next().unwrap().parse().unwrap()).collect();
            assert_eq!(numbers, (2..).take(*lines).collect::<Vec<_>>(), "rows of {name}");
            assert_eq!(results.matches(",cleared,").count(), *lines, "cleared lines of {name}");
            assert!(self.path("answers/archive/2018-09-01").join(name).exists(), "{name} in the archive");
        }
        assert_eq!(fs::read_dir(self.path("inbox")).unwrap().count(), 0, "the inbox is empty");
    }

    pub fn results(&self, name: &str) -> PathBuf {
        self.path("answers/results").join(CITY).join(name)
    }

    /// Waits until every file is done.
    #[track_caller]
    pub fn wait_done(&self, lines: &BTreeMap<String, usize>) {
        wait_for("every file in the archive", || {
            let status = self.status();
            (status["files_archived"].as_u64()? == lines.len() as u64).then_some(())
        });
    }
}

/// Kafka on ports and a folder of its own, that can be stopped and started again.
pub struct Node<'a> {
    data: &'a Path,
    ports: [String; 2],
}

impl<'a> Node<'a> {
    pub fn new(data: &'a Path) -> Self {
        let ports = free_ports(2);
        let ports = [ports[0], ports[1]].map(|port| port.to_string());
        Self { data, ports }
    }

    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.ports[0])
    }

    fn script(&self, what: &str) -> std::process::Output {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/kafka/run");
        std::process::Command::new(script).arg(what).arg(self.data).args(&self.ports).output().unwrap()
    }

    pub fn run(&self, what: &str) {
        let ran = self.script(what);
        assert!(ran.status.success(), "{what}: {}", String::from_utf8_lossy(&ran.stderr));
    }
}

impl Drop for Node<'_> {
    fn drop(&mut self) {
        // A test that fails may leave it stopped.
        drop(self.script("stop"));
    }
}
