//! Reading a part of one partition whose end is known.

use std::{ops::Range, time::Duration};

use crate::{Entry, Log, LogError, Partition};

/// Bytes of messages read at once.
const READ_BYTES: usize = 4 << 20;
/// How long a message that must be there is waited for.
const READ_WAIT: Duration = Duration::from_secs(30);

/// Visits the messages of a partition at these offsets, each once, in order. An empty range needs no topic.
///
/// # Errors
/// [`LogError::Hole`] that names the first one that is missing, [`LogError::Timeout`] if one does not come, another failure below the port, or what `visit` returns; it is not called again then.
pub fn visit_range<E: From<LogError>>(
    log: &dyn Log,
    partition: &Partition,
    range: Range<u64>,
    visit: &mut dyn FnMut(Entry) -> Result<(), E>,
) -> Result<(), E> {
    if range.is_empty() {
        return Ok(());
    }
    let hole = |wanted, have| LogError::Hole { partition: partition.clone(), wanted, have };
    let have = log.bounds(partition)?;
    if have.start > range.start || have.end < range.end {
        let wanted = if have.start > range.start { range.start } else { have.end };
        return Err(hole(wanted, have).into());
    }
    let mut reader = log.reader(&[(partition.clone(), range.start)])?;
    let mut next = range.start;
    while next < range.end {
        let entries = reader.poll(READ_BYTES, READ_WAIT)?;
        if entries.is_empty() {
            return Err(LogError::Timeout(READ_WAIT).into());
        }
        for entry in entries {
            if next == range.end {
                break;
            }
            if entry.offset != next {
                return Err(hole(next, entry.offset..have.end).into());
            }
            next += 1;
            visit(entry)?;
        }
    }
    Ok(())
}
