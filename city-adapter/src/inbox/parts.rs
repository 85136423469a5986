//! What each thread of the inbox does.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use prost::Message;
use runtime::whole_text;

use super::{
    listing::list,
    queue::{End, Entry, New, Queue},
    service::{ASIDE_FILES, INBOX_FILES, LOST_FILES, PAUSE, Shared},
    spool::{SpoolError, remove_source},
    status::{Status, archive_path, local_time},
    watch::{Found, Watch},
};
use crate::acquirer::{AcquirerError, Outcome, Upload};

/// How often results are written and the status is told.
const ANSWER_EVERY: Duration = Duration::from_millis(500);
/// How long a file that alone could not be taken is set aside.
const ASIDE: Duration = Duration::from_secs(30);
/// Writing results may take one part in this many of the time.
const RENDER_SHARE: u32 = 5;

/// Why a file stays in the inbox.
enum Stays {
    /// There is no room for it.
    NoRoom(String),
    /// Nothing can be written here.
    Ours(String),
    /// Anything else.
    Other(String),
}

// Accepting.
impl Shared {
    /// Looks into the inbox again and again.
    pub(super) fn accept_all(&self) {
        let mut watch = Watch::new(self.config.stable);
        while !self.stopping() {
            self.look(&mut watch);
            self.wait(self.config.every);
        }
    }

    fn look(&self, watch: &mut Watch) {
        let mut listing = match list(&self.config.inbox_dir, self.config.any_ending) {
            Ok(listing) => listing,
            Err(error) => {
                let what = format!("inbox {}", self.config.inbox_dir.display());
                let why = format!("it cannot be read: {error}; see that it is there and may be read");
                return self.tell("inbox", BTreeMap::from([(what, why)]));
            }
        };
        let complete = watch.look(&mut listing, self.started.elapsed());
        let arriving = watch.arriving(self.started.elapsed());
        self.live().now.arriving = arriving.map(|(path, len)| (path.display().to_string(), len)).collect();
        let mut troubles = std::mem::take(&mut listing.troubles);
        let (mut full, mut refused_bytes) = (BTreeMap::new(), 0);
        for found in complete {
            if self.stopping() {
                return;
            }
            match self.accept(&found) {
                Ok(None) => {}
                Ok(Some(left)) => {
                    troubles.insert(found.path.display().to_string(), left.clone());
                    watch.left_behind(&found, left);
                }
                Err(Stays::NoRoom(why)) => {
                    refused_bytes += found.stamp.len;
                    let why = format!("{}: {why}", found.path.display());
                    full.entry("journal".to_owned()).or_insert(why);
                }
                Err(Stays::Ours(why)) => {
                    full.insert(found.path.display().to_string(), why);
                }
                Err(Stays::Other(why)) => {
                    troubles.insert(found.path.display().to_string(), why);
                }
            }
        }
        self.live().refused_bytes = refused_bytes;
        self.tell("inbox", full);
        self.tell(INBOX_FILES, troubles);
    }

    /// Accepts a file: when this returns it is durable here and gone from the inbox, or what it returns says why
    /// it stands there still.
    fn accept(&self, found: &Found) -> Result<Option<String>, Stays> {
        let room = self.queue().room_for(found.stamp.len);
        room.map_err(|full| Stays::NoRoom(self.with_the_log(&full.to_string())))?;
        let number = self.queue().next_number();
        let digest = self.copy(found, number)?;
        let same = self.queue().same(&found.name, &digest);
        let kept = match same {
            Some(first) => self.came_again(found, first, number),
            None => self.keep_new(found, digest),
        };
        if let Err(why) = kept {
            // What cannot be removed now is removed at the next start.
            drop(self.spool.remove(number));
            return Err(Stays::Ours(why));
        }
        let left =
            |error| format!("it is accepted, but cannot be removed from the inbox: {error}; remove it");
        Ok(remove_source(&self.config.inbox_dir, found).err().map(left))
    }

    fn with_the_log(&self, why: &str) -> String {
        match self.link.away() {
            Some(away) => format!("{why}; the log has been away since {}", local_time(away.since)),
            None => why.to_owned(),
        }
    }

    fn copy(&self, found: &Found, number: u64) -> Result<[u8; 32], Stays> {
        let path = found.path.display().to_string();
        let copied = AtomicU64::new(0);
        let told = |more| {
            let copied = copied.fetch_add(more, Ordering::Relaxed) + more;
            self.live().now.copying = Some((path.clone(), found.stamp.len, copied));
        };
        let done = self.spool.copy(&self.config.inbox_dir, found, number, &told);
        self.live().now.copying = None;
        done.map_err(|error| match &error {
            SpoolError::Write { .. } | SpoolError::NoSpace { .. } => Stays::Ours(whole_text(&error)),
            _ => Stays::Other(whole_text(&error)),
        })
    }

    fn keep_new(&self, found: &Found, sha256: [u8; 32]) -> Result<(), String> {
        let new = New {
            name: found.name.clone(),
            path: found.path.display().to_string(),
            len: found.stamp.len,
            sha256,
            manifest: found.manifest.is_some(),
            now_s: now_s(),
        };
        self.change(|queue| Some(queue.accepted(new)))?;
        tracing::info!("{}: accepted, {} bytes", found.name, found.stamp.len);
        Ok(())
    }

    fn came_again(&self, found: &Found, first: u64, number: u64) -> Result<(), String> {
        drop(self.spool.remove(number));
        tracing::info!("{}: the same bytes were accepted before; nothing is taken twice", found.name);
        self.change(|queue| queue.came_again(first))
    }

    /// Changes the queue once the row that says so is durable.
    fn change(&self, row: impl FnOnce(&Queue) -> Option<Entry>) -> Result<(), String> {
        let keep = |row: &Entry| {
            let kept = self.host.keep_inbox_row(self.config.city, row.number, &row.encode_to_vec());
            kept.map_err(|error| format!("{}; it is tried again", whole_text(&error)))
        };
        self.queue().change(row, keep).map(drop)
    }
}

/// Why a file could not be taken.
enum Fails {
    /// It alone: the rest goes on.
    Alone(String),
    /// What comes next would fail too.
    All(String),
}

/// A file that was set aside: its name, why, and until when.
type Aside = (String, String, Instant);

// Taking.
impl Shared {
    /// Takes one file after the other.
    pub(super) fn take_all(&self) {
        let mut aside: BTreeMap<u64, Aside> = BTreeMap::new();
        while !self.stopping() {
            let open = self.link.open_day();
            self.live().now.open = open.map(|open| open.date);
            let next = match open {
                // Nothing new is begun while the log does not answer; what was begun waits for it.
                Some(open) if self.link.away().is_none() => {
                    let begun = self.host.in_progress(self.config.city);
                    let waits =
                        |number| aside.get(&number).is_some_and(|(.., until)| Instant::now() < *until);
                    let next = self.queue().next(open.date, begun.as_deref(), waits).cloned();
                    next.map(|entry| (entry, open.member))
                }
                _ => None,
            };
            let Some((entry, member)) = next else {
                self.tell("take", BTreeMap::new());
                self.wait(PAUSE / 5);
                continue;
            };
            let taken = self.take(&entry, member);
            self.live().now.taking = None;
            if self.stopping() {
                return;
            }
            aside.remove(&entry.number);
            let mut holds = None;
            match taken {
                Ok(()) => {}
                Err(Fails::Alone(why)) => {
                    aside.insert(entry.number, (entry.name.clone(), why, Instant::now() + ASIDE));
                }
                Err(Fails::All(why)) => holds = Some((entry.name.clone(), why)),
            }
            let told = aside.values().map(|(name, why, _)| (name.clone(), why.clone())).collect();
            self.tell(ASIDE_FILES, told);
            let failed = holds.is_some();
            self.tell("take", holds.into_iter().collect());
            if failed {
                self.wait(PAUSE * 2);
            }
        }
    }

    fn take(&self, entry: &Entry, member: bool) -> Result<(), Fails> {
        let city = self.config.city;
        let path = self.spool.path(entry.number);
        let upload = Upload { city, path, name: entry.name.clone() };
        let lines = AtomicU64::new(0);
        let told = |more| {
            let lines = lines.fetch_add(more, Ordering::Relaxed) + more;
            self.live().now.taking = Some((entry.number, lines));
        };
        told(0);
        let taken = self.host.take(vec![upload], &|_| member, &told);
        let all = |error: &AcquirerError| Fails::All(format!("{}; it is tried again", whole_text(error)));
        let taken = taken.map_err(|error| all(&error))?;
        if let Some((_, error)) = taken.failures.first() {
            return Err(all(error));
        }
        let outcome = taken.uploads.into_iter().next().map(|upload| upload.outcome);
        let (end, reason) = match outcome {
            Some(Outcome::Taken(summary)) => {
                tracing::info!(
                    "{}: taken, {} lines, {} presented, {} quarantined",
                    entry.name,
                    summary.records,
                    summary.presented,
                    summary.malformed
                );
                (End::Taken, String::new())
            }
            Some(Outcome::AlreadyTaken) => (End::Again, String::new()),
            Some(Outcome::Refused(why)) => {
                tracing::warn!("{} is refused: {why}", entry.name);
                (End::Refused, why)
            }
            Some(Outcome::AlreadyRefused) => (End::Refused, self.refused_before(&entry.name)),
            Some(Outcome::Unreadable(why)) => {
                let why = format!("{why}; it is set aside and tried again, the rest goes on");
                return Err(Fails::Alone(why));
            }
            None => return Err(Fails::All("nothing was taken; it is tried again".to_owned())),
        };
        self.change(|queue| queue.ended(entry.number, end, &reason)).map_err(Fails::All)
    }

    fn refused_before(&self, name: &str) -> String {
        let before = self.host.progress(self.config.city, name);
        let reason = before.map(|progress| progress.reason).filter(|reason| !reason.is_empty());
        reason.unwrap_or_else(|| "refused before".to_owned())
    }
}

// Answering.
impl Shared {
    /// Writes results, archives what is done, tells the status.
    pub(super) fn answer_all(&self) {
        let mut told: Option<Status> = None;
        let mut render_at = Instant::now();
        let mut shown = Ok(());
        while !self.stopping() {
            let mut troubles = BTreeMap::new();
            let mut trouble = |what: &str, why: Result<(), String>| {
                if let Err(why) = why {
                    troubles.insert(what.to_owned(), why);
                }
            };
            trouble("journal", self.host.heal().map_err(|error| whole_text(&error)));
            if Instant::now() >= render_at {
                let began = Instant::now();
                trouble("answers", self.render());
                render_at = Instant::now() + began.elapsed() * RENDER_SHARE;
            }
            trouble("archive", self.archive());
            trouble("status", shown.clone());
            self.tell("answers", troubles);
            let lost =
                self.queue().lost().into_iter().map(|entry| (entry.name.clone(), lost(entry))).collect();
            self.tell(LOST_FILES, lost);
            let status = self.status();
            if told.as_ref() != Some(&status) {
                shown = self.write_status(&status);
                told = shown.is_ok().then_some(status);
            }
            self.wait(ANSWER_EVERY);
        }
    }

    fn render(&self) -> Result<(), String> {
        self.host.render(&[self.config.city]).map_err(|error| whole_text(&error))
    }

    fn archive(&self) -> Result<(), String> {
        let done = |name: &str| self.host.is_done(self.config.city, name);
        let leaving = self.queue().to_archive(done);
        let failed: Vec<String> = leaving.iter().filter_map(|entry| self.archive_one(entry).err()).collect();
        match &failed[..] {
            [] => Ok(()),
            [why] => Err(why.clone()),
            [why, others @ ..] => Err(format!("{why} (and {} others)", others.len())),
        }
    }

    fn archive_one(&self, entry: &Entry) -> Result<(), String> {
        let moved = if entry.end() == End::Again {
            // The same bytes stand there already.
            self.spool.remove(entry.number)
        } else {
            self.spool.archive(entry.number, &self.config.archive_dir.join(archive_path(entry)))
        };
        moved.map_err(|error| format!("{} cannot be archived: {error}; it is tried again", entry.name))?;
        self.change(|queue| queue.archived(entry.number))?;
        tracing::info!("{}: archived", entry.name);
        Ok(())
    }
}

fn lost(entry: &Entry) -> String {
    format!(
        "it was accepted and not taken, but its copy, file {} in the spool of state_dir, is gone; send it again",
        entry.number
    )
}

fn now_s() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
}
