//! What is going on in a partition, for status lines.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use domain::city::City;

use crate::book::{Book, Booked, Picture};

/// What a partition does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// Its store is opened, and compared with the log.
    #[default]
    Opening,
    /// It folds.
    Working,
    /// Something that may heal by itself keeps it from working: it tries again and again.
    Retrying(String),
    /// It stands still until an operator has it go on.
    Stopped(String),
    /// It has been given up.
    Ended,
}

impl State {
    /// The state in a word.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Opening => "opening",
            Self::Working => "working",
            Self::Retrying(_) => "retrying",
            Self::Stopped(_) => "stopped",
            Self::Ended => "ended",
        }
    }

    /// Why it does not work, if something is the matter.
    #[must_use]
    pub fn trouble(&self) -> Option<&str> {
        match self {
            Self::Retrying(why) | Self::Stopped(why) => Some(why),
            Self::Opening | Self::Working | Self::Ended => None,
        }
    }
}

/// What is going on in a partition.
#[derive(Debug, Default)]
pub struct Progress {
    pub(super) state: Mutex<State>,
    /// Next offset of `cu.clearing` to read.
    pub next_offset: AtomicU64,
    /// Where the partition ended when it was opened: before that it has not caught up.
    pub catch_up_to: AtomicU64,
    /// What became of the records booked since it was opened.
    pub booked: Mutex<Booked>,
    /// Records that are parked.
    pub parked_records: AtomicU64,
    /// Batches with parked records.
    pub waiting_batches: AtomicU64,
    /// Messages that must still reach the log.
    pub unpublished: AtomicU64,
    /// Paid identities remembered.
    pub identities: AtomicU64,
    /// Bytes of memory that they take.
    pub identities_bytes: AtomicU64,
    /// Cities whose traffic is stopped, and why.
    pub stopped: Mutex<Vec<(City, String)>>,
    pub(super) picture_wanted: AtomicBool,
    picture: Mutex<Option<Picture>>,
}

impl Progress {
    /// What it does.
    #[must_use]
    pub fn state(&self) -> State {
        lock(&self.state).clone()
    }

    /// What became of the records booked since it was opened.
    #[must_use]
    pub fn booked(&self) -> Booked {
        *lock(&self.booked)
    }

    /// Cities whose traffic is stopped, and why.
    #[must_use]
    pub fn stopped_cities(&self) -> Vec<(City, String)> {
        lock(&self.stopped).clone()
    }

    /// Whether it has folded what stood on the log when it was opened.
    #[must_use]
    pub fn has_caught_up(&self) -> bool {
        let working = *lock(&self.state) == State::Working;
        working && self.next_offset.load(Ordering::Relaxed) >= self.catch_up_to.load(Ordering::Relaxed)
    }

    /// Asks for a picture of the book; it can be taken a moment later.
    pub fn ask_for_picture(&self) {
        self.picture_wanted.store(true, Ordering::Relaxed);
    }

    /// Takes the picture that was asked for, once it is there.
    #[must_use]
    pub fn take_picture(&self) -> Option<Picture> {
        lock(&self.picture).take()
    }

    pub(super) fn show(&self, book: &Book) {
        self.next_offset.store(book.next_offset(), Ordering::Relaxed);
        *lock(&self.booked) = book.booked();
        self.parked_records.store(book.parked_records(), Ordering::Relaxed);
        self.waiting_batches.store(book.waiting().count() as u64, Ordering::Relaxed);
        self.unpublished.store(book.outbox_len(), Ordering::Relaxed);
        self.identities.store(book.identities().len() as u64, Ordering::Relaxed);
        self.identities_bytes.store(book.identities().memory_bytes() as u64, Ordering::Relaxed);
        *lock(&self.stopped) = book.stopped().map(|(city, why)| (city, why.to_owned())).collect();
    }

    pub(super) fn draw(&self, book: &Book) {
        if self.picture_wanted.swap(false, Ordering::Relaxed) {
            *lock(&self.picture) = Some(book.picture());
        }
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
