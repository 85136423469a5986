//! `cityunion adapter status`: how far each file is.

use std::{
    io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, bail};
use city_adapter::inbox::{
    InboxError, look,
    status::{FileStatus, Status},
};
use indicatif::BinaryBytes;
use serde_json::{Map, Value, json};

use super::load;
use crate::output::{Format, Sheet, print, say};

/// The figures of a file, under their names in JSON.
const FIGURES: [&str; 15] = [
    "name",
    "path",
    "way",
    "bytes",
    "bytes_copied",
    "lines",
    "quarantined",
    "first_batch",
    "last_batch",
    "published_batch",
    "presented",
    "results",
    "results_final",
    "again",
    "note",
];

/// Arguments of `adapter status`.
#[derive(clap::Args, Debug)]
pub struct StatusArgs {
    /// The adapter's configuration
    #[arg(long)]
    config: PathBuf,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

pub fn run(args: &StatusArgs) -> Result<ExitCode> {
    let config = load(&args.config)?;
    let status = match look(&config.state_dir, config.city, config.journal_bytes_max()) {
        Ok(status) => status,
        Err(InboxError::Folder { source, .. }) if source.kind() == io::ErrorKind::NotFound => bail!(
            "no adapter has run with state_dir {} yet; start one with `cityunion adapter run --config {}`",
            config.state_dir.display(),
            args.config.display()
        ),
        Err(error) => return Err(error.into()),
    };
    if args.output == Format::Json {
        // As it is, so that programs find every figure.
        let Value::Object(facts) = serde_json::to_value(&status)? else { bail!("the status is no object") };
        print(Format::Json, &facts, &[])?;
        return Ok(ExitCode::SUCCESS);
    }
    if args.output == Format::Csv {
        print(Format::Csv, &Map::new(), &[every_figure(&status)?])?;
        return Ok(ExitCode::SUCCESS);
    }
    headlines(&status).iter().for_each(|line| say(args.output, line));
    let quarantine = config.quarantine_dir();
    print(args.output, &Map::new(), &for_people(&status, &quarantine)).context("print the status")?;
    Ok(ExitCode::SUCCESS)
}

fn headlines(status: &Status) -> Vec<String> {
    let runs = match (status.running, status.ready) {
        (true, true) if status.troubles.is_empty() => "running, and at work",
        (true, true) => "running, but not with every file",
        (true, false) => "running, but kept from its work",
        (false, _) => "not running; this is what its journal says",
    };
    let mut lines = vec![format!("{}: {runs} ({} UTC+8)", status.city, status.at)];
    if let Some(date) = status.business_date {
        lines.push(format!("open business date: {date}"));
    }
    if let Some(since) = &status.log_away_since {
        lines.push(format!("the log has been away since {since} UTC+8"));
    }
    let (waiting, max) = (BinaryBytes(status.journal_bytes), BinaryBytes(status.journal_bytes_max));
    lines.push(format!("journal: {waiting} of at most {max} wait for the log"));
    if status.refused_bytes > 0 {
        let more = BinaryBytes(status.refused_bytes);
        lines.push(format!("no room for {more} more: they stay in the inbox"));
    }
    let (accepted, refused, archived) = (status.files_accepted, status.files_refused, status.files_archived);
    lines.push(format!("files: {accepted} accepted, {refused} refused; {archived} of them archived"));
    lines
}

/// One row a file with the names and figures of the JSON document.
fn every_figure(status: &Status) -> Result<Sheet> {
    let mut sheet = Sheet::new("files", &FIGURES);
    for file in &status.files {
        let file = serde_json::to_value(file)?;
        sheet.row(FIGURES.iter().map(|name| file.get(name).cloned().unwrap_or_default()).collect());
    }
    Ok(sheet)
}

/// The tables; what is wrong comes first.
fn for_people(status: &Status, quarantine: &Path) -> [Sheet; 2] {
    let mut troubles = Sheet::new("troubles", &["what", "since (UTC+8)", "why"]);
    troubles.below = vec!["why"];
    for trouble in &status.troubles {
        troubles.row(vec![json!(trouble.what), json!(trouble.since), json!(trouble.why)]);
    }
    let mut files =
        Sheet::new("files", &["file", "way", "size", "lines", "quarantined", "batches", "results", "note"]);
    files.below = vec!["note"];
    status.files.iter().for_each(|file| files.row(row(file, quarantine)));
    files.drop_if_zero("quarantined");
    [troubles, files]
}

fn row(file: &FileStatus, quarantine: &Path) -> Vec<Value> {
    let batches = match (file.first_batch, file.last_batch) {
        (0, _) => String::new(),
        (first, last) if first == last => first.to_string(),
        (first, last) => format!("{first}–{last}"),
    };
    let published = file.published_batch;
    let batches =
        if published < file.last_batch { format!("{batches}, on the log to {published}") } else { batches };
    let mut results = format!("{} of {}", file.results, file.presented);
    if file.results_final < file.results {
        results.push_str(&format!(", {} final", file.results_final));
    }
    vec![
        json!(file.path),
        json!(file.way.word()),
        json!(BinaryBytes(file.bytes).to_string()),
        json!(file.lines),
        json!(file.quarantined),
        json!(batches),
        json!(results),
        json!(note(file, quarantine)),
    ]
}

fn note(file: &FileStatus, quarantine: &Path) -> String {
    let mut notes = Vec::new();
    if file.bytes_copied < file.bytes && file.bytes_copied > 0 {
        notes.push(format!("{} copied", BinaryBytes(file.bytes_copied)));
    } else if !file.note.is_empty() {
        notes.push(file.note.clone());
    }
    if file.quarantined > 0 {
        notes.push(format!("malformed lines are in {}", quarantine.join(&file.name).display()));
    }
    if file.again > 0 {
        notes.push(format!("sent again {} times", file.again));
    }
    notes.join("; ")
}
