//! What must come of a record: the rules of the contract, told once more and in the plainest way,
//! so that nothing of the system's own judgement enters `truth.csv`.

use domain::{
    date::{Date, LocalTime},
    result::{RecordResult, Rejection},
};

use crate::{
    record::Record,
    world::{GRACE_HOURS, Membership, PRESENTMENT_DAYS, World},
};

/// A record, and what is true of it by the way it was made.
#[derive(Clone, Debug)]
pub(crate) struct Presented {
    pub(crate) record: Record,
    /// The home city, if it is a participant.
    pub(crate) issuer: Option<usize>,
    /// The terminal belongs to another participant, or to none.
    pub(crate) foreign: bool,
    pub(crate) key_known: bool,
    pub(crate) tac_good: bool,
    /// When the card's hotlist entry became effective.
    pub(crate) hot_from: Option<LocalTime>,
}

/// What must come of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    Local,
    /// A result in the cycle of the day.
    At(RecordResult),
    /// Parked on these dates, then final on another, if that is among the simulated ones.
    Waits {
        dates: Vec<Date>,
        then: Option<(Date, RecordResult)>,
    },
}

impl Expected {
    /// When the home city's money was promised, if it was.
    pub(crate) fn cleared_on(&self, date: Date) -> Option<Date> {
        match self {
            Self::At(RecordResult::Cleared) => Some(date),
            Self::Waits { then: Some((date, RecordResult::Cleared)), .. } => Some(*date),
            _ => None,
        }
    }
}

/// Judges a record that `acquirer` presents in its file of `date`. `holder` is the record that was
/// cleared under the same identity, if there is one; it is set when this one is cleared.
///
/// Records of one identity must be judged in the order in which they are settled. For one pair of
/// cities that is the order of presentation, since nothing overtakes a parked record.
pub(crate) fn judge(
    world: &World,
    acquirer: usize,
    date: Date,
    presented: &Presented,
    holder: &mut Option<Record>,
) -> Expected {
    if presented.issuer == Some(acquirer) {
        return Expected::Local;
    }
    if presented.foreign {
        return rejected(Rejection::ForeignTerminal);
    }
    let issuer = match (world.membership(presented.issuer, date), presented.issuer) {
        (Membership::Member, Some(issuer)) => issuer,
        (Membership::Suspended, _) => return rejected(Rejection::IssuerSuspended),
        _ => return rejected(Rejection::UnknownIssuer),
    };
    let age_days = date.julian_day() - presented.record.tap.tapped_day.get();
    if age_days < -1 {
        return rejected(Rejection::Future);
    }
    if age_days > i32::from(PRESENTMENT_DAYS) {
        return rejected(Rejection::Late);
    }
    if !world.is_dark(issuer, date) {
        return Expected::At(settle(presented, holder));
    }
    let mut dates = vec![date];
    let mut next = date.plus_days(1);
    while next <= world.last_date() {
        match world.membership(Some(issuer), next) {
            Membership::None => return ends(dates, next, RecordResult::Rejected(Rejection::UnknownIssuer)),
            Membership::Suspended => {
                return ends(dates, next, RecordResult::Rejected(Rejection::IssuerSuspended));
            }
            Membership::Member if world.is_dark(issuer, next) => dates.push(next),
            Membership::Member => return ends(dates, next, settle(presented, holder)),
        }
        next = next.plus_days(1);
    }
    Expected::Waits { dates, then: None }
}

fn rejected(reason: Rejection) -> Expected {
    Expected::At(RecordResult::Rejected(reason))
}

fn ends(dates: Vec<Date>, date: Date, result: RecordResult) -> Expected {
    Expected::Waits { dates, then: Some((date, result)) }
}

/// What home city and book say.
fn settle(presented: &Presented, holder: &mut Option<Record>) -> RecordResult {
    let record = &presented.record;
    let hot_from = presented.hot_from.map(|at| at.seconds() + i64::from(GRACE_HOURS) * 3600);
    if !presented.key_known {
        return RecordResult::Rejected(Rejection::UnknownKey);
    }
    if !presented.tac_good {
        return RecordResult::Rejected(Rejection::TacInvalid);
    }
    if hot_from.is_some_and(|from| record.tap.tapped_at().seconds() >= from) {
        return RecordResult::Rejected(Rejection::Hotlisted);
    }
    match holder {
        None => {
            *holder = Some(record.clone());
            RecordResult::Cleared
        }
        Some(first) if same_content(first, record) => RecordResult::Duplicate,
        Some(_) => RecordResult::Conflict,
    }
}

/// Every column but the texts.
fn same_content(one: &Record, other: &Record) -> bool {
    one.issuer == other.issuer && one.tap.content_bytes() == other.tap.content_bytes()
}
