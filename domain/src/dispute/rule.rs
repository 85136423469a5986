//! What may be said, and what follows from it: nothing changes here.

use std::collections::BTreeSet;

use sha2::{Digest as _, Sha256};

use super::{
    Answer, Change, Claim, Dispute, DisputeAct, Disputes, OpenCycle, Outcome, Record, Refund, Refusal, State,
    Step, Subject, Verdict, subject::Key,
};
use crate::{
    act::{Role, Signer, is_reason},
    city::City,
    cycle::CycleName,
    date::Date,
};

impl Disputes {
    /// What follows from something that is said.
    pub(super) fn rule(&self, by: &Signer, act: &DisputeAct, today: &OpenCycle) -> Result<Change, Refusal> {
        let reason = plain(act.reason())?;
        let said = Said { by, reason, today };
        match act {
            DisputeAct::Open { subject, amount_fen, .. } => self.rule_open(said, subject, *amount_fen),
            DisputeAct::Answer { dispute, answer, .. } => self.rule_answer(said, dispute, *answer),
            DisputeAct::Withdraw { dispute, .. } => self.rule_withdraw(said, dispute),
            DisputeAct::Refund { record, amount_fen, back_fen, .. } => {
                self.rule_refund(said, record, *amount_fen, *back_fen)
            }
        }
    }

    fn rule_open(
        &self,
        said: Said<'_>,
        subject: &Subject,
        amount_fen: Option<u64>,
    ) -> Result<Change, Refusal> {
        let opener = said.city()?;
        subject.check()?;
        let other = concerned(subject, opener)?;
        subject.may_be_asked_by(opener)?;
        within(subject.cycle(), said.today)?;
        self.may_open(subject)?;
        let left_fen = self.left_fen(subject)?;
        let amount_fen = amount(amount_fen.unwrap_or(left_fen), left_fen)?;
        let today = said.today;
        Ok(Change::Open(Box::new(Dispute {
            id: self.new_id("D", subject),
            subject: subject.clone(),
            opener,
            other,
            amount_fen,
            answer_by: plus(today.name.business_date, today.terms.answer_days),
            state: State::Open,
            steps: vec![said.step(State::Open)],
        })))
    }

    fn rule_answer(&self, said: Said<'_>, id: &str, answer: Answer) -> Result<Change, Refusal> {
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
        Ok(said.go(
            id,
            match answer {
                Answer::Accept => State::Passed,
                Answer::Contest => State::Contested,
            },
        ))
    }

    fn rule_withdraw(&self, said: Said<'_>, id: &str) -> Result<Change, Refusal> {
        let city = said.city()?;
        let dispute = self.known(id)?;
        concerned(&dispute.subject, city)?;
        if city != dispute.opener {
            return Err(Refusal::NotOpener { dispute: id.to_owned(), opener: dispute.opener });
        }
        if dispute.state.is_over() {
            return Err(Refusal::Over { dispute: id.to_owned(), state: dispute.state });
        }
        Ok(said.go(id, State::Withdrawn))
    }

    /// The state in which a verdict leaves its dispute.
    ///
    /// # Errors
    /// [`Refusal`] if it is not for operations to decide.
    pub fn check_verdict(&self, verdict: &Verdict) -> Result<State, Refusal> {
        plain(&verdict.reason)?;
        let id = &verdict.dispute;
        let dispute = self.known(id)?;
        match dispute.state {
            State::Contested => Ok(match verdict.outcome {
                Outcome::Passed => State::Passed,
                Outcome::BadDebt => State::BadDebt,
            }),
            State::Open => {
                let (other, answer_by) = (dispute.other, dispute.answer_by);
                Err(Refusal::NotContested { dispute: id.to_owned(), other, answer_by })
            }
            state => Err(Refusal::Over { dispute: id.to_owned(), state }),
        }
    }

    fn rule_refund(
        &self,
        said: Said<'_>,
        record: &Record,
        amount_fen: u64,
        back_fen: u64,
    ) -> Result<Change, Refusal> {
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
        within(record.cycle, said.today)?;
        self.may_refund(&subject)?;
        let moved_fen = self.moved_fen(&subject);
        if moved_fen != back_fen {
            return Err(Refusal::BackBefore { back_fen: moved_fen, said_fen: back_fen });
        }
        Ok(Change::Refund(Box::new(Refund {
            amount_fen: amount(amount_fen, self.left_fen(&subject)?)?,
            id: self.new_id("R", &subject),
            record: record.clone(),
            cycle: said.today.name,
            by: said.by.to_string(),
            reason: said.reason.to_owned(),
        })))
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

/// Who says something, why, and in which cycle.
#[derive(Clone, Copy)]
struct Said<'a> {
    by: &'a Signer,
    reason: &'a str,
    today: &'a OpenCycle,
}

impl Said<'_> {
    fn city(&self) -> Result<City, Refusal> {
        match self.by.role {
            Role::City(city) => Ok(city),
            _ => Err(Refusal::NotACity { signer: self.by.to_string() }),
        }
    }

    /// A dispute goes on to a state.
    fn go(&self, id: &str, state: State) -> Change {
        Change::Go { id: id.to_owned(), step: self.step(state) }
    }

    fn step(&self, state: State) -> Step {
        Step { cycle: self.today.name, by: Some(self.by.to_string()), state, reason: self.reason.to_owned() }
    }
}

fn plain(reason: &str) -> Result<&str, Refusal> {
    if is_reason(reason) { Ok(reason) } else { Err(Refusal::Reason) }
}

/// The other city, if this one is concerned.
fn concerned(subject: &Subject, city: City) -> Result<City, Refusal> {
    let (acquirer, issuer) = (subject.acquirer(), subject.issuer());
    subject.other(city).ok_or(Refusal::NotConcerned { city, acquirer, issuer })
}

/// Refuses a cycle whose files are not there, or whose window is over.
fn within(cycle: CycleName, today: &OpenCycle) -> Result<(), Refusal> {
    if today.published_to.is_none_or(|last| cycle > last) {
        return Err(Refusal::NotPublished { cycle });
    }
    let until = plus(cycle.business_date, today.terms.dispute_days);
    if today.name.business_date > until { Err(Refusal::WindowOver { cycle, until }) } else { Ok(()) }
}

fn amount(amount_fen: u64, left_fen: u64) -> Result<u64, Refusal> {
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
