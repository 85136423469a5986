//! The snapshots of a running clearing node: taken by themselves, and when somebody asks.

use std::{collections::BTreeMap, time::SystemTime};

use clearing_node::snapshot::{SnapshotStatus, Snapshotter};

use super::cycles::Asked;

/// Takes snapshots and answers who asked for one.
pub(super) struct Snapshots {
    /// None where snapshots are not taken.
    snapshotter: Option<Snapshotter>,
    waiting: Vec<Waiting>,
}

/// Somebody waits for a snapshot.
struct Waiting {
    partition: u32,
    /// The next offset when it was asked for: the snapshot must hold everything before it.
    folded: u64,
    /// Failures until then.
    failures: u64,
    asked: Asked,
}

impl Snapshots {
    pub(super) fn new(snapshotter: Option<Snapshotter>) -> Self {
        Self { snapshotter, waiting: Vec::new() }
    }

    /// How the snapshots of each partition at work are.
    pub(super) fn status(&self) -> BTreeMap<u32, SnapshotStatus> {
        self.snapshotter.as_ref().map(Snapshotter::status).unwrap_or_default()
    }

    /// Has a snapshot taken of a partition that stands at offset `folded`, if it is here; who asked is answered when
    /// the snapshot is there.
    pub(super) fn ask(&mut self, partition: u32, folded: Option<u64>, asked: Asked) {
        let Some(snapshotter) = &self.snapshotter else {
            return asked.answer(Err("this node takes no snapshots: snapshot_every_s is 0".to_owned()));
        };
        match folded {
            Some(0) => asked.answer(Err(format!("partition {partition} has folded nothing yet"))),
            Some(folded) if snapshotter.ask(partition) => {
                let failures = snapshotter.status().get(&partition).map_or(0, |before| before.failures);
                self.waiting.push(Waiting { partition, folded, failures, asked });
            }
            _ => asked.answer(Err(format!("partition {partition} is not at work on this node"))),
        }
    }

    /// Answers those whose snapshot is there, or could not be taken.
    pub(super) fn look(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let now = self.status();
        for waiting in std::mem::take(&mut self.waiting) {
            let Waiting { partition, folded, failures, .. } = waiting;
            match outcome(partition, folded, failures, now.get(&partition)) {
                Some(outcome) => waiting.asked.answer(outcome),
                None => self.waiting.push(waiting),
            }
        }
    }
}

/// What became of a snapshot that was asked for; none while it is going on.
fn outcome(
    partition: u32,
    folded: u64,
    failures: u64,
    now: Option<&SnapshotStatus>,
) -> Option<Result<(), String>> {
    let Some(now) = now else {
        return Some(Err(format!("partition {partition} went to another node meanwhile")));
    };
    if now.last.is_some_and(|last| last.next_offset >= folded) {
        Some(Ok(()))
    } else if now.failures > failures {
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
    fn who_asked_hears_of_a_snapshot_that_holds_everything_and_of_no_older_one() {
        let last = |next_offset| Last { next_offset, closed_cycle: 0, at: SystemTime::UNIX_EPOCH, bytes: 1 };
        let failed = Some("no space".to_owned());
        let before = SnapshotStatus { last: Some(last(5)), failures: 1, failed, copied_bytes: 0 };
        let begun_earlier = SnapshotStatus { last: Some(last(6)), failed: None, ..before.clone() };
        let taken = SnapshotStatus { last: Some(last(7)), failed: None, ..before.clone() };
        let again = SnapshotStatus { failures: 2, ..before.clone() };
        let outcome = |now| outcome(1, 7, 1, now);
        assert_eq!(outcome(Some(&before)), None);
        assert_eq!(outcome(Some(&begun_earlier)), None);
        assert_eq!(outcome(Some(&taken)), Some(Ok(())));
        assert_eq!(outcome(Some(&again)), Some(Err("no space".to_owned())));
        assert!(outcome(None).is_some_and(|told| told.is_err()));
    }
}
