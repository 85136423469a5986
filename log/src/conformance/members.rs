//! Members of a group: who owns which partitions.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use super::{PATIENCE, Subject};
use crate::{Membership, Owner, Partition};

/// Who owns what, as the owners were told, and what was told wrongly.
#[derive(Default)]
struct Owners {
    of: Mutex<BTreeMap<Partition, u32>>,
    wrong: Mutex<Vec<String>>,
}

/// One member, which notes what it is told.
struct Told {
    member: u32,
    owners: Arc<Owners>,
}

impl Owner for Told {
    fn assigned(&mut self, partitions: &[Partition]) {
        for partition in partitions {
            if let Some(other) = self.owners.of.lock().expect("lock").insert(partition.clone(), self.member) {
                let wrong = format!("{partition} is assigned to {} while {other} owns it", self.member);
                self.owners.wrong.lock().expect("lock").push(wrong);
            }
        }
    }

    fn revoked(&mut self, partitions: &[Partition]) {
        // Long enough for another to be told too early.
        thread::sleep(Duration::from_millis(20));
        for partition in partitions {
            let gone = self.owners.of.lock().expect("lock").remove(partition);
            if gone != Some(self.member) {
                let wrong = format!("{partition} is revoked from {} while {gone:?} owns it", self.member);
                self.owners.wrong.lock().expect("lock").push(wrong);
            }
        }
    }

    fn lost(&mut self, partitions: &[Partition]) {
        self.owners.wrong.lock().expect("lock").push(format!("{} lost {partitions:?}", self.member));
    }
}

impl Owners {
    fn join(self: &Arc<Self>, subject: &Subject, member: u32, topics: &[&str]) -> Box<dyn Membership> {
        let told = Told { member, owners: Arc::clone(self) };
        let group = format!("{}members", subject.prefix);
        subject.log.join(&group, &names(subject, topics), Box::new(told)).expect("join")
    }

    /// Waits until each of these members owns so many partitions, all that there are.
    fn wait_for(&self, wanted: &[(u32, usize)]) {
        let wanted: BTreeMap<u32, usize> = wanted.iter().copied().collect();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
            for member in self.of.lock().expect("lock").values() {
                *counts.entry(*member).or_default() += 1;
            }
            if counts == wanted {
                break;
            }
            assert!(Instant::now() < deadline, "{counts:?}, not {wanted:?}");
            thread::sleep(Duration::from_millis(5));
        }
        let wrong = self.wrong.lock().expect("lock");
        assert!(wrong.is_empty(), "{wrong:?}");
    }

    fn owned_by(&self, member: u32) -> Vec<Partition> {
        let of = self.of.lock().expect("lock");
        of.iter().filter(|(_, its)| **its == member).map(|(partition, _)| partition.clone()).collect()
    }
}

fn names(subject: &Subject, topics: &[&str]) -> Vec<String> {
    topics.iter().map(|topic| format!("{}{topic}", subject.prefix)).collect()
}

pub fn a_lone_member_owns_everything(subject: &Subject) {
    let mut all = subject.topic("shared", 3);
    all.push(subject.one("single"));
    let owners = Arc::new(Owners::default());
    let member = owners.join(subject, 1, &["shared", "single"]);
    owners.wait_for(&[(1, 4)]);
    assert_eq!(member.owned(), all);
    assert_eq!(member.failed(), None);
    drop(member);
    owners.wait_for(&[]);
    let again = owners.join(subject, 2, &["single"]);
    owners.wait_for(&[(2, 1)]);
    assert_eq!(again.owned(), all[3..]);
}

pub fn members_share_and_who_leaves_hands_over(subject: &Subject) {
    let all = subject.topic("shared", 6);
    let owners = Arc::new(Owners::default());
    let first = owners.join(subject, 1, &["shared"]);
    owners.wait_for(&[(1, 6)]);
    let second = owners.join(subject, 2, &["shared"]);
    owners.wait_for(&[(1, 3), (2, 3)]);
    let before = owners.owned_by(1);
    let third = owners.join(subject, 3, &["shared"]);
    owners.wait_for(&[(1, 2), (2, 2), (3, 2)]);
    assert!(owners.owned_by(1).iter().all(|partition| before.contains(partition)), "more moved than needed");
    let kept = owners.owned_by(3);
    drop(first);
    owners.wait_for(&[(2, 3), (3, 3)]);
    assert!(kept.iter().all(|partition| owners.owned_by(3).contains(partition)), "more moved than needed");
    drop(second);
    owners.wait_for(&[(3, 6)]);
    assert_eq!(third.owned(), all);
}

pub fn a_member_may_name_other_topics_later(subject: &Subject) {
    let [one, other] = [subject.one("one"), subject.one("other")];
    let owners = Arc::new(Owners::default());
    let member = owners.join(subject, 1, &["one"]);
    owners.wait_for(&[(1, 1)]);
    member.subscribe(&names(subject, &["one", "other"])).expect("subscribe");
    owners.wait_for(&[(1, 2)]);
    member.subscribe(&names(subject, &["other"])).expect("subscribe");
    owners.wait_for(&[(1, 1)]);
    assert_eq!(owners.owned_by(1), [other]);
    let elsewhere = owners.join(subject, 2, &["one"]);
    owners.wait_for(&[(1, 1), (2, 1)]);
    assert_eq!(elsewhere.owned(), [one]);
}

pub fn a_topic_that_comes_later_is_shared(subject: &Subject) {
    let first = subject.one("first");
    let owners = Arc::new(Owners::default());
    let member = owners.join(subject, 1, &["first", "later"]);
    owners.wait_for(&[(1, 1)]);
    assert_eq!(member.owned(), [first]);
    subject.topic("later", 2);
    owners.wait_for(&[(1, 3)]);
}
