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
//! A fold over what was said: the same acts and openings in the same order always give the same state and items.
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions)]

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};

use crate::{
    city::City,
    cycle::CycleName,
    date::Date,
    settlement::{FIGURE_FEN_MAX, Item, ItemKind},
    terms::DisputeTerms,
};

mod acts;
mod refusal;
mod signer;
mod subject;

pub use acts::{Answer, DisputeAct, Outcome};
pub use refusal::Refusal;
pub use signer::{Role, Signer};
use subject::{FileKey, Key};
pub use subject::{Record, Subject, WholeFile, can_be_owed};

/// The longest reason, bytes.
pub const REASON_BYTES_MAX: usize = 180;

/// The cycle in which something is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenCycle {
    /// Its name.
    pub name: CycleName,
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

impl Disputes {
    /// Takes in what somebody said, and gives the items that it brings into the open cycle.
    ///
    /// # Errors
    /// [`Refusal`], and then nothing has changed.
    pub fn act(&mut self, by: &Signer, act: &DisputeAct, today: &OpenCycle) -> Result<Vec<Item>, Refusal> {
        let reason = act.reason();
        let plain = !reason.trim().is_empty() && !reason.chars().any(char::is_control);
        if !plain || reason.len() > REASON_BYTES_MAX {
            return Err(Refusal::Reason);
        }
        let said = Said { by, reason, cycle: today.name };
        match act {
            DisputeAct::Open { subject, amount_fen, .. } => {
                self.open(said, subject, *amount_fen, &today.terms).map(|item| vec![item])
            }
            DisputeAct::Answer { dispute, answer, .. } => self.answer(said, dispute, *answer),
            DisputeAct::Withdraw { dispute, .. } => self.withdraw(said, dispute),
            DisputeAct::Decide { dispute, outcome, .. } => self.decide(said, dispute, *outcome),
            DisputeAct::Refund { record, amount_fen, back_fen, .. } => {
                self.refund(said, record, *amount_fen, *back_fen, &today.terms).map(|item| vec![item])
            }
        }
    }

    /// Takes in that a cycle has opened: what was to be answered before its business date and was not is accepted.
    pub fn opened(&mut self, cycle: CycleName) -> Vec<Item> {
        let mut items = Vec::new();
        while let Some((answer_by, id)) = self.due.first().cloned() {
            if answer_by >= cycle.business_date {
                break;
            }
            let reason = format!("no answer by {answer_by}");
            items.extend(self.end(
                &id,
                State::Passed,
                Step { cycle, by: None, state: State::Passed, reason },
            ));
        }
        items
    }

    /// A dispute.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Dispute> {
        self.disputes.get(id)
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

    fn open(
        &mut self,
        said: Said<'_>,
        subject: &Subject,
        amount_fen: Option<u64>,
        terms: &DisputeTerms,
    ) -> Result<Item, Refusal> {
        let opener = said.city()?;
        subject.check()?;
        let other = concerned(subject, opener)?;
        subject.may_be_asked_by(opener)?;
        within(subject.cycle(), said.cycle, terms)?;
        self.may_open(subject)?;
        let left_fen = self.left_fen(subject)?;
        let amount_fen = amount(amount_fen.unwrap_or(left_fen), left_fen)?;
        let id = self.new_id("D", subject);
        let answer_by = plus(said.cycle.business_date, terms.answer_days);
        let dispute = Dispute {
            id: id.clone(),
            subject: subject.clone(),
            opener,
            other,
            amount_fen,
            answer_by,
            state: State::Open,
            steps: vec![said.step(State::Open)],
        };
        let item = dispute.item(ItemKind::Dispute, id.clone(), format!("{opener}: {}", said.reason));
        self.change(subject, |claim| {
            claim.open = Some(id.clone());
            claim.asked = claim.asked.saturating_add(1);
        });
        self.due.insert((answer_by, id.clone()));
        self.disputes.insert(id, dispute);
        Ok(item)
    }

    fn answer(&mut self, said: Said<'_>, id: &str, answer: Answer) -> Result<Vec<Item>, Refusal> {
        let city = said.city()?;
        let dispute = self.known(id)?;
        concerned(&dispute.subject, city)?;
        if city == dispute.opener {
            let (opener, other) = (dispute.opener, dispute.other);
            return Err(Refusal::OwnAnswer { dispute: id.to_owned(), opener, other });
        }
        if dispute.state != State::Open {
            return Err(Refusal::Over { dispute: id.to_owned(), state: dispute.state });
        }
        match answer {
            Answer::Accept => Ok(self.end(id, State::Passed, said.step(State::Passed))),
            Answer::Contest => {
                self.due.remove(&(dispute.answer_by, id.to_owned()));
                if let Some(dispute) = self.disputes.get_mut(id) {
                    dispute.go(said.step(State::Contested));
                }
                Ok(Vec::new())
            }
        }
    }

    fn withdraw(&mut self, said: Said<'_>, id: &str) -> Result<Vec<Item>, Refusal> {
        let city = said.city()?;
        let dispute = self.known(id)?;
        concerned(&dispute.subject, city)?;
        if city != dispute.opener {
            return Err(Refusal::NotOpener { dispute: id.to_owned(), opener: dispute.opener });
        }
        if dispute.state.is_over() {
            return Err(Refusal::Over { dispute: id.to_owned(), state: dispute.state });
        }
        Ok(self.end(id, State::Withdrawn, said.step(State::Withdrawn)))
    }

    fn decide(&mut self, said: Said<'_>, id: &str, outcome: Outcome) -> Result<Vec<Item>, Refusal> {
        said.operations()?;
        let dispute = self.known(id)?;
        let state = match outcome {
            Outcome::Passed => State::Passed,
            Outcome::BadDebt => State::BadDebt,
        };
        match dispute.state {
            State::Contested => Ok(self.end(id, state, said.step(state))),
            State::Open => {
                let (other, answer_by) = (dispute.other, dispute.answer_by);
                Err(Refusal::NotContested { dispute: id.to_owned(), other, answer_by })
            }
            state => Err(Refusal::Over { dispute: id.to_owned(), state }),
        }
    }

    fn refund(
        &mut self,
        said: Said<'_>,
        record: &Record,
        amount_fen: u64,
        back_fen: u64,
        terms: &DisputeTerms,
    ) -> Result<Item, Refusal> {
        let city = said.city()?;
        let subject = Subject::Record(record.clone());
        subject.check()?;
        if city != record.acquirer {
            let (acquirer, issuer) = (record.acquirer, record.issuer);
            return Err(Refusal::NotAcquirer { city, acquirer, issuer });
        }
        if !record.is_paid() {
            return Err(Refusal::NothingToRefund(record.result));
        }
        within(record.cycle, said.cycle, terms)?;
        self.may_refund(&subject)?;
        let moved_fen = self.moved_fen(&subject);
        if moved_fen != back_fen {
            return Err(Refusal::BackBefore { back_fen: moved_fen, said_fen: back_fen });
        }
        let amount_fen = amount(amount_fen, self.left_fen(&subject)?)?;
        let id = self.new_id("R", &subject);
        self.change(&subject, |claim| {
            claim.moved_fen = claim.moved_fen.saturating_add(amount_fen);
            claim.asked = claim.asked.saturating_add(1);
        });
        let refund = Refund {
            id: id.clone(),
            record: record.clone(),
            amount_fen,
            cycle: said.cycle,
            by: said.by.to_string(),
            reason: said.reason.to_owned(),
        };
        self.refunds.insert(id.clone(), refund);
        Ok(Item {
            id,
            kind: ItemKind::Refund,
            debtor: record.acquirer,
            creditor: record.issuer,
            amount_fen,
            original_cycle: Some(record.cycle),
            reference: subject.to_string(),
            reason: format!("{city}: {}", said.reason),
        })
    }

    /// Ends a dispute, and gives the item that moves its money if it passed.
    fn end(&mut self, id: &str, state: State, step: Step) -> Vec<Item> {
        let Some(dispute) = self.disputes.get_mut(id) else { return Vec::new() };
        self.due.remove(&(dispute.answer_by, id.to_owned()));
        let (subject, amount_fen) = (dispute.subject.clone(), dispute.amount_fen);
        let why = match (&step.by, dispute.state) {
            (None, _) => step.reason.clone(),
            (Some(_), State::Contested) => format!("decided: {}", step.reason),
            (Some(_), _) => format!("{} accepts: {}", dispute.other, step.reason),
        };
        dispute.go(step);
        let passed = state == State::Passed;
        let item = passed.then(|| dispute.item(ItemKind::Adjustment, format!("{id}-adjustment"), why));
        self.change(&subject, |claim| {
            claim.open = None;
            match state {
                State::Passed => {
                    claim.moved_fen = claim.moved_fen.saturating_add(amount_fen);
                    claim.passed = Some(id.to_owned());
                }
                State::BadDebt => claim.lost = Some(id.to_owned()),
                State::Open | State::Contested | State::Withdrawn => {}
            }
        });
        item.into_iter().collect()
    }

    fn known(&self, id: &str) -> Result<&Dispute, Refusal> {
        self.disputes.get(id).ok_or_else(|| Refusal::Unknown { dispute: id.to_owned() })
    }

    /// Whether nothing else is asked of it, and operations have not had the last word.
    fn may_open(&self, subject: &Subject) -> Result<(), Refusal> {
        if let Some(claim) = self.claims.get(&subject.key()) {
            if let Some(dispute) = claim.open.clone() {
                return Err(Refusal::AlreadyOpen { dispute });
            }
            if let Some(dispute) = claim.lost.clone() {
                return Err(Refusal::Final { dispute });
            }
        }
        match subject {
            Subject::Record(_) => self.outside_whole_file(subject, |claim| !claim.is_free()),
            Subject::File(_) => match self.one_by_one.get(&subject.file_key()).map_or(0, BTreeSet::len) {
                0 => Ok(()),
                records => Err(Refusal::OneByOne { records }),
            },
        }
    }

    /// Whether a record may be refunded: also one about which its home city lost a dispute.
    fn may_refund(&self, subject: &Subject) -> Result<(), Refusal> {
        let open = self.claims.get(&subject.key()).and_then(|claim| claim.open.clone());
        match open {
            Some(dispute) => Err(Refusal::AlreadyOpen { dispute }),
            None => self.outside_whole_file(subject, |claim| claim.open.is_some() || claim.moved_fen > 0),
        }
    }

    /// Refuses a record whose file was disputed as a whole, if that `counts`.
    fn outside_whole_file(&self, subject: &Subject, counts: impl Fn(&Claim) -> bool) -> Result<(), Refusal> {
        let whole = self.claims.get(&Key::File(subject.file_key())).filter(|claim| counts(claim));
        let dispute = whole.and_then(Claim::last).and_then(|id| self.disputes.get(id));
        match dispute {
            Some(dispute) => Err(Refusal::InWholeFile { dispute: dispute.id.clone(), state: dispute.state }),
            None => Ok(()),
        }
    }

    /// What is left to move, fen.
    fn left_fen(&self, subject: &Subject) -> Result<u64, Refusal> {
        let amount_fen = subject.amount_fen();
        match amount_fen.saturating_sub(self.moved_fen(subject)) {
            0 => Err(Refusal::NothingLeft { amount_fen }),
            left => Ok(left),
        }
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

    /// An id that follows from what is asked, and that nothing has yet.
    fn new_id(&self, letter: &str, subject: &Subject) -> String {
        let mut number = self.claims.get(&subject.key()).map_or(0, |claim| claim.asked);
        loop {
            let id = id(letter, subject, number);
            if !self.disputes.contains_key(&id) && !self.refunds.contains_key(&id) {
                return id;
            }
            number = number.wrapping_add(1);
        }
    }
}

impl Dispute {
    fn go(&mut self, step: Step) {
        self.state = step.state;
        self.steps.push(step);
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

/// Who says something, why, and in which cycle.
#[derive(Clone, Copy)]
struct Said<'a> {
    by: &'a Signer,
    reason: &'a str,
    cycle: CycleName,
}

impl Said<'_> {
    fn city(&self) -> Result<City, Refusal> {
        match self.by.role {
            Role::City(city) => Ok(city),
            _ => Err(Refusal::NotACity { signer: self.by.to_string() }),
        }
    }

    fn operations(&self) -> Result<(), Refusal> {
        match self.by.role {
            Role::Operations => Ok(()),
            _ => Err(Refusal::NotOperations { signer: self.by.to_string() }),
        }
    }

    fn step(&self, state: State) -> Step {
        Step { cycle: self.cycle, by: Some(self.by.to_string()), state, reason: self.reason.to_owned() }
    }
}

/// The other city, if this one is concerned.
fn concerned(subject: &Subject, city: City) -> Result<City, Refusal> {
    let (acquirer, issuer) = (subject.acquirer(), subject.issuer());
    subject.other(city).ok_or(Refusal::NotConcerned { city, acquirer, issuer })
}

/// Refuses a cycle that is not over, or whose window is.
fn within(cycle: CycleName, today: CycleName, terms: &DisputeTerms) -> Result<(), Refusal> {
    if cycle >= today {
        return Err(Refusal::NotClosed { cycle });
    }
    let until = plus(cycle.business_date, terms.dispute_days);
    if today.business_date > until { Err(Refusal::WindowOver { cycle, until }) } else { Ok(()) }
}

fn amount(amount_fen: u64, left_fen: u64) -> Result<u64, Refusal> {
    if amount_fen > FIGURE_FEN_MAX {
        return Err(Refusal::TooLarge);
    }
    let fits = (1..=left_fen).contains(&amount_fen);
    if fits { Ok(amount_fen) } else { Err(Refusal::Amount { amount_fen, left_fen }) }
}

fn plus(date: Date, days: u32) -> Date {
    date.plus_days(i32::try_from(days).unwrap_or(i32::MAX))
}

/// `D-` or `R-` and 12 digits of a digest over cycle, cities, place and number.
fn id(letter: &str, subject: &Subject, number: u32) -> String {
    let (cycle, issuer, paid) = (subject.cycle(), subject.issuer(), subject.is_paid());
    let text = format!("{letter}\n{cycle}\n{issuer}\n{paid}\n{subject}\n{number}");
    let digest = Sha256::digest(text.as_bytes());
    let hex: String = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    format!("{letter}-{hex}")
}

#[cfg(test)]
mod tests;
