//! `ledger`: the scheme's accounts in double entry, from the closed cycles of an OUT.

mod gather;
mod show;

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::{Args, Subcommand};
use domain::{cycle::CycleName, settlement::Party};

use crate::{errors::Usage, output::Format, verify::cycles};

/// Arguments of `ledger`.
#[derive(Args, Debug)]
pub struct LedgerArgs {
    /// What to do.
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show the balances of all accounts, or the entries of a participant or a cycle
    Show(Show),
}

/// Arguments of `ledger show`.
#[derive(Args, Debug)]
struct Show {
    /// The folder in which closed cycles are
    #[arg(long = "in", value_name = "OUT")]
    out: PathBuf,
    /// Only the accounts of this participant, with every entry; `scheme` for the scheme's own
    #[arg(long, value_parser = party)]
    participant: Option<Party>,
    /// Only the entries of this cycle
    #[arg(long)]
    cycle: Option<CycleName>,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

fn party(text: &str) -> Result<Party, String> {
    match text {
        "scheme" => Ok(Party::Scheme),
        city => city.parse().map(Party::City).map_err(|error| format!("{error}, or scheme")),
    }
}

/// Runs the command.
///
/// # Errors
/// What failed, with what to do next.
pub fn run(args: &LedgerArgs) -> Result<ExitCode> {
    let Action::Show(args) = &args.action;
    let folders = cycles(&args.out);
    if folders.is_empty() {
        return Err(Usage(format!("{} has no closed cycle", args.out.display())).into());
    }
    let wanted = gather::Wanted { participant: args.participant, cycle: args.cycle };
    let books = gather::gather(&folders, wanted)?;
    if let Some(cycle) = args.cycle
        && books.cycles.iter().all(|row| row.cycle != cycle)
    {
        return Err(Usage(format!("{} has no closed cycle {cycle}", args.out.display())).into());
    }
    show::show(args.output, &args.out, wanted, &books)?;
    Ok(ExitCode::SUCCESS)
}
