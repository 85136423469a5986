//! What the clearing node shows of its cycles.

use std::{path::Path, time::SystemTime};

use clearing_node::{book::opening_name, node::CycleStatus};
use domain::date::Date;
use serde::{Deserialize, Serialize};

use super::detail::{NetDebit, Row};

/// How many of the closed cycles are shown.
const CLOSED_SHOWN: usize = 10;
/// How many cycles are listed.
const LISTED: usize = 100;
/// How many alarms are shown.
const ALARMS_SHOWN: usize = 20;

/// The cycles as the clearing node sees them.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub struct View {
    /// Whether it coordinates the cycles, and has read everything that stood on the log before.
    pub caught_up: bool,
    /// What the node is to the cycles: `reading`, `standby`, `taking_over` or `coordinates`.
    pub role: String,
    /// The last cycles, the latest first.
    pub cycles: Vec<Row>,
    /// Number of all cycles.
    pub cycles_in_all: usize,
    /// Acquirers that the book has stopped, and why.
    pub stopped_cities: Vec<(String, String)>,
    /// Why the close stands still, or why a folder is not there yet.
    pub halted: Option<String>,
    /// The open cycle.
    pub open: Option<Cycle>,
    /// Cycles that are cut off and not published yet, oldest first.
    pub closing: Vec<Closing>,
    /// The last closed cycles, the latest first.
    pub closed: Vec<Closed>,
    /// Number of all closed cycles.
    pub closed_in_all: usize,
    /// What a person should look at, the latest last.
    pub alarms: Vec<String>,
    /// Participants whose net debit in the open cycle, or in one that is being closed, has reached a level.
    #[serde(default)]
    pub net_debits: Vec<(String, NetDebit)>,
}

/// A cycle.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Cycle {
    /// Its name, such as `2018-09-01-001`.
    pub cycle: String,
    /// Its business date.
    pub business_date: Date,
    /// The version of the rules that rule it.
    pub rulebook_version: u32,
}

/// A cycle on its way to its folder.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Closing {
    /// Its name.
    pub cycle: String,
    /// The acquirers whose last taps it waits for.
    pub waits_for: Vec<String>,
}

/// A closed cycle.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Closed {
    /// Its name.
    pub cycle: String,
    /// Its folder, with its path.
    pub folder: String,
}

/// A request to end the open cycle.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CutOff {
    /// The cycle to end: it must be the open one, so that a request that is sent twice ends one cycle.
    pub cycle: String,
    /// Business date of the cycle that follows; what the cut-off times of the rules say without it.
    pub next_business_date: Option<Date>,
}

impl View {
    /// The picture of a status. `out_dir` is where folders appear.
    #[must_use]
    pub fn of(status: &CycleStatus, out_dir: &Path) -> Self {
        let (open, now) = (status.open_cycle(), SystemTime::now());
        let stopped = status.stopped_cities.iter();
        let name = |opening| opening_name(opening).to_string();
        let ended =
            status.openings.iter().filter(|opening| open.is_none_or(|open| open.cycle != opening.cycle));
        let last_ended = ended.clone().next_back().map(|opening| opening.cycle);
        let mut view = Self {
            caught_up: status.caught_up,
            role: status.role.name().to_owned(),
            cycles: status.cycles.iter().rev().take(LISTED).map(|cycle| Row::of(cycle, now)).collect(),
            cycles_in_all: status.cycles.len(),
            stopped_cities: stopped.map(|(city, why)| (city.to_string(), why.clone())).collect(),
            halted: [&status.halted, &status.unrendered, &status.segment_failed]
                .into_iter()
                .find_map(Clone::clone),
            open: open.map(|opening| Cycle {
                cycle: name(opening),
                business_date: Date::from_julian_day(opening.business_date),
                rulebook_version: opening.rulebook_version,
            }),
            closed_in_all: status.published.len(),
            ..Self::default()
        };
        for opening in ended {
            match status.published(opening.cycle) {
                Some(published) => {
                    let folder = out_dir.join(&published.folder).display().to_string();
                    view.closed.insert(0, Closed { cycle: name(opening), folder });
                }
                None => {
                    // Only the cut-off that was said last has a barrier.
                    let waits = last_ended == Some(opening.cycle);
                    let waits_for =
                        status.barrier_waits_for.iter().filter(|_| waits).map(ToString::to_string);
                    view.closing.push(Closing { cycle: name(opening), waits_for: waits_for.collect() });
                }
            }
        }
        let unpublished =
            status.cycles.iter().filter(|cycle| status.published(cycle.opening.cycle).is_none());
        for cycle in unpublished {
            let near = cycle.exposures.iter().filter(|exposure| exposure.level_percent.is_some());
            let near = near.map(|exposure| (name(&cycle.opening), NetDebit::from(exposure)));
            view.net_debits.extend(near);
        }
        view.closed.truncate(CLOSED_SHOWN);
        let skipped = status.alarms.len().saturating_sub(ALARMS_SHOWN);
        view.alarms = status.alarms.iter().skip(skipped).cloned().collect();
        view
    }

    /// The closed cycle of a name.
    #[must_use]
    pub fn closed(&self, cycle: &str) -> Option<&Closed> {
        self.closed.iter().find(|closed| closed.cycle == cycle)
    }

    /// The cycle of a name that is on its way to its folder.
    #[must_use]
    pub fn closing(&self, cycle: &str) -> Option<&Closing> {
        self.closing.iter().find(|closing| closing.cycle == cycle)
    }
}

#[cfg(test)]
mod tests {
    use proto::{Opening, Published};

    use super::*;

    fn opening(cycle: u32) -> Opening {
        let date: Date = "2018-09-01".parse().unwrap();
        let business_date = date.plus_days(i32::try_from(cycle).unwrap() - 1).julian_day();
        Opening { cycle, business_date, sequence: 1, rulebook_version: 1, ..Opening::default() }
    }

    #[test]
    fn a_cycle_is_open_then_closing_then_closed() {
        let out = Path::new("/srv/settled");
        let mut status = CycleStatus {
            openings: vec![opening(1), opening(2)],
            open: true,
            barrier_waits_for: vec!["cu-2000".parse().unwrap()],
            ..CycleStatus::default()
        };
        let view = View::of(&status, out);
        assert_eq!(view.open.as_ref().unwrap().cycle, "2018-09-02-001");
        let waits_for = vec!["cu-2000".to_owned()];
        assert_eq!(view.closing, [Closing { cycle: "2018-09-01-001".to_owned(), waits_for }]);
        assert_eq!(view.closed, []);

        status.barrier_waits_for.clear();
        let folder = "2018-09-01-001".to_owned();
        status.published.push(Published { cycle: 1, folder, ..Published::default() });
        let view = View::of(&status, out);
        assert_eq!(view.closing, []);
        assert_eq!(view.closed("2018-09-01-001").unwrap().folder, "/srv/settled/2018-09-01-001");
    }

    #[test]
    fn while_no_cycle_is_open_the_last_one_is_closing() {
        let status = CycleStatus { openings: vec![opening(1)], ..CycleStatus::default() };
        let view = View::of(&status, Path::new("out"));
        assert_eq!(view.open, None);
        assert_eq!(view.closing("2018-09-01-001").unwrap().waits_for, Vec::<String>::new());
    }
}
