//! The log on Apache Kafka.
//!
//! - **Writing**: one idempotent producer (`acks=all`), shared by the writers of a connection. It
//!   retries for ever, so a broker that is away only delays. An error that retrying cannot heal (a
//!   message the broker refuses, no permission, a broken sequence) stops the producer: everything
//!   queued is told so and every later append is refused until a new [`KafkaLog::connect`], so nothing
//!   lands behind the failure.
//! - **Reading**: partitions are assigned by hand with their offsets, never by a group. Every offset
//!   must follow the one before; what retention or a recreated topic took away is a
//!   [`LogError::Hole`]. While a broker is away a poll returns empty, with a warning in the log.
//! - **Positions** are kept for groups without members, which a broker forgets after
//!   `offsets.retention.minutes` (a week by default): set it to its greatest value.
//! - **Members of groups** own partitions and fetch nothing: reading stays assigned by hand. A member that the
//!   broker has not heard for the session timeout (a process that stood still, a broken network) has lost what
//!   it owned, and joins again by itself.
//! - **Requests** (bounds, commits, topics) are repeated while the broker is away, for at most
//!   [`ANSWER_WAIT_MAX`], then they are a [`LogError::Timeout`].

use std::{
    collections::BTreeMap,
    fmt,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{Commit, Log, LogError, Membership, Owner, Partition, Reader, TopicSpec, Writer};

mod client;
mod commits;
mod examine;
mod lasting;
mod ledger;
mod members;
mod reader;
mod topics;
mod writer;

use client::Probe;
use commits::GroupClient;
pub use examine::{Examination, MESSAGE_BYTES_WANTED, POSITIONS_KEPT_MINUTES, Settings, examine};
use members::Member;
use reader::KafkaReader;
use writer::{KafkaWriter, Producing};

pub use lasting::LastingKafka;

/// Longest that one request is repeated while the broker does not answer.
pub const ANSWER_WAIT_MAX: Duration = Duration::from_secs(60);

/// How long a member of a group may be silent, usually.
pub const SESSION_TIMEOUT: Duration = Duration::from_secs(10);

/// How to reach a Kafka cluster.
#[derive(Clone, PartialEq, Eq)]
pub struct KafkaConfig {
    /// `host:port`, several separated by commas.
    pub bootstrap: String,
    /// The name by which the broker's logs know this process.
    pub client_id: String,
    /// Copies of each partition of a topic that is created.
    pub replication: u32,
    /// How long a member of a group may be silent before others get what it owns. Brokers take no less than
    /// their `group.min.session.timeout.ms` (6 s by default).
    pub session_timeout: Duration,
    /// Settings of the client library that begin with `security.`, `ssl.` or `sasl.`, passed on as
    /// they are.
    pub security: BTreeMap<String, String>,
}

impl KafkaConfig {
    /// A plain connection to `bootstrap`, one copy of each partition.
    #[must_use]
    pub fn new(bootstrap: &str, client_id: &str) -> Self {
        Self {
            bootstrap: bootstrap.to_owned(),
            client_id: client_id.to_owned(),
            replication: 1,
            session_timeout: SESSION_TIMEOUT,
            security: BTreeMap::new(),
        }
    }
}

impl fmt::Debug for KafkaConfig {
    /// Shows no values of security settings: passwords are among them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaConfig")
            .field("bootstrap", &self.bootstrap)
            .field("client_id", &self.client_id)
            .field("replication", &self.replication)
            .field("session_timeout", &self.session_timeout)
            .field("security", &self.security.keys())
            .finish()
    }
}

/// A Kafka cluster as a log. Clones share its connections.
#[derive(Clone)]
pub struct KafkaLog {
    connection: Arc<Connection>,
}

struct Connection {
    config: KafkaConfig,
    probe: Probe,
    producing: Mutex<Option<Arc<Producing>>>,
    groups: Mutex<BTreeMap<String, Arc<GroupClient>>>,
    /// Topics known to exist, with their partitions: they never change.
    known: Mutex<BTreeMap<String, u32>>,
}

impl KafkaLog {
    /// Connects, and waits until a broker answers.
    ///
    /// # Errors
    /// [`LogError::Backend`] if no broker answers or a setting is refused.
    pub fn connect(config: KafkaConfig) -> Result<Self, LogError> {
        let probe = Probe::connect(&config)?;
        Ok(Self {
            connection: Arc::new(Connection {
                config,
                probe,
                producing: Mutex::default(),
                groups: Mutex::default(),
                known: Mutex::default(),
            }),
        })
    }

    /// Whether its producer has stopped after a failure, so that its writers take nothing any more.
    #[must_use]
    pub fn has_stopped(&self) -> bool {
        lock(&self.connection.producing).as_ref().is_some_and(|producing| producing.failure().is_some())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Connection {
    /// The group's own client: positions are kept under its `group.id`.
    fn group(&self, group: &str) -> Result<Arc<GroupClient>, LogError> {
        let mut groups = lock(&self.groups);
        if let Some(client) = groups.get(group) {
            return Ok(Arc::clone(client));
        }
        let client = Arc::new(GroupClient::new(&self.config, group)?);
        groups.insert(group.to_owned(), Arc::clone(&client));
        Ok(client)
    }

    fn require(&self, partition: &Partition) -> Result<(), LogError> {
        let mut known = lock(&self.known);
        let partitions = match known.get(&*partition.topic) {
            Some(partitions) => *partitions,
            None => {
                let found = self.probe.partitions(&partition.topic)?;
                let found = found.ok_or_else(|| LogError::NoTopic(partition.topic.to_string()))?;
                known.insert(partition.topic.to_string(), found);
                found
            }
        };
        if partition.number < partitions { Ok(()) } else { Err(LogError::NoTopic(partition.to_string())) }
    }
}

impl Log for KafkaLog {
    fn create_topics(&self, topics: &[TopicSpec]) -> Result<(), LogError> {
        topics::create(&self.connection.config, &self.connection.probe, topics)
    }

    fn bounds(&self, partition: &Partition) -> Result<Range<u64>, LogError> {
        self.connection.probe.bounds(partition)
    }

    fn reader(&self, starts: &[(Partition, u64)]) -> Result<Box<dyn Reader>, LogError> {
        Ok(Box::new(KafkaReader::open(Arc::clone(&self.connection), starts)?))
    }

    fn writer(&self) -> Result<Box<dyn Writer>, LogError> {
        let mut shared = lock(&self.connection.producing);
        let producing = match &*shared {
            Some(producing) => Arc::clone(producing),
            None => {
                let producing = Arc::new(Producing::start(&self.connection.config)?);
                Arc::clone(shared.insert(producing))
            }
        };
        Ok(Box::new(KafkaWriter::new(Arc::clone(&self.connection), producing)))
    }

    fn commit(&self, group: &str, positions: &[(Partition, Commit)]) -> Result<(), LogError> {
        for (partition, commit) in positions {
            self.connection.require(partition)?;
            crate::check_note(partition, commit)?;
        }
        self.connection.group(group)?.commit(positions)
    }

    fn committed(&self, group: &str, partitions: &[Partition]) -> Result<Vec<Option<Commit>>, LogError> {
        self.connection.group(group)?.committed(partitions)
    }

    fn join(
        &self,
        group: &str,
        topics: &[String],
        owner: Box<dyn Owner>,
    ) -> Result<Box<dyn Membership>, LogError> {
        Ok(Box::new(Member::join(&self.connection.config, group, topics, owner)?))
    }
}
