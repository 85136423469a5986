//! The switch as a service: its threads, the log and the home cities around [`crate::core`].
//!
//! One thread steps the core and appends; one reads; a task for each home city holds a stream. What the log
//! cannot do ends the service with that error: everything is resumed from the log at the next start.

mod handover;
mod holdings;
mod link;
mod ownership;
mod positions;
mod reader;
mod shell;

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use bytes::Bytes;
use crossbeam_channel::{Sender, bounded, unbounded};
use cu_log::{
    Log, LogError, Membership, Partition,
    topics::{SWITCH_MEMBERS, Topics},
};
use domain::city::City;
use tonic::transport::Channel;

use self::{ownership::Ownership, positions::Positions, reader::Reading, shell::Shell};
pub use crate::core::Status;
use crate::{
    core::{Input, SwitchConfig},
    directory::Directory,
};

/// How much longer than the work itself giving an acquirer up may take: its positions are committed.
const GIVE_UP_SPARE: Duration = Duration::from_secs(10);

/// Limits of the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceConfig {
    /// Limits and waits of the core.
    pub switch: SwitchConfig,
    /// How often positions are committed.
    pub commit_every: Duration,
    /// Bytes read from the log at once, about.
    pub poll_bytes_max: usize,
    /// How long a home city may take to open a stream.
    pub open_max: Duration,
    /// How long batches in work are waited for when the switch stops or gives an acquirer up.
    pub drain_max: Duration,
}

impl Default for ServiceConfig {
    fn default() -> Self {
        Self {
            switch: SwitchConfig::default(),
            commit_every: Duration::from_millis(100),
            poll_bytes_max: 4 << 20,
            open_max: Duration::from_secs(10),
            drain_max: Duration::from_secs(5),
        }
    }
}

/// Why the switch could not start.
#[derive(Debug, thiserror::Error)]
pub enum SwitchError {
    /// The log failed.
    #[error("{context}; look at the log and start the switch again")]
    Log {
        /// What was being done.
        context: &'static str,
        /// What the log said.
        #[source]
        source: LogError,
    },
    /// A committed position carries no batch number.
    #[error(
        "read the position of {partition}: `{note}` is no batch number; was it committed by something else?"
    )]
    Note {
        /// The taps.
        partition: Partition,
        /// What stands there.
        note: String,
    },
    /// A thread could not be started.
    #[error("start a thread of the switch")]
    Thread(#[source] std::io::Error),
}

/// What reaches the core thread besides messages of the log.
enum Event {
    /// Goes to the core as it is.
    Input(Input),
    /// Messages of a park that were asked for in this turn of its acquirer.
    Fetched { acquirer: City, turn: u64, messages: Vec<(u64, Bytes)> },
    /// These are this switch's from now on.
    Own(Vec<City>),
    /// Where an acquirer stands, in answer to its turn.
    Found(City, u64, Result<Positions, SwitchError>),
    /// An acquirer's messages cannot be read.
    Unreadable(City, u64, LogError),
    /// These are to be given up; whoever asked is told when they are.
    GiveUp(Vec<City>, Sender<()>),
    /// These are another's already.
    Lost(Vec<City>),
    /// A group of appends is durable.
    Durable(Vec<u64>),
    /// The directory changed.
    Endpoint(City, Option<Channel>),
    /// The log failed.
    Failed(&'static str, LogError),
    /// Finish what is in work, then end.
    Stop,
}

/// What others see of the core thread.
#[derive(Default)]
struct Shared {
    status: Mutex<Status>,
    failure: Mutex<Option<String>>,
    abandoned: AtomicBool,
}

/// A lock that a panic elsewhere does not take away: the values are replaced whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A running switch. Dropped without [`SwitchHandle::stop`], it ends at once, as in a crash; only the group
/// hears that it has left.
pub struct SwitchHandle {
    events: Sender<Event>,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    topics: Topics,
    members: Option<Members>,
}

/// Its place among the switches that share acquirers.
struct Members {
    membership: Box<dyn Membership>,
    shared: Mutex<BTreeSet<City>>,
}

impl SwitchHandle {
    /// Sets or takes away a home city's endpoint.
    pub fn set_endpoint(&self, issuer: City, channel: Option<Channel>) {
        // A switch that has ended needs no endpoints.
        drop(self.events.send(Event::Endpoint(issuer, channel)));
    }

    /// Shares these acquirers with the other switches of the group from now on. Nothing changes for a switch
    /// whose acquirers are its own.
    ///
    /// # Errors
    /// A failure of the log.
    pub fn share(&self, acquirers: &BTreeSet<City>) -> Result<(), LogError> {
        let Some(members) = &self.members else { return Ok(()) };
        let mut shared = lock(&members.shared);
        if *shared != *acquirers {
            tracing::info!("sharing {} acquirers", acquirers.len());
            members.membership.subscribe(&names(&self.topics, acquirers))?;
            shared.clone_from(acquirers);
        }
        Ok(())
    }

    /// A recent picture of the switch.
    #[must_use]
    pub fn status(&self) -> Status {
        lock(&self.shared.status).clone()
    }

    /// How many parked parts will still leave the park because their home city is one of `up`.
    #[must_use]
    pub fn parked_waiting_for(&self, up: impl Fn(City) -> bool) -> u64 {
        lock(&self.shared.status).parked_waiting_for(up)
    }

    /// Why the switch ended by itself, if it did.
    #[must_use]
    pub fn failed(&self) -> Option<String> {
        let failure = lock(&self.shared.failure).clone();
        failure.or_else(|| self.members.as_ref()?.membership.failed())
    }

    /// Gives up what it shares, reads no more, finishes what is in work (for a bounded time), commits, and ends.
    ///
    /// # Errors
    /// Why the switch had ended by itself before, or failed to while it was stopped.
    pub fn stop(mut self) -> Result<(), String> {
        let membership = self.members.as_ref().and_then(|members| members.membership.failed());
        // Leaving the group waits until the core's thread has given everything up.
        self.members = None;
        drop(self.events.send(Event::Stop));
        self.join();
        self.failed().or(membership).map_or(Ok(()), Err)
    }

    fn join(&mut self) {
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                lock(&self.shared.failure)
                    .get_or_insert_with(|| "a thread of the switch panicked".to_owned());
            }
        }
    }
}

impl Drop for SwitchHandle {
    fn drop(&mut self) {
        self.shared.abandoned.store(true, Ordering::Relaxed);
        self.join();
        // Nobody is left who would give anything up: the group hears at once.
        self.members = None;
    }
}

/// Whose taps a switch takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Acquirers {
    /// These; no other switch may take theirs.
    Own(BTreeSet<City>),
    /// Its share of these: all switches on this log that share are one group.
    Shared(BTreeSet<City>),
}

/// What the switch works with.
pub struct Surroundings {
    /// The log.
    pub log: Arc<dyn Log>,
    /// Names of the topics.
    pub topics: Topics,
    /// The acquirers whose taps and parks this switch owns, or of which it owns its share.
    pub acquirers: Acquirers,
    /// Channels to the home cities; those not named have no endpoint.
    pub directory: Directory,
    /// The partition of `cu.clearing` of an acquirer, as the rulebook says.
    pub partition_of: Arc<dyn Fn(City) -> u32 + Send + Sync>,
    /// Where the connections to home cities live.
    pub tokio: tokio::runtime::Handle,
}

/// Starts a switch from where the log says it stood.
///
/// # Errors
/// [`SwitchError`] if the log cannot be read or holds a position that makes no sense.
pub fn start(config: ServiceConfig, with: Surroundings) -> Result<SwitchHandle, SwitchError> {
    let at = |context| move |source| SwitchError::Log { context, source };
    let begins = match &with.acquirers {
        Acquirers::Own(acquirers) => {
            let one = |acquirer: &City| Positions::find(&*with.log, &with.topics, *acquirer);
            acquirers.iter().map(one).collect::<Result<_, _>>()?
        }
        Acquirers::Shared(_) => Vec::new(),
    };
    let log_reader = with.log.reader(&[]).map_err(at("open the taps, parks and results"))?;
    let writer = with.log.writer().map_err(at("open a writer"))?;

    let (events, hear_events) = unbounded();
    let (orders, hear_orders) = unbounded();
    let (messages, hear_messages) = bounded(2);
    let shared = Arc::new(Shared::default());
    let (log, topics, acquirers) = (Arc::clone(&with.log), with.topics.clone(), with.acquirers.clone());
    let shell = Shell::new(config.clone(), with, writer, orders, events.clone(), Arc::clone(&shared), begins);

    let mut handle =
        SwitchHandle { events: events.clone(), shared, threads: Vec::new(), topics, members: None };
    let mut reading = Reading::new(log_reader, events.clone());
    let failures = events.clone();
    let reading = std::thread::Builder::new().name("switch-reader".to_owned()).spawn(move || {
        if let Err(error) = reading.run(&hear_orders, &messages, config.poll_bytes_max) {
            drop(failures.send(Event::Failed("read the taps, parks and results", error)));
        }
    });
    handle.threads.push(reading.map_err(SwitchError::Thread)?);
    let stepping = std::thread::Builder::new()
        .name("switch-core".to_owned())
        .spawn(move || shell.run(&hear_events, &hear_messages));
    handle.threads.push(stepping.map_err(SwitchError::Thread)?);

    if let Acquirers::Shared(acquirers) = acquirers {
        let topics = handle.topics.clone();
        let owner = Ownership { topics, events, patience: config.drain_max + GIVE_UP_SPARE };
        let (group, names) = (handle.topics.group(SWITCH_MEMBERS), names(&handle.topics, &acquirers));
        let membership =
            log.join(&group, &names, Box::new(owner)).map_err(at("join the group of switches"))?;
        handle.members = Some(Members { membership, shared: Mutex::new(acquirers) });
    }
    Ok(handle)
}

/// The topics that hold the taps of acquirers.
fn names(topics: &Topics, acquirers: &BTreeSet<City>) -> Vec<String> {
    acquirers.iter().map(|acquirer| topics.taps(acquirer).topic.to_string()).collect()
}
