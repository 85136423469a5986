//! `feed`: a day of a scheme folder in small files.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use cu_log::testing::free_ports;
use tempfile::TempDir;

use crate::{
    local::stranger,
    support::{Ran, Running, arguments, cityunion, command, wait_for},
};

const CITIES: [&str; 2] = ["cu-2000", "cu-3100"];

/// A simulated day of two cities, and an inbox for each.
struct Day {
    folder: TempDir,
}

impl Day {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let day = Self { folder };
        cityunion("simulate --cities 2 --taps 6000 --out {}", &[&day.scheme()]).ok();
        CITIES.iter().for_each(|city| fs::create_dir_all(day.inbox(city)).unwrap());
        day
    }

    fn scheme(&self) -> PathBuf {
        self.folder.path().join("scheme")
    }

    fn inbox(&self, city: &str) -> PathBuf {
        self.folder.path().join("inbox").join(city)
    }

    fn arguments(&self, words: &str) -> Vec<PathBuf> {
        let mut all = arguments(&format!("feed --scheme {{}} -o json {words}"), &[&self.scheme()]);
        for city in CITIES {
            all.push("--inbox-of".into());
            all.push(format!("{city}={}", self.inbox(city).display()).into());
        }
        all
    }

    fn feed(&self, words: &str) -> Ran {
        Running::start(command(self.arguments(words))).wait()
    }

    fn facts(&self, words: &str) -> serde_json::Value {
        serde_json::from_str(&self.feed(words).ok().stdout).unwrap()
    }

    /// What an adapter would see of an inbox.
    fn seen(&self, city: &str) -> BTreeMap<String, String> {
        visible(&self.inbox(city))
    }
}

fn visible(folder: &Path) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().to_string_lossy().into_owned();
        // One that is renamed at this moment is not there any more.
        let text = fs::read_to_string(entry.path()).unwrap_or_default();
        if !name.starts_with('.') {
            files.insert(name, text);
        }
    }
    files
}

/// The data lines of some files, in the order of their names.
fn lines(files: &BTreeMap<String, String>) -> Vec<&str> {
    files.values().flat_map(|text| text.lines().skip(1)).collect()
}

#[test]
fn an_interrupted_day_goes_on_and_every_line_arrives_once_and_in_order() {
    let day = Day::new();
    let running = Running::start(command(day.arguments("--rate 2000/s --piece-taps 50")));
    wait_for("some pieces", || (day.seen("cu-2000").len() > 5).then_some(()));
    running.signal("INT").exits(130);
    let before: usize = CITIES.iter().map(|city| day.seen(city).len()).sum();
    day.feed("--rate max --piece-taps 60").exits(3).says(&["refused", "other bytes", "--piece-taps"]);

    let facts = day.facts("--rate max --piece-taps 50");
    assert_eq!(facts["handed_in_before_pieces"], before, "{facts}");
    for city in CITIES {
        let (found, wanted) = (day.seen(city), visible(&day.scheme().join("taps").join(city)));
        let wanted = wanted.into_iter().filter(|(name, _)| name.ends_with(".csv")).collect();
        assert!(found.len() > 10, "{city}: {} pieces", found.len());
        assert_eq!(lines(&found), lines(&wanted), "{city}");
    }
    assert_eq!(day.facts("--rate max --piece-taps 50")["handed_in_pieces"], 0);
}

#[test]
fn whole_files_keep_their_names_bytes_and_manifests() {
    let day = Day::new();
    day.feed("--whole-files --speed 1000000").ok();
    for city in CITIES {
        assert_eq!(day.seen(city), visible(&day.scheme().join("taps").join(city)), "{city}");
    }
}

#[test]
fn what_cannot_be_fed_is_refused_with_what_to_do() {
    let day = Day::new();
    day.feed("--date 2018-09-30").exits(2).says(&["2018-09-30"]);
    day.feed("--rate 5000/fortnight").exits(2).says(&["5000/s"]);
    fs::remove_dir_all(day.inbox("cu-3100")).unwrap();
    day.feed("").exits(1).says(&["cu-3100", "the folder that the adapter"]);
    let inbox = format!("cu-2000={}", day.inbox("cu-2000").display());
    let words = format!("feed --scheme {{}} --rate max --inbox-of {inbox}");
    cityunion(&words, &[&day.scheme()]).ok().says(&["cu-3100", "left out"]);
    assert!(!day.seen("cu-2000").is_empty());
}

#[test]
fn a_day_is_not_fed_to_a_system_whose_ports_another_one_answers() {
    let day = Day::new();
    let (here, port) = (day.folder.path(), free_ports(1)[0]);
    stranger(port);
    for folder in ["config", "run"] {
        fs::create_dir(here.join(folder)).unwrap();
    }
    let config = format!(
        "city = \"cu-2000\"\ninbox_dir = \"{0}/inbox/cu-2000\"\nout_dir = \"{0}/answers\"\n\
         [admin]\nlisten = \"127.0.0.1:{port}\"\n",
        here.display()
    );
    fs::write(here.join("config/adapter-cu-2000.toml"), config).unwrap();
    // The stranger says that it is process 1.
    fs::write(here.join("run/adapter-cu-2000.pid"), "2\n").unwrap();
    let feed = || cityunion("feed --rate max --wait-s 0 --local {}", &[here]);
    feed().exits(1).says(&["nothing was handed in", "cu-2000", "another program answers", "make up"]);
    assert!(day.seen("cu-2000").is_empty());
    fs::write(here.join("run/adapter-cu-2000.pid"), "1\n").unwrap();
    feed().exits(1).says(&["are not taken after"]);
    assert!(!day.seen("cu-2000").is_empty());
}
