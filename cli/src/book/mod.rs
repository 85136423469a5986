//! `book`: what operators do with the book: look after it, and tell it what it cannot know.
//!
//! Nothing here writes a store. Everything is a message on `cu.clearing`, so that a replay does the same.

mod import;
mod items;
mod moving;
mod place;
mod resume;
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
    }
}
