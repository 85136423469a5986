//! Prints accounts, cycles and entries.

use std::{collections::BTreeMap, path::Path};

use anyhow::Result;
use domain::{
    ledger::{Account, Entry, Statement},
    settlement::{Party, Purpose},
};
use serde_json::{Map, Value, json};

use super::gather::{Books, Wanted};
use crate::output::{Format, Sheet, print, say};

/// Prints what is wanted of a ledger.
pub(super) fn show(format: Format, out: &Path, wanted: Wanted, books: &Books) -> Result<()> {
    let mut facts = Map::new();
    facts.insert("out".to_owned(), json!(out));
    let mut sheets = vec![accounts(books)];
    if let (Some(Party::City(city)), Some(cycle)) = (wanted.participant, wanted.cycle) {
        let Statement { opening_fen, entries, closing_fen } = Statement::of(city, cycle, &books.entries);
        let mut statement =
            Sheet::new("statement", &["participant", "cycle", "opening_fen", "entries", "closing_fen"]);
        statement.row(vec![
            json!(city.to_string()),
            json!(cycle.to_string()),
            fen(opening_fen),
            json!(entries.len()),
            fen(closing_fen),
        ]);
        sheets.push(statement);
    }
    sheets.push(if wanted.lists() { entries(&books.entries) } else { cycles(books) });
    print(format, &facts, &sheets)?;
    if wanted.participant.is_none() {
        let sum: i128 = books.accounts.values().map(|turnover| turnover.credits + turnover.debits).sum();
        say(format, &format!("\nall balances together: {sum}"));
    }
    Ok(())
}

/// Figures of a ledger fit into 64 bits; one that does not is shown as text.
fn fen(figure: i128) -> Value {
    i64::try_from(figure).map_or_else(|_| json!(figure.to_string()), |figure| json!(figure))
}

fn accounts(books: &Books) -> Sheet {
    let mut sheet = Sheet::new("accounts", &["owner", "account", "debits_fen", "credits_fen", "balance_fen"]);
    for (Account { owner, book }, turnover) in &books.accounts {
        let balance = turnover.credits + turnover.debits;
        sheet.row(vec![
            json!(owner.to_string()),
            json!(book.word(*owner)),
            fen(turnover.debits),
            fen(turnover.credits),
            fen(balance),
        ]);
    }
    sheet
}

fn cycles(books: &Books) -> Sheet {
    let mut sheet = Sheet::new("cycles", &["cycle", "version", "state", "entries", "moved_fen"]);
    for row in &books.cycles {
        sheet.row(vec![
            json!(row.cycle.to_string()),
            json!(row.version),
            json!(row.stage.word()),
            json!(row.entries),
            fen(row.moved_fen),
        ]);
    }
    sheet
}

fn entries(entries: &[Entry]) -> Sheet {
    let columns = [
        "cycle",
        "version",
        "why",
        "owner",
        "account",
        "against",
        "purpose",
        "count",
        "amount_fen",
        "balance_fen",
    ];
    let mut sheet = Sheet::new("entries", &columns);
    let mut balances: BTreeMap<Account, i128> = BTreeMap::new();
    for entry in entries {
        let balance = balances.entry(entry.account).or_default();
        *balance += i128::from(entry.fen);
        let Account { owner, book } = entry.account;
        sheet.row(vec![
            json!(entry.cycle.to_string()),
            json!(entry.version),
            json!(entry.reason.word()),
            json!(owner.to_string()),
            json!(book.word(owner)),
            json!(entry.against.to_string()),
            json!(entry.purpose.map(Purpose::word)),
            json!(entry.count),
            json!(entry.fen),
            fen(*balance),
        ]);
    }
    sheet
}
