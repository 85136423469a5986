//! The result of a batch: one default and the exceptions to it, and how a newer one changes it.

use std::collections::BTreeMap;

use domain::{
    guard::{Rule, holds},
    result::RecordResult,
};
use proto::BatchResult;

use super::rows::ResultRow;

/// What one record became, and in which cycle (by ordinal).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The result.
    pub result: RecordResult,
    /// Ordinal of its cycle.
    pub cycle: u32,
}

/// The result of one batch as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    cycle: u32,
    /// By position.
    exceptions: Vec<(u16, Outcome)>,
}

const EXCEPTION_LEN: usize = 7;

impl Known {
    /// Reads a result from the log for a batch of `records` taps.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(message: &BatchResult, records: u32) -> Result<Self, String> {
        if message.records != records {
            return Err(format!("speaks of {} records, the batch has {records}", message.records));
        }
        let mut exceptions: Vec<(u16, Outcome)> = Vec::with_capacity(message.exceptions.len());
        for exception in &message.exceptions {
            let result = u8::try_from(exception.result).ok().and_then(RecordResult::from_code);
            let position = u16::try_from(exception.position).ok().filter(|p| u32::from(*p) < records);
            let sorted = |p: u16| exceptions.last().is_none_or(|(last, _)| *last < p);
            match (result, position) {
                (Some(result), Some(position)) if sorted(position) => {
                    exceptions.push((position, Outcome { result, cycle: exception.cycle }));
                }
                _ => return Err(format!("has an unreadable exception {exception:?}")),
            }
        }
        Ok(Self { cycle: message.cycle, exceptions })
    }

    /// What the record at `position` became.
    pub fn at(&self, position: u16) -> Outcome {
        match self.exceptions.binary_search_by_key(&position, |(place, _)| *place) {
            Ok(found) => self.exceptions[found].1,
            Err(_) => self.default(),
        }
    }

    /// What every record without an exception became.
    pub fn default(&self) -> Outcome {
        Outcome { result: RecordResult::Cleared, cycle: self.cycle }
    }

    /// The exceptions, by position.
    pub fn exceptions(&self) -> &[(u16, Outcome)] {
        &self.exceptions
    }

    /// Whether nothing can change it any more.
    pub fn is_final(&self) -> bool {
        self.exceptions.iter().all(|(_, outcome)| outcome.result.is_final())
    }

    /// Takes a newer message for the same batch: final beats parked, a later cycle beats an earlier one.
    ///
    /// # Errors
    /// If both call a record final, but not the same.
    pub fn merge(&mut self, newer: Self) -> Result<(), String> {
        if !holds(Rule::FinalBeatsParked) {
            *self = newer;
            return Ok(());
        }
        if self.cycle != newer.cycle {
            return Err(format!("says cycle {}, an earlier one said {}", newer.cycle, self.cycle));
        }
        let mut merged: BTreeMap<u16, Outcome> = self.exceptions.iter().copied().collect();
        let positions: Vec<u16> =
            self.exceptions.iter().chain(&newer.exceptions).map(|(position, _)| *position).collect();
        for position in positions {
            let (old, new) = (self.at(position), newer.at(position));
            if old.result.is_final() {
                if new.result.is_final() && new != old {
                    return Err(format!("calls position {position} {new:?}, an earlier one {old:?}"));
                }
            } else if new.result.is_final() || new.cycle > old.cycle {
                merged.insert(position, new);
            }
        }
        let default = self.default();
        self.exceptions = merged.into_iter().filter(|(_, outcome)| *outcome != default).collect();
        Ok(())
    }

    /// The row that keeps it.
    pub fn row(&self) -> ResultRow {
        let mut bytes = Vec::with_capacity(self.exceptions.len() * EXCEPTION_LEN);
        for (position, outcome) in &self.exceptions {
            bytes.extend_from_slice(&position.to_le_bytes());
            bytes.push(outcome.result.code());
            bytes.extend_from_slice(&outcome.cycle.to_le_bytes());
        }
        ResultRow { cycle: self.cycle, exceptions: bytes }
    }

    /// Reads the row back; `None` for bytes that are none.
    pub fn of_row(row: &ResultRow) -> Option<Self> {
        let (chunks, []) = row.exceptions.as_chunks::<EXCEPTION_LEN>() else { return None };
        let exception = |[p1, p2, code, c1, c2, c3, c4]: &[u8; EXCEPTION_LEN]| {
            let cycle = u32::from_le_bytes([*c1, *c2, *c3, *c4]);
            let result = RecordResult::from_code(*code)?;
            Some((u16::from_le_bytes([*p1, *p2]), Outcome { result, cycle }))
        };
        let exceptions = chunks.iter().map(exception).collect::<Option<_>>()?;
        Some(Self { cycle: row.cycle, exceptions })
    }
}
