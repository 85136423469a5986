//! Which business date and which rulebook may rule the next cycle.

use std::collections::BTreeMap;

use crate::{
    city::City,
    date::Date,
    guard::{Rule, holds},
    rulebook::Rulebook,
};

/// The date so many days before.
#[must_use]
pub fn days_before(date: Date, days: u32) -> Date {
    date.plus_days(i32::try_from(days).map_or(i32::MIN, |days| -days))
}

/// A cycle's drop line: the greatest of business date − presentment days − 1 over all cycles so
/// far. `previous` is the drop line of the cycle before.
#[must_use]
pub fn drop_line(previous: Option<Date>, business_date: Date, presentment_days: u32) -> Date {
    let own = days_before(business_date, presentment_days).plus_days(-1);
    let before = previous.filter(|_| holds(Rule::DropLineNeverFalls));
    before.map_or(own, |previous| previous.max(own))
}

/// Why a rulebook version may not rule the next cycle. The old version goes on instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CutOffRefusal {
    /// Business dates never go back.
    #[error("the business date {next} is before the last cycle's, {last}; name {last} or a later one")]
    DateGoesBack {
        /// The last cycle's.
        last: Date,
        /// The one refused.
        next: Date,
    },
    /// A terminal changes hands while records of its old owner may still be presented or remembered.
    #[error(
        "terminals from {terminal:012X} on move from {from} to {to} too early: on business date {next} taps of \
         {accepted_from} are still accepted, and {from} owned them until {owned_until}; leave them to {from}, or to \
         nobody, until business date {possible_from}"
    )]
    TerminalsMoveTooEarly {
        /// The lowest terminal number concerned.
        terminal: u64,
        /// Who owned it.
        from: City,
        /// Who is to own it.
        to: City,
        /// The last business date on which `from` owned it.
        owned_until: Date,
        /// The earliest tap that would be accepted.
        accepted_from: Date,
        /// The business date refused.
        next: Date,
        /// The first business date on which the move is allowed, if nobody else owns them before.
        possible_from: Date,
    },
    /// A city's taps would go to another partition.
    #[error(
        "the rulebook puts {city} into partition {to}, its book is in {from}: put it back, or move it first \
         (docs/moving-a-city.md)"
    )]
    PartitionChanged {
        /// The city.
        city: City,
        /// Where its book is.
        from: u32,
        /// The one refused.
        to: u32,
    },
    /// The number of partitions would change.
    #[error("the number of partitions changes from {from} to {to}; it is fixed for ever, put it back")]
    PartitionsChanged {
        /// The number so far.
        from: u32,
        /// The one refused.
        to: u32,
    },
}

/// Checks what a cut-off event would name against what really ruled: `history` holds each cycle's
/// business date and rulebook, `moved` the partition of each city that has moved, as the log says.
///
/// # Errors
/// [`CutOffRefusal`] if the date goes back, a terminal changes its owner too early, a city is not where its book
/// is, or the book changes its partitions.
pub fn cut_off_allowed(
    history: &[(Date, &Rulebook)],
    moved: &BTreeMap<City, u32>,
    next_date: Date,
    next: &Rulebook,
) -> Result<(), CutOffRefusal> {
    if let Some(last) = history.iter().map(|(date, _)| *date).max().filter(|last| next_date < *last) {
        return Err(CutOffRefusal::DateGoesBack { last, next: next_date });
    }
    for (ruled_until, ruled) in versions(history) {
        check_partitions(ruled, moved, next)?;
        check_terminals(ruled_until, ruled, next_date, next)?;
    }
    Ok(())
}

/// Each rulebook that ruled, once, with the last business date it ruled; the latest first.
fn versions<'r>(history: &[(Date, &'r Rulebook)]) -> Vec<(Date, &'r Rulebook)> {
    let mut versions: Vec<(Date, &Rulebook)> = history.to_vec();
    versions.sort_by_key(|(date, rulebook)| (rulebook.digest(), std::cmp::Reverse(*date)));
    versions.dedup_by_key(|(_, rulebook)| rulebook.digest());
    versions.sort_by_key(|(date, _)| std::cmp::Reverse(*date));
    versions
}

fn check_partitions(
    ruled: &Rulebook,
    moved: &BTreeMap<City, u32>,
    next: &Rulebook,
) -> Result<(), CutOffRefusal> {
    if ruled.partitions != next.partitions {
        return Err(CutOffRefusal::PartitionsChanged { from: ruled.partitions, to: next.partitions });
    }
    let participants = ruled.participants.iter().map(|participant| participant.city);
    let placed = participants.chain(ruled.assignments().map(|(city, _)| city));
    for city in placed {
        let from = moved.get(&city).copied().unwrap_or_else(|| ruled.partition_of(city));
        let to = next.partition_of(city);
        if from != to {
            return Err(CutOffRefusal::PartitionChanged { city, from, to });
        }
    }
    Ok(())
}

fn check_terminals(
    ruled_until: Date,
    ruled: &Rulebook,
    next_date: Date,
    next: &Rulebook,
) -> Result<(), CutOffRefusal> {
    let accepted_from = days_before(next_date, next.presentment_days);
    // Taps of the day after a business date are accepted on it, hence not the day after but the second.
    let needed = ruled_until.plus_days(2);
    if accepted_from >= needed {
        return Ok(());
    }
    match ruled.ownership().first_move(next.ownership()) {
        None => Ok(()),
        Some(moved) => Err(CutOffRefusal::TerminalsMoveTooEarly {
            terminal: moved.first,
            from: moved.from,
            to: moved.to,
            owned_until: ruled_until,
            accepted_from,
            next: next_date,
            possible_from: next_date.plus_days(needed.julian_day() - accepted_from.julian_day()),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{city, date, rulebook};

    /// A rulebook of these cities and prefixes.
    fn rules(presentment_days: u32, prefixes: &[(&str, &str)], clearing: &str) -> Rulebook {
        let participants = prefixes.iter().map(|(city, prefixes)| {
            format!(
                "[[participant]]\ncity = \"{city}\"\nname_en = \"City\"\nname_zh = \"市\"\njoined = \"2018-01-01\"\n\
                 terminal_prefixes = [{prefixes}]\n"
            )
        });
        rulebook(&format!(
            "version = 1\npresentment_days = {presentment_days}\nhotlist_grace_hours = 24\n\
             fees = {{ basis = \"per_record\", interchange_rate = \"0\", switch_rate = \"0\" }}\n{clearing}\n{}",
            participants.collect::<String>()
        ))
    }

    /// Nothing has moved.
    fn allowed(history: &[(Date, &Rulebook)], next_date: Date, next: &Rulebook) -> Result<(), CutOffRefusal> {
        cut_off_allowed(history, &BTreeMap::new(), next_date, next)
    }

    fn moved(found: Result<(), CutOffRefusal>) -> Option<(u64, City, City, Date)> {
        match found {
            Ok(()) => None,
            Err(CutOffRefusal::TerminalsMoveTooEarly { terminal, from, to, possible_from, .. }) => {
                Some((terminal, from, to, possible_from))
            }
            Err(other) => panic!("another refusal: {other}"),
        }
    }

    #[test]
    fn business_dates_stay_or_advance() {
        let rules = rules(10, &[("cu-2000", "'2000'")], "");
        let history = [(date("2018-09-02"), &rules), (date("2018-09-03"), &rules)];
        assert_eq!(allowed(&history, date("2018-09-03"), &rules), Ok(()));
        assert_eq!(allowed(&history, date("2018-12-31"), &rules), Ok(()));
        let refusal = CutOffRefusal::DateGoesBack { last: date("2018-09-03"), next: date("2018-09-02") };
        assert_eq!(allowed(&history, date("2018-09-02"), &rules), Err(refusal));
        assert_eq!(allowed(&[], date("2018-09-02"), &rules), Ok(()), "the first cycle");
    }

    /// 2000 last owned the terminals on 3 September. Its taps of 4 September may have been cleared then, so
    /// with 10 days of presentment the first date that accepts none of them is 15 September.
    #[test]
    fn a_prefix_moves_after_the_window() {
        let before = rules(10, &[("cu-2000", "'2000'"), ("cu-3000", "'3000'")], "");
        let after = rules(10, &[("cu-2000", ""), ("cu-3000", "'3000', '2000'")], "");
        let nobody = rules(10, &[("cu-2000", ""), ("cu-3000", "'3000'")], "");
        let history =
            [(date("2018-09-01"), &before), (date("2018-09-03"), &before), (date("2018-09-05"), &nobody)];
        let expected = (0x2000_0000_0000, city("cu-2000"), city("cu-3000"), date("2018-09-15"));
        for next in ["2018-09-05", "2018-09-14"] {
            assert_eq!(moved(allowed(&history, date(next), &after)), Some(expected), "{next}");
        }
        assert_eq!(allowed(&history, date("2018-09-15"), &after), Ok(()));
        let wider = rules(11, &[("cu-3000", "'2000'")], "");
        assert!(allowed(&history, date("2018-09-15"), &wider).is_err(), "by the next version's window");
        assert_eq!(allowed(&history, date("2018-09-05"), &before), Ok(()), "back to who had it");
    }

    #[test]
    fn giving_up_and_first_taking_are_no_moves() {
        let before = rules(10, &[("cu-2000", "'2000'")], "");
        let history = [(date("2018-09-03"), &before)];
        let given_up = rules(10, &[("cu-2000", "")], "");
        let new_city = rules(10, &[("cu-2000", "'2000'"), ("cu-3000", "'3000'")], "");
        for next in [&given_up, &new_city] {
            assert_eq!(allowed(&history, date("2018-09-03"), next), Ok(()));
        }
    }

    #[test]
    fn an_inner_prefix_for_another_city_is_a_move_of_its_terminals_alone() {
        let before = rules(10, &[("cu-2000", "'2000'"), ("cu-3000", "'3000'")], "");
        let inner = rules(10, &[("cu-2000", "'2000'"), ("cu-3000", "'3000', '20005'")], "");
        let refused = allowed(&[(date("2018-09-03"), &before)], date("2018-09-04"), &inner);
        let expected = (0x2000_5000_0000, city("cu-2000"), city("cu-3000"), date("2018-09-15"));
        assert_eq!(moved(refused), Some(expected));
        let back = allowed(&[(date("2018-09-03"), &inner)], date("2018-09-04"), &before);
        let expected = (0x2000_5000_0000, city("cu-3000"), city("cu-2000"), date("2018-09-15"));
        assert_eq!(moved(back), Some(expected), "taking the inner prefix away gives them to the outer one");
    }

    #[test]
    fn other_prefixes_for_the_same_terminals_are_no_move() {
        let before = rules(10, &[("cu-2000", "'2000'"), ("cu-3000", "'20005'")], "");
        let halves: Vec<String> = (0..16).map(|digit| format!("'2000{digit:X}'")).collect();
        let mut own = halves.clone();
        own.remove(5);
        let after = rules(10, &[("cu-2000", &own.join(", ")), ("cu-3000", &halves[5])], "");
        assert_eq!(allowed(&[(date("2018-09-03"), &before)], date("2018-09-03"), &after), Ok(()));
    }

    #[test]
    fn partitions_never_change() {
        let cities = [("cu-2000", "'2000'"), ("cu-3000", "'3000'")];
        let assigned = |cities, partitions: u32, assignment| {
            let clearing =
                format!("clearing = {{ partitions = {partitions}, assignment = {{ {assignment} }} }}");
            rules(10, cities, &clearing)
        };
        let before = assigned(&cities, 2, "cu-3000 = 1");
        let check = |next: &Rulebook| allowed(&[(date("2018-09-03"), &before)], date("2018-09-03"), next);

        let appended =
            assigned(&[("cu-2000", "'2000'"), ("cu-4000", "'4000'")], 2, "cu-3000 = 1, cu-4000 = 1");
        assert_eq!(check(&appended), Ok(()), "a new city may be placed anywhere, a gone one stays listed");
        let refused =
            |city: &str, from, to| Err(CutOffRefusal::PartitionChanged { city: self::city(city), from, to });
        assert_eq!(check(&assigned(&cities, 2, "cu-3000 = 0")), refused("cu-3000", 1, 0));
        assert_eq!(check(&assigned(&cities[..1], 2, "")), refused("cu-3000", 1, 0));
        assert_eq!(check(&assigned(&cities, 2, "cu-3000 = 1, cu-2000 = 1")), refused("cu-2000", 0, 1));
        assert_eq!(
            check(&assigned(&cities, 3, "cu-3000 = 1")),
            Err(CutOffRefusal::PartitionsChanged { from: 2, to: 3 })
        );
    }

    /// A city that left and comes back is where it was, however long ago.
    #[test]
    fn every_version_that_ruled_counts() {
        let clearing = "clearing = { partitions = 2, assignment = { cu-3000 = 1 } }";
        let first = rules(10, &[("cu-2000", "'2000'"), ("cu-3000", "'3000'")], clearing);
        let second = rules(10, &[("cu-2000", "'2000'")], clearing);
        let third =
            rules(10, &[("cu-2000", "'2000'"), ("cu-3000", "'3000'")], "clearing = { partitions = 2 }");
        let history = [(date("2018-01-01"), &first), (date("2020-01-01"), &second)];
        assert!(allowed(&history, date("2022-01-01"), &third).is_err());
        assert_eq!(allowed(&history, date("2022-01-01"), &first), Ok(()));
    }

    /// Only where the log says that a city is may a rulebook put it; the version before the move is over.
    #[test]
    fn a_city_that_has_moved_is_where_the_log_says() {
        let at = |partition: u32| {
            let clearing =
                format!("clearing = {{ partitions = 3, assignment = {{ cu-2000 = {partition} }} }}");
            rules(10, &[("cu-2000", "'2000'"), ("cu-3000", "'3000'")], &clearing)
        };
        let (here, there) = (at(0), at(2));
        let history = [(date("2018-09-03"), &here)];
        let moved = BTreeMap::from([(city("cu-2000"), 2)]);
        let check = |next: &Rulebook| cut_off_allowed(&history, &moved, date("2018-09-04"), next);
        assert_eq!(check(&there), Ok(()));
        let stays = CutOffRefusal::PartitionChanged { city: city("cu-2000"), from: 2, to: 0 };
        assert_eq!(check(&here), Err(stays));
        let elsewhere = CutOffRefusal::PartitionChanged { city: city("cu-2000"), from: 2, to: 1 };
        assert_eq!(check(&at(1)), Err(elsewhere));
        let both = [(date("2018-09-03"), &here), (date("2018-09-04"), &there)];
        assert_eq!(cut_off_allowed(&both, &moved, date("2018-09-05"), &there), Ok(()), "ever after");
    }
}
