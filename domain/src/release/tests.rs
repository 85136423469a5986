use super::*;
use crate::{
    act::{Act, Role, Written},
    settlement::{
        Party,
        confirmation::{AnswerLine, PaymentStatus},
    },
    testing::city,
};

const MANIFEST: &str = "m1";

fn name() -> CycleName {
    "2018-09-01-001".parse().unwrap_or_else(|error| panic!("{error}"))
}

fn net(participant: Party, net_fen: i64) -> Net {
    Net {
        participant,
        receivable_fen: 0,
        payable_fen: 0,
        interchange_receivable_fen: 0,
        interchange_payable_fen: 0,
        switch_fee_fen: 0,
        adjustment_fen: 0,
        net_fen,
    }
}

/// Three cities: 3000 owes 1,000, of which 1000 receives 600, 2000 receives 390, the scheme 10.
fn plan(version: u32) -> Planned {
    let nets = [("cu-1000", 600), ("cu-2000", 390), ("cu-3000", -1000)];
    let mut rows: Vec<Net> = nets.iter().map(|(name, fen)| net(Party::City(city(name)), *fen)).collect();
    rows.push(net(Party::Scheme, 10));
    let homes = BTreeMap::from([(city("cu-3000"), (5, 1000))]);
    Planned { cycle: name(), version, net: rows, accounts: Vec::new(), homes, agreement_days: 1 }
}

fn folder() -> Folder {
    Folder {
        manifest_sha256: MANIFEST.to_owned(),
        issuers: BTreeMap::from([(city("cu-3000"), "d".to_owned())]),
    }
}

fn published() -> Releases {
    let mut releases = Releases::default();
    releases.opened(name());
    releases.planned(plan(1));
    releases.published(name(), 1, folder());
    releases
}

fn person(name: &str) -> Signer {
    Signer { name: name.to_owned(), role: Role::Operations }
}

fn home(name: &str) -> Signer {
    Signer { name: name.to_owned(), role: Role::City(city(name)) }
}

fn of() -> Released {
    Released { cycle: name(), version: 1, manifest_sha256: MANIFEST.to_owned() }
}

fn release() -> Act {
    Act::Propose { decision: Decision::Release { of: of(), without: Vec::new(), reason: String::new() } }
}

fn agreement(fen: u64, sha256: &str) -> Act {
    let sha256 = sha256.to_owned();
    Act::Agree {
        figures: Agreement { cycle: name(), city: city("cu-3000"), count: 5, amount_fen: fen, sha256 },
    }
}

fn failure() -> Act {
    let reason = "no cover".to_owned();
    Act::Propose { decision: Decision::Fail { cycle: name(), version: 1, city: city("cu-3000"), reason } }
}

/// Does an act under an id; what follows, or why not.
fn act(releases: &mut Releases, id: &str, by: &Signer, act: Act) -> Result<Vec<Item>, String> {
    let before = releases.clone();
    let (at, log) = ("2018-09-02T08:00:00+08:00".to_owned(), before.log().to_owned());
    let written = Written { id: id.to_owned(), at, log, act };
    let ruled = before.rule(&written, by, before.dispute_terms);
    let done = releases.act(&written, by);
    assert_eq!(done.as_ref().err(), ruled.as_ref().err(), "what is ruled is done, and nothing else");
    done.map_err(|refusal| {
        assert_eq!(*releases, before, "a refusal changes nothing");
        refusal.to_string()
    })
}

fn approve(id: &str) -> Act {
    Act::Approve { proposal: id.to_owned() }
}

fn reject(id: &str) -> Act {
    Act::Reject { proposal: id.to_owned(), reason: "not yet".to_owned() }
}

#[track_caller]
fn refused(result: Result<Vec<Item>, String>, why: &str) {
    let text = result.expect_err(why);
    assert!(text.contains(why), "{why}: {text}");
}

fn word(releases: &Releases) -> &'static str {
    releases.cycle(name()).map_or("unknown", Closed::word)
}

#[test]
fn two_people_release_what_the_home_city_agreed_to() {
    let mut it = published();
    let (li, wang) = (person("li"), person("wang"));
    refused(act(&mut it, "a1", &li, release()), "cu-3000 has not agreed to 5 records of 1000 fen");
    refused(act(&mut it, "a2", &home("cu-2000"), agreement(1000, "d")), "for the home city itself");
    assert_eq!(act(&mut it, "a3", &home("cu-3000"), agreement(1000, "d")), Ok(Vec::new()));
    assert_eq!(act(&mut it, "p1", &li, release()), Ok(Vec::new()));
    refused(act(&mut it, "p2", &wang, release()), "proposed already, as p1");
    refused(act(&mut it, "p3", &li, approve("p1")), "another person");
    refused(act(&mut it, "p4", &home("cu-3000"), approve("p1")), "for operations");
    assert_eq!(word(&it), "closed");
    assert_eq!(act(&mut it, "p5", &wang, approve("p1")), Ok(Vec::new()));
    assert_eq!(word(&it), "released");
    let by = it.cycle(name()).and_then(|closed| closed.released_by.clone());
    assert_eq!(by, Some((li.clone(), wang.clone())));
    // Done once, and only from the state before.
    refused(act(&mut it, "p5", &wang, approve("p1")), "already");
    refused(act(&mut it, "p6", &wang, approve("p1")), "no proposal p1");
    refused(act(&mut it, "p7", &li, release()), "is released; a release is for one that is closed");
    let settle = Act::Settle { cycle: name(), version: 1 };
    refused(act(&mut it, "p8", &li, settle), "settling is for one that is confirmed");
    let told: Vec<String> = it
        .cycle(name())
        .map(|closed| closed.steps.clone())
        .unwrap_or_default()
        .iter()
        .map(|step| format!("{} {}", step.by, step.what))
        .collect();
    assert_eq!(
        told,
        [
            "cu-3000 cu-3000 agrees: 5 records of 1000 fen",
            "li (operations) proposed: release version 1 of 2018-09-01-001",
            "wang (operations) approved: release version 1 of 2018-09-01-001",
        ]
    );
}

#[test]
fn a_city_with_other_records_stands_against_a_release_until_the_days_are_over() {
    let mut it = published();
    let (li, wang) = (person("li"), person("wang"));
    assert!(act(&mut it, "a1", &home("cu-3000"), agreement(900, "e")).is_ok());
    assert_eq!(word(&it), "disputed");
    refused(act(&mut it, "p1", &li, release()), "cu-3000 has 5 records of 900 fen by its own records");
    let without = |names: &[&str], reason: &str| Act::Propose {
        decision: Decision::Release {
            of: of(),
            without: names.iter().map(|name| city(name)).collect(),
            reason: reason.to_owned(),
        },
    };
    refused(act(&mut it, "p2", &li, without(&["cu-3000"], "")), "say why");
    refused(act(&mut it, "p3", &li, without(&["cu-3000"], "its disk is lost")), "without cu-3000 yet");
    it.opened("2018-09-02-001".parse().unwrap());
    refused(act(&mut it, "p4", &li, without(&["cu-3000"], "its disk is lost")), "without cu-3000 yet");
    it.opened("2018-09-03-001".parse().unwrap());
    refused(act(&mut it, "p5", &li, without(&["cu-3000", "cu-2000"], "both")), "cu-2000 agrees");
    assert!(act(&mut it, "p6", &li, without(&["cu-3000"], "its disk is lost")).is_ok());
    assert!(act(&mut it, "p7", &wang, approve("p6")).is_ok());
    assert_eq!(word(&it), "released");
}

#[test]
fn other_files_than_those_that_were_looked_at_are_not_released() {
    let mut it = published();
    assert!(act(&mut it, "a1", &home("cu-3000"), agreement(1000, "d")).is_ok());
    let other = Released { manifest_sha256: "m2".to_owned(), ..of() };
    let propose =
        |of| Act::Propose { decision: Decision::Release { of, without: Vec::new(), reason: String::new() } };
    refused(act(&mut it, "p1", &person("li"), propose(other)), "other files");
    let later = Released { version: 2, ..of() };
    refused(act(&mut it, "p2", &person("li"), propose(later)), "at version 1 of its plan, not 2");
    // As many records of the same sum, but not the same ones.
    assert!(act(&mut it, "a2", &home("cu-3000"), agreement(1000, "x")).is_ok());
    refused(act(&mut it, "p3", &person("li"), propose(of())), "other records than the book");
}

#[test]
fn the_batch_process_releases_alone_and_nobody_else_does() {
    let mut it = published();
    let alone = || Act::Release { of: of() };
    refused(act(&mut it, "b1", &Signer::batch(), alone()), "has not agreed");
    assert!(act(&mut it, "a1", &home("cu-3000"), agreement(1000, "d")).is_ok());
    refused(act(&mut it, "b2", &person("li"), alone()), "for the batch process");
    assert!(act(&mut it, "b3", &Signer::batch(), alone()).is_ok());
    assert_eq!(word(&it), "released");
    let last = it.cycle(name()).and_then(|closed| closed.steps.last().cloned()).map(|step| step.what);
    assert_eq!(last.as_deref(), Some("released by the batch process, without four eyes"));
}

#[test]
fn refused_files_are_followed_by_a_new_version_of_the_plan() {
    let mut it = published();
    assert!(act(&mut it, "a1", &home("cu-3000"), agreement(1000, "d")).is_ok());
    assert!(act(&mut it, "b1", &Signer::batch(), Act::Release { of: of() }).is_ok());
    let refuse = |reason: &str| Act::Refuse { cycle: name(), version: 1, reason: reason.to_owned() };
    refused(act(&mut it, "r1", &home("cu-3000"), refuse("wrong account")), "for the settlement bank");
    refused(act(&mut it, "r2", &person("li"), refuse("two\nlines")), "one line");
    let bank = Signer { name: "icbc".to_owned(), role: Role::Bank };
    assert!(act(&mut it, "f1", &person("li"), failure()).is_ok());
    assert_eq!(act(&mut it, "r3", &bank, refuse("wrong account")), Ok(Vec::new()));
    assert_eq!(word(&it), "refused");
    assert_eq!(it.new_versions().count(), 1);
    // A version that nobody asked for changes nothing, the next one does; what was proposed about the one before goes.
    it.planned(plan(3));
    assert_eq!(word(&it), "refused");
    it.planned(plan(2));
    assert_eq!((word(&it), it.new_versions().count()), ("closed", 0));
    assert_eq!(it.proposals().count(), 0);
    refused(act(&mut it, "b2", &Signer::batch(), Act::Release { of: of() }), "at version 2");
    let second = Released { version: 2, ..of() };
    refused(act(&mut it, "b3", &Signer::batch(), Act::Release { of: second.clone() }), "not there yet");
    it.published(name(), 2, folder());
    // The records are the same, and so is what the city agreed to.
    assert!(act(&mut it, "b4", &Signer::batch(), Act::Release { of: second }).is_ok());
}

#[test]
fn the_bank_confirms_every_payment_or_nothing() {
    let mut it = published();
    let bank = Signer { name: "icbc".to_owned(), role: Role::Bank };
    let line = |city: &str, amount_fen| AnswerLine {
        reference: format!("2018-09-01-001-{city}"),
        amount_fen,
        status: PaymentStatus::Paid,
        way: None,
    };
    let all = vec![line("cu-1000", 600), line("cu-2000", 390), line("cu-3000", 1000)];
    let confirm = |answer| Act::Confirm { cycle: name(), version: 1, answer, sha256: "f".to_owned() };
    refused(act(&mut it, "c1", &bank, confirm(all.clone())), "a confirmation is for one that is released");
    assert!(act(&mut it, "a1", &home("cu-3000"), agreement(1000, "d")).is_ok());
    assert!(act(&mut it, "b1", &Signer::batch(), Act::Release { of: of() }).is_ok());
    refused(act(&mut it, "c2", &home("cu-3000"), confirm(all.clone())), "for the settlement bank");
    refused(act(&mut it, "c3", &bank, confirm(all[..2].to_vec())), "the answer lacks it");
    let wrong = vec![line("cu-1000", 601), line("cu-2000", 390), line("cu-3000", 1000)];
    refused(act(&mut it, "c4", &bank, confirm(wrong)), "the bank says 601 fen, the plan 600");
    assert!(act(&mut it, "c5", &bank, confirm(all.clone())).is_ok());
    assert_eq!(word(&it), "confirmed");
    refused(act(&mut it, "c6", &bank, confirm(all)), "is confirmed");
    refused(act(&mut it, "s1", &bank, Act::Settle { cycle: name(), version: 1 }), "for operations");
    assert!(act(&mut it, "s2", &person("li"), Act::Settle { cycle: name(), version: 1 }).is_ok());
    assert_eq!(word(&it), "settled");
}

#[test]
fn what_is_not_paid_is_carried_into_the_next_cycle() {
    let mut it = published();
    let (li, wang) = (person("li"), person("wang"));
    refused(act(&mut it, "f0", &li, failure()), "a failure is for one that is released");
    assert!(act(&mut it, "a1", &home("cu-3000"), agreement(1000, "d")).is_ok());
    assert!(act(&mut it, "b1", &Signer::batch(), Act::Release { of: of() }).is_ok());
    // 1,000 are owed, cities receive 990: the scheme's own 10 stay to be paid.
    assert!(act(&mut it, "f1", &li, failure()).is_ok());
    let carried = act(&mut it, "f2", &wang, approve("f1")).unwrap_or_default();
    assert_eq!(carried.iter().map(|item| item.amount_fen).collect::<Vec<_>>(), [600, 390]);
    let mut it = published();
    let mut plan = plan(1);
    plan.net = vec![net(Party::City(city("cu-1000")), 600), net(Party::City(city("cu-2000")), 400)];
    plan.net.push(net(Party::City(city("cu-3000")), -500));
    plan.net.push(net(Party::City(city("cu-4000")), -500));
    it = Releases { cycles: BTreeMap::new(), ..it };
    it.planned(plan);
    it.published(name(), 1, folder());
    assert!(act(&mut it, "a1", &home("cu-3000"), agreement(1000, "d")).is_ok());
    assert!(act(&mut it, "b1", &Signer::batch(), Act::Release { of: of() }).is_ok());
    assert!(act(&mut it, "f1", &li, failure()).is_ok());
    refused(act(&mut it, "f2", &li, approve("f1")), "another person");
    let carried = act(&mut it, "f3", &wang, approve("f1")).unwrap_or_default();
    let moved = |item: &Item| format!("{} {}→{} {}", item.id, item.debtor, item.creditor, item.amount_fen);
    let later: Vec<String> = carried.iter().map(moved).collect();
    // 500 × 600 / 1000 and 500 × 400 / 1000.
    assert_eq!(
        later,
        [
            "F-2018-09-01-001-1-cu-3000-cu-1000-due cu-3000→cu-1000 300",
            "F-2018-09-01-001-1-cu-3000-cu-2000-due cu-3000→cu-2000 200",
        ]
    );
    let now: Vec<String> =
        it.cycle(name()).map(|closed| closed.items.iter().map(moved).collect()).unwrap_or_default();
    assert_eq!(
        now,
        [
            "F-2018-09-01-001-1-cu-3000-cu-1000 cu-1000→cu-3000 300",
            "F-2018-09-01-001-1-cu-3000-cu-2000 cu-2000→cu-3000 200",
        ]
    );
    assert_eq!((word(&it), it.new_versions().count()), ("failed", 1));
}

/// Cu-1000 receives 600: 900 over its first account by sector, and its main one pays 300.
#[test]
fn an_account_that_does_not_pay_is_settled_over_the_main_one() {
    let mut it = Releases::default();
    it.opened(name());
    let account = AccountNet { city: city("cu-1000"), account: 1, net_fen: 900 };
    it.planned(Planned { accounts: vec![account], ..plan(1) });
    it.published(name(), 1, folder());
    assert!(act(&mut it, "a1", &home("cu-3000"), agreement(1000, "d")).is_ok());
    assert!(act(&mut it, "b1", &Signer::batch(), Act::Release { of: of() }).is_ok());
    let bank = Signer { name: "icbc".to_owned(), role: Role::Bank };
    let confirm = |paid: &[(&str, u64)]| {
        let line = |(account, fen): &(&str, u64)| AnswerLine {
            reference: format!("2018-09-01-001-{account}"),
            amount_fen: *fen,
            status: PaymentStatus::Paid,
            way: None,
        };
        let answer = paid.iter().map(line).collect();
        Act::Confirm { cycle: name(), version: 1, answer, sha256: "f".to_owned() }
    };
    let over_one = confirm(&[("cu-1000", 600), ("cu-2000", 390), ("cu-3000", 1000)]);
    refused(act(&mut it, "c1", &bank, over_one), "cu-1000-1: the answer lacks it; 900 fen");
    let mut confirmed = it.clone();
    let all = confirm(&[("cu-1000", 300), ("cu-1000-1", 900), ("cu-2000", 390), ("cu-3000", 1000)]);
    assert!(act(&mut confirmed, "c2", &bank, all).is_ok());
    assert_eq!(word(&confirmed), "confirmed");

    let failure = |city: City| {
        let reason = "no cover".to_owned();
        Act::Propose { decision: Decision::Fail { cycle: name(), version: 1, city, reason } }
    };
    refused(act(&mut it, "f0", &person("li"), failure(city("cu-2000"))), "cu-2000 owes nothing");
    assert!(act(&mut it, "f1", &person("li"), failure(city("cu-1000"))).is_ok());
    assert_eq!(act(&mut it, "f2", &person("wang"), approve("f1")), Ok(Vec::new()), "no debt is carried");
    let items: Vec<Item> = it.cycle(name()).map(|closed| closed.items.clone()).unwrap_or_default();
    let told: Vec<_> = items.iter().map(|item| (item.id.as_str(), item.amount_fen)).collect();
    assert_eq!(told, [("F-2018-09-01-001-1-cu-1000-cu-1000", 0)]);
    assert_eq!(items.iter().filter_map(failed_debtor).collect::<Vec<_>>(), [city("cu-1000")]);
    assert_eq!((word(&it), it.new_versions().count()), ("failed", 1));
}

/// Cu-3000 paid for a ride in cu-1000 and asks for it back; cu-1000 contests; two persons decide.
#[test]
fn two_persons_end_a_contested_dispute() {
    use crate::dispute::{Answer, DisputeAct, Outcome, Record, State, Subject, Verdict};
    let mut it = published();
    it.opened("2018-09-02-001".parse().unwrap());
    let record = Record {
        cycle: name(),
        acquirer: city("cu-1000"),
        issuer: city("cu-3000"),
        file: "a.csv".to_owned(),
        line: 2,
        terminal: "100000000001".to_owned(),
        terminal_seq: 1,
        amount_fen: 300,
        result: crate::result::RecordResult::Cleared,
    };
    let reason = || "never rode".to_owned();
    let subject = Subject::Record(record);
    let dispute = |dispute| Act::Dispute { dispute };
    let open = dispute(DisputeAct::Open { subject, amount_fen: None, reason: reason() });
    assert!(act(&mut it, "no", &person("wang"), open.clone()).is_err(), "operations open nothing");
    let opened = act(&mut it, "o", &home("cu-3000"), open).unwrap();
    let [item] = &opened[..] else { panic!("{opened:?}") };
    let id = item.id.clone();
    let verdict = |outcome| Verdict { dispute: id.clone(), outcome, reason: reason() };
    let propose = |outcome| Act::Propose { decision: Decision::Dispute { verdict: verdict(outcome) } };
    let early = act(&mut it, "p0", &person("wang"), propose(Outcome::Passed)).unwrap_err();
    assert!(early.contains("waits for the answer of cu-1000 until 2018-09-12"), "{early}");
    let answer = DisputeAct::Answer { dispute: id.clone(), answer: Answer::Contest, reason: reason() };
    assert_eq!(act(&mut it, "a", &home("cu-1000"), dispute(answer)), Ok(Vec::new()));

    assert_eq!(act(&mut it, "p1", &person("wang"), propose(Outcome::Passed)), Ok(Vec::new()));
    assert_eq!(act(&mut it, "p2", &person("li"), propose(Outcome::BadDebt)), Ok(Vec::new()));
    let approve = |proposal: &str| Act::Approve { proposal: proposal.to_owned() };
    assert!(act(&mut it, "x", &person("wang"), approve("p1")).unwrap_err().contains("another person"));
    let passed = act(&mut it, "y", &person("li"), approve("p1")).unwrap();
    let [item] = &passed[..] else { panic!("{passed:?}") };
    assert_eq!((item.debtor, item.creditor, item.amount_fen), (city("cu-1000"), city("cu-3000"), 300));
    let ended = it.disputes().get(&id).unwrap();
    assert_eq!((ended.state, ended.steps.len()), (State::Passed, 3));
    assert_eq!(ended.steps[2].by.as_deref(), Some("wang (operations), li (operations)"));
    assert_eq!(it.proposals().count(), 0, "what was proposed beside it is off the table");
    let steps: Vec<_> = it.cycle(name()).unwrap().steps.iter().map(|step| step.act.as_str()).collect();
    assert_eq!(steps, ["o", "a", "y"], "the history of the cycle knows");
}

/// What falls due comes with the opening, once, and the days are those by which the dispute was ruled.
#[test]
fn silence_is_accepted_when_a_cycle_opens() {
    use crate::{
        dispute::{DisputeAct, Subject, WholeFile},
        terms::DisputeTerms,
    };
    let mut it = published();
    it.rule_disputes_by(DisputeTerms { dispute_days: 5, answer_days: 2 });
    let file = WholeFile {
        cycle: name(),
        acquirer: city("cu-1000"),
        issuer: city("cu-3000"),
        file: "a.csv".to_owned(),
        paid: false,
        count: 3,
        amount_fen: 900,
    };
    let open = DisputeAct::Open {
        subject: Subject::File(file),
        amount_fen: None,
        reason: "the link was down".to_owned(),
    };
    assert!(act(&mut it, "o", &home("cu-1000"), Act::Dispute { dispute: open }).is_ok());
    it.rule_disputes_by(DisputeTerms::default());
    assert_eq!(it.opened("2018-09-03-001".parse().unwrap()), []);
    let due = it.opened("2018-09-04-001".parse().unwrap());
    assert_eq!(due.iter().map(|item| item.amount_fen).collect::<Vec<_>>(), [900]);
    assert_eq!((due[0].debtor, due[0].creditor), (city("cu-3000"), city("cu-1000")));
    assert_eq!(it.opened("2018-09-05-001".parse().unwrap()), []);
}

/// The items of a failure are known again by their ids, and no other item is.
#[test]
fn items_that_carry_a_debt_are_known() {
    let closed = Closed::new(plan(7));
    let (now, later) = carry::carry(&closed, city("cu-3000")).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((now.len(), later.len()), (2, 2));
    for item in now.iter().chain(&later) {
        assert!(is_carried(item), "{item:?}");
        let turned = Item { debtor: item.creditor, creditor: item.debtor, ..item.clone() };
        assert!(!is_carried(&turned), "{turned:?}");
        let other = Item { id: item.id.replace("2018-09-01-001", "2018-09-01"), ..item.clone() };
        assert!(!is_carried(&other), "{other:?}");
    }
}

/// What a city has done under an id keeps neither another city, nor operations, nor the batch process from it.
#[test]
fn ids_are_of_those_of_one_role() {
    let mut it = published();
    let other = |id: &str, it: &mut Releases| {
        let (cycle, city) = (name(), city("cu-2000"));
        let figures = Agreement { cycle, city, count: 0, amount_fen: 0, sha256: id.to_owned() };
        act(it, id, &home("cu-2000"), Act::Agree { figures })
    };
    for id in ["agree", "p", "release"] {
        assert_eq!(other(id, &mut it), Ok(Vec::new()), "{id}");
        refused(other(id, &mut it), "already");
    }
    assert_eq!(act(&mut it, "agree", &home("cu-3000"), agreement(1000, "d")), Ok(Vec::new()));
    refused(act(&mut it, "agree", &home("cu-3000"), agreement(900, "e")), "already");
    assert_eq!(act(&mut it, "p", &person("li"), release()), Ok(Vec::new()));
    // A proposal is known by its id alone: no other person of operations has that of one.
    assert_eq!(act(&mut it, "r", &person("wang"), reject("p")), Ok(Vec::new()));
    refused(act(&mut it, "p", &person("wang"), release()), "already");
    assert_eq!(act(&mut it, "release", &Signer::batch(), Act::Release { of: of() }), Ok(Vec::new()));
    assert_eq!(word(&it), "released");
}

#[test]
fn an_act_counts_on_the_log_that_it_names() {
    let mut it = published();
    it.stands_on("abcd".to_owned());
    let act = |log: &str| Written {
        id: "p1".to_owned(),
        at: String::new(),
        log: log.to_owned(),
        act: agreement(1000, "d"),
    };
    let refusal = it.act(&act(""), &home("cu-3000"));
    assert_eq!(refusal, Err(Refusal::OtherLog { named: String::new(), here: "abcd".to_owned() }));
    assert_eq!(it.act(&act("abcd"), &home("cu-3000")), Ok(Vec::new()));
    it.stands_on("ef01".to_owned());
    assert!(matches!(it.act(&act("abcd"), &home("cu-3000")), Err(Refusal::OtherLog { .. })));
}
