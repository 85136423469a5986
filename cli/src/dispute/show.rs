//! `dispute list` and `dispute show`.

use anyhow::Result;
use domain::dispute::{Dispute, Refund, State, Subject};
use serde_json::{Map, Value, json};

use super::{
    List, Show,
    known::{ItemOf, Known},
};
use crate::{
    book::place::Place,
    errors::Refused,
    output::{Format, Sheet, print, say, yuan},
};

/// Lists disputes and refunds.
pub fn list(args: &List) -> Result<()> {
    let known = Known::read(&Place::read_only(&args.place)?)?;
    let all = known.releases().disputes();
    let wanted = |subject: &Subject| args.city.is_none_or(|city| subject.other(city).is_some());
    let columns =
        ["dispute", "state", "waits_for", "opener", "other", "amount_fen", "cycle", "about", "answer_by"];
    let mut disputes = Sheet::new("disputes", &columns);
    for it in all.all() {
        if wanted(&it.subject) && !(args.waiting && it.state.is_over()) {
            disputes.row(vec![
                json!(it.id),
                json!(it.state.word()),
                json!(waits_for(&known, it)),
                json!(it.opener.to_string()),
                json!(it.other.to_string()),
                json!(it.amount_fen),
                json!(it.subject.cycle().to_string()),
                json!(it.subject.to_string()),
                json!(it.answer_by.to_string()),
            ]);
        }
    }
    let columns = ["refund", "acquirer", "issuer", "amount_fen", "cycle", "about", "reason"];
    let mut refunds = Sheet::new("refunds", &columns);
    for it in all.refunds().filter(|_| !args.waiting) {
        let subject = Subject::Record(it.record.clone());
        if wanted(&subject) {
            refunds.row(vec![
                json!(it.id),
                json!(it.record.acquirer.to_string()),
                json!(it.record.issuer.to_string()),
                json!(it.amount_fen),
                json!(it.record.cycle.to_string()),
                json!(subject.to_string()),
                json!(it.reason),
            ]);
        }
    }
    if disputes.rows.is_empty() && refunds.rows.is_empty() {
        say(args.output, "no disputes and no refunds");
    }
    print(args.output, &Map::new(), &[disputes, refunds])
}

/// Whose word a dispute waits for; empty once it is over.
fn waits_for(known: &Known, it: &Dispute) -> String {
    match it.state {
        State::Open => format!("the answer of {}", it.other),
        State::Contested if known.waiting(&it.id).next().is_some() => "a second person".to_owned(),
        State::Contested => "a decision of operations".to_owned(),
        State::Passed | State::BadDebt | State::Withdrawn => String::new(),
    }
}

/// Shows one dispute.
pub fn one(args: &Show) -> Result<()> {
    let known = Known::read(&Place::read_only(&args.place)?)?;
    let found = known.releases().disputes().get(&args.dispute);
    let it = found.ok_or_else(|| {
        Refused(format!("there is no dispute {}; `cityunion dispute list` shows them", args.dispute))
    })?;
    let rules = args.rules.words(&it.subject, args.place.published()?)?;
    let items = known.items_of(it);
    for line in story(&known, it, &items).into_iter().chain(rules.clone()) {
        say(args.output, &line);
    }
    let mut steps = Sheet::new("steps", &["cycle", "state", "by", "reason"]);
    for step in &it.steps {
        steps.row(vec![
            json!(step.cycle.to_string()),
            json!(step.state.word()),
            json!(step.by),
            json!(step.reason),
        ]);
    }
    let mut proposals = Sheet::new("proposals", &["proposal", "by", "what"]);
    for (id, proposal) in known.waiting(&it.id) {
        proposals.row(vec![json!(id), json!(proposal.by.to_string()), json!(proposal.decision.words())]);
    }
    let mut listed = Sheet::new("items", &["item", "kind", "debtor", "creditor", "amount_fen", "settled_in"]);
    for item in items {
        listed.row(vec![
            json!(item.item),
            json!(item.kind),
            json!(item.debtor),
            json!(item.creditor),
            json!(item.amount_fen),
            json!(item.settled_in),
        ]);
    }
    let facts = if args.output == Format::Json { facts(it, rules) } else { Map::new() };
    print(args.output, &facts, &[steps, proposals, listed])
}

/// What people read first of a dispute: how it stands, and what it waits for.
fn story(known: &Known, it: &Dispute, items: &[ItemOf]) -> Vec<String> {
    let what = match &it.subject {
        Subject::Record(record) => {
            format!("terminal {} number {}, {}", record.terminal, record.terminal_seq, record.result)
        }
        Subject::File(file) => format!("{} records of {} yuan", file.count, yuan(file.amount_fen.into())),
    };
    let mut lines = vec![
        format!(
            "{} is {}: {} asks {} for {} yuan",
            it.id,
            it.state.word(),
            it.opener,
            it.other,
            yuan(it.amount_fen.into())
        ),
        format!("{} of {}: {what}", it.subject, it.subject.cycle()),
    ];
    match it.state {
        State::Open => lines.push(format!("{} answers until {} (business date)", it.other, it.answer_by)),
        State::Contested if known.waiting(&it.id).next().is_none() => {
            lines.push("operations decide: one proposes with `cityunion dispute decide`".to_owned());
        }
        State::Contested | State::Passed | State::BadDebt | State::Withdrawn => {}
    }
    for (id, proposal) in known.waiting(&it.id) {
        lines.push(format!(
            "proposed by {}: {}; another person of operations approves it: cityunion cycle approve {id}",
            proposal.by,
            proposal.decision.words()
        ));
    }
    if it.state == State::Passed {
        let cycle = items.last().and_then(|item| item.settled_in);
        lines.push(match cycle {
            Some(cycle) => format!("its money moves in {cycle}"),
            None => "its money moves in the cycle that is open, or in the next one".to_owned(),
        });
    }
    lines
}

/// A dispute for programs, without its steps.
pub fn facts(dispute: &Dispute, rules: Option<String>) -> Map<String, Value> {
    let mut facts = object(json!(dispute));
    facts.remove("steps");
    facts.insert("by_the_rules".to_owned(), json!(rules));
    facts
}

/// A refund for programs.
pub fn refund_facts(refund: &Refund) -> Map<String, Value> {
    object(json!(refund))
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
