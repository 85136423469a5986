//! A home city, cu-2000, whose cards were used in cu-3000 (terminals 3000…) and cu-4000 (terminals 4000…).

use std::{fs, io, path::Path};

use domain::{
    city::City,
    cycle::CycleName,
    date::Date,
    tap::{CONTENT_LEN, Tap},
    terminal::{Ownership, TerminalPrefix},
};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::*;

/// The four rows of the cycle, in the order of the file: 300 + 400 + 500 + 250 fen.
const ROWS: [&str; 4] = [
    "cu-3000,300000000001,7,0000000012345678,1,06,300,350,2018-09-01T08:00:00,bus,flat,cpu",
    "cu-3000,300000000001,8,0000000012345678,2,06,400,400,2018-09-01T08:00:00,metro,distance,nfc",
    "cu-3000,300000000002,1,0000000012345678,3,09,500,500,2018-09-01T08:00:00,bus,flat,cpu",
    "cu-4000,400000000001,2,0000000012345678,4,06,250,250,2018-09-01T08:00:00,bus,flat,cpu",
];
const HEADER: &str = "acquirer,terminal,terminal_seq,card,card_counter,type,amount_fen,fare_fen,tapped_at,sector,product,medium";

fn city(text: &str) -> City {
    text.parse().unwrap()
}

fn cycle(text: &str) -> CycleName {
    text.parse().unwrap()
}

fn owners() -> Ownership {
    let of = |text: &str| (TerminalPrefix::of_city(city(text)), city(text));
    Ownership::new([of("cu-2000"), of("cu-3000"), of("cu-4000")])
}

/// The tap of a row: by its terminal's last digit, number, counter, type, amount, fare; sector, product and medium.
fn tap(terminal: [u8; 6], seq: u32, counter: u16, type_byte: u8, fen: (u32, u32), words: [u8; 3]) -> Tap {
    let [sector, product, medium] = words;
    Tap {
        line: 0.into(),
        position: 0.into(),
        terminal,
        terminal_seq: seq.into(),
        card: [0, 0, 0, 0, 0x12, 0x34, 0x56, 0x78],
        card_counter: counter.into(),
        type_byte,
        medium,
        sector,
        product,
        amount_fen: fen.0.into(),
        fare_fen: fen.1.into(),
        tapped_day: Date::parse(b"2018-09-01").unwrap().julian_day().into(),
        tapped_second: (8 * 3600).into(),
        key_version: 1,
        algorithm: 0,
        tac: [1, 2, 3, 4],
    }
}

/// The taps of [`ROWS`].
fn taps() -> [Tap; 4] {
    let (a, b, c) = ([0x30, 0, 0, 0, 0, 1], [0x30, 0, 0, 0, 0, 2], [0x40, 0, 0, 0, 0, 1]);
    [
        tap(a, 7, 1, 6, (300, 350), [0, 0, 0]),
        tap(a, 8, 2, 6, (400, 400), [1, 1, 3]),
        tap(b, 1, 3, 9, (500, 500), [0, 0, 0]),
        tap(c, 2, 4, 6, (250, 250), [0, 0, 0]),
    ]
}

/// What a comparison told: the amounts of what is paid and of what waits.
#[derive(Default)]
struct Told {
    pays: Vec<u32>,
    waits: Vec<u32>,
}

fn amount(content: &[u8; CONTENT_LEN]) -> u32 {
    u32::from_le_bytes(content[24..28].try_into().unwrap())
}

impl Sink for Told {
    fn pays(&mut self, content: &[u8; CONTENT_LEN]) -> io::Result<()> {
        self.pays.push(amount(content));
        Ok(())
    }

    fn waits(&mut self, content: &[u8; CONTENT_LEN]) -> io::Result<()> {
        self.waits.push(amount(content));
        Ok(())
    }
}

fn write(folder: &Path, rows: &[&str]) -> std::path::PathBuf {
    let path = folder.join("cu-2000.csv");
    let lines: String = std::iter::once(&HEADER).chain(rows).map(|line| format!("{line}\n")).collect();
    fs::write(&path, lines).unwrap();
    path
}

/// Compares rows with accepted taps.
fn run(rows: &[&str], accepted: &[(Tap, Standing)]) -> (Compared, Told) {
    let (folder, owners) = (TempDir::new().unwrap(), owners());
    // So little memory that everything is sorted through files.
    let mut own = Own::new(city("cu-2000"), &owners, folder.path(), 64).unwrap();
    for (tap, standing) in accepted {
        assert!(own.take(tap.content_bytes().try_into().unwrap(), *standing).unwrap());
    }
    let mut told = Told::default();
    let compared = compare(&mut own, &write(folder.path(), rows), 10, &mut told).unwrap();
    (compared, told)
}

fn moving(taps: &[Tap]) -> Vec<(Tap, Standing)> {
    taps.iter().rev().map(|tap| (*tap, Standing::Moves)).collect()
}

fn words(compared: &Compared) -> Vec<(u64, &'static str)> {
    compared.differences.iter().map(|it| (it.line, it.what.word())).collect()
}

#[test]
fn a_city_agrees_with_what_it_accepted() {
    // Accepted in another order, some twice; one more is paid by nobody.
    let extra = tap([0x30, 0, 0, 0, 0, 1], 9, 9, 6, (111, 111), [0, 0, 0]);
    let mut accepted = moving(&taps());
    accepted.extend(moving(&taps()[1..3]));
    accepted.push((extra, Standing::Moves));
    accepted.push((tap([0x30, 0, 0, 0, 0, 1], 10, 9, 6, (222, 222), [0, 0, 0]), Standing::Stays));
    let (compared, told) = run(&ROWS, &accepted);
    assert!(compared.agrees(), "{:?}", compared.differences);
    assert_eq!((compared.count, compared.amount_fen), (4, 1450));
    assert_eq!(compared.by_acquirer[&city("cu-3000")], (3, 1200));
    assert_eq!(compared.by_acquirer[&city("cu-4000")], (1, 250));
    let file: String = std::iter::once(&HEADER).chain(&ROWS).map(|line| format!("{line}\n")).collect();
    assert_eq!(
        compared.sha256,
        <[u8; 32]>::from(Sha256::digest(file)),
        "the file that it would write itself"
    );
    assert_eq!((told.pays, told.waits), (vec![300, 400, 500, 250], vec![111]));
}

#[test]
fn a_city_that_pays_nothing_agrees_with_an_empty_file() {
    let (compared, told) = run(&[], &moving(&taps()[..1]));
    assert!(compared.agrees());
    assert_eq!(compared.sha256, <[u8; 32]>::from(Sha256::digest(format!("{HEADER}\n"))));
    assert_eq!((compared.count, told.waits), (0, vec![300]));
}

/// Each row of the file taken from the city's own records: an invented record.
#[test]
fn a_row_that_the_city_never_accepted_is_named() {
    for (gone, row) in ROWS.iter().enumerate() {
        let mut accepted = taps().to_vec();
        let fen = accepted.remove(gone).amount_fen.get();
        let (compared, _) = run(&ROWS, &moving(&accepted));
        let line = gone as u64 + 2;
        assert_eq!(words(&compared), [(line, "never_accepted")]);
        assert_eq!(compared.differences[0].row, *row);
        assert_eq!((compared.count, compared.amount_fen), (3, 1450 - u64::from(fen)), "its own figures");
    }
    let (compared, _) = run(&ROWS, &[]);
    assert_eq!((compared.differences_total, compared.count), (4, 0));
}

#[test]
fn a_changed_column_is_named_with_both_values() {
    let changes = [
        (",300,350,", ",900,350,", "amount_fen 300 and not 900"),
        ("0000000012345678,1", "00000000AABBCCDD,1", "card 0000000012345678 and not 00000000AABBCCDD"),
        ("T08:00:00", "T09:00:00", "tapped_at 2018-09-01T08:00:00 and not 2018-09-01T09:00:00"),
        (",bus,flat,cpu", ",taxi,flat,qr", "sector bus and not taxi, medium cpu and not qr"),
    ];
    for (from, to, said) in changes {
        let row = ROWS[0].replace(from, to);
        assert_ne!(row, ROWS[0]);
        let (compared, _) = run(&[&row, ROWS[1], ROWS[2], ROWS[3]], &moving(&taps()));
        assert_eq!(words(&compared), [(2, "other_content")]);
        let text = compared.differences[0].to_string();
        assert_eq!(text, format!("line 2: the city accepted it with {said} ({row})"));
        assert_eq!(compared.count, 3);
    }
}

#[test]
fn a_record_is_paid_once() {
    let rows = [ROWS[0], ROWS[0], ROWS[1], ROWS[2], ROWS[3], ROWS[3]];
    let (compared, _) = run(&rows, &moving(&taps()));
    assert_eq!(words(&compared), [(3, "twice"), (7, "twice")]);
    assert_eq!((compared.count, compared.amount_fen), (4, 1450));

    // With another amount the second time.
    let more = ROWS[0].replace(",300,", ",301,");
    let (compared, _) = run(&[ROWS[0], &more, ROWS[1]], &moving(&taps()));
    assert_eq!(words(&compared), [(3, "other_content")]);
}

/// Presented again it is accepted again, but another cycle has paid it.
#[test]
fn what_another_cycle_paid_is_not_paid_again() {
    let before = cycle("2018-08-31-002");
    let mut accepted = moving(&taps());
    accepted.push((taps()[1], Standing::Paid(before)));
    accepted.push((taps()[3], Standing::Paid(cycle("2018-08-30-001"))));
    let (compared, told) = run(&ROWS, &accepted);
    assert_eq!(words(&compared), [(3, "paid_before"), (5, "paid_before")]);
    assert_eq!(compared.differences[0].what, What::PaidBefore(before));
    assert_eq!((compared.count, told.waits.len()), (2, 0));
    // Where the cycle does not pay it either, nothing is wrong and nothing is kept any longer.
    let (compared, told) = run(&[ROWS[0], ROWS[2]], &accepted);
    assert!(compared.agrees());
    assert_eq!((told.pays, told.waits.len()), (vec![300, 500], 0));
}

/// Two records of one terminal and number, both accepted: the book paid one of them.
#[test]
fn the_second_of_a_conflict_waits() {
    let other = Tap { amount_fen: 310.into(), ..taps()[0] };
    let mut accepted = moving(&taps());
    accepted.push((other, Standing::Moves));
    let (compared, told) = run(&ROWS, &accepted);
    assert!(compared.agrees(), "{:?}", compared.differences);
    assert_eq!((told.pays.len(), told.waits), (4, vec![310]));
}

#[test]
fn a_row_for_another_acquirer_is_named() {
    let row = ROWS[3].replace("cu-4000", "cu-3000");
    let (compared, _) = run(&[ROWS[0], ROWS[1], ROWS[2], &row], &moving(&taps()));
    assert_eq!(words(&compared), [(5, "terminal_of_another")]);
    assert_eq!(compared.differences[0].what.to_string(), "its terminal belongs to cu-4000");
}

#[test]
fn rows_out_of_order_and_rows_that_are_none_are_named() {
    let (compared, _) = run(&[ROWS[1], ROWS[0], "x", "cu-3000,30,1", ROWS[3]], &moving(&taps()));
    assert_eq!(words(&compared), [(2, "out_of_order"), (4, "unreadable"), (5, "unreadable")]);
    assert_eq!(compared.count, 2);

    // One far away from its place makes no other row differ.
    let far = ROWS[2].replace("300000000002,1,", "300000000002,99,");
    let (compared, _) = run(&[ROWS[0], &far, ROWS[1], ROWS[2], ROWS[3]], &moving(&taps()));
    assert_eq!((words(&compared), compared.count), (vec![(3, "out_of_order")], 4));

    let folder = TempDir::new().unwrap();
    let path = write(folder.path(), &[ROWS[0]]);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen("acquirer", "Acquirer", 1).trim_end()).unwrap();
    let owners = owners();
    let mut own = Own::new(city("cu-2000"), &owners, folder.path(), 1 << 20).unwrap();
    let compared = compare(&mut own, &path, 10, &mut Told::default()).unwrap();
    assert_eq!(words(&compared), [(1, "unreadable"), (2, "unreadable")]);
}

#[test]
fn all_differences_are_counted_and_some_are_listed() {
    let (folder, owners) = (TempDir::new().unwrap(), owners());
    let mut own = Own::new(city("cu-2000"), &owners, folder.path(), 1 << 20).unwrap();
    let compared = compare(&mut own, &write(folder.path(), &ROWS), 1, &mut Told::default()).unwrap();
    assert_eq!((compared.differences.len(), compared.differences_total), (1, 4));
}

#[test]
fn a_tap_of_nobodys_terminal_is_not_taken() {
    let (folder, owners) = (TempDir::new().unwrap(), owners());
    let mut own = Own::new(city("cu-2000"), &owners, folder.path(), 1 << 20).unwrap();
    let nobodys = tap([0x99, 0, 0, 0, 0, 1], 1, 1, 6, (1, 1), [0, 0, 0]);
    assert!(!own.take(nobodys.content_bytes().try_into().unwrap(), Standing::Moves).unwrap());
}
