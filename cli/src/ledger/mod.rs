//! `ledger`: the scheme's accounts in double entry, from the closed cycles of an OUT.

mod gather;
mod show;
mod states;

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::{Args, Subcommand};
use domain::{cycle::CycleName, settlement::Party};

use crate::{
    acts::known,
    book::place::{Place, PlaceArgs},
    errors::Usage,
    output::{Format, say},
    verify::cycles,
};

use self::states::States;

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
    /// Apache Kafka of the clearing nodes that close them, which knows how far they are [default: what `clear` keeps in
    /// OUT/.state, else the records in OUT/releases]
    #[arg(long, value_name = "HOST:PORT")]
    kafka: Option<String>,
    /// What the names of its topics begin with
    #[arg(long, default_value = "")]
    prefix: String,
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
    let states = args.states()?;
    let books = gather::gather(&folders, &states, wanted)?;
    if let Some(cycle) = args.cycle
        && books.cycles.iter().all(|row| row.cycle != cycle)
    {
        return Err(Usage(format!("{} has no closed cycle {cycle}", args.out.display())).into());
    }
    show::show(args.output, &args.out, wanted, &books)?;
    if states.is_empty() {
        let text =
            "\nhow far the cycles are is not known here: they are shown as closed, nothing as released";
        say(args.output, text);
    }
    Ok(ExitCode::SUCCESS)
}

impl Show {
    /// How far the cycles are, if that can be known.
    fn states(&self) -> Result<States> {
        let folder = self.out.join(".state").is_dir().then(|| self.out.clone());
        if folder.is_none() && self.kafka.is_none() {
            return States::beside(&self.out);
        }
        let place = PlaceArgs::of(folder, self.kafka.clone(), self.prefix.clone());
        Ok(States::of(&known(&Place::read_only(&place)?)?))
    }
}
