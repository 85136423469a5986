//! The spool of the ingest, as a pure core: which taps of which source are journaled, which of them are sealed
//! into an upload, and which uploads are on the log.
//!
//! [`Spooler::step`] takes one input and returns what has to be done, in this order. Everything that it has to
//! remember leaves it as rows, so that [`Spooler::load`] brings it back from these alone. What an upload holds is
//! settled by its seal before its file is written, so after a crash between any two effects the same file is
//! written again with the same bytes.

use std::collections::{BTreeMap, VecDeque};

use prost::Message;

use super::{
    line::Lines,
    rows::{Kind, SealRow, SourceRow, digests_value, key},
    source::Source,
    work::Condition,
};
pub use load::LoadError;
pub use words::{
    Effect, Input, Limits, Progress, Refusal, SEQUENCE_MAX, SealedUpload, UploadState, is_upload,
};

mod load;
#[cfg(test)]
mod tests;
mod words;

/// The most uploads that wait in the inbox at a time; what more is sealed waits in the spool.
const PLACED_MAX: usize = 16;

/// How long an upload that was refused twice waits before it is tried again under another name, in ms.
const REFUSED_WAIT_MS: u64 = 600_000;

/// How long an upload that could not be written waits before it is tried again, in ms.
const UNPLACED_WAIT_MS: u64 = 1000;

/// The spool of all sources. Times are milliseconds of a clock that never goes back.
#[derive(Debug)]
pub struct Spooler {
    limits: Limits,
    sources: BTreeMap<Source, State>,
    /// Bytes of all lines that are kept.
    bytes: u64,
    /// When something of the spool was last found on the log, or the spool was last empty.
    moved_at: u64,
}

/// What is known of one source.
#[derive(Debug, Default)]
struct State {
    journaled_through: u64,
    on_log_through: u64,
    /// Bytes of the lines that are not sealed.
    open_bytes: u64,
    /// When the oldest of them came.
    open_since: u64,
    seals: VecDeque<Seal>,
    /// Digests of what lies below were forgotten in this run.
    forgotten_below: u64,
}

/// An upload whose bytes are settled.
#[derive(Debug)]
struct Seal {
    first: u64,
    through: u64,
    bytes: u64,
    attempt: u32,
    /// Whether it was refused in this run.
    refused: bool,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Its file is to be written, not before this time.
    Waits(u64),
    /// Its file was written in this run.
    Placed,
    /// It is on the log, but something before it is not.
    Taken,
}

impl State {
    fn progress(&self) -> Progress {
        Progress { journaled_through: self.journaled_through, on_log_through: self.on_log_through }
    }

    fn row(&self) -> SourceRow {
        let Progress { journaled_through, on_log_through } = self.progress();
        SourceRow { journaled_through, on_log_through }
    }

    fn sealed_through(&self) -> u64 {
        self.seals.back().map_or(self.on_log_through, |seal| seal.through)
    }

    fn open_taps(&self) -> u64 {
        self.journaled_through - self.sealed_through()
    }
}

impl Seal {
    fn row(&self) -> SealRow {
        SealRow { through: self.through, bytes: self.bytes, attempt: self.attempt }
    }

    fn upload(&self, source: &Source) -> SealedUpload {
        SealedUpload {
            source: source.clone(),
            first: self.first,
            through: self.through,
            attempt: self.attempt,
        }
    }
}

impl Spooler {
    /// A spool that holds nothing.
    #[must_use]
    pub fn new(limits: Limits, now_ms: u64) -> Self {
        Self { limits, sources: BTreeMap::new(), bytes: 0, moved_at: now_ms }
    }

    /// Takes one input at a time of the clock.
    ///
    /// # Errors
    /// [`Refusal`]; then nothing has changed.
    pub fn step(&mut self, now_ms: u64, input: Input<'_>) -> Result<Vec<Effect>, Refusal> {
        match input {
            Input::Open { source } => self.open(source),
            Input::Present { source, first, lines, known } => {
                self.present(now_ms, source, first, lines, known)
            }
            Input::Tick => Ok(self.tick(now_ms)),
            Input::Found { upload, state } => Ok(self.found(now_ms, upload, &state)),
            Input::NotPlaced { upload } => Ok(self.not_placed(now_ms, upload)),
        }
    }

    /// How far a source is; `None` for one that was never opened.
    #[must_use]
    pub fn progress(&self, source: &Source) -> Option<Progress> {
        self.sources.get(source).map(State::progress)
    }

    /// How many of `count` records from `first` on are journaled already.
    #[must_use]
    pub fn repeats(&self, source: &Source, first: u64, count: usize) -> usize {
        let through = self.sources.get(source).map_or(0, |state| state.journaled_through);
        let repeats = usize::try_from((through + 1).saturating_sub(first)).unwrap_or(usize::MAX);
        repeats.min(count)
    }

    /// The uploads that wait in the inbox.
    pub fn placed(&self) -> impl Iterator<Item = SealedUpload> {
        self.sources.iter().flat_map(|(source, state)| {
            let placed = state.seals.iter().filter(|seal| seal.stage == Stage::Placed);
            placed.map(|seal| seal.upload(source))
        })
    }

    /// How the spool is.
    #[must_use]
    pub fn condition(&self, now_ms: u64) -> Condition {
        Condition {
            spool_bytes: self.bytes,
            spool_bytes_max: self.limits.spool_bytes_max,
            sources: self.sources.len(),
            uploads_waiting: self.sources.values().map(|state| state.seals.len()).sum(),
            silent_ms: if self.bytes == 0 { 0 } else { now_ms.saturating_sub(self.moved_at) },
            trouble: None,
        }
    }

    fn open(&mut self, source: &Source) -> Result<Vec<Effect>, Refusal> {
        if self.sources.contains_key(source) {
            return Ok(Vec::new());
        }
        if self.sources.len() >= self.limits.sources_max {
            return Err(Refusal::TooManySources { max: self.limits.sources_max });
        }
        let state = State::default();
        let row = put(source, Kind::Source, 0, state.row().encode_to_vec());
        self.sources.insert(source.clone(), state);
        Ok(vec![row])
    }

    fn present(
        &mut self,
        now_ms: u64,
        source: &Source,
        first: u64,
        lines: &Lines,
        known: &[u64],
    ) -> Result<Vec<Effect>, Refusal> {
        let repeats = self.repeats(source, first, lines.len());
        let Some(state) = self.sources.get_mut(source) else { return Err(Refusal::NotOpen) };
        let next = state.journaled_through + 1;
        let count = u64::try_from(lines.len()).unwrap_or(u64::MAX);
        if lines.is_empty() {
            return Ok(vec![tell(source, state)]);
        }
        if first == 0 || first.saturating_add(count) > SEQUENCE_MAX + 1 {
            return Err(Refusal::Sequence { first, next });
        }
        if first > next {
            return Err(Refusal::Gap { first, next });
        }
        if known.len() < repeats {
            return Err(Refusal::Forgotten { first, next });
        }
        let differs =
            |(sequence, (known, digest)): (u64, (&u64, &u64))| (known != digest).then_some(sequence);
        let pairs = known.iter().zip(lines.digests()).take(repeats);
        if let Some(sequence) = (first..).zip(pairs).find_map(differs) {
            return Err(Refusal::Changed { sequence, next });
        }
        if repeats == lines.len() {
            return Ok(vec![tell(source, state)]);
        }
        let bytes = lines.bytes_from(repeats);
        let len = bytes.len() as u64;
        if self.bytes + len > self.limits.spool_bytes_max {
            let (bytes, max) = (self.bytes, self.limits.spool_bytes_max);
            return Err(Refusal::Full { bytes, max, silent_ms: now_ms.saturating_sub(self.moved_at) });
        }
        if self.bytes == 0 {
            self.moved_at = now_ms;
        }
        if state.open_taps() == 0 {
            state.open_since = now_ms;
        }
        self.bytes += len;
        state.open_bytes += len;
        state.journaled_through = first + count - 1;
        let mut effects = vec![
            put(source, Kind::Lines, next, bytes.to_vec()),
            put(source, Kind::Digests, next, digests_value(&lines.digests()[repeats..])),
            put(source, Kind::Source, 0, state.row().encode_to_vec()),
            tell(source, state),
        ];
        if state.open_taps() >= self.limits.seal_taps || state.open_bytes >= self.limits.seal_bytes {
            effects.push(seal(source, state));
            effects.extend(self.place(now_ms));
        }
        Ok(effects)
    }

    /// Seals what is old enough and writes what may be written.
    fn tick(&mut self, now_ms: u64) -> Vec<Effect> {
        let mut effects = Vec::new();
        for (source, state) in &mut self.sources {
            let due = now_ms.saturating_sub(state.open_since) >= self.limits.seal_after_ms;
            if state.open_taps() > 0 && due {
                effects.push(seal(source, state));
            }
        }
        effects.extend(self.place(now_ms));
        effects
    }

    /// Has files written while there is room in the inbox, the oldest of each source first.
    fn place(&mut self, now_ms: u64) -> Vec<Effect> {
        let seals = |state: &State| state.seals.iter().filter(|seal| seal.stage == Stage::Placed).count();
        let mut room = PLACED_MAX.saturating_sub(self.sources.values().map(seals).sum());
        let mut effects = Vec::new();
        for (source, state) in &mut self.sources {
            for seal in &mut state.seals {
                match seal.stage {
                    Stage::Waits(until) if room > 0 && until <= now_ms => {
                        seal.stage = Stage::Placed;
                        room -= 1;
                        effects.push(Effect::Place(seal.upload(source)));
                    }
                    _ => {}
                }
            }
        }
        effects
    }

    fn found(&mut self, now_ms: u64, upload: &SealedUpload, found: &UploadState) -> Vec<Effect> {
        let Some((state, at)) = self.find(upload) else { return Vec::new() };
        let seal = &mut state.seals[at];
        match found {
            UploadState::Unknown => Vec::new(),
            UploadState::Refused { .. } => {
                seal.attempt += 1;
                // A name that was used before is healed by another one at once; what else it may be takes time.
                let wait_ms = if seal.refused { REFUSED_WAIT_MS } else { 0 };
                seal.stage = Stage::Waits(now_ms.saturating_add(wait_ms));
                seal.refused = true;
                vec![put(&upload.source, Kind::Seal, seal.first, seal.row().encode_to_vec())]
            }
            UploadState::Taken => {
                seal.stage = Stage::Taken;
                self.moved_at = now_ms;
                self.finish(&upload.source)
            }
        }
    }

    /// Forgets the lines of what is on the log with everything before it, and the oldest digests.
    fn finish(&mut self, source: &Source) -> Vec<Effect> {
        let Some(state) = self.sources.get_mut(source) else { return Vec::new() };
        let mut effects = Vec::new();
        while let Some(seal) = state.seals.pop_front_if(|seal| seal.stage == Stage::Taken) {
            state.on_log_through = seal.through;
            self.bytes -= seal.bytes;
            effects.push(delete(source, Kind::Seal, seal.first, seal.first + 1));
            effects.push(delete(source, Kind::Lines, seal.first, seal.through + 1));
        }
        if effects.is_empty() {
            return effects;
        }
        let forget_below = state.on_log_through.saturating_sub(self.limits.remember_taps);
        if forget_below > state.forgotten_below {
            effects.push(delete(source, Kind::Digests, state.forgotten_below, forget_below));
            state.forgotten_below = forget_below;
        }
        effects.push(put(source, Kind::Source, 0, state.row().encode_to_vec()));
        effects.push(tell(source, state));
        effects
    }

    fn not_placed(&mut self, now_ms: u64, upload: &SealedUpload) -> Vec<Effect> {
        if let Some((state, at)) = self.find(upload) {
            state.seals[at].stage = Stage::Waits(now_ms.saturating_add(UNPLACED_WAIT_MS));
        }
        Vec::new()
    }

    /// The seal of an upload that was placed.
    fn find(&mut self, upload: &SealedUpload) -> Option<(&mut State, usize)> {
        let state = self.sources.get_mut(&upload.source)?;
        let same = |seal: &Seal| seal.first == upload.first && seal.attempt == upload.attempt;
        let at = state.seals.iter().position(|seal| same(seal) && seal.stage == Stage::Placed)?;
        Some((state, at))
    }
}

/// Settles what the next upload of a source holds: everything that is not sealed.
fn seal(source: &Source, state: &mut State) -> Effect {
    let seal = Seal {
        first: state.sealed_through() + 1,
        through: state.journaled_through,
        bytes: std::mem::take(&mut state.open_bytes),
        attempt: 1,
        refused: false,
        stage: Stage::Waits(0),
    };
    let row = put(source, Kind::Seal, seal.first, seal.row().encode_to_vec());
    state.seals.push_back(seal);
    row
}

fn tell(source: &Source, state: &State) -> Effect {
    Effect::Tell { source: source.clone(), progress: state.progress() }
}

fn put(source: &Source, kind: Kind, sequence: u64, value: Vec<u8>) -> Effect {
    Effect::Put { key: key(source, kind, sequence), value }
}

fn delete(source: &Source, kind: Kind, from: u64, to: u64) -> Effect {
    Effect::Delete { from: key(source, kind, from), to: key(source, kind, to) }
}
