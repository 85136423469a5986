//! Cuts taps into batches by the file's bytes alone, so that the same file always gives the same.

use bytes::Bytes;
use domain::{
    city::City,
    tap::{TAP_LEN, Tap},
};
use proto::{Part, TapBatch};
use zerocopy::IntoBytes;

use crate::tapfile::TapLine;

/// The most taps in a batch.
pub const BATCH_RECORDS_MAX: usize = 4096;

/// The largest encoding of a batch, in bytes.
pub const BATCH_LEN_MAX: usize = 1 << 20;

/// An upper bound of what the encoding needs beside its parts (names are at most 255 bytes). A bound and not the
/// true length, so that neither name nor number of a batch moves a cut.
const BATCH_OVERHEAD: usize = 512;

/// An upper bound of what the encoding of a part needs beside its taps and texts.
const PART_OVERHEAD: usize = 32;

/// Taps of one file that become the next batch.
#[derive(Default)]
pub struct Cutter {
    parts: Vec<PartBuffer>,
    records: usize,
    len: usize,
}

struct PartBuffer {
    issuer: City,
    taps: Vec<u8>,
    texts: Vec<u8>,
}

impl Cutter {
    /// How many taps wait for their batch.
    pub fn records(&self) -> usize {
        self.records
    }

    /// Whether the tap goes into the batch that waits; if not, that one is complete.
    pub fn fits(&self, tap: &TapLine<'_>) -> bool {
        self.records < BATCH_RECORDS_MAX
            && BATCH_OVERHEAD + self.len + PART_OVERHEAD + record_len(tap) <= BATCH_LEN_MAX
    }

    /// Puts a tap, the next of its file, behind the others of its home city.
    pub fn push(&mut self, line: &TapLine<'_>) {
        let place = match self.parts.binary_search_by_key(&line.issuer, |part| part.issuer) {
            Ok(place) => place,
            Err(place) => {
                let part = PartBuffer { issuer: line.issuer, taps: Vec::new(), texts: Vec::new() };
                self.parts.insert(place, part);
                self.len += PART_OVERHEAD;
                place
            }
        };
        let position = u16::try_from(self.records).unwrap_or(u16::MAX);
        let tap = Tap { position: position.into(), ..line.tap };
        let part = &mut self.parts[place];
        part.taps.extend_from_slice(tap.as_bytes());
        for text in [line.operator, line.line, line.station] {
            part.texts.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
            part.texts.extend_from_slice(text);
        }
        self.len += record_len(line);
        self.records += 1;
    }

    /// The batch of the taps that wait, with its number and digest.
    pub fn take(&mut self, acquirer: City, number: u64, file: &str) -> TapBatch {
        let parts: Vec<Part> = self
            .parts
            .drain(..)
            .map(|part| Part {
                issuer: part.issuer.to_string(),
                taps: part.taps.into(),
                texts: part.texts.into(),
            })
            .collect();
        let acquirer = acquirer.to_string();
        let digest = Bytes::copy_from_slice(&proto::digest::batch(&acquirer, number, file, &parts));
        let records = u32::try_from(self.records).unwrap_or(u32::MAX);
        self.records = 0;
        self.len = 0;
        TapBatch { acquirer, number, digest, file: file.to_owned(), records, parts, resume: None }
    }
}

fn record_len(tap: &TapLine<'_>) -> usize {
    TAP_LEN + 3 + tap.operator.len() + tap.line.len() + tap.station.len()
}

#[cfg(test)]
mod tests {
    use proto::Message;

    use super::*;
    use crate::tapfile::{HEADER, Line, TapFile};

    fn batches(file: &str, first_number: u64, name: &str) -> Vec<TapBatch> {
        let city: City = "cu-2000".parse().unwrap();
        let mut from = TapFile::open(file.as_bytes(), city).unwrap();
        let (mut cutter, mut all) = (Cutter::default(), Vec::new());
        while let Some(line) = from.next_line().unwrap() {
            let Line::Tap(tap) = line else { continue };
            if !cutter.fits(&tap) {
                all.push(cutter.take(city, first_number + all.len() as u64, name));
            }
            cutter.push(&tap);
        }
        all.push(cutter.take(city, first_number + all.len() as u64, name));
        all
    }

    fn file(lines: usize, text: &str, issuers: usize) -> String {
        let mut file = format!("{HEADER}\n");
        for n in 0..lines {
            let issuer = 0x3000 + n % issuers;
            file += &format!(
                "20000000{n:04X},{n},cu-{issuer:04X},00000000000000AA,1,06,1,1,2018-09-01T00:00:00,cpu,bus,flat,\
                 {text},{text},{text},1,3des,00000000\n"
            );
        }
        file
    }

    #[test]
    fn a_batch_holds_consecutive_taps_by_home_city_with_their_places() {
        let all = batches(&file(5000, "x", 3), 7, "a.csv");
        let shape: Vec<_> = all.iter().map(|b| (b.number, b.records, b.parts.len())).collect();
        assert_eq!(shape, [(7, 4096, 3), (8, 904, 3)]);
        let mut lines = Vec::new();
        for batch in &all {
            let mut taps: Vec<Tap> = Vec::new();
            for part in &batch.parts {
                taps.extend(Tap::slice(&part.taps).unwrap());
                assert!(part.texts.starts_with(b"\x01x\x01x\x01x"));
            }
            taps.sort_by_key(|tap| tap.position.get());
            assert!(taps.iter().enumerate().all(|(n, tap)| usize::from(tap.position.get()) == n));
            lines.extend(taps.iter().map(|tap| tap.line.get()));
            assert!(batch.parts.is_sorted_by(|a, b| a.issuer < b.issuer));
        }
        assert_eq!(lines, (2..5002).collect::<Vec<u32>>());
    }

    #[test]
    fn long_texts_and_many_home_cities_stay_under_the_size_limit() {
        let long = "x".repeat(64);
        let text = file(9000, &long, 4000);
        let all = batches(&text, u64::MAX - 10, &"n".repeat(255));
        assert!(all.len() > 2);
        for batch in &all {
            assert!(batch.encoded_len() <= BATCH_LEN_MAX, "{} bytes", batch.encoded_len());
        }
        let fullest = all.iter().map(Message::encoded_len).max().unwrap();
        assert!(fullest > BATCH_LEN_MAX / 2, "{fullest} bytes");
        let cuts = |all: &[TapBatch]| all.iter().map(|b| b.records).collect::<Vec<_>>();
        assert_eq!(cuts(&all), cuts(&batches(&text, 1, "n")), "number and name move no cut");
    }
}
