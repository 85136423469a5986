//! An answer as CSV: `reference,amount_fen,status,reason`, one payment a line.

use domain::settlement::confirmation::{AnswerLine, PaymentStatus};

use super::error::{Fault, fault};
use crate::verify::{Fields, decimal};

/// The header; further columns at the end are allowed and ignored.
pub(super) const COLUMNS: [&str; 4] = ["reference", "amount_fen", "status", "reason"];

/// The longest line, bytes.
const LINE_BYTES_MAX: usize = 64 << 10;

/// Every payment of a file. CRLF is accepted and blank lines are skipped.
pub(super) fn lines(text: &str) -> Result<Vec<AnswerLine>, Fault> {
    let mut rows =
        (1_u64..).zip(text.split('\n')).map(|(number, row)| (number, row.strip_suffix('\r').unwrap_or(row)));
    let mut fields = Fields::default();
    let (number, header) = rows.next().unwrap_or((1, ""));
    let columns = split(&mut fields, number, header)?;
    let names: Vec<&str> = (0..columns).filter_map(|column| fields.text(column)).collect();
    if !names.starts_with(&COLUMNS) {
        let what = format!("the header is not {}, and it is no XML either", COLUMNS.join(","));
        return Err(fault(number, "", what));
    }
    let mut lines = Vec::new();
    for (number, row) in rows.filter(|(_, row)| !row.is_empty()) {
        let found = split(&mut fields, number, row)?;
        if found != columns {
            return Err(fault(number, "", format!("it has {found} columns instead of {columns}")));
        }
        lines.push(line(&fields, number)?);
    }
    Ok(lines)
}

fn split(fields: &mut Fields, number: u64, row: &str) -> Result<usize, Fault> {
    if row.len() > LINE_BYTES_MAX {
        return Err(fault(number, "", format!("the line is over {LINE_BYTES_MAX} bytes long")));
    }
    fields.split(row.as_bytes()).map_err(|what| fault(number, "", what))?;
    Ok(fields.len())
}

fn line(fields: &Fields, number: u64) -> Result<AnswerLine, Fault> {
    let [reference, amount, status, reason] =
        [0, 1, 2, 3].map(|column| fields.text(column).unwrap_or_default());
    let wrong = |column: usize, what: String| Err(fault(number, COLUMNS[column], what));
    if reference.is_empty() {
        return wrong(0, "it is empty".to_owned());
    }
    let Some(amount_fen) = decimal(amount.as_bytes()) else {
        return wrong(1, format!("`{amount}` is no whole number of fen"));
    };
    let status = match status {
        "paid" if reason.is_empty() => PaymentStatus::Paid,
        "paid" => return wrong(3, format!("what is paid has no reason, here is `{reason}`")),
        "rejected" => PaymentStatus::Rejected { reason: reason.to_owned() },
        other => return wrong(2, format!("`{other}` is neither paid nor rejected")),
    };
    Ok(AnswerLine { reference: reference.to_owned(), amount_fen, status, way: None })
}
