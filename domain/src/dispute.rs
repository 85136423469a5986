//! Disputes and refunds: how money of a closed cycle is asked back or for, answered, decided, and put right by items of
//! a later cycle. What was published is never edited.
//!
//! ```text
//!             accept, or no answer in time
//!   Open ───────────────────────────────────▶ Passed     an adjustment moves the money to who asked
//!    │ │ contest              passed            ▲
//!    │ └────────▶ Contested ────────────────────┘
//!    │ withdraw     │   │  bad debt
//!    ▼              │   └─────────────────────▶ BadDebt   nothing moves, for good
//! Withdrawn ◀───────┘ withdraw                            nothing moves, may be opened again
//! ```
//!
//! A fold over what was said: the same acts and openings in the same order always give the same state and items. Here are
//! the state and what changes it; `rule.rs` says what may be said.
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions)]

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    act::Signer,
    city::City,
    cycle::CycleName,
    date::Date,
    settlement::{Item, ItemKind},
    terms::DisputeTerms,
};

mod acts;
mod refusal;
mod rule;
mod subject;

pub use acts::{Answer, DisputeAct, Outcome, Verdict};
pub use refusal::Refusal;
use subject::{FileKey, Key};
pub use subject::{Record, Subject, WholeFile, can_be_owed, goes_with_file};

/// The cycle in which something is said: the one that was opened last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenCycle {
    /// Its name.
    pub name: CycleName,
    /// The last cycle whose files are there.
    pub published_to: Option<CycleName>,
    /// Its rules of disputes.
    pub terms: DisputeTerms,
}

/// How a dispute stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The other city has not answered.
    Open,
    /// The other city does not pay; operations decide.
    Contested,
    /// The money goes to who asked.
    Passed,
    /// It stays as it was, for good.
    BadDebt,
    /// Taken back by who asked.
    Withdrawn,
}

impl State {
    /// Its word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Contested => "contested",
            Self::Passed => "passed",
            Self::BadDebt => "bad_debt",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// Whether nothing can be said any more.
    #[must_use]
    pub const fn is_over(self) -> bool {
        !matches!(self, Self::Open | Self::Contested)
    }
}

/// Something that was said in a dispute.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Step {
    /// The cycle that was open.
    pub cycle: CycleName,
    /// Who said it; nobody if time did.
    pub by: Option<String>,
    /// How the dispute stood then.
    pub state: State,
    /// Why, in words.
    pub reason: String,
}

/// A dispute.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Dispute {
    /// Its id, unique for ever.
    pub id: String,
    /// What it is about.
    pub subject: Subject,
    /// Who asks; it receives the money if the dispute passes.
    pub opener: City,
    /// Who is asked.
    pub other: City,
    /// How much is asked, fen.
    pub amount_fen: u64,
    /// The last business date for an answer.
    pub answer_by: Date,
    /// How it stands.
    pub state: State,
    /// All that was said, in order.
    pub steps: Vec<Step>,
}

/// A refund.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Refund {
    /// Its id, unique for ever.
    pub id: String,
    /// The record.
    pub record: Record,
    /// How much went back, fen.
    pub amount_fen: u64,
    /// The cycle in which it was said.
    pub cycle: CycleName,
    /// Who said it.
    pub by: String,
    /// Why, in words.
    pub reason: String,
}

/// All disputes and refunds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Disputes {
    disputes: BTreeMap<String, Dispute>,
    refunds: BTreeMap<String, Refund>,
    /// Those that wait for an answer, by its last business date.
    due: BTreeSet<(Date, String)>,
    claims: BTreeMap<Key, Claim>,
    /// The records of a file that were disputed or refunded one by one.
    one_by_one: BTreeMap<FileKey, BTreeSet<Key>>,
}

/// What was asked and moved of one record or file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Claim {
    /// The dispute that waits for an answer or a decision.
    open: Option<String>,
    /// The dispute that ended as bad debt.
    lost: Option<String>,
    /// The last dispute that passed.
    passed: Option<String>,
    /// What was moved, fen.
    moved_fen: u64,
    /// How many disputes and refunds there were.
    asked: u32,
}

impl Claim {
    /// The dispute that keeps others off.
    fn last(&self) -> Option<&String> {
        self.open.as_ref().or(self.passed.as_ref()).or(self.lost.as_ref())
    }

    fn is_free(&self) -> bool {
        self.last().is_none() && self.moved_fen == 0
    }
}

/// What follows from something that may be said.
#[derive(Debug)]
enum Change {
    /// A new dispute.
    Open(Box<Dispute>),
    /// A refund.
    Refund(Box<Refund>),
    /// A dispute goes a step on.
    Go { id: String, step: Step },
}

impl Disputes {
    /// Whether somebody may say this now.
    ///
    /// # Errors
    /// [`Refusal`] if not.
    pub fn check(&self, by: &Signer, act: &DisputeAct, today: &OpenCycle) -> Result<(), Refusal> {
        self.rule(by, act, today).map(drop)
    }

    /// Takes in what somebody said, and gives the items that it brings into the open cycle.
    ///
    /// # Errors
    /// [`Refusal`], and then nothing has changed.
    pub fn act(&mut self, by: &Signer, act: &DisputeAct, today: &OpenCycle) -> Result<Vec<Item>, Refusal> {
        let change = self.rule(by, act, today)?;
        Ok(self.carry_out(change))
    }

    /// Ends a contested dispute as two persons of operations, `by`, have decided; gives the item if it passes.
    ///
    /// # Errors
    /// [`Refusal`], and then nothing has changed.
    pub fn decide(
        &mut self,
        by: &str,
        verdict: &Verdict,
        today: &OpenCycle,
    ) -> Result<Option<Item>, Refusal> {
        let state = self.check_verdict(verdict)?;
        let (by, reason) = (Some(by.to_owned()), verdict.reason.clone());
        Ok(self.go(&verdict.dispute, Step { cycle: today.name, by, state, reason }))
    }

    /// Takes in that a cycle has opened: what was to be answered before its business date and was not is accepted. Where
    /// the rules leave it to a person who pays, operations decide.
    pub fn opened(&mut self, cycle: CycleName) -> Vec<Item> {
        let mut items = Vec::new();
        while let Some((answer_by, id)) = self.due.first().cloned() {
            if answer_by >= cycle.business_date {
                break;
            }
            let person = self.disputes.get(&id).is_some_and(|dispute| dispute.subject.needs_person());
            let state = if person { State::Contested } else { State::Passed };
            let reason = format!("no answer by {answer_by}");
            items.extend(self.go(&id, Step { cycle, by: None, state, reason }));
        }
        items
    }

    /// A dispute.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Dispute> {
        self.disputes.get(id)
    }

    /// A refund.
    #[must_use]
    pub fn refund(&self, id: &str) -> Option<&Refund> {
        self.refunds.get(id)
    }

    /// All disputes, by id.
    pub fn all(&self) -> impl Iterator<Item = &Dispute> {
        self.disputes.values()
    }

    /// All refunds, by id.
    pub fn refunds(&self) -> impl Iterator<Item = &Refund> {
        self.refunds.values()
    }

    /// What was moved of a record or file by disputes and refunds, fen: back to its home city if it was paid, else to
    /// its acquirer.
    #[must_use]
    pub fn moved_fen(&self, subject: &Subject) -> u64 {
        self.claims.get(&subject.key()).map_or(0, |claim| claim.moved_fen)
    }

    /// The disputes that may ask for a record of `subject` under another file or cycle, as far as they were not withdrawn:
    /// what was not paid may have been presented again, and a whole file is known by its name and cycle alone. What is
    /// asked for in the same file, and of one record each, is told apart by what is said.
    pub fn beside<'d>(&'d self, subject: &'d Subject) -> impl Iterator<Item = &'d Dispute> {
        let of = |it: &Subject| (it.acquirer(), it.issuer().scheme(), it.is_paid());
        self.all().filter(move |dispute| {
            let both_single = matches!((subject, &dispute.subject), (Subject::Record(_), Subject::Record(_)));
            !subject.is_paid()
                && of(subject) == of(&dispute.subject)
                && !both_single
                && subject.file_key() != dispute.subject.file_key()
                && dispute.state != State::Withdrawn
        })
    }

    fn carry_out(&mut self, change: Change) -> Vec<Item> {
        match change {
            Change::Open(dispute) => vec![self.open(*dispute)],
            Change::Refund(refund) => vec![self.give_back(*refund)],
            Change::Go { id, step } => self.go(&id, step).into_iter().collect(),
        }
    }

    fn open(&mut self, dispute: Dispute) -> Item {
        let id = dispute.id.clone();
        let reason = dispute.steps.first().map_or("", |step| &step.reason);
        let item = dispute.item(ItemKind::Dispute, id.clone(), format!("{}: {reason}", dispute.opener));
        self.change(&dispute.subject, |claim| {
            claim.open = Some(id.clone());
            claim.asked = claim.asked.saturating_add(1);
        });
        self.due.insert((dispute.answer_by, id.clone()));
        self.disputes.insert(id, dispute);
        item
    }

    fn give_back(&mut self, refund: Refund) -> Item {
        let subject = Subject::Record(refund.record.clone());
        self.change(&subject, |claim| {
            claim.moved_fen = claim.moved_fen.saturating_add(refund.amount_fen);
            claim.asked = claim.asked.saturating_add(1);
        });
        let item = Item {
            id: refund.id.clone(),
            kind: ItemKind::Refund,
            debtor: refund.record.acquirer,
            creditor: refund.record.issuer,
            amount_fen: refund.amount_fen,
            original_cycle: Some(refund.record.cycle),
            reference: subject.to_string(),
            reason: format!("{}: {}", refund.record.acquirer, refund.reason),
        };
        self.refunds.insert(refund.id.clone(), refund);
        item
    }

    /// Takes a dispute a step on, and gives the item that moves its money if it passes.
    fn go(&mut self, id: &str, step: Step) -> Option<Item> {
        let dispute = self.disputes.get_mut(id)?;
        self.due.remove(&(dispute.answer_by, id.to_owned()));
        let (subject, amount_fen, state) = (dispute.subject.clone(), dispute.amount_fen, step.state);
        let why = match (&step.by, dispute.state) {
            (None, _) => step.reason.clone(),
            (Some(_), State::Contested) => format!("decided: {}", step.reason),
            (Some(_), _) => format!("{} accepts: {}", dispute.other, step.reason),
        };
        dispute.state = state;
        dispute.steps.push(step);
        let passed = state == State::Passed;
        let item = passed.then(|| dispute.item(ItemKind::Adjustment, dispute.adjustment_id(), why));
        self.change(&subject, |claim| match state {
            State::Open | State::Contested => {}
            State::Withdrawn => claim.open = None,
            State::BadDebt => (claim.open, claim.lost) = (None, Some(id.to_owned())),
            State::Passed => {
                (claim.open, claim.passed) = (None, Some(id.to_owned()));
                claim.moved_fen = claim.moved_fen.saturating_add(amount_fen);
            }
        });
        item
    }

    /// Changes a claim, and keeps the records of each file that are not free any more.
    fn change(&mut self, subject: &Subject, change: impl FnOnce(&mut Claim)) {
        let key = subject.key();
        let claim = self.claims.entry(key.clone()).or_default();
        change(claim);
        let free = claim.is_free();
        if let Subject::Record(_) = subject {
            let records = self.one_by_one.entry(subject.file_key()).or_default();
            if free {
                records.remove(&key);
            } else {
                records.insert(key);
            }
        }
    }
}

impl Dispute {
    /// The id of the item that moves its money, once it passes.
    #[must_use]
    pub fn adjustment_id(&self) -> String {
        format!("{}-adjustment", self.id)
    }

    /// An item between the two cities: who asks receives.
    fn item(&self, kind: ItemKind, id: String, reason: String) -> Item {
        Item {
            id,
            kind,
            debtor: self.other,
            creditor: self.opener,
            amount_fen: self.amount_fen,
            original_cycle: Some(self.subject.cycle()),
            reference: self.subject.to_string(),
            reason,
        }
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "an overflow fails the test")]
mod tests;
