//! What a bank would write that was told to pay a cycle: for tests and for documents, in each of the forms.

use domain::{
    settlement::confirmation::{AnswerLine, PaymentStatus, Way},
    terms::CURRENCY,
};
use quick_xml::escape::escape;

use super::{csv::COLUMNS, error::AnswerError};
use crate::{
    settlement::{Pain001, yuan::yuan},
    text::push_text,
};

/// What a `pain.001` of ours has a bank pay, as the bank would answer after it did.
///
/// # Errors
/// [`AnswerError::Form`] if it is none.
pub fn instructed(file: &str, pain001: &str) -> Result<Vec<AnswerLine>, AnswerError> {
    let wrong = |what: String| super::error::fault(0, "", what).of(file);
    let message: Pain001 = quick_xml::de::from_str(pain001).map_err(|error| wrong(error.to_string()))?;
    let mut lines = Vec::new();
    for payment in &message.body.payments {
        let way = if payment.debtor.id() == "scheme" { Way::Out } else { Way::In };
        for transfer in &payment.transfers {
            let amount = &transfer.amount.amount;
            let amount_fen = amount.fen().ok_or_else(|| wrong(format!("`{}` is no amount", amount.value)))?;
            let (reference, status) = (transfer.id.end_to_end.clone(), PaymentStatus::Paid);
            lines.push(AnswerLine { reference, amount_fen, status, way: Some(way) });
        }
    }
    Ok(lines)
}

/// As CSV.
#[must_use]
pub fn csv(answer: &[AnswerLine]) -> String {
    let mut out = COLUMNS.join(",").into_bytes();
    for line in answer {
        let (status, reason) = match &line.status {
            PaymentStatus::Paid => ("paid", ""),
            PaymentStatus::Rejected { reason } => ("rejected", reason.as_str()),
        };
        out.push(b'\n');
        push_text(&mut out, &line.reference);
        out.extend_from_slice(format!(",{},{status},", line.amount_fen).as_bytes());
        push_text(&mut out, reason);
    }
    out.push(b'\n');
    String::from_utf8_lossy(&out).into_owned()
}

/// As `pacs.002.001.10`.
#[must_use]
pub fn pacs002(answer: &[AnswerLine]) -> String {
    let mut body = String::new();
    for line in answer {
        let (code, reason) = match &line.status {
            PaymentStatus::Paid => ("ACSC", String::new()),
            PaymentStatus::Rejected { reason } => {
                let code = escape(reason.as_str());
                ("RJCT", format!("<StsRsnInf><Rsn><Cd>{code}</Cd></Rsn></StsRsnInf>"))
            }
        };
        let (reference, amount) = (escape(line.reference.as_str()), yuan(line.amount_fen));
        body.push_str(&format!(
            "  <TxInfAndSts>\n   <OrgnlEndToEndId>{reference}</OrgnlEndToEndId>\n   <TxSts>{code}</TxSts>{reason}\n   \
             <OrgnlTxRef><IntrBkSttlmAmt Ccy=\"{CURRENCY}\">{amount}</IntrBkSttlmAmt></OrgnlTxRef>\n  </TxInfAndSts>\n"
        ));
    }
    document("pacs.002.001.10", "FIToFIPmtStsRpt", &format!("{}{body}", header("ANSWER-PACS002")))
}

/// As `camt.054.001.08`: what was booked on the scheme's account.
#[must_use]
pub fn camt054(account: &str, answer: &[AnswerLine]) -> String {
    let mut body = format!(
        "  <Ntfctn>\n   <Id>ANSWER-CAMT054</Id>\n   <Acct><Id><Othr><Id>{}</Id></Othr></Id></Acct>\n",
        escape(account)
    );
    for line in answer {
        let returned = match &line.status {
            PaymentStatus::Paid => None,
            PaymentStatus::Rejected { reason } => Some(escape(reason.as_str())),
        };
        // What comes back goes the other way.
        let credit = (line.way == Some(Way::In)) != returned.is_some();
        let (side, reversal) = (if credit { "CRDT" } else { "DBIT" }, returned.is_some());
        let returned = returned.map(|code| format!("<RtrInf><Rsn><Cd>{code}</Cd></Rsn></RtrInf>"));
        let amount =
            format!("<Amt Ccy=\"{CURRENCY}\">{}</Amt><CdtDbtInd>{side}</CdtDbtInd>", yuan(line.amount_fen));
        body.push_str(&format!(
            "   <Ntry>\n    {amount}<RvslInd>{reversal}</RvslInd><Sts><Cd>BOOK</Cd></Sts>\n    \
             <BkTxCd><Prtry><Cd>NET</Cd></Prtry></BkTxCd>\n    \
             <NtryDtls><TxDtls><Refs><EndToEndId>{}</EndToEndId></Refs>{amount}{}</TxDtls></NtryDtls>\n   </Ntry>\n",
            escape(line.reference.as_str()),
            returned.unwrap_or_default()
        ));
    }
    body.push_str("  </Ntfctn>\n");
    document("camt.054.001.08", "BkToCstmrDbtCdtNtfctn", &format!("{}{body}", header("ANSWER-CAMT054")))
}

fn header(id: &str) -> String {
    format!(
        "  <GrpHdr>\n   <MsgId>{id}</MsgId>\n   <CreDtTm>2018-09-03T18:00:00+08:00</CreDtTm>\n  </GrpHdr>\n"
    )
}

fn document(message: &str, body: &str, inside: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:{message}\">\n \
         <{body}>\n{inside} </{body}>\n</Document>\n"
    )
}
