//! The second side and the third: what the centre says a home city pays, twice over, and what the city accepted. The rows
//! stand in different orders, so they are sorted by terminal and number first.

use std::{collections::BTreeMap, path::Path};

use domain::{
    city::City,
    tap::{CONTENT_LEN, TAP_LEN, Tap},
    terminal::Ownership,
};
use zerocopy::{FromBytes as _, FromZeros as _};

use super::{Accepted, Finding, MEMORY_BYTES, Reconciled};
use crate::{
    detail::{IssuerTaps, Merge},
    error::FilesError,
    layout::issuer_file,
    text::push_hex,
    verify::{Ear, Fields, Line, Lines},
};

/// Who has a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    /// `acquirer/<city>.csv`, cleared.
    Taken = 0,
    /// `issuer/<city>.csv`.
    Paid = 1,
    /// The home city's own.
    Accepted = 2,
}

/// Records of all sides by pair of cities, terminal and number.
pub(super) struct Sorter {
    taps: IssuerTaps,
    /// The home cities whose own records are here, and whether they are those that it agreed to pay.
    here: BTreeMap<City, bool>,
}

impl Sorter {
    pub(super) fn new(work_dir: &Path) -> Result<Self, FilesError> {
        let taps = IssuerTaps::new(work_dir, MEMORY_BYTES).map_err(FilesError::Spool)?;
        Ok(Self { taps, here: BTreeMap::new() })
    }

    /// The acquirer's file has a cleared record.
    pub(super) fn taken(
        &mut self,
        acquirer: City,
        issuer: City,
        terminal: &str,
        terminal_seq: u32,
        amount_fen: u32,
    ) -> Result<(), FilesError> {
        let terminal = number(terminal.as_bytes()).unwrap_or_default();
        self.push((issuer, acquirer), Side::Taken, terminal, terminal_seq, amount_fen)
    }

    /// Takes the rows of a home city's file.
    pub(super) fn file(
        &mut self,
        folder: &Path,
        issuer: City,
        found: &mut Reconciled,
    ) -> Result<(), FilesError> {
        let path = folder.join(issuer_file(issuer));
        let mut lines = Lines::open(&path, Ear::new(None, 0)).map_err(FilesError::io("read", &path))?;
        let mut fields = Fields::default();
        loop {
            let row = match lines.next().map_err(FilesError::io("read", &path))? {
                Line::Whole(row) => fields.split(row).ok().map(|()| &fields),
                Line::Broken(_) => None,
                Line::End => return Ok(()),
            };
            let read = row.and_then(|fields| {
                let acquirer = City::parse(fields.get(0)).ok()?;
                let terminal = number(fields.get(1))?;
                Some((acquirer, terminal, fields.text(2)?.parse().ok()?, fields.text(6)?.parse().ok()?))
            });
            if lines.number() == 1 {
                continue;
            }
            let Some((acquirer, terminal, terminal_seq, amount_fen)) = read else {
                let text = format!("line {}: it is no row", lines.number());
                let error = std::io::Error::new(std::io::ErrorKind::InvalidData, text);
                return Err(FilesError::io("read", &path)(error));
            };
            found.pair(acquirer, issuer).paid.add(u64::from(amount_fen));
            self.push((issuer, acquirer), Side::Paid, terminal, terminal_seq, amount_fen)?;
        }
    }

    /// Takes a home city's own records, if they are here.
    pub(super) fn accepted(
        &mut self,
        issuer: City,
        owners: &Ownership,
        accepted: &mut dyn Accepted,
    ) -> Result<(), FilesError> {
        let agreed = accepted.records(issuer, &mut |content| {
            let mut bytes = [0; TAP_LEN];
            bytes[TAP_LEN - CONTENT_LEN..].copy_from_slice(content);
            let Ok(tap) = Tap::read_from_bytes(&bytes) else { return Ok(()) };
            let Some(acquirer) = owners.owner(tap.terminal_number()) else { return Ok(()) };
            let (seq, fen) = (tap.terminal_seq.get(), tap.amount_fen.get());
            self.push((issuer, acquirer), Side::Accepted, tap.terminal, seq, fen)
        })?;
        if let Some(agreed) = agreed {
            self.here.insert(issuer, agreed);
        }
        Ok(())
    }

    fn push(
        &mut self,
        (issuer, acquirer): (City, City),
        side: Side,
        terminal: [u8; 6],
        terminal_seq: u32,
        amount_fen: u32,
    ) -> Result<(), FilesError> {
        let mut tap = Tap::new_zeroed();
        tap.terminal = terminal;
        tap.terminal_seq = terminal_seq.into();
        tap.amount_fen = amount_fen.into();
        // The room for the place in a batch says whose record it is.
        tap.position = (side as u16).into();
        self.taps.push(issuer, acquirer, &tap).map_err(FilesError::Spool)
    }

    /// Compares what each side has of each record.
    pub(super) fn compare(mut self, found: &mut Reconciled) -> Result<(), FilesError> {
        self.taps.seal().map_err(FilesError::Spool)?;
        let issuers: Vec<City> = self.taps.issuers().collect();
        for issuer in issuers {
            let acquirers: Vec<City> = self.taps.acquirers_of(issuer).collect();
            for acquirer in acquirers {
                self.pair(acquirer, issuer, found)?;
            }
        }
        Ok(())
    }

    fn pair(&self, acquirer: City, issuer: City, found: &mut Reconciled) -> Result<(), FilesError> {
        let here = self.here.get(&issuer).copied();
        if here.is_some() {
            found.pair(acquirer, issuer).accepted.get_or_insert_default();
        }
        let mut merge = Merge::new();
        self.taps.give(issuer, acquirer, &mut merge);
        let mut group: Vec<Tap> = Vec::new();
        loop {
            let tap = merge.next().map_err(FilesError::Spool)?;
            let place = |tap: &Tap| (tap.terminal, tap.terminal_seq.get());
            if let (Some(tap), Some(first)) = (&tap, group.first())
                && place(tap) == place(first)
            {
                group.push(*tap);
                continue;
            }
            self.record(acquirer, issuer, &group, here, found);
            group.clear();
            match tap {
                Some(tap) => group.push(tap),
                None => return Ok(()),
            }
        }
    }

    /// Compares the sides of one terminal and number: mostly one record.
    fn record(
        &self,
        acquirer: City,
        issuer: City,
        group: &[Tap],
        here: Option<bool>,
        found: &mut Reconciled,
    ) {
        let Some(first) = group.first() else { return };
        let of = |side: Side| {
            let its = group.iter().filter(move |tap| tap.position.get() == side as u16);
            its.map(|tap| tap.amount_fen.get()).collect::<Vec<u32>>()
        };
        let (taken, paid, mut accepted) = (of(Side::Taken), of(Side::Paid), of(Side::Accepted));
        // What was asked about again stands there several times.
        if here == Some(false) {
            accepted.dedup();
        }
        let covered: Vec<u32> = paid.iter().filter(|fen| accepted.contains(fen)).copied().collect();
        if here.is_some() {
            let sum = found.pair(acquirer, issuer).accepted.get_or_insert_default();
            covered.iter().for_each(|fen| sum.add(u64::from(*fen)));
        }
        // What a city accepted and nobody has it pay waits, or is a copy; what it agreed to pay must be there.
        let third = match here {
            None => true,
            Some(true) => accepted == paid,
            Some(false) => covered == paid,
        };
        if taken == paid && third {
            return;
        }
        found.found(|| {
            let mut terminal = Vec::new();
            push_hex(&mut terminal, &first.terminal);
            let mut what = format!(
                "the acquirer's file has {}, the home city's file {}",
                amounts(&taken),
                amounts(&paid)
            );
            if here.is_some() {
                what.push_str(&format!(", the home city accepted {}", amounts(&accepted)));
            }
            let terminal = String::from_utf8_lossy(&terminal).into_owned();
            Finding { acquirer, issuer, terminal, terminal_seq: first.terminal_seq.get(), place: None, what }
        });
    }
}

fn amounts(fen: &[u32]) -> String {
    match fen {
        [] => "nothing".to_owned(),
        _ => fen.iter().map(|fen| format!("{fen} fen")).collect::<Vec<_>>().join(" and "),
    }
}

/// A terminal number by its twelve hex digits.
fn number(digits: &[u8]) -> Option<[u8; 6]> {
    let digits = str::from_utf8(digits).ok().filter(|digits| digits.len() == 12)?;
    let [_, _, bytes @ ..] = u64::from_str_radix(digits, 16).ok()?.to_be_bytes();
    Some(bytes)
}
