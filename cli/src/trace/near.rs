//! The neighbours of a tap that was looked for in vain.

use std::collections::BTreeSet;

use domain::{city::City, tap::Tap};

use super::{life::Near, query::Query};

/// Neighbours that are kept on each side.
const NEAR_MAX: usize = 3;

/// The records of a terminal nearest to a sequence: a few below it, on it, and above it.
#[derive(Debug, Default)]
pub struct Nearby(BTreeSet<Near>);

impl Nearby {
    /// A record of the terminal.
    pub fn see(&mut self, query: &Query, acquirer: City, file: &str, issuer: City, tap: &Tap) {
        let seq = tap.terminal_seq.get();
        if self.is_full_within(query.terminal_seq, seq) {
            return;
        }
        self.add(
            query.terminal_seq,
            Near {
                terminal_seq: seq,
                acquirer,
                file: file.to_owned(),
                line: tap.line.get(),
                issuer,
                amount_fen: tap.amount_fen.get(),
                tapped_at: Some(tap.tapped_at().to_string()),
            },
        );
    }

    /// Those on the same side of what is wanted.
    fn side(&self, wanted: u32, seq: u32) -> impl Iterator<Item = &Near> {
        self.0.iter().filter(move |near| near.terminal_seq.cmp(&wanted) == seq.cmp(&wanted))
    }

    /// Whether all places on its side are taken by nearer ones.
    fn is_full_within(&self, wanted: u32, seq: u32) -> bool {
        let nearer = |near: &&Near| near.terminal_seq.abs_diff(wanted) < seq.abs_diff(wanted);
        self.side(wanted, seq).filter(nearer).count() >= NEAR_MAX
    }

    /// Adds a record, in place of the farthest on its side if that has no room.
    pub fn add(&mut self, wanted: u32, near: Near) {
        let seq = near.terminal_seq;
        if !self.0.insert(near) || self.side(wanted, seq).count() <= NEAR_MAX {
            return;
        }
        let farthest = self.side(wanted, seq).max_by_key(|near| near.terminal_seq.abs_diff(wanted)).cloned();
        if let Some(farthest) = farthest {
            self.0.remove(&farthest);
        }
    }

    /// Them, by sequence.
    #[must_use]
    pub fn list(&self) -> Vec<Near> {
        self.0.iter().cloned().collect()
    }
}
