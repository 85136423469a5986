//! `dispute list` and `dispute show`.

use anyhow::Result;
use domain::dispute::{Dispute, Refund, Subject};
use serde_json::{Map, Value, json};

use super::{List, Show};
use crate::{
    acts::known,
    book::place::Place,
    errors::Refused,
    output::{Format, Sheet, print, say, yuan},
};

/// Lists disputes and refunds.
pub fn list(args: &List) -> Result<()> {
    let releases = known(&Place::read_only(&args.place)?)?;
    let wanted = |subject: &Subject| args.city.is_none_or(|city| subject.other(city).is_some());
    let columns = ["dispute", "state", "opener", "other", "amount_fen", "cycle", "about", "answer_by"];
    let mut disputes = Sheet::new("disputes", &columns);
    for it in releases.disputes().all() {
        if wanted(&it.subject) && !(args.waiting && it.state.is_over()) {
            disputes.row(vec![
                json!(it.id),
                json!(it.state.word()),
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
    for it in releases.disputes().refunds().filter(|_| !args.waiting) {
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

/// Shows one dispute.
pub fn one(args: &Show) -> Result<()> {
    let releases = known(&Place::read_only(&args.place)?)?;
    let found = releases.disputes().get(&args.dispute);
    let it = found.ok_or_else(|| {
        Refused(format!("there is no dispute {}; `cityunion dispute list` shows them", args.dispute))
    })?;
    let rules = args.rules.words(&it.subject, args.place.published()?)?;
    let what = match &it.subject {
        Subject::Record(record) => {
            format!("terminal {} number {}, {}", record.terminal, record.terminal_seq, record.result)
        }
        Subject::File(file) => format!("{} records of {} yuan", file.count, yuan(file.amount_fen.into())),
    };
    let text = format!(
        "{} is {}: {} asks {} for {} yuan\n{} of {}: {what}",
        it.id,
        it.state.word(),
        it.opener,
        it.other,
        yuan(it.amount_fen.into()),
        it.subject,
        it.subject.cycle()
    );
    say(args.output, &text);
    if !it.state.is_over() {
        say(args.output, &format!("{} answers until {} (business date)", it.other, it.answer_by));
    }
    if let Some(rules) = &rules {
        say(args.output, rules);
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
    let facts = if args.output == Format::Json { facts(it, rules) } else { Map::new() };
    print(args.output, &facts, &[steps])
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
