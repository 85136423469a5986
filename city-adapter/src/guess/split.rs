//! How lines are cut into columns: a separator, or places.

use std::collections::BTreeMap;

use super::{
    fixed::{self, Cut},
    sample::Line,
};

/// Characters that are made for separating, the more usual ones first.
const SEPARATORS: [char; 14] =
    [',', '\t', ';', '|', '\u{1}', '\u{1F}', '^', '~', '!', '#', '$', '&', '*', '@'];
/// Characters that stand inside of values too; only if nothing else separates.
const SEPARATORS_LAST: [char; 1] = [' '];
/// Of a hundred lines so many must have the same number of columns.
const SAME_PERCENT: usize = 90;
/// Lines that are looked at.
const LOOK_LINES_MAX: usize = 5000;

/// How the lines of a file are cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cutting {
    /// At a separator.
    Separator {
        /// The separator.
        separator: char,
        /// Whether fields are in quotes where they need it.
        quoted: bool,
    },
    /// At places, in bytes.
    Places {
        /// The pieces, in order.
        cuts: Vec<Cut>,
        /// Bytes of a line.
        line_len: usize,
    },
}

/// How the lines are cut, and why.
#[derive(Clone, Debug)]
pub(super) struct Cutter {
    /// How.
    pub cutting: Cutting,
    /// Columns of a row.
    pub columns: usize,
    /// Why.
    pub evidence: String,
    /// What to look at, if it is not certain.
    pub doubt: Option<String>,
}

/// How well a separator fits.
struct Fit {
    separator: char,
    quoted: bool,
    columns: usize,
    /// Lines with this many columns.
    same: usize,
    /// Whether the first line has as many.
    first: bool,
}

impl Cutter {
    /// Guesses; the lines must not be empty.
    pub fn of(lines: &[Line]) -> Self {
        let looked = &lines[..lines.len().min(LOOK_LINES_MAX)];
        let fits = |from: &[char]| {
            let fits = from.iter().filter_map(|separator| Fit::of(looked, *separator));
            // The first of equals is the more usual one.
            fits.rev().max_by_key(|fit| fit.rank(looked.len()))
        };
        let best = fits(&SEPARATORS).filter(|fit| fit.percent(looked.len()) >= SAME_PERCENT);
        match best {
            Some(fit) => return fit.cutter(looked.len()),
            None => {
                if let Some(fixed) = fixed::cut(looked) {
                    return fixed;
                }
            }
        }
        let rest = fits(&SEPARATORS).filter(|fit| fit.percent(looked.len()) >= SAME_PERCENT / 2);
        let rest =
            rest.or_else(|| fits(&SEPARATORS_LAST).filter(|fit| fit.percent(looked.len()) >= SAME_PERCENT));
        rest.map_or_else(one_column, |fit| fit.cutter(looked.len()))
    }

    /// The fields of a line.
    pub fn fields(&self, line: &Line, encoding: &'static encoding_rs::Encoding) -> Vec<String> {
        match &self.cutting {
            Cutting::Separator { separator, quoted } => split(&line.text, *separator, *quoted),
            Cutting::Places { cuts, .. } => cuts
                .iter()
                .map(|cut| {
                    let from = cut.at.min(line.raw.len());
                    let to = (cut.at + cut.len).min(line.raw.len());
                    let (text, _) = encoding.decode_without_bom_handling(&line.raw[from..to]);
                    text.trim().to_owned()
                })
                .collect(),
        }
    }

    /// Whether a line has the shape of a row.
    pub fn fits(&self, line: &Line, fields: &[String]) -> bool {
        match &self.cutting {
            Cutting::Separator { .. } => fields.len() == self.columns,
            Cutting::Places { cuts, line_len } => {
                line.raw.len() == *line_len && fixed::is_like_the_rest(cuts, &line.raw)
            }
        }
    }
}

impl Fit {
    fn of(lines: &[Line], separator: char) -> Option<Self> {
        let quoted = lines.iter().filter(|line| line.text.contains('"')).take(200).collect::<Vec<_>>();
        let well = quoted.iter().filter(|line| split_quoted(&line.text, separator).is_some()).count();
        let quoted = !quoted.is_empty() && well * 10 >= quoted.len() * 9;
        let count = |line: &Line| match quoted && line.text.contains('"') {
            true => split(&line.text, separator, quoted).len(),
            false => line.text.matches(separator).count() + 1,
        };
        let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
        for line in lines {
            *counts.entry(count(line)).or_default() += 1;
        }
        let (columns, same) =
            counts.into_iter().filter(|(columns, _)| *columns > 1).max_by_key(|(_, n)| *n)?;
        let first = lines.first().is_some_and(|line| count(line) == columns);
        Some(Self { separator, quoted, columns, same, first })
    }

    fn percent(&self, lines: usize) -> usize {
        self.same * 100 / lines.max(1)
    }

    fn rank(&self, lines: usize) -> (bool, bool, usize, usize) {
        (self.percent(lines) >= SAME_PERCENT, self.first, self.columns, self.same)
    }

    fn cutter(self, lines: usize) -> Cutter {
        let evidence = format!(
            "{} cuts {} of {lines} lines into {} columns",
            shown(self.separator),
            self.same,
            self.columns
        );
        let doubt = (self.percent(lines) < SAME_PERCENT)
            .then(|| "many lines have another number of columns: look at them".to_owned());
        let cutting = Cutting::Separator { separator: self.separator, quoted: self.quoted };
        Cutter { cutting, columns: self.columns, evidence, doubt }
    }
}

fn one_column() -> Cutter {
    Cutter {
        cutting: Cutting::Separator { separator: ',', quoted: false },
        columns: 1,
        evidence: "no character cuts the lines into columns, and they are not of one length".to_owned(),
        doubt: Some("say the separator, or the places of the fields with `fixed = true`".to_owned()),
    }
}

/// A separator as a word for people.
pub(super) fn shown(separator: char) -> String {
    match separator {
        '\t' => "the tab".to_owned(),
        ' ' => "the space".to_owned(),
        control if control.is_control() => format!("the character {:02X} (hex)", u32::from(control)),
        other => format!("`{other}`"),
    }
}

/// The fields of a line; one whose quotes are wrong is cut as if it had none.
fn split(text: &str, separator: char, quoted: bool) -> Vec<String> {
    let fields = if quoted && text.contains('"') { split_quoted(text, separator) } else { None };
    fields.unwrap_or_else(|| text.split(separator).map(|field| field.trim().to_owned()).collect())
}

fn split_quoted(text: &str, separator: char) -> Option<Vec<String>> {
    let mut fields = Vec::new();
    let mut rest = text;
    loop {
        let field;
        (field, rest) = match rest.strip_prefix('"') {
            None => {
                let end = rest.find(separator).unwrap_or(rest.len());
                (rest[..end].trim().to_owned(), &rest[end..])
            }
            Some(inside) => quoted_field(inside)?,
        };
        fields.push(field);
        match rest.chars().next() {
            None => return Some(fields),
            Some(found) if found == separator => rest = &rest[separator.len_utf8()..],
            Some(_) => return None,
        }
    }
}

fn quoted_field(mut inside: &str) -> Option<(String, &str)> {
    let mut field = String::new();
    loop {
        let at = inside.find('"')?;
        field.push_str(&inside[..at]);
        inside = &inside[at + 1..];
        match inside.strip_prefix('"') {
            Some(after) => {
                field.push('"');
                inside = after;
            }
            None => return Some((field, inside)),
        }
    }
}
