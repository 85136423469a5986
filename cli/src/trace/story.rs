//! A life as a person tells it: step after step, cycle after cycle.

use domain::{cycle::CycleName, result::RecordResult};
use serde::Serialize;

use super::life::{FileRow, Life, Offsets, Presentation, ResultSaid, RowKind, Settlement, VerdictSaid};
use crate::output::{thousands, yuan};

/// Longest line on which the place still stands behind the step.
const LINE_MAX: usize = 100;

/// One step of a record's way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// What kind of step.
    pub step: &'static str,
    /// The cycle in which it happened, if it belongs to one.
    pub cycle: Option<String>,
    /// What happened.
    pub what: String,
    /// Where it can be looked up.
    pub place: String,
}

/// The whole story, line by line, for a terminal or a panel.
#[must_use]
pub fn lines(life: &Life) -> Vec<String> {
    let mut lines = vec![opening(life)];
    for (at, presentation) in life.presentations.iter().enumerate() {
        lines.push(String::new());
        lines.push(format!("{}  {}", at + 1, summary(life, presentation)));
        let mut cycle = None;
        for step in steps(life, presentation) {
            if step.cycle.is_some() && step.cycle != cycle {
                cycle.clone_from(&step.cycle);
                lines.push(format!("   ── cycle {}", cycle.as_deref().unwrap_or_default()));
            }
            let line = format!("   {:<13} {}", step.step, step.what);
            match (step.place.is_empty(), line.chars().count() + step.place.chars().count() < LINE_MAX) {
                (true, _) => lines.push(line),
                (false, true) => lines.push(format!("{line}  [{}]", step.place)),
                (false, false) => lines.extend([line, format!("   {:<13} [{}]", "", step.place)]),
            }
        }
    }
    if !life.found() {
        lines.extend(not_found(life));
    }
    for note in &life.notes {
        lines.extend([String::new(), format!("note: {note}")]);
    }
    lines
}

/// Who the terminal belongs to, and how often the record came.
fn opening(life: &Life) -> String {
    let owners: Vec<String> = life.owners.iter().map(|owner| life.named(&owner.city.to_string())).collect();
    let owner = match owners.as_slice() {
        [] => "a terminal that no participant owns by the rules that were read".to_owned(),
        owners => format!("a terminal of {}", owners.join(", and of ")),
    };
    let times = match (life.presentations.len(), life.presentations_left_out) {
        (0, _) => "no record found".to_owned(),
        (1, 0) => "one record".to_owned(),
        (count, 0) => format!("{count} records, in the order in which they came"),
        (count, more) => format!("{count} records, in the order in which they came, and {more} more"),
    };
    format!("terminal {}, sequence {}: {owner}; {times}", life.terminal, life.terminal_seq)
}

fn not_found(life: &Life) -> Vec<String> {
    let mut lines = vec![String::new(), "looked in".to_owned()];
    lines.extend(life.looked.iter().map(|looked| format!("   {}: {}", looked.place, looked.read)));
    if !life.near.is_empty() {
        lines.extend([String::new(), "records of this terminal nearest to it".to_owned()]);
    }
    for near in &life.near {
        let at = near.tapped_at.as_ref().map_or_else(String::new, |at| format!(", tapped {at}"));
        lines.push(format!(
            "   sequence {:>10}  {}, line {} of {}: {} yuan of a card of {}{at}",
            near.terminal_seq,
            near.file,
            near.line,
            near.acquirer,
            yuan(near.amount_fen.into()),
            near.issuer,
        ));
    }
    lines
}

/// What became of a record, in a sentence.
#[must_use]
pub fn summary(life: &Life, it: &Presentation) -> String {
    let place = format!("{}, line {} of {}", it.file, it.line, life.named(&it.acquirer.to_string()));
    let issuer = life.named(&it.issuer);
    let stands = it.stands.as_ref().map_or_else(
        || "a record that was cleared before".to_owned(),
        |stands| format!("record {} ({}, line {})", stands.presentation, stands.file, stands.line),
    );
    let Some(last) = it.result() else {
        let stage = match (&it.outcome, &it.batch) {
            (Some(_), _) => "judged; its result has not been said yet",
            (None, Some(_)) => "on the log; the switch has not passed it on yet",
            (None, None) => "taken; its result has not come yet",
        };
        return format!("{place}: {stage}");
    };
    let cycle = last.cycle.as_ref().map_or_else(String::new, |cycle| format!(" in {cycle}"));
    let what = match last.result.as_str() {
        "cleared" => format!("cleared{cycle}: {issuer} pays {} yuan", amount(it)),
        "duplicate" => format!("duplicate{cycle} of {stands}: it is paid once, and not for this one"),
        "conflict" => {
            let differs = it.stands.iter().flat_map(|stands| &stands.differs);
            let differs: Vec<String> =
                differs.map(|(name, stands, this)| format!("{name} {stands} there, {this} here")).collect();
            let other = if differs.is_empty() { String::new() } else { format!(" ({})", differs.join("; ")) };
            format!(
                "conflict{cycle} with {stands}: other content{other}; this one is paid to nobody until a person decides"
            )
        }
        "parked" => {
            let since = it.park.as_ref().and_then(|park| park.since.clone()).unwrap_or_default();
            format!("parked since {since}: it waits for {issuer}, which does not answer")
        }
        "rejected" => format!("rejected{cycle}, not paid: {}", because(&last.reason, life, it)),
        "local" => "local: a card of the same city, no inter-city record; left to the city".to_owned(),
        "malformed" => {
            format!("malformed, never presented: {}; hand the corrected line in with a new file", last.reason)
        }
        other => format!("{other}{cycle}"),
    };
    format!("{place}: {what}")
}

/// A reason in words.
fn because(reason: &str, life: &Life, it: &Presentation) -> String {
    let issuer = life.named(&it.issuer);
    let words = match reason {
        "foreign_terminal" => {
            let owner = life.owners.first().map_or("nobody".to_owned(), |o| life.named(&o.city.to_string()));
            format!("the terminal belongs to {owner}, not to {}", life.named(&it.acquirer.to_string()))
        }
        "unknown_issuer" => format!("{issuer} was no member on the business date"),
        "issuer_suspended" => format!("{issuer} was suspended on the business date"),
        "future" => "it was tapped after the day that follows the business date".to_owned(),
        "late" => "it came after the time in which a tap may be presented".to_owned(),
        "unknown_key" => format!("{issuer} has no such key version and algorithm"),
        "tac_invalid" => format!("{issuer} says that the cryptogram does not fit"),
        "hotlisted" => format!("{issuer} had the card on its hotlist"),
        other => return other.to_owned(),
    };
    format!("{words} ({reason})")
}

fn amount(it: &Presentation) -> String {
    it.amount_fen.parse::<i128>().map_or_else(|_| it.amount_fen.clone(), yuan)
}

fn fen(text: &str) -> String {
    text.parse::<i128>().map_or_else(|_| text.to_owned(), yuan)
}

/// The steps of a record's way, in the order of its cycles.
#[must_use]
pub fn steps(life: &Life, it: &Presentation) -> Vec<Step> {
    let mut teller = Teller { life, it, steps: Vec::new() };
    teller.edge();
    teller.log();
    teller.results();
    teller.files();
    let mut steps = teller.steps;
    steps.sort_by_key(|step| step.cycle.as_ref().and_then(|cycle| cycle.parse::<CycleName>().ok()));
    steps
}

struct Teller<'a> {
    life: &'a Life,
    it: &'a Presentation,
    steps: Vec<Step>,
}

impl Teller<'_> {
    fn tell(&mut self, step: &'static str, cycle: &Option<String>, what: String, place: String) {
        self.steps.push(Step { step, cycle: cycle.clone(), what, place });
    }

    fn topic(&self, name: &str) -> String {
        format!("{}{name}", self.life.topic_prefix)
    }

    /// The tap, the file, the upload.
    fn edge(&mut self) {
        let it = self.it;
        if let Some(tap) = &it.tap {
            let place = [&tap.operator, &tap.route, &tap.station].into_iter().flatten().cloned();
            let place: Vec<String> = place.collect();
            let place = if place.is_empty() { String::new() } else { format!(" at {}", place.join(", ")) };
            let what = format!(
                "{}: {} yuan (fare {}){place}; {}, {}, {}",
                tap.tapped_at,
                amount(it),
                fen(&tap.fare_fen),
                tap.sector,
                tap.product,
                tap.medium
            );
            self.tell("tapped", &None, what, String::new());
            let what = format!(
                "card {} of {}, its transaction {}, type {}",
                tap.card,
                self.life.named(&it.issuer),
                tap.card_counter,
                tap.type_byte
            );
            let sealed = |version| {
                let (algorithm, tac) = (tap.algorithm.unwrap_or("?"), tap.tac.as_deref().unwrap_or("?"));
                format!("; cryptogram {tac}, key version {version}, {algorithm}")
            };
            let what = format!("{what}{}", tap.key_version.map_or_else(String::new, sealed));
            self.tell("card", &None, what, String::new());
        }
        let what = format!("by {}", self.life.named(&it.acquirer.to_string()));
        self.tell("handed in", &None, what, format!("{}, line {}", it.file, it.line));
        if let Some(row) = it.rows_of(RowKind::Receipt).next() {
            let what = format!(
                "upload {}: {} lines, {} presented, {} local, {} malformed",
                row.get("state"),
                row.get("records"),
                row.get("presented"),
                row.get("local"),
                row.get("malformed")
            );
            self.tell("receipt", &None, what, at(row));
        }
    }

    /// Batch, outcome, verdicts, park.
    fn log(&mut self) {
        let it = self.it;
        if let Some(batch) = &it.batch {
            let what = format!(
                "batch {} of {}, place {} of {}, digest {}…",
                thousands(&batch.number.to_string()),
                it.acquirer,
                batch.position,
                batch.records,
                batch.digest.get(..12).unwrap_or_default()
            );
            let place = match batch.offsets.count {
                0 => format!("no longer on {}", batch.topic),
                _ => format!("{} {}", batch.topic, offsets(&batch.offsets)),
            };
            self.tell("batched", &None, what, place);
        }
        if let Some(outcome) = &it.outcome {
            let topic = self.topic("cu.clearing");
            let place = format!("{topic} partition {} offset {}", outcome.partition, outcome.offset);
            let parked = if it.park.is_some() { ", without a verdict for this record" } else { "" };
            let what = format!("the switch passed the batch on{parked}");
            self.tell("passed on", &outcome.cycle, what, place);
        }
        for verdict in it.verdicts.iter().filter(|verdict| !verdict.late) {
            self.verdict("verdict", verdict);
        }
        if let Some(park) = &it.park {
            let what = format!("{} does not answer: the record waits", self.life.named(&it.issuer));
            let place = match park.offsets.count {
                0 => String::new(),
                _ => format!(
                    "{} {}",
                    self.topic(&format!("cu.parked.{}", it.acquirer)),
                    offsets(&park.offsets)
                ),
            };
            self.tell("parked", &park.since, what, place);
        }
        for verdict in it.verdicts.iter().filter(|verdict| verdict.late) {
            self.verdict("late verdict", verdict);
        }
        if let Some(outcome) = &it.outcome {
            let again = [
                (&outcome.again, "the whole batch came again: nothing counts twice"),
                (&outcome.headers, "the batch's number came again: its result is said again"),
            ];
            for (seen, what) in again.into_iter().filter(|(seen, _)| seen.count > 0) {
                let topic = self.topic("cu.clearing");
                let place = format!("{topic} partition {} {}", outcome.partition, offsets(seen));
                self.tell("said again", &outcome.cycle, what.to_owned(), place);
            }
        }
    }

    fn verdict(&mut self, step: &'static str, said: &VerdictSaid) {
        let issuer = self.life.named(&self.it.issuer);
        let tap = self.it.tap.as_ref();
        let key = tap.and_then(|tap| Some((tap.key_version?, tap.algorithm?)));
        let key = key.map_or_else(String::new, |(version, algorithm)| {
            format!(" (key version {version}, {algorithm})")
        });
        let what = match said.verdict {
            "accepted" => format!("{issuer} accepts it{key}"),
            other => format!("{issuer} says {other}{key}"),
        };
        let topic = self.topic("cu.clearing");
        let place = format!("{topic} partition {} {}", said.partition, offsets(&said.offsets));
        self.tell(step, &said.cycle, what, place);
    }

    /// What the book said, and what it moved.
    fn results(&mut self) {
        let it = self.it;
        for said in &it.results {
            let place = said.offset.map_or_else(String::new, |offset| {
                format!("{} offset {offset}", self.topic(&format!("cu.results.{}", it.acquirer)))
            });
            self.tell("result", &said.cycle, decided(said), place);
        }
        if let Some(settlement) = &it.settlement {
            let cycle = Some(settlement.cycle.clone());
            self.tell("fee line", &cycle, fees(settlement), String::new());
            self.position(settlement, &cycle);
        }
    }

    fn position(&mut self, settlement: &Settlement, cycle: &Option<String>) {
        let it = self.it;
        let Some(row) = &settlement.position else {
            let what = "in the running totals: the cycle is not closed yet".to_owned();
            return self.tell("position", cycle, what, String::new());
        };
        let what = format!(
            "{} owes {} for {} {}s: {} yuan; interchange {}, switch fee {}",
            it.issuer,
            it.acquirer,
            thousands(&row.count.to_string()),
            settlement.kind,
            yuan(row.amount_fen.into()),
            yuan(row.interchange_fen.into()),
            yuan(row.switch_fee_fen.into())
        );
        let plan =
            settlement.plan_offset.map(|offset| format!("{} offset {offset}", self.topic("cu.cycles")));
        let file = it.rows_of(RowKind::Position).next().map(at);
        let place: Vec<String> = plan.into_iter().chain(file).collect();
        self.tell("position", cycle, what, place.join("; "));
    }

    /// The rows that cities and banks read.
    fn files(&mut self) {
        for row in &self.it.rows {
            let cycle = &row.cycle;
            match row.kind {
                RowKind::Acquirer => {
                    self.tell("acquirer row", cycle, result_of(row), at(row));
                }
                RowKind::Issuer => {
                    let what = format!("{} yuan for {}", fen(row.get("amount_fen")), row.get("acquirer"));
                    self.tell("issuer row", cycle, what, at(row));
                }
                RowKind::Answer => {
                    let cycle = Some(row.get("cycle").to_owned()).filter(|name| !name.is_empty());
                    self.tell("answer", &cycle, result_of(row), at(row));
                }
                RowKind::Receipt | RowKind::Position => {}
            }
        }
    }
}

fn decided(said: &ResultSaid) -> String {
    let reason = if said.reason.is_empty() { String::new() } else { format!(" ({})", said.reason) };
    let by = match said.decided_by.as_str() {
        "book" => "the book",
        "centre" => "the centre",
        "issuer" => "the home city",
        "edge" => "the acquirer's edge",
        other => other,
    };
    let again = if said.result == RecordResult::Parked.name() { ", until its home city answers" } else { "" };
    format!("{}{reason}, decided by {by}{again}", said.result)
}

fn result_of(row: &FileRow) -> String {
    match (row.get("result"), row.get("reason")) {
        ("", _) => "no result yet".to_owned(),
        (result, "") => result.to_owned(),
        (result, reason) => format!("{result} ({reason})"),
    }
}

fn fees(settlement: &Settlement) -> String {
    let line = settlement
        .fee_line
        .as_ref()
        .map_or_else(|| "the default rates".to_owned(), |name| format!("fee line {name}"));
    let shared =
        settlement.line_count.zip(settlement.line_amount_fen).map_or_else(String::new, |(count, sum)| {
            format!(
                "; {} records of the pair under it, {} yuan",
                thousands(&count.to_string()),
                yuan(sum.into())
            )
        });
    format!(
        "{line} of rulebook version {}: interchange {}, switch fee {}, basis {}{shared}",
        settlement.rulebook_version, settlement.interchange_rate, settlement.switch_rate, settlement.basis
    )
}

fn at(row: &FileRow) -> String {
    format!("{}, line {}", row.path, row.line)
}

fn offsets(seen: &Offsets) -> String {
    let listed: Vec<String> = seen.first.iter().map(u64::to_string).collect();
    let word = if seen.count == 1 { "offset" } else { "offsets" };
    let kept = u64::try_from(listed.len()).unwrap_or(seen.count);
    let more = if seen.count > kept { format!(" and {} more", seen.count - kept) } else { String::new() };
    format!("{word} {}{more}", listed.join(", "))
}
