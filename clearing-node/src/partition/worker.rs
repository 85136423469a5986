//! The thread that owns a book: folds groups of messages, commits, publishes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use cu_log::{Entry, LogError, Writer};

use super::{PartitionError, Surroundings, opening::POLL, progress::Progress};
use crate::{
    book::{Book, Effect, Halt, Stepped, Target},
    rocks::RocksStore,
};

/// How long a marker's rulebook is waited for before an alarm.
const RULEBOOK_WAIT: Duration = Duration::from_secs(5);
/// Groups of messages that are committed as one write.
const GROUPS_MAX: usize = 64;

/// What the reading thread hands over.
pub(super) type Read = Result<Vec<Entry>, LogError>;

/// The thread that owns the book.
pub(super) struct Worker<'a> {
    pub number: u32,
    pub store: RocksStore,
    pub around: &'a Surroundings,
    pub writer: Box<dyn Writer>,
    pub acked: Sender<Result<Vec<u64>, LogError>>,
    pub acks: Receiver<Result<Vec<u64>, LogError>>,
    pub progress: Arc<Progress>,
    pub stop: &'a AtomicBool,
}

impl Worker<'_> {
    /// Works until it is stopped. `first` comes before what is read.
    pub(super) fn work(
        &mut self,
        book: &mut Book,
        first: Vec<Entry>,
        read: &Receiver<Read>,
    ) -> Result<(), PartitionError> {
        let unpublished = book.outbox().collect();
        self.publish(unpublished)?;
        self.progress.show(book);
        self.take(book, first)?;
        while !self.stopping() {
            let mut acknowledged = false;
            for durable in self.acks.try_iter() {
                durable?.into_iter().for_each(|number| book.published(number));
                acknowledged = true;
            }
            if acknowledged {
                self.progress.show(book);
            }
            self.progress.draw(book);
            let mut group = match read.recv_timeout(POLL) {
                Ok(group) => group?,
                Err(RecvTimeoutError::Timeout) => continue,
                // The reading thread ends only after it has said why, or when it is stopped.
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            };
            // What was read before a failure of the log stands on it: it is folded first.
            let mut failed = None;
            while group.len() <= GROUPS_MAX && failed.is_none() {
                match read.try_recv() {
                    Ok(Ok(more)) => group.extend(more),
                    Ok(Err(error)) => failed = Some(error),
                    Err(_) => break,
                }
            }
            self.take(book, group)?;
            failed.map_or(Ok(()), Err)?;
        }
        Ok(())
    }

    fn stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn take(&mut self, book: &mut Book, group: Vec<Entry>) -> Result<(), PartitionError> {
        if group.is_empty() {
            return Ok(());
        }
        let partition = self.number;
        let effects = self.fold(book, group).map_err(|halt| PartitionError::Halt { partition, halt })?;
        self.publish(effects)?;
        Ok(())
    }

    /// Folds a group of messages and commits it as one write; none of it when it is stopped meanwhile.
    fn fold(&mut self, book: &mut Book, group: Vec<Entry>) -> Result<Vec<Effect>, Halt> {
        let mut effects = Vec::new();
        let mut txn = self.store.begin();
        for entry in group {
            let mut missing_since = None;
            loop {
                let stepped = book.step(&mut txn, entry.offset, entry.payload.clone(), &mut effects)?;
                let Stepped::NeedsRulebook { version } = stepped else { break };
                if self.stopping() {
                    return Ok(Vec::new());
                }
                self.wait_for_rulebook(book, version, &mut missing_since);
            }
        }
        book.seal(&mut txn);
        // Synced: a group is large when there is much to do, so a sync a group costs little.
        txn.commit(true)?;
        self.progress.show(book);
        Ok(effects)
    }

    fn wait_for_rulebook(&self, book: &mut Book, version: u32, since: &mut Option<Instant>) {
        let found = self.around.scheme.wait_for(POLL, |view| {
            let known: Vec<_> = view.rulebooks().into_iter().filter(|r| r.version == version).collect();
            (!known.is_empty()).then_some(known)
        });
        if let Ok(known) = found {
            known.into_iter().for_each(|rulebook| book.learn(rulebook));
            // Asked again, they were not the bytes that the cycle opens by: others may come.
            if since.is_some() {
                std::thread::sleep(POLL);
            }
        }
        if since.get_or_insert_with(Instant::now).elapsed() > RULEBOOK_WAIT {
            *since = None;
            tracing::error!(
                "a cycle opens by rulebook version {version}, whose bytes are not here; publish them"
            );
        }
    }

    /// Hands messages to the log. What the log does not take stays in the outbox: the next start publishes it.
    fn publish(&mut self, effects: Vec<Effect>) -> Result<(), LogError> {
        let mut numbers = Vec::new();
        let mut group: Vec<(cu_log::Partition, Bytes)> = Vec::new();
        for effect in effects {
            match effect {
                Effect::Publish { number, target, payload } => {
                    let partition = match target {
                        Target::Results(city) => self.around.topics.results(city),
                        Target::Cycles => self.around.topics.cycles(),
                        Target::Clearing(number) => self.around.topics.clearing(number),
                    };
                    numbers.push(number);
                    group.push((partition, payload));
                }
                Effect::Stopped { city, reason } => tracing::error!("{city} is stopped: {reason}"),
                Effect::Alarm(text) => tracing::error!("{text}"),
            }
        }
        if group.is_empty() {
            return Ok(());
        }
        let acked = self.acked.clone();
        self.writer.append(
            group,
            // The worker may have ended: nobody is left to tell.
            Box::new(move |durable| drop(acked.send(durable.map(|_| numbers)))),
        )
    }
}
