//! What the published files alone tell of a tap: closed cycles, results and receipts.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use domain::{
    city::City,
    cycle::CycleName,
    result::RecordResult,
    rulebook::{RULEBOOK_BYTES_MAX, Rulebook},
    tap::Kind,
};

use super::{
    calendar::Calendar,
    life::{FileRow, Looked, RowKind},
    lines,
    near::Nearby,
    query::Query,
    rows::{fields, is_meant, is_unnamed, near_of, read_header},
    scan::{Progress, Scan},
};

/// Rows that are kept of one kind; a terminal's number that stands in more lines than this is a fault elsewhere.
const ROWS_MAX: usize = 10_000;
/// Files that cannot be read and are named; all are counted.
const NOTES_MAX: usize = 5;
/// Cities whose files were read and that are named, not only counted.
const NAMED_MAX: usize = 5;
/// Lines without a readable terminal that are named; all are counted.
const UNNAMED_MAX: usize = 5;

/// What was found.
#[derive(Debug, Default)]
pub struct FromFolder {
    /// Rows, with the city that handed the records in.
    pub rows: Vec<(City, FileRow)>,
    /// The digest of the rules of each cycle.
    pub rules: BTreeMap<String, [u8; 32]>,
    /// Malformed lines that have no readable terminal or sequence.
    pub unnamed: Unnamed,
    /// Uploads that were refused whole.
    pub refused: Vec<(City, String)>,
    /// Records of the same terminal.
    pub near: Nearby,
    /// What was read.
    pub looked: Vec<Looked>,
    /// What could not be read.
    pub notes: Notes,
}

/// Malformed lines of which nobody can say to which tap they belong.
#[derive(Debug, Default)]
pub struct Unnamed {
    /// How many there are.
    pub count: u64,
    /// The first of them: city, file, line.
    pub first: Vec<(City, String, u64)>,
}

/// A folder with closed cycles, results and receipts.
#[derive(Debug)]
pub struct Folder {
    root: PathBuf,
    /// Closed cycles in order: name, and name of the folder (a correction has another).
    cycles: Vec<(CycleName, String)>,
    cities: BTreeSet<City>,
    /// Folders of results and receipts that stand elsewhere, by city.
    answers: BTreeMap<City, PathBuf>,
}

impl Folder {
    /// Looks what is there.
    ///
    /// # Errors
    /// If it is no folder, or nothing in it is published.
    pub fn open(root: &Path) -> Result<Self> {
        Self::with_answers(root, BTreeMap::new())
    }

    /// Looks what is there, and in each city's own folder of answers.
    ///
    /// # Errors
    /// If it is no folder, or nothing is published.
    pub fn with_answers(root: &Path, answers: BTreeMap<City, PathBuf>) -> Result<Self> {
        let failed = || format!("failed to list {}", root.display());
        let mut cycles = Vec::new();
        for entry in fs::read_dir(root).with_context(failed)? {
            let name = entry.with_context(failed)?.file_name().to_string_lossy().into_owned();
            let base = name.split_once(".v").map_or(name.as_str(), |(base, _)| base);
            if let Ok(cycle) = base.parse::<CycleName>() {
                cycles.push((cycle, name));
            }
        }
        cycles.sort();
        let roots = || answers.values().map(PathBuf::as_path).chain([root]);
        let answered =
            ["results", "receipts"].iter().any(|name| roots().any(|root| root.join(name).is_dir()));
        if cycles.is_empty() && !answered {
            if root.join("manifest.json").is_file() {
                bail!("{} is one closed cycle; give the folder above it", root.display());
            }
            bail!(
                "{} holds no closed cycle, no results and no receipts; give the OUT of `cityunion clear`, \
                 or the folder of a demo or of `make up`",
                root.display()
            );
        }
        let mut folder = Self { root: root.to_owned(), cycles, cities: BTreeSet::new(), answers };
        folder.cities = folder.list_cities();
        folder.cities.extend(folder.answers.keys().copied());
        Ok(folder)
    }

    /// Cities that have results, receipts or rows in the last closed cycle.
    fn list_cities(&self) -> BTreeSet<City> {
        let last = self.cycles.last().map(|(_, name)| format!("{name}/acquirer"));
        let folders = ["results", "receipts"].map(str::to_owned).into_iter().chain(last);
        let mut cities = BTreeSet::new();
        for folder in folders {
            let entries = fs::read_dir(self.root.join(folder)).into_iter().flatten().filter_map(Result::ok);
            cities.extend(entries.filter_map(|entry| {
                let name = entry.file_name().to_string_lossy().into_owned();
                City::parse(name.strip_suffix(".csv").unwrap_or(&name).as_bytes()).ok()
            }));
        }
        cities
    }

    /// Where the answers of a city stand: a path, or relative to the root.
    fn answers_of(&self, city: City) -> PathBuf {
        self.answers.get(&city).cloned().unwrap_or_default()
    }

    /// The cities that are in it.
    #[must_use]
    pub fn cities(&self) -> &BTreeSet<City> {
        &self.cities
    }

    /// Reads the rules of every closed cycle into `calendar`.
    pub fn rules(&self, calendar: &mut Calendar, into: &mut FromFolder) {
        for (cycle, name) in &self.cycles {
            let path = self.root.join(name).join(files::layout::RULEBOOK_FILE);
            match read_rulebook(&path) {
                Ok(rulebook) => {
                    into.rules.insert(cycle.to_string(), rulebook.digest());
                    calendar.learn(rulebook);
                }
                Err(error) => into.notes.cannot_read(&path, &format!("{error:#}")),
            }
        }
    }

    /// Reads everything that concerns a tap and some cities; of closed cycles only `cycles`, if given.
    pub fn look(
        &self,
        query: &Query,
        cities: &BTreeSet<City>,
        cycles: Option<&BTreeSet<String>>,
        progress: Progress<'_>,
        into: &mut FromFolder,
    ) {
        let wanted = |cycle: &CycleName| cycles.is_none_or(|names| names.contains(&cycle.to_string()));
        let closed: Vec<_> = self.cycles.iter().filter(|(cycle, _)| wanted(cycle)).collect();
        for city in cities {
            for (done, (cycle, name)) in (1..).zip(&closed) {
                self.cycle(query, *city, (cycle, name), into);
                let total = closed.len() as u64;
                progress(Scan { place: "closed cycles", done, total });
            }
            self.answers(query, *city, progress, into);
            self.receipts(*city, into);
        }
        let cities = match cities.len() {
            0 => return,
            1..=NAMED_MAX => cities.iter().map(City::to_string).collect::<Vec<_>>().join(", "),
            many => format!("{many} cities"),
        };
        let plural = if closed.len() == 1 { "" } else { "s" };
        let read = format!("{} closed cycle{plural}, results and receipts of {cities}", closed.len());
        into.looked.push(Looked { place: self.root.display().to_string(), read });
    }

    /// The rows of a closed cycle.
    fn cycle(&self, query: &Query, city: City, (cycle, folder): (&CycleName, &str), into: &mut FromFolder) {
        let cycle = cycle.to_string();
        let place = Place { kind: RowKind::Acquirer, cycle: Some(&cycle) };
        let identity = format!(",{},{},", query.terminal, query.terminal_seq);
        let path = format!("{folder}/acquirer/{city}.csv");
        let mut taken = Vec::new();
        self.each(place, &path, &[identity.as_bytes()], &mut into.notes, &mut |row| {
            if is_meant(query, &row) && taken.len() < ROWS_MAX {
                taken.push(row);
            }
        });
        for row in taken {
            if row.get("result") == RecordResult::Cleared.name() {
                self.paid(query, city, folder, &row, into);
            }
            into.rows.push((city, row));
        }
    }

    /// What a cleared record moved: its row with the home city, and the position.
    fn paid(&self, query: &Query, city: City, folder: &str, taken: &FileRow, into: &mut FromFolder) {
        let issuer = taken.get("issuer");
        let cycle = taken.cycle.as_deref();
        let identity = format!("{city},{},{},", query.terminal, query.terminal_seq);
        let pair = format!(",{city},{issuer},{},", Kind::Purchase.name());
        let looks = [
            (RowKind::Issuer, format!("{folder}/issuer/{issuer}.csv"), identity),
            (RowKind::Position, format!("{folder}/{}", files::layout::POSITIONS_FILE), pair),
        ];
        let FromFolder { rows, notes, .. } = into;
        for (kind, path, needle) in looks {
            self.each(Place { kind, cycle }, &path, &[needle.as_bytes()], notes, &mut |row| {
                let its = row.get("acquirer") == city.to_string();
                if its && !rows.iter().any(|(_, known)| *known == row) {
                    rows.push((city, row));
                }
            });
        }
    }

    /// The answers to a city's lines, among them those that the edge decided.
    fn answers(&self, query: &Query, city: City, progress: Progress<'_>, into: &mut FromFolder) {
        let relative = self.answers_of(city).join("results").join(city.to_string());
        let folder = self.root.join(&relative);
        let mut names = match names_in(&folder) {
            Ok(names) => names,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => return into.notes.cannot_read(&folder, &error.to_string()),
        };
        names.retain(|name| name.ends_with(".csv"));
        names.sort();
        let identity = format!(",{},{},", query.terminal, query.terminal_seq);
        let total = names.len() as u64;
        for (done, name) in (1..).zip(&names) {
            let path = relative.join(name).display().to_string();
            let place = Place { kind: RowKind::Answer, cycle: None };
            let FromFolder { rows, unnamed, notes, .. } = into;
            self.each(place, &path, &[identity.as_bytes(), b",malformed,"], notes, &mut |row| {
                if is_meant(query, &row) && rows.len() < ROWS_MAX {
                    rows.push((city, row));
                } else if is_unnamed(&row) {
                    unnamed.see(city, name, row.get("line").parse().unwrap_or(0));
                }
            });
            progress(Scan { place: "results", done, total });
        }
    }

    /// The receipts of the uploads in which records were found, and of those that were refused.
    fn receipts(&self, city: City, into: &mut FromFolder) {
        let path = self.answers_of(city).join(format!("receipts/{city}.csv")).display().to_string();
        let file = |row: &FileRow| match row.kind {
            RowKind::Answer => row.path.rsplit('/').next().map(str::to_owned),
            RowKind::Acquirer => Some(row.get("file").to_owned()),
            _ => None,
        };
        let names: BTreeSet<String> =
            into.rows.iter().filter(|(its, _)| *its == city).filter_map(|(_, row)| file(row)).collect();
        let place = Place { kind: RowKind::Receipt, cycle: None };
        let FromFolder { rows, refused, notes, .. } = into;
        self.each(place, &path, &[b",taken,", b",refused,"], notes, &mut |row| {
            if row.get("state") == "refused" {
                refused.push((city, row.get("file").to_owned()));
            } else if names.contains(row.get("file")) {
                rows.push((city, row));
            }
        });
    }

    /// Adds the nearest records of the terminal; for when nothing was found.
    pub fn look_near(&self, query: &Query, cities: &BTreeSet<City>, into: &mut FromFolder) {
        let terminal = format!(",{},", query.terminal);
        let place = Place { kind: RowKind::Acquirer, cycle: None };
        let FromFolder { near, notes, .. } = into;
        for city in cities {
            for (_, folder) in &self.cycles {
                let path = format!("{folder}/acquirer/{city}.csv");
                self.each(place, &path, &[terminal.as_bytes()], notes, &mut |row| {
                    let found =
                        near_of(*city, &row).filter(|_| row.get("terminal") == query.terminal.to_string());
                    found.into_iter().for_each(|it| near.add(query.terminal_seq, it));
                });
            }
        }
    }

    /// Visits the rows of one file that hold one of `needles`; a file that is not there has none, one that cannot
    /// be read is noted.
    fn each(
        &self,
        place: Place<'_>,
        path: &str,
        needles: &[&[u8]],
        notes: &mut Notes,
        visit: &mut dyn FnMut(FileRow),
    ) {
        let whole = self.root.join(path);
        let mut columns: Option<io::Result<Vec<String>>> = None;
        let found = lines::with_any(&whole, needles, &mut |line, text| {
            let Ok(columns) = columns.get_or_insert_with(|| read_header(&whole)) else { return };
            if line > 1 {
                visit(FileRow {
                    kind: place.kind,
                    cycle: place.cycle.map(str::to_owned),
                    path: path.to_owned(),
                    line,
                    row: columns.iter().cloned().zip(fields(text)).collect(),
                });
            }
        });
        match (found, columns) {
            (Err(error), _) if error.kind() == io::ErrorKind::NotFound => {}
            (Err(error), _) | (Ok(()), Some(Err(error))) => notes.cannot_read(&whole, &error.to_string()),
            _ => {}
        }
    }
}

fn names_in(folder: &Path) -> io::Result<Vec<String>> {
    fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}

fn read_rulebook(path: &Path) -> Result<Rulebook> {
    if fs::metadata(path)?.len() > RULEBOOK_BYTES_MAX as u64 {
        bail!("too long for a rulebook");
    }
    Ok(Rulebook::parse(&fs::read(path)?)?)
}

/// What could not be read: the first few, and how many there are.
#[derive(Debug, Default)]
pub struct Notes {
    list: Vec<String>,
    more: u64,
}

impl Notes {
    fn cannot_read(&mut self, path: &Path, why: &str) {
        if self.list.len() < NOTES_MAX {
            self.list.push(format!("{} was passed over, it cannot be read: {why}", path.display()));
        } else {
            self.more += 1;
        }
    }

    /// Them, for people.
    #[must_use]
    pub fn list(&self) -> Vec<String> {
        let more = (self.more > 0).then(|| format!("{} more files were passed over", self.more));
        self.list.iter().cloned().chain(more).collect()
    }
}

/// Which file rows come from.
#[derive(Clone, Copy)]
struct Place<'a> {
    kind: RowKind,
    cycle: Option<&'a str>,
}

impl Unnamed {
    fn see(&mut self, city: City, file: &str, line: u64) {
        self.count += 1;
        if self.first.len() < UNNAMED_MAX {
            self.first.push((city, file.to_owned(), line));
        }
    }
}
