//! `export parquet`.

use std::{collections::BTreeMap, process::ExitCode};

use anyhow::{Context, Result};
use columnar::Exported;
use files::{
    layout::Member,
    verify::{Before, Report},
};
use serde_json::{Map, Value, json};

use super::Parquet;
use crate::{
    output::{Format, Sheet, print, say},
    progress::Progress,
    signatures, verify,
};

/// Exit code when a difference was found.
const DIFFERENT: u8 = 4;

/// Verifies the folder and writes its tables.
pub(super) fn run(args: &Parquet) -> Result<ExitCode> {
    let trust = signatures::trust(args.ca.as_deref(), &verify::beside(&args.cycle))?;
    let report = verify::report(&args.cycle, Before::default(), trust.as_ref())?;
    if !report.passed() {
        return refuse(args, &report);
    }
    let progress = Progress::bytes("exported");
    let exported = columnar::export(&args.cycle, &args.to, &mut |more, total| progress.add_of(more, total));
    progress.finish();
    show(args, &exported.context("failed to export")?)?;
    Ok(ExitCode::SUCCESS)
}

fn refuse(args: &Parquet, report: &Report) -> Result<ExitCode> {
    let mut failures = Sheet::new("differences", &["difference"]);
    report.failures.iter().for_each(|failure| failures.row(vec![json!(failure.to_string())]));
    let mut facts = facts(args);
    facts.insert("exported".to_owned(), Value::Null);
    print(args.output, &facts, &[failures])?;
    let cycle = args.cycle.display();
    say(
        args.output,
        &format!(
            "\n{cycle} is NOT what its records say: nothing was exported; `cityunion verify {cycle}` tells more"
        ),
    );
    Ok(ExitCode::from(DIFFERENT))
}

/// Tells people what was written by kind, programs by file.
fn show(args: &Parquet, exported: &Exported) -> Result<()> {
    let sheet = match args.output {
        Format::Table => by_kind(exported),
        Format::Json | Format::Csv => {
            let mut sheet = Sheet::new("files", &["file", "rows", "bytes"]);
            let rows = exported.tables.iter().map(|it| vec![json!(it.name), json!(it.rows), json!(it.bytes)]);
            rows.for_each(|row| sheet.row(row));
            sheet
        }
    };
    let mut facts = facts(args);
    facts.insert("exported".to_owned(), json!(exported.folder));
    print(args.output, &facts, &[sheet])?;
    say(args.output, &format!("\n{}", exported.folder.display()));
    Ok(())
}

fn facts(args: &Parquet) -> Map<String, Value> {
    Map::from_iter([("cycle".to_owned(), json!(args.cycle))])
}

fn by_kind(exported: &Exported) -> Sheet {
    let mut kinds: BTreeMap<&str, (u64, u64, u64)> = BTreeMap::new();
    for table in &exported.tables {
        let kind = match table.member {
            Member::Acquirer(_) => "acquirer",
            Member::Issuer(_) => "issuer",
            _ => table.name.split('.').next().unwrap_or_default(),
        };
        let (files, rows, bytes) = kinds.entry(kind).or_default();
        (*files, *rows, *bytes) =
            (files.saturating_add(1), rows.saturating_add(table.rows), bytes.saturating_add(table.bytes));
    }
    let mut sheet = Sheet::new("exported", &["table", "files", "rows", "bytes"]);
    for (kind, (files, rows, bytes)) in kinds {
        sheet.row(vec![json!(kind), json!(files), json!(rows), json!(bytes)]);
    }
    sheet
}
