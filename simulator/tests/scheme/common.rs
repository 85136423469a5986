//! A simulated scheme, and the naive clearing house that reads it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    path::{Path, PathBuf},
    sync::Arc,
};

use city_adapter::tapfile::{Line, TapFile};
use domain::{
    city::City,
    date::Date,
    home_city::HomeCity,
    hotlist::Hotlist,
    identity::{Identity, content_digest},
    keys::KeyRing,
    result::{RecordResult, Rejection},
    rulebook::{Rulebook, Standing},
    rules::CycleRules,
    tap::Tap,
};
use simulator::{SimulateConfig, Summary, simulate};
use tempfile::TempDir;

/// A scheme folder with its documents read.
pub struct Scheme {
    out: TempDir,
    pub summary: Summary,
    pub rulebook: Arc<Rulebook>,
    homes: BTreeMap<City, HomeCity>,
    outages: BTreeSet<(City, Date)>,
    dates: Vec<Date>,
}

/// Simulates with the usual configuration changed by `change`.
pub fn simulated(change: impl FnOnce(&mut SimulateConfig)) -> Scheme {
    let out = tempfile::tempdir().unwrap();
    let mut config = SimulateConfig::new(out.path().to_owned());
    change(&mut config);
    let mut told = 0;
    let summary = simulate(&config, &mut |records| told = records).unwrap();
    assert_eq!(told, summary.records, "progress ends at the number of records");
    let read = |name: &str| fs::read_to_string(out.path().join(name)).unwrap();
    let outages = read("outages.csv");
    let outage = |row: &str| {
        let (city, date) = row.split_once(',').unwrap();
        (city.parse().unwrap(), date.parse().unwrap())
    };
    let first = summary.first_date.unwrap();
    let keys = KeyRing::parse(&read("keys.toml")).unwrap();
    let hotlist = Hotlist::parse(read("hotlist.csv").as_bytes()).unwrap();
    let home = |city| (city, HomeCity { keys: keys.of(city), hotlist: hotlist.of(city) });
    Scheme {
        homes: keys.cities().map(home).collect(),
        rulebook: Arc::new(Rulebook::parse(read("rulebook.toml").as_bytes()).unwrap()),
        outages: outages.lines().skip(1).map(outage).collect(),
        dates: (0..i32::try_from(config.days).unwrap()).map(|day| first.plus_days(day)).collect(),
        out,
        summary,
    }
}

/// A record that waits.
struct Waiting {
    file: String,
    issuer: City,
    tap: Tap,
}

/// The state of the naive clearing house.
#[derive(Default)]
struct Book {
    holders: BTreeMap<Identity, u64>,
    parked: BTreeMap<City, Vec<Waiting>>,
    rows: Vec<String>,
}

impl Scheme {
    pub fn folder(&self) -> &Path {
        self.out.path()
    }

    /// The rows of `truth.csv`.
    pub fn truth(&self) -> Vec<String> {
        let truth = fs::read_to_string(self.folder().join("truth.csv")).unwrap();
        let mut lines = truth.lines().map(str::to_owned);
        assert_eq!(lines.next().as_deref(), Some("city,file,line,business_date,expected"));
        lines.collect()
    }

    /// The tap files of a city, in name order.
    pub fn files(&self, city: City) -> Vec<PathBuf> {
        let folder = self.folder().join("taps").join(city.to_string());
        let mut files: Vec<PathBuf> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "csv"))
            .collect();
        files.sort();
        files
    }

    /// Clears all dates, one cycle each, and tells the rows that `truth.csv` should have.
    pub fn clear(&self) -> Vec<String> {
        let mut book = Book::default();
        for date in &self.dates {
            let drop_line = date.plus_days(-i32::try_from(self.rulebook.presentment_days).unwrap() - 1);
            let rules = CycleRules::new(self.rulebook.clone(), *date, drop_line);
            let members: Vec<City> = self.rulebook.members(*date).collect();
            for city in self.rulebook.participants.iter().map(|p| p.city) {
                self.leave_park(&rules, city, &mut book);
                for path in self.files(city) {
                    let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                    if name.starts_with(&date.to_string()) {
                        assert!(members.contains(&city), "{city} is no member and presents {name}");
                        self.take(&rules, city, &name, File::open(&path).unwrap(), &mut book);
                    }
                }
            }
            for (acquirer, waiting) in &book.parked {
                book.rows.extend(
                    waiting
                        .iter()
                        .map(|w| row(*acquirer, &w.file, &w.tap, Some(*date), RecordResult::Parked)),
                );
            }
        }
        book.rows
    }

    fn leave_park(&self, rules: &CycleRules, acquirer: City, book: &mut Book) {
        let date = rules.business_date();
        for waiting in book.parked.remove(&acquirer).unwrap_or_default() {
            let result = match rules.still_member(waiting.issuer) {
                Some(rejection) => RecordResult::Rejected(rejection),
                None if self.outages.contains(&(waiting.issuer, date)) => {
                    book.parked.entry(acquirer).or_default().push(waiting);
                    continue;
                }
                None => self.settle(waiting.issuer, &waiting.tap, book),
            };
            book.rows.push(row(acquirer, &waiting.file, &waiting.tap, Some(date), result));
        }
    }

    fn take(&self, rules: &CycleRules, acquirer: City, name: &str, file: File, book: &mut Book) {
        let date = rules.business_date();
        let of_acquirer = rules.acquirer(acquirer);
        let mut file = TapFile::open(file, acquirer).unwrap();
        while let Some(line) = file.next_line().unwrap() {
            let tap = match line {
                Line::Malformed(bad) => {
                    let (line, column) = (bad.line, bad.reason.column());
                    book.rows.push(format!("{acquirer},{name},{line},,malformed:{column}"));
                    continue;
                }
                Line::Local(local) => {
                    book.rows.push(format!("{acquirer},{name},{},,local", local.tap.line.get()));
                    continue;
                }
                Line::Tap(tap) => tap,
            };
            let standing = self.rulebook.standing(tap.issuer, date);
            let result = match rules.arrival(&of_acquirer, standing, &tap.tap) {
                Some(rejection) => RecordResult::Rejected(rejection),
                None if self.outages.contains(&(tap.issuer, date)) => {
                    assert_eq!(standing, Standing::Member);
                    let waiting = Waiting { file: name.to_owned(), issuer: tap.issuer, tap: tap.tap };
                    book.parked.entry(acquirer).or_default().push(waiting);
                    continue;
                }
                None => self.settle(tap.issuer, &tap.tap, book),
            };
            if result != RecordResult::Cleared {
                book.rows.push(row(acquirer, name, &tap.tap, Some(date), result));
            }
        }
    }

    fn settle(&self, issuer: City, tap: &Tap, book: &mut Book) -> RecordResult {
        let verdict = self.homes[&issuer].judge(tap, self.rulebook.hotlist_grace_hours);
        if let Some(rejection) = Option::<Rejection>::from(verdict) {
            return RecordResult::Rejected(rejection);
        }
        let identity = Identity::of(issuer, tap);
        let content = content_digest(issuer, tap);
        match book.holders.get(&identity) {
            None => {
                book.holders.insert(identity, content);
                RecordResult::Cleared
            }
            Some(holder) if *holder == content => RecordResult::Duplicate,
            Some(_) => RecordResult::Conflict,
        }
    }
}

fn row(city: City, file: &str, tap: &Tap, date: Option<Date>, result: RecordResult) -> String {
    let expected = match result.reason() {
        "" => result.name().to_owned(),
        reason => format!("{}:{reason}", result.name()),
    };
    let date = date.map(|date| date.to_string()).unwrap_or_default();
    format!("{city},{file},{},{date},{expected}", tap.line.get())
}
