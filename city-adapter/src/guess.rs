//! Proposes a mapping for a file that nobody has described, by looking at it.
//!
//! Everything here is a function of a bounded [`Sample`]: the same bytes give the same proposal. What the file does
//! not tell is not invented: such settings stand in the proposal as lines that begin with `#` and are to be filled
//! in. A proposal can always be read by [`Mapping::parse`](crate::mapping::Mapping::parse), as it is and with its
//! gaps filled.

use crate::tapfile::{Column, HEADER};
use assign::Assigned;
use block::Block;
use charset::Charset;
use controls::{control, names};
use profile::{Profile, quoted};
use split::Cutting;
use table::Table;

pub use sample::{Part, Sample};

mod assign;
mod block;
mod charset;
mod controls;
mod fixed;
mod gaps;
mod moments;
mod profile;
mod rules;
mod sample;
mod split;
mod table;
#[cfg(test)]
mod tests;
mod words;

/// What a file seems to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Guess {
    /// It is of layout `cityunion-tap/1` already and needs no mapping.
    Canonical,
    /// It has no lines.
    Empty,
    /// A mapping to start from.
    Proposal(Proposal),
}

/// A mapping to start from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// What was looked at.
    looked: Vec<String>,
    blocks: Vec<Block>,
    found: Vec<&'static str>,
    open: Vec<&'static str>,
}

/// Looks at a sample of a file.
#[must_use]
pub fn guess(sample: &Sample) -> Guess {
    let charset = Charset::of(sample);
    let lines = sample.lines(&charset);
    let first = lines.lines.first().map_or("", |line| line.text.as_str());
    if first == HEADER || first.starts_with(&format!("{HEADER},")) {
        return Guess::Canonical;
    }
    let Some(table) = Table::of(&lines, &charset).filter(|table| !table.rows.is_empty()) else {
        return Guess::Empty;
    };
    let assigned = Assigned::of(Profile::of(&table));
    Guess::Proposal(Proposal::of(&table, &assigned, &charset, lines.undecoded))
}

impl Proposal {
    fn of(table: &Table, assigned: &Assigned, charset: &Charset, undecoded: usize) -> Self {
        let mut looked = vec![format!(
            "{} rows of {} columns, {}",
            table.rows.len(),
            table.cutter.columns,
            if table.all {
                "the whole file"
            } else {
                "from the beginning of the file and from places further in"
            }
        )];
        if let Some((count, example)) = &table.odd {
            looked.push(format!(
                "{count} lines between them have not the shape of a row and will be malformed, e.g. `{}`",
                profile::short(example)
            ));
        }
        if undecoded > 0 {
            looked.push(format!("{undecoded} lines have characters that are not {}", charset.name()));
        }
        if !table.tail.is_empty() {
            looked.push(format!("the last {} lines are no rows and will be malformed", table.tail.len()));
        }
        let mut blocks = vec![file(table, assigned, charset)];
        blocks.extend(table.header.as_ref().map(|line| control("header", line, table, assigned)));
        blocks.extend(table.trailer.as_ref().map(|line| control("trailer", line, table, assigned)));
        blocks.extend(date_and_clock(assigned));
        let (drop, dropped) = entries(assigned);
        blocks.extend(drop);
        let (mut found, mut open) = (Vec::new(), Vec::new());
        blocks.push(Block::new(&["[columns]"]));
        for target in Column::ALL {
            let Some(block) = rules::block(target, assigned, &dropped) else { continue };
            let active = block.lines.first().is_some_and(|line| !line.starts_with('#'));
            if active {
                found.push(target.name())
            } else {
                open.push(target.name())
            }
            blocks.push(block);
        }
        blocks.extend(unused(assigned));
        Self { looked, blocks, found, open }
    }

    /// The target columns that it makes.
    #[must_use]
    pub fn found(&self) -> &[&'static str] {
        &self.found
    }

    /// The target columns that a person must fill in.
    #[must_use]
    pub fn open(&self) -> &[&'static str] {
        &self.open
    }

    /// It as the text of a mapping, with its reasons as comments.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut text = String::from(
            "# A mapping guessed from looking at the file: a start to edit.\n\
             # Read every line. `# CHECK` asks something that only people know. Lines that begin with `#` and no space\n\
             # are settings to fill in: write what is missing and take the `#` away.\n",
        );
        for line in &self.looked {
            text.push_str(&format!("# Looked at: {line}.\n"));
        }
        text.push_str("layout = \"cityunion-mapping/1\"\n");
        for block in &self.blocks {
            block.write(&mut text);
        }
        text
    }
}

/// Table `[file]`.
fn file(table: &Table, assigned: &Assigned, charset: &Charset) -> Block {
    let encoding = format!("encoding = {}", quoted(&charset.name()));
    let mut block = Block::new(&["[file]"]).say(format!("Encoding: {}.", charset.evidence)).line(encoding);
    if let Some(doubt) = &charset.doubt {
        block = block.ask(doubt);
    }
    block = block.say(format!("Columns: {}.", table.cutter.evidence));
    if let Some(doubt) = &table.cutter.doubt {
        block = block.ask(doubt);
    }
    block = match &table.cutter.cutting {
        Cutting::Separator { separator, quoted: quotes } => {
            let word = match separator {
                '\t' => "tab".to_owned(),
                ' ' => "space".to_owned(),
                other => other.to_string(),
            };
            let block = block.line(format!("separator = {}", quoted(&word)));
            let plain = table.rows.iter().flatten().any(|field| field.contains('"'));
            if *quotes || !plain {
                block
            } else {
                block.say("Quotes stand inside of fields.").line("quote = \"none\"")
            }
        }
        Cutting::Places { .. } => block.line("fixed = true"),
    };
    if table.skip > 0 {
        block = block.say("The first lines say nothing about rows.").line(format!("skip = {}", table.skip));
    }
    if let Some(comment) = &table.comment {
        block = block.line(format!("comment = {}", quoted(comment)));
    }
    block = names(block, table);
    let mut nothing: Vec<String> = Vec::new();
    for word in assigned.columns.iter().flat_map(|column| &column.nothing).map(|word| quoted(word)) {
        if !nothing.contains(&word) {
            nothing.push(word);
        }
    }
    if nothing.is_empty() { block } else { block.line(format!("empty = [{}]", nothing.join(", "))) }
}

/// The field that joins a date and a clock of two columns.
fn date_and_clock(assigned: &Assigned) -> Option<Block> {
    let (date, clock) = assigned.date_and_clock?;
    let of = |at: usize| assigned.columns[at].reference.clone();
    Some(match of(date).zip(of(clock)) {
        Some((date, clock)) => Block::new(&["[fields.\"date and clock\"]"])
            .say("Date and clock stand in two columns.")
            .line(format!("join = [{date}, {clock}]"))
            .line("with = \" \""),
        None => {
            // By places: fields of their own, which are joined by name.
            let part = |name: &str, at: usize| format!("[fields.{name}]\n{}", assigned.columns[at].source);
            Block::default()
                .say("Date and clock stand at two places.")
                .line(part("date", date))
                .line(part("clock", clock))
                .line("[fields.\"date and clock\"]\njoin = [\"date\", \"clock\"]\nwith = \" \"")
        }
    })
}

/// Rows that say that somebody went in, if nothing is charged on them.
fn entries(assigned: &Assigned) -> (Option<Block>, Vec<String>) {
    let kinds = [Column::Sector, Column::Type, Column::Product]
        .into_iter()
        .filter_map(|target| assigned.source(target));
    let Some(column) =
        kinds.into_iter().find(|column| column.texts.iter().any(|(text, _)| words::is_entry(text)))
    else {
        return (None, Vec::new());
    };
    let (texts, others): (Vec<_>, Vec<_>) = column.texts.iter().partition(|(text, _)| words::is_entry(text));
    let texts: Vec<String> = texts.into_iter().map(|(text, _)| text.clone()).collect();
    if others.is_empty() {
        return (None, Vec::new());
    }
    let charged = assigned.source(Column::AmountFen).map_or(0, |paid| {
        let rows = column.values.iter().zip(&paid.values).filter(|(kind, _)| texts.contains(kind));
        rows.filter(|(_, paid)| paid.bytes().any(|b| (b'1'..=b'9').contains(&b))).count()
    });
    let reference = column.reference.clone().unwrap_or_else(|| "\"?\"".to_owned());
    let values = texts.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(", ");
    let lines = ["[[drop]]".to_owned(), format!("column = {reference}"), format!("values = [{values}]")];
    let said =
        Block::default().say(format!("Going in, by its words; {charged} of these rows carry an amount."));
    if charged == 0 && column.reference.is_some() {
        let block = said.ask(
            "a row of its own for going in is no payable tap and is left out; if the ride is \
                paid only with both rows, see [pairing]",
        );
        return (Some(lines.iter().fold(block, Block::line)), texts);
    }
    let block = said.ask("are these rows payable taps? If not, leave them out:");
    (Some(lines.iter().fold(block, Block::gap)), Vec::new())
}

/// The columns of which nothing is made.
fn unused(assigned: &Assigned) -> Option<Block> {
    let rest = assigned.columns.iter().enumerate().filter(|(at, _)| !assigned.is_used(*at));
    let mut block = Block::default().say("Not used:");
    for (_, column) in rest {
        let what = match column.texts.len() {
            0 => "always empty".to_owned(),
            1..=20 => column.shares(4),
            _ => format!("e.g. {}", column.examples(2)),
        };
        block = block.say(format!("- {}: {what}", column.called()));
    }
    (block.says.len() > 1).then_some(block)
}
