//! A scheme folder: rulebook, test keys, hotlist, outages and tap files (layout in docs/contract.md §1).

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use city_adapter::acquirer::Upload;
use domain::{
    city::City,
    date::Date,
    home_city::HomeCity,
    hotlist::{Hotlist, HotlistError},
    keys::{KeyRing, KeysError},
    rulebook::{Rulebook, RulebookError},
};

/// Why a scheme folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SchemeError {
    /// A file or folder that must be there cannot be read.
    #[error("read {path}: {hint}")]
    Read {
        /// Its path.
        path: PathBuf,
        /// What it is for and what to do.
        hint: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The rulebook is wrong.
    #[error("use {path}")]
    Rulebook {
        /// Its path.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: RulebookError,
    },
    /// The keys are wrong.
    #[error("use {path}")]
    Keys {
        /// Its path.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: KeysError,
    },
    /// The hotlist is wrong.
    #[error("use {path}")]
    Hotlist {
        /// Its path.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: HotlistError,
    },
    /// The outages are wrong.
    #[error("use {path}, line {line}: {why}")]
    Outages {
        /// Its path.
        path: PathBuf,
        /// Physical line.
        line: u64,
        /// Column and what is wrong with it.
        why: String,
    },
}

/// A tap file in a scheme folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TapFile {
    /// The city whose terminals collected it.
    pub city: City,
    /// Base name, with `.csv`.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
}

impl TapFile {
    /// As it is handed to the adapter.
    #[must_use]
    pub fn upload(&self) -> Upload {
        Upload { city: self.city, path: self.path.clone(), name: self.name.clone() }
    }

    /// The date that its name begins with.
    #[must_use]
    pub fn date(&self) -> Option<Date> {
        Date::parse(self.name.as_bytes().get(..10)?).ok()
    }
}

/// What lies under `taps/`.
#[derive(Debug, Default)]
pub struct Taps {
    /// Tap files, by city and name.
    pub files: Vec<TapFile>,
    /// Cities that have a folder, even without files.
    pub cities: BTreeSet<City>,
    /// What is neither a city's folder, a tap file nor its manifest, with the reason it is passed over.
    pub passed_over: Vec<String>,
}

/// A scheme folder.
#[derive(Debug)]
pub struct SchemeFolder {
    path: PathBuf,
    /// The rules.
    pub rulebook: Arc<Rulebook>,
    /// Test keys of the home cities.
    pub keys: KeyRing,
    /// The hotlist.
    pub hotlist: Hotlist,
    /// Days on which a home city's side does not run.
    pub outages: BTreeSet<(City, Date)>,
    /// What a person should know about the folder.
    pub notices: Vec<String>,
}

impl SchemeFolder {
    /// Reads everything but the tap files.
    ///
    /// # Errors
    /// [`SchemeError`] naming file, line and field.
    pub fn open(path: &Path) -> Result<Self, SchemeError> {
        let mut notices = Vec::new();
        let file = path.join("rulebook.toml");
        let bytes =
            read(&file, "every scheme folder has a rulebook; `cityunion simulate --out DIR` makes one")?;
        let rulebook =
            Rulebook::parse(&bytes).map_err(|source| SchemeError::Rulebook { path: file, source })?;
        let unknown = rulebook.unknown_tables();
        if !unknown.is_empty() {
            notices.push(format!("rulebook.toml has tables that are not used here: {}", unknown.join(", ")));
        }
        let file = path.join("keys.toml");
        let bytes = read(&file, "home cities need their (test) keys to check cryptograms")?;
        let keys = KeyRing::parse(&String::from_utf8_lossy(&bytes))
            .map_err(|source| SchemeError::Keys { path: file, source })?;
        let file = path.join("hotlist.csv");
        let bytes = if_there(&file)?.unwrap_or_else(|| {
            notices.push("there is no hotlist.csv: no card is on the hotlist".to_owned());
            b"issuer,card,effective_at\n".to_vec()
        });
        let hotlist = Hotlist::parse(&bytes).map_err(|source| SchemeError::Hotlist { path: file, source })?;
        let file = path.join("outages.csv");
        let outages = match if_there(&file)? {
            Some(bytes) => parse_outages(&file, &bytes)?,
            None => BTreeSet::new(),
        };
        Ok(Self { path: path.to_owned(), rulebook: Arc::new(rulebook), keys, hotlist, outages, notices })
    }

    /// Lists the tap files.
    ///
    /// # Errors
    /// [`SchemeError::Read`].
    pub fn taps(&self) -> Result<Taps, SchemeError> {
        let folder = self.path.join("taps");
        let mut taps = Taps::default();
        for entry in list(&folder, "tap files are in taps/<city>/<name>.csv")? {
            let name = entry.file_name().to_string_lossy().into_owned();
            match name.parse::<City>() {
                Ok(city) if entry.path().is_dir() => {
                    taps.cities.insert(city);
                    list_city(&entry.path(), city, &mut taps)?;
                }
                _ if name.starts_with('.') => {}
                _ => taps.passed_over.push(format!("taps/{name}: not the folder of a city such as cu-2000")),
            }
        }
        taps.files.sort();
        Ok(taps)
    }

    /// What a home city judges its cards with.
    #[must_use]
    pub fn home_city(&self, city: City) -> HomeCity {
        HomeCity { keys: self.keys.of(city), hotlist: self.hotlist.of(city) }
    }

    /// Whether a home city's side runs on a business date.
    #[must_use]
    pub fn is_up(&self, city: City, business_date: Date) -> bool {
        !self.outages.contains(&(city, business_date))
    }
}

/// Adds the tap files of one city's folder.
///
/// # Errors
/// [`SchemeError::Read`].
pub fn list_city(folder: &Path, city: City, taps: &mut Taps) -> Result<(), SchemeError> {
    for entry in list(folder, "a city's folder of tap files")? {
        let path = entry.path();
        let Ok(name) = entry.file_name().into_string() else {
            let name = entry.file_name();
            taps.passed_over.push(format!("taps/{city}/{name:?}: the name is not UTF-8; rename the file"));
            continue;
        };
        if name.starts_with('.') {
            continue;
        }
        if name.ends_with(".csv") && path.is_file() {
            taps.files.push(TapFile { city, name, path });
        } else if !name.ends_with(".csv.manifest.json") {
            taps.passed_over.push(format!("taps/{city}/{name:?}: not a tap file (a visible file, *.csv)"));
        }
    }
    Ok(())
}

fn list(folder: &Path, hint: &'static str) -> Result<Vec<fs::DirEntry>, SchemeError> {
    let failed = |source| SchemeError::Read { path: folder.to_owned(), hint, source };
    let mut entries = fs::read_dir(folder).map_err(failed)?.collect::<Result<Vec<_>, _>>().map_err(failed)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    Ok(entries)
}

fn read(path: &Path, hint: &'static str) -> Result<Vec<u8>, SchemeError> {
    fs::read(path).map_err(|source| SchemeError::Read { path: path.to_owned(), hint, source })
}

fn if_there(path: &Path) -> Result<Option<Vec<u8>>, SchemeError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => {
            Err(SchemeError::Read { path: path.to_owned(), hint: "part of the scheme folder", source })
        }
    }
}

fn parse_outages(path: &Path, bytes: &[u8]) -> Result<BTreeSet<(City, Date)>, SchemeError> {
    let wrong = |line, why: String| SchemeError::Outages { path: path.to_owned(), line, why };
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(bytes);
    let headers = reader.headers().map_err(|e| wrong(1, e.to_string()))?;
    if headers.iter().ne(["issuer", "business_date"]) {
        return Err(wrong(1, "the header must be `issuer,business_date`".to_owned()));
    }
    let mut outages = BTreeSet::new();
    for record in reader.records() {
        let record = record.map_err(|e| wrong(e.position().map_or(0, csv::Position::line), e.to_string()))?;
        let line = record.position().map_or(0, csv::Position::line);
        let issuer = record.get(0).unwrap_or_default();
        let date = record.get(1).unwrap_or_default();
        let city = issuer.parse().map_err(|e| wrong(line, format!("issuer `{issuer}` is {e}")))?;
        let date = date.parse().map_err(|e| wrong(line, format!("business_date `{date}` is {e}")))?;
        outages.insert((city, date));
    }
    Ok(outages)
}

/// Home cities that answer on a business date: members whose side runs.
#[must_use]
pub fn home_cities(scheme: &SchemeFolder, rulebook: &Rulebook, date: Date) -> BTreeMap<City, HomeCity> {
    let answering = rulebook.members(date).filter(|city| scheme.is_up(*city, date));
    answering.map(|city| (city, scheme.home_city(city))).collect()
}
