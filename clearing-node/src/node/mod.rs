//! A clearing node: a member of the group that shares the partitions of `cu.clearing` and the coordination of the cycles.
//!
//! | file | subject |
//! |---|---|
//! | `host` | what this node owns |
//! | `shell` | the thread around the coordinator |
//! | `status` | what others are shown |

mod host;
mod shell;
mod status;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use cu_log::{
    Log, LogError, Membership,
    topics::{CLEARING_MEMBERS, Topics},
};
use cu_objects::Objects;
use domain::{
    act::{Signer, Written},
    date::Date,
};
use runtime::{scheme::SchemeView, whole_text};
use signing::{Signers, Trust};

pub use status::{CycleProgress, CycleStatus, Role};

use self::{
    host::Host,
    shell::{POLL, Requests},
    status::Shown,
};
use crate::{
    partition::{self, Progress, Restore, State},
    segments::renderer::{self, Renderer},
    snapshot,
    stores::Stores,
};

/// How long a share of the partitions is waited for before a node is taken for one too many.
const SHARE_WAIT: Duration = Duration::from_secs(30);

/// Where a node works and what it may wait for.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// Folder of the partitions' stores.
    pub state_dir: PathBuf,
    /// Folder for putting cycles together; on the file system of `out_dir`.
    pub work_dir: PathBuf,
    /// The object store that all nodes share: by way of it partitions have their share in a cycle's folder.
    pub objects: Objects,
    /// How much rendering stands back behind everything else: 0 (not at all) to 19.
    pub render_niceness: i32,
    /// Folder in which cycles appear.
    pub out_dir: PathBuf,
    /// Who signs them, if somebody does.
    pub signers: Option<Arc<Signers>>,
    /// The CA that certifies people and participants, by which their acts are known; none: only batch acts.
    pub people: Option<Trust>,
    /// Number of partitions of `cu.clearing`; this node works on those that the group gives it.
    pub partitions: u32,
    /// How long a barrier waits before the close goes on without the cities that are missing; none: for ever.
    pub barrier_max: Option<Duration>,
    /// Brings stores back that are not there or behind the log.
    pub restore: Option<Arc<dyn Restore>>,
}

/// Why a node cannot start, or stands still.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The log failed.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The request cannot be met.
    #[error("{0}")]
    Refused(String),
    /// Something stands still until a person has looked.
    #[error("{0}")]
    Halted(String),
    /// It took too long.
    #[error("cycle {cycle} was not {what} within {waited:?}")]
    Timeout {
        /// Its ordinal.
        cycle: u32,
        /// What was waited for.
        what: &'static str,
        /// How long.
        waited: Duration,
    },
    /// The partitions did not all come to this node.
    #[error(
        "not all partitions came to this node within {0:?}; does another clearing node run on the same log?"
    )]
    NotAlone(Duration),
    /// A thread could not be started.
    #[error("start a thread of the clearing node")]
    Thread(#[source] std::io::Error),
}

/// What is asked of the coordinator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Open the next cycle.
    Open {
        /// Its business date.
        business_date: Date,
        /// The rulebook version that shall rule it.
        version: u32,
    },
    /// End the open cycle.
    CutOff {
        /// Business date and rulebook version of the next, if it follows at once.
        opens: Option<(Date, u32)>,
    },
    /// Somebody decides something within this process, which answers for who it is.
    Decide(Box<Written>, Signer),
}

/// A running clearing node. Dropping it stops it: it gives up what it owns, and leaves the group.
pub struct Node {
    config: NodeConfig,
    host: Host,
    joined: Instant,
    stores: Stores,
    requests: Requests,
    shown: Arc<Shown>,
    stop: Arc<AtomicBool>,
    membership: Option<Box<dyn Membership>>,
    thread: Option<JoinHandle<()>>,
}

impl Node {
    /// Joins the group and begins to work on what that gives. Returns at once.
    ///
    /// # Errors
    /// [`NodeError`] if the log fails.
    pub fn start(
        config: NodeConfig,
        log: &Arc<dyn Log>,
        topics: &Topics,
        scheme: &Arc<SchemeView>,
    ) -> Result<Self, NodeError> {
        // Before anything of this node is at work there.
        if let Err(error) = snapshot::clean(&config.state_dir) {
            tracing::warn!("{}", whole_text(&error));
        }
        let (stores, shown) = (Stores::default(), Arc::new(Shown::default()));
        let (owns, stop) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let around = partition::Surroundings {
            log: Arc::clone(log),
            topics: topics.clone(),
            scheme: Arc::clone(scheme),
            stores: stores.clone(),
            restore: config.restore.clone(),
        };
        let host = Host::new(config.state_dir.clone(), around, Arc::clone(&owns));
        let renderer = Renderer::start(renderer::Surroundings {
            log: Arc::clone(log),
            topics: topics.clone(),
            stores: stores.clone(),
            objects: config.objects.clone(),
            work_dir: config.state_dir.join("rendering"),
            niceness: config.render_niceness,
        });
        let around = shell::Surroundings {
            renderer: Arc::new(renderer.map_err(NodeError::Thread)?),
            config: config.clone(),
            log: Arc::clone(log),
            topics: topics.clone(),
            scheme: Arc::clone(scheme),
            shown: Arc::clone(&shown),
            owns,
            stop: Arc::clone(&stop),
        };
        let (requests, asked) = crossbeam_channel::bounded(16);
        let thread = std::thread::Builder::new()
            .name("coordinator".to_owned())
            .spawn(move || shell::keep(&around, &asked))
            .map_err(NodeError::Thread)?;
        let mut node = Self {
            config,
            host,
            joined: Instant::now(),
            stores,
            requests,
            shown,
            stop,
            membership: None,
            thread: Some(thread),
        };
        let shared = [topics.clearing(0), topics.cycles()].map(|partition| partition.topic.to_string());
        node.membership =
            Some(log.join(&topics.group(CLEARING_MEMBERS), &shared, Box::new(node.host.clone()))?);
        Ok(node)
    }

    /// The cycles as they are now.
    #[must_use]
    pub fn status(&self) -> CycleStatus {
        self.shown.lock().clone()
    }

    /// What is going on in each partition that this node owns, by number.
    #[must_use]
    pub fn partitions(&self) -> BTreeMap<u32, Arc<Progress>> {
        self.host.partitions()
    }

    /// The stores of the partitions that this node works on.
    #[must_use]
    pub fn stores(&self) -> &Stores {
        &self.stores
    }

    /// Asks the coordinator; what becomes of it shows in [`Node::status`].
    pub fn request(&self, request: Request) {
        self.shown.change(|status| status.refused = None);
        if self.requests.try_send(request).is_err() {
            self.shown.change(|status| status.refused = Some("other requests wait already".to_owned()));
        }
    }

    /// Has a partition that stands still try again.
    ///
    /// # Errors
    /// [`NodeError::Refused`] if it is not here, or does not stand still.
    pub fn resume(&self, partition: u32) -> Result<(), NodeError> {
        self.host.resume(partition).map_err(NodeError::Refused)
    }

    /// Why a part of the node does not work, if one does not: a partition that stands still or tries again, the
    /// coordinator, the folder of a closed cycle, the membership.
    #[must_use]
    pub fn failed(&self) -> Option<String> {
        let status = self.shown.lock();
        let cycles = [&status.halted, &status.unrendered, &status.segment_failed];
        let cycles = cycles.into_iter().find_map(Clone::clone);
        drop(status);
        self.host.failed().or(cycles).or_else(|| self.membership_failed())
    }

    /// Why this node is a member no longer, if so: it can get nothing any more and must be started anew.
    #[must_use]
    pub fn membership_failed(&self) -> Option<String> {
        self.membership.as_ref()?.failed().map(|why| format!("this node is no longer in the group: {why}"))
    }

    /// Whether the group has not given this node anything since it joined a moment ago. After that one without a
    /// share is one too many, and stands by.
    #[must_use]
    pub fn waits_for_share(&self) -> bool {
        !self.host.was_given() && self.joined.elapsed() < SHARE_WAIT
    }

    /// Says that a person should look.
    pub fn alarm(&self, text: String) {
        self.shown.alarm(text);
    }

    /// Waits until this node works on all partitions and coordinates the cycles.
    ///
    /// # Errors
    /// [`NodeError::Halted`] if something stands still, [`NodeError::NotAlone`].
    pub fn wait_until_whole(&self, timeout: Duration) -> Result<(), NodeError> {
        let deadline = Instant::now() + timeout;
        loop {
            let partitions = self.partitions();
            let working = partitions.values().filter(|progress| progress.state() == State::Working).count();
            if Ok(working) == usize::try_from(self.config.partitions) && self.shown.lock().caught_up {
                return Ok(());
            }
            if let Some(why) = self.failed() {
                return Err(NodeError::Halted(why));
            }
            if Instant::now() >= deadline {
                return Err(NodeError::NotAlone(timeout));
            }
            self.shown.wait(POLL);
        }
    }

    /// Waits until `found` finds something in the status of the cycles.
    ///
    /// # Errors
    /// [`NodeError::Refused`] if the last request was refused, [`NodeError::Halted`] if something stands
    /// still, [`NodeError::Timeout`].
    pub fn wait_for<T>(
        &self,
        cycle: u32,
        what: &'static str,
        timeout: Duration,
        mut found: impl FnMut(&CycleStatus) -> Option<T>,
    ) -> Result<T, NodeError> {
        let deadline = Instant::now() + timeout;
        loop {
            let status = self.status();
            if let Some(value) = found(&status) {
                return Ok(value);
            }
            if let Some(why) = status.refused {
                return Err(NodeError::Refused(why));
            }
            if let Some(why) = self.failed() {
                return Err(NodeError::Halted(why));
            }
            if Instant::now() >= deadline {
                return Err(NodeError::Timeout { cycle, what, waited: timeout });
            }
            self.shown.wait(POLL);
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Leaving the group gives up what is owned.
        self.membership = None;
        self.host.finish();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the coordinator's thread panicked");
        }
    }
}
