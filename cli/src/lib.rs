//! `cityunion`: simulate, clear, verify, prove, the demo, the benchmark, and each service alone.

mod acts;
pub mod agree;
mod archive;
pub mod args;
mod bench;
pub mod book;
mod clear;
pub mod completions;
mod convert;
mod cycle;
mod demo;
mod dispute;
pub mod doctor;
mod errors;
pub mod export;
mod feed;
mod house;
mod ledger;
mod local_system;
mod mapping;
pub mod node;
mod nodes;
mod output;
mod progress;
mod prove;
pub mod reconcile;
mod replay;
pub mod report;
pub mod rulebook;
mod scheme_folder;
mod services;
mod signals;
mod signatures;
mod simulate;
pub mod trace;
mod verify;

use std::process::ExitCode;

use args::{Cli, Command};
use domain::date::{Date, LocalTime};

/// Runs a command and says on standard error what went wrong, if something did.
#[must_use]
pub fn run(cli: Cli) -> ExitCode {
    let service = match &cli.command {
        Command::Adapter(args) => args.is_service(),
        Command::Portal(args) => args.is_service(),
        Command::Switch(_) | Command::ClearingNode(_) => true,
        _ => false,
    };
    if matches!(cli.command, Command::Demo(_)) {
        demo::init_logging();
    }
    runtime::logging::init(if service { "info" } else { "warn" });
    let done = match &cli.command {
        Command::Simulate(args) => simulate::run(args),
        Command::Clear(args) => clear::run(args),
        Command::Verify(args) => verify::run(args),
        Command::Agree(args) => agree::run(args),
        Command::Reconcile(args) => reconcile::run(args),
        Command::Prove(args) => prove::run(args),
        Command::Trace(args) => trace::run(args),
        Command::Report(args) => report::run(args),
        Command::Export(args) => export::run(args),
        Command::Demo(args) => demo::run(args),
        Command::Bench(args) => bench::run(args),
        Command::Doctor(args) => doctor::run(args),
        Command::Completions(args) => completions::run(args),
        Command::Adapter(args) => services::adapter(args),
        Command::Mapping(args) => mapping::run(args),
        Command::Convert(args) => convert::run(args),
        Command::Switch(service) => services::switch(service),
        Command::ClearingNode(service) => services::clearing_node(service),
        Command::Portal(args) => services::portal(args),
        Command::Cycle(args) => cycle::run(args),
        Command::Dispute(args) => dispute::run(args),
        Command::Refund(args) => dispute::refund(args),
        Command::Ledger(args) => ledger::run(args),
        Command::Book(args) => book::run(args),
        Command::Node(args) => node::run(args),
        Command::Archive(args) => archive::run(args),
        Command::Replay(args) => replay::run(args),
        Command::Feed(args) => feed::run(args),
        Command::Rulebook(args) => rulebook::run(args),
    };
    done.unwrap_or_else(|error| {
        tell(&error);
        errors::exit_code(&error)
    })
}

#[expect(clippy::print_stderr, reason = "this is the command line's front")]
fn tell(error: &anyhow::Error) {
    eprintln!("cityunion: {error:#}");
}

/// Today in China's one zone, UTC+8.
fn today() -> Date {
    local_now().date
}

/// The time in China's one zone, UTC+8.
fn local_now() -> LocalTime {
    LocalTime::of_unix(time::OffsetDateTime::now_utc().unix_timestamp())
}
