//! What stands on the archived part of `cu.cycles` and speaks of more than is archived. Pure.
//!
//! A cycle's publication may stand behind events of the next cycle: its cut-off, its totals, its plan. They are
//! archived with the cycle, since a range has no holes, but what they speak of is not. A log that is brought back
//! ends before it, and what comes in its place is another truth: other totals, other offsets. So restoring puts an
//! empty message in the place of such an event, and says `Restored` behind the last one. Whoever reads the archive
//! after that finds the old events and, behind them, the word that they are void.

use cu_log::topics::Topics;
use proto::{CycleEvent, Message, cycle_event::Body};

use crate::{
    chain::Archive,
    facts::{Ends, Facts},
};

/// What a log holds that was brought back from an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The last cycle.
    pub last: u32,
    /// Where the partitions end, by topic without prefix.
    pub ends: Ends,
}

impl Held {
    /// Whether an event speaks of something that this log does not hold.
    ///
    /// The opening of the next cycle is held: the marker that brought it is the last archived message, or, where it
    /// came alone, its markers are written again. `Opened` says that these stand: until they do again, a tap would
    /// come before its cycle.
    #[must_use]
    pub fn is_beyond(&self, event: &CycleEvent) -> bool {
        let later = |cycle: u32| cycle > self.last;
        match &event.body {
            Some(Body::Opening(opening)) => later(opening.cycle.saturating_sub(1)),
            Some(Body::Opened(opened)) => later(opened.cycle),
            Some(Body::CutOff(cut_off)) => later(cut_off.cycle),
            Some(Body::Totals(totals)) => later(totals.cycle),
            Some(Body::Plan(plan)) => later(plan.cycle),
            Some(Body::Segment(segment)) => later(segment.cycle),
            Some(Body::Published(published)) => later(published.cycle),
            // It is said again, if it happens again; an old one with a higher offset would outlive the new one.
            Some(Body::City(city)) => {
                let clearing = Topics::default().clearing(city.partition);
                city.offset >= self.ends.get(&clearing).copied().unwrap_or(0)
            }
            // An act about a cycle that is not there has no effect, and `Restored` ends what offsets of `cu.acts` meant.
            Some(Body::Restored(_) | Body::Ruled(_) | Body::ActsRead(_)) | None => false,
        }
    }
}

/// Which archived events are void: by the restoring at hand, and by each before it.
#[derive(Debug)]
pub struct Void {
    /// Offset on `cu.cycles` before which it counts, and what the log held that was brought back then.
    restored: Vec<(u64, Held)>,
}

impl Void {
    /// What is void in a log that is brought back from an archive with these facts.
    #[must_use]
    pub fn now(archive: &Archive, facts: &Facts) -> Self {
        let held = |last| Held { last, ends: archive.ends_of(last) };
        let earlier = facts.restored.iter().map(|(offset, cycle)| (*offset, held(*cycle)));
        Self { restored: earlier.chain([(u64::MAX, held(archive.last()))]).collect() }
    }

    /// Whether the event at an offset is void.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub fn has(&self, offset: u64, payload: &[u8]) -> Result<bool, String> {
        let event = CycleEvent::decode(payload).map_err(|error| error.to_string())?;
        Ok(self.restored.iter().any(|(before, held)| offset < *before && held.is_beyond(&event)))
    }
}

#[cfg(test)]
mod tests;
