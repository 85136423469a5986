//! Reading: one cursor a partition, ends known in memory.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Opened, catalog::Known, subscribers::Subscription};
use crate::{Entry, LogError, Partition, Reader, weight};

struct Cursor {
    partition: Partition,
    known: Known,
    next: u64,
    paused: bool,
}

impl Cursor {
    fn ready(&self) -> bool {
        !self.paused && self.next < self.known.end()
    }
}

/// Reads some partitions of an embedded log.
pub(super) struct EmbeddedReader {
    opened: Arc<Opened>,
    cursors: Vec<Cursor>,
    subscription: Subscription,
    /// The cursor that is served first next time, so that a busy partition starves none.
    turn: usize,
}

impl EmbeddedReader {
    pub(super) fn open(opened: Arc<Opened>, starts: &[(Partition, u64)]) -> Result<Self, LogError> {
        let cursors = cursors(&opened, starts)?;
        let subscription = opened.shared.subscribers.subscribe(cursors.iter().map(|it| it.known.id));
        Ok(Self { opened, cursors, subscription, turn: 0 })
    }

    /// What is there now, each ready partition having its share of the bytes.
    fn read_ready(&mut self, bytes_max: usize) -> Result<Vec<Entry>, LogError> {
        let count = self.cursors.len();
        let ready: Vec<usize> =
            (0..count).map(|i| (self.turn + i) % count).filter(|i| self.cursors[*i].ready()).collect();
        let share = bytes_max / ready.len().max(1);
        let mut entries = Vec::new();
        let mut bytes = 0;
        for i in ready {
            if bytes >= bytes_max && bytes > 0 {
                break;
            }
            match read_one(&self.opened, &mut self.cursors[i], share, &mut entries) {
                Ok(more) => bytes += more,
                Err(failure) if entries.is_empty() => return Err(failure),
                // What was read goes out first; the failing partition comes first next time.
                Err(_) => break,
            }
            self.turn = (i + 1) % count;
        }
        Ok(entries)
    }

    fn subscribe_anew(&mut self) {
        self.turn = 0;
        let ids = self.cursors.iter().map(|cursor| cursor.known.id);
        let subscribers = &self.opened.shared.subscribers;
        let before = std::mem::replace(&mut self.subscription, subscribers.subscribe(ids));
        subscribers.unsubscribe(&before);
    }

    fn cursor(&mut self, partition: &Partition) -> Result<&mut Cursor, LogError> {
        let found = self.cursors.iter_mut().find(|cursor| cursor.partition == *partition);
        found.ok_or_else(|| LogError::NoTopic(partition.to_string()))
    }
}

/// Places to read from that exist.
fn cursors(opened: &Opened, starts: &[(Partition, u64)]) -> Result<Vec<Cursor>, LogError> {
    let mut cursors = Vec::with_capacity(starts.len());
    for (partition, next) in starts {
        let known = opened.shared.catalog.find(partition)?;
        let have = 0..known.end();
        if *next > have.end {
            return Err(LogError::Hole { partition: partition.clone(), wanted: *next, have });
        }
        cursors.push(Cursor { partition: partition.clone(), known, next: *next, paused: false });
    }
    Ok(cursors)
}

/// Reads on in one partition; returns what that counts for.
fn read_one(
    opened: &Opened,
    cursor: &mut Cursor,
    bytes_max: usize,
    entries: &mut Vec<Entry>,
) -> Result<usize, LogError> {
    let (end, from) = (cursor.known.end(), cursor.next);
    let mut bytes = 0;
    let Cursor { partition, next, known, .. } = cursor;
    opened.shared.store.read(known.id, from, end, bytes_max, |offset, payload| {
        bytes += weight(&payload);
        *next = offset + 1;
        entries.push(Entry { partition: partition.clone(), offset, payload });
    })?;
    if *next == from {
        return Err(LogError::Hole { partition: partition.clone(), wanted: from, have: 0..end });
    }
    Ok(bytes)
}

impl Reader for EmbeddedReader {
    fn poll(&mut self, bytes_max: usize, timeout: Duration) -> Result<Vec<Entry>, LogError> {
        let deadline = Instant::now() + timeout;
        loop {
            let entries = self.read_ready(bytes_max)?;
            if !entries.is_empty() || self.subscription.heard.recv_deadline(deadline).is_err() {
                return Ok(entries);
            }
        }
    }

    fn pause(&mut self, partition: &Partition) -> Result<(), LogError> {
        self.cursor(partition)?.paused = true;
        Ok(())
    }

    fn resume(&mut self, partition: &Partition) -> Result<(), LogError> {
        self.cursor(partition)?.paused = false;
        Ok(())
    }

    fn add(&mut self, starts: &[(Partition, u64)]) -> Result<(), LogError> {
        let more = cursors(&self.opened, starts)?;
        self.cursors.retain(|cursor| more.iter().all(|new| new.known.id != cursor.known.id));
        self.cursors.extend(more);
        self.subscribe_anew();
        Ok(())
    }

    fn remove(&mut self, partitions: &[Partition]) -> Result<(), LogError> {
        self.cursors.retain(|cursor| !partitions.contains(&cursor.partition));
        self.subscribe_anew();
        Ok(())
    }
}

impl Drop for EmbeddedReader {
    fn drop(&mut self) {
        self.opened.shared.subscribers.unsubscribe(&self.subscription);
    }
}
