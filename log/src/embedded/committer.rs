//! The thread that makes appends durable.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    Shared,
    catalog::Known,
    queue::{Group, refusal},
    store::Placed,
};
use crate::LogError;

/// Writes what is queued until the queue is closed and empty.
pub(super) fn run(shared: &Shared) {
    let _stop = StopOnPanic(shared);
    while let Some(groups) = shared.queue.take() {
        match land(shared, &groups) {
            Ok(offsets) => {
                let count = groups.len();
                for (group, offsets) in groups.into_iter().zip(offsets) {
                    (group.on_durable)(Ok(offsets));
                }
                shared.queue.told(count);
            }
            Err(failure) => stop(shared, failure, groups),
        }
    }
}

/// One durable write of all the groups. Returns each group's offsets.
fn land<'a>(shared: &Shared, groups: &'a [Group]) -> Result<Vec<Vec<u64>>, LogError> {
    let mut ends: BTreeMap<u32, (&'a Known, u64)> = BTreeMap::new();
    let mut offsets = Vec::with_capacity(groups.len());
    for group in groups {
        let mut place = |known: &'a Known| {
            let (_, end) = ends.entry(known.id).or_insert_with(|| (known, known.end()));
            *end += 1;
            *end - 1
        };
        offsets.push(group.messages.iter().map(|(known, _)| place(known)).collect::<Vec<u64>>());
    }
    let messages = groups.iter().zip(&offsets).flat_map(|(group, offsets)| {
        group.messages.iter().zip(offsets).map(|((known, payload), offset)| Placed {
            id: known.id,
            offset: *offset,
            payload,
        })
    });
    shared.store.keep_messages(messages)?;
    for (known, end) in ends.values() {
        known.set_end(*end);
    }
    shared.subscribers.wake(ends.keys().copied());
    Ok(offsets)
}

/// Tells everybody that this log takes nothing any more.
fn stop(shared: &Shared, failure: LogError, groups: Vec<Group>) {
    let cause = Arc::new(failure);
    tracing::error!(error = %cause, source = ?std::error::Error::source(&*cause), "the log has stopped");
    let behind = shared.queue.fail(Arc::clone(&cause));
    for group in groups.into_iter().chain(behind) {
        (group.on_durable)(Err(refusal(&cause)));
    }
}

/// A callback that panics ends this thread: nobody must wait for it then.
struct StopOnPanic<'a>(&'a Shared);

impl Drop for StopOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let cause = LogError::Backend {
                context: "tell a writer that its messages are durable".to_owned(),
                source: "its callback panicked".into(),
            };
            // What is dropped here is told nothing: its callback may be the one that panics.
            drop(self.0.queue.fail(Arc::new(cause)));
        }
    }
}
