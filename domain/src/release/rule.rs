//! Which acts are legal: nothing changes here.

use super::{Closed, Proposal, Refusal, Releases, State, carry::carry};
use crate::{
    act::{Act, Agreement, Decision, ID_LEN_MAX, Released, Role, Signer, Written, is_reason},
    city::City,
    cycle::CycleName,
    settlement::{
        Payments,
        confirmation::{AnswerLine, confirm},
    },
    terms::DisputeTerms,
};

impl Releases {
    /// Whether an act could be done now, one about a dispute by these rules.
    ///
    /// # Errors
    /// [`Refusal`] if not.
    pub fn rule(&self, written: &Written, by: &Signer, terms: DisputeTerms) -> Result<(), Refusal> {
        let Written { id, log, act, .. } = written;
        let plain = id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if id.is_empty() || id.len() > ID_LEN_MAX || !plain {
            return Err(Refusal::Id);
        }
        if *log != self.log {
            return Err(Refusal::OtherLog { named: log.clone(), here: self.log.clone() });
        }
        if self.is_done(by.role, id) {
            return Err(Refusal::Done);
        }
        match act {
            Act::Propose { decision } => self.may_propose(decision, by),
            Act::Approve { proposal } => self.may_approve(proposal, by),
            Act::Reject { proposal, reason } => {
                operations(by)?;
                said(reason)?;
                self.proposal(proposal).map(drop)
            }
            Act::Release { of } => self.may_release_alone(of, by),
            Act::Agree { figures } => self.may_agree(figures, by),
            Act::Refuse { cycle, version, reason } => {
                bank(by)?;
                said(reason)?;
                self.released(*cycle, *version, "a refusal").map(drop)
            }
            Act::Confirm { cycle, version, answer, .. } => self.may_confirm((*cycle, *version), answer, by),
            Act::Settle { cycle, version } => {
                operations(by)?;
                in_state(self.version(*cycle, *version)?, &State::Confirmed, "settling")
            }
            Act::Dispute { dispute } => self.may_dispute(dispute, by, terms),
        }
    }

    fn may_propose(&self, decision: &Decision, by: &Signer) -> Result<(), Refusal> {
        operations(by)?;
        if let Some((id, _)) = self.proposals.iter().find(|(_, known)| known.decision == *decision) {
            return Err(Refusal::Proposed(id.clone()));
        }
        self.check(decision)
    }

    /// Whether a decision could be carried out now.
    fn check(&self, decision: &Decision) -> Result<(), Refusal> {
        match decision {
            Decision::Release { of, without, reason } => {
                if !without.is_empty() {
                    said(reason)?;
                }
                self.releasable(of, without)
            }
            Decision::Fail { cycle, version, city, reason } => {
                said(reason)?;
                carry(self.released(*cycle, *version, "a failure")?, *city).map(drop)
            }
            Decision::Dispute { verdict } => self.check_verdict(verdict),
        }
    }

    fn may_approve(&self, id: &str, by: &Signer) -> Result<(), Refusal> {
        operations(by)?;
        let proposal = self.proposal(id)?;
        if proposal.by.name == by.name {
            return Err(Refusal::Own(proposal.by.clone()));
        }
        self.check(&proposal.decision)
    }

    fn may_release_alone(&self, of: &Released, by: &Signer) -> Result<(), Refusal> {
        if by.role != Role::Batch {
            let whose = "the batch process; a person proposes the release, and another approves it";
            return Err(Refusal::NotHis { by: by.clone(), whose });
        }
        self.releasable(of, &[])
    }

    fn may_agree(&self, figures: &Agreement, by: &Signer) -> Result<(), Refusal> {
        if by.role != Role::City(figures.city) {
            return Err(Refusal::NotHis { by: by.clone(), whose: "the home city itself" });
        }
        let closed = self.cycle(figures.cycle).ok_or(Refusal::NoCycle(figures.cycle))?;
        in_state(closed, &State::Closed, "an agreement")
    }

    fn may_confirm(
        &self,
        (cycle, version): (CycleName, u32),
        answer: &[AnswerLine],
        by: &Signer,
    ) -> Result<(), Refusal> {
        bank(by)?;
        let closed = self.released(cycle, version, "a confirmation")?;
        let payments = Payments::due(&closed.plan.net, &closed.plan.accounts);
        let payments = payments.map_err(|error| Refusal::NoPayments { cycle, why: error.to_string() })?;
        confirm(&payments, cycle, version, answer)
            .map_err(|differences| Refusal::Differs { cycle, differences })
    }

    fn proposal(&self, id: &str) -> Result<&Proposal, Refusal> {
        self.proposals.get(id).ok_or_else(|| Refusal::NoProposal(id.to_owned()))
    }

    /// Whether these files of a cycle can be released.
    fn releasable(&self, of: &Released, without: &[City]) -> Result<(), Refusal> {
        let Released { cycle, version, manifest_sha256 } = of;
        let closed = self.version(*cycle, *version)?;
        in_state(closed, &State::Closed, "a release")?;
        let folder = closed.folder.as_ref().ok_or(Refusal::NoFolder(*cycle))?;
        if folder.manifest_sha256 != *manifest_sha256 {
            let (there, named) = (folder.manifest_sha256.clone(), manifest_sha256.clone());
            return Err(Refusal::OtherFiles { cycle: *cycle, there, named });
        }
        let against = closed.disagreements();
        if let Some(city) = without.iter().find(|city| against.iter().all(|it| it.city != **city)) {
            return Err(Refusal::Agrees(*city));
        }
        let last = closed.last_day();
        let over = self.today.is_some_and(|today| today.business_date > last);
        if let Some(city) = without.first().filter(|_| !over) {
            return Err(Refusal::TooEarly { cycle: *cycle, city: *city, last });
        }
        let against: Vec<_> = against.into_iter().filter(|it| !without.contains(&it.city)).collect();
        if against.is_empty() { Ok(()) } else { Err(Refusal::NotAgreed { cycle: *cycle, against }) }
    }

    /// A cycle at a version of its plan.
    fn version(&self, cycle: CycleName, named: u32) -> Result<&Closed, Refusal> {
        let closed = self.cycle(cycle).ok_or(Refusal::NoCycle(cycle))?;
        let current = closed.plan.version;
        if current == named { Ok(closed) } else { Err(Refusal::Version { cycle, current, named }) }
    }

    /// A released cycle at a version of its plan.
    fn released(&self, cycle: CycleName, version: u32, what: &'static str) -> Result<&Closed, Refusal> {
        let closed = self.version(cycle, version)?;
        in_state(closed, &State::Released, what)?;
        Ok(closed)
    }
}

fn operations(by: &Signer) -> Result<(), Refusal> {
    if by.role == Role::Operations {
        return Ok(());
    }
    Err(Refusal::NotHis { by: by.clone(), whose: "operations" })
}

/// The bank, or operations that speak for it.
fn bank(by: &Signer) -> Result<(), Refusal> {
    if matches!(by.role, Role::Bank | Role::Operations) {
        return Ok(());
    }
    Err(Refusal::NotHis { by: by.clone(), whose: "the settlement bank, or operations for it" })
}

fn said(reason: &str) -> Result<(), Refusal> {
    if is_reason(reason) { Ok(()) } else { Err(Refusal::Reason) }
}

fn in_state(closed: &Closed, wanted: &State, what: &'static str) -> Result<(), Refusal> {
    if closed.state == *wanted {
        return Ok(());
    }
    let (cycle, state) = (closed.plan.cycle, closed.state.word());
    Err(Refusal::State { cycle, state, what, wanted: wanted.word() })
}
