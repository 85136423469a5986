//! `convert`: a file of another layout as `cityunion-tap/1`, or back.

use std::{
    fs::{self, Permissions},
    io::{self, BufWriter, Write},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use anyhow::{Context, Result, bail};
use city_adapter::quarantine::{ENTRY_COLUMN, KeptLine, QuarantineRows, Script, TRAILER_COLUMN};
use clap::Args;
use serde_json::{Map, json};
use tempfile::NamedTempFile;

use crate::output::{Format, Sheet, print, say, thousands};

mod back;
mod forth;

/// The exit code after a signal.
const INTERRUPTED: u8 = 130;
/// Bad lines that are named on standard error if they go nowhere else.
const TOLD_MAX: u64 = 20;

/// Arguments of `convert`.
#[derive(Args, Debug)]
pub struct Convert {
    /// How the other layout is read
    #[arg(long)]
    mapping: PathBuf,
    /// From cityunion-tap/1 to the other layout
    #[arg(long)]
    back: bool,
    /// The file to convert; `-` reads standard input
    #[arg(value_name = "IN")]
    input: PathBuf,
    /// Where it goes; must not exist; `-` is standard output
    #[arg(long)]
    out: PathBuf,
    /// Where lines go that cannot be converted; must not exist [default: OUT.quarantine.csv]
    #[arg(long, value_name = "FILE")]
    quarantine: Option<PathBuf>,
    /// How to print the summary; with --out - it goes nowhere
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// What a conversion came to.
#[derive(Clone, Copy, Debug, Default)]
struct Done {
    written: u64,
    amount_fen: u64,
    bad: u64,
    dropped: u64,
}

/// A line that cannot be converted.
struct Bad<'a> {
    line: u32,
    column: &'a str,
    reason: &'a str,
    raw: &'a [u8],
    /// The entry of the trip that it ends.
    entry: Option<&'a KeptLine>,
}

/// Runs the command.
///
/// # Errors
/// What failed, with what to do next. Nothing half done is left.
pub fn run(args: &Convert) -> Result<ExitCode> {
    let quarantine = quarantine_path(args);
    for path in [Some(&args.out), quarantine.as_ref()].into_iter().flatten() {
        if path != Path::new("-") && fs::symlink_metadata(path).is_ok() {
            bail!("{} exists and is not overwritten; remove it or name another file", path.display());
        }
    }
    let mut out = Out::new(&args.out)?;
    let mut bad = Quarantine::new(quarantine);
    let stop = Stop::new(args)?;
    let convert = if args.back { back::run } else { forth::run };
    let mut done = match convert(args, &stop, &mut out, &mut bad) {
        Err(error) if error.is::<Interrupted>() => {
            warn(&format!("{error}; nothing was written, run it again"));
            return Ok(ExitCode::from(INTERRUPTED));
        }
        Err(error) if args.out == Path::new("-") && reader_gone(&error) => return Ok(ExitCode::SUCCESS),
        done => done?,
    };
    done.bad = bad.count;
    out.keep()?;
    let kept = bad.keep()?;
    if args.out != Path::new("-") {
        tell(args, done, kept.as_deref())?;
    }
    if done.written == 0 && done.bad > 0 {
        warn(&format!(
            "none of {} lines could be converted; `cityunion mapping check` shows what the mapping makes of them",
            done.bad
        ));
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// A signal has come.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
struct Interrupted;

/// Ends a conversion of a file at a signal, so that nothing half done is left. Reading a pipe ends at once.
struct Stop(Option<(tokio::runtime::Runtime, Arc<AtomicBool>)>);

impl Stop {
    fn new(args: &Convert) -> Result<Self> {
        if args.input == Path::new("-") {
            return Ok(Self(None));
        }
        let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let flag = crate::signals::stopped(&tokio)?;
        Ok(Self(Some((tokio, flag))))
    }

    /// Fails once a signal has come.
    fn check(&self) -> Result<(), Interrupted> {
        let stopped = self.0.as_ref().is_some_and(|(_, flag)| flag.load(Ordering::Relaxed));
        if stopped { Err(Interrupted) } else { Ok(()) }
    }
}

/// Whether it failed because nobody reads standard output any more (`| head`).
fn reader_gone(error: &anyhow::Error) -> bool {
    let io = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>());
    io.into_iter().any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}

fn quarantine_path(args: &Convert) -> Option<PathBuf> {
    let beside = || {
        let mut name = args.out.clone().into_os_string();
        name.push(".quarantine.csv");
        PathBuf::from(name)
    };
    let default = (args.out != Path::new("-")).then(beside);
    args.quarantine.clone().or(default)
}

fn tell(args: &Convert, done: Done, quarantine: Option<&Path>) -> Result<()> {
    let mut sheet = Sheet::new("converted", &["lines", "amount_fen", "malformed", "dropped"]);
    sheet.row(vec![json!(done.written), json!(done.amount_fen), json!(done.bad), json!(done.dropped)]);
    let mut facts = Map::new();
    facts.insert("out".to_owned(), json!(args.out));
    facts.insert("quarantine".to_owned(), json!(quarantine));
    print(args.output, &facts, &[sheet])?;
    say(args.output, &format!("\n{} lines in {}", thousands(&done.written.to_string()), args.out.display()));
    if let Some(path) = quarantine {
        let bad = thousands(&done.bad.to_string());
        say(args.output, &format!("{bad} lines could not be converted: {} says why", path.display()));
    }
    Ok(())
}

/// Where converted lines go. A file is seen under its name when it is whole.
enum Out {
    Stdout(BufWriter<io::Stdout>),
    File(BufWriter<NamedTempFile>, PathBuf),
}

impl Out {
    fn new(path: &Path) -> Result<Self> {
        if path == Path::new("-") {
            return Ok(Self::Stdout(BufWriter::new(io::stdout())));
        }
        Ok(Self::File(BufWriter::with_capacity(1 << 18, beside(path)?), path.to_owned()))
    }

    fn keep(self) -> Result<()> {
        match self {
            Self::Stdout(mut out) => match out.flush() {
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                    Err(error).context("failed to write to standard output")
                }
                _ => Ok(()),
            },
            Self::File(out, path) => {
                let written = out.into_inner().map_err(io::IntoInnerError::into_error);
                publish(written.with_context(|| format!("failed to write {}", path.display()))?, &path)
            }
        }
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stdout(out) => out.write(bytes),
            Self::File(out, _) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout(out) => out.flush(),
            Self::File(out, _) => out.flush(),
        }
    }
}

/// A file without a name of its own yet, in the folder of `path`.
fn beside(path: &Path) -> Result<NamedTempFile> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    tempfile::Builder::new()
        .prefix(".convert-")
        .permissions(Permissions::from_mode(0o644))
        .tempfile_in(folder)
        .with_context(|| format!("failed to write into {}", folder.display()))
}

/// Gives a file its name, unless there is one of that name by now.
fn publish(file: NamedTempFile, path: &Path) -> Result<()> {
    file.as_file().sync_all().with_context(|| format!("failed to write {}", path.display()))?;
    file.persist_noclobber(path).with_context(|| {
        format!("failed to write {}: it must not exist; name another file", path.display())
    })?;
    Ok(())
}

/// Where bad lines go: a file that is made for the first one, or standard error.
struct Quarantine {
    path: Option<PathBuf>,
    /// How the lines of the file that is read are text, and those before its data.
    script: Script,
    head: Vec<KeptLine>,
    rows: Option<QuarantineRows<BufWriter<NamedTempFile>>>,
    count: u64,
}

impl Quarantine {
    fn new(path: Option<PathBuf>) -> Self {
        Self { path, script: Script::UTF_8, head: Vec::new(), rows: None, count: 0 }
    }

    /// Says what the file that is read is like.
    fn is_of(&mut self, script: Script, head: &[KeptLine]) {
        self.script = script;
        self.head = head.to_vec();
    }

    fn put(&mut self, bad: &Bad<'_>) -> Result<()> {
        self.count += 1;
        let Some(path) = &self.path else {
            if self.count <= TOLD_MAX {
                warn(&format!("line {}: {}: {}", bad.line, bad.column, bad.reason));
            }
            return Ok(());
        };
        let failed = || format!("failed to write {}", path.display());
        let rows = match &mut self.rows {
            Some(rows) => rows,
            None => {
                let to = BufWriter::new(beside(path)?);
                let rows = QuarantineRows::begin(to, self.script, &self.head).with_context(failed)?;
                self.rows.insert(rows)
            }
        };
        if let Some(entry) = bad.entry {
            rows.put(entry.number, ENTRY_COLUMN, "", &entry.bytes).with_context(failed)?;
        }
        rows.put(bad.line, bad.column, bad.reason, bad.raw).with_context(failed)
    }

    /// Ends the file with the control line behind the data.
    fn end(&mut self, tail: Option<KeptLine>) -> Result<()> {
        let (Some(path), Some(rows), Some(tail)) = (&self.path, &mut self.rows, tail) else { return Ok(()) };
        rows.put(tail.number, TRAILER_COLUMN, "", &tail.bytes)
            .with_context(|| format!("failed to write {}", path.display()))
    }

    /// Keeps the file, if there is one.
    fn keep(self) -> Result<Option<PathBuf>> {
        let (Some(path), Some(rows)) = (self.path, self.rows) else {
            if self.count > TOLD_MAX {
                warn(&format!(
                    "{} more lines could not be converted; --quarantine FILE keeps them",
                    self.count - TOLD_MAX
                ));
            }
            return Ok(None);
        };
        let file = rows.into_inner().into_inner().map_err(io::IntoInnerError::into_error);
        publish(file.with_context(|| format!("failed to write {}", path.display()))?, &path)?;
        Ok(Some(path))
    }
}

#[expect(clippy::print_stderr, reason = "lines that go nowhere else are named")]
fn warn(text: &str) {
    eprintln!("cityunion: {text}");
}
