//! `doctor`: whether this machine has what building and running need; each line says what to do next.

mod facts;
mod judge;
mod kafka;
mod ports;

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::Args;
use serde_json::{Map, json};

use self::judge::{Line, Outcome};
use crate::output::{Format, Sheet, print, say};

/// Arguments of `doctor`.
#[derive(Args, Debug)]
#[command(after_help = "Exit codes: 0 nothing fails (warnings may stand), 1 something fails.")]
pub struct Doctor {
    /// Folder that must have room, more than one if given again [default: the current one and the temporary one]
    #[arg(long)]
    pub dir: Vec<PathBuf>,
    /// File with the ports that must be free [default: deploy/local/ports.env, if it is here]
    #[arg(long)]
    pub ports: Option<PathBuf>,
    /// Look whether this Apache Kafka answers and is set rightly
    #[arg(long, value_name = "HOST:PORT")]
    pub kafka: Option<String>,
    /// What the topic names of the system on it begin with
    #[arg(long, requires = "kafka", default_value = "")]
    pub prefix: String,
    /// How to print
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Format,
}

/// Runs the command.
///
/// # Errors
/// If a file that was given cannot be read.
pub fn run(args: &Doctor) -> Result<ExitCode> {
    let facts = facts::gather(args)?;
    let lines = judge::all(&facts);
    let mut sheet = Sheet::new("checks", &["check", "outcome", "found", "next"]);
    sheet.below = vec!["next"];
    for Line { check, outcome, found, next } in &lines {
        sheet.row(vec![json!(check), json!(outcome.word()), json!(found), json!(next)]);
    }
    let worst = lines.iter().map(|line| line.outcome).max().unwrap_or(Outcome::Ok);
    let mut facts = Map::new();
    facts.insert("outcome".to_owned(), json!(worst.word()));
    print(args.output, &facts, &[sheet])?;
    if args.kafka.is_none() {
        say(args.output, "\nKafka was not looked at: --kafka HOST:PORT does");
    }
    let verdict = match worst {
        Outcome::Ok => "everything is there",
        Outcome::Warn => "it works, but see the warnings",
        Outcome::Fail => "something is missing: see `next` of what fails",
    };
    say(args.output, &format!("\n{verdict}"));
    Ok(if worst == Outcome::Fail { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
