//! Why something cannot be said in a dispute, and what to do instead.

use super::State;
use crate::{city::City, cycle::CycleName, date::Date, result::RecordResult};

/// Why an act is refused; nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A text is empty, too long, or not plain.
    #[error(
        "the reason must be plain text of 1 to {} bytes; say in a few words why",
        crate::act::REASON_LEN_MAX
    )]
    Reason,
    /// No published record or file can be like this.
    #[error("no such record or file can be in a closed cycle: {0}; take it from the files of the cycle")]
    NoSuch(&'static str),
    /// Not a city.
    #[error(
        "{signer} is no city; cities open, answer and withdraw disputes and refund, with their own certificate"
    )]
    NotACity {
        /// Who.
        signer: String,
    },
    /// Neither of the two cities.
    #[error(
        "{city} is neither the city where the card was used ({acquirer}) nor its home city ({issuer}); only they may act"
    )]
    NotConcerned {
        /// Who.
        city: City,
        /// The city where the card was used.
        acquirer: City,
        /// The card's home city.
        issuer: City,
    },
    /// Only the acquirer gives money back.
    #[error(
        "{city} cannot refund this; {acquirer}, where the card was used, gives back, and {issuer} opens a dispute"
    )]
    NotAcquirer {
        /// Who.
        city: City,
        /// The city where the card was used.
        acquirer: City,
        /// The card's home city.
        issuer: City,
    },
    /// The home city asks back what it did not pay.
    #[error("the home city did not pay this; only the city where the card was used can ask for it")]
    NotPaid,
    /// The acquirer asks for what it was paid, or gives back what it was not.
    #[error("the home city paid this; to give it back use `cityunion refund`")]
    IsPaid,
    /// Nobody can owe it.
    #[error(
        "a record that is {0} can be owed by nobody: a duplicate was paid under its other line, a parked one is not final, an unknown home city cannot answer"
    )]
    CannotBeOwed(RecordResult),
    /// Only what was paid can be refunded.
    #[error("nothing was paid for a record that is {0}, so nothing of it can go back")]
    NothingToRefund(RecordResult),
    /// The files of the cycle are not there.
    #[error("{cycle} is not published yet; wait until its folder is there")]
    NotPublished {
        /// The cycle.
        cycle: CycleName,
    },
    /// The window is over.
    #[error("records of {cycle} could be disputed or refunded until {until}; agree outside the scheme")]
    WindowOver {
        /// The cycle.
        cycle: CycleName,
        /// The last business date.
        until: Date,
    },
    /// There is a dispute already.
    #[error("{dispute} is about it and still waits; answer or withdraw that first")]
    AlreadyOpen {
        /// Its id.
        dispute: String,
    },
    /// Operations had the last word.
    #[error("{dispute} about it ended as bad debt; that is final")]
    Final {
        /// Its id.
        dispute: String,
    },
    /// The file as a whole is disputed, or was.
    #[error("the whole file was disputed as {dispute} ({}); its records cannot be disputed or refunded one by one", state.word())]
    InWholeFile {
        /// Its id.
        dispute: String,
        /// How that stands.
        state: State,
    },
    /// Records of the file are disputed, or were.
    #[error(
        "{records} of the file's records were disputed or refunded one by one; dispute the others one by one too"
    )]
    OneByOne {
        /// How many.
        records: usize,
    },
    /// All of it was moved.
    #[error("all of its {amount_fen} fen were moved before; nothing is left to move")]
    NothingLeft {
        /// Its amount, fen.
        amount_fen: u64,
    },
    /// Nothing, or more than is left.
    #[error("{amount_fen} fen cannot be moved; {left_fen} fen are left, so say 1 to {left_fen}")]
    Amount {
        /// What was said, fen.
        amount_fen: u64,
        /// What is left, fen.
        left_fen: u64,
    },
    /// Another refund came first.
    #[error(
        "{back_fen} fen have gone back before, not {said_fen}; look at it again with `cityunion dispute list`, then say it again if it is still meant"
    )]
    BackBefore {
        /// What has gone back, fen.
        back_fen: u64,
        /// What was said, fen.
        said_fen: u64,
    },
    /// No dispute of this id.
    #[error("there is no dispute {dispute}; `cityunion dispute list` shows them")]
    Unknown {
        /// The id.
        dispute: String,
    },
    /// Its opener may not answer it.
    #[error("{dispute} was opened by {opener} itself; {other} answers it, {opener} can withdraw it")]
    OwnAnswer {
        /// The id.
        dispute: String,
        /// Who opened it.
        opener: City,
        /// Who answers.
        other: City,
    },
    /// Only its opener may withdraw it.
    #[error("only {opener}, who opened {dispute}, can withdraw it; answer it instead")]
    NotOpener {
        /// The id.
        dispute: String,
        /// Who opened it.
        opener: City,
    },
    /// Nobody contested it.
    #[error(
        "{dispute} waits for the answer of {other} until {answer_by}; only a contested dispute is decided"
    )]
    NotContested {
        /// The id.
        dispute: String,
        /// Who answers.
        other: City,
        /// The last business date for it.
        answer_by: Date,
    },
    /// It was answered already.
    #[error("{dispute} is {} already; nothing more can be said to it", state.word())]
    Over {
        /// The id.
        dispute: String,
        /// How it stands.
        state: State,
    },
}
