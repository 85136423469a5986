//! Takes a bounded sample of a file.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
};

use city_adapter::guess::{Part, Sample};

/// What is read of the beginning.
const HEAD_LEN: u64 = 2 << 20;
/// What is read further in, and at the end.
const PART_LEN: u64 = 256 << 10;
/// Places further in.
const PARTS: u64 = 6;

/// Looks at a file: whole if it is small, else at its beginning, some places further in and its end.
///
/// # Errors
/// If it cannot be read.
pub fn sample(file: &mut File) -> io::Result<Sample> {
    let len = file.metadata()?.len();
    if len <= HEAD_LEN + PARTS * PART_LEN {
        return head(file);
    }
    let mut parts = vec![Part { offset: 0, bytes: read(file, 0, HEAD_LEN)? }];
    let step = (len - HEAD_LEN) / PARTS;
    for part in 1..=PARTS {
        let offset = if part == PARTS { len - PART_LEN } else { HEAD_LEN + part * step - PART_LEN };
        let offset = offset - offset % 2;
        parts.push(Part { offset, bytes: read(file, offset, PART_LEN + 1)? });
    }
    let to_the_end = parts.last().is_some_and(|part| part.offset + bytes_len(part) == len);
    Ok(Sample { parts, to_the_end })
}

/// Looks at the beginning of something that cannot be gone about in.
///
/// # Errors
/// If it cannot be read.
pub fn head(input: &mut dyn Read) -> io::Result<Sample> {
    let most = HEAD_LEN + PARTS * PART_LEN;
    let mut bytes = Vec::new();
    input.take(most + 1).read_to_end(&mut bytes)?;
    let part = Part { offset: 0, bytes };
    let to_the_end = bytes_len(&part) <= most;
    Ok(Sample { parts: vec![part], to_the_end })
}

fn read(file: &mut File, offset: u64, len: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(offset))?;
    file.take(len).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn bytes_len(part: &Part) -> u64 {
    u64::try_from(part.bytes.len()).unwrap_or(u64::MAX)
}
