//! What has become of disputes and refunds by the log, and which cycle has taken each of their items in.

use anyhow::Result;
use clearing_node::{
    book::opening_name,
    coordinator::{Coordinator, Effect, Input},
};
use domain::{
    act::Decision,
    city::City,
    cycle::CycleName,
    dispute::{Dispute, Refund, State},
    release::{Proposal, Releases},
    settlement::ItemKind,
};
use proto::{Bytes, CycleEvent, Message as _, cycle_event::Body};
use serde::Serialize;

use crate::book::place::Place;

/// A fold over `cu.cycles`.
#[derive(Debug)]
pub struct Known {
    core: Coordinator,
    effects: Vec<Effect>,
}

/// An item of a dispute or refund.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ItemOf {
    /// Its id.
    pub item: String,
    /// What kind it is; one of the kind `dispute` moves nothing.
    pub kind: &'static str,
    /// Who pays.
    pub debtor: City,
    /// Who receives.
    pub creditor: City,
    /// How much, fen.
    pub amount_fen: u64,
    /// The cycle that it is part of; none while that cycle is not cut off.
    pub settled_in: Option<CycleName>,
}

impl Default for Known {
    fn default() -> Self {
        // It follows and never acts, so the number of partitions is of no account.
        Self { core: Coordinator::new(0), effects: Vec::new() }
    }
}

impl Known {
    /// What stands on the log of a place now.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read(place: &Place) -> Result<Self> {
        let cycles = place.topics.cycles();
        let bounds = place.log.bounds(&cycles)?;
        let mut known = Self::default();
        place.visit(&cycles, bounds.start, bounds.end, &mut |_, payload| known.event(payload))?;
        Ok(known)
    }

    /// Takes the next message of `cu.cycles`.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn event(&mut self, payload: Bytes) -> Result<()> {
        if payload.is_empty() {
            return Ok(());
        }
        let mut event = CycleEvent::decode(payload)?;
        // Who owes what in a cycle is of no account for disputes, and large.
        match &mut event.body {
            Some(Body::Totals(totals)) => totals.totals.clear(),
            Some(Body::Plan(plan)) => plan.positions.clear(),
            _ => {}
        }
        self.core.step(Input::Event(event), &mut self.effects);
        self.effects.clear();
        Ok(())
    }

    /// What was decided after closes.
    pub fn releases(&self) -> &Releases {
        self.core.releases()
    }

    /// The items of a dispute.
    pub fn items_of(&self, dispute: &Dispute) -> Vec<ItemOf> {
        let item = |id: String, kind: ItemKind| ItemOf {
            settled_in: self.cycle_of(&id),
            item: id,
            kind: kind.word(),
            debtor: dispute.other,
            creditor: dispute.opener,
            amount_fen: dispute.amount_fen,
        };
        let mut items = vec![item(dispute.id.clone(), ItemKind::Dispute)];
        if dispute.state == State::Passed {
            items.push(item(dispute.adjustment_id(), ItemKind::Adjustment));
        }
        items
    }

    /// The item of a refund.
    pub fn item_of(&self, refund: &Refund) -> ItemOf {
        ItemOf {
            item: refund.id.clone(),
            kind: ItemKind::Refund.word(),
            debtor: refund.record.acquirer,
            creditor: refund.record.issuer,
            amount_fen: refund.amount_fen,
            settled_in: self.cycle_of(&refund.id),
        }
    }

    /// The decisions about a dispute that wait for a second person, by the id of the act that proposed each.
    pub fn waiting<'k>(&'k self, dispute: &'k str) -> impl Iterator<Item = (&'k str, &'k Proposal)> {
        let about = move |decision: &Decision| matches!(decision, Decision::Dispute { verdict } if verdict.dispute == dispute);
        self.releases().proposals().filter(move |(_, proposal)| about(&proposal.decision))
    }

    /// The cycle that has an item among its totals.
    fn cycle_of(&self, item: &str) -> Option<CycleName> {
        let mut openings = self.core.openings();
        let has = |cycle: u32| self.core.totals(cycle).flat_map(|it| &it.adjustments).any(|it| it.id == item);
        openings.find(|opening| has(opening.cycle)).map(opening_name)
    }
}
