//! Which files of an inbox are complete: a pure core. Time comes in as time since some start, from a clock that
//! never goes back; what the file system calls the time of a change is only compared with itself.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

/// How long a manifest may stand alone before it is told.
const ALONE_MAX: Duration = Duration::from_secs(60);

/// What tells one state of a file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Length in bytes.
    pub len: u64,
    /// Time of the last change, nanoseconds, as the file system says.
    pub modified_ns: i128,
    /// Device and number of the file.
    pub file: (u64, u64),
}

/// A tap file in the inbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its path in the inbox.
    pub path: PathBuf,
    /// The name of the upload: its base name with `.csv`.
    pub name: String,
    /// Its state.
    pub stamp: Stamp,
    /// The state of its manifest, if it has one.
    pub manifest: Option<Stamp>,
}

/// What stands in an inbox at one look.
#[derive(Debug, Default)]
pub struct Listing {
    /// Tap files.
    pub files: Vec<Found>,
    /// Manifests without a tap file beside them.
    pub lone_manifests: Vec<PathBuf>,
    /// What cannot be taken, and why, by path in the inbox.
    pub troubles: BTreeMap<String, String>,
}

/// Remembers what stood in the inbox before.
#[derive(Debug)]
pub struct Watch {
    stable: Duration,
    seen: BTreeMap<PathBuf, Seen>,
    alone: BTreeMap<PathBuf, Duration>,
}

#[derive(Clone, Debug)]
struct Seen {
    state: (Stamp, Option<Stamp>),
    since: Duration,
    /// Taken over already; it stands there still because it could not be removed.
    left: Option<String>,
}

impl Watch {
    /// Files are complete when they stood still for `stable`.
    #[must_use]
    pub fn new(stable: Duration) -> Self {
        Self { stable, seen: BTreeMap::new(), alone: BTreeMap::new() }
    }

    /// The files that are complete, by name; adds to the listing's troubles what has been one for long enough.
    pub fn look(&mut self, listing: &mut Listing, now: Duration) -> Vec<Found> {
        let before = std::mem::take(&mut self.seen);
        let mut complete = Vec::new();
        for found in &listing.files {
            let state = (found.stamp, found.manifest);
            let mut seen = Seen { state, since: now, left: None };
            if let Some(before) = before.get(&found.path)
                && before.state == state
            {
                seen = before.clone();
            }
            match &seen.left {
                Some(why) => {
                    listing.troubles.insert(found.path.display().to_string(), why.clone());
                }
                None if now.saturating_sub(seen.since) >= self.stable => complete.push(found.clone()),
                None => {}
            }
            self.seen.insert(found.path.clone(), seen);
        }
        self.tell_lone(listing, now);
        complete.sort_by(|a, b| (&a.name, &a.path).cmp(&(&b.name, &b.path)));
        complete
    }

    /// Notes that a file was taken over but could not be removed: it is not offered again as it is.
    pub fn left_behind(&mut self, found: &Found, why: String) {
        if let Some(seen) = self.seen.get_mut(&found.path) {
            seen.left = Some(why);
        }
    }

    /// Files that are there but not complete yet.
    pub fn arriving(&self, now: Duration) -> impl Iterator<Item = (&PathBuf, u64)> {
        let arriving = move |seen: &Seen| seen.left.is_none() && now.saturating_sub(seen.since) < self.stable;
        self.seen.iter().filter(move |(_, seen)| arriving(seen)).map(|(path, seen)| (path, seen.state.0.len))
    }

    fn tell_lone(&mut self, listing: &mut Listing, now: Duration) {
        let before = std::mem::take(&mut self.alone);
        for path in &listing.lone_manifests {
            let since = before.get(path).copied().unwrap_or(now);
            if now.saturating_sub(since) >= ALONE_MAX {
                let why = "a manifest without its file: it is used when the file comes; a file that was taken \
                           already was taken without it";
                listing.troubles.insert(path.display().to_string(), why.to_owned());
            }
            self.alone.insert(path.clone(), since);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, len: u64, modified_ns: i128) -> Found {
        let path = PathBuf::from(path);
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        Found { path, name, stamp: Stamp { len, modified_ns, file: (1, 1) }, manifest: None }
    }

    fn look(watch: &mut Watch, files: &[Found], s: u64) -> Vec<String> {
        let mut listing = Listing { files: files.to_vec(), ..Listing::default() };
        let complete = watch.look(&mut listing, Duration::from_secs(s));
        complete.into_iter().map(|found| found.path.display().to_string()).collect()
    }

    #[test]
    fn a_file_is_complete_when_length_and_time_stood_still() {
        let mut watch = Watch::new(Duration::from_secs(2));
        let none: [&str; 0] = [];
        assert_eq!(look(&mut watch, &[found("a.csv", 1, 1)], 0), none);
        assert_eq!(look(&mut watch, &[found("a.csv", 2, 1)], 2), none, "it grew");
        assert_eq!(look(&mut watch, &[found("a.csv", 2, 1)], 3), none);
        assert_eq!(watch.arriving(Duration::from_secs(3)).count(), 1);
        assert_eq!(look(&mut watch, &[found("a.csv", 2, 1)], 4), ["a.csv"]);
        assert_eq!(look(&mut watch, &[found("a.csv", 2, 9)], 5), none, "rewritten at the same length");
        assert_eq!(look(&mut watch, &[], 6), none);
        assert_eq!(look(&mut watch, &[found("a.csv", 2, 9)], 9), none, "it had gone meanwhile");
        assert_eq!(watch.arriving(Duration::from_secs(9)).count(), 1);
    }

    #[test]
    fn the_time_that_a_file_bears_says_nothing() {
        let mut watch = Watch::new(Duration::from_secs(1));
        let far = [found("future.csv", 1, i128::MAX), found("past.csv", 1, -5)];
        look(&mut watch, &far, 0);
        assert_eq!(look(&mut watch, &far, 1), ["future.csv", "past.csv"]);
    }

    #[test]
    fn complete_files_come_in_the_order_of_their_names_whatever_their_folders() {
        let mut watch = Watch::new(Duration::ZERO);
        let files =
            [found("z/a.csv", 1, 1), found("b.csv", 1, 1), found("a/c.csv", 1, 1), found("y/a.csv", 1, 1)];
        assert_eq!(look(&mut watch, &files, 0), ["y/a.csv", "z/a.csv", "b.csv", "a/c.csv"]);
    }

    #[test]
    fn a_manifest_that_changes_holds_its_file() {
        let mut watch = Watch::new(Duration::from_secs(1));
        let mut with = found("a.csv", 1, 1);
        look(&mut watch, std::slice::from_ref(&with), 0);
        with.manifest = Some(Stamp { len: 5, modified_ns: 1, file: (1, 2) });
        assert_eq!(look(&mut watch, std::slice::from_ref(&with), 1).len(), 0);
        assert_eq!(look(&mut watch, &[with], 2), ["a.csv"]);
    }

    #[test]
    fn what_could_not_be_removed_is_told_and_not_offered_again() {
        let mut watch = Watch::new(Duration::ZERO);
        let file = found("a.csv", 1, 1);
        look(&mut watch, std::slice::from_ref(&file), 0);
        watch.left_behind(&file, "read-only".to_owned());
        let mut listing = Listing { files: vec![file.clone()], ..Listing::default() };
        assert_eq!(watch.look(&mut listing, Duration::from_secs(1)), []);
        assert_eq!(listing.troubles["a.csv"], "read-only");
        assert_eq!(look(&mut watch, &[found("a.csv", 2, 1)], 2), ["a.csv"], "another file");
    }
}
