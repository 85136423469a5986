//! `cityunion adapter status`: how far each file is.

use std::{io, path::PathBuf, process::ExitCode};

use anyhow::{Context, Result, bail};
use city_adapter::inbox::{
    InboxError, look,
    status::{FileStatus, Status},
};
use serde_json::{Map, Value, json};

use super::load;
use crate::output::{Format, Sheet, print, say, thousands};

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
    headlines(&status).iter().for_each(|line| say(args.output, line));
    print(args.output, &Map::new(), &sheets(&status, args.output)).context("print the status")?;
    Ok(ExitCode::SUCCESS)
}

fn headlines(status: &Status) -> Vec<String> {
    let runs = match (status.running, status.ready) {
        (true, true) if status.troubles.is_empty() => "running, all is well",
        (true, true) => "running, but not with every file",
        (true, false) => "running, not all is well",
        (false, _) => "not running; this is what its journal says",
    };
    let mut lines = vec![format!("{}: {runs} ({})", status.city, status.at)];
    if let Some(date) = status.business_date {
        lines.push(format!("open business date: {date}"));
    }
    if let Some(since) = &status.log_away_since {
        lines.push(format!("the log has been away since {since}"));
    }
    let bytes = |bytes: u64| thousands(&bytes.to_string());
    let (waiting, max) = (bytes(status.journal_bytes), bytes(status.journal_bytes_max));
    lines.push(format!("journal: {waiting} of at most {max} bytes wait for the log"));
    if status.refused_bytes > 0 {
        lines.push(format!("no room for {} bytes more: they stay in the inbox", bytes(status.refused_bytes)));
    }
    let (accepted, archived) = (status.files_accepted, status.files_archived);
    lines.push(format!("files: {accepted} accepted, {archived} of them archived"));
    lines
}

/// The tables; what is wrong comes first, and as CSV the files alone.
fn sheets(status: &Status, format: Format) -> Vec<Sheet> {
    let mut files = Sheet::new(
        "files",
        &["file", "way", "bytes", "lines", "quarantined", "batches", "published", "results", "final", "note"],
    );
    status.files.iter().for_each(|file| files.row(row(file)));
    if format == Format::Csv {
        return vec![files];
    }
    let mut troubles = Sheet::new("troubles", &["what", "since", "why"]);
    for trouble in &status.troubles {
        troubles.row(vec![json!(trouble.what), json!(trouble.since), json!(trouble.why)]);
    }
    vec![troubles, files]
}

fn row(file: &FileStatus) -> Vec<Value> {
    let batches = match file.first_batch {
        0 => String::new(),
        first => format!("{first}–{}", file.last_batch),
    };
    let published = match file.published_batch {
        0 => String::new(),
        batch => format!("to batch {batch}"),
    };
    let mut note = file.note.clone();
    if file.bytes_copied < file.bytes && file.bytes_copied > 0 {
        note = format!("{} bytes copied", file.bytes_copied);
    }
    if file.again > 0 {
        note = format!("{note}{}sent again {} times", if note.is_empty() { "" } else { "; " }, file.again);
    }
    vec![
        json!(file.path),
        json!(file.way.word()),
        json!(file.bytes),
        json!(file.lines),
        json!(file.quarantined),
        json!(batches),
        json!(published),
        json!(format!("{} of {}", file.results, file.presented)),
        json!(file.results_final),
        json!(note),
    ]
}
