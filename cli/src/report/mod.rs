//! `report`: a closed cycle for a person.

mod released;
mod tables;
mod watched;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use ::report::{Cycle, Standing};
use anyhow::{Context, Result};
use clap::Args;
use files::verify::Outcome;
use serde_json::{Map, Value, json};

use crate::{
    errors::Usage,
    output::{Format, print, say},
    progress::Progress,
};

/// Exit code when a difference was found.
const DIFFERENT: u8 = 4;

/// Arguments of `report`.
#[derive(Args, Debug)]
pub struct Report {
    /// Folder of a closed cycle
    pub cycle: PathBuf,
    /// Also write a page with everything in it, in Chinese and English, to this file
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Rows that a long table shows
    #[arg(long, default_value_t = 10, value_name = "N")]
    pub top: usize,
    /// Show every row
    #[arg(long, conflicts_with = "top")]
    pub all: bool,
    /// Do not recompute the folder first; the report says so
    #[arg(long)]
    pub no_verify: bool,
    /// How to print it; json and csv have every row and column
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Format,
}

/// Runs the command.
///
/// # Errors
/// If the folder is no closed cycle or is damaged, or the page cannot be written.
pub fn run(args: &Report) -> Result<ExitCode> {
    if let Some(file) = &args.html {
        refuse_inside(file, &args.cycle)?;
    }
    let progress = Progress::bytes("read");
    let cycle = ::report::gather(&args.cycle, &mut |step| progress.add_of(step.bytes, step.bytes_total));
    progress.finish();
    let cycle = cycle.context("failed to report")?;
    let standing = if args.no_verify { Standing::NotChecked } else { verify(&args.cycle)? };
    let released = released::read(&args.cycle, &cycle);
    let warning = released.as_ref().and_then(released::Released::warning);
    if let Some(file) = &args.html {
        write_page(file, &::report::page(&cycle, &standing, warning.as_ref()))?;
    }
    if let Some(warning) = &warning {
        say(args.output, &warning.en);
    }
    for line in tables::headline(&cycle, &standing) {
        say(args.output, &line);
    }
    let watched = watched::read(&args.cycle);
    if let Some(watched) = &watched {
        say(args.output, &watched.line());
    }
    let sheets = match args.output {
        Format::Table => tables::for_people(&cycle, if args.all { usize::MAX } else { args.top }),
        Format::Json | Format::Csv => tables::for_programs(&cycle),
    };
    let mut facts = facts(&cycle, &standing);
    if let Some(watched) = watched {
        watched.facts(&mut facts);
    }
    if let Some(released) = released {
        released.facts(&mut facts);
    }
    print(args.output, &facts, &sheets)?;
    if let Some(file) = &args.html {
        say(args.output, &format!("\npage      {}", file.display()));
    }
    if let Standing::Different(_) = standing {
        let folder = args.cycle.display();
        say(
            args.output,
            &format!("\nnext: cityunion verify {folder} names the differences; do not settle it"),
        );
        return Ok(ExitCode::from(DIFFERENT));
    }
    Ok(ExitCode::SUCCESS)
}

/// Recomputes the folder.
fn verify(folder: &Path) -> Result<Standing> {
    let progress = Progress::bytes("verified");
    let report = files::verify::verify_told(folder, Some(progress.heard()));
    progress.finish();
    let report = report.with_context(|| format!("failed to verify {}", folder.display()))?;
    let passed = report.checks.iter().filter(|check| check.outcome == Outcome::Passed).count();
    Ok(if report.passed() { Standing::Verified(passed) } else { Standing::Different(report.failures_total) })
}

/// A closed folder never changes: no page may be written into it.
fn refuse_inside(file: &Path, cycle: &Path) -> Result<()> {
    let parent = match file.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let (Ok(parent), Ok(cycle)) = (fs::canonicalize(parent), fs::canonicalize(cycle)) else { return Ok(()) };
    if parent.starts_with(&cycle) {
        return Err(Usage(format!(
            "--html {} lies in the closed folder, which never changes: name a file outside it",
            file.display()
        ))
        .into());
    }
    Ok(())
}

/// Writes the page whole or not at all.
fn write_page(file: &Path, page: &str) -> Result<()> {
    let failed = || {
        format!(
            "failed to write the page {}; is its folder there and writable, has its disk room?",
            file.display()
        )
    };
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    let part = file.with_file_name(name);
    let written = fs::write(&part, page).and_then(|()| fs::rename(&part, file));
    written.inspect_err(|_| drop(fs::remove_file(&part))).with_context(failed)
}

/// The participants that owe more than their caps.
fn beyond_cap(cycle: &Cycle) -> Vec<String> {
    let beyond = cycle.exposures.iter().filter(|exposure| exposure.is_beyond());
    beyond.map(|exposure| exposure.city.to_string()).collect()
}

/// What stands beside the tables for programs.
fn facts(cycle: &Cycle, standing: &Standing) -> Map<String, Value> {
    let (presented, cleared) = (cycle.presented(), cycle.cleared());
    let (verified, differences) = match standing {
        Standing::Verified(_) => (json!(true), json!(0)),
        Standing::Different(differences) => (json!(false), json!(differences)),
        Standing::NotChecked => (Value::Null, Value::Null),
    };
    let facts = [
        ("cycle", json!(cycle.name)),
        ("business_date", json!(cycle.business_date)),
        ("verified", verified),
        ("differences", differences),
        ("rulebook_version", json!(cycle.rulebook_version)),
        ("manifest_sha256", json!(cycle.manifest_sha256)),
        ("participants", json!(cycle.nets.len())),
        ("presented", json!(presented.count)),
        ("presented_amount_fen", json!(presented.amount_fen)),
        ("cleared", json!(cleared.count)),
        ("cleared_amount_fen", json!(cleared.amount_fen)),
        ("fare_fen", json!(cycle.fare_fen)),
        ("paid_out_fen", json!(i64::try_from(cycle.paid_out_fen()).unwrap_or(i64::MAX))),
        ("scheme_net_fen", json!(cycle.scheme.net_fen)),
        ("items", json!(cycle.items_total)),
        ("beyond_cap", json!(beyond_cap(cycle))),
    ];
    facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
