//! Running the real program, and looking at what it leaves.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    io::Read,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// Longest wait for anything in these tests; more is a fault.
pub const WAIT_MAX: Duration = Duration::from_secs(180);
const LOOK: Duration = Duration::from_millis(5);

/// What a run of the program said.
#[derive(Debug)]
pub struct Ran {
    /// Exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// Expects success.
    #[track_caller]
    pub fn ok(self) -> Self {
        self.exits(0)
    }

    /// Expects an exit code.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Expects all of these words on standard error.
    #[track_caller]
    pub fn says(self, words: &[&str]) -> Self {
        for word in words {
            assert!(self.stderr.contains(word), "`{word}` is missing in:\n{}", self.stderr);
        }
        self
    }
}

/// A run of the program that has begun. It is killed when this is dropped.
pub struct Running {
    child: Child,
    stdout: Option<JoinHandle<String>>,
    stderr: Option<JoinHandle<String>>,
}

impl Running {
    pub fn start(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stdout = child.stdout.take().map(gather);
        let stderr = child.stderr.take().map(gather);
        Self { child, stdout, stderr }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its exit status, if it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// SIGKILL.
    pub fn kill(mut self) -> Ran {
        self.child.kill().unwrap();
        self.wait()
    }

    /// Sends a signal by its name and waits for the end.
    pub fn signal(self, name: &str) -> Ran {
        let sent = Command::new("kill").args(["-s", name, &self.id().to_string()]).status().unwrap();
        assert!(sent.success(), "kill -s {name}: {sent}");
        self.wait()
    }

    /// Waits for the end.
    pub fn wait(mut self) -> Ran {
        let deadline = Instant::now() + WAIT_MAX;
        let status = loop {
            if let Some(status) = self.ended() {
                break status;
            }
            if Instant::now() > deadline {
                self.child.kill().unwrap();
                let ran = self.collect(None);
                panic!("it did not end within {WAIT_MAX:?}: {ran:?}");
            }
            thread::sleep(LOOK);
        };
        self.collect(status.code())
    }

    fn collect(&mut self, code: Option<i32>) -> Ran {
        let text = |from: Option<JoinHandle<String>>| from.map(|t| t.join().unwrap()).unwrap_or_default();
        Ran { code, stdout: text(self.stdout.take()), stderr: text(self.stderr.take()) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.ended().is_none() {
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}

fn gather(mut from: impl Read + Send + 'static) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// The program with arguments.
pub fn command<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cityunion"));
    command.args(args).env_remove("CITYUNION_LOG");
    command
}

/// Runs the program to its end. Words are split at spaces; `{}` stands for the next path.
pub fn cityunion(words: &str, paths: &[&Path]) -> Ran {
    Running::start(command(arguments(words, paths))).wait()
}

/// The arguments in a text: words, with `{}` for the next path.
pub fn arguments(words: &str, paths: &[&Path]) -> Vec<PathBuf> {
    let mut paths = paths.iter();
    let one = |word| match word {
        "{}" => paths.next().map(|path| path.to_path_buf()).unwrap_or_else(|| panic!("a path for `{words}`")),
        word => PathBuf::from(word),
    };
    words.split_whitespace().map(one).collect()
}

/// `clear` of the next business date, which must succeed.
#[track_caller]
pub fn clear(scheme: &Path, out: &Path) -> Ran {
    cityunion("clear {} --out {}", &[scheme, out]).ok()
}

/// All files of an OUT but its `.state`, by relative path.
pub fn tree(out: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![out.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.unwrap().path();
            if path == out.join(".state") {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(out).unwrap().to_string_lossy().into_owned();
            files.insert(name, fs::read(&path).unwrap());
        }
    }
    files
}

/// Compares everything in two OUTs but their `.state`.
#[track_caller]
pub fn assert_same(what: &str, wanted: &BTreeMap<String, Vec<u8>>, out: &Path) {
    let found = tree(out);
    let names = |files: &BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(wanted), names(&found), "{what}: other files");
    let different: Vec<_> = wanted.iter().filter(|(name, bytes)| found[*name] != **bytes).collect();
    if let Some((name, bytes)) = different.first() {
        let line =
            bytes.split(|b| *b == b'\n').zip(found[*name].split(|b| *b == b'\n')).find(|(a, b)| a != b);
        let shown = line.map(|(a, b)| (String::from_utf8_lossy(a), String::from_utf8_lossy(b)));
        panic!("{what}: {} files differ, first {name} at {shown:?}", different.len());
    }
}

/// The closed cycles of an OUT, by name.
pub fn cycles(out: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(out) else { return Vec::new() };
    let names = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.filter(|name| name.starts_with("20")).collect();
    names.sort();
    names
}

/// Runs `verify` on every closed cycle.
#[track_caller]
pub fn verify_all(out: &Path) {
    for cycle in cycles(out) {
        cityunion("verify {}", &[&out.join(cycle)]).ok();
    }
}

/// The rows of a CSV file, each by column name.
pub fn rows(path: &Path) -> Vec<BTreeMap<String, String>> {
    let mut reader =
        csv::Reader::from_path(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    reader
        .deserialize()
        .map(|row| row.unwrap_or_else(|error| panic!("{}: {error}", path.display())))
        .collect()
}

/// Some columns of each row, joined with a space.
pub fn columns(path: &Path, names: &[&str]) -> Vec<String> {
    let one = |row: BTreeMap<String, String>| names.iter().map(|name| row[*name].clone()).collect::<Vec<_>>();
    rows(path).into_iter().map(|row| one(row).join(" ").trim_end().to_owned()).collect()
}

/// Waits until `found` finds something.
#[track_caller]
pub fn wait_for<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + WAIT_MAX;
    loop {
        if let Some(value) = found() {
            return value;
        }
        assert!(Instant::now() < deadline, "{what} did not come within {WAIT_MAX:?}");
        thread::sleep(LOOK * 10);
    }
}

/// The folder of the repository.
pub fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// Numbers that look random, the same for the same seed.
pub struct Dice(pub u64);

impl Dice {
    /// The next number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % end.max(1)
    }
}
