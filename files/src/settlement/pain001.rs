//! `pain.001.001.09`: the same nets as credit transfers, for a bank that carries out payments. Every city that owes
//! pays the scheme's settlement account, and that account pays every city that is owed; where a city has accounts by
//! sector, each of them for itself. What stays on it is the scheme's own net.

use domain::settlement::{Leg, Party, PartyAccount};
use serde::{Deserialize, Serialize};

use super::{
    Amount, Cycle, PartyId,
    parts::{AccountId, Agent, Day},
    yuan,
};

const NAMESPACE: &str = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09";

/// The message.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Pain001 {
    #[serde(rename = "@xmlns")]
    namespace: String,
    #[serde(rename = "CstmrCdtTrfInitn")]
    pub(crate) body: Body,
}

/// What is in it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Body {
    #[serde(rename = "GrpHdr")]
    pub(crate) header: Header,
    #[serde(rename = "PmtInf")]
    pub(crate) payments: Vec<Payment>,
}

/// The header.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Header {
    #[serde(rename = "MsgId")]
    id: String,
    #[serde(rename = "CreDtTm")]
    created: String,
    #[serde(rename = "NbOfTxs")]
    pub(crate) count: u64,
    #[serde(rename = "CtrlSum")]
    pub(crate) sum: String,
    #[serde(rename = "InitgPty")]
    initiator: PartyId,
}

/// What is paid out of one account.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Payment {
    #[serde(rename = "PmtInfId")]
    id: String,
    #[serde(rename = "PmtMtd")]
    method: String,
    #[serde(rename = "NbOfTxs")]
    pub(crate) count: u64,
    #[serde(rename = "CtrlSum")]
    pub(crate) sum: String,
    #[serde(rename = "ReqdExctnDt")]
    execution: Day,
    #[serde(rename = "Dbtr")]
    pub(crate) debtor: PartyId,
    #[serde(rename = "DbtrAcct")]
    account: AccountId,
    #[serde(rename = "DbtrAgt")]
    agent: Agent,
    #[serde(rename = "CdtTrfTxInf")]
    pub(crate) transfers: Vec<Transfer>,
}

/// One credit transfer.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Transfer {
    #[serde(rename = "PmtId")]
    pub(crate) id: Ids,
    #[serde(rename = "Amt")]
    pub(crate) amount: Instructed,
    #[serde(rename = "CdtrAgt", skip_serializing_if = "Option::is_none")]
    agent: Option<Agent>,
    #[serde(rename = "Cdtr")]
    pub(crate) creditor: PartyId,
    #[serde(rename = "CdtrAcct")]
    account: AccountId,
    #[serde(rename = "RmtInf")]
    remittance: Remittance,
}

/// Its references.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Ids {
    #[serde(rename = "InstrId")]
    instruction: String,
    #[serde(rename = "EndToEndId")]
    pub(crate) end_to_end: String,
}

/// Its amount.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Instructed {
    #[serde(rename = "InstdAmt")]
    pub(crate) amount: Amount,
}

/// What the account's statement shall say.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Remittance {
    #[serde(rename = "Ustrd")]
    text: String,
}

impl Pain001 {
    /// That of a cycle with movements.
    pub(super) fn of(cycle: &Cycle<'_>) -> Self {
        let mut payments: Vec<Payment> =
            cycle.legs(false).map(|leg| payment(cycle, leg.account(), &[leg])).collect();
        let received: Vec<&Leg> = cycle.legs(true).collect();
        if !received.is_empty() {
            payments.push(payment(cycle, Party::Scheme.into(), &received));
        }
        let legs = &cycle.payments.legs;
        let header = Header {
            id: cycle.message_id("PAIN001"),
            created: cycle.created(),
            count: legs.len() as u64,
            sum: sum(legs.iter()),
            initiator: cycle.party(Party::Scheme),
        };
        Self { namespace: NAMESPACE.to_owned(), body: Body { header, payments } }
    }
}

fn sum<'l>(legs: impl Iterator<Item = &'l Leg>) -> String {
    yuan::yuan(legs.fold(0_u64, |sum, leg| sum.saturating_add(leg.amount_fen)))
}

/// What is paid out of one account over these legs.
fn payment(cycle: &Cycle<'_>, debtor: PartyAccount, legs: &[&Leg]) -> Payment {
    Payment {
        id: cycle.message_id(&format!("PAY-{debtor}")),
        method: "TRF".to_owned(),
        count: legs.len() as u64,
        sum: sum(legs.iter().copied()),
        execution: Day::of(cycle.settlement_date()),
        debtor: cycle.party(debtor),
        account: cycle.account(debtor),
        agent: cycle.agent(debtor).unwrap_or_else(Agent::unknown),
        transfers: legs.iter().map(|leg| transfer(cycle, leg)).collect(),
    }
}

fn transfer(cycle: &Cycle<'_>, leg: &Leg) -> Transfer {
    let creditor = if leg.receives { leg.account() } else { Party::Scheme.into() };
    let reference = cycle.reference(leg.account());
    Transfer {
        id: Ids { instruction: reference.clone(), end_to_end: reference },
        amount: Instructed { amount: Amount::of(leg.amount_fen) },
        agent: cycle.agent(creditor),
        creditor: cycle.party(creditor),
        account: cycle.account(creditor),
        remittance: Remittance {
            text: format!("City Union net settlement {} {}", cycle.name, leg.account()),
        },
    }
}
