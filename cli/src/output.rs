//! What people and programs read on standard output.

use std::io::{self, IsTerminal, Write as _};

use comfy_table::{CellAlignment, ContentArrangement, Table, TableComponent, presets};
use serde_json::{Map, Value};

pub use ::report::figures::{thousands, yuan};

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
}

impl Sheet {
    /// An empty table.
    #[must_use]
    pub fn new(title: &str, columns: &[&'static str]) -> Self {
        Self { title: title.to_owned(), columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Adds a row.
    pub fn row(&mut self, values: Vec<Value>) {
        self.rows.push(values);
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

fn rows_as_objects(sheet: &Sheet) -> Value {
    let object = |row: &Vec<Value>| {
        let pairs = sheet.columns.iter().zip(row).map(|(name, value)| ((*name).to_owned(), value.clone()));
        Value::Object(pairs.collect())
    };
    Value::Array(sheet.rows.iter().map(object).collect())
}

fn print_table(sheet: &Sheet) -> io::Result<()> {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_style(TableComponent::HeaderLines, '─');
    table.set_style(TableComponent::MiddleHeaderIntersections, '─');
    table.set_content_arrangement(if io::stdout().is_terminal() {
        ContentArrangement::Dynamic
    } else {
        ContentArrangement::Disabled
    });
    table.set_header(sheet.columns.iter().map(|name| name.replace("_fen", " (yuan)").replace('_', " ")));
    for row in &sheet.rows {
        table.add_row(sheet.columns.iter().zip(row).map(|(name, value)| shown(name, value)));
    }
    for (index, _) in sheet.columns.iter().enumerate() {
        let numeric =
            sheet.rows.iter().all(|row| row.get(index).is_none_or(|v| v.is_number() || v.is_null()));
        if let Some(column) = table.column_mut(index).filter(|_| numeric) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    put(&format!("\n{}\n{table}", sheet.title.replace('_', " ")))
}

/// A value as people read it: fen as yuan, thousands apart.
fn shown(column: &str, value: &Value) -> String {
    match value.as_i64() {
        Some(fen) if column.ends_with("_fen") => yuan(fen.into()),
        Some(number) => thousands(&number.to_string()),
        None => plain(value),
    }
}

fn plain(value: &Value) -> String {
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
fn put(text: &str) -> io::Result<()> {
    match writeln!(io::stdout(), "{text}") {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}
