//! `replay`: closed cycles folded again from the log or an archive, and compared with what was settled.

mod compare;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use anyhow::{Context, Result};
use archive::{chain::Archive as Chain, facts::Facts, log::ArchiveLog};
use clap::{Args, ValueEnum};
use clearing_node::replay::Replay;
use cu_log::{Log, topics::Topics};
use files::verify::compare::compare;
use serde_json::{Value, json};
use signing::{Signers, Trust};

use self::compare::Found;
use crate::{
    archive::{
        Cycle, DIFFERENT, refused,
        source::{LogArgs, objects, work},
    },
    errors::Usage,
    output::{Format, print, say},
    progress::Progress,
    signatures,
    verify::cycles,
};

/// Arguments of `replay`.
#[derive(Args, Debug)]
#[command(after_help = "\
Everything is made again by the code that made it: the book folds cu.clearing from its beginning, the coordinator
makes the plans, the renderer writes the folders, those of later versions of a cycle (….v2) too. Totals and plans are
compared with those on the log, each folder with the digest on the log, and with --published byte for byte. --all
--out DIR rebuilds every folder; one that is in DIR already is compared byte for byte too, and stays. Without the keys
of the signer, signatures are not made again: the published ones are checked.

Exit codes: 0 all the same, 1 failed, 2 the command line is wrong, 4 differences.")]
pub struct ReplayArgs {
    /// Where the messages come from
    #[arg(long, value_enum)]
    from: Origin,
    /// The archive: a folder, or s3://BUCKET/PREFIX
    #[arg(long, value_name = "DIR|URL")]
    objects: Option<String>,
    #[command(flatten)]
    log: LogArgs,
    /// The cycle, such as 2018-09-01-001, with all its versions [default: the last one]
    #[arg(long, conflicts_with = "all")]
    cycle: Option<Cycle>,
    /// Every cycle
    #[arg(long)]
    all: bool,
    /// The folder in which closed cycles are published, to be compared
    #[arg(long, value_name = "DIR")]
    published: Option<PathBuf>,
    /// CA certificates (PEM) by which published signatures are checked [default: ca.pem in --published]
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Sign with the pairs of this folder, to compare signatures byte for byte; needs --ca
    #[arg(long, value_name = "DIR", requires = "ca")]
    signing_dir: Option<PathBuf>,
    /// Put the folders that are made here; one that is there already is compared, and stays as it is
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Keep the partitions' stores here, for clearing nodes to go on with
    #[arg(long, value_name = "DIR")]
    stores: Option<PathBuf>,
    /// Folder to work in [default: a temporary one]
    #[arg(long, value_name = "DIR")]
    work: Option<PathBuf>,
    /// Most differences that are shown
    #[arg(long, default_value_t = 100)]
    differences_max: usize,
    /// How to print
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// Where messages come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Origin {
    /// An archive: --objects
    Archive,
    /// A running system: --kafka
    Kafka,
    /// An embedded log: --log
    Log,
}

/// Runs the command.
///
/// # Errors
/// What failed, with what to do next.
pub fn run(args: &ReplayArgs) -> Result<ExitCode> {
    let (work, _temporary) = work(args.work.as_deref())?;
    let (log, topics, facts) = open(args, &work)?;
    let cycles = match (args.all, args.cycle) {
        (true, _) => 1..=facts.last_published(),
        (false, Some(cycle)) => cycle.of(&facts).map(|cycle| cycle..=cycle)?,
        (false, None) => facts.last_published().max(1)..=facts.last_published(),
    };
    if cycles.is_empty() {
        return Err(Usage("no cycle is closed and published there yet".to_owned()).into());
    }
    let signatures = Signatures::of(args)?;
    let bar = Progress::bar();
    let shown = |what: &str, done, total| bar.at(what, done, total);
    let stores = args.stores.clone().unwrap_or_else(|| work.join("stores"));
    let keep = args.stores.is_some();
    let replay = Replay::fold(&log, &topics, &facts, *cycles.end(), &stores, keep, &shown);
    let found = replay.map_err(anyhow::Error::from).and_then(|replay| {
        Replaying { args, facts: &facts, replay, signatures: &signatures, work: &work, bar: &bar }
            .cycles(cycles)
    });
    bar.finish();
    let found = found.context("failed to replay")?;
    show(args, &found, signatures.looked_at(args, found.kept()))
}

fn open(args: &ReplayArgs, work: &Path) -> Result<(Arc<dyn Log>, Topics, Facts)> {
    let wrong = |text: &str| Err(Usage(text.to_owned()).into());
    match args.from {
        Origin::Archive => {
            let archive = Chain::open(&objects(args.objects.as_deref())?).map_err(refused)?;
            if archive.cycles.is_empty() {
                return wrong("no cycle is archived there; `cityunion archive` writes them");
            }
            let log = ArchiveLog::open(archive.clone(), work).map_err(refused)?;
            let topics = Topics::default();
            let facts = archive::write::facts(&log, &topics, &archive, work).map_err(refused)?;
            Ok((Arc::new(log), topics, facts))
        }
        Origin::Kafka if args.log.kafka.is_none() => wrong("--from kafka needs --kafka HOST:PORT"),
        Origin::Log if args.log.log.is_none() => wrong("--from log needs --log DIR"),
        Origin::Kafka | Origin::Log => {
            let (log, topics) = args.log.open()?;
            let facts = archive::write::live_facts(log.as_ref(), &topics).map_err(refused)?;
            Ok((log, topics, facts))
        }
    }
}

/// How signatures are compared.
struct Signatures {
    /// Who makes them again, on a machine with the keys.
    signers: Option<Signers>,
    /// By what the published ones are checked.
    trust: Option<Trust>,
}

impl Signatures {
    fn of(args: &ReplayArgs) -> Result<Self> {
        let published: Vec<PathBuf> = args.published.iter().cloned().collect();
        let trust = signatures::trust(args.ca.as_deref(), &published)?;
        let signers = match (&args.signing_dir, &args.ca) {
            (Some(folder), Some(ca)) => Some(Signers::open(folder, ca, None)),
            _ => None,
        };
        Ok(Self { signers: signers.transpose().context("failed to replay")?, trust })
    }

    /// What people are told of them; `kept` if folders were compared that were in --out.
    fn looked_at(&self, args: &ReplayArgs, kept: bool) -> &'static str {
        match (&args.published, &self.signers, &self.trust) {
            (None, ..) if !kept => "",
            (_, Some(_), _) => "; signatures too, byte for byte",
            (None, ..) => "; signatures were NOT checked: name the folder with --published too",
            (_, None, Some(_)) => "; signatures were checked, not made again",
            (_, None, None) => "; signatures were NOT checked: there is no ca.pem and no --ca",
        }
    }
}

struct Replaying<'a> {
    args: &'a ReplayArgs,
    facts: &'a Facts,
    replay: Replay<'a>,
    signatures: &'a Signatures,
    work: &'a Path,
    bar: &'a Progress,
}

impl Replaying<'_> {
    fn cycles(&self, cycles: std::ops::RangeInclusive<u32>) -> Result<Found> {
        let mut found = Found::new(self.args.differences_max);
        // Folders appear by renaming, so what is worked on stands beside them.
        let out = self.args.out.clone().unwrap_or_else(|| self.work.join("out"));
        let scratch = out.join(".replay");
        let made = || format!("make {}", scratch.display());
        std::fs::create_dir_all(&scratch).with_context(made)?;
        let (first, total) = (*cycles.start(), u64::from(cycles.end() - cycles.start()) + 1);
        for cycle in cycles {
            self.bar.at("cycles rendered and compared", u64::from(cycle - first), total);
            self.replay.reports(cycle, &scratch, &out)?;
            // Where nothing is yet: a folder that is there already proves nothing.
            let fresh = tempfile::Builder::new().prefix(".made-").tempdir_in(&scratch).with_context(made)?;
            let folders = self.versions(cycle, &scratch, fresh.path(), &mut found)?;
            self.keep(&folders, fresh.path(), &mut found)?;
            self.unknown(cycle, &mut found);
        }
        // Nothing is left in it but what an interrupted run left.
        drop(std::fs::remove_dir_all(&scratch));
        Ok(found)
    }

    /// Makes every version of a cycle in `fresh` and compares it; returns the names of the folders.
    fn versions(&self, cycle: u32, scratch: &Path, fresh: &Path, found: &mut Found) -> Result<Vec<String>> {
        let signers = self.signatures.signers.as_ref();
        let mut previous = self.facts.followed_by(cycle).cloned();
        let mut folders = Vec::new();
        for logged in self.facts.versions(cycle) {
            let version = (cycle, logged.version.max(1));
            found.begin(&logged.folder);
            self.replay.check(version.0, version.1)?.into_iter().for_each(|it| found.plan(it));
            let made = self.replay.render(version, previous.as_ref(), signers, scratch, fresh)?;
            found.digest(logged, &made);
            self.published(&made.folder, fresh, found)?;
            found.end();
            folders.push(made.folder.clone());
            previous = Some(made);
        }
        Ok(folders)
    }

    /// Compares a folder that was made with the published one.
    fn published(&self, name: &str, fresh: &Path, found: &mut Found) -> Result<()> {
        let Some(published) = &self.args.published else { return Ok(()) };
        let folder = published.join(name);
        if !folder.is_dir() {
            if !self.publishes() && cycles(published).is_empty() {
                let at = folder.display();
                let text = format!("{at} is not there; --published names the folder of closed cycles");
                return Err(Usage(text).into());
            }
            found.missing(name);
            return Ok(());
        }
        self.compare(&folder, &fresh.join(name), found)?;
        if let (None, Some(trust)) = (&self.signatures.signers, &self.signatures.trust) {
            found.signatures(files::verify::check_signatures(&folder, trust)?);
        }
        Ok(())
    }

    /// Puts the folders that were made into --out. One that is there already is compared, and stays as it is.
    fn keep(&self, folders: &[String], fresh: &Path, found: &mut Found) -> Result<()> {
        let Some(out) = &self.args.out else { return Ok(()) };
        for name in folders {
            let (there, made) = (out.join(name), fresh.join(name));
            if !there.is_dir() {
                files::publish(&made, out, name)?;
                continue;
            }
            // Where --out is --published it was compared already.
            if !self.publishes() {
                found.begin_kept(&there);
                self.compare(&there, &made, found)?;
                found.end();
            }
        }
        Ok(())
    }

    /// Whether --out is the folder in which closed cycles are published.
    fn publishes(&self) -> bool {
        let real = |folder: Option<&PathBuf>| folder.and_then(|it| it.canonicalize().ok());
        let out = real(self.args.out.as_ref());
        out.is_some() && out == real(self.args.published.as_ref())
    }

    /// Compares a folder that is there with the one that was made, byte for byte.
    fn compare(&self, there: &Path, made: &Path, found: &mut Found) -> Result<()> {
        let left = self.args.differences_max.saturating_sub(found.listed());
        found.files(compare(there, made, self.signatures.signers.is_some(), left)?);
        Ok(())
    }

    /// Versions of a cycle that are published and of which this log says nothing.
    fn unknown(&self, cycle: u32, found: &mut Found) {
        let Some(published) = &self.args.published else { return };
        let known: Vec<&str> = self.facts.versions(cycle).map(|logged| logged.folder.as_str()).collect();
        let Some(first) = known.first() else { return };
        let name = |path: PathBuf| path.file_name().map(|name| name.to_string_lossy().into_owned());
        let begins = format!("{first}.v");
        let all = cycles(published).into_iter().filter_map(name);
        for folder in all.filter(|it| it.starts_with(&begins) && !known.contains(&it.as_str())) {
            // What was said since the last archived publication, of whatever cycle, is archived with the next one.
            found.unknown(&folder, self.args.from == Origin::Archive);
        }
    }
}

fn show(args: &ReplayArgs, found: &Found, signatures: &str) -> Result<ExitCode> {
    let facts = json!({ "same": found.same(), "differences_total": found.total() });
    let facts = match facts {
        Value::Object(facts) => facts,
        _ => serde_json::Map::new(),
    };
    print(args.output, &facts, &[found.cycles(), found.differences()])?;
    for text in found.notes() {
        say(args.output, &format!("\nnote: {text}"));
    }
    let hidden = found.total() - u64::try_from(found.listed()).unwrap_or(u64::MAX);
    if hidden > 0 {
        say(args.output, &format!("  and {hidden} more"));
    }
    if found.same() {
        say(args.output, &format!("\neverything came out the same{signatures}"));
        return Ok(ExitCode::SUCCESS);
    }
    say(args.output, "\nNOT the same: what is published is not what the log says");
    if args.out.is_some() {
        let text =
            "--out writes over nothing: move a folder that differs away, and replay again to have it made";
        say(args.output, text);
    }
    Ok(ExitCode::from(DIFFERENT))
}
