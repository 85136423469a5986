//! What is said: opened, answered, withdrawn, decided, given back.

use std::collections::BTreeSet;

use anyhow::Result;
use domain::{
    act::{Act, Decision},
    city::City,
    dispute::{self, DisputeAct, Disputes, Outcome, State, Subject, Verdict},
};
use serde_json::{Map, json};

use super::{Answer, Decide, Open, Refund, Withdraw, show};
use crate::{
    acts::{ActArgs, Done, known, perform},
    book::place::Place,
    errors::Refused,
    output::{Format, print, say, yuan},
};

/// The city that acts, by its certificate.
fn city(act: &ActArgs) -> Result<City> {
    let person = act.signer()?.person()?;
    let city = (person.unit == "participants").then(|| person.name.parse().ok()).flatten();
    city.ok_or_else(|| {
        Refused(format!(
            "{} of {} is no city; cities open disputes and refund, with the certificate of a participant",
            person.name, person.unit
        ))
        .into()
    })
}

/// Opens a dispute.
pub fn open(args: &Open) -> Result<()> {
    let subject = args.claimed.subject(&args.act.place, city(&args.act)?)?;
    let rules = args.rules.words(&subject, args.claimed.folder(&args.act.place).ok())?;
    let place = Place::open(&args.act.place)?;
    let (amount_fen, reason) = (args.amount_fen, args.reason.clone());
    let open = DisputeAct::Open { subject: subject.clone(), amount_fen, reason };
    perform(&place, &args.act.signer()?, Act::Dispute { dispute: open })?;
    let releases = known(&place)?;
    let opened = releases.disputes().all().find(|it| it.state == State::Open && it.subject == subject);
    let Some(opened) = opened else { return Ok(()) };
    let silence = if subject.needs_person() { "operations decide" } else { "it pays" };
    let text = format!(
        "{} is open: {} asks {} for {} yuan; it answers until {} (business date), without an answer {silence}",
        opened.id,
        opened.opener,
        opened.other,
        yuan(opened.amount_fen.into()),
        opened.answer_by
    );
    say(args.act.output, &text);
    if let Some(rules) = &rules {
        say(args.act.output, rules);
    }
    facts(args.act.output, show::facts(opened, rules))
}

/// Answers a dispute.
pub fn answer(args: &Answer) -> Result<()> {
    let answer = if args.accept { dispute::Answer::Accept } else { dispute::Answer::Contest };
    let (dispute, reason) = (args.dispute.clone(), args.reason.clone());
    let act = DisputeAct::Answer { dispute, answer, reason };
    city_says(&args.act, &args.dispute, act, args.act.output)
}

/// Takes a dispute back.
pub fn withdraw(args: &Withdraw) -> Result<()> {
    let act = DisputeAct::Withdraw { dispute: args.dispute.clone(), reason: args.reason.clone() };
    city_says(&args.act, &args.dispute, act, args.act.output)
}

fn city_says(args: &ActArgs, id: &str, act: DisputeAct, format: Format) -> Result<()> {
    let place = Place::open(&args.place)?;
    let done = perform(&place, &args.signer()?, Act::Dispute { dispute: act })?;
    let releases = known(&place)?;
    let Some(dispute) = releases.disputes().get(id) else { return Ok(()) };
    let moves = match dispute.state {
        State::Passed => format!("; {} pays {} yuan", dispute.other, yuan(dispute.amount_fen.into())),
        State::Contested => "; operations decide: cityunion dispute decide".to_owned(),
        State::Open | State::BadDebt | State::Withdrawn => String::new(),
    };
    say(format, &format!("{id} is {}, says {}{moves}", dispute.state.word(), done.by));
    facts(format, show::facts(dispute, None))
}

/// Proposes how a contested dispute ends.
pub fn decide(args: &Decide) -> Result<()> {
    let place = Place::open(&args.act.place)?;
    let outcome = if args.passed { Outcome::Passed } else { Outcome::BadDebt };
    let verdict = Verdict { dispute: args.dispute.clone(), outcome, reason: args.reason.clone() };
    let act = Act::Propose { decision: Decision::Dispute { verdict } };
    let Done { id, by } = perform(&place, &args.act.signer()?, act)?;
    let text = format!(
        "proposed by {by}, as {id}; another person of operations approves it: cityunion cycle approve {id}"
    );
    say(args.act.output, &text);
    let pairs = [("proposal", json!(id)), ("by", json!(by)), ("dispute", json!(args.dispute))];
    facts(args.act.output, pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

/// Gives back what was paid for a record.
pub fn refund(args: &Refund) -> Result<()> {
    let acquirer = city(&args.act)?;
    let record =
        args.claimed.record(&args.act.place, &|record| record.acquirer == acquirer && record.is_paid())?;
    let place = Place::open(&args.act.place)?;
    let before = known(&place)?;
    let back_fen = before.disputes().moved_fen(&Subject::Record(record.clone()));
    let left_fen = record.amount_fen.saturating_sub(back_fen);
    let act = DisputeAct::Refund {
        amount_fen: args.amount_fen.unwrap_or(left_fen),
        back_fen,
        reason: args.reason.clone(),
        record,
    };
    perform(&place, &args.act.signer()?, Act::Dispute { dispute: act })?;
    let ids = |disputes: &Disputes| disputes.refunds().map(|it| it.id.clone()).collect::<BTreeSet<_>>();
    let (after, known_before) = (known(&place)?, ids(before.disputes()));
    let new = after.disputes().refunds().find(|it| !known_before.contains(&it.id));
    let Some(new) = new else { return Ok(()) };
    let text = format!(
        "{}: {} gives {} yuan back to {}",
        new.id,
        new.record.acquirer,
        yuan(new.amount_fen.into()),
        new.record.issuer
    );
    say(args.act.output, &text);
    facts(args.act.output, show::refund_facts(new))
}

/// What programs read; people have read it already.
fn facts(format: Format, facts: Map<String, serde_json::Value>) -> Result<()> {
    if format == Format::Table { Ok(()) } else { print(format, &facts, &[]) }
}
