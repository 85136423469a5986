//! Damaged files: whatever the bytes are, every line is told of once and nothing panics.

use std::path::Path;

use super::*;

/// A small generator of numbers that look random.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }
}

fn damaged(bytes: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=numbers.below(4) {
        let at = numbers.below(bytes.len());
        match numbers.below(5) {
            0 => bytes.truncate(at + 1),
            1 => bytes[at] = [0x81, 0xFF, b'"', b'\r', b';', b'\t', 0][numbers.below(7)],
            2 => bytes.insert(at, numbers.below(256) as u8),
            3 => drop(bytes.remove(at)),
            _ => bytes[at] = numbers.below(256) as u8,
        }
        if bytes.is_empty() {
            bytes.push(b'x');
        }
    }
    bytes
}

/// Lines behind the first `skip` that are not blank.
fn data_lines(bytes: &[u8], skip: usize) -> usize {
    let lines = bytes.split(|byte| *byte == b'\n').skip(skip);
    lines.filter(|line| !matches!(line, [] | [b'\r'] | [0x1A] | [0x1A, b'\r'])).count()
}

#[test]
fn a_file_shorter_than_what_is_passed_over_is_refused_at_once() {
    let read = |skip: &str, file: &str| {
        let text = format!("[file]\nnames = false\nskip = {skip}\n[columns.station]\ncolumn = 1");
        texts_of(&mapping(&text).unwrap(), file.as_bytes()).1
    };
    let error = read("9999", "a\nb\n").unwrap_err();
    assert!(error.contains("skip = 9999, but the file has only 2 lines"), "{error}");
    assert!(read("2", "a\nb\n").is_ok());
}

#[test]
fn every_line_of_a_damaged_file_is_told_of_once() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("mappings/examples");
    let mut numbers = Numbers(0x9E37_79B9_7F4A_7C15);
    for (name, file) in [
        ("harbour.toml", "harbour.csv"),
        ("riverside.toml", "riverside.txt"),
        ("valley.toml", "valley.tsv"),
        ("northern.toml", "northern.txt"),
    ] {
        let mapping = Mapping::load(&folder.join(name)).unwrap();
        let whole = std::fs::read(folder.join(file)).unwrap();
        let mut ends = [0, 0];
        for _ in 0..400 {
            let bytes = damaged(&whole, &mut numbers);
            let (rows, end) = texts_of(&mapping, &bytes);
            ends[usize::from(end.is_err())] += 1;
            if let ("harbour.toml", Ok(counts)) = (name, end) {
                let told = rows.len() + counts.dropped as usize;
                assert_eq!(told, data_lines(&bytes, 1) - 1, "{}", String::from_utf8_lossy(&bytes));
            }
        }
        assert!(ends[0] > 0 && ends[1] > 0, "{name}: some are read and some are refused: {ends:?}");
    }
}
