//! What is handed in and what must come of it: a simulated scheme, cut into small files, and `clear` of these.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use tempfile::TempDir;

use crate::support::{cityunion, clear, cycles, tree};

/// The business dates that are played.
pub const DATES: [&str; 2] = ["2018-09-01", "2018-09-02"];
const CITIES: u32 = 6;
const PARTITIONS: usize = 4;
/// Taps in each of the small files.
pub const PIECE_TAPS: u32 = 250;

/// One at a time: each needs the machine.
static ONE: Mutex<()> = Mutex::new(());
/// And beside it one that mostly waits.
static BESIDE: Mutex<()> = Mutex::new(());

/// A scheme and its undisturbed run.
pub struct World {
    pub folder: TempDir,
    pub cities: Vec<String>,
    /// The OUT of the undisturbed run.
    pub calm: PathBuf,
    _one: MutexGuard<'static, ()>,
}

impl World {
    /// `taps` over two days and six cities, whose acquirers are spread over four partitions.
    pub fn new(seed: u64, taps: u32) -> Self {
        Self::made(&ONE, seed, taps, |_| {}, |_| {})
    }

    /// The same for a test that mostly waits: it runs beside another one.
    pub fn beside(seed: u64, taps: u32) -> Self {
        Self::made(&BESIDE, seed, taps, |_| {}, |_| {})
    }

    /// One in which operators are at work: `prepare` changes the scheme before anything is cleared, `between` does to
    /// the undisturbed run between the two days what is done to the cluster.
    pub fn operated(seed: u64, taps: u32, prepare: impl FnOnce(&Self), between: impl FnOnce(&Self)) -> Self {
        Self::made(&ONE, seed, taps, prepare, between)
    }

    fn made(
        lane: &'static Mutex<()>,
        seed: u64,
        taps: u32,
        prepare: impl FnOnce(&Self),
        between: impl FnOnce(&Self),
    ) -> Self {
        let one = lane.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = TempDir::new().unwrap();
        let scheme = folder.path().join("scheme");
        let words = format!("simulate --out {{}} --seed {seed} --cities {CITIES} --days 2 --taps {taps}");
        cityunion(&words, &[&scheme]).ok();
        fs::write(scheme.join("outages.csv"), "issuer,business_date\n").unwrap();
        let cities = cities(&scheme.join("taps"));
        spread(&scheme.join("rulebook.toml"), &cities);
        let world = Self { calm: folder.path().join("calm"), folder, cities, _one: one };
        prepare(&world);
        world.clear_alone(between);
        world
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `feed` of a day into these inboxes.
    pub fn feed(&self, date: &str, rate: &str, inbox: impl Fn(&str) -> PathBuf) -> String {
        let mut words = format!("feed --scheme {{}} --date {date} --rate {rate} --piece-taps {PIECE_TAPS}");
        for city in &self.cities {
            words.push_str(&format!(" --inbox-of {city}={}", inbox(city).display()));
        }
        words
    }

    /// The undisturbed run: the same pieces through one process.
    fn clear_alone(&self, between: impl FnOnce(&Self)) {
        let (from, pieces) = (self.path("scheme"), self.path("pieces"));
        for city in &self.cities {
            fs::create_dir_all(pieces.join("taps").join(city)).unwrap();
        }
        for name in ["rulebook.toml", "keys.toml", "hotlist.csv", "outages.csv"] {
            fs::copy(from.join(name), pieces.join(name)).unwrap();
        }
        symlink(from.join("pki"), pieces.join("pki")).unwrap();
        let mut between = Some(between);
        for date in DATES {
            cityunion(&self.feed(date, "max", |city| pieces.join("taps").join(city)), &[&from]).ok();
            clear(&pieces, &self.calm);
            if let Some(between) = between.take() {
                between(self);
            }
        }
        assert_eq!(cycles(&self.calm), DATES.map(cycle_of));
    }

    /// The small files of a city that the undisturbed run took, in their order.
    pub fn pieces(&self, city: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path("pieces/taps").join(city)).unwrap();
        let mut pieces: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        let is_piece = |name: &str| name.starts_with("20") && name.ends_with(".csv");
        pieces.retain(|path| path.file_name().unwrap().to_str().is_some_and(is_piece));
        pieces.sort();
        pieces
    }

    /// The files of a closed cycle.
    pub fn cycle(&self, cycle: &str) -> BTreeMap<String, Vec<u8>> {
        tree(&self.calm.join(cycle))
    }

    /// The results of a city, by file.
    pub fn results(&self, city: &str) -> BTreeMap<String, Vec<u8>> {
        tree(&self.calm.join("results").join(city))
    }

    pub fn receipts(&self, city: &str) -> Vec<u8> {
        fs::read(self.calm.join(format!("receipts/{city}.csv"))).unwrap()
    }
}

/// The cycle of a date.
pub fn cycle_of(date: &str) -> String {
    format!("{date}-001")
}

fn cities(taps: &Path) -> Vec<String> {
    let names = fs::read_dir(taps).unwrap().map(|entry| entry.unwrap().file_name());
    let mut cities: Vec<String> = names.map(|name| name.to_string_lossy().into_owned()).collect();
    cities.sort();
    cities
}

/// Gives the scheme four partitions, with acquirers in each of them.
fn spread(rulebook: &Path, cities: &[String]) {
    let mut text = fs::read_to_string(rulebook).unwrap();
    text = text.replace("partitions = 2\n", &format!("partitions = {PARTITIONS}\n"));
    for (at, city) in cities.iter().enumerate() {
        for old in 0..2 {
            text = text.replace(&format!("\n{city} = {old}\n"), &format!("\n{city} = {}\n", at % PARTITIONS));
        }
    }
    assert!(text.contains(&format!("\n{} = 3\n", cities[3])), "{text}");
    fs::write(rulebook, text).unwrap();
}
