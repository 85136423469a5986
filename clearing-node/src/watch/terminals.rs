//! Gaps in the sequences of terminals: uploads that are missing, and that came later.

use std::{
    fs::File,
    io::{self, BufReader, BufWriter, Write as _},
    path::Path,
};

use domain::{
    city::City,
    date::{Date, LocalTime},
    tap::Tap,
};

use super::{
    WatchError, file,
    report::{GapRow, Reports},
    sorter::{Sorted, read_record},
};

/// Length of a record: city, terminal, sequence, day and second.
pub(super) const SEEN_LEN: usize = City::SPELLING_LEN + 6 + 4 + 8;
/// Open gaps that are remembered of a terminal; the oldest are let go.
const GAPS_MAX: usize = 64;
/// Name of what the next cycle needs.
const CARRIED: &str = ".terminals";

/// A terminal's sequence that was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    city: City,
    terminal: [u8; 6],
    seq: u32,
    at: LocalTime,
}

impl Seen {
    pub(super) fn of(city: City, tap: &Tap) -> Self {
        Self { city, terminal: tap.terminal, seq: tap.terminal_seq.get(), at: tap.tapped_at() }
    }

    /// Bytes in the order of city, terminal and sequence.
    pub(super) fn bytes(self) -> [u8; SEEN_LEN] {
        let mut bytes = [0; SEEN_LEN];
        bytes[..7].copy_from_slice(&self.city.spelling());
        bytes[7..13].copy_from_slice(&self.terminal);
        bytes[13..17].copy_from_slice(&self.seq.to_be_bytes());
        bytes[17..].copy_from_slice(&time_bytes(self.at));
        bytes
    }

    fn of_bytes(bytes: &[u8; SEEN_LEN]) -> io::Result<Self> {
        Ok(Self {
            city: City::parse(&bytes[..7]).map_err(io::Error::other)?,
            terminal: std::array::from_fn(|at| bytes[7 + at]),
            seq: u32::from_be_bytes(std::array::from_fn(|at| bytes[13 + at])),
            at: time_of(std::array::from_fn(|at| bytes[17 + at])),
        })
    }
}

/// Day and second so that bytes sort as times do.
pub(super) fn time_bytes(at: LocalTime) -> [u8; 8] {
    let day = at.date.julian_day().cast_unsigned() ^ 0x8000_0000;
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&day.to_be_bytes());
    bytes[4..].copy_from_slice(&at.second.to_be_bytes());
    bytes
}

/// Reads what [`time_bytes`] wrote.
pub(super) fn time_of([a, b, c, d, second @ ..]: [u8; 8]) -> LocalTime {
    let day = (u32::from_be_bytes([a, b, c, d]) ^ 0x8000_0000).cast_signed();
    LocalTime { date: Date::from_julian_day(day), second: u32::from_be_bytes(second) }
}

/// Sequences that are missing between two that were seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Gap {
    after: u32,
    before: u32,
    /// When `after` was tapped.
    last_seen: LocalTime,
}

impl Gap {
    fn missing(&self) -> u32 {
        self.before - self.after - 1
    }
}

/// What is known of a terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Terminal {
    /// The highest sequence that was seen.
    high: Seen,
    /// What is missing below it, in order.
    gaps: Vec<Gap>,
}

impl Terminal {
    fn see(&mut self, seen: Seen) -> Option<Gap> {
        if seen.seq > self.high.seq {
            let gap = Gap { after: self.high.seq, before: seen.seq, last_seen: self.high.at };
            self.high = seen;
            return (gap.missing() > 0).then_some(gap);
        }
        let within = self.gaps.iter().position(|gap| gap.after < seen.seq && seen.seq < gap.before);
        if let Some(at) = within {
            let gap = self.gaps[at];
            let below = Gap { before: seen.seq, ..gap };
            let above = Gap { after: seen.seq, last_seen: seen.at, ..gap };
            let left = [below, above].into_iter().filter(|gap| gap.missing() > 0);
            self.gaps.splice(at..=at, left);
        }
        None
    }
}

/// What the cycle before has left, in order; none if it left nothing.
pub(super) fn carried(before: &Path) -> Result<Option<Carried>, WatchError> {
    let path = before.join(CARRIED);
    match File::open(&path) {
        Ok(input) => Ok(Some(Carried { input: BufReader::new(input) })),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(file("open", &path)(error)),
    }
}

/// Terminals that an earlier cycle has left.
pub(super) struct Carried {
    input: BufReader<File>,
}

impl Carried {
    fn next(&mut self) -> io::Result<Option<Terminal>> {
        let Some(high) = read_record::<SEEN_LEN>(&mut self.input)? else { return Ok(None) };
        let torn = || io::Error::other("it ends in the middle of a terminal");
        let count = u16::from_be_bytes(read_record::<2>(&mut self.input)?.ok_or_else(torn)?);
        let mut gaps = Vec::with_capacity(usize::from(count));
        for _ in 0..count {
            let [a, b, c, d, e, f, g, h, at @ ..] = read_record::<16>(&mut self.input)?.ok_or_else(torn)?;
            let (after, before) = (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]));
            gaps.push(Gap { after, before, last_seen: time_of(at) });
        }
        Ok(Some(Terminal { high: Seen::of_bytes(&high)?, gaps }))
    }
}

fn write(to: &mut impl io::Write, terminal: &Terminal) -> io::Result<()> {
    to.write_all(&terminal.high.bytes())?;
    let gaps = &terminal.gaps[terminal.gaps.len().saturating_sub(GAPS_MAX)..];
    to.write_all(&u16::try_from(gaps.len()).unwrap_or(u16::MAX).to_be_bytes())?;
    for gap in gaps {
        to.write_all(&gap.after.to_be_bytes())?;
        to.write_all(&gap.before.to_be_bytes())?;
        to.write_all(&time_bytes(gap.last_seen))?;
    }
    Ok(())
}

/// Reports what is missing and what came, and leaves what the next cycle needs: nothing from before `line`, which
/// cannot be presented any more.
pub(super) fn report(
    mut seen: Sorted<SEEN_LEN>,
    mut left: Option<Carried>,
    line: Date,
    folder: &Path,
    reports: &mut Reports,
) -> Result<(), WatchError> {
    let path = folder.join(CARRIED);
    let io = |error| file("write", &path)(error);
    let mut to = BufWriter::new(File::create(&path).map_err(io)?);
    let mut recall = || match &mut left {
        Some(left) => left.next(),
        None => Ok(None),
    };
    let mut next = || seen.next()?.as_ref().map(Seen::of_bytes).transpose();
    let (mut known, mut new) = (recall().map_err(io)?, next().map_err(io)?);
    loop {
        let key = |seen: &Seen| (seen.city, seen.terminal);
        let lowest =
            [known.as_ref().map(|it| key(&it.high)), new.as_ref().map(key)].into_iter().flatten().min();
        let Some(terminal) = lowest else { break };
        let mut state = known.take_if(|it| key(&it.high) == terminal);
        if state.is_some() {
            known = recall().map_err(io)?;
        }
        let before = state.clone();
        let mut opened = Vec::new();
        let mut is_seen = false;
        while let Some(seen) = new.take_if(|seen| key(seen) == terminal) {
            is_seen = true;
            match &mut state {
                None => state = Some(Terminal { high: seen, gaps: Vec::new() }),
                Some(state) => opened.extend(state.see(seen)),
            }
            new = next().map_err(io)?;
        }
        let Some(mut state) = state else { continue };
        tell(reports, &state, before.as_ref(), &opened)?;
        if is_seen {
            reports.counts_of(terminal.0)?.terminals += 1;
        }
        state.gaps.extend(opened);
        state.gaps.retain(|gap| gap.last_seen.date >= line);
        if state.high.at.date >= line {
            write(&mut to, &state).map_err(io)?;
        }
    }
    to.flush().map_err(io)
}

/// The rows of one terminal: what opened, and the gaps of earlier cycles of which something came.
fn tell(
    reports: &mut Reports,
    now: &Terminal,
    before: Option<&Terminal>,
    opened: &[Gap],
) -> Result<(), WatchError> {
    let (city, terminal) = (now.high.city, now.high.terminal);
    let row = |finding, gap: &Gap, missing| GapRow {
        finding,
        terminal,
        after: gap.after,
        before: gap.before,
        missing,
        last_seen: gap.last_seen,
    };
    for gap in before.map(|before| before.gaps.as_slice()).unwrap_or_default() {
        let inside = |left: &&Gap| gap.after <= left.after && left.before <= gap.before;
        let missing = now.gaps.iter().filter(inside).map(Gap::missing).sum();
        if missing < gap.missing() {
            reports.gap(city, &row("filled", gap, missing))?;
        }
    }
    for gap in opened {
        reports.gap(city, &row("gap", gap, gap.missing()))?;
    }
    Ok(())
}
