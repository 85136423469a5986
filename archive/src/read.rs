//! Reading a part of a log whose end is known.

use std::time::Duration;

use cu_log::{Entry, Log, LogError, Partition};

use crate::ArchiveError;

/// Bytes of messages read at once.
const READ_BYTES: usize = 4 << 20;
/// How long a message that must be there is waited for.
const READ_WAIT: Duration = Duration::from_secs(30);

/// Visits the messages `first..end` of a partition, each once, in order.
///
/// # Errors
/// [`ArchiveError::Log`] if one is missing (it names the hole) or does not come, or what `visit` returns.
pub(crate) fn range(
    log: &dyn Log,
    partition: &Partition,
    first: u64,
    end: u64,
    visit: &mut dyn FnMut(Entry) -> Result<(), ArchiveError>,
) -> Result<(), ArchiveError> {
    if first >= end {
        return Ok(());
    }
    let have = log.bounds(partition)?;
    if have.start > first || have.end < end {
        let wanted = if have.start > first { first } else { have.end };
        return Err(LogError::Hole { partition: partition.clone(), wanted, have }.into());
    }
    let mut reader = log.reader(&[(partition.clone(), first)])?;
    let mut next = first;
    while next < end {
        let entries = reader.poll(READ_BYTES, READ_WAIT)?;
        if entries.is_empty() {
            return Err(LogError::Timeout(READ_WAIT).into());
        }
        for entry in entries.into_iter().take_while(|entry| entry.offset < end) {
            if entry.offset != next {
                let (wanted, have) = (next, entry.offset..end);
                return Err(LogError::Hole { partition: partition.clone(), wanted, have }.into());
            }
            next += 1;
            visit(entry)?;
        }
    }
    Ok(())
}
