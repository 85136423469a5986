//! `mapping check`: the first rows of a sample as they would be taken, and what is missing.

use std::{collections::BTreeMap, process::ExitCode};

use anyhow::{Context, Result};
use city_adapter::{
    mapping::{BadRow, Counts, Mapped, MappedRow, Mapping, MappingError},
    tapfile::Column,
};
use serde_json::{Map, Value, json};

use super::{Check, advice, open};
use crate::{
    output::{Sheet, print, say, thousands},
    progress::Progress,
};

/// Bad rows that are shown.
const BAD_SHOWN_MAX: usize = 10;
/// Characters of a bad row that are shown.
const RAW_SHOWN_MAX: usize = 120;
/// The exit code if the mapping cannot present taps.
const CANNOT: u8 = 1;

/// What a sample came to.
#[derive(Default)]
struct Found {
    first: Vec<MappedRow>,
    taken: u64,
    local: u64,
    amount_fen: u64,
    bad: u64,
    /// By column: how many, and the first.
    by_column: BTreeMap<&'static str, (u64, BadRow)>,
    shown: Vec<(BadRow, String)>,
    counts: Counts,
    unread: Vec<String>,
    /// What a control line or the end of the file says against it.
    complaint: Option<MappingError>,
}

/// Runs the command.
///
/// # Errors
/// If mapping or sample cannot be read, or are not for each other.
pub fn run(args: &Check) -> Result<ExitCode> {
    let mapping = Mapping::load(&args.mapping).with_context(|| {
        format!("failed to read {}; docs/mappings.md describes every key", args.mapping.display())
    })?;
    let input = open(&args.sample)?;
    let found = look(args, &mapping, input)
        .with_context(|| format!("{} is no file of this mapping", args.sample.display()))?;
    let missing: Vec<Column> = mapping.missing().collect();
    let lacks = missing.iter().filter(|column| advice::is_needed(**column)).count();
    let good = lacks == 0 && found.taken > 0 && found.complaint.is_none();
    let mut facts = Map::new();
    facts.insert("mapping".to_owned(), json!(args.mapping));
    facts.insert("sample".to_owned(), json!(args.sample));
    facts.insert("can_present_taps".to_owned(), json!(good));
    facts.insert("problem".to_owned(), json!(found.complaint.as_ref().map(ToString::to_string)));
    let sheets = [
        first_rows(&mapping, &found),
        counts(&found),
        malformed(&found),
        bad_rows(&found),
        missing_columns(&missing),
        unread(&found),
    ];
    print(args.output, &facts, &sheets)?;
    let number = |n: u64| thousands(&n.to_string());
    let verdict = match () {
        () if found.complaint.is_some() => {
            let complaint = found.complaint.as_ref().map(ToString::to_string).unwrap_or_default();
            format!("the whole file would be refused: {complaint}")
        }
        () if lacks > 0 => format!(
            "no tap can be presented: {lacks} columns are missing, see above; add their tables to {}",
            args.mapping.display()
        ),
        () if found.taken == 0 => "no tap can be presented: the sample has no good row, see above".to_owned(),
        () if found.bad > 0 => format!(
            "{} rows would be taken; {} would be quarantined: mend the mapping or the file",
            number(found.taken),
            number(found.bad)
        ),
        () => format!("all {} rows would be taken", number(found.taken)),
    };
    say(args.output, &format!("\n{verdict}"));
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(CANNOT) })
}

fn look(args: &Check, mapping: &Mapping, input: Box<dyn std::io::Read>) -> Result<Found, MappingError> {
    let mut reader = mapping.reader(input)?;
    let mut found = Found::default();
    let progress = Progress::lines("rows looked at");
    loop {
        match reader.next_row() {
            Ok(None) => break,
            Ok(Some(Mapped::Row(row))) => {
                found.taken += 1;
                found.local += u64::from(args.city.is_some() && row.issuer == args.city);
                found.amount_fen = found.amount_fen.saturating_add(row.amount_fen.unwrap_or(0).into());
                if found.first.len() < args.rows {
                    found.first.push(row.clone());
                }
            }
            Ok(Some(Mapped::Bad(bad))) => {
                let bad = bad.clone();
                found.bad += 1;
                found.by_column.entry(bad.column).or_insert_with(|| (0, bad.clone())).0 += 1;
                if found.shown.len() < BAD_SHOWN_MAX {
                    found.shown.push((bad, shown(mapping, reader.raw())));
                }
            }
            Err(error @ (MappingError::Control(_) | MappingError::TooManyOpen(_))) => {
                found.complaint = Some(error);
                break;
            }
            Err(error) => return Err(error),
        }
        progress.add(1);
    }
    progress.finish();
    found.counts = reader.counts();
    found.unread = reader.unread_columns().into_iter().map(str::to_owned).collect();
    Ok(found)
}

/// A line for people, as far as it can be shown.
fn shown(mapping: &Mapping, raw: &[u8]) -> String {
    let text = mapping.text_of(raw).unwrap_or_else(|| mapping.script().shown(raw));
    match text.char_indices().nth(RAW_SHOWN_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn first_rows(mapping: &Mapping, found: &Found) -> Sheet {
    let missing: Vec<Column> = mapping.missing().collect();
    let columns: Vec<Column> = Column::ALL.into_iter().filter(|column| !missing.contains(column)).collect();
    let mut names = vec!["file_line"];
    names.extend(columns.iter().map(|column| column.name()));
    let mut sheet = Sheet::new("first_rows", &names);
    for row in &found.first {
        let mut values = vec![json!(row.line)];
        values.extend(columns.iter().map(|column| value(*column, row)));
        sheet.row(values);
    }
    sheet
}

fn value(column: Column, row: &MappedRow) -> Value {
    match column {
        Column::AmountFen => json!(row.amount_fen),
        Column::FareFen => json!(row.fare_fen),
        _ => {
            let mut text = Vec::new();
            row.write(column, &mut text);
            json!(String::from_utf8_lossy(&text))
        }
    }
}

fn counts(found: &Found) -> Sheet {
    let mut sheet = Sheet::new("rows", &["what", "rows"]);
    let Counts { dropped, pairs, no_exit, no_entry } = found.counts;
    sheet.row(vec![json!("taken"), json!(found.taken)]);
    let rest = [
        ("of these local, left to the city", found.local),
        ("malformed", found.bad),
        ("dropped by the mapping's filters", dropped),
        ("entries with their exits", pairs),
        ("entries without exit", no_exit),
        ("exits without entry", no_entry),
    ];
    for (what, rows) in rest {
        if rows > 0 || what == "malformed" {
            sheet.row(vec![json!(what), json!(rows)]);
        }
    }
    sheet
}

fn malformed(found: &Found) -> Sheet {
    let mut sheet = Sheet::new("malformed_by_column", &["column", "rows", "first_line", "reason"]);
    for (column, (rows, bad)) in &found.by_column {
        sheet.row(vec![json!(column), json!(rows), json!(bad.line), json!(bad.reason)]);
    }
    sheet
}

fn bad_rows(found: &Found) -> Sheet {
    let mut sheet = Sheet::new("malformed_rows", &["line", "column", "reason", "raw"]);
    for (bad, raw) in &found.shown {
        sheet.row(vec![json!(bad.line), json!(bad.column), json!(bad.reason), json!(raw)]);
    }
    sheet
}

fn missing_columns(missing: &[Column]) -> Sheet {
    let mut sheet = Sheet::new("missing_columns", &["column", "needed", "what_to_do"]);
    for column in missing {
        let needed = if advice::is_needed(*column) { "yes" } else { "no" };
        sheet.row(vec![json!(column.name()), json!(needed), json!(advice::about(*column))]);
    }
    sheet
}

fn unread(found: &Found) -> Sheet {
    let mut sheet = Sheet::new("columns_not_used", &["column"]);
    for name in &found.unread {
        sheet.row(vec![json!(name)]);
    }
    sheet
}
