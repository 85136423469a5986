//! What cities and operations say of a dispute. These words stand on the log and in scripts: none is ever renamed.

use super::subject::{Record, Subject};
use crate::cycle::CycleName;

/// What a city says.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "act", rename_all = "snake_case", deny_unknown_fields)]
pub enum DisputeAct {
    /// A city asks: the home city what it should not have paid, the acquirer what it should have been paid.
    Open {
        /// What it is about.
        subject: Subject,
        /// How much, fen; all that is left of it if not stated.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        amount_fen: Option<u64>,
        /// Why, in words.
        reason: String,
    },
    /// The other city answers.
    Answer {
        /// The dispute.
        dispute: String,
        /// What it says.
        answer: Answer,
        /// Why, in words.
        reason: String,
    },
    /// The city that asked takes it back.
    Withdraw {
        /// The dispute.
        dispute: String,
        /// Why, in words.
        reason: String,
    },
    /// An acquirer gives back what it was paid for a record, all of it or a part.
    Refund {
        /// The record.
        record: Record,
        /// How much, fen.
        amount_fen: u64,
        /// What had gone back before, fen: so that one said twice counts once.
        back_fen: u64,
        /// Why, in words.
        reason: String,
    },
}

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It pays.
    Accept,
    /// It does not; operations decide.
    Contest,
}

/// How operations end a contested dispute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The other city pays.
    Passed,
    /// It stays as it is.
    BadDebt,
}

impl DisputeAct {
    /// Why, in words.
    #[must_use]
    pub fn reason(&self) -> &str {
        match self {
            Self::Open { reason, .. }
            | Self::Answer { reason, .. }
            | Self::Withdraw { reason, .. }
            | Self::Refund { reason, .. } => reason,
        }
    }

    /// The cycle that it is about, if it names one.
    #[must_use]
    pub const fn cycle(&self) -> Option<CycleName> {
        match self {
            Self::Open { subject, .. } => Some(subject.cycle()),
            Self::Refund { record, .. } => Some(record.cycle),
            Self::Answer { .. } | Self::Withdraw { .. } => None,
        }
    }
}

/// How operations end a contested dispute. Two persons agree to it before it counts.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    /// The dispute.
    pub dispute: String,
    /// How it ends.
    pub outcome: Outcome,
    /// Why, in words.
    pub reason: String,
}

impl Verdict {
    /// It in words.
    #[must_use]
    pub fn words(&self) -> String {
        let outcome = match self.outcome {
            Outcome::Passed => "passed",
            Outcome::BadDebt => "bad debt",
        };
        format!("dispute {} ends as {outcome} ({})", self.dispute, self.reason)
    }
}
