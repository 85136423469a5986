//! Makes accepted taps durable: a few threads write for all cities of a process, each city's files one at a time.
//!
//! What comes in while a city's file is written waits and is written together, with one sync.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt, io, mem,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
};

use domain::city::City;

use super::{folder::CityFolder, segment::Writer};

/// Threads that write. A disk makes several syncs at a time cheaper than one after another.
const WRITERS: usize = 4;

/// Why taps could not be kept; an answer must not go out then.
#[derive(Clone, Debug, thiserror::Error)]
#[error("keep accepted taps in {}: {why}", folder.display())]
pub struct KeepError {
    /// The city's folder.
    folder: PathBuf,
    /// What the system said.
    why: Arc<io::Error>,
}

type Then = Box<dyn FnOnce(Result<(), KeepError>) + Send>;

/// The accepted taps of one or many home cities below a folder. Clones share everything; with the last one the threads
/// end, once they have written what waits.
#[derive(Clone)]
pub struct AcceptedTaps {
    shared: Arc<Shared>,
    _ends: Arc<Ends>,
}

struct Shared {
    folder: PathBuf,
    state: Mutex<State>,
    /// Something is ready to be written, or a writer is back.
    told: Condvar,
}

#[derive(Default)]
struct State {
    cities: BTreeMap<City, Place>,
    /// Cities that have something to write and no thread that does.
    ready: VecDeque<City>,
    /// Why the last attempt to keep something failed, if it did.
    failed: Option<KeepError>,
    ended: bool,
}

/// What waits for one city.
struct Place {
    records: Vec<u8>,
    then: Vec<Then>,
    /// Away while a thread writes.
    writer: Option<Writer>,
}

/// Ends the threads when it is dropped.
struct Ends(Arc<Shared>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.state().ended = true;
        self.0.told.notify_all();
    }
}

impl fmt::Debug for AcceptedTaps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AcceptedTaps").field("folder", &self.shared.folder).finish_non_exhaustive()
    }
}

impl AcceptedTaps {
    /// Keeps taps in `state/accepted/<city>/`; folders are made when a city first has some.
    ///
    /// # Errors
    /// If a thread cannot be started.
    pub fn open(state: &Path) -> io::Result<Self> {
        let (state_of, told) = (Mutex::default(), Condvar::new());
        let shared = Arc::new(Shared { folder: state.to_owned(), state: state_of, told });
        let ends = Arc::new(Ends(Arc::clone(&shared)));
        for number in 0..WRITERS {
            let shared = Arc::clone(&shared);
            thread::Builder::new().name(format!("accepted-{number}")).spawn(move || shared.write())?;
        }
        Ok(Self { shared, _ends: ends })
    }

    /// Has records (46 bytes each) of a city made durable, and calls `then` on another thread once they are, or once
    /// that failed.
    pub fn keep(
        &self,
        city: City,
        records: &[u8],
        then: impl FnOnce(Result<(), KeepError>) + Send + 'static,
    ) {
        let mut state = self.shared.state();
        let State { cities, ready, .. } = &mut *state;
        let place = match cities.entry(city) {
            std::collections::btree_map::Entry::Occupied(there) => there.into_mut(),
            std::collections::btree_map::Entry::Vacant(new) => match self.shared.place(city) {
                Ok(place) => new.insert(place),
                Err(error) => {
                    state.failed = Some(error.clone());
                    drop(state);
                    return then(Err(error));
                }
            },
        };
        if place.then.is_empty() && place.writer.is_some() {
            ready.push_back(city);
        }
        place.records.extend_from_slice(records);
        place.then.push(Box::new(then));
        drop(state);
        // To all: one of those who wait may be nobody who writes.
        self.shared.told.notify_all();
    }

    /// Why nothing can be kept, if the last attempt failed.
    #[must_use]
    pub fn failed(&self) -> Option<KeepError> {
        self.shared.state().failed.clone()
    }

    /// Ends the segments that are written to, so that everything kept so far is complete for a reader.
    pub fn end_segments(&self) {
        let mut state = self.shared.state();
        while state.cities.values().any(|place| place.writer.is_none() || !place.then.is_empty()) {
            state = self.shared.told.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.cities.values_mut().filter_map(|place| place.writer.as_mut()).for_each(Writer::end);
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self, city: City) -> Result<Place, KeepError> {
        let folder = CityFolder::of(&self.folder, city);
        let writer = folder.writer().map_err(|error| self.error(city, error))?;
        Ok(Place { records: Vec::new(), then: Vec::new(), writer: Some(writer) })
    }

    fn error(&self, city: City, why: io::Error) -> KeepError {
        KeepError { folder: CityFolder::of(&self.folder, city).path().to_owned(), why: Arc::new(why) }
    }

    /// Writes what is ready until the end.
    fn write(&self) {
        let mut state = self.state();
        loop {
            let Some(city) = state.ready.pop_front() else {
                if state.ended {
                    return;
                }
                state = self.told.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let Some(place) = state.cities.get_mut(&city) else { continue };
            let (records, then) = (mem::take(&mut place.records), mem::take(&mut place.then));
            let Some(mut writer) = place.writer.take() else { continue };
            drop(state);
            let written = writer.append(&records).map_err(|error| self.error(city, error));
            if let Err(error) = &written {
                tracing::error!(%error, "nothing is answered that cannot be kept");
            }
            then.into_iter().for_each(|then| then(written.clone()));
            state = self.state();
            state.failed = written.err();
            let State { cities, ready, .. } = &mut *state;
            if let Some(place) = cities.get_mut(&city) {
                place.writer = Some(writer);
                if !place.then.is_empty() {
                    ready.push_back(city);
                }
            }
            // For whoever waits until nothing is away, and for another thread if there is more.
            self.told.notify_all();
        }
    }
}
