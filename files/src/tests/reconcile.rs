//! The cycle in the picture, and what each of three sides says of it.

use std::{collections::BTreeMap, fs, path::Path};

use domain::{
    city::City,
    tap::{CONTENT_LEN, Tap},
};
use tempfile::TempDir;

use super::{city, detail, tap, write_cycle};
use crate::{
    FilesError,
    reconcile::{Accepted, Reconciled, Sides, Sum, reconcile},
};

const CYCLE: &str = "2018-09-01-001";
const HEADER: &str = "line,terminal,terminal_seq,issuer,amount_fen,result,reason,decided_by,cycle";
/// The answers to cu-2000's first file. The last line was decided in another cycle.
const FIRST: [&str; 5] = [
    "2,200000000001,1,cu-3000,200,cleared,,book,2018-09-01-001",
    "3,200000000001,2,tu-2900,100000,cleared,,book,2018-09-01-001",
    "4,200000000001,3,cu-3000,300,rejected,tac_invalid,issuer,2018-09-01-001",
    "5,200000000001,1,cu-3000,200,duplicate,,book,2018-09-01-001",
    "7,200000000001,9,cu-3000,900,cleared,,book,2018-08-31-001",
];
const SHOPS: [&str; 1] = ["2,200000000000,7,cu-3000,1000000,cleared,,book,2018-09-01-001"];
/// Of cu-3000; what was parked is answered by now.
const TIANJIN: [&str; 2] = [
    "2,300000000001,4294967295,cu-2000,0,cleared,,book,2018-09-01-001",
    "9,300000000001,1,tu-2900,150,cleared,,book,2018-09-02-001",
];

/// What home cities accepted, and whether they agreed to the cycle with it.
#[derive(Clone, Default)]
struct Own(BTreeMap<City, (bool, Vec<Tap>)>);

impl Accepted for Own {
    fn records(
        &mut self,
        issuer: City,
        each: &mut dyn FnMut(&[u8; CONTENT_LEN]) -> Result<(), FilesError>,
    ) -> Result<Option<bool>, FilesError> {
        let Some((agreed, taps)) = self.0.get(&issuer) else { return Ok(None) };
        for tap in taps {
            each(tap.content_bytes().try_into().unwrap())?;
        }
        Ok(Some(*agreed))
    }
}

/// Everything that was accepted: cu-3000 was asked twice about one, and about another that is a duplicate.
fn own() -> Own {
    let first = [0x20, 0, 0, 0, 0, 1];
    let tianjin = vec![tap(first, 1, 200), tap([0x20, 0, 0, 0, 0, 0], 7, 1_000_000), tap(first, 1, 200)];
    Own(BTreeMap::from([
        (city("cu-2000"), (true, vec![tap([0x30, 0, 0, 0, 0, 1], u32::MAX, 0)])),
        (city("cu-3000"), (false, tianjin)),
        (city("tu-2900"), (true, vec![tap(first, 2, 100_000)])),
    ]))
}

struct World {
    out: TempDir,
    own: Own,
}

impl World {
    fn new() -> Self {
        let out = TempDir::new().unwrap();
        write_cycle(out.path(), CYCLE, None, vec![detail(out.path())]).unwrap();
        let world = Self { out, own: own() };
        world.answer("cu-2000", "2018-09-01.csv", &FIRST);
        world.answer("cu-2000", "2018-09-01 shops, \"new\".csv", &SHOPS);
        world.answer("cu-3000", "a.csv", &TIANJIN);
        world
    }

    fn answer(&self, acquirer: &str, file: &str, rows: &[&str]) {
        let folder = self.out.path().join("results").join(acquirer);
        fs::create_dir_all(&folder).unwrap();
        let lines: String = std::iter::once(&HEADER).chain(rows).map(|line| format!("{line}\n")).collect();
        fs::write(folder.join(file), lines).unwrap();
    }

    /// Takes the lines with a text out of a file of the cycle.
    fn take_out(&self, file: &str, text: &str) {
        let path = self.out.path().join(CYCLE).join(file);
        let all = fs::read_to_string(&path).unwrap();
        assert!(all.contains(text), "{text} in {all}");
        let left: String =
            all.lines().filter(|l| !l.contains(text)).map(|line| format!("{line}\n")).collect();
        fs::write(&path, left).unwrap();
    }

    fn run(&mut self) -> Reconciled {
        let at = |name: &str| self.out.path().join(name);
        let sides = Sides {
            folder: at(CYCLE),
            results: at("results"),
            others: Vec::new(),
            work_dir: Path::new(self.out.path()).to_owned(),
        };
        reconcile(&sides, CYCLE.parse().unwrap(), &mut self.own, 10).unwrap()
    }

    fn findings(&mut self) -> Vec<String> {
        self.run().findings.iter().map(ToString::to_string).collect()
    }
}

#[test]
fn three_sides_that_say_the_same_agree() {
    let found = World::new().run();
    assert!(found.agrees(), "{found:?}");
    let pair = &found.pairs[&(city("cu-2000"), city("cu-3000"))];
    let sum = Sum { count: 2, amount_fen: 1_000_200 };
    assert_eq!((pair.booked, pair.taken, pair.paid), (sum, sum, sum));
    assert_eq!((pair.answered, pair.accepted), (Some(sum), Some(sum)));
    assert_eq!(pair.cleared_fen(), 1_000_200);
    assert_eq!(found.pairs.len(), 3);
    let unpaid: Vec<(String, &str, Sum)> =
        found.unpaid.iter().map(|((a, i, result, _), sum)| (format!("{a} {i}"), *result, *sum)).collect();
    let one = |amount_fen| Sum { count: 1, amount_fen };
    assert_eq!(
        unpaid,
        [
            ("cu-2000 cu-3000".to_owned(), "duplicate", one(200)),
            ("cu-2000 cu-3000".to_owned(), "rejected", one(300)),
            ("cu-3000 tu-2900".to_owned(), "parked", one(150)),
        ]
    );
    assert_eq!(found.answered_later, 1, "what was parked has its answer from another cycle");
}

#[test]
fn a_row_taken_from_the_acquirers_answers_is_named() {
    let mut world = World::new();
    world.answer("cu-2000", "2018-09-01.csv", &FIRST[1..]);
    let named = "cu-2000 cu-3000 terminal 200000000001 number 1 (2018-09-01.csv line 2): the centre says cleared, no \
                 answer to the acquirer does";
    assert_eq!(world.findings(), [named]);
    let pair = world.run().pairs[&(city("cu-2000"), city("cu-3000"))];
    assert_eq!((pair.answered, pair.agrees()), (Some(Sum { count: 1, amount_fen: 1_000_000 }), false));

    let changed = FIRST[0].replace(",200,cleared,", ",900,cleared,");
    world.answer("cu-2000", "2018-09-01.csv", &[&changed, FIRST[1], FIRST[2], FIRST[3]]);
    let named = "cu-2000 cu-3000 terminal 200000000001 number 1 (2018-09-01.csv line 2): the acquirer's answer says \
                 cleared of 900 fen, cu-3000, terminal 200000000001 number 1, the centre cleared of 200 fen, cu-3000, \
                 terminal 200000000001 number 1";
    assert_eq!(world.findings(), [named]);
}

#[test]
fn a_row_taken_from_the_centres_files_is_named() {
    let mut world = World::new();
    world.take_out("acquirer/cu-2000.csv", "2018-09-01.csv,3,");
    let named = [
        "cu-2000 tu-2900 terminal 200000000001 number 2 (2018-09-01.csv line 3): the acquirer's answer says cleared, the \
         centre has no such row",
        "cu-2000 tu-2900 terminal 200000000001 number 2: the acquirer's file has nothing, the home city's file 100000 \
         fen, the home city accepted 100000 fen",
    ];
    assert_eq!(world.findings(), named);

    let mut world = World::new();
    world.take_out("issuer/cu-3000.csv", "cu-2000,200000000001,1,");
    let named = "cu-2000 cu-3000 terminal 200000000001 number 1: the acquirer's file has 200 fen, the home city's file \
                 nothing, the home city accepted 200 fen";
    assert_eq!(world.findings(), [named]);
}

#[test]
fn a_record_taken_from_what_the_home_city_accepted_is_named() {
    let mut world = World::new();
    world.own.0.get_mut(&city("cu-3000")).unwrap().1.remove(1);
    let named = "cu-2000 cu-3000 terminal 200000000000 number 7: the acquirer's file has 1000000 fen, the home city's \
                 file 1000000 fen, the home city accepted nothing";
    assert_eq!(world.findings(), [named]);
    let pair = world.run().pairs[&(city("cu-2000"), city("cu-3000"))];
    assert_eq!((pair.accepted, pair.agrees()), (Some(Sum { count: 1, amount_fen: 200 }), false));

    // What a city agreed to pay is in its file.
    let mut world = World::new();
    world.own.0.get_mut(&city("tu-2900")).unwrap().1.push(tap([0x20, 0, 0, 0, 0, 1], 99, 7));
    let named = "cu-2000 tu-2900 terminal 200000000001 number 99: the acquirer's file has nothing, the home city's file \
                 nothing, the home city accepted 7 fen";
    assert_eq!(world.findings(), [named]);
}

#[test]
fn sides_that_are_not_here_are_left_out() {
    let mut world = World::new();
    fs::remove_dir_all(world.out.path().join("results")).unwrap();
    world.own.0.clear();
    let found = world.run();
    assert!(found.agrees(), "{found:?}");
    let pair = &found.pairs[&(city("cu-2000"), city("cu-3000"))];
    assert_eq!((pair.answered, pair.accepted, pair.paid.count), (None, None, 2));
}
