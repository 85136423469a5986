//! `camt.054`: the bank tells what was booked on the scheme's settlement account.

use domain::settlement::confirmation::{AnswerLine, PaymentStatus, Way};

use super::{Fault, reason, reference, tree::Element};

/// A line for each transaction of each entry.
pub(super) fn lines(message: &Element) -> Result<Vec<AnswerLine>, Fault> {
    if message.all("Ntfctn").next().is_none() {
        return Err(message.fault("Ntfctn is missing"));
    }
    let mut lines = Vec::new();
    for entry in message.all("Ntfctn").flat_map(|notification| notification.all("Ntry")) {
        enter(entry, &mut lines)?;
    }
    Ok(lines)
}

/// Adds the transactions of an entry, whose amounts must be the entry's.
fn enter(entry: &Element, lines: &mut Vec<AnswerLine>) -> Result<(), Fault> {
    check_booked(entry)?;
    let amount_fen = entry.one("Amt")?.amount_fen()?;
    let transactions: Vec<&Element> =
        entry.all("NtryDtls").flat_map(|details| details.all("TxDtls")).collect();
    if transactions.is_empty() {
        return Err(entry.fault("NtryDtls/TxDtls is missing, so no payment is named"));
    }
    let alone = (transactions.len() == 1).then_some(amount_fen);
    let mut sum = 0_u64;
    for transaction in transactions {
        let line = line(entry, transaction, alone)?;
        sum = sum.saturating_add(line.amount_fen);
        lines.push(line);
    }
    if sum != amount_fen {
        let what = format!("its amount is {amount_fen} fen, its transactions have {sum} together");
        return Err(entry.fault(what));
    }
    Ok(())
}

/// An entry that is only announced says nothing yet. The code stands in `Sts` or, in later versions, in `Sts/Cd`.
fn check_booked(entry: &Element) -> Result<(), Fault> {
    let status = entry.one("Sts")?;
    let code = status.maybe("Cd")?.unwrap_or(status);
    match code.value()? {
        "BOOK" => Ok(()),
        other => Err(code.fault(format!("`{other}` is not BOOK, so it is not booked"))),
    }
}

fn line(entry: &Element, transaction: &Element, alone: Option<u64>) -> Result<AnswerLine, Fault> {
    let reference = reference(transaction.one("Refs")?, "EndToEndId", "InstrId")?;
    let own = match transaction.maybe("Amt")? {
        Some(amount) => Some(amount.amount_fen()?),
        None => in_details(transaction)?,
    };
    let missing = || transaction.fault("Amt is missing, and there are more transactions in the entry");
    let amount_fen = own.or(alone).ok_or_else(missing)?;
    let returned = transaction.maybe("RtrInf")?;
    if returned.is_some() || is_reversal(entry)? {
        let reason = returned.map_or_else(|| Ok("returned".to_owned()), reason)?;
        return Ok(AnswerLine {
            reference,
            amount_fen,
            status: PaymentStatus::Rejected { reason },
            way: None,
        });
    }
    let indicator = transaction.maybe("CdtDbtInd")?.map_or_else(|| entry.one("CdtDbtInd"), Ok)?;
    Ok(AnswerLine { reference, amount_fen, status: PaymentStatus::Paid, way: Some(way(indicator)?) })
}

/// Where earlier versions have the amount of a transaction.
fn in_details(transaction: &Element) -> Result<Option<u64>, Fault> {
    let Some(details) = transaction.maybe("AmtDtls")? else { return Ok(None) };
    let Some(amount) = details.maybe("TxAmt")? else { return Ok(None) };
    amount.one("Amt")?.amount_fen().map(Some)
}

/// Whether the entry takes an earlier one back.
fn is_reversal(entry: &Element) -> Result<bool, Fault> {
    let Some(indicator) = entry.maybe("RvslInd")? else { return Ok(false) };
    match indicator.value()? {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        other => Err(indicator.fault(format!("`{other}` is neither true nor false"))),
    }
}

fn way(indicator: &Element) -> Result<Way, Fault> {
    match indicator.value()? {
        "CRDT" => Ok(Way::In),
        "DBIT" => Ok(Way::Out),
        other => Err(indicator.fault(format!("`{other}` is neither CRDT nor DBIT"))),
    }
}
