//! Lines of a large file that hold a text, with their numbers, in memory of a fixed size.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use memchr::{memchr_iter, memmem, memrchr};

/// Bytes read at once; also the longest line that can be found.
const CHUNK_BYTES: usize = 1 << 20;

/// Visits every line of a file that holds one of `needles`, with its physical number from 1.
/// What follows the first line that is longer than a chunk is not searched.
///
/// # Errors
/// If the file cannot be read; a line that is too long is [`io::ErrorKind::InvalidData`].
pub fn with_any(path: &Path, needles: &[&[u8]], visit: &mut dyn FnMut(u64, &[u8])) -> io::Result<()> {
    let finders: Vec<_> = needles.iter().map(memmem::Finder::new).collect();
    let mut file = File::open(path)?;
    let mut buffer = vec![0; CHUNK_BYTES];
    let (mut held, mut line) = (0, 1);
    loop {
        let more = file.read(&mut buffer[held..])?;
        let filled = held + more;
        let whole = match memrchr(b'\n', &buffer[..filled]) {
            _ if more == 0 => filled,
            Some(at) => at + 1,
            None if filled == buffer.len() => {
                return Err(io::Error::new(io::ErrorKind::InvalidData, format!("line {line} is too long")));
            }
            None => 0,
        };
        line += search(&buffer[..whole], &finders, line, visit);
        buffer.copy_within(whole..filled, 0);
        held = filled - whole;
        if more == 0 {
            return Ok(());
        }
    }
}

/// Searches whole lines, of which the first has the number `first`; gives how many there are.
fn search(text: &[u8], finders: &[memmem::Finder<'_>], first: u64, visit: &mut dyn FnMut(u64, &[u8])) -> u64 {
    let mut hits: Vec<usize> = finders.iter().flat_map(|finder| finder.find_iter(text)).collect();
    hits.sort_unstable();
    let (mut counted_to, mut line, mut line_end) = (0, first, 0);
    for hit in hits {
        if hit < line_end {
            continue;
        }
        let start = memrchr(b'\n', &text[..hit]).map_or(0, |at| at + 1);
        line_end = memchr::memchr(b'\n', &text[hit..]).map_or(text.len(), |at| hit + at);
        line += count(&text[counted_to..start]);
        counted_to = start;
        visit(line, &text[start..line_end]);
    }
    line - first + count(&text[counted_to..])
}

fn count(text: &[u8]) -> u64 {
    u64::try_from(memchr_iter(b'\n', text).count()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    fn found(text: &str, needles: &[&[u8]]) -> Vec<(u64, String)> {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, text).unwrap();
        let mut found = Vec::new();
        with_any(&path, needles, &mut |line, text| {
            found.push((line, String::from_utf8(text.to_vec()).unwrap()));
        })
        .unwrap();
        found
    }

    #[test]
    fn lines_have_their_numbers() {
        let line = |number: u64, text: &str| (number, text.to_owned());
        let text = "head\na,1,a,1,\nb,2,\n\nc,1,\n";
        assert_eq!(found(text, &[b",1,"]), [line(2, "a,1,a,1,"), line(5, "c,1,")]);
        assert_eq!(found(text, &[b",2,", b"head"]), [line(1, "head"), line(3, "b,2,")]);
        assert_eq!(found("a,1,", &[b",1,"]), [line(1, "a,1,")], "without a line end");
        assert_eq!(found("", &[b",1,"]), []);
    }

    #[test]
    fn a_line_across_two_chunks_is_found_once() {
        let mut text = String::new();
        for number in 1..=60_000 {
            writeln!(text, "a line of some length that holds ,{number}, and more").unwrap();
        }
        assert!(text.len() > 2 * CHUNK_BYTES);
        for number in [1_u64, 20_161, 20_162, 20_163, 20_164, 40_000, 60_000] {
            let found = found(&text, &[format!(",{number},").as_bytes()]);
            assert_eq!(found.len(), 1, "{number}");
            assert_eq!(found[0].0, number);
        }
    }

    #[test]
    fn a_line_without_end_is_an_error_and_no_endless_memory() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, vec![b'x'; CHUNK_BYTES + 1]).unwrap();
        let error = with_any(&path, &[b",1,"], &mut |_, _| {}).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
