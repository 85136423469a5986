//! `camt.053.001.08`: what a participant's net is made of, one entry for each counterparty and kind of movement. It
//! opens at 0 and closes at the net, before that is paid. Where a city has accounts by sector, each account has a statement
//! of its own; together they close at the net.

use domain::{
    city::City,
    settlement::{Leg, Movement, Party, PartyAccount},
};
use serde::{Deserialize, Serialize};

use super::{
    Amount, Cycle, Direction, PartyId,
    parts::{AccountId, Code, Day},
    yuan,
};

const NAMESPACE: &str = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08";

/// The message.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Camt053 {
    #[serde(rename = "@xmlns")]
    namespace: String,
    #[serde(rename = "BkToCstmrStmt")]
    pub(crate) body: Body,
}

/// What is in it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Body {
    #[serde(rename = "GrpHdr")]
    header: Header,
    #[serde(rename = "Stmt")]
    pub(crate) statements: Vec<Statement>,
}

/// The header.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Header {
    #[serde(rename = "MsgId")]
    id: String,
    #[serde(rename = "CreDtTm")]
    created: String,
    #[serde(rename = "MsgRcpt")]
    recipient: PartyId,
}

/// The statement.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Statement {
    #[serde(rename = "Id")]
    id: String,
    #[serde(rename = "CreDtTm")]
    created: String,
    #[serde(rename = "Acct")]
    account: AccountId,
    #[serde(rename = "Bal")]
    pub(crate) balances: Vec<Balance>,
    #[serde(rename = "TxsSummry")]
    summary: Summary,
    #[serde(rename = "Ntry", default)]
    pub(crate) entries: Vec<Entry>,
    #[serde(rename = "AddtlStmtInf")]
    remark: String,
}

/// A balance.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Balance {
    #[serde(rename = "Tp")]
    kind: BalanceKind,
    #[serde(rename = "Amt")]
    pub(crate) amount: Amount,
    #[serde(rename = "CdtDbtInd")]
    pub(crate) direction: Direction,
    #[serde(rename = "Dt")]
    date: Day,
}

/// Which balance.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct BalanceKind {
    #[serde(rename = "CdOrPrtry")]
    code: Code,
}

/// How many entries, and their sums.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Summary {
    #[serde(rename = "TtlCdtNtries")]
    credits: Total,
    #[serde(rename = "TtlDbtNtries")]
    debits: Total,
}

/// The entries of one direction.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Total {
    #[serde(rename = "NbOfNtries")]
    count: u64,
    #[serde(rename = "Sum")]
    sum: String,
}

/// One movement.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Entry {
    #[serde(rename = "NtryRef")]
    pub(crate) reference: String,
    #[serde(rename = "Amt")]
    pub(crate) amount: Amount,
    #[serde(rename = "CdtDbtInd")]
    pub(crate) direction: Direction,
    #[serde(rename = "Sts")]
    status: Code,
    #[serde(rename = "BookgDt")]
    booked: Day,
    #[serde(rename = "ValDt")]
    value_date: Day,
    #[serde(rename = "BkTxCd")]
    code: TransactionCode,
    #[serde(rename = "NtryDtls")]
    pub(crate) details: Details,
    #[serde(rename = "AddtlNtryInf")]
    remark: String,
}

/// What a movement is, in our words.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct TransactionCode {
    #[serde(rename = "Prtry")]
    own: OwnCode,
}

/// The word and whose it is.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct OwnCode {
    #[serde(rename = "Cd")]
    code: String,
    #[serde(rename = "Issr")]
    issuer: String,
}

/// More about a movement.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Details {
    #[serde(rename = "TxDtls")]
    transaction: Transaction,
}

/// The one transaction of an entry.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Transaction {
    #[serde(rename = "Refs")]
    references: References,
    #[serde(rename = "RltdPties")]
    parties: Parties,
}

/// The payment that the movement is part of.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct References {
    #[serde(rename = "EndToEndId")]
    end_to_end: String,
}

/// With whom.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Parties {
    #[serde(rename = "Dbtr", skip_serializing_if = "Option::is_none")]
    debtor: Option<Related>,
    #[serde(rename = "Cdtr", skip_serializing_if = "Option::is_none")]
    creditor: Option<Related>,
}

/// The other side.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Related {
    #[serde(rename = "Pty")]
    party: PartyId,
}

impl Entry {
    /// The id of the other side; empty if the message names none or two.
    pub(crate) fn counterparty(&self) -> &str {
        let Parties { debtor, creditor } = &self.details.transaction.parties;
        match (debtor, creditor) {
            (Some(one), None) | (None, Some(one)) => one.party.id(),
            _ => "",
        }
    }
}

impl Camt053 {
    /// That of a city with a net.
    pub(super) fn of(cycle: &Cycle<'_>, city: City) -> Self {
        let party = Party::City(city);
        let id = cycle.message_id(&format!("STMT-{city}"));
        let statements =
            cycle.accounts(city).into_iter().map(|number| statement(cycle, city, number)).collect();
        let header = Header { id, created: cycle.created(), recipient: cycle.party(party) };
        Self { namespace: NAMESPACE.to_owned(), body: Body { header, statements } }
    }
}

/// The statement of one of the accounts of a city with a net.
fn statement(cycle: &Cycle<'_>, city: City, number: u8) -> Statement {
    let of = PartyAccount { party: Party::City(city), number };
    let fen = cycle.leg(of).map_or(0, Leg::signed_fen);
    let movements = cycle.payments.movements_over(city, number);
    Statement {
        id: cycle.message_id(&format!("STMT-{of}")),
        created: cycle.created(),
        account: cycle.account(of).held(cycle.party(of), cycle.agent(of)),
        balances: vec![
            balance(cycle, "OPBD", 0),
            balance(cycle, "CLBD", i64::try_from(fen).unwrap_or_default()),
        ],
        summary: Summary { credits: total(movements, false), debits: total(movements, true) },
        entries: movements.iter().map(|movement| entry(cycle, of, movement)).collect(),
        remark: remark(cycle, city, number),
    }
}

fn remark(cycle: &Cycle<'_>, city: City, number: u8) -> String {
    let (name, day) = (cycle.name, cycle.settlement_date());
    if number > 0 {
        let sectors = cycle.sectors(city, number).join(", ");
        return format!(
            "The part of the net of cycle {name} that is of {sectors}, before it is paid on {day}."
        );
    }
    let rest = if cycle.accounts(city).len() > 1 { ", but for the sectors of other accounts" } else { "" };
    format!("What the net of cycle {name} is made of{rest}, before it is paid on {day}.")
}

fn balance(cycle: &Cycle<'_>, code: &str, fen: i64) -> Balance {
    Balance {
        kind: BalanceKind { code: Code::of(code) },
        amount: Amount::of(fen.unsigned_abs()),
        direction: Direction::of(fen),
        date: Day::of(cycle.name.business_date),
    }
}

fn total(movements: &[Movement], debits: bool) -> Total {
    let of_side = || movements.iter().filter(|movement| (movement.fen < 0) == debits);
    let sum = of_side().fold(0_u64, |sum, movement| sum.saturating_add(movement.fen.unsigned_abs()));
    Total { count: of_side().count() as u64, sum: yuan::yuan(sum) }
}

fn entry(cycle: &Cycle<'_>, of: PartyAccount, movement: &Movement) -> Entry {
    let Movement { key, count, fen } = movement;
    let side = if key.pays { "pay" } else { "receive" };
    let code = format!("{}-{side}", key.purpose.word());
    let other = Some(Related { party: PartyId::of(None, &key.counterparty.to_string()) });
    let (debtor, creditor) = if *fen < 0 { (None, other) } else { (other, None) };
    Entry {
        reference: format!("{code}-{}", key.counterparty),
        amount: Amount::of(fen.unsigned_abs()),
        direction: Direction::of(*fen),
        status: Code::of("BOOK"),
        booked: Day::of(cycle.name.business_date),
        value_date: Day::of(cycle.settlement_date()),
        remark: format!("{code}: {count} {}", if *count == 1 { "record" } else { "records" }),
        code: TransactionCode { own: OwnCode { code, issuer: "cityunion".to_owned() } },
        details: Details {
            transaction: Transaction {
                references: References { end_to_end: cycle.reference(of) },
                parties: Parties { debtor, creditor },
            },
        },
    }
}
