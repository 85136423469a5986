//! Filling a partition of a log that is brought back, in order.

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender};
use cu_log::{Log, LogError, Partition, Writer};

use crate::{ArchiveError, restore::Restored};

/// Bytes of messages in one append.
const GROUP_BYTES: usize = 2 << 20;
/// Appends on their way at a time.
const GROUPS_MAX: usize = 8;
/// How long an append may take to become durable.
const APPEND_WAIT: Duration = Duration::from_secs(120);

pub(crate) fn used(partition: &Partition, why: &str) -> ArchiveError {
    ArchiveError::Refused(format!(
        "{partition} is in use: {why}; restore into topics that do not exist yet, or under another prefix"
    ))
}

type Ack = (u64, u64, Result<Vec<u64>, LogError>);

/// Fills a partition in order; what stands in it already is compared.
pub(crate) struct Filling<'a> {
    log: &'a dyn Log,
    partition: Partition,
    /// Opened when there is something to write.
    writer: Option<Box<dyn Writer>>,
    reader: Option<Box<dyn cu_log::Reader>>,
    /// What was read of it and not compared yet.
    there: VecDeque<Bytes>,
    /// Where it ended at the beginning.
    end: u64,
    /// Offset of the next message.
    next: u64,
    group: Vec<(Partition, Bytes)>,
    group_bytes: usize,
    acks: (Sender<Ack>, Receiver<Ack>),
    coming: usize,
}

impl<'a> Filling<'a> {
    pub(crate) fn open(log: &'a dyn Log, partition: &Partition) -> Result<Self, ArchiveError> {
        let have = log.bounds(partition)?;
        if have.start > 0 {
            return Err(used(partition, "messages were deleted from it"));
        }
        let reader = (have.end > 0).then(|| log.reader(&[(partition.clone(), 0)])).transpose()?;
        Ok(Self {
            log,
            partition: partition.clone(),
            writer: None,
            reader,
            there: VecDeque::new(),
            end: have.end,
            next: 0,
            group: Vec::new(),
            group_bytes: 0,
            acks: crossbeam_channel::unbounded(),
            coming: 0,
        })
    }

    /// The next message.
    pub(crate) fn push(&mut self, payload: Bytes) -> Result<(), ArchiveError> {
        self.next += 1;
        if self.next <= self.end {
            if self.read()? != payload {
                let why = format!("the message at offset {} is another than the archived one", self.next - 1);
                return Err(used(&self.partition, &why));
            }
            return Ok(());
        }
        self.group_bytes += payload.len();
        self.group.push((self.partition.clone(), payload));
        if self.group_bytes >= GROUP_BYTES { self.append() } else { Ok(()) }
    }

    /// The next message that stands there.
    fn read(&mut self) -> Result<Bytes, ArchiveError> {
        loop {
            if let Some(payload) = self.there.pop_front() {
                return Ok(payload);
            }
            let read = self.reader.as_mut().map(|reader| reader.poll(GROUP_BYTES, APPEND_WAIT));
            let entries = read.transpose()?.unwrap_or_default();
            if entries.is_empty() {
                return Err(LogError::Timeout(APPEND_WAIT).into());
            }
            self.there.extend(entries.into_iter().map(|entry| entry.payload));
        }
    }

    fn append(&mut self) -> Result<(), ArchiveError> {
        if self.group.is_empty() {
            return Ok(());
        }
        let (first, end) = (self.next - self.group.len() as u64, self.next);
        let acked = self.acks.0.clone();
        let group = std::mem::take(&mut self.group);
        self.group_bytes = 0;
        let writer = match &mut self.writer {
            Some(writer) => writer,
            None => self.writer.insert(self.log.writer()?),
        };
        // The restoring may have ended: nobody is left to tell.
        writer.append(group, Box::new(move |done| drop(acked.send((first, end, done)))))?;
        self.coming += 1;
        while self.coming > GROUPS_MAX {
            self.acknowledged()?;
        }
        Ok(())
    }

    fn acknowledged(&mut self) -> Result<(), ArchiveError> {
        let (first, end, offsets) =
            self.acks.1.recv_timeout(APPEND_WAIT).map_err(|_| LogError::Timeout(APPEND_WAIT))?;
        self.coming -= 1;
        if offsets?.into_iter().ne(first..end) {
            return Err(used(&self.partition, "somebody else writes to it"));
        }
        Ok(())
    }

    /// The last message was pushed: everything is durable, and nothing more stands there.
    pub(crate) fn finish(mut self, restored: &mut Restored) -> Result<(), ArchiveError> {
        if self.next < self.end {
            let why = format!("it ends at offset {}, the archive at {}", self.end, self.next);
            return Err(used(&self.partition, &why));
        }
        self.append()?;
        while self.coming > 0 {
            self.acknowledged()?;
        }
        restored.messages += self.next;
        restored.written += self.next - self.end;
        Ok(())
    }
}
