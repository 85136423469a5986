//! One target column, turned round.

use super::{
    cells::{Cells, Place},
    value,
};
use crate::{
    mapping::{
        MappedRow,
        spec::{Form, Keep, Pad, Ref, RuleSpec, Sign},
        text::{Text, shortened},
    },
    tapfile::Column,
};

/// How a value becomes texts of the other layout.
pub(super) struct Turned {
    target: Target,
    rule: RuleSpec,
    /// Texts with what they become, if the rule translates them.
    table: Option<Vec<(String, String)>>,
    /// Why the value does not tell the text.
    open: Option<String>,
}

/// Where the text goes.
enum Target {
    /// Nowhere: the same for every row, or made while reading. What comes back is compared.
    Nowhere,
    /// Into one field.
    Cell(usize),
    /// Into several, with what stands between them.
    Cells(Vec<usize>, String),
}

impl Turned {
    /// Turns the rule of a target column round.
    ///
    /// # Errors
    /// Why that cannot be done.
    pub fn of(
        column: Column,
        rule: &RuleSpec,
        text: Option<&Text>,
        cells: &mut Cells,
    ) -> Result<Self, String> {
        let mut rule = rule.clone();
        let target = target(&mut rule, cells)?;
        let mut table = None;
        let mut open = None;
        if let Some(known) = text.and_then(|text| text.table.as_ref()) {
            match known.pairs() {
                Some(pairs) => {
                    let owned = pairs.into_iter().map(|(text, value)| (text.to_owned(), value.to_owned()));
                    table = Some(owned.collect());
                }
                None => {
                    open = Some("a table of beginnings or ranges does not tell the whole text".to_owned())
                }
            }
        }
        if rule.form == Some(Form::Digest) {
            open = Some("a digest does not tell the text that it is of".to_owned());
        }
        if rule.split.is_some() || rule.between.is_some() || rule.characters.is_some() {
            open = Some("it is a part of a field, and the rest of the field is not known".to_owned());
        }
        let numeric = matches!(
            column,
            Column::TerminalSeq
                | Column::CardCounter
                | Column::KeyVersion
                | Column::AmountFen
                | Column::FareFen
        );
        if let Target::Cell(cell) = &target
            && table.is_none()
            && open.is_none()
            && (numeric
                && rule.form.is_none_or(|form| form == Form::Decimal)
                && rule.sign != Some(Sign::Minus)
                || fills_up(column, &rule))
        {
            cells.cell_mut(*cell).zeros = true;
        }
        Ok(Self { target, rule, table, open })
    }

    /// The fields that it says something about.
    pub fn cells(&self) -> &[usize] {
        match &self.target {
            Target::Nowhere => &[],
            Target::Cell(cell) => std::slice::from_ref(cell),
            Target::Cells(cells, _) => cells,
        }
    }

    /// Whether its value tells the text for certain.
    pub fn tells(&self) -> bool {
        self.table.is_none() && self.open.is_none()
    }

    /// Why its value says nothing about the text.
    pub fn open(&self) -> Option<&str> {
        self.open.as_deref()
    }

    /// The texts that it translates.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.table.iter().flatten().map(|(text, _)| text.as_str())
    }

    /// What a text becomes.
    pub fn value_of(&self, text: &str) -> Option<&str> {
        let found = self.table.iter().flatten().find(|(key, _)| key == text);
        found.map(|(_, value)| value.as_str()).or(self.rule.default.as_deref())
    }

    /// What may stand in each of its fields.
    ///
    /// # Errors
    /// Why the value has no text.
    pub fn texts(
        &self,
        column: Column,
        row: &MappedRow,
        cells: &Cells,
    ) -> Result<Vec<(usize, Vec<String>)>, String> {
        if self.open.is_some() || matches!(self.target, Target::Nowhere) {
            return Ok(Vec::new());
        }
        let texts = match &self.table {
            None => {
                let len = match &self.target {
                    Target::Cell(cell) => cells.len_of(*cell),
                    _ => None,
                };
                vec![value::text(column, &self.rule, row, len)?]
            }
            Some(table) => self.keys_of(column, row, table)?,
        };
        let Target::Cells(parts, with) = &self.target else {
            return Ok(self.cells().iter().map(|cell| (*cell, texts.clone())).collect());
        };
        let text = texts.first().map_or("", String::as_str);
        let pieces = pieces(text, parts, with, cells).ok_or_else(|| {
            format!("`{}` does not fall into {} parts", shortened(text.as_bytes()), parts.len())
        })?;
        Ok(parts.iter().copied().zip(pieces.into_iter().map(|piece| vec![piece])).collect())
    }

    /// The texts that stand for the row's value. Spellings differ, so values are compared as the column reads them.
    fn keys_of(
        &self,
        column: Column,
        row: &MappedRow,
        table: &[(String, String)],
    ) -> Result<Vec<String>, String> {
        let own = value::canonical(column, row);
        let read = |value: &str| value::read(column, &self.rule, value);
        let keys: Vec<String> = table
            .iter()
            .filter(|(_, value)| *value == own || read(value).is_some_and(|read| read == own))
            .map(|(text, _)| text.clone())
            .collect();
        if keys.is_empty() {
            return Err(format!("no text of the mapping's table stands for `{}`", shortened(own.as_bytes())));
        }
        Ok(keys)
    }
}

/// Whether a number of hex digits may have zeros in front in the room that it has.
fn fills_up(column: Column, rule: &RuleSpec) -> bool {
    let all = match column {
        Column::Terminal => 12,
        Column::Card => 16,
        Column::Tac => 8,
        _ => return false,
    };
    let digits = all - rule.prefix.as_deref().map_or(0, str::len);
    let room = rule.length.is_some_and(|length| length <= digits);
    let left = matches!(rule.pad, None | Some(Pad::Left)) && rule.pad_with.is_none();
    let form = matches!(rule.form, None | Some(Form::Hex | Form::Bcd | Form::Decimal));
    form && left && (room || rule.keep == Some(Keep::Last))
}

/// Where the text of a rule comes from, and so goes to.
fn target(rule: &mut RuleSpec, cells: &mut Cells) -> Result<Target, String> {
    if rule.header.is_some() {
        return Err("it comes from the header line, which says one value for all rows".to_owned());
    }
    if rule.constant.is_some() {
        return Ok(Target::Nowhere);
    }
    if let Some(derive) = rule.derive {
        return match derive {
            crate::mapping::spec::Derive::Second => Ok(Target::Nowhere),
            crate::mapping::spec::Derive::Count => {
                Err("it is counted while a file is read, so the file has no place for it".to_owned())
            }
        };
    }
    if let (Some(at), Some(length)) = (rule.at, rule.length) {
        return Ok(Target::Cell(cells.at(Place::Bytes(at.saturating_sub(1), length))));
    }
    if let Some(join) = rule.join.clone() {
        return joined(&join, rule.with.as_deref().unwrap_or(""), cells);
    }
    let Some(column) = rule.column.clone() else { return Err("it has no source".to_owned()) };
    let Ref::Name(name) = &column else { return Ok(Target::Cell(cells.of_ref(&column))) };
    let Some(field) = cells.derived(name).cloned() else { return Ok(Target::Cell(cells.of_ref(&column))) };
    let plain = RuleSpec {
        column: field.column.clone(),
        at: field.at,
        length: field.length,
        join: field.join.clone(),
        with: field.with.clone(),
        ..RuleSpec::default()
    };
    if edits(&field) {
        return Err(format!(
            "the field `{name}` that it comes from is edited, and the text before is not known"
        ));
    }
    target(&mut plain.clone(), cells)
}

/// Whether a derived field is more than its source.
fn edits(field: &RuleSpec) -> bool {
    field.split.is_some()
        || field.between.is_some()
        || field.characters.is_some()
        || field.remove.is_some()
        || field.digits.is_some()
        || field.upper.is_some()
        || field.float.is_some()
        || field.empty.is_some()
        || field.values.is_some()
        || field.table.is_some()
        || field.constant.is_some()
        || field.header.is_some()
}

fn joined(fields: &[Ref], with: &str, cells: &mut Cells) -> Result<Target, String> {
    let mut parts = Vec::new();
    for field in fields {
        let mut rule = RuleSpec { column: Some(field.clone()), ..RuleSpec::default() };
        match target(&mut rule, cells)? {
            Target::Cell(cell) => parts.push(cell),
            _ => return Err("it joins a field that is joined itself".to_owned()),
        }
    }
    let lens = parts.iter().filter(|cell| cells.len_of(**cell).is_some()).count();
    if with.is_empty() && lens < parts.len() {
        return Err(
            "it joins columns with nothing between, so its text does not tell where each ends".to_owned()
        );
    }
    Ok(Target::Cells(parts, with.to_owned()))
}

/// A text cut into the parts that it was joined from.
fn pieces(text: &str, parts: &[usize], with: &str, cells: &Cells) -> Option<Vec<String>> {
    if !with.is_empty() {
        let pieces: Vec<String> = text.splitn(parts.len(), with).map(str::to_owned).collect();
        return (pieces.len() == parts.len()).then_some(pieces);
    }
    let mut rest = text;
    let mut pieces = Vec::new();
    for part in parts {
        let (piece, after) = rest.split_at_checked(cells.len_of(*part)?)?;
        pieces.push(piece.to_owned());
        rest = after;
    }
    rest.is_empty().then_some(pieces)
}
