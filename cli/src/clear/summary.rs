//! What a run says at its end.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

use anyhow::{Context, Result};
use city_adapter::journal::Summary;
use serde_json::{Map, Value, json};

use crate::{
    args::Clear,
    house::House,
    output::{Sheet, print, say, thousands},
};

/// How many of the largest positions are shown.
const TOP: usize = 10;

/// What a run did.
pub struct Run {
    started: Instant,
    /// Sums over the files taken now.
    pub taken: Option<Summary>,
    /// Tap files that were refused whole.
    pub refused: usize,
    /// Tap files that could not be read; they may be tried again.
    pub unreadable: usize,
    /// Tap files that wait for a later business date.
    pub waiting: usize,
    /// Folders of the cycles closed now.
    pub closed: Vec<String>,
    nothing_new: Option<String>,
    alarms: Vec<String>,
    results: Vec<Sheet>,
}

impl Run {
    /// A run that began at `started`.
    #[must_use]
    pub fn new(started: Instant) -> Self {
        Self {
            started,
            taken: None,
            refused: 0,
            unreadable: 0,
            waiting: 0,
            closed: Vec::new(),
            nothing_new: None,
            alarms: Vec::new(),
            results: Vec::new(),
        }
    }

    /// Nothing was to be done.
    pub fn nothing_new(&mut self, text: String) {
        self.nothing_new = Some(text);
    }

    /// Gathers what is shown.
    ///
    /// # Errors
    /// If a closed folder cannot be read.
    pub fn finish(&mut self, house: &House, out: &Path) -> Result<()> {
        self.alarms = house.node.status().alarms;
        for folder in &self.closed {
            self.results.push(by_result(&out.join(folder), folder)?);
            self.results.push(top_positions(&out.join(folder), folder)?);
        }
        Ok(())
    }

    /// Prints it.
    ///
    /// # Errors
    /// If standard output cannot be written.
    pub fn print(&self, args: &Clear) -> Result<ExitCode> {
        let elapsed_ms = self.started.elapsed().as_millis().max(1);
        let presented = self.taken.as_ref().map_or(0, |taken| taken.presented);
        let rate = u64::try_from(u128::from(presented) * 1000 / elapsed_ms).unwrap_or(u64::MAX);
        let folders: Vec<PathBuf> = self.closed.iter().map(|name| args.out.join(name)).collect();
        let mut facts = Map::new();
        facts.insert("cycles".to_owned(), json!(folders));
        facts.insert("alarms".to_owned(), json!(self.alarms));
        facts.insert("files_refused".to_owned(), json!(self.refused));
        facts.insert("files_unreadable".to_owned(), json!(self.unreadable));
        facts.insert("files_waiting".to_owned(), json!(self.waiting));
        facts.insert("taps_per_s".to_owned(), json!(rate));
        facts.insert("elapsed_ms".to_owned(), json!(elapsed_ms));
        facts.insert("note".to_owned(), json!(self.nothing_new));
        if let Some(taken) = &self.taken {
            facts.insert("lines".to_owned(), json!(taken.records));
            facts.insert("malformed".to_owned(), json!(taken.malformed));
            facts.insert("local".to_owned(), json!(taken.local));
            facts.insert("presented".to_owned(), json!(taken.presented));
        }
        print(args.output, &facts, &self.results)?;
        if let Some(text) = &self.nothing_new {
            say(args.output, text);
        }
        for alarm in &self.alarms {
            say(args.output, &format!("ALARM: {alarm}"));
        }
        if let Some(taken) = &self.taken {
            let number = |n: u64| thousands(&n.to_string());
            let text = format!(
                "\n{} lines: {} presented, {} local, {} malformed; {} taps/s; files: {} refused, {} unreadable, {} wait for a later date",
                number(taken.records),
                number(taken.presented),
                number(taken.local),
                number(taken.malformed),
                number(rate),
                self.refused,
                self.unreadable,
                self.waiting
            );
            say(args.output, &text);
        }
        for folder in &folders {
            say(args.output, &format!("cycle     {}", folder.display()));
        }
        say(args.output, &format!("answers   {}", args.out.join("{results,receipts}").display()));
        Ok(ExitCode::SUCCESS)
    }
}

/// Counts and amounts by result and reason, from the acquirers' files.
fn by_result(folder: &Path, name: &str) -> Result<Sheet> {
    let mut sums: BTreeMap<(String, String), (u64, u64)> = BTreeMap::new();
    let files = folder.join("acquirer");
    for entry in std::fs::read_dir(&files).with_context(|| format!("failed to list {}", files.display()))? {
        let path = entry?.path();
        let failed = || format!("failed to read {}", path.display());
        let mut reader = BufReader::with_capacity(1 << 20, File::open(&path).with_context(failed)?);
        let mut line = Vec::new();
        let mut header = true;
        while reader.read_until(b'\n', &mut line).with_context(failed)? > 0 {
            if !std::mem::take(&mut header) {
                count(&line, &mut sums);
            }
            line.clear();
        }
    }
    let mut sheet = Sheet::new(&format!("{name}_results"), &["result", "reason", "count", "amount_fen"]);
    for ((result, reason), (count, amount_fen)) in sums {
        sheet.row(vec![json!(result), json!(reason), json!(count), json!(amount_fen)]);
    }
    Ok(sheet)
}

/// Counts a row; the columns behind `file` never hold a comma.
fn count(line: &[u8], sums: &mut BTreeMap<(String, String), (u64, u64)>) {
    let mut columns = line.rsplitn(5, |b| *b == b',').skip(1);
    let mut text = || columns.next().map(String::from_utf8_lossy).unwrap_or_default().into_owned();
    let (reason, result, amount) = (text(), text(), text());
    let sum = sums.entry((result, reason)).or_default();
    sum.0 += 1;
    sum.1 += amount.parse::<u64>().unwrap_or(0);
}

/// The participants with the largest net, either way.
fn top_positions(folder: &Path, name: &str) -> Result<Sheet> {
    let path = folder.join("net.csv");
    let mut reader =
        csv::Reader::from_path(&path).with_context(|| format!("failed to read {}", path.display()))?;
    let columns = reader.headers()?.clone();
    let at = |wanted: &str| columns.iter().position(|column| column == wanted).unwrap_or(usize::MAX);
    let shown = ["participant", "receivable_fen", "payable_fen", "switch_fee_fen", "net_fen"];
    let places = shown.map(at);
    let mut rows: Vec<Vec<Value>> = Vec::new();
    for record in reader.records() {
        let record = record?;
        let text = |place: usize| record.get(place).unwrap_or_default();
        let number = |place: usize| json!(text(place).parse::<i64>().unwrap_or_default());
        let mut row = vec![json!(text(places[0]))];
        row.extend(places[1..].iter().map(|place| number(*place)));
        rows.push(row);
    }
    rows.sort_by_key(|row| {
        std::cmp::Reverse(row.last().and_then(Value::as_i64).map_or(0, i64::unsigned_abs))
    });
    rows.truncate(TOP);
    let mut sheet = Sheet::new(&format!("{name}_top_positions"), &shown);
    sheet.rows = rows;
    Ok(sheet)
}
