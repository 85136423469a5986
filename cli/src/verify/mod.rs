//! `verify`: recomputes a closed cycle from its folder alone, or all cycles of an OUT; checks signatures and proofs.

mod many;
mod partial;
mod proof;
mod trusted;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, anyhow};
use files::{
    FilesError,
    layout::MANIFEST_FILE,
    verify::{Before, Outcome, Report},
};
use serde_json::{Map, json};
use signing::Trust;

pub use many::cycles;

use self::trusted::Trusted;
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
    if args.cycle.is_file() {
        return proof::run(args);
    }
    if args.partial {
        return partial::run(args);
    }
    let cycles = many::cycles(&args.cycle);
    if !args.cycle.join(MANIFEST_FILE).is_file() && !cycles.is_empty() {
        return many::run(args, &cycles);
    }
    let trusted = Trusted::of(args, &beside(&args.cycle))?;
    let report = report(&args.cycle, Before::default(), trusted.as_ref().map(Trusted::trust))?;
    let mut checks = Sheet::new("checks", &["check", "outcome", "what"]);
    for check in &report.checks {
        checks.row(vec![json!(check.check.name()), json!(outcome(check.outcome)), json!(check.what)]);
    }
    let mut failures = Sheet::new("differences", &["difference"]);
    if args.output != Format::Table {
        report.failures.iter().for_each(|failure| failures.row(vec![json!(failure.to_string())]));
    }
    let mut facts = Map::new();
    facts.insert("cycle".to_owned(), json!(args.cycle));
    facts.insert("verified".to_owned(), json!(report.passed()));
    let ca = trusted::sheet(trusted.as_ref(), &mut facts);
    let shown = if args.output == Format::Table { vec![checks] } else { vec![checks, failures, ca] };
    print(args.output, &facts, &shown)?;
    trusted::tell(args, trusted.as_ref());
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

/// Verifies a folder and shows how far it is.
///
/// # Errors
/// If it is no closed cycle, or cannot be read.
pub fn report(folder: &Path, before: Before, trust: Option<&Trust>) -> Result<Report> {
    let progress = Progress::bytes("verified");
    let report = files::verify::verify_among(folder, before, trust, Some(progress.heard()));
    progress.finish();
    let report = report.map_err(|error| match error {
        FilesError::NoManifest(folder) => {
            anyhow!("{}; {}", FilesError::NoManifest(folder.clone()), ::report::hint(&folder))
        }
        error => error.into(),
    });
    report.context("failed to verify")
}

/// Where the CA certificates of a folder or file may be: beside it.
pub fn beside(path: &Path) -> Vec<PathBuf> {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    path.parent().map(Path::to_owned).into_iter().collect()
}

fn outcome(outcome: Outcome) -> String {
    match outcome {
        Outcome::Passed => "ok".to_owned(),
        Outcome::Failed(count) => format!("{count} wrong"),
        Outcome::Skipped => "skipped".to_owned(),
    }
}
