//! A part of a cycle's folder: what a bank or a city gets.

use std::process::ExitCode;

use anyhow::{Context, Result};
use files::verify::{Part, verify_part};
use serde_json::{Map, json};

use super::{
    DIFFERENT, beside, outcome,
    trusted::{self, Trusted},
};
use crate::{
    args::Verify,
    output::{Format, Sheet, print, say},
};

/// Checks what is there.
pub(super) fn run(args: &Verify) -> Result<ExitCode> {
    let mut folders = vec![args.cycle.clone()];
    folders.extend(beside(&args.cycle));
    let trusted = Trusted::of(args, &folders)?;
    let part = verify_part(&args.cycle, trusted.as_ref().map(Trusted::trust)).context("failed to verify")?;
    let Part { report, present, missing } = &part;
    let mut checks = Sheet::new("checks", &["check", "outcome", "what"]);
    let made = |it: &&files::verify::CheckResult| it.what != files::verify::PART_ONLY;
    for check in report.checks.iter().filter(made) {
        checks.row(vec![json!(check.check.name()), json!(outcome(check.outcome)), json!(check.what)]);
    }
    let mut listed = Sheet::new("files", &["file", "is"]);
    for (names, is) in [(present, "here"), (missing, "missing")] {
        names.iter().for_each(|name| listed.row(vec![json!(name), json!(is)]));
    }
    let mut failures = Sheet::new("differences", &["difference"]);
    report.failures.iter().for_each(|failure| failures.row(vec![json!(failure.to_string())]));
    let mut facts = Map::new();
    facts.insert("cycle".to_owned(), json!(args.cycle));
    facts.insert("verified".to_owned(), json!(report.passed()));
    let ca = trusted::sheet(trusted.as_ref(), &mut facts);
    let sheets = match args.output {
        Format::Table => vec![checks, listed, failures],
        Format::Json | Format::Csv => vec![checks, listed, ca, failures],
    };
    print(args.output, &facts, &sheets)?;
    trusted::tell(args, trusted.as_ref());
    let folder = args.cycle.display();
    if !report.passed() {
        say(args.output, &format!("\nwhat is here of {folder} is NOT what its manifest says: do not use it"));
        return Ok(ExitCode::from(DIFFERENT));
    }
    let unsigned = if trusted.is_none() { "; whether the manifest is signed was not checked" } else { "" };
    say(args.output, &format!("\nwhat is here of {folder} is what its manifest says{unsigned}"));
    Ok(ExitCode::SUCCESS)
}
