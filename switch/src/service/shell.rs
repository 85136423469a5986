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
    holdings::Holdings,
    link::{self, Ask},
    lock,
    positions::Positions,
    reader::{Order, Read},
};
use crate::core::{Destination, Effect, Input, Switch};

/// How long the thread sleeps when nothing happens.
const TICK: Duration = Duration::from_millis(5);
/// Events taken before the core ticks.
const BURST: usize = 256;
/// Bytes of messages in one group of appends, about.
const GROUP_BYTES: usize = 4 << 20;

pub(super) struct Shell {
    pub(super) config: ServiceConfig,
    pub(super) with: Surroundings,
    pub(super) core: Switch,
    pub(super) holdings: Holdings<Sender<()>>,
    writer: Box<dyn Writer>,
    orders: Option<Sender<Order>>,
    pub(super) events: Sender<Event>,
    shared: Arc<Shared>,
    links: BTreeMap<City, mpsc::UnboundedSender<Ask>>,
    /// What the burst wants appended, with the tokens.
    appends: Vec<((Partition, Bytes), u64)>,
    pub(super) commits: BTreeMap<Partition, Commit>,
    started: Instant,
    commit_at: Instant,
    stop_at: Option<Instant>,
}

/// Why the thread ends.
pub(super) enum End {
    Stopped,
    Failed(&'static str, LogError),
}

impl Shell {
    pub(super) fn new(
        config: ServiceConfig,
        mut with: Surroundings,
        writer: Box<dyn Writer>,
        orders: Sender<Order>,
        events: Sender<Event>,
        shared: Arc<Shared>,
        begins: Vec<Positions>,
    ) -> Self {
        let directory = std::mem::take(&mut with.directory);
        let core = Switch::new(config.switch.clone());
        let now = Instant::now();
        let mut shell = Self {
            config,
            with,
            core,
            holdings: Holdings::default(),
            writer,
            orders: Some(orders),
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
            shell.step(Input::Endpoint { issuer, up: true });
        }
        for positions in begins {
            shell.begin(positions);
        }
        shell.show();
        shell
    }

    pub(super) fn run(mut self, events: &Receiver<Event>, messages: &Receiver<Vec<Read>>) {
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

    fn serve(&mut self, events: &Receiver<Event>, messages: &Receiver<Vec<Read>>) -> End {
        while !self.shared.abandoned.load(Ordering::Relaxed) {
            if let Err(end) = self.burst(events, messages) {
                return end;
            }
            self.step(Input::Tick);
            if let Err(source) = self.append() {
                return End::Failed("append outcomes", source);
            }
            if let Err(end) = self.hand_over() {
                return end;
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
    fn burst(&mut self, events: &Receiver<Event>, messages: &Receiver<Vec<Read>>) -> Result<(), End> {
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
            Event::Fetched { acquirer, turn, messages } => {
                if self.holdings.has(acquirer, turn) {
                    self.step(Input::Fetched { acquirer, messages });
                }
            }
            Event::Own(acquirers) => self.own(acquirers),
            Event::Found(acquirer, turn, found) => self.looked_up(acquirer, turn, found),
            Event::Unreadable(acquirer, turn, error) => self.unreadable(acquirer, turn, &error),
            Event::GiveUp(acquirers, done) => self.give_up(&acquirers, done),
            Event::Lost(acquirers) => self.lose(&acquirers),
            Event::Failed(doing, source) => return Err(End::Failed(doing, source)),
            Event::Stop => {
                self.orders = None;
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

    fn steps(&mut self, messages: Vec<Read>) {
        for Read { acquirer, turn, input } in messages {
            // What was under way when the switch began to stop, or when the acquirer was given up, is read
            // again by whoever owns it next.
            let taken = match input {
                Input::Tap { .. } => self.stop_at.is_none() && self.holdings.takes_taps(acquirer),
                _ => true,
            };
            if taken && self.holdings.has(acquirer, turn) {
                self.step(input);
            }
        }
    }

    /// Milliseconds since the start.
    pub(super) fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    pub(super) fn step(&mut self, input: Input) {
        for effect in self.core.step(self.now_ms(), input) {
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
        // One that is given up takes no more taps, whatever the core has room for.
        let open = open && self.holdings.takes_taps(acquirer);
        self.order(Order::Flow { taps: self.with.topics.taps(acquirer), open });
    }

    pub(super) fn order(&self, order: Order) {
        if let Some(orders) = &self.orders {
            // A reader that has failed says so itself.
            drop(orders.send(order));
        }
    }

    /// Reads parked parts again, beside everything else.
    fn fetch(&self, acquirer: City, offset: u64, bytes_max: usize) {
        let Some(turn) = self.holdings.turn(acquirer) else { return };
        let log = Arc::clone(&self.with.log);
        let parked = self.with.topics.parked(acquirer);
        let events = self.events.clone();
        self.with.tokio.spawn_blocking(move || {
            let event = match fetch(&*log, parked, offset, bytes_max) {
                Ok(messages) => Event::Fetched { acquirer, turn, messages },
                Err(source) => Event::Unreadable(acquirer, turn, source),
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

    pub(super) fn commit(&mut self) -> Result<(), LogError> {
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

    pub(super) fn show(&self) {
        let mut status = self.core.status();
        status.acquirers.extend(self.standing_still());
        status.coming = self.holdings.coming();
        *lock(&self.shared.status) = status;
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
