//! Which encoding a file is in.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, GB18030, GBK, UTF_8, UTF_16BE, UTF_16LE};

use super::sample::Sample;

/// Of a hundred lines with other than ASCII characters so many must be valid for an encoding to hold.
const VALID_PERCENT: usize = 98;
/// Bytes looked at for UTF-16 without a byte order mark.
const WIDE_LOOK_LEN: usize = 4096;

/// An encoding with its reason.
#[derive(Clone, Debug)]
pub(super) struct Charset {
    /// How it is decoded.
    pub encoding: &'static Encoding,
    /// Why.
    pub evidence: String,
    /// What to look at, if it is not certain.
    pub doubt: Option<String>,
}

impl Charset {
    /// The word for it in a mapping.
    pub fn name(&self) -> String {
        self.encoding.name().to_ascii_lowercase()
    }

    /// The beginning of a file without its byte order mark.
    pub fn without_mark<'a>(&self, head: &'a [u8]) -> &'a [u8] {
        let marked = Encoding::for_bom(head).filter(|(encoding, _)| *encoding == self.encoding);
        marked.map_or(head, |(_, len)| &head[len..])
    }

    /// Guesses.
    pub fn of(sample: &Sample) -> Self {
        if let Some((encoding, _)) = Encoding::for_bom(sample.head()) {
            let evidence = format!("the file begins with the byte order mark of {}", encoding.name());
            return Self { encoding, evidence, doubt: None };
        }
        if let Some(encoding) = wide(sample.head()) {
            let evidence = "every other byte at its beginning is zero".to_owned();
            return Self { encoding, evidence, doubt: None };
        }
        let all = sample.raw_lines().count();
        let lines: Vec<&[u8]> = sample.raw_lines().filter(|line| !line.is_ascii()).collect();
        let sure = |encoding, evidence| Self { encoding, evidence, doubt: None };
        if lines.is_empty() {
            return sure(UTF_8, format!("all {all} lines looked at are plain ASCII"));
        }
        let valid = lines.iter().filter(|line| std::str::from_utf8(line).is_ok()).count();
        if valid * 100 >= lines.len() * VALID_PERCENT {
            let which = if lines.len() == valid { String::new() } else { format!("{valid} of ") };
            return sure(
                UTF_8,
                format!("{which}{} lines with other than ASCII characters are valid UTF-8", lines.len()),
            );
        }
        legacy(&lines)
    }
}

/// UTF-16 without a byte order mark: texts with digits and separators have many zero bytes on one side.
fn wide(head: &[u8]) -> Option<&'static Encoding> {
    let (pairs, _) = head[..head.len().min(WIDE_LOOK_LEN)].as_chunks::<2>();
    let first = pairs.iter().filter(|[first, _]| *first == 0).count();
    let second = pairs.iter().filter(|[_, second]| *second == 0).count();
    let many = |zeros: usize| zeros * 4 >= pairs.len() && zeros > 8;
    match (many(first), many(second)) {
        (false, true) if first == 0 => Some(UTF_16LE),
        (true, false) if second == 0 => Some(UTF_16BE),
        _ => None,
    }
}

/// One of the encodings from before UTF-8.
fn legacy(lines: &[&[u8]]) -> Charset {
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    for line in lines {
        detector.feed(line, false);
        detector.feed(b"\n", false);
    }
    detector.feed(b"", true);
    let guessed = detector.guess(None, Utf8Detection::Deny);
    let chinese = share(lines, GBK);
    let count = lines.len();
    // Little text is easily mistaken for letters of one byte.
    let hanzi = guessed.is_single_byte() && chinese == 100 && common_hanzi(lines) >= 90;
    if guessed != GBK && !hanzi {
        let evidence = format!(
            "{count} lines with other than ASCII characters are not UTF-8; their letters are most like {}",
            guessed.name()
        );
        let also = if chinese >= VALID_PERCENT { "gbk would be possible too" } else { "it is not gbk" };
        let doubt = format!("look whether the texts below read well; {also}");
        return Charset { encoding: guessed, evidence, doubt: Some(doubt) };
    }
    let four = lines.iter().filter(|line| has_four_byte_character(line)).count();
    let (encoding, evidence) = if four > 0 {
        (
            GB18030,
            format!(
                "{chinese} % of {count} lines with other than ASCII characters are valid, \
                        {four} with a character of four bytes, which GBK does not have"
            ),
        )
    } else {
        (
            GBK,
            format!(
                "{chinese} % of {count} lines with other than ASCII characters are valid GBK and no UTF-8"
            ),
        )
    };
    Charset { encoding, evidence, doubt: None }
}

/// How many of a hundred lines are valid.
fn share(lines: &[&[u8]], encoding: &'static Encoding) -> usize {
    let valid = lines
        .iter()
        .filter(|line| encoding.decode_without_bom_handling_and_without_replacement(line).is_some());
    valid.count() * 100 / lines.len().max(1)
}

/// How many of a hundred double bytes are of GB 2312's first level, which ordinary Chinese text is made of, read
/// from the start of each line. Korean and Western texts lie elsewhere, or are no pairs.
fn common_hanzi(lines: &[&[u8]]) -> usize {
    let (mut common, mut pairs) = (0, 0);
    for line in lines {
        let mut rest = *line;
        while let Some((lead, after)) = rest.split_first() {
            rest = after;
            if lead.is_ascii() {
                continue;
            }
            let Some((trail, after)) = after.split_first() else { break };
            rest = after;
            pairs += 1;
            common += usize::from((0xB0..=0xD7).contains(lead) && *trail >= 0xA1);
        }
    }
    (common * 100).checked_div(pairs).unwrap_or(0)
}

fn has_four_byte_character(line: &[u8]) -> bool {
    let mut at = 0;
    while let Some(byte) = line.get(at) {
        at += match (byte, line.get(at + 1)) {
            (0..=0x80, _) | (_, None) => 1,
            (_, Some(b'0'..=b'9')) => return true,
            _ => 2,
        };
    }
    false
}
