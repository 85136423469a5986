//! The book's store on RocksDB.

use std::{collections::HashMap, path::Path, sync::Arc};

use rocksdb::{
    DB, DBCompressionType, Direction, IteratorMode, Options, ReadOptions, WriteBatch, WriteOptions,
    checkpoint::Checkpoint,
};

use crate::store::{StoreError, Txn, Visit};

/// A start reads all identities from one end to the other.
const READ_AHEAD_BYTES: usize = 2 << 20;

/// One partition's RocksDB. Clones share it.
#[derive(Clone)]
pub struct RocksStore {
    db: Arc<DB>,
}

impl std::fmt::Debug for RocksStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RocksStore").field("path", &self.db.path()).finish()
    }
}

impl RocksStore {
    /// Opens or creates the store in a folder.
    ///
    /// # Errors
    /// [`StoreError::Backend`], also when another process has it open.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let mut options = Options::default();
        options.create_if_missing(true);
        options.set_compression_type(DBCompressionType::Lz4);
        options.set_write_buffer_size(32 << 20);
        options.set_max_write_buffer_number(3);
        options.set_max_background_jobs(2);
        options.set_max_total_wal_size(256 << 20);
        options.set_keep_log_file_num(2);
        options.set_max_open_files(256);
        let db = DB::open(&options, path).map_err(backend("opening it"))?;
        Ok(Self { db: Arc::new(db) })
    }

    /// Opens the store in a folder for reading, as it is at this moment, also while a node works on it.
    ///
    /// # Errors
    /// [`StoreError::Backend`].
    pub fn open_to_read(path: &Path) -> Result<Self, StoreError> {
        let db = DB::open_for_read_only(&Options::default(), path, false)
            .map_err(backend("opening it to read"))?;
        Ok(Self { db: Arc::new(db) })
    }

    /// Copies the store as it is now into a folder that does not exist, on the same file system: files of rows are
    /// linked. Transactions go on meanwhile.
    ///
    /// # Errors
    /// [`StoreError::Backend`].
    pub fn checkpoint(&self, into: &Path) -> Result<(), StoreError> {
        let checkpoint = Checkpoint::new(self.db.as_ref()).and_then(|c| c.create_checkpoint(into));
        checkpoint.map_err(backend("taking a checkpoint"))
    }

    /// Begins a transaction.
    #[must_use]
    pub fn begin(&self) -> RocksTxn<'_> {
        RocksTxn { db: &self.db, batch: WriteBatch::default(), gathered: HashMap::new() }
    }
}

/// Writes gathered over one RocksDB.
pub struct RocksTxn<'a> {
    db: &'a DB,
    batch: WriteBatch,
    gathered: HashMap<Vec<u8>, Option<Vec<u8>>>,
}

impl RocksTxn<'_> {
    /// Makes everything gathered durable at once. With `sync` it survives a power failure; without, the tail
    /// may be lost then and is folded again from the log.
    ///
    /// # Errors
    /// [`StoreError::Backend`]; nothing was written then.
    pub fn commit(self, sync: bool) -> Result<(), StoreError> {
        let mut options = WriteOptions::default();
        options.set_sync(sync);
        self.db.write_opt(self.batch, &options).map_err(backend("committing"))
    }

    /// Bytes gathered so far.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.batch.size_in_bytes()
    }
}

impl Txn for RocksTxn<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match self.gathered.get(key) {
            Some(value) => Ok(value.clone()),
            None => self.db.get(key).map_err(backend("reading a row")),
        }
    }

    fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.batch.put(&key, &value);
        if is_read_back(&key) {
            self.gathered.insert(key, Some(value));
        }
    }

    fn delete(&mut self, key: Vec<u8>) {
        self.batch.delete(&key);
        if is_read_back(&key) {
            self.gathered.insert(key, None);
        }
    }

    fn delete_range(&mut self, from: Vec<u8>, to: Vec<u8>) {
        self.batch.delete_range(from, to);
    }

    fn scan(&self, prefix: &[u8], visit: &mut Visit<'_>) -> Result<(), StoreError> {
        let mut options = ReadOptions::default();
        options.set_readahead_size(READ_AHEAD_BYTES);
        options.fill_cache(false);
        for row in self.db.iterator_opt(IteratorMode::From(prefix, Direction::Forward), options) {
            let (key, value) = row.map_err(backend("reading rows"))?;
            if !key.starts_with(prefix) {
                break;
            }
            visit(&key, &value)?;
        }
        Ok(())
    }
}

/// Rows of identities, totals and outbox are kept in memory and never read back before a restart: they
/// need no copy among the gathered writes.
fn is_read_back(key: &[u8]) -> bool {
    !matches!(key.first(), Some(b'i' | b't' | b'o'))
}

fn backend(doing: &'static str) -> impl FnOnce(rocksdb::Error) -> StoreError {
    move |source| StoreError::Backend { doing, source }
}
