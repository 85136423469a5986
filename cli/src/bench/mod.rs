//! `bench`: measures reading, the book, a restart, a close, the whole way and memory.

mod book;
mod close;
mod peers;
mod reading;
mod restart;
mod scene;
mod whole;

use std::{fs, path::Path, process::ExitCode};

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};

use crate::{
    args::{Bench, BenchPart},
    output::{Sheet, print, say},
};

/// Runs the command.
///
/// # Errors
/// If a part cannot run.
pub fn run(args: &Bench) -> Result<ExitCode> {
    let scratch = args
        .dir
        .clone()
        .unwrap_or_else(|| std::env::temp_dir().join(format!("cityunion-bench-{}", std::process::id())));
    fs::create_dir_all(&scratch).with_context(|| format!("failed to make {}", scratch.display()))?;
    let measured = measure(args, &scratch);
    fs::remove_dir_all(&scratch).with_context(|| format!("failed to remove {}", scratch.display()))?;
    let figures = measured?;
    let mut sheet = Sheet::new("benchmark", &["figure", "value"]);
    for (name, value) in &figures {
        sheet.row(vec![json!(name), value.clone()]);
    }
    let facts = [("machine".to_owned(), json!(machine()))].into_iter().collect();
    say(args.output, &machine());
    print(args.output, &facts, &[sheet])?;
    if let Some(folder) = args.json.parent() {
        fs::create_dir_all(folder).with_context(|| format!("failed to make {}", folder.display()))?;
    }
    fs::write(&args.json, serde_json::to_string_pretty(&figures)? + "\n")
        .with_context(|| format!("failed to write {}", args.json.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// Measures a part and notes its figures.
type Measure = fn(&Bench, &Path, &mut Map<String, Value>) -> Result<()>;

/// The parts in the order in which they run, each with what measures it.
const PARTS: &[(BenchPart, Measure)] = &[
    (BenchPart::Read, read),
    (BenchPart::Book, book),
    (BenchPart::Restart, restart),
    (BenchPart::Close, close),
    (BenchPart::Peers, peers),
    (BenchPart::Clear, clear),
];

fn measure(args: &Bench, scratch: &Path) -> Result<Map<String, Value>> {
    let mut figures = Map::new();
    for (part, run) in PARTS {
        if args.only.is_empty() || args.only.contains(part) {
            run(args, scratch, &mut figures)?;
        }
    }
    Ok(figures)
}

/// The book alone.
fn book(args: &Bench, scratch: &Path, figures: &mut Map<String, Value>) -> Result<()> {
    let folder = scratch.join("book");
    say(args.output, &format!("the book alone, {} taps, {} runs", args.book_taps, args.runs));
    let prepared = book::prepare(&folder, args.book_taps)?;
    let mut runs = Vec::new();
    for run in 0..args.runs.max(1) {
        let place = folder.join(format!("run-{run}"));
        runs.push(book::run(&prepared, &place)?);
        fs::remove_dir_all(&place)?;
    }
    drop(prepared);
    fs::remove_dir_all(&folder)?;
    figures.insert("book_taps_per_s".to_owned(), json!(median(runs.iter().map(|run| run.taps_per_s))));
    figures.insert(
        "bytes_per_identity".to_owned(),
        json!(median(runs.iter().map(|run| run.bytes_per_identity))),
    );
    Ok(())
}

/// A start with many remembered identities.
fn restart(args: &Bench, scratch: &Path, figures: &mut Map<String, Value>) -> Result<()> {
    let folder = scratch.join("restart");
    say(args.output, &format!("a restart, {} identities, {} runs", args.restart_identities, args.runs));
    let runs = restart::run(&folder, args.restart_identities, args.runs.max(1))?;
    fs::remove_dir_all(&folder)?;
    figures.insert("restart_100m_s".to_owned(), thousandths(median(runs.into_iter()))?);
    Ok(())
}

/// The close of a large cycle.
fn close(args: &Bench, scratch: &Path, figures: &mut Map<String, Value>) -> Result<()> {
    let folder = scratch.join("close");
    say(args.output, &format!("the close of a cycle of {} taps, {} runs", args.close_taps, args.runs));
    let mut runs = Vec::new();
    for _ in 0..args.runs.max(1) {
        let measured = close::run(&folder, args.close_taps)?;
        fs::remove_dir_all(&folder)?;
        let of = |name: &str, latencies: &[u64]| {
            let [p50, p90, p99] = [50, 90, 99].map(|percent| close::percentile(latencies, percent));
            let batches = latencies.len();
            say(
                args.output,
                &format!("{name} a close: {batches} batches, p50 {p50} us, p90 {p90} us, p99 {p99} us"),
            );
        };
        of("during", &measured.inside_us);
        of("outside", &measured.outside_us);
        runs.push(measured);
    }
    figures.insert("close_ms".to_owned(), thousandths(median(runs.iter().map(|run| run.close_us)))?);
    let ratio = median(runs.iter().map(close::Measured::ratio_percent));
    figures.insert("close_latency_ratio".to_owned(), hundredths(ratio)?);
    Ok(())
}

/// The book and its peer on one broker.
fn peers(args: &Bench, scratch: &Path, figures: &mut Map<String, Value>) -> Result<()> {
    let Some(folder) = &args.peers else {
        if args.only.contains(&BenchPart::Peers) {
            bail!("name the folder of the peers with --peers, such as tests/peers");
        }
        return Ok(());
    };
    say(args.output, &format!("the book and Kafka Streams, {} taps, {} runs", args.book_taps, args.runs));
    figures.extend(peers::run(folder, &scratch.join("peers"), args.book_taps, args.runs.max(1))?);
    Ok(())
}

/// The whole way.
fn clear(args: &Bench, scratch: &Path, figures: &mut Map<String, Value>) -> Result<()> {
    say(args.output, &format!("the whole way, {} taps, {} runs", args.clear_taps, args.runs));
    let runs = whole::run(&scratch.join("whole"), args.clear_taps, args.runs.max(1))?;
    figures.insert("clear_taps_per_s".to_owned(), json!(median(runs.iter().map(|run| run.taps_per_s))));
    let cpu_ms = median(runs.iter().map(|run| run.cpu_ms_per_million));
    figures.insert("clear_cpu_s_per_million".to_owned(), thousandths(cpu_ms)?);
    Ok(())
}

/// A number of thousandths as a decimal number.
fn thousandths(count: u64) -> Result<Value> {
    Ok(json!(format!("{}.{:03}", count / 1000, count % 1000).parse::<f64>()?))
}

/// A number of hundredths as a decimal number.
fn hundredths(count: u64) -> Result<Value> {
    Ok(json!(format!("{}.{:02}", count / 100, count % 100).parse::<f64>()?))
}

/// How fast lines are read, and how that compares with splitting them only.
fn read(args: &Bench, _: &Path, figures: &mut Map<String, Value>) -> Result<()> {
    say(args.output, &format!("reading alone, {} lines, {} runs", args.lines, args.runs));
    let prepared = reading::prepare(args.lines);
    let runs = (0..args.runs.max(1)).map(|_| reading::run(&prepared)).collect::<Result<Vec<_>>>()?;
    let of = |figure: fn(&reading::Measured) -> u64| median(runs.iter().map(figure));
    let (canonical, csv) = (of(|run| run.canonical), of(|run| run.csv));
    let percent = u128::from(canonical) * 100 / u128::from(csv.max(1));
    figures.insert("parse_lines_per_s".to_owned(), json!(canonical));
    figures.insert("parse_percent_of_csv_crate".to_owned(), json!(u64::try_from(percent)?));
    figures.insert("mapped_lines_per_s".to_owned(), json!(of(|run| run.mapped)));
    figures.insert("mapped_fixed_gbk_lines_per_s".to_owned(), json!(of(|run| run.mapped_fixed)));
    Ok(())
}

fn median(values: impl Iterator<Item = u64>) -> u64 {
    let mut values: Vec<u64> = values.collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or(0)
}

/// The machine in one line.
fn machine() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or(": unknown");
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let memory = memory.lines().next().and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let model = model.trim_start_matches([':', ' ', '\t']);
    format!("\n{cores} cores of {model}, {} GiB memory", memory.unwrap_or(0) / (1 << 20))
}
