use std::io::Cursor;

use super::*;

fn header(first: u64, end: u64) -> Header {
    Header { topic: "cu.clearing".to_owned(), partition: 3, first, end }
}

/// Messages of many sizes, also empty ones and one larger than a block.
fn messages() -> Vec<Vec<u8>> {
    let sizes = (0..4_000_usize).map(|n| n * n % 1_999).chain([BLOCK_BYTES * 2, 0, 1]);
    sizes.enumerate().map(|(n, size)| (0..size).map(|at| (n * 31 + at * at) as u8).collect()).collect()
}

fn written(first: u64, messages: &[Vec<u8>]) -> (Vec<u8>, Written) {
    let end = first + messages.len() as u64;
    let mut encoder = Encoder::new(Vec::new(), &header(first, end)).unwrap();
    for (offset, message) in (first..).zip(messages) {
        encoder.push(offset, message).unwrap();
    }
    encoder.finish().unwrap()
}

fn read(bytes: &[u8], from: u64) -> Result<Vec<(u64, Bytes)>, FormatError> {
    digest(bytes)?;
    let mut decoder = Decoder::open(Cursor::new(bytes))?;
    let mut all = Vec::new();
    while let Some((first, messages)) = decoder.block(from)? {
        all.extend((first..).zip(messages));
    }
    decoder.finish()?;
    Ok(all)
}

#[test]
fn messages_come_back_with_their_offsets_from_any_offset_on() {
    let messages = messages();
    let (bytes, summary) = written(700, &messages);
    assert_eq!(summary, digest(bytes.as_slice()).unwrap());
    assert_eq!(summary.size, bytes.len() as u64);
    let expected: Vec<_> = (700..).zip(messages.iter().cloned().map(Bytes::from)).collect();
    assert_eq!(read(&bytes, 0).unwrap(), expected);
    for (from, skips) in [(701, false), (2_500, true), (4_701, true), (4_702, true)] {
        let found = read(&bytes, from).unwrap();
        let (first, _) = found[0];
        assert!(first <= from && (first > 700) == skips, "blocks before are skipped: {first} for {from}");
        let skipped = usize::try_from(first - 700).unwrap();
        assert_eq!(found, expected[skipped..], "from {from}");
    }
}

#[test]
fn the_same_messages_give_the_same_bytes() {
    assert_eq!(written(5, &messages()), written(5, &messages()));
    let (bytes, _) = written(9, &[]);
    assert_eq!(read(&bytes, 0).unwrap(), []);
}

#[test]
fn a_hole_is_refused_when_it_is_written() {
    let mut encoder = Encoder::new(Vec::new(), &header(10, 13)).unwrap();
    encoder.push(10, b"a").unwrap();
    let hole = encoder.push(12, b"c").unwrap_err();
    assert!(matches!(hole, FormatError::Hole { wanted: 11, found: 12 }), "{hole}");
    let short = encoder.finish().map(drop).unwrap_err();
    assert!(matches!(short, FormatError::Hole { wanted: 11, found: 13 }), "{short}");
}

#[test]
fn every_flipped_byte_and_every_cut_is_recognised() {
    let (bytes, _) = written(0, &[b"one".to_vec(), b"two".to_vec()]);
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x20;
        assert!(read(&damaged, 0).is_err(), "byte {at} flipped");
        assert!(read(&bytes[..at], 0).is_err(), "cut at {at}");
    }
    assert!(read(&[bytes, vec![0]].concat(), 0).is_err());
}

#[test]
fn lengths_that_lie_are_errors_even_under_a_right_digest() {
    let (bytes, _) = written(0, &[b"one".to_vec(), b"two".to_vec()]);
    let body = bytes.len() - 32;
    for at in 0..body {
        for flip in [0x01, 0x80, 0xFF] {
            let mut forged = bytes[..body].to_vec();
            forged[at] ^= flip;
            forged.extend_from_slice(&Sha256::digest(&forged));
            // A byte of a message may come out as another one; anything else is an error, and nothing panics.
            if let Ok(found) = read(&forged, 0) {
                assert_eq!(found.len(), 2, "byte {at}");
            }
        }
    }
}
