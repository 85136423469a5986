//! The one thread that owns the spool: takes what streams hand it in groups, each journaled with one synced
//! write, and passes sealed uploads to the inbox.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use runtime::whole_text;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};

use super::{
    IngestError,
    core::{Effect, Input, Limits, Progress, Refusal, SealedUpload, Spooler, UploadState},
    line::Lines,
    place::place,
    source::Source,
    store::Store,
    work::{Condition, Failure, Opened, Places, Work},
};

/// How often sealed uploads are looked after.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// How long a store that failed is left alone before it is opened again.
const MEND_EVERY: Duration = Duration::from_secs(1);

/// Bytes of lines that share one synced write.
const GROUP_BYTES_MAX: usize = 8 << 20;

/// The thread's state.
pub struct Worker {
    limits: Limits,
    places: Places,
    started: Instant,
    /// The spool, or why it cannot be used now.
    spool: Result<Spool, String>,
    /// Tells the streams of each source how far it is.
    told: BTreeMap<Source, watch::Sender<Progress>>,
    /// What was last said about the inbox, so that it is said once.
    inbox_trouble: Option<String>,
    /// Whether it was said that the spool is full.
    full: bool,
    condition: Arc<Mutex<Condition>>,
}

/// A spool that works.
struct Spool {
    core: Spooler,
    store: Store,
    /// Digests of the files in the inbox, by name.
    placed: BTreeMap<String, [u8; 32]>,
}

/// What waits for the write of a group.
#[derive(Default)]
struct Group {
    effects: Vec<Effect>,
    opened: Vec<(Source, oneshot::Sender<Opened>)>,
    presented: Vec<(mpsc::Sender<Failure>, OwnedSemaphorePermit)>,
    bytes: usize,
}

impl Spool {
    fn open(places: &Places, limits: Limits, now_ms: u64) -> Result<Self, IngestError> {
        let store = Store::open(&places.store)?;
        let core = Spooler::load(limits, now_ms, store.rows()?)
            .map_err(|source| IngestError::Rows { path: places.store.clone(), source })?;
        Ok(Self { core, store, placed: BTreeMap::new() })
    }
}

impl Worker {
    /// Opens the spool.
    pub fn new(places: Places, limits: Limits) -> Result<Self, IngestError> {
        let spool = Ok(Spool::open(&places, limits, 0)?);
        let (started, told) = (Instant::now(), BTreeMap::new());
        let condition = Arc::default();
        let worker =
            Self { limits, places, started, spool, told, inbox_trouble: None, full: false, condition };
        worker.show();
        Ok(worker)
    }

    /// Where it shows how it is.
    pub fn condition(&self) -> Arc<Mutex<Condition>> {
        Arc::clone(&self.condition)
    }

    /// Works until it is told to stop or nobody can tell it anything any more.
    pub fn run(mut self, queue: &Receiver<Work>) {
        let mut looked = Instant::now();
        loop {
            let mut work = match queue.recv_timeout(LOOK_EVERY.saturating_sub(looked.elapsed())) {
                Ok(Work::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(work) => Some(work),
                Err(RecvTimeoutError::Timeout) => None,
            };
            let mut group = Group::default();
            while let Some(next) = work.take() {
                if matches!(next, Work::Stop) {
                    self.commit(&mut group);
                    return;
                }
                self.take(next, &mut group);
                work = (group.bytes < GROUP_BYTES_MAX).then(|| queue.try_recv().ok()).flatten();
            }
            self.commit(&mut group);
            if looked.elapsed() >= LOOK_EVERY {
                self.look();
                self.show();
                looked = Instant::now();
            }
        }
    }

    fn now_ms(&self) -> u64 {
        self.started.elapsed().as_millis().try_into().unwrap_or(u64::MAX)
    }

    fn take(&mut self, work: Work, group: &mut Group) {
        match work {
            Work::Stop => {}
            Work::Open { source, reply } => match self.step(Input::Open { source: &source }) {
                Ok(effects) => {
                    group.effects.extend(effects);
                    group.opened.push((source, reply));
                }
                Err(failure) => drop(reply.send(Err(failure.of(&source)))),
            },
            Work::Present { source, first, lines, failed, room } => {
                match self.present(&source, first, &lines, group) {
                    Ok(effects) => {
                        group.effects.extend(effects);
                        group.bytes += lines.bytes_from(0).len();
                        group.presented.push((failed, room));
                    }
                    Err(failure) => {
                        self.say_if_full(&failure);
                        // Only the first failure of a stream counts.
                        drop(failed.try_send(failure.of(&source)));
                    }
                }
            }
        }
    }

    fn present(
        &mut self,
        source: &Source,
        first: u64,
        lines: &Lines,
        group: &mut Group,
    ) -> Result<Vec<Effect>, StepError> {
        let mut known = Vec::new();
        if self.repeats(source, first, lines)? > 0 {
            // What it repeats may wait in this very group.
            self.commit(group);
            let repeats = self.repeats(source, first, lines)?;
            known = self.read(|spool| spool.store.digests(source, first, repeats))?;
        }
        self.step(Input::Present { source, first, lines, known: &known })
    }

    fn repeats(&self, source: &Source, first: u64, lines: &Lines) -> Result<usize, StepError> {
        let spool = self.spool.as_ref().map_err(|why| StepError::Unavailable(why.clone()))?;
        Ok(spool.core.repeats(source, first, lines.len()))
    }

    fn step(&mut self, input: Input<'_>) -> Result<Vec<Effect>, StepError> {
        let now_ms = self.now_ms();
        let spool = self.spool.as_mut().map_err(|why| StepError::Unavailable(why.clone()))?;
        spool.core.step(now_ms, input).map_err(StepError::Refused)
    }

    /// Reads from the store; if it fails the spool is out of use.
    fn read<T>(&mut self, read: impl FnOnce(&Spool) -> Result<T, IngestError>) -> Result<T, StepError> {
        let spool = self.spool.as_ref().map_err(|why| StepError::Unavailable(why.clone()))?;
        match read(spool) {
            Ok(value) => Ok(value),
            Err(error) => Err(StepError::Unavailable(self.fail(&error))),
        }
    }

    /// Writes the rows of a group, then does the rest of it.
    fn commit(&mut self, group: &mut Group) {
        let Group { effects, opened, presented, .. } = std::mem::take(group);
        if let Err(why) = self.carry_out(effects) {
            let failure = Failure::Unavailable(why);
            for (failed, _room) in presented {
                drop(failed.try_send(failure.clone()));
            }
            for (_, reply) in opened {
                drop(reply.send(Err(failure.clone())));
            }
            return;
        }
        for (source, reply) in opened {
            let progress = self.spool.as_ref().ok().and_then(|spool| spool.core.progress(&source));
            let told =
                self.told.entry(source).or_insert_with(|| watch::Sender::new(progress.unwrap_or_default()));
            drop(reply.send(Ok(told.subscribe())));
        }
    }

    fn say_if_full(&mut self, failure: &StepError) {
        if let (StepError::Refused(refusal @ Refusal::Full { .. }), false) = (failure, self.full) {
            tracing::error!("streams of taps are refused: {refusal}");
            self.full = true;
        }
    }

    /// Shows how the spool is.
    fn show(&self) {
        let trouble = self.spool.as_ref().err().or(self.inbox_trouble.as_ref()).cloned();
        let now_ms = self.now_ms();
        let mut condition = self.condition.lock().unwrap_or_else(PoisonError::into_inner);
        *condition = match &self.spool {
            Ok(spool) => Condition { trouble, ..spool.core.condition(now_ms) },
            Err(_) => Condition { trouble, ..condition.clone() },
        };
    }

    /// Carries effects out. Says why if the rows among them could not be kept; then the spool is out of use.
    fn carry_out(&mut self, effects: Vec<Effect>) -> Result<(), String> {
        let spool = self.spool.as_ref().map_err(Clone::clone)?;
        if let Err(error) = spool.store.write(&effects) {
            return Err(self.fail(&error));
        }
        for effect in effects {
            match effect {
                Effect::Put { .. } | Effect::Delete { .. } => {}
                Effect::Tell { source, progress } => {
                    if let Some(told) = self.told.get(&source) {
                        told.send_replace(progress);
                    }
                }
                Effect::Place(upload) => self.place(&upload),
            }
        }
        Ok(())
    }

    fn place(&mut self, upload: &SealedUpload) {
        let now_ms = self.now_ms();
        let Ok(spool) = &mut self.spool else { return };
        let name = upload.name();
        match place(&spool.store, upload, &self.places.inbox, self.places.uploads.as_ref()) {
            Ok(sha256) => {
                tracing::debug!("{name}: sequences {} to {} are in the inbox", upload.first, upload.through);
                spool.placed.insert(name, sha256);
                self.inbox_trouble = None;
            }
            Err(error) => {
                let trouble = whole_text(&error);
                if self.inbox_trouble.as_ref() != Some(&trouble) {
                    tracing::error!("{trouble}; taps are journaled on, and it is tried again");
                }
                self.inbox_trouble = Some(trouble);
                // Nothing of it has to be kept.
                drop(spool.core.step(now_ms, Input::NotPlaced { upload }));
            }
        }
    }

    /// Looks what became of the uploads in the inbox, seals what is old enough, mends a spool that failed.
    fn look(&mut self) {
        if self.spool.is_err() {
            return self.mend();
        }
        let Ok(spool) = &self.spool else { return };
        let waiting: Vec<SealedUpload> = spool.core.placed().collect();
        for upload in waiting {
            self.look_at(&upload);
        }
        let effects = self.step(Input::Tick).unwrap_or_default();
        drop(self.carry_out(effects));
        if let (Ok(spool), true) = (&self.spool, self.full)
            && spool.core.condition(0).spool_bytes < self.limits.spool_bytes_max / 2
        {
            tracing::info!("the spool has room again; streams of taps are taken");
            self.full = false;
        }
    }

    fn look_at(&mut self, upload: &SealedUpload) {
        let name = upload.name();
        let Ok(spool) = &self.spool else { return };
        let Some(sha256) = spool.placed.get(&name) else { return };
        let state = self.places.uploads.state_of(&name, sha256);
        if state == UploadState::Unknown {
            return;
        }
        if let UploadState::Refused { reason } = &state {
            tracing::error!(
                "{name} is refused: {reason}; its taps stay in the spool and are sent again under another \
                 name, at once and then every ten minutes"
            );
        }
        let effects = self.step(Input::Found { upload, state }).unwrap_or_default();
        if self.carry_out(effects).is_ok()
            && let Ok(spool) = &mut self.spool
        {
            spool.placed.remove(&name);
        }
    }

    /// The spool is out of use: what it holds in memory may be ahead of what is kept.
    fn fail(&mut self, error: &IngestError) -> String {
        let why = whole_text(error);
        tracing::error!("{why}; streams are refused until it can be written again");
        self.spool = Err(why.clone());
        why
    }

    fn mend(&mut self) {
        std::thread::sleep(MEND_EVERY);
        let now_ms = self.now_ms();
        if let Ok(spool) = Spool::open(&self.places, self.limits, now_ms) {
            tracing::info!("{} can be written again", self.places.store.display());
            for (source, told) in &self.told {
                told.send_replace(spool.core.progress(source).unwrap_or_default());
            }
            self.spool = Ok(spool);
        }
    }
}

/// Why a step was not taken.
enum StepError {
    Refused(Refusal),
    Unavailable(String),
}

impl StepError {
    fn of(self, source: &Source) -> Failure {
        match self {
            Self::Refused(refusal) => Failure::Refused(source.clone(), refusal),
            Self::Unavailable(why) => Failure::Unavailable(why),
        }
    }
}
