//! Judging what was found: a plain function of the facts.

use cu_log::kafka::{Examination, MESSAGE_BYTES_WANTED, POSITIONS_KEPT_MINUTES};

use super::{facts::Facts, kafka::Found};
use crate::output::thousands;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// As it should be.
    Ok,
    /// It works, but not for everything or not for long.
    Warn,
    /// It does not work.
    Fail,
}

impl Outcome {
    /// Its word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What was looked at.
    pub check: String,
    /// How it ended.
    pub outcome: Outcome,
    /// What was found.
    pub found: String,
    /// What to do next; empty if nothing is to be done.
    pub next: String,
}

impl Line {
    fn new(check: impl Into<String>, outcome: Outcome, found: impl Into<String>, next: &str) -> Self {
        let next = if outcome == Outcome::Ok { "" } else { next };
        Self { check: check.into(), outcome, found: found.into(), next: next.to_owned() }
    }
}

const GIB: u64 = 1 << 30;
/// Below this a day's clearing may not fit.
const DISK_WARN_BYTES: u64 = 10 * GIB;
/// Below this the first files may not fit.
const DISK_FAIL_BYTES: u64 = GIB;
/// What one process of the system may have open.
const OPEN_FILES_MIN: u64 = 1024;
/// Watched folders and watchers of one user.
const INOTIFY_MIN: [(&str, u64); 2] = [("max_user_instances", 64), ("max_user_watches", 1024)];
/// Drift of clocks that nothing here notices, and that spoils what people read in logs.
const DRIFT_MS: (i64, i64) = (2_000, 60_000);
/// Oldest javac that builds and runs the Kafka of the tests.
const JAVA_MIN: u32 = 17;

/// All checks, in the order in which they are shown.
#[must_use]
pub fn all(facts: &Facts) -> Vec<Line> {
    let mut lines: Vec<Line> =
        facts.tools.iter().map(|(tool, version)| self::tool(tool, version.as_deref())).collect();
    lines.extend(facts.disks.iter().map(|(dir, free)| disk(&dir.display().to_string(), free)));
    lines.push(open_files(facts.open_files));
    lines.extend(INOTIFY_MIN.into_iter().map(|(name, min)| {
        let found = facts.inotify.get(name).copied().flatten();
        inotify(name, found, min)
    }));
    lines.extend(ports(facts));
    lines.push(clock(facts));
    lines.extend(facts.kafka.iter().flat_map(kafka));
    lines
}

/// A tool is for building; running needs none.
fn tool(name: &str, version: Option<&str>) -> Line {
    let check = format!("build: {name}");
    let next = match name {
        "cargo" | "rustc" => "to build: install Rust from https://rustup.rs, or `rustup update`",
        _ => "to build: run tools/setup (`make setup`), which installs it on Debian",
    };
    let Some(version) = version else { return Line::new(check, Outcome::Warn, "not found", next) };
    let old = match name {
        "cargo" | "rustc" => numbers(version) < numbers(env!("CARGO_PKG_RUST_VERSION")),
        "javac" => numbers(version) < vec![JAVA_MIN],
        _ => false,
    };
    let outcome = if old { Outcome::Warn } else { Outcome::Ok };
    Line::new(check, outcome, if old { format!("{version}: too old") } else { version.to_owned() }, next)
}

/// The first number with points in a text.
fn numbers(text: &str) -> Vec<u32> {
    let start = text.find(|c: char| c.is_ascii_digit()).unwrap_or(text.len());
    let version = text[start..].split(|c: char| !c.is_ascii_digit() && c != '.').next().unwrap_or_default();
    version.split('.').map_while(|part| part.parse().ok()).collect()
}

fn disk(dir: &str, free: &Result<u64, String>) -> Line {
    let check = format!("disk: {dir}");
    match free {
        Err(why) => Line::new(check, Outcome::Fail, why, "make the folder, or give another one with --dir"),
        Ok(bytes) => {
            let outcome = match *bytes {
                bytes if bytes < DISK_FAIL_BYTES => Outcome::Fail,
                bytes if bytes < DISK_WARN_BYTES => Outcome::Warn,
                _ => Outcome::Ok,
            };
            let found = format!("{} MiB free", thousands(&(bytes >> 20).to_string()));
            Line::new(
                check,
                outcome,
                found,
                "free some room: the log keeps every tap, 1 GiB for some 10 million",
            )
        }
    }
}

fn open_files(limit: Option<u64>) -> Line {
    let enough = limit.is_none_or(|limit| limit >= OPEN_FILES_MIN);
    let found = limit.map_or_else(|| "no limit".to_owned(), |limit| format!("{limit} a process"));
    let outcome = if enough { Outcome::Ok } else { Outcome::Fail };
    Line::new(
        "open files",
        outcome,
        found,
        "raise it: `ulimit -n 4096`, or LimitNOFILE= of the service's unit",
    )
}

fn inotify(name: &str, found: Option<u64>, min: u64) -> Line {
    let check = format!("inotify: {name}");
    let next = format!("raise it: `sysctl fs.inotify.{name}={}`", min * 8);
    match found {
        Some(found) if found >= min => Line::new(check, Outcome::Ok, found.to_string(), ""),
        Some(found) => Line::new(check, Outcome::Warn, found.to_string(), &next),
        None => Line::new(
            check,
            Outcome::Warn,
            "not known on this machine",
            "inboxes are looked at in turns instead",
        ),
    }
}

fn ports(facts: &Facts) -> Vec<Line> {
    let file = facts.ports_file.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
    let one = |(name, tried): (&String, &Vec<(u16, Option<String>)>)| {
        let taken: Vec<String> =
            tried.iter().filter_map(|(port, why)| Some(format!("{port}: {}", why.as_ref()?))).collect();
        let list: Vec<String> = tried.iter().map(|(port, _)| port.to_string()).collect();
        let (outcome, found) = match taken.as_slice() {
            [] => (Outcome::Ok, format!("{} free", list.join(" "))),
            taken => (Outcome::Warn, taken.join("; ")),
        };
        let next =
            format!("fine if the local system runs (`make down` ends it); else set {name} (see {file})");
        Line::new(format!("ports: {name}"), outcome, found, &next)
    };
    facts.ports.iter().map(one).collect()
}

fn clock(facts: &Facts) -> Line {
    let next = "set the clock, and let it follow a time server (`timedatectl set-ntp true`)";
    let (outcome, found) = match (facts.clock_behind_s, facts.clock_follows) {
        (behind, _) if behind > 60 => {
            (Outcome::Fail, format!("{behind} s before the moment at which this program was made: set back?"))
        }
        (_, Some(false)) => (Outcome::Warn, "follows no time server".to_owned()),
        (_, Some(true)) => (Outcome::Ok, "follows a time server".to_owned()),
        (_, None) => {
            (Outcome::Ok, "plausible; this machine does not say whether it follows a time server".to_owned())
        }
    };
    Line::new("clock", outcome, found, next)
}

fn kafka(found: &Found) -> Vec<Line> {
    let check = format!("kafka: {}", found.bootstrap);
    match &found.examination {
        Err(why) => {
            let next = "start it (here: `deploy/kafka/run start DATA PORT`), or give another address";
            vec![Line::new(check, Outcome::Fail, why, next)]
        }
        Ok(examination) => {
            let brokers = examination.brokers.len();
            let found_text =
                format!("answers; brokers: {brokers}, topics of the system: {}", examination.topics.len());
            let mut lines = vec![Line::new(check, Outcome::Ok, found_text, "")];
            lines.extend(brokers_set(examination));
            lines.extend(topics_set(examination));
            lines.push(drift(examination, found.now_ms));
            lines
        }
    }
}

/// A setting of brokers, what it must be, and what is wrong otherwise.
struct Wanted {
    name: &'static str,
    right: fn(&str) -> bool,
    otherwise: Outcome,
    next: &'static str,
}

const WANTED: [Wanted; 4] = [
    Wanted {
        name: "message.max.bytes",
        right: |text| at_least(text, MESSAGE_BYTES_WANTED),
        otherwise: Outcome::Fail,
        next: "set message.max.bytes=8388608 in the broker's server.properties: a full batch is larger than it takes",
    },
    Wanted {
        name: "replica.fetch.max.bytes",
        right: |text| at_least(text, MESSAGE_BYTES_WANTED),
        otherwise: Outcome::Warn,
        next: "set replica.fetch.max.bytes=8388608: copies of large batches are slow",
    },
    Wanted {
        name: "offsets.retention.minutes",
        right: |text| at_least(text, POSITIONS_KEPT_MINUTES),
        otherwise: Outcome::Fail,
        next: "set offsets.retention.minutes=2147483647: a switch that stands still for longer loses its positions",
    },
    Wanted {
        name: "auto.create.topics.enable",
        right: |text| text == "false",
        otherwise: Outcome::Warn,
        next: "set auto.create.topics.enable=false: a misspelt prefix makes empty topics with a wrong number of partitions",
    },
];

fn at_least(text: &str, min: u64) -> bool {
    text.parse::<u64>().is_ok_and(|number| number >= min)
}

fn brokers_set(examination: &Examination) -> Vec<Line> {
    let one = |wanted: &Wanted| {
        let wrong = examination
            .brokers
            .iter()
            .find(|broker| !broker.settings.get(wanted.name).is_some_and(|value| (wanted.right)(value)));
        let shown = wrong.or(examination.brokers.first());
        let value =
            shown.and_then(|broker| broker.settings.get(wanted.name)).map_or("not told", String::as_str);
        let found = match wrong {
            Some(broker) => format!("{value} on {}", broker.name),
            None => value.to_owned(),
        };
        let outcome = if wrong.is_some() { wanted.otherwise } else { Outcome::Ok };
        Line::new(format!("kafka: {}", wanted.name), outcome, found, wanted.next)
    };
    WANTED.iter().map(one).collect()
}

/// Topics must keep everything and take whole batches.
fn topics_set(examination: &Examination) -> Vec<Line> {
    type Check = (&'static str, fn(&str) -> bool, &'static str);
    let checks: [Check; 3] = [
        (
            "retention.ms",
            |text| text == "-1",
            "set retention.ms=-1 on it: what is dropped can never be rebuilt",
        ),
        (
            "retention.bytes",
            |text| text == "-1",
            "set retention.bytes=-1 on it: what is dropped can never be rebuilt",
        ),
        (
            "max.message.bytes",
            |text| at_least(text, MESSAGE_BYTES_WANTED),
            "set max.message.bytes=8388608 on it: a full batch is larger than it takes",
        ),
    ];
    let one = |(name, right, next): Check| {
        let mut wrong = examination
            .topics
            .iter()
            .filter(|topic| !topic.settings.get(name).is_some_and(|value| right(value)));
        let first = wrong.next()?;
        let value = first.settings.get(name).map_or("not told", String::as_str);
        let found = format!("{value} on {}, and on {} more", first.name, wrong.count());
        Some(Line::new(format!("kafka topics: {name}"), Outcome::Fail, found, next))
    };
    let mut lines: Vec<Line> = checks.into_iter().filter_map(one).collect();
    if lines.is_empty() && !examination.topics.is_empty() {
        let found = "retention and message size as they should be";
        lines.push(Line::new("kafka topics", Outcome::Ok, found, ""));
    }
    lines
}

/// A message that is stamped later than now was written by a clock that goes ahead of this one.
fn drift(examination: &Examination, now_ms: i64) -> Line {
    let check = "kafka: clock";
    let next = "let this machine and the writers' machines follow the same time server";
    match examination.newest_ms {
        None => Line::new(check, Outcome::Ok, "no message of the system to compare with yet", ""),
        Some(newest_ms) => {
            let ahead_ms = newest_ms.saturating_sub(now_ms);
            let outcome = match ahead_ms {
                ahead if ahead > DRIFT_MS.1 => Outcome::Fail,
                ahead if ahead > DRIFT_MS.0 => Outcome::Warn,
                _ => Outcome::Ok,
            };
            let found = match outcome {
                Outcome::Ok => "no message is stamped later than now".to_owned(),
                _ => format!(
                    "the newest message is stamped {} ms later than now",
                    thousands(&ahead_ms.to_string())
                ),
            };
            Line::new(check, outcome, found, next)
        }
    }
}

#[cfg(test)]
mod tests;
