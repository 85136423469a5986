//! What a city remembers of its records, to present some of them again. Bounded.

use std::collections::VecDeque;

use domain::date::Date;

use crate::{
    dice::Dice,
    judge::{Expected, Presented},
    record::Record,
};

const HERE_MAX: usize = 32;
const BEFORE_MAX: usize = 64;
const REPAIRS_MAX: usize = 16;

/// A record that was presented, and who holds its identity.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) presented: Presented,
    /// The record that was cleared, if one was.
    pub(crate) holder: Option<Record>,
    /// When.
    pub(crate) cleared_on: Option<Date>,
    /// The record was parked first.
    pub(crate) waited: bool,
    /// The other scheme has used terminal number and sequence too.
    pub(crate) in_other_scheme: bool,
}

impl Kept {
    pub(crate) fn new(presented: Presented, holder: Option<Record>, expected: &Expected, date: Date) -> Self {
        Self {
            presented,
            holder,
            cleared_on: expected.cleared_on(date),
            waited: matches!(expected, Expected::Waits { .. }),
            in_other_scheme: false,
        }
    }
}

/// Where a kept record stands.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    /// Among those of this file.
    Here(usize),
    /// Among those of earlier files.
    Before(usize),
}

/// Records of this file and of earlier ones, the oldest forgotten first.
#[derive(Default)]
pub(crate) struct Memory {
    here: VecDeque<Kept>,
    before: VecDeque<Kept>,
    repairs: VecDeque<Presented>,
}

impl Memory {
    pub(crate) fn keep(&mut self, kept: Kept) {
        push(&mut self.here, kept, HERE_MAX);
    }

    pub(crate) fn is_empty_here(&self) -> bool {
        self.here.is_empty()
    }

    /// What was of this file is now of an earlier one.
    pub(crate) fn end_file(&mut self) {
        for kept in std::mem::take(&mut self.here) {
            push(&mut self.before, kept, BEFORE_MAX);
        }
    }

    /// Any kept record, if possible of this file (or of an earlier one).
    pub(crate) fn any(&self, here: bool, dice: &mut Dice) -> Option<Place> {
        match (here, self.here.is_empty(), self.before.is_empty()) {
            (_, true, true) => None,
            (true, false, _) | (false, false, true) => Some(Place::Here(dice.index(self.here.len()))),
            (false, _, false) | (true, true, false) => Some(Place::Before(dice.index(self.before.len()))),
        }
    }

    pub(crate) fn at(&mut self, place: Place) -> &mut Kept {
        match place {
            Place::Here(at) => &mut self.here[at],
            Place::Before(at) => &mut self.before[at],
        }
    }

    pub(crate) fn repair_later(&mut self, good: Presented) {
        push(&mut self.repairs, good, REPAIRS_MAX);
    }

    pub(crate) fn next_repair(&mut self) -> Option<Presented> {
        self.repairs.pop_front()
    }
}

fn push<T>(queue: &mut VecDeque<T>, item: T, most: usize) {
    if queue.len() == most {
        queue.pop_front();
    }
    queue.push_back(item);
}
