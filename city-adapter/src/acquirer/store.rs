//! The journals of all cities in one RocksDB: key = spelling of the city, then the journal's key.

use std::path::{Path, PathBuf};

use domain::city::City;
use rocksdb::{DB, Direction, IteratorMode, Options, WriteBatch, WriteOptions};

use super::AcquirerError;
use crate::journal::Effect;

const WRITE_BUFFER_BYTES: usize = 8 << 20;
const OPEN_FILES_MAX: i32 = 64;

/// A key of the journal and its value.
type Row = (Vec<u8>, Vec<u8>);

/// The store.
pub struct Store {
    db: DB,
    path: PathBuf,
}

impl Store {
    /// Opens the store in a folder, which is made if it does not exist.
    pub fn open(path: &Path) -> Result<Self, AcquirerError> {
        let mut options = Options::default();
        options.create_if_missing(true);
        options.set_write_buffer_size(WRITE_BUFFER_BYTES);
        options.set_max_open_files(OPEN_FILES_MAX);
        options.set_keep_log_file_num(1);
        let db = DB::open(&options, path)
            .map_err(|source| AcquirerError::Store { path: path.to_owned(), source })?;
        Ok(Self { db, path: path.to_owned() })
    }

    /// The cities that have rows.
    pub fn cities(&self) -> Result<Vec<City>, AcquirerError> {
        let mut cities = Vec::new();
        let mut from = Vec::new();
        loop {
            let mut rows = self.db.iterator(IteratorMode::From(&from, Direction::Forward));
            let Some((key, _)) = rows.next().transpose().map_err(self.failed())? else { return Ok(cities) };
            let prefix = key.get(..City::SPELLING_LEN).unwrap_or(&key);
            let foreign = |_| AcquirerError::NoStore { path: self.path.clone() };
            let city = City::parse(prefix).map_err(foreign)?;
            cities.push(city);
            from = [prefix, &[u8::MAX]].concat();
        }
    }

    /// The rows of a city, by the journal's key.
    pub fn rows(&self, city: City) -> Result<Vec<Row>, AcquirerError> {
        let prefix = city.spelling();
        let mut rows = Vec::new();
        for row in self.db.iterator(IteratorMode::From(&prefix, Direction::Forward)) {
            let (key, value) = row.map_err(self.failed())?;
            match key.strip_prefix(&prefix) {
                Some(key) => rows.push((key.to_vec(), value.into_vec())),
                None => break,
            }
        }
        Ok(rows)
    }

    /// Keeps the rows among the effects of a city, all or none.
    pub fn write(&self, city: City, effects: &[Effect], synced: bool) -> Result<(), AcquirerError> {
        let mut batch = WriteBatch::default();
        let prefixed = |key: &[u8]| [&city.spelling(), key].concat();
        for effect in effects {
            match effect {
                Effect::Put { key, value } => batch.put(prefixed(key), value),
                Effect::Delete { key } => batch.delete(prefixed(key)),
                Effect::Publish { .. } | Effect::Stop { .. } => {}
            }
        }
        if batch.is_empty() {
            return Ok(());
        }
        let mut options = WriteOptions::default();
        options.set_sync(synced);
        self.db.write_opt(batch, &options).map_err(self.failed())
    }

    fn failed(&self) -> impl Fn(rocksdb::Error) -> AcquirerError + '_ {
        |source| AcquirerError::Store { path: self.path.clone(), source }
    }
}
