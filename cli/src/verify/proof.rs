//! A proof that one record is in a cycle, against the manifest of that cycle.

use std::{path::Path, process::ExitCode};

use anyhow::{Context, Result};
use files::verify::Outcome;
use serde_json::{Map, json};

use super::{DIFFERENT, beside, outcome};
use crate::{
    args::Verify,
    errors::Usage,
    output::{Sheet, print, say},
    signatures,
};

/// Checks the proof.
pub fn run(args: &Verify) -> Result<ExitCode> {
    let Some(manifest) = &args.manifest else {
        let text =
            "a proof is checked against the manifest of its cycle: name it with --manifest manifest.json";
        return Err(Usage(text.to_owned()).into());
    };
    let mut folders = beside(manifest);
    let above = folders.iter().filter_map(|folder| folder.parent()).map(Path::to_owned).collect::<Vec<_>>();
    folders.extend(above);
    let trust = signatures::trust(args.ca.as_deref(), &folders)?;
    let report =
        files::proof::check(&args.cycle, manifest, trust.as_ref()).context("failed to verify the proof")?;
    let mut checks = Sheet::new("checks", &["check", "outcome", "what"]);
    for (check, ended, what) in &report.checks {
        checks.row(vec![json!(check), json!(outcome(*ended)), json!(what)]);
    }
    let mut facts = Map::new();
    facts.insert("proof".to_owned(), json!(args.cycle));
    facts.insert("leaf".to_owned(), json!(report.leaf));
    facts.insert("verified".to_owned(), json!(report.passed()));
    print(args.output, &facts, &[checks])?;
    if !report.passed() {
        say(args.output, "\nthe proof is WRONG");
        return Ok(ExitCode::from(DIFFERENT));
    }
    let signed =
        report.checks.iter().any(|(check, ended, _)| *check == "signature" && *ended == Outcome::Passed);
    let by = if signed { "the signed manifest" } else { "the manifest, whose signature was not checked" };
    let leaf = report.leaf.unwrap_or_default();
    say(args.output, &format!("\nin {by}: {leaf}"));
    Ok(ExitCode::SUCCESS)
}
