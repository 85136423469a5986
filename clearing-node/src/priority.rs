//! Threads that give way to clearing.

/// Lets this thread, and those that it starts, stand back behind others: 0 (not at all) to 19.
pub(crate) fn stand_back(niceness: i32) {
    if niceness > 0
        && let Err(error) = rustix::process::setpriority_process(None, niceness.min(19))
    {
        tracing::warn!(%error, "cannot lower the priority of a thread");
    }
}
