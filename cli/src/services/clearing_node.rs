//! The clearing node alone.

use std::{
    fs,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use clearing_node::node::{CycleStatus, Node, NodeConfig, Request};
use cu_log::topics::Topics;
use domain::{date::Date, rulebook::Rulebook};
use runtime::scheme::SchemeView;
use serde::{Deserialize, Serialize};

use super::{Configured, LogConfig, network, until_stopped};
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
    /// The rules; published to the log when their version is new.
    rulebook: PathBuf,
    /// Seconds between cut-offs, each with the next business date, for trials. Without it a cycle ends when its
    /// business date is over in UTC+8, also one that was over while the node was away.
    cut_off_every_s: Option<u64>,
    /// How long a cut-off waits for the switches before it leaves out who is behind.
    #[serde(default = "barrier_s_max")]
    barrier_s_max: u64,
    /// Business date of the very first cycle; today in UTC+8 if it is not given.
    first_business_date: Option<Date>,
}

/// How long after a refusal the coordinator is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(5);

const fn barrier_s_max() -> u64 {
    600
}

impl Configured for Config {
    fn check(&self) -> Result<()> {
        if self.cut_off_every_s == Some(0) {
            bail!("cut_off_every_s must be at least 1");
        }
        self.rules().map(drop)
    }
}

impl Config {
    fn rules(&self) -> Result<Rulebook> {
        let path = self.rulebook.display();
        let bytes = fs::read(&self.rulebook).with_context(|| format!("read {path}"))?;
        Rulebook::parse(&bytes).with_context(|| format!("use {path}"))
    }
}

pub(super) fn run(config: Config) -> Result<()> {
    let (log, topics) = config.log.open("cityunion-clearing-node")?;
    let rulebook = config.rules()?;
    log.create_topics(&topics_of(&topics, &rulebook)).context("create the topics")?;
    let scheme = Arc::new(SchemeView::follow(&log, &topics)?);
    publish_rulebook(log.as_ref(), &topics, &scheme, &rulebook)?;
    let node = NodeConfig {
        state_dir: config.state_dir.clone(),
        work_dir: config.out_dir.join(".work"),
        out_dir: config.out_dir.clone(),
        partitions: rulebook.partitions,
        barrier_max: Some(Duration::from_secs(config.barrier_s_max)),
    };
    let node = Node::start(node, &log, &topics, &scheme)?;
    tracing::info!("clearing {} partitions into {}", rulebook.partitions, config.out_dir.display());
    let mut clock = CutOffs {
        config: &config,
        version: rulebook.version,
        since: Instant::now(),
        cycle: None,
        asked: None,
        asked_at: None,
    };
    let tokio = network()?;
    until_stopped(&tokio, || {
        if let Some(why) = node.failed() {
            bail!("the clearing node stands still: {why}");
        }
        clock.look(&node);
        Ok(())
    })
}

fn topics_of(topics: &Topics, rulebook: &Rulebook) -> Vec<cu_log::TopicSpec> {
    let mut specs = topics.of_centre(rulebook.partitions);
    rulebook.participants.iter().for_each(|p| specs.extend(topics.of_city(p.city)));
    specs
}

/// Opens the first cycle, and cuts off when it is time.
struct CutOffs<'a> {
    config: &'a Config,
    version: u32,
    /// The last cycle, and since when it has been seen here.
    cycle: Option<u32>,
    since: Instant,
    /// The cycle for which this was asked already, and when.
    asked: Option<u32>,
    asked_at: Option<Instant>,
}

impl CutOffs<'_> {
    fn look(&mut self, node: &Node) {
        let status = node.status();
        let paused = self.asked_at.is_some_and(|at| at.elapsed() < ASK_AGAIN);
        if let Some(why) = status.refused.as_ref().filter(|_| !paused) {
            tracing::warn!("the coordinator refused: {why}; it is asked again");
            self.asked = None;
        }
        if status.openings.last().map(|last| last.cycle) != self.cycle {
            self.cycle = status.openings.last().map(|last| last.cycle);
            self.since = Instant::now();
        }
        if let Some((cycle, request)) = self.due(&status)
            && self.asked.replace(cycle) != Some(cycle)
        {
            node.request(request);
            self.asked_at = Some(Instant::now());
        }
    }

    fn due(&self, status: &CycleStatus) -> Option<(u32, Request)> {
        if !status.caught_up {
            return None;
        }
        let version = self.version;
        let Some(last) = status.openings.last() else {
            let business_date = self.config.first_business_date.unwrap_or_else(crate::today);
            return Some((0, Request::Open { business_date, version }));
        };
        let next = Date::from_julian_day(last.business_date).plus_days(1);
        if !status.open {
            return Some((last.cycle, Request::Open { business_date: next, version }));
        }
        let time = match self.config.cut_off_every_s {
            Some(every) => self.since.elapsed() >= Duration::from_secs(every),
            None => crate::today() >= next,
        };
        time.then_some((last.cycle, Request::CutOff { opens: Some((next, version)) }))
    }
}
