//! Several switches as processes that share the cities, on a real Apache Kafka.

use std::{collections::BTreeMap, process::Command, time::Duration};

use cu_log::{
    Log,
    kafka::{KafkaConfig, KafkaLog},
    testing::{Broker, free_ports},
};
use proto::{Clearing, Message, clearing::Body};

use crate::{
    local::{ask, metric},
    scheme::tap,
    services::{CITIES, Town, cleared},
    support::{Running, columns, verify_all, wait_for},
};

const LINES: u32 = 2_000;

/// One switch of several.
struct Switch {
    running: Running,
    admin: u16,
}

impl Switch {
    fn start(town: &Town, name: &str, settings: &str) -> Self {
        let (config, admin) = (format!("{name}.toml"), free_ports(1)[0]);
        town.write_switch(&config, settings, Some(admin));
        Self { running: town.start("switch", &config), admin }
    }

    fn metrics(&self) -> Option<String> {
        let (status, text) = ask(self.admin, "/metrics").ok()?;
        (status == 200 && text.contains("cityunion_switch_acquirers")).then_some(text)
    }

    fn owned(&self) -> Option<i64> {
        Some(metric(&self.metrics()?, "cityunion_switch_acquirers"))
    }

    fn owns(&self, city: &str) -> bool {
        let label = format!("cityunion_switch_last_batch{{city=\"{city}\"}}");
        self.metrics().is_some_and(|text| text.contains(&label))
    }

    fn parked(&self) -> i64 {
        let text = self.metrics().unwrap_or_default();
        if text.contains("cityunion_switch_parked_parts{") {
            metric(&text, "cityunion_switch_parked_parts")
        } else {
            0
        }
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.running.id().to_string()]).status().unwrap();
        assert!(sent.success(), "kill -s {name}: {sent}");
    }
}

/// Cities that hand in files, and what was handed in.
struct Day<'a> {
    town: &'a Town,
    files: BTreeMap<&'static str, u32>,
}

impl Day<'_> {
    /// One more file of a city, of taps of the other city's card.
    fn hand_in(&mut self, city: &'static str) {
        let number = self.files.entry(city).or_default();
        let (issuer, terminal, algorithm) = match city {
            "cu-2000" => ("cu-3000", "200000000001", "sm4"),
            _ => ("cu-2000", "300000000001", "3des"),
        };
        let at = "2018-09-01T09:00:00";
        let seqs = *number * LINES + 1..=(*number + 1) * LINES;
        let lines: Vec<String> = seqs.map(|seq| tap(terminal, seq, issuer, 100, at, algorithm)).collect();
        self.town.hand_in(city, &format!("2018-09-01-{number:03}.csv"), &lines);
        *number += 1;
    }

    /// Waits until everything that was handed in is paid, and sees that it is paid once.
    fn wait_until_paid(&self) {
        let out = self.town.path("out");
        let all = u64::from(self.files.values().sum::<u32>() * LINES);
        wait_for("everything paid", || {
            let paid = cleared(&out);
            assert!(paid <= all, "{paid} of {all} were paid");
            (paid == all).then_some(())
        });
        for (city, files) in &self.files {
            for number in 0..*files {
                let answers = self.town.path(&format!("answers-{city}"));
                let answer = answers.join(format!("results/{city}/2018-09-01-{number:03}.csv"));
                wait_for("an answer", || {
                    let results = columns(&answer.exists().then_some(answer.clone())?, &["result"]);
                    let paid = results.iter().filter(|result| *result == "cleared").count();
                    (paid == usize::try_from(LINES).unwrap()).then_some(())
                });
            }
        }
        verify_all(&out);
    }
}

/// Outcomes on the log of which the same number stood there before.
fn repeated(town: &Town) -> usize {
    let log = KafkaLog::connect(KafkaConfig::new(&town.kafka, "test")).unwrap();
    let clearing = town.topics.clearing(0);
    let end = log.bounds(&clearing).unwrap().end;
    let mut reader = log.reader(&[(clearing, 0)]).unwrap();
    let (mut next, mut repeated, mut digests) = (0, 0, BTreeMap::new());
    while next < end {
        for entry in reader.poll(1 << 22, Duration::from_secs(1)).unwrap() {
            next = entry.offset + 1;
            if let Some(Body::Outcome(outcome)) = Clearing::decode(entry.payload).unwrap().body {
                let digest = digests.insert((outcome.acquirer, outcome.number), outcome.digest.clone());
                repeated += usize::from(digest.is_some());
                assert!(digest.is_none_or(|digest| digest == outcome.digest));
            }
        }
    }
    repeated
}

#[test]
fn a_killed_switch_is_replaced_and_what_it_parked_is_settled() {
    let town = Town::new(Broker::shared().bootstrap());
    let _node = town.start("clearing-node", "clearing-node.toml");
    town.wait_until_open();
    let _adapter = town.start("adapter", "adapter-cu-2000.toml");
    let home = town.start("adapter", "adapter-cu-3000.toml");
    let settings = "park_after_ms = 1000\n";
    let mut switches = Vec::from(["one", "other"].map(|name| Switch::start(&town, name, settings)));
    wait_for("each owns one city", || switches.iter().all(|it| it.owned() == Some(1)).then_some(()));

    // In the middle of the traffic one is killed.
    let mut day = Day { town: &town, files: BTreeMap::new() };
    for _ in 0..8 {
        CITIES.iter().for_each(|city| day.hand_in(city));
    }
    let busy =
        |it: &Switch| it.metrics().is_some_and(|text| metric(&text, "cityunion_switch_taps_total") > 0);
    wait_for("traffic", || switches.iter().any(busy).then_some(()));
    switches.remove(0).running.kill();
    wait_for("the other owns both", || (switches[0].owned() == Some(2)).then_some(()));
    day.wait_until_paid();

    // A home city is away; who parked for it is killed; another settles it when the city is back.
    home.kill();
    switches.push(Switch::start(&town, "third", settings));
    wait_for("each owns one city", || switches.iter().all(|it| it.owned() == Some(1)).then_some(()));
    day.hand_in("cu-2000");
    let owner = switches.iter().position(|it| it.owns("cu-2000")).unwrap();
    wait_for("the parts are parked", || (switches[owner].parked() > 0).then_some(()));
    let parked = switches[owner].parked();
    switches.remove(owner).running.kill();
    wait_for("the park has followed", || (switches[0].parked() == parked).then_some(()));
    let _home = town.start("adapter", "adapter-cu-3000.toml");
    day.wait_until_paid();
}

#[test]
fn a_switch_that_works_for_cities_it_does_not_own_changes_nothing() {
    let town = Town::new(Broker::shared().bootstrap());
    let _node = town.start("clearing-node", "clearing-node.toml");
    town.wait_until_open();
    let _adapters = CITIES.map(|city| town.start("adapter", &format!("adapter-{city}.toml")));
    let switches = ["one", "other"].map(|name| Switch::start(&town, name, ""));
    wait_for("each owns one city", || switches.iter().all(|it| it.owned() == Some(1)).then_some(()));

    // One stands still with traffic on its way, loses its city, and wakes up behind the other.
    let mut day = Day { town: &town, files: BTreeMap::new() };
    let [sleeper, other] = &switches;
    for _ in 0..4 {
        CITIES.iter().for_each(|city| day.hand_in(city));
    }
    let busy =
        |it: &Switch| it.metrics().is_some_and(|text| metric(&text, "cityunion_switch_taps_total") > 0);
    wait_for("traffic", || busy(sleeper).then_some(()));
    sleeper.signal("STOP");
    wait_for("the other owns both", || (other.owned() == Some(2)).then_some(()));
    CITIES.iter().for_each(|city| day.hand_in(city));
    sleeper.signal("CONT");
    wait_for("they share again", || switches.iter().all(|it| it.owned() == Some(1)).then_some(()));

    // One that never learns that it owns nothing repeats everything.
    let _stray = Switch::start(&town, "stray", "acquirers = [\"cu-2000\", \"cu-3000\"]\n");
    for _ in 0..2 {
        CITIES.iter().for_each(|city| day.hand_in(city));
    }
    day.wait_until_paid();
    assert!(repeated(&town) > 0, "the stray switch has repeated nothing");
    let [sleeper, other] = switches.map(|switch| switch.running.signal("TERM").ok());
    sleeper.says(&["lost: another may work for it already"]);
    assert!(!other.stderr.contains("lost:"), "{}", other.stderr);
}
