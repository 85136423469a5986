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
    output::{Format, Sheet, print, rows_as_objects, say, thousands},
};

/// How many of the largest positions are shown.
const TOP: usize = 10;

/// Columns of the results.
const RESULT_COLUMNS: [&str; 4] = ["result", "reason", "count", "amount_fen"];
/// Columns of `net.csv` behind its cycle.
const NET_COLUMNS: [&str; 8] = [
    "participant",
    "receivable_fen",
    "payable_fen",
    "interchange_receivable_fen",
    "interchange_payable_fen",
    "switch_fee_fen",
    "adjustment_fen",
    "net_fen",
];
/// The same for people.
const SHOWN_COLUMNS: [&str; 8] = [
    "participant",
    "receives_fen",
    "pays_fen",
    "interchange_in_fen",
    "interchange_out_fen",
    "switch_fee_fen",
    "adjustment_fen",
    "net_fen",
];

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
    cycles: Vec<CycleTables>,
}

/// What came of a cycle.
struct CycleTables {
    folder: String,
    results: Sheet,
    positions: Sheet,
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
            cycles: Vec::new(),
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
            let path = out.join(folder);
            let (results, positions) = (by_result(&path)?, positions(&path)?);
            self.cycles.push(CycleTables { folder: folder.clone(), results, positions });
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
        let taken = |of: fn(&Summary) -> u64| json!(self.taken.as_ref().map_or(0, of));
        let facts = [
            ("cycles", json!(self.cycles.iter().map(|it| it.object(&args.out)).collect::<Vec<_>>())),
            ("alarms", json!(self.alarms)),
            ("files_refused", json!(self.refused)),
            ("files_unreadable", json!(self.unreadable)),
            ("files_waiting", json!(self.waiting)),
            ("lines", taken(|taken| taken.records)),
            ("malformed", taken(|taken| taken.malformed)),
            ("local", taken(|taken| taken.local)),
            ("presented", taken(|taken| taken.presented)),
            ("taps_per_s", json!(rate)),
            ("elapsed_ms", json!(elapsed_ms)),
            ("note", json!(self.nothing_new)),
        ];
        let facts: Map<String, Value> =
            facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        print(args.output, &facts, &self.sheets(args.output))?;
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

    /// The tables: for people each cycle's own, as CSV one for all cycles, in JSON none beside the facts.
    fn sheets(&self, format: Format) -> Vec<Sheet> {
        match format {
            Format::Json => Vec::new(),
            Format::Csv => {
                let results = self.cycles.iter().map(|it| (&it.folder, &it.results));
                let positions = self.cycles.iter().map(|it| (&it.folder, &it.positions));
                vec![
                    of_all("results", &RESULT_COLUMNS, results),
                    of_all("positions", &NET_COLUMNS, positions),
                ]
            }
            Format::Table => self.cycles.iter().flat_map(CycleTables::for_people).collect(),
        }
    }
}

impl CycleTables {
    fn object(&self, out: &Path) -> Value {
        json!({
            "cycle": self.folder,
            "folder": out.join(&self.folder),
            "results": rows_as_objects(&self.results),
            "positions": rows_as_objects(&self.positions),
        })
    }

    fn for_people(&self) -> [Sheet; 2] {
        let mut results = self.results.clone();
        results.title = format!("{} results", self.folder);
        [results, top_positions(&self.positions, &self.folder)]
    }
}

/// The tables of all cycles under one header, with the cycle in front.
fn of_all<'a>(
    title: &str,
    columns: &[&'static str],
    tables: impl Iterator<Item = (&'a String, &'a Sheet)>,
) -> Sheet {
    let mut sheet = Sheet::new(title, &[&["cycle"], columns].concat());
    for (cycle, table) in tables {
        for row in &table.rows {
            sheet.row([json!(cycle)].into_iter().chain(row.iter().cloned()).collect());
        }
    }
    sheet
}

/// Counts and amounts by result and reason, from the acquirers' files.
fn by_result(folder: &Path) -> Result<Sheet> {
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
    let mut sheet = Sheet::new("results", &RESULT_COLUMNS);
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

/// Every row of `net.csv`, under its own names.
fn positions(folder: &Path) -> Result<Sheet> {
    let path = folder.join("net.csv");
    let failed = || format!("failed to read {}", path.display());
    let mut reader = csv::Reader::from_path(&path).with_context(failed)?;
    let columns = reader.headers().with_context(failed)?.clone();
    let places = NET_COLUMNS.map(|wanted| columns.iter().position(|column| column == wanted));
    let mut sheet = Sheet::new("positions", &NET_COLUMNS);
    for record in reader.records() {
        let record = record.with_context(failed)?;
        let mut texts = places.iter().map(|place| place.and_then(|at| record.get(at)).unwrap_or_default());
        let participant = json!(texts.next().unwrap_or_default());
        let figures = texts.map(|text| json!(text.parse::<i64>().unwrap_or_default()));
        sheet.row([participant].into_iter().chain(figures).collect());
    }
    Ok(sheet)
}

/// The participants with the largest net, either way, in few words; signs are those of `net.csv`.
fn top_positions(positions: &Sheet, name: &str) -> Sheet {
    let mut rows = positions.rows.clone();
    rows.sort_by_key(|row| {
        std::cmp::Reverse(row.last().and_then(Value::as_i64).map_or(0, i64::unsigned_abs))
    });
    rows.truncate(TOP);
    let title = match (rows.len(), positions.rows.len()) {
        (shown, all) if shown < all => format!("{name} net by participant: {shown} of {all}"),
        _ => format!("{name} net by participant"),
    };
    let mut sheet = Sheet::new(&title, &SHOWN_COLUMNS);
    sheet.rows = rows;
    sheet.drop_if_zero("adjustment_fen");
    sheet
}
