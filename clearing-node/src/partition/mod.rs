//! One partition at work: reads `cu.clearing`, folds it into the book, commits, publishes.
//!
//! What keeps it from working stops it alone. Trouble that may heal (the broker is away, the disk is full) is tried
//! again; a hole in the log, another log or a message that cannot be read stops it until an operator says go on.
//! Either way everything in memory is dropped, and the next attempt begins with what the store holds.

mod opening;
mod progress;
mod worker;

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crossbeam_channel::Sender;
use cu_log::{Log, LogError, Reader, topics::Topics};
use runtime::{scheme::SchemeView, whole_text};

pub use opening::{Restore, There};
pub use progress::{Progress, State};

use self::{
    opening::{Opened, POLL, READ_BYTES},
    progress::lock,
    worker::{Read, Worker},
};
use crate::{book::Halt, store::StoreError, stores::Stores};

/// Pause before the first new attempt; each further one doubles it.
const RETRY_FIRST: Duration = Duration::from_secs(1);
/// Longest pause between attempts.
const RETRY_MAX: Duration = Duration::from_secs(30);
/// One that worked this long begins with the short pause again.
const WORKED_WELL: Duration = Duration::from_secs(60);

/// Why a partition does not work.
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
    /// Its store could not be brought back.
    #[error("restore the store of partition {partition}: {why}")]
    Restore {
        /// Its number.
        partition: u32,
        /// Why not.
        why: String,
    },
    /// The log failed.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A thread could not be started.
    #[error("start a thread for a partition")]
    Thread(#[source] std::io::Error),
}

impl PartitionError {
    /// Whether trying again may help, without anybody doing anything here.
    fn may_heal(&self) -> bool {
        match self {
            Self::Halt { halt: Halt::Store(StoreError::Backend { .. }), .. } => true,
            Self::Halt { .. } => false,
            Self::Log(LogError::Timeout(_) | LogError::Backend { .. } | LogError::InUse(_)) => true,
            Self::Log(_) => false,
            Self::Restore { .. } | Self::Thread(_) => true,
        }
    }
}

/// What partitions work with.
#[derive(Clone)]
pub struct Surroundings {
    /// The log.
    pub log: Arc<dyn Log>,
    /// Its topics.
    pub topics: Topics,
    /// What the log says of rules and cycles.
    pub scheme: Arc<SchemeView>,
    /// Where the stores of partitions at work can be found.
    pub stores: Stores,
    /// Brings stores back; without it a store that is behind the log stops its partition.
    pub restore: Option<Arc<dyn Restore>>,
}

/// A partition that this process works on. Dropping it stops it.
#[derive(Debug)]
pub struct Partition {
    /// What is going on.
    pub progress: Arc<Progress>,
    keeper: Arc<Keeper>,
    thread: Option<JoinHandle<()>>,
}

impl Partition {
    /// Begins to work on partition `number`, whose store is in `folder`. Returns at once; what becomes of it shows in
    /// [`Partition::progress`].
    ///
    /// # Errors
    /// [`PartitionError::Thread`].
    pub fn start(number: u32, folder: PathBuf, around: &Surroundings) -> Result<Self, PartitionError> {
        let progress = Arc::new(Progress::default());
        let keeper = Arc::new(Keeper {
            number,
            folder,
            around: around.clone(),
            progress: Arc::clone(&progress),
            stop: AtomicBool::new(false),
            resume: AtomicBool::new(false),
            thread: Mutex::new(None),
        });
        let kept = Arc::clone(&keeper);
        let thread = spawn(format!("clearing-{number}"), move || kept.keep())?;
        *lock(&keeper.thread) = Some(thread.thread().clone());
        Ok(Self { progress, keeper, thread: Some(thread) })
    }

    /// Why it does not work, if something is the matter.
    #[must_use]
    pub fn failed(&self) -> Option<String> {
        self.progress.state().trouble().map(str::to_owned)
    }

    /// Has it try again at once, if it stands still or waits; whether it did.
    pub fn resume(&self) -> bool {
        let waits = self.progress.state().trouble().is_some();
        if waits {
            self.keeper.resume.store(true, Ordering::Relaxed);
            self.keeper.wake();
        }
        waits
    }

    /// Gives it up: when this returns it folds and publishes nothing more. A store that is being opened may still
    /// be in use for a while; the partition is dropped when that is over.
    pub fn give_up(&mut self) {
        self.keeper.stop.store(true, Ordering::Relaxed);
        self.keeper.wake();
        // It begins to work only under this lock, and not once it is stopped.
        let opening = *lock(&self.progress.state) == State::Opening;
        if !opening {
            self.join();
        }
    }

    /// Whether nothing of it is left.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    fn join(&mut self) {
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("a partition's thread panicked");
        }
    }
}

impl Drop for Partition {
    fn drop(&mut self) {
        self.keeper.stop.store(true, Ordering::Relaxed);
        self.keeper.wake();
        self.join();
    }
}

fn spawn(name: String, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, PartitionError> {
    thread::Builder::new().name(name).spawn(body).map_err(PartitionError::Thread)
}

/// Has a partition work, attempt after attempt.
struct Keeper {
    number: u32,
    folder: PathBuf,
    around: Surroundings,
    progress: Arc<Progress>,
    stop: AtomicBool,
    resume: AtomicBool,
    thread: Mutex<Option<thread::Thread>>,
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper").field("number", &self.number).field("folder", &self.folder).finish()
    }
}

/// Says so when the thread panics: nobody else would notice.
struct PanicTold<'a>(&'a Keeper);

impl Drop for PanicTold<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.around.stores.remove(self.0.number);
            self.0.tell(State::Stopped("its thread panicked: restart the clearing node".to_owned()));
        }
    }
}

impl Keeper {
    fn keep(&self) {
        let _told = PanicTold(self);
        let mut pause = RETRY_FIRST;
        while !self.stopping() {
            self.tell(State::Opening);
            let begun = Instant::now();
            let Err(error) = self.attempt() else { break };
            let why = whole_text(&error);
            if begun.elapsed() > WORKED_WELL {
                pause = RETRY_FIRST;
            }
            if error.may_heal() {
                tracing::error!("partition {} is tried again in {pause:?}: {why}", self.number);
                self.tell(State::Retrying(why));
                self.wait(Some(pause));
                pause = (pause * 2).min(RETRY_MAX);
            } else {
                let next = format!("put it right, then: cityunion node resume --partition {}", self.number);
                tracing::error!("partition {} is stopped: {why}; {next}", self.number);
                self.tell(State::Stopped(why));
                self.wait(None);
            }
        }
        self.tell(State::Ended);
    }

    /// Opens everything and works; returns when it is stopped.
    fn attempt(&self) -> Result<(), PartitionError> {
        let Opened { store, mut book, mut reader, first, end } =
            opening::open(self.number, &self.folder, &self.around)?;
        let writer = self.around.log.writer()?;
        self.progress.catch_up_to.store(end, Ordering::Relaxed);
        self.progress.show(&book);
        if !self.begin() {
            return Ok(());
        }
        tracing::info!("partition {} works from offset {} on", self.number, book.next_offset());
        self.around.stores.put(self.number, store.clone());
        let (acked, acks) = crossbeam_channel::unbounded();
        let (entries, read) = crossbeam_channel::bounded::<Read>(2);
        let ended = AtomicBool::new(false);
        let worked = thread::scope(|scope| {
            let reading = || self.read(reader.as_mut(), &entries, &ended);
            let name = format!("clearing-read-{}", self.number);
            thread::Builder::new().name(name).spawn_scoped(scope, reading).map_err(PartitionError::Thread)?;
            let mut worker = Worker {
                number: self.number,
                store,
                around: &self.around,
                writer,
                acked,
                acks,
                progress: Arc::clone(&self.progress),
                stop: &self.stop,
            };
            let worked = worker.work(&mut book, first, &read);
            ended.store(true, Ordering::Relaxed);
            // The reading thread may wait for room.
            drop(read);
            worked
        });
        self.around.stores.remove(self.number);
        worked
    }

    fn read(&self, reader: &mut dyn Reader, entries: &Sender<Read>, ended: &AtomicBool) {
        while !ended.load(Ordering::Relaxed) {
            let read = match reader.poll(READ_BYTES, POLL) {
                Ok(batch) if batch.is_empty() => continue,
                read => read,
            };
            let failed = read.is_err();
            if entries.send(read).is_err() || failed {
                return;
            }
        }
    }

    fn stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Begins to work, unless it is stopped.
    fn begin(&self) -> bool {
        let mut state = lock(&self.progress.state);
        let begins = !self.stopping();
        if begins {
            *state = State::Working;
        }
        begins
    }

    fn tell(&self, state: State) {
        *lock(&self.progress.state) = state;
    }

    /// Waits until it is resumed or stopped, at most for `pause`.
    fn wait(&self, pause: Option<Duration>) {
        let until = pause.map(|pause| Instant::now() + pause);
        while !self.stopping() && !self.resume.swap(false, Ordering::Relaxed) {
            match until.map(|until| until.saturating_duration_since(Instant::now())) {
                Some(Duration::ZERO) => return,
                Some(left) => thread::park_timeout(left),
                None => thread::park(),
            }
        }
    }

    fn wake(&self) {
        if let Some(thread) = &*lock(&self.thread) {
            thread.unpark();
        }
    }
}
