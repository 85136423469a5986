use std::collections::BTreeMap;

use cu_log::kafka::Settings;

use super::*;

fn outcome(line: &Line) -> (Outcome, &str) {
    (line.outcome, line.next.split(':').next().unwrap())
}

#[test]
fn an_old_or_missing_tool_warns_and_says_how_to_get_it() {
    assert_eq!(tool("rustc", Some("rustc 1.99.1 (abc 2026-01-01)")).outcome, Outcome::Ok);
    assert_eq!(tool("rustc", Some("rustc 1.70.0 (abc 2023-01-01)")).outcome, Outcome::Warn);
    assert_eq!(tool("javac", Some("javac 17.0.11")).outcome, Outcome::Ok);
    assert_eq!(tool("javac", Some("javac 21")).outcome, Outcome::Ok);
    assert_eq!(tool("javac", Some("javac 1.8.0_402")).outcome, Outcome::Warn);
    let missing = tool("mvn", None);
    assert_eq!(missing.outcome, Outcome::Warn);
    assert!(missing.next.contains("tools/setup"));
    assert_eq!(tool("git", Some("git version 2.39.5")).next, "");
}

#[test]
fn room_and_limits_have_their_thresholds() {
    let free = |gib: u64| disk("d", &Ok(gib * GIB)).outcome;
    assert_eq!(
        (free(0), free(1), free(9), free(10)),
        (Outcome::Fail, Outcome::Warn, Outcome::Warn, Outcome::Ok)
    );
    assert_eq!(outcome(&disk("d", &Err("no such folder".to_owned()))).0, Outcome::Fail);
    assert_eq!(open_files(None).outcome, Outcome::Ok);
    assert_eq!(open_files(Some(1024)).outcome, Outcome::Ok);
    assert_eq!(outcome(&open_files(Some(1023))), (Outcome::Fail, "raise it"));
    assert_eq!(inotify("max_user_instances", Some(63), 64).outcome, Outcome::Warn);
    assert_eq!(inotify("max_user_instances", None, 64).outcome, Outcome::Warn);
}

#[test]
fn a_taken_port_and_a_clock_set_back_are_told() {
    let taken = vec![(7001, None), (7002, Some("Address already in use".to_owned()))];
    let facts = Facts {
        ports: [("ISSUER_PORTS".to_owned(), taken)].into(),
        ports_file: Some("ports.env".into()),
        clock_behind_s: 3_600,
        ..Facts::default()
    };
    let [line] = ports(&facts).try_into().unwrap();
    assert_eq!((line.outcome, line.found.as_str()), (Outcome::Warn, "7002: Address already in use"));
    assert!(line.next.contains("set ISSUER_PORTS") && line.next.contains("ports.env"), "{}", line.next);
    assert_eq!(clock(&facts).outcome, Outcome::Fail);
    assert_eq!(clock(&Facts { clock_follows: Some(false), ..Facts::default() }).outcome, Outcome::Warn);
    assert_eq!(clock(&Facts::default()).outcome, Outcome::Ok);
}

fn settings(name: &str, pairs: &[(&str, &str)]) -> Settings {
    let settings: BTreeMap<String, String> =
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Settings { name: name.to_owned(), settings }
}

const RIGHT: [(&str, &str); 4] = [
    ("message.max.bytes", "8388608"),
    ("replica.fetch.max.bytes", "8388608"),
    ("offsets.retention.minutes", "2147483647"),
    ("auto.create.topics.enable", "false"),
];
const KEPT: [(&str, &str); 3] =
    [("retention.ms", "-1"), ("retention.bytes", "-1"), ("max.message.bytes", "8388608")];

fn found(examination: Examination) -> Vec<Line> {
    kafka(&Found { bootstrap: "b:1".to_owned(), examination: Ok(examination), now_ms: 1_000_000 })
}

#[test]
fn each_wrong_setting_of_a_broker_or_topic_is_told_by_itself() {
    let right = Examination {
        brokers: vec![settings("broker 1", &RIGHT)],
        topics: vec![settings("cu.cycles", &KEPT)],
        newest_ms: Some(999_000),
    };
    assert!(found(right).iter().all(|line| line.outcome == Outcome::Ok));
    for (at, worst) in [Outcome::Fail, Outcome::Warn, Outcome::Fail, Outcome::Warn].into_iter().enumerate() {
        let mut wrong = RIGHT;
        wrong[at].1 = "10080";
        let brokers = vec![settings("broker 1", &RIGHT), settings("broker 2", &wrong)];
        let lines = found(Examination { brokers, topics: Vec::new(), newest_ms: None });
        let told: Vec<&Line> = lines.iter().filter(|line| line.outcome != Outcome::Ok).collect();
        assert_eq!(told.len(), 1, "{lines:?}");
        assert_eq!((told[0].outcome, told[0].found.as_str()), (worst, "10080 on broker 2"));
        assert!(told[0].check.ends_with(wrong[at].0));
    }
    for at in 0..KEPT.len() {
        let mut wrong = KEPT;
        wrong[at].1 = "604800";
        let topics = vec![settings("cu.cycles", &KEPT), settings("cu.rulebook", &wrong)];
        let lines =
            found(Examination { brokers: vec![settings("broker 1", &RIGHT)], topics, newest_ms: None });
        let told: Vec<&Line> = lines.iter().filter(|line| line.outcome == Outcome::Fail).collect();
        assert_eq!(told.len(), 1, "{lines:?}");
        assert!(told[0].found.contains("cu.rulebook") && told[0].check.ends_with(wrong[at].0));
    }
}

#[test]
fn a_clock_that_goes_behind_is_seen_by_what_others_have_stamped() {
    let stamped = |newest_ms| {
        let examination = Examination { newest_ms: Some(newest_ms), ..Examination::default() };
        drift(&examination, 1_000_000).outcome
    };
    assert_eq!(stamped(1_000_000 + DRIFT_MS.0), Outcome::Ok);
    assert_eq!(stamped(1_000_001 + DRIFT_MS.0), Outcome::Warn);
    assert_eq!(stamped(1_000_001 + DRIFT_MS.1), Outcome::Fail);
}
