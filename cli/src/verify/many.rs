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
