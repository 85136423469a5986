//! A writer's open groups: which messages are still under way, who is told next.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::lock;
use crate::{LogError, OnDurable};

struct Open {
    left: usize,
    offsets: Vec<u64>,
    failure: Option<LogError>,
    on_durable: OnDurable,
}

#[derive(Default)]
struct State {
    open: VecDeque<Open>,
    /// Number of the first open group.
    first: u64,
    /// Groups told so far.
    told: u64,
}

/// The groups of one writer, told in the order of their appends.
#[derive(Default)]
pub(super) struct Ledger {
    state: Mutex<State>,
    progress: Condvar,
    /// Held while groups are told.
    telling: Mutex<()>,
}

impl Ledger {
    /// Opens a group; its number names it.
    pub(super) fn open(&self, messages: usize, on_durable: OnDurable) -> u64 {
        let mut state = lock(&self.state);
        state.open.push_back(Open { left: messages, offsets: vec![0; messages], failure: None, on_durable });
        state.first + u64::try_from(state.open.len()).unwrap_or(u64::MAX) - 1
    }

    /// Notes how one message of a group ended, and tells every group that is complete by that.
    pub(super) fn settle(&self, group: u64, message: usize, result: Result<u64, LogError>) {
        let mut state = lock(&self.state);
        let place = usize::try_from(group - state.first).unwrap_or(usize::MAX);
        if let Some(open) = state.open.get_mut(place) {
            open.left -= 1;
            match result {
                Ok(offset) => open.offsets[message] = offset,
                Err(failure) => {
                    open.failure.get_or_insert(failure);
                }
            }
        }
        drop(state);
        self.tell();
    }

    /// Tells the groups at the front that have nothing under way any more.
    pub(super) fn tell(&self) {
        // One at a time, so that the callbacks come in the order of the appends.
        let _turn = lock(&self.telling);
        loop {
            let mut state = lock(&self.state);
            let Some(done) = state.open.pop_front_if(|open| open.left == 0) else { return };
            state.first += 1;
            drop(state);
            (done.on_durable)(match done.failure {
                None => Ok(done.offsets),
                Some(failure) => Err(failure),
            });
            lock(&self.state).told += 1;
            self.progress.notify_all();
        }
    }

    /// Waits until all of the first `groups` groups were told.
    pub(super) fn wait_told(&self, groups: u64, timeout: Duration) -> Result<(), LogError> {
        let deadline = Instant::now() + timeout;
        let mut state = lock(&self.state);
        while state.told < groups {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(LogError::Timeout(timeout));
            }
            state = self.progress.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(())
    }
}
