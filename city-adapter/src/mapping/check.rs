//! Checks a mapping's document and compiles it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    Mapping, MappingError, Pairing, Rule,
    charset::Charset,
    control::{Control, encoded},
    convert::{Convert, refuse_other_keys},
    filter::Filter,
    pairs,
    row::MappedRow,
    spec::{FileSpec, FilterSpec, MissingExit, PairingSpec, Ref, Refs, RuleSpec, Spec},
    table::{Files, Table},
    text::{Source, Tables, Text},
};
use crate::{fields::Dialect, tapfile::Column};

/// The layout that this version reads.
const LAYOUT: &str = "cityunion-mapping/1";
/// The names that a separator can have.
const SEPARATORS: [(&str, u8); 5] =
    [("tab", b'\t'), ("comma", b','), ("semicolon", b';'), ("pipe", b'|'), ("space", b' ')];
const MINUTES_MOST: u32 = 7 * 24 * 60;
const OPEN_MOST: usize = 50_000_000;
/// Lines that may be passed over.
const SKIP_MAX: u32 = 10_000;

/// Checks a document.
///
/// # Errors
/// [`MappingError`] naming the key or table that is wrong.
pub fn mapping(spec: &Spec, files: Files<'_>) -> Result<Mapping, MappingError> {
    setting("layout", Some(&spec.layout), |v| v == LAYOUT, "expected cityunion-mapping/1")?;
    let file = &spec.file;
    let label = file.encoding.as_deref();
    let known = "expected the name of an encoding such as utf-8, gbk, gb18030, utf-16 or windows-1252";
    setting("file.encoding", label, |v| Charset::of(Some(v)).is_some(), known)?;
    let charset = Charset::of(label).ok_or(MappingError::Header { line: 0, why: String::new() })?;
    let table = |name: &str, why: String| MappingError::Rule { table: name.to_owned(), why };
    let skip = (file.skip > SKIP_MAX).then(|| file.skip.to_string());
    setting("file.skip", skip.as_deref(), |_| false, "expected at most 10000 lines")?;
    let dialect = dialect(file, &charset)?;
    let control = |name, spec: &Option<_>| {
        let control = spec.as_ref().map(|spec| Control::of(name, spec, &charset)).transpose();
        control.map_err(|why| table(name, why))
    };
    let (header, trailer) = (control("header", &spec.header)?, control("trailer", &spec.trailer)?);
    let comment = file.comment.as_deref().filter(|text| !text.is_empty());
    let comment = comment.map(|text| encoded(text, &charset)).transpose();
    let mut tables = Tables::new();
    for (name, spec) in &spec.tables {
        tables.insert(name.clone(), Arc::new(Table::of(name, spec, files)?));
    }
    let check = Check { spec, tables: &tables };
    Ok(Mapping {
        dialect,
        fixed: file.fixed,
        width: file.width,
        names: file.names.unwrap_or(!file.fixed),
        skip: file.skip,
        comment: comment.map_err(|why| table("file", why))?,
        length: file.length,
        empty: file.empty.clone(),
        fields: check.fields()?,
        drops: check.filters("drop", &spec.drop)?,
        keeps: check.filters("keep", &spec.keep)?,
        rules: check.rules("columns", &spec.columns)?,
        pairing: spec.pairing.as_ref().map(|pairing| check.pairing(pairing)).transpose()?,
        header,
        trailer,
        charset,
    })
}

fn dialect(file: &FileSpec, charset: &Charset) -> Result<Dialect, MappingError> {
    let one = |text: &str| match text.as_bytes() {
        [byte] if byte.is_ascii() && !b"\r\n".contains(byte) => Some(*byte),
        _ => None,
    };
    let named = |text: &str| SEPARATORS.iter().find(|(name, _)| *name == text).map(|(_, byte)| *byte);
    let separator = |text: &str| one(text).or_else(|| named(text)).filter(|byte| *byte != b'"');
    let expected = "expected one ASCII character, or tab, comma, semicolon, pipe or space";
    setting("file.separator", file.separator.as_deref(), |v| separator(v).is_some(), expected)?;
    let quote = |text: &str| matches!(text, "" | "none") || one(text).is_some();
    let expected = "expected one ASCII character, or none";
    setting("file.quote", file.quote.as_deref(), quote, expected)?;
    let dialect = Dialect {
        separator: file.separator.as_deref().and_then(separator).unwrap_or(b','),
        quote: file.quote.as_deref().map_or(Some(b'"'), one),
        spaces: true,
    };
    let wrong = |why: &str| Err(MappingError::Rule { table: "file".to_owned(), why: why.to_owned() });
    if dialect.quote == Some(dialect.separator) {
        return wrong("has the same character as `separator` and as `quote`");
    }
    if file.fixed && !charset.encoding.is_ascii_compatible() {
        return wrong("is `fixed` in an encoding whose characters are not bytes; convert it to UTF-8 first");
    }
    if file.fixed && (file.separator.is_some() || file.quote.is_some() || file.names == Some(true)) {
        return wrong("is `fixed`, which goes without `separator`, `quote` and `names`");
    }
    if file.width.is_some() && !file.fixed {
        return wrong("has a `width`, which only a `fixed` file has");
    }
    Ok(dialect)
}

fn setting(
    key: &'static str,
    value: Option<&str>,
    fits: impl Fn(&str) -> bool,
    expected: &'static str,
) -> Result<(), MappingError> {
    match value {
        Some(value) if !fits(value) => Err(MappingError::Setting { key, value: value.to_owned(), expected }),
        _ => Ok(()),
    }
}

/// A document with its tables.
struct Check<'s> {
    spec: &'s Spec,
    tables: &'s Tables,
}

impl Check<'_> {
    fn filters(&self, name: &str, specs: &[FilterSpec]) -> Result<Vec<Filter>, MappingError> {
        let wrong = |why| MappingError::Rule { table: format!("[{name}]"), why };
        let filter = |spec: &FilterSpec| {
            self.check_refs(std::slice::from_ref(&spec.column)).and_then(|()| Filter::of(spec)).map_err(wrong)
        };
        specs.iter().map(filter).collect()
    }

    /// The derived fields, each after those that it reads.
    fn fields(&self) -> Result<Vec<(String, Text)>, MappingError> {
        let mut waiting = BTreeMap::new();
        for (name, spec) in &self.spec.fields {
            let wrong = |why| MappingError::Rule { table: format!("fields.{name}"), why };
            refuse_other_keys(spec, &[]).map_err(wrong)?;
            let text = Text::of(spec, self.tables).map_err(wrong)?;
            self.check_source(&text).map_err(wrong)?;
            if text.refs().iter().any(|field| matches!(field, Ref::Name(name) if name.starts_with("entry.")))
            {
                return Err(wrong("reads the entry's row, which only [columns.…] can".to_owned()));
            }
            waiting.insert(name, text);
        }
        let mut sorted = Vec::new();
        while !waiting.is_empty() {
            let open: BTreeSet<&String> = waiting.keys().copied().collect();
            let ready = |text: &Text| {
                !text.refs().iter().any(|field| matches!(field, Ref::Name(name) if open.contains(name)))
            };
            let Some(name) = open.iter().copied().find(|name| waiting.get(*name).is_some_and(ready)) else {
                let names: Vec<&str> = open.iter().map(|name| name.as_str()).collect();
                let why = format!("reads itself, by way of {}", names.join(", "));
                return Err(MappingError::Rule {
                    table: format!("fields.{}", names.first().unwrap_or(&"")),
                    why,
                });
            };
            if let Some((name, text)) = waiting.remove_entry(name) {
                sorted.push((name.clone(), text));
            }
        }
        Ok(sorted)
    }

    fn rules(
        &self,
        table: &str,
        specs: &BTreeMap<String, RuleSpec>,
    ) -> Result<BTreeMap<Column, Rule>, MappingError> {
        let mut rules = BTreeMap::new();
        for (target, spec) in specs {
            let wrong = |why: String| MappingError::Rule { table: format!("{table}.{target}"), why };
            let column = Column::of_name(target)
                .ok_or_else(|| wrong("is no column of layout cityunion-tap/1".to_owned()))?;
            rules.insert(column, self.rule(column, spec).map_err(wrong)?);
        }
        let derives = rules.values().any(|rule: &Rule| matches!(rule.text.source, Source::Derived(_)));
        let lacks = [Column::Terminal, Column::TappedAt].iter().any(|needed| !rules.contains_key(needed));
        if derives && lacks {
            let why = "is derived, which needs [columns.terminal] and [columns.tapped_at]".to_owned();
            return Err(MappingError::Rule { table: format!("{table}.terminal_seq"), why });
        }
        Ok(rules)
    }

    fn rule(&self, target: Column, spec: &RuleSpec) -> Result<Rule, String> {
        let text = Text::of(spec, self.tables)?;
        let convert = Convert::of(spec, target)?;
        self.check_source(&text)?;
        if matches!(text.source, Source::Derived(_)) && !text.is_plain() {
            return Err("is derived, which needs no other change".to_owned());
        }
        for value in text.known() {
            convert.put(target, value.as_bytes(), &mut MappedRow::default())?;
        }
        Ok(Rule { text, convert })
    }

    fn check_source(&self, text: &Text) -> Result<(), String> {
        let fixed = self.spec.file.fixed;
        match &text.source {
            Source::Bytes(..) if !fixed => {
                Err("has `at` and `length`, which need `fixed = true` in [file]".to_owned())
            }
            Source::Header(_) if self.spec.header.is_none() => {
                Err("reads the header, but there is no [header]".to_owned())
            }
            Source::Join(fields, _) if fields.is_empty() => {
                Err("has an empty list of columns to `join`".to_owned())
            }
            _ => self.check_refs(text.refs()),
        }
    }

    fn check_refs(&self, fields: &[Ref]) -> Result<(), String> {
        for field in fields {
            match field {
                Ref::Position(0) => return Err("has column 0; the first is column 1".to_owned()),
                Ref::Position(position) if self.spec.file.fixed => {
                    return Err(format!(
                        "reads column {position}, but a fixed file has none; say `at` and `length`"
                    ));
                }
                Ref::Position(_) => {}
                Ref::Name(name) => {
                    let own =
                        name.strip_prefix("entry.").filter(|_| self.spec.pairing.is_some()).unwrap_or(name);
                    let has_names = !self.spec.file.fixed && self.spec.file.names != Some(false);
                    if !has_names && !self.spec.fields.contains_key(own) {
                        return Err(format!(
                            "reads column `{own}`, but the file has no names and there is no [fields.{own}]; say its \
                             position, or its bytes in a fixed file"
                        ));
                    }
                }
            }
        }
        Ok(())
    }

    fn pairing(&self, spec: &PairingSpec) -> Result<Pairing, MappingError> {
        let wrong = |why: &str| MappingError::Rule { table: "pairing".to_owned(), why: why.to_owned() };
        let card = match &spec.card {
            Refs::One(field) => vec![field.clone()],
            Refs::Many(fields) => fields.clone(),
        };
        let others = [Some(&spec.kind), spec.station_order.as_ref()];
        let all: Vec<Ref> = card.iter().chain(others.into_iter().flatten()).cloned().collect();
        self.check_refs(&all).map_err(|why| wrong(&why))?;
        if card.is_empty() || spec.entry.is_empty() || spec.exit.is_empty() {
            return Err(wrong("needs at least one column as `card`, one text as `entry` and one as `exit`"));
        }
        if spec.entry.iter().any(|text| spec.exit.contains(text)) {
            return Err(wrong("has the same text as `entry` and as `exit`"));
        }
        let controls = [&self.spec.header, &self.spec.trailer];
        let sums = controls.into_iter().flatten().any(|control| control.amount.is_some());
        let amount = self.spec.columns.get(Column::AmountFen.name());
        let fields = amount.into_iter().flat_map(|spec| spec.column.iter().chain(spec.join.iter().flatten()));
        let of_entry = |field: &Ref| matches!(field, Ref::Name(name) if name.starts_with("entry."));
        if sums && fields.into_iter().any(of_entry) {
            return Err(wrong(
                "makes amounts of two rows, so that no control line can say the sum of a row's own",
            ));
        }
        if !self.spec.columns.contains_key(Column::TappedAt.name()) {
            return Err(wrong("pairs rows by time, which needs [columns.tapped_at]"));
        }
        let minutes_max = spec.minutes_max.unwrap_or(pairs::MINUTES_MAX);
        let open_max = spec.open_max.unwrap_or(pairs::OPEN_MAX);
        if !(1..=MINUTES_MOST).contains(&minutes_max) || !(1..=OPEN_MOST).contains(&open_max) {
            return Err(wrong("has `minutes_max` beyond 1 to 10080, or `open_max` beyond 1 to 50000000"));
        }
        let max_fare = self.rules("pairing.max_fare", &spec.max_fare)?;
        if (spec.missing_exit == MissingExit::MaxFare) != max_fare.contains_key(&Column::AmountFen) {
            let why = "needs [pairing.max_fare.amount_fen] exactly if missing_exit = \"max_fare\"";
            return Err(wrong(why));
        }
        Ok(Pairing {
            card,
            kind: spec.kind.clone(),
            entry: spec.entry.clone(),
            exit: spec.exit.clone(),
            stop: spec.station_order.clone(),
            rule: pairs::Rule { minutes_max, open_max },
            rows: spec.rows,
            missing_exit: spec.missing_exit,
            missing_entry: spec.missing_entry,
            max_fare,
        })
    }
}
