//! `reconcile`: three sides of a closed cycle, by pair of cities and where they differ by record.

mod own;

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result};
use clap::Args;
use domain::cycle::CycleName;
use files::reconcile::{Pair, Reconciled, Sides, Sum, explained, reconcile};
use serde_json::{Map, Value, json};

use self::own::Own;
use crate::{
    agree,
    errors::Refused,
    output::{Format, Sheet, print, say},
};

/// Exit code when a difference was found.
const DIFFERENT: u8 = 4;
/// Columns of the table of pairs.
const PAIR_COLUMNS: [&str; 16] = [
    "acquirer",
    "issuer",
    "agrees",
    "answered_count",
    "answered_fen",
    "booked_count",
    "booked_fen",
    "taken_count",
    "taken_fen",
    "paid_count",
    "paid_fen",
    "accepted_count",
    "accepted_fen",
    "disputes_fen",
    "refunds_fen",
    "cleared_fen",
];
/// Columns that people see.
const SHOWN_COLUMNS: [&str; 9] = [
    "acquirer",
    "issuer",
    "agrees",
    "count",
    "booked_fen",
    "answered_fen",
    "accepted_fen",
    "disputes_and_refunds_fen",
    "cleared_fen",
];

/// Arguments of `reconcile`.
#[derive(Args, Debug)]
#[command(after_help = "\
The sides are: the answers in OUT/results/<acquirer>/, positions and detail in the cycle's folder, and what the home
cities accepted by their own records in OUT/.state/accepted/. A side that is not here is left out and shown as empty.
What the cycle took and does not pay is told with its reason and is no difference.

Exit codes: 0 all sides say the same, 1 failed, 3 no such cycle, 4 they differ.")]
pub struct Reconcile {
    /// OUT of `clear`, or a folder with closed cycles and, beside them, results/
    out: PathBuf,
    /// The cycle, such as 2018-09-01-001
    #[arg(long)]
    cycle: CycleName,
    /// Folder with the answers, one folder for each acquirer [default: OUT/results]
    #[arg(long, value_name = "FOLDER")]
    results: Option<PathBuf>,
    /// State of an adapter, in which the home city's own records are; may be repeated [default: OUT/.state]
    #[arg(long, value_name = "STATE_DIR")]
    state: Vec<PathBuf>,
    /// Write the tables to a CSV file too
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Differences and records that are listed; all are counted
    #[arg(long, default_value_t = 100)]
    list: usize,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// Runs the command.
///
/// # Errors
/// What failed, with what to do next.
pub fn run(args: &Reconcile) -> Result<ExitCode> {
    let folder = agree::newest(&args.out, args.cycle).ok_or_else(|| {
        let (cycle, out) = (args.cycle, args.out.display());
        Refused(format!("{cycle} is not in {out}: name the folder in which closed cycles are"))
    })?;
    let work = tempfile::tempdir().context("failed to make a temporary folder")?;
    let sides = Sides {
        folder,
        results: args.results.clone().unwrap_or_else(|| args.out.join("results")),
        others: others(&args.out, args.cycle)?,
        work_dir: work.path().to_owned(),
    };
    let states = if args.state.is_empty() { vec![args.out.join(".state")] } else { args.state.clone() };
    let mut own = Own { states, cycle: args.cycle };
    let found = reconcile(&sides, args.cycle, &mut own, args.list).context("failed to reconcile")?;
    let sheets = [pairs(&found), unpaid(&found), findings(&found)];
    if let Some(path) = &args.csv {
        write(path, &sheets).with_context(|| format!("failed to write {}", path.display()))?;
    }
    show(args, &found, sheets)
}

/// The newest versions of the other closed cycles.
fn others(out: &Path, cycle: CycleName) -> Result<Vec<PathBuf>> {
    let mut names = Vec::new();
    for entry in out.read_dir().with_context(|| format!("failed to read {}", out.display()))? {
        let name = entry.with_context(|| format!("failed to read {}", out.display()))?.file_name();
        names.extend(name.to_str().and_then(|name| name.parse::<CycleName>().ok()));
    }
    names.sort_unstable();
    let others = names.into_iter().filter(|name| *name != cycle);
    Ok(others.filter_map(|name| agree::newest(out, name)).collect())
}

fn pairs(found: &Reconciled) -> Sheet {
    let mut sheet = Sheet::new("pairs", &PAIR_COLUMNS);
    for ((acquirer, issuer), pair) in &found.pairs {
        let mut row = vec![json!(acquirer), json!(issuer), json!(pair.agrees())];
        let sides = [pair.answered, Some(pair.booked), Some(pair.taken), Some(pair.paid), pair.accepted];
        row.extend(sides.into_iter().flat_map(figures));
        row.extend([json!(pair.disputes_fen), json!(pair.refunds_fen), cleared(pair)]);
        sheet.row(row);
    }
    sheet
}

fn figures(side: Option<Sum>) -> [Value; 2] {
    side.map_or([Value::Null, Value::Null], |sum| [json!(sum.count), json!(sum.amount_fen)])
}

fn cleared(pair: &Pair) -> Value {
    json!(i64::try_from(pair.cleared_fen()).unwrap_or(i64::MAX))
}

fn unpaid(found: &Reconciled) -> Sheet {
    let columns = ["acquirer", "issuer", "result", "reason", "count", "amount_fen", "why"];
    let mut sheet = Sheet::new("taken_and_not_paid", &columns);
    for ((acquirer, issuer, result, reason), sum) in &found.unpaid {
        sheet.row(vec![
            json!(acquirer),
            json!(issuer),
            json!(result),
            json!(reason),
            json!(sum.count),
            json!(sum.amount_fen),
            json!(explained(result, reason)),
        ]);
    }
    sheet
}

fn findings(found: &Reconciled) -> Sheet {
    let columns = ["acquirer", "issuer", "terminal", "terminal_seq", "file", "line", "what"];
    let mut sheet = Sheet::new("differences", &columns);
    for it in &found.findings {
        let (file, line) =
            it.place.as_ref().map_or((Value::Null, Value::Null), |(f, l)| (json!(f), json!(l)));
        sheet.row(vec![
            json!(it.acquirer),
            json!(it.issuer),
            json!(it.terminal),
            json!(it.terminal_seq),
            file,
            line,
            json!(it.what),
        ]);
    }
    sheet
}

/// What people see of the pairs: those that differ, or the sums of all if none does.
fn for_people(found: &Reconciled, listed_max: usize) -> Sheet {
    let mut sheet = Sheet::new("pairs", &SHOWN_COLUMNS);
    let differ = found.pairs.values().any(|pair| !pair.agrees());
    let wanted = found.pairs.iter().filter(|(_, pair)| !differ || !pair.agrees());
    for ((acquirer, issuer), pair) in wanted.take(listed_max) {
        let fen = |side: Option<Sum>| side.map_or(Value::Null, |sum| json!(sum.amount_fen));
        let moved = i128::from(pair.disputes_fen).saturating_sub(pair.refunds_fen.into());
        sheet.row(vec![
            json!(acquirer),
            json!(issuer),
            json!(if pair.agrees() { "yes" } else { "NO" }),
            json!(pair.booked.count),
            json!(pair.booked.amount_fen),
            fen(pair.answered),
            fen(pair.accepted),
            json!(i64::try_from(moved).unwrap_or(i64::MAX)),
            cleared(pair),
        ]);
    }
    sheet.drop_if_zero("disputes_and_refunds_fen");
    sheet
}

fn show(args: &Reconcile, found: &Reconciled, sheets: [Sheet; 3]) -> Result<ExitCode> {
    let mut facts = Map::new();
    facts.insert("cycle".to_owned(), json!(args.cycle.to_string()));
    facts.insert("agrees".to_owned(), json!(found.agrees()));
    facts.insert("answered_later".to_owned(), json!(found.answered_later));
    facts.insert("differences_total".to_owned(), json!(found.findings_total));
    if args.output == Format::Table {
        let [_, unpaid, _] = sheets;
        print(args.output, &facts, &[for_people(found, args.list), unpaid])?;
    } else {
        print(args.output, &facts, &sheets)?;
    }
    let shown = found.findings.iter().map(|it| format!("  {it}"));
    shown.for_each(|text| say(args.output, &text));
    let listed = u64::try_from(found.findings.len()).unwrap_or(u64::MAX);
    if listed < found.findings_total {
        say(args.output, &format!("  and {} more", found.findings_total.saturating_sub(listed)));
    }
    let pairs = found.pairs.len();
    if found.agrees() {
        say(args.output, &format!("\n{}: all sides say the same of {pairs} pairs of cities", args.cycle));
        return Ok(ExitCode::SUCCESS);
    }
    let differ = found.pairs.values().filter(|pair| !pair.agrees()).count();
    let records = found.findings_total;
    let text = format!("\n{}: sides DIFFER in {differ} of {pairs} pairs, in {records} records", args.cycle);
    say(args.output, &text);
    Ok(ExitCode::from(DIFFERENT))
}

/// One table after another, an empty line between.
fn write(path: &Path, sheets: &[Sheet]) -> Result<()> {
    let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(File::create(path)?);
    for (number, sheet) in sheets.iter().enumerate() {
        if number > 0 {
            writer.write_record([""; 0])?;
        }
        writer.write_record(&sheet.columns)?;
        for row in &sheet.rows {
            writer.write_record(row.iter().map(crate::output::plain))?;
        }
    }
    writer.flush()?;
    Ok(())
}
