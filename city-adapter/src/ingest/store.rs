//! The rows of the spool in a RocksDB of their own.

use std::path::{Path, PathBuf};

use rocksdb::{DB, DBIteratorWithThreadMode, Direction, IteratorMode, Options, WriteBatch, WriteOptions};

use super::{
    IngestError,
    core::Effect,
    line::Digest,
    rows::{Kind, SealRow, digests_of, key, parse_key},
    source::Source,
};
use prost::Message;

const WRITE_BUFFER_BYTES: usize = 16 << 20;
const OPEN_FILES_MAX: i32 = 64;

/// A key and its value.
type Row = (Vec<u8>, Vec<u8>);

/// The store.
pub struct Store {
    db: DB,
    path: PathBuf,
}

impl Store {
    /// Opens the store in a folder, which is made if it does not exist.
    pub fn open(path: &Path) -> Result<Self, IngestError> {
        let mut options = Options::default();
        options.create_if_missing(true);
        options.set_write_buffer_size(WRITE_BUFFER_BYTES);
        options.set_max_open_files(OPEN_FILES_MAX);
        options.set_keep_log_file_num(1);
        options.set_compression_type(rocksdb::DBCompressionType::Lz4);
        let db = DB::open(&options, path)
            .map_err(|source| IngestError::Store { path: path.to_owned(), source })?;
        Ok(Self { db, path: path.to_owned() })
    }

    /// Everything but the lines that are sealed, and the digests, in the order of the keys.
    pub fn rows(&self) -> Result<Vec<Row>, IngestError> {
        let mut rows = Vec::new();
        let mut from = Vec::new();
        // Up to which sequence the lines of the current source are sealed.
        let mut sealed = 0;
        'seek: loop {
            for row in self.from(&from) {
                let (key, value) = row.map_err(self.failed())?;
                if let Some((source, kind, sequence)) = parse_key(&key) {
                    match kind {
                        Kind::Source => sealed = 0,
                        Kind::Seal => {
                            sealed = SealRow::decode(value.as_ref()).map_or(sealed, |seal| seal.through);
                        }
                        Kind::Lines if sequence <= sealed => {
                            from = super::rows::key(&source, Kind::Lines, sealed + 1);
                            continue 'seek;
                        }
                        Kind::Lines => {}
                        Kind::Digests | Kind::End => {
                            from = super::rows::key(&source, Kind::End, 0);
                            continue 'seek;
                        }
                    }
                }
                rows.push((key.into_vec(), value.into_vec()));
            }
            return Ok(rows);
        }
    }

    /// The digests of up to `count` records of a source from `first` on; fewer where they are forgotten.
    pub fn digests(&self, source: &Source, first: u64, count: usize) -> Result<Vec<Digest>, IngestError> {
        let mut found = Vec::new();
        let wanted = key(source, Kind::Digests, first);
        let before = self.db.iterator(IteratorMode::From(&wanted, Direction::Reverse)).next();
        let start = before.transpose().map_err(self.failed())?.map_or(wanted, |(key, _)| key.into_vec());
        let mut next = first;
        for row in self.from(&start) {
            let (key, value) = row.map_err(self.failed())?;
            let Some((_, _, at)) = parse_key(&key)
                .filter(|(of, kind, at)| of == source && *kind == Kind::Digests && *at <= next)
            else {
                break;
            };
            let skipped = usize::try_from(next - at).unwrap_or(usize::MAX);
            let before = found.len();
            found.extend(digests_of(&value).skip(skipped).take(count - before));
            next += (found.len() - before) as u64;
            if found.len() == count || found.len() == before {
                break;
            }
        }
        Ok(found)
    }

    /// Gives the lines of a source from `first` to `through`, some at a time.
    pub fn lines(
        &self,
        source: &Source,
        first: u64,
        through: u64,
        mut each: impl FnMut(&[u8]) -> Result<(), IngestError>,
    ) -> Result<(), IngestError> {
        let behind = key(source, Kind::Lines, through + 1);
        for row in self.from(&key(source, Kind::Lines, first)) {
            let (key, value) = row.map_err(self.failed())?;
            if key.as_ref() >= behind.as_slice() {
                break;
            }
            each(&value)?;
        }
        Ok(())
    }

    /// Keeps the rows among effects, all or none, durable when this returns.
    pub fn write(&self, effects: &[Effect]) -> Result<(), IngestError> {
        let mut batch = WriteBatch::default();
        for effect in effects {
            match effect {
                Effect::Put { key, value } => batch.put(key, value),
                Effect::Delete { from, to } => batch.delete_range(from, to),
                Effect::Place(_) | Effect::Tell { .. } => {}
            }
        }
        if batch.is_empty() {
            return Ok(());
        }
        let mut options = WriteOptions::default();
        options.set_sync(true);
        self.db.write_opt(batch, &options).map_err(self.failed())
    }

    fn from(&self, key: &[u8]) -> DBIteratorWithThreadMode<'_, DB> {
        self.db.iterator(IteratorMode::From(key, Direction::Forward))
    }

    fn failed(&self) -> impl Fn(rocksdb::Error) -> IngestError + '_ {
        |source| IngestError::Store { path: self.path.clone(), source }
    }
}
