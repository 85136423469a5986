//! The snapshots of a running clearing node: taken by themselves, and when somebody asks.

use std::{collections::BTreeMap, time::SystemTime};

use clearing_node::snapshot::{SnapshotStatus, Snapshotter};

use super::cycles::Asked;

/// Takes snapshots and answers who asked for one.
pub(super) struct Snapshots {
    /// None where snapshots are not taken.
    snapshotter: Option<Snapshotter>,
    /// Who waits for a snapshot of which partition, and how its snapshots were before.
    waiting: Vec<(u32, SnapshotStatus, Asked)>,
}

impl Snapshots {
    pub(super) fn new(snapshotter: Option<Snapshotter>) -> Self {
        Self { snapshotter, waiting: Vec::new() }
    }

    /// How the snapshots of each partition at work are.
    pub(super) fn status(&self) -> BTreeMap<u32, SnapshotStatus> {
        self.snapshotter.as_ref().map(Snapshotter::status).unwrap_or_default()
    }

    /// Has a snapshot taken; who asked is answered when it is there.
    pub(super) fn ask(&mut self, partition: u32, asked: Asked) {
        let Some(snapshotter) = &self.snapshotter else {
            return asked.answer(Err("this node takes no snapshots: snapshot_every_s is 0".to_owned()));
        };
        let before = snapshotter.status().remove(&partition);
        match before.filter(|_| snapshotter.ask(partition)) {
            None => asked.answer(Err(format!("partition {partition} is not at work on this node"))),
            Some(before) => self.waiting.push((partition, before, asked)),
        }
    }

    /// Answers those whose snapshot is there, or could not be taken.
    pub(super) fn look(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let now = self.status();
        for (partition, before, asked) in std::mem::take(&mut self.waiting) {
            match outcome(partition, &before, now.get(&partition)) {
                Some(outcome) => asked.answer(outcome),
                None => self.waiting.push((partition, before, asked)),
            }
        }
    }
}

/// What became of a snapshot that was asked for; none while it is going on.
fn outcome(partition: u32, before: &SnapshotStatus, now: Option<&SnapshotStatus>) -> Option<Result<(), String>> {
    let Some(now) = now else {
        return Some(Err(format!("partition {partition} went to another node meanwhile")));
    };
    if now.last != before.last {
        Some(Ok(()))
    } else if now.failures > before.failures {
        Some(Err(now.failed.clone().unwrap_or_default()))
    } else {
        None
    }
}

/// Age of a partition's last snapshot, seconds.
pub(super) fn age_s(status: Option<&SnapshotStatus>) -> Option<u64> {
    status?.last.map(|last| last.age_s(SystemTime::now()))
}

#[cfg(test)]
mod tests {
    use clearing_node::snapshot::Last;

    use super::*;

    #[test]
    fn who_asked_hears_of_the_next_snapshot_and_not_of_an_older_one() {
        let last = |next_offset| Last { next_offset, closed_cycle: 0, at: SystemTime::UNIX_EPOCH, bytes: 1 };
        let failed = Some("no space".to_owned());
        let before = SnapshotStatus { last: Some(last(5)), failures: 1, failed: failed.clone(), copied_bytes: 0 };
        let taken = SnapshotStatus { last: Some(last(6)), failed: None, ..before.clone() };
        let again = SnapshotStatus { failures: 2, ..before.clone() };
        assert_eq!(outcome(1, &before, Some(&before)), None);
        assert_eq!(outcome(1, &before, Some(&taken)), Some(Ok(())));
        assert_eq!(outcome(1, &before, Some(&again)), Some(Err("no space".to_owned())));
        assert!(outcome(1, &before, None).is_some_and(|told| told.is_err()));
    }
}
