//! One partition at work: reads `cu.clearing`, folds it into the book, commits, publishes.

use std::{
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender};
use cu_log::{Entry, Log, LogError, Writer, topics::Topics};
use domain::city::City;
use runtime::{scheme::SchemeView, whole_text};

use crate::{
    book::{Book, Booked, Effect, Halt, Picture, Stepped, Target},
    rocks::RocksStore,
};

/// Bytes of messages read at once.
const READ_BYTES: usize = 4 << 20;
/// How long one look at the log waits: also how fast a stop is noticed.
const POLL: Duration = Duration::from_millis(50);
/// How long a marker's rulebook is waited for before an alarm.
const RULEBOOK_WAIT: Duration = Duration::from_secs(5);

/// Why a partition's thread ended.
#[derive(Debug, thiserror::Error)]
pub enum PartitionError {
    /// The book stopped.
    #[error("partition {partition} cannot go on")]
    Halt {
        /// Its number.
        partition: u32,
        /// Why.
        #[source]
        halt: Halt,
    },
    /// The log failed.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A thread could not be started.
    #[error("start a thread for a partition")]
    Thread(#[source] std::io::Error),
}

/// What is going on in a partition, for status lines.
#[derive(Debug, Default)]
pub struct Progress {
    /// Next offset of `cu.clearing` to read.
    pub next_offset: AtomicU64,
    /// What became of the records booked since the start of this process.
    pub booked: Mutex<Booked>,
    /// Records that are parked.
    pub parked_records: AtomicU64,
    /// Batches with parked records.
    pub waiting_batches: AtomicU64,
    /// Messages that must still reach the log.
    pub unpublished: AtomicU64,
    /// Paid identities remembered.
    pub identities: AtomicU64,
    /// Bytes of memory that they take.
    pub identities_bytes: AtomicU64,
    /// Cities whose traffic is stopped, and why.
    pub stopped: Mutex<Vec<(City, String)>>,
    picture_wanted: AtomicBool,
    picture: Mutex<Option<Picture>>,
}

impl Progress {
    /// Asks for a picture of the book; it can be taken a moment later.
    pub fn ask_for_picture(&self) {
        self.picture_wanted.store(true, Ordering::Relaxed);
    }

    /// Takes the picture that was asked for, once it is there.
    #[must_use]
    pub fn take_picture(&self) -> Option<Picture> {
        self.picture.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// A partition's threads.
#[derive(Debug)]
pub struct Partition {
    /// What is going on.
    pub progress: Arc<Progress>,
    /// Its store, for rendering.
    pub store: RocksStore,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    failed: Arc<Mutex<Option<String>>>,
}

impl Partition {
    /// Opens the store in `folder`, seeks the log to the store's own offset and begins to work.
    ///
    /// # Errors
    /// [`PartitionError`] if the store is damaged or messages are missing from the log.
    pub fn start(
        number: u32,
        folder: &Path,
        log: &Arc<dyn Log>,
        topics: &Topics,
        scheme: &Arc<SchemeView>,
    ) -> Result<Self, PartitionError> {
        let halt = |halt| PartitionError::Halt { partition: number, halt };
        let store = RocksStore::open(folder).map_err(|e| halt(e.into()))?;
        let mut book = Book::load(number, &store.begin(), &scheme.rulebooks()).map_err(halt)?;
        let clearing = topics.clearing(number);
        let mut reader = log.reader(&[(clearing, book.next_offset())])?;
        let writer = log.writer()?;
        let stop = Arc::new(AtomicBool::new(false));
        let failed = Arc::new(Mutex::new(None));
        let progress = Arc::new(Progress::default());
        progress.next_offset.store(book.next_offset(), Ordering::Relaxed);
        progress.identities.store(book.identities().len() as u64, Ordering::Relaxed);
        progress.unpublished.store(book.outbox_len(), Ordering::Relaxed);

        let (entries, read) = crossbeam_channel::bounded::<Vec<Entry>>(2);
        let (stopping, telling) = (Arc::clone(&stop), Arc::clone(&failed));
        let reading = spawn(format!("clearing-read-{number}"), move || {
            while !stopping.load(Ordering::Relaxed) {
                match reader.poll(READ_BYTES, POLL) {
                    Ok(batch) if batch.is_empty() => {}
                    Ok(batch) => {
                        if entries.send(batch).is_err() {
                            return;
                        }
                    }
                    Err(error) => return tell(&telling, whole_text(&error)),
                }
            }
        })?;
        let (acked, acks) = crossbeam_channel::unbounded();
        let mut worker = Worker {
            number,
            store: store.clone(),
            topics: topics.clone(),
            scheme: Arc::clone(scheme),
            writer,
            acked,
            acks,
            progress: Arc::clone(&progress),
        };
        let (stopping, telling) = (Arc::clone(&stop), Arc::clone(&failed));
        let folding = spawn(format!("clearing-{number}"), move || {
            if let Err(error) = worker.work(&mut book, &read, &stopping) {
                let why = whole_text(&error);
                tracing::error!("{why}");
                tell(&telling, why);
            }
        })?;
        Ok(Self { progress, store, stop, threads: vec![folding, reading], failed })
    }

    /// Why it stands still, if it does.
    #[must_use]
    pub fn failed(&self) -> Option<String> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Partition {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a partition's thread panicked");
            }
        }
    }
}

fn spawn(name: String, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, PartitionError> {
    std::thread::Builder::new().name(name).spawn(body).map_err(PartitionError::Thread)
}

fn tell(failed: &Mutex<Option<String>>, why: String) {
    failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(why);
}

/// The thread that owns the book.
struct Worker {
    number: u32,
    store: RocksStore,
    topics: Topics,
    scheme: Arc<SchemeView>,
    writer: Box<dyn Writer>,
    acked: Sender<Result<Vec<u64>, LogError>>,
    acks: Receiver<Result<Vec<u64>, LogError>>,
    progress: Arc<Progress>,
}

impl Worker {
    fn work(
        &mut self,
        book: &mut Book,
        read: &Receiver<Vec<Entry>>,
        stop: &AtomicBool,
    ) -> Result<(), PartitionError> {
        let unpublished = book.outbox().collect();
        self.publish(unpublished)?;
        self.show(book);
        while !stop.load(Ordering::Relaxed) {
            let mut acknowledged = false;
            for durable in self.acks.try_iter() {
                durable?.into_iter().for_each(|number| book.published(number));
                acknowledged = true;
            }
            if acknowledged {
                self.show(book);
            }
            if self.progress.picture_wanted.swap(false, Ordering::Relaxed) {
                let picture = Some(book.picture());
                *self.progress.picture.lock().unwrap_or_else(PoisonError::into_inner) = picture;
            }
            let Ok(mut group) = read.recv_timeout(POLL) else { continue };
            while let Ok(more) = read.try_recv() {
                group.extend(more);
                if group.len() > 64 {
                    break;
                }
            }
            let partition = self.number;
            let halt = |halt| PartitionError::Halt { partition, halt };
            let effects = self.fold(book, group, stop).map_err(halt)?;
            self.publish(effects)?;
        }
        Ok(())
    }

    /// Folds a group of messages and commits it as one write; none of it when it is stopped meanwhile.
    fn fold(&mut self, book: &mut Book, group: Vec<Entry>, stop: &AtomicBool) -> Result<Vec<Effect>, Halt> {
        let mut effects = Vec::new();
        let mut txn = self.store.begin();
        for entry in group {
            loop {
                let stepped = book.step(&mut txn, entry.offset, entry.payload.clone(), &mut effects)?;
                let Stepped::NeedsRulebook { version } = stepped else { break };
                if stop.load(Ordering::Relaxed) {
                    return Ok(Vec::new());
                }
                self.wait_for_rulebook(book, version);
            }
        }
        book.seal(&mut txn);
        // Synced: a group is large when there is much to do, so a sync a group costs little.
        txn.commit(true)?;
        self.show(book);
        Ok(effects)
    }

    fn wait_for_rulebook(&self, book: &mut Book, version: u32) {
        let found = self.scheme.wait_for(RULEBOOK_WAIT, |view| {
            let known: Vec<_> = view.rulebooks().into_iter().filter(|r| r.version == version).collect();
            (!known.is_empty()).then_some(known)
        });
        match found {
            Ok(known) => known.into_iter().for_each(|rulebook| book.learn(rulebook)),
            Err(error) => {
                tracing::error!(%error, "a cycle opens by rulebook version {version}, whose bytes are not here; publish them")
            }
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
                        Target::Results(city) => self.topics.results(city),
                        Target::Cycles => self.topics.cycles(),
                        Target::Clearing(number) => self.topics.clearing(number),
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

    fn show(&self, book: &Book) {
        let progress = &self.progress;
        progress.next_offset.store(book.next_offset(), Ordering::Relaxed);
        *progress.booked.lock().unwrap_or_else(PoisonError::into_inner) = book.booked();
        progress.parked_records.store(book.parked_records(), Ordering::Relaxed);
        progress.waiting_batches.store(book.waiting().count() as u64, Ordering::Relaxed);
        progress.unpublished.store(book.outbox_len(), Ordering::Relaxed);
        progress.identities.store(book.identities().len() as u64, Ordering::Relaxed);
        progress.identities_bytes.store(book.identities().memory_bytes() as u64, Ordering::Relaxed);
        let stopped = book.stopped().map(|(city, why)| (city, why.to_owned())).collect();
        *progress.stopped.lock().unwrap_or_else(PoisonError::into_inner) = stopped;
    }
}
