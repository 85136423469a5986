//! The thread of a coordinating node that archives each cycle once it is published.
//!
//! It decides nothing about money and nobody waits for it: while it cannot archive, cycles close all the same, and it
//! tries again. Two nodes that both believe to coordinate write the same bytes.

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use cu_log::{Log, topics::Topics};
use cu_objects::Objects;
use runtime::whole_text;

/// How long after a failure it tries again, unless told otherwise.
pub const TRY_AGAIN: Duration = Duration::from_secs(60);
/// How often it looks whether there is something to do.
const LOOK: Duration = Duration::from_millis(500);

/// How far archiving is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ArchiveStatus {
    /// The last cycle known to be archived; 0 for none.
    pub archived: u32,
    /// The last cycle that was asked for.
    pub published: u32,
    /// Why the last attempt failed; none once one succeeded.
    pub trouble: Option<String>,
}

/// The thread. Dropping it waits until the cycle at hand is archived, or failed to be.
#[derive(Debug)]
pub struct Archiver {
    published: Arc<AtomicU32>,
    status: Arc<Mutex<ArchiveStatus>>,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Archiver {
    /// Starts the thread. Drafts of files are written in `work_dir`; after a failure it tries `again` after a while.
    ///
    /// # Errors
    /// If there can be no thread.
    pub fn start(
        log: &Arc<dyn Log>,
        topics: &Topics,
        objects: &Objects,
        work_dir: PathBuf,
        again: Duration,
    ) -> io::Result<Self> {
        let published = Arc::new(AtomicU32::new(0));
        let status = Arc::new(Mutex::new(ArchiveStatus::default()));
        let (stop, stopped) = crossbeam_channel::bounded(0);
        let worker = Worker {
            log: Arc::clone(log),
            topics: topics.clone(),
            objects: objects.clone(),
            work_dir,
            again,
            published: Arc::clone(&published),
            status: Arc::clone(&status),
        };
        let thread = std::thread::Builder::new().name("archiver".to_owned());
        let thread = thread.spawn(move || worker.work(&stopped))?;
        Ok(Self { published, status, stop: Some(stop), thread: Some(thread) })
    }

    /// Says that everything through a cycle is published and this node is the one to archive it. Returns at once, and
    /// may be said again.
    pub fn published(&self, cycle: u32) {
        self.published.fetch_max(cycle, Ordering::Relaxed);
    }

    /// How far it is.
    #[must_use]
    pub fn status(&self) -> ArchiveStatus {
        let status = self.status.lock().unwrap_or_else(PoisonError::into_inner).clone();
        ArchiveStatus { published: self.published.load(Ordering::Relaxed), ..status }
    }
}

impl Drop for Archiver {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that archives cycles panicked");
        }
    }
}

struct Worker {
    log: Arc<dyn Log>,
    topics: Topics,
    objects: Objects,
    work_dir: PathBuf,
    again: Duration,
    published: Arc<AtomicU32>,
    status: Arc<Mutex<ArchiveStatus>>,
}

impl Worker {
    fn work(&self, stopped: &Receiver<()>) {
        let mut archived = 0;
        let mut failed_at: Option<Instant> = None;
        while stopped.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
            let wanted = self.published.load(Ordering::Relaxed);
            if wanted <= archived || failed_at.is_some_and(|at| at.elapsed() < self.again) {
                continue;
            }
            let done = self.archive(wanted);
            let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
            match done {
                Ok(last) => {
                    archived = last;
                    failed_at = None;
                    *status = ArchiveStatus { archived, trouble: None, ..status.clone() };
                }
                Err(why) => {
                    tracing::error!("cycle {wanted} is not archived yet: {why}; it is tried again");
                    failed_at = Some(Instant::now());
                    status.trouble = Some(why);
                }
            }
        }
    }

    /// Archives everything through a cycle; returns the last that is archived then.
    fn archive(&self, through: u32) -> Result<u32, String> {
        let Self { log, topics, objects, work_dir, .. } = self;
        let log = log.as_ref();
        let done = archive::write::archive_due(log, topics, objects, work_dir, Some(through), &|_, _, _| {});
        for archived in done.map_err(|error| whole_text(&error))? {
            tracing::info!("{} is archived in {}", archived.name, objects.place());
        }
        Ok(through)
    }
}
