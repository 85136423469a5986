//! The scheme as the log tells it: the versions of the rules, and the cycle that is open.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use cu_log::{Entry, Log, LogError, topics::Topics};
use domain::{cycle::CycleName, rulebook::Rulebook};
use proto::{CycleEvent, Message, Opening, RulebookDocument, cycle_event::Body};

use crate::whole_text;

/// How long one look at the log waits.
const POLL: Duration = Duration::from_millis(200);

#[derive(Debug, Default)]
struct Known {
    rulebooks: BTreeMap<(u32, [u8; 32]), Arc<Rulebook>>,
    openings: BTreeMap<u32, Opening>,
    /// The last cycle whose opening came alone, and the last whose markers are said to stand.
    alone: u32,
    opened: u32,
    cut_off: u32,
    failed: Option<String>,
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
    /// [`LogError`] if the topics cannot be read.
    pub fn follow(log: &Arc<dyn Log>, topics: &Topics) -> Result<Self, LogError> {
        let (rulebook, cycles) = (topics.rulebook(), topics.cycles());
        let starts =
            [(rulebook.clone(), log.bounds(&rulebook)?.start), (cycles.clone(), log.bounds(&cycles)?.start)];
        let ends = [log.bounds(&rulebook)?.end, log.bounds(&cycles)?.end];
        let mut reader = log.reader(&starts)?;
        let shared = Arc::new((Mutex::new(Known::default()), Condvar::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let mut seen = [starts[0].1, starts[1].1];
        while seen[0] < ends[0] || seen[1] < ends[1] {
            for entry in reader.poll(1 << 20, POLL)? {
                seen[usize::from(entry.partition == cycles)] = entry.offset + 1;
                lock(&shared).take(&entry, &rulebook);
            }
        }
        let (state, stopping) = (Arc::clone(&shared), Arc::clone(&stop));
        let thread = std::thread::Builder::new().name("scheme-view".to_owned()).spawn(move || {
            while !stopping.load(Ordering::Relaxed) {
                match reader.poll(1 << 20, POLL) {
                    Ok(entries) if entries.is_empty() => continue,
                    Ok(entries) => entries.iter().for_each(|entry| lock(&state).take(entry, &rulebook)),
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

    /// The rules of the last opening, open or not.
    #[must_use]
    pub fn last_rulebook(&self) -> Option<Arc<Rulebook>> {
        let known = lock(&self.shared);
        let opening = known.openings.values().next_back()?;
        known.rulebook(opening)
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

impl Known {
    fn take(&mut self, entry: &Entry, rulebook: &cu_log::Partition) {
        if entry.partition == *rulebook {
            match RulebookDocument::decode(entry.payload.clone()).map(|doc| Rulebook::parse(&doc.toml)) {
                Ok(Ok(rules)) => {
                    self.rulebooks.insert((rules.version, rules.digest()), Arc::new(rules));
                }
                Ok(Err(error)) => tracing::error!(%error, "a rulebook on the log cannot be used"),
                Err(error) => tracing::error!(%error, "a message on cu.rulebook cannot be read"),
            }
            return;
        }
        match CycleEvent::decode(entry.payload.clone()).map(|event| event.body) {
            Ok(Some(Body::Opening(opening))) => {
                let cycle = opening.cycle;
                if self.opened(opening) {
                    self.alone = cycle;
                }
            }
            Ok(Some(Body::Opened(opened))) => self.opened = self.opened.max(opened.cycle),
            Ok(Some(Body::CutOff(cut)))
                if cut.cycle == self.cut_off + 1 && self.openings.contains_key(&cut.cycle) =>
            {
                self.cut_off = cut.cycle;
                if let Some(opening) = cut.opens {
                    self.opened(opening);
                }
            }
            Ok(_) => {}
            Err(error) => tracing::error!(%error, "a message on cu.cycles cannot be read"),
        }
    }

    /// The first opening of the cycle that is due wins.
    fn opened(&mut self, opening: Opening) -> bool {
        let first = opening.cycle == self.cut_off + 1 && !self.openings.contains_key(&opening.cycle);
        if first {
            self.openings.insert(opening.cycle, opening);
        }
        first
    }

    fn rulebook(&self, opening: &Opening) -> Option<Arc<Rulebook>> {
        let digest: [u8; 32] = opening.rulebook_digest.as_ref().try_into().ok()?;
        self.rulebooks.get(&(opening.rulebook_version, digest)).cloned()
    }

    fn open_cycle(&self) -> Option<OpenCycle> {
        let opening = self.openings.get(&(self.cut_off + 1))?;
        // Taps before the marker would stand where no cycle is open.
        if self.alone == opening.cycle && self.opened < opening.cycle {
            return None;
        }
        Some(OpenCycle { opening: opening.clone(), rulebook: self.rulebook(opening)? })
    }
}

fn lock(shared: &(Mutex<Known>, Condvar)) -> MutexGuard<'_, Known> {
    shared.0.lock().unwrap_or_else(PoisonError::into_inner)
}
