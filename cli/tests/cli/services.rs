//! Each service as a process of its own, on a real Apache Kafka.

use std::{fs, path::Path, sync::Arc};

use cu_log::{
    Log,
    kafka::{KafkaConfig, KafkaLog},
    testing::{Broker, free_ports, unique_prefix},
    topics::Topics,
};
use runtime::scheme::SchemeView;
use tempfile::TempDir;

use crate::{
    scheme::{Scheme, tap},
    support::{Running, arguments, cityunion, columns, command, cycles, rows, verify_all, wait_for},
};

pub const CITIES: [&str; 2] = ["cu-2000", "cu-3000"];

/// A folder with the configurations of all services of a small scheme.
pub struct Town {
    folder: TempDir,
    scheme: Scheme,
    pub topics: Topics,
    pub kafka: String,
    /// Where home cities answer.
    issuers: Vec<u16>,
}

impl Town {
    pub fn new(kafka: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let scheme = Scheme::new(folder.path().join("scheme"), &CITIES);
        scheme.change_rules(|rules| rules.replace("presentment_days = 10", "presentment_days = 3000"));
        let (topics, issuers) = (Topics::new(&unique_prefix()), free_ports(CITIES.len()));
        let town = Self { folder, scheme, topics, kafka: kafka.to_owned(), issuers };
        for name in ["node", "out", "draft"].into_iter().map(str::to_owned).chain(
            CITIES.iter().flat_map(|city| ["state", "inbox", "answers"].map(|what| format!("{what}-{city}"))),
        ) {
            fs::create_dir_all(town.path(&name)).unwrap();
        }
        town.write_configurations();
        town
    }

    pub fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn log(&self) -> String {
        format!("[log]\nkafka = \"{}\"\nprefix = \"{}\"\n", self.kafka, self.topics.prefix())
    }

    /// A switch with settings of its own.
    pub fn write_switch(&self, config: &str, settings: &str, admin: Option<u16>) {
        let homes = CITIES.iter().zip(&self.issuers);
        let homes: String =
            homes.map(|(city, port)| format!("{city} = \"http://127.0.0.1:{port}\"\n")).collect();
        let admin = admin.map(|port| format!("[admin]\nlisten = \"127.0.0.1:{port}\"\n")).unwrap_or_default();
        // The shortest that brokers take.
        let log = format!("{}session_timeout_s = 6\n", self.log());
        fs::write(self.path(config), format!("{settings}{log}{admin}[home_cities]\n{homes}")).unwrap();
    }

    fn write_configurations(&self) {
        let here = self.folder.path().display();
        let log = self.log();
        let node = format!(
            "state_dir = \"{here}/node\"\nout_dir = \"{here}/out\"\nrulebook = \"{here}/scheme/rulebook.toml\"\n\
             cut_off_every_s = 5\nfirst_business_date = \"2018-09-01\"\n{log}"
        );
        fs::write(self.path("clearing-node.toml"), node).unwrap();
        self.write_switch("switch.toml", "", None);
        for (city, port) in CITIES.iter().zip(&self.issuers) {
            let adapter = format!(
                "city = \"{city}\"\nstate_dir = \"{here}/state-{city}\"\ninbox_dir = \"{here}/inbox-{city}\"\n\
                 stable_s = 2\nout_dir = \"{here}/answers-{city}\"\n{log}\n[issuer]\nlisten = \"127.0.0.1:{port}\"\n\
                 keys = \"{here}/scheme/keys.toml\"\nhotlist = \"{here}/scheme/hotlist.csv\"\ntest_mode = true\n"
            );
            fs::write(self.path(&format!("adapter-{city}.toml")), adapter).unwrap();
        }
    }

    pub fn start(&self, service: &str, config: &str) -> Running {
        let words = format!("{service} run --config {{}}");
        Running::start(command(arguments(&words, &[&self.path(config)])))
    }

    /// Waits until the clearing node has opened the first cycle.
    pub fn wait_until_open(&self) {
        let log: Arc<dyn Log> = Arc::new(KafkaLog::connect(KafkaConfig::new(&self.kafka, "test")).unwrap());
        wait_for("the first cycle", || SchemeView::follow(&log, &self.topics).ok()?.open_cycle());
    }

    /// Puts a complete tap file into a city's inbox.
    pub fn hand_in(&self, city: &str, name: &str, lines: &[String]) {
        let sealed: String = lines.iter().map(|line| self.scheme.sealed(line)).collect();
        let draft = self.path("draft").join(city);
        fs::write(&draft, format!("{}{sealed}", crate::scheme::HEADER)).unwrap();
        fs::rename(draft, self.path(&format!("inbox-{city}")).join(name)).unwrap();
    }
}

/// Cleared records of all closed cycles.
pub fn cleared(out: &Path) -> u64 {
    let count = |cycle: String| -> u64 {
        rows(&out.join(cycle).join("positions.csv"))
            .iter()
            .map(|row| row["count"].parse::<u64>().unwrap())
            .sum()
    };
    cycles(out).into_iter().map(count).sum()
}

#[test]
fn three_services_and_two_cities_clear_what_is_handed_in() {
    let town = Town::new(Broker::shared().bootstrap());
    let node = town.start("clearing-node", "clearing-node.toml");
    town.wait_until_open();
    let mut running = vec![node, town.start("switch", "switch.toml")];
    running.extend(CITIES.map(|city| town.start("adapter", &format!("adapter-{city}.toml"))));

    let at = "2018-09-01T09:00:00";
    let lines: Vec<String> = (1..=3).map(|seq| tap("200000000001", seq, "cu-3000", 100, at, "sm4")).collect();
    town.hand_in("cu-2000", "2018-09-01.csv", &lines);
    let lines: Vec<String> = (1..=2).map(|seq| tap("300000000001", seq, "cu-2000", 70, at, "3des")).collect();
    town.hand_in("cu-3000", "2018-09-01.csv", &lines);

    let out = town.path("out");
    let mut alive = || {
        for (at, service) in running.iter_mut().enumerate() {
            assert!(service.ended().is_none(), "service {at} ended");
        }
    };
    wait_for("cycles with all five records", || {
        alive();
        (cleared(&out) == 5).then_some(())
    });
    for (city, records) in [("cu-2000", 3), ("cu-3000", 2)] {
        let answers = town.path(&format!("answers-{city}")).join(format!("results/{city}/2018-09-01.csv"));
        wait_for("the answers", || {
            let rows = columns(&answers.exists().then_some(answers.clone())?, &["result"]);
            (rows == vec!["cleared"; records]).then_some(())
        });
    }
    for service in running {
        service.signal("TERM").ok();
    }
    for cycle in cycles(&out) {
        let net: i64 = rows(&out.join(&cycle).join("net.csv"))
            .iter()
            .map(|row| row["net_fen"].parse::<i64>().unwrap())
            .sum();
        assert_eq!(net, 0, "{cycle}");
    }
    verify_all(&out);
}

#[test]
fn a_configuration_is_checked_without_running_anything() {
    let town = Town::new("127.0.0.1:1");
    let services = [
        ("clearing-node", "clearing-node.toml", "cut_off_every_s"),
        ("switch", "switch.toml", "kafka"),
        ("adapter", "adapter-cu-2000.toml", "inbox_dir"),
    ];
    for (service, config, key) in services {
        let path = town.path(config);
        let words = format!("{service} check-config --config {{}}");
        let shown = cityunion(&words, &[&path]).ok();
        assert!(shown.stdout.contains(key), "{service}: {}", shown.stdout);

        let good = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("misspelt_key = 1\n{good}")).unwrap();
        cityunion(&words, &[&path]).exits(2).says(&[config, "misspelt_key", "line 1"]);

        let wanting: String =
            good.lines().filter(|line| !line.starts_with(key)).map(|line| format!("{line}\n")).collect();
        if key != "cut_off_every_s" {
            fs::write(&path, wanting).unwrap();
            cityunion(&words, &[&path]).exits(2).says(&[config, key]);
        }
    }
    let path = town.path("none.toml");
    cityunion("switch check-config --config {}", &[&path]).exits(2).says(&[
        "none.toml",
        "--config",
        "docs/configuration.md",
    ]);
}
