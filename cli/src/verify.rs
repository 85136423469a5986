//! `verify`: recomputes a closed cycle from its folder alone.

use std::process::ExitCode;

use anyhow::{Context, Result};
use files::verify::Outcome;
use serde_json::{Map, json};

use crate::{
    args::Verify,
    output::{Sheet, print, say},
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
    let report = report.with_context(|| format!("failed to verify {}", args.cycle.display()))?;
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
    for failure in &report.failures {
        failures.row(vec![json!(failure.to_string())]);
    }
    let mut facts = Map::new();
    facts.insert("cycle".to_owned(), json!(args.cycle));
    facts.insert("verified".to_owned(), json!(report.passed()));
    print(args.output, &facts, &[checks, failures])?;
    if report.passed() {
        say(args.output, &format!("\n{} is what its records say", args.cycle.display()));
        return Ok(ExitCode::SUCCESS);
    }
    say(args.output, &format!("\n{} is NOT what its records say: do not settle it", args.cycle.display()));
    Ok(ExitCode::from(DIFFERENT))
}
