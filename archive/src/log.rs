//! An archive as a log that is read only: every fold runs on it unchanged.

use std::{
    collections::VecDeque, fs::File, io::BufReader, ops::Range, path::Path, sync::Arc, time::Duration,
};

use bytes::Bytes;
use cu_log::{Commit, Entry, Log, LogError, Membership, Owner, Partition, Reader, TopicSpec, Writer};

use crate::{
    ArchiveError,
    cache::Cache,
    chain::Archive,
    format::{Decoder, Header},
};

/// The log that an archive holds. Its topics have no prefix; it ends with the last archived cycle.
#[derive(Clone)]
pub struct ArchiveLog(Arc<Opened>);

struct Opened {
    archive: Archive,
    cache: Cache,
}

impl ArchiveLog {
    /// Opens the log of an archive; copies of its files are kept in `work` while it is open.
    ///
    /// # Errors
    /// [`ArchiveError::Work`] if the folder cannot be used.
    pub fn open(archive: Archive, work: &Path) -> Result<Self, ArchiveError> {
        let cache = Cache::new(&archive.objects, work)?;
        Ok(Self(Arc::new(Opened { archive, cache })))
    }

    /// The archive.
    #[must_use]
    pub fn archive(&self) -> &Archive {
        &self.0.archive
    }
}

fn read_only<T>() -> Result<T, LogError> {
    let context = "write to an archive; it is read only".to_owned();
    Err(LogError::Backend {
        context,
        source: "restore it into a log first: cityunion archive restore".into(),
    })
}

impl From<ArchiveError> for LogError {
    fn from(error: ArchiveError) -> Self {
        match error {
            ArchiveError::Log(error) => error,
            error => Self::Backend { context: "read the archive".to_owned(), source: Box::new(error) },
        }
    }
}

impl Log for ArchiveLog {
    fn create_topics(&self, _: &[TopicSpec]) -> Result<(), LogError> {
        read_only()
    }

    fn bounds(&self, partition: &Partition) -> Result<Range<u64>, LogError> {
        let end = self.0.archive.end(partition);
        end.map(|end| 0..end).ok_or_else(|| LogError::NoTopic(partition.to_string()))
    }

    fn reader(&self, starts: &[(Partition, u64)]) -> Result<Box<dyn Reader>, LogError> {
        let mut reader = ArchiveReader { log: self.clone(), cursors: Vec::new() };
        reader.add(starts)?;
        Ok(Box::new(reader))
    }

    fn writer(&self) -> Result<Box<dyn Writer>, LogError> {
        read_only()
    }

    fn commit(&self, _: &str, _: &[(Partition, Commit)]) -> Result<(), LogError> {
        read_only()
    }

    fn committed(&self, _: &str, partitions: &[Partition]) -> Result<Vec<Option<Commit>>, LogError> {
        Ok(vec![None; partitions.len()])
    }

    fn join(&self, _: &str, _: &[String], _: Box<dyn Owner>) -> Result<Box<dyn Membership>, LogError> {
        read_only()
    }
}

struct ArchiveReader {
    log: ArchiveLog,
    cursors: Vec<Cursor>,
}

struct Cursor {
    partition: Partition,
    next: u64,
    end: u64,
    paused: bool,
    file: Option<(String, Decoder<BufReader<File>>)>,
    /// What was unpacked and comes next.
    block: VecDeque<Bytes>,
}

impl Cursor {
    /// The next message; none at the end.
    fn next(&mut self, opened: &Opened) -> Result<Option<Entry>, ArchiveError> {
        if self.next >= self.end {
            return Ok(None);
        }
        while self.block.is_empty() {
            self.unpack(opened)?;
        }
        let Some(payload) = self.block.pop_front() else { return Ok(None) };
        let offset = self.next;
        self.next += 1;
        Ok(Some(Entry { partition: self.partition.clone(), offset, payload }))
    }

    /// Unpacks the block that holds the next message.
    fn unpack(&mut self, opened: &Opened) -> Result<(), ArchiveError> {
        // A file that failed is opened anew the next time: it fails at the same place again.
        let (key, mut decoder) = match self.file.take() {
            Some(file) => file,
            None => open(opened, &self.partition, self.next)?,
        };
        let Some((first, messages)) = decoder.block(self.next).map_err(ArchiveError::format(&key))? else {
            return Ok(());
        };
        let skip = self.next.checked_sub(first).and_then(|skip| usize::try_from(skip).ok());
        let skip = skip.ok_or_else(|| ArchiveError::damaged(&key, "its blocks are out of order"))?;
        self.block.extend(messages.into_iter().skip(skip));
        self.file = Some((key, decoder));
        Ok(())
    }
}

fn open(
    opened: &Opened,
    partition: &Partition,
    offset: u64,
) -> Result<(String, Decoder<BufReader<File>>), ArchiveError> {
    let found = opened.archive.file_of(partition, offset);
    let have = 0..opened.archive.end(partition).unwrap_or(0);
    let hole = || LogError::Hole { partition: partition.clone(), wanted: offset, have };
    let (key, entry) = found.ok_or_else(hole)?;
    let file = opened.cache.open(&key, entry)?;
    let decoder = Decoder::open(BufReader::new(file)).map_err(ArchiveError::format(&key))?;
    let said =
        Header { topic: entry.topic.clone(), partition: entry.partition, first: entry.first, end: entry.end };
    if *decoder.header() != said {
        return Err(ArchiveError::damaged(&key, "its header is not what the manifest says"));
    }
    Ok((key, decoder))
}

impl Reader for ArchiveReader {
    fn poll(&mut self, bytes_max: usize, timeout: Duration) -> Result<Vec<Entry>, LogError> {
        let share = bytes_max / self.cursors.len().max(1);
        let mut entries = Vec::new();
        for cursor in self.cursors.iter_mut().filter(|cursor| !cursor.paused) {
            let mut bytes = 0;
            while bytes <= share {
                match cursor.next(&self.log.0) {
                    Ok(Some(entry)) => {
                        bytes += entry.payload.len().max(1);
                        entries.push(entry);
                    }
                    Ok(None) => break,
                    Err(failure) if entries.is_empty() => return Err(failure.into()),
                    // What was read goes out first; the next poll meets the failure again.
                    Err(_) => return Ok(entries),
                }
            }
        }
        if entries.is_empty() {
            // Nothing more ever comes; who polls all the same shall not spin.
            std::thread::sleep(timeout);
        }
        Ok(entries)
    }

    fn pause(&mut self, partition: &Partition) -> Result<(), LogError> {
        self.set_paused(partition, true)
    }

    fn resume(&mut self, partition: &Partition) -> Result<(), LogError> {
        self.set_paused(partition, false)
    }

    fn add(&mut self, starts: &[(Partition, u64)]) -> Result<(), LogError> {
        let cursor = |(partition, next): &(Partition, u64)| {
            let have = self.log.bounds(partition)?;
            if *next > have.end {
                return Err(LogError::Hole { partition: partition.clone(), wanted: *next, have });
            }
            let (partition, next) = (partition.clone(), *next);
            Ok(Cursor { partition, next, end: have.end, paused: false, file: None, block: VecDeque::new() })
        };
        let added = starts.iter().map(cursor).collect::<Result<Vec<_>, LogError>>()?;
        self.cursors.retain(|cursor| !added.iter().any(|new| new.partition == cursor.partition));
        self.cursors.extend(added);
        Ok(())
    }

    fn remove(&mut self, partitions: &[Partition]) -> Result<(), LogError> {
        self.cursors.retain(|cursor| !partitions.contains(&cursor.partition));
        Ok(())
    }
}

impl ArchiveReader {
    fn set_paused(&mut self, partition: &Partition, paused: bool) -> Result<(), LogError> {
        let found = self.cursors.iter_mut().find(|cursor| cursor.partition == *partition);
        found.ok_or_else(|| LogError::NoTopic(partition.to_string()))?.paused = paused;
        Ok(())
    }
}
