//! What the published files alone tell of a tap: closed cycles, results and receipts.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{self, BufRead, BufReader},
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
    fold::Nearby,
    life::{FileRow, Looked, Near, RowKind},
    lines,
    query::Query,
    scan::{Progress, Scan},
};

/// Rows that are kept of one kind; a terminal's number that stands in more lines than this is a fault elsewhere.
const ROWS_MAX: usize = 10_000;
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
}

impl Folder {
    /// Looks what is there.
    ///
    /// # Errors
    /// If it is no folder, or nothing in it is published.
    pub fn open(root: &Path) -> Result<Self> {
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
        let answered = ["results", "receipts"].iter().any(|name| root.join(name).is_dir());
        if cycles.is_empty() && !answered {
            if root.join("manifest.json").is_file() {
                bail!("{} is one closed cycle; give the folder above it", root.display());
            }
            bail!(
                "{} holds no closed cycle, no results and no receipts; give the OUT of `cityunion clear`, \
                 or the folder `settled` of a demo",
                root.display()
            );
        }
        let mut folder = Self { root: root.to_owned(), cycles, cities: BTreeSet::new() };
        folder.cities = folder.list_cities();
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

    /// The cities that are in it.
    #[must_use]
    pub fn cities(&self) -> &BTreeSet<City> {
        &self.cities
    }

    /// Reads the rules of every closed cycle into `calendar`; gives the digest of each.
    ///
    /// # Errors
    /// If one that is there cannot be read.
    pub fn rules(&self, calendar: &mut Calendar) -> Result<BTreeMap<String, [u8; 32]>> {
        let mut rules = BTreeMap::new();
        for (cycle, name) in &self.cycles {
            let path = self.root.join(name).join(files::layout::RULEBOOK_FILE);
            let small = fs::metadata(&path).is_ok_and(|it| it.len() <= RULEBOOK_BYTES_MAX as u64);
            let Ok(rulebook) = fs::read(&path).map(|bytes| Rulebook::parse(&bytes)) else { continue };
            if !small {
                bail!("{} is no rulebook: it is too long", path.display());
            }
            let rulebook = rulebook.with_context(|| format!("failed to read {}", path.display()))?;
            rules.insert(cycle.to_string(), rulebook.digest());
            calendar.learn(rulebook);
        }
        Ok(rules)
    }

    /// Reads everything that concerns a tap and some cities; of closed cycles only `cycles`, if given.
    ///
    /// # Errors
    /// If a file that is there cannot be read.
    pub fn look(
        &self,
        query: &Query,
        cities: &BTreeSet<City>,
        cycles: Option<&BTreeSet<String>>,
        progress: Progress<'_>,
        into: &mut FromFolder,
    ) -> Result<()> {
        let wanted = |cycle: &CycleName| cycles.is_none_or(|names| names.contains(&cycle.to_string()));
        let closed: Vec<_> = self.cycles.iter().filter(|(cycle, _)| wanted(cycle)).collect();
        for city in cities {
            for (done, (cycle, name)) in (1..).zip(&closed) {
                self.cycle(query, *city, (cycle, name), into)?;
                let total = closed.len() as u64;
                progress(Scan { place: "closed cycles", done, total });
            }
            self.answers(query, *city, progress, into)?;
            self.receipts(*city, into)?;
        }
        into.looked.push(Looked {
            place: self.root.display().to_string(),
            read: format!("{} closed cycles, results and receipts of {} cities", closed.len(), cities.len()),
        });
        Ok(())
    }

    /// The rows of a closed cycle.
    fn cycle(
        &self,
        query: &Query,
        city: City,
        (cycle, folder): (&CycleName, &str),
        into: &mut FromFolder,
    ) -> Result<()> {
        let cycle = cycle.to_string();
        let place = Place { kind: RowKind::Acquirer, cycle: Some(&cycle) };
        let identity = format!(",{},{},", query.terminal, query.terminal_seq);
        let path = format!("{folder}/acquirer/{city}.csv");
        let taken = self.rows(place, &path, &[identity.as_bytes()], &|row| is_meant(query, row))?;
        for row in taken {
            if row.get("result") == RecordResult::Cleared.name() {
                self.paid(query, city, folder, &row, into)?;
            }
            into.rows.push((city, row));
        }
        Ok(())
    }

    /// What a cleared record moved: its row with the home city, and the position.
    fn paid(
        &self,
        query: &Query,
        city: City,
        folder: &str,
        taken: &FileRow,
        into: &mut FromFolder,
    ) -> Result<()> {
        let issuer = taken.get("issuer");
        let cycle = taken.cycle.as_deref();
        let identity = format!("{city},{},{},", query.terminal, query.terminal_seq);
        let path = format!("{folder}/issuer/{issuer}.csv");
        let place = Place { kind: RowKind::Issuer, cycle };
        let its = |row: &FileRow| row.get("acquirer") == city.to_string();
        let payable = self.rows(place, &path, &[identity.as_bytes()], &its)?;
        let path = format!("{folder}/{}", files::layout::POSITIONS_FILE);
        let place = Place { kind: RowKind::Position, cycle };
        let pair = format!(",{city},{issuer},{},", Kind::Purchase.name());
        let positions = self.rows(place, &path, &[pair.as_bytes()], &|_| true)?;
        for row in payable.into_iter().chain(positions) {
            if !into.rows.iter().any(|(_, known)| *known == row) {
                into.rows.push((city, row));
            }
        }
        Ok(())
    }

    /// The answers to a city's lines, among them those that the edge decided.
    fn answers(
        &self,
        query: &Query,
        city: City,
        progress: Progress<'_>,
        into: &mut FromFolder,
    ) -> Result<()> {
        let folder = self.root.join("results").join(city.to_string());
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error).with_context(|| format!("failed to list {}", folder.display())),
        };
        let mut names: Vec<String> = entries
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect::<io::Result<_>>()
            .with_context(|| format!("failed to list {}", folder.display()))?;
        names.retain(|name| name.ends_with(".csv"));
        names.sort();
        let identity = format!(",{},{},", query.terminal, query.terminal_seq);
        let total = names.len() as u64;
        for (done, name) in (1..).zip(&names) {
            let path = format!("results/{city}/{name}");
            let place = Place { kind: RowKind::Answer, cycle: None };
            let needles = [identity.as_bytes(), b",malformed,"];
            let rows = self.rows(place, &path, &needles, &|row| is_meant(query, row) || is_unnamed(row))?;
            for row in rows {
                if is_meant(query, &row) {
                    into.rows.push((city, row));
                } else {
                    into.unnamed.see(city, name, row.get("line").parse().unwrap_or(0));
                }
            }
            progress(Scan { place: "results", done, total });
        }
        Ok(())
    }

    /// The receipts of the uploads in which records were found, and of those that were refused.
    fn receipts(&self, city: City, into: &mut FromFolder) -> Result<()> {
        let path = format!("receipts/{city}.csv");
        let file = |row: &FileRow| match row.kind {
            RowKind::Answer => row.path.rsplit('/').next().map(str::to_owned),
            RowKind::Acquirer => Some(row.get("file").to_owned()),
            _ => None,
        };
        let names: BTreeSet<String> =
            into.rows.iter().filter(|(its, _)| *its == city).filter_map(|(_, row)| file(row)).collect();
        let needles: [&[u8]; 2] = [b",taken,", b",refused,"];
        let place = Place { kind: RowKind::Receipt, cycle: None };
        let keep = |row: &FileRow| row.get("state") == "refused" || names.contains(row.get("file"));
        for row in self.rows(place, &path, &needles, &keep)? {
            if row.get("state") == "refused" {
                into.refused.push((city, row.get("file").to_owned()));
            } else {
                into.rows.push((city, row));
            }
        }
        Ok(())
    }

    /// Adds the nearest records of the terminal; for when nothing was found.
    ///
    /// # Errors
    /// If a file that is there cannot be read.
    pub fn look_near(&self, query: &Query, cities: &BTreeSet<City>, near: &mut Nearby) -> Result<()> {
        let terminal = format!(",{},", query.terminal);
        for city in cities {
            for (_, folder) in &self.cycles {
                let path = self.root.join(format!("{folder}/acquirer/{city}.csv"));
                let visit = &mut |_, line: &[u8]| {
                    near_of(*city, line).into_iter().for_each(|it| near.add(query.terminal_seq, it));
                };
                match lines::with_any(&path, &[terminal.as_bytes()], &|_| {}, visit) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        return Err(error).with_context(|| format!("failed to read {}", path.display()));
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// The rows of one file that hold one of `needles` and that `keep` keeps; none if there is no such file.
    fn rows(
        &self,
        place: Place<'_>,
        path: &str,
        needles: &[&[u8]],
        keep: &dyn Fn(&FileRow) -> bool,
    ) -> Result<Vec<FileRow>> {
        let whole = self.root.join(path);
        let failed = || format!("failed to read {}", whole.display());
        let mut header: Option<Vec<String>> = None;
        let mut rows = Vec::new();
        let mut trouble = None;
        let found = lines::with_any(&whole, needles, &|_| {}, &mut |line, text| {
            if line == 1 || trouble.is_some() || rows.len() >= ROWS_MAX {
                return;
            }
            let columns = match &header {
                Some(columns) => Ok(columns.clone()),
                None => read_header(&whole),
            };
            match columns {
                Ok(columns) => {
                    let row = FileRow {
                        kind: place.kind,
                        cycle: place.cycle.map(str::to_owned),
                        path: path.to_owned(),
                        line,
                        row: columns.iter().cloned().zip(fields(text)).collect(),
                    };
                    header = Some(columns);
                    if keep(&row) {
                        rows.push(row);
                    }
                }
                Err(error) => trouble = Some(error),
            }
        });
        match found {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error).with_context(failed),
            Ok(()) => {}
        }
        match trouble {
            Some(error) => Err(error).with_context(failed),
            None => Ok(rows),
        }
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

/// Whether a row has the identity; a malformed issuer hides the scheme, so it may.
fn is_meant(query: &Query, row: &FileRow) -> bool {
    let scheme = City::parse(row.get("issuer").as_bytes()).map(City::scheme);
    row.get("terminal") == query.terminal.to_string()
        && row.get("terminal_seq") == query.terminal_seq.to_string()
        && scheme.is_ok_and(|scheme| query.fits_scheme(scheme)) | scheme.is_err()
}

/// Whether nobody can say to which terminal and sequence a malformed row belongs.
fn is_unnamed(row: &FileRow) -> bool {
    let why = row.get("reason");
    row.get("result") == "malformed"
        && ["line:", "terminal:", "terminal_seq:"].iter().any(|column| why.starts_with(column))
}

/// The record of a line of `acquirer/<city>.csv`.
fn near_of(city: City, line: &[u8]) -> Option<Near> {
    let fields = fields(line);
    let [file, number, _, seq, issuer, amount_fen, ..] = fields.as_slice() else { return None };
    Some(Near {
        terminal_seq: seq.parse().ok()?,
        acquirer: city,
        file: file.clone(),
        line: number.parse().ok()?,
        issuer: issuer.parse().ok()?,
        amount_fen: amount_fen.parse().ok()?,
        tapped_at: None,
    })
}

fn read_header(path: &Path) -> io::Result<Vec<String>> {
    let mut line = Vec::new();
    BufReader::new(File::open(path)?).read_until(b'\n', &mut line)?;
    Ok(fields(line.strip_suffix(b"\n").unwrap_or(&line)))
}

/// The fields of one line of CSV.
fn fields(line: &[u8]) -> Vec<String> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(line);
    let mut record = csv::ByteRecord::new();
    match reader.read_byte_record(&mut record) {
        Ok(true) => record.iter().map(|field| String::from_utf8_lossy(field).into_owned()).collect(),
        _ => Vec::new(),
    }
}
