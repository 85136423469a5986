//! Lookup tables: what a text becomes.

use std::{
    collections::{BTreeMap, HashMap},
    io,
};

use super::{
    MappingError,
    spec::{RangeSpec, TableSpec},
};
use crate::fields::{Dialect, Fields};

/// Finds what a text becomes.
#[derive(Clone, Debug)]
pub struct Table {
    kind: Kind,
    values: Vec<String>,
}

/// Each with the place of its value.
#[derive(Clone, Debug)]
enum Kind {
    /// A few texts, in order.
    Few(Vec<(Box<[u8]>, usize)>),
    /// Many texts.
    Many(HashMap<Box<[u8]>, usize>),
    /// Beginnings of texts, in order.
    Prefixes(Vec<(Box<[u8]>, usize)>),
    /// Ranges of texts of one length, in order.
    Ranges(Vec<Range>),
}

#[derive(Clone, Debug)]
struct Range {
    from: Box<[u8]>,
    to: Box<[u8]>,
    value: usize,
}

/// Texts up to this number are compared one by one.
const FEW: usize = 8;

/// Gives the bytes of a file beside the mapping.
pub type Files<'a> = &'a dyn Fn(&str) -> io::Result<Vec<u8>>;

impl Table {
    /// A table of whole texts.
    pub fn of_values(pairs: &BTreeMap<String, String>) -> Self {
        let values = pairs.values().cloned().collect();
        let keys = pairs.keys().enumerate().map(|(place, key)| (key.as_bytes().into(), place));
        let kind = if pairs.len() <= FEW { Kind::Few(keys.collect()) } else { Kind::Many(keys.collect()) };
        Self { kind, values }
    }

    /// The table of `[tables.name]`.
    ///
    /// # Errors
    /// [`MappingError::Rule`], [`MappingError::TableFile`].
    pub fn of(name: &str, spec: &TableSpec, files: Files<'_>) -> Result<Self, MappingError> {
        let wrong = |why: String| MappingError::Rule { table: format!("tables.{name}"), why };
        let one = "needs exactly one of `values`, `prefixes`, `ranges` and `file`";
        let with_file = [&spec.key, &spec.prefix, &spec.from, &spec.to, &spec.value];
        if spec.file.is_none() && with_file.iter().any(|key| key.is_some()) {
            return Err(wrong("has keys that only go with `file`".to_owned()));
        }
        match (&spec.values, &spec.prefixes, &spec.ranges, &spec.file) {
            (Some(pairs), None, None, None) => Ok(Self::of_values(pairs)),
            (None, Some(pairs), None, None) => Ok(Self::of_prefixes(pairs)),
            (None, None, Some(ranges), None) => Self::of_ranges(ranges).map_err(wrong),
            (None, None, None, Some(file)) => {
                let failed =
                    |source| MappingError::TableFile { table: name.to_owned(), file: file.clone(), source };
                let bytes = files(file).map_err(failed)?;
                Self::of_file(spec, &bytes).map_err(|why| wrong(format!("has file `{file}`: {why}")))
            }
            _ => Err(wrong(one.to_owned())),
        }
    }

    fn of_prefixes(pairs: &BTreeMap<String, String>) -> Self {
        let keys = pairs.keys().enumerate().map(|(place, key)| (key.as_bytes().into(), place));
        Self { kind: Kind::Prefixes(keys.collect()), values: pairs.values().cloned().collect() }
    }

    fn of_ranges(specs: &[RangeSpec]) -> Result<Self, String> {
        let mut ranges: Vec<Range> = specs
            .iter()
            .enumerate()
            .map(|(value, spec)| Range {
                from: spec.from.as_bytes().into(),
                to: spec.to.as_bytes().into(),
                value,
            })
            .collect();
        // Ranges of one length stand together, so that those of other lengths never lie between.
        ranges.sort_by(|a, b| (a.from.len(), &a.from).cmp(&(b.from.len(), &b.from)));
        for range in &ranges {
            if range.from.len() != range.to.len() || range.from > range.to {
                let [from, to] = [&range.from, &range.to].map(|text| String::from_utf8_lossy(text));
                return Err(format!(
                    "has the range `{from}` to `{to}`; expected two texts of one length, in order"
                ));
            }
        }
        for pair in ranges.windows(2) {
            if let [a, b] = pair
                && a.from.len() == b.from.len()
                && a.to >= b.from
            {
                let from = String::from_utf8_lossy(&b.from);
                return Err(format!("has two ranges with `{from}` in them"));
            }
        }
        Ok(Self { kind: Kind::Ranges(ranges), values: specs.iter().map(|spec| spec.value.clone()).collect() })
    }

    fn of_file(spec: &TableSpec, bytes: &[u8]) -> Result<Self, String> {
        let value = spec.value.as_deref().ok_or("it needs `value`, the column with what a text becomes")?;
        match (&spec.key, &spec.prefix, &spec.from, &spec.to) {
            (Some(key), None, None, None) => Ok(Self::of_values(&pairs(bytes, key, value)?)),
            (None, Some(prefix), None, None) => Ok(Self::of_prefixes(&pairs(bytes, prefix, value)?)),
            (None, None, Some(from), Some(to)) => {
                let mut ranges = Vec::new();
                rows(bytes, [from, to, value], |_, [from, to, value]| {
                    ranges.push(RangeSpec { from, to, value });
                    Ok(())
                })?;
                Self::of_ranges(&ranges)
            }
            _ => Err("it needs `key`, `prefix`, or `from` and `to`: the columns with the text".to_owned()),
        }
    }

    /// What a text becomes, if it is in the table.
    pub fn get(&self, text: &[u8]) -> Option<&str> {
        let place = match &self.kind {
            Kind::Few(few) => few.iter().find(|(key, _)| **key == *text)?.1,
            Kind::Many(many) => *many.get(text)?,
            Kind::Prefixes(prefixes) => {
                let fits = |end: usize| prefixes.binary_search_by(|(key, _)| (**key).cmp(&text[..end])).ok();
                prefixes.get((0..=text.len()).rev().find_map(fits)?)?.1
            }
            Kind::Ranges(ranges) => {
                let before = |range: &Range| (range.from.len(), &*range.from) <= (text.len(), text);
                let range = ranges.get(ranges.partition_point(before).checked_sub(1)?)?;
                if range.from.len() != text.len() || text > &*range.to {
                    return None;
                }
                range.value
            }
        };
        self.values.get(place).map(String::as_str)
    }

    /// What its texts become.
    pub fn values(&self) -> &[String] {
        &self.values
    }

    /// Its pairs of whole texts; `None` if it is one of beginnings or ranges.
    pub fn pairs(&self) -> Option<Vec<(&str, &str)>> {
        let value = |place: usize| self.values.get(place).map_or("", String::as_str);
        let mut pairs: Vec<(&str, &str)> = match &self.kind {
            Kind::Few(few) => few.iter().map(|(key, place)| (text_of(key), value(*place))).collect(),
            Kind::Many(many) => {
                #[expect(clippy::iter_over_hash_type, reason = "sorted below")]
                {
                    let mut pairs = Vec::new();
                    for (key, place) in many {
                        pairs.push((text_of(key), value(*place)));
                    }
                    pairs
                }
            }
            Kind::Prefixes(_) | Kind::Ranges(_) => return None,
        };
        pairs.sort_unstable();
        Some(pairs)
    }
}

/// Keys come from texts.
fn text_of(key: &[u8]) -> &str {
    std::str::from_utf8(key).unwrap_or_default()
}

fn pairs(bytes: &[u8], key: &str, value: &str) -> Result<BTreeMap<String, String>, String> {
    let mut pairs = BTreeMap::new();
    rows(bytes, [key, value], |line, [key, value]| match pairs.get(&key) {
        Some(other) if *other != value => {
            Err(format!("line {line} says again, and otherwise, what `{key}` becomes"))
        }
        _ => {
            pairs.insert(key, value);
            Ok(())
        }
    })?;
    Ok(pairs)
}

/// Reads columns of a CSV text by their names.
fn rows<const N: usize>(
    bytes: &[u8],
    names: [&str; N],
    mut row: impl FnMut(usize, [String; N]) -> Result<(), String>,
) -> Result<(), String> {
    let text = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let (mut fields, mut places) = (Fields::default(), None);
    for (line, bytes) in (1..).zip(text.split(|byte| *byte == b'\n')) {
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        if bytes.trim_ascii().is_empty() {
            continue;
        }
        fields
            .split(bytes, Dialect::CSV)
            .map_err(|why| format!("line {line} cannot be read: {}", why.text()))?;
        let field = |place| String::from_utf8_lossy(fields.get(bytes, place).trim_ascii()).into_owned();
        match places {
            None => {
                let header: Vec<String> = (0..fields.len()).map(field).collect();
                let mut found = [0; N];
                for (found, name) in found.iter_mut().zip(names) {
                    let place = header.iter().position(|column| column == name);
                    *found = place.ok_or_else(|| {
                        format!("its line {line} names no column `{name}`, only {}", header.join(", "))
                    })?;
                }
                places = Some(found);
            }
            Some(places) => row(line, places.map(field))?,
        }
    }
    if places.is_none() { Err("it has no line of column names".to_owned()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(spec: &str, file: &str) -> Result<Table, String> {
        let spec: TableSpec = toml::from_str(spec).unwrap();
        let bytes = file.as_bytes().to_vec();
        Table::of("t", &spec, &|_| Ok(bytes.clone())).map_err(|error| error.to_string())
    }

    #[test]
    fn the_longest_beginning_counts() {
        let table = table("prefixes = { \"30\" = \"a\", \"3000\" = \"b\", \"4\" = \"c\" }", "").unwrap();
        for (text, want) in
            [("30", Some("a")), ("3001", Some("a")), ("300012", Some("b")), ("4", Some("c")), ("3", None)]
        {
            assert_eq!(table.get(text.as_bytes()), want, "{text}");
        }
        assert_eq!(table.get(b""), None);
    }

    #[test]
    fn ranges_include_both_ends_and_do_not_meet_other_lengths() {
        let spec = "file = \"f.csv\"\nfrom = \"first\"\nto = \"last\"\nvalue = \"city\"";
        let file = "\u{FEFF}city,first,last\r\ncu-1000,1000,1999\r\n\r\ncu-2000,2000,2000\ncu-9999,10,19\n";
        let ranges = table(spec, file).unwrap();
        let cases =
            [("1000", Some("cu-1000")), ("1999", Some("cu-1000")), ("2000", Some("cu-2000")), ("2001", None)];
        for (text, want) in
            cases.into_iter().chain([("0999", None), ("15", Some("cu-9999")), ("150", None), ("", None)])
        {
            assert_eq!(ranges.get(text.as_bytes()), want, "{text}");
        }
        for (file, want) in [
            ("city,first,last\na,10,19\nb,19,20\n", "has two ranges with `19` in them"),
            ("city,first,last\na,10,9\n", "has the range `10` to `9`"),
            ("city,first\na,10\n", "names no column `last`, only city, first"),
            ("", "no line of column names"),
        ] {
            let error = table(spec, file).unwrap_err();
            assert!(error.contains(want), "{error}");
        }
    }

    #[test]
    fn a_file_of_pairs_may_not_contradict_itself() {
        let spec = "file = \"f.csv\"\nkey = \"k\"\nvalue = \"v\"";
        let many: String = (0..100).map(|n| format!("{n},\"x,{n}\"\n")).collect();
        let pairs = table(spec, &format!("k,v\n{many}7,\"x,7\"\n")).unwrap();
        assert_eq!((pairs.get(b"99"), pairs.get(b"100")), (Some("x,99"), None));
        assert_eq!(pairs.pairs().map(|pairs| (pairs.len(), pairs[0])), Some((100, ("0", "x,0"))));
        let error = table(spec, "k,v\n1,a\n1,b\n").unwrap_err();
        assert!(error.contains("line 3 says again, and otherwise, what `1` becomes"), "{error}");
        let error = table("values = {}\nprefixes = {}", "").unwrap_err();
        assert!(error.contains("exactly one of"), "{error}");
    }
}
