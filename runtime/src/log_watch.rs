//! Looks from time to time whether the log answers, and where its partitions end.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use cu_log::{Log, LogError, Partition};

use crate::whole_text;

/// How often it looks.
const EVERY: Duration = Duration::from_secs(2);
/// A log that has not answered for longer is away.
const AWAY_AFTER: Duration = Duration::from_secs(6);
/// How long the end of the thread is waited for: a request that is under way may take longer.
const END_WAIT: Duration = Duration::from_secs(2);

#[derive(Debug)]
struct Seen {
    answered: Instant,
    error: Option<String>,
    ends: BTreeMap<Partition, u64>,
}

impl Seen {
    /// What is the matter with the log at an instant; nothing, if it answers.
    fn trouble(&self, now: Instant) -> Option<String> {
        let silent = now.saturating_duration_since(self.answered);
        if silent < AWAY_AFTER {
            return None;
        }
        let why = self.error.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
        Some(format!("no answer for {} s{why}", silent.as_secs()))
    }
}

/// Watches a log on a thread of its own until it is dropped.
#[derive(Debug)]
pub struct LogWatch {
    seen: Arc<Mutex<Seen>>,
    partitions: Arc<Mutex<Vec<Partition>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl LogWatch {
    /// Watches a log that has just answered, and the ends of `partitions`; those that do not exist are passed over.
    ///
    /// # Errors
    /// If the thread cannot be started.
    pub fn start(log: Arc<dyn Log>, partitions: Vec<Partition>) -> std::io::Result<Self> {
        let seen = Seen { answered: Instant::now(), error: None, ends: BTreeMap::new() };
        let seen = Arc::new(Mutex::new(seen));
        let stop = Arc::new(AtomicBool::new(false));
        let (telling, stopping) = (Arc::clone(&seen), Arc::clone(&stop));
        let partitions = Arc::new(Mutex::new(partitions));
        let watched = Arc::clone(&partitions);
        let thread = std::thread::Builder::new().name("log-watch".to_owned()).spawn(move || {
            while !stopping.load(Ordering::Relaxed) {
                let now = lock(&watched).clone();
                look(log.as_ref(), &now, &telling, &stopping);
                std::thread::park_timeout(EVERY);
            }
        })?;
        Ok(Self { seen, partitions, stop, thread: Some(thread) })
    }

    /// Watches these from now on, in place of those before.
    pub fn watch(&self, partitions: Vec<Partition>) {
        *lock(&self.partitions) = partitions;
    }

    /// What is the matter with the log; nothing, if it answers.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        lock(&self.seen).trouble(Instant::now())
    }

    /// Where a partition ended when it was looked at last.
    #[must_use]
    pub fn end(&self, partition: &Partition) -> Option<u64> {
        lock(&self.seen).ends.get(partition).copied()
    }
}

impl Drop for LogWatch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let Some(thread) = self.thread.take() else { return };
        thread.thread().unpark();
        let until = Instant::now() + END_WAIT;
        while !thread.is_finished() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn look(log: &dyn Log, partitions: &[Partition], seen: &Mutex<Seen>, stop: &AtomicBool) {
    for partition in partitions {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let found = log.bounds(partition);
        let mut seen = lock(seen);
        match found {
            Ok(bounds) => {
                seen.ends.insert(partition.clone(), bounds.end);
            }
            // It answered, and says that there is no such topic.
            Err(LogError::NoTopic(_)) => {}
            Err(error) => {
                seen.error = Some(whole_text(&error));
                return;
            }
        }
        seen.answered = Instant::now();
        seen.error = None;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_away_when_it_has_not_answered_for_a_while() {
        let answered = Instant::now();
        let error = Some("broker transport failure".to_owned());
        let seen = Seen { answered, error, ends: BTreeMap::new() };
        assert_eq!(seen.trouble(answered + Duration::from_secs(5)), None);
        let trouble = seen.trouble(answered + Duration::from_secs(61)).unwrap();
        assert_eq!(trouble, "no answer for 61 s (broker transport failure)");
    }
}
