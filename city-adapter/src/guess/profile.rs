//! What stands in one column.

use std::collections::BTreeMap;

use super::table::Table;

/// Texts that stand for nothing in many systems.
const NOTHING: [&str; 11] = ["NULL", "null", "\\N", "N/A", "NA", "None", "nan", "NaN", "-", "--", "(null)"];
/// Signs of currencies, longer ones first.
const CURRENCIES: [&str; 12] = ["RMB", "CNY", "HK$", "US$", "R$", "¥", "￥", "$", "€", "£", "₩", "元"];
/// Different texts that are counted.
const DISTINCT_MAX: usize = 20_000;

/// One column of the rows.
#[derive(Clone, Debug)]
pub(super) struct Profile {
    /// Its name, or nothing.
    pub name: String,
    /// How a mapping says where it is, such as `column = "fare"`.
    pub source: String,
    /// How a list of columns in a mapping says it, such as `"fare"` or `3`; nothing for places.
    pub reference: Option<String>,
    /// The text of every row; empty where it stands for nothing.
    pub values: Vec<String>,
    /// Different texts with how often they occur, the most frequent first; empty ones are not counted.
    pub texts: Vec<(String, usize)>,
    /// Texts of it that stand for nothing.
    pub nothing: Vec<&'static str>,
}

/// How an amount is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Money {
    /// Digits before the decimal sign, without signs between groups.
    pub whole: String,
    /// Digits behind it.
    pub decimals: String,
    /// The decimal sign, if it has one.
    pub sign: Option<char>,
    /// The sign between groups of three, if it has one.
    pub groups: Option<char>,
    /// The currency's sign.
    pub currency: Option<&'static str>,
    /// Whether it is below zero.
    pub negative: bool,
}

impl Profile {
    /// The columns of a table.
    pub fn of(table: &Table) -> Vec<Self> {
        (0..table.cutter.columns).map(|at| Self::column(table, at)).collect()
    }

    fn column(table: &Table, at: usize) -> Self {
        use super::split::Cutting;
        let name = table.names.as_ref().and_then(|names| names.get(at)).cloned().unwrap_or_default();
        let once = table.names.iter().flatten().filter(|other| **other == name).count() == 1;
        let reference = if name.is_empty() || !once { (at + 1).to_string() } else { quoted(&name) };
        let (source, reference) = match &table.cutter.cutting {
            Cutting::Separator { .. } => (format!("column = {reference}"), Some(reference)),
            Cutting::Places { cuts, .. } => {
                (format!("at = {}\nlength = {}", cuts[at].at + 1, cuts[at].len), None)
            }
        };
        let mut nothing = Vec::new();
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        let mut values = Vec::with_capacity(table.rows.len());
        for row in &table.rows {
            let text = row.get(at).map_or("", |text| text.trim());
            let empty = NOTHING.into_iter().find(|word| *word == text);
            if let Some(word) = empty.filter(|word| !nothing.contains(word)) {
                nothing.push(word);
            }
            let text = if empty.is_some() { "" } else { text };
            if !text.is_empty() && (counts.len() < DISTINCT_MAX || counts.contains_key(text)) {
                *counts.entry(text).or_default() += 1;
            }
            values.push(text.to_owned());
        }
        let mut texts: Vec<(String, usize)> =
            counts.into_iter().map(|(text, n)| (text.to_owned(), n)).collect();
        texts.sort_by(|(a, n), (b, m)| m.cmp(n).then_with(|| a.cmp(b)));
        Self { name, source, reference, values, texts, nothing }
    }

    /// Rows in which something stands.
    pub fn filled(&self) -> impl Iterator<Item = &str> {
        self.values.iter().map(String::as_str).filter(|text| !text.is_empty())
    }

    /// How many rows something stands in.
    pub fn filled_len(&self) -> usize {
        self.filled().count()
    }

    /// How many of a hundred rows are so, of those in which something stands; 0 without any.
    pub fn percent(&self, is: impl Fn(&str) -> bool) -> usize {
        let count = |(all, so): (usize, usize), (text, n): &(String, usize)| {
            (all + n, so + if is(text) { *n } else { 0 })
        };
        let (all, so) = self.texts.iter().fold((0, 0), count);
        (so * 100).checked_div(all).unwrap_or(0)
    }

    /// Some texts, as evidence.
    pub fn examples(&self, count: usize) -> String {
        let mut shown: Vec<&str> = Vec::new();
        for text in self.filled() {
            if !shown.contains(&text) {
                shown.push(text);
            }
            if shown.len() == count {
                break;
            }
        }
        shown.iter().map(|text| format!("`{}`", short(text))).collect::<Vec<_>>().join(", ")
    }

    /// The most frequent texts with their shares, as evidence.
    pub fn shares(&self, count: usize) -> String {
        let all = self.filled_len().max(1);
        let one = |(text, n): &(String, usize)| format!("`{}` {} %", short(text), n * 100 / all);
        let mut shown: Vec<String> = self.texts.iter().take(count).map(one).collect();
        if self.texts.len() > count {
            shown.push(format!("{} more", self.texts.len() - count));
        }
        shown.join(", ")
    }

    /// The longest text, in characters.
    pub fn len_max(&self) -> usize {
        self.filled().map(|text| text.chars().count()).max().unwrap_or(0)
    }

    /// What people call it.
    pub fn called(&self) -> String {
        match (&*self.name, &self.reference) {
            ("", Some(position)) => format!("column {position}"),
            ("", None) => self.source.replace("at = ", "bytes from ").replace("\nlength = ", ", length "),
            (name, _) => format!("`{name}`"),
        }
    }
}

impl Money {
    /// Reads an amount as people write it; `None` if it is none.
    pub fn of(text: &str) -> Option<Self> {
        let mut money = Self::default();
        let mut rest = text.trim();
        for _ in 0..3 {
            if let Some(after) = rest.strip_prefix('-') {
                money.negative = true;
                rest = after;
            }
            for sign in CURRENCIES {
                if let Some(other) = rest.strip_prefix(sign).or_else(|| rest.strip_suffix(sign)) {
                    money.currency = Some(sign);
                    rest = other.trim();
                }
            }
        }
        let last = rest.rfind(['.', ',']);
        let (whole, sign, decimals) = match last {
            None => (rest, None, ""),
            Some(at) => {
                let sign = rest[at..].chars().next()?;
                let (whole, decimals) = (&rest[..at], &rest[at + 1..]);
                // 1,234 is a thousand, 1,23 and 0,234 are not.
                let group = decimals.len() == 3 && !whole.is_empty() && !whole.starts_with('0');
                let group = group && (sign == ',' || whole.contains('.'));
                if group { (rest, None, "") } else { (whole, Some(sign), decimals) }
            }
        };
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        let mut groups = whole.split([',', '.']);
        let first = groups.next()?;
        let mut all = first.to_owned();
        for group in groups {
            if group.len() != 3 || first.is_empty() {
                return None;
            }
            money.groups = whole.chars().find(|c| [',', '.'].contains(c));
            all.push_str(group);
        }
        if !digits(&all)
            || !digits(decimals)
            || all.is_empty() && decimals.is_empty()
            || money.groups == sign && sign.is_some()
        {
            return None;
        }
        (money.whole, money.decimals, money.sign) = (all, decimals.to_owned(), sign);
        Some(money)
    }

    /// The whole number whose one point stands between its groups.
    pub fn with_point_as_group(&mut self) {
        if self.sign.take().is_some() {
            self.whole.push_str(&std::mem::take(&mut self.decimals));
            self.groups = Some('.');
        }
    }

    /// Hundredths, if it has no finer part.
    pub fn hundredths(&self) -> Option<u64> {
        let decimals = self.decimals.trim_end_matches('0');
        let fen = format!("{decimals:0<2}");
        let fen: u64 = if fen.len() == 2 { fen.parse().ok()? } else { return None };
        let whole: u64 = if self.whole.is_empty() { 0 } else { self.whole.parse().ok()? };
        whole.checked_mul(100)?.checked_add(fen)
    }
}

/// A text as a TOML string.
pub(super) fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// A text on one line, not too long.
pub(super) fn short(text: &str) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { '·' } else { c }).collect();
    match plain.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", &plain[..end]),
        None => plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_as_people_write_them() {
        let table = [
            ("380", Some(38_000), None, None),
            ("3.80", Some(380), Some('.'), None),
            ("3,8", Some(380), Some(','), None),
            ("$2.90", Some(290), Some('.'), None),
            ("1,234.50", Some(123_450), Some('.'), Some(',')),
            ("1.234,50 €", Some(123_450), Some(','), Some('.')),
            ("¥ 1,250", Some(125_000), None, Some(',')),
            ("1.234.567", Some(123_456_700), None, Some('.')),
            ("R$ 4,00", Some(400), Some(','), None),
            ("37031563.0", Some(3_703_156_300), Some('.'), None),
            ("-2.4", Some(240), Some('.'), None),
            ("2.755", None, Some('.'), None),
        ];
        for (text, hundredths, sign, groups) in table {
            let money = Money::of(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!((money.hundredths(), money.sign, money.groups), (hundredths, sign, groups), "{text}");
        }
        assert!(Money::of("-2.4").unwrap().negative);
        for text in ["", ".", "-", "a", "1.2.3", "2018-09-01", "12:30", "1,2,3", "$"] {
            assert_eq!(Money::of(text), None, "{text}");
        }
    }
}
