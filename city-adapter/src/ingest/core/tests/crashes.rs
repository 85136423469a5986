//! Random streams, an inbox that takes when it likes, and crashes between any two effects.

use std::collections::BTreeMap;

use super::*;

const SEEDS: u64 = 300;
const STEPS: u64 = 400;
const TAPS: u64 = 60;

/// Numbers that look random, the same for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % end
    }
}

/// What outlives a crash: the rows, the inbox, what the log has, and what the clients believe.
struct World {
    dice: Dice,
    now_ms: u64,
    core: Spooler,
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Files that were put into the inbox and not taken yet.
    inbox: BTreeMap<String, Vec<u8>>,
    /// Every upload that was taken.
    taken: BTreeMap<String, Vec<u8>>,
    refused: BTreeMap<String, Vec<u8>>,
    /// Everything that was ever written under a name.
    written: BTreeMap<String, Vec<u8>>,
    /// What each client has heard.
    heard: BTreeMap<Source, Progress>,
}

const NAMES: [&str; 2] = ["bus", "bus-2"];

fn limits() -> Limits {
    Limits {
        spool_bytes_max: 300,
        sources_max: 2,
        seal_taps: 7,
        seal_bytes: 90,
        seal_after_ms: 50,
        remember_taps: 9,
    }
}

/// The content of a tap.
fn text(source: &Source, sequence: u64) -> String {
    format!("{source} {sequence}")
}

impl World {
    fn new(seed: u64) -> Self {
        let core = Spooler::new(limits(), 0);
        let heard = NAMES.map(|name| (source(name), Progress::default())).into();
        Self {
            dice: Dice(seed),
            now_ms: 0,
            core,
            rows: BTreeMap::new(),
            inbox: BTreeMap::new(),
            taken: BTreeMap::new(),
            refused: BTreeMap::new(),
            written: BTreeMap::new(),
            heard,
        }
    }

    /// Carries effects out; may crash between any two.
    fn carry_out(&mut self, effects: Vec<Effect>, may_crash: bool) {
        let crash_at = match may_crash && self.dice.below(8) == 0 {
            true => usize::try_from(self.dice.below(effects.len() as u64 + 2)).unwrap(),
            false => usize::MAX,
        };
        // All rows are kept as one, before the rest.
        if crash_at == 0 {
            return self.restart();
        }
        for effect in &effects {
            match effect {
                Effect::Put { key, value } => drop(self.rows.insert(key.clone(), value.clone())),
                Effect::Delete { from, to } => {
                    self.rows.retain(|key, _| key < from || key >= to);
                }
                Effect::Place(_) | Effect::Tell { .. } => {}
            }
        }
        for (at, effect) in (1..).zip(effects) {
            if at == crash_at {
                return self.restart();
            }
            match effect {
                Effect::Put { .. } | Effect::Delete { .. } => {}
                Effect::Tell { source, progress } => drop(self.heard.insert(source, progress)),
                Effect::Place(upload) => self.place(&upload),
            }
        }
        if crash_at != usize::MAX {
            self.restart();
        }
    }

    fn place(&mut self, upload: &SealedUpload) {
        let from = key(&upload.source, Kind::Lines, upload.first);
        let to = key(&upload.source, Kind::Lines, upload.through + 1);
        let bytes: Vec<u8> = self.rows.range(from..to).flat_map(|(_, value)| value.clone()).collect();
        let name = upload.name();
        let before = self.written.insert(name.clone(), bytes.clone());
        assert!(before.is_none_or(|before| before == bytes), "{name} has other bytes");
        if self.state_of(&name) == UploadState::Unknown {
            self.inbox.insert(name, bytes);
        }
    }

    fn state_of(&self, name: &str) -> UploadState {
        match (self.taken.contains_key(name), self.refused.contains_key(name)) {
            (true, _) => UploadState::Taken,
            (false, true) => UploadState::Refused { reason: "no member".to_owned() },
            (false, false) => UploadState::Unknown,
        }
    }

    fn restart(&mut self) {
        self.core = Spooler::load(limits(), self.now_ms, self.rows.clone()).unwrap();
        for (source, heard) in &self.heard {
            let found = self.core.progress(source).unwrap_or_default();
            assert!(
                found.journaled_through >= heard.journaled_through,
                "{source}: an acknowledged tap is gone"
            );
            assert!(found.on_log_through >= heard.on_log_through, "{source}: {found:?} {heard:?}");
        }
    }

    /// A client sends some taps, mostly from where it believes to be; sometimes what it sent before.
    fn send(&mut self, source: &Source) {
        self.step(Input::Open { source }, true);
        let Some(progress) = self.core.progress(source) else { return };
        let next = progress.journaled_through + 1;
        let first = next.saturating_sub(self.dice.below(4) * self.dice.below(5)).max(1);
        let count = (1 + self.dice.below(5)).min((TAPS + 1).saturating_sub(first));
        let texts: Vec<String> = (first..first + count).map(|sequence| text(source, sequence)).collect();
        let lines = lines(&texts.iter().map(String::as_str).collect::<Vec<_>>());
        let repeats = self.core.repeats(source, first, lines.len());
        let known: Vec<Digest> = self.known(source, first).into_iter().take(repeats).collect();
        self.step(Input::Present { source, first, lines: &lines, known: &known }, true);
    }

    /// The digests that are remembered without a gap from a sequence on.
    fn known(&self, source: &Source, first: u64) -> Vec<Digest> {
        let rows = self.rows.range(key(source, Kind::Digests, 0)..key(source, Kind::End, 0));
        let mut all = BTreeMap::new();
        for (row, value) in rows {
            let start = u64::from_be_bytes(*row.last_chunk().unwrap());
            all.extend((start..).zip(crate::ingest::rows::digests_of(value)));
        }
        (first..).map_while(|sequence| all.get(&sequence).copied()).collect()
    }

    fn step(&mut self, input: Input<'_>, may_crash: bool) {
        self.now_ms += self.dice.below(20);
        match self.core.step(self.now_ms, input) {
            Ok(effects) => self.carry_out(effects, may_crash),
            Err(Refusal::Full { .. } | Refusal::Forgotten { .. }) => {}
            Err(refusal) => panic!("{refusal}"),
        }
    }

    /// The inbox takes, or refuses, one of its files.
    fn take_one(&mut self, may_refuse: bool) {
        let Some((name, bytes)) = self.inbox.pop_first() else { return };
        if may_refuse && self.dice.below(12) == 0 && !self.taken.contains_key(&name) {
            self.refused.insert(name, bytes);
            return;
        }
        let before = self.taken.insert(name.clone(), bytes.clone());
        assert!(before.is_none_or(|before| before == bytes), "{name} was taken with other bytes");
    }

    fn look(&mut self, may_crash: bool) {
        let placed: Vec<SealedUpload> = self.core.placed().collect();
        for upload in placed {
            let state = self.state_of(&upload.name());
            self.step(Input::Found { upload: &upload, state }, may_crash);
        }
        if self.dice.below(20) == 0 {
            self.now_ms += REFUSED_WAIT_MS;
        }
        self.step(Input::Tick, may_crash);
    }

    fn random_step(&mut self, clients: &[Source; 2]) {
        match self.dice.below(10) {
            0..=3 => {
                let client = usize::try_from(self.dice.below(2)).unwrap();
                self.send(&clients[client]);
            }
            4..=5 => self.take_one(true),
            6 => self.restart(),
            _ => self.look(true),
        }
    }

    /// Everything the log has, by source, in the order of the names.
    fn log(&self) -> BTreeMap<Source, Vec<String>> {
        let mut all: BTreeMap<Source, Vec<String>> = BTreeMap::new();
        for (name, bytes) in &self.taken {
            let stem = name.strip_prefix("ingest-").unwrap().split("-0000").next().unwrap();
            let text = String::from_utf8(bytes.clone()).unwrap();
            all.entry(source(stem)).or_default().extend(text.lines().map(str::to_owned));
        }
        all
    }
}

#[test]
fn no_tap_is_lost_or_taken_twice_whatever_crashes() {
    let clients = NAMES.map(source);
    let mut restarts_with_work = 0;
    for seed in 0..SEEDS {
        let mut world = World::new(seed);
        for _ in 0..STEPS {
            world.random_step(&clients);
        }
        restarts_with_work += u64::from(world.written.len() > 2);
        // Then nothing crashes any more, and everything ends.
        for _ in 0..400 {
            for client in &clients {
                if world.core.progress(client).is_none_or(|progress| progress.journaled_through < TAPS) {
                    world.send(client);
                }
            }
            world.take_one(false);
            world.now_ms += 60;
            world.look(false);
        }
        for client in &clients {
            let progress = world.core.progress(client).unwrap();
            assert_eq!((progress.journaled_through, progress.on_log_through), (TAPS, TAPS), "seed {seed}");
            let wanted: Vec<String> = (1..=TAPS).map(|sequence| text(client, sequence)).collect();
            assert_eq!(world.log().get(client), Some(&wanted), "seed {seed}, {client}");
        }
        assert_eq!(world.core.bytes, 0, "seed {seed}");
        let left = |key: &Vec<u8>| {
            matches!(crate::ingest::rows::parse_key(key), Some((_, Kind::Lines | Kind::Seal, _)))
        };
        assert!(!world.rows.keys().any(left), "seed {seed}: rows are left");
    }
    assert!(restarts_with_work > SEEDS / 2, "the worlds did too little");
}
