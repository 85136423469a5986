//! Every rule of the protocol, taken out of the code, makes some seed fail: so each of them is needed, and
//! this test would notice if it were lost.

use domain::guard::{Rule, without};

/// Which world shows that a rule is needed.
#[derive(Clone, Copy, Debug)]
enum Shown {
    /// The whole world.
    Whole,
    /// The world with the book alone.
    Book,
}

/// The most seeds that are tried for a rule.
const SEEDS_MAX: u64 = 3_000;

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
        | Rule::FileOrder => Shown::Book,
        _ => Shown::Whole,
    }
}

/// The first seed that fails without the rule.
fn first_failure(rule: Rule, world: fn(u64, bool) -> Result<(), String>) -> Option<(u64, String)> {
    without(rule, || (0..SEEDS_MAX).find_map(|seed| Some((seed, world(seed, false).err()?))))
}

#[test]
#[expect(clippy::print_stdout, reason = "the table of the rules, for whoever asks with --nocapture")]
fn every_rule_is_needed() {
    let only = std::env::var("CU_RULE").ok();
    let mut never = Vec::new();
    for rule in Rule::ALL {
        if only.as_ref().is_some_and(|only| !only.split(',').any(|name| name == format!("{rule:?}"))) {
            continue;
        }
        let started = std::time::Instant::now();
        let failure = match shown(*rule) {
            Shown::Whole => first_failure(*rule, super::whole),
            Shown::Book => first_failure(*rule, super::book_alone),
        };
        match failure {
            Some((seed, why)) => {
                let why: String = why.chars().take(150).collect();
                println!("{rule:?}: seed {seed} ({:?}): {why}", started.elapsed());
            }
            None => never.push(*rule),
        }
    }
    assert!(never.is_empty(), "no seed fails without {never:?}");
}
