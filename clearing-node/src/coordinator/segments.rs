//! The segments of closed cycles, as far as `cu.cycles` tells: which are in, which are due.

use std::collections::BTreeMap;

use proto::{Bytes, CycleEvent, Segment, cycle_event::Body};

use super::{Coordinator, Effect, Step};

/// A segment that is in the object store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentIn {
    /// Whose share it is.
    pub partition: u32,
    /// SHA-256 of its manifest.
    pub manifest_digest: Bytes,
}

/// A segment that the owner of its partition has to render.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SegmentDue {
    /// The cycle.
    pub cycle: u32,
    /// The partition.
    pub partition: u32,
    /// How often it was lost before.
    pub round: u32,
}

/// A segment as it was said.
#[derive(Clone, Debug)]
struct Said {
    digest: Bytes,
    /// The highest round said.
    round: u32,
    /// The round that is wanted; higher than the one said after that was found lost.
    wanted: u32,
}

/// Segments by cycle and partition.
#[derive(Debug, Default)]
pub(super) struct Segments(BTreeMap<(u32, u32), Said>);

impl Segments {
    /// Those of a cycle that are in.
    pub(super) fn of(&self, cycle: u32) -> impl Iterator<Item = SegmentIn> {
        self.0.range((cycle, 0)..=(cycle, u32::MAX)).filter(|(_, said)| said.round >= said.wanted).map(
            |((_, partition), said)| SegmentIn {
                partition: *partition,
                manifest_digest: said.digest.clone(),
            },
        )
    }

    /// Those of a planned cycle that are not in.
    pub(super) fn due(&self, cycle: u32, partitions: u32) -> Vec<SegmentDue> {
        let due = |partition| match self.0.get(&(cycle, partition)) {
            None => Some(SegmentDue { cycle, partition, round: 0 }),
            Some(said) if said.round < said.wanted => {
                Some(SegmentDue { cycle, partition, round: said.wanted })
            }
            Some(_) => None,
        };
        (0..partitions).filter_map(due).collect()
    }

    /// Takes one from the log.
    fn take(&mut self, segment: &Segment) -> Taken {
        let key = (segment.cycle, segment.partition);
        let Some(said) = self.0.get_mut(&key) else {
            if !segment.lost {
                let (digest, round) = (segment.manifest_digest.clone(), segment.round);
                self.0.insert(key, Said { digest, round, wanted: 0 });
            }
            return Taken::Agrees;
        };
        if segment.lost {
            // Only what is in can be lost: a repeat, or a word about an earlier round, changes nothing.
            if segment.round != said.round || said.wanted > said.round {
                return Taken::Agrees;
            }
            said.wanted = segment.round.saturating_add(1);
            return Taken::Lost;
        }
        said.round = said.round.max(segment.round);
        if said.digest == segment.manifest_digest { Taken::Agrees } else { Taken::Contradicts }
    }
}

/// What became of an event.
enum Taken {
    /// It is in, or was already.
    Agrees,
    /// One that was in is not any more.
    Lost,
    /// It is not what was said first.
    Contradicts,
}

impl Coordinator {
    pub(super) fn fold_segment(&mut self, segment: &Segment, effects: &mut Vec<Effect>) {
        let Segment { cycle, partition, .. } = *segment;
        match self.segments.take(segment) {
            Taken::Agrees => {}
            // Once it is in again the folder is put together anew.
            Taken::Lost => {
                self.said.remove(&(Step::Render, cycle));
            }
            Taken::Contradicts => {
                let alarm = format!("two different segments for cycle {cycle} of partition {partition}");
                self.halted = Some(alarm.clone());
                effects.push(Effect::Alarm(alarm));
            }
        }
    }

    pub(super) fn segment_lost(&mut self, cycle: u32, partition: u32, what: &str, effects: &mut Vec<Effect>) {
        let said = self.segments.0.get(&(cycle, partition));
        let Some(said) = said.filter(|_| !self.published.contains_key(&cycle)) else { return };
        // Rendered anew and not there again: it may stand where this node does not look.
        let hint = if said.round > 0 { "; do all clearing nodes name the same `objects`?" } else { "" };
        effects.push(Effect::Alarm(format!(
            "the segment of partition {partition} for cycle {cycle} is lost ({what}); its owner renders it again{hint}"
        )));
        let segment =
            Segment { cycle, partition, manifest_digest: said.digest.clone(), round: said.round, lost: true };
        effects.push(Effect::Say(CycleEvent { body: Some(Body::Segment(segment)) }));
    }
}
