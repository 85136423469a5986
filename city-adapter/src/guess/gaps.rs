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
    let name = target.name();
    let block = |asks: &str| Block::default().ask(asks).gap(format!("[columns.{name}]"));
    match target {
        Column::TappedAt => no_time(assigned),
        Column::Terminal => block("no column looks like the number of a terminal (PSAM). It must be there").gap("column = \"?\""),
        Column::TerminalSeq => block(
            "no column looks like the terminal's own counter. Without one the numbers can be made from the time \
             (`second`, at most one tap a second at each terminal) or by counting (`count`, the whole day of a terminal \
             in one file)",
        )
        .gap("derive = \"second\""),
        Column::Issuer => block(
            "no column tells the card's home city. It can come from the beginnings of the card numbers by a \
             table, or be the same for all rows",
        )
        .gap("column = \"?\"").gap("table = \"home\"").gap("[tables.home.prefixes]").gap("\"?\" = \"cu-0000\""),
        Column::Card => block("no column looks like the card's application serial. It must be there").gap("column = \"?\""),
        Column::CardCounter => block("no column looks like the card's transaction counter").gap("column = \"?\""),
        Column::Type => block("no column tells purchases (06) from compound purchases (09); if all are the same:")
            .gap("constant = \"06\""),
        Column::AmountFen => block("no column looks like the amount that was paid. It must be there").gap("column = \"?\"").gap("unit = \"fen\""),
        Column::FareFen => match assigned.source(Column::AmountFen) {
            Some(paid) => {
                let gap = block("no column looks like the fare before discount; if there are no discounts, it is the amount paid:");
                let source = paid.source.lines().fold(gap, |gap, line| gap.gap(line));
                source.gap("unit = \"fen\"").ask("write the same settings as for amount_fen")
            }
            None => block("no column looks like the fare before discount").gap("column = \"?\"").gap("unit = \"fen\""),
        },
        Column::Medium => block(&format!("no column tells what was held to the reader; {}", words(target))).gap("constant = \"cpu\""),
        Column::Sector => block(&format!("no column tells the sector; if all rows are of one, {}", words(target))).gap("constant = \"?\""),
        Column::Product => block(&format!("no column tells how the fare was made; {}", words(target))).gap("constant = \"?\""),
        Column::KeyVersion => block("no column looks like the key version of the cryptogram").gap("column = \"?\""),
        Column::Algorithm => block(&format!("no column tells the algorithm of the cryptogram; {}", words(target))).gap("constant = \"3des\""),
        Column::Tac => block(
            "no column looks like the card's cryptogram (TAC, 8 hex digits). Without it no home city pays: the \
             terminals must deliver it",
        )
        .gap("column = \"?\""),
        Column::Operator | Column::Line | Column::Station => Block::default(),
    }
}

fn no_time(assigned: &Assigned) -> Block {
    match assigned.clock {
        Some(at) => {
            let column = &assigned.columns[at];
            let reference = column.reference.clone().unwrap_or_else(|| "\"?\"".to_owned());
            Block::default()
                .ask(format!(
                    "{} has a clock (e.g. {}) but no column has a date: a mapping cannot take it from the file's name. \
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
            "the texts have letters, terminal numbers are hex digits. Either a table translates them (a CSV file beside \
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
        Column::Terminal => block.gap("table = \"terminals\"").gap("[tables.terminals]").gap("file = \"terminals.csv\"").gap("key = \"?\"").gap("value = \"?\""),
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
    column.texts.iter().take(LISTED_MAX).fold(block, |block, (text, _)| block.gap(format!("{} = \"?\"", quoted(text))))
}
