//! The park of one acquirer: an index of the parts that wait, and the bodies that are needed now.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use domain::city::City;
use proto::Verdicts;

/// How far a parked part has come.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Wait {
    /// On its way into the park: not read back yet.
    Coming,
    /// Its home city has not been asked, or has not answered.
    Waiting,
    /// Asked about in the request of this id.
    Asked(u64),
    /// The home city has spoken; its turn to be said has not come.
    Judged(Verdicts),
    /// The late verdict is on its way; it leaves when the book reports it final.
    Said(Verdicts),
}

/// A parked part.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) digest: Bytes,
    /// Where it stands in `cu.parked`: more than once if it was appended again.
    pub(super) offsets: Vec<u64>,
    /// The places of its taps in the batch.
    pub(super) positions: Box<[u16]>,
    /// Its taps, while they are held.
    pub(super) taps: Option<Bytes>,
    pub(super) wait: Wait,
    /// Failed attempts.
    pub(super) fails: u32,
    /// It failed too often: it waits by itself and holds nobody up.
    pub(super) set_aside: bool,
    /// How often the book was asked about it or was told again.
    pub(super) reminders: u32,
}

/// The parked parts of one home city.
#[derive(Debug, Default)]
pub(super) struct Pair {
    /// Batch numbers of parts whose late verdict has not been said, without those set aside.
    pub(super) unsaid: BTreeSet<u64>,
    /// Those of them that failed and are asked about alone; the others wait for them.
    pub(super) failing: BTreeSet<u64>,
}

/// All parked parts of an acquirer.
#[derive(Debug)]
pub(super) struct Park {
    /// The next offset to be read.
    pub(super) next: u64,
    /// Where the park ended at the assignment.
    end: u64,
    /// The position that was committed last.
    pub(super) committed: u64,
    entries: BTreeMap<u64, BTreeMap<City, Entry>>,
    pub(super) pairs: BTreeMap<City, Pair>,
    /// Part at each offset that has not left; `None` for a message that could not be read.
    pub(super) offsets: BTreeMap<u64, Option<(u64, City)>>,
    /// How many parts wait for each home city, and how many of them were set aside.
    pub(super) counts: BTreeMap<City, (usize, usize)>,
    /// When each part is due for a reminder.
    pub(super) reminders: BTreeSet<(u64, u64, City)>,
}

impl Park {
    pub(super) fn new(offset: u64, end: u64) -> Self {
        Self {
            next: offset,
            end,
            committed: offset,
            entries: BTreeMap::new(),
            pairs: BTreeMap::new(),
            offsets: BTreeMap::new(),
            counts: BTreeMap::new(),
            reminders: BTreeSet::new(),
        }
    }

    /// Whether everything that stood there at the assignment has been read.
    pub(super) fn is_read(&self) -> bool {
        self.next >= self.end
    }

    /// Messages of the assignment that have not been read.
    pub(super) fn unread(&self) -> u64 {
        self.end.saturating_sub(self.next)
    }

    /// Everything before this offset has left.
    pub(super) fn passed(&self) -> u64 {
        self.offsets.keys().next().copied().unwrap_or(self.next)
    }

    pub(super) fn get(&self, number: u64, issuer: City) -> Option<&Entry> {
        self.entries.get(&number)?.get(&issuer)
    }

    pub(super) fn get_mut(&mut self, number: u64, issuer: City) -> Option<&mut Entry> {
        self.entries.get_mut(&number)?.get_mut(&issuer)
    }

    /// The parts of one batch.
    pub(super) fn of_batch(&self, number: u64) -> impl Iterator<Item = (City, &Entry)> {
        self.entries.get(&number).into_iter().flatten().map(|(issuer, entry)| (*issuer, entry))
    }

    /// All parts, by batch number and home city.
    pub(super) fn all(&self) -> impl Iterator<Item = (u64, City, &Entry)> {
        self.entries.iter().flat_map(|(number, parts)| parts.iter().map(|(i, entry)| (*number, *i, entry)))
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        self.all().filter_map(|(.., entry)| entry.taps.as_ref()).map(Bytes::len).sum()
    }

    /// Whether nothing stands here.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Makes room for a part; false if it has its place already.
    pub(super) fn enter(&mut self, number: u64, issuer: City, digest: &Bytes) -> bool {
        if self.get(number, issuer).is_some() {
            return false;
        }
        let entry = Entry {
            digest: Bytes::copy_from_slice(digest),
            offsets: Vec::new(),
            positions: Box::default(),
            taps: None,
            wait: Wait::Coming,
            fails: 0,
            set_aside: false,
            reminders: 0,
        };
        self.entries.entry(number).or_default().insert(issuer, entry);
        self.pairs.entry(issuer).or_default().unsaid.insert(number);
        self.counts.entry(issuer).or_default().0 += 1;
        true
    }

    /// Takes a part out for good.
    pub(super) fn leave(&mut self, number: u64, issuer: City) -> Option<Entry> {
        let parts = self.entries.get_mut(&number)?;
        let gone = parts.remove(&issuer)?;
        if parts.is_empty() {
            self.entries.remove(&number);
        }
        for offset in &gone.offsets {
            self.offsets.remove(offset);
        }
        self.no_longer_unsaid(number, issuer);
        if let Some((all, set_aside)) = self.counts.get_mut(&issuer) {
            *all -= 1;
            *set_aside -= usize::from(gone.set_aside);
            if *all == 0 {
                self.counts.remove(&issuer);
            }
        }
        Some(gone)
    }

    /// A part is set aside, or no longer is; false if nothing changed.
    pub(super) fn set_aside(&mut self, number: u64, issuer: City, aside: bool) -> bool {
        let Some(entry) = self.get_mut(number, issuer) else { return false };
        if std::mem::replace(&mut entry.set_aside, aside) == aside {
            return false;
        }
        if let Some((_, set_aside)) = self.counts.get_mut(&issuer) {
            *set_aside = if aside { *set_aside + 1 } else { *set_aside - 1 };
        }
        true
    }

    /// A part no longer holds up what comes behind it.
    pub(super) fn no_longer_unsaid(&mut self, number: u64, issuer: City) {
        if let Some(pair) = self.pairs.get_mut(&issuer) {
            pair.unsaid.remove(&number);
            pair.failing.remove(&number);
            if pair.unsaid.is_empty() {
                self.pairs.remove(&issuer);
            }
        }
    }

    /// Whether an earlier part of the pair has not had its verdict said.
    pub(super) fn holds_back(&self, issuer: City, number: u64) -> bool {
        self.pairs.get(&issuer).and_then(|pair| pair.unsaid.first()).is_some_and(|first| *first < number)
    }
}
