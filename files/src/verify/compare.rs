//! Two folders of one cycle side by side: what is published, and what a replay came to.
//!
//! Files with equal bytes are passed over. In the others rows are matched by what names them (a record by its file
//! and line, or its terminal and sequence), so that a row too many does not make all others different. Memory is
//! bounded by a row of each folder.

use std::{
    cmp::Ordering,
    collections::BTreeSet,
    fs::{self, File},
    io::{self, BufReader, Read},
    path::Path,
};

use signing::SIGNATURE_SUFFIX;

use super::{
    reader::{Fields, Line, Lines, decimal},
    report::Ear,
};
use crate::{error::FilesError, layout::Member};

/// Bytes compared at once.
const BUFFER_BYTES: usize = 256 << 10;

/// A value that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The file, relative to the folder, with `/`.
    pub file: String,
    /// Line in the published file, or where it would stand; none for a whole file.
    pub line: Option<u64>,
    /// Name of the column; `row` for a whole row, `file` for a whole file.
    pub field: String,
    /// What is published; empty if there is nothing.
    pub published: String,
    /// What the replay says; empty if there is nothing.
    pub replayed: String,
}

/// What a comparison found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Files in either folder.
    pub files: u64,
    /// Bytes of the published folder.
    pub bytes: u64,
    /// The first differences.
    pub differences: Vec<Difference>,
    /// How many there are in all.
    pub differences_total: u64,
    listed_max: usize,
}

/// Compares two folders of a cycle; at most `listed_max` differences are listed, all are counted. Signatures are
/// compared only if `signed`: a machine without the key cannot make them, and checks them instead
/// ([`super::check_signatures`]).
///
/// # Errors
/// [`FilesError::Io`] if a file cannot be read.
pub fn compare(
    published: &Path,
    replayed: &Path,
    signed: bool,
    listed_max: usize,
) -> Result<Comparison, FilesError> {
    let mut found = Comparison { listed_max, ..Comparison::default() };
    let (mut ours, mut theirs) = (names(published)?, names(replayed)?);
    if !signed {
        for names in [&mut ours, &mut theirs] {
            names.retain(|name| !name.ends_with(SIGNATURE_SUFFIX));
        }
    }
    for name in ours.union(&theirs) {
        found.files += 1;
        if !(ours.contains(name) && theirs.contains(name)) {
            let shown = |names: &BTreeSet<String>| if names.contains(name) { "is there" } else { "" };
            found.differs(name, None, "file", shown(&ours), shown(&theirs));
            continue;
        }
        let (a, b) = (published.join(name), replayed.join(name));
        found.bytes += fs::metadata(&a).map_err(FilesError::io("read", &a))?.len();
        if !same(&a, &b).map_err(FilesError::io("compare", &a))? {
            let before = found.differences_total;
            Rows::open(name, &a, &b)?.compare(&mut found).map_err(FilesError::io("compare", &a))?;
            // Bytes that make no lines, such as a signature's.
            if found.differences_total == before {
                found.differs(name, None, "file", "its bytes", "other bytes");
            }
        }
    }
    Ok(found)
}

impl Comparison {
    /// Whether every byte is the same.
    #[must_use]
    pub const fn same(&self) -> bool {
        self.differences_total == 0
    }

    fn differs(&mut self, file: &str, line: Option<u64>, field: &str, published: &str, replayed: &str) {
        self.differences_total += 1;
        if self.differences.len() < self.listed_max {
            self.differences.push(Difference {
                file: file.to_owned(),
                line,
                field: field.to_owned(),
                published: published.to_owned(),
                replayed: replayed.to_owned(),
            });
        }
    }
}

/// The files below a folder.
fn names(folder: &Path) -> Result<BTreeSet<String>, FilesError> {
    let mut names = BTreeSet::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(at) = folders.pop() {
        for entry in fs::read_dir(&at).map_err(FilesError::io("read", &at))? {
            let path = entry.map_err(FilesError::io("read", &at))?.path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(name) = path.strip_prefix(folder) {
                names.insert(name.to_string_lossy().into_owned());
            }
        }
    }
    Ok(names)
}

fn same(a: &Path, b: &Path) -> io::Result<bool> {
    let open = |path| Ok::<_, io::Error>(BufReader::with_capacity(BUFFER_BYTES, File::open(path)?));
    if fs::metadata(a)?.len() != fs::metadata(b)?.len() {
        return Ok(false);
    }
    let (mut a, mut b) = (open(a)?, open(b)?);
    let (mut x, mut y) = (vec![0; BUFFER_BYTES], vec![0; BUFFER_BYTES]);
    loop {
        let count = a.read(&mut x)?;
        if count == 0 {
            return Ok(true);
        }
        let (Some(x), Some(y)) = (x.get(..count), y.get_mut(..count)) else { return Ok(false) };
        b.read_exact(y)?;
        if x != y {
            return Ok(false);
        }
    }
}

/// The two sides of one file.
struct Rows<'a> {
    name: &'a str,
    columns: &'static [&'static str],
    /// Columns that name a row.
    key: &'static [&'static str],
    published: Side,
    replayed: Side,
}

struct Side {
    lines: Lines,
    /// The row that is looked at; none at the end.
    row: Option<Vec<u8>>,
    fields: Fields,
    number: u64,
}

impl Side {
    fn open(path: &Path) -> Result<Self, FilesError> {
        let lines = Lines::open(path, Ear::new(None, 0)).map_err(FilesError::io("read", path))?;
        Ok(Self { lines, row: None, fields: Fields::default(), number: 0 })
    }

    fn next(&mut self) -> io::Result<()> {
        self.row = match self.lines.next()? {
            Line::Whole(line) => Some(line.to_owned()),
            Line::Broken(why) => Some(format!("({why})").into_bytes()),
            Line::End => None,
        };
        self.number = self.lines.number();
        if let Some(row) = &self.row
            && self.fields.split(row).is_err()
        {
            // It is shown as a whole then.
            self.fields = Fields::default();
        }
        Ok(())
    }

    fn text(&self) -> String {
        self.row.as_deref().map(|row| String::from_utf8_lossy(row).into_owned()).unwrap_or_default()
    }
}

impl<'a> Rows<'a> {
    fn open(name: &'a str, published: &Path, replayed: &Path) -> Result<Self, FilesError> {
        let member = Member::of(name);
        let key: &[&str] = match member {
            Member::Positions => &["acquirer", "issuer", "kind"],
            Member::Net => &["participant"],
            Member::Items => &["item"],
            Member::Acquirer(_) => &["file", "line"],
            Member::Issuer(_) => &["acquirer", "terminal", "terminal_seq"],
            Member::Rulebook | Member::Settlement(_) | Member::Other => &[],
        };
        let columns = member.layout().map_or(&[][..], |layout| layout.columns);
        let (published, replayed) = (Side::open(published)?, Side::open(replayed)?);
        Ok(Self { name, columns, key, published, replayed })
    }

    fn compare(mut self, found: &mut Comparison) -> io::Result<()> {
        self.published.next()?;
        self.replayed.next()?;
        loop {
            let order = match (&self.published.row, &self.replayed.row) {
                (None, None) => return Ok(()),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(a), Some(b)) if a == b => Ordering::Equal,
                (Some(_), Some(_)) => self.order(),
            };
            let line = Some(self.published.number);
            match order {
                Ordering::Equal => self.row(found),
                Ordering::Less => found.differs(self.name, line, "row", &self.published.text(), ""),
                Ordering::Greater => found.differs(self.name, line, "row", "", &self.replayed.text()),
            }
            if order != Ordering::Greater {
                self.published.next()?;
            }
            if order != Ordering::Less {
                self.replayed.next()?;
            }
        }
    }

    /// Which of the two rows comes first; equal if they are rows of the same thing, or cannot be told apart.
    fn order(&self) -> Ordering {
        let whole = |side: &Side| side.fields.len() == self.columns.len();
        let header = self.published.number <= 1 || self.replayed.number <= 1;
        if self.key.is_empty() || header || !whole(&self.published) || !whole(&self.replayed) {
            return Ordering::Equal;
        }
        let of = |column: &&str| {
            let at = self.columns.iter().position(|name| name == column).unwrap_or(usize::MAX);
            rank(column, self.published.fields.get(at)).cmp(&rank(column, self.replayed.fields.get(at)))
        };
        self.key.iter().map(of).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    }

    /// Compares two rows of the same thing, field by field.
    fn row(&self, found: &mut Comparison) {
        let (a, b) = (&self.published, &self.replayed);
        if a.row == b.row {
            return;
        }
        let line = Some(a.number);
        let before = found.differences_total;
        if a.fields.len() == self.columns.len() && b.fields.len() == self.columns.len() {
            for (at, column) in self.columns.iter().enumerate() {
                let (x, y) = (a.fields.get(at), b.fields.get(at));
                if x != y {
                    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
                    found.differs(self.name, line, column, &text(x), &text(y));
                }
            }
        }
        if found.differences_total == before {
            found.differs(self.name, line, "row", &a.text(), &b.text());
        }
    }
}

/// How the files sort a field: numbers as numbers, the scheme behind all cities, else by its bytes.
fn rank<'f>(column: &str, field: &'f [u8]) -> (u64, &'f [u8]) {
    match column {
        "line" | "terminal_seq" => (decimal(field).unwrap_or(u64::MAX), field),
        _ => (u64::from(field == b"scheme"), field),
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    const ACQUIRER: &str = "\
file,line,terminal,terminal_seq,issuer,amount_fen,result,reason,decided_by
a.csv,2,200000000001,1,cu-3000,300,cleared,,
a.csv,3,200000000001,2,cu-3000,400,cleared,,
a.csv,10,200000000001,3,cu-3000,500,duplicate,,centre
";

    fn folder(acquirer: &str) -> TempDir {
        let folder = TempDir::new().unwrap();
        fs::create_dir(folder.path().join("acquirer")).unwrap();
        fs::write(folder.path().join("acquirer/cu-2000.csv"), acquirer).unwrap();
        fs::write(folder.path().join("rulebook.toml"), "version = 1\n").unwrap();
        folder
    }

    fn found(published: &TempDir, replayed: &TempDir) -> Vec<String> {
        let found = compare(published.path(), replayed.path(), true, 10).unwrap();
        let shown = |it: &Difference| {
            let line = it.line.map(|line| format!(", line {line}")).unwrap_or_default();
            format!("{}{line}, {}: {:?} {:?}", it.file, it.field, it.published, it.replayed)
        };
        found.differences.iter().map(shown).collect()
    }

    #[test]
    fn a_changed_field_is_named_by_file_line_and_column() {
        let (a, b) = (folder(&ACQUIRER.replace(",400,", ",900,")), folder(ACQUIRER));
        assert_eq!(found(&a, &b), ["acquirer/cu-2000.csv, line 3, amount_fen: \"900\" \"400\""]);
        assert_eq!(found(&b, &b), [""; 0]);
    }

    #[test]
    fn a_missing_row_makes_no_other_row_different() {
        let row = "a.csv,3,200000000001,2,cu-3000,400,cleared,,\n";
        let (a, b) = (folder(&ACQUIRER.replace(row, "")), folder(ACQUIRER));
        let text = row.trim_end();
        assert_eq!(found(&a, &b), [format!("acquirer/cu-2000.csv, line 3, row: \"\" {text:?}")]);
        assert_eq!(found(&b, &a), [format!("acquirer/cu-2000.csv, line 3, row: {text:?} \"\"")]);
    }

    #[test]
    fn what_is_no_row_and_what_is_no_file_is_shown_as_a_whole() {
        let (a, b) = (folder(&ACQUIRER.replace("\"", "").replace(",500,", ",\"5\"00,")), folder(ACQUIRER));
        fs::write(a.path().join("net.csv"), "").unwrap();
        fs::write(b.path().join("rulebook.toml"), "version = 2\n").unwrap();
        let found = found(&a, &b);
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].starts_with("acquirer/cu-2000.csv, line 4, row: "), "{found:?}");
        assert_eq!(found[1], "net.csv, file: \"is there\" \"\"");
        assert_eq!(found[2], "rulebook.toml, line 1, row: \"version = 1\" \"version = 2\"");
    }

    #[test]
    fn bytes_without_a_line_end_are_compared() {
        let (a, b) = (folder(ACQUIRER), folder(ACQUIRER));
        for (folder, bytes) in [(&a, b"\x30\x01"), (&b, b"\x30\x02")] {
            fs::write(folder.path().join("manifest.json.p7s"), bytes).unwrap();
        }
        assert_eq!(found(&a, &b), ["manifest.json.p7s, file: \"its bytes\" \"other bytes\""]);
        assert!(compare(a.path(), b.path(), false, 10).unwrap().same());
    }

    #[test]
    fn all_are_counted_and_some_are_listed() {
        let (a, b) = (folder(&ACQUIRER.replace("cu-3000", "cu-4000")), folder(ACQUIRER));
        let found = compare(a.path(), b.path(), true, 2).unwrap();
        assert_eq!((found.differences.len(), found.differences_total, found.same()), (2, 3, false));
    }
}
