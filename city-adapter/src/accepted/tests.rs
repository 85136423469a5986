use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    path::Path,
    sync::mpsc,
};

use domain::{city::City, cycle::CycleName, tap::CONTENT_LEN};
use tempfile::TempDir;

use super::{folder::may_forget, segment::Reader, *};

fn city() -> City {
    "cu-2000".parse().unwrap()
}

fn cycle(name: &str) -> CycleName {
    name.parse().unwrap()
}

fn record(number: u8) -> Record {
    [number; CONTENT_LEN]
}

/// Keeps records with one call each, and waits until they are durable.
fn keep(taps: &AcceptedTaps, numbers: &[u8]) {
    let (told, kept) = mpsc::channel();
    for number in numbers {
        let told = told.clone();
        taps.keep(city(), &record(*number), move |kept| told.send(kept).unwrap());
    }
    numbers.iter().for_each(|_| kept.recv().unwrap().unwrap());
}

/// The first bytes of what is kept, file by file, with what an agreement does with them.
fn kept(state: &Path, of: &str) -> Vec<(Origin, Vec<u8>)> {
    let read = |file: Kept| {
        let mut numbers = Vec::new();
        file.read(|records| {
            numbers.extend(records.iter().map(|record| record[0]));
            Ok::<_, io::Error>(())
        })
        .unwrap();
        (file.origin, numbers)
    };
    CityFolder::of(state, city()).kept(cycle(of)).unwrap().into_iter().map(read).collect()
}

/// The city agrees to a cycle that pays the records given; all others wait.
fn agree(state: &Path, of: &str, pays: &[u8]) {
    let folder = CityFolder::of(state, city());
    let sources = folder.kept(cycle(of)).unwrap();
    let mut drafts = folder.drafts(cycle(of)).unwrap();
    for source in &sources {
        let moves = source.origin == Origin::Moves;
        let each = |records: &[Record]| {
            for record in records {
                match pays.contains(&record[0]) {
                    true => drafts.pays(record)?,
                    false if moves => drafts.waits(record)?,
                    false => {}
                }
            }
            Ok::<_, io::Error>(())
        };
        source.read(each).unwrap();
    }
    folder.agree(cycle(of), drafts, &sources, b"{}\n", 10).unwrap();
}

#[test]
fn what_was_kept_is_there_for_the_next_process() {
    let state = TempDir::new().unwrap();
    let taps = AcceptedTaps::open(state.path()).unwrap();
    keep(&taps, &[1, 2, 3]);
    assert_eq!(kept(state.path(), "2018-09-01-001"), [(Origin::Stays, vec![1, 2, 3])], "more may come");
    taps.end_segments();
    keep(&taps, &[4]);
    let all = [(Origin::Moves, vec![1, 2, 3]), (Origin::Stays, vec![4])];
    assert_eq!(kept(state.path(), "2018-09-01-001"), all);
    taps.end_segments();
    let again = AcceptedTaps::open(state.path()).unwrap();
    keep(&again, &[5]);
    assert_eq!(kept(state.path(), "2018-09-01-001").last(), Some(&(Origin::Stays, vec![5])));
}

#[test]
fn many_at_a_time_are_all_kept() {
    let state = TempDir::new().unwrap();
    let taps = AcceptedTaps::open(state.path()).unwrap();
    let numbers: Vec<u8> = (0..=255).collect();
    std::thread::scope(|scope| {
        for numbers in numbers.chunks(64) {
            let taps = taps.clone();
            scope.spawn(move || keep(&taps, numbers));
        }
    });
    taps.end_segments();
    let mut files = kept(state.path(), "2018-09-01-001");
    let (origin, mut found) = files.pop().unwrap();
    assert_eq!((files.len(), origin), (0, Origin::Moves));
    found.sort_unstable();
    assert_eq!(found, numbers);
}

/// Every length that a crash may leave, and zeros where blocks were not written yet.
#[test]
fn a_torn_last_frame_is_passed_over() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("0000000001.taps");
    let whole = {
        let taps = AcceptedTaps::open(folder.path()).unwrap();
        keep(&taps, &[1]);
        keep(&taps, &[2]);
        fs::read(CityFolder::of(folder.path(), city()).path().join("0000000001.taps")).unwrap()
    };
    let first = whole.len() / 2;
    for len in first..whole.len() {
        for zeros in [0, whole.len() - len, 4096] {
            let mut bytes = whole[..len].to_vec();
            bytes.resize(len + zeros, 0);
            if bytes == whole {
                continue;
            }
            fs::write(&path, &bytes).unwrap();
            let mut reader = Reader::open(&path).unwrap();
            assert_eq!(reader.next().unwrap(), Some(&[record(1)][..]), "{len} and {zeros}");
            assert_eq!(reader.next().unwrap(), None, "{len} and {zeros}");
        }
    }
}

#[test]
fn damage_with_something_behind_it_is_told() {
    let state = TempDir::new().unwrap();
    let taps = AcceptedTaps::open(state.path()).unwrap();
    keep(&taps, &[1]);
    keep(&taps, &[2]);
    let path = CityFolder::of(state.path(), city()).path().join("0000000001.taps");
    let whole = fs::read(&path).unwrap();
    for at in [0, 20] {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs::write(&path, &bytes).unwrap();
        let error = Reader::open(&path).unwrap().next().unwrap_err();
        assert!(error.to_string().ends_with("is damaged; restore it from a copy of this disk"), "{error}");
    }
}

#[test]
fn an_agreement_moves_what_is_complete() {
    let state = TempDir::new().unwrap();
    let taps = AcceptedTaps::open(state.path()).unwrap();
    keep(&taps, &[1, 2, 3]);
    taps.end_segments();
    keep(&taps, &[4]);
    agree(state.path(), "2018-09-01-001", &[1, 3]);
    let first = cycle("2018-09-01-001");
    let want = [(Origin::Stays, vec![4]), (Origin::Stays, vec![2]), (Origin::Paid(first), vec![1, 3])];
    assert_eq!(kept(state.path(), "2018-09-02-001"), want);
    assert_eq!(kept(state.path(), "2018-09-01-001")[2], (Origin::Moves, vec![1, 3]), "it may agree again");
    let folder = CityFolder::of(state.path(), city());
    assert_eq!(folder.agreed(first).unwrap().as_deref(), Some(&b"{}\n"[..]));
    assert_eq!(folder.agreed(cycle("2018-09-02-001")).unwrap(), None);

    // Agreed again, with other records: none is lost.
    agree(state.path(), "2018-09-01-001", &[1]);
    let want = [
        (Origin::Stays, vec![4]),
        (Origin::Stays, vec![2]),
        (Origin::Stays, vec![3]),
        (Origin::Paid(first), vec![1]),
    ];
    assert_eq!(kept(state.path(), "2018-09-02-001"), want);
}

#[test]
fn what_is_older_than_the_window_is_forgotten() {
    let state = TempDir::new().unwrap();
    let taps = AcceptedTaps::open(state.path()).unwrap();
    keep(&taps, &[1, 2]);
    taps.end_segments();
    agree(state.path(), "2018-09-01-001", &[1]);
    agree(state.path(), "2018-09-14-001", &[]);
    assert_eq!(
        kept(state.path(), "2018-09-14-001").len(),
        3,
        "waits and paid of the first, paid of the second"
    );
    agree(state.path(), "2018-09-15-001", &[]);
    let want = [(Origin::Paid(cycle("2018-09-14-001")), vec![]), (Origin::Moves, vec![])];
    assert_eq!(kept(state.path(), "2018-09-15-001"), want);

    let first = cycle("2018-09-01-001");
    assert!(!may_forget(first, cycle("2018-09-14-002"), 10), "a window of 10 days, and 3 to spare");
    assert!(may_forget(first, cycle("2018-09-15-001"), 10));
    assert!(
        !may_forget(cycle("2018-09-15-001"), first, 0),
        "an earlier cycle forgets nothing of a later one"
    );
    assert!(!may_forget(first, cycle("2019-09-01-001"), u32::MAX));
}

/// Behind a failed write nothing may stand: what follows goes into a new file.
#[test]
fn a_file_that_was_left_torn_gets_no_more() {
    let state = TempDir::new().unwrap();
    let folder = CityFolder::of(state.path(), city());
    keep(&AcceptedTaps::open(state.path()).unwrap(), &[1]);
    let first = folder.path().join("0000000001.taps");
    OpenOptions::new().append(true).open(&first).unwrap().write_all(b"CUA1 torn").unwrap();
    keep(&AcceptedTaps::open(state.path()).unwrap(), &[2]);
    let found: Vec<Vec<u8>> =
        kept(state.path(), "2018-09-01-001").into_iter().map(|(_, found)| found).collect();
    assert_eq!(found, [vec![1], vec![2]]);
}
