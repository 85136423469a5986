//! When the clearing node opens and ends cycles: by date, every few seconds, or when somebody asks.

use std::time::Duration;

use clearing_node::{
    book::opening_name,
    node::{CycleStatus, Request, Role},
};
use domain::{
    date::{Date, LocalTime},
    terms::Terms,
};
use proto::Opening;

use super::view::CutOff;

/// How long after a refusal the coordinator is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// When a cycle ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CutOffs {
    /// At the cut-off times of the rules that rule it; where they state none, when its business date is over.
    ByDate,
    /// So long after it was first seen here.
    Every(Duration),
    /// Never: somebody has to ask.
    ByHand,
}

/// Decides what the coordinator is asked. Times are those since some start.
#[derive(Debug)]
pub struct Clock {
    cut_offs: CutOffs,
    first_business_date: Option<Date>,
    /// The last cycle, and since when it has been seen here.
    cycle: Option<u32>,
    since: Duration,
    /// The cycle for which this was asked already, and when.
    asked: Option<u32>,
    asked_at: Option<Duration>,
}

/// What a look at the cycles found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Looked {
    /// What the coordinator is to be asked.
    pub request: Option<Request>,
    /// Why it refused what it was asked before; it is asked again.
    pub refused: Option<String>,
}

/// The rules as the log has them.
#[derive(Clone, Copy, Debug)]
pub struct Ruled<'a> {
    /// The newest version, which rules what opens next.
    pub newest: u32,
    /// What the rules of the last cycle say of cut-offs, once they are known.
    pub terms: Option<&'a Terms>,
}

impl Ruled<'_> {
    /// The business date of the cycle after this one.
    fn date_after(&self, opening: &Opening) -> Date {
        let name = opening_name(opening);
        self.terms.map_or(name.business_date.plus_days(1), |terms| terms.date_after(name))
    }

    /// Whether the cycle's own time has come.
    fn is_over(&self, opening: &Opening, local: LocalTime) -> bool {
        let (name, Some(terms)) = (opening_name(opening), self.terms) else { return false };
        if terms.cut_off_times.is_empty() {
            return local.date > name.business_date;
        }
        local.seconds() >= terms.cut_off(name).seconds()
    }
}

impl Clock {
    /// A clock that opens the very first cycle with this business date (today without it).
    #[must_use]
    pub fn new(cut_offs: CutOffs, first_business_date: Option<Date>) -> Self {
        let (cycle, since, asked, asked_at) = (None, Duration::ZERO, None, None);
        Self { cut_offs, first_business_date, cycle, since, asked, asked_at }
    }

    /// Looks at the cycles at a time `now`, which is `local` in UTC+8.
    pub fn look(
        &mut self,
        status: &CycleStatus,
        ruled: &Ruled<'_>,
        now: Duration,
        local: LocalTime,
    ) -> Looked {
        let mut looked = Looked::default();
        let paused = self.asked_at.is_some_and(|at| now.saturating_sub(at) < ASK_AGAIN);
        if let Some(why) = status.refused.as_ref().filter(|_| self.asked.is_some() && !paused) {
            looked.refused = Some(why.clone());
            self.asked = None;
        }
        let last = status.openings.last().map(|last| last.cycle);
        if last != self.cycle {
            self.cycle = last;
            self.since = now;
        }
        if let Some((cycle, request)) = self.due(status, ruled, now, local)
            && self.asked.replace(cycle) != Some(cycle)
        {
            looked.request = Some(request);
            self.asked_at = Some(now);
        }
        looked
    }

    fn due(
        &self,
        status: &CycleStatus,
        ruled: &Ruled<'_>,
        now: Duration,
        local: LocalTime,
    ) -> Option<(u32, Request)> {
        if !status.caught_up {
            return None;
        }
        let version = ruled.newest;
        let Some(last) = status.openings.last() else {
            let business_date = self.first_business_date.unwrap_or(local.date);
            return Some((0, Request::Open { business_date, version }));
        };
        let next = match self.cut_offs {
            CutOffs::Every(_) => Date::from_julian_day(last.business_date).plus_days(1),
            CutOffs::ByDate | CutOffs::ByHand => ruled.date_after(last),
        };
        if !status.open {
            return Some((last.cycle, Request::Open { business_date: next, version }));
        }
        let time = match self.cut_offs {
            CutOffs::Every(every) => now.saturating_sub(self.since) >= every,
            CutOffs::ByDate => ruled.is_over(last, local),
            CutOffs::ByHand => false,
        };
        time.then_some((last.cycle, Request::CutOff { opens: Some((next, version)) }))
    }

    /// What the coordinator is to be asked when somebody wants a cycle ended on the day `today` in UTC+8.
    ///
    /// A business date never goes back, so one that was far ahead by mistake would make all taps late for ever:
    /// none may lie beyond tomorrow.
    ///
    /// # Errors
    /// Why that cannot be.
    pub fn by_hand(
        &self,
        asked: &CutOff,
        status: &CycleStatus,
        ruled: &Ruled<'_>,
        today: Date,
    ) -> Result<(u32, Request), String> {
        let wanted = &asked.cycle;
        if status.role == Role::Standby {
            return Err(format!(
                "{wanted} cannot be cut off here: another node coordinates the cycles; \
                 `cityunion node list` says which"
            ));
        }
        let Some(open) = status.open_cycle().filter(|_| status.caught_up) else {
            return Err(format!("{wanted} cannot be cut off: no cycle is open"));
        };
        let name = opening_name(open).to_string();
        if name != *wanted {
            let known = status.openings.iter().find(|opening| opening_name(opening).to_string() == *wanted);
            let why = match known.map(|opening| status.published(opening.cycle)) {
                Some(Some(published)) => format!("its folder {} is there already", published.folder),
                Some(None) => "it is being closed already".to_owned(),
                None => format!("the open cycle is {name}"),
            };
            return Err(format!("{wanted} cannot be cut off: {why}"));
        }
        let date = Date::from_julian_day(open.business_date);
        let next = asked.next_business_date.unwrap_or_else(|| ruled.date_after(open));
        if next < date {
            return Err(format!(
                "the next business date {next} lies before {date}: a business date never goes back"
            ));
        }
        let tomorrow = today.plus_days(1);
        if next > tomorrow {
            return Err(format!(
                "the next business date would be {next}, which lies beyond tomorrow, {tomorrow}; \
                 another cycle of {date} opens with --next-date {date}"
            ));
        }
        Ok((open.cycle, Request::CutOff { opens: Some((next, ruled.newest)) }))
    }
}

/// What became of a request to end a cycle; nothing, while that is not known.
#[must_use]
pub fn outcome(cycle: u32, status: &CycleStatus) -> Option<Result<(), String>> {
    let ended = status.openings.last().is_some_and(|last| last.cycle > cycle || !status.open);
    if ended {
        return Some(Ok(()));
    }
    status.refused.clone().map(Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rules of one version, without cut-off times.
    fn ruled(newest: u32, terms: &Terms) -> Ruled<'_> {
        Ruled { newest, terms: Some(terms) }
    }

    fn at(text: &str) -> LocalTime {
        LocalTime::parse(text.as_bytes()).unwrap()
    }

    fn noon(day: &str) -> LocalTime {
        at(&format!("{day}T12:00:00"))
    }

    fn date(text: &str) -> Date {
        text.parse().unwrap()
    }

    fn status(cycles: u32) -> CycleStatus {
        let opening = |cycle| Opening {
            cycle,
            business_date: date("2018-08-31").plus_days(i32::try_from(cycle).unwrap()).julian_day(),
            sequence: 1,
            ..Opening::default()
        };
        let openings = (1..=cycles).map(opening).collect();
        let role = Role::Coordinates;
        CycleStatus { role, openings, caught_up: true, open: cycles > 0, ..CycleStatus::default() }
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_first_cycle_opens_once_and_by_hand_it_never_ends_by_itself() {
        let mut clock = Clock::new(CutOffs::ByHand, Some(date("2018-09-01")));
        let (terms, today) = (Terms::default(), noon("2026-01-01"));
        let ruled = ruled(3, &terms);
        let open = Request::Open { business_date: date("2018-09-01"), version: 3 };
        assert_eq!(clock.look(&status(0), &ruled, seconds(0), today).request, Some(open));
        assert_eq!(clock.look(&status(0), &ruled, seconds(1), today), Looked::default(), "asked once");
        assert_eq!(clock.look(&status(1), &ruled, seconds(100_000), today), Looked::default());
    }

    #[test]
    fn a_cycle_ends_when_its_time_has_come() {
        let cut = Request::CutOff { opens: Some((date("2018-09-02"), 1)) };
        let terms = Terms::default();
        let ruled = ruled(1, &terms);
        let mut by_date = Clock::new(CutOffs::ByDate, None);
        assert_eq!(by_date.look(&status(1), &ruled, seconds(0), noon("2018-09-01")).request, None);
        assert_eq!(
            by_date.look(&status(1), &ruled, seconds(1), noon("2018-09-02")).request,
            Some(cut.clone())
        );
        let mut every = Clock::new(CutOffs::Every(seconds(30)), None);
        assert_eq!(every.look(&status(1), &ruled, seconds(10), noon("2018-09-01")).request, None);
        assert_eq!(every.look(&status(1), &ruled, seconds(39), noon("2018-09-01")).request, None);
        assert_eq!(every.look(&status(1), &ruled, seconds(40), noon("2018-09-01")).request, Some(cut));
    }

    #[test]
    fn several_cut_offs_a_day_end_cycles_at_their_times_and_the_last_ends_the_date() {
        let terms = Terms { cut_off_times: vec![4 * 3600, 16 * 3600], ..Terms::default() };
        let ruled = ruled(7, &terms);
        let opening = |day: &str, sequence| CycleStatus {
            openings: vec![Opening {
                cycle: sequence,
                business_date: date(day).julian_day(),
                sequence,
                ..Opening::default()
            }],
            ..status(1)
        };
        let asked = |status: &CycleStatus, now: &str| {
            Clock::new(CutOffs::ByDate, None).look(status, &ruled, seconds(0), at(now)).request
        };
        let cut = |next: &str| Some(Request::CutOff { opens: Some((date(next), 7)) });
        let (first, second) = (opening("2018-09-01", 1), opening("2018-09-01", 2));
        assert_eq!(asked(&first, "2018-09-01T03:59:59"), None);
        assert_eq!(asked(&first, "2018-09-01T04:00:00"), cut("2018-09-01"), "the date has another cycle");
        assert_eq!(asked(&second, "2018-09-01T15:59:59"), None);
        assert_eq!(asked(&second, "2018-09-01T16:00:00"), cut("2018-09-02"));
        assert_eq!(
            asked(&opening("2018-09-02", 1), "2018-09-01T23:59:59"),
            None,
            "it began the evening before"
        );
        assert_eq!(asked(&opening("2018-09-01", 3), "2018-09-01T10:00:00"), None, "one more was cut by hand");
        assert_eq!(asked(&first, "2018-09-05T00:00:00"), cut("2018-09-01"), "nobody was there for days");

        let by_hand = CutOff { cycle: "2018-09-01-001".to_owned(), next_business_date: None };
        let clock = Clock::new(CutOffs::ByDate, None);
        let request =
            clock.by_hand(&by_hand, &first, &ruled, date("2018-09-01")).map(|(_, request)| Some(request));
        assert_eq!(request, Ok(cut("2018-09-01")), "by hand it goes on with the same date");
    }

    #[test]
    fn while_the_rules_of_a_cycle_are_not_known_no_time_ends_it() {
        let ruled = Ruled { newest: 1, terms: None };
        let looked =
            Clock::new(CutOffs::ByDate, None).look(&status(1), &ruled, seconds(0), noon("2018-09-09"));
        assert_eq!(looked, Looked::default());
    }

    #[test]
    fn what_was_refused_is_asked_again_after_a_while() {
        let mut clock = Clock::new(CutOffs::ByDate, None);
        let (terms, today) = (Terms::default(), noon("2018-09-02"));
        let ruled = ruled(1, &terms);
        assert!(clock.look(&status(1), &ruled, seconds(0), today).request.is_some());
        let refused = CycleStatus { refused: Some("no plan yet".to_owned()), ..status(1) };
        assert_eq!(clock.look(&refused, &ruled, seconds(1), today), Looked::default());
        let again = clock.look(&refused, &ruled, seconds(5), today);
        assert_eq!(again.refused.as_deref(), Some("no plan yet"));
        assert!(again.request.is_some());
    }

    #[test]
    fn a_request_by_hand_must_name_the_open_cycle_and_no_earlier_date() {
        let clock = Clock::new(CutOffs::ByHand, None);
        let terms = Terms::default();
        let ruled = ruled(2, &terms);
        let ask = |cycle: &str, next: Option<&str>| {
            let asked = CutOff { cycle: cycle.to_owned(), next_business_date: next.map(date) };
            clock.by_hand(&asked, &status(2), &ruled, date("2018-09-02"))
        };
        let cut = |next| Ok((2, Request::CutOff { opens: Some((date(next), 2)) }));
        assert_eq!(ask("2018-09-02-001", None), cut("2018-09-03"));
        assert_eq!(ask("2018-09-02-001", Some("2018-09-02")), cut("2018-09-02"));
        assert!(ask("2018-09-03-001", None).unwrap_err().contains("the open cycle is 2018-09-02-001"));
        assert!(ask("2018-09-01-001", None).unwrap_err().contains("being closed already"));
        assert!(ask("2018-09-02-001", Some("2018-09-01")).unwrap_err().contains("never goes back"));
        assert!(ask("2018-09-02-001", Some("2018-09-04")).unwrap_err().contains("beyond tomorrow"));
        let asked = CutOff { cycle: "2018-09-01-001".to_owned(), next_business_date: None };
        assert!(
            clock
                .by_hand(&asked, &status(0), &ruled, date("2018-09-02"))
                .unwrap_err()
                .contains("no cycle is open")
        );
    }

    #[test]
    fn a_request_is_answered_when_the_log_has_it_or_the_coordinator_refuses() {
        assert_eq!(outcome(1, &status(1)), None);
        assert_eq!(outcome(1, &status(2)), Some(Ok(())));
        let refused = CycleStatus { refused: Some("why".to_owned()), ..status(1) };
        assert_eq!(outcome(1, &refused), Some(Err("why".to_owned())));
    }
}
