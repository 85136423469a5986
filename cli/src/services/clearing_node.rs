//! The clearing node alone.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context, Result, bail};
use clearing_node::{
    archiver::{Archiver, TRY_AGAIN},
    metrics::Metrics,
    node::{CycleStatus, Node, NodeConfig, NodeError, Role},
    partition::{Progress, State},
    snapshot::{KEEP, Pruning, Restorer, SnapshotConfig, SnapshotMetrics, Snapshotter},
};
use cu_log::topics::Topics;
use cu_objects::Objects;
use domain::{date::Date, rulebook::Rulebook};
use runtime::{
    admin::{AdminConfig, Missing},
    log_watch::LogWatch,
    scheme::SchemeView,
};
use serde::{Deserialize, Serialize};
use signing::{Algorithm, Signers, Trust};

use super::{
    Configured, LogConfig,
    cycles::{
        Ask, Asked, Desk,
        clock::{self, Clock, CutOffs, Ruled},
        limits::Watch,
        node::NodeView,
        view::CutOff as CutOffAsked,
    },
    frame::Frame,
    snapshots::Snapshots,
};
use crate::{house::publish_rulebook, signatures};

/// `clearing-node.toml`.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Config {
    log: LogConfig,
    /// Folder of the partitions' stores.
    state_dir: PathBuf,
    /// Folder in which closed cycles appear; rendering works in a hidden folder inside it.
    out_dir: PathBuf,
    /// The object store, by way of which partitions have their share in a cycle's folder: a folder or
    /// `s3://BUCKET/PREFIX`; without it the folder `objects` in `state_dir`. Several nodes share one.
    objects: Option<String>,
    /// Whether each published cycle's part of the log goes to the object store; without this, if `objects` is given.
    archive: Option<bool>,
    /// Folder of the pairs `signer-NAME.pem`, `signer-NAME.key` that sign cycles; without it they are not signed.
    signing_dir: Option<PathBuf>,
    /// Certificates of the CA that issued those pairs (PEM); they are left as `ca.pem` beside the cycles.
    ca: Option<PathBuf>,
    /// Certificates of the CA that certifies people, banks and participants (PEM); without it their acts are refused.
    people_ca: Option<PathBuf>,
    /// The only algorithm whose pairs are taken; without it each pair signs as its key does.
    signing_algorithm: Option<Algorithm>,
    /// How much rendering stands back behind clearing, as `nice`: 0 (not at all) to 19.
    #[serde(default = "render_niceness")]
    render_niceness: u8,
    /// How long after a snapshot of a partition the next is taken; 0: none is ever taken.
    #[serde(default = "snapshot_every_s")]
    snapshot_every_s: u64,
    /// How many of the newest snapshots of a partition are kept.
    #[serde(default = "snapshots_kept")]
    snapshots_kept: usize,
    /// The rules; published to the log when their version is new.
    rulebook: PathBuf,
    /// When a cycle ends.
    #[serde(default)]
    cut_off: CutOff,
    /// Seconds between cut-offs, each with the next business date, for trials; in place of `cut_off`.
    cut_off_every_s: Option<u64>,
    /// How long a cut-off waits for the switches before it leaves out who is behind.
    #[serde(default = "barrier_s_max")]
    barrier_s_max: u64,
    /// Business date of the very first cycle; today in UTC+8 if it is not given.
    first_business_date: Option<Date>,
    /// The admin port; none without it.
    admin: Option<AdminConfig>,
}

/// When a cycle ends.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum CutOff {
    /// At the cut-off times of the rulebook, else when its business date is over, in UTC+8; also one that was over while
    /// the node was away.
    #[default]
    ByDate,
    /// When somebody asks: `cityunion cycle cut-off`.
    ByHand,
}

const fn barrier_s_max() -> u64 {
    600
}

const fn render_niceness() -> u8 {
    10
}

const fn snapshot_every_s() -> u64 {
    300
}

const fn snapshots_kept() -> usize {
    KEEP
}

impl Configured for Config {
    fn check(&self) -> Result<()> {
        if self.render_niceness > 19 {
            bail!("render_niceness must be 0 to 19");
        }
        if self.snapshots_kept == 0 {
            bail!("snapshots_kept must be at least 1");
        }
        if self.cut_off_every_s == Some(0) {
            bail!("cut_off_every_s must be at least 1");
        }
        if self.cut_off == CutOff::ByHand && self.cut_off_every_s.is_some() {
            bail!("cut_off = \"by_hand\" and cut_off_every_s contradict each other: leave one of them out");
        }
        if self.cut_off == CutOff::ByHand && self.admin.is_none() {
            bail!(
                "cut_off = \"by_hand\" needs an admin port to ask on: set admin.listen, such as \"127.0.0.1:7400\""
            );
        }
        self.admin.as_ref().map_or(Ok(()), AdminConfig::check)?;
        if let Some((folder, ca)) = self.pairs()? {
            Signers::open(folder, ca, self.signing_algorithm).context("use signing_dir and ca")?;
        }
        self.people()?;
        self.rules().map(drop)
    }
}

impl Config {
    fn cut_offs(&self) -> CutOffs {
        match (self.cut_off_every_s, self.cut_off) {
            (Some(every), _) => CutOffs::Every(Duration::from_secs(every)),
            (None, CutOff::ByDate) => CutOffs::ByDate,
            (None, CutOff::ByHand) => CutOffs::ByHand,
        }
    }

    /// The folder of pairs and the CA's file.
    fn pairs(&self) -> Result<Option<(&Path, &Path)>> {
        match (&self.signing_dir, &self.ca) {
            (Some(folder), Some(ca)) => Ok(Some((folder, ca))),
            (None, None) => Ok(None),
            _ => bail!("signing_dir and ca belong together: set both, or none where cycles are not signed"),
        }
    }

    fn signers(&self) -> Result<Option<Arc<Signers>>> {
        let Some((folder, ca)) = self.pairs()? else {
            signatures::unsigned(&self.out_dir, "signing_dir is not set")?;
            tracing::warn!("signing_dir is not set: closed cycles are not signed");
            return Ok(None);
        };
        signatures::open(folder, ca, self.signing_algorithm, &self.out_dir).map(Some)
    }

    fn archive(&self) -> bool {
        self.archive.unwrap_or(self.objects.is_some())
    }

    fn objects(&self) -> String {
        let beside = || self.state_dir.join("objects").to_string_lossy().into_owned();
        self.objects.clone().unwrap_or_else(beside)
    }

    fn snapshots(&self, objects: &Objects, node: &Node) -> Result<Snapshots> {
        if self.snapshot_every_s == 0 {
            return Ok(Snapshots::new(None));
        }
        if self.objects.is_none() {
            tracing::warn!(
                "objects is not set: snapshots stay in {}, where no other node finds them",
                objects.place()
            );
        }
        let config = SnapshotConfig {
            objects: objects.clone(),
            state_dir: self.state_dir.clone(),
            every: Duration::from_secs(self.snapshot_every_s),
            pruning: Pruning { keep: self.snapshots_kept, ..Pruning::default() },
        };
        Ok(Snapshots::new(Some(Snapshotter::start(config, node.stores().clone())?)))
    }

    fn people(&self) -> Result<Option<Trust>> {
        self.people_ca.as_deref().map(Trust::read).transpose().context("use people_ca")
    }

    fn rules(&self) -> Result<Rulebook> {
        let path = self.rulebook.display();
        let bytes = fs::read(&self.rulebook).with_context(|| format!("read {path}"))?;
        Rulebook::parse(&bytes).with_context(|| format!("use {path}"))
    }
}

pub(super) fn run(config: Config) -> Result<()> {
    let desk = Desk::default();
    let frame = Frame::start("clearing-node", config.admin.as_ref(), desk.routes())?;
    let Some((log, topics)) = frame.log(&config.log, "cityunion-clearing-node")? else { return Ok(()) };
    let rulebook = config.rules()?;
    log.create_topics(&topics_of(&topics, &rulebook)).context("create the topics")?;
    let scheme = Arc::new(SchemeView::follow(&log, &topics)?);
    publish_rulebook(log.as_ref(), &topics, &scheme, &rulebook)?;
    let objects = Objects::open(&config.objects())?;
    let archiver = config.archive().then(|| {
        let drafts = config.out_dir.join(".work").join(name_of_node(&config.state_dir)?);
        let archiver = Archiver::start(&log, &topics, &objects, drafts, TRY_AGAIN);
        archiver.context("start the thread that archives cycles")
    });
    let archiver = archiver.transpose()?;
    let node = NodeConfig {
        state_dir: config.state_dir.clone(),
        work_dir: config.out_dir.join(".work").join(name_of_node(&config.state_dir)?),
        objects: objects.clone(),
        render_niceness: config.render_niceness.into(),
        out_dir: config.out_dir.clone(),
        signers: config.signers()?,
        people: config.people()?,
        partitions: rulebook.partitions,
        barrier_max: Some(Duration::from_secs(config.barrier_s_max)),
        restore: Some(Arc::new(Restorer::new(objects.clone()))),
    };
    let watched = (0..rulebook.partitions).map(|number| topics.clearing(number)).collect();
    let watch = frame.watch(&log, watched)?;
    let node = Node::start(node, &log, &topics, &scheme)?;
    tracing::info!(
        "a member of the clearing nodes that share {} partitions; closed cycles go to {}",
        rulebook.partitions,
        config.out_dir.display()
    );
    let metrics = frame.board.register(Metrics::register);
    let snapshot_metrics = frame.board.register(SnapshotMetrics::register);
    let clock = Clock::new(config.cut_offs(), config.first_business_date);
    let out_dir = std::path::absolute(&config.out_dir).context("find out_dir")?;
    let mut snapshots = config.snapshots(&objects, &node)?;
    let mut cycles = Cycles {
        clock,
        desk,
        started: Instant::now(),
        asked: None,
        out_dir,
        scheme: Arc::clone(&scheme),
        own_version: rulebook.version,
        watch: Watch::default(),
    };
    frame.run(|| {
        if let Some(why) = node.membership_failed() {
            bail!("{why}");
        }
        if let Some(why) = scheme.failed() {
            bail!("the cycles cannot be followed any more: {why}");
        }
        let end = |partition| watch.end(&topics.clearing(partition));
        let status = node.status();
        let missing = missing(&node, &status, &watch);
        let told = missing.iter().map(|missing| format!("{}: {}", missing.what, missing.why)).collect();
        if let (Some(archiver), Some(last)) = (&archiver, status.published.last())
            && status.role == Role::Coordinates
        {
            archiver.published(last.cycle);
        }
        let taken = snapshots.status();
        cycles.desk.show_node(NodeView::of(&node, rulebook.partitions, end, &taken, told));
        cycles.look(&node, status, &mut snapshots);
        metrics.show(&node, end);
        metrics.show_exposures(cycles.watch.exposures());
        snapshot_metrics.show(&taken, SystemTime::now());
        if let Some(archiver) = &archiver {
            metrics.show_archive(&archiver.status());
        }
        Ok(missing)
    })
}

/// What keeps the node from its work. A node that owns nothing is ready: it stands by.
fn missing(node: &Node, status: &CycleStatus, watch: &LogWatch) -> Vec<Missing> {
    let mut missing: Vec<Missing> = watch.trouble().map(|why| Missing::new("log", why)).into_iter().collect();
    if node.waits_for_share() {
        missing.push(Missing::new("group", "the group has not given this node a share yet"));
    }
    match status.role {
        Role::Reading => {
            missing.push(Missing::new("cycles", "the events of earlier cycles are still being read"))
        }
        Role::TakingOver => {
            missing.push(Missing::new("cycles", "this node is taking over their coordination"))
        }
        Role::Standby | Role::Coordinates if !status.open => {
            missing.push(Missing::new("cycle", "none is open yet"));
        }
        Role::Standby | Role::Coordinates => {}
    }
    if let Some(why) = &status.halted {
        missing.push(Missing::new("close", why.as_str()));
    }
    if let Some(why) = status.unrendered.as_ref().filter(|_| status.role == Role::Coordinates) {
        missing.push(Missing::new("folder", why.as_str()));
    }
    if let Some(why) = &status.segment_failed {
        missing.push(Missing::new("segment", why.as_str()));
    }
    for (number, progress) in node.partitions() {
        let next = progress.next_offset.load(Ordering::Relaxed);
        let end = progress.catch_up_to.load(Ordering::Relaxed);
        let why = match progress.state() {
            State::Working if next >= end => continue,
            State::Working => format!("partition {number} is at {next} of {end}"),
            State::Opening | State::Ended => format!("partition {number} is being opened"),
            State::Retrying(why) => format!("partition {number} is tried again: {why}"),
            State::Stopped(why) => format!("partition {number} is stopped: {why}"),
        };
        missing.push(Missing::new("book", why));
    }
    missing
}

/// Opens cycles and ends them, by itself or when somebody asks, where this node coordinates them.
struct Cycles {
    clock: Clock,
    desk: Desk,
    started: Instant,
    /// A cut-off that somebody asked for and that the coordinator has not answered, with its cycle.
    asked: Option<(u32, Asked)>,
    out_dir: PathBuf,
    scheme: Arc<SchemeView>,
    /// The version that this node put on the log when it started.
    own_version: u32,
    /// What participants with a cap owe.
    watch: Watch,
}

impl Cycles {
    fn look(&mut self, node: &Node, mut status: CycleStatus, snapshots: &mut Snapshots) {
        snapshots.look();
        self.watch_limits(node, &mut status);
        self.act(node, &status, snapshots);
        self.desk.show(status, self.out_dir.clone());
    }

    /// Puts beside the open cycle what its participants owe so far, and tells it where a level is reached.
    fn watch_limits(&mut self, node: &Node, status: &mut CycleStatus) {
        let Some(opening) = status.open_cycle().cloned() else { return };
        let Some(rulebook) = self.scheme.rulebook_of(&opening) else { return };
        let partitions = node.partitions();
        let alarms = self.watch.look(&opening, &rulebook, &partitions, self.started.elapsed());
        alarms.into_iter().for_each(|alarm| node.alarm(alarm));
        if let Some(open) = status.cycles.iter_mut().find(|cycle| cycle.opening.cycle == opening.cycle) {
            open.exposures = self.watch.exposures().to_vec();
        }
    }

    fn act(&mut self, node: &Node, status: &CycleStatus, snapshots: &mut Snapshots) {
        let newest = self.scheme.rulebooks().last().map_or(self.own_version, |newest| newest.version);
        let rules = status.openings.last().and_then(|last| self.scheme.rulebook_of(last));
        let ruled = Ruled { newest, terms: rules.as_ref().map(|rules| &rules.terms) };
        if let Some((cycle, asked)) = self.asked.take() {
            match clock::outcome(cycle, status) {
                None => self.asked = Some((cycle, asked)),
                Some(outcome) => asked.answer(outcome),
            }
            return;
        }
        if let Some(asked) = self.desk.take() {
            match asked.ask.clone() {
                Ask::CutOff(cut_off) => self.cut_off(node, status, &ruled, &cut_off, asked),
                Ask::Snapshot(partition) => {
                    let folded = |at: &Arc<Progress>| at.next_offset.load(Ordering::Relaxed);
                    snapshots.ask(partition, node.partitions().get(&partition).map(folded), asked);
                }
                Ask::Resume(partition) => asked.answer(match node.resume(partition) {
                    Err(NodeError::Refused(why)) => Err(why),
                    Err(error) => Err(error.to_string()),
                    Ok(()) => Ok(()),
                }),
            }
            return;
        }
        let looked = self.clock.look(status, &ruled, self.started.elapsed(), crate::local_now());
        if let Some(why) = looked.refused {
            tracing::warn!("the coordinator refused: {why}; it is asked again");
        }
        if let Some(request) = looked.request {
            node.request(request);
        }
    }

    fn cut_off(
        &mut self,
        node: &Node,
        status: &CycleStatus,
        ruled: &Ruled<'_>,
        wanted: &CutOffAsked,
        asked: Asked,
    ) {
        match self.clock.by_hand(wanted, status, ruled, crate::today()) {
            Err(why) => asked.answer(Err(why)),
            Ok((cycle, request)) => {
                tracing::info!("cut-off of {} by hand", wanted.cycle);
                node.request(request);
                self.asked = Some((cycle, asked));
            }
        }
    }
}

/// A name that no other node has on a shared `out_dir`, and that this one has again after a restart.
fn name_of_node(state_dir: &Path) -> Result<String> {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let folder = std::path::absolute(state_dir).context("find state_dir")?;
    let digest = proto::digest::bytes(format!("{}:{}", host.trim(), folder.display()).as_bytes());
    Ok(digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect())
}

fn topics_of(topics: &Topics, rulebook: &Rulebook) -> Vec<cu_log::TopicSpec> {
    let mut specs = topics.of_centre(rulebook.partitions);
    rulebook.participants.iter().for_each(|p| specs.extend(topics.of_city(p.city)));
    specs
}
