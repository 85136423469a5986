//! The rows of a batch in a cycle: a function of the batch, its exceptions and the cycle alone.

use domain::{
    city::City,
    guard::{Rule, holds},
    result::RecordResult,
    tap::Tap,
};
use files::{AcquirerRow, Detail, FilesError};
use proto::Outcome;

use crate::book::{
    batch::{PartView, whole_in_file_order},
    rows::Exceptions,
};

/// Takes rows, in any order.
pub trait Rows {
    /// Takes a record that its home city pays for.
    ///
    /// # Errors
    /// If it cannot be kept.
    fn cleared(&mut self, issuer: City, acquirer: City, tap: &Tap) -> Result<(), FilesError>;

    /// Takes records of one file that the centre took from an acquirer.
    ///
    /// # Errors
    /// If they cannot be kept.
    fn taken(&mut self, acquirer: City, file: &str, rows: &[AcquirerRow]) -> Result<(), FilesError>;
}

impl Rows for Detail {
    fn cleared(&mut self, issuer: City, acquirer: City, tap: &Tap) -> Result<(), FilesError> {
        Self::cleared(self, issuer, acquirer, tap)
    }

    fn taken(&mut self, acquirer: City, file: &str, rows: &[AcquirerRow]) -> Result<(), FilesError> {
        self.acquirer_rows(acquirer, file, rows)
    }
}

/// Why the rows of a batch cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum RowsError {
    /// The outcome does not decode.
    #[error("the outcome cannot be read")]
    Unreadable,
    /// The rows cannot be kept.
    #[error(transparent)]
    Files(#[from] FilesError),
}

/// Gives the rows that a batch has in a cycle. `carried` says that it arrived in an earlier one. `exceptions` may be
/// those of any moment after the cycle: the rows are the same.
///
/// # Errors
/// [`RowsError`].
pub fn rows_in(
    cycle: u32,
    acquirer: City,
    outcome: Outcome,
    exceptions: &Exceptions,
    carried: bool,
    to: &mut dyn Rows,
) -> Result<(), RowsError> {
    let (records, file) = (outcome.records, outcome.file);
    let parts = outcome.parts.into_iter().filter_map(|judged| Some(PartView::new(judged.part?, None)));
    let parts = parts.collect::<Result<Vec<_>, _>>().map_err(|_| RowsError::Unreadable)?;
    let order = whole_in_file_order(&parts, records).map_err(|_| RowsError::Unreadable)?;
    let results = results_in(cycle, records, exceptions, carried);
    for part in &parts {
        for tap in part.taps() {
            if result_at(&results, tap) == Some(RecordResult::Cleared) {
                to.cleared(part.issuer, acquirer, tap)?;
            }
        }
    }
    let mut rows = Vec::with_capacity(order.len());
    for place in order {
        let Some(part) = parts.get(usize::from(place.part)) else { continue };
        let Some(tap) = part.taps().get(usize::from(place.tap)) else { continue };
        if let Some(result) = result_at(&results, tap) {
            rows.push(AcquirerRow {
                line: tap.line.get(),
                terminal: tap.terminal,
                terminal_seq: tap.terminal_seq.get(),
                issuer: part.issuer,
                amount_fen: tap.amount_fen.get(),
                result,
            });
        }
    }
    to.taken(acquirer, &file, &rows)?;
    Ok(())
}

fn result_at(results: &[Option<RecordResult>], tap: &Tap) -> Option<RecordResult> {
    results.get(usize::from(tap.position.get())).copied().flatten()
}

/// The result that each record of a batch shows in a cycle, by position: none if it has no row in it.
///
/// A record has one row `parked` in every cycle it waits, and its final row in one. So with the cycle of its last
/// result alone, the rows of every earlier cycle follow, whenever they are rendered.
#[must_use]
pub fn results_in(
    cycle: u32,
    records: u32,
    exceptions: &Exceptions,
    carried: bool,
) -> Vec<Option<RecordResult>> {
    let plain = (!carried).then_some(RecordResult::Cleared);
    let mut results = vec![plain; usize::try_from(records).unwrap_or(0)];
    for e in &exceptions.0 {
        let shown = match e.cycle.cmp(&cycle) {
            std::cmp::Ordering::Equal => Some(e.result),
            std::cmp::Ordering::Greater => holds(Rule::WaitedRowsShown).then_some(RecordResult::Parked),
            std::cmp::Ordering::Less => None,
        };
        if let Some(slot) = results.get_mut(usize::from(e.position)) {
            *slot = shown;
        }
    }
    results
}

#[cfg(test)]
mod tests {
    use domain::result::Rejection;

    use super::*;
    use crate::book::rows::Exception;

    #[test]
    fn a_parked_record_has_a_row_in_every_cycle_it_waits_and_one_final_row() {
        let late = RecordResult::Rejected(Rejection::Late);
        let exceptions = Exceptions(vec![
            Exception { position: 1, result: late, cycle: 4 },
            Exception { position: 2, result: RecordResult::Cleared, cycle: 6 },
        ]);
        let cleared = Some(RecordResult::Cleared);
        let parked = Some(RecordResult::Parked);
        assert_eq!(results_in(4, 3, &exceptions, false), [cleared, Some(late), parked]);
        assert_eq!(results_in(5, 3, &exceptions, true), [None, None, parked]);
        assert_eq!(results_in(6, 3, &exceptions, true), [None, None, cleared]);
        assert_eq!(results_in(7, 3, &exceptions, true), [None, None, None]);
    }
}
