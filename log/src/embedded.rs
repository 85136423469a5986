//! The log in a folder of this machine, on RocksDB, for one process.
//!
//! One thread makes everything durable: it takes whatever the writers have queued, gives it offsets
//! and writes it as one synced batch, so the more is waiting the less each message costs.
//!
//! **When a write fails** (a full disk, a broken one) the log stops for good: the failed groups and
//! everything queued behind them are told so, every later append is refused, and nothing lands behind
//! the failure. Readers go on with what is durable. Once the cause is gone, opening the log again
//! continues it. A group that was told of a failure may still be found there: its writer sends it
//! again, as after a crash.

use std::{
    ops::Range,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
};

use crate::{Commit, Log, LogError, Membership, Owner, Partition, Reader, TopicSpec, Writer};

mod catalog;
mod committer;
mod members;
mod queue;
mod reader;
mod sharing;
mod store;
mod subscribers;
mod writer;

use catalog::Catalog;
use members::{Groups, Member};
use queue::Queue;
use reader::EmbeddedReader;
use store::Store;
use subscribers::Subscribers;
use writer::EmbeddedWriter;

/// A durable log in one folder. Clones share it; the last one to go, readers and writers included,
/// writes what is queued and closes it.
#[derive(Clone)]
pub struct EmbeddedLog {
    opened: Arc<Opened>,
}

/// What callers share; its end is the end of the committing thread.
struct Opened {
    shared: Arc<Shared>,
    committer: Mutex<Option<JoinHandle<()>>>,
}

/// What callers and the committing thread share.
struct Shared {
    store: Store,
    catalog: Catalog,
    queue: Queue,
    subscribers: Subscribers,
    groups: Groups,
}

impl EmbeddedLog {
    /// Opens the log in the folder `path`, which is made if it does not exist.
    ///
    /// # Errors
    /// [`LogError::InUse`] if it is open already, here or in another process;
    /// [`LogError::Backend`] if the folder cannot be used.
    pub fn open(path: &Path) -> Result<Self, LogError> {
        let store = Store::open(path)?;
        let catalog = Catalog::load(&store)?;
        let shared = Arc::new(Shared {
            store,
            catalog,
            queue: Queue::default(),
            subscribers: Subscribers::default(),
            groups: Groups::default(),
        });
        let its = Arc::clone(&shared);
        let committer = thread::Builder::new()
            .name("log-commit".to_owned())
            .spawn(move || committer::run(&its))
            .map_err(|source| LogError::Backend {
                context: "start the log's committing thread".to_owned(),
                source: Box::new(source),
            })?;
        Ok(Self { opened: Arc::new(Opened { shared, committer: Mutex::new(Some(committer)) }) })
    }

    fn shared(&self) -> &Shared {
        &self.opened.shared
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.shared.queue.close();
        let committer = self.committer.lock().unwrap_or_else(PoisonError::into_inner).take();
        // A callback may hold the last handle: then this is that thread, which ends by itself.
        if let Some(committer) = committer.filter(|it| it.thread().id() != thread::current().id())
            && committer.join().is_err()
        {
            tracing::error!("the log's committing thread panicked in a callback");
        }
    }
}

impl Log for EmbeddedLog {
    fn create_topics(&self, topics: &[TopicSpec]) -> Result<(), LogError> {
        self.shared().catalog.create(&self.shared().store, topics)?;
        self.shared().groups.share_all(&self.shared().catalog);
        Ok(())
    }

    fn bounds(&self, partition: &Partition) -> Result<Range<u64>, LogError> {
        Ok(0..self.shared().catalog.find(partition)?.end())
    }

    fn reader(&self, starts: &[(Partition, u64)]) -> Result<Box<dyn Reader>, LogError> {
        Ok(Box::new(EmbeddedReader::open(Arc::clone(&self.opened), starts)?))
    }

    fn writer(&self) -> Result<Box<dyn Writer>, LogError> {
        Ok(Box::new(EmbeddedWriter::new(Arc::clone(&self.opened))))
    }

    fn commit(&self, group: &str, positions: &[(Partition, Commit)]) -> Result<(), LogError> {
        for (partition, commit) in positions {
            self.shared().catalog.find(partition)?;
            crate::check_note(partition, commit)?;
        }
        self.shared().store.keep_commits(group, positions)
    }

    fn committed(&self, group: &str, partitions: &[Partition]) -> Result<Vec<Option<Commit>>, LogError> {
        partitions.iter().map(|partition| self.shared().store.commit(group, partition)).collect()
    }

    fn join(
        &self,
        group: &str,
        topics: &[String],
        owner: Box<dyn Owner>,
    ) -> Result<Box<dyn Membership>, LogError> {
        Ok(Box::new(Member::join(Arc::clone(&self.opened), group, topics, owner)?))
    }
}
