//! `verify`: recomputes a closed cycle from its folder alone.

use std::process::ExitCode;

use anyhow::{Context, Result, anyhow};
use files::{FilesError, verify::Outcome};
use serde_json::{Map, json};

use crate::{
    args::Verify,
    output::{Format, Sheet, print, say},
    progress::Progress,
};

/// Exit code when a difference was found.
const DIFFERENT: u8 = 4;

/// Runs the command.
///
/// # Errors
/// If the folder cannot be read or is no closed cycle.
pub fn run(args: &Verify) -> Result<ExitCode> {
    let progress = Progress::bytes("verified");
    let report = files::verify::verify_told(&args.cycle, Some(progress.heard()));
    progress.finish();
    let report = report.map_err(|error| match error {
        FilesError::NoManifest(folder) => {
            anyhow!("{}; {}", FilesError::NoManifest(folder.clone()), ::report::hint(&folder))
        }
        error => error.into(),
    });
    let report = report.context("failed to verify")?;
    let mut checks = Sheet::new("checks", &["check", "outcome", "what"]);
    for check in &report.checks {
        let outcome = match check.outcome {
            Outcome::Passed => "ok".to_owned(),
            Outcome::Failed(count) => format!("{count} wrong"),
            Outcome::Skipped => "skipped".to_owned(),
        };
        checks.row(vec![json!(check.check.name()), json!(outcome), json!(check.what)]);
    }
    let mut failures = Sheet::new("differences", &["difference"]);
    if args.output != Format::Table {
        report.failures.iter().for_each(|failure| failures.row(vec![json!(failure.to_string())]));
    }
    let mut facts = Map::new();
    facts.insert("cycle".to_owned(), json!(args.cycle));
    facts.insert("verified".to_owned(), json!(report.passed()));
    print(args.output, &facts, &[checks, failures])?;
    if !report.failures.is_empty() {
        say(args.output, "\ndifferences");
    }
    for failure in &report.failures {
        say(args.output, &format!("  {failure}"));
    }
    let listed = u64::try_from(report.failures.len()).unwrap_or(u64::MAX);
    if listed < report.failures_total {
        say(args.output, &format!("  and {} more", report.failures_total - listed));
    }
    if report.passed() {
        say(args.output, &format!("\n{} is what its records say", args.cycle.display()));
        return Ok(ExitCode::SUCCESS);
    }
    say(args.output, &format!("\n{} is NOT what its records say: do not settle it", args.cycle.display()));
    Ok(ExitCode::from(DIFFERENT))
}
