//! The thread around the coordinator: feeds it, and does what it wants done.
//!
//! Every node runs one. The node that owns `cu.cycles` acts; every other follows, so that it can take over.

mod acts;
mod asked;
mod barrier;
mod folders;
mod records;

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender};
use cu_log::{Log, Reader, Writer, append_all_and_wait, append_and_wait, topics::Topics};
use proto::{CycleEvent, Marker, Message};
use runtime::{scheme::SchemeView, whole_text};

use super::{
    NodeConfig, NodeError, Request,
    status::{Role, Shown},
};
use crate::{
    coordinator::{Coordinator, Effect, Input},
    priority::stand_back,
    segments::{
        assembler::{self, Assembler},
        renderer::Renderer,
    },
};
use asked::Asked;
use folders::Making;
use records::Records;

/// How long one look at the log waits.
pub(super) const POLL: Duration = Duration::from_millis(20);
/// How long an event or a marker may take to become durable.
const APPEND_WAIT: Duration = Duration::from_secs(60);
/// Pause after a failure, before everything is read anew.
const AGAIN: Duration = Duration::from_secs(5);
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
    // A plan is worked out beside the batches of the next cycle: it gives way to them, and rendering to both.
    stand_back(around.config.render_niceness / 2);
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
    /// Folders that are made one after the other; the first is in work.
    making: VecDeque<Making>,
    /// When it looked last whether what was published is there.
    looked: Option<Instant>,
    /// Pause before a folder is made whose segments were lost.
    after_loss: Duration,
    /// What people ask for.
    asked: Asked,
    /// What was written beside the cycles of how far they are.
    records: Records,
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
            making: VecDeque::new(),
            looked: None,
            after_loss: Duration::ZERO,
            asked: Asked::default(),
            records: Records::default(),
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
            self.follow_asked()?;
            self.watch_barrier()?;
            self.follow_segments();
            self.follow_records();
            self.show();
        }
        // What was said last stands on the log: let the records beside the cycles say it too.
        if self.role == Role::Coordinates {
            self.read()?;
            self.follow_records();
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
            if entry.payload.is_empty() {
                // The place of an event that a restored log left out.
                continue;
            }
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
                self.making.clear();
                self.looked = None;
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
            Request::Decide(written, by) => self.step(Input::Decide(*written, by)),
        }
    }

    fn step(&mut self, input: Input) -> Result<(), NodeError> {
        self.changed = true;
        // One answer may bring the next question, as often as there are acts in a poll.
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let mut effects = Vec::new();
            self.core.step(input, &mut effects);
            for effect in effects {
                match effect {
                    Effect::Say(event) => self.say(&event)?,
                    Effect::Mark(marker) => self.mark(&marker)?,
                    Effect::Render { cycle, version } => self.make_later(cycle, version),
                    Effect::Identify(act) => inputs.push_back(self.identify(act)),
                    Effect::Adjust(item) => self.adjust(item)?,
                    Effect::Refused(why) => self.around.shown.change(|status| status.refused = Some(why)),
                    Effect::Alarm(text) => self.around.shown.alarm(text),
                }
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
        let message: Bytes = proto::Clearing { body: Some(body) }.encode_to_vec().into();
        let all = (0..self.around.config.partitions).map(|number| self.around.topics.clearing(number));
        let all = all.map(|partition| (partition, message.clone())).collect();
        append_all_and_wait(self.writer.as_mut(), all, APPEND_WAIT)?;
        Ok(())
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
