//! What moved because of a cycle after it was closed: items of other cycles that name it.

use std::path::PathBuf;

use domain::{
    city::City,
    cycle::CycleName,
    settlement::{Item, ItemKind},
};

use super::Reconciled;
use crate::{error::FilesError, figures::Figures};

/// Adds disputes that passed and refunds.
pub(super) fn moved(others: &[PathBuf], cycle: CycleName, found: &mut Reconciled) -> Result<(), FilesError> {
    for folder in others {
        let items = Figures::read(folder)?.items;
        items.iter().filter(|item| item.original_cycle == Some(cycle)).for_each(|item| add(item, found));
    }
    Ok(())
}

fn add(item: &Item, found: &mut Reconciled) {
    let fen = i64::try_from(item.amount_fen).unwrap_or(i64::MAX);
    // Items of disputes and refunds refer to `<acquirer>/<file>`; others correct no record.
    let acquirer = item.reference.split_once('/').and_then(|(city, _)| city.parse::<City>().ok());
    match (item.kind, acquirer) {
        (ItemKind::Adjustment, Some(acquirer)) if acquirer == item.creditor => {
            let pair = found.pair(acquirer, item.debtor);
            pair.disputes_fen = pair.disputes_fen.saturating_add(fen);
        }
        (ItemKind::Adjustment, Some(acquirer)) if acquirer == item.debtor => {
            let pair = found.pair(acquirer, item.creditor);
            pair.disputes_fen = pair.disputes_fen.saturating_sub(fen);
        }
        (ItemKind::Refund, _) => {
            let pair = found.pair(item.debtor, item.creditor);
            pair.refunds_fen = pair.refunds_fen.saturating_add(item.amount_fen);
        }
        _ => {}
    }
}
