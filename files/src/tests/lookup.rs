//! Finds what stands in a small cycle, and nothing else.

use std::fs;

use domain::{
    cycle::CycleName,
    dispute::{Record, Subject},
};

use super::{city, detail, write_cycle};
use crate::lookup::{LookupError, Place, card_of, check, check_claims, cycle_folder, records, whole_file};

const SHOPS: &str = "2018-09-01 shops, \"new\".csv";

fn cycle() -> CycleName {
    "2018-09-01-001".parse().unwrap()
}

fn out() -> tempfile::TempDir {
    let out = tempfile::tempdir().unwrap();
    write_cycle(out.path(), "2018-09-01-001", None, vec![detail(out.path())]).unwrap();
    out
}

/// File, line, issuer, fen, result.
fn told(record: &Record) -> (&str, u64, String, u64, String) {
    let (issuer, result) = (record.issuer.to_string(), record.result.to_string());
    (&record.file, record.line, issuer, record.amount_fen, result)
}

#[test]
fn a_record_is_found_by_its_line_and_by_its_tap() {
    let out = out();
    let find = |acquirer, place| records(out.path(), cycle(), acquirer, place);
    let tap = |terminal, terminal_seq| Place::Tap { terminal, terminal_seq };
    let line = |file, line| Place::Line { file, line };
    let shanghai = Some(city("cu-2000"));

    let by_line = find(shanghai, line(SHOPS, 2)).unwrap();
    assert_eq!(told(&by_line[0]), (SHOPS, 2, "cu-3000".to_owned(), 1_000_000, "cleared".to_owned()));
    assert_eq!(find(None, tap("200000000000", 7)).unwrap(), by_line);

    let (card, tapped_at) = card_of(out.path(), &by_line[0]).unwrap().unwrap();
    assert_eq!(
        (card, tapped_at.to_string().as_str()),
        ([0, 0, 0, 0, 0x12, 0x34, 0x56, 0x78], "2018-09-01T08:15:30")
    );

    let twice = find(None, tap("200000000001", 1)).unwrap();
    let results: Vec<_> = twice.iter().map(|record| (record.line, record.result.to_string())).collect();
    assert_eq!(results, [(2, "cleared".to_owned()), (5, "duplicate".to_owned())]);
    let bad = find(shanghai, line("2018-09-01.csv", 4)).unwrap();
    assert_eq!(bad[0].result.to_string(), "rejected:tac_invalid");

    for (acquirer, place) in [
        (shanghai, line("2018-09-01.csv", 3000)),
        (shanghai, line("2018-09-01", 2)),
        (Some(city("tu-2900")), line("2018-09-01.csv", 2)),
        (Some(city("cu-9999")), line("2018-09-01.csv", 2)),
        (None, tap("200000000001", 10)),
    ] {
        let missed = find(acquirer, place);
        assert!(matches!(missed, Err(LookupError::NotThere { .. })), "{place:?}: {missed:?}");
    }
    let other = records(out.path(), "2018-09-02-001".parse().unwrap(), None, tap("200000000001", 1));
    assert!(matches!(other, Err(LookupError::NoCycle { .. })), "{other:?}");
}

#[test]
fn a_file_is_summed_for_one_home_city() {
    let out = out();
    let pair = |issuer| (city("cu-2000"), city(issuer));
    let sum = |issuer, paid| {
        let whole = whole_file(out.path(), cycle(), pair(issuer), "2018-09-01.csv", paid);
        whole.map(|whole| (whole.count, whole.amount_fen)).ok()
    };
    assert_eq!(sum("cu-3000", true), Some((1, 200)));
    assert_eq!(sum("cu-3000", false), Some((1, 300)), "the bad cryptogram; the duplicate was paid");
    assert_eq!(sum("tu-2900", true), Some((1, 100_000)));
    assert_eq!(sum("tu-2900", false), None);
}

#[test]
fn what_is_claimed_must_stand_there_to_the_fen() {
    let out = out();
    let place = Place::Line { file: "2018-09-01.csv", line: 2 };
    let record = records(out.path(), cycle(), None, place).unwrap()[0].clone();
    assert!(check(out.path(), &Subject::Record(record.clone())).is_ok());
    let changes: [fn(&mut Record); 6] = [
        |record| record.amount_fen += 1,
        |record| record.line = 3,
        |record| record.terminal_seq = 2,
        |record| record.issuer = city("tu-2900"),
        |record| record.acquirer = city("cu-3000"),
        |record| record.result = domain::result::RecordResult::Conflict,
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut other = record.clone();
        change(&mut other);
        let refused = check(out.path(), &Subject::Record(other));
        assert!(matches!(refused, Err(LookupError::NotThere { .. })), "change {number}: {refused:?}");
    }
    let pair = (city("cu-2000"), city("cu-3000"));
    let mut whole = whole_file(out.path(), cycle(), pair, "2018-09-01.csv", true).unwrap();
    assert!(check(out.path(), &Subject::File(whole.clone())).is_ok());
    whole.amount_fen += 1;
    assert!(check(out.path(), &Subject::File(whole)).is_err());
}

#[test]
fn of_a_corrected_cycle_the_newest_version_counts() {
    let out = out();
    let folder = |name: &str| out.path().join(name);
    assert_eq!(cycle_folder(out.path(), cycle()).unwrap(), folder("2018-09-01-001"));
    for name in ["2018-09-01-001.v2", "2018-09-01-001.v10", ".2018-09-01-001.v11", "2018-09-01-002.v12"] {
        fs::create_dir(folder(name)).unwrap();
        fs::write(folder(name).join("manifest.json"), "{}").unwrap();
    }
    fs::create_dir(folder("2018-09-01-001.v11")).unwrap();
    assert_eq!(cycle_folder(out.path(), cycle()).unwrap(), folder("2018-09-01-001.v10"), "with a manifest");
}

/// What was rejected and then presented again and paid is not asked for again.
#[test]
fn a_record_that_was_paid_when_it_came_again_is_no_claim() {
    let out = out();
    let bad = Place::Line { file: "2018-09-01.csv", line: 4 };
    let record = records(out.path(), cycle(), Some(city("cu-2000")), bad).unwrap().remove(0);
    let claim = Subject::Record(record.clone());
    assert!(check(out.path(), &claim).is_ok());
    let (next, _) = write_cycle(out.path(), "2018-09-02-001", None, vec![detail(out.path())]).unwrap();
    let path = next.join("acquirer/cu-2000.csv");
    let text = fs::read_to_string(&path).unwrap();
    let again = format!(
        "x.csv,2,{},{},{},{},cleared,,book\n",
        record.terminal, record.terminal_seq, record.issuer, record.amount_fen
    );
    fs::write(&path, text + &again).unwrap();
    let refused = check(out.path(), &claim).unwrap_err();
    assert!(matches!(refused, LookupError::PaidAs { cycle, .. } if cycle != record.cycle), "{refused}");
}

/// What a file asks for together is asked for once each, and by no silence where a person must decide.
#[test]
fn a_file_asks_for_no_record_twice_and_for_none_that_a_person_decides() {
    let out = out();
    let pair = (city("cu-2000"), city("cu-3000"));
    let whole = |name| whole_file(out.path(), cycle(), pair, name, false);
    let append = |folder: &str, rows: &str| {
        let path = out.path().join(folder).join("acquirer/cu-2000.csv");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text + rows).unwrap();
    };
    let row = |file: &str, line: u32, seq: u32, result: &str| {
        format!("{file},{line},200000000009,{seq},cu-3000,700,{result},book\n")
    };
    append("2018-09-01-001", &row("y.csv", 2, 1, "rejected,late"));
    append("2018-09-01-001", &row("y.csv", 3, 2, "rejected,foreign_terminal"));
    append("2018-09-01-001", &row("y.csv", 4, 3, "conflict,"));
    append("2018-09-01-001", &row("z.csv", 2, 1, "rejected,foreign_terminal"));
    let asked = whole("y.csv").unwrap();
    assert_eq!((asked.count, asked.amount_fen), (1, 700), "neither the foreign terminal nor the conflict");
    assert!(matches!(whole("z.csv"), Err(LookupError::NotThere { .. })), "nothing else is in it");
    let subject = Subject::File(asked);
    assert!(check(out.path(), &subject).is_ok());

    write_cycle(out.path(), "2018-09-02-001", None, vec![detail(out.path())]).unwrap();
    append("2018-09-02-001", &row("y.csv", 2, 1, "cleared,"));
    let refused = check(out.path(), &subject).unwrap_err();
    assert!(matches!(refused, LookupError::PaidAs { .. }), "{refused}");

    append("2018-09-01-001", &row("y.csv", 5, 1, "rejected,late"));
    let twice = Subject::File(whole("y.csv").unwrap());
    let refused = check(out.path(), &twice).unwrap_err();
    let says = "terminal 200000000009 number 1 stands in it twice";
    assert!(refused.to_string().contains(says), "{refused}");
}

/// The bad cryptogram was handed in again and refused again: the two files are two claims of one record.
#[test]
fn a_record_in_two_files_is_asked_for_by_one_dispute() {
    let out = out();
    write_cycle(out.path(), "2018-09-02-001", None, vec![detail(out.path())]).unwrap();
    let next: CycleName = "2018-09-02-001".parse().unwrap();
    let whole = |cycle| {
        let pair = (city("cu-2000"), city("cu-3000"));
        Subject::File(whole_file(out.path(), cycle, pair, "2018-09-01.csv", false).unwrap())
    };
    let bad = Place::Line { file: "2018-09-01.csv", line: 4 };
    let one = Subject::Record(records(out.path(), cycle(), Some(city("cu-2000")), bad).unwrap().remove(0));
    let (first, second) = (whole(cycle()), whole(next));
    for (subject, other) in [(&second, &first), (&second, &one), (&one, &second)] {
        let refused = check_claims(out.path(), subject, [("D-1", other)]).unwrap_err();
        let says =
            "D-1 asks for terminal 200000000001 number 3 of it already, and cityunion dispute show D-1 tells";
        assert!(refused.to_string().contains(says), "{refused}");
    }
    let duplicate = Place::Line { file: "2018-09-01.csv", line: 5 };
    let other =
        Subject::Record(records(out.path(), cycle(), Some(city("cu-2000")), duplicate).unwrap().remove(0));
    assert!(check_claims(out.path(), &second, [("D-2", &other)]).is_ok(), "of another record");
    fs::remove_dir_all(out.path().join("2018-09-01-001")).unwrap();
    assert!(check_claims(out.path(), &second, [("D-1", &first)]).is_ok(), "not published here any more");
}
