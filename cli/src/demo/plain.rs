//! The demo as lines: one a second, one for each closed cycle.

use std::sync::mpsc::{Receiver, Sender};

use super::{
    Demo,
    facts::{Order, Snapshot, Told},
    model::FIRST_RATED_SECOND,
};
use crate::output::{Format, say, thousands};

/// Prints what the stage tells until it has nothing more to tell. `orders` is kept, since the stage ends when
/// nobody is left to give it one.
pub fn show(args: &Demo, told: &Receiver<Told>, orders: Sender<Order>) {
    say(
        Format::Table,
        &format!("every {} s a cut-off; Ctrl-C ends it, started again it goes on", args.cycle_s),
    );
    let mut before: Option<(u64, u64, u64)> = None;
    for fact in told {
        match fact {
            Told::Snapshot(now) if before.is_none_or(|(second, ..)| second != now.second) => {
                let rated = before.filter(|(second, ..)| *second >= FIRST_RATED_SECOND);
                let rate = rated.map(|(_, at_ms, arrived)| {
                    let passed_ms = now.at_ms.saturating_sub(at_ms).max(1);
                    now.counts.arrived.saturating_sub(arrived) * 1000 / passed_ms
                });
                say(Format::Table, &line(&now, rate));
                before = Some((now.second, now.at_ms, now.counts.arrived));
            }
            Told::Closed(closed) => say(Format::Table, &format!("closed    {}", closed.folder.display())),
            _ => {}
        }
    }
    drop(orders);
}

/// A line; a rate that is not known yet is a dash.
fn line(now: &Snapshot, rate: Option<u64>) -> String {
    let number = |n: u64| thousands(&n.to_string());
    let open = now.open.as_ref().map_or("none", |open| &open.name);
    let dark: String = now.dark.keys().map(|city| format!("  dark {city}")).collect();
    format!(
        "{:>7} taps/s  cleared {:>11}  rejected {:>7}  parked {:>6}  open {open}{dark}",
        rate.map_or_else(|| "–".to_owned(), number),
        number(now.counts.cleared),
        number(now.counts.rejected),
        number(now.counts.parked)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::facts::{Counts, OpenCycle};

    #[test]
    fn a_line_has_what_scripts_look_for() {
        let now = Snapshot {
            counts: Counts { arrived: 12_000, cleared: 11_900, rejected: 60, parked: 40 },
            dark: [("cu-2000".parse().unwrap(), 3)].into(),
            open: Some(OpenCycle { name: "2018-09-01-001".to_owned(), ..OpenCycle::default() }),
            ..Snapshot::default()
        };
        assert_eq!(
            line(&now, Some(2_003)),
            "  2,003 taps/s  cleared      11,900  rejected      60  parked     40  open 2018-09-01-001  dark cu-2000"
        );
    }
}
