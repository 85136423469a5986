//! `cycle`: looks at the cycles of a running clearing node, and ends the open one by hand.

mod client;
mod show;

use std::{
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use domain::{cycle::CycleName, date::Date};

use self::client::Client;
use crate::{
    errors::Refused,
    output::{Format, say},
    progress::Progress,
    services::cycles::view::{Closed, CutOff, View},
};

/// How often the close is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Arguments of `cycle`.
#[derive(Args, Debug)]
pub struct Cycle {
    /// What to do.
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show the open cycle, who a cut-off waits for, and the last closed cycles
    Status(Status),
    /// End the open cycle, wait until its folder is there, and name it
    CutOff(CutOffArgs),
}

/// Where the clearing node answers.
#[derive(Args, Debug)]
struct Node {
    /// Admin port of the clearing node [default: that of --config]
    #[arg(long, value_name = "HOST:PORT", conflicts_with = "config")]
    admin: Option<String>,
    /// Configuration of the clearing node, for its admin port
    #[arg(long, default_value = ".local/config/clearing-node.toml")]
    config: PathBuf,
}

/// Arguments of `cycle status`.
#[derive(Args, Debug)]
struct Status {
    #[command(flatten)]
    node: Node,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// Arguments of `cycle cut-off`.
#[derive(Args, Debug)]
struct CutOffArgs {
    #[command(flatten)]
    node: Node,
    /// The cycle to end, such as 2018-09-01-001; refused if it is not the open one [default: the open one]
    #[arg(long)]
    cycle: Option<CycleName>,
    /// Business date of the cycle that follows at once [default: the day after]
    #[arg(long)]
    next_date: Option<Date>,
    /// Seconds to wait for the folder; the close goes on without this command too
    #[arg(long, default_value_t = 900)]
    wait_s: u64,
    /// How to print what was closed
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// Runs the command.
///
/// # Errors
/// What failed, with what to do next; [`Refused`] if the cycle cannot be ended.
pub fn run(args: &Cycle) -> Result<ExitCode> {
    match &args.action {
        Action::Status(args) => {
            let client = Client::new(&args.node)?;
            show::status(args.output, &client.cycles()?)?;
        }
        Action::CutOff(args) => cut_off(args)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn cut_off(args: &CutOffArgs) -> Result<()> {
    let client = Client::new(&args.node)?;
    let view = client.cycles()?;
    let cycle = match (&args.cycle, &view.open) {
        (Some(cycle), _) => cycle.to_string(),
        (None, Some(open)) => open.cycle.clone(),
        (None, None) => {
            let text =
                "no cycle is open; wait until the clearing node has opened one: cityunion cycle status";
            return Err(Refused(text.to_owned()).into());
        }
    };
    let begun = view.closing(&cycle).is_some();
    let closed = match view.closed(&cycle) {
        Some(closed) => closed.clone(),
        None => {
            if !begun {
                client.cut_off(&CutOff { cycle: cycle.clone(), next_business_date: args.next_date })?;
            }
            wait(&client, &cycle, args)?
        }
    };
    show::closed(args.output, &closed)?;
    Ok(())
}

/// Waits for the folder of a cycle that was cut off, and says what for.
fn wait(client: &Client, cycle: &str, args: &CutOffArgs) -> Result<Closed> {
    let deadline = Instant::now() + Duration::from_secs(args.wait_s);
    let progress = Progress::waiting(format!("{cycle} is cut off"));
    let mut said = String::new();
    loop {
        let view = client.cycles()?;
        if let Some(closed) = view.closed(cycle) {
            progress.finish();
            return Ok(closed.clone());
        }
        let stage = stage(&view, cycle);
        if stage != said {
            if progress.is_hidden() {
                say(args.output, &stage);
            }
            progress.say(stage.clone());
            said = stage;
        }
        if Instant::now() > deadline {
            progress.finish();
            bail!(
                "{said}, for {} s now; the close goes on by itself: look with `cityunion cycle status`, \
                 or run the same command with --cycle {cycle} to wait on",
                args.wait_s
            );
        }
        std::thread::sleep(LOOK);
    }
}

fn stage(view: &View, cycle: &str) -> String {
    match view.closing(cycle) {
        Some(closing) if !closing.waits_for.is_empty() => {
            format!("{cycle} is cut off; waiting for the last taps of {}", closing.waits_for.join(", "))
        }
        Some(_) => format!("{cycle} is cut off; its plan and files are being made"),
        None => format!("{cycle} is being cut off"),
    }
}
