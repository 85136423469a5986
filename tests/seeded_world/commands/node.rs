//! A node that works on one partition, with its disk and what an operator kept of it.

use clearing_node::{
    book::{Book, Stepped, rows, tip::Tip},
    store::Txn,
};

use super::super::{disks::Disk, env::Env, net::Topic, reference::Check};

/// A node of one partition.
pub struct Node<D> {
    pub partition: u32,
    pub disk: D,
    book: Book,
    pub snapshots: Vec<D>,
    /// Its store is ahead of the log: it stands still until an operator restores it.
    pub ahead: bool,
}

impl<D: Disk> Node<D> {
    pub fn new(partition: u32) -> Result<Self, String> {
        let disk = D::empty()?;
        Ok(Self { partition, book: Book::new(partition), disk, snapshots: Vec::new(), ahead: false })
    }

    /// Starts on what its disk holds.
    pub fn start(&mut self, env: &Env) -> Check {
        let rulebooks: Vec<_> = env.documents.iter().map(|d| std::sync::Arc::clone(&d.rulebook)).collect();
        let loaded = self.disk.read(&mut |txn: &dyn Txn| {
            Book::load(self.partition, txn, &rulebooks).map_err(|halt| halt.to_string())
        });
        self.book = loaded?;
        Ok(())
    }

    /// Folds up to so many messages as one transaction; whether there was one.
    pub fn fold(&mut self, env: &Env, messages: u64, dies: bool) -> Result<bool, String> {
        if self.ahead {
            return Ok(false);
        }
        let (first, partition) = (self.book.next_offset(), &mut self.book);
        let oracle = &env.partitions[usize::try_from(self.partition).unwrap()];
        for document in &env.documents {
            partition.learn(std::sync::Arc::clone(&document.rulebook));
        }
        let mut write = |txn: &mut dyn Txn| {
            for offset in first..first + messages {
                let Some(payload) = env.log.read(Topic::Clearing(self.partition), offset) else { break };
                let mut said = Vec::new();
                let stepped = partition.step(txn, offset, payload, &mut said).map_err(|h| h.to_string())?;
                if stepped != Stepped::Done || said != oracle.effects[usize::try_from(offset).unwrap()] {
                    return Err(format!("offset {offset} of partition {}: {said:?}", self.partition));
                }
            }
            partition.seal(txn);
            Ok(())
        };
        self.disk.write(!dies, &mut write)?;
        if dies {
            self.start(env)?;
        }
        Ok(self.book.next_offset() > first)
    }

    /// The log ends earlier now. A store that has folded what is gone is of no use, nor is such a snapshot: the last
    /// folded message is not where it was.
    pub fn log_has_shrunk(&mut self, env: &Env) -> Check {
        let topic = Topic::Clearing(self.partition);
        let end = env.log.end(topic);
        let stands =
            |tip: Tip| env.log.read(topic, tip.offset).is_some_and(|p| Tip::of(tip.offset, &p) == tip);
        if !self.ahead {
            self.ahead = self.book.next_offset() > end;
            if self.ahead == self.book.tip().is_none_or(stands) {
                return Err(format!(
                    "the tip {:?} does not tell that the log ends at {end}",
                    self.book.tip()
                ));
            }
        }
        for snapshot in std::mem::take(&mut self.snapshots) {
            let folded = snapshot.read(&mut |txn| rows::next_offset(txn).map_err(|e| e.to_string()))?;
            if folded <= end {
                self.snapshots.push(snapshot);
            }
        }
        Ok(())
    }

    /// The operator restores a snapshot, or an empty store where there is none at that place.
    pub fn restore(&mut self, env: &Env, place: usize) -> Check {
        self.disk = self.snapshots.get(place).map_or_else(D::empty, D::copy)?;
        self.ahead = false;
        self.start(env)
    }
}
