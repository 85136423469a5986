//! The core's thread: feeds it inputs in bursts and carries out its effects.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use bytes::Bytes;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError};
use cu_log::{Commit, Log, LogError, Partition, Writer, topics::SWITCH_GROUP};
use domain::city::City;
use runtime::whole_text;
use tokio::sync::mpsc;
use tonic::transport::Channel;
use tracing::{error, info, warn};

use super::{
    Event, ServiceConfig, Shared, Surroundings,
    link::{self, Ask},
    lock,
    reader::Flow,
};
use crate::core::{Assignment, Destination, Effect, Input, Switch};

/// How long the thread sleeps when nothing happens.
const TICK: Duration = Duration::from_millis(5);
/// Events taken before the core ticks.
const BURST: usize = 256;
/// Bytes of messages in one group of appends, about.
const GROUP_BYTES: usize = 4 << 20;

pub(super) struct Shell {
    config: ServiceConfig,
    with: Surroundings,
    core: Switch,
    writer: Box<dyn Writer>,
    flows: Option<Sender<Flow>>,
    events: Sender<Event>,
    shared: Arc<Shared>,
    links: BTreeMap<City, mpsc::UnboundedSender<Ask>>,
    /// What the burst wants appended, with the tokens.
    appends: Vec<((Partition, Bytes), u64)>,
    commits: BTreeMap<Partition, Commit>,
    started: Instant,
    commit_at: Instant,
    stop_at: Option<Instant>,
}

/// Why the thread ends.
enum End {
    Stopped,
    Failed(&'static str, LogError),
}

impl Shell {
    pub(super) fn new(
        config: ServiceConfig,
        mut with: Surroundings,
        writer: Box<dyn Writer>,
        flows: Sender<Flow>,
        events: Sender<Event>,
        shared: Arc<Shared>,
        assignments: Vec<Assignment>,
    ) -> Self {
        let directory = std::mem::take(&mut with.directory);
        let (core, inputs) = super::assigned(config.switch.clone(), &directory, assignments);
        let now = Instant::now();
        let mut shell = Self {
            config,
            with,
            core,
            writer,
            flows: Some(flows),
            events,
            shared,
            links: BTreeMap::new(),
            appends: Vec::new(),
            commits: BTreeMap::new(),
            started: now,
            commit_at: now,
            stop_at: None,
        };
        for (issuer, channel) in directory {
            shell.open_link(issuer, channel);
        }
        for input in inputs {
            shell.step(input);
        }
        shell.show();
        shell
    }

    pub(super) fn run(mut self, events: &Receiver<Event>, messages: &Receiver<Vec<Input>>) {
        match self.serve(events, messages) {
            End::Stopped => info!("the switch has stopped"),
            End::Failed(doing, source) => {
                let why = format!("failed to {doing}: {}", whole_text(&source));
                error!("the switch has ended: {why}");
                *lock(&self.shared.failure) = Some(why);
            }
        }
        self.show();
    }

    fn serve(&mut self, events: &Receiver<Event>, messages: &Receiver<Vec<Input>>) -> End {
        while !self.shared.abandoned.load(Ordering::Relaxed) {
            if let Err(end) = self.burst(events, messages) {
                return end;
            }
            self.step(Input::Tick);
            if let Err(source) = self.append() {
                return End::Failed("append outcomes", source);
            }
            if self.commit_at <= Instant::now() {
                if let Err(source) = self.commit() {
                    return End::Failed("commit positions", source);
                }
                self.show();
                self.commit_at = Instant::now() + self.config.commit_every;
            }
            if let Some(stop_at) = self.stop_at {
                let working = self.core.is_working();
                if !working || stop_at <= Instant::now() {
                    return self.finish();
                }
            }
        }
        End::Stopped
    }

    /// Waits for something to happen, then takes what has happened by then.
    fn burst(&mut self, events: &Receiver<Event>, messages: &Receiver<Vec<Input>>) -> Result<(), End> {
        crossbeam_channel::select! {
            recv(events) -> event => if let Ok(event) = event {
                self.event(event)?;
            },
            recv(messages) -> inputs => match inputs {
                Ok(inputs) => self.steps(inputs),
                // The reader has ended, of itself or because the switch stops: events still come.
                Err(_) => match events.recv_timeout(TICK) {
                    Ok(event) => self.event(event)?,
                    Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
                },
            },
            default(TICK) => {}
        }
        for _ in 0..BURST {
            match events.try_recv() {
                Ok(event) => self.event(event)?,
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
            }
        }
        if let Ok(inputs) = messages.try_recv() {
            self.steps(inputs);
        }
        Ok(())
    }

    fn event(&mut self, event: Event) -> Result<(), End> {
        match event {
            Event::Input(input) => self.step(input),
            Event::Durable(tokens) => {
                for token in tokens {
                    self.step(Input::Durable { token });
                }
            }
            Event::Endpoint(issuer, channel) => {
                let up = channel.is_some();
                // Dropping the old link gives up what is in flight on it.
                self.links.remove(&issuer);
                if let Some(channel) = channel {
                    self.open_link(issuer, channel);
                }
                self.step(Input::Endpoint { issuer, up });
            }
            Event::Failed(doing, source) => return Err(End::Failed(doing, source)),
            Event::Stop => {
                self.flows = None;
                self.stop_at = Some(Instant::now() + self.config.drain_max);
            }
        }
        Ok(())
    }

    fn open_link(&mut self, issuer: City, channel: Channel) {
        let (asks, hear) = mpsc::unbounded_channel();
        let open_max = self.config.open_max;
        self.with.tokio.spawn(link::serve(issuer, channel, hear, self.events.clone(), open_max));
        self.links.insert(issuer, asks);
    }

    fn steps(&mut self, inputs: Vec<Input>) {
        for input in inputs {
            self.step(input);
        }
    }

    fn step(&mut self, input: Input) {
        // Messages that were under way when the switch began to stop are read again at the next start.
        if self.stop_at.is_some() && matches!(input, Input::Tap { .. }) {
            return;
        }
        let now_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        for effect in self.core.step(now_ms, input) {
            self.carry_out(effect);
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Ask { issuer, id, parts } => {
                if let Some(link) = self.links.get(&issuer) {
                    // A link lives as long as its sender.
                    drop(link.send(Ask { id, parts }));
                }
            }
            Effect::Append { to, payload, token } => {
                let partition = match to {
                    Destination::Clearing(acquirer) => {
                        self.with.topics.clearing((self.with.partition_of)(acquirer))
                    }
                    Destination::Parked(acquirer) => self.with.topics.parked(acquirer),
                };
                self.appends.push(((partition, payload), token));
            }
            Effect::CommitTaps { acquirer, offset, number } => {
                let commit = Commit { offset, note: number.to_string() };
                self.commits.insert(self.with.topics.taps(acquirer), commit);
            }
            Effect::CommitPark { acquirer, offset } => {
                let commit = Commit { offset, note: String::new() };
                self.commits.insert(self.with.topics.parked(acquirer), commit);
            }
            Effect::Pause { acquirer } => self.flow(acquirer, false),
            Effect::Resume { acquirer } => self.flow(acquirer, true),
            Effect::Fetch { acquirer, offset, bytes_max } => self.fetch(acquirer, offset, bytes_max),
            Effect::Alarm { city, text } => error!(%city, "{text}"),
            // The alarm has said so, and the status shows it.
            Effect::Stopped { .. } => {}
        }
    }

    fn flow(&self, acquirer: City, open: bool) {
        if let Some(flows) = &self.flows {
            // A reader that has failed says so itself.
            drop(flows.send(Flow { taps: self.with.topics.taps(acquirer), open }));
        }
    }

    /// Reads parked parts again, beside everything else.
    fn fetch(&self, acquirer: City, offset: u64, bytes_max: usize) {
        let log = Arc::clone(&self.with.log);
        let parked = self.with.topics.parked(acquirer);
        let events = self.events.clone();
        self.with.tokio.spawn_blocking(move || {
            let event = match fetch(&*log, parked, offset, bytes_max) {
                Ok(messages) => Event::Input(Input::Fetched { acquirer, messages }),
                Err(source) => Event::Failed("read parked parts again", source),
            };
            drop(events.send(event));
        });
    }

    /// Appends what the burst wants, in groups of a bounded size.
    fn append(&mut self) -> Result<(), LogError> {
        let (mut group, mut tokens, mut bytes) = (Vec::new(), Vec::new(), 0);
        for (message, token) in std::mem::take(&mut self.appends) {
            bytes += message.1.len();
            group.push(message);
            tokens.push(token);
            if bytes >= GROUP_BYTES {
                self.append_group(std::mem::take(&mut group), std::mem::take(&mut tokens))?;
                bytes = 0;
            }
        }
        if group.is_empty() { Ok(()) } else { self.append_group(group, tokens) }
    }

    fn append_group(&mut self, group: Vec<(Partition, Bytes)>, tokens: Vec<u64>) -> Result<(), LogError> {
        let events = self.events.clone();
        let on_durable = move |durable: Result<Vec<u64>, LogError>| {
            let event = match durable {
                Ok(_) => Event::Durable(tokens),
                Err(source) => Event::Failed("append outcomes", source),
            };
            drop(events.send(event));
        };
        self.writer.append(group, Box::new(on_durable))
    }

    fn commit(&mut self) -> Result<(), LogError> {
        if self.commits.is_empty() {
            return Ok(());
        }
        let positions: Vec<(Partition, Commit)> =
            self.commits.iter().map(|(partition, commit)| (partition.clone(), commit.clone())).collect();
        match self.with.log.commit(&self.with.topics.group(SWITCH_GROUP), &positions) {
            // Later positions take their place, and are committed with the next attempt.
            Err(LogError::Timeout(waited)) if self.stop_at.is_none() => {
                warn!(?waited, "the log did not take the switch's positions; it is asked again");
                return Ok(());
            }
            committed => committed?,
        }
        self.commits.clear();
        Ok(())
    }

    fn finish(&mut self) -> End {
        if let Err(source) = self.commit() {
            return End::Failed("commit positions", source);
        }
        match self.writer.flush(self.config.drain_max) {
            Ok(()) => End::Stopped,
            Err(source) => End::Failed("append the last outcomes", source),
        }
    }

    fn show(&self) {
        *lock(&self.shared.status) = self.core.status();
    }
}

/// Reads about `bytes_max` of a park, from an offset to at most its present end.
fn fetch(
    log: &dyn Log,
    parked: Partition,
    offset: u64,
    bytes_max: usize,
) -> Result<Vec<(u64, Bytes)>, LogError> {
    let end = log.bounds(&parked)?.end;
    let mut reader = log.reader(&[(parked, offset)])?;
    let (mut messages, mut bytes, mut next) = (Vec::new(), 0, offset);
    while bytes < bytes_max && next < end {
        let entries = reader.poll(bytes_max - bytes, Duration::from_millis(500))?;
        if entries.is_empty() {
            break;
        }
        for entry in entries {
            bytes += entry.payload.len();
            next = entry.offset + 1;
            messages.push((entry.offset, entry.payload));
        }
    }
    Ok(messages)
}
