//! What acts do, and why one is refused; `rule.rs` says which are legal.

use super::{Disagreement, Proposal, Releases, State, Step, carry::carry};
use crate::{
    act::{Act, Agreement, Decision, ID_LEN_MAX, REASON_LEN_MAX, Released, Signer, Written},
    city::City,
    cycle::CycleName,
    date::Date,
    settlement::{Item, confirmation::Difference},
};

/// Why an act is refused. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It was done before.
    #[error("it was done already, and is done once")]
    Done,
    /// It was signed for another log.
    #[error(
        "it was signed for log `{named}`, and this one is `{here}`: an act counts on one log alone; look at this one, and sign \
         it again"
    )]
    OtherLog {
        /// The log that it names.
        named: String,
        /// This one.
        here: String,
    },
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
        self.rule(written, by, self.dispute_terms)?;
        let items = match &written.act {
            Act::Propose { decision } => self.propose(written, decision, by),
            Act::Approve { proposal } => self.approve(written, proposal, by)?,
            Act::Reject { proposal, reason } => self.reject(written, proposal, reason, by),
            Act::Release { of } => self.release_alone(written, of, by),
            Act::Agree { figures } => self.agree(written, figures, by),
            Act::Refuse { cycle, reason, .. } => {
                let state = State::Refused { reason: reason.clone() };
                self.go(*cycle, state, written, by, format!("refused by the bank: {reason}"))
            }
            Act::Confirm { cycle, sha256, .. } => {
                let what = format!("confirmed by the bank, file {sha256}");
                self.go(*cycle, State::Confirmed, written, by, what)
            }
            Act::Settle { cycle, .. } => self.go(*cycle, State::Settled, written, by, "settled".to_owned()),
            Act::Dispute { dispute } => self.dispute(written, dispute, by)?,
        };
        self.done.insert(super::hash(by.role, &written.id));
        Ok(items)
    }

    fn propose(&mut self, written: &Written, decision: &Decision, by: &Signer) -> Vec<Item> {
        let proposal = Proposal { decision: decision.clone(), by: by.clone() };
        self.proposals.insert(written.id.clone(), proposal);
        self.note(decision.cycle(), written, by, format!("proposed: {}", decision.words()));
        Vec::new()
    }

    fn approve(&mut self, written: &Written, id: &str, by: &Signer) -> Result<Vec<Item>, Refusal> {
        let proposal = self.proposals.remove(id).ok_or_else(|| Refusal::NoProposal(id.to_owned()))?;
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

    fn reject(&mut self, written: &Written, id: &str, reason: &str, by: &Signer) -> Vec<Item> {
        if let Some(proposal) = self.proposals.remove(id) {
            let what = format!("rejected: {} ({reason})", proposal.decision.words());
            self.note(proposal.decision.cycle(), written, by, what);
        }
        Vec::new()
    }

    fn release_alone(&mut self, written: &Written, of: &Released, by: &Signer) -> Vec<Item> {
        self.set_released(of.cycle, (by.clone(), by.clone()));
        self.note(Some(of.cycle), written, by, "released by the batch process, without four eyes".to_owned());
        Vec::new()
    }

    fn agree(&mut self, written: &Written, figures: &Agreement, by: &Signer) -> Vec<Item> {
        let known = self.cycle(figures.cycle).and_then(|closed| closed.agreements.get(&figures.city));
        if known == Some(figures) {
            return Vec::new();
        }
        let Some(closed) = self.change(figures.cycle) else { return Vec::new() };
        closed.agreements.insert(figures.city, figures.clone());
        let agrees = closed.disagreements().iter().all(|it| it.city != figures.city);
        let verdict = if agrees { "agrees" } else { "disagrees" };
        let (count, fen) = (figures.count, figures.amount_fen);
        let what = format!("{} {verdict}: {count} records of {fen} fen", figures.city);
        self.note(Some(figures.cycle), written, by, what);
        Vec::new()
    }

    fn fail(&mut self, cycle: CycleName, city: City, reason: String) -> Result<Vec<Item>, Refusal> {
        let closed = self.change(cycle).ok_or(Refusal::NoCycle(cycle))?;
        let (now, later) = carry(closed, city)?;
        closed.items.extend(now);
        closed.state = State::Failed { city, reason };
        Ok(later)
    }

    /// A cycle goes on to a state, and its history says by what.
    fn go(
        &mut self,
        cycle: CycleName,
        state: State,
        written: &Written,
        by: &Signer,
        what: String,
    ) -> Vec<Item> {
        if let Some(closed) = self.change(cycle) {
            closed.state = state;
        }
        self.note(Some(cycle), written, by, what);
        Vec::new()
    }

    fn set_released(&mut self, cycle: CycleName, by: (Signer, Signer)) {
        if let Some(closed) = self.change(cycle) {
            closed.state = State::Released;
            closed.released_by = Some(by);
        }
        // What else was proposed for it was meant for one that is not released.
        self.drop_proposals(cycle);
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
