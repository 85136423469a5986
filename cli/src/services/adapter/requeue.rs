//! `cityunion adapter requeue`: a corrected quarantine file becomes an upload of its own.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, bail};
use city_adapter::acquirer::{HEADER_COLUMN, Judged, QUARANTINE_HEADER, judge, raw_bytes};
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
    /// Send it although some rows are still malformed: they are quarantined again
    #[arg(long)]
    even_if_malformed: bool,
    /// How to print what became of it
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

pub fn run(args: &RequeueArgs) -> Result<ExitCode> {
    let config = load(&args.config)?;
    let upload = Upload::read(&args.file)?;
    let judged = judge(&upload.bytes, config.city, config.mapping()?.as_ref()).with_context(|| {
        format!("use {}: the row `{HEADER_COLUMN}` must stay as it is", args.file.display())
    })?;
    let bad = upload.still_bad(&judged);
    if !bad.rows.is_empty() && !args.even_if_malformed {
        print(args.output, &serde_json::Map::new(), &[bad])?;
        bail!(
            "{} is not sent: the rows above are still malformed; correct their column `raw`, take them out, or \
             use --even-if-malformed",
            args.file.display()
        );
    }
    let to = match &args.out {
        Some(out) => out.clone(),
        None => upload.place_in(&config)?,
    };
    put(&to, &upload.bytes).with_context(|| format!("write {}", to.display()))?;
    say(args.output, &format!("{} lines written to {}", judged.lines, to.display()));
    let facts = json!({ "file": to.display().to_string(), "lines": judged.lines });
    print(args.output, &facts.as_object().cloned().unwrap_or_default(), &[bad])?;
    Ok(ExitCode::SUCCESS)
}

/// An upload made of a quarantine file.
struct Upload {
    /// Name of the upload that the lines came from.
    of: String,
    bytes: Vec<u8>,
    /// The row of the quarantine file behind each line of the upload, by line.
    rows: BTreeMap<u64, u64>,
}

impl Upload {
    fn read(path: &Path) -> Result<Self> {
        let shown = path.display();
        let wrong = |line: u64, why: &str| Usage(format!("{shown}, line {line}: {why}"));
        let bytes = fs::read(path).with_context(|| format!("read {shown}"))?;
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&bytes);
        let mut reader = csv::ReaderBuilder::new().from_reader(bytes);
        let header = reader.headers().map_err(|error| wrong(1, &error.to_string()))?;
        if header.iter().ne(QUARANTINE_HEADER.trim_end().split(',')) {
            return Err(wrong(1, &format!("no quarantine file: it begins with {QUARANTINE_HEADER}")).into());
        }
        let of = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        let mut upload = Self { of, bytes: Vec::new(), rows: BTreeMap::new() };
        let mut lines = 0;
        for (record, number) in reader.records().zip(2..) {
            let record = record.map_err(|error| wrong(number, &error.to_string()))?;
            let line = record.position().map_or(number, csv::Position::line);
            let raw = raw_bytes(record.get(3).unwrap_or_default());
            let raw = raw.map_err(|why| wrong(line, &format!("raw: {why}")))?;
            upload.bytes.extend_from_slice(&raw);
            upload.bytes.push(b'\n');
            lines += 1;
            upload.rows.insert(lines, line);
        }
        if lines == 0 {
            return Err(wrong(2, "no rows: nothing to send").into());
        }
        Ok(upload)
    }

    /// The rows that cannot be taken as they are.
    fn still_bad(&self, judged: &Judged) -> Sheet {
        let mut sheet = Sheet::new("still_malformed", &["row", "column", "reason"]);
        for bad in &judged.malformed {
            let row = self.rows.get(&bad.line.into()).map_or(Value::Null, |line| json!(line));
            sheet.row(vec![row, json!(bad.column), json!(bad.reason)]);
        }
        sheet
    }

    /// Its place in the inbox. The name says what it holds, so the same correction sent twice is taken once.
    fn place_in(&self, config: &Config) -> Result<PathBuf> {
        let stem = self.of.strip_suffix(".csv").unwrap_or(&self.of);
        let digest = proto::digest::bytes(&self.bytes);
        let digest: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        let to = config.inbox_dir.join(format!("{stem}.corrected-{digest}.csv"));
        match to.try_exists() {
            Ok(true) => bail!("{} stands there already: this correction was sent before", to.display()),
            _ => Ok(to),
        }
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
