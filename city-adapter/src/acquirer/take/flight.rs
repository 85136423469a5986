//! What is on its way to the log: bounded, and answered by the log's own thread.

use std::{
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use cu_log::{LogError, OnDurable};

use super::lock;

/// The most batches of a city on their way.
const BATCHES_MAX: u64 = 32;

/// How long the log may stay silent, where nobody said that it may be away.
const SILENCE_MAX: Duration = Duration::from_secs(120);
/// How often a wait without end looks whether it is to stop.
const LOOK: Duration = Duration::from_millis(100);

/// How long the log is waited for.
#[derive(Clone, Debug, Default)]
pub enum Patience {
    /// Two minutes without any sign of it are an error.
    #[default]
    Bounded,
    /// Until it is back, or this is raised.
    UntilStopped(Arc<AtomicBool>),
}

/// Batches of one city on their way. Clones share them: what one take left on its way, the next one waits for.
#[derive(Clone, Default)]
pub struct Flight {
    shared: Arc<(Mutex<State>, Condvar)>,
}

#[derive(Default)]
struct State {
    sent: u64,
    answered: u64,
    /// The highest number that is durable; what lies below it is too.
    durable: u64,
    failed: Option<LogError>,
}

/// Answers for a group once, also if the log drops it unheard.
struct Told {
    shared: Arc<(Mutex<State>, Condvar)>,
    batches: u64,
}

impl Drop for Told {
    fn drop(&mut self) {
        lock(&self.shared.0).answered += self.batches;
        self.shared.1.notify_all();
    }
}

impl Flight {
    /// What to call when a group of `batches`, the last one numbered `through`, is durable.
    pub fn sent(&self, batches: u64, through: u64) -> OnDurable {
        lock(&self.shared.0).sent += batches;
        let told = Told { shared: Arc::clone(&self.shared), batches };
        Box::new(move |durable| {
            let told = told;
            let mut state = lock(&told.shared.0);
            match durable {
                Ok(_) => state.durable = state.durable.max(through),
                Err(error) => state.failed = state.failed.take().or(Some(error)),
            }
        })
    }

    /// Waits until there is room for more; returns the highest durable number.
    pub fn wait_for_room(&self, patience: &Patience) -> Result<u64, LogError> {
        self.wait(BATCHES_MAX, patience, true)
    }

    /// Waits until nothing is on its way; returns the highest durable number.
    pub fn wait_for_all(&self, patience: &Patience) -> Result<u64, LogError> {
        self.wait(0, patience, true)
    }

    /// Waits until nothing is on its way, however it ends; returns the highest durable number.
    pub fn settle(&self, patience: &Patience) -> Result<u64, LogError> {
        let durable = self.wait(0, patience, false)?;
        lock(&self.shared.0).failed = None;
        Ok(durable)
    }

    fn wait(&self, open_max: u64, patience: &Patience, heeds_failure: bool) -> Result<u64, LogError> {
        let (state, told) = &*self.shared;
        let mut state = lock(state);
        let mut heard = Instant::now();
        while !(heeds_failure && state.failed.is_some()) && state.sent - state.answered > open_max {
            let before = state.answered;
            state = told.wait_timeout(state, LOOK).unwrap_or_else(PoisonError::into_inner).0;
            if state.answered != before {
                heard = Instant::now();
            }
            let gives_up = match patience {
                Patience::Bounded => heard.elapsed() >= SILENCE_MAX,
                Patience::UntilStopped(stop) => stop.load(Ordering::Relaxed),
            };
            if gives_up {
                return Err(LogError::Timeout(heard.elapsed()));
            }
        }
        match state.failed.take_if(|_| heeds_failure) {
            Some(error) => Err(error),
            None => Ok(state.durable),
        }
    }
}
