//! `book`: what operators do with the stores of the clearing nodes.

mod snapshots;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};

/// Arguments of `book`.
#[derive(Args, Debug)]
pub struct Book {
    /// What to do.
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Copy a partition's store to the object store: of a running node, or of the folder of a stopped one
    Snapshot(snapshots::Snapshot),
    /// Bring a partition's store back from its snapshots, for a node that does not run
    Restore(snapshots::Restore),
    /// Show the snapshots in an object store; with --check read all of them
    List(snapshots::List),
}

/// Runs the command.
///
/// # Errors
/// What failed, with what to do next.
pub fn run(args: &Book) -> Result<ExitCode> {
    match &args.action {
        Action::Snapshot(args) => snapshots::snapshot(args),
        Action::Restore(args) => snapshots::restore(args),
        Action::List(args) => snapshots::list(args),
    }
}
