//! What acts do, and which are refused.

use super::{Closed, Disagreement, Proposal, Releases, State, Step, carry::carry};
use crate::{
    act::{Act, Agreement, Decision, ID_LEN_MAX, REASON_LEN_MAX, Released, Role, Signer, Written, is_reason},
    city::City,
    cycle::CycleName,
    date::Date,
    settlement::{
        Item, Payments,
        confirmation::{AnswerLine, Difference, confirm},
    },
};

/// Why an act is refused. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It was done before.
    #[error("it was done already, and is done once")]
    Done,
    /// The id cannot be used.
    #[error("its id must have 1 to {ID_LEN_MAX} letters, digits or hyphens")]
    Id,
    /// A person must say why.
    #[error("say why, in at most {REASON_LEN_MAX} bytes and one line")]
    Reason,
    /// It is not his to do.
    #[error("{by} may not do this: it is for {whose}")]
    NotHis {
        /// Who tried.
        by: Signer,
        /// Who may.
        whose: &'static str,
    },
    /// There is no such cycle.
    #[error("{0} is not closed; `cityunion cycle releases` shows the cycles")]
    NoCycle(CycleName),
    /// Another version is meant.
    #[error("{cycle} is at version {current} of its plan, not {named}; look at that one first")]
    Version {
        /// The cycle.
        cycle: CycleName,
        /// The version of its plan.
        current: u32,
        /// The version that was named.
        named: u32,
    },
    /// The state does not allow it.
    #[error("{cycle} is {state}; {what} is for one that is {wanted}")]
    State {
        /// The cycle.
        cycle: CycleName,
        /// How far it is.
        state: &'static str,
        /// What was wanted.
        what: &'static str,
        /// The state that allows it.
        wanted: &'static str,
    },
    /// The folder is not there yet.
    #[error("the folder of {0} is not there yet; wait until it is published")]
    NoFolder(CycleName),
    /// Other files are meant.
    #[error("the manifest of {cycle} has SHA-256 {there}, not {named}: those are other files")]
    OtherFiles {
        /// The cycle.
        cycle: CycleName,
        /// The digest of the published manifest.
        there: String,
        /// The digest that was named.
        named: String,
    },
    /// Home cities have not agreed.
    #[error("{cycle} cannot be released: {}", list(.against))]
    NotAgreed {
        /// The cycle.
        cycle: CycleName,
        /// Who, and what they say.
        against: Vec<Disagreement>,
    },
    /// It is too early to do without an agreement.
    #[error(
        "{cycle} cannot be released without {city} yet: home cities may agree until a cycle of a business date after {last} \
         opens"
    )]
    TooEarly {
        /// The cycle.
        cycle: CycleName,
        /// The city.
        city: City,
        /// The last day that home cities have.
        last: Date,
    },
    /// An override that overrides nothing.
    #[error("{0} agrees or pays nothing in this cycle: leave it out of those that are done without")]
    Agrees(City),
    /// There is no such proposal.
    #[error("no proposal {0} waits; `cityunion cycle releases` shows those that do")]
    NoProposal(String),
    /// Four eyes are two people's.
    #[error("{0} proposed it: another person of operations must approve it")]
    Own(Signer),
    /// The same is proposed already.
    #[error("this is proposed already, as {0}")]
    Proposed(String),
    /// There can be no dispute yet.
    #[error("no cycle was ever opened here, so there is nothing to dispute")]
    NothingOpened,
    /// What is said of a dispute.
    #[error(transparent)]
    Dispute(#[from] crate::dispute::Refusal),
    /// A city that is none of the cycle's.
    #[error("{city} owes nothing in {cycle}")]
    OwesNothing {
        /// The city.
        city: City,
        /// The cycle.
        cycle: CycleName,
    },
    /// The payments cannot be told.
    #[error("the payments of {cycle} cannot be told: {why}")]
    NoPayments {
        /// The cycle.
        cycle: CycleName,
        /// Why.
        why: String,
    },
    /// The bank says something else than the plan.
    #[error("the bank's answer is not what {cycle} has paid; nothing is confirmed:\n{}", lines(.differences))]
    Differs {
        /// The cycle.
        cycle: CycleName,
        /// In what.
        differences: Vec<Difference>,
    },
    /// The debt cannot be carried.
    #[error(
        "no city receives anything in {cycle}, so what {city} owes is owed to the scheme alone and cannot be carried"
    )]
    NobodyReceives {
        /// The city.
        city: City,
        /// The cycle.
        cycle: CycleName,
    },
}

fn lines(differences: &[Difference]) -> String {
    differences.iter().map(|it| format!("  {it}")).collect::<Vec<_>>().join("\n")
}

fn list(against: &[Disagreement]) -> String {
    against.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl Releases {
    /// Does an act, if it is legal, and gives the items that it brings into the open cycle.
    ///
    /// # Errors
    /// [`Refusal`]; nothing has changed then.
    pub fn act(&mut self, written: &Written, by: &Signer) -> Result<Vec<Item>, Refusal> {
        let Written { id, act, .. } = written;
        let plain = id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if id.is_empty() || id.len() > ID_LEN_MAX || !plain {
            return Err(Refusal::Id);
        }
        if self.is_done(id) {
            return Err(Refusal::Done);
        }
        let items = match act {
            Act::Propose { decision } => self.propose(written, decision, by)?,
            Act::Approve { proposal } => self.approve(written, proposal, by)?,
            Act::Reject { proposal, reason } => self.reject(written, proposal, reason, by)?,
            Act::Release { of } => self.release_alone(written, of, by)?,
            Act::Agree { figures } => self.agree(written, figures, by)?,
            Act::Refuse { cycle, version, reason } => self.refuse(written, (*cycle, *version), reason, by)?,
            Act::Confirm { cycle, version, answer, sha256 } => {
                self.confirm((*cycle, *version), answer, by).map(|()| {
                    self.note(Some(*cycle), written, by, format!("confirmed by the bank, file {sha256}"))
                })?;
                Vec::new()
            }
            Act::Settle { cycle, version } => self.settle(written, (*cycle, *version), by)?,
            Act::Dispute { dispute } => self.dispute(written, dispute, by)?,
        };
        self.done.insert(super::hash(id));
        Ok(items)
    }

    fn propose(&mut self, written: &Written, decision: &Decision, by: &Signer) -> Result<Vec<Item>, Refusal> {
        operations(by)?;
        if let Some((id, _)) = self.proposals.iter().find(|(_, known)| known.decision == *decision) {
            return Err(Refusal::Proposed(id.clone()));
        }
        self.check(decision)?;
        let cycle = decision.cycle();
        let proposal = Proposal { decision: decision.clone(), by: by.clone() };
        self.proposals.insert(written.id.clone(), proposal);
        self.note(cycle, written, by, format!("proposed: {}", decision.words()));
        Ok(Vec::new())
    }

    /// Whether a decision could be carried out now.
    fn check(&self, decision: &Decision) -> Result<(), Refusal> {
        match decision {
            Decision::Release { of, without, reason } => {
                if !without.is_empty() {
                    said(reason)?;
                }
                self.releasable(of, without).map(drop)
            }
            Decision::Fail { cycle, version, city, reason } => {
                said(reason)?;
                carry(self.released(*cycle, *version, "a failure")?, *city).map(drop)
            }
            Decision::Dispute { verdict } => self.check_verdict(verdict),
        }
    }

    fn approve(&mut self, written: &Written, id: &str, by: &Signer) -> Result<Vec<Item>, Refusal> {
        operations(by)?;
        let proposal = self.proposals.get(id).ok_or_else(|| Refusal::NoProposal(id.to_owned()))?.clone();
        if proposal.by.name == by.name {
            return Err(Refusal::Own(proposal.by));
        }
        self.check(&proposal.decision)?;
        self.proposals.remove(id);
        let cycle = proposal.decision.cycle();
        self.note(cycle, written, by, format!("approved: {}", proposal.decision.words()));
        match proposal.decision {
            Decision::Release { of, .. } => {
                self.set_released(of.cycle, (proposal.by, by.clone()));
                Ok(Vec::new())
            }
            Decision::Fail { cycle, city, reason, .. } => self.fail(cycle, city, reason),
            Decision::Dispute { verdict } => self.decide(written, &verdict, [&proposal.by, by]),
        }
    }

    fn reject(
        &mut self,
        written: &Written,
        id: &str,
        reason: &str,
        by: &Signer,
    ) -> Result<Vec<Item>, Refusal> {
        operations(by)?;
        said(reason)?;
        let proposal = self.proposals.remove(id).ok_or_else(|| Refusal::NoProposal(id.to_owned()))?;
        let what = format!("rejected: {} ({reason})", proposal.decision.words());
        self.note(proposal.decision.cycle(), written, by, what);
        Ok(Vec::new())
    }

    fn release_alone(&mut self, written: &Written, of: &Released, by: &Signer) -> Result<Vec<Item>, Refusal> {
        if by.role != Role::Batch {
            let whose = "the batch process; a person proposes the release, and another approves it";
            return Err(Refusal::NotHis { by: by.clone(), whose });
        }
        self.releasable(of, &[])?;
        self.set_released(of.cycle, (by.clone(), by.clone()));
        self.note(Some(of.cycle), written, by, "released by the batch process, without four eyes".to_owned());
        Ok(Vec::new())
    }

    fn agree(&mut self, written: &Written, figures: &Agreement, by: &Signer) -> Result<Vec<Item>, Refusal> {
        if by.role != Role::City(figures.city) {
            return Err(Refusal::NotHis { by: by.clone(), whose: "the home city itself" });
        }
        let closed = self.change(figures.cycle).ok_or(Refusal::NoCycle(figures.cycle))?;
        in_state(closed, &State::Closed, "an agreement")?;
        if closed.agreements.get(&figures.city) == Some(figures) {
            return Ok(Vec::new());
        }
        closed.agreements.insert(figures.city, figures.clone());
        let agrees = closed.disagreements().iter().all(|it| it.city != figures.city);
        let verdict = if agrees { "agrees" } else { "disagrees" };
        let (count, fen) = (figures.count, figures.amount_fen);
        let what = format!("{} {verdict}: {count} records of {fen} fen", figures.city);
        self.note(Some(figures.cycle), written, by, what);
        Ok(Vec::new())
    }

    fn refuse(
        &mut self,
        written: &Written,
        (cycle, version): (CycleName, u32),
        reason: &str,
        by: &Signer,
    ) -> Result<Vec<Item>, Refusal> {
        bank(by)?;
        said(reason)?;
        self.released(cycle, version, "a refusal")?;
        if let Some(closed) = self.change(cycle) {
            closed.state = State::Refused { reason: reason.to_owned() };
        }
        self.note(Some(cycle), written, by, format!("refused by the bank: {reason}"));
        Ok(Vec::new())
    }

    fn confirm(
        &mut self,
        (cycle, version): (CycleName, u32),
        answer: &[AnswerLine],
        by: &Signer,
    ) -> Result<(), Refusal> {
        bank(by)?;
        let closed = self.released(cycle, version, "a confirmation")?;
        let payments = Payments::due(&closed.plan.net, &closed.plan.accounts);
        let payments = payments.map_err(|error| Refusal::NoPayments { cycle, why: error.to_string() })?;
        confirm(&payments, cycle, version, answer)
            .map_err(|differences| Refusal::Differs { cycle, differences })?;
        if let Some(closed) = self.change(cycle) {
            closed.state = State::Confirmed;
        }
        Ok(())
    }

    fn settle(
        &mut self,
        written: &Written,
        (cycle, version): (CycleName, u32),
        by: &Signer,
    ) -> Result<Vec<Item>, Refusal> {
        operations(by)?;
        let closed = self.version(cycle, version)?;
        in_state(closed, &State::Confirmed, "settling")?;
        if let Some(closed) = self.change(cycle) {
            closed.state = State::Settled;
        }
        self.note(Some(cycle), written, by, "settled".to_owned());
        Ok(Vec::new())
    }

    fn fail(&mut self, cycle: CycleName, city: City, reason: String) -> Result<Vec<Item>, Refusal> {
        let closed = self.change(cycle).ok_or(Refusal::NoCycle(cycle))?;
        let (now, later) = carry(closed, city)?;
        closed.items.extend(now);
        closed.state = State::Failed { city, reason };
        Ok(later)
    }

    /// The cycle, if these files of it can be released.
    fn releasable(&self, of: &Released, without: &[City]) -> Result<&Closed, Refusal> {
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
        if against.is_empty() { Ok(closed) } else { Err(Refusal::NotAgreed { cycle: *cycle, against }) }
    }

    fn set_released(&mut self, cycle: CycleName, by: (Signer, Signer)) {
        if let Some(closed) = self.change(cycle) {
            closed.state = State::Released;
            closed.released_by = Some(by);
        }
        // What else was proposed for it was meant for one that is not released.
        self.drop_proposals(cycle);
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

    /// Writes into the history of a cycle.
    pub(super) fn note(&mut self, cycle: Option<CycleName>, written: &Written, by: &Signer, what: String) {
        if let Some(closed) = cycle.and_then(|cycle| self.change(cycle)) {
            let Written { id, at, .. } = written;
            closed.steps.push(Step { act: id.clone(), what, by: by.clone(), at: at.clone() });
        }
    }
}

impl Decision {
    /// The cycle that it is about, if it names one.
    #[must_use]
    pub const fn cycle(&self) -> Option<CycleName> {
        match self {
            Self::Release { of, .. } => Some(of.cycle),
            Self::Fail { cycle, .. } => Some(*cycle),
            Self::Dispute { .. } => None,
        }
    }

    /// The decision in words.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Release { of, without, .. } if without.is_empty() => {
                format!("release version {} of {}", of.version, of.cycle)
            }
            Self::Release { of, without, reason } => {
                let cities: Vec<String> = without.iter().map(City::to_string).collect();
                let cities = cities.join(", ");
                format!("release version {} of {} without {cities} ({reason})", of.version, of.cycle)
            }
            Self::Fail { cycle, city, reason, .. } => format!("{city} does not pay in {cycle} ({reason})"),
            Self::Dispute { verdict } => verdict.words(),
        }
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
