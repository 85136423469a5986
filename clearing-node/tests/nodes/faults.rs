//! The log with faults, as one node sees it.

use std::{
    ops::Range,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use cu_log::{
    Commit, Entry, Log, LogError, Membership, OnDurable, Owner, Partition, Reader, TopicSpec, Writer,
};

/// What goes wrong.
#[derive(Default)]
pub struct Faults {
    /// Messages that still land; without it: all.
    pub appends_left: Option<AtomicI64>,
    /// Whether the append that fails stands on the log nevertheless.
    pub last_lands: bool,
    /// The first append that failed.
    pub dead: AtomicBool,
    /// Retention of partition 1 of `cu.clearing`: its first retained offset.
    pub retained_from: AtomicU64,
    /// An offset of partition 1 of `cu.clearing` that readers pass over; 0 for none.
    pub skipped: AtomicU64,
    /// A topic that retention has cut, and its first retained offset.
    pub begins: Mutex<Option<(String, u64)>>,
    /// A topic that lacks a message, and which.
    pub lacks: Mutex<Option<(String, u64)>>,
    /// Revocations are not heard.
    pub deaf: bool,
    /// The owner of a deaf node, and the membership behind its back.
    pub owner: Mutex<Option<Box<dyn Owner>>>,
    pub behind: Mutex<Option<Box<dyn Membership>>>,
}

/// The log through these faults.
pub struct Faulty {
    pub inner: Arc<dyn Log>,
    pub faults: Arc<Faults>,
}

impl Faulty {
    pub fn over(inner: &Arc<dyn Log>, faults: Faults) -> (Arc<dyn Log>, Arc<Faults>) {
        let faults = Arc::new(faults);
        (Arc::new(Self { inner: Arc::clone(inner), faults: Arc::clone(&faults) }), faults)
    }

    fn is_faulty(partition: &Partition) -> bool {
        &*partition.topic == "cu.clearing" && partition.number == 1
    }
}

impl Faults {
    /// Throws the node out of the group without its hearing of it.
    pub fn throw_out(&self) {
        drop(self.behind.lock().unwrap().take());
    }

    /// It hears at last that it lost everything.
    pub fn tell_lost(&self, partitions: &[Partition]) {
        self.owner.lock().unwrap().as_mut().unwrap().lost(partitions);
    }
}

impl Log for Faulty {
    fn create_topics(&self, topics: &[TopicSpec]) -> Result<(), LogError> {
        self.inner.create_topics(topics)
    }

    fn bounds(&self, partition: &Partition) -> Result<Range<u64>, LogError> {
        let bounds = self.inner.bounds(partition)?;
        let from =
            if Self::is_faulty(partition) { self.faults.retained_from.load(Ordering::SeqCst) } else { 0 };
        let begins = self.faults.begins.lock().unwrap();
        let cut = begins.as_ref().filter(|(topic, _)| **topic == *partition.topic).map_or(0, |(_, at)| *at);
        Ok(bounds.start.max(from).max(cut)..bounds.end)
    }

    fn reader(&self, starts: &[(Partition, u64)]) -> Result<Box<dyn Reader>, LogError> {
        Ok(Box::new(FaultyReader { inner: self.inner.reader(starts)?, faults: Arc::clone(&self.faults) }))
    }

    fn writer(&self) -> Result<Box<dyn Writer>, LogError> {
        Ok(Box::new(FaultyWriter { inner: self.inner.writer()?, faults: Arc::clone(&self.faults) }))
    }

    fn commit(&self, group: &str, positions: &[(Partition, Commit)]) -> Result<(), LogError> {
        self.inner.commit(group, positions)
    }

    fn committed(&self, group: &str, partitions: &[Partition]) -> Result<Vec<Option<Commit>>, LogError> {
        self.inner.committed(group, partitions)
    }

    fn join(
        &self,
        group: &str,
        topics: &[String],
        owner: Box<dyn Owner>,
    ) -> Result<Box<dyn Membership>, LogError> {
        if !self.faults.deaf {
            return self.inner.join(group, topics, owner);
        }
        *self.faults.owner.lock().unwrap() = Some(owner);
        let ear = DeafOwner(Arc::clone(&self.faults));
        *self.faults.behind.lock().unwrap() = Some(self.inner.join(group, topics, Box::new(ear))?);
        Ok(Box::new(Pretended(Arc::clone(&self.faults))))
    }
}

struct FaultyReader {
    inner: Box<dyn Reader>,
    faults: Arc<Faults>,
}

impl Reader for FaultyReader {
    fn add(&mut self, starts: &[(Partition, u64)]) -> Result<(), LogError> {
        self.inner.add(starts)
    }

    fn remove(&mut self, partitions: &[Partition]) -> Result<(), LogError> {
        self.inner.remove(partitions)
    }

    fn poll(&mut self, bytes_max: usize, timeout: Duration) -> Result<Vec<Entry>, LogError> {
        let mut entries = self.inner.poll(bytes_max, timeout)?;
        let skipped = self.faults.skipped.load(Ordering::SeqCst);
        entries
            .retain(|entry| skipped == 0 || !Faulty::is_faulty(&entry.partition) || entry.offset != skipped);
        if let Some((topic, offset)) = &*self.faults.lacks.lock().unwrap() {
            entries.retain(|entry| *entry.partition.topic != **topic || entry.offset != *offset);
        }
        Ok(entries)
    }

    fn pause(&mut self, partition: &Partition) -> Result<(), LogError> {
        self.inner.pause(partition)
    }

    fn resume(&mut self, partition: &Partition) -> Result<(), LogError> {
        self.inner.resume(partition)
    }
}

struct FaultyWriter {
    inner: Box<dyn Writer>,
    faults: Arc<Faults>,
}

impl Writer for FaultyWriter {
    fn append(&mut self, group: Vec<(Partition, Bytes)>, on_durable: OnDurable) -> Result<(), LogError> {
        let Some(left) = &self.faults.appends_left else { return self.inner.append(group, on_durable) };
        let messages = i64::try_from(group.len()).unwrap();
        let left = left.fetch_sub(messages, Ordering::SeqCst);
        if left >= messages {
            return self.inner.append(group, on_durable);
        }
        // As on a broker, the beginning of a group may land alone.
        let lands = left + i64::from(self.faults.last_lands);
        if let (true, Ok(lands)) = (left >= 0, usize::try_from(lands)) {
            self.inner.append(group.into_iter().take(lands).collect(), Box::new(drop))?;
        }
        self.faults.dead.store(true, Ordering::SeqCst);
        Err(LogError::Timeout(Duration::ZERO))
    }

    fn flush(&mut self, timeout: Duration) -> Result<(), LogError> {
        self.inner.flush(timeout)
    }
}

/// Hears of assignments alone.
struct DeafOwner(Arc<Faults>);

impl Owner for DeafOwner {
    fn assigned(&mut self, partitions: &[Partition]) {
        self.0.owner.lock().unwrap().as_mut().unwrap().assigned(partitions);
    }

    fn revoked(&mut self, _: &[Partition]) {}

    fn lost(&mut self, _: &[Partition]) {}
}

/// The membership as the deaf node sees it.
struct Pretended(Arc<Faults>);

impl Membership for Pretended {
    fn subscribe(&self, _: &[String]) -> Result<(), LogError> {
        Ok(())
    }

    fn owned(&self) -> Vec<Partition> {
        Vec::new()
    }

    fn failed(&self) -> Option<String> {
        None
    }
}

impl Drop for Pretended {
    fn drop(&mut self) {
        self.0.throw_out();
        let owner = self.0.owner.lock().unwrap().take();
        drop(owner);
    }
}
