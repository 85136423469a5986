//! The proposal for names and control lines.

use super::{
    assign::Assigned,
    block::Block,
    profile::{Money, Profile, quoted, short},
    split::Cutting,
    table::{Control, Table},
};
use crate::tapfile::Column;

/// A figure may count so many control lines too.
const CONTROL_LINES_MAX: u64 = 3;
/// The longest figure, in digits.
const FIGURE_LEN_MAX: usize = 16;

/// Setting `names`.
pub(super) fn names(block: Block, table: &Table) -> Block {
    if matches!(table.cutter.cutting, Cutting::Places { .. }) {
        return block;
    }
    let block = block.say(format!("Names: {}.", table.names_evidence));
    let block = if table.names.is_some() { block } else { block.line("names = false") };
    let Some(names) = &table.names else { return block };
    let mut twice: Vec<String> = names
        .iter()
        .filter(|name| names.iter().filter(|other| other == name).count() > 1)
        .map(|n| quoted(n))
        .collect();
    twice.sort();
    twice.dedup();
    if twice.is_empty() {
        block
    } else {
        block.say(format!(
            "These names are not unique, so their columns are told by position: {}.",
            twice.join(", ")
        ))
    }
}

/// Table `[header]` or `[trailer]`.
pub(super) fn control(name: &str, line: &Control, table: &Table, assigned: &Assigned) -> Block {
    let mut block = Block::default()
        .say(format!("A line that is no row: `{}`", short(&line.text)))
        .line(format!("[{name}]"));
    if let Some(mark) = &line.starts_with {
        block = block.line(format!("starts_with = {}", quoted(mark)));
    }
    let records = records(line, table);
    let amount = amount(line, table, assigned, records.as_ref().map(|(end, _)| *end));
    let place =
        if line.fields.iter().all(|field| field.at.is_none()) { "column = 2" } else { "at = 2, length = 8" };
    block = match &records {
        Some((_, setting)) => block.say("A figure in it is the number of rows.").line(setting),
        None if table.all => {
            block.ask("no figure in it is the number of rows").gap(format!("records = {{ {place} }}"))
        }
        None => block
            .ask("does it say how many rows there are? Only part of the file was looked at")
            .gap(format!("records = {{ {place} }}")),
    };
    match amount {
        Some(setting) => block.say("A figure in it is the sum of the amounts.").line(setting),
        None => block,
    }
}

/// Where a figure stands in a control line: how a mapping says it, and where it ends.
struct Figure {
    source: String,
    end: usize,
}

/// The figure that counts the rows, with its setting.
fn records(line: &Control, table: &Table) -> Option<(usize, String)> {
    if !table.all {
        return None;
    }
    let rows = u64::try_from(table.rows.len() + table.odd.as_ref().map_or(0, |(count, _)| *count)).ok()?;
    (0..=CONTROL_LINES_MAX).find_map(|more| {
        let figure = find(line, 0, |text| text.parse() == Ok(rows + more))?;
        let subtract = if more > 0 { format!(", subtract = {more}") } else { String::new() };
        Some((figure.end, format!("records = {{ {}{subtract} }}", figure.source)))
    })
}

/// The figure that sums up the amounts, with its setting.
fn amount(line: &Control, table: &Table, assigned: &Assigned, behind: Option<usize>) -> Option<String> {
    let column: &Profile = assigned.source(Column::AmountFen).filter(|_| table.all)?;
    let money = || column.filled().filter_map(Money::of);
    let whole: u64 = money().filter_map(|m| m.whole.parse::<u64>().ok()).sum();
    let hundredths: u64 = money().filter_map(|m| m.hundredths()).sum();
    let fraction = money().any(|m| m.sign.is_some());
    let unit = |text: &str| {
        let figure = Money::of(text)?;
        let said: u64 = figure.whole.parse().ok()?;
        match () {
            () if figure.sign.is_some() && figure.hundredths() == Some(hundredths) && fraction => {
                Some("yuan")
            }
            () if figure.sign.is_none() && said == hundredths && fraction => Some("fen"),
            () if figure.sign.is_none() && said == whole && !fraction && whole > 0 => Some("fen"),
            () => None,
        }
    };
    let mut said = None;
    let figure = find(line, behind.unwrap_or(0), |text| {
        said = unit(text);
        said.is_some()
    })?;
    Some(format!("amount = {{ {}, unit = \"{}\" }}", figure.source, said?))
}

/// The first figure from `from` on that is wanted. In lines cut at places one may begin anywhere among digits.
fn find(line: &Control, from: usize, mut wanted: impl FnMut(&str) -> bool) -> Option<Figure> {
    for (index, field) in line.fields.iter().enumerate() {
        let Some(at) = field.at else {
            if index >= from && wanted(&field.text) {
                return Some(Figure { source: format!("column = {}", index + 1), end: index + 1 });
            }
            continue;
        };
        for start in 0..field.text.len() {
            for end in (start + 1)..=field.text.len().min(start + FIGURE_LEN_MAX) {
                if at + start >= from && wanted(&field.text[start..end]) {
                    let source = format!("at = {}, length = {}", at + start + 1, end - start);
                    return Some(Figure { source, end: at + end });
                }
            }
        }
    }
    None
}
