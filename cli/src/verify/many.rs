//! All cycles of an OUT, one after the other.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result};
use domain::cycle::CycleName;
use files::{
    layout::MANIFEST_FILE,
    verify::{Check, Outcome, Report, began},
};
use serde_json::{Map, json};

use super::{
    DIFFERENT, outcome, report,
    trusted::{self, Trusted},
};
use crate::{
    args::Verify,
    output::{Format, Sheet, print, say},
};

/// The closed cycles in a folder, with their corrections, by name.
pub fn cycles(out: &Path) -> Vec<PathBuf> {
    let is_cycle = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let cycle = name.split_once(".v").map_or(name, |(cycle, _)| cycle);
        cycle.parse::<CycleName>().is_ok() && path.join(MANIFEST_FILE).is_file()
    };
    let entries = fs::read_dir(out).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_cycle).collect();
    found.sort();
    found
}

/// Verifies them all.
pub fn run(args: &Verify, cycles: &[PathBuf]) -> Result<ExitCode> {
    let trusted = Trusted::of(args, std::slice::from_ref(&args.cycle))?;
    let began = began(cycles).context("failed to verify")?;
    let mut verified = Sheet::new("cycles", &["cycle", "verified", "signatures", "differences", "messages"]);
    let mut failures = Sheet::new("differences", &["cycle", "difference"]);
    let mut wrong = 0_usize;
    for (folder, before) in cycles.iter().zip(began) {
        let report = report(folder, before, trusted.as_ref().map(Trusted::trust))?;
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let (signatures, messages) = (
            shown(&report, Check::Signatures, before.signing, "unsigned: closed before signing began"),
            shown(&report, Check::Messages, before.messages, "none: closed before there were any"),
        );
        verified.row(vec![
            json!(name),
            json!(report.passed()),
            json!(signatures),
            json!(report.failures_total),
            json!(messages),
        ]);
        wrong += usize::from(!report.passed());
        for failure in &report.failures {
            failures.row(vec![json!(name), json!(failure.to_string())]);
        }
    }
    let mut facts = Map::new();
    facts.insert("out".to_owned(), json!(args.cycle));
    facts.insert("verified".to_owned(), json!(wrong == 0));
    let ca = trusted::sheet(trusted.as_ref(), &mut facts);
    let listed = if args.output == Format::Table { Vec::new() } else { vec![failures.clone(), ca] };
    print(args.output, &facts, &[vec![verified], listed].concat())?;
    for row in &failures.rows {
        let texts: Vec<&str> = row.iter().filter_map(|value| value.as_str()).collect();
        say(args.output, &format!("  {}", texts.join("/")));
    }
    trusted::tell(args, trusted.as_ref());
    if trusted.is_none() {
        let text = "\nsignatures were not checked: there is no ca.pem beside the cycles and no --ca";
        say(args.output, text);
    }
    let said = match (wrong, cycles.len()) {
        (0, 1) => "1 cycle is what its records say".to_owned(),
        (0, all) => format!("all {all} cycles are what their records say"),
        (wrong, all) => format!("NOT what their records say: {wrong} of {all}; do not settle them"),
    };
    say(args.output, &format!("\n{said}"));
    if wrong == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    Ok(ExitCode::from(DIFFERENT))
}

/// How a check ended; `early` if it was not made since the cycle is older than what it checks.
fn shown(report: &Report, check: Check, before: bool, early: &str) -> String {
    match report.checks.iter().find(|it| it.check == check).map(|it| it.outcome) {
        Some(Outcome::Skipped) if before => early.to_owned(),
        Some(ended) => outcome(ended),
        None => String::new(),
    }
}
