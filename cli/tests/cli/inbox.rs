//! The adapter as a process: killed at any instant, without Kafka, and the commands around it.

use std::{
    collections::BTreeMap,
    fs, thread,
    time::{Duration, Instant},
};

use cu_log::testing::Broker;
use tempfile::TempDir;

use crate::{
    edge::{CITY, Edge, Node},
    scheme::HEADER,
    support::{Dice, cityunion, columns, wait_for},
};

const KILLS: u32 = 10;

#[test]
fn killed_at_any_instant_it_neither_loses_nor_repeats_a_line() {
    let edge = Edge::new(Broker::shared().bootstrap(), "");
    let _centre = edge.centre();
    let mut dice = Dice(2018);
    let mut files = BTreeMap::new();
    let (mut next, mut midway, inbox) = (1, 0, edge.path("inbox"));
    let mut put = |dice: &mut Dice| {
        // Some of one batch, some of several groups of batches.
        let lines = [50, 3_000, 40_000][usize::try_from(dice.below(3)).unwrap()];
        let name = format!("2018-09-01-{:03}.csv", files.len());
        edge.put(&name, edge.taps(next..next + lines));
        next += lines;
        files.insert(name, usize::try_from(lines).unwrap());
    };
    for _ in 0..KILLS {
        put(&mut dice);
        let adapter = edge.adapter();
        let until = Instant::now() + Duration::from_millis(300 + dice.below(1200));
        let second = Instant::now() + Duration::from_millis(dice.below(1500));
        while Instant::now() < until.min(second) {
            thread::sleep(Duration::from_millis(1));
        }
        if second < until {
            put(&mut dice);
            thread::sleep(until.saturating_duration_since(Instant::now()));
        }
        assert_eq!(adapter.kill().code, None, "it was at work when it was killed");
        let files = edge.status()["files"].as_array().unwrap().clone();
        let way = |way: &str| files.iter().any(|file| file["way"] == way);
        midway += u32::from(way("taking") || way("accepted") || fs::read_dir(&inbox).unwrap().count() > 0);
    }
    assert!(midway >= KILLS / 3, "only {midway} kills met a file on its way to the log");
    let all = files;
    let mut adapter = edge.adapter();
    wait_for("the last run", || {
        assert_eq!(adapter.ended(), None);
        (edge.status()["running"] == true).then_some(())
    });
    edge.wait_done(&all);
    adapter.signal("TERM").ok();
    edge.check_log(&all);
    edge.check_results(&all);
}

#[test]
fn without_kafka_it_starts_accepts_fills_up_and_later_catches_up_by_itself() {
    let data = TempDir::new().unwrap();
    let node = Node::new(data.path());
    let edge = Edge::new(&node.bootstrap(), "journal_mib_max = 1");
    let adapter = edge.adapter();
    let mut files = BTreeMap::new();
    for number in 0..2 {
        let name = format!("2018-09-01-{number}.csv");
        edge.put(&name, edge.taps(number * 5_000 + 1..number * 5_000 + 5_001));
        files.insert(name, 5_000);
    }
    edge.wait_way("2018-09-01-0.csv", "accepted");
    let status = wait_for("a full journal", || Some(edge.status()).filter(|it| it["refused_bytes"] != 0));
    assert_eq!(status["ready"], false);
    let since = status["log_away_since"].as_str().unwrap().to_owned();
    let shown = edge.command("status --config {}").ok().stdout;
    assert!(shown.contains("the journal is full") && shown.contains(&since), "{shown}");
    assert!(shown.contains("of at most 1.00 MiB wait"), "{shown}");
    let table = edge.command("status --config {} -o csv").ok().stdout;
    assert!(table.starts_with("name,path,way,bytes,"), "{table}");
    assert!(table.contains("\n2018-09-01-0.csv,2018-09-01-0.csv,accepted,"), "{table}");

    node.run("start");
    let mut centre = edge.centre();
    edge.wait_done(&files);
    assert_eq!(edge.status()["ready"], true);
    // Away again, in the middle of the day; the centre waits too.
    node.run("stop");
    wait_for("Kafka away", || edge.status()["log_away_since"].as_str().map(drop));
    edge.put("2018-09-01-2.csv", edge.taps(20_001..20_101));
    files.insert("2018-09-01-2.csv".to_owned(), 100);
    edge.wait_way("2018-09-01-2.csv", "accepted");
    adapter.kill();
    let adapter = edge.adapter();
    wait_for("the next run", || (edge.status()["running"] == true).then_some(()));
    node.run("start");
    edge.wait_done(&files);
    adapter.signal("TERM").ok();
    edge.check_log(&files);
    edge.check_results(&files);
    assert!(centre.iter_mut().all(|service| service.ended().is_none()), "the centre lived through it");
}

/// A city that hands in a day of many lines at once.
#[test]
fn a_huge_file_is_taken_in_bounded_memory_and_its_progress_is_shown() {
    const LINES: usize = 1_000_000;
    let edge = Edge::new(Broker::shared().bootstrap(), "");
    let _node = edge.node();
    edge.wait_until_open();
    let line = edge.taps([1]).lines().nth(1).unwrap().to_owned();
    edge.put("2018-09-01.csv", format!("{HEADER}{}", format!("{line}\n").repeat(LINES)));
    let adapter = edge.adapter();
    let mut under_way = false;
    let lines = wait_for("the huge file on the log", || {
        let status = edge.status();
        let file = status["files"].as_array()?.first()?.clone();
        let (way, lines) = (file["way"].as_str()?, file["lines"].as_u64()?);
        under_way |= way == "taking" && 0 < lines && lines < LINES as u64;
        (way == "published").then_some(lines)
    });
    assert!(under_way, "its progress never showed");
    assert_eq!(lines, LINES as u64);
    let memory = fs::read_to_string(format!("/proc/{}/status", adapter.id())).unwrap();
    let peak = memory.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
    let peak_mib = peak.unwrap().trim().parse::<u64>().unwrap() / 1024;
    assert!(peak_mib < 150, "{peak_mib} MiB for a file of {} MiB", ((line.len() + 1) * LINES) >> 20);
    adapter.signal("TERM").ok();
}

#[test]
fn a_corrected_quarantine_file_is_sent_as_a_new_one() {
    let edge = Edge::new(Broker::shared().bootstrap(), "");
    let _centre = edge.centre();
    let good = edge.taps(1..=3);
    let broken = good.replacen(",3,cu-3000,3000000000000017,", ",3,cu-3000,30000000000000,", 1);
    edge.put("2018-09-01.csv", &broken);
    let adapter = edge.adapter();
    let archived = |files: u64| {
        wait_for("the archive", || (edge.status()["files_archived"] == files).then_some(()));
    };
    archived(1);
    let quarantine = edge.path("answers/quarantine/2018-09-01.csv");
    assert_eq!(columns(&quarantine, &["line", "column"]), ["1 header", "4 card"]);

    let config = edge.path("adapter.toml");
    let requeue = || cityunion("adapter requeue {} --config {}", &[&quarantine, &config]);
    requeue().exits(1).says(&["still malformed", "--even-if-malformed"]);
    let text = fs::read_to_string(&quarantine).unwrap();
    fs::write(&quarantine, text.replace("30000000000000,", "3000000000000017,")).unwrap();
    let sent = requeue().ok();
    assert!(sent.stdout.contains("2018-09-01.corrected-"), "{}", sent.stdout);
    archived(2);
    let results = fs::read_dir(edge.path("answers/results").join(CITY)).unwrap();
    let corrected =
        results.map(|entry| entry.unwrap().path()).find(|path| path.to_string_lossy().contains("corrected"));
    assert_eq!(columns(&corrected.unwrap(), &["terminal_seq", "result"]), ["3 cleared"]);
    // The same correction again is the same file.
    requeue().ok();
    wait_for("the repetition", || {
        let status = edge.status();
        status["files"].as_array()?.iter().find(|file| file["again"] == 1).map(drop)
    });
    assert_eq!(edge.batches().len(), 2);

    fs::write(&quarantine, "line,column,reason,raw\n1,header,,a\\q\n").unwrap();
    requeue().exits(2).says(&["line 2", "backslash"]);
    fs::write(&quarantine, HEADER).unwrap();
    requeue().exits(2).says(&["no quarantine file"]);
    adapter.signal("TERM").ok();
}

#[test]
fn the_centre_sees_who_has_sent_nothing() {
    let edge = Edge::new(Broker::shared().bootstrap(), "");
    let _node = edge.node();
    edge.wait_until_open();
    let words = format!("adapter missing --kafka {} --prefix {} -o json", edge.kafka, edge.topics.prefix());
    let missing = || -> Vec<String> {
        let shown: serde_json::Value = serde_json::from_str(&cityunion(&words, &[]).ok().stdout).unwrap();
        assert_eq!(shown["business_date"], "2018-09-01");
        let rows = shown["missing"].as_array().unwrap().clone();
        rows.iter().map(|row| row["city"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(missing(), [CITY, "cu-3000"]);
    let adapter = edge.adapter();
    edge.put("2018-09-01.csv", edge.taps(1..=3));
    edge.wait_way("2018-09-01.csv", "published");
    assert_eq!(missing(), ["cu-3000"]);
    adapter.signal("TERM").ok();
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let edge = Edge::new("127.0.0.1:1", "");
    let path = edge.path("adapter.toml");
    let good = fs::read_to_string(&path).unwrap();
    let with = |setting: &str| {
        fs::write(&path, format!("{setting}\n{good}")).unwrap();
        edge.command("check-config --config {}")
    };
    with("journal_gib_max = 3").ok();
    with("journal_gib_max = 0").exits(2).says(&["journal_gib_max"]);
    with("journal_gib_max = 1\njournal_mib_max = 5").exits(2).says(&["journal_mib_max", "one of them"]);
    with(&format!("archive_dir = \"{}/done\"", edge.path("inbox").display()))
        .exits(2)
        .says(&["archive_dir", "inbox_dir"]);
    with("mapping = \"/none.toml\"").exits(2).says(&["mapping", "/none.toml"]);
    fs::write(&path, &good).unwrap();
    edge.command("status --config {}").exits(1).says(&["no adapter has run", "adapter run"]);
}
