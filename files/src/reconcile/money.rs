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

#[cfg(test)]
mod tests {
    use super::*;

    /// cu-2000 took 1,000 fen of a cu-3000 card: 700 were disputed by one side or the other, 200 given back.
    #[test]
    fn cleared_is_booked_and_disputes_passed_less_refunds() {
        let [shanghai, tianjin] =
            ["cu-2000", "cu-3000"].map(|text| text.parse::<City>().unwrap_or_else(|_| panic!()));
        let item = |kind, debtor, creditor, amount_fen, reference: &str| Item {
            id: String::new(),
            kind,
            debtor,
            creditor,
            amount_fen,
            original_cycle: None,
            reference: reference.to_owned(),
            reason: String::new(),
        };
        let mut found = Reconciled::default();
        found.pair(shanghai, tianjin).booked.amount_fen = 1_000;
        for item in [
            item(ItemKind::Dispute, tianjin, shanghai, 5_000, "cu-2000/a.csv:2"),
            item(ItemKind::Adjustment, tianjin, shanghai, 500, "cu-2000/a.csv:2"),
            item(ItemKind::Adjustment, shanghai, tianjin, 200, "cu-2000/a.csv:3"),
            item(ItemKind::Refund, shanghai, tianjin, 200, "cu-2000/a.csv:4"),
            item(ItemKind::Adjustment, shanghai, tianjin, 9_000, "a debt that was carried"),
        ] {
            add(&item, &mut found);
        }
        let pair = found.pairs[&(shanghai, tianjin)];
        assert_eq!((pair.disputes_fen, pair.refunds_fen, pair.cleared_fen()), (300, 200, 1_100));
        assert_eq!(found.pairs.len(), 1);
    }
}
