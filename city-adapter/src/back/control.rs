//! Header and trailer lines of the other layout.

use super::{BackError, cells::Cells};
use crate::mapping::{
    Mapping,
    spec::{ControlSpec, Form, Ref, RuleSpec, Spec, Unit},
};

/// What the written lines come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Lines.
    pub records: u64,
    /// Their amounts, fen.
    pub amount_fen: u64,
}

/// Checks that the control lines can be written.
pub(super) fn check(mapping: &Mapping, spec: &Spec) -> Result<(), BackError> {
    for (name, control) in [("header", &spec.header), ("trailer", &spec.trailer)] {
        let Some(control) = control else { continue };
        let wrong = |why: &str| Err(BackError::Layout(format!("[{name}] {why}")));
        if control.starts_with.is_none() && control.records.is_none() && control.amount.is_none() {
            return wrong("does not say what stands in that line");
        }
        for figure in [&control.records, &control.amount].into_iter().flatten() {
            let parts = figure.split.is_some() || figure.between.is_some() || figure.characters.is_some();
            let scaled = figure.multiply.is_some() || figure.divide.is_some() || figure.sign.is_some();
            if parts || scaled || matches!(figure.form, Some(Form::HexLe | Form::Bcd | Form::Digest)) {
                return wrong(
                    "has a figure that is a part of a field, scaled, or in a form that is not written back",
                );
            }
        }
        if mapping.charset.encoding.encode(control.starts_with.as_deref().unwrap_or("")).2 {
            return wrong("begins with a character that the encoding does not have");
        }
    }
    Ok(())
}

/// Writes a control line with its end.
pub(super) fn line(control: &ControlSpec, cells: &Cells, totals: Totals, to: &mut Vec<u8>) {
    let (dialect, charset, fixed) = cells.writing();
    let start = charset.encoding.encode(control.starts_with.as_deref().unwrap_or("")).0.into_owned();
    let figures = [
        control.records.as_ref().map(|rule| (rule, count(rule, totals.records))),
        control.amount.as_ref().map(|rule| (rule, money(rule, totals.amount_fen))),
    ];
    let figures = figures.into_iter().flatten();
    if fixed {
        let mut line = start;
        for (rule, text) in figures {
            let (at, length) = (rule.at.unwrap_or(1).saturating_sub(1), rule.length.unwrap_or(0));
            line.resize(line.len().max(at + length), b' ');
            let text = format!("{text:0>length$}");
            line.splice(at..at + length, text.into_bytes());
        }
        to.extend_from_slice(&line);
    } else {
        let mut fields: Vec<Vec<u8>> = vec![start];
        for (rule, text) in figures {
            let Some(Ref::Position(position)) = rule.column else { continue };
            fields.resize(fields.len().max(position), Vec::new());
            if let Some(field) = fields.get_mut(position.saturating_sub(1)) {
                field.extend_from_slice(text.as_bytes());
            }
        }
        for (index, field) in fields.iter().enumerate() {
            if index > 0 {
                to.push(dialect.separator);
            }
            to.extend_from_slice(&dialect.quoted(field).unwrap_or_default());
        }
    }
    to.push(b'\n');
}

fn count(rule: &RuleSpec, records: u64) -> String {
    let number = records + rule.subtract.unwrap_or(0);
    if rule.form == Some(Form::Hex) { format!("{number:X}") } else { number.to_string() }
}

fn money(rule: &RuleSpec, fen: u64) -> String {
    match (rule.unit.unwrap_or(Unit::Fen), rule.form) {
        (Unit::Yuan, _) => format!("{}{}{:02}", fen / 100, rule.decimal.as_deref().unwrap_or("."), fen % 100),
        (Unit::Fen, Some(Form::Hex)) => format!("{fen:X}"),
        (Unit::Fen, _) => fen.to_string(),
    }
}
