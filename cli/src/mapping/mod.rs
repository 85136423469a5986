//! `mapping`: descriptions of files of another layout.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use domain::city::City;

use crate::output::Format;

mod advice;
mod check;
mod guess;
mod look;

/// Arguments of `mapping`.
#[derive(Args, Debug)]
pub struct Mapping {
    /// What to do with it.
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show the first rows of a sample as they would be taken, and what is missing
    ///
    /// Ends with 1 if the mapping cannot present taps of this sample.
    Check(Check),
    /// Propose a mapping by looking at a file: a start to edit
    Guess(Guess),
}

/// Arguments of `mapping check`.
#[derive(Args, Debug)]
struct Check {
    /// The mapping
    mapping: PathBuf,
    /// A file that it is for; `-` reads standard input
    #[arg(long, value_name = "DATA")]
    sample: PathBuf,
    /// Rows that are shown
    #[arg(long, default_value_t = 10)]
    rows: usize,
    /// The city whose terminals collected the sample: its own cards are counted as local
    #[arg(long)]
    city: Option<City>,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// Arguments of `mapping guess`.
#[derive(Args, Debug)]
struct Guess {
    /// The file to look at; `-` reads the beginning of standard input
    data: PathBuf,
    /// Write the mapping here instead of printing it; must not exist
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// What failed, with what to do next.
pub fn run(args: &Mapping) -> Result<ExitCode> {
    match &args.action {
        Action::Check(args) => check::run(args),
        Action::Guess(args) => guess::run(args),
    }
}

/// A file, or standard input for `-`.
///
/// # Errors
/// If it cannot be opened.
pub fn open(path: &Path) -> Result<Box<dyn Read>> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdin().lock()));
    }
    let file = File::open(path).with_context(|| format!("failed to open {}", path.display()))?;
    let folder = file.metadata().is_ok_and(|about| about.is_dir());
    anyhow::ensure!(!folder, "{} is a folder; name a file in it", path.display());
    Ok(Box::new(file))
}
