use domain::result::{RecordResult as R, Rejection};
use proto::{CycleName, ResultException};

use super::*;

/// A city's adapter without its edges: a store, and what it published.
#[derive(Default)]
struct Edge {
    store: BTreeMap<Vec<u8>, Vec<u8>>,
    published: Vec<u64>,
}

impl Edge {
    /// Does one effect.
    fn execute(&mut self, effect: Effect) {
        match effect {
            Effect::Put { key, value } => drop(self.store.insert(key, value)),
            Effect::Delete { key } => drop(self.store.remove(&key)),
            Effect::Publish { number } => self.published.push(number),
            Effect::Stop { .. } => {}
        }
    }

    fn load(&self) -> Journal {
        Journal::load(city(), self.store.clone()).unwrap()
    }

    fn step(&mut self, journal: &mut Journal, input: Input) {
        for effect in journal.step(input).unwrap() {
            self.execute(effect);
        }
    }
}

fn city() -> City {
    "cu-2000".parse().unwrap()
}

fn digest(file: &str, place: u8) -> [u8; 32] {
    proto::digest::bytes(format!("{file} {place}").as_bytes())
}

fn begin(name: &str) -> Input {
    Input::Begin { name: name.to_owned() }
}

fn cut(number: u64, file: &str, place: u8) -> Input {
    Input::Cut(CutBatch { number, digest: digest(file, place), records: 4 })
}

/// Takes a whole file of `batches` batches.
fn inputs(journal: &Journal, name: &str, batches: u8) -> Vec<Input> {
    let first = journal.taking.as_ref().map_or(journal.last_number() + 1, |row| row.first_number);
    let mut inputs = vec![begin(name)];
    inputs.extend((0..batches).map(|place| cut(first + u64::from(place), name, place)));
    inputs.push(Input::Durable { through: first + u64::from(batches) - 1 });
    let summary =
        Summary { sha256: [7; 32], records: 9, malformed: 1, local: 1, presented: 7, amount_fen: 70 };
    inputs.push(Input::End(summary));
    inputs
}

fn taken(batches: u8) -> (Edge, Journal) {
    let (mut edge, mut journal) = (Edge::default(), Journal::new(city()));
    for input in inputs(&journal, "a.csv", batches) {
        edge.step(&mut journal, input);
    }
    (edge, journal)
}

/// A result of batch `number` that arrived in cycle 1, with exceptions (position, result, cycle).
fn result(number: u64, exceptions: &[(u32, R, u32)]) -> BatchResult {
    let exception = |(position, result, cycle): &(u32, R, u32)| ResultException {
        position: *position,
        result: result.code().into(),
        cycle: *cycle,
    };
    BatchResult {
        acquirer: "cu-2000".to_owned(),
        number,
        digest: digest("a.csv", u8::try_from(number - 1).unwrap()).to_vec().into(),
        records: 4,
        cycle: 1,
        exceptions: exceptions.iter().map(exception).collect(),
        cycles: (1..=3).map(|cycle| CycleName { cycle, name: format!("2018-09-0{cycle}-001") }).collect(),
    }
}

fn feed(journal: &mut Journal, message: BatchResult) -> Vec<Effect> {
    let next_offset = journal.results_offset() + 1;
    journal.step(Input::Result { message, next_offset }).unwrap()
}

fn outcomes(journal: &Journal, number: u64) -> Vec<(R, u32)> {
    let (records, known) = journal.result_of(number).unwrap();
    let known = known.unwrap();
    (0..u16::try_from(records).unwrap()).map(|p| known.at(p)).map(|o| (o.result, o.cycle)).collect()
}

#[test]
fn a_batch_is_journaled_before_it_is_published_and_numbers_go_on_over_files() {
    let mut journal = Journal::new(city());
    assert_eq!(journal.step(begin("a.csv")).unwrap().len(), 1);
    for number in [1, 2] {
        let effects = journal.step(cut(number, "a.csv", 0)).unwrap();
        assert!(matches!(&effects[..], [Effect::Put { .. }, Effect::Publish { number: n }] if *n == number));
    }
    journal.step(Input::Durable { through: 2 }).unwrap();
    journal.step(Input::End(Summary::default())).unwrap();
    journal.step(begin("b.csv")).unwrap();
    assert_eq!(journal.number_of(), Some(3));
    assert_eq!((journal.last_number(), journal.unanswered()), (2, 2));
}

#[test]
fn after_a_crash_between_any_two_effects_a_file_is_taken_as_if_nothing_had_happened() {
    let (whole, _) = taken(3);
    let mut crashes = 0;
    for crash_after in 0.. {
        let (mut edge, mut journal) = (Edge::default(), Journal::new(city()));
        let mut left = crash_after;
        let mut crashed = false;
        'run: for input in inputs(&journal, "a.csv", 3) {
            for effect in journal.step(input).unwrap() {
                if left == 0 {
                    crashed = true;
                    break 'run;
                }
                left -= 1;
                edge.execute(effect);
            }
        }
        if !crashed {
            break;
        }
        crashes += 1;
        let mut journal = edge.load();
        if journal.upload("a.csv").is_none() {
            for input in inputs(&journal, "a.csv", 3) {
                edge.step(&mut journal, input);
            }
        }
        assert_eq!(edge.load().upload("a.csv"), whole.load().upload("a.csv"), "crash after {crash_after}");
        assert_eq!(edge.load().last_number(), 3);
        let mut once = edge.published.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once, [1, 2, 3], "crash after {crash_after}: {:?}", edge.published);
    }
    assert!(crashes >= 9, "{crashes}");
}

#[test]
fn what_a_crash_left_of_a_finished_file_does_not_hide_the_one_begun_after_it() {
    let (mut edge, mut journal) = (Edge::default(), Journal::new(city()));
    let mut all = inputs(&journal, "b.csv", 1);
    let end = all.pop().unwrap();
    for input in all {
        edge.step(&mut journal, input);
    }
    let effects = journal.step(end).unwrap();
    edge.execute(effects[0].clone());
    let mut journal = edge.load();
    edge.step(&mut journal, begin("a.csv"));
    edge.step(&mut journal, cut(2, "a.csv", 0));
    assert_eq!(
        edge.load().in_progress(),
        Some("a.csv"),
        "its batch 2 is journaled but perhaps not published"
    );
}

#[test]
fn what_is_durable_is_not_published_again() {
    let (mut edge, mut journal) = (Edge::default(), Journal::new(city()));
    for input in [begin("a.csv"), cut(1, "a.csv", 0), cut(2, "a.csv", 1), Input::Durable { through: 1 }] {
        edge.step(&mut journal, input);
    }
    let mut journal = edge.load();
    assert_eq!(journal.in_progress(), Some("a.csv"));
    journal.step(begin("a.csv")).unwrap();
    assert_eq!(journal.step(cut(1, "a.csv", 0)).unwrap(), []);
    assert_eq!(journal.step(cut(2, "a.csv", 1)).unwrap(), [Effect::Publish { number: 2 }]);
}

#[test]
fn a_file_that_changed_after_it_was_journaled_is_not_taken() {
    let (mut edge, mut journal) = (Edge::default(), Journal::new(city()));
    for input in [begin("a.csv"), cut(1, "a.csv", 0), cut(2, "a.csv", 1)] {
        edge.step(&mut journal, input);
    }
    let changed = |number| JournalError::FileChanged { city: city(), name: "a.csv".to_owned(), number };
    let mut other = edge.load();
    other.step(begin("a.csv")).unwrap();
    assert_eq!(other.step(cut(1, "other", 0)), Err(changed(1)));
    let mut shorter = edge.load();
    shorter.step(begin("a.csv")).unwrap();
    shorter.step(cut(1, "a.csv", 0)).unwrap();
    shorter.step(Input::Durable { through: 2 }).unwrap();
    assert_eq!(shorter.step(Input::End(Summary::default())), Err(changed(2)));
    let another = edge.load().step(begin("0.csv"));
    assert_eq!(another, Err(JournalError::InProgress { city: city(), name: "a.csv".to_owned() }));
}

#[test]
fn a_file_of_which_nothing_was_journaled_gives_way() {
    let (mut edge, mut journal) = (Edge::default(), Journal::new(city()));
    edge.step(&mut journal, begin("a.csv"));
    let mut journal = edge.load();
    assert_eq!(journal.in_progress(), None);
    edge.step(&mut journal, begin("0.csv"));
    edge.step(&mut journal, cut(1, "0.csv", 0));
    assert_eq!(edge.load().in_progress(), Some("0.csv"));
}

#[test]
fn a_file_does_not_end_before_all_of_it_is_durable() {
    let mut journal = Journal::new(city());
    for input in [begin("a.csv"), cut(1, "a.csv", 0), cut(2, "a.csv", 1), Input::Durable { through: 1 }] {
        journal.step(input).unwrap();
    }
    let early = journal.step(Input::End(Summary::default()));
    assert!(matches!(early, Err(JournalError::OutOfOrder { .. })), "{early:?}");
}

#[test]
fn final_beats_parked_and_a_later_cycle_an_earlier_one() {
    let late = R::Rejected(Rejection::Late);
    let (mut edge, mut journal) = taken(1);
    let first = result(1, &[(0, late, 1), (1, R::Parked, 1), (2, R::Parked, 1)]);
    for effect in feed(&mut journal, first.clone()) {
        edge.execute(effect);
    }
    let want = [(late, 1), (R::Parked, 1), (R::Parked, 1), (R::Cleared, 1)];
    assert_eq!(outcomes(&journal, 1), want);
    assert_eq!(journal.unfinished().collect::<Vec<_>>(), [1]);

    let second = result(1, &[(0, late, 1), (1, R::Cleared, 2), (2, R::Parked, 2)]);
    let third = result(1, &[(0, late, 1), (1, R::Cleared, 2), (2, R::Rejected(Rejection::TacInvalid), 3)]);
    let after_second = [(late, 1), (R::Cleared, 2), (R::Parked, 2), (R::Cleared, 1)];
    for message in [second.clone(), first.clone(), second.clone()] {
        for effect in feed(&mut journal, message) {
            edge.execute(effect);
        }
        assert_eq!(outcomes(&journal, 1), after_second, "repeats and older ones change nothing");
    }
    assert_eq!(outcomes(&edge.load(), 1), after_second);
    assert!(!journal.is_complete(journal.upload("a.csv").unwrap()));

    for effect in feed(&mut journal, third) {
        edge.execute(effect);
    }
    let want = [(late, 1), (R::Cleared, 2), (R::Rejected(Rejection::TacInvalid), 3), (R::Cleared, 1)];
    assert_eq!(outcomes(&edge.load(), 1), want);
    assert!(journal.is_complete(journal.upload("a.csv").unwrap()));
    feed(&mut journal, first);
    assert_eq!(outcomes(&journal, 1), want);
    assert_eq!((journal.unfinished().count(), journal.stopped()), (0, None));
}

#[test]
fn a_result_that_disagrees_with_the_journal_stops_the_city() {
    let (edge, _) = taken(3);
    let other_digest = BatchResult { digest: vec![1; 32].into(), ..result(1, &[]) };
    let unknown = BatchResult { number: 4, ..result(1, &[]) };
    let none = BatchResult { number: 0, ..result(1, &[]) };
    let foreign = BatchResult { acquirer: "cu-3000".to_owned(), ..result(1, &[]) };
    let longer = BatchResult { records: 5, ..result(1, &[]) };
    let unnamed = BatchResult { cycles: Vec::new(), ..result(1, &[]) };
    let table = [
        (other_digest, "has another digest than the batch"),
        (unknown, "speaks of a batch that the journal does not have"),
        (none, "speaks of a batch that the journal does not have"),
        (foreign, "is of cu-3000"),
        (result(2, &[]), "came before the one of batch 1"),
        (longer, "speaks of 5 records, the batch has 4"),
        (unnamed, "does not name its cycles"),
        (result(1, &[(4, R::Parked, 1)]), "has an unreadable exception"),
        (result(1, &[(2, R::Parked, 1), (2, R::Parked, 1)]), "has an unreadable exception"),
    ];
    for (message, want) in table {
        let mut journal = edge.load();
        let effects = feed(&mut journal, message);
        assert!(
            matches!(&effects[..], [Effect::Stop { reason }] if reason.contains(want)),
            "{effects:?}, want {want}"
        );
        assert_eq!(feed(&mut journal, result(1, &[])), [], "a stopped city takes nothing in");
        let begun = journal.step(begin("b.csv"));
        assert!(matches!(begun, Err(JournalError::Stopped { .. })), "{begun:?}");
        assert_eq!(edge.load().results_offset(), 0, "it is seen again after a restart");
    }
}

#[test]
fn two_final_results_that_differ_stop_the_city() {
    let (_, mut journal) = taken(1);
    feed(&mut journal, result(1, &[(0, R::Parked, 1), (1, R::Duplicate, 1)]));
    let effects = feed(&mut journal, result(1, &[(0, R::Parked, 1), (1, R::Conflict, 1)]));
    assert!(matches!(&effects[..], [Effect::Stop { .. }]), "{effects:?}");
}

#[test]
fn a_closed_file_keeps_only_what_recognises_repeats() {
    let (mut edge, mut journal) = taken(2);
    let close = || Input::Close { name: "a.csv".to_owned() };
    for number in [1, 2] {
        let early = journal.step(close());
        assert!(matches!(early, Err(JournalError::OutOfOrder { .. })), "{early:?}");
        for effect in feed(&mut journal, result(number, &[(0, R::Duplicate, 1)])) {
            edge.execute(effect);
        }
    }
    edge.step(&mut journal, close());
    let mut journal = edge.load();
    assert!(journal.upload("a.csv").unwrap().closed);
    assert!(!edge.store.keys().any(|key| key.first() == Some(&b'R')));
    assert_eq!((journal.unanswered(), journal.unfinished().count()), (0, 0));
    feed(&mut journal, result(1, &[(0, R::Duplicate, 1)]));
    assert_eq!(journal.stopped(), None);
    feed(&mut journal, BatchResult { digest: vec![1; 32].into(), ..result(1, &[]) });
    assert!(journal.stopped().is_some());
}

#[test]
fn a_refused_name_stays_refused() {
    let (mut edge, mut journal) = (Edge::default(), Journal::new(city()));
    let refuse = |byte| {
        let (name, reason) = ("a.csv".to_owned(), "why".to_owned());
        Input::Refuse { name, sha256: [byte; 32], records: 3, reason }
    };
    edge.step(&mut journal, refuse(1));
    edge.step(&mut journal, refuse(2));
    assert!(journal.step(refuse(2)).is_err());
    let mut journal = edge.load();
    assert_eq!(journal.uploads().count(), 2);
    assert!(journal.upload_of("a.csv", [2; 32]).is_some() && journal.upload_of("a.csv", [3; 32]).is_none());
    assert!(journal.step(begin("a.csv")).is_err());
}

#[test]
fn rows_that_cannot_be_read_are_named() {
    let (edge, _) = taken(2);
    for (key, value) in [(&b"Z"[..], &b""[..]), (b"B\0", b""), (b"D", b"\xFF")] {
        let mut store = edge.store.clone();
        store.insert(key.to_vec(), value.to_vec());
        let error = Journal::load(city(), store).unwrap_err();
        assert_eq!(error, JournalError::Row { city: city(), key: key.to_vec() });
    }
    let mut store = edge.store.clone();
    store.remove(&Key::Batch(1).bytes());
    assert!(Journal::load(city(), store).is_err(), "a hole in the numbers");
}

#[test]
fn with_a_restored_log_what_it_does_not_know_is_taken_back_and_given_out_again() {
    let (mut edge, mut journal) = taken(3);
    for input in inputs(&journal, "b.csv", 2) {
        edge.step(&mut journal, input);
    }
    for number in 1..=2 {
        for effect in feed(&mut journal, result(number, &[])) {
            edge.execute(effect);
        }
    }
    let too_many = journal.step(Input::Rejoin { known: 6 }).unwrap_err();
    assert!(too_many.to_string().contains("older than the log"), "{too_many}");

    edge.step(&mut journal, Input::Rejoin { known: 2 });
    for mut journal in [edge.load(), journal] {
        assert_eq!((journal.last_number(), journal.durable(), journal.results_offset()), (2, 2, 0));
        assert_eq!(journal.uploads().len(), 0);
        assert_eq!(journal.in_progress(), Some("a.csv"), "the first goes on where the log ends");
        let refused = journal.step(begin("b.csv")).unwrap_err();
        assert!(matches!(refused, JournalError::InProgress { .. }), "{refused}");
        let mut again = Edge { store: edge.store.clone(), published: Vec::new() };
        for name in ["a.csv", "b.csv"] {
            let batches = if name == "a.csv" { 3 } else { 2 };
            for input in inputs(&journal, name, batches) {
                again.step(&mut journal, input);
            }
        }
        assert_eq!(again.published, [3, 4, 5]);
        // Results are read from the beginning: what was final is so still.
        assert_eq!(feed(&mut journal, result(1, &[])).len(), 1, "only the position moves");
        assert!(journal.stopped().is_none());
    }
}

#[test]
fn with_a_log_that_knows_everything_only_results_are_read_again() {
    let (mut edge, mut journal) = taken(2);
    feed(&mut journal, result(1, &[]));
    edge.step(&mut journal, Input::Rejoin { known: 2 });
    assert_eq!((journal.last_number(), journal.durable(), journal.results_offset()), (2, 2, 0));
    assert_eq!(journal.uploads().len(), 1);
    assert_eq!(journal.in_progress(), None);
}
