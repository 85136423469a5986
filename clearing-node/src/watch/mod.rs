//! What a cycle's records tell beside the money: uploads that are missing, and cards that may have been copied.
//!
//! A function of the log between two markers and of what the cycles before have left, which stands beside their
//! reports. It decides nothing and needs no book: only what a home city accepted is looked at, and, for gaps, what
//! is parked. Memory is bounded: records are sorted outside of it.

mod cards;
mod report;
mod sorter;
mod terminals;
#[cfg(test)]
mod tests;

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use cu_log::{Log, LogError, topics::Topics, visit_range};
use domain::{calendar::days_before, city::City, date::Date, rulebook::Rulebook, tap::Tap};
use files::FilesError;
use proto::{Clearing, Message, Opening, Outcome, PartitionTotals, clearing::Body};

use self::{
    cards::{CARD_LEN, Card},
    report::Reports,
    sorter::Sorter,
    terminals::{SEEN_LEN, Seen},
};
use crate::book::{batch::PartView, opening_name};

/// Bytes of records that are sorted in memory, for terminals and for cards.
const SORT_BYTES: usize = 32 << 20;
/// The verdict of a home city that accepts.
const ACCEPTED: u8 = 0;

/// Why reports cannot be made. The cycle is published all the same.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The disk refuses.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// A file cannot be written or read.
    #[error("{doing} {path}")]
    File {
        /// What was being done.
        doing: &'static str,
        /// Its path.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A message does not decode.
    #[error("the message at offset {offset} of partition {partition} cannot be read")]
    Unreadable {
        /// Where it stands.
        partition: u32,
        /// Its offset.
        offset: u64,
    },
}

/// What reports are made from.
pub struct Source<'a> {
    /// The cycle's opening.
    pub opening: &'a Opening,
    /// Its rules.
    pub rulebook: &'a Rulebook,
    /// The totals of each partition, which say where its log range is.
    pub totals: &'a [&'a PartitionTotals],
    /// The log.
    pub log: &'a Arc<dyn Log>,
    /// Its topics.
    pub topics: &'a Topics,
}

/// Writes `OUT/reports/<cycle>/`. Repeated, it gives the same bytes; a folder that is there stays.
///
/// # Errors
/// [`WatchError`]; nothing is visible then.
pub fn watch(source: &Source<'_>, work_dir: &Path, out: &Path) -> Result<(), WatchError> {
    let name = opening_name(source.opening).to_string();
    let folder = out.join("reports").join(&name);
    if folder.is_dir() {
        return Ok(());
    }
    let scratch = work_dir.join(format!("reports-{name}"));
    let made = std::fs::create_dir_all(work_dir).and_then(|()| match std::fs::remove_dir_all(&scratch) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => std::fs::create_dir_all(&scratch),
    });
    made.map_err(file("make", &scratch))?;
    let date = Date::from_julian_day(source.opening.business_date);
    let line = days_before(date, source.rulebook.presentment_days).plus_days(-1);
    let before = latest_before(&out.join("reports"), &name)?;
    let sorting = |error| file("sort records in", work_dir)(error);
    let mut seen = Sorter::new(work_dir, SORT_BYTES);
    let mut cards = Sorter::new(work_dir, SORT_BYTES);
    for totals in source.totals {
        gather(source, totals, &mut seen, &mut cards, &sorting)?;
    }
    if let Some(before) = &before {
        cards::recall(before, line, &mut cards)?;
    }
    let participants = source.rulebook.participants.iter().map(|participant| participant.city);
    let mut reports = Reports::create(&scratch, participants)?;
    let left = before.as_deref().map(terminals::carried).transpose()?.flatten();
    terminals::report(seen.sorted().map_err(sorting)?, left, line, &scratch, &mut reports)?;
    cards::report(cards.sorted().map_err(sorting)?, &scratch, &mut reports)?;
    reports.finish()?;
    // A folder that is there stays, and the next cycle's reports begin with it.
    files::sync_tree(&scratch)?;
    let publish = || {
        std::fs::create_dir_all(out.join("reports"))?;
        std::fs::rename(&scratch, &folder)
    };
    publish().map_err(file("publish", &folder))
}

/// The reports of the latest cycle before: the names of cycles are in the order of cycles.
fn latest_before(reports: &Path, name: &str) -> Result<Option<PathBuf>, WatchError> {
    let listed = match std::fs::read_dir(reports) {
        Ok(listed) => listed.collect::<Result<Vec<_>, _>>(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => Err(error),
    };
    let names = listed.map_err(file("read", reports))?.into_iter().map(|entry| entry.file_name());
    let earlier = names.filter_map(|found| found.into_string().ok()).filter(|found| found.as_str() < name);
    Ok(earlier.max().map(|found| reports.join(found)))
}

/// The records of one partition's range.
fn gather(
    source: &Source<'_>,
    totals: &PartitionTotals,
    seen: &mut Sorter<SEEN_LEN>,
    cards: &mut Sorter<CARD_LEN>,
    sorting: &dyn Fn(io::Error) -> WatchError,
) -> Result<(), WatchError> {
    let partition = totals.partition;
    let range = totals.first_offset..totals.end_offset;
    visit_range(source.log.as_ref(), &source.topics.clearing(partition), range, &mut |entry| {
        let offset = entry.offset;
        let unreadable = || WatchError::Unreadable { partition, offset };
        let message = Clearing::decode(entry.payload).map_err(|_| unreadable())?;
        let Some(Body::Outcome(outcome)) = message.body else { return Ok(()) };
        let city = City::parse(outcome.acquirer.as_bytes()).map_err(|_| unreadable())?;
        let mut note = |issuer, tap: &Tap, judged| {
            seen.push(Seen::of(city, tap).bytes())?;
            if judged { cards.push(Card::of(issuer, tap).bytes()) } else { Ok(()) }
        };
        accepted(outcome, source.rulebook, city, &mut note).map_err(sorting)
    })
}

/// Shows what home cities have accepted of a batch, and what is parked of it (`false`). A number that came again
/// shows the same again: what is sorted is kept once.
fn accepted(
    outcome: Outcome,
    rulebook: &Rulebook,
    acquirer: City,
    note: &mut dyn FnMut(City, &Tap, bool) -> io::Result<()>,
) -> io::Result<()> {
    for judged in outcome.parts {
        let Some(part) = judged.part else { continue };
        // A part that the book refused is no part of the cycle.
        let Ok(part) = PartView::new(part, judged.verdicts.map(|verdicts| verdicts.codes)) else { continue };
        for (place, tap) in part.taps().iter().enumerate() {
            let code = part.codes.as_ref().map(|codes| codes.get(place).copied());
            let is_accepted = code.is_none_or(|code| code == Some(ACCEPTED));
            if is_accepted && rulebook.terminal_owner(tap.terminal) == Some(acquirer) {
                note(part.issuer, tap, code.is_some())?;
            }
        }
    }
    Ok(())
}

/// An error of a file.
fn file(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> WatchError + Clone {
    let path = path.to_owned();
    move |source| WatchError::File { doing, path, source }
}
