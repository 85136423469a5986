//! The scheme as the log tells it: the versions of the rules, and the cycle that is open.

mod known;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use cu_log::{Log, LogError, Partition, Reader, topics::Topics};
use domain::{city::City, cycle::CycleName, rulebook::Rulebook};
use proto::Opening;

use crate::whole_text;
use known::Known;

/// How long one look at the log waits.
const POLL: Duration = Duration::from_millis(200);

/// Reads both topics from their beginning, without a gap.
struct Follower {
    reader: Box<dyn Reader>,
    rulebook: Partition,
    cycles: Partition,
    /// The next offset of each: of the rules, and of the cycles.
    next: [u64; 2],
}

/// Follows `cu.rulebook` and `cu.cycles` on a thread of its own until it is dropped.
#[derive(Debug)]
pub struct SchemeView {
    shared: Arc<(Mutex<Known>, Condvar)>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// The open cycle and its rules.
#[derive(Clone, Debug)]
pub struct OpenCycle {
    /// Its opening.
    pub opening: Opening,
    /// Its rules.
    pub rulebook: Arc<Rulebook>,
}

impl SchemeView {
    /// Reads what stands on the log and goes on following it.
    ///
    /// # Errors
    /// [`LogError`] if the topics cannot be read, or lack their beginning.
    pub fn follow(log: &Arc<dyn Log>, topics: &Topics) -> Result<Self, LogError> {
        let mut follower = Follower::start(log, topics)?;
        let ends = [log.bounds(&follower.rulebook)?.end, log.bounds(&follower.cycles)?.end];
        let shared = Arc::new((Mutex::new(Known::default()), Condvar::new()));
        let stop = Arc::new(AtomicBool::new(false));
        while follower.next[0] < ends[0] || follower.next[1] < ends[1] {
            follower.read(&shared.0)?;
        }
        let (state, stopping) = (Arc::clone(&shared), Arc::clone(&stop));
        let thread = std::thread::Builder::new().name("scheme-view".to_owned()).spawn(move || {
            while !stopping.load(Ordering::Relaxed) {
                match follower.read(&state.0) {
                    Ok(0) => continue,
                    Ok(_) => {}
                    Err(error) => {
                        lock(&state).failed = Some(whole_text(&error));
                        state.1.notify_all();
                        return;
                    }
                }
                state.1.notify_all();
            }
        });
        let thread = thread.map_err(|source| LogError::Backend {
            context: "start the thread that follows the cycles".to_owned(),
            source: Box::new(source),
        })?;
        Ok(Self { shared, stop, thread: Some(thread) })
    }

    /// The open cycle, once its rules are here.
    #[must_use]
    pub fn open_cycle(&self) -> Option<OpenCycle> {
        lock(&self.shared).open_cycle()
    }

    /// The open cycle, once batches of this city may stand in it: the markers of a cycle that keeps the city in
    /// another partition than the one before must stand there first, and a city that has moved waits for the cycle that
    /// says so.
    #[must_use]
    pub fn open_cycle_of(&self, city: City) -> Option<OpenCycle> {
        lock(&self.shared).open_cycle_of(city)
    }

    /// The rules of the last opening, open or not.
    #[must_use]
    pub fn last_rulebook(&self) -> Option<Arc<Rulebook>> {
        let known = lock(&self.shared);
        let opening = known.openings.values().next_back()?;
        known.rulebook(opening)
    }

    /// The openings of all cycles, in order.
    #[must_use]
    pub fn openings(&self) -> Vec<Opening> {
        lock(&self.shared).openings.values().cloned().collect()
    }

    /// The ordinal of the last cycle that was cut off; 0 if none was.
    #[must_use]
    pub fn ended(&self) -> u32 {
        lock(&self.shared).cut_off
    }

    /// The partition of each city that is on its way to another one or has moved.
    #[must_use]
    pub fn moved(&self) -> BTreeMap<City, u32> {
        lock(&self.shared).moved.clone()
    }

    /// The rules that an opening names, once their bytes are here.
    #[must_use]
    pub fn rulebook_of(&self, opening: &Opening) -> Option<Arc<Rulebook>> {
        lock(&self.shared).rulebook(opening)
    }

    /// The ordinal of the cycle with this folder name.
    #[must_use]
    pub fn ordinal_of(&self, name: &CycleName) -> Option<u32> {
        let is = |opening: &&Opening| {
            opening.business_date == name.business_date.julian_day() && opening.sequence == name.sequence
        };
        lock(&self.shared).openings.values().find(is).map(|opening| opening.cycle)
    }

    /// All versions of the rules that are known.
    #[must_use]
    pub fn rulebooks(&self) -> Vec<Arc<Rulebook>> {
        lock(&self.shared).rulebooks.values().cloned().collect()
    }

    /// Why it does not follow any more, if so.
    #[must_use]
    pub fn failed(&self) -> Option<String> {
        lock(&self.shared).failed.clone()
    }

    /// Waits until `found` finds what it looks for.
    ///
    /// # Errors
    /// [`LogError::Timeout`], or what stopped the following.
    pub fn wait_for<T>(&self, timeout: Duration, found: impl Fn(&Self) -> Option<T>) -> Result<T, LogError> {
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(value) = found(self) {
                return Ok(value);
            }
            let known = lock(&self.shared);
            if let Some(why) = &known.failed {
                return Err(LogError::Backend {
                    context: "follow the cycles".to_owned(),
                    source: why.clone().into(),
                });
            }
            if Instant::now() >= deadline {
                return Err(LogError::Timeout(timeout));
            }
            drop(self.shared.1.wait_timeout(known, POLL).unwrap_or_else(PoisonError::into_inner));
        }
    }
}

impl Drop for SchemeView {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that follows the cycles panicked");
        }
    }
}

impl Follower {
    fn start(log: &Arc<dyn Log>, topics: &Topics) -> Result<Self, LogError> {
        let (rulebook, cycles) = (topics.rulebook(), topics.cycles());
        for partition in [&rulebook, &cycles] {
            let have = log.bounds(partition)?;
            if have.start > 0 {
                let source = LogError::Hole { partition: partition.clone(), wanted: 0, have };
                return Err(gone(format!("{partition} lacks its beginning; restore the log"), source));
            }
        }
        let reader = log.reader(&[(rulebook.clone(), 0), (cycles.clone(), 0)])?;
        Ok(Self { reader, rulebook, cycles, next: [0, 0] })
    }

    /// Takes what stands there next; how many messages.
    fn read(&mut self, known: &Mutex<Known>) -> Result<usize, LogError> {
        let entries = self.reader.poll(1 << 20, POLL)?;
        for entry in &entries {
            let next = &mut self.next[usize::from(entry.partition == self.cycles)];
            if entry.offset != *next {
                let (partition, wanted, found) = (entry.partition.clone(), *next, entry.offset);
                let context = format!(
                    "{partition} goes from offset {wanted} to {found}: messages are missing; restore the log"
                );
                return Err(gone(context, LogError::Hole { partition, wanted, have: found..found + 1 }));
            }
            *next += 1;
            let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
            known.take(entry, &self.rulebook).map_err(|what| {
                let context = format!(
                    "{} at offset {} {what}: its first events are gone, or the topic was made anew; restore the log",
                    entry.partition, entry.offset
                );
                let (partition, have) = (entry.partition.clone(), 0..entry.offset + 1);
                gone(context, LogError::Hole { partition, wanted: 0, have })
            })?;
        }
        Ok(entries.len())
    }
}

/// Messages that must be there are not.
fn gone(context: String, source: LogError) -> LogError {
    LogError::Backend { context, source: Box::new(source) }
}

fn lock(shared: &(Mutex<Known>, Condvar)) -> MutexGuard<'_, Known> {
    shared.0.lock().unwrap_or_else(PoisonError::into_inner)
}
