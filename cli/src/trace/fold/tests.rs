use domain::{
    city::Scheme,
    tap::{Algorithm, TAP_LEN},
};
use proto::{BatchResult, CycleName, JudgedPart, Opening, PartVerdicts, Repeat, ResultException};
use zerocopy::{FromZeros, IntoBytes};

use super::*;
use crate::trace::query::Terminal;

const T: [u8; 6] = [0x20, 0, 0, 0, 0, 1];

fn query(seq: u32, scheme: Option<Scheme>) -> Query {
    Query { terminal: Terminal(T), terminal_seq: seq, scheme }
}

fn city(text: &str) -> City {
    text.parse().unwrap()
}

fn tap(position: u16, terminal: [u8; 6], seq: u32) -> Tap {
    let mut tap = Tap::new_zeroed();
    (tap.line, tap.position) = (u32::from(position + 2).into(), position.into());
    (tap.terminal, tap.terminal_seq) = (terminal, seq.into());
    (tap.key_version, tap.algorithm) = (1, Algorithm::Sm4.index());
    tap
}

fn part(issuer: &str, taps: &[Tap]) -> Part {
    let text = |_| [b"\x03bus".as_slice(), b"\x00", "\u{6}人民".as_bytes()].concat();
    Part {
        issuer: issuer.to_owned(),
        taps: taps.as_bytes().to_vec().into(),
        texts: taps.iter().flat_map(text).collect::<Vec<u8>>().into(),
    }
}

/// Batch 1: the wanted record is the second of its part.
fn parts() -> Vec<Part> {
    vec![part("cu-3000", &[tap(1, T, 6), tap(2, T, 7)]), part("tu-4000", &[tap(0, T, 7)])]
}

fn taps(fold: &mut Fold, offset: u64, number: u64, digest: &'static [u8], parts: Vec<Part>) {
    let records = parts.iter().map(|part| part.taps.len() / TAP_LEN).sum::<usize>();
    let batch = TapBatch {
        acquirer: "cu-2000".to_owned(),
        number,
        digest: Bytes::from_static(digest),
        file: "f.csv".to_owned(),
        records: u32::try_from(records).unwrap(),
        parts,
        resume: None,
    };
    fold.taps(city("cu-2000"), offset, batch.encode_to_vec().into());
}

fn clearing(fold: &mut Fold, offset: u64, body: Body) {
    let message = Clearing { body: Some(body) }.encode_to_vec();
    fold.clearing(&[city("cu-2000")].into(), 0, offset, message.into());
}

fn marker(closes: u32, opens: u32) -> Body {
    let opens = (opens > 0).then(|| Opening { cycle: opens, ..Opening::default() });
    Body::Marker(Marker { closes, opens })
}

fn outcome(codes: Option<&'static [u8]>) -> Body {
    let verdicts = codes.map(|codes| Verdicts { codes: Bytes::from_static(codes), ..Verdicts::default() });
    let judged = |part: Part| {
        let verdicts = if part.issuer == "cu-3000" { verdicts.clone() } else { None };
        JudgedPart { part: Some(part), verdicts }
    };
    Body::Outcome(Outcome {
        acquirer: "cu-2000".to_owned(),
        number: 1,
        digest: Bytes::from_static(b"d"),
        file: "f.csv".to_owned(),
        records: 3,
        parts: parts().into_iter().map(judged).collect(),
    })
}

fn late(codes: &'static [u8]) -> Body {
    let verdicts = Some(Verdicts { codes: Bytes::from_static(codes), ..Verdicts::default() });
    let part = PartVerdicts { issuer: "cu-3000".to_owned(), verdicts };
    Body::Late(LateVerdicts {
        acquirer: "cu-2000".to_owned(),
        number: 1,
        digest: Bytes::from_static(b"d"),
        parts: vec![part],
    })
}

fn told(fold: &mut Fold, offset: u64, cycle: u32, exception: Option<(u32, u32)>) {
    let exceptions = exception.map(|(result, cycle)| ResultException { position: 2, result, cycle });
    let result = BatchResult {
        number: 1,
        cycle,
        exceptions: exceptions.into_iter().collect(),
        cycles: vec![CycleName { cycle, name: format!("name-{cycle}") }],
        ..BatchResult::default()
    };
    fold.result(city("cu-2000"), offset, result.encode_to_vec().into());
}

fn only(fold: &Fold) -> (&Batch, &Record) {
    let batches: Vec<&Batch> = fold.batches.values().collect();
    assert_eq!(batches.len(), 1);
    assert_eq!(batches[0].found.len(), 1);
    (batches[0], &batches[0].found[0])
}

#[test]
fn a_record_is_found_with_its_place_and_texts() {
    let mut fold = Fold::new(query(7, Some(Scheme::CityUnion)));
    taps(&mut fold, 4, 1, b"d", parts());
    taps(&mut fold, 5, 2, b"e", vec![part("cu-3000", &[tap(0, [9; 6], 7)])]);
    taps(&mut fold, 9, 1, b"d", parts());
    let (batch, record) = only(&fold);
    assert_eq!((batch.file.as_str(), batch.records, batch.taps.first.as_slice()), ("f.csv", 3, &[4, 9][..]));
    assert_eq!((record.tap.position.get(), record.index), (2, 1));
    assert_eq!(record.texts, Some(["bus".to_owned(), String::new(), "人民".to_owned()]));
    assert!(!batch.contradicted);
    let near: Vec<_> = fold.near.list().iter().map(|near| (near.terminal_seq, near.issuer)).collect();
    assert_eq!(near, [(6, city("cu-3000")), (7, city("tu-4000"))], "another scheme is another identity");
    taps(&mut fold, 10, 1, b"other", parts());
    assert!(only(&fold).0.contradicted);
}

#[test]
fn a_late_verdict_counts_in_the_cycle_that_is_open_there() {
    let mut fold = Fold::new(query(7, Some(Scheme::CityUnion)));
    taps(&mut fold, 0, 1, b"d", parts());
    for (offset, body) in (0..).zip([
        marker(0, 1),
        outcome(None),
        Body::Repeat(Repeat { acquirer: "cu-2000".to_owned(), number: 1, digest: Bytes::from_static(b"d") }),
        marker(1, 0),
        late(&[0, 2]),
        marker(1, 1),
        marker(0, 2),
        late(&[0, 2]),
        late(&[0, 2]),
        outcome(Some(&[0, 2])),
    ]) {
        clearing(&mut fold, offset, body);
    }
    let (batch, record) = only(&fold);
    let arrival = batch.arrival.as_ref().unwrap();
    assert_eq!((arrival.offset, arrival.cycle), (1, Some(1)));
    assert_eq!((arrival.headers.first.as_slice(), arrival.again.first.as_slice()), (&[2][..], &[9][..]));
    assert!(record.parked);
    let said: Vec<_> =
        record.verdicts.iter().map(|s| (s.verdict, s.late, s.cycle, s.offsets.first.clone())).collect();
    let invalid = Verdict::TacInvalid;
    assert_eq!(said, [(invalid, true, None, vec![4]), (invalid, true, Some(2), vec![7, 8, 9])]);
}

#[test]
fn a_verdict_in_the_outcome_is_not_late() {
    let mut fold = Fold::new(query(7, Some(Scheme::CityUnion)));
    clearing(&mut fold, 0, marker(0, 1));
    clearing(&mut fold, 1, outcome(Some(&[3, 1])));
    let (batch, record) = only(&fold);
    assert_eq!(
        (batch.taps.count, batch.file.as_str()),
        (0, "f.csv"),
        "what retention took is found all the same"
    );
    assert_eq!(
        (record.verdicts[0].verdict, record.verdicts[0].late, record.parked),
        (Verdict::UnknownKey, false, false)
    );
}

#[test]
fn a_result_is_kept_where_it_changes() {
    let mut fold = Fold::new(query(7, Some(Scheme::CityUnion)));
    taps(&mut fold, 0, 1, b"d", parts());
    told(&mut fold, 0, 1, Some((4, 1)));
    told(&mut fold, 1, 1, Some((4, 1)));
    told(&mut fold, 2, 1, Some((4, 2)));
    told(&mut fold, 3, 1, Some((1, 3)));
    told(&mut fold, 4, 1, Some((1, 3)));
    let told_of = |result, cycle, offset| Told { result, cycle, offset };
    assert_eq!(
        only(&fold).1.results,
        [
            told_of(RecordResult::Parked, 1, 0),
            told_of(RecordResult::Parked, 2, 2),
            told_of(RecordResult::Cleared, 3, 3)
        ]
    );
    assert_eq!(fold.cycle_names[&1], "name-1");
    let mut fold = Fold::new(query(7, Some(Scheme::CityUnion)));
    taps(&mut fold, 0, 1, b"d", parts());
    told(&mut fold, 8, 5, None);
    assert_eq!(only(&fold).1.results, [told_of(RecordResult::Cleared, 5, 8)], "no exception means cleared");
}

#[test]
fn the_nearest_neighbours_are_kept_however_many_there_are() {
    let mut fold = Fold::new(query(500, None));
    for number in 1..=20 {
        let seqs = (0..50_u16).map(|at| tap(at, T, u32::try_from(number).unwrap() * 50 + u32::from(at)));
        let seqs: Vec<Tap> = seqs.filter(|tap| tap.terminal_seq.get() != 500).collect();
        taps(&mut fold, number, number, b"d", vec![part("cu-3000", &seqs)]);
    }
    let near: Vec<u32> = fold.near.list().iter().map(|near| near.terminal_seq).collect();
    assert_eq!(near, [497, 498, 499, 501, 502, 503]);
    fold.taps(city("cu-2000"), 99, Bytes::from_static(b"\xFF"));
    assert_eq!((fold.found(), fold.unreadable), (false, 1));
}
