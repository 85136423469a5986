//! What people and programs read on standard output.

use std::io::{self, IsTerminal, Write as _};

use comfy_table::{
    CellAlignment, ColumnConstraint, ContentArrangement, Table, TableComponent, Width, presets,
};
use ratatui::{crossterm::terminal, text::Span};
use serde_json::{Map, Value};

pub use ::report::figures::{thousands, yuan};

/// The longest word in a column of texts that a terminal never breaks, cells.
const WORD_MAX: usize = 32;
/// The least width that a terminal is taken to have, cells.
const WIDTH_MIN: u16 = 40;
/// Hex digits of a digest, and how many of them people see.
const DIGEST_DIGITS: (usize, usize) = (64, 16);

/// How tables are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Lines and columns for people.
    #[default]
    Table,
    /// One JSON document.
    Json,
    /// One CSV table after another, each with its header, an empty line between.
    Csv,
}

/// A table with a title and named columns.
#[derive(Clone, Debug, Default)]
pub struct Sheet {
    /// Key in JSON, headline for people.
    pub title: String,
    /// Column names.
    pub columns: Vec<&'static str>,
    /// Rows of values.
    pub rows: Vec<Vec<Value>>,
    /// Columns of long texts: people get them as lines under the table, each behind its row's first value.
    pub below: Vec<&'static str>,
}

impl Sheet {
    /// An empty table.
    #[must_use]
    pub fn new(title: &str, columns: &[&'static str]) -> Self {
        Self { title: title.to_owned(), columns: columns.to_vec(), rows: Vec::new(), below: Vec::new() }
    }

    /// Adds a row.
    pub fn row(&mut self, values: Vec<Value>) {
        self.rows.push(values);
    }

    /// Takes a column away in which every figure is zero.
    pub fn drop_if_zero(&mut self, column: &str) {
        let Some(at) = self.columns.iter().position(|name| *name == column) else { return };
        if self.rows.iter().all(|row| row.get(at).is_some_and(|value| value == &Value::from(0))) {
            self.columns.remove(at);
            for row in &mut self.rows {
                row.remove(at);
            }
        }
    }
}

/// Prints tables; in JSON together with further facts, as one document.
///
/// # Errors
/// If standard output cannot be written, other than because its reader has gone.
pub fn print(format: Format, facts: &Map<String, Value>, sheets: &[Sheet]) -> anyhow::Result<()> {
    match format {
        Format::Json => {
            let mut document = facts.clone();
            for sheet in sheets {
                document.insert(sheet.title.clone(), rows_as_objects(sheet));
            }
            put(&serde_json::to_string_pretty(&Value::Object(document))?)?;
        }
        Format::Csv => {
            for (index, sheet) in sheets.iter().enumerate() {
                let mut writer = csv::Writer::from_writer(Vec::new());
                writer.write_record(&sheet.columns)?;
                for row in &sheet.rows {
                    writer.write_record(row.iter().map(plain))?;
                }
                let table = String::from_utf8(writer.into_inner()?)?;
                put(&format!("{}{}", if index > 0 { "\n" } else { "" }, table.trim_end_matches('\n')))?;
            }
        }
        Format::Table => sheets.iter().filter(|sheet| !sheet.rows.is_empty()).try_for_each(print_table)?,
    }
    Ok(())
}

/// The rows of a table as JSON objects.
#[must_use]
pub fn rows_as_objects(sheet: &Sheet) -> Value {
    let object = |row: &Vec<Value>| {
        let pairs = sheet.columns.iter().zip(row).map(|(name, value)| ((*name).to_owned(), value.clone()));
        Value::Object(pairs.collect())
    };
    Value::Array(sheet.rows.iter().map(object).collect())
}

fn print_table(sheet: &Sheet) -> io::Result<()> {
    let width = io::stdout().is_terminal().then(|| terminal::size().ok()).flatten();
    put(&rendered(sheet, width.map(|(columns, _)| columns.max(WIDTH_MIN))))
}

/// A table for people, no wider than `width`; the terminal breaks long texts at words, never a number.
fn rendered(sheet: &Sheet, width: Option<u16>) -> String {
    let (below, beside): (Vec<usize>, Vec<usize>) = (0..sheet.columns.len())
        .partition(|at| sheet.columns.get(*at).is_some_and(|name| sheet.below.contains(name)));
    let headers = beside.iter().filter_map(|at| sheet.columns.get(*at)).map(|name| header(name));
    let mut cells: Vec<Vec<String>> = vec![headers.collect()];
    for row in &sheet.rows {
        let named = |at: &usize| Some(shown(sheet.columns.get(*at)?, row.get(*at)?));
        cells.push(beside.iter().filter_map(named).collect());
    }
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_style(TableComponent::HeaderLines, '─');
    table.set_style(TableComponent::MiddleHeaderIntersections, '─');
    table.set_content_arrangement(ContentArrangement::Disabled);
    if let Some(width) = width {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    }
    let mut lines = cells.iter();
    table.set_header(lines.next().into_iter().flatten());
    table.add_rows(lines);
    let numeric: Vec<bool> = beside
        .iter()
        .map(|at| sheet.rows.iter().all(|row| row.get(*at).is_none_or(|v| v.is_number() || v.is_null())))
        .collect();
    for (index, _) in numeric.iter().enumerate().filter(|(_, numeric)| **numeric) {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    if let Some(width) = width {
        keep_words_whole(&mut table, &cells, &numeric, width);
    }
    let unit = if sheet.columns.iter().any(|name| name.ends_with("_fen")) { ", in yuan" } else { "" };
    let mut text = format!("\n{}{unit}\n{}", sheet.title.replace('_', " "), table.trim_fmt());
    for at in below {
        for row in &sheet.rows {
            let long = row.get(at).map(plain).filter(|long| !long.is_empty());
            if let (Some(long), Some(first)) = (long, row.first().map(plain)) {
                text.push_str(&format!("\n  {first}: {long}"));
            }
        }
    }
    text
}

/// Holds columns wide enough for their longest word, with less space between them where that is too much.
fn keep_words_whole(table: &mut Table, cells: &[Vec<String>], numeric: &[bool], width: u16) {
    let least = |(index, numeric): (usize, &bool)| {
        let longest = longest_word(cells.iter().filter_map(|row| row.get(index)));
        u16::try_from(if *numeric { longest } else { longest.min(WORD_MAX) }).unwrap_or(u16::MAX)
    };
    let least: Vec<u16> = numeric.iter().enumerate().map(least).collect();
    // A space on either side of each, and one between two columns in place of a line.
    let needed: u32 = least.iter().map(|cells| u32::from(*cells) + 3).sum();
    let padding = if needed > u32::from(width) + 1 { (1, 0) } else { (1, 1) };
    for (index, cells) in least.into_iter().enumerate() {
        if let Some(column) = table.column_mut(index) {
            column.set_padding(padding);
            let with_padding = cells.saturating_add(padding.0 + padding.1);
            column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(with_padding)));
        }
    }
}

fn header(column: &str) -> String {
    column.strip_suffix("_fen").unwrap_or(column).replace('_', " ")
}

/// Cells of the longest word.
fn longest_word<'a>(texts: impl Iterator<Item = &'a String>) -> usize {
    texts.flat_map(|text| text.split_whitespace()).map(|word| Span::raw(word).width()).max().unwrap_or(0)
}

/// A value as people read it: fen as yuan, thousands apart.
fn shown(column: &str, value: &Value) -> String {
    match value.as_i64() {
        Some(fen) if column.ends_with("_fen") => yuan(fen.into()),
        Some(number) => thousands(&number.to_string()),
        None => short_digests(plain(value)),
    }
}

/// A text in which each SHA-256 is shortened.
fn short_digests(text: String) -> String {
    let (all, kept) = DIGEST_DIGITS;
    let is_digest = |word: &&str| word.len() == all && word.bytes().all(|b| b.is_ascii_hexdigit());
    let digests: Vec<&str> = text.split(' ').filter(is_digest).collect();
    digests.iter().fold(text.clone(), |text, digest| {
        text.replace(digest, &format!("{}…", digest.get(..kept).unwrap_or_default()))
    })
}

/// A value as programs read it.
#[must_use]
pub fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// A line of plain text for people; nothing in the machine formats.
pub fn say(format: Format, text: &str) {
    if format == Format::Table {
        // What was to be told is done already, whether or not somebody listens.
        drop(put(text));
    }
}

/// Writes a line to standard output. Whoever read it may have gone (`| head`): that is no error.
///
/// # Errors
/// If it cannot be written for another reason.
pub fn put(text: &str) -> io::Result<()> {
    match writeln!(io::stdout(), "{text}") {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn net() -> Sheet {
        let columns = ["participant", "receives_fen", "interchange_out_fen", "switch_fee_fen", "what"];
        let mut sheet = Sheet::new("net", &columns);
        let what = "a long text that says in many words what is wrong with this row and what to do next";
        sheet.row(vec![
            json!("cu-2000"),
            json!(123_456_789_012_i64),
            json!(-91_022_400),
            json!(0),
            json!(what),
        ]);
        sheet
    }

    #[test]
    fn a_narrow_terminal_breaks_texts_and_no_number() {
        for width in [60, 80, 120] {
            let text = rendered(&net(), Some(width));
            let widest = text.lines().map(|line| Span::raw(line).width()).max().unwrap();
            assert!(widest <= usize::from(width), "{widest} in {width}:\n{text}");
            for whole in ["participant", "1,234,567,890.12", "-910,224.00", "net, in yuan"] {
                assert!(text.contains(whole), "{whole} is missing at {width}:\n{text}");
            }
            assert!(text.lines().all(|line| line == line.trim_end()), "no padding at the end:\n{text}");
        }
    }

    #[test]
    fn long_texts_stand_under_the_table() {
        let mut sheet = net();
        sheet.below = vec!["what"];
        let text = rendered(&sheet, None);
        assert!(text.ends_with("\n  cu-2000: a long text that says in many words what is wrong with this row and what to do next"), "{text}");
        assert!(!text.contains("fee  what"), "{text}");
    }

    #[test]
    fn a_column_of_zeros_goes() {
        let mut sheet = net();
        sheet.drop_if_zero("receives_fen");
        sheet.drop_if_zero("switch_fee_fen");
        assert_eq!(sheet.columns, ["participant", "receives_fen", "interchange_out_fen", "what"]);
        assert_eq!(sheet.rows[0].len(), 4);
    }

    #[test]
    fn people_see_the_beginning_of_a_digest() {
        let text = format!("3 leaves, root {}", "0a".repeat(32));
        assert_eq!(shown("what", &json!(text)), "3 leaves, root 0a0a0a0a0a0a0a0a…");
    }
}
