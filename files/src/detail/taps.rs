//! The taps that home cities pay for, by pair of cities, sorted by terminal and sequence.

use std::{cmp::Ordering, collections::BTreeMap, io, mem, path::Path};

use domain::{
    city::City,
    tap::{CONTENT_LEN, Tap},
};
use zerocopy::IntoBytes as _;

use super::spool::{Merge, Record, Run, Spool};

impl Record for Tap {
    /// Terminal number, then terminal sequence, then the content: an identity may be paid again with other
    /// content when its window is over.
    type Rank = (u64, u32, [u8; CONTENT_LEN]);

    fn rank(&self) -> Self::Rank {
        let mut content = [0; CONTENT_LEN];
        content.copy_from_slice(self.content_bytes());
        (self.terminal_number(), self.terminal_seq.get(), content)
    }
}

/// The order of [`Record::rank`], without making ranks: contents are looked at only where all else is equal.
fn by_rank(a: &Tap, b: &Tap) -> Ordering {
    let place = |tap: &Tap| (tap.terminal_number(), tap.terminal_seq.get());
    place(a).cmp(&place(b)).then_with(|| a.content_bytes().cmp(b.content_bytes()))
}

/// The taps of one home city at one acquirer.
#[derive(Debug, Default)]
struct Bucket {
    held: Vec<Tap>,
    runs: Vec<Run<Tap>>,
}

impl Bucket {
    /// Writes the taps in memory to the spool as one sorted run.
    fn spill(&mut self, spool: &mut Spool) -> io::Result<()> {
        let mut taps = mem::take(&mut self.held);
        taps.sort_unstable_by(by_rank);
        let Some(first) = taps.first() else { return Ok(()) };
        self.runs.push(Run { offset: spool.len(), records: taps.len() as u64, first: first.rank() });
        spool.append(taps.as_bytes())
    }
}

/// Cleared taps by home city and acquirer.
#[derive(Debug)]
pub(crate) struct IssuerTaps {
    spool: Spool,
    /// By home city and acquirer: the place in `buckets`.
    pairs: BTreeMap<City, BTreeMap<City, usize>>,
    buckets: Vec<Bucket>,
    last: Option<((City, City), usize)>,
    held_bytes: usize,
    held_bytes_max: usize,
}

impl IssuerTaps {
    /// Starts gathering.
    pub(crate) fn new(work_dir: &Path, held_bytes_max: usize) -> io::Result<Self> {
        Ok(Self {
            spool: Spool::new(work_dir)?,
            pairs: BTreeMap::new(),
            buckets: Vec::new(),
            last: None,
            held_bytes: 0,
            held_bytes_max,
        })
    }

    /// Takes a tap; spills everything held when memory is full.
    pub(crate) fn push(&mut self, issuer: City, acquirer: City, tap: &Tap) -> io::Result<()> {
        let at = self.bucket((issuer, acquirer));
        let held = &mut self.buckets[at].held;
        let room = held.capacity();
        held.push(*tap);
        self.held_bytes += (held.capacity() - room) * size_of::<Tap>();
        if self.held_bytes > self.held_bytes_max {
            for at in self.pairs.values().flat_map(BTreeMap::values) {
                self.buckets[*at].spill(&mut self.spool)?;
            }
            self.held_bytes = 0;
        }
        Ok(())
    }

    /// The bucket of a pair of cities.
    fn bucket(&mut self, pair: (City, City)) -> usize {
        if let Some((last, at)) = self.last
            && last == pair
        {
            return at;
        }
        let at = *self.pairs.entry(pair.0).or_default().entry(pair.1).or_insert(self.buckets.len());
        if at == self.buckets.len() {
            self.buckets.push(Bucket::default());
        }
        self.last = Some((pair, at));
        at
    }

    /// Sorts what is held and makes everything readable.
    pub(crate) fn seal(&mut self) -> io::Result<()> {
        for bucket in &mut self.buckets {
            bucket.held.sort_unstable_by(by_rank);
        }
        self.spool.flush()
    }

    /// The home cities that pay for something.
    pub(crate) fn issuers(&self) -> impl Iterator<Item = City> {
        self.pairs.keys().copied()
    }

    /// The acquirers that a home city pays.
    pub(crate) fn acquirers_of(&self, issuer: City) -> impl Iterator<Item = City> {
        self.pairs.get(&issuer).into_iter().flat_map(|acquirers| acquirers.keys().copied())
    }

    /// Gives the taps of a pair of cities to a merge.
    pub(crate) fn give<'a>(&'a self, issuer: City, acquirer: City, merge: &mut Merge<'a, Tap>) {
        let at = self.pairs.get(&issuer).and_then(|acquirers| acquirers.get(&acquirer));
        let Some(bucket) = at.map(|at| &self.buckets[*at]) else { return };
        for run in &bucket.runs {
            merge.add_run(&self.spool, run);
        }
        merge.add_sorted(&bucket.held);
    }
}
