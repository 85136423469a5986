//! Which business date a run clears.

use anyhow::Result;
use domain::date::Date;

use crate::{errors::Refused, scheme_folder::TapFile};

/// What a run does.
#[derive(Debug, PartialEq, Eq)]
pub enum Choice {
    /// Opens a cycle of this date.
    Clear(Date),
    /// Changes nothing; the text says why.
    NothingNew(String),
}

/// Chooses the business date: the one asked for, else the earliest not yet closed among the dated file names,
/// else, for new files, the last closed date if their names are dated no later, else today.
///
/// # Errors
/// [`Refused`] for a date before the last closed one, or beyond tomorrow: it could never be undone.
pub fn business_date(
    asked: Option<Date>,
    closed: &[Date],
    files: &[TapFile],
    new: &[&TapFile],
    today: Date,
) -> Result<Choice> {
    match choose(asked, closed, files, new, today)? {
        Choice::Clear(date) if date > today.plus_days(1) => Err(Refused(format!(
            "business date {date} lies beyond tomorrow ({}): no earlier day could be cleared after it",
            today.plus_days(1)
        ))
        .into()),
        choice => Ok(choice),
    }
}

fn choose(
    asked: Option<Date>,
    closed: &[Date],
    files: &[TapFile],
    new: &[&TapFile],
    today: Date,
) -> Result<Choice> {
    let last = closed.last().copied();
    if let Some(date) = asked {
        return for_date(date, last, new);
    }
    // A name with a date beyond tomorrow waits, whatever it means.
    let dates = files.iter().filter_map(TapFile::date).filter(|date| *date <= today.plus_days(1));
    if let Some(date) = dates.filter(|date| last.is_none_or(|last| *date > last)).min() {
        return Ok(Choice::Clear(date));
    }
    match last {
        None => Ok(Choice::Clear(today)),
        Some(_) if new.is_empty() => Ok(Choice::NothingNew(
            "every dated file is in a closed cycle and there is no new one: nothing has changed".to_owned(),
        )),
        Some(last) if new.iter().any(|file| file.date().is_some()) => Ok(Choice::Clear(last)),
        Some(last) => Ok(Choice::Clear(today.max(last))),
    }
}

fn for_date(date: Date, last: Option<Date>, new: &[&TapFile]) -> Result<Choice> {
    let due = new.iter().any(|file| file.date().is_none_or(|named| named <= date));
    match last {
        Some(last) if date < last => Err(Refused(format!(
            "business date {date} lies before {last}, which is closed; a business date never goes back: \
             new files of an earlier day are presented on {last} or later"
        ))
        .into()),
        Some(last) if date == last && !due => {
            Ok(Choice::NothingNew(format!("{date} is closed and there is no new file: nothing has changed")))
        }
        _ => Ok(Choice::Clear(date)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> Date {
        text.parse().unwrap()
    }

    fn file(name: &str) -> TapFile {
        TapFile { city: "cu-2000".parse().unwrap(), name: name.to_owned(), path: name.into() }
    }

    #[test]
    fn the_earliest_dated_day_that_is_not_closed_is_cleared() {
        let files = [file("2018-09-03.csv"), file("2018-09-02.csv"), file("2018-09-01.csv")];
        let today = date("2026-01-01");
        let new: Vec<&TapFile> = files.iter().collect();
        assert_eq!(business_date(None, &[], &files, &new, today).unwrap(), Choice::Clear(date("2018-09-01")));
        let closed = [date("2018-09-01")];
        assert_eq!(
            business_date(None, &closed, &files, &[], today).unwrap(),
            Choice::Clear(date("2018-09-02"))
        );
    }

    #[test]
    fn a_closed_date_changes_only_with_new_files() {
        let files = [file("2018-09-01.csv"), file("2018-09-01-b.csv")];
        let closed = [date("2018-09-01")];
        let today = date("2026-01-01");
        for asked in [None, Some(closed[0])] {
            let choice = business_date(asked, &closed, &files, &[], today).unwrap();
            assert!(matches!(choice, Choice::NothingNew(_)), "{choice:?}");
            let choice = business_date(asked, &closed, &files, &[&files[1]], today).unwrap();
            assert_eq!(choice, Choice::Clear(closed[0]));
        }
        assert!(business_date(Some(date("2018-08-31")), &closed, &files, &[], today).is_err());
    }

    #[test]
    fn a_date_beyond_tomorrow_is_refused() {
        let today = date("2026-01-01");
        let tomorrow = date("2026-01-02");
        assert_eq!(business_date(Some(tomorrow), &[], &[], &[], today).unwrap(), Choice::Clear(tomorrow));
        assert!(business_date(Some(date("2026-01-03")), &[], &[], &[], today).is_err());
        let files = [file("2081-09-02.csv"), file("2025-12-31.csv")];
        let choice = business_date(None, &[], &files, &[&files[0]], today).unwrap();
        assert_eq!(choice, Choice::Clear(date("2025-12-31")), "a mistyped name holds nothing up");
    }

    #[test]
    fn without_dated_names_it_is_today() {
        let today = date("2026-01-01");
        let files = [file("taps.csv")];
        assert_eq!(business_date(None, &[], &files, &[&files[0]], today).unwrap(), Choice::Clear(today));
        assert_eq!(business_date(None, &[], &[], &[], today).unwrap(), Choice::Clear(today));
    }
}
