//! Folding one partition again, as its node did, without a log to answer to.

use std::{sync::Arc, time::Duration};

use archive::ArchiveError;
use cu_log::{Log, LogError, Partition};
use domain::rulebook::Rulebook;
use proto::{CycleEvent, Message, PartitionTotals, cycle_event::Body};

use super::ReplayError;
use crate::{
    book::{Book, Effect, Halt, Stepped, Target},
    rocks::RocksStore,
};

/// Bytes of messages read, and folded into one write, at once.
const GROUP_BYTES: usize = 4 << 20;
/// How long a message that must be there is waited for.
const READ_WAIT: Duration = Duration::from_secs(30);

/// One partition being folded.
pub(super) struct Folding<'a> {
    pub(super) number: u32,
    pub(super) store: &'a RocksStore,
    pub(super) rulebooks: &'a [Arc<Rulebook>],
    /// Whether results stay in the outbox.
    pub(super) keep_results: bool,
    /// Is told how many messages more are folded.
    pub(super) heard: &'a (dyn Fn(u64) + Sync),
}

impl Folding<'_> {
    /// Folds everything before `end`; returns the totals of every cycle that the partition has closed.
    pub(super) fn run(
        &self,
        log: &dyn Log,
        clearing: &Partition,
        end: u64,
    ) -> Result<Vec<PartitionTotals>, ReplayError> {
        let partition = self.number;
        let halted = |halt| ReplayError::Halt { partition, halt };
        let mut book = Book::load(partition, &self.store.begin(), self.rulebooks).map_err(halted)?;
        let mut next = book.next_offset();
        (self.heard)(next.min(end));
        if next > end {
            let why = format!(
                "the store of partition {partition} is at offset {next}, beyond {end}; use an empty folder"
            );
            return Err(ReplayError::Missing(why));
        }
        let mut reader = log.reader(&[(clearing.clone(), next)]).map_err(ArchiveError::from)?;
        while next < end {
            let entries = reader.poll(GROUP_BYTES, READ_WAIT).map_err(ArchiveError::from)?;
            if entries.is_empty() {
                return Err(ArchiveError::from(LogError::Timeout(READ_WAIT)).into());
            }
            let group: Vec<_> = entries.into_iter().take_while(|entry| entry.offset < end).collect();
            self.group(&mut book, &group).map_err(halted)?;
            next = book.next_offset();
            (self.heard)(group.len() as u64);
        }
        Ok(said(&book))
    }

    fn group(&self, book: &mut Book, group: &[cu_log::Entry]) -> Result<(), Halt> {
        let mut effects = Vec::new();
        let mut txn = self.store.begin();
        for entry in group {
            let stepped = book.step(&mut txn, entry.offset, entry.payload.clone(), &mut effects)?;
            if let Stepped::NeedsRulebook { version } = stepped {
                let why = format!("rulebook version {version} is not on cu.rulebook");
                return Err(Halt::Unreadable { offset: entry.offset, why });
            }
        }
        for effect in effects {
            if let Effect::Publish { number, target: Target::Results(_), .. } = effect
                && !self.keep_results
            {
                book.published(number);
            }
        }
        book.seal(&mut txn);
        // What a power failure takes is folded again.
        txn.commit(false)?;
        Ok(())
    }
}

/// The totals in the outbox.
fn said(book: &Book) -> Vec<PartitionTotals> {
    let totals = |effect| match effect {
        Effect::Publish { target: Target::Cycles, payload, .. } => {
            match CycleEvent::decode(payload).ok()?.body {
                Some(Body::Totals(totals)) => Some(totals),
                _ => None,
            }
        }
        _ => None,
    };
    book.outbox().filter_map(totals).collect()
}
