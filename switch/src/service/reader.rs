//! The thread that reads taps, parks and results.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crossbeam_channel::{Receiver, Sender, TryRecvError};
use cu_log::{Entry, LogError, Partition, Reader};
use domain::city::City;

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

/// Lets taps of an acquirer come, or holds them back.
pub(super) struct Flow {
    pub(super) taps: Partition,
    pub(super) open: bool,
}

/// Which acquirer and what each partition holds.
pub(super) type Sources = BTreeMap<Partition, (City, Kind)>;

/// Reads until nobody listens any more; all taps are held back at first.
pub(super) fn run(
    mut reader: Box<dyn Reader>,
    sources: &Sources,
    flows: &Receiver<Flow>,
    messages: &Sender<Vec<Input>>,
    bytes_max: usize,
) -> Result<(), LogError> {
    let mut paused: BTreeSet<Partition> = BTreeSet::new();
    for (partition, _) in sources.iter().filter(|(_, (_, kind))| *kind == Kind::Taps) {
        reader.pause(partition)?;
        paused.insert(partition.clone());
    }
    loop {
        loop {
            match flows.try_recv() {
                Ok(Flow { taps, open: true }) => {
                    reader.resume(&taps)?;
                    paused.remove(&taps);
                }
                Ok(Flow { taps, open: false }) => {
                    reader.pause(&taps)?;
                    paused.insert(taps);
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return Ok(()),
            }
        }
        let wait = if paused.is_empty() { WAIT_LONG } else { WAIT_SHORT };
        let entries = reader.poll(bytes_max, wait)?;
        let inputs: Vec<Input> = entries.into_iter().filter_map(|entry| input(sources, entry)).collect();
        if !inputs.is_empty() && messages.send(inputs).is_err() {
            return Ok(());
        }
    }
}

fn input(sources: &Sources, entry: Entry) -> Option<Input> {
    let (acquirer, kind) = *sources.get(&entry.partition)?;
    let Entry { offset, payload, .. } = entry;
    Some(match kind {
        Kind::Taps => Input::Tap { acquirer, offset, payload },
        Kind::Parked => Input::Parked { acquirer, offset, payload },
        Kind::Results => Input::Result { acquirer, payload },
    })
}
