//! `book`: what operators do with the book: look after it, and tell it what it cannot know.
//!
//! What changes the book is a message on the log, so that a replay does the same; `verify` and `list` only read,
//! `snapshot` copies a store, and `restore` puts a whole one back.

mod import;
mod items;
mod moving;
pub(crate) mod place;
mod resume;
mod snapshots;
mod verify;

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
    /// Let a stopped city's traffic go on, after its cause is known
    Resume(resume::Resume),
    /// Make known what an older system has paid, and take over its open items
    Import(import::Import),
    /// Move a city to another partition
    Move(moving::Move),
    /// Recount positions from the stored detail and compare
    Verify(verify::Verify),
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
pub fn run(book: &Book) -> Result<ExitCode> {
    match &book.action {
        Action::Resume(args) => resume::run(args),
        Action::Import(args) => import::run(args),
        Action::Move(args) => moving::run(args),
        Action::Verify(args) => verify::run(args),
        Action::Snapshot(args) => snapshots::snapshot(args),
        Action::Restore(args) => snapshots::restore(args),
        Action::List(args) => snapshots::list(args),
    }
}
