//! Who owes whom, once both directions of a pair are set against each other.

use std::{cmp::Reverse, collections::BTreeMap};

use domain::city::City;

use crate::model::Pair;

/// What one city owes another in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Who pays.
    pub debtor: City,
    /// Who receives.
    pub creditor: City,
    /// Records in both directions.
    pub count: u64,
    /// What the debtor owes before the other direction, interchange taken off, fen.
    pub owed_fen: i128,
    /// What comes back the other way, fen.
    pub back_fen: i128,
}

impl Flow {
    /// What is left to pay, fen; above zero.
    #[must_use]
    pub const fn net_fen(&self) -> i128 {
        self.owed_fen - self.back_fen
    }
}

/// All pairs in which something is left to pay, the largest first.
#[must_use]
pub fn flows(pairs: &BTreeMap<(City, City), Pair>) -> Vec<Flow> {
    let mut flows: Vec<Flow> = Vec::new();
    for (creditor, debtor) in pairs.keys().copied() {
        let there = pairs.get(&(creditor, debtor)).copied().unwrap_or_default();
        let back = pairs.get(&(debtor, creditor)).copied().unwrap_or_default();
        let flow = Flow {
            debtor,
            creditor,
            count: there.count + back.count,
            owed_fen: there.owed_fen(),
            back_fen: back.owed_fen(),
        };
        if flow.net_fen() > 0 {
            flows.push(flow);
        }
        // The other direction has no row of its own, and yet something is left of it.
        if flow.net_fen() < 0 && !pairs.contains_key(&(debtor, creditor)) {
            let (debtor, creditor) = (creditor, debtor);
            let (owed_fen, back_fen) = (flow.back_fen, flow.owed_fen);
            flows.push(Flow { debtor, creditor, owed_fen, back_fen, ..flow });
        }
    }
    flows.sort_by_key(|flow| (Reverse(flow.net_fen()), flow.debtor, flow.creditor));
    flows
}
