//! Which rows are taken at all.

use std::cmp::Ordering;

use super::{
    number::plain_number,
    spec::{FilterSpec, Ref},
    text::shortened,
};

/// A condition on one field.
#[derive(Clone, Debug)]
pub struct Filter {
    /// The field.
    pub field: Ref,
    values: Vec<String>,
    prefixes: Vec<String>,
    range: Option<Range>,
    empty: bool,
}

#[derive(Clone, Debug)]
enum Range {
    /// Exact decimals, as [`plain_number`] writes them.
    Numbers(Option<Vec<u8>>, Option<Vec<u8>>),
    Texts(Option<String>, Option<String>),
}

impl Filter {
    /// The condition of a table.
    ///
    /// # Errors
    /// If it has none, or one that nothing meets.
    pub fn of(spec: &FilterSpec) -> Result<Self, String> {
        let range = Range::of(spec.from.as_deref(), spec.to.as_deref())?;
        let (values, prefixes) = (spec.values.clone(), spec.prefixes.clone());
        if values.is_empty() && prefixes.is_empty() && range.is_none() && !spec.empty {
            return Err("says no condition; known are `values`, `prefixes`, `from`, `to` and `empty = true`"
                .to_owned());
        }
        Ok(Self { field: spec.column.clone(), values, prefixes, range, empty: spec.empty })
    }

    /// Whether a text meets the condition.
    ///
    /// # Errors
    /// If it is no number, and numbers are compared.
    pub fn matches(&self, text: &[u8]) -> Result<bool, String> {
        let met = self.empty && text.is_empty()
            || self.values.iter().any(|value| value.as_bytes() == text)
            || self.prefixes.iter().any(|prefix| text.starts_with(prefix.as_bytes()));
        match &self.range {
            Some(range) if !met => range.has(text),
            _ => Ok(met),
        }
    }
}

impl Range {
    fn of(from: Option<&str>, to: Option<&str>) -> Result<Option<Self>, String> {
        if from.is_none() && to.is_none() {
            return Ok(None);
        }
        let plain = [from, to].into_iter().flatten().all(is_plain);
        let number = |bound: Option<&str>| bound.and_then(|bound| number(bound.as_bytes()));
        let range = if plain {
            Self::Numbers(number(from), number(to))
        } else {
            Self::Texts(from.map(str::to_owned), to.map(str::to_owned))
        };
        let turned = match &range {
            Self::Numbers(Some(from), Some(to)) => compare(from, to).is_gt(),
            Self::Texts(Some(from), Some(to)) => from > to,
            _ => false,
        };
        match (turned, from, to) {
            (true, Some(from), Some(to)) => {
                Err(format!("has from = \"{from}\" above to = \"{to}\", which nothing meets; swap them"))
            }
            _ => Ok(Some(range)),
        }
    }

    fn has(&self, text: &[u8]) -> Result<bool, String> {
        match self {
            Self::Numbers(..) if text.is_empty() => Ok(false),
            Self::Numbers(from, to) => {
                let number = number(text).ok_or_else(|| {
                    let text = shortened(text);
                    format!("`{text}`: no number, but a filter compares numbers here (\"from\", \"to\")")
                })?;
                let behind = from.as_ref().is_none_or(|from| compare(from, &number).is_le());
                Ok(behind && to.as_ref().is_none_or(|to| compare(&number, to).is_le()))
            }
            Self::Texts(from, to) => {
                let behind = from.as_ref().is_none_or(|from| from.as_bytes() <= text);
                Ok(behind && to.as_ref().is_none_or(|to| text <= to.as_bytes()))
            }
        }
    }
}

/// Whether a bound is a number by its look: a sign, digits, a point. `1E5` may be a code.
fn is_plain(bound: &str) -> bool {
    let has_digit = bound.bytes().any(|byte| byte.is_ascii_digit());
    has_digit && !bound.contains(['e', 'E']) && number(bound.as_bytes()).is_some()
}

fn number(text: &[u8]) -> Option<Vec<u8>> {
    let mut plain = Vec::new();
    plain_number(text, &mut plain).then_some(plain)
}

/// Compares numbers as [`plain_number`] writes them: without useless zeros.
fn compare(one: &[u8], other: &[u8]) -> Ordering {
    match (one.strip_prefix(b"-"), other.strip_prefix(b"-")) {
        (Some(one), Some(other)) => compare_sizes(other, one),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => compare_sizes(one, other),
    }
}

fn compare_sizes(one: &[u8], other: &[u8]) -> Ordering {
    let whole = |number: &[u8]| memchr::memchr(b'.', number).unwrap_or(number.len());
    // The point stands before every digit, and nothing before the point.
    whole(one).cmp(&whole(other)).then_with(|| one.cmp(other))
}
