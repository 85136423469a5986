//! The thread around the coordinator: feeds it, and does what it wants done.
//!
//! Every node runs one. The node that owns `cu.cycles` acts; every other follows, so that it can take over.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, Sender};
use cu_log::{
    Log, LogError, Reader, Writer, append_and_wait,
    topics::{SWITCH_GROUP, Topics},
};
use domain::city::City;
use proto::{CycleEvent, Marker, Message, TapEnd};
use runtime::{scheme::SchemeView, whole_text};

use super::{
    NodeConfig, NodeError, Request,
    status::{Role, Shown},
};
use crate::{
    coordinator::{Coordinator, Effect, Input},
    render::Closed,
    segments::{
        assembler::{self, Assembler, Job, Made},
        renderer::Renderer,
    },
};

/// How long one look at the log waits.
pub(super) const POLL: Duration = Duration::from_millis(20);
/// How often the barrier asks how far the switches are.
const BARRIER_POLL: Duration = Duration::from_millis(50);
/// How often one that only follows asks.
const FOLLOW_POLL: Duration = Duration::from_secs(1);
/// How long an event or a marker may take to become durable.
const APPEND_WAIT: Duration = Duration::from_secs(60);
/// Pause after a failure, before everything is read anew.
const AGAIN: Duration = Duration::from_secs(5);
/// Pause after a folder could not be made or a segment was lost; each further one doubles it.
const RENDER_AGAIN: Duration = Duration::from_secs(1);
/// Longest pause between attempts to make a folder.
const RENDER_AGAIN_MAX: Duration = Duration::from_secs(60);

/// What a coordinator's thread works with.
#[derive(Clone)]
pub(super) struct Surroundings {
    pub config: NodeConfig,
    pub log: Arc<dyn Log>,
    pub topics: Topics,
    pub scheme: Arc<SchemeView>,
    pub shown: Arc<Shown>,
    /// Renders the shares of the partitions that this node owns.
    pub renderer: Arc<Renderer>,
    /// Whether this node owns `cu.cycles`.
    pub owns: Arc<AtomicBool>,
    pub stop: Arc<AtomicBool>,
}

/// Coordinates or follows until it is stopped. A failure ends an attempt, not the node.
pub(super) fn keep(around: &Surroundings, asked: &Receiver<Request>) {
    while !around.stop.load(Ordering::Relaxed) {
        let Err(error) = Shell::start(around).and_then(|mut shell| shell.work(asked)) else { return };
        let why = whole_text(&error);
        around.shown.alarm(format!("the coordinator begins anew in {AGAIN:?}: {why}"));
        around.shown.change(|status| {
            status.role = Role::Reading;
            status.caught_up = false;
            status.halted.get_or_insert(why);
        });
        let until = Instant::now() + AGAIN;
        while Instant::now() < until && !around.stop.load(Ordering::Relaxed) {
            refuse(around, asked, "the coordinator stands still");
            std::thread::sleep(POLL);
        }
    }
}

fn refuse(around: &Surroundings, asked: &Receiver<Request>, why: &str) {
    if asked.try_recv().is_ok() {
        around.shown.change(|status| status.refused = Some(why.to_owned()));
    }
}

/// A closed cycle whose folder is being made.
struct Making {
    cycle: u32,
    /// When it is tried next; none while it is in work.
    next: Option<Instant>,
    pause: Duration,
}

/// One attempt of the thread.
struct Shell<'a> {
    around: &'a Surroundings,
    core: Coordinator,
    reader: Box<dyn Reader>,
    writer: Box<dyn Writer>,
    read_to: u64,
    /// Versions of the rules that the core knows.
    learnt: usize,
    /// Where `cu.cycles` ended when this began.
    history_to: u64,
    role: Role,
    /// While it takes over: where `cu.cycles` ended when it was handed over.
    acts_at: u64,
    barrier_since: Option<Instant>,
    barrier_asked: Option<Instant>,
    assembler: Assembler,
    making: Option<Making>,
    /// Pause before a folder is made whose segments were lost.
    after_loss: Duration,
    /// Publications whose segments are removed.
    tidied: usize,
    /// Whether the status is to be shown anew.
    changed: bool,
    /// Whether what changes now happens now: history has been shown.
    live: bool,
}

impl<'a> Shell<'a> {
    fn start(around: &'a Surroundings) -> Result<Self, NodeError> {
        let cycles = around.topics.cycles();
        let bounds = around.log.bounds(&cycles)?;
        if bounds.start > 0 {
            let start = bounds.start;
            return Err(NodeError::Halted(format!(
                "cu.cycles begins at offset {start}: its first events are gone; restore the log"
            )));
        }
        let assembler = Assembler::start(assembler::Surroundings {
            log: Arc::clone(&around.log),
            topics: around.topics.clone(),
            objects: around.config.objects.clone(),
            work_dir: around.config.work_dir.clone(),
            out_dir: around.config.out_dir.clone(),
            signers: around.config.signers.clone(),
            niceness: around.config.render_niceness,
        });
        Ok(Self {
            around,
            core: Coordinator::new(around.config.partitions),
            reader: around.log.reader(&[(cycles, bounds.start)])?,
            writer: around.log.writer()?,
            read_to: bounds.start,
            learnt: 0,
            history_to: bounds.end,
            role: Role::Reading,
            acts_at: 0,
            barrier_since: None,
            barrier_asked: None,
            assembler: assembler.map_err(NodeError::Thread)?,
            making: None,
            after_loss: Duration::ZERO,
            tidied: 0,
            changed: true,
            live: false,
        })
    }

    fn work(&mut self, asked: &Receiver<Request>) -> Result<(), NodeError> {
        while !self.around.stop.load(Ordering::Relaxed) {
            self.learn()?;
            self.read()?;
            self.change_role()?;
            match self.role {
                Role::Coordinates => {
                    if let Ok(request) = asked.try_recv() {
                        self.ask(request)?;
                    }
                    self.make_folders()?;
                }
                Role::Standby => {
                    refuse(
                        self.around,
                        asked,
                        "this node does not coordinate the cycles: ask the one that does",
                    );
                }
                Role::Reading | Role::TakingOver => {}
            }
            self.watch_barrier()?;
            self.follow_segments();
            self.show();
        }
        Ok(())
    }

    fn learn(&mut self) -> Result<(), NodeError> {
        let rulebooks = self.around.scheme.rulebooks();
        if rulebooks.len() != self.learnt {
            self.learnt = rulebooks.len();
            rulebooks.into_iter().try_for_each(|rulebook| self.step(Input::Learn(rulebook)))?;
        }
        Ok(())
    }

    fn read(&mut self) -> Result<(), NodeError> {
        for entry in self.reader.poll(1 << 20, POLL)? {
            if entry.offset != self.read_to {
                let text = format!(
                    "cu.cycles goes from offset {} to {}: events are missing",
                    self.read_to, entry.offset
                );
                return Err(NodeError::Halted(text));
            }
            self.read_to = entry.offset + 1;
            match CycleEvent::decode(entry.payload) {
                Ok(event) => self.step(Input::Event(event))?,
                Err(error) => {
                    let offset = entry.offset;
                    let text = format!("the event at offset {offset} of cu.cycles cannot be read: {error}");
                    return Err(NodeError::Halted(text));
                }
            }
        }
        Ok(())
    }

    /// Follows what the group says: takes over, or stands by.
    fn change_role(&mut self) -> Result<(), NodeError> {
        let owns = self.around.owns.load(Ordering::Relaxed);
        let before = self.role;
        match self.role {
            Role::Reading if self.read_to >= self.history_to => self.role = Role::Standby,
            Role::Standby if owns => {
                self.acts_at = self.around.log.bounds(&self.around.topics.cycles())?.end;
                self.role = Role::TakingOver;
            }
            Role::TakingOver if owns && self.read_to >= self.acts_at => {
                self.step(Input::CaughtUp)?;
                self.role = Role::Coordinates;
                tracing::info!("this node coordinates the cycles");
            }
            Role::TakingOver | Role::Coordinates if !owns => {
                self.step(Input::StandBy)?;
                self.role = Role::Standby;
                self.making = None;
                self.around.shown.change(|status| status.unrendered = None);
                tracing::info!("this node coordinates the cycles no longer");
            }
            Role::Reading | Role::Standby | Role::TakingOver | Role::Coordinates => {}
        }
        self.changed |= self.role != before;
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
        let rulebooks = self.around.scheme.rulebooks();
        let mut cities: Vec<City> =
            rulebooks.iter().flat_map(|rulebook| rulebook.participants.iter().map(|p| p.city)).collect();
        cities.sort_unstable();
        cities.dedup();
        let mut ends = Vec::new();
        for city in cities {
            let offset = match self.around.log.bounds(&self.around.topics.taps(city)) {
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
        let coordinates = self.role == Role::Coordinates;
        let every = if coordinates { BARRIER_POLL } else { FOLLOW_POLL };
        if self.barrier_asked.is_some_and(|asked| now - asked < every) {
            return Ok(());
        }
        self.barrier_asked = Some(now);
        let partitions: Vec<_> = waits.iter().map(|city| self.around.topics.taps(city)).collect();
        let group = self.around.topics.group(SWITCH_GROUP);
        let committed = self.around.log.committed(&group, &partitions)?;
        for (city, commit) in waits.iter().zip(committed) {
            if let Some(commit) = commit {
                self.step(Input::Passed { city: *city, offset: commit.offset })?;
            }
        }
        if !coordinates {
            self.barrier_since = None;
            return Ok(());
        }
        let since = *self.barrier_since.get_or_insert(now);
        if self.around.config.barrier_max.is_some_and(|max| now - since > max) {
            self.step(Input::BarrierTimedOut)?;
        }
        Ok(())
    }

    fn step(&mut self, input: Input) -> Result<(), NodeError> {
        self.changed = true;
        let mut effects = Vec::new();
        self.core.step(input, &mut effects);
        for effect in effects {
            match effect {
                Effect::Say(event) => self.say(&event)?,
                Effect::Mark(marker) => self.mark(&marker)?,
                Effect::Render { cycle } => {
                    let next = Some(Instant::now() + self.after_loss);
                    self.making = Some(Making { cycle, next, pause: RENDER_AGAIN });
                }
                Effect::Refused(why) => self.around.shown.change(|status| status.refused = Some(why)),
                Effect::Alarm(text) => self.around.shown.alarm(text),
            }
        }
        Ok(())
    }

    fn say(&mut self, event: &CycleEvent) -> Result<(), NodeError> {
        let payload = event.encode_to_vec().into();
        append_and_wait(self.writer.as_mut(), &self.around.topics.cycles(), payload, APPEND_WAIT)?;
        Ok(())
    }

    fn mark(&mut self, marker: &Marker) -> Result<(), NodeError> {
        let body = proto::clearing::Body::Marker(marker.clone());
        let message = proto::Clearing { body: Some(body) }.encode_to_vec();
        for number in 0..self.around.config.partitions {
            let partition = self.around.topics.clearing(number);
            append_and_wait(self.writer.as_mut(), &partition, message.clone().into(), APPEND_WAIT)?;
        }
        Ok(())
    }

    /// Has the folder of a closed cycle made, beside everything else; a failure is tried again.
    fn make_folders(&mut self) -> Result<(), NodeError> {
        while let Some((cycle, made)) = self.assembler.done() {
            let Some(making) = self.making.as_mut().filter(|making| making.cycle == cycle) else { continue };
            match made {
                Made::Folder(published) => {
                    self.making = None;
                    self.after_loss = Duration::ZERO;
                    self.around.shown.change(|status| status.unrendered = None);
                    self.step(Input::Rendered(published))?;
                }
                Made::Lost { partition, what } => {
                    self.making = None;
                    self.after_loss = (self.after_loss * 2).clamp(RENDER_AGAIN, RENDER_AGAIN_MAX);
                    self.step(Input::SegmentLost { cycle, partition, what })?;
                }
                Made::Failed(why) => {
                    let why = format!("cycle {cycle} cannot be rendered: {why}");
                    self.around.shown.alarm(why.clone());
                    self.around.shown.change(|status| status.unrendered = Some(why));
                    making.next = Some(Instant::now() + making.pause);
                    making.pause = (making.pause * 2).min(RENDER_AGAIN_MAX);
                }
            }
        }
        let due = |making: &Making| making.next.is_some_and(|next| Instant::now() >= next);
        if let Some(cycle) = self.making.as_ref().filter(|making| due(making)).map(|making| making.cycle)
            && self.assembler.begin(self.job(cycle)?)
            && let Some(making) = &mut self.making
        {
            making.next = None;
        }
        Ok(())
    }

    fn job(&self, cycle: u32) -> Result<Job, NodeError> {
        let missing = |what: &str| {
            NodeError::Halted(format!("cycle {cycle} cannot be rendered: its {what} is not known"))
        };
        let opening = self.core.opening(cycle).ok_or_else(|| missing("opening"))?;
        let rulebook = self.core.rulebook_of(opening).ok_or_else(|| missing("rulebook"))?;
        let plan = self.core.plan(cycle).ok_or_else(|| missing("plan"))?;
        let previous = self.core.published(cycle.saturating_sub(1));
        let closed = Closed {
            opening: opening.clone(),
            rulebook,
            plan: plan.clone(),
            previous_manifest: previous
                .and_then(|published| published.manifest_digest.as_ref().try_into().ok()),
        };
        let totals = self.core.totals(cycle).cloned().collect();
        Ok(Job { closed, totals, segments: self.core.segments(cycle).collect() })
    }

    /// Tells the renderer what is due, once history is read; removes the segments of published cycles.
    fn follow_segments(&mut self) {
        if self.role == Role::Reading {
            return;
        }
        let renderer = &self.around.renderer;
        let failed = renderer.failed();
        let known = self.around.shown.lock().segment_failed.clone();
        if failed != known {
            failed.iter().for_each(|why| self.around.shown.alarm(why.clone()));
            self.around.shown.change(|status| status.segment_failed = failed);
        }
        if !self.changed {
            return;
        }
        renderer.follow(&self.core);
        let published = self.core.openings().filter_map(|opening| self.core.published(opening.cycle));
        let published: BTreeSet<String> = published.map(|published| published.folder.clone()).collect();
        let count = published.len();
        if self.role == Role::Coordinates && count > self.tidied && self.assembler.tidy(published) {
            self.tidied = count;
        }
    }

    fn show(&mut self) {
        if !std::mem::take(&mut self.changed) {
            return;
        }
        self.around.shown.show(&self.core, self.role, self.live);
        self.live = self.role != Role::Reading;
    }
}

/// Where requests are handed in.
pub(super) type Requests = Sender<Request>;
