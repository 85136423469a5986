//! What a new version may not say: other rules for business dates that are closed.

use std::collections::BTreeSet;

use super::{Rulebook, Standing, changes::by_name};
use crate::{city::City, date::Date, fees::FeeLine};

/// A dated rule that is another for a business date that is closed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{subject}: {why}")]
pub struct Retroactive {
    /// Whose rule, such as `cu-2000`.
    pub subject: String,
    /// What was so on a closed date, and what to write instead.
    pub why: String,
}

/// What `new` says otherwise than `old` of business dates that are closed.
///
/// Closed cycles stay as they are whatever a new version says, since each is bound to the version that opened it. So a
/// version that dates a rule into them would only be read as if it had ruled them. What has no date in the rulebook (the
/// window, the rates of `[fees]`, an undated fee line, prefixes, accounts) rules from the version's first opening on.
#[must_use]
pub fn retroactive(old: &Rulebook, new: &Rulebook, closed: &BTreeSet<Date>) -> Vec<Retroactive> {
    let participants = old.participants.iter().chain(&new.participants);
    let cities: BTreeSet<City> = participants.map(|participant| participant.city).collect();
    let mut found: Vec<Retroactive> =
        cities.iter().filter_map(|city| of_city(old, new, *city, closed)).collect();
    found.extend(of_lines(&old.fees.lines, &new.fees.lines, closed));
    found
}

fn of_city(old: &Rulebook, new: &Rulebook, city: City, closed: &BTreeSet<Date>) -> Option<Retroactive> {
    // One that is taken out altogether is gone from the version's first opening on.
    new.participant(city)?;
    let differs = |date: &&Date| old.standing(city, **date) != new.standing(city, **date);
    let date = *closed.iter().find(differs)?;
    let last = closed.iter().rfind(differs).copied().unwrap_or(date);
    let (was, would_be) = (word(old.standing(city, date)), word(new.standing(city, date)));
    let open = closed.last().copied().unwrap_or(last).plus_days(1);
    Some(Retroactive {
        subject: city.to_string(),
        why: format!(
            "on {}, which {} closed, it was {was} and would be {would_be}; date the change {open} or later",
            span(date, last),
            if date == last { "is" } else { "are" }
        ),
    })
}

fn word(standing: Standing) -> &'static str {
    match standing {
        Standing::Unknown => "no member",
        Standing::Suspended => "suspended",
        Standing::Member => "a member",
    }
}

fn span(first: Date, last: Date) -> String {
    if first == last { first.to_string() } else { format!("{first} to {last}") }
}

fn of_lines(old: &[FeeLine], new: &[FeeLine], closed: &BTreeSet<Date>) -> Vec<Retroactive> {
    let (before, after) = (by_name(old), by_name(new));
    let Some(open) = closed.last().map(|last| last.plus_days(1)) else { return Vec::new() };
    let refused =
        |line: &FeeLine, why: String| Retroactive { subject: format!("fee line {}", line.name), why };
    let mut found = Vec::new();
    for (key, (_, line)) in &after {
        match before.get(key) {
            None => {
                let begun = line.from.and(closed.iter().find(|date| applies(line, **date)));
                found.extend(begun.map(|date| {
                    refused(line, format!("is new and would apply on {date}, which is closed; write from = \"{open}\" or later"))
                }));
            }
            Some((_, was)) => {
                if let Some(why) = of_line(was, line, closed, open) {
                    found.push(refused(line, why));
                }
            }
        }
    }
    found
}

fn of_line(was: &FeeLine, line: &FeeLine, closed: &BTreeSet<Date>, open: Date) -> Option<String> {
    let dated = line.from.is_some() || line.until.is_some() || was.from.is_some() || was.until.is_some();
    if !dated || was == line {
        return None;
    }
    let moved = closed.iter().find(|date| applies(was, **date) != applies(line, **date));
    if let Some(date) = moved {
        let (was, would) =
            if applies(line, *date) { ("did not apply", "would") } else { ("applied", "would not") };
        return Some(format!(
            "{was} on {date}, which is closed, and {would}; date the change {open} or later"
        ));
    }
    let same_but_dates = FeeLine { from: line.from, until: line.until, ..was.clone() } == *line;
    let date = closed.iter().find(|date| applies(was, **date)).filter(|_| !same_but_dates)?;
    Some(format!(
        "applied on {date}, which is closed, as it was; end it with until = \"{open}\" and add a line with another name \
         from = \"{open}\""
    ))
}

fn applies(line: &FeeLine, date: Date) -> bool {
    line.from.is_none_or(|from| from <= date) && line.until.is_none_or(|until| date < until)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        rulebook::changes::tests::OLD,
        testing::{date, rulebook},
    };

    /// What is refused once 1 and 2 September are closed.
    fn refused(new: &str) -> Vec<String> {
        let closed = ["2018-09-01", "2018-09-02"].map(date).into();
        retroactive(&rulebook(OLD), &rulebook(new), &closed).iter().map(ToString::to_string).collect()
    }

    #[track_caller]
    fn check(text: &str, replacement: &str, expected: Option<&str>) {
        assert!(OLD.contains(text), "{text}");
        let found = refused(&OLD.replace(text, replacement));
        match expected {
            None => assert_eq!(found, Vec::<String>::new(), "{replacement}"),
            Some(words) => {
                assert!(
                    found.len() == 1 && found[0].contains(words),
                    "{replacement}: {found:?}\nlacks: {words}"
                );
            }
        }
    }

    #[test]
    fn membership_of_closed_dates_stays() {
        let of = |dates: &str| format!("\"天津\"\n{dates}");
        check("\"天津\"", &of("left = \"2018-09-03\""), None);
        check(
            "\"天津\"",
            &of("left = \"2018-09-02\""),
            Some(
                "cu-3000: on 2018-09-02, which is closed, it was a member and would be no member; date the change 2018-09-03",
            ),
        );
        check("\"天津\"", &of("suspended_from = \"2018-09-03\""), None);
        check(
            "\"天津\"",
            &of("suspended_from = \"2018-08-01\""),
            Some("2018-09-01 to 2018-09-02, which are closed"),
        );
        let past = of("suspended_from = \"2018-08-01\"\nsuspended_until = \"2018-09-01\"");
        check("\"天津\"", &past, None);
        let joins = |joined| {
            OLD.to_owned()
                + &format!(
                    "[[participant]]\ncity = \"cu-4000\"\nname_en = \"C\"\nname_zh = \"重庆\"\njoined = \"{joined}\"\n"
                )
        };
        assert_eq!(refused(&joins("2018-09-03")), Vec::<String>::new());
        assert!(
            refused(&joins("2018-09-02"))[0].contains("cu-4000: on 2018-09-02"),
            "{:?}",
            refused(&joins("2018-09-02"))
        );
    }

    #[test]
    fn dated_fee_lines_of_closed_dates_stay() {
        check("until = \"2018-12-01\"", "until = \"2018-09-03\"", None);
        check(
            "until = \"2018-12-01\"",
            "until = \"2018-09-02\"",
            Some("applied on 2018-09-02, which is closed, and would not"),
        );
        check(
            "from = \"2018-09-01\"",
            "from = \"2018-09-02\"",
            Some("fee line autumn: applied on 2018-09-01"),
        );
        check("from = \"2018-09-01\"", "from = \"2018-08-01\"", None);
        check(
            "interchange_rate = \"0\"",
            "interchange_rate = \"0.1\"",
            Some("end it with until = \"2018-09-03\""),
        );
        check("\"metro\"\ninterchange_rate = \"0.0025\"", "\"metro\"\ninterchange_rate = \"0.1\"", None);
        let line = |from| {
            OLD.to_owned()
                + &format!(
                    "[[fees.line]]\nname = \"n\"\nfrom = \"{from}\"\ninterchange_rate = \"0\"\nswitch_rate = \"0\"\n"
                )
        };
        assert_eq!(refused(&line("2018-09-03")), Vec::<String>::new());
        assert!(refused(&line("2018-09-02"))[0].contains("fee line n: is new and would apply on 2018-09-02"));
    }

    #[test]
    fn before_anything_is_closed_everything_may_change() {
        let new = OLD.replace("\"天津\"", "\"天津\"\nleft = \"2018-02-01\"");
        assert_eq!(retroactive(&rulebook(OLD), &rulebook(&new), &BTreeSet::new()), []);
    }
}
