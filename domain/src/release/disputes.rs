//! Disputes among what is decided after a close: cities say things, operations end what is contested, time ends the rest.

use std::sync::Arc;

use super::{Refusal, Releases};
use crate::{
    act::{Decision, Signer, Written},
    cycle::CycleName,
    dispute::{DisputeAct, Disputes, OpenCycle, Verdict},
    settlement::{Item, ItemKind},
    terms::DisputeTerms,
};

impl Releases {
    /// A cycle was opened: the items of the disputes that nobody has answered in time, for that cycle.
    pub fn opened(&mut self, cycle: CycleName) -> Vec<Item> {
        self.today = self.today.max(Some(cycle));
        Arc::make_mut(&mut self.disputes).opened(cycle)
    }

    /// Disputes and refunds.
    #[must_use]
    pub fn disputes(&self) -> &Disputes {
        &self.disputes
    }

    /// The rules of disputes by which the next act is ruled.
    pub const fn rule_disputes_by(&mut self, terms: DisputeTerms) {
        self.dispute_terms = terms;
    }

    /// Whether a city may say this of a dispute.
    pub(super) fn may_dispute(
        &self,
        act: &DisputeAct,
        by: &Signer,
        terms: DisputeTerms,
    ) -> Result<(), Refusal> {
        let today = OpenCycle { terms, ..self.open_cycle()? };
        Ok(self.disputes.check(by, act, &today)?)
    }

    /// Does what a city says of a dispute.
    pub(super) fn dispute(
        &mut self,
        written: &Written,
        act: &DisputeAct,
        by: &Signer,
    ) -> Result<Vec<Item>, Refusal> {
        let today = self.open_cycle()?;
        let items = Arc::make_mut(&mut self.disputes).act(by, act, &today)?;
        let about = match act {
            DisputeAct::Answer { dispute, .. } | DisputeAct::Withdraw { dispute, .. } => {
                Some(dispute.clone())
            }
            DisputeAct::Open { .. } | DisputeAct::Refund { .. } => items.first().map(|item| item.id.clone()),
        };
        self.note_dispute(written, by, about.as_deref().unwrap_or_default());
        Ok(items)
    }

    /// Whether operations may end a dispute so.
    pub(super) fn check_verdict(&self, verdict: &Verdict) -> Result<(), Refusal> {
        Ok(self.disputes.check_verdict(verdict).map(drop)?)
    }

    /// Ends a dispute as two persons have decided.
    pub(super) fn decide(
        &mut self,
        written: &Written,
        verdict: &Verdict,
        [one, two]: [&Signer; 2],
    ) -> Result<Vec<Item>, Refusal> {
        let today = self.open_cycle()?;
        let by = format!("{one}, {two}");
        let item = Arc::make_mut(&mut self.disputes).decide(&by, verdict, &today)?;
        self.note_dispute(written, two, &verdict.dispute);
        Ok(item.into_iter().collect())
    }

    /// The cycle that was opened last, and its rules.
    fn open_cycle(&self) -> Result<OpenCycle, Refusal> {
        let name = self.today.ok_or(Refusal::NothingOpened)?;
        let mut closed = self.cycles.iter().rev();
        let published_to = closed.find(|(_, closed)| closed.folder.is_some()).map(|(cycle, _)| *cycle);
        Ok(OpenCycle { name, published_to, terms: self.dispute_terms })
    }

    /// Writes into the history of the cycle what happened to a dispute or refund of it. What was proposed for a dispute
    /// that is over was meant for one that is not.
    fn note_dispute(&mut self, written: &Written, by: &Signer, id: &str) {
        let Some(dispute) = self.disputes.get(id) else {
            let Some(refund) = self.disputes.refund(id) else { return };
            let cycle = refund.record.cycle;
            let what = format!("{} {id}: {} fen go back", ItemKind::Refund.word(), refund.amount_fen);
            return self.note(Some(cycle), written, by, what);
        };
        let (cycle, state) = (dispute.subject.cycle(), dispute.state);
        let what =
            format!("dispute {id} is {}: {}, {} fen", state.word(), dispute.subject, dispute.amount_fen);
        if state.is_over() {
            let about = |decision: &Decision| matches!(decision, Decision::Dispute { verdict } if verdict.dispute == id);
            self.proposals.retain(|_, known| !about(&known.decision));
        }
        self.note(Some(cycle), written, by, what);
    }
}
