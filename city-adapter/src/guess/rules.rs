//! The tables `[columns.…]` of a proposed mapping.

use super::{
    assign::{Assigned, is_digits, is_hex},
    block::Block,
    moments::{Moment, Written},
    profile::{Money, Profile, quoted, short},
    words,
};
use crate::tapfile::{Column, TEXT_LEN_MAX};

/// Texts of a value table that are listed.
const LISTED_MAX: usize = 40;
/// A service day is not longer than this.
const HOUR_MAX: u32 = 30;

/// The block of one target column.
pub(super) fn block(target: Column, assigned: &Assigned, dropped: &[String]) -> Option<Block> {
    let source = assigned.source(target);
    match (target, source) {
        (Column::TappedAt, _) => Some(tapped_at(assigned)),
        (Column::Operator | Column::Line | Column::Station, source) => {
            source.map(|column| free_text(target, column))
        }
        (_, None) => Some(super::gaps::without_source(target, assigned)),
        (Column::AmountFen | Column::FareFen, Some(column)) => Some(amount(target, column)),
        (Column::Terminal | Column::Card | Column::Tac, Some(column)) => Some(digits(target, column)),
        (Column::TerminalSeq | Column::CardCounter | Column::KeyVersion, Some(column)) => {
            Some(number(target, column, assigned))
        }
        (Column::Issuer, Some(column)) => Some(issuer(column)),
        (
            Column::Type | Column::Medium | Column::Sector | Column::Product | Column::Algorithm,
            Some(column),
        ) => Some(words_of(target, column, dropped)),
    }
}

/// The head of a table and its source.
fn table(target: Column, column: &Profile) -> Block {
    Block::default().line(format!("[columns.{}]", target.name())).line(&column.source)
}

fn evidence(column: &Profile) -> String {
    let filled = column.filled_len();
    let empty = column.values.len() - filled;
    let empty = if empty > 0 { format!(", empty in {empty}") } else { String::new() };
    let texts = if column.texts.len() == 1 { "text" } else { "different texts" };
    format!(
        "{}: {} {texts} in {filled} rows{empty}, e.g. {}",
        column.called(),
        column.texts.len(),
        column.examples(3)
    )
}

fn tapped_at(assigned: &Assigned) -> Block {
    let head = Block::new(&["[columns.tapped_at]"]);
    let written = |block: Block, written: &Written, format: &str| {
        let mut block = block.line(format!("formats = [{}]", quoted(format)));
        if format.contains("%y") {
            block = block.say("Years of two digits: 70 to 99 are the 1900s.").line("pivot = 70");
        }
        if written.percent < 100 {
            block = block
                .ask(format!("{} % of its texts are so; the other rows will be malformed", written.percent));
        }
        if let Some(or) = &written.or {
            let or = quoted(or);
            block = block.ask(if format.contains("%y") {
                format!(
                    "day, month and year could stand in another order, {or}: compare with a day that you know"
                )
            } else {
                format!("day and month could be the other way round, {or}: no day above 12 tells them apart")
            });
        }
        if written.past_midnight {
            block = block
                .say("Its hours run past 24: 25:10 is ten past one of the next day.")
                .line(format!("service_day_until = \"{HOUR_MAX}:00\""));
        }
        if format.ends_with(" UTC") {
            block = block
                .ask(
                    "the texts end in UTC and are converted to the local time of `local`, which is +08:00 if it is \
                     not said",
                )
                .line("zone = \"+00:00\"");
        }
        if format.ends_with("%z") {
            block = block.ask(
                "the texts end in a time zone and are converted to +08:00; if the zone is not \
                    meant so, say `zone = \"ignore\"`",
            );
        }
        block
    };
    if let Some((date, clock)) = assigned.date_and_clock {
        let (days, clocks) = (&assigned.columns[date], &assigned.columns[clock]);
        let (Some(Moment::Date(day)), Some(Moment::Clock(time))) =
            (&assigned.moments[date], &assigned.moments[clock])
        else {
            return super::gaps::without_source(Column::TappedAt, assigned);
        };
        let both = Written {
            format: format!("{} {}", day.format, time.format),
            percent: day.percent.min(time.percent),
            or: day.or.clone().map(|or| format!("{or} {}", time.format)),
            past_midnight: time.past_midnight,
        };
        let block = head.say(evidence(days)).say(evidence(clocks)).line("column = \"date and clock\"");
        return written(block, &both, &both.format);
    }
    let Some(at) = assigned.sources.get(&Column::TappedAt).copied() else {
        return super::gaps::without_source(Column::TappedAt, assigned);
    };
    let column = &assigned.columns[at];
    let block = head.say(evidence(column)).line(&column.source);
    let others: Vec<String> = (0..assigned.columns.len())
        .filter(|other| *other != at && matches!(assigned.moments[*other], Some(Moment::Whole(_))))
        .map(|other| assigned.columns[other].called())
        .collect();
    let block = if others.is_empty() {
        block
    } else {
        block.ask(format!("{} could be the time of the tap too", others.join(", ")))
    };
    match &assigned.moments[at] {
        Some(Moment::Seconds) => block.say("It counts seconds since 1970 in UTC.").line("unix = \"seconds\""),
        Some(Moment::Millis) => {
            block.say("It counts milliseconds since 1970 in UTC.").line("unix = \"millis\"")
        }
        Some(Moment::Date(date)) => {
            let block = block.ask("it says the day but no clock: every tap would be at 00:00");
            written(block, date, &date.format)
        }
        Some(Moment::Whole(whole)) => written(block, whole, &whole.format),
        Some(Moment::Clock(_)) | None => super::gaps::without_source(Column::TappedAt, assigned),
    }
}

fn amount(target: Column, column: &Profile) -> Block {
    let mut block = table(target, column).say(evidence(column));
    let mut money: Vec<Money> = column.filled().filter_map(Money::of).collect();
    let hex = column.percent(|text| Money::of(text).is_some()) < 95;
    if hex {
        let from_the_start = column.percent(|text| text.starts_with("00"));
        let from_the_end = column.percent(|text| text.ends_with("00"));
        let form = if from_the_end > from_the_start { "hex-le" } else { "hex" };
        return block
            .say(format!(
                "Hex digits: {from_the_start} % begin with 00 and {from_the_end} % end so, \
                    which tells the order of the bytes."
            ))
            .line("unit = \"fen\"")
            .line(format!("form = \"{form}\""));
    }
    let signs = money.iter().filter_map(|m| m.currency).collect::<std::collections::BTreeSet<_>>();
    if !signs.is_empty() {
        let listed = signs.iter().map(|sign| quoted(sign)).collect::<Vec<_>>().join(", ");
        block = block.line(format!("remove = [{listed}]"));
    }
    if are_grouped_by_points(&money) {
        money.iter_mut().for_each(Money::with_point_as_group);
        block = block.ask(
            "exactly three digits stand behind every point, so that `1.280` is read as 1280; if it is one and a \
             bit, take `thousands` and `decimal` away",
        );
    }
    if let Some(groups) = money.iter().find_map(|m| m.groups) {
        block = block.line(format!("thousands = {}", quoted(&groups.to_string())));
    }
    let comma = money.iter().filter(|m| m.sign == Some(',')).count() > money.len() / 2;
    if comma || money.iter().any(|m| m.groups == Some('.')) {
        block = block.line("decimal = \",\"");
    }
    let minus = money.iter().filter(|m| m.negative).count();
    if minus * 2 > money.len() {
        block = block.line("sign = \"minus\"");
    } else if minus > 0 {
        block =
            block.ask(format!("{minus} amounts are below zero and will be malformed: refunds are no taps"));
    }
    unit(block, &money)
}

/// Whether the points of amounts stand between thousands: three digits behind each, and none of zero whole.
fn are_grouped_by_points(money: &[Money]) -> bool {
    let mut pointed = money.iter().filter(|m| m.sign.is_some()).peekable();
    pointed.peek().is_some()
        && pointed.all(|m| {
            m.sign == Some('.')
                && m.decimals.len() == 3
                && m.groups.is_none()
                && (1..=3).contains(&m.whole.len())
                && !m.whole.starts_with('0')
        })
}

fn unit(block: Block, money: &[Money]) -> Block {
    let fraction = money.iter().filter(|m| m.decimals.bytes().any(|b| b != b'0')).count();
    let fine = money.iter().filter(|m| m.hundredths().is_none()).count();
    let written = money.iter().filter(|m| m.sign.is_some()).count();
    if fine > 0 {
        let block = block
            .ask(format!("{fine} amounts are finer than 1/100 and will be malformed; nothing is rounded"));
        return block.line("unit = \"yuan\"");
    }
    if fraction > 0 {
        let share = fraction * 100 / money.len().max(1);
        return block
            .say(format!("{share} % have a fraction, so the unit is not fen."))
            .line("unit = \"yuan\"");
    }
    let two = money.iter().filter(|m| m.decimals.len() == 2).count();
    if written > 0 && two * 2 > money.len() {
        return block.say("They have two decimals, all zero.").line("unit = \"yuan\"");
    }
    let mut values: Vec<u64> = money.iter().filter_map(|m| m.whole.parse().ok()).filter(|n| *n > 0).collect();
    values.sort_unstable();
    let middle = values.get(values.len() / 2).copied().unwrap_or(0);
    let unit = if middle >= 30 { "fen" } else { "yuan" };
    let block = block
        .ask(format!(
            "whole numbers, half of them above {middle}: {unit}? Compare with the price of a \
                ride that you know"
        ))
        .line(format!("unit = \"{unit}\""));
    if written > 0 { block.say("They are written as floats.").line("float = true") } else { block }
}

fn digits(target: Column, column: &Profile) -> Block {
    let size = match target {
        Column::Terminal => 12,
        Column::Card => 16,
        _ => 8,
    };
    let float = column.percent(|text| {
        text.split_once('.').is_some_and(|(n, zeros)| is_digits(n) && zeros.bytes().all(|b| b == b'0'))
    });
    let most = |is: fn(&str) -> bool| column.percent(is) >= 95;
    let len = column.len_max();
    let block = table(target, column).say(evidence(column));
    let block = match () {
        () if float >= 95 => {
            block.say("Whole numbers written as floats.").line("float = true").line("form = \"bcd\"")
        }
        () if most(is_digits) => {
            let block =
                if size == len && target == Column::Tac { block } else { block.line("form = \"bcd\"") };
            block.ask(
                "decimal digits, kept as they are; if the number itself is meant, to be written \
                    in hex, say `form = \"decimal\"`",
            )
        }
        () if most(is_hex) => block.say("Hex digits."),
        () => return super::gaps::no_digits(target, column),
    };
    if len > size && float < 95 {
        block
            .ask(format!(
                "up to {len} digits, but a {} has {size}: which of them are its number?",
                target.name()
            ))
            .line("keep = \"last\"")
    } else if target == Column::Terminal {
        block
            .ask(
                "terminal numbers have 12 digits and begin with those that the rulebook gives \
                    to the city; say them here if they are not in the file",
            )
            .gap("prefix = \"0000\"")
    } else if len < size {
        block.say(format!("Shorter ones are filled up with zeros in front to {size} digits."))
    } else {
        block
    }
}

fn number(target: Column, column: &Profile, assigned: &Assigned) -> Block {
    let block = table(target, column).say(evidence(column));
    let floats = column.percent(|text| text.contains('.')) > 0;
    let block =
        if floats { block.say("Whole numbers written as floats.").line("float = true") } else { block };
    let (Column::TerminalSeq, Some(terminal), Some(own)) =
        (target, assigned.sources.get(&Column::Terminal), assigned.sources.get(&Column::TerminalSeq))
    else {
        return block;
    };
    if assigned.increases_within(*own, *terminal) {
        block.say("It grows from row to row at each terminal.")
    } else {
        block.ask(
            "it does not grow from row to row at each terminal: is it the terminal's own \
                counter? Two taps of a terminal must never have the same number",
        )
    }
}

fn issuer(column: &Profile) -> Block {
    let block = table(Column::Issuer, column).say(format!("{}: {}", column.called(), column.shares(6)));
    if column.percent(|text| text.parse::<domain::city::City>().is_ok()) >= 95 {
        return block;
    }
    if column.percent(|text| text.len() <= 4 && is_hex(text)) >= 95 {
        return block
            .ask(
                "the texts look like codes of cities; `cu` is City Union, `tu` is T-Union, \
                    whose codes are others: which is it?",
            )
            .line("scheme = \"cu\"");
    }
    super::gaps::values(Column::Issuer, column, "cities such as cu-2000")
}

fn words_of(target: Column, column: &Profile, dropped: &[String]) -> Block {
    let block = table(target, column).say(format!("{}: {}", column.called(), column.shares(6)));
    let listed: Vec<&str> = column
        .texts
        .iter()
        .map(|(text, _)| text.as_str())
        .filter(|text| !dropped.iter().any(|dropped| dropped == text))
        .take(LISTED_MAX)
        .collect();
    let own = |text: &&str| match target {
        Column::Type => ["06", "09", "6", "9"].contains(text),
        Column::Algorithm => ["3des", "sm4"].contains(text),
        _ => words::meaning(target, text).is_some_and(|word| word == *text),
    };
    if listed.iter().all(own) {
        return block;
    }
    if !listed.iter().any(|text| words::meaning(target, text).is_some()) {
        return super::gaps::values(target, column, super::gaps::words(target));
    }
    let mut block = block.say("What the texts mean is read from their words.");
    block = block.line(format!("[columns.{}.values]", target.name()));
    for text in &listed {
        block = match words::meaning(target, text) {
            Some(word) => block.line(format!("{} = \"{word}\"", quoted(text))),
            None => block.gap(format!("{} = \"?\"", quoted(text))),
        };
    }
    if listed.iter().any(|text| words::meaning(target, text).is_none()) {
        block = block.ask(format!(
            "rows with the texts that are not filled in will be malformed; {}",
            super::gaps::words(target)
        ));
    }
    block
}

fn free_text(target: Column, column: &Profile) -> Block {
    let block = table(target, column).say(evidence(column));
    let longest = column.filled().max_by_key(|text| text.len()).unwrap_or_default();
    if longest.len() > TEXT_LEN_MAX {
        let what =
            format!("some are longer than {TEXT_LEN_MAX} bytes and are cut, e.g. `{}`", short(longest));
        block.say(what).line("shorten = true")
    } else {
        block
    }
}
