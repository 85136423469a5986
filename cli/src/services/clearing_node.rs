//! The clearing node alone.

use std::{
    fs,
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use clearing_node::{
    metrics::Metrics,
    node::{Node, NodeConfig},
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

use super::{
    Configured, LogConfig,
    cycles::{
        Asked, Desk,
        clock::{self, Clock, CutOffs},
        view::View,
    },
    frame::Frame,
};
use crate::house::publish_rulebook;

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
    /// How much rendering stands back behind clearing, as `nice`: 0 (not at all) to 19.
    #[serde(default = "render_niceness")]
    render_niceness: u8,
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
    /// When its business date is over in UTC+8, also one that was over while the node was away.
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

impl Configured for Config {
    fn check(&self) -> Result<()> {
        if self.render_niceness > 19 {
            bail!("render_niceness must be 0 to 19");
        }
        if self.cut_off_every_s == Some(0) {
            bail!("cut_off_every_s must be at least 1");
        }
        if self.cut_off == CutOff::ByHand && self.cut_off_every_s.is_some() {
            bail!("cut_off = \"by_hand\" and cut_off_every_s contradict each other: leave one of them out");
        }
        if self.cut_off == CutOff::ByHand && self.admin.is_none() {
            bail!(
                "cut_off = \"by_hand\" needs an admin port to ask on: set admin.listen, such as \"127.0.0.1:7401\""
            );
        }
        self.admin.as_ref().map_or(Ok(()), AdminConfig::check)?;
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

    fn objects(&self) -> String {
        let beside = || self.state_dir.join("objects").to_string_lossy().into_owned();
        self.objects.clone().unwrap_or_else(beside)
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
    let node = NodeConfig {
        state_dir: config.state_dir.clone(),
        work_dir: config.out_dir.join(".work"),
        objects: Objects::open(&config.objects())?,
        render_niceness: config.render_niceness.into(),
        out_dir: config.out_dir.clone(),
        partitions: rulebook.partitions,
        barrier_max: Some(Duration::from_secs(config.barrier_s_max)),
    };
    let ends = (0..rulebook.partitions).map(|number| Ok(log.bounds(&topics.clearing(number))?.end));
    let ends: Vec<u64> = ends.collect::<Result<_>>()?;
    let watched = (0..rulebook.partitions).map(|number| topics.clearing(number)).collect();
    let watch = frame.watch(&log, watched)?;
    let node = Node::start(node, &log, &topics, &scheme)?;
    tracing::info!("clearing {} partitions into {}", rulebook.partitions, config.out_dir.display());
    let metrics = frame.board.register(Metrics::register);
    let clock = Clock::new(config.cut_offs(), config.first_business_date, rulebook.version);
    let out_dir = std::path::absolute(&config.out_dir).context("find out_dir")?;
    let mut cycles = Cycles { clock, desk, started: Instant::now(), asked: None, out_dir };
    frame.run(|| {
        if let Some(why) = node.failed() {
            bail!("the clearing node stands still: {why}");
        }
        if let Some(why) = scheme.failed() {
            bail!("the cycles cannot be followed any more: {why}");
        }
        cycles.look(&node);
        metrics.show(&node, |partition| watch.end(&topics.clearing(partition)));
        Ok(missing(&node, &watch, &ends))
    })
}

/// What keeps the node from its work. `ends` is where its partitions ended when it started.
fn missing(node: &Node, watch: &LogWatch, ends: &[u64]) -> Vec<Missing> {
    let mut missing: Vec<Missing> = watch.trouble().map(|why| Missing::new("log", why)).into_iter().collect();
    let status = node.status();
    if !status.caught_up {
        missing.push(Missing::new("cycles", "the events of earlier cycles are still being read"));
    } else if !status.open {
        missing.push(Missing::new("cycle", "none is open yet"));
    }
    for (number, (partition, end)) in node.partitions.iter().zip(ends).enumerate() {
        let next = partition.progress.next_offset.load(Ordering::Relaxed);
        if next < *end {
            let why = format!("partition {number} is at {next} of {end}");
            missing.push(Missing::new("book", why));
        }
    }
    missing
}

/// Opens cycles and ends them, by itself or when somebody asks.
struct Cycles {
    clock: Clock,
    desk: Desk,
    started: Instant,
    /// A cut-off that somebody asked for and that the coordinator has not answered, with its cycle.
    asked: Option<(u32, Asked)>,
    out_dir: PathBuf,
}

impl Cycles {
    fn look(&mut self, node: &Node) {
        let status = node.status();
        self.desk.show(View::of(&status, &self.out_dir));
        if let Some((cycle, asked)) = self.asked.take() {
            match clock::outcome(cycle, &status) {
                None => self.asked = Some((cycle, asked)),
                Some(outcome) => asked.answer(outcome),
            }
            return;
        }
        if let Some(asked) = self.desk.take() {
            match self.clock.by_hand(&asked.cut_off, &status, crate::today()) {
                Err(why) => asked.answer(Err(why)),
                Ok((cycle, request)) => {
                    tracing::info!("cut-off of {} by hand", asked.cut_off.cycle);
                    node.request(request);
                    self.asked = Some((cycle, asked));
                }
            }
            return;
        }
        let looked = self.clock.look(&status, self.started.elapsed(), crate::today());
        if let Some(why) = looked.refused {
            tracing::warn!("the coordinator refused: {why}; it is asked again");
        }
        if let Some(request) = looked.request {
            node.request(request);
        }
    }
}

fn topics_of(topics: &Topics, rulebook: &Rulebook) -> Vec<cu_log::TopicSpec> {
    let mut specs = topics.of_centre(rulebook.partitions);
    rulebook.participants.iter().for_each(|p| specs.extend(topics.of_city(p.city)));
    specs
}
