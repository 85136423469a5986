//! What became of each file that was accepted: a pure core. A change is first a row, which is kept, and then known
//! here: what could not be kept has not happened.

use std::collections::{BTreeMap, BTreeSet};

use domain::date::Date;
use prost::Message;

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub enum End {
    /// Nothing so far: it waits to be put on the log.
    Waits = 0,
    /// All of it is on the log.
    Taken = 1,
    /// None of it is.
    Refused = 2,
    /// A file of this name and these bytes was taken before.
    Again = 3,
    /// It waited, but its bytes are gone. Found at each start, so it need not be kept.
    Lost = 4,
}

/// A file that was accepted: its bytes stand in the adapter's own folder under its number.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Entry {
    /// Its number, 1, 2, 3 … in the order in which files were accepted.
    #[prost(uint64, tag = "1")]
    pub number: u64,
    /// The name of the upload.
    #[prost(string, tag = "2")]
    pub name: String,
    /// Where it stood in the inbox.
    #[prost(string, tag = "3")]
    pub path: String,
    /// Length in bytes.
    #[prost(uint64, tag = "4")]
    pub len: u64,
    /// SHA-256 of its bytes.
    #[prost(bytes = "vec", tag = "5")]
    pub sha256: Vec<u8>,
    /// Whether a manifest came with it.
    #[prost(bool, tag = "6")]
    pub manifest: bool,
    /// When it was accepted, seconds since 1970 in UTC.
    #[prost(int64, tag = "7")]
    pub accepted_at_s: i64,
    /// What became of it.
    #[prost(enumeration = "End", tag = "8")]
    pub end: i32,
    /// Why it is refused; empty otherwise.
    #[prost(string, tag = "9")]
    pub reason: String,
    /// Whether it has left the adapter's own folder for the archive.
    #[prost(bool, tag = "10")]
    pub archived: bool,
    /// How often the same bytes were sent again under this name.
    #[prost(uint64, tag = "11")]
    pub again: u64,
}

impl Entry {
    /// The date that its name begins with.
    #[must_use]
    pub fn date(&self) -> Option<Date> {
        Date::parse(self.name.as_bytes().get(..10)?).ok()
    }

    fn waits(&self) -> bool {
        self.end() == End::Waits
    }
}

/// A file to be accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct New {
    /// The name of the upload.
    pub name: String,
    /// Where it stood in the inbox.
    pub path: String,
    /// Length in bytes.
    pub len: u64,
    /// SHA-256 of its bytes.
    pub sha256: [u8; 32],
    /// Whether a manifest came with it.
    pub manifest: bool,
    /// The time now, seconds since 1970 in UTC.
    pub now_s: i64,
}

/// Why a file is not accepted now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// It is larger than everything that may wait.
    #[error("it has {len} bytes, but at most {max} may wait for the log; split it, or raise journal_gib_max")]
    TooLarge {
        /// Its length.
        len: u64,
        /// The limit.
        max: u64,
    },
    /// With it more would wait than may.
    #[error(
        "the journal is full: {waiting} of {max} bytes wait for the log; it stays in the inbox until there is room"
    )]
    NoRoom {
        /// What waits.
        waiting: u64,
        /// The limit.
        max: u64,
    },
}

/// The files of one city's inbox that were accepted.
#[derive(Debug)]
pub struct Queue {
    entries: BTreeMap<u64, Entry>,
    waiting_bytes_max: u64,
}

impl Queue {
    /// The queue that kept these rows; `None` if one cannot be read.
    #[must_use]
    pub fn load(rows: impl IntoIterator<Item = Vec<u8>>, waiting_bytes_max: u64) -> Option<Self> {
        let mut entries = BTreeMap::new();
        for row in rows {
            let entry = Entry::decode(row.as_slice()).ok()?;
            entries.insert(entry.number, entry);
        }
        Some(Self { entries, waiting_bytes_max })
    }

    /// All files, in the order in which they were accepted.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = &Entry> {
        self.entries.values()
    }

    /// Bytes of files that are not on the log yet.
    #[must_use]
    pub fn waiting_bytes(&self) -> u64 {
        self.entries.values().filter(|entry| entry.waits()).map(|entry| entry.len).sum()
    }

    /// The most bytes that may wait.
    #[must_use]
    pub fn waiting_bytes_max(&self) -> u64 {
        self.waiting_bytes_max
    }

    /// Whether a file of this length may be accepted.
    ///
    /// # Errors
    /// [`Full`].
    pub fn room_for(&self, len: u64) -> Result<(), Full> {
        let (waiting, max) = (self.waiting_bytes(), self.waiting_bytes_max);
        match waiting.saturating_add(len) {
            _ if len > max => Err(Full::TooLarge { len, max }),
            sum if sum > max => Err(Full::NoRoom { waiting, max }),
            _ => Ok(()),
        }
    }

    /// The number that the next file gets.
    #[must_use]
    pub fn next_number(&self) -> u64 {
        self.entries.last_key_value().map_or(1, |(last, _)| last + 1)
    }

    /// The file of this name with these bytes, if there is one.
    #[must_use]
    pub fn same(&self, name: &str, sha256: &[u8]) -> Option<u64> {
        let same = |entry: &&Entry| entry.name == name && entry.sha256 == sha256 && entry.end() != End::Lost;
        self.entries.values().find(same).map(|entry| entry.number)
    }

    /// Makes a change if its row can be kept; returns the row.
    ///
    /// # Errors
    /// What `keep` says; then nothing has changed.
    pub fn change<E>(
        &mut self,
        row: impl FnOnce(&Self) -> Option<Entry>,
        keep: impl FnOnce(&Entry) -> Result<(), E>,
    ) -> Result<Option<Entry>, E> {
        let Some(row) = row(self) else { return Ok(None) };
        keep(&row)?;
        self.entries.insert(row.number, row.clone());
        Ok(Some(row))
    }

    /// The row of a file that is accepted.
    #[must_use]
    pub fn accepted(&self, new: New) -> Entry {
        let number = self.next_number();
        let New { name, path, len, sha256, manifest, now_s } = new;
        let sha256 = sha256.to_vec();
        Entry { number, name, path, len, sha256, manifest, accepted_at_s: now_s, ..Entry::default() }
    }

    /// The row of a file whose bytes came again under the same name.
    #[must_use]
    pub fn came_again(&self, number: u64) -> Option<Entry> {
        let mut entry = self.entries.get(&number)?.clone();
        entry.again += 1;
        Some(entry)
    }

    /// Notes which of the files that wait have no bytes any more.
    pub fn find_lost(&mut self, is_there: impl Fn(u64) -> bool) {
        for entry in self.entries.values_mut().filter(|entry| entry.waits() || entry.end() == End::Lost) {
            entry.set_end(if is_there(entry.number) { End::Waits } else { End::Lost });
        }
    }

    /// Files whose bytes are gone and were not sent again.
    #[must_use]
    pub fn lost(&self) -> Vec<&Entry> {
        let lost = |entry: &&Entry| entry.end() == End::Lost;
        let mut lost: Vec<_> = self.entries.values().filter(lost).collect();
        if !lost.is_empty() {
            let alive = self.entries.values().filter(|entry| entry.end() != End::Lost);
            let alive: BTreeSet<_> = alive.map(|entry| (&entry.name, &entry.sha256)).collect();
            lost.retain(|entry| !alive.contains(&(&entry.name, &entry.sha256)));
        }
        lost
    }

    /// The file to be put on the log next: the one that was begun, else by name and then in the order of arrival;
    /// none that is named after a later date than `open`, and none that is set aside for now, unless it was begun.
    #[must_use]
    pub fn next(&self, open: Date, begun: Option<&str>, aside: impl Fn(u64) -> bool) -> Option<&Entry> {
        let waiting = self.entries.values().filter(|entry| entry.waits());
        if let Some(begun) = begun {
            return waiting.filter(|entry| entry.name == begun).min_by_key(|entry| entry.number);
        }
        let due = waiting.filter(|entry| entry.date().is_none_or(|named| named <= open));
        due.filter(|entry| !aside(entry.number)).min_by_key(|entry| (&entry.name, entry.number))
    }

    /// The row that says what became of a file. That it was taken before means itself, unless another file says so.
    #[must_use]
    pub fn ended(&self, number: u64, end: End, reason: &str) -> Option<Entry> {
        let entry = self.entries.get(&number)?;
        let other = |other: &Entry| {
            other.number != number
                && other.end() == End::Taken
                && (&other.name, &other.sha256) == (&entry.name, &entry.sha256)
        };
        let end = match end {
            End::Again if !self.entries.values().any(other) => End::Taken,
            end => end,
        };
        let mut entry = entry.clone();
        entry.set_end(end);
        entry.reason = reason.to_owned();
        Some(entry)
    }

    /// Files that can leave for the archive: refused ones, and taken ones that are `done`.
    pub fn to_archive(&self, done: impl Fn(&str) -> bool) -> Vec<Entry> {
        let leaves = |entry: &&Entry| match entry.end() {
            _ if entry.archived => false,
            End::Waits | End::Lost => false,
            End::Taken => done(&entry.name),
            End::Refused | End::Again => true,
        };
        self.entries.values().filter(leaves).cloned().collect()
    }

    /// The row of a file that has left for the archive.
    #[must_use]
    pub fn archived(&self, number: u64) -> Option<Entry> {
        Some(Entry { archived: true, ..self.entries.get(&number)?.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(name: &str, content: u8, len: u64) -> New {
        New {
            name: name.to_owned(),
            path: name.to_owned(),
            len,
            sha256: [content; 32],
            manifest: false,
            now_s: 0,
        }
    }

    fn date(text: &str) -> Date {
        text.parse().unwrap()
    }

    fn next(queue: &Queue, open: &str, begun: Option<&str>) -> Option<u64> {
        queue.next(date(open), begun, |_| false).map(|entry| entry.number)
    }

    fn change(queue: &mut Queue, row: impl FnOnce(&Queue) -> Option<Entry>) -> Entry {
        queue.change(row, |_| Ok::<_, ()>(())).unwrap().unwrap()
    }

    fn queue(names: &[&str]) -> Queue {
        let mut queue = Queue::load([], 1000).unwrap();
        for (name, content) in names.iter().zip(0..) {
            change(&mut queue, |queue| Some(queue.accepted(new(name, content, 10))));
        }
        queue
    }

    #[test]
    fn files_are_taken_by_name_and_those_of_later_dates_wait() {
        let mut queue = queue(&["2018-09-02.csv", "b.csv", "2018-09-01.csv", "2018-09-01.csv"]);
        for want in [3, 4, 2] {
            assert_eq!(next(&queue, "2018-09-01", None), Some(want));
            change(&mut queue, |queue| queue.ended(want, End::Taken, ""));
        }
        assert_eq!(next(&queue, "2018-09-01", None), None);
        assert_eq!(queue.next(date("2018-09-02"), None, |number| number == 1), None, "it is set aside");
        assert_eq!(next(&queue, "2018-09-02", None), Some(1));
    }

    #[test]
    fn a_file_that_was_begun_goes_first_and_nothing_goes_before_it() {
        let queue = queue(&["a.csv", "b.csv", "b.csv"]);
        assert_eq!(next(&queue, "2018-09-01", Some("b.csv")), Some(2));
        assert_eq!(next(&queue, "2018-09-01", Some("gone.csv")), None);
    }

    #[test]
    fn what_waits_is_limited() {
        let mut queue = queue(&["a.csv"]);
        assert_eq!(queue.room_for(990), Ok(()));
        assert_eq!(queue.room_for(991), Err(Full::NoRoom { waiting: 10, max: 1000 }));
        assert_eq!(queue.room_for(1001), Err(Full::TooLarge { len: 1001, max: 1000 }));
        change(&mut queue, |queue| queue.ended(1, End::Taken, ""));
        assert_eq!(queue.room_for(1000), Ok(()));
    }

    #[test]
    fn a_crash_after_the_taking_does_not_make_a_file_its_own_repetition() {
        let mut queue = queue(&["a.csv"]);
        assert_eq!(change(&mut queue, |queue| queue.ended(1, End::Again, "")).end(), End::Taken);
        change(&mut queue, |queue| Some(queue.accepted(new("a.csv", 0, 10))));
        assert_eq!(change(&mut queue, |queue| queue.ended(2, End::Again, "")).end(), End::Again);
    }

    #[test]
    fn what_could_not_be_kept_has_not_happened() {
        let mut queue = queue(&["a.csv"]);
        let full = |_: &Entry| Err("no space left");
        assert_eq!(queue.change(|queue| queue.ended(1, End::Refused, "why"), full), Err("no space left"));
        assert_eq!(queue.to_archive(|_| true), [], "its bytes stay");
        assert_eq!(next(&queue, "2018-09-01", None), Some(1), "it is taken again");
        assert!(queue.change(|queue| Some(queue.accepted(new("b.csv", 1, 10))), full).is_err());
        assert_eq!(queue.next_number(), 2);
    }

    #[test]
    fn a_file_whose_bytes_are_gone_holds_nothing_and_can_be_sent_again() {
        let mut queue = queue(&["a.csv", "b.csv"]);
        queue.find_lost(|number| number != 1);
        assert_eq!(next(&queue, "2018-09-01", None), Some(2));
        assert_eq!((queue.same("a.csv", &[0; 32]), queue.waiting_bytes()), (None, 10));
        assert_eq!(queue.lost().iter().map(|entry| &*entry.name).collect::<Vec<_>>(), ["a.csv"]);
        change(&mut queue, |queue| Some(queue.accepted(new("a.csv", 0, 10))));
        assert!(queue.lost().is_empty(), "it came again");
        assert_eq!(queue.same("a.csv", &[0; 32]), Some(3));
        queue.find_lost(|_| true);
        assert_eq!(queue.same("a.csv", &[0; 32]), Some(1), "it was put back");
    }

    #[test]
    fn rows_bring_it_back() {
        let mut before = queue(&["a.csv", "b.csv"]);
        change(&mut before, |queue| queue.ended(1, End::Refused, "why"));
        assert_eq!(change(&mut before, |queue| queue.came_again(2)).again, 1);
        assert_eq!(before.same("b.csv", &[1; 32]), Some(2));
        assert_eq!(before.same("b.csv", &[0; 32]), None);
        let rows: Vec<_> = before.entries().map(Message::encode_to_vec).collect();
        let mut after = Queue::load(rows, 1000).unwrap();
        assert!(before.entries().eq(after.entries()));
        assert_eq!(after.next_number(), 3);
        assert_eq!(after.to_archive(|_| false).iter().map(|entry| entry.number).collect::<Vec<_>>(), [1]);
        change(&mut after, |queue| queue.archived(1));
        assert_eq!(after.to_archive(|_| true), []);
        assert!(Queue::load([b"\xFF".to_vec()], 1).is_none());
    }
}
