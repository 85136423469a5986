//! Reads the results of all cities and feeds their journals.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use cu_log::{Entry, LogError, Partition, Reader};
use domain::city::City;
use proto::{BatchResult, Message};
use runtime::whole_text;

use super::{AcquirerError, AcquirerHost, Shared, lock};
use crate::journal::{Effect, Input};

const POLL_BYTES_MAX: usize = 4 << 20;
const POLL_WAIT: Duration = Duration::from_millis(50);

/// The thread that follows results; dropped, it ends after what it is doing.
pub(super) struct Following {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Following {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that follows results panicked");
        }
    }
}

impl AcquirerHost {
    /// Begins to follow the results of `cities`, each from where its journal is, in place of those that were
    /// followed before. Goes on until the last clone of this host is dropped. Results that the log dropped
    /// meanwhile are made up for first: from published cycles, the rest by asking the centre again.
    ///
    /// # Errors
    /// [`AcquirerError::Log`], a results log that ends too early included; [`AcquirerError::Published`].
    pub fn follow(&self, cities: &[City]) -> Result<(), AcquirerError> {
        let mut current = lock(&self.following);
        *current = None;
        let mut starts = Vec::new();
        let mut topics = BTreeMap::new();
        for city in cities {
            let partition = self.shared.topics.results(city);
            self.shared.make_up(*city)?;
            let offset = lock(&self.shared.desk(*city)).journal.results_offset();
            starts.push((partition.clone(), offset));
            topics.insert(partition, *city);
        }
        let mut reader = self.shared.log.reader(&starts)?;
        *lock(&self.shared.following) = None;
        let stop = Arc::new(AtomicBool::new(false));
        let (shared, stopping) = (Arc::clone(&self.shared), Arc::clone(&stop));
        let follow = move || {
            while !stopping.load(Ordering::Relaxed) {
                if let Err(error) = shared.follow_once(reader.as_mut(), &topics) {
                    tracing::error!(error = whole_text(&error), "the results cannot be followed any more");
                    *lock(&shared.following) = Some(whole_text(&error));
                    shared.answered.notify_all();
                    break;
                }
            }
        };
        let spawned = thread::Builder::new().name("results".to_owned()).spawn(follow);
        let thread = spawned.map_err(|error| AcquirerError::NotFollowing(error.to_string()))?;
        *current = Some(Following { stop, thread: Some(thread) });
        Ok(())
    }

    /// Whether results are followed.
    #[must_use]
    pub fn is_following(&self) -> bool {
        lock(&self.following).is_some() && self.follow_failure().is_none()
    }

    /// Why results are not followed any more, if following them failed.
    #[must_use]
    pub fn follow_failure(&self) -> Option<String> {
        lock(&self.shared.following).clone()
    }

    /// Waits until every batch of `cities` has a result (stopped cities are not waited for).
    ///
    /// # Errors
    /// [`AcquirerError::Timeout`] after `timeout`, [`AcquirerError::NotFollowing`] if results do not come any
    /// more.
    pub fn wait_results(&self, cities: &[City], timeout: Duration) -> Result<(), AcquirerError> {
        self.wait(cities, timeout, |_, desk| desk.journal.unanswered())
    }

    /// Waits until everything that stands on the results logs of `cities` at the time of the call is taken in.
    ///
    /// # Errors
    /// As [`AcquirerHost::wait_results`].
    pub fn catch_up(&self, cities: &[City], timeout: Duration) -> Result<(), AcquirerError> {
        let mut ends = BTreeMap::new();
        for city in cities {
            ends.insert(*city, self.shared.log.bounds(&self.shared.topics.results(city))?.end);
        }
        self.wait(cities, timeout, |city, desk| {
            ends.get(&city).map_or(0, |end| end.saturating_sub(desk.journal.results_offset()))
        })
    }

    fn wait(
        &self,
        cities: &[City],
        timeout: Duration,
        missing: impl Fn(City, &super::Desk) -> u64,
    ) -> Result<(), AcquirerError> {
        let until = Instant::now() + timeout;
        let mut waiting = cities.iter().copied();
        let mut current = waiting.next();
        let mut following = lock(&self.shared.following);
        while let Some(city) = current {
            let desk = self.shared.desk(city);
            let open = {
                let desk = lock(&desk);
                if desk.journal.stopped().is_some() { 0 } else { missing(city, &desk) }
            };
            if open == 0 {
                current = waiting.next();
                continue;
            }
            if let Some(reason) = &*following {
                return Err(AcquirerError::NotFollowing(reason.clone()));
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(AcquirerError::Timeout { city, missing: open, seconds: timeout.as_secs() });
            }
            let waited = self.shared.answered.wait_timeout(following, left);
            following = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(())
    }
}

impl Shared {
    /// Takes in what stands on the results logs.
    fn follow_once(
        &self,
        reader: &mut dyn Reader,
        topics: &BTreeMap<Partition, City>,
    ) -> Result<(), AcquirerError> {
        let mut by_city: BTreeMap<City, Vec<Entry>> = BTreeMap::new();
        for entry in reader.poll(POLL_BYTES_MAX, POLL_WAIT)? {
            if let Some(city) = topics.get(&entry.partition) {
                by_city.entry(*city).or_default().push(entry);
            }
        }
        if by_city.is_empty() {
            return Ok(());
        }
        for (city, entries) in by_city {
            self.take_in(city, entries)?;
        }
        drop(lock(&self.following));
        self.answered.notify_all();
        Ok(())
    }

    fn take_in(&self, city: City, entries: Vec<Entry>) -> Result<(), AcquirerError> {
        let desk = self.desk(city);
        let mut desk = lock(&desk);
        let mut results = Vec::with_capacity(entries.len());
        for entry in entries {
            let message = BatchResult::decode(entry.payload.as_ref()).map_err(|error| {
                let context = format!("read offset {} of {}", entry.offset, entry.partition);
                LogError::Backend { context, source: Box::new(error) }
            })?;
            results.push((message, entry.offset + 1));
        }
        self.learn(&mut desk, results)
    }

    /// Gives results to a city's journal, each with the offset to read on from.
    pub(super) fn learn(
        &self,
        desk: &mut super::Desk,
        results: Vec<(BatchResult, u64)>,
    ) -> Result<(), AcquirerError> {
        let mut effects = Vec::new();
        for (message, next_offset) in results {
            let number = message.number;
            effects.extend(desk.journal.step(Input::Result { message, next_offset })?);
            let name = desk.journal.file_of(number).map(|row| row.name.clone());
            desk.unwritten.extend(name);
        }
        for effect in &effects {
            if let Effect::Stop { reason } = effect {
                let city = desk.journal.city();
                tracing::error!(%city, %reason, "city stopped: its journal and the log disagree");
            }
        }
        desk.keep(&self.store, &effects, false)
    }
}
