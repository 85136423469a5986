//! The journals of all cities in one RocksDB: key = spelling of the city, then the journal's key. What the inbox
//! remembers of each file stands beside them, under the number of the file.

use std::{
    path::{Path, PathBuf},
    sync::{PoisonError, RwLock},
};

use domain::city::City;
use rocksdb::{ColumnFamily, DB, Direction, IteratorMode, Options, WriteBatch, WriteOptions};

use super::AcquirerError;
use crate::journal::Effect;

const WRITE_BUFFER_BYTES: usize = 8 << 20;
const OPEN_FILES_MAX: i32 = 64;
/// Column families: the journals', and the inbox's.
const FAMILIES: [&str; 2] = ["default", "inbox"];

/// A key of the journal and its value.
type Row = (Vec<u8>, Vec<u8>);

/// The store. After a write that failed it takes no other until it was opened again.
pub struct Store {
    state: RwLock<State>,
    path: PathBuf,
}

struct State {
    db: Option<DB>,
    /// Why a write failed.
    broken: Option<rocksdb::Error>,
}

impl Store {
    /// Opens the store in a folder, which is made if it does not exist.
    pub fn open(path: &Path) -> Result<Self, AcquirerError> {
        let db = open(path).map_err(|source| AcquirerError::Store { path: path.to_owned(), source })?;
        Ok(Self { state: RwLock::new(State { db: Some(db), broken: None }), path: path.to_owned() })
    }

    /// Opens the store to look at it, while nobody writes to it.
    pub fn look(path: &Path) -> Result<Self, AcquirerError> {
        let db = DB::open_cf_for_read_only(&options(), path, FAMILIES, false)
            .map_err(|source| AcquirerError::Store { path: path.to_owned(), source })?;
        Ok(Self { state: RwLock::new(State { db: Some(db), broken: None }), path: path.to_owned() })
    }

    /// Why it takes no writes, if so.
    pub fn broken(&self) -> Option<String> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        state.broken.as_ref().map(ToString::to_string)
    }

    /// Opens it again after a write failed.
    pub fn reopen(&self) -> Result<(), AcquirerError> {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        // One handle at a time may have the folder open.
        state.db = None;
        state.db = Some(open(&self.path).map_err(self.failed())?);
        state.broken = None;
        Ok(())
    }

    /// The cities that have rows.
    pub fn cities(&self) -> Result<Vec<City>, AcquirerError> {
        self.with(|db| {
            let mut cities = Vec::new();
            let mut from = Vec::new();
            loop {
                let mut rows = db.iterator(IteratorMode::From(&from, Direction::Forward));
                let Some((key, _)) = rows.next().transpose().map_err(self.failed())? else {
                    return Ok(cities);
                };
                let prefix = key.get(..City::SPELLING_LEN).unwrap_or(&key);
                let foreign = |_| AcquirerError::NoStore { path: self.path.clone() };
                let city = City::parse(prefix).map_err(foreign)?;
                cities.push(city);
                from = [prefix, &[u8::MAX]].concat();
            }
        })
    }

    /// The rows of a city, by the journal's key.
    pub fn rows(&self, city: City) -> Result<Vec<Row>, AcquirerError> {
        self.with(|db| self.rows_of(city, db.iterator(start(&city.spelling()))))
    }

    /// What the inbox remembers of a city's files, in the order of their numbers.
    pub fn files(&self, city: City) -> Result<Vec<Vec<u8>>, AcquirerError> {
        self.with(|db| {
            let rows = db.iterator_cf(self.inbox(db)?, start(&city.spelling()));
            Ok(self.rows_of(city, rows)?.into_iter().map(|(_, row)| row).collect())
        })
    }

    /// Keeps what the inbox remembers of a file, durably.
    pub fn keep_file(&self, city: City, number: u64, row: &[u8]) -> Result<(), AcquirerError> {
        let key = [&city.spelling()[..], &number.to_be_bytes()].concat();
        self.write_with(|db, options| {
            let mut batch = WriteBatch::default();
            if let Some(inbox) = db.cf_handle(FAMILIES[1]) {
                batch.put_cf(inbox, &key, row);
            }
            options.set_sync(true);
            db.write_opt(batch, options)
        })
    }

    /// Keeps the rows among the effects of a city, all or none.
    pub fn write(&self, city: City, effects: &[Effect], synced: bool) -> Result<(), AcquirerError> {
        let prefixed = |key: &[u8]| [&city.spelling(), key].concat();
        let rows = |effect: &&Effect| matches!(effect, Effect::Put { .. } | Effect::Delete { .. });
        if !effects.iter().any(|effect| rows(&effect)) {
            return Ok(());
        }
        self.write_with(|db, options| {
            let mut batch = WriteBatch::default();
            for effect in effects {
                match effect {
                    Effect::Put { key, value } => batch.put(prefixed(key), value),
                    Effect::Delete { key } => batch.delete(prefixed(key)),
                    Effect::Publish { .. } | Effect::Stop { .. } => {}
                }
            }
            options.set_sync(synced);
            db.write_opt(batch, options)
        })
    }

    fn with<T>(&self, work: impl FnOnce(&DB) -> Result<T, AcquirerError>) -> Result<T, AcquirerError> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        match (&state.db, &state.broken) {
            (Some(db), _) => work(db),
            (None, Some(why)) => Err(self.failed()(why.clone())),
            (None, None) => Err(AcquirerError::NoStore { path: self.path.clone() }),
        }
    }

    fn write_with(
        &self,
        work: impl FnOnce(&DB, &mut WriteOptions) -> Result<(), rocksdb::Error>,
    ) -> Result<(), AcquirerError> {
        let failure = {
            let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
            match (&state.db, &state.broken) {
                (_, Some(why)) => return Err(self.failed()(why.clone())),
                (None, None) => return Err(AcquirerError::NoStore { path: self.path.clone() }),
                (Some(db), None) => match work(db, &mut WriteOptions::default()) {
                    Ok(()) => return Ok(()),
                    Err(failure) => failure,
                },
            }
        };
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.broken.get_or_insert(failure.clone());
        Err(self.failed()(failure))
    }

    fn rows_of(
        &self,
        city: City,
        rows: impl Iterator<Item = Result<(Box<[u8]>, Box<[u8]>), rocksdb::Error>>,
    ) -> Result<Vec<Row>, AcquirerError> {
        let prefix = city.spelling();
        let mut mine = Vec::new();
        for row in rows {
            let (key, value) = row.map_err(self.failed())?;
            match key.strip_prefix(&prefix) {
                Some(key) => mine.push((key.to_vec(), value.into_vec())),
                None => break,
            }
        }
        Ok(mine)
    }

    fn inbox<'a>(&self, db: &'a DB) -> Result<&'a ColumnFamily, AcquirerError> {
        db.cf_handle(FAMILIES[1]).ok_or_else(|| AcquirerError::NoStore { path: self.path.clone() })
    }

    fn failed(&self) -> impl Fn(rocksdb::Error) -> AcquirerError + '_ {
        |source| AcquirerError::Store { path: self.path.clone(), source }
    }
}

fn options() -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_write_buffer_size(WRITE_BUFFER_BYTES);
    options.set_max_open_files(OPEN_FILES_MAX);
    options.set_keep_log_file_num(1);
    options
}

fn open(path: &Path) -> Result<DB, rocksdb::Error> {
    DB::open_cf(&options(), path, FAMILIES)
}

fn start(prefix: &[u8]) -> IteratorMode<'_> {
    IteratorMode::From(prefix, Direction::Forward)
}
