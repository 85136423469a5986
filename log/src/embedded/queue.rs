//! What the writers have queued, bounded.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::catalog::Known;
use crate::{LogError, OnDurable};

/// Writers wait while more than this is queued.
const QUEUED_BYTES_MAX: usize = 64 * 1024 * 1024;
const QUEUED_GROUPS_MAX: usize = 65_536;
/// At most about this much goes into one durable write.
const WRITE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Messages that were appended together.
pub(super) struct Group {
    pub messages: Vec<(Known, Bytes)>,
    pub on_durable: OnDurable,
}

impl Group {
    fn bytes(&self) -> usize {
        self.messages.iter().map(|(_, payload)| payload.len()).sum()
    }
}

/// Why the log takes nothing any more.
#[derive(Clone, Debug, thiserror::Error)]
#[error(transparent)]
struct Cause(Arc<LogError>);

#[derive(Default)]
struct State {
    groups: VecDeque<Group>,
    bytes: usize,
    /// Groups ever queued, and how many of these were told how they ended.
    queued: u64,
    told: u64,
    closed: bool,
    failed: Option<Cause>,
}

/// The way from the writers to the committing thread.
#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    work: Condvar,
    progress: Condvar,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a group, waiting while the queue is full; returns its number.
    pub(super) fn push(&self, group: Group) -> Result<u64, LogError> {
        let bytes = group.bytes();
        let full = |state: &mut State| {
            state.failed.is_none()
                && !state.groups.is_empty()
                && (state.bytes + bytes > QUEUED_BYTES_MAX || state.groups.len() >= QUEUED_GROUPS_MAX)
        };
        let mut state = self.progress.wait_while(self.lock(), full).unwrap_or_else(PoisonError::into_inner);
        refuse_if_failed(&state)?;
        state.groups.push_back(group);
        state.bytes += bytes;
        state.queued += 1;
        self.work.notify_one();
        Ok(state.queued)
    }

    /// Waits until the group with this number, and so all before it, were told.
    pub(super) fn wait_told(&self, number: u64, timeout: Duration) -> Result<(), LogError> {
        let deadline = Instant::now() + timeout;
        let mut state = self.lock();
        while state.told < number && state.failed.is_none() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(LogError::Timeout(timeout));
            }
            state = self.progress.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        if state.told >= number { Ok(()) } else { refuse_if_failed(&state) }
    }

    /// Takes the next groups for one write; `None` when the queue is closed and empty.
    pub(super) fn take(&self) -> Option<Vec<Group>> {
        let idle = |state: &mut State| state.groups.is_empty() && !state.closed;
        let mut state = self.work.wait_while(self.lock(), idle).unwrap_or_else(PoisonError::into_inner);
        let (mut taken, mut bytes) = (Vec::new(), 0);
        while bytes < WRITE_BYTES_MAX
            && let Some(group) = state.groups.pop_front()
        {
            bytes += group.bytes();
            taken.push(group);
        }
        state.bytes = state.bytes.saturating_sub(bytes);
        self.progress.notify_all();
        if taken.is_empty() { None } else { Some(taken) }
    }

    /// Notes that groups were told that they are durable.
    pub(super) fn told(&self, groups: usize) {
        self.lock().told += u64::try_from(groups).unwrap_or(u64::MAX);
        self.progress.notify_all();
    }

    /// Refuses everything from now on; returns what was still queued.
    pub(super) fn fail(&self, cause: Arc<LogError>) -> Vec<Group> {
        let mut state = self.lock();
        state.failed.get_or_insert(Cause(cause));
        state.bytes = 0;
        self.progress.notify_all();
        state.groups.drain(..).collect()
    }

    /// Lets the committing thread end once everything queued is written.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.work.notify_all();
    }
}

fn refuse_if_failed(state: &State) -> Result<(), LogError> {
    match &state.failed {
        None => Ok(()),
        Some(cause) => Err(refusal(&cause.0)),
    }
}

/// What a group hears that cannot be written because of an earlier failure.
pub(super) fn refusal(cause: &Arc<LogError>) -> LogError {
    LogError::Backend {
        context: "append: the log has stopped after a failed write".to_owned(),
        source: Box::new(Cause(Arc::clone(cause))),
    }
}
