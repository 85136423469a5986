//! People, cities and the bank act on `cu.acts`: each act is ruled once, in order, whenever the coordinator dies and
//! whatever becomes of the topic.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::atomic::{AtomicI64, Ordering},
};

use clearing_node::node::{CycleStatus, Node, Request};
use domain::{
    act::{Act, Agreement, Decision},
    release::{Closed, State},
};
use proto::{CycleEvent, Message as _, Plan, RuledAct, cycle_event::Body};

use crate::{
    faults::{Faults, Faulty},
    people::People,
    restored::Kept,
    town::{CITIES, DATE, OPEN, PARTITIONS, Town, is_cut_off, is_opened, wait},
};

const CYCLE: &str = "2018-09-01-001";

/// A town whose people are certified.
fn town(people: &People) -> Town {
    Town { people: Some(people.trust()), ..Town::new() }
}

/// A day in which each city has taps in the other one; its cycle is published.
fn day(town: &Town, node: &Node) {
    town.ask(OPEN, || vec![node], is_opened);
    CITIES.iter().for_each(|city| town.present(city, 1, 3));
    wait("the results", || CITIES.iter().all(|city| town.results(city).len() == 1).then_some(()));
    town.ask(Request::CutOff { opens: Some((DATE.plus_days(1), 1)) }, || vec![node], is_cut_off);
    wait("the folder", || node.status().published(1).cloned());
    wait("the cycle", || closed(&node.status()).folder.map(drop));
}

fn closed(status: &CycleStatus) -> Closed {
    status.closed(CYCLE.parse().unwrap()).unwrap().clone()
}

/// The words on acts, each with where the act stands.
fn words(town: &Town) -> Vec<RuledAct> {
    let word = |event: Body| match event {
        Body::Ruled(ruled) => Some(ruled),
        _ => None,
    };
    town.events().into_iter().filter_map(word).collect()
}

fn ask(town: &Town, payload: Vec<u8>) {
    town.append(&town.topics.acts(), payload);
}

fn agree(status: &CycleStatus, city: &str) -> Act {
    let (closed, city) = (closed(status), city.parse().unwrap());
    let (count, amount_fen) = closed.plan.homes[&city];
    let sha256 = closed.folder.unwrap().issuers[&city].clone();
    Act::Agree { figures: Agreement { cycle: closed.plan.cycle, city, count, amount_fen, sha256 } }
}

fn propose(status: &CycleStatus) -> Act {
    let of = closed(status).released().unwrap();
    Act::Propose { decision: Decision::Release { of, without: Vec::new(), reason: String::new() } }
}

/// What no act is: somebody would like another plan.
fn forged_plan() -> Vec<u8> {
    let plan = Plan { cycle: 1, version: 2, digest: vec![1; 32].into(), ..Plan::default() };
    CycleEvent { body: Some(Body::Plan(plan)) }.encode_to_vec()
}

/// Everything that is asked for: the cycle is released, and the bank refuses it.
fn asked(people: &People, status: &CycleStatus) -> Vec<Vec<u8>> {
    let (approve, refuse) = (
        || Act::Approve { proposal: "p".to_owned() },
        Act::Refuse { cycle: CYCLE.parse().unwrap(), version: 1, reason: "no account".to_owned() },
    );
    let act = |by: &str, id: &str, act: Act| people.act(by, &status.log, id, act);
    vec![
        forged_plan(),
        act(CITIES[0], "a1", agree(status, CITIES[0])),
        act(CITIES[1], "a2", agree(status, CITIES[1])),
        act("li", "p", propose(status)),
        act("li", "p1", approve()),
        act("cu-9999", "p2", approve()),
        act("wang", "p3", approve()),
        act("wang", "p3", approve()),
        act("bank", "r", refuse),
    ]
}

type Files = BTreeMap<PathBuf, Vec<u8>>;

/// All of that, with a coordinator that dies at its append number `at` from the first act on; whether it died, the words
/// and the files of the new version.
fn decided(at: Option<i64>) -> (bool, Vec<RuledAct>, Files) {
    let people = People::new();
    let town = town(&people);
    let faults = Faults {
        appends_left: Some(AtomicI64::new(i64::MAX)),
        last_lands: at.is_some_and(|at| at % 2 == 0),
        ..Faults::default()
    };
    let (log, faults) = Faulty::over(&town.log, faults);
    let mut node = Some(town.node_over("a", &log));
    day(&town, node.as_ref().unwrap());
    let status = node.as_ref().unwrap().status();
    if let (Some(at), Some(left)) = (at, &faults.appends_left) {
        left.store(at, Ordering::SeqCst);
    }
    asked(&people, &status).into_iter().for_each(|payload| ask(&town, payload));
    let mut died = false;
    wait("the new version", || {
        if faults.dead.load(Ordering::SeqCst) && !died {
            died = true;
            node = None;
            node = Some(town.node(if at.is_some_and(|at| at % 3 == 0) { "b" } else { "a" }));
        }
        let is_second = |event: &Body| matches!(event, Body::Published(published) if published.version == 2);
        town.events().iter().any(is_second).then_some(())
    });
    drop(node);
    let died = faults.dead.load(Ordering::SeqCst);
    let plans = town.events().into_iter().filter(|event| matches!(event, Body::Plan(_))).collect::<Vec<_>>();
    assert!(plans.iter().all(|plan| matches!(plan, Body::Plan(plan) if plan.digest[..] != [1; 32])));
    (died, words(&town), town.files(&format!("{CYCLE}.v2")))
}

#[test]
fn acts_are_ruled_once_and_in_order_whenever_the_coordinator_dies() {
    let (_, expected, files) = decided(None);
    let told: Vec<(Option<u64>, &str, bool)> =
        expected.iter().map(|word| (word.place, &*word.by, word.refused.is_empty())).collect();
    assert_eq!(
        told,
        [
            (Some(1), CITIES[0], true),
            (Some(2), CITIES[1], true),
            (Some(3), "li", true),
            (Some(4), "li", false),
            (Some(6), "wang", true),
            (Some(8), "bank", true),
        ],
        "{expected:?}"
    );
    assert!(files.contains_key(&PathBuf::from("positions.csv")), "{:?}", files.keys());
    let mut steps = 0;
    for at in 0.. {
        let (died, words, again) = decided(Some(at));
        assert!(words == expected, "append {at}: {words:?}");
        assert!(again == files, "append {at}");
        if !died {
            break;
        }
        steps = at + 1;
    }
    assert!(steps >= 8, "six words, a plan and a folder are more than {steps} appends");
}

#[test]
fn what_nobody_known_signed_is_passed_over_and_he_hears_why() {
    let people = People::new();
    let town = town(&people);
    let node = town.node("a");
    day(&town, &node);
    let status = node.status();
    let act = |by: &str, id: &str| people.act(by, &status.log, id, propose(&status));
    let heard = |next: u64| {
        let of = |event: Body| match event {
            Body::ActsRead(read) if read.next == next => Some(read.refused),
            _ => None,
        };
        town.events().into_iter().find_map(of)
    };
    ask(&town, act("cu-9999", "p0"));
    let why = wait("why not", || heard(1));
    assert!(why.contains("nobody known to the scheme signed it: `strangers` in the certificate"), "{why}");
    let mut forged = proto::Act::decode(act("li", "p1").as_slice()).unwrap();
    forged.text = [&forged.text[..], b" "].concat().into();
    ask(&town, forged.encode_to_vec());
    let why = wait("why not", || heard(2));
    assert!(why.contains("it signs other bytes"), "{why}");
    assert!(words(&town).is_empty(), "{:?}", words(&town));
    let alarms = node.status().alarms;
    let of_it = |alarm: &&String| alarm.contains("offset 0 of cu.acts is passed over");
    assert_eq!(alarms.iter().filter(of_it).count(), 1, "{alarms:?}");
    ask(&town, act("li", "p2"));
    let word = wait("a word", || words(&town).first().cloned());
    assert_eq!((word.place, &*word.by), (Some(2), "li"));
}

#[test]
fn what_retention_took_is_told_and_what_is_there_is_ruled() {
    let people = People::new();
    let town = town(&people);
    let node = town.node("a");
    day(&town, &node);
    let status = node.status();
    let act = |by: &str, id: &str| people.act(by, &status.log, id, propose(&status));
    ask(&town, act("li", "p0"));
    wait("a word", || words(&town).last().cloned());
    drop(node);
    ["p1", "p2", "p3"].iter().for_each(|id| ask(&town, act("li", id)));
    let (log, faults) = Faulty::over(&town.log, Faults::default());
    *faults.begins.lock().unwrap() = Some(("cu.acts".to_owned(), 3));
    let node = town.node_over("a", &log);
    let word = wait("another word", || words(&town).get(1).cloned());
    assert_eq!(word.place, Some(3));
    let alarms = node.status().alarms;
    assert!(
        alarms.iter().any(|alarm| alarm.contains("begins at offset 3 and was answered up to 1")),
        "{alarms:?}"
    );
    assert!(town.events().iter().any(|event| matches!(event, Body::ActsRead(read) if read.next == 3)));
}

/// The same facts on another log, whose `cu.acts` is a new topic.
fn without_acts(town: &Town, people: &People) -> Town {
    let other = Town { people: Some(people.trust()), ..Town::empty() };
    let mut specs = other.topics.of_centre(PARTITIONS);
    CITIES.iter().for_each(|city| specs.extend(other.topics.of_city(*city)));
    other.log.create_topics(&specs).unwrap();
    let clearing = (0..PARTITIONS).map(|number| town.topics.clearing(number));
    for partition in clearing.chain([town.topics.rulebook(), town.topics.cycles()]) {
        town.read(&partition).into_iter().for_each(|payload| other.append(&partition, payload.to_vec()));
    }
    other
}

#[test]
fn a_topic_that_was_made_anew_is_read_from_its_beginning() {
    let people = People::new();
    let town = town(&people);
    let node = town.node("a");
    day(&town, &node);
    let status = node.status();
    let act = |by: &str, id: &str| people.act(by, &status.log, id, propose(&status));
    ["p0", "p1"].iter().for_each(|id| ask(&town, act("li", id)));
    wait("the words", || (words(&town).len() == 2).then_some(()));
    drop(node);
    for (messages, ids) in [("fewer", vec!["q0"]), ("more", vec!["q0", "q1", "q2"])] {
        let other = without_acts(&town, &people);
        ids.iter().for_each(|id| ask(&other, act("wang", id)));
        let node = other.node("a");
        wait("the words", || (words(&other).len() == 2 + ids.len()).then_some(()));
        let places: Vec<Option<u64>> = words(&other).iter().skip(2).map(|word| word.place).collect();
        assert_eq!(places, (0..ids.len() as u64).map(Some).collect::<Vec<_>>(), "{messages}");
        let alarms = node.status().alarms;
        assert!(alarms.iter().any(|alarm| alarm.contains("cu.acts is another topic")), "{alarms:?}");
    }
}

#[test]
fn acts_go_on_after_a_restore_and_those_of_the_lost_log_do_not_count() {
    let people = People::new();
    let lost = town(&people);
    let node = lost.node("only");
    day(&lost, &node);
    let of_lost = node.status();
    asked(&people, &of_lost).into_iter().take(7).for_each(|payload| ask(&lost, payload));
    wait("the release", || (closed(&node.status()).state == State::Released).then_some(()));
    lost.ask(
        Request::CutOff { opens: None },
        || vec![&node],
        |events| events.iter().any(|event| matches!(event, Body::CutOff(cut) if cut.cycle == 2)),
    );
    wait("the second folder", || node.status().published(2).cloned());
    let kept = Kept::new();
    kept.archive(&lost, 2);
    let said = words(&lost);
    drop(node);

    let town = Town { people: Some(people.trust()), ..Town::empty() };
    kept.restore(&town);
    let node = town.node("only");
    wait("the coordinator", || node.status().caught_up.then_some(()));
    assert_eq!(words(&town), said, "what was ruled stands on the log that was brought back");
    let status = node.status();
    assert_eq!(closed(&status).state, State::Released);
    let refuse = |log: &str, id: &str| {
        let (cycle, version, reason) = (CYCLE.parse().unwrap(), 1, "no account".to_owned());
        people.act("bank", log, id, Act::Refuse { cycle, version, reason })
    };
    ask(&town, refuse(&of_lost.log, "r1"));
    ask(&town, refuse(&status.log, "r2"));
    wait("the words", || (words(&town).len() == said.len() + 2).then_some(()));
    let news: Vec<RuledAct> = words(&town).split_off(said.len());
    assert_eq!([news[0].place, news[1].place], [Some(0), Some(1)]);
    assert!(news[0].refused.contains("it was signed for log"), "{}", news[0].refused);
    assert_eq!(news[1].refused, "");
    let again = kept.restore_error(&town);
    assert!(again.contains("cu.acts/0 is in use: it must be empty"), "{again}");
}
