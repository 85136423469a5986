//! The text of a value in another spelling.

use crate::{
    mapping::{
        MappedRow,
        clock::Clock,
        convert::Convert,
        spec::{Form, Pad, RuleSpec, Sign, Unit},
        text::shortened,
    },
    tapfile::Column,
};

/// A row's value as `cityunion-tap/1` spells it.
pub(super) fn canonical(column: Column, row: &MappedRow) -> String {
    let mut text = Vec::new();
    row.write(column, &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

/// A text of a value table as the column reads it, in the contract's spelling.
pub(super) fn read(column: Column, rule: &RuleSpec, text: &str) -> Option<String> {
    let mut row = MappedRow::default();
    Convert::of(rule, column).ok()?.put(column, text.as_bytes(), &mut row).ok()?;
    Some(canonical(column, &row))
}

/// The text that a rule reads as the row's value. `len` is the room in bytes, if it is fixed.
///
/// # Errors
/// Why there is none.
pub(super) fn text(
    column: Column,
    rule: &RuleSpec,
    row: &MappedRow,
    len: Option<usize>,
) -> Result<String, String> {
    let text = match column {
        Column::Terminal | Column::Card | Column::Tac => hex(&canonical(column, row), rule, len)?,
        Column::AmountFen => amount(row.amount_fen.unwrap_or(0), rule, len)?,
        Column::FareFen => amount(row.fare_fen.unwrap_or(0), rule, len)?,
        Column::TerminalSeq => number(row.terminal_seq.unwrap_or(0).into(), rule, len, 8),
        Column::CardCounter => number(row.card_counter.unwrap_or(0).into(), rule, len, 4),
        Column::KeyVersion => number(row.key_version.unwrap_or(0).into(), rule, len, 2),
        Column::TappedAt => time(row, rule)?,
        Column::Issuer => issuer(&canonical(column, row), rule)?,
        _ => canonical(column, row),
    };
    let whole = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    Ok(if rule.float == Some(true) && whole { format!("{text}.0") } else { text })
}

fn hex(digits: &str, rule: &RuleSpec, len: Option<usize>) -> Result<String, String> {
    let prefix = rule.prefix.as_deref().unwrap_or("").to_ascii_uppercase();
    let rest = digits
        .strip_prefix(&prefix)
        .ok_or_else(|| format!("`{digits}` does not begin with the mapping's prefix `{prefix}`"))?;
    let text = match rule.form.unwrap_or(Form::Hex) {
        Form::Decimal => {
            let number =
                u64::from_str_radix(rest, 16).map_err(|_| format!("`{rest}` is too large a number"))?;
            number.to_string()
        }
        Form::HexLe => last_byte_first(rest),
        Form::Bcd if rest.bytes().any(|b| !b.is_ascii_digit()) => {
            return Err(format!("`{digits}` has letters, but the layout has decimal digits there"));
        }
        Form::Hex | Form::Bcd | Form::Digest => rest.to_owned(),
    };
    let Some(len) = len else { return Ok(text) };
    // What the mapping fills up when it reads may be left out where there is no room.
    let with = rule.pad_with.as_deref().unwrap_or("0");
    let mut short = text.as_str();
    while short.len() > len {
        let less = match rule.pad.unwrap_or(Pad::Left) {
            Pad::Left => short.strip_prefix(with),
            Pad::Right => short.strip_suffix(with),
            Pad::None => None,
        };
        short = less.ok_or_else(|| format!("`{text}` has {} digits, there is room for {len}", text.len()))?;
    }
    Ok(short.to_owned())
}

/// Pairs of hex digits in the opposite order.
fn last_byte_first(digits: &str) -> String {
    let pairs = digits.as_bytes().rchunks(2).flatten().map(|byte| char::from(*byte));
    pairs.collect()
}

/// A number of `digits` hex digits, or a decimal one.
fn number(number: u64, rule: &RuleSpec, len: Option<usize>, digits: usize) -> String {
    let digits = len.map_or(digits, |len| len - len % 2);
    match rule.form.unwrap_or(Form::Decimal) {
        Form::Hex => format!("{number:0digits$X}"),
        Form::HexLe => last_byte_first(&format!("{number:0digits$X}")),
        _ => number.to_string(),
    }
}

fn amount(fen: u32, rule: &RuleSpec, len: Option<usize>) -> Result<String, String> {
    let (multiply, divide) = (u64::from(rule.multiply.unwrap_or(1)), u64::from(rule.divide.unwrap_or(1)));
    let written = u64::from(fen) * divide;
    if multiply == 0 || !written.is_multiple_of(multiply) {
        return Err(format!("{fen} fen are no multiple of the layout's unit"));
    }
    let written = written / multiply;
    let text = match (rule.unit.unwrap_or(Unit::Fen), rule.form.unwrap_or(Form::Decimal)) {
        (Unit::Fen, _) => number(written, rule, len, 8),
        (Unit::Yuan, Form::Decimal) => {
            let sign = rule.decimal.as_deref().unwrap_or(".");
            format!("{}{sign}{:02}", written / 100, written % 100)
        }
        (Unit::Yuan, _) if written.is_multiple_of(100) => number(written / 100, rule, len, 8),
        (Unit::Yuan, _) => return Err(format!("{fen} fen are no whole yuan, as the layout has it")),
    };
    Ok(if rule.sign == Some(Sign::Minus) && written > 0 { format!("-{text}") } else { text })
}

fn time(row: &MappedRow, rule: &RuleSpec) -> Result<String, String> {
    let time = row.tapped_at.ok_or("there is no time")?;
    let mut text = Vec::new();
    Clock::of(rule)?
        .write(time, &mut text)
        .ok_or_else(|| format!("`{time}` cannot be written in the layout's format"))?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

fn issuer(city: &str, rule: &RuleSpec) -> Result<String, String> {
    let Some(scheme) = &rule.scheme else { return Ok(city.to_owned()) };
    let code = city.split_once('-').filter(|(own, _)| own == scheme).map(|(_, code)| code.to_owned());
    code.ok_or_else(|| {
        format!(
            "`{}` is not of scheme {scheme}, the only one that the layout has",
            shortened(city.as_bytes())
        )
    })
}
