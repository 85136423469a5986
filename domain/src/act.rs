//! What people and participants decide after a close, and who they are.
//!
//! An act is a JSON text that its signer signs. It is asked for on `cu.acts` and ruled on `cu.cycles`; whether it is
//! legal, [`crate::release`] says as a function of everything before that word.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    city::City,
    cycle::CycleName,
    dispute::{DisputeAct, Verdict},
    settlement::confirmation::AnswerLine,
};

/// The longest text that a person may write into an act, bytes.
pub const REASON_LEN_MAX: usize = 500;
/// Whether a text says why: one line, neither empty nor too long.
#[must_use]
pub fn is_reason(text: &str) -> bool {
    !text.trim().is_empty() && text.len() <= REASON_LEN_MAX && !text.chars().any(char::is_control)
}

/// The longest id of an act, bytes.
pub const ID_LEN_MAX: usize = 64;

/// What somebody is to the scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// A person of the clearing house.
    Operations,
    /// The settlement bank.
    Bank,
    /// A participant.
    City(City),
    /// The batch process of `clear`, which has no person beside it.
    Batch,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operations => f.write_str("operations"),
            Self::Bank => f.write_str("bank"),
            Self::City(city) => fmt::Display::fmt(city, f),
            Self::Batch => f.write_str("batch"),
        }
    }
}

/// Why a text is no role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a role: expected operations, bank, batch, or a city such as cu-2000")]
pub struct RoleError;

impl FromStr for Role {
    type Err = RoleError;
    fn from_str(text: &str) -> Result<Self, RoleError> {
        match text {
            "operations" => Ok(Self::Operations),
            "bank" => Ok(Self::Bank),
            "batch" => Ok(Self::Batch),
            city => city.parse().map(Self::City).map_err(|_| RoleError),
        }
    }
}

/// Who acts. The name is what makes two people two: nobody approves what he proposed himself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signer {
    /// The name in his certificate.
    pub name: String,
    /// What he is to the scheme.
    pub role: Role,
}

impl Signer {
    /// The batch process.
    #[must_use]
    pub fn batch() -> Self {
        Self { name: "batch".to_owned(), role: Role::Batch }
    }
}

impl fmt::Display for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.role {
            Role::City(_) | Role::Batch => f.write_str(&self.name),
            Role::Operations | Role::Bank => write!(f, "{} ({})", self.name, self.role),
        }
    }
}

/// An act as it is signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Written {
    /// Chosen by whoever writes it, unique for ever among those of his role: said twice, it is done once.
    pub id: String,
    /// When it was written, as its writer's clock said. For people; nothing depends on it.
    pub at: String,
    /// The log that it is for ([`crate::release::Releases::log`]): on every other one it is refused.
    pub log: String,
    /// The act.
    pub act: Act,
}

/// What somebody does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Act {
    /// Operations: one person proposes what needs two.
    Propose {
        /// What.
        decision: Decision,
    },
    /// Operations: another person approves a proposal, which carries it out.
    Approve {
        /// The id of the act that proposed it.
        proposal: String,
    },
    /// Operations: a proposal is taken off the table, by its author or another person.
    Reject {
        /// The id of the act that proposed it.
        proposal: String,
        /// Why.
        reason: String,
    },
    /// The batch process: releases alone, and everybody can see that it did.
    Release {
        /// What is released.
        of: Released,
    },
    /// A home city: agrees with what a cycle has it pay, by its own records.
    Agree {
        /// Its own count, sum and digest.
        figures: Agreement,
    },
    /// The bank, or operations for it: the released files cannot be carried out as they are.
    Refuse {
        /// The cycle.
        cycle: CycleName,
        /// The version of its plan.
        version: u32,
        /// Why.
        reason: String,
    },
    /// The bank, or operations for it: what the bank says of the payments of a released cycle.
    Confirm {
        /// The cycle.
        cycle: CycleName,
        /// The version of its plan.
        version: u32,
        /// What the bank says of each payment.
        answer: Vec<AnswerLine>,
        /// SHA-256 of the bank's file, lower-case hex.
        sha256: String,
    },
    /// Operations: what was confirmed has been paid for good.
    Settle {
        /// The cycle.
        cycle: CycleName,
        /// The version of its plan.
        version: u32,
    },
    /// A city: what it says of a record that was settled, or that was not.
    Dispute {
        /// What.
        dispute: DisputeAct,
    },
}

/// What needs two people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "decision", rename_all = "snake_case", deny_unknown_fields)]
pub enum Decision {
    /// A cycle's files may be carried out.
    Release {
        /// What is released.
        of: Released,
        /// Home cities whose agreement is done without, after the days that they had for it.
        #[serde(default)]
        without: Vec<City>,
        /// Why it is done without them; empty if there are none.
        #[serde(default)]
        reason: String,
    },
    /// A participant does not pay what it owes in a released cycle.
    Fail {
        /// The cycle.
        cycle: CycleName,
        /// The version of its plan.
        version: u32,
        /// Who does not pay.
        city: City,
        /// Why.
        reason: String,
    },
    /// How a contested dispute ends.
    Dispute {
        /// How, and why.
        verdict: Verdict,
    },
}

/// What exactly is released.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Released {
    /// The cycle.
    pub cycle: CycleName,
    /// The version of its plan.
    pub version: u32,
    /// SHA-256 of the `manifest.json`, lower-case hex: those files and no others.
    pub manifest_sha256: String,
}

/// What a home city says it pays for in a cycle: from the taps that it accepted itself, not from what it was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agreement {
    /// The cycle.
    pub cycle: CycleName,
    /// The home city.
    pub city: City,
    /// Records that it pays for.
    pub count: u64,
    /// Their sum, fen.
    pub amount_fen: u64,
    /// SHA-256 of the cycle's `issuer/<city>.csv` as the city makes it from its own records, lower-case hex.
    pub sha256: String,
}

impl Act {
    /// The cycle that it is about, if it names one.
    #[must_use]
    pub const fn cycle(&self) -> Option<CycleName> {
        match self {
            Self::Propose { decision: Decision::Release { of, .. } } | Self::Release { of } => Some(of.cycle),
            Self::Propose { decision: Decision::Fail { cycle, .. } }
            | Self::Refuse { cycle, .. }
            | Self::Confirm { cycle, .. }
            | Self::Settle { cycle, .. } => Some(*cycle),
            Self::Agree { figures } => Some(figures.cycle),
            Self::Dispute { dispute } => dispute.cycle(),
            Self::Propose { decision: Decision::Dispute { .. } }
            | Self::Approve { .. }
            | Self::Reject { .. } => None,
        }
    }
}
