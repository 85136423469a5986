//! Messages in one line each, for the trace of one seed.

use proto::{Clearing, CycleEvent, clearing, cycle_event};

pub fn clearing(message: &Clearing) -> String {
    match &message.body {
        Some(clearing::Body::Outcome(o)) => {
            let parts = o.parts.iter().map(|p| {
                let issuer = p.part.as_ref().map_or("", |part| part.issuer.as_str());
                format!(
                    "{issuer}={}",
                    p.verdicts.as_ref().map_or("parked".to_owned(), |v| format!("{:?}", v.codes))
                )
            });
            format!("outcome {} {} {}", o.acquirer, o.number, parts.collect::<Vec<_>>().join(" "))
        }
        Some(clearing::Body::Late(l)) => {
            let parts = l.parts.iter().map(|p| p.issuer.as_str());
            format!("late {} {} {}", l.acquirer, l.number, parts.collect::<Vec<_>>().join(" "))
        }
        Some(clearing::Body::Repeat(r)) => format!("repeat {} {}", r.acquirer, r.number),
        Some(clearing::Body::Marker(m)) => format!("marker {m:?}"),
        Some(clearing::Body::Adjustment(a)) => format!("adjustment {}", a.id),
        Some(clearing::Body::Import(i)) => format!("import {} part {}", i.id, i.part),
        Some(other) => format!("{other:?}"),
        None => "nothing".to_owned(),
    }
}

pub fn cycles(event: &CycleEvent) -> String {
    match &event.body {
        Some(cycle_event::Body::Plan(plan)) => format!("plan {}", plan.cycle),
        Some(cycle_event::Body::Totals(totals)) => format!("totals {} of {}", totals.cycle, totals.partition),
        Some(other) => format!("{other:?}"),
        None => "nothing".to_owned(),
    }
}
