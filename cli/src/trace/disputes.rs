//! What was disputed or given back of a record after its cycle was closed, by the log.

use domain::{
    dispute::{Dispute, State, Subject, goes_with_file},
    result::RecordResult,
};

use super::{
    life::{Disputed, Presentation, Refunded},
    steps::Step,
};
use crate::{
    dispute::known::{ItemOf, Known},
    output::yuan,
};

/// Gives each record the disputes and refunds about it; a dispute of a whole file is about each record that it counts.
pub fn attach(known: &Known, presentations: &mut [Presentation]) {
    let all = known.releases().disputes();
    for it in presentations {
        let about = all.all().filter(|dispute| is_about(&dispute.subject, it));
        it.disputes = about
            .map(|dispute| Disputed { items: known.items_of(dispute), dispute: dispute.clone() })
            .collect();
        let about = all.refunds().filter(|refund| is_about(&Subject::Record(refund.record.clone()), it));
        it.refunds =
            about.map(|refund| Refunded { item: known.item_of(refund), refund: refund.clone() }).collect();
    }
}

fn is_about(subject: &Subject, it: &Presentation) -> bool {
    let (acquirer, issuer) = (subject.acquirer(), subject.issuer());
    if (acquirer, issuer.to_string()) != (it.acquirer, it.issuer.clone()) {
        return false;
    }
    match subject {
        Subject::Record(record) => (record.file.as_str(), record.line) == (it.file.as_str(), it.line.into()),
        Subject::File(whole) => {
            let said = |cycle: &Option<String>| cycle.as_ref() == Some(&whole.cycle.to_string());
            let result = it.results.iter().find(|said_of| said(&said_of.cycle));
            let result = result.and_then(|it| RecordResult::from_columns(&it.result, &it.reason));
            let counts = |result: RecordResult| match whole.paid {
                true => result == RecordResult::Cleared,
                false => goes_with_file(result),
            };
            whole.file == it.file && result.is_some_and(counts)
        }
    }
}

/// The steps of disputes and refunds.
pub fn steps(it: &Presentation) -> Vec<Step> {
    let mut steps = Vec::new();
    for Disputed { dispute, items } in &it.disputes {
        said(dispute, &mut steps);
        // The item of a dispute itself moves nothing.
        for item in items.iter().filter(|item| item.item != dispute.id) {
            moved(item, dispute.steps.last().map(|step| step.cycle.to_string()), &mut steps);
        }
    }
    for Refunded { refund, item } in &it.refunds {
        let cycle = Some(refund.cycle.to_string());
        let what =
            format!("{} gives {} yuan back: {}", refund.by, yuan(refund.amount_fen.into()), refund.reason);
        steps.push(Step { step: "refunded", cycle: cycle.clone(), what, place: refund.id.clone() });
        moved(item, cycle, &mut steps);
    }
    steps
}

fn said(dispute: &Dispute, steps: &mut Vec<Step>) {
    for step in &dispute.steps {
        let by = step.by.as_deref().unwrap_or("nobody");
        let (word, what) = match step.state {
            State::Open => {
                let whole =
                    if matches!(dispute.subject, Subject::File(_)) { " for the whole file" } else { "" };
                let fen = yuan(dispute.amount_fen.into());
                let (opener, other) = (dispute.opener, dispute.other);
                ("disputed", format!("{opener} asks {other} for {fen} yuan{whole}: {}", step.reason))
            }
            State::Contested => ("contested", format!("{by}: {}", step.reason)),
            State::Passed => ("passed", format!("{by}: {}", step.reason)),
            State::BadDebt => ("bad debt", format!("{by}: {}", step.reason)),
            State::Withdrawn => ("withdrawn", format!("{by}: {}", step.reason)),
        };
        let (cycle, place) = (Some(step.cycle.to_string()), dispute.id.clone());
        steps.push(Step { step: word, cycle, what, place });
    }
}

/// The money of an item; `said_in` is the cycle that was open when it was said.
fn moved(item: &ItemOf, said_in: Option<String>, steps: &mut Vec<Step>) {
    let ItemOf { debtor, creditor, amount_fen, .. } = item;
    let what = format!("{debtor} pays {creditor} {} yuan ({})", yuan((*amount_fen).into()), item.item);
    let step = match item.settled_in {
        Some(cycle) => Step {
            step: "item",
            cycle: Some(cycle.to_string()),
            what,
            place: format!("{cycle}/{}", files::layout::ITEMS_FILE),
        },
        None => Step {
            step: "item",
            cycle: said_in,
            what: format!("{what}, in the cycle that is open or the next one"),
            place: String::new(),
        },
    };
    steps.push(step);
}
