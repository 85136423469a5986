//! Counters of cards that go back: a card that was copied counts twice.

use std::{
    fs::File,
    io::{self, BufReader, BufWriter, Write as _},
    path::Path,
};

use domain::{city::City, date::Date, tap::Tap};

use super::{
    WatchError, file,
    report::{Reports, Use},
    sorter::{Sorted, Sorter, read_record},
    terminals::{time_bytes, time_of},
};

/// Length of a record: home city, card, day and second, counter, terminal and sequence, and whether an earlier cycle
/// has left it.
pub(super) const CARD_LEN: usize = City::SPELLING_LEN + 8 + 8 + 2 + 6 + 4 + 1;
/// Name of what the next cycle needs.
const CARRIED: &str = ".cards";

/// A use of a card that its home city has accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Card {
    issuer: City,
    card: [u8; 8],
    seq: u32,
    used: Use,
    /// An earlier cycle has left it.
    old: bool,
}

impl Card {
    pub(super) fn of(issuer: City, tap: &Tap) -> Self {
        let used = Use { counter: tap.card_counter.get(), at: tap.tapped_at(), terminal: tap.terminal };
        Self { issuer, card: tap.card, seq: tap.terminal_seq.get(), used, old: false }
    }

    /// Bytes in the order of home city, card and time.
    pub(super) fn bytes(self) -> [u8; CARD_LEN] {
        let mut bytes = [0; CARD_LEN];
        bytes[..7].copy_from_slice(&self.issuer.spelling());
        bytes[7..15].copy_from_slice(&self.card);
        bytes[15..23].copy_from_slice(&time_bytes(self.used.at));
        bytes[23..25].copy_from_slice(&self.used.counter.to_be_bytes());
        bytes[25..31].copy_from_slice(&self.used.terminal);
        bytes[31..35].copy_from_slice(&self.seq.to_be_bytes());
        bytes[35] = u8::from(!self.old);
        bytes
    }

    fn of_bytes(bytes: &[u8; CARD_LEN]) -> io::Result<Self> {
        let used = Use {
            counter: u16::from_be_bytes([bytes[23], bytes[24]]),
            at: time_of(std::array::from_fn(|at| bytes[15 + at])),
            terminal: std::array::from_fn(|at| bytes[25 + at]),
        };
        Ok(Self {
            issuer: City::parse(&bytes[..7]).map_err(io::Error::other)?,
            card: std::array::from_fn(|at| bytes[7 + at]),
            seq: u32::from_be_bytes(std::array::from_fn(|at| bytes[31 + at])),
            used,
            old: bytes[35] == 0,
        })
    }

    /// The same record, maybe presented again.
    fn is_same(&self, other: &Self) -> bool {
        (self.used, self.seq) == (other.used, other.seq)
    }
}

/// Puts the last use of every card that an earlier cycle has left among the records, none from before `line`.
pub(super) fn recall(before: &Path, line: Date, cards: &mut Sorter<CARD_LEN>) -> Result<(), WatchError> {
    let path = before.join(CARRIED);
    let io = |error| file("read", &path)(error);
    let mut input = match File::open(&path) {
        Ok(input) => BufReader::new(input),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io(error)),
    };
    while let Some(bytes) = read_record::<CARD_LEN>(&mut input).map_err(io)? {
        let card = Card::of_bytes(&bytes).map_err(io)?;
        if card.used.at.date >= line {
            cards.push(Card { old: true, ..card }.bytes()).map_err(io)?;
        }
    }
    Ok(())
}

/// Reports every use whose counter is not above the one of the use before it, and leaves the last use of each card.
pub(super) fn report(
    mut cards: Sorted<CARD_LEN>,
    folder: &Path,
    reports: &mut Reports,
) -> Result<(), WatchError> {
    let path = folder.join(CARRIED);
    let io = |error| file("write", &path)(error);
    let mut to = BufWriter::new(File::create(&path).map_err(io)?);
    let mut last: Option<Card> = None;
    let mut counted = None;
    while let Some(bytes) = cards.next().map_err(io)? {
        let card = Card::of_bytes(&bytes).map_err(io)?;
        let key = (card.issuer, card.card);
        if !card.old && counted.replace(key) != Some(key) {
            reports.counts_of(card.issuer)?.cards += 1;
        }
        let Some(before) = last.replace(card) else { continue };
        if (before.issuer, before.card) != key {
            to.write_all(&before.bytes()).map_err(io)?;
        } else if card.used.counter <= before.used.counter && !card.is_same(&before) {
            reports.counter(card.issuer, card.card, before.used, card.used)?;
        }
    }
    if let Some(last) = last {
        to.write_all(&last.bytes()).map_err(io)?;
    }
    to.flush().map_err(io)
}
