//! `pacs.029.001.02`: the net of everybody, by account where a city has several, for a bank that settles them all at once.

use domain::{
    cycle::CycleName,
    settlement::{Party, PartyAccount},
};
use serde::{Deserialize, Serialize};

use super::{Amount, Cycle, Direction, PartyId, parts::AccountId, yuan};

const NAMESPACE: &str = "urn:iso:std:iso:20022:tech:xsd:pacs.029.001.02";

/// The message.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Pacs029 {
    #[serde(rename = "@xmlns")]
    namespace: String,
    #[serde(rename = "MulSttlmReq")]
    pub(crate) body: Body,
}

/// What is in it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Body {
    #[serde(rename = "GrpHdr")]
    pub(crate) header: Header,
    #[serde(rename = "SttlmReq")]
    pub(crate) request: Request,
}

/// The header.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Header {
    #[serde(rename = "MsgId")]
    id: String,
    #[serde(rename = "CreDtTm")]
    created: String,
    #[serde(rename = "NbOfSttlmReqs")]
    requests: u32,
    /// The sum of all amounts, whatever their direction.
    #[serde(rename = "CtrlSum")]
    pub(crate) sum: String,
    #[serde(rename = "SttlmInf")]
    settlement: Information,
}

/// Over which account.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Information {
    #[serde(rename = "SttlmMtd")]
    method: String,
    #[serde(rename = "SttlmAcct")]
    account: AccountId,
}

/// The one request.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Request {
    #[serde(rename = "InstrId")]
    id: String,
    #[serde(rename = "SttlmCycl")]
    cycle: String,
    #[serde(rename = "NbOfMvmntRcrds")]
    pub(crate) count: u64,
    #[serde(rename = "MvmntRcrd")]
    pub(crate) movements: Vec<Movement>,
}

/// A net, or what an account comes to.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Movement {
    #[serde(rename = "Id")]
    pub(crate) id: String,
    #[serde(rename = "Amt")]
    pub(crate) amount: Directed,
    #[serde(rename = "SttlmAgt", skip_serializing_if = "Option::is_none")]
    agent: Option<PartyId>,
    #[serde(rename = "Ptcpt")]
    pub(crate) participant: PartyId,
    #[serde(rename = "PtcptAcct")]
    account: AccountId,
}

/// An amount with its direction.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Directed {
    #[serde(rename = "Amt")]
    pub(crate) amount: Amount,
    #[serde(rename = "CdtDbt")]
    pub(crate) direction: Direction,
}

impl Pacs029 {
    /// That of a cycle with movements.
    pub(super) fn of(cycle: &Cycle<'_>) -> Self {
        let movements: Vec<Movement> = cycle.settled().map(|(of, fen)| movement(cycle, of, fen)).collect();
        let sum = cycle.settled().fold(0_u64, |sum, (_, net)| sum.saturating_add(net.unsigned_abs()));
        let header = Header {
            id: cycle.message_id("PACS029"),
            created: cycle.created(),
            requests: 1,
            sum: yuan::yuan(sum),
            settlement: Information { method: "CLRG".to_owned(), account: cycle.account(Party::Scheme) },
        };
        let name: CycleName = cycle.name;
        let (id, cycle) = (name.to_string(), name.to_string());
        let request = Request { id, cycle, count: movements.len() as u64, movements };
        Self { namespace: NAMESPACE.to_owned(), body: Body { header, request } }
    }
}

fn movement(cycle: &Cycle<'_>, of: PartyAccount, fen: i64) -> Movement {
    let direction = Direction::of(fen);
    Movement {
        id: cycle.reference(of),
        amount: Directed { amount: Amount::of(fen.unsigned_abs()), direction },
        agent: cycle.bank(of).map(PartyId::of_bank),
        participant: cycle.party(of),
        account: cycle.account(of),
    }
}
