//! What is on its way to the log: bounded, and answered by the log's own thread.

use std::{
    sync::{Arc, Condvar, Mutex},
    time::Duration,
};

use cu_log::{LogError, OnDurable};

use super::lock;

/// The most batches of a city on their way.
const BATCHES_MAX: u64 = 32;

/// How long the log may stay silent.
const SILENCE_MAX: Duration = Duration::from_secs(120);

/// Batches of one city on their way.
#[derive(Default)]
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

impl Flight {
    /// What to call when a group of `batches`, the last one numbered `through`, is durable.
    pub fn sent(&self, batches: u64, through: u64) -> OnDurable {
        lock(&self.shared.0).sent += batches;
        let shared = Arc::clone(&self.shared);
        Box::new(move |durable| {
            let (state, told) = &*shared;
            let mut state = lock(state);
            state.answered += batches;
            match durable {
                Ok(_) => state.durable = state.durable.max(through),
                Err(error) => state.failed = state.failed.take().or(Some(error)),
            }
            told.notify_all();
        })
    }

    /// Waits until there is room for more; returns the highest durable number.
    pub fn wait_for_room(&self) -> Result<u64, LogError> {
        self.wait(BATCHES_MAX)
    }

    /// Waits until nothing is on its way; returns the highest durable number.
    pub fn wait_for_all(&self) -> Result<u64, LogError> {
        self.wait(0)
    }

    fn wait(&self, open_max: u64) -> Result<u64, LogError> {
        let (state, told) = &*self.shared;
        let mut state = lock(state);
        while state.failed.is_none() && state.sent - state.answered > open_max {
            let before = state.answered;
            let waited = told.wait_timeout(state, SILENCE_MAX);
            let (next, timeout) = waited.unwrap_or_else(std::sync::PoisonError::into_inner);
            state = next;
            if timeout.timed_out() && state.answered == before {
                return Err(LogError::Timeout(SILENCE_MAX));
            }
        }
        match state.failed.take() {
            Some(error) => Err(error),
            None => Ok(state.durable),
        }
    }
}
