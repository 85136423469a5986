//! Prints cycles.

use anyhow::Result;
use serde_json::{Map, Value, json};

use crate::{
    output::{Format, Sheet, print, say, thousands},
    services::cycles::view::{Closed, View},
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
    print(format, &facts, &[cycles, alarms])?;
    if !view.caught_up {
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
