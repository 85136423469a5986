//! What is there: looked up, not judged.

use std::{
    collections::BTreeMap,
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context, Result, anyhow};
use rustix::process::{Resource, getrlimit};

use super::{Doctor, kafka, ports};

/// Longest that a tool may take to tell its version.
const TOOL_WAIT: Duration = Duration::from_secs(10);
/// Where the ports of the local system stand in the repository.
const PORTS_FILE: &str = "deploy/local/ports.env";

/// Ports by name, each with the reason for which it cannot be used.
pub type Ports = BTreeMap<String, Vec<(u16, Option<String>)>>;

/// Everything that is judged.
#[derive(Debug, Default)]
pub struct Facts {
    /// Tools by name, with what they say of their version.
    pub tools: BTreeMap<&'static str, Option<String>>,
    /// Free bytes of each folder, or why they are not known.
    pub disks: Vec<(PathBuf, Result<u64, String>)>,
    /// Most open files of a process; `None` for no limit.
    pub open_files: Option<u64>,
    /// Limits of the kernel on watched folders, by name.
    pub inotify: BTreeMap<&'static str, Option<u64>>,
    /// The ports of the local system.
    pub ports: Ports,
    /// The file that states them, if there is one.
    pub ports_file: Option<PathBuf>,
    /// Seconds by which this program is newer than the clock says.
    pub clock_behind_s: i64,
    /// Whether the machine says that its clock follows a time server.
    pub clock_follows: Option<bool>,
    /// What was found of Kafka.
    pub kafka: Option<kafka::Found>,
}

/// Tools, and how each is asked for its version.
const TOOLS: [(&str, &[&str]); 7] = [
    ("cargo", &["--version"]),
    ("rustc", &["--version"]),
    ("javac", &["-version"]),
    ("mvn", &["--batch-mode", "--version"]),
    ("git", &["--version"]),
    ("make", &["--version"]),
    ("c++", &["--version"]),
];

/// Looks everything up.
///
/// # Errors
/// If the file of ports that was given cannot be read.
pub fn gather(args: &Doctor) -> Result<Facts> {
    let default = Path::new(PORTS_FILE);
    let ports_file = args.ports.clone().or_else(|| default.is_file().then(|| default.to_owned()));
    let tools = TOOLS.into_iter().map(|(tool, ask)| (tool, version(tool, ask)));
    let dirs =
        if args.dir.is_empty() { vec![PathBuf::from("."), std::env::temp_dir()] } else { args.dir.clone() };
    let inotify = ["max_user_instances", "max_user_watches"].map(|name| {
        let text = fs::read_to_string(Path::new("/proc/sys/fs/inotify").join(name)).ok();
        (name, text.and_then(|text| text.trim().parse().ok()))
    });
    Ok(Facts {
        tools: tools.collect(),
        disks: dirs.into_iter().map(|dir| (dir.clone(), free_bytes(&dir))).collect(),
        open_files: getrlimit(Resource::Nofile).current,
        inotify: inotify.into_iter().collect(),
        ports: ports_file.as_deref().map(ports_of).transpose()?.unwrap_or_default(),
        ports_file,
        clock_behind_s: clock_behind_s(),
        clock_follows: clock_follows(),
        kafka: args.kafka.as_deref().map(|bootstrap| kafka::look(bootstrap, &args.prefix)),
    })
}

/// What a tool says of its version; `None` if it is not there or does not answer.
fn version(tool: &str, ask: &[&str]) -> Option<String> {
    let mut command = Command::new(tool);
    command.args(ask).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().ok()?;
    let deadline = Instant::now() + TOOL_WAIT;
    while child.try_wait().ok()?.is_none() {
        if Instant::now() > deadline {
            child.kill().ok()?;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let said = child.wait_with_output().ok().filter(|said| said.status.success())?;
    let text = [said.stdout, said.stderr].concat();
    Some(uncoloured(String::from_utf8_lossy(&text).lines().next().unwrap_or_default()))
}

/// A text without the escape sequences that colour it; some tools colour even what is no terminal.
fn uncoloured(text: &str) -> String {
    let mut rest = text.chars();
    let mut plain = String::with_capacity(text.len());
    while let Some(next) = rest.next() {
        if next == '\u{1b}' {
            rest.find(char::is_ascii_alphabetic);
        } else {
            plain.push(next);
        }
    }
    plain
}

fn free_bytes(dir: &Path) -> Result<u64, String> {
    let found = rustix::fs::statvfs(dir).map_err(|error| error.to_string())?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

/// The ports that a file states, each tried on loopback.
fn ports_of(path: &Path) -> Result<Ports> {
    let text = fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))?;
    let stated = ports::parse(&text, &|name| std::env::var(name).ok())
        .map_err(|why| anyhow!("failed to understand {}, {why}", path.display()))?;
    let tried =
        |port: u16| (port, TcpListener::bind(("127.0.0.1", port)).err().map(|error| error.to_string()));
    Ok(stated.into_iter().map(|(name, list)| (name, list.into_iter().map(tried).collect())).collect())
}

/// A clock that stands before this program was made has been set back.
fn clock_behind_s() -> i64 {
    let made = std::env::current_exe().and_then(fs::metadata).and_then(|found| found.modified());
    let behind = made.ok().and_then(|made| made.duration_since(SystemTime::now()).ok());
    behind.map_or(0, |behind| i64::try_from(behind.as_secs()).unwrap_or(i64::MAX))
}

fn clock_follows() -> Option<bool> {
    let mut command = Command::new("timedatectl");
    let said = command
        .args(["show", "--property=NTPSynchronized", "--value"])
        .stderr(Stdio::null())
        .output()
        .ok()?;
    match String::from_utf8_lossy(&said.stdout).trim() {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_taken_away() {
        assert_eq!(uncoloured("\u{1b}[0m\u{1b}[1mApache Maven 3.8.7\u{1b}[m"), "Apache Maven 3.8.7");
        assert_eq!(uncoloured("git version 2"), "git version 2");
    }
}
