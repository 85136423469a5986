//! `cycle`: looks at cycles, ends the open one by hand, and brings closed ones to their settlement.

mod release;
mod show;

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use domain::{cycle::CycleName, date::Date};

use crate::{
    errors::Refused,
    nodes::Nodes,
    output::{Format, say},
    progress::Progress,
    services::cycles::view::{Closed, CutOff, View},
};

/// After so many seconds without its totals a partition is named.
const LATE_S: u64 = 3;
/// How often the close is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// How long no node may answer while a close is waited for.
const HAND_OVER_MAX: Duration = Duration::from_secs(30);

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
    /// List the cycles with their states, when they changed, and whom a close waits for
    List(Status),
    /// Show all that is known of one cycle
    Show(Show),
    /// End the open cycle, wait until its folder is there, and name it
    CutOff(CutOffArgs),
    /// Show what has become of closed cycles: who agreed, who released, what the bank said
    Releases(release::Show),
    /// Propose that the files of a closed cycle may be carried out; another person releases it
    Propose(release::Propose),
    /// Release a cycle that another person has proposed
    Release(release::OfCycle),
    /// Approve what another person has proposed
    Approve(release::Approve),
    /// Take a proposal off the table
    Reject(release::Reject),
    /// Say for the bank that it cannot carry out the files of a released cycle: a new version follows
    Refuse(release::Refuse),
    /// Take what the bank says of the payments: all as planned, or nothing is confirmed
    Confirm(release::Confirm),
    /// Propose to do without a participant that does not pay: the next cycle carries its debt
    Fail(release::Fail),
    /// Say that what the bank confirmed has been paid for good
    Settle(release::OfCycle),
}

/// Arguments of `cycle show`.
#[derive(Args, Debug)]
struct Show {
    #[command(flatten)]
    nodes: Nodes,
    /// The cycle, such as 2018-09-01-001
    cycle: CycleName,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// Arguments of `cycle status` and `cycle list`.
#[derive(Args, Debug)]
struct Status {
    #[command(flatten)]
    nodes: Nodes,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// Arguments of `cycle cut-off`.
#[derive(Args, Debug)]
struct CutOffArgs {
    #[command(flatten)]
    nodes: Nodes,
    /// The cycle to end, such as 2018-09-01-001; refused if it is not the open one [default: the open one]
    #[arg(long)]
    cycle: Option<CycleName>,
    /// Business date of the cycle that follows at once [default: as the cut-off times of the rules say]
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
        Action::Status(args) => show::status(args.output, &args.nodes.cycles()?)?,
        Action::List(args) => show::list(args.output, &args.nodes.cycles()?)?,
        Action::Show(args) => show::one(args.output, &args.nodes.cycle(&args.cycle.to_string())?)?,
        Action::CutOff(args) => cut_off(args)?,
        Action::Releases(args) => release::show(args)?,
        Action::Propose(args) => release::propose(args)?,
        Action::Release(args) => release::release(args)?,
        Action::Approve(args) => release::approve(args)?,
        Action::Reject(args) => release::reject(args)?,
        Action::Refuse(args) => release::refuse(args)?,
        Action::Confirm(args) => release::confirm(args)?,
        Action::Fail(args) => release::fail(args)?,
        Action::Settle(args) => release::settle(args)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn cut_off(args: &CutOffArgs) -> Result<()> {
    let view = args.nodes.cycles()?;
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
                args.nodes.cut_off(&CutOff { cycle: cycle.clone(), next_business_date: args.next_date })?;
            }
            wait(&cycle, args)?
        }
    };
    show::closed(args.output, &closed)?;
    Ok(())
}

/// Waits for the folder of a cycle that was cut off, and says what for.
fn wait(cycle: &str, args: &CutOffArgs) -> Result<Closed> {
    let deadline = Instant::now() + Duration::from_secs(args.wait_s);
    let progress = Progress::waiting(format!("{cycle} is cut off"));
    let mut said = String::new();
    let mut answered = Instant::now();
    loop {
        // While one node hands the coordination over to another, none may answer.
        let view = match args.nodes.cycles() {
            Ok(view) => view,
            Err(_) if answered.elapsed() < HAND_OVER_MAX => {
                std::thread::sleep(LOOK);
                continue;
            }
            Err(error) => return Err(error),
        };
        answered = Instant::now();
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
        Some(_) => {
            let row = view.cycles.iter().find(|row| row.cycle == cycle);
            match row.filter(|row| {
                row.waits.as_deref() == Some("totals") && row.for_s.is_some_and(|s| s >= LATE_S)
            }) {
                Some(late) => format!(
                    "{cycle} is cut off; the totals of partitions {} are missing",
                    late.waits_for.join(", ")
                ),
                None => format!("{cycle} is cut off; its plan and files are being made"),
            }
        }
        None => format!("{cycle} is being cut off"),
    }
}
