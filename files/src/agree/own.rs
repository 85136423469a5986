//! What a home city accepted, in the order of its file, in memory of a fixed size.

use std::{io, path::Path};

use domain::{
    city::City,
    cycle::CycleName,
    tap::{CONTENT_LEN, TAP_LEN, Tap},
    terminal::Ownership,
};
use zerocopy::FromBytes as _;

use super::row::{self, Place};
use crate::{
    detail::{IssuerTaps, Merge},
    error::FilesError,
};

/// How an accepted tap stands before the comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// If no row names it, it is told to [`super::Sink::waits`].
    Moves,
    /// If no row names it, nobody is told.
    Stays,
    /// Another cycle pays it.
    Paid(CycleName),
}

/// Accepted taps of one home city, gathered in any order; the same one may come several times.
#[derive(Debug)]
pub struct Own<'r> {
    issuer: City,
    taps: IssuerTaps,
    owners: &'r Ownership,
    /// The cycles that [`Standing::Paid`] named.
    cycles: Vec<CycleName>,
}

impl<'r> Own<'r> {
    /// Starts gathering; terminals belong to whom the cycle's rules say. About `memory_bytes_max` bytes of taps stay in
    /// memory, the rest goes to unnamed files in `work_dir`.
    ///
    /// # Errors
    /// [`FilesError::Spool`] if no temporary file can be made.
    pub fn new(
        issuer: City,
        owners: &'r Ownership,
        work_dir: &Path,
        memory_bytes_max: usize,
    ) -> Result<Self, FilesError> {
        let taps = IssuerTaps::new(work_dir, memory_bytes_max).map_err(FilesError::Spool)?;
        Ok(Self { issuer, taps, owners, cycles: Vec::new() })
    }

    /// Takes an accepted tap. False if its terminal belongs to nobody: no row can name it.
    ///
    /// # Errors
    /// [`FilesError::Spool`] if a temporary file cannot be written.
    pub fn take(&mut self, content: &[u8; CONTENT_LEN], standing: Standing) -> Result<bool, FilesError> {
        let mut bytes = [0; TAP_LEN];
        let (head, tail) = bytes.split_at_mut(TAP_LEN - CONTENT_LEN);
        tail.copy_from_slice(content);
        // Where the tap stood in its file is unknown to a home city: the room says how it stands here.
        let (cycle, kind): (u32, u16) = match standing {
            Standing::Moves => (0, 0),
            Standing::Stays => (0, 1),
            Standing::Paid(cycle) => (self.index_of(cycle), 2),
        };
        let (line, position) = head.split_at_mut(4);
        line.copy_from_slice(&cycle.to_le_bytes());
        position.copy_from_slice(&kind.to_le_bytes());
        let Ok(tap) = Tap::read_from_bytes(&bytes) else { return Ok(false) };
        let Some(acquirer) = self.owners.owner(tap.terminal_number()) else { return Ok(false) };
        self.taps.push(self.issuer, acquirer, &tap).map_err(FilesError::Spool)?;
        Ok(true)
    }

    fn index_of(&mut self, cycle: CycleName) -> u32 {
        let at = match self.cycles.last() {
            Some(last) if *last == cycle => self.cycles.len() - 1,
            _ => self.cycles.iter().position(|known| *known == cycle).unwrap_or_else(|| {
                self.cycles.push(cycle);
                self.cycles.len() - 1
            }),
        };
        u32::try_from(at).unwrap_or(u32::MAX)
    }

    /// Whom a terminal belongs to.
    pub(super) const fn owners(&self) -> &'r Ownership {
        self.owners
    }

    /// The taps, in the order of the file.
    pub(super) fn sorted(&mut self) -> io::Result<Sorted<'_>> {
        self.taps.seal()?;
        let acquirers: Vec<City> = self.taps.acquirers_of(self.issuer).collect();
        let (acquirers, cycles) = (acquirers.into_iter(), &self.cycles);
        Ok(Sorted { issuer: self.issuer, taps: &self.taps, cycles, acquirers, merge: None, next: None })
    }
}

/// The taps of a home city that stand in one place of its file: mostly one.
#[derive(Debug)]
pub(super) struct Group {
    /// The place.
    pub(super) place: Place,
    /// Each content once.
    pub(super) members: Vec<Member>,
}

/// One accepted tap.
#[derive(Debug)]
pub(super) struct Member {
    /// The tap, its `line` and `position` unset.
    pub(super) tap: Tap,
    /// Its row as the city makes it; empty if none can be made.
    pub(super) row: Vec<u8>,
    /// Whether whoever gathers wants to know that no row names it.
    pub(super) moves: bool,
    /// The other cycle that pays it.
    pub(super) paid: Option<CycleName>,
    /// A row names it.
    pub(super) named: bool,
}

/// Goes through the taps by acquirer, terminal and number.
#[derive(Debug)]
pub(super) struct Sorted<'a> {
    issuer: City,
    taps: &'a IssuerTaps,
    cycles: &'a [CycleName],
    acquirers: std::vec::IntoIter<City>,
    merge: Option<(City, Merge<'a, Tap>)>,
    next: Option<(City, Tap)>,
}

impl Sorted<'_> {
    /// The taps of the next place.
    pub(super) fn group(&mut self) -> io::Result<Option<Group>> {
        let Some((acquirer, first)) = self.pull()? else { return Ok(None) };
        let place = (acquirer, first.terminal_number(), first.terminal_seq.get());
        let mut group = Group { place, members: Vec::with_capacity(1) };
        self.add(&mut group, first);
        while let Some((acquirer, tap)) = self.pull()? {
            if (acquirer, tap.terminal_number(), tap.terminal_seq.get()) != place {
                self.next = Some((acquirer, tap));
                break;
            }
            self.add(&mut group, tap);
        }
        Ok(Some(group))
    }

    fn add(&self, group: &mut Group, tap: Tap) {
        let (moves, paid) = match tap.position.get() {
            0 => (true, None),
            1 => (false, None),
            _ => (false, usize::try_from(tap.line.get()).ok().and_then(|at| self.cycles.get(at)).copied()),
        };
        match group.members.last_mut() {
            Some(last) if last.tap.content_bytes() == tap.content_bytes() => {
                last.moves |= moves;
                last.paid = last.paid.max(paid);
            }
            _ => {
                let mut row = Vec::with_capacity(128);
                row::make(&mut row, group.place.0, &tap);
                let tap = Tap { line: 0.into(), position: 0.into(), ..tap };
                group.members.push(Member { tap, row, moves, paid, named: false });
            }
        }
    }

    fn pull(&mut self) -> io::Result<Option<(City, Tap)>> {
        if let Some(next) = self.next.take() {
            return Ok(Some(next));
        }
        loop {
            if let Some((acquirer, merge)) = &mut self.merge
                && let Some(tap) = merge.next()?
            {
                return Ok(Some((*acquirer, tap)));
            }
            let Some(acquirer) = self.acquirers.next() else { return Ok(None) };
            let mut merge = Merge::new();
            self.taps.give(self.issuer, acquirer, &mut merge);
            self.merge = Some((acquirer, merge));
        }
    }
}
