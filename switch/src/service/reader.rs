//! The thread that reads taps, parks and results.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crossbeam_channel::{Receiver, Sender, TryRecvError};
use cu_log::{Entry, LogError, Partition, Reader};
use domain::city::City;

use super::Event;
use crate::core::Input;

/// How long a poll waits while some taps are held back, and else.
const WAIT_SHORT: Duration = Duration::from_millis(2);
const WAIT_LONG: Duration = Duration::from_millis(50);

/// What a partition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Taps,
    Parked,
    Results,
}

/// What the reading thread is told to do.
pub(super) enum Order {
    /// Lets taps of an acquirer come, or holds them back.
    Flow { taps: Partition, open: bool },
    /// Reads an acquirer's partitions too, its taps held back at first.
    Read { acquirer: City, turn: u64, sources: [(Partition, Kind, u64); 3] },
    /// Reads nothing of an acquirer any more.
    Leave { acquirer: City },
}

/// A message for the core, with the turn of its acquirer to which it belongs.
pub(super) struct Read {
    pub(super) acquirer: City,
    pub(super) turn: u64,
    pub(super) input: Input,
}

#[derive(Clone, Copy)]
struct Source {
    acquirer: City,
    turn: u64,
    kind: Kind,
}

/// Reads what it is told to.
pub(super) struct Reading {
    reader: Box<dyn Reader>,
    sources: BTreeMap<Partition, Source>,
    /// Taps that are held back.
    paused: BTreeSet<Partition>,
    events: Sender<Event>,
}

impl Reading {
    pub(super) fn new(reader: Box<dyn Reader>, events: Sender<Event>) -> Self {
        Self { reader, sources: BTreeMap::new(), paused: BTreeSet::new(), events }
    }

    /// Reads until nobody gives orders any more.
    pub(super) fn run(
        &mut self,
        orders: &Receiver<Order>,
        messages: &Sender<Vec<Read>>,
        bytes_max: usize,
    ) -> Result<(), LogError> {
        loop {
            loop {
                match orders.try_recv() {
                    Ok(order) => self.carry_out(order)?,
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => return Ok(()),
                }
            }
            let wait = if self.paused.is_empty() { WAIT_LONG } else { WAIT_SHORT };
            let entries = match self.reader.poll(bytes_max, wait) {
                Ok(entries) => entries,
                Err(hole @ LogError::Hole { .. }) => {
                    self.hole(hole)?;
                    continue;
                }
                Err(failure) => return Err(failure),
            };
            let inputs: Vec<Read> = entries.into_iter().filter_map(|entry| self.read(entry)).collect();
            if !inputs.is_empty() && messages.send(inputs).is_err() {
                return Ok(());
            }
        }
    }

    fn carry_out(&mut self, order: Order) -> Result<(), LogError> {
        match order {
            Order::Flow { taps, .. } if !self.sources.contains_key(&taps) => {}
            Order::Flow { taps, open: true } => {
                self.reader.resume(&taps)?;
                self.paused.remove(&taps);
            }
            Order::Flow { taps, open: false } => {
                self.reader.pause(&taps)?;
                self.paused.insert(taps);
            }
            Order::Read { acquirer, turn, sources } => {
                self.leave(acquirer)?;
                let starts = sources.each_ref().map(|(partition, _, offset)| (partition.clone(), *offset));
                if let Err(error) = self.reader.add(&starts) {
                    self.tell_unreadable(acquirer, turn, error);
                    return Ok(());
                }
                for (partition, kind, _) in sources {
                    if kind == Kind::Taps {
                        self.reader.pause(&partition)?;
                        self.paused.insert(partition.clone());
                    }
                    self.sources.insert(partition, Source { acquirer, turn, kind });
                }
            }
            Order::Leave { acquirer } => self.leave(acquirer)?,
        }
        Ok(())
    }

    fn leave(&mut self, acquirer: City) -> Result<(), LogError> {
        let its = self.sources.iter().filter(|(_, source)| source.acquirer == acquirer);
        let its: Vec<Partition> = its.map(|(partition, _)| partition.clone()).collect();
        if its.is_empty() {
            return Ok(());
        }
        for partition in &its {
            self.sources.remove(partition);
            self.paused.remove(partition);
        }
        self.reader.remove(&its)
    }

    /// Messages are missing: their acquirer is read no more, the others go on.
    fn hole(&mut self, error: LogError) -> Result<(), LogError> {
        let source = match &error {
            LogError::Hole { partition, .. } => self.sources.get(partition).copied(),
            _ => None,
        };
        let Some(Source { acquirer, turn, .. }) = source else { return Err(error) };
        self.leave(acquirer)?;
        self.tell_unreadable(acquirer, turn, error);
        Ok(())
    }

    fn tell_unreadable(&self, acquirer: City, turn: u64, error: LogError) {
        // Nobody listens any more once the switch has ended.
        drop(self.events.send(Event::Unreadable(acquirer, turn, error)));
    }

    fn read(&self, entry: Entry) -> Option<Read> {
        let Source { acquirer, turn, kind } = *self.sources.get(&entry.partition)?;
        let Entry { offset, payload, .. } = entry;
        let input = match kind {
            Kind::Taps => Input::Tap { acquirer, offset, payload },
            Kind::Parked => Input::Parked { acquirer, offset, payload },
            Kind::Results => Input::Result { acquirer, payload },
        };
        Some(Read { acquirer, turn, input })
    }
}
