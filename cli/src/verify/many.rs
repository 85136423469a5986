//! All cycles of an OUT, one after the other.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Result;
use domain::cycle::CycleName;
use files::{layout::MANIFEST_FILE, verify::Check};
use serde_json::{Map, json};

use super::{DIFFERENT, outcome, report};
use crate::{
    args::Verify,
    output::{Format, Sheet, print, say},
    signatures,
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
    let trust = signatures::trust(args.ca.as_deref(), std::slice::from_ref(&args.cycle))?;
    let mut verified = Sheet::new("cycles", &["cycle", "verified", "signatures", "differences"]);
    let mut failures = Sheet::new("differences", &["cycle", "difference"]);
    let mut wrong = 0_usize;
    for folder in cycles {
        let report = report(folder, trust.as_ref())?;
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let signed = report.checks.iter().find(|it| it.check == Check::Signatures);
        let signed = signed.map(|it| outcome(it.outcome)).unwrap_or_default();
        verified.row(vec![json!(name), json!(report.passed()), json!(signed), json!(report.failures_total)]);
        wrong += usize::from(!report.passed());
        for failure in &report.failures {
            failures.row(vec![json!(name), json!(failure.to_string())]);
        }
    }
    let mut facts = Map::new();
    facts.insert("out".to_owned(), json!(args.cycle));
    facts.insert("verified".to_owned(), json!(wrong == 0));
    let listed = if args.output == Format::Table { Vec::new() } else { vec![failures.clone()] };
    print(args.output, &facts, &[vec![verified], listed].concat())?;
    for row in &failures.rows {
        let texts: Vec<&str> = row.iter().filter_map(|value| value.as_str()).collect();
        say(args.output, &format!("  {}", texts.join("/")));
    }
    if trust.is_none() {
        let text = "\nsignatures were not checked: there is no ca.pem beside the cycles and no --ca";
        say(args.output, text);
    }
    if wrong == 0 {
        say(args.output, &format!("\nall {} cycles are what their records say", cycles.len()));
        return Ok(ExitCode::SUCCESS);
    }
    say(args.output, &format!("\n{wrong} of {} cycles are NOT what their records say", cycles.len()));
    Ok(ExitCode::from(DIFFERENT))
}
