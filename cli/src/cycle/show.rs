//! Prints cycles.

use anyhow::Result;
use serde_json::{Map, Value, json};

use crate::{
    output::{Format, Sheet, print, say, thousands},
    services::cycles::{
        detail::{Detail, NetDebit},
        view::{Closed, View},
    },
};

/// The open cycle, those on their way to their folder, and the last closed ones.
pub(super) fn status(format: Format, view: &View) -> Result<()> {
    let mut cycles = Sheet::new("cycles", &["cycle", "state", "waits_for", "folder"]);
    if let Some(open) = &view.open {
        cycles.row(vec![json!(open.cycle), json!("open"), Value::Null, Value::Null]);
    }
    for closing in view.closing.iter().rev() {
        let waits_for = closing.waits_for.join(" ");
        cycles.row(vec![json!(closing.cycle), json!("closing"), json!(waits_for), Value::Null]);
    }
    for closed in &view.closed {
        cycles.row(vec![json!(closed.cycle), json!("closed"), Value::Null, json!(closed.folder)]);
    }
    let mut alarms = Sheet::new("alarms", &["alarm"]);
    for alarm in &view.alarms {
        alarms.row(vec![json!(alarm)]);
    }
    let mut facts = Map::new();
    facts.insert("caught_up".to_owned(), json!(view.caught_up));
    facts.insert("closed_in_all".to_owned(), json!(view.closed_in_all));
    let mut debits =
        Sheet::new("net_debits", &["cycle", "participant", "net_debit_fen", "cap_fen", "percent", "mark"]);
    for (cycle, debit) in &view.net_debits {
        debits.row([json!(cycle)].into_iter().chain(debit_row(debit)).collect());
    }
    let sheets = [cycles, debits, alarms];
    let shown = sheets.into_iter().filter(|sheet| sheet.title != "net_debits" || !sheet.rows.is_empty());
    print(format, &facts, &shown.collect::<Vec<_>>())?;
    if view.role == "standby" {
        say(format, "\nno node that answers coordinates the cycles at this moment");
    } else if !view.caught_up {
        say(format, "\nthe clearing node is still reading the events of earlier cycles");
    } else if view.open.is_none() && view.closing.is_empty() {
        say(format, "\nno cycle is open");
    }
    if view.closed_in_all > view.closed.len() {
        let all = thousands(&view.closed_in_all.to_string());
        say(format, &format!("\n{all} cycles are closed in all"));
    }
    Ok(())
}

/// What a participant with a cap owes, and how near that is.
fn debit_row(debit: &NetDebit) -> [Value; 5] {
    let mark = match (debit.beyond_cap, debit.level_percent) {
        (true, _) => json!("BEYOND THE CAP"),
        (false, Some(level)) => json!(format!("{level} % reached")),
        (false, None) => json!(""),
    };
    [json!(debit.city), json!(debit.net_debit_fen), json!(debit.cap_fen), json!(debit.percent), mark]
}

/// All cycles, the latest first.
pub(super) fn list(format: Format, view: &View) -> Result<()> {
    let columns = [
        "cycle",
        "state",
        "waits",
        "waits_for",
        "for_s",
        "opened_at",
        "cut_off_at",
        "closed_at",
        "published_at",
    ];
    let mut cycles = Sheet::new("cycles", &columns);
    for row in &view.cycles {
        cycles.row(vec![
            json!(row.cycle),
            json!(row.state),
            json!(row.waits),
            json!(row.waits_for.join(" ")),
            json!(row.for_s),
            json!(row.opened_at),
            json!(row.cut_off_at),
            json!(row.closed_at),
            json!(row.published_at),
        ]);
    }
    let mut stopped = Sheet::new("stopped cities", &["city", "why"]);
    for (city, why) in &view.stopped_cities {
        stopped.row(vec![json!(city), json!(why)]);
    }
    let mut facts = Map::new();
    facts.insert("cycles_in_all".to_owned(), json!(view.cycles_in_all));
    if let Some(why) = &view.halted {
        facts.insert("close_stands_still".to_owned(), json!(why));
    }
    print(format, &facts, &[cycles, stopped])?;
    if let Some(why) = &view.halted {
        say(format, &format!("\nthe close stands still: {why}"));
    }
    say(
        format,
        "\ntimes are those at which the node that answered saw it; what came before its start has none",
    );
    Ok(())
}

/// One cycle.
pub(super) fn one(format: Format, detail: &Detail) -> Result<()> {
    let row = &detail.row;
    let mut facts = Map::new();
    let mut fact = |name: &str, value: Value| drop(facts.insert(name.to_owned(), value));
    fact("cycle", json!(row.cycle));
    fact("ordinal", json!(detail.ordinal));
    fact("business_date", json!(detail.business_date));
    fact("rulebook_version", json!(detail.rulebook_version));
    fact("state", json!(row.state));
    fact("waits", json!(row.waits));
    fact("waits_for", json!(row.waits_for.join(" ")));
    fact("for_s", json!(row.for_s));
    fact("opened_at", json!(row.opened_at));
    fact("cut_off_at", json!(row.cut_off_at));
    fact("closed_at", json!(row.closed_at));
    fact("published_at", json!(row.published_at));
    fact("plan", json!(detail.plan));
    fact("folder", json!(detail.folder));
    fact("stands_still", json!(detail.halted));
    let mut partitions = Sheet::new("partitions", &["partition", "totals", "first_offset", "end_offset"]);
    for range in &detail.ranges {
        let (first, end) = (json!(range.first_offset), json!(range.end_offset));
        partitions.row(vec![json!(range.partition), json!("in"), first, end]);
    }
    for missing in &detail.missing {
        partitions.row(vec![json!(missing), json!("missing"), Value::Null, Value::Null]);
    }
    let mut debits =
        Sheet::new("net_debits", &["participant", "net_debit_fen", "cap_fen", "percent", "mark"]);
    for debit in &detail.net_debits {
        debits.row(debit_row(debit).to_vec());
    }
    let with_debits = |mut sheets: Vec<Sheet>| {
        sheets.extend((!debits.rows.is_empty()).then_some(debits));
        sheets
    };
    if format != Format::Table {
        return print(format, &facts, &with_debits(vec![partitions]));
    }
    // People get the facts as a table of their own.
    let mut known = Sheet::new(&row.cycle, &["what", "is"]);
    for (what, is) in &facts {
        let shown = is.as_str().map_or_else(|| is.to_string(), str::to_owned);
        if !is.is_null() && !shown.is_empty() {
            known.row(vec![json!(what), json!(shown)]);
        }
    }
    print(format, &Map::new(), &with_debits(vec![known, partitions]))
}

/// A closed cycle, and what to do with it.
pub(super) fn closed(format: Format, closed: &Closed) -> Result<()> {
    let mut sheet = Sheet::new("closed", &["cycle", "folder"]);
    sheet.row(vec![json!(closed.cycle), json!(closed.folder)]);
    if format != Format::Table {
        return print(format, &Map::new(), &[sheet]);
    }
    say(format, &format!("{} is closed: {}", closed.cycle, closed.folder));
    say(format, &format!("next: cityunion verify {}", closed.folder));
    Ok(())
}
