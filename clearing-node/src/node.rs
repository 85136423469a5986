//! A clearing node: its partitions, and the coordinator that opens, closes and renders cycles.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, Sender};
use cu_log::{
    Log, LogError, Reader, Writer, append_and_wait,
    topics::{SWITCH_GROUP, Topics},
};
use domain::{city::City, date::Date};
use cu_objects::Objects;
use proto::{CycleEvent, Marker, Message, Opening, Published, TapEnd};
use runtime::{scheme::SchemeView, whole_text};

use crate::{
    coordinator::{Coordinator, Effect, Input},
    partition::{Partition, PartitionError, Progress},
    render::Closed,
    segments::{
        assembler::{self, Assembler, Job, Made},
        renderer::{self, Renderer},
    },
    stores::Stores,
};

/// How long one look at the log waits.
const POLL: Duration = Duration::from_millis(20);
/// How often the barrier asks how far the switches are.
const BARRIER_POLL: Duration = Duration::from_millis(50);
/// Pause after a folder could not be put together.
const ASSEMBLE_AGAIN: Duration = Duration::from_secs(5);
/// How long an event or a marker may take to become durable.
const APPEND_WAIT: Duration = Duration::from_secs(60);

/// Where a node works and what it may wait for.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// Folder of the partitions' stores.
    pub state_dir: PathBuf,
    /// Folder for putting cycles together; on the file system of `out_dir`.
    pub work_dir: PathBuf,
    /// Where segments go, by way of which partitions on other nodes have their share in a cycle.
    pub objects: Objects,
    /// How much rendering stands back behind everything else: 0 (not at all) to 19.
    pub render_niceness: i32,
    /// Folder in which cycles appear.
    pub out_dir: PathBuf,
    /// Number of partitions of `cu.clearing`; this node works on all of them.
    pub partitions: u32,
    /// How long a barrier waits before the close goes on without the cities that are missing; none: for ever.
    pub barrier_max: Option<Duration>,
}

/// Why a node cannot start, or stands still.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// A partition cannot work.
    #[error(transparent)]
    Partition(#[from] PartitionError),
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
    /// A thread could not be started.
    #[error("start the coordinator's thread")]
    Thread(#[source] std::io::Error),
}

/// What is asked of the coordinator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
}

/// The cycles as the coordinator sees them.
#[derive(Clone, Debug, Default)]
pub struct CycleStatus {
    /// Openings of all cycles, in order.
    pub openings: Vec<Opening>,
    /// Whether everything that stood on `cu.cycles` at the start has been read and acted upon.
    pub caught_up: bool,
    /// Whether the last of them is open.
    pub open: bool,
    /// Publications, in order.
    pub published: Vec<Published>,
    /// Acquirers for whose taps the cut-off still waits.
    pub barrier_waits_for: Vec<City>,
    /// Why the last request was refused.
    pub refused: Option<String>,
    /// Why the close stands still.
    pub halted: Option<String>,
    /// Why a segment or the folder of a closed cycle is not there yet, if something is the matter; it is tried again.
    pub unrendered: Option<String>,
    /// Everything a person should look at, oldest first.
    pub alarms: Vec<String>,
}

impl CycleStatus {
    /// The opening of the open cycle.
    #[must_use]
    pub fn open_cycle(&self) -> Option<&Opening> {
        self.openings.last().filter(|_| self.open)
    }

    /// The publication of a cycle.
    #[must_use]
    pub fn published(&self, cycle: u32) -> Option<&Published> {
        self.published.iter().find(|p| p.cycle == cycle)
    }
}

type Shared = Arc<(Mutex<CycleStatus>, Condvar)>;

/// A running clearing node. Dropping it stops it.
pub struct Node {
    /// Its partitions, by number.
    pub partitions: Vec<Partition>,
    requests: Sender<Request>,
    status: Shared,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Node {
    /// Opens the stores, seeks the log to their offsets and begins to work.
    ///
    /// # Errors
    /// [`NodeError`] if a store is damaged, messages are missing, or the log fails.
    pub fn start(
        config: NodeConfig,
        log: &Arc<dyn Log>,
        topics: &Topics,
        scheme: &Arc<SchemeView>,
    ) -> Result<Self, NodeError> {
        let partitions = (0..config.partitions)
            .map(|number| {
                let folder = config.state_dir.join(format!("partition-{number}"));
                Partition::start(number, &folder, log, topics, scheme)
            })
            .collect::<Result<Vec<_>, _>>()?;
        let stores = Stores::default();
        for (number, partition) in (0..).zip(&partitions) {
            stores.put(number, partition.store.clone());
        }
        let renderer = Renderer::start(renderer::Surroundings {
            log: Arc::clone(log),
            topics: topics.clone(),
            stores,
            objects: config.objects.clone(),
            work_dir: config.state_dir.join("rendering"),
            niceness: config.render_niceness,
        });
        let assembler = Assembler::start(assembler::Surroundings {
            objects: config.objects.clone(),
            work_dir: config.work_dir.clone(),
            out_dir: config.out_dir.clone(),
            niceness: config.render_niceness,
        });
        let stop = Arc::new(AtomicBool::new(false));
        let (requests, asked) = crossbeam_channel::bounded(16);
        let status = Shared::default();
        let mut shell = Shell {
            core: Coordinator::new(config.partitions),
            renderer: renderer.map_err(NodeError::Thread)?,
            assembler: assembler.map_err(NodeError::Thread)?,
            assembling: None,
            tidied: 0,
            progress: partitions.iter().map(|partition| Arc::clone(&partition.progress)).collect(),
            reader: log.reader(&[(topics.cycles(), log.bounds(&topics.cycles())?.start)])?,
            writer: log.writer()?,
            read_to: 0,
            caught_up_at: log.bounds(&topics.cycles())?.end,
            barrier_since: None,
            barrier_asked: None,
            log: Arc::clone(log),
            topics: topics.clone(),
            scheme: Arc::clone(scheme),
            status: Arc::clone(&status),
            config,
        };
        shell.read_to = log.bounds(&topics.cycles())?.start;
        let stopping = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("coordinator".to_owned())
            .spawn(move || {
                if let Err(error) = shell.work(&asked, &stopping) {
                    let why = whole_text(&error);
                    tracing::error!("the coordinator stands still: {why}");
                    lock(&shell.status).halted.get_or_insert(why);
                    shell.status.1.notify_all();
                }
            })
            .map_err(NodeError::Thread)?;
        Ok(Self { partitions, requests, status, stop, thread: Some(thread) })
    }

    /// The cycles as they are now.
    #[must_use]
    pub fn status(&self) -> CycleStatus {
        lock(&self.status).clone()
    }

    /// Asks the coordinator; what becomes of it shows in [`Node::status`].
    pub fn request(&self, request: Request) {
        lock(&self.status).refused = None;
        if self.requests.send(request).is_err() {
            tracing::error!("the coordinator has ended");
        }
    }

    /// Why a part of the node stands still, if one does.
    #[must_use]
    pub fn failed(&self) -> Option<String> {
        let partition = self.partitions.iter().find_map(Partition::failed);
        let status = lock(&self.status);
        partition.or_else(|| status.halted.clone().or_else(|| status.unrendered.clone()))
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
            let guard = lock(&self.status);
            drop(self.status.1.wait_timeout(guard, POLL).unwrap_or_else(PoisonError::into_inner));
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the coordinator's thread panicked");
        }
    }
}

fn lock(shared: &Shared) -> MutexGuard<'_, CycleStatus> {
    shared.0.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A closed cycle whose folder is wanted.
struct Assembling {
    cycle: u32,
    /// When it is tried next; none while it is in work.
    next: Option<Instant>,
}

/// The thread around the coordinator: feeds it and does what it wants done.
struct Shell {
    core: Coordinator,
    renderer: Renderer,
    assembler: Assembler,
    /// The cycle whose folder is wanted.
    assembling: Option<Assembling>,
    /// Publications whose segments are removed.
    tidied: usize,
    progress: Vec<Arc<Progress>>,
    reader: Box<dyn Reader>,
    writer: Box<dyn Writer>,
    read_to: u64,
    caught_up_at: u64,
    barrier_since: Option<Instant>,
    barrier_asked: Option<Instant>,
    log: Arc<dyn Log>,
    topics: Topics,
    scheme: Arc<SchemeView>,
    status: Shared,
    config: NodeConfig,
}

impl Shell {
    fn work(&mut self, asked: &Receiver<Request>, stop: &AtomicBool) -> Result<(), NodeError> {
        let mut caught_up = false;
        while !stop.load(Ordering::Relaxed) {
            self.learn()?;
            for entry in self.reader.poll(1 << 20, POLL)? {
                self.read_to = entry.offset + 1;
                match CycleEvent::decode(entry.payload) {
                    Ok(event) => self.step(Input::Event(event))?,
                    Err(error) => {
                        let offset = entry.offset;
                        let text =
                            format!("the event at offset {offset} of cu.cycles cannot be read: {error}");
                        return Err(NodeError::Halted(text));
                    }
                }
            }
            if !caught_up && self.read_to >= self.caught_up_at {
                caught_up = true;
                self.step(Input::CaughtUp)?;
                lock(&self.status).caught_up = true;
                self.status.1.notify_all();
            }
            if caught_up && let Ok(request) = asked.try_recv() {
                self.ask(request)?;
            }
            self.watch_barrier()?;
            self.renderer.follow(&self.core);
            self.assemble()?;
        }
        Ok(())
    }

    fn learn(&mut self) -> Result<(), NodeError> {
        for rulebook in self.scheme.rulebooks() {
            self.step(Input::Learn(rulebook))?;
        }
        Ok(())
    }

    fn ask(&mut self, request: Request) -> Result<(), NodeError> {
        self.learn()?;
        match request {
            Request::Open { business_date, version } => self.step(Input::Open { business_date, version }),
            Request::CutOff { opens } => {
                let ends = self.tap_ends()?;
                self.step(Input::CutOff { opens, ends })
            }
        }
    }

    /// Where the tap log of every acquirer with taps ends.
    fn tap_ends(&self) -> Result<Vec<TapEnd>, NodeError> {
        let mut cities: Vec<City> = self
            .scheme
            .rulebooks()
            .iter()
            .flat_map(|rulebook| rulebook.participants.iter().map(|p| p.city))
            .collect();
        cities.sort_unstable();
        cities.dedup();
        let mut ends = Vec::new();
        for city in cities {
            let offset = match self.log.bounds(&self.topics.taps(city)) {
                Ok(bounds) => bounds.end,
                Err(LogError::NoTopic(_)) => 0,
                Err(error) => return Err(error.into()),
            };
            if offset > 0 {
                ends.push(TapEnd { acquirer: city.to_string(), offset });
            }
        }
        Ok(ends)
    }

    /// While a barrier waits: looks how far the switches are, and gives up after the configured time.
    fn watch_barrier(&mut self) -> Result<(), NodeError> {
        let waits = self.core.barrier_waits_for();
        if waits.is_empty() {
            self.barrier_since = None;
            return Ok(());
        }
        let now = Instant::now();
        let since = *self.barrier_since.get_or_insert(now);
        if self.barrier_asked.is_some_and(|asked| now - asked < BARRIER_POLL) {
            return Ok(());
        }
        self.barrier_asked = Some(now);
        for city in self.stopped_cities() {
            self.step(Input::LeftOut(city))?;
        }
        let partitions: Vec<_> = waits.iter().map(|city| self.topics.taps(city)).collect();
        let committed = self.log.committed(&self.topics.group(SWITCH_GROUP), &partitions)?;
        for (city, commit) in waits.iter().zip(committed) {
            if let Some(commit) = commit {
                self.step(Input::Passed { city: *city, offset: commit.offset })?;
            }
        }
        if self.config.barrier_max.is_some_and(|max| now - since > max) {
            self.step(Input::BarrierTimedOut)?;
        }
        Ok(())
    }

    /// Cities that the book has stopped: no barrier waits for them.
    fn stopped_cities(&self) -> Vec<City> {
        let stopped = |progress: &Arc<Progress>| {
            let stopped = progress.stopped.lock().unwrap_or_else(PoisonError::into_inner);
            stopped.iter().map(|(city, _)| *city).collect::<Vec<_>>()
        };
        self.progress.iter().flat_map(stopped).collect()
    }

    fn step(&mut self, input: Input) -> Result<(), NodeError> {
        let mut effects = Vec::new();
        self.core.step(input, &mut effects);
        for effect in effects {
            match effect {
                Effect::Say(event) => self.say(&event)?,
                Effect::Mark(marker) => self.mark(&marker)?,
                Effect::Render { cycle } => {
                    self.assembling = Some(Assembling { cycle, next: Some(Instant::now()) });
                }
                Effect::Refused(why) => lock(&self.status).refused = Some(why),
                Effect::Alarm(text) => {
                    tracing::error!("{text}");
                    lock(&self.status).alarms.push(text);
                }
            }
        }
        self.show();
        Ok(())
    }

    fn say(&mut self, event: &CycleEvent) -> Result<(), NodeError> {
        let payload = event.encode_to_vec().into();
        append_and_wait(self.writer.as_mut(), &self.topics.cycles(), payload, APPEND_WAIT)?;
        Ok(())
    }

    fn mark(&mut self, marker: &Marker) -> Result<(), NodeError> {
        let body = proto::clearing::Body::Marker(marker.clone());
        let message = proto::Clearing { body: Some(body) }.encode_to_vec();
        for number in 0..self.config.partitions {
            let partition = self.topics.clearing(number);
            append_and_wait(self.writer.as_mut(), &partition, message.clone().into(), APPEND_WAIT)?;
        }
        Ok(())
    }

    /// Has the folder of a closed cycle put together, beside everything else; a failure is tried again.
    fn assemble(&mut self) -> Result<(), NodeError> {
        while let Some((cycle, made)) = self.assembler.done() {
            let wanted = self.assembling.take().filter(|wanted| wanted.cycle == cycle);
            let Some(wanted) = wanted else { continue };
            match made {
                Made::Folder(published) => {
                    lock(&self.status).unrendered = None;
                    self.step(Input::Rendered(published))?;
                }
                Made::Lost { partition, what } => self.step(Input::SegmentLost { cycle, partition, what })?,
                Made::Failed(why) => {
                    let why = format!("cycle {cycle} cannot be rendered: {why}");
                    tracing::error!("{why}");
                    lock(&self.status).unrendered = Some(why);
                    self.assembling = Some(Assembling { next: Some(Instant::now() + ASSEMBLE_AGAIN), ..wanted });
                }
            }
        }
        if let Some(why) = self.renderer.failed() {
            lock(&self.status).unrendered = Some(why);
        }
        let due = self.assembling.as_ref().filter(|a| a.next.is_some_and(|next| Instant::now() >= next));
        if let Some(cycle) = due.map(|assembling| assembling.cycle)
            && self.assembler.begin(self.job(cycle)?)
        {
            self.assembling = Some(Assembling { cycle, next: None });
        }
        let published: BTreeSet<String> = lock(&self.status).published.iter().map(|p| p.folder.clone()).collect();
        let count = published.len();
        if count > self.tidied && self.assembler.tidy(published) {
            self.tidied = count;
        }
        Ok(())
    }

    fn job(&self, cycle: u32) -> Result<Job, NodeError> {
        let missing = |what: &str| {
            NodeError::Halted(format!("cycle {cycle} cannot be rendered: its {what} is not known"))
        };
        let opening = self.core.opening(cycle).ok_or_else(|| missing("opening"))?;
        let previous = self.core.published(cycle.saturating_sub(1));
        let closed = Closed {
            opening: opening.clone(),
            rulebook: self.core.rulebook_of(opening).ok_or_else(|| missing("rulebook"))?,
            plan: self.core.plan(cycle).ok_or_else(|| missing("plan"))?.clone(),
            previous_manifest: previous
                .and_then(|published| published.manifest_digest.as_ref().try_into().ok()),
        };
        Ok(Job { closed, segments: self.core.segments(cycle).collect() })
    }

    fn show(&self) {
        let mut status = lock(&self.status);
        status.openings = self.core.openings().cloned().collect();
        status.open = self.core.is_open();
        let published = |o: &Opening| self.core.published(o.cycle).cloned();
        status.published = status.openings.iter().filter_map(published).collect();
        status.barrier_waits_for = self.core.barrier_waits_for();
        status.halted = self.core.halted().map(str::to_owned);
        drop(status);
        self.status.1.notify_all();
    }
}
