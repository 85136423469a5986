//! Taps and batches. The home city's verdict stands in the cryptogram: byte 0 is what it says, byte 1 whether
//! the record makes it fail.

use bytes::Bytes;
use domain::{
    city::City,
    tap::{Sector, Tap},
};
use proto::{Message, Part, TapBatch};
use zerocopy::IntoBytes;

use super::scheme::{city, terminal_byte};

/// One record before it is presented.
#[derive(Clone, Debug)]
pub struct Record {
    /// Who presents it.
    pub acquirer: usize,
    pub issuer: usize,
    pub prefix: usize,
    pub sequence: u32,
    /// Everything else that it says.
    pub content: u32,
    /// Julian day.
    pub tapped: i32,
    /// What its home city says.
    pub code: u8,
    /// Its home city fails on it.
    pub poison: bool,
}

impl Record {
    /// The tap as it travels.
    pub fn tap(&self, position: usize) -> Tap {
        let sector = if self.content.is_multiple_of(3) { Sector::Metro } else { Sector::Bus };
        let mut card = [0; 8];
        card[4..].copy_from_slice(&self.content.to_be_bytes());
        Tap {
            line: u32::try_from(position + 2).unwrap().into(),
            position: u16::try_from(position).unwrap().into(),
            terminal: [terminal_byte(self.prefix), 0, 0, 0, 0, 1],
            terminal_seq: self.sequence.into(),
            card,
            card_counter: 1.into(),
            type_byte: 6,
            medium: 0,
            sector: sector.index(),
            product: 0,
            amount_fen: (1 + self.content * 37 % 900).into(),
            fare_fen: 1000.into(),
            tapped_day: self.tapped.into(),
            tapped_second: 1.into(),
            key_version: 1,
            algorithm: 0,
            tac: [self.code, u8::from(self.poison), 0, 0],
        }
    }
}

/// What the home city says of taps.
pub fn home_city_says(taps: &[u8]) -> Vec<u8> {
    Tap::slice(taps).unwrap().iter().map(|tap| tap.tac[0]).collect()
}

/// Whether one of the taps makes its home city fail.
pub fn is_poisoned(taps: &[u8]) -> bool {
    Tap::slice(taps).unwrap().iter().any(|tap| tap.tac[1] != 0)
}

/// The records of a file that is one batch, arranged by home city.
pub fn batch(acquirer: City, number: u64, file: &str, records: &[Record]) -> TapBatch {
    let mut issuers: Vec<usize> = records.iter().map(|record| record.issuer).collect();
    issuers.sort_by_key(|issuer| city(*issuer));
    issuers.dedup();
    let part = |issuer: usize| {
        let taps = records.iter().enumerate().filter(|(_, record)| record.issuer == issuer);
        let taps: Vec<Tap> = taps.map(|(position, record)| record.tap(position)).collect();
        let texts = vec![0; taps.len() * 3];
        Part {
            issuer: city(issuer).to_string(),
            taps: Bytes::from(taps.as_bytes().to_vec()),
            texts: texts.into(),
        }
    };
    let parts: Vec<Part> = issuers.into_iter().map(part).collect();
    let digest = proto::digest::batch(&acquirer.to_string(), number, file, &parts);
    TapBatch {
        acquirer: acquirer.to_string(),
        number,
        digest: Bytes::copy_from_slice(&digest),
        file: file.to_owned(),
        records: u32::try_from(records.len()).unwrap(),
        parts,
        resume: None,
    }
}

/// Encodes a message.
pub fn bytes_of(message: &impl Message) -> Bytes {
    message.encode_to_vec().into()
}
