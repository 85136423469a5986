//! The RocksDB underneath: keys, options, synced writes.
//!
//! Column family `messages`: key = partition id (u32) and offset (u64), both big-endian, value = the
//! message. Column family `default`: `t` topic → first partition id, partitions; `c` group NUL topic
//! NUL partition → offset, note.

use std::{fs, path::Path};

use bytes::Bytes;
use rocksdb::{
    ColumnFamily, ColumnFamilyDescriptor, DB, DBCompressionType, DBRecoveryMode, ErrorKind, IteratorMode,
    LogLevel, Options, ReadOptions, WriteBatch, WriteOptions,
};

use crate::{Commit, LogError, Partition, weight};

const MESSAGES: &str = "messages";
const META: &str = "default";

const WRITE_BUFFER_BYTES: usize = 64 * 1024 * 1024;
const WRITE_BUFFERS_MAX: i32 = 3;
/// The write-ahead log is kept while any column family has unflushed rows in it: without a bound the
/// few rows of `default` would keep all of it.
const WAL_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Smaller messages stand in the sorted files themselves.
const BLOB_BYTES_MIN: u64 = 4 * 1024;
const BACKGROUND_JOBS: i32 = 2;
/// Well below the usual limit of 1,024 a process.
const OPEN_FILES_MAX: i32 = 256;
const READ_AHEAD_BYTES: usize = 2 * 1024 * 1024;

/// A topic as it is stored.
pub(super) struct TopicRow {
    pub name: String,
    pub first_id: u32,
    pub partitions: u32,
}

/// A message with the place it was given.
pub(super) struct Placed<'a> {
    pub id: u32,
    pub offset: u64,
    pub payload: &'a [u8],
}

/// The database of one log.
pub(super) struct Store {
    db: DB,
    path: String,
}

impl Store {
    pub(super) fn open(path: &Path) -> Result<Self, LogError> {
        let shown = path.display().to_string();
        fs::create_dir_all(path).map_err(|source| LogError::Backend {
            context: format!("make the log's folder {shown}"),
            source: Box::new(source),
        })?;
        let families = [
            ColumnFamilyDescriptor::new(META, Options::default()),
            ColumnFamilyDescriptor::new(MESSAGES, message_options()),
        ];
        let db = DB::open_cf_descriptors(&database_options(), path, families).map_err(|source| {
            if source.kind() == ErrorKind::IOError && source.as_ref().contains("LOCK") {
                return LogError::InUse(shown.clone());
            }
            backend(format!("open the log in {shown}"), source)
        })?;
        Ok(Self { db, path: shown })
    }

    fn family(&self, name: &'static str) -> Result<&ColumnFamily, LogError> {
        self.db.cf_handle(name).ok_or_else(|| LogError::Backend {
            context: format!("find {name} in the log of {}", self.path),
            source: "it is no log of this program".into(),
        })
    }

    fn write(&self, batch: WriteBatch) -> Result<(), rocksdb::Error> {
        let mut options = WriteOptions::default();
        options.set_sync(true);
        self.db.write_opt(batch, &options)
    }

    /// All topics.
    pub(super) fn topics(&self) -> Result<Vec<TopicRow>, LogError> {
        let meta = self.family(META)?;
        let mut rows = Vec::new();
        let from = IteratorMode::From(b"t", rocksdb::Direction::Forward);
        for row in self.db.iterator_cf(meta, from) {
            let (key, value) = row.map_err(|e| backend(format!("read the topics of {}", self.path), e))?;
            let Some(name) = key.strip_prefix(b"t") else { break };
            let (Ok(name), Some((first_id, partitions))) = (std::str::from_utf8(name), two_words(&value))
            else {
                return Err(self.damaged("a topic"));
            };
            rows.push(TopicRow { name: name.to_owned(), first_id, partitions });
        }
        Ok(rows)
    }

    /// Keeps new topics, all or none.
    pub(super) fn keep_topics(&self, topics: &[TopicRow]) -> Result<(), LogError> {
        let meta = self.family(META)?;
        let mut batch = WriteBatch::default();
        for topic in topics {
            let value = [topic.first_id.to_be_bytes(), topic.partitions.to_be_bytes()].concat();
            batch.put_cf(meta, [b"t", topic.name.as_bytes()].concat(), value);
        }
        self.write(batch).map_err(|e| backend(format!("create topics in {}", self.path), e))
    }

    /// The offset after the last message of a partition.
    pub(super) fn end(&self, id: u32) -> Result<u64, LogError> {
        let mut rows = self.db.raw_iterator_cf(self.family(MESSAGES)?);
        rows.seek_for_prev(message_key(id, u64::MAX));
        rows.status().map_err(|e| backend(format!("find the ends of {}", self.path), e))?;
        Ok(rows.key().and_then(place).filter(|(its, _)| *its == id).map_or(0, |(_, offset)| offset + 1))
    }

    /// Writes messages, all or none; durable when this returns.
    pub(super) fn keep_messages<'a>(
        &self,
        messages: impl Iterator<Item = Placed<'a>>,
    ) -> Result<(), LogError> {
        let family = self.family(MESSAGES)?;
        let mut batch = WriteBatch::default();
        for message in messages {
            batch.put_cf(family, message_key(message.id, message.offset), message.payload);
        }
        self.write(batch).map_err(|e| {
            let advice = "see that its disk has room and works, then start again";
            backend(format!("write to the log in {} ({advice})", self.path), e)
        })
    }

    /// Hands over the messages of a partition from `from` until `end`, enough bytes (at least one
    /// message) or the first offset that is missing.
    pub(super) fn read(
        &self,
        id: u32,
        from: u64,
        end: u64,
        bytes_max: usize,
        mut take: impl FnMut(u64, Bytes),
    ) -> Result<(), LogError> {
        let mut options = ReadOptions::default();
        options.set_iterate_upper_bound(message_key(id, end).to_vec());
        options.set_readahead_size(READ_AHEAD_BYTES);
        options.fill_cache(false);
        let mut rows = self.db.raw_iterator_cf_opt(self.family(MESSAGES)?, options);
        rows.seek(message_key(id, from));
        let (mut expected, mut bytes) = (from, 0);
        while let Some((key, value)) = rows.item() {
            if place(key) != Some((id, expected)) {
                break;
            }
            take(expected, Bytes::copy_from_slice(value));
            expected += 1;
            bytes += weight(value);
            if bytes >= bytes_max {
                return Ok(());
            }
            rows.next();
        }
        rows.status().map_err(|e| backend(format!("read the log in {}", self.path), e))
    }

    /// Keeps positions of a group, all or none; durable when this returns.
    pub(super) fn keep_commits(
        &self,
        group: &str,
        positions: &[(Partition, Commit)],
    ) -> Result<(), LogError> {
        let meta = self.family(META)?;
        let mut batch = WriteBatch::default();
        for (partition, commit) in positions {
            let value = [&commit.offset.to_be_bytes(), commit.note.as_bytes()].concat();
            batch.put_cf(meta, commit_key(group, partition), value);
        }
        self.write(batch).map_err(|e| backend(format!("keep the positions of {group} in {}", self.path), e))
    }

    /// The position kept for a group.
    pub(super) fn commit(&self, group: &str, partition: &Partition) -> Result<Option<Commit>, LogError> {
        let row = self
            .db
            .get_pinned_cf(self.family(META)?, commit_key(group, partition))
            .map_err(|e| backend(format!("read the positions of {group} in {}", self.path), e))?;
        let Some(row) = row else { return Ok(None) };
        let (Some(offset), Some(Ok(note))) =
            (row.first_chunk().copied().map(u64::from_be_bytes), row.get(8..).map(std::str::from_utf8))
        else {
            return Err(self.damaged("a position"));
        };
        Ok(Some(Commit { offset, note: note.to_owned() }))
    }

    fn damaged(&self, what: &str) -> LogError {
        LogError::Backend {
            context: format!("read {what} in the log of {}", self.path),
            source: "the stored row is damaged".into(),
        }
    }
}

fn database_options() -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_max_background_jobs(BACKGROUND_JOBS);
    options.set_max_open_files(OPEN_FILES_MAX);
    options.set_max_total_wal_size(WAL_BYTES_MAX);
    // A torn tail is what a crash leaves; damage anywhere else must not pass for the log's end.
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    options.set_log_level(LogLevel::Warn);
    options.set_keep_log_file_num(2);
    options
}

/// Messages are written once, in order, and never changed: large ones stand in blob files, which
/// compaction leaves alone.
fn message_options() -> Options {
    let mut options = Options::default();
    options.set_write_buffer_size(WRITE_BUFFER_BYTES);
    options.set_max_write_buffer_number(WRITE_BUFFERS_MAX);
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_enable_blob_files(true);
    options.set_min_blob_size(BLOB_BYTES_MIN);
    options.set_blob_compression_type(DBCompressionType::Lz4);
    options
}

fn backend(context: String, source: rocksdb::Error) -> LogError {
    LogError::Backend { context, source: Box::new(source) }
}

fn message_key(id: u32, offset: u64) -> [u8; 12] {
    let mut key = [0; 12];
    key[..4].copy_from_slice(&id.to_be_bytes());
    key[4..].copy_from_slice(&offset.to_be_bytes());
    key
}

fn place(key: &[u8]) -> Option<(u32, u64)> {
    let (id, offset) = key.split_first_chunk()?;
    Some((u32::from_be_bytes(*id), u64::from_be_bytes(offset.try_into().ok()?)))
}

fn two_words(value: &[u8]) -> Option<(u32, u32)> {
    let (first, rest) = value.split_first_chunk()?;
    Some((u32::from_be_bytes(*first), u32::from_be_bytes(rest.try_into().ok()?)))
}

fn commit_key(group: &str, partition: &Partition) -> Vec<u8> {
    [b"c", group.as_bytes(), b"\0", partition.topic.as_bytes(), b"\0", &partition.number.to_be_bytes()]
        .concat()
}
