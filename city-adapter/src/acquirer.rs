//! The acquiring side: takes a city's tap files to the log and brings the result of every line back.
//!
//! One host serves many cities in one process. It keeps their journals in one store; the uploads themselves
//! stay where they are until they are on the log.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

use cu_log::{Log, LogError, topics::Topics};
use domain::city::City;

use crate::{
    journal::{Effect, Input, Journal, JournalError, UploadRow},
    mapping::{Mapping, MappingError},
};
use follow::Following;
pub use missed::OrdinalOf;
use missed::Published;
use store::Store;
use take::Flight;

pub use inbox::InboxError;
pub use judge::{Bad, Judged, judge};
pub use progress::{Progress, Snapshot, Stage};
pub use recut::recut;
pub use rejoin::Rejoined;
pub(crate) use source::{digest_of, hex};
pub use take::{Outcome, Patience, TakeSummary, TakenUpload, Upload};

mod draft;
mod follow;
mod inbox;
mod judge;
mod missed;
mod progress;
mod published;
mod quarantine;
mod recut;
mod rejoin;
mod render;
mod source;
mod store;
mod take;
#[cfg(test)]
mod tests;

/// The folder of the journals, in the state folder.
const JOURNAL: &str = "journal";

/// How many cities are worked on at a time.
const WORKERS: usize = 2;

/// Why the acquiring side could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum AcquirerError {
    /// The journal refuses it.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The store of the journals failed.
    #[error("the adapter's journal in {path} cannot be used")]
    Store {
        /// Its folder.
        path: PathBuf,
        /// What RocksDB says.
        source: rocksdb::Error,
    },
    /// The store of the journals is none.
    #[error("{path} holds no journals of city adapters; give an empty folder or the right one")]
    NoStore {
        /// Its folder.
        path: PathBuf,
    },
    /// The log failed.
    #[error("the log failed")]
    Log(#[from] LogError),
    /// A file of ours could not be written or read.
    #[error("{path} cannot be written or read; see that there is room and permission, then run again")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Results could not be written.
    #[error("the results of {name} and of {others} other files cannot be written")]
    Answers {
        /// The first of the files.
        name: String,
        /// How many more there are.
        others: usize,
        /// What went wrong with the first.
        source: Box<AcquirerError>,
    },
    /// An upload could not be read to its end.
    #[error("{path} cannot be read to its end; mend it and run again, nothing of it is counted twice")]
    Upload {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: InboxError,
    },
    /// An upload changed between two passes over it.
    #[error(
        "{path} was changed while it was being read; put it back as it was, then run again \
         (nothing of it is lost or counted twice)"
    )]
    Changing {
        /// The file.
        path: PathBuf,
    },
    /// The journal was read again while a file was being taken.
    #[error("{city}: the journal was opened again meanwhile; the file is taken again from its start")]
    Reopened {
        /// The city.
        city: City,
    },
    /// A file of a published cycle cannot be used.
    #[error("{path}{}: {what}; fetch it again, the results of missed cycles are read from it", line.map_or(String::new(), |line| format!(" line {line}")))]
    Published {
        /// The file.
        path: PathBuf,
        /// Its line, from 1, if one is wrong.
        line: Option<u64>,
        /// What is wrong.
        what: String,
    },
    /// The thread that reads results has ended.
    #[error("the results cannot be followed any more: {0}")]
    NotFollowing(String),
    /// Results did not come in time.
    #[error("{city} still waits for {missing} of its results after {seconds} s")]
    Timeout {
        /// A city that waits.
        city: City,
        /// How many messages, or batches, it waits for.
        missing: u64,
        /// How long was waited.
        seconds: u64,
    },
}

impl AcquirerError {
    fn file(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| Self::File { path: path.to_owned(), source }
    }
}

/// The acquiring side of many cities. Clones share everything.
#[derive(Clone)]
pub struct AcquirerHost {
    shared: Arc<Shared>,
    following: Arc<Mutex<Option<Following>>>,
}

struct Shared {
    store: Store,
    log: Arc<dyn Log>,
    topics: Topics,
    drafts: PathBuf,
    out: PathBuf,
    desks: Mutex<BTreeMap<City, Arc<Mutex<Desk>>>>,
    /// Of the cities whose uploads have another layout.
    mappings: Mutex<BTreeMap<City, Arc<Mapping>>>,
    /// What of each city is on its way to the log.
    flights: Mutex<BTreeMap<City, Flight>>,
    patience: Mutex<Patience>,
    /// Folder of quarantine files, if they are wanted.
    quarantine: Mutex<Option<PathBuf>>,
    /// Where results that the log dropped unread are found.
    published: Mutex<Option<Published>>,
    /// Told whenever results were taken in.
    answered: Condvar,
    /// Guards the condition; says why results cannot be followed any more.
    following: Mutex<Option<String>>,
}

/// What the host has open for one city.
struct Desk {
    journal: Journal,
    /// Files whose results were not written since they last changed.
    unwritten: BTreeSet<String>,
    /// How many uploads the receipts file speaks of, once it was written; their rows do not change.
    receipts: Option<usize>,
    /// How often it was read again from the store: a file that was being taken then has to be begun again.
    epoch: u64,
}

impl AcquirerHost {
    /// Opens the host with its state in `state` (made if it does not exist) and its answers under `out`
    /// (`results/` and `receipts/`). One process at a time may have a state folder open.
    ///
    /// # Errors
    /// [`AcquirerError::Store`], [`AcquirerError::File`], or [`AcquirerError::Journal`] for rows that cannot be
    /// read.
    pub fn open(state: &Path, log: Arc<dyn Log>, topics: Topics, out: &Path) -> Result<Self, AcquirerError> {
        let drafts = state.join("drafts");
        std::fs::create_dir_all(&drafts).map_err(AcquirerError::file(&drafts))?;
        let store = Store::open(&state.join(JOURNAL))?;
        let mut desks = BTreeMap::new();
        for city in store.cities()? {
            let desk = Desk::load(&store, city)?;
            draft::keep_only(&drafts, city, &desk.unwritten).map_err(AcquirerError::file(&drafts))?;
            desks.insert(city, Arc::new(Mutex::new(desk)));
        }
        let shared = Shared {
            store,
            log,
            topics,
            drafts,
            out: out.to_owned(),
            desks: Mutex::new(desks),
            mappings: Mutex::default(),
            flights: Mutex::default(),
            patience: Mutex::default(),
            quarantine: Mutex::default(),
            published: Mutex::default(),
            answered: Condvar::new(),
            following: Mutex::new(None),
        };
        Ok(Self { shared: Arc::new(shared), following: Arc::default() })
    }

    /// Every city that has handed in a file so far.
    #[must_use]
    pub fn cities(&self) -> Vec<City> {
        lock(&self.shared.desks).keys().copied().collect()
    }

    /// How many batches of a city have been published, or are about to be, without any result so far.
    #[must_use]
    pub fn open_batches(&self, city: City) -> u64 {
        let desk = self.shared.desk(city);
        lock(&desk).journal.unanswered()
    }

    /// Says that all uploads of a city are of another layout. Uploads that are taken only in part have to be
    /// finished with the mapping they were begun with.
    ///
    /// # Errors
    /// [`MappingError::Incomplete`] if the mapping does not make whole taps.
    pub fn read_through(&self, city: City, mapping: Mapping) -> Result<(), MappingError> {
        mapping.check_complete()?;
        lock(&self.shared.mappings).insert(city, Arc::new(mapping));
        Ok(())
    }

    /// Says how long takes wait for a log that does not answer.
    pub fn wait_for_log(&self, patience: Patience) {
        *lock(&self.shared.patience) = patience;
    }

    /// Has the malformed lines of every upload that is taken from now on written to `folder/<name>.csv`.
    pub fn quarantine_into(&self, folder: &Path) {
        *lock(&self.shared.quarantine) = Some(folder.to_owned());
    }

    /// Why the journals take nothing, if a write to them failed.
    #[must_use]
    pub fn broken(&self) -> Option<String> {
        self.shared.store.broken()
    }

    /// Opens the journals again after a write to them failed, and goes on from what they hold.
    ///
    /// # Errors
    /// [`AcquirerError::Store`] if that fails too.
    pub fn heal(&self) -> Result<(), AcquirerError> {
        if self.shared.store.broken().is_none() {
            return Ok(());
        }
        let desks = self.shared.desks();
        // Nobody takes a step between the opening and the reading.
        let mut held: Vec<_> = desks.iter().map(|(_, desk)| lock(desk)).collect();
        self.shared.store.reopen()?;
        held.iter_mut().try_for_each(|desk| desk.reload(&self.shared.store))
    }

    /// What was kept for a city's inbox: a row for each file, in the order of their numbers.
    ///
    /// # Errors
    /// [`AcquirerError::Store`].
    pub fn inbox_rows(&self, city: City) -> Result<Vec<Vec<u8>>, AcquirerError> {
        self.shared.store.files(city)
    }

    /// Keeps a row for file `number` of a city's inbox, durably.
    ///
    /// # Errors
    /// [`AcquirerError::Store`].
    pub fn keep_inbox_row(&self, city: City, number: u64, row: &[u8]) -> Result<(), AcquirerError> {
        self.shared.store.keep_file(city, number, row)
    }

    /// Whether a file of this name was taken or refused before.
    #[must_use]
    pub fn knows(&self, city: City, name: &str) -> bool {
        let desk = self.shared.desk(city);
        lock(&desk).journal.upload(name).is_some()
    }

    /// The upload of a city with this name and these bytes, if it was taken or refused.
    #[must_use]
    pub fn upload_of(&self, city: City, name: &str, sha256: &[u8; 32]) -> Option<UploadRow> {
        let desk = self.shared.desk(city);
        lock(&desk).journal.upload_of(name, *sha256).cloned()
    }

    /// The cities that are stopped, and why: what the log says and what was journaled disagree.
    #[must_use]
    pub fn stopped(&self) -> Vec<(City, String)> {
        let reason = |desk: &Mutex<Desk>| lock(desk).journal.stopped().map(str::to_owned);
        self.shared.desks().into_iter().filter_map(|(city, desk)| Some((city, reason(&desk)?))).collect()
    }

    /// The highest batch number of a city; 0 for none.
    #[must_use]
    pub fn last_number(&self, city: City) -> u64 {
        let desk = self.shared.desk(city);
        lock(&desk).journal.last_number()
    }
}

impl Shared {
    /// The desk of a city, a new one for a city never seen.
    fn desk(&self, city: City) -> Arc<Mutex<Desk>> {
        let mut desks = lock(&self.desks);
        let new =
            || Desk { journal: Journal::new(city), unwritten: BTreeSet::new(), receipts: None, epoch: 0 };
        Arc::clone(desks.entry(city).or_insert_with(|| Arc::new(Mutex::new(new()))))
    }

    /// Every desk there is.
    fn desks(&self) -> Vec<(City, Arc<Mutex<Desk>>)> {
        lock(&self.desks).iter().map(|(city, desk)| (*city, Arc::clone(desk))).collect()
    }

    /// The cities of which a file is taken only in part.
    fn in_progress(&self) -> Vec<City> {
        let begun = |desk: &Mutex<Desk>| lock(desk).journal.in_progress().is_some();
        self.desks().into_iter().filter(|(_, desk)| begun(desk)).map(|(city, _)| city).collect()
    }

    fn quarantine(&self) -> Option<PathBuf> {
        lock(&self.quarantine).clone()
    }

    fn results_folder(&self, city: City) -> PathBuf {
        self.out.join("results").join(city.to_string())
    }
}

impl Desk {
    fn load(store: &Store, city: City) -> Result<Self, AcquirerError> {
        let journal = Journal::load(city, store.rows(city)?)?;
        let unwritten = journal.uploads().filter(|row| !row.closed).map(|row| row.name.clone()).collect();
        Ok(Self { journal, unwritten, receipts: None, epoch: 0 })
    }

    /// Goes back to what the store holds.
    fn reload(&mut self, store: &Store) -> Result<(), AcquirerError> {
        let epoch = self.epoch + 1;
        *self = Self { epoch, ..Self::load(store, self.journal.city())? };
        Ok(())
    }

    /// Takes a step and keeps its rows. If they cannot be kept the journal goes back to what is kept.
    fn step(&mut self, store: &Store, input: Input) -> Result<Vec<Effect>, AcquirerError> {
        let effects = self.journal.step(input)?;
        self.keep(store, &effects, false)?;
        Ok(effects)
    }

    fn keep(&mut self, store: &Store, effects: &[Effect], synced: bool) -> Result<(), AcquirerError> {
        let city = self.journal.city();
        let kept = store.write(city, effects, synced);
        if kept.is_err() {
            self.reload(store)?;
        }
        kept
    }
}

/// A poisoned lock is still a lock: what it guards is only ever replaced whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Does `work` for each item on a few threads, in the order of the items as threads become free.
fn spread<I: Send, T: Send>(items: Vec<I>, work: impl Fn(I) -> T + Sync) -> Vec<T> {
    let threads = WORKERS.min(items.len());
    let queue = Mutex::new(items.into_iter());
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let Some(item) = lock(&queue).next() else { break };
                    let result = work(item);
                    lock(&done).push(result);
                }
            });
        }
    });
    done.into_inner().unwrap_or_else(PoisonError::into_inner)
}
