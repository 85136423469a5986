//! Every rule of the protocol, taken out of the code, makes some seed fail: so each of them is needed, and
//! this test would notice if it were lost. `tools/mutation-check` prints the table.

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use domain::guard::{Rule, without};

/// Which world shows that a rule is needed.
#[derive(Clone, Copy, Debug)]
enum Shown {
    /// The whole world.
    Whole,
    /// The world with the book alone.
    Book,
    /// Any commands, those of operators too.
    Commands,
}

/// The most seeds that are tried for a rule.
const SEEDS_MAX: u64 = 3_000;
/// Rules tried at the same time.
const THREADS: usize = 2;

/// Where each rule is shown to be needed.
fn shown(rule: Rule) -> Shown {
    match rule {
        Rule::DropLine
        | Rule::KeepWhileArrivedParked
        | Rule::PruneAtDropLine
        | Rule::CutOffChecked
        | Rule::MemberCheckedAgain
        | Rule::MarkerEndsGone
        | Rule::LateByArrival
        | Rule::ConflictUnpaid
        | Rule::RejectedTakesNoIdentity
        | Rule::FileOrder
        | Rule::DropLineNeverFalls
        | Rule::LineOfArrival
        | Rule::WaitedRowsShown => Shown::Book,
        Rule::PlaceByTable => Shown::Commands,
        _ => Shown::Whole,
    }
}

/// What became of the world without a rule.
struct Row {
    rule: Rule,
    /// The first seed that fails, and why.
    failure: Option<(u64, String)>,
    seconds: u64,
}

impl Row {
    fn of(rule: Rule) -> Self {
        let started = std::time::Instant::now();
        let world = match shown(rule) {
            Shown::Whole => super::whole,
            Shown::Book => super::book_alone,
            Shown::Commands => super::commands::some,
        };
        let fails = |seed| Some((seed, world(seed, false).err()?));
        let failure = without(rule, || (0..SEEDS_MAX).find_map(fails));
        Self { rule, failure, seconds: started.elapsed().as_secs() }
    }

    fn line(&self) -> String {
        let (seeds, why) = match &self.failure {
            Some((seed, why)) => ((seed + 1).to_string(), why.chars().take(110).collect()),
            None => ("none".to_owned(), format!("no seed of {SEEDS_MAX} fails")),
        };
        let rule = format!("{:?}", self.rule);
        format!(
            "guard {rule:<26} {:<6} {seeds:>5} {:>4} s  {why}",
            format!("{:?}", shown(self.rule)),
            self.seconds
        )
    }
}

/// The rules that `CU_RULE` names, comma between them, or all.
fn wanted() -> Vec<Rule> {
    let only = std::env::var("CU_RULE").ok();
    let named = |rule: &Rule| {
        only.as_ref().is_none_or(|only| only.split(',').any(|name| name == format!("{rule:?}")))
    };
    Rule::ALL.iter().copied().filter(named).collect()
}

#[test]
#[expect(clippy::print_stdout, reason = "the table of the guards, for whoever asks with --nocapture")]
fn every_rule_is_needed() {
    let (rules, next, rows) = (wanted(), AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        let try_rules = || {
            while let Some(rule) = rules.get(next.fetch_add(1, Ordering::Relaxed)) {
                let row = Row::of(*rule);
                println!("{}", row.line());
                rows.lock().unwrap().push(row);
            }
        };
        (0..THREADS).for_each(|_| drop(scope.spawn(try_rules)));
    });
    let rows = rows.into_inner().unwrap();
    assert_eq!(rows.len(), rules.len());
    let never: Vec<Rule> = rows.iter().filter(|row| row.failure.is_none()).map(|row| row.rule).collect();
    assert!(never.is_empty(), "no seed of {SEEDS_MAX} fails without {never:?}");
}
