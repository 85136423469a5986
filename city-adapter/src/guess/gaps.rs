//! What a file does not tell: settings that a person must fill in.

use super::{
    assign::Assigned,
    block::Block,
    profile::{Profile, quoted},
};
use crate::tapfile::Column;

/// Texts that are listed to be translated.
const LISTED_MAX: usize = 20;

/// The words that a target column takes.
pub(super) const fn words(target: Column) -> &'static str {
    match target {
        Column::Type => "06 is a purchase, 09 a compound purchase",
        Column::Medium => "one of cpu, bank, sim, nfc, qr",
        Column::Sector => {
            "one of bus, metro, taxi, ferry, bike, parking, utility, scenic, library, school, retail"
        }
        Column::Product => "one of flat, distance, time, trips, pass",
        Column::Algorithm => "3des or sm4",
        _ => "",
    }
}

/// A target column for which no column of the file was found.
pub(super) fn without_source(target: Column, assigned: &Assigned) -> Block {
    if target == Column::TappedAt {
        return no_time(assigned);
    }
    let (asks, gaps) = question(target);
    let words = words(target);
    let asks = if words.is_empty() { asks.to_owned() } else { format!("{asks}; {words}") };
    let block = Block::default().ask(asks).gap(format!("[columns.{}]", target.name()));
    match assigned.source(Column::AmountFen).filter(|_| target == Column::FareFen) {
        Some(paid) => {
            let block = block.ask("if there are no discounts, it is the amount paid, with the same settings");
            paid.source.lines().fold(block, Block::gap).gap("unit = \"fen\"")
        }
        None => gaps.iter().fold(block, Block::gap),
    }
}

/// What to ask about a target column, and the settings to fill in.
const fn question(target: Column) -> (&'static str, &'static [&'static str]) {
    match target {
        Column::Terminal => {
            ("no column looks like the number of a terminal (PSAM). It must be there", &["column = \"?\""])
        }
        Column::TerminalSeq => (
            "no column looks like the terminal's own counter. Without one the numbers can be made from \
             the time (`second`, at most one tap a second at each terminal) or by counting (`count`, \
             the whole day of a terminal in one file)",
            &["derive = \"second\""],
        ),
        Column::Issuer => (
            "no column tells the card's home city. It can come from the beginnings of the card numbers \
             by a table, or be the same for all rows",
            &["column = \"?\"", "table = \"home\"", "[tables.home.prefixes]", "\"?\" = \"cu-0000\""],
        ),
        Column::Card => {
            ("no column looks like the card's application serial. It must be there", &["column = \"?\""])
        }
        Column::CardCounter => ("no column looks like the card's transaction counter", &["column = \"?\""]),
        Column::Type => ("no column tells the transaction type; if all are the same", &["constant = \"06\""]),
        Column::AmountFen => (
            "no column looks like the amount that was paid. It must be there",
            &["column = \"?\"", "unit = \"fen\""],
        ),
        Column::FareFen => {
            ("no column looks like the fare before discount", &["column = \"?\"", "unit = \"fen\""])
        }
        Column::Medium => ("no column tells what was held to the reader", &["constant = \"cpu\""]),
        Column::Sector => ("no column tells the sector; if all rows are of one", &["constant = \"?\""]),
        Column::Product => ("no column tells how the fare was made", &["constant = \"?\""]),
        Column::KeyVersion => ("no column looks like the key version of the cryptogram", &["column = \"?\""]),
        Column::Algorithm => ("no column tells the algorithm of the cryptogram", &["constant = \"3des\""]),
        Column::Tac => (
            "no column looks like the card's cryptogram (TAC, 8 hex digits). Without it no home city \
             pays: the terminals must deliver it",
            &["column = \"?\""],
        ),
        Column::TappedAt | Column::Operator | Column::Line | Column::Station => ("", &[]),
    }
}

fn no_time(assigned: &Assigned) -> Block {
    match assigned.clock {
        Some(at) => {
            let column = &assigned.columns[at];
            let reference = column.reference.clone().unwrap_or_else(|| "\"?\"".to_owned());
            Block::default()
                .ask(format!(
                    "{} has a clock (e.g. {}) but no column has a date: a mapping cannot take it from the file's \
                     name. \
                     Add the date to the file, or join a column that has it:",
                    column.called(),
                    column.examples(2)
                ))
                .gap("[fields.\"date and clock\"]")
                .gap(format!("join = [\"?\", {reference}]"))
                .gap("with = \" \"")
                .gap("[columns.tapped_at]")
                .gap("column = \"date and clock\"")
                .gap("formats = [\"%Y-%m-%d %H:%M:%S\"]")
        }
        None => Block::default()
            .ask("no column looks like the time of the tap. It must be there")
            .gap("[columns.tapped_at]")
            .gap("column = \"?\"")
            .gap("formats = [\"%Y-%m-%d %H:%M:%S\"]"),
    }
}

/// A terminal, card or cryptogram that is not written in digits.
pub(super) fn no_digits(target: Column, column: &Profile) -> Block {
    let name = target.name();
    let mut block = Block::default().say(format!("{}: e.g. {}", column.called(), column.examples(3)));
    block = block.ask(match target {
        Column::Terminal => {
            "the texts have letters, terminal numbers are hex digits. Either a table translates them (a CSV file \
             beside \
             this mapping), or, for trials, their digest stands for them with `form = \"digest\"`"
        }
        Column::Card => {
            "the texts have letters, card numbers are hex digits: a pseudonym? Home cities know cards by their \
             application serial. For trials `form = \"digest\"` lets a digest stand for it"
        }
        _ => "the texts are no hex digits",
    });
    block = block.gap(format!("[columns.{name}]"));
    block = column.source.lines().fold(block, |block, line| block.gap(line));
    match target {
        Column::Terminal => block
            .gap("table = \"terminals\"")
            .gap("[tables.terminals]")
            .gap("file = \"terminals.csv\"")
            .gap("key = \"?\"")
            .gap("value = \"?\""),
        Column::Card => block.gap("form = \"digest\""),
        _ => block,
    }
}

/// A column whose texts a person must translate.
pub(super) fn values(target: Column, column: &Profile, into: &str) -> Block {
    let block = Block::default()
        .say(format!("{}: {}", column.called(), column.shares(6)))
        .ask(format!("say what these texts mean: {into}"))
        .gap(format!("[columns.{}]", target.name()));
    let block = column.source.lines().fold(block, |block, line| block.gap(line));
    let block = block.gap(format!("[columns.{}.values]", target.name()));
    column
        .texts
        .iter()
        .take(LISTED_MAX)
        .fold(block, |block, (text, _)| block.gap(format!("{} = \"?\"", quoted(text))))
}
