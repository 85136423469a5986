//! Hand-made disputes with their items, every refusal, and the property: whatever is said, no fen moves twice.

use proptest::prelude::*;

use super::*;
use crate::{
    act::{REASON_LEN_MAX, Role},
    result::{RecordResult, Rejection},
    settlement::settle,
    terms::DisputeTerms,
    testing::{city, date, rulebook},
};

const SHANGHAI: &str = "cu-2000";
const TIANJIN: &str = "cu-3000";
const CHONGQING: &str = "cu-4000";

fn cycle(name: &str) -> CycleName {
    name.parse().unwrap()
}

/// A cycle of September 2018 with the default windows: 30 days to dispute, 10 to answer.
fn day(day: u32) -> OpenCycle {
    let published_to = cycle(&format!("2018-09-{:02}-001", day - 1));
    OpenCycle {
        name: cycle(&format!("2018-09-{day:02}-001")),
        published_to: Some(published_to),
        terms: DisputeTerms::default(),
    }
}

fn by(name: &str) -> Signer {
    let role = match name {
        "bank" => Role::Bank,
        "batch" => Role::Batch,
        "wang" => Role::Operations,
        city => Role::City(city.parse().unwrap()),
    };
    Signer { name: name.to_owned(), role }
}

/// A ride in Shanghai with a card of Tianjin, in the cycle of 1 September.
fn ride(line: u64, result: RecordResult) -> Record {
    Record {
        cycle: cycle("2018-09-01-001"),
        acquirer: city(SHANGHAI),
        issuer: city(TIANJIN),
        file: "2018-09-01.csv".to_owned(),
        line,
        terminal: "200000000001".to_owned(),
        terminal_seq: u32::try_from(line).unwrap(),
        amount_fen: 500,
        result,
    }
}

fn paid(line: u64) -> Record {
    ride(line, RecordResult::Cleared)
}

fn late(line: u64) -> Record {
    ride(line, RecordResult::Rejected(Rejection::Late))
}

fn whole(paid: bool) -> Subject {
    Subject::File(WholeFile {
        cycle: cycle("2018-09-01-001"),
        acquirer: city(SHANGHAI),
        issuer: city(TIANJIN),
        file: "2018-09-01.csv".to_owned(),
        paid,
        count: 4,
        amount_fen: 2000,
    })
}

fn open(record: Record) -> DisputeAct {
    open_part(Subject::Record(record), None)
}

fn open_part(subject: Subject, amount_fen: Option<u64>) -> DisputeAct {
    DisputeAct::Open { subject, amount_fen, reason: "never rode there".to_owned() }
}

fn answer(dispute: &str, answer: Answer) -> DisputeAct {
    DisputeAct::Answer { dispute: dispute.to_owned(), answer, reason: "looked at it".to_owned() }
}

fn withdraw(dispute: &str) -> DisputeAct {
    DisputeAct::Withdraw { dispute: dispute.to_owned(), reason: "was a mistake".to_owned() }
}

fn decide(disputes: &mut Disputes, dispute: &str, outcome: Outcome) -> Result<Option<Item>, Refusal> {
    let verdict = Verdict { dispute: dispute.to_owned(), outcome, reason: "camera".to_owned() };
    disputes.decide("wang, li", &verdict, &day(20))
}

fn refund(record: Record, amount_fen: u64, back_fen: u64) -> DisputeAct {
    DisputeAct::Refund { record, amount_fen, back_fen, reason: "gate stayed shut".to_owned() }
}

/// Opens a dispute and gives its id.
fn opened(disputes: &mut Disputes, opener: &str, act: &DisputeAct, today: u32) -> String {
    disputes.act(&by(opener), act, &day(today)).unwrap()[0].id.clone()
}

/// Kind, debtor, creditor, fen, reference, reason.
fn told(item: &Item) -> (&'static str, String, String, u64, &str, &str) {
    let (debtor, creditor) = (item.debtor.to_string(), item.creditor.to_string());
    (item.kind.word(), debtor, creditor, item.amount_fen, &item.reference, &item.reason)
}

#[test]
fn a_home_city_asks_back_and_the_acquirer_accepts() {
    let mut disputes = Disputes::default();
    let items = disputes.act(&by(TIANJIN), &open(paid(2)), &day(3)).unwrap();
    let id = items[0].id.clone();
    assert_eq!(items.len(), 1);
    let (shanghai, tianjin) = (SHANGHAI.to_owned(), TIANJIN.to_owned());
    let place = "cu-2000/2018-09-01.csv:2";
    let reason = "cu-3000: never rode there";
    assert_eq!(told(&items[0]), ("dispute", shanghai.clone(), tianjin.clone(), 500, place, reason));
    assert_eq!(items[0].original_cycle, Some(cycle("2018-09-01-001")));
    assert_eq!(disputes.get(&id).unwrap().answer_by, date("2018-09-13"));
    assert_eq!(disputes.moved_fen(&Subject::Record(paid(2))), 0, "opening moves nothing");

    let items = disputes.act(&by(SHANGHAI), &answer(&id, Answer::Accept), &day(4)).unwrap();
    assert_eq!(items[0].id, format!("{id}-adjustment"));
    let reason = "cu-2000 accepts: looked at it";
    assert_eq!(told(&items[0]), ("adjustment", shanghai, tianjin, 500, place, reason));
    assert_eq!(disputes.moved_fen(&Subject::Record(paid(2))), 500);
    let dispute = disputes.get(&id).unwrap();
    assert_eq!(dispute.state, State::Passed);
    let steps: Vec<_> = dispute.steps.iter().map(|step| (step.cycle, step.state.word())).collect();
    assert_eq!(steps, [(cycle("2018-09-03-001"), "open"), (cycle("2018-09-04-001"), "passed")]);
}

#[test]
fn silence_accepts_with_the_first_cycle_after_the_last_day() {
    let mut disputes = Disputes::default();
    let id = opened(&mut disputes, SHANGHAI, &open(late(2)), 3);
    assert_eq!(disputes.opened(cycle("2018-09-13-002")), [], "the last day counts to its end");
    let items = disputes.opened(cycle("2018-09-14-001"));
    let expected = (
        "adjustment",
        TIANJIN.to_owned(),
        SHANGHAI.to_owned(),
        500,
        "cu-2000/2018-09-01.csv:2",
        "no answer by 2018-09-13",
    );
    assert_eq!(items.iter().map(told).collect::<Vec<_>>(), [expected], "the acquirer asked, it receives");
    assert_eq!(disputes.get(&id).unwrap().steps[1].by, None);
    assert_eq!(disputes.opened(cycle("2018-09-14-001")), [], "once");
    assert_eq!(disputes.opened(cycle("2018-09-15-001")), [], "once");
}

#[test]
fn a_contested_dispute_waits_for_operations_and_no_deadline_ends_it() {
    for (outcome, moved) in [(Outcome::Passed, 500), (Outcome::BadDebt, 0)] {
        let mut disputes = Disputes::default();
        let id = opened(&mut disputes, TIANJIN, &open(paid(2)), 3);
        assert_eq!(disputes.act(&by(SHANGHAI), &answer(&id, Answer::Contest), &day(4)), Ok(Vec::new()));
        assert_eq!(disputes.opened(cycle("2018-12-01-001")), []);
        let items: Vec<Item> = decide(&mut disputes, &id, outcome).unwrap().into_iter().collect();
        let sum: u64 = items.iter().map(|item| item.amount_fen).sum();
        assert_eq!((sum, disputes.moved_fen(&Subject::Record(paid(2)))), (moved, moved), "{outcome:?}");
        if moved > 0 {
            assert_eq!(items[0].reason, "decided: camera");
        }
        assert!(disputes.get(&id).unwrap().state.is_over());
    }
}

#[test]
fn what_was_withdrawn_may_be_opened_again_under_another_id() {
    let mut disputes = Disputes::default();
    let first = opened(&mut disputes, TIANJIN, &open(paid(2)), 3);
    assert_eq!(disputes.act(&by(TIANJIN), &withdraw(&first), &day(3)), Ok(Vec::new()));
    assert_eq!(disputes.opened(cycle("2018-09-30-001")), [], "nothing falls due any more");
    let second = opened(&mut disputes, TIANJIN, &open(paid(2)), 5);
    assert_ne!(first, second);
    assert!(disputes.act(&by(SHANGHAI), &answer(&second, Answer::Contest), &day(5)).is_ok());
    assert!(disputes.act(&by(TIANJIN), &withdraw(&second), &day(6)).is_ok(), "also when contested");
}

#[test]
fn refunds_in_parts_never_come_to_more_than_the_record() {
    let mut disputes = Disputes::default();
    let mut say = |act: DisputeAct, today| disputes.act(&by(SHANGHAI), &act, &day(today));
    let items = say(refund(paid(2), 200, 0), 2).unwrap();
    let first = items[0].id.clone();
    let expected = (
        "refund",
        SHANGHAI.to_owned(),
        TIANJIN.to_owned(),
        200,
        "cu-2000/2018-09-01.csv:2",
        "cu-2000: gate stayed shut",
    );
    assert_eq!(items.iter().map(told).collect::<Vec<_>>(), [expected]);
    let twice = say(refund(paid(2), 200, 0), 2);
    assert_eq!(twice, Err(Refusal::BackBefore { back_fen: 200, said_fen: 0 }), "said twice counts once");
    let beyond = say(refund(paid(2), 301, 200), 2);
    assert_eq!(beyond, Err(Refusal::Amount { amount_fen: 301, left_fen: 300 }));
    let rest = say(refund(paid(2), 300, 200), 3).unwrap();
    assert_ne!(rest[0].id, first);
    assert_eq!(say(refund(paid(2), 1, 500), 3), Err(Refusal::NothingLeft { amount_fen: 500 }));
    let asked = disputes.act(&by(TIANJIN), &open(paid(2)), &day(3));
    assert_eq!(asked, Err(Refusal::NothingLeft { amount_fen: 500 }));
    assert_eq!(disputes.refunds().count(), 2);
}

#[test]
fn a_dispute_asks_for_what_a_refund_left() {
    let mut disputes = Disputes::default();
    assert!(disputes.act(&by(SHANGHAI), &refund(paid(2), 200, 0), &day(2)).is_ok());
    let items = disputes.act(&by(TIANJIN), &open(paid(2)), &day(2)).unwrap();
    assert_eq!(items[0].amount_fen, 300);
    let id = items[0].id.clone();
    let open_still = disputes.act(&by(SHANGHAI), &refund(paid(2), 1, 200), &day(2));
    assert_eq!(open_still, Err(Refusal::AlreadyOpen { dispute: id.clone() }));
    assert!(disputes.act(&by(SHANGHAI), &answer(&id, Answer::Accept), &day(2)).is_ok());
    assert_eq!(disputes.moved_fen(&Subject::Record(paid(2))), 500);
}

/// The same ride, rejected in one cycle and presented again in another, is paid once.
#[test]
fn what_was_not_paid_is_known_by_its_identity_over_all_cycles() {
    let mut disputes = Disputes::default();
    let again = Record { cycle: cycle("2018-09-02-001"), file: "again.csv".to_owned(), ..late(2) };
    let id = opened(&mut disputes, SHANGHAI, &open(late(2)), 3);
    let second = disputes.act(&by(SHANGHAI), &open(again.clone()), &day(3));
    assert_eq!(second, Err(Refusal::AlreadyOpen { dispute: id.clone() }));
    assert!(disputes.act(&by(TIANJIN), &answer(&id, Answer::Accept), &day(3)).is_ok());
    let second = disputes.act(&by(SHANGHAI), &open(again), &day(3));
    assert_eq!(second, Err(Refusal::NothingLeft { amount_fen: 500 }));
    // A card of the other scheme with the same terminal and sequence is another ride.
    let other = Record { issuer: city("tu-3000"), ..late(2) };
    assert!(disputes.act(&by(SHANGHAI), &open(other), &day(3)).is_ok());
}

/// A conflict and the record that was paid have one identity; each is asked for by its own city.
#[test]
fn a_conflict_and_the_record_paid_before_it_are_two_claims() {
    let mut disputes = Disputes::default();
    let conflict = Record { terminal_seq: 2, ..ride(9, RecordResult::Conflict) };
    let back = opened(&mut disputes, TIANJIN, &open(paid(2)), 3);
    let forth = opened(&mut disputes, SHANGHAI, &open(conflict.clone()), 3);
    assert!(disputes.act(&by(SHANGHAI), &answer(&back, Answer::Accept), &day(3)).is_ok());
    assert!(disputes.act(&by(TIANJIN), &answer(&forth, Answer::Accept), &day(3)).is_ok());
    assert_eq!(disputes.moved_fen(&Subject::Record(paid(2))), 500);
    assert_eq!(disputes.moved_fen(&Subject::Record(conflict)), 500);
}

/// Where the rules leave it to a person, silence does too.
#[test]
fn nobody_pays_for_a_conflict_by_being_silent() {
    let mut disputes = Disputes::default();
    let conflict = opened(&mut disputes, SHANGHAI, &open(ride(9, RecordResult::Conflict)), 3);
    let plain = opened(&mut disputes, SHANGHAI, &open(late(12)), 3);
    let items = disputes.opened("2018-10-30-001".parse().unwrap());
    assert_eq!(items.len(), 1, "{items:?}");
    let state = |id: &str| disputes.get(id).unwrap().state;
    assert_eq!((state(&conflict), state(&plain)), (State::Contested, State::Passed));
    assert_eq!(disputes.clone().opened("2018-10-31-001".parse().unwrap()), []);
}

#[test]
fn a_file_is_disputed_as_a_whole_or_record_by_record() {
    let mut disputes = Disputes::default();
    let items = disputes.act(&by(TIANJIN), &open_part(whole(true), None), &day(3)).unwrap();
    assert_eq!((items[0].amount_fen, items[0].reference.as_str()), (2000, "cu-2000/2018-09-01.csv"));
    let id = items[0].id.clone();
    let one = disputes.act(&by(TIANJIN), &open(paid(2)), &day(3));
    assert_eq!(one, Err(Refusal::InWholeFile { dispute: id.clone(), state: State::Open }));
    let one = disputes.act(&by(SHANGHAI), &refund(paid(2), 1, 0), &day(3));
    assert_eq!(one, Err(Refusal::InWholeFile { dispute: id.clone(), state: State::Open }));
    // What was not paid of the same file is another matter.
    assert!(disputes.act(&by(SHANGHAI), &open(late(7)), &day(3)).is_ok());
    let others = disputes.act(&by(SHANGHAI), &open_part(whole(false), None), &day(3));
    assert_eq!(others, Err(Refusal::OneByOne { records: 1 }));

    assert!(disputes.act(&by(TIANJIN), &withdraw(&id), &day(3)).is_ok());
    let one = opened(&mut disputes, TIANJIN, &open(paid(2)), 3);
    let again = disputes.act(&by(TIANJIN), &open_part(whole(true), None), &day(3));
    assert_eq!(again, Err(Refusal::OneByOne { records: 1 }));
    assert!(disputes.act(&by(TIANJIN), &withdraw(&one), &day(3)).is_ok());
    let again = opened(&mut disputes, TIANJIN, &open_part(whole(true), None), 3);
    assert!(disputes.act(&by(SHANGHAI), &answer(&again, Answer::Accept), &day(3)).is_ok());
    let one = disputes.act(&by(TIANJIN), &open(paid(2)), &day(3));
    assert_eq!(one, Err(Refusal::InWholeFile { dispute: again, state: State::Passed }));
}

/// A record that was refused may stand in two files: whoever has the files is told with which disputes to compare.
#[test]
fn what_may_be_asked_for_under_another_file_is_told() {
    let mut disputes = Disputes::default();
    let id = opened(&mut disputes, SHANGHAI, &open_part(whole(false), None), 3);
    let again = Record { cycle: cycle("2018-09-02-001"), file: "2018-09-02.csv".to_owned(), ..late(2) };
    let beside = |disputes: &Disputes, subject: Subject| -> Vec<String> {
        disputes.beside(&subject).map(|dispute| dispute.id.clone()).collect()
    };
    assert_eq!(beside(&disputes, Subject::Record(again.clone())), [id.as_str()]);
    for (subject, why) in [
        (Subject::Record(late(2)), "of the same file"),
        (Subject::Record(Record { result: RecordResult::Cleared, ..again.clone() }), "it was paid"),
        (Subject::Record(Record { acquirer: city(CHONGQING), ..again.clone() }), "of another acquirer"),
    ] {
        assert_eq!(beside(&disputes, subject), Vec::<String>::new(), "{why}");
    }
    disputes.act(&by(SHANGHAI), &withdraw(&id), &day(4)).unwrap();
    assert_eq!(beside(&disputes, Subject::Record(again.clone())), Vec::<String>::new(), "withdrawn");
    let one = opened(&mut disputes, SHANGHAI, &open(again.clone()), 4);
    assert_eq!(beside(&disputes, whole(false)), [one]);
    assert_eq!(beside(&disputes, Subject::Record(Record { line: 9, ..late(2) })), Vec::<String>::new());
}

#[test]
fn a_part_may_be_asked_for_and_later_the_rest() {
    let mut disputes = Disputes::default();
    let part = open_part(Subject::Record(paid(2)), Some(120));
    let id = opened(&mut disputes, TIANJIN, &part, 3);
    assert!(disputes.act(&by(SHANGHAI), &answer(&id, Answer::Accept), &day(3)).is_ok());
    let beyond = open_part(Subject::Record(paid(2)), Some(381));
    let beyond = disputes.act(&by(TIANJIN), &beyond, &day(3));
    assert_eq!(beyond, Err(Refusal::Amount { amount_fen: 381, left_fen: 380 }));
    let rest = disputes.act(&by(TIANJIN), &open(paid(2)), &day(3)).unwrap();
    assert_eq!(rest[0].amount_fen, 380);
}

#[test]
fn the_window_ends_to_the_day_and_an_answer_keeps_its_own() {
    let mut disputes = Disputes::default();
    let at = |name: &str, dispute_days, answer_days| OpenCycle {
        name: cycle(name),
        published_to: Some(cycle("2018-09-01-001")),
        terms: DisputeTerms { dispute_days, answer_days },
    };
    let mut open_at = |line, today: &OpenCycle| disputes.act(&by(TIANJIN), &open(paid(line)), today);
    let until = date("2018-09-06");
    let over = Err(Refusal::WindowOver { cycle: cycle("2018-09-01-001"), until });
    assert_eq!(open_at(2, &at("2018-09-07-001", 5, 1)), over);
    for published_to in [None, Some(cycle("2018-08-31-001"))] {
        let not_yet = Refusal::NotPublished { cycle: cycle("2018-09-01-001") };
        let today = OpenCycle { published_to, ..at("2018-09-01-002", 5, 1) };
        assert_eq!(open_at(2, &today), Err(not_yet));
    }
    assert!(open_at(2, &at("2018-09-01-002", 5, 1)).is_ok(), "a later cycle of the same date");
    assert!(open_at(3, &at("2018-09-06-001", 5, 1)).is_ok());
    let refunded = disputes.act(&by(SHANGHAI), &refund(paid(4), 1, 0), &at("2018-09-07-001", 5, 1));
    assert_eq!(refunded, over);
    assert_eq!(disputes.opened(cycle("2018-09-03-001")).len(), 1, "answer_days as it was when opened");
    assert_eq!(disputes.opened(cycle("2018-09-07-001")).len(), 0);
    assert_eq!(disputes.opened(cycle("2018-09-08-001")).len(), 1);
}

#[test]
fn who_may_say_what() {
    let mut disputes = Disputes::default();
    let back = opened(&mut disputes, TIANJIN, &open(paid(2)), 3);
    let mut refused = |name: &str, act: DisputeAct| {
        let before = disputes.clone();
        let refusal = disputes.act(&by(name), &act, &day(3)).unwrap_err();
        assert_eq!(disputes, before, "{refusal}");
        refusal.to_string()
    };
    for (name, act, expected) in [
        ("wang", open(paid(3)), "wang (operations) is no city"),
        ("bank", answer(&back, Answer::Accept), "bank (bank) is no city"),
        ("batch", withdraw(&back), "batch is no city"),
        (CHONGQING, open(paid(3)), "cu-4000 is neither the city where the card was used (cu-2000) nor"),
        (CHONGQING, answer(&back, Answer::Accept), "cu-4000 is neither"),
        (TIANJIN, answer(&back, Answer::Accept), "was opened by cu-3000 itself; cu-2000 answers it"),
        (SHANGHAI, withdraw(&back), "only cu-3000, who opened"),
        (TIANJIN, open(paid(2)), "is about it and still waits"),
        (TIANJIN, open(late(3)), "the home city did not pay this"),
        (SHANGHAI, open(paid(3)), "to give it back use `cityunion refund`"),
        (TIANJIN, refund(paid(3), 1, 0), "cu-3000 cannot refund this; cu-2000"),
        (SHANGHAI, refund(late(3), 1, 0), "nothing was paid for a record that is rejected:late"),
        (SHANGHAI, refund(paid(3), 0, 0), "0 fen cannot be moved; 500 fen are left"),
        (SHANGHAI, open(ride(3, RecordResult::Duplicate)), "duplicate can be owed by nobody"),
        (SHANGHAI, open(ride(3, RecordResult::Parked)), "parked:issuer_unreachable can be owed by nobody"),
        (
            SHANGHAI,
            open(ride(3, RecordResult::Rejected(Rejection::UnknownIssuer))),
            "rejected:unknown_issuer can be owed by nobody",
        ),
    ] {
        let refusal = refused(name, act);
        assert!(refusal.contains(expected), "{refusal}\nlacks: {expected}");
    }
    for (id, expected) in [
        (back.as_str(), "waits for the answer of cu-2000 until 2018-09-13"),
        ("D-0", "there is no dispute D-0"),
    ] {
        let refusal = decide(&mut disputes, id, Outcome::Passed).unwrap_err().to_string();
        assert!(refusal.contains(expected), "{refusal}\nlacks: {expected}");
    }
}

#[test]
fn what_is_over_stays_so() {
    let mut disputes = Disputes::default();
    let id = opened(&mut disputes, TIANJIN, &open(paid(2)), 3);
    assert!(disputes.act(&by(SHANGHAI), &answer(&id, Answer::Contest), &day(3)).is_ok());
    assert_eq!(decide(&mut disputes, &id, Outcome::BadDebt), Ok(None));
    let over = Refusal::Over { dispute: id.clone(), state: State::BadDebt };
    assert_eq!(decide(&mut disputes, &id, Outcome::Passed), Err(over.clone()));
    for (name, act) in [(SHANGHAI, answer(&id, Answer::Accept)), (TIANJIN, withdraw(&id))] {
        assert_eq!(disputes.act(&by(name), &act, &day(3)), Err(over.clone()), "{act:?}");
    }
    let again = disputes.act(&by(TIANJIN), &open(paid(2)), &day(3));
    assert_eq!(again, Err(Refusal::Final { dispute: id }));
    assert!(disputes.act(&by(SHANGHAI), &refund(paid(2), 500, 0), &day(3)).is_ok(), "of its own will");
}

#[test]
fn what_no_file_can_say_is_refused() {
    let mut disputes = Disputes::default();
    let changes: [fn(&mut Record); 7] = [
        |record| record.issuer = record.acquirer,
        |record| record.file = String::new(),
        |record| record.file = "../x.csv".to_owned(),
        |record| record.file = "a\n.csv".to_owned(),
        |record| record.terminal = "20000000000a".to_owned(),
        |record| record.line = 1,
        |record| record.amount_fen = 1 << 32,
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut record = paid(2);
        change(&mut record);
        let refusal = disputes.act(&by(SHANGHAI), &refund(record, 1, 0), &day(3));
        assert!(matches!(refusal, Err(Refusal::NoSuch(_))), "change {number}: {refusal:?}");
    }
    let free = Record { amount_fen: 0, ..paid(2) };
    let free = disputes.act(&by(TIANJIN), &open(free), &day(3));
    assert_eq!(free, Err(Refusal::NothingLeft { amount_fen: 0 }));
    for reason in [String::new(), "  ".to_owned(), "a\nb".to_owned(), "x".repeat(REASON_LEN_MAX + 1)] {
        let act = DisputeAct::Open { subject: Subject::Record(paid(2)), amount_fen: None, reason };
        assert_eq!(disputes.act(&by(TIANJIN), &act, &day(3)), Err(Refusal::Reason));
    }
}

/// Acts stand on logs: what was written once is read for ever.
#[test]
fn the_words_of_acts_never_change() {
    let text = r#"
        act = "open"
        reason = "never rode there"
        [subject]
        of = "record"
        cycle = "2018-09-01-001"
        acquirer = "cu-2000"
        issuer = "cu-3000"
        file = "2018-09-01.csv"
        line = 2
        terminal = "200000000001"
        terminal_seq = 2
        amount_fen = 500
        result = "rejected:late"
    "#;
    assert_eq!(toml::from_str::<DisputeAct>(text), Ok(open(late(2))));
    let wrong = text.replace("line = 2", "line = 2\nstation = \"x\"");
    assert!(toml::from_str::<DisputeAct>(&wrong).is_err(), "what it does not know it refuses");
    for (text, act) in [
        (
            "act = 'answer'\ndispute = 'D-1'\nanswer = 'accept'\nreason = 'looked at it'",
            answer("D-1", Answer::Accept),
        ),
        ("act = 'withdraw'\ndispute = 'D-1'\nreason = 'was a mistake'", withdraw("D-1")),
    ] {
        assert_eq!(toml::from_str::<DisputeAct>(text), Ok(act), "{text}");
    }
    let verdict: Verdict =
        toml::from_str("dispute = 'D-1'\noutcome = 'bad_debt'\nreason = 'camera'").unwrap();
    assert_eq!(
        (verdict.outcome, verdict.words().as_str()),
        (Outcome::BadDebt, "dispute D-1 ends as bad debt (camera)")
    );
    for act in [refund(paid(2), 100, 0), open_part(whole(true), Some(3))] {
        let written = toml::to_string(&act).unwrap();
        assert_eq!(toml::from_str::<DisputeAct>(&written), Ok(act), "{written}");
    }
}

/// Three records paid, three not (two of them one ride in two files), and the two whole files.
fn subjects() -> Vec<Subject> {
    let again = Record { file: "again.csv".to_owned(), line: 5, amount_fen: 450, ..late(12) };
    let records = [paid(2), paid(3), paid(4), late(12), again, ride(13, RecordResult::Conflict)];
    records.into_iter().map(Subject::Record).chain([whole(true), whole(false)]).collect()
}

#[derive(Clone, Debug)]
enum Event {
    Say { by: usize, what: usize, on: usize, amount_fen: u64 },
    Opened(i32),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let say = (0..4_usize, 0..6_usize, 0..8_usize, prop_oneof![Just(0_u64), 1..700_u64])
        .prop_map(|(by, what, on, amount_fen)| Event::Say { by, what, on, amount_fen });
    prop::collection::vec(prop_oneof![6 => say, 1 => (0..9_i32).prop_map(Event::Opened)], 0..60)
}

/// The `on`-th dispute of those there are, or one that is not there.
fn nth(disputes: &Disputes, on: usize) -> String {
    let ids: Vec<&str> = disputes.all().map(|dispute| dispute.id.as_str()).collect();
    ids.get(on).map_or_else(|| "D-none".to_owned(), |id| (*id).to_owned())
}

fn act_of(disputes: &Disputes, what: usize, on: usize, amount_fen: u64) -> DisputeAct {
    let subject = subjects()[on].clone();
    let even = amount_fen.is_multiple_of(2);
    match (what, subject) {
        (0 | 1, subject) => open_part(subject, Some(amount_fen).filter(|fen| *fen > 0)),
        (2, _) => answer(&nth(disputes, on), if even { Answer::Accept } else { Answer::Contest }),
        (3, _) => withdraw(&nth(disputes, on)),
        (_, Subject::Record(record)) => {
            let back_fen = disputes.moved_fen(&Subject::Record(record.clone()));
            refund(record, amount_fen, back_fen)
        }
        (_, subject) => open_part(subject, None),
    }
}

/// What was said and accepted, or opened, in order, and all items.
type Played = (Vec<(usize, DisputeAct, OpenCycle)>, Vec<Item>);

fn play(disputes: &mut Disputes, events: &[Event]) -> Played {
    let names = [SHANGHAI, TIANJIN, "wang", CHONGQING];
    let mut today = day(2);
    let (mut said, mut items) = (Vec::new(), Vec::new());
    for event in events {
        match event {
            Event::Opened(days) => {
                let business_date = today.name.business_date.plus_days(*days);
                today.name = CycleName { business_date, sequence: today.name.sequence + 1 };
                items.extend(disputes.opened(today.name));
            }
            Event::Say { by: who, what, on, amount_fen } => {
                if *what == 4 {
                    let outcome = if amount_fen % 2 == 0 { Outcome::Passed } else { Outcome::BadDebt };
                    let id = nth(disputes, *on);
                    items.extend(decide(disputes, &id, outcome).ok().flatten());
                    continue;
                }
                let act = act_of(disputes, *what, *on, *amount_fen);
                let before = disputes.clone();
                match disputes.act(&by(names[*who]), &act, &today) {
                    Ok(new) => items.extend(new),
                    Err(refusal) => assert_eq!(*disputes, before, "{refusal}"),
                }
                said.push((*who, act, today));
            }
        }
    }
    (said, items)
}

const RULES: &str = r#"
version = 1
presentment_days = 10
hotlist_grace_hours = 24
fees = { basis = "cycle_bilateral", interchange_rate = "0", switch_rate = "0" }
[[participant]]
city = "cu-2000"
name_en = "Shanghai"
name_zh = "上海"
joined = "2018-01-01"
[[participant]]
city = "cu-3000"
name_en = "Tianjin"
name_zh = "天津"
joined = "2018-01-01"
"#;

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_said_no_fen_moves_twice(events in events()) {
        let mut disputes = Disputes::default();
        let (said, items) = play(&mut disputes, &events);

        // Every item has an id of its own, and all of them settle to zero.
        let settled = settle(&rulebook(RULES), date("2018-09-05"), &BTreeMap::new(), &items);
        let nets = settled.map(|settled| settled.net.iter().map(|net| net.net_fen).sum::<i64>());
        prop_assert_eq!(nets, Ok(0));

        // What moved of a ride goes one way and comes to no more than the ride; of a file, than the file.
        let moved = |subject: &Subject| -> u64 {
            let its = items.iter().filter(|item| item.kind.moves_money() && item.reference == subject.to_string());
            let (creditor, debtor) = if subject.is_paid() {
                (subject.issuer(), subject.acquirer())
            } else {
                (subject.acquirer(), subject.issuer())
            };
            its.filter(|item| (item.creditor, item.debtor) == (creditor, debtor)).map(|item| item.amount_fen).sum()
        };
        let all = subjects();
        for subject in &all[..4] {
            prop_assert!(moved(subject) <= 500, "{}: {}", subject, moved(subject));
        }
        prop_assert!(moved(&all[3]) + moved(&all[4]) <= 500, "one ride in two files");
        for (file, records) in [(&all[6], &all[..3]), (&all[7], &[all[3].clone(), all[5].clone()])] {
            let one_by_one: u64 = records.iter().map(moved).sum();
            prop_assert!(moved(file) <= 2000 && (moved(file) == 0 || one_by_one == 0), "{}", file);
        }
        let sum: u64 = items.iter().filter(|item| item.kind.moves_money()).map(|item| item.amount_fen).sum();
        // Items of the two whole-file subjects have one reference and differ in direction, so nothing is left out.
        prop_assert_eq!(sum, all.iter().map(moved).sum::<u64>());

        // Told again, the same comes out.
        let mut again = Disputes::default();
        let (said_again, items_again) = play(&mut again, &events);
        prop_assert_eq!((again, said_again, items_again), (disputes, said, items));
    }
}
