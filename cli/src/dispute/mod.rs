//! `dispute` and `refund`: what cities and operations say of records of closed cycles, and what became of it.

mod find;
pub mod known;
mod say;
mod show;

use std::process::ExitCode;

use anyhow::Result;
use clap::{ArgGroup, Args, Subcommand};
use domain::city::City;

use crate::{acts::ActArgs, book::place::PlaceArgs, output::Format};

use find::{Claimed, Rules};

/// Arguments of `dispute`.
#[derive(Args, Debug)]
pub struct Dispute {
    /// What to do.
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// A home city asks back what it should not have paid, an acquirer asks for what it should have been paid
    Open(Open),
    /// The other city answers; without an answer in time a dispute is accepted
    Answer(Answer),
    /// The city that opened a dispute takes it back
    Withdraw(Withdraw),
    /// Operations propose how a contested dispute ends; another person approves it with `cycle approve`
    Decide(Decide),
    /// List disputes and refunds
    List(List),
    /// Show all that was said in one dispute, and who pays by the rules
    Show(Show),
}

/// Arguments of `dispute open`.
#[derive(Args, Debug)]
struct Open {
    #[command(flatten)]
    claimed: Claimed,
    /// How much, fen [default: all that is left of it]
    #[arg(long)]
    amount_fen: Option<u64>,
    /// Why
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    rules: Rules,
    #[command(flatten)]
    act: ActArgs,
}

/// Arguments of `dispute answer`.
#[derive(Args, Debug)]
#[command(group(ArgGroup::new("answer").required(true)))]
struct Answer {
    /// The dispute, such as D-0123456789ab
    dispute: String,
    /// It pays
    #[arg(long, group = "answer")]
    accept: bool,
    /// It does not pay; operations decide
    #[arg(long, group = "answer")]
    contest: bool,
    /// Why
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    act: ActArgs,
}

/// Arguments of `dispute withdraw`.
#[derive(Args, Debug)]
struct Withdraw {
    /// The dispute, such as D-0123456789ab
    dispute: String,
    /// Why
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    act: ActArgs,
}

/// Arguments of `dispute decide`.
#[derive(Args, Debug)]
#[command(group(ArgGroup::new("outcome").required(true)))]
struct Decide {
    /// The dispute, such as D-0123456789ab
    dispute: String,
    /// The other city pays
    #[arg(long, group = "outcome")]
    passed: bool,
    /// It stays as it was, for good
    #[arg(long, group = "outcome")]
    bad_debt: bool,
    /// Why
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    act: ActArgs,
}

/// Arguments of `dispute list`.
#[derive(Args, Debug)]
struct List {
    /// Only those that concern this city
    #[arg(long)]
    city: Option<City>,
    /// Only those that still wait for an answer or a decision
    #[arg(long)]
    waiting: bool,
    #[command(flatten)]
    place: PlaceArgs,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// Arguments of `dispute show`.
#[derive(Args, Debug)]
struct Show {
    /// The dispute, such as D-0123456789ab
    dispute: String,
    #[command(flatten)]
    rules: Rules,
    #[command(flatten)]
    place: PlaceArgs,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// Arguments of `refund`.
#[derive(Args, Debug)]
pub struct Refund {
    #[command(flatten)]
    claimed: Claimed,
    /// How much, fen [default: all that has not gone back]
    #[arg(long)]
    amount_fen: Option<u64>,
    /// Why
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    act: ActArgs,
}

/// Runs `dispute`.
///
/// # Errors
/// What failed, with what to do next; [`crate::errors::Refused`] if it may not be said.
pub fn run(args: &Dispute) -> Result<ExitCode> {
    match &args.action {
        Action::Open(args) => say::open(args)?,
        Action::Answer(args) => say::answer(args)?,
        Action::Withdraw(args) => say::withdraw(args)?,
        Action::Decide(args) => say::decide(args)?,
        Action::List(args) => show::list(args)?,
        Action::Show(args) => show::one(args)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs `refund`.
///
/// # Errors
/// As [`run`].
pub fn refund(args: &Refund) -> Result<ExitCode> {
    say::refund(args)?;
    Ok(ExitCode::SUCCESS)
}
