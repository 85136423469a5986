//! Which business date and which rulebook may rule the next cycle.

use crate::{city::City, date::Date, rulebook::Rulebook};

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
    previous.map_or(own, |previous| previous.max(own))
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
        "terminals from {terminal:012X} on move from {from} to {} too early: on business date {next}, with taps \
         accepted from {accepted_from}, an identity of {from}, last their owner on {owned_until}, could be taken \
         again; move them after {from} has been without them for the whole presentment window", 
        to_text(*.to)
    )]
    TerminalsMoveTooEarly {
        /// The lowest terminal number concerned.
        terminal: u64,
        /// Who owned it.
        from: City,
        /// Who is to own it, if anybody.
        to: Option<City>,
        /// The last business date on which `from` owned it.
        owned_until: Date,
        /// The earliest tap that would be accepted.
        accepted_from: Date,
        /// The business date refused.
        next: Date,
    },
    /// A city's taps would go to another partition.
    #[error("{city} moves from partition {from} to {to}; an assignment never changes, put it back")]
    PartitionChanged {
        /// The city.
        city: City,
        /// Its partition so far.
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

fn to_text(to: Option<City>) -> String {
    to.map_or_else(|| "nobody".to_owned(), |city| city.to_string())
}

/// Checks what a cut-off event would name against what really ruled: `history` holds each cycle's
/// business date and rulebook.
///
/// # Errors
/// [`CutOffRefusal`] if the date goes back, a terminal changes its owner too early, or a city or the
/// book its partitions.
pub fn cut_off_allowed(
    history: &[(Date, &Rulebook)],
    next_date: Date,
    next: &Rulebook,
) -> Result<(), CutOffRefusal> {
    if let Some(last) = history.iter().map(|(date, _)| *date).max().filter(|last| next_date < *last) {
        return Err(CutOffRefusal::DateGoesBack { last, next: next_date });
    }
    for (ruled_until, ruled) in versions(history) {
        check_partitions(ruled, next)?;
        check_terminals(ruled_until, ruled, next_date, next)?;
    }
    Ok(())
}

/// Each rulebook that ruled, once, with the last business date it ruled.
fn versions<'r>(history: &[(Date, &'r Rulebook)]) -> Vec<(Date, &'r Rulebook)> {
    let mut versions: Vec<(Date, &Rulebook)> = history.to_vec();
    versions.sort_by_key(|(date, rulebook)| (rulebook.digest(), std::cmp::Reverse(*date)));
    versions.dedup_by_key(|(_, rulebook)| rulebook.digest());
    versions.sort_by_key(|(date, _)| *date);
    versions
}

fn check_partitions(ruled: &Rulebook, next: &Rulebook) -> Result<(), CutOffRefusal> {
    if ruled.partitions != next.partitions {
        return Err(CutOffRefusal::PartitionsChanged { from: ruled.partitions, to: next.partitions });
    }
    let participants = ruled.participants.iter().map(|participant| participant.city);
    let placed = participants.chain(ruled.assignments().map(|(city, _)| city));
    for city in placed {
        let (from, to) = (ruled.partition_of(city), next.partition_of(city));
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
    // Taps of the day after a business date are accepted on it, hence the one day more.
    if accepted_from > ruled_until.plus_days(1) {
        return Ok(());
    }
    match ruled.ownership().moved_to(next.ownership()).first() {
        None => Ok(()),
        Some(moved) => Err(CutOffRefusal::TerminalsMoveTooEarly {
            terminal: moved.first,
            from: moved.from,
            to: moved.to,
            owned_until: ruled_until,
            accepted_from,
            next: next_date,
        }),
    }
}
