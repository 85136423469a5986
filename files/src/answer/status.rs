//! `pacs.002` and `pain.002`: the bank tells the status of each payment.

use domain::settlement::confirmation::{AnswerLine, PaymentStatus};

use super::{Fault, reason, reference, tree::Element};

/// Settlement is complete, seen from the debtor's or the creditor's account.
const PAID: [&str; 2] = ["ACSC", "ACCC"];
/// Refused, or taken back before it was paid.
const NOT_PAID: [&str; 2] = ["RJCT", "CANC"];

/// A line for each `TxInfAndSts`, which stands in the report or, in a `pain.002`, below a payment's information.
pub(super) fn lines(report: &Element) -> Result<Vec<AnswerLine>, Fault> {
    let inside = report.all("OrgnlPmtInfAndSts").flat_map(|payment| payment.all("TxInfAndSts"));
    let found: Vec<&Element> = report.all("TxInfAndSts").chain(inside).collect();
    if found.is_empty() {
        return Err(
            report.fault("it has no TxInfAndSts: a status of the whole file says nothing of a payment")
        );
    }
    found.into_iter().map(line).collect()
}

fn line(transaction: &Element) -> Result<AnswerLine, Fault> {
    let reference = reference(transaction, "OrgnlEndToEndId", "OrgnlInstrId")?;
    let original = transaction.one("OrgnlTxRef")?;
    let amount = match (original.maybe("IntrBkSttlmAmt")?, original.maybe("Amt")?) {
        (Some(amount), None) => amount,
        (None, Some(amount)) => amount.one("InstdAmt")?,
        _ => return Err(original.fault("it must have one of IntrBkSttlmAmt and Amt/InstdAmt")),
    };
    let (amount_fen, status) = (amount.amount_fen()?, status(transaction)?);
    Ok(AnswerLine { reference, amount_fen, status, way: None })
}

fn status(transaction: &Element) -> Result<PaymentStatus, Fault> {
    let status = transaction.one("TxSts")?;
    let code = status.value()?;
    if PAID.contains(&code) {
        return Ok(PaymentStatus::Paid);
    }
    if !NOT_PAID.contains(&code) {
        let what = format!("`{code}` is no end: of ACSC, ACCC, RJCT, CANC one must stand here");
        return Err(status.fault(what));
    }
    let said: Result<Vec<String>, Fault> = transaction.all("StsRsnInf").map(reason).collect();
    let mut said = said?;
    said.retain(|reason| !reason.is_empty());
    Ok(PaymentStatus::Rejected { reason: said.join("; ") })
}
