//! `rulebook`: what operators do with the rules: check a file, compare two, publish a version, list those on the log.

mod check;
mod diff;
mod list;
mod publish;

use std::{fs, path::Path, process::ExitCode};

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use domain::rulebook::{Rulebook, RulebookError};

use crate::errors::Usage;

/// Arguments of `rulebook`.
#[derive(Args, Debug)]
pub struct RulebookArgs {
    /// What to do.
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Look for everything that is wrong in a rulebook, and for what is often a slip
    Check(check::Check),
    /// Say in words what one rulebook changes in another, and from which business date on
    Diff(diff::Diff),
    /// Put a new version on the log: the next cycle that opens is ruled by it
    Publish(publish::Publish),
    /// List the versions on the log, and the cycles that each has ruled
    List(list::List),
}

/// Runs the command.
///
/// # Errors
/// What failed, with what to do next.
pub fn run(args: &RulebookArgs) -> Result<ExitCode> {
    match &args.action {
        Action::Check(args) => check::run(args),
        Action::Diff(args) => diff::run(args),
        Action::Publish(args) => publish::run(args),
        Action::List(args) => list::run(args),
    }
}

fn bytes(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("read {}", path.display()))
}

/// Reads a rulebook that must be right.
fn read(path: &Path) -> Result<Rulebook> {
    let bytes = bytes(path)?;
    match Rulebook::parse(&bytes) {
        Ok(rulebook) => Ok(rulebook),
        Err(RulebookError::Wrong(fault)) => {
            let path = path.display();
            let text = format!(
                "use {path}: the rulebook is wrong in {fault}; `cityunion rulebook check {path}` names every fault"
            );
            Err(Usage(text).into())
        }
        Err(error) => Err(Usage(format!("use {}: {error}", path.display())).into()),
    }
}

/// The digits of a digest.
pub fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
