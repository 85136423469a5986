//! `trace`: the whole life of one tap, from the log and the published files.
//!
//! What is read is data ([`life::Life`]); how it is told is [`story`].

mod assemble;
mod calendar;
mod disputes;
mod fold;
pub mod life;
mod lines;
mod look;
mod near;
mod published;
pub mod query;
mod rows;
mod scan;
mod settled;
mod source;
mod steps;
pub mod story;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use anyhow::Result;
use clap::Args;
use cu_log::{Log, topics::Topics};
use domain::city::Scheme;
use serde_json::{Map, Value, json};

pub use self::scan::{Progress, Scan};
use self::{
    life::Life,
    published::Folder,
    query::{Query, Terminal},
};
use crate::{
    output::{Format, Sheet, print, say},
    progress,
};

/// Arguments of `trace`.
#[derive(Args, Debug)]
#[command(after_help = "\
The OUT of `clear` and the folder of a demo hold their log in .state; that of a system which `make up` started
says where its Kafka is. Other folders are searched by their closed cycles, results and receipts alone.

Exit codes: 0 found, 1 not found or failed, 2 the command line is wrong.")]
pub struct Trace {
    /// Number of the terminal, 12 hex digits
    #[arg(long)]
    pub terminal: Terminal,
    /// The terminal's own counter
    #[arg(long)]
    pub seq: u32,
    /// Only cards of this scheme [default: of both]
    #[arg(long, value_enum)]
    pub scheme: Option<SchemeWord>,
    /// OUT of `clear`, or the folder of a demo or of `make up` (.local), or any folder of closed cycles, results and receipts
    #[arg(required_unless_present = "kafka")]
    pub folder: Option<PathBuf>,
    /// Read the log of a running system
    #[arg(long, value_name = "HOST:PORT")]
    pub kafka: Option<String>,
    /// What its topic names begin with [default: what FOLDER remembers, else nothing]
    #[arg(long, requires = "kafka")]
    pub prefix: Option<String>,
    /// The system's closed cycles, results and receipts: the same as FOLDER
    #[arg(long, requires = "kafka", conflicts_with = "folder")]
    pub settled: Option<PathBuf>,
    /// Look with every city, not only with the terminal's owner: also what others presented of it
    #[arg(long)]
    pub everywhere: bool,
    /// How to print
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Format,
}

/// A scheme on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum SchemeWord {
    /// City Union
    Cu,
    /// China T-Union
    Tu,
}

impl From<SchemeWord> for Scheme {
    fn from(word: SchemeWord) -> Self {
        match word {
            SchemeWord::Cu => Self::CityUnion,
            SchemeWord::Tu => Self::TUnion,
        }
    }
}

/// Runs the command.
///
/// # Errors
/// What failed, with what to do next.
pub fn run(args: &Trace) -> Result<ExitCode> {
    let query =
        Query { terminal: args.terminal, terminal_seq: args.seq, scheme: args.scheme.map(Scheme::from) };
    let source = source::open(args)?;
    let bar = progress::Progress::bar();
    let log = source.log.as_ref().map(|(log, topics)| (log, topics));
    let shown = |scan: Scan<'_>| bar.at(scan.place, scan.done, scan.total);
    let life = look::look(log, source.folder.as_ref(), query, args.everywhere, &shown);
    bar.finish();
    let mut life = life?;
    life.notes.extend(source.notes);
    show(args.output, &life)?;
    if life.found() {
        return Ok(ExitCode::SUCCESS);
    }
    anyhow::bail!(
        "no record of terminal {}, sequence {} was found; {}",
        life.terminal,
        life.terminal_seq,
        life.next.join("; ")
    )
}

/// Looks for a tap on a log that is open in this process. `folder` is where that system publishes closed cycles,
/// results and receipts. Everything that stands on the log now is read once: with the terminal's owner, and with
/// every city if the owner has nothing.
///
/// # Errors
/// If log or files cannot be read.
pub fn on_log(
    log: &Arc<dyn Log>,
    topics: &Topics,
    folder: Option<&Path>,
    query: Query,
    progress: Progress<'_>,
) -> Result<Life> {
    // Before the first cycle is closed there is nothing to read.
    let folder = folder.and_then(|path| Folder::open(path).ok());
    look::look(Some((log, topics)), folder.as_ref(), query, false, progress)
}

/// Prints a life.
fn show(format: Format, life: &Life) -> Result<()> {
    match format {
        Format::Table => story::lines(life).iter().for_each(|line| say(format, line)),
        Format::Json => {
            let mut facts = match serde_json::to_value(life)? {
                Value::Object(facts) => facts,
                _ => Map::new(),
            };
            facts.insert("found".to_owned(), json!(life.found()));
            let told = life.presentations.iter().map(|it| (story::summary(life, it), steps::steps(life, it)));
            let presentations = facts.get_mut("presentations").and_then(Value::as_array_mut);
            for (presentation, (summary, steps)) in presentations.into_iter().flatten().zip(told) {
                presentation["summary"] = json!(summary);
                presentation["steps"] = json!(steps);
            }
            print(format, &facts, &[])?;
        }
        Format::Csv => print(format, &Map::new(), &[sheet(life)])?,
    }
    Ok(())
}

fn sheet(life: &Life) -> Sheet {
    let columns = ["record", "acquirer", "file", "line", "cycle", "step", "what", "where"];
    let mut sheet = Sheet::new("steps", &columns);
    for (at, it) in life.presentations.iter().enumerate() {
        for step in steps::steps(life, it) {
            sheet.row(vec![
                json!(at + 1),
                json!(it.acquirer),
                json!(it.file),
                json!(it.line),
                json!(step.cycle),
                json!(step.step),
                json!(step.what),
                json!(step.place),
            ]);
        }
    }
    sheet
}
