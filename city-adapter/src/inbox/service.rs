//! The threads of the inbox: one accepts, one takes, one answers.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant, SystemTime},
};

use domain::city::City;

use super::{
    link::Link,
    queue::{End, Entry, Queue},
    spool::Spool,
    status::{self, LOCK_FILE, Now, Status, Trouble, local_time},
};
use crate::acquirer::{AcquirerError, AcquirerHost, Patience, Snapshot};

/// The adapter's folder of accepted files, in its state folder.
const SPOOL: &str = "spool";
/// The part of troubles that are of single files in the inbox.
pub(super) const INBOX_FILES: &str = "files";
/// The part of troubles that are of single accepted files that cannot be taken.
pub(super) const ASIDE_FILES: &str = "aside";
/// The part of troubles that are of accepted files whose bytes are gone.
pub(super) const LOST_FILES: &str = "lost";
/// How long a thread that cannot go on waits before it tries again.
pub(super) const PAUSE: Duration = Duration::from_millis(500);
/// How old the status of a running service may be.
const STATUS_AGE_MAX: Duration = Duration::from_secs(15);
/// How long a state folder is tried to be taken.
const LOCK_WAIT: Duration = Duration::from_secs(1);
/// How often a waiting thread looks whether it is to stop.
const LOOK: Duration = Duration::from_millis(50);

/// Where the inbox of a city is, and its limits.
#[derive(Clone, Debug)]
pub struct InboxConfig {
    /// The city.
    pub city: City,
    /// Folder that files are put into.
    pub inbox_dir: PathBuf,
    /// The adapter's own folder.
    pub state_dir: PathBuf,
    /// Folder for files that are done.
    pub archive_dir: PathBuf,
    /// Folder for malformed lines.
    pub quarantine_dir: PathBuf,
    /// Time between two looks into the inbox.
    pub every: Duration,
    /// How long a file must stand still to be complete.
    pub stable: Duration,
    /// The most bytes of accepted files that wait for the log.
    pub waiting_bytes_max: u64,
    /// Whether files need not end in `.csv`, because a mapping reads them.
    pub any_ending: bool,
}

/// Why the inbox cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum InboxError {
    /// Another process serves it.
    #[error("{0} is in use: another adapter runs on this state_dir")]
    InUse(PathBuf),
    /// A folder or file of ours cannot be used.
    #[error("{path} cannot be used; see that there is room and permission")]
    Folder {
        /// The path.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The journal failed.
    #[error(transparent)]
    Acquirer(#[from] AcquirerError),
    /// A row of the inbox cannot be read.
    #[error("the journal has a row of the inbox that cannot be read; restore the journal")]
    Row,
}

/// A state folder that belongs to this process.
pub struct StateLock(#[expect(dead_code, reason = "it is held, not read")] File);

impl StateLock {
    /// Takes a state folder, made if it does not exist, for this process.
    ///
    /// # Errors
    /// [`InboxError::InUse`] if another process has it, [`InboxError::Folder`].
    pub fn take(state_dir: &Path) -> Result<Self, InboxError> {
        let path = state_dir.join(LOCK_FILE);
        let failed = |source| InboxError::Folder { path: path.clone(), source };
        fs::create_dir_all(state_dir).map_err(failed)?;
        let file = File::create(&path).map_err(failed)?;
        // Whoever looks at the status may hold it for a moment.
        let until = Instant::now() + LOCK_WAIT;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self(file)),
                Err(TryLockError::WouldBlock) if Instant::now() < until => thread::sleep(LOOK),
                Err(TryLockError::WouldBlock) => return Err(InboxError::InUse(state_dir.to_owned())),
                Err(TryLockError::Error(source)) => return Err(failed(source)),
            }
        }
    }
}

/// The inbox of one city while it is served. Dropped, it stops after what it is doing.
pub struct InboxService {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// What the threads share.
pub(super) struct Shared {
    pub(super) config: InboxConfig,
    pub(super) host: AcquirerHost,
    pub(super) link: Link,
    pub(super) spool: Spool,
    pub(super) queue: Mutex<Queue>,
    pub(super) live: Mutex<Live>,
    pub(super) stop: Arc<AtomicBool>,
    pub(super) started: Instant,
    _lock: StateLock,
}

/// What is going on, of which the store knows nothing.
#[derive(Default)]
pub(super) struct Live {
    pub(super) now: Now,
    /// By part of the adapter, then by what it is about.
    troubles: BTreeMap<&'static str, BTreeMap<String, (String, SystemTime)>>,
    /// Bytes of complete files that found no room.
    pub(super) refused_bytes: u64,
}

impl InboxService {
    /// Begins to serve. `lock` is of its state folder, `link` follows for the same host.
    ///
    /// # Errors
    /// [`InboxError`].
    pub fn start(
        config: InboxConfig,
        lock: StateLock,
        host: AcquirerHost,
        link: Link,
    ) -> Result<Self, InboxError> {
        let rows = host.inbox_rows(config.city)?;
        let mut queue = Queue::load(rows, config.waiting_bytes_max).ok_or(InboxError::Row)?;
        let kept = queue.entries().filter(|entry| !entry.archived).map(|entry| entry.number).collect();
        let spool = open_spool(&config.state_dir.join(SPOOL), &kept)?;
        queue.find_lost(|number| spool.path(number).exists());
        let stop = Arc::new(AtomicBool::new(false));
        host.wait_for_log(Patience::UntilStopped(Arc::clone(&stop)));
        host.quarantine_into(&config.quarantine_dir);
        let shared = Arc::new(Shared {
            config,
            host,
            link,
            spool,
            queue: Mutex::new(queue),
            live: Mutex::default(),
            stop,
            started: Instant::now(),
            _lock: lock,
        });
        // Whoever asks from now on finds what is true of this run.
        shared.write_status(&shared.status()).unwrap_or_else(|why| tracing::warn!("{why}"));
        let mut service = Self { shared, threads: Vec::new() };
        service.thread("inbox", Shared::accept_all)?;
        service.thread("take", Shared::take_all)?;
        service.thread("answers", Shared::answer_all)?;
        Ok(service)
    }

    /// What it tells of itself.
    #[must_use]
    pub fn status(&self) -> Status {
        self.shared.status()
    }

    /// What the log says of rules and cycles.
    #[must_use]
    pub fn link(&self) -> &Link {
        &self.shared.link
    }

    /// The acquiring side.
    #[must_use]
    pub fn host(&self) -> &AcquirerHost {
        &self.shared.host
    }

    /// Why it cannot go on by itself, if so: a person has to look.
    #[must_use]
    pub fn failed(&self) -> Option<String> {
        if let Some((city, why)) = self.shared.host.stopped().into_iter().next() {
            return Some(format!("{city} is stopped: {why}"));
        }
        let ended = self.threads.iter().find(|thread| thread.is_finished())?;
        Some(format!("the thread `{}` has ended", ended.thread().name().unwrap_or_default()))
    }

    fn thread(&mut self, name: &str, work: fn(&Shared)) -> Result<(), InboxError> {
        let shared = Arc::clone(&self.shared);
        let spawned = thread::Builder::new().name(name.to_owned()).spawn(move || work(&shared));
        let failed = |source| InboxError::Folder { path: PathBuf::from(format!("thread {name}")), source };
        self.threads.push(spawned.map_err(failed)?);
        Ok(())
    }
}

impl Drop for InboxService {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the inbox panicked");
            }
        }
        let last = Status { running: false, ..self.shared.status() };
        self.shared.write_status(&last).unwrap_or_else(|why| tracing::warn!("{why}"));
    }
}

impl Shared {
    pub(super) fn stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Waits, unless it is to stop.
    pub(super) fn wait(&self, time: Duration) {
        let until = Instant::now() + time;
        while !self.stopping() && Instant::now() < until {
            thread::sleep(LOOK.min(until.saturating_duration_since(Instant::now())));
        }
    }

    pub(super) fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says what is wrong in one part now, and logs what is new of it.
    pub(super) fn tell(&self, part: &'static str, troubles: BTreeMap<String, String>) {
        let mut live = self.live();
        let before = live.troubles.remove(part).unwrap_or_default();
        let mut after = BTreeMap::new();
        for (what, why) in troubles {
            let since = match before.get(&what) {
                Some((known, since)) => {
                    if *known != why {
                        tracing::warn!("{what}: {why}");
                    }
                    *since
                }
                None => {
                    tracing::warn!("{what}: {why}");
                    SystemTime::now()
                }
            };
            after.insert(what, (why, since));
        }
        for what in before.keys().filter(|what| !after.contains_key(*what)) {
            tracing::info!("{what}: no trouble any more");
        }
        live.troubles.insert(part, after);
    }

    pub(super) fn status(&self) -> Status {
        let (now, refused_bytes, mut troubles) = {
            let live = self.live();
            (live.now.clone(), live.refused_bytes, live.shown())
        };
        let away = self.link.away();
        let mut add = |what: &str, why: String, since: SystemTime| {
            troubles.push(Trouble { what: what.to_owned(), why, since: local_time(since), holds: true });
        };
        if let Some(away) = &away {
            add("log", format!("it does not answer: {}", away.why), away.since);
        } else if let Some(why) = self.link.trouble() {
            add("log", why, SystemTime::now());
        }
        let queue = self.queue();
        let progress = |name: &str| self.host.progress(self.config.city, name);
        let files = status::files(&queue, &now, progress);
        let mut status = Status {
            log_away_since: away.map(|away| local_time(away.since)),
            business_date: now.open,
            refused_bytes,
            troubles,
            ..plain(self.config.city, &queue, files)
        };
        status.ready = status.not_ready().is_empty();
        status
    }

    pub(super) fn write_status(&self, status: &Status) -> Result<(), String> {
        let failed =
            |error| format!("the status cannot be written to state_dir: {error}; see that there is room");
        status::write(&self.config.state_dir, status).map_err(failed)
    }
}

impl Live {
    fn shown(&self) -> Vec<Trouble> {
        let mut shown = Vec::new();
        for (part, troubles) in &self.troubles {
            for (what, (why, since)) in troubles {
                let holds = ![INBOX_FILES, ASIDE_FILES, LOST_FILES].contains(part);
                let since = local_time(*since);
                shown.push(Trouble { what: what.clone(), why: why.clone(), since, holds });
            }
        }
        shown
    }
}

/// A status of a running service without anything that the store does not know.
fn plain(city: City, queue: &Queue, files: Vec<status::FileStatus>) -> Status {
    let count =
        |those: fn(&&Entry) -> bool| u64::try_from(queue.entries().filter(those).count()).unwrap_or(u64::MAX);
    Status {
        city: city.to_string(),
        running: true,
        at: local_time(SystemTime::now()),
        ready: false,
        log_away_since: None,
        business_date: None,
        journal_bytes: queue.waiting_bytes(),
        journal_bytes_max: queue.waiting_bytes_max(),
        refused_bytes: 0,
        files_accepted: count(|entry| entry.end() != End::Refused),
        files_refused: count(|entry| entry.end() == End::Refused),
        files_archived: count(|entry| entry.archived),
        troubles: Vec::new(),
        files,
    }
}

/// A status that the service has not renewed for long says nothing of now.
fn judged_by_age(mut status: Status, age: Duration) -> Status {
    if age > STATUS_AGE_MAX {
        let why = format!(
            "it is {} s old: the adapter cannot write it; see that there is room in state_dir, and its log lines",
            age.as_secs()
        );
        let since = status.at.clone();
        status.troubles.push(Trouble { what: "status".to_owned(), why, since, holds: true });
        status.ready = false;
    }
    status
}

fn open_spool(folder: &Path, kept: &BTreeSet<u64>) -> Result<Spool, InboxError> {
    let failed = |source| InboxError::Folder { path: folder.to_owned(), source };
    Spool::open(folder.to_owned(), kept).map_err(failed)
}

/// The status of the adapter with this state folder, whether or not it runs.
///
/// # Errors
/// [`InboxError`]; [`InboxError::Folder`] with `NotFound` if no adapter has ever run there.
pub fn look(state_dir: &Path, city: City, waiting_bytes_max: u64) -> Result<Status, InboxError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| InboxError::Folder { path, source }
    };
    let path = state_dir.join(LOCK_FILE);
    let lock = File::open(&path).map_err(failed(&path))?;
    if let Err(TryLockError::WouldBlock) = lock.try_lock_shared() {
        let path = state_dir.join(status::STATUS_FILE);
        let status = status::read(state_dir).map_err(failed(&path))?;
        return Ok(judged_by_age(status, status::age(state_dir).map_err(failed(&path))?));
    }
    // A service that starts now is not to be kept waiting.
    drop(lock);
    // Nobody writes: the store itself says how far everything is, also after a crash.
    let snapshot = Snapshot::read(state_dir, city)?;
    let mut queue = Queue::load(snapshot.inbox_rows(), waiting_bytes_max).ok_or(InboxError::Row)?;
    queue.find_lost(|number| Spool::path_in(&state_dir.join(SPOOL), number).exists());
    let files = status::files(&queue, &Now::default(), |name| snapshot.progress(name));
    Ok(Status { running: false, ..plain(city, &queue, files) })
}
