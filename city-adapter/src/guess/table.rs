//! Which lines are rows, which one names the columns, and which are control lines.

use super::{
    charset::Charset,
    sample::SampleLines,
    split::{Cutter, Cutting},
    words,
};

/// Lines before the rows that are looked at.
const HEAD_LINES_MAX: usize = 20;
/// Lines behind the rows that are looked at.
const TAIL_LINES_MAX: usize = 5;
/// The longest word that marks a control line.
const MARK_LEN_MAX: usize = 4;
/// Rows that are looked at to tell names from values.
const LOOK_ROWS_MAX: usize = 2000;

/// A line that says something about the others.
#[derive(Clone, Debug)]
pub(super) struct Control {
    /// How it begins, if that tells it from rows.
    pub starts_with: Option<String>,
    /// Its text.
    pub text: String,
    /// Its fields; for lines cut at places the stretches of digits with their places.
    pub fields: Vec<ControlField>,
}

/// A field of a control line.
#[derive(Clone, Debug)]
pub(super) struct ControlField {
    /// Where it begins, in bytes, 0-based, if lines are cut at places.
    pub at: Option<usize>,
    /// What it says.
    pub text: String,
}

/// The rows of a file and what stands around them.
#[derive(Clone, Debug)]
pub(super) struct Table {
    /// How lines are cut.
    pub cutter: Cutter,
    /// Names of the columns, if a line says them.
    pub names: Option<Vec<String>>,
    /// Why that line is, or is not, taken for names.
    pub names_evidence: String,
    /// Lines before everything else that say nothing for us.
    pub skip: usize,
    /// How lines begin that are comments.
    pub comment: Option<String>,
    /// The line before the rows.
    pub header: Option<Control>,
    /// The last line.
    pub trailer: Option<Control>,
    /// Rows.
    pub rows: Vec<Vec<String>>,
    /// Lines among the rows that have not their shape, with an example.
    pub odd: Option<(usize, String)>,
    /// Lines behind the rows that are none, if several.
    pub tail: Vec<String>,
    /// Whether the rows are all rows of the file.
    pub all: bool,
}

impl Table {
    /// Looks at lines; `None` if there are none.
    pub fn of(lines: &SampleLines, charset: &Charset) -> Option<Self> {
        if lines.lines.is_empty() {
            return None;
        }
        let cutter = Cutter::of(&lines.lines);
        let fields: Vec<Vec<String>> =
            lines.lines.iter().map(|line| cutter.fields(line, charset.encoding)).collect();
        let mut fits: Vec<bool> =
            lines.lines.iter().zip(&fields).map(|(line, fields)| cutter.fits(line, fields)).collect();
        mark_by_kind(&cutter, &fields, &mut fits, lines.to_the_end);
        let first = fits.iter().take(HEAD_LINES_MAX).position(|fits| *fits).unwrap_or(0);
        let behind = if lines.to_the_end {
            fits.iter().rev().take(TAIL_LINES_MAX).position(|fits| *fits).unwrap_or(0)
        } else {
            0
        };
        let end = lines.lines.len() - behind;
        let mut rows: Vec<Vec<String>> =
            (first..end).filter(|at| fits[*at]).map(|at| fields[at].clone()).collect();
        let mut odd = (first..end).filter(|at| !fits[*at]);
        let odd = odd.next().map(|at| (1 + odd.count(), lines.lines[at].text.clone()));
        let (names, names_evidence) = names(&cutter, &mut rows);
        let mut table = Self {
            cutter,
            names,
            names_evidence,
            skip: 0,
            comment: None,
            header: None,
            trailer: None,
            rows,
            odd,
            tail: Vec::new(),
            all: lines.all,
        };
        let text = |at: usize| lines.lines[at].text.as_str();
        table.before(
            (0..first).map(text).collect(),
            lines.lines.get(first.saturating_sub(1)).map_or(0, |l| l.number),
        );
        table.behind((end..lines.lines.len()).map(text).collect());
        Some(table)
    }

    fn before(&mut self, head: Vec<&str>, last_number: usize) {
        let Some(last) = head.last() else { return };
        if let Some(comment) =
            ["#", "//"].into_iter().find(|sign| head.iter().all(|line| line.starts_with(sign)))
        {
            self.comment = Some(comment.to_owned());
        } else if head.len() == 1 && last.bytes().any(|b| b.is_ascii_digit()) && self.mark(last).is_some() {
            self.header = Some(self.control(last));
        } else {
            self.skip = last_number;
        }
    }

    fn behind(&mut self, tail: Vec<&str>) {
        match tail.as_slice() {
            [] => {}
            [one] => self.trailer = Some(self.control(one)),
            several => self.tail = several.iter().map(|line| (*line).to_owned()).collect(),
        }
    }

    fn control(&self, line: &str) -> Control {
        let fields = match &self.cutter.cutting {
            Cutting::Separator { separator, .. } => line
                .split(*separator)
                .map(|text| ControlField { at: None, text: text.trim().to_owned() })
                .collect(),
            Cutting::Places { .. } => digits_of(line),
        };
        Control { starts_with: self.mark(line), text: line.to_owned(), fields }
    }

    /// The word at the beginning of a control line that no row begins with.
    fn mark(&self, line: &str) -> Option<String> {
        let len = line.bytes().take_while(u8::is_ascii_alphabetic).count();
        let mark = line.get(..len).filter(|mark| !mark.is_empty() && mark.len() <= MARK_LEN_MAX)?;
        let row = |row: &Vec<String>| row.first().is_some_and(|field| field.starts_with(mark));
        (!self.rows.iter().any(row)).then(|| mark.to_owned())
    }
}

/// Stretches of digits of a line, with their places.
fn digits_of(line: &str) -> Vec<ControlField> {
    let bytes = line.as_bytes();
    let mut fields = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let len = bytes[at..].iter().take_while(|b| b.is_ascii_digit()).count();
        if len > 0 {
            fields.push(ControlField {
                at: Some(at),
                text: line.get(at..at + len).unwrap_or_default().to_owned(),
            });
        }
        at += len.max(1);
    }
    fields
}

/// Control lines may have as many fields as rows, but then another word in the first one, which is the same in all
/// rows (`D`).
fn mark_by_kind(cutter: &Cutter, fields: &[Vec<String>], fits: &mut [bool], to_the_end: bool) {
    let kind = |at: usize| fields.get(at).and_then(|fields| fields.first()).map_or("", String::as_str);
    let len = fields.len();
    if len < 4 || matches!(cutter.cutting, Cutting::Places { .. }) {
        return;
    }
    let usual = kind(len / 2).to_owned();
    let same = (0..len).filter(|at| kind(*at) == usual).count();
    if usual.is_empty() || usual.len() > MARK_LEN_MAX || same + 4 < len || same * 100 < len * 90 {
        return;
    }
    let figures = |at: usize| fields[at].iter().filter(|field| is_number(field)).count();
    let other = |at: usize| kind(at) != usual && kind(at).len() <= MARK_LEN_MAX && figures(at) > 0;
    if other(0) {
        fits[0] = false;
    }
    if to_the_end && other(len - 1) {
        fits[len - 1] = false;
    }
}

/// Takes the first row away if it holds names.
fn names(cutter: &Cutter, rows: &mut Vec<Vec<String>>) -> (Option<Vec<String>>, String) {
    if matches!(cutter.cutting, Cutting::Places { .. }) {
        return (None, "fields by places have no names".to_owned());
    }
    let Some((first, rest)) = rows.split_first() else { return (None, "there are no rows".to_owned()) };
    match names_evidence(first, &rest[..rest.len().min(LOOK_ROWS_MAX)]) {
        Ok(evidence) => (Some(rows.remove(0)), evidence),
        Err(evidence) => (None, evidence),
    }
}

fn names_evidence(first: &[String], rows: &[Vec<String>]) -> Result<String, String> {
    if let Some(field) = first.iter().find(|field| is_number(field)) {
        return Err(format!("the first line has `{field}`, which is no name"));
    }
    let column = |at: usize| rows.iter().filter_map(move |row| row.get(at)).filter(|text| !text.is_empty());
    let numbers = |at: usize| {
        let (all, numbers) =
            column(at).fold((0, 0), |(all, n), text| (all + 1, n + usize::from(is_number(text))));
        all > 0 && numbers * 10 >= all * 9
    };
    let contrast = (0..first.len()).filter(|at| !first[*at].is_empty() && numbers(*at)).count();
    if contrast > 0 {
        return Ok(format!("the first line has words where the others have numbers ({contrast} columns)"));
    }
    let known = first.iter().filter(|field| words::is_known(field)).count();
    if known >= 2 && !rows.is_empty() {
        return Ok(format!("{known} words of the first line are usual names of columns"));
    }
    let alone = (0..first.len()).all(|at| !column(at).any(|text| *text == first[at]));
    let mut sorted: Vec<&String> = first.iter().collect();
    sorted.sort();
    sorted.dedup();
    if alone && sorted.len() == first.len() && rows.len() >= 3 && !first.iter().any(String::is_empty) {
        return Ok("the words of the first line occur nowhere else; look whether they are names".to_owned());
    }
    Err("the first line looks like all others".to_owned())
}

/// Digits with the signs that stand in numbers, dates and clocks.
fn is_number(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let signs = text.bytes().filter(|b| b" .,:/-+TZ$".contains(b)).count();
    digits > 0 && digits + signs == text.len()
}
