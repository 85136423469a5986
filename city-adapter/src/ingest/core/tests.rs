use proto::{Record, record::Content};

use super::*;
use crate::ingest::line::Digest;

mod crashes;

const LIMITS: Limits = Limits {
    spool_bytes_max: 400,
    sources_max: 2,
    seal_taps: 4,
    seal_bytes: 200,
    seal_after_ms: 1000,
    remember_taps: 5,
};

fn source(name: &str) -> Source {
    name.parse().unwrap()
}

fn lines(texts: &[&str]) -> Lines {
    let record = |text: &&str| Record { content: Some(Content::Line(text.as_bytes().to_vec().into())) };
    Lines::of(&texts.iter().map(record).collect::<Vec<_>>())
}

/// A spool with source `bus`, and what was told of it.
struct Desk {
    core: Spooler,
    now_ms: u64,
}

impl Desk {
    fn new() -> Self {
        let mut core = Spooler::new(LIMITS, 0);
        core.step(0, Input::Open { source: &source("bus") }).unwrap();
        Self { core, now_ms: 0 }
    }

    fn present(&mut self, first: u64, texts: &[&str], known: &[Digest]) -> Result<Vec<Effect>, Refusal> {
        let (source, lines) = (source("bus"), lines(texts));
        self.core.step(self.now_ms, Input::Present { source: &source, first, lines: &lines, known })
    }

    fn tick(&mut self) -> Vec<Effect> {
        self.core.step(self.now_ms, Input::Tick).unwrap()
    }

    fn found(&mut self, upload: &SealedUpload, state: UploadState) -> Vec<Effect> {
        self.core.step(self.now_ms, Input::Found { upload, state }).unwrap()
    }

    fn progress(&self) -> (u64, u64) {
        let progress = self.core.progress(&source("bus")).unwrap();
        (progress.journaled_through, progress.on_log_through)
    }
}

fn placed(effects: &[Effect]) -> Vec<SealedUpload> {
    let upload = |effect: &Effect| match effect {
        Effect::Place(upload) => Some(upload.clone()),
        _ => None,
    };
    effects.iter().filter_map(upload).collect()
}

fn digests(texts: &[&str]) -> Vec<Digest> {
    lines(texts).digests().to_vec()
}

#[test]
fn records_are_kept_before_anybody_hears_of_it() {
    let mut desk = Desk::new();
    let effects = desk.present(1, &["a", "b"], &[]).unwrap();
    let told = effects.iter().position(|effect| matches!(effect, Effect::Tell { .. })).unwrap();
    let kept = |kind, value: &[u8]| {
        let row = Effect::Put { key: key(&source("bus"), kind, 1), value: value.to_vec() };
        effects[..told].contains(&row)
    };
    assert!(kept(Kind::Lines, b"a\nb\n"));
    assert!(kept(Kind::Digests, &digests_value(&digests(&["a", "b"]))));
    assert_eq!(desk.progress(), (2, 0));
}

#[test]
fn a_repeat_is_acknowledged_and_kept_once() {
    let mut desk = Desk::new();
    desk.present(1, &["a", "b"], &[]).unwrap();
    let effects = desk.present(1, &["a", "b"], &digests(&["a", "b"])).unwrap();
    assert!(matches!(effects.as_slice(), [Effect::Tell { .. }]), "{effects:?}");
    let effects = desk.present(2, &["b", "c"], &digests(&["b"])).unwrap();
    let row = Effect::Put { key: key(&source("bus"), Kind::Lines, 3), value: b"c\n".to_vec() };
    assert_eq!(effects.first(), Some(&row));
    assert_eq!(desk.progress(), (3, 0));
}

#[test]
fn another_content_a_gap_and_what_is_forgotten_are_refused_whole() {
    let mut desk = Desk::new();
    desk.present(1, &["a", "b"], &[]).unwrap();
    let known = digests(&["a", "b"]);
    let refused = [
        (desk.present(1, &["a", "x", "c"], &known), Refusal::Changed { sequence: 2, next: 3 }),
        (desk.present(4, &["d"], &[]), Refusal::Gap { first: 4, next: 3 }),
        (desk.present(1, &["a", "b", "c"], &[]), Refusal::Forgotten { first: 1, next: 3 }),
        (desk.present(0, &["a"], &[]), Refusal::Sequence { first: 0, next: 3 }),
        (desk.present(SEQUENCE_MAX, &["a", "b"], &[]), Refusal::Sequence { first: SEQUENCE_MAX, next: 3 }),
    ];
    for (got, want) in refused {
        assert_eq!(got, Err(want));
        assert_eq!(desk.progress(), (2, 0));
    }
}

#[test]
fn an_upload_is_sealed_by_count_by_bytes_or_by_age() {
    let mut desk = Desk::new();
    assert_eq!(placed(&desk.present(1, &["a", "b", "c"], &[]).unwrap()), []);
    let sealed = placed(&desk.present(4, &["d"], &[]).unwrap());
    assert_eq!(
        sealed.iter().map(|it| (it.name(), it.through)).collect::<Vec<_>>(),
        [("ingest-bus-000000000000001.csv".to_owned(), 4)]
    );
    let long = "x".repeat(200);
    assert_eq!(placed(&desk.present(5, &[&long], &[]).unwrap()).len(), 1);
    desk.present(6, &["f"], &[]).unwrap();
    desk.now_ms = 999;
    assert_eq!(placed(&desk.tick()), []);
    desk.present(7, &["g"], &[]).unwrap();
    desk.now_ms = 1000;
    let sealed = placed(&desk.tick());
    assert_eq!(sealed.iter().map(|it| (it.first, it.through)).collect::<Vec<_>>(), [(6, 7)]);
    assert_eq!(placed(&desk.tick()), [], "once");
}

#[test]
fn on_the_log_means_everything_before_it_too() {
    let mut desk = Desk::new();
    let first = placed(&desk.present(1, &["a", "b", "c", "d"], &[]).unwrap());
    let second = placed(&desk.present(5, &["e", "f", "g", "h"], &[]).unwrap());
    assert_eq!(desk.found(&second[0], UploadState::Taken), []);
    assert_eq!(desk.progress(), (8, 0));
    let effects = desk.found(&first[0], UploadState::Taken);
    assert_eq!(desk.progress(), (8, 8));
    let gone = |kind, from, to| {
        let (from, to) = (key(&source("bus"), kind, from), key(&source("bus"), kind, to));
        effects.contains(&Effect::Delete { from, to })
    };
    assert!(gone(Kind::Lines, 1, 5) && gone(Kind::Lines, 5, 9) && gone(Kind::Seal, 5, 6));
    assert!(gone(Kind::Digests, 0, 3), "of the last five the content is remembered");
    assert_eq!(desk.core.bytes, 0);
}

#[test]
fn a_full_spool_says_so_and_takes_more_when_the_log_is_back() {
    let mut desk = Desk::new();
    let long = "x".repeat(199);
    let waiting = placed(&desk.present(1, &[&long], &[]).unwrap());
    desk.present(2, &[&long], &[]).unwrap();
    desk.now_ms = 3_723_000;
    let full = desk.present(3, &["c"], &[]).unwrap_err();
    assert_eq!(full, Refusal::Full { bytes: 400, max: 400, silent_ms: 3_723_000 });
    assert!(full.to_string().contains("400 of 400 bytes") && full.to_string().contains("1 h 02 min 03 s"));
    desk.present(1, &[&long], &digests(&[&long])).expect("a repeat needs no room");
    desk.found(&waiting[0], UploadState::Taken);
    desk.present(3, &["c"], &[]).unwrap();
    assert_eq!(desk.progress(), (3, 1));
}

#[test]
fn a_refused_upload_is_sent_again_under_another_name() {
    let mut desk = Desk::new();
    let first = placed(&desk.present(1, &["a", "b", "c", "d"], &[]).unwrap());
    let refused = || UploadState::Refused { reason: "no member".to_owned() };
    desk.found(&first[0], refused());
    let second = placed(&desk.tick());
    assert_eq!(
        second.iter().map(SealedUpload::name).collect::<Vec<_>>(),
        ["ingest-bus-000000000000001-2.csv"]
    );
    desk.found(&first[0], UploadState::Taken);
    assert_eq!(desk.progress(), (4, 0), "the first name stands for nothing any more");
    desk.found(&second[0], refused());
    assert_eq!(placed(&desk.tick()), [], "the third time is not at once");
    desk.now_ms = REFUSED_WAIT_MS;
    let third = placed(&desk.tick());
    desk.found(&third[0], UploadState::Taken);
    assert_eq!(desk.progress(), (4, 4));
}

#[test]
fn what_could_not_be_written_is_tried_again() {
    let mut desk = Desk::new();
    let sealed = placed(&desk.present(1, &["a", "b", "c", "d"], &[]).unwrap());
    desk.core.step(0, Input::NotPlaced { upload: &sealed[0] }).unwrap();
    assert_eq!(placed(&desk.tick()), []);
    desk.now_ms = UNPLACED_WAIT_MS;
    assert_eq!(placed(&desk.tick()), sealed);
}

#[test]
fn the_inbox_holds_a_few_uploads_at_a_time_and_sources_are_few() {
    let mut core = Spooler::new(Limits { spool_bytes_max: 10_000, ..LIMITS }, 0);
    let bus = source("bus");
    core.step(0, Input::Open { source: &bus }).unwrap();
    let mut waiting = Vec::new();
    for first in (1..=80).step_by(4) {
        let lines = lines(&["a", "b", "c", "d"]);
        let present = Input::Present { source: &bus, first, lines: &lines, known: &[] };
        waiting.extend(placed(&core.step(0, present).unwrap()));
    }
    assert_eq!(waiting.len(), PLACED_MAX);
    core.step(0, Input::Found { upload: &waiting[0], state: UploadState::Taken }).unwrap();
    let next = placed(&core.step(0, Input::Tick).unwrap());
    assert_eq!(next.iter().map(|upload| upload.first).collect::<Vec<_>>(), [1 + 4 * 16]);

    core.step(0, Input::Open { source: &source("metro") }).unwrap();
    core.step(0, Input::Open { source: &bus }).unwrap();
    let third = core.step(0, Input::Open { source: &source("ferry") });
    assert_eq!(third, Err(Refusal::TooManySources { max: 2 }));
}

#[test]
fn rows_that_no_spool_wrote_are_refused() {
    let bus = source("bus");
    let row = SourceRow { journaled_through: 2, on_log_through: 0 }.encode_to_vec();
    let own = (key(&bus, Kind::Source, 0), row);
    let load = |rows: Vec<(Vec<u8>, Vec<u8>)>| Spooler::load(LIMITS, 0, rows);
    assert!(load(vec![own.clone(), (key(&bus, Kind::Lines, 1), b"a\nb\n".to_vec())]).is_ok());
    assert!(matches!(load(vec![(b"F\0name".to_vec(), Vec::new())]), Err(LoadError::Key)));
    assert!(matches!(load(vec![own.clone()]), Err(LoadError::Torn { .. })), "lines are missing");
    let seal = SealRow { through: 3, bytes: 4, attempt: 1 }.encode_to_vec();
    assert!(matches!(load(vec![own, (key(&bus, Kind::Seal, 2), seal)]), Err(LoadError::Torn { .. })));
}
