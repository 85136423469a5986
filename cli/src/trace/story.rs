//! A life as a person tells it: step after step, cycle after cycle.

use super::{
    life::{Life, Presentation},
    steps::{amount, steps},
};
use crate::output::yuan;

/// Longest line on which the place still stands behind the step.
const LINE_MAX: usize = 100;

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
    let mut lines = vec![String::new()];
    // Dozens of topics would bury the answer; programs get each of them.
    let ours = format!("{}cu.", life.topic_prefix);
    let (topics, folders): (Vec<_>, Vec<_>) =
        life.looked.iter().partition(|looked| looked.place.starts_with(&ours));
    match topics.len() {
        0 => {}
        1 => lines.push("searched 1 topic".to_owned()),
        many => lines.push(format!("searched {many} topics")),
    }
    lines.extend(folders.iter().map(|looked| format!("searched {}: {}", looked.place, looked.read)));
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
