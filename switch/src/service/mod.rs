//! The switch as a service: its threads, the log and the home cities around [`crate::core`].
//!
//! One thread steps the core and appends; one reads; a task for each home city holds a stream. What the log
//! cannot do ends the service with that error: everything is resumed from the log at the next start.

mod link;
mod reader;
mod shell;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use crossbeam_channel::{Sender, bounded, unbounded};
use cu_log::{
    Log, LogError, Partition,
    topics::{SWITCH_GROUP, Topics},
};
use domain::city::City;
use tonic::transport::Channel;

use self::{
    reader::{Kind, Sources},
    shell::Shell,
};
pub use crate::core::Status;
use crate::{
    core::{Assignment, Input, Switch, SwitchConfig},
    directory::Directory,
};

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
    /// How long [`SwitchHandle::stop`] waits for batches in work.
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

/// A running switch. Dropped without [`SwitchHandle::stop`], it ends at once, as in a crash.
pub struct SwitchHandle {
    events: Sender<Event>,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl SwitchHandle {
    /// Sets or takes away a home city's endpoint.
    pub fn set_endpoint(&self, issuer: City, channel: Option<Channel>) {
        // A switch that has ended needs no endpoints.
        drop(self.events.send(Event::Endpoint(issuer, channel)));
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
        lock(&self.shared.failure).clone()
    }

    /// Reads no more, finishes what is in work (for a bounded time), commits, and ends.
    ///
    /// # Errors
    /// Why the switch had ended by itself before, or failed to while it was stopped.
    pub fn stop(mut self) -> Result<(), String> {
        drop(self.events.send(Event::Stop));
        self.join();
        self.failed().map_or(Ok(()), Err)
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
    }
}

/// What the switch works with.
pub struct Surroundings {
    /// The log.
    pub log: Arc<dyn Log>,
    /// Names of the topics.
    pub topics: Topics,
    /// The acquirers whose taps and parks this switch owns.
    pub acquirers: Vec<City>,
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
    let mut sources = Sources::new();
    let mut starts = Vec::new();
    let mut assignments = Vec::new();
    for acquirer in with.acquirers.iter().copied() {
        let assignment = assignment(&*with.log, &with.topics, acquirer)?;
        let results = with.topics.results(acquirer);
        let results_end = with.log.bounds(&results).map_err(at("find the end of a city's results"))?.end;
        for (partition, kind, offset) in [
            (with.topics.taps(acquirer), Kind::Taps, assignment.tap_offset),
            (with.topics.parked(acquirer), Kind::Parked, assignment.park_offset),
            (results, Kind::Results, results_end),
        ] {
            sources.insert(partition.clone(), (acquirer, kind));
            starts.push((partition, offset));
        }
        assignments.push(assignment);
    }
    let log_reader = with.log.reader(&starts).map_err(at("open the taps, parks and results"))?;
    let writer = with.log.writer().map_err(at("open a writer"))?;

    let (events, hear_events) = unbounded();
    let (flows, hear_flows) = unbounded();
    let (messages, hear_messages) = bounded(2);
    let shared = Arc::new(Shared::default());
    let shell =
        Shell::new(config.clone(), with, writer, flows, events.clone(), Arc::clone(&shared), assignments);

    let failures = events.clone();
    let mut handle = SwitchHandle { events, shared, threads: Vec::new() };
    let reading = std::thread::Builder::new().name("switch-reader".to_owned()).spawn(move || {
        if let Err(error) = reader::run(log_reader, &sources, &hear_flows, &messages, config.poll_bytes_max) {
            drop(failures.send(Event::Failed("read the taps, parks and results", error)));
        }
    });
    handle.threads.push(reading.map_err(SwitchError::Thread)?);
    let stepping = std::thread::Builder::new()
        .name("switch-core".to_owned())
        .spawn(move || shell.run(&hear_events, &hear_messages));
    handle.threads.push(stepping.map_err(SwitchError::Thread)?);
    Ok(handle)
}

/// Where an acquirer's taps and park stand.
fn assignment(log: &dyn Log, topics: &Topics, acquirer: City) -> Result<Assignment, SwitchError> {
    let at = |context| move |source| SwitchError::Log { context, source };
    let partitions = [topics.taps(acquirer), topics.parked(acquirer)];
    let [taps, parked] = &partitions;
    let committed =
        log.committed(&topics.group(SWITCH_GROUP), &partitions).map_err(at("read the switch's positions"))?;
    let (at_taps, at_park) = (committed.first().cloned().flatten(), committed.get(1).cloned().flatten());
    let park = log.bounds(parked).map_err(at("find the end of a city's park"))?;
    let (tap_offset, number) = match at_taps {
        Some(commit) => match commit.note.parse() {
            Ok(number) => (commit.offset, number),
            Err(_) => return Err(SwitchError::Note { partition: taps.clone(), note: commit.note }),
        },
        None => (log.bounds(taps).map_err(at("find the start of a city's taps"))?.start, 0),
    };
    let park_offset = at_park.map_or(park.start, |commit| commit.offset);
    Ok(Assignment { acquirer, tap_offset, number, park_offset, park_end: park.end })
}

/// The core with everything the service was given, before its first message.
fn assigned(
    config: SwitchConfig,
    directory: &Directory,
    assignments: Vec<Assignment>,
) -> (Switch, Vec<Input>) {
    let endpoints = directory.keys().map(|issuer| Input::Endpoint { issuer: *issuer, up: true });
    let inputs = endpoints.chain(assignments.into_iter().map(Input::Assigned)).collect();
    (Switch::new(config), inputs)
}
