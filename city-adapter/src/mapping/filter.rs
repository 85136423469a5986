//! Which rows are taken at all.

use super::spec::{FilterSpec, Ref};

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
    Numbers(u64, u64),
    Texts(Option<String>, Option<String>),
}

impl Filter {
    /// The condition of a table.
    ///
    /// # Errors
    /// If it has none.
    pub fn of(spec: &FilterSpec) -> Result<Self, String> {
        let number = |text: &Option<String>, default| {
            text.as_ref().map_or(Some(default), |text| number(text.as_bytes()))
        };
        let range = match (&spec.from, &spec.to) {
            (None, None) => None,
            (from, to) => Some(match (number(from, 0), number(to, u64::MAX)) {
                (Some(from), Some(to)) => Range::Numbers(from, to),
                _ => Range::Texts(from.clone(), to.clone()),
            }),
        };
        let (values, prefixes) = (spec.values.clone(), spec.prefixes.clone());
        if values.is_empty() && prefixes.is_empty() && range.is_none() && !spec.empty {
            return Err("says no condition; known are `values`, `prefixes`, `from`, `to` and `empty = true`"
                .to_owned());
        }
        Ok(Self { field: spec.column.clone(), values, prefixes, range, empty: spec.empty })
    }

    /// Whether a text meets the condition.
    pub fn matches(&self, text: &[u8]) -> bool {
        self.empty && text.is_empty()
            || self.values.iter().any(|value| value.as_bytes() == text)
            || self.prefixes.iter().any(|prefix| text.starts_with(prefix.as_bytes()))
            || self.range.as_ref().is_some_and(|range| range.has(text))
    }
}

impl Range {
    fn has(&self, text: &[u8]) -> bool {
        match self {
            Self::Numbers(from, to) => number(text).is_some_and(|number| (*from..=*to).contains(&number)),
            Self::Texts(from, to) => {
                let behind = from.as_ref().is_none_or(|from| from.as_bytes() <= text);
                behind && to.as_ref().is_none_or(|to| text <= to.as_bytes())
            }
        }
    }
}

fn number(text: &[u8]) -> Option<u64> {
    super::number::whole(text, super::spec::Form::Decimal)
}
