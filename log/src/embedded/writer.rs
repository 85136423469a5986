//! Appending.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

use super::{Opened, queue::Group};
use crate::{LogError, OnDurable, Partition, Writer};

/// One writer of an embedded log.
pub(super) struct EmbeddedWriter {
    opened: Arc<Opened>,
    /// Number of the group it queued last.
    last: u64,
}

impl EmbeddedWriter {
    pub(super) fn new(opened: Arc<Opened>) -> Self {
        Self { opened, last: 0 }
    }
}

impl Writer for EmbeddedWriter {
    fn append(&mut self, group: Vec<(Partition, Bytes)>, on_durable: OnDurable) -> Result<(), LogError> {
        let mut messages = Vec::with_capacity(group.len());
        for (partition, payload) in group {
            crate::check_size(&partition, &payload)?;
            messages.push((self.opened.shared.catalog.find(&partition)?, payload));
        }
        self.last = self.opened.shared.queue.push(Group { messages, on_durable })?;
        Ok(())
    }

    fn flush(&mut self, timeout: Duration) -> Result<(), LogError> {
        self.opened.shared.queue.wait_told(self.last, timeout)
    }
}
