//! `cityunion adapter requeue`: a corrected quarantine file becomes an upload of its own.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, bail};
use city_adapter::{
    acquirer::{Judged, judge},
    ingest::is_upload,
    mapping::{Counts, Mapping},
    quarantine::{Correction, HEADER_COLUMN, QUARANTINE_HEADER, Script, TRAILER_COLUMN},
};
use serde_json::{Value, json};

use super::{Config, load};
use crate::{
    errors::Usage,
    output::{Format, Sheet, print, say},
};

/// Arguments of `adapter requeue`.
#[derive(clap::Args, Debug)]
pub struct RequeueArgs {
    /// The quarantine file with its `raw` column corrected; rows that shall not be sent taken out
    file: PathBuf,
    /// The adapter's configuration: the new upload goes into its inbox
    #[arg(long)]
    config: PathBuf,
    /// Write the upload to this file instead
    #[arg(long)]
    out: Option<PathBuf>,
    /// Send it although some rows are still malformed (they are quarantined again) or come to no tap
    #[arg(long)]
    even_if_malformed: bool,
    /// How to print what became of it
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

pub fn run(args: &RequeueArgs) -> Result<ExitCode> {
    let config = load(&args.config)?;
    let of = args.file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    // What the ingest has made is of the contract's layout, whatever the city's files are.
    let mapping = if is_upload(of) { None } else { config.mapping()? };
    let mapping = mapping.as_ref();
    let shown = args.file.display();
    if mapping.is_some_and(Mapping::counts_rows) {
        bail!(
            "{shown} is not sent: the mapping counts a terminal's rows for terminal_seq (derive = \"count\"), so \
             these rows alone would take the numbers of others; mend the lines in the city's own file"
        );
    }
    let correction = read(&args.file, mapping.map_or(Script::UTF_8, Mapping::script))?;
    let keep = || {
        format!(
            "use {shown}: the rows `{HEADER_COLUMN}` and `{TRAILER_COLUMN}` must stay and be right for the others"
        )
    };
    let bytes = correction.upload(mapping).with_context(keep)?;
    let judged = judge(&bytes, config.city, mapping).with_context(keep)?;
    let bad = still_bad(&correction, &judged);
    let lost = correction.lines().saturating_sub(judged.lines + judged.counts.pairs);
    if !args.even_if_malformed {
        if !bad.rows.is_empty() {
            print(args.output, &serde_json::Map::new(), &[bad])?;
            bail!(
                "{shown} is not sent: the rows above are still malformed; correct their column `raw`, take them \
                 out, or use --even-if-malformed"
            );
        }
        refuse_lost(lost, &judged).with_context(|| format!("{shown} is not sent"))?;
    }
    let to = match &args.out {
        Some(out) => out.clone(),
        None => place_in(&config, of, &bytes)?,
    };
    put(&to, &bytes).with_context(|| format!("write {}", to.display()))?;
    say(args.output, &format!("{} lines written to {}", judged.lines, to.display()));
    let facts = json!({ "file": to.display().to_string(), "lines": judged.lines });
    print(args.output, &facts.as_object().cloned().unwrap_or_default(), &[bad])?;
    Ok(ExitCode::SUCCESS)
}

/// Reads the rows of a quarantine file whose lines are in `script`.
fn read(path: &Path, script: Script) -> Result<Correction> {
    let shown = path.display();
    let wrong = |line: u64, why: &str| Usage(format!("{shown}, line {line}: {why}"));
    let bytes = fs::read(path).with_context(|| format!("read {shown}"))?;
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&bytes);
    let mut reader = csv::ReaderBuilder::new().from_reader(bytes);
    let header = reader.headers().map_err(|error| wrong(1, &error.to_string()))?;
    if header.iter().ne(QUARANTINE_HEADER.trim_end().split(',')) {
        return Err(wrong(1, &format!("no quarantine file: it begins with {QUARANTINE_HEADER}")).into());
    }
    let mut correction = Correction::default();
    for (record, number) in reader.records().zip(2..) {
        let record = record.map_err(|error| wrong(number, &error.to_string()))?;
        let line = record.position().map_or(number, csv::Position::line);
        let raw = script.read(record.get(3).unwrap_or_default());
        let raw = raw.map_err(|why| wrong(line, &format!("raw: {why}")))?;
        let column = record.get(1).unwrap_or_default();
        correction.add(line, column, raw).map_err(|why| wrong(line, &why))?;
    }
    if correction.lines() == 0 {
        return Err(wrong(2, "no rows of lines: nothing to send").into());
    }
    Ok(correction)
}

/// The rows that cannot be taken as they are.
fn still_bad(correction: &Correction, judged: &Judged) -> Sheet {
    let mut sheet = Sheet::new("still_malformed", &["row", "column", "reason"]);
    for bad in &judged.malformed {
        let row = correction.place_of(bad.line).map_or(Value::Null, |line| json!(line));
        sheet.row(vec![row, json!(bad.column), json!(bad.reason)]);
    }
    sheet
}

/// Fails if mended rows would come to nothing.
fn refuse_lost(lost: u64, judged: &Judged) -> Result<()> {
    if lost == 0 {
        return Ok(());
    }
    let Counts { dropped, no_exit, no_entry, .. } = judged.counts;
    bail!(
        "{lost} of its rows would come to no tap (the mapping's filters leave out {dropped}; entries without exit: \
         {no_exit}, exits without entry: {no_entry}). Take them out, put the other half of the trip beside them as a row \
         of its own (the archived upload has its line), or use --even-if-malformed"
    )
}

/// Its place in the inbox. The name says what it holds, so the same correction sent twice is taken once.
fn place_in(config: &Config, of: &str, bytes: &[u8]) -> Result<PathBuf> {
    let stem = of.strip_suffix(".csv").unwrap_or(of);
    let digest = proto::digest::bytes(bytes);
    let digest: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    let to = config.inbox_dir.join(format!("{stem}.corrected-{digest}.csv"));
    match to.try_exists() {
        Ok(true) => bail!("{} stands there already: this correction was sent before", to.display()),
        _ => Ok(to),
    }
}

/// Writes a file beside its place and puts it there whole.
fn put(to: &Path, bytes: &[u8]) -> Result<()> {
    let name = to.file_name().and_then(|name| name.to_str()).context("the name of the file is not UTF-8")?;
    let beside = to.with_file_name(format!(".{name}.tmp"));
    let mut file = File::create(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(fs::rename(beside, to)?)
}
