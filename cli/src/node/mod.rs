//! `node`: looks at the running clearing nodes, and has partitions that stand still go on.

mod show;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::{
    nodes::Nodes,
    output::{Format, say},
};

/// Arguments of `node`.
#[derive(Args, Debug)]
pub struct Node {
    /// What to do.
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show each partition with its owner, how far it is, and why it stands still if it does
    List(List),
    /// Have a partition that stands still try again, after the log or its store was put right
    Resume(Resume),
}

/// Arguments of `node list`.
#[derive(Args, Debug)]
struct List {
    #[command(flatten)]
    nodes: Nodes,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// Arguments of `node resume`.
#[derive(Args, Debug)]
struct Resume {
    #[command(flatten)]
    nodes: Nodes,
    /// Number of the partition
    #[arg(long, value_name = "N")]
    partition: u32,
}

/// Runs the command.
///
/// # Errors
/// What failed, with what to do next.
pub fn run(args: &Node) -> Result<ExitCode> {
    match &args.action {
        Action::List(args) => show::list(args.output, &args.nodes.all()?)?,
        Action::Resume(args) => {
            let node = args.nodes.resume(args.partition)?;
            say(Format::Table, &format!("partition {} tries again on {node}", args.partition));
            say(Format::Table, "next: cityunion node list");
        }
    }
    Ok(ExitCode::SUCCESS)
}
