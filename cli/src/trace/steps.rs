//! The steps of a record's way, each with the place where it can be looked up.

use domain::{cycle::CycleName, result::RecordResult};
use serde::Serialize;

use super::{
    disputes,
    life::{FileRow, Life, Offsets, Presentation, ResultSaid, RowKind, Settlement, VerdictSaid},
};
use crate::output::{thousands, yuan};

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

/// The steps of a record's way, in the order of its cycles.
#[must_use]
pub fn steps(life: &Life, it: &Presentation) -> Vec<Step> {
    let mut teller = Teller { life, it, steps: Vec::new() };
    teller.edge();
    teller.log();
    teller.results();
    teller.files();
    let mut steps = teller.steps;
    steps.extend(disputes::steps(it));
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
                batch.position + 1,
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
            "{} owes {} for {}: {} yuan; interchange {}, switch fee {}",
            it.issuer,
            it.acquirer,
            counted(row.count, settlement.kind),
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
    let line = settlement.fee_line.as_deref().unwrap_or("the default rates");
    let total = settlement.line_count.zip(settlement.line_amount_fen);
    let shared = total.map_or_else(String::new, |(count, sum)| {
        format!("; {} of the pair under it, {} yuan", counted(count, "record"), yuan(sum.into()))
    });
    format!(
        "{line} of rulebook version {}: interchange {}, switch fee {}, basis {}{shared}",
        settlement.rulebook_version, settlement.interchange_rate, settlement.switch_rate, settlement.basis
    )
}

/// A number with its noun.
fn counted(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", thousands(&count.to_string()))
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

/// The amount of a record in yuan, or the text that stands there.
pub fn amount(it: &Presentation) -> String {
    it.amount_fen.parse::<i128>().map_or_else(|_| it.amount_fen.clone(), yuan)
}

fn fen(text: &str) -> String {
    text.parse::<i128>().map_or_else(|_| text.to_owned(), yuan)
}
