//! `archive`: the log of closed cycles in an object store, its check, and a log brought back from it.

pub mod source;

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context, Result};
use archive::{
    ArchiveError,
    chain::{Archive as Chain, Archived},
    facts::Facts,
};
use clap::{Args, Subcommand};
use domain::cycle::CycleName;
use serde_json::{Map, json};

use self::source::{LogArgs, objects, work};
use crate::{
    errors::{Refused, Usage},
    output::{Format, Sheet, print, say},
    progress::Progress,
};

/// Exit code when an archive is damaged.
pub const DIFFERENT: u8 = 4;

/// Arguments of `archive`.
#[derive(Args, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Writes every closed cycle that is not archived yet. Archiving again gives the same bytes.

Exit codes: 0 done, 1 failed (a hole in the log is named), 2 the command line is wrong, 3 refused,
4 verify found damage."
)]
pub struct Archive {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    log: LogArgs,
    /// Where archived cycles go: a folder, or s3://BUCKET/PREFIX
    #[arg(long, value_name = "DIR|URL")]
    objects: Option<String>,
    /// Stop after this cycle, such as 2018-09-01-001 [default: all closed cycles]
    #[arg(long)]
    cycle: Option<Cycle>,
    /// Folder for drafts [default: a temporary one]
    #[arg(long, value_name = "DIR")]
    work: Option<PathBuf>,
    /// How to print
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the archived cycles
    List(Stored),
    /// Check an archive from its own bytes: the chain, every digest, every offset from 0 on
    Verify(Stored),
    /// Write the archived log into an empty Kafka (or an embedded log), the same messages at the same offsets
    Restore(Restore),
}

#[derive(Args, Debug)]
struct Stored {
    /// Where the archive is: a folder, or s3://BUCKET/PREFIX
    #[arg(long, value_name = "DIR|URL")]
    objects: String,
    /// Folder for copies of files [default: a temporary one]
    #[arg(long, value_name = "DIR")]
    work: Option<PathBuf>,
    /// How to print
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

#[derive(Args, Debug)]
struct Restore {
    #[command(flatten)]
    log: LogArgs,
    #[command(flatten)]
    from: Stored,
}

/// A cycle on the command line.
#[derive(Clone, Copy, Debug)]
pub enum Cycle {
    /// By its name.
    Name(CycleName),
    /// By its ordinal.
    Ordinal(u32),
}

impl std::str::FromStr for Cycle {
    type Err = domain::cycle::CycleNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse() {
            Ok(ordinal) => Ok(Self::Ordinal(ordinal)),
            Err(_) => text.parse().map(Self::Name),
        }
    }
}

impl Cycle {
    /// Its ordinal, if it is published.
    ///
    /// # Errors
    /// [`Usage`] if it is not.
    pub fn of(self, facts: &Facts) -> Result<u32> {
        let (ordinal, shown) = match self {
            Self::Ordinal(ordinal) => (Some(ordinal), ordinal.to_string()),
            Self::Name(name) => (facts.ordinal(name), name.to_string()),
        };
        let last = facts.last_published();
        ordinal.filter(|ordinal| (1..=last).contains(ordinal)).ok_or_else(|| {
            let last = facts.name(last).map_or_else(|| "none".to_owned(), |name| name.to_string());
            Usage(format!("cycle {shown} is not closed and published here; the last one is {last}")).into()
        })
    }
}

/// Runs the command.
///
/// # Errors
/// What failed, with what to do next.
pub fn run(args: &Archive) -> Result<ExitCode> {
    match &args.action {
        None => write(args),
        Some(Action::List(from)) => list(from),
        Some(Action::Verify(from)) => verify(from),
        Some(Action::Restore(restored)) => restore(restored),
    }
}

/// An error of the archive; what contradicts what there is has an exit code of its own.
pub fn refused(error: ArchiveError) -> anyhow::Error {
    match error {
        ArchiveError::Refused(why) => Refused(why).into(),
        error => error.into(),
    }
}

fn write(args: &Archive) -> Result<ExitCode> {
    let objects = objects(args.objects.as_deref())?;
    let (log, topics) = args.log.open()?;
    let (work, _temporary) = work(args.work.as_deref())?;
    let last = match args.cycle {
        None => None,
        Some(cycle) => {
            let archive = Chain::open(&objects).map_err(refused)?;
            let facts = archive::write::facts(log.as_ref(), &topics, &archive, &work).map_err(refused)?;
            Some(cycle.of(&facts)?)
        }
    };
    let bar = Progress::bar();
    let shown = |what: &str, done, total| bar.at(what, done, total);
    let done = archive::write::archive_due(log.as_ref(), &topics, &objects, &work, last, &shown);
    bar.finish();
    let done = done.map_err(refused).context("failed to archive")?;
    print(args.output, &Map::new(), &[sheet("archived", &done)])?;
    if done.is_empty() {
        let last = Chain::open(&objects).map_err(refused)?.cycles.pop();
        let last =
            last.map_or_else(|| "nothing".to_owned(), |last| format!("{} and all before it", last.name));
        say(args.output, &format!("there is nothing to archive: archived is {last}"));
    }
    Ok(ExitCode::SUCCESS)
}

fn sheet(title: &str, cycles: &[Archived]) -> Sheet {
    let mut sheet = Sheet::new(title, &["cycle", "files", "messages", "bytes", "manifest_sha256"]);
    for Archived { name, manifest, sha256 } in cycles {
        let messages: u64 = manifest.files.iter().map(|file| file.messages).sum();
        let bytes: u64 = manifest.files.iter().map(|file| file.size).sum();
        let values = vec![
            json!(name.to_string()),
            json!(manifest.files.len()),
            json!(messages),
            json!(bytes),
            json!(sha256),
        ];
        sheet.row(values);
    }
    sheet
}

fn list(from: &Stored) -> Result<ExitCode> {
    let archive = Chain::open(&objects(Some(&from.objects))?).map_err(refused)?;
    print(from.output, &Map::new(), &[sheet("archived", &archive.cycles)])?;
    if archive.cycles.is_empty() {
        say(from.output, &format!("no cycle is archived in {}", archive.objects.place()));
    }
    Ok(ExitCode::SUCCESS)
}

fn verify(from: &Stored) -> Result<ExitCode> {
    let objects = objects(Some(&from.objects))?;
    let (work, _temporary) = work(from.work.as_deref())?;
    let bar = Progress::bar();
    let report = archive::verify::verify(&objects, &work, &|what, done, total| bar.at(what, done, total));
    bar.finish();
    let report = report.map_err(refused).context("failed to verify")?;
    let mut problems = Sheet::new("problems", &["object", "problem"]);
    for (object, problem) in &report.problems {
        problems.row(vec![json!(object), json!(problem)]);
    }
    let facts = json!({
        "verified": report.passed(),
        "cycles": report.cycles,
        "files": report.files,
        "messages": report.messages,
        "bytes": report.bytes,
        "problems_total": report.problems_total,
    });
    print(from.output, &facts.as_object().cloned().unwrap_or_default(), &[problems])?;
    if report.passed() {
        let text = format!(
            "{} cycles are whole: {} files, {} messages, every offset from 0 on, one chain",
            report.cycles, report.files, report.messages
        );
        say(from.output, &text);
        return Ok(ExitCode::SUCCESS);
    }
    let text = format!(
        "\n{} problems: bring what is damaged back from another copy of the object store",
        report.problems_total
    );
    say(from.output, &text);
    Ok(ExitCode::from(DIFFERENT))
}

fn restore(args: &Restore) -> Result<ExitCode> {
    let archive = Chain::open(&objects(Some(&args.from.objects))?).map_err(refused)?;
    let (log, topics) = args.log.open_or_make()?;
    let (work, _temporary) = work(args.from.work.as_deref())?;
    let bar = Progress::bar();
    let shown = |what: &str, done, total| bar.at(what, done, total);
    let restored = archive::restore::restore(&archive, log.as_ref(), &topics, &work, &shown);
    bar.finish();
    let restored = restored.map_err(refused).context("failed to restore the log")?;
    let last = archive.cycles.last().map(|last| last.name.to_string()).unwrap_or_default();
    let facts = json!({
        "last_cycle": last,
        "messages": restored.messages,
        "written": restored.written,
        "parked_parts": restored.parked,
        "positions": restored.positions,
        "void_events": restored.void,
    });
    print(args.from.output, &facts.as_object().cloned().unwrap_or_default(), &[])?;
    let text = format!(
        "the log stands as it did when {last} was published: {} messages ({} written now), {} parked parts, \
         the positions of {} cities; {} events spoke of more than is archived and were left out; every message was \
         read back and compared\n\
         next: start the clearing nodes with empty state folders, then switches and adapters (docs/disaster.md)",
        restored.messages, restored.written, restored.parked, restored.positions, restored.void
    );
    say(args.from.output, &text);
    Ok(ExitCode::SUCCESS)
}
