//! Reports of two cycles, worked out by hand, on a real log.

use cu_log::{append_and_wait, embedded::EmbeddedLog};
use domain::date::LocalTime;
use proto::{Bytes, JudgedPart, Part, Verdicts};
use tempfile::TempDir;
use zerocopy::{FromZeros, IntoBytes};

use super::*;

/// How long an append may take.
const WAIT: std::time::Duration = std::time::Duration::from_secs(30);

const RULES: &str = r#"
version = 1
presentment_days = 10
hotlist_grace_hours = 24
[fees]
basis = "cycle_bilateral"
interchange_rate = "0"
switch_rate = "0"
[[participant]]
city = "cu-2000"
name_en = "Shanghai"
name_zh = "上海"
joined = "2018-01-01"
[[participant]]
city = "cu-3000"
name_en = "Tianjin"
name_zh = "天津"
joined = "2018-01-01"
"#;

/// Terminal sequence, card, counter, time, and whether the home city accepts.
type Ride = (u32, u8, u16, &'static str, bool);

struct World {
    folder: TempDir,
    log: Arc<dyn Log>,
    topics: Topics,
    rulebook: Rulebook,
}

impl World {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let log: Arc<dyn Log> = Arc::new(EmbeddedLog::open(&folder.path().join("log")).unwrap());
        let topics = Topics::default();
        log.create_topics(&topics.of_centre(1)).unwrap();
        Self { folder, log, topics, rulebook: Rulebook::parse(RULES.as_bytes()).unwrap() }
    }

    fn opening(cycle: u32, date: &str) -> Opening {
        let business_date = date.parse::<Date>().unwrap().julian_day();
        Opening { cycle, business_date, sequence: 1, ..Opening::default() }
    }

    /// Writes the rides as a batch each into the log; the range that they take.
    fn rides(&self, rides: &[Ride]) -> PartitionTotals {
        let clearing = self.topics.clearing(0);
        let first_offset = self.log.bounds(&clearing).unwrap().end;
        let mut writer = self.log.writer().unwrap();
        for (number, ride) in (1..).zip(rides) {
            let payload = outcome(number, *ride).into();
            append_and_wait(writer.as_mut(), &clearing, payload, WAIT).unwrap();
        }
        let end_offset = self.log.bounds(&clearing).unwrap().end;
        PartitionTotals { first_offset, end_offset, ..PartitionTotals::default() }
    }

    fn watch(&self, opening: &Opening, totals: &PartitionTotals, out: &str) {
        let source = Source {
            opening,
            rulebook: &self.rulebook,
            totals: &[totals],
            log: &self.log,
            topics: &self.topics,
        };
        watch(&source, &self.folder.path().join("work"), &self.folder.path().join(out)).unwrap();
    }

    fn report(&self, out: &str, name: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.folder.path().join(out).join("reports").join(name)).unwrap();
        text.lines().skip(1).map(str::to_owned).collect()
    }
}

fn outcome(number: u64, (seq, card, counter, at, accepted): Ride) -> Vec<u8> {
    let mut tap = Tap::new_zeroed();
    let at = LocalTime::parse(at.as_bytes()).unwrap();
    tap.terminal = [0x20, 0, 0, 0, 0, 7];
    tap.terminal_seq = seq.into();
    tap.card = [card; 8];
    tap.card_counter = counter.into();
    tap.type_byte = 6;
    tap.tapped_day = at.date.julian_day().into();
    tap.tapped_second = at.second.into();
    let taps = Bytes::copy_from_slice(tap.as_bytes());
    let part = Part { issuer: "cu-3000".to_owned(), taps, texts: Bytes::new() };
    let codes = vec![u8::from(!accepted) * 2].into();
    let verdicts = Verdicts { codes, issuer_seal: Bytes::new() };
    let outcome = Outcome {
        acquirer: "cu-2000".to_owned(),
        number,
        records: 1,
        parts: vec![JudgedPart { part: Some(part), verdicts: Some(verdicts) }],
        ..Outcome::default()
    };
    Clearing { body: Some(Body::Outcome(outcome)) }.encode_to_vec()
}

/// Of sequences 1 to 9 the first cycle brings 1, 2, 6 and 9, and a forged 90 that counts for nothing. So 3 to 5 and
/// 7 to 8 are missing. The second brings 4, late, and 10: of the first gap two are missing still.
/// Card 5 counts 10, 11, then 7 in the first cycle; in the second a use of the time before counts 12, which is above
/// what came later.
#[test]
fn gaps_open_and_are_filled_and_counters_that_go_back_are_named() {
    let world = World::new();
    let first = [
        (1, 5, 10, "2018-09-01T08:00:00", true),
        (2, 5, 11, "2018-09-01T09:00:00", true),
        (9, 5, 7, "2018-09-01T12:00:00", true),
        (6, 6, 1, "2018-09-01T11:00:00", true),
        (90, 6, 0, "2018-09-01T13:00:00", false),
        (2, 5, 11, "2018-09-01T09:00:00", true),
    ];
    let (one, two) = (World::opening(1, "2018-09-01"), World::opening(2, "2018-09-02"));
    let totals = world.rides(&first);
    world.watch(&one, &totals, "out");
    let gaps = [
        "gap,200000000007,2,6,3,2018-09-01T09:00:00,,,,,,,",
        "gap,200000000007,6,9,2,2018-09-01T11:00:00,,,,,,,",
    ];
    assert_eq!(world.report("out", "2018-09-01-001/cu-2000.csv"), gaps);
    let counters = [
        "counter,,,,,,0505050505050505,11,2018-09-01T09:00:00,200000000007,7,2018-09-01T12:00:00,200000000007",
    ];
    assert_eq!(world.report("out", "2018-09-01-001/cu-3000.csv"), counters);
    let summary = ["cu-2000,1,2,5,0,0,0", "cu-3000,0,0,0,0,2,1"];
    assert_eq!(world.report("out", "2018-09-01-001/summary.csv"), summary);

    let second = [(4, 5, 12, "2018-09-01T10:00:00", true), (10, 6, 2, "2018-09-02T08:00:00", true)];
    let totals = world.rides(&second);
    world.watch(&two, &totals, "out");
    let filled = ["filled,200000000007,2,6,2,2018-09-01T09:00:00,,,,,,,"];
    assert_eq!(world.report("out", "2018-09-02-001/cu-2000.csv"), filled);
    let counters = [
        "counter,,,,,,0505050505050505,12,2018-09-01T10:00:00,200000000007,7,2018-09-01T12:00:00,200000000007",
    ];
    assert_eq!(world.report("out", "2018-09-02-001/cu-3000.csv"), counters);
}

/// What was seen before the drop line is forgotten: a terminal that was silent for the whole window begins anew.
#[test]
fn what_can_no_longer_be_presented_is_forgotten() {
    let world = World::new();
    let (one, two) = (World::opening(1, "2018-09-01"), World::opening(2, "2018-09-20"));
    let totals =
        world.rides(&[(1, 5, 9, "2018-09-01T08:00:00", true), (3, 5, 10, "2018-09-01T09:00:00", true)]);
    world.watch(&one, &totals, "out");
    let totals = world.rides(&[(9, 5, 1, "2018-09-20T08:00:00", true)]);
    world.watch(&two, &totals, "out");
    // The terminal itself is known still: its sequence goes on.
    assert_eq!(
        world.report("out", "2018-09-20-001/summary.csv"),
        ["cu-2000,1,1,5,0,0,0", "cu-3000,0,0,0,0,1,0"]
    );
    let three = World::opening(3, "2018-10-20");
    world.watch(&three, &world.rides(&[]), "out");
    let four = World::opening(4, "2018-10-21");
    world.watch(&four, &world.rides(&[(50, 5, 1, "2018-10-21T08:00:00", true)]), "out");
    assert_eq!(
        world.report("out", "2018-10-21-001/summary.csv"),
        ["cu-2000,1,0,0,0,0,0", "cu-3000,0,0,0,0,1,0"]
    );
}
