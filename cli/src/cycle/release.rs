//! `cycle propose|release|approve|reject|confirm|refuse|fail|settle|releases`: from a closed cycle to money that has moved.

use std::{fs::File, io::Read as _, path::PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use domain::{
    act::{Act, Decision},
    city::City,
    cycle::CycleName,
    release::{Closed, Releases},
};
use proto::cycle_event::Body;
use serde_json::{Map, Value, json};

use crate::{
    acts::{ActArgs, Done, known, perform},
    book::place::{Place, PlaceArgs},
    errors::{Refused, Usage},
    output::{Format, Sheet, print, say},
    rulebook::hex,
};

/// Arguments of `cycle propose`.
#[derive(Args, Debug)]
pub struct Propose {
    /// The cycle, such as 2018-09-01-001
    cycle: CycleName,
    /// A home city whose agreement is done without, after the days that it had for it; may be repeated
    #[arg(long, value_name = "CITY", requires = "reason")]
    without: Vec<City>,
    /// Why it is done without them
    #[arg(long, default_value = "")]
    reason: String,
    #[command(flatten)]
    act: ActArgs,
}

/// Arguments of `cycle fail`.
#[derive(Args, Debug)]
pub struct Fail {
    /// The cycle, such as 2018-09-01-001
    cycle: CycleName,
    /// The participant that does not pay
    #[arg(long)]
    city: City,
    /// Why
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    act: ActArgs,
}

/// Arguments of the acts that name a cycle.
#[derive(Args, Debug)]
pub struct OfCycle {
    /// The cycle, such as 2018-09-01-001
    cycle: CycleName,
    #[command(flatten)]
    act: ActArgs,
}

/// Arguments of `cycle refuse`.
#[derive(Args, Debug)]
pub struct Refuse {
    /// The cycle, such as 2018-09-01-001
    cycle: CycleName,
    /// Why the bank cannot carry its files out
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    act: ActArgs,
}

/// Arguments of `cycle confirm`.
#[derive(Args, Debug)]
pub struct Confirm {
    /// The cycle, such as 2018-09-01-001
    cycle: CycleName,
    /// The bank's answer: pacs.002, pain.002, camt.054 or CSV (reference,amount_fen,status,reason)
    file: PathBuf,
    #[command(flatten)]
    act: ActArgs,
}

/// Arguments of `cycle approve`.
#[derive(Args, Debug)]
pub struct Approve {
    /// The proposal, as `cycle releases` names it
    proposal: String,
    #[command(flatten)]
    act: ActArgs,
}

/// Arguments of `cycle reject`.
#[derive(Args, Debug)]
pub struct Reject {
    /// The proposal, as `cycle releases` names it
    proposal: String,
    /// Why
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    act: ActArgs,
}

/// Arguments of `cycle releases`.
#[derive(Args, Debug)]
pub struct Show {
    /// One cycle, with everything that happened to it [default: all cycles]
    cycle: Option<CycleName>,
    #[command(flatten)]
    place: PlaceArgs,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// Proposes the release of a cycle.
pub fn propose(args: &Propose) -> Result<()> {
    let place = Place::open(&args.act.place)?;
    let releases = known(&place)?;
    let of = closed(&releases, args.cycle)?.released().ok_or_else(|| {
        Refused(format!("the folder of {} is not there yet; wait until it is published", args.cycle))
    })?;
    let sha256 = of.manifest_sha256.clone();
    let decision = Decision::Release { of, without: args.without.clone(), reason: args.reason.clone() };
    let done = perform(&place, &args.act.signer()?, Act::Propose { decision })?;
    say(args.act.output, &format!("the manifest has SHA-256 {sha256}: those files and no others"));
    proposed(args.act.output, args.cycle, &done, "release");
    Ok(())
}

/// Proposes to carry on without a participant that does not pay.
pub fn fail(args: &Fail) -> Result<()> {
    let place = Place::open(&args.act.place)?;
    let version = closed(&known(&place)?, args.cycle)?.plan.version;
    let (cycle, city, reason) = (args.cycle, args.city, args.reason.clone());
    let decision = Decision::Fail { cycle, version, city, reason };
    let done = perform(&place, &args.act.signer()?, Act::Propose { decision })?;
    proposed(args.act.output, cycle, &done, "approve");
    Ok(())
}

fn proposed(format: Format, cycle: CycleName, done: &Done, next: &str) {
    let what = if next == "release" { cycle.to_string() } else { done.id.clone() };
    let text = format!(
        "proposed by {}, as {}; another person of operations approves it: cityunion cycle {next} {what}",
        done.by, done.id
    );
    say(format, &text);
}

/// Approves the release of a cycle that another person proposed.
pub fn release(args: &OfCycle) -> Result<()> {
    let place = Place::open(&args.act.place)?;
    let releases = known(&place)?;
    let of_cycle =
        |decision: &Decision| matches!(decision, Decision::Release { of, .. } if of.cycle == args.cycle);
    let waiting: Vec<_> = releases.proposals().filter(|(_, proposal)| of_cycle(&proposal.decision)).collect();
    let id = match waiting.as_slice() {
        [(id, _)] => *id,
        [] => {
            let text =
                format!("no release of {0} is proposed; propose it: cityunion cycle propose {0}", args.cycle);
            return Err(Refused(text).into());
        }
        several => {
            let each: Vec<String> =
                several.iter().map(|(id, it)| format!("  {id}: {}", it.decision.words())).collect();
            let text = format!(
                "several releases of {} are proposed; approve the one that is meant with `cityunion cycle approve`:\n{}",
                args.cycle,
                each.join("\n")
            );
            return Err(Refused(text).into());
        }
    };
    let done = perform(&place, &args.act.signer()?, Act::Approve { proposal: id.to_owned() })?;
    say(args.act.output, &format!("{} is released: approved by {}", args.cycle, done.by));
    Ok(())
}

/// Approves what another person proposed.
pub fn approve(args: &Approve) -> Result<()> {
    let place = Place::open(&args.act.place)?;
    let releases = known(&place)?;
    let decision = releases.proposals().find(|(id, _)| *id == args.proposal).map(|(_, it)| &it.decision);
    let done = perform(&place, &args.act.signer()?, Act::Approve { proposal: args.proposal.clone() })?;
    say(args.act.output, &format!("approved by {}", done.by));
    match decision {
        Some(Decision::Fail { cycle, version, .. }) => new_version(&place, args.act.output, *cycle, *version),
        _ => Ok(()),
    }
}

/// Takes a proposal off the table.
pub fn reject(args: &Reject) -> Result<()> {
    let place = Place::open(&args.act.place)?;
    let act = Act::Reject { proposal: args.proposal.clone(), reason: args.reason.clone() };
    let done = perform(&place, &args.act.signer()?, act)?;
    say(args.act.output, &format!("rejected by {}", done.by));
    Ok(())
}

/// The bank cannot carry the files of a cycle out.
pub fn refuse(args: &Refuse) -> Result<()> {
    let place = Place::open(&args.act.place)?;
    let version = closed(&known(&place)?, args.cycle)?.plan.version;
    let act = Act::Refuse { cycle: args.cycle, version, reason: args.reason.clone() };
    let done = perform(&place, &args.act.signer()?, act)?;
    say(args.act.output, &format!("refused by {}", done.by));
    new_version(&place, args.act.output, args.cycle, version)
}

/// Waits for the folder that takes the place of a version.
fn new_version(place: &Place, format: Format, cycle: CycleName, replaced: u32) -> Result<()> {
    let next = replaced.saturating_add(1);
    let folder = format!("{cycle}.v{next}");
    place.hear_event(0, "the folder of the next version", |event| match event.body {
        Some(Body::Published(published)) if published.folder == folder => Some(()),
        _ => None,
    })?;
    say(format, &format!("{folder} takes its place; it must be released like any other"));
    Ok(())
}

/// What the bank says of the payments of a cycle.
pub fn confirm(args: &Confirm) -> Result<()> {
    let path = args.file.display();
    let mut bytes = Vec::new();
    let file = File::open(&args.file).with_context(|| format!("failed to read {path}"))?;
    let read = file.take(files::answer::ANSWER_BYTES_MAX.saturating_add(1)).read_to_end(&mut bytes);
    read.with_context(|| format!("failed to read {path}"))?;
    let answer = files::answer::parse(&path.to_string(), &bytes).map_err(|error| Usage(error.to_string()))?;
    let place = Place::open(&args.act.place)?;
    let version = closed(&known(&place)?, args.cycle)?.plan.version;
    let (payments, sha256) = (answer.len(), hex(&proto::digest::bytes(&bytes)));
    let act = Act::Confirm { cycle: args.cycle, version, answer, sha256 };
    let done = perform(&place, &args.act.signer()?, act)?;
    say(
        args.act.output,
        &format!("{} is confirmed: {payments} payments as planned, says {}", args.cycle, done.by),
    );
    Ok(())
}

/// What was confirmed has been paid for good.
pub fn settle(args: &OfCycle) -> Result<()> {
    let place = Place::open(&args.act.place)?;
    let version = closed(&known(&place)?, args.cycle)?.plan.version;
    let done = perform(&place, &args.act.signer()?, Act::Settle { cycle: args.cycle, version })?;
    say(args.act.output, &format!("{} is settled, says {}", args.cycle, done.by));
    Ok(())
}

/// Shows what has become of closed cycles.
pub fn show(args: &Show) -> Result<()> {
    let place = Place::read_only(&args.place)?;
    let releases = known(&place)?;
    match args.cycle {
        None => list(args.output, &releases),
        Some(cycle) => one(args.output, closed(&releases, cycle)?, &releases),
    }
}

fn closed(releases: &Releases, cycle: CycleName) -> Result<&Closed> {
    let found = releases.cycle(cycle);
    found.ok_or_else(|| {
        Refused(format!("{cycle} is not closed; `cityunion cycle releases` lists those that are")).into()
    })
}

fn list(format: Format, releases: &Releases) -> Result<()> {
    let mut sheet = Sheet::new("cycles", &["cycle", "version", "state", "agreed", "released_by"]);
    for closed in releases.cycles() {
        let homes = closed.plan.homes.len();
        let agreed = homes.saturating_sub(closed.disagreements().len());
        sheet.row(vec![
            json!(closed.plan.cycle.to_string()),
            json!(closed.plan.version),
            json!(closed.word()),
            json!(format!("{agreed} of {homes}")),
            released_by(closed),
        ]);
    }
    print(format, &Map::new(), &[sheet, proposals(releases, |_| true)])
}

fn released_by(closed: &Closed) -> Value {
    match &closed.released_by {
        None => Value::Null,
        Some((one, two)) if one == two => json!(one.to_string()),
        Some((one, two)) => json!(format!("{one}, {two}")),
    }
}

/// What waits for a second person.
fn proposals(releases: &Releases, wanted: impl Fn(&Decision) -> bool) -> Sheet {
    let mut sheet = Sheet::new("proposals", &["proposal", "what", "by"]);
    for (id, proposal) in releases.proposals().filter(|(_, proposal)| wanted(&proposal.decision)) {
        sheet.row(vec![json!(id), json!(proposal.decision.words()), json!(proposal.by.to_string())]);
    }
    sheet
}

fn one(format: Format, closed: &Closed, releases: &Releases) -> Result<()> {
    let mut facts = Map::new();
    facts.insert("cycle".to_owned(), json!(closed.plan.cycle.to_string()));
    facts.insert("version".to_owned(), json!(closed.plan.version));
    facts.insert("state".to_owned(), json!(closed.word()));
    facts.insert("released_by".to_owned(), released_by(closed));
    let manifest = closed.folder.as_ref().map(|folder| folder.manifest_sha256.clone());
    facts.insert("manifest_sha256".to_owned(), json!(manifest));
    let mut against = Sheet::new("not_agreed", &["city", "why"]);
    for it in closed.disagreements() {
        against.row(vec![json!(it.city.to_string()), json!(it.to_string())]);
    }
    let mut steps = Sheet::new("steps", &["at", "by", "what", "act"]);
    for step in &closed.steps {
        steps.row(vec![json!(step.at), json!(step.by.to_string()), json!(step.what), json!(step.act)]);
    }
    let of_cycle = |decision: &Decision| decision.cycle() == Some(closed.plan.cycle);
    say(
        format,
        &format!(
            "{} is {}, at version {} of its plan",
            closed.plan.cycle,
            closed.word(),
            closed.plan.version
        ),
    );
    print(format, &facts, &[against, proposals(releases, of_cycle), steps])
}
