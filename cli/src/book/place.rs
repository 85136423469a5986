//! Where the book is that a command speaks to, and how it is heard.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use clearing_node::node::{Node, NodeConfig};
use cu_log::{
    Log, Partition, append_and_wait,
    kafka::{KafkaConfig, KafkaLog},
    topics::Topics,
    visit_range,
};
use cu_objects::Objects;
use domain::{city::City, rulebook::Rulebook};
use proto::{Bytes, CityEvent, Clearing, CycleEvent, Message, city_event::What, clearing, cycle_event};
use runtime::scheme::SchemeView;

use crate::{clear::state::State, errors::Usage, signatures};

/// How long a message may take to become durable.
const APPEND_WAIT: Duration = Duration::from_secs(60);
/// How long the only node may take to open its stores.
const WHOLE_WAIT: Duration = Duration::from_secs(120);
/// How long one look at the log waits.
const POLL: Duration = Duration::from_millis(50);
/// What it calls itself before Kafka.
const CLIENT: &str = "cityunion-book";

/// Where the book is.
#[derive(clap::Args, Debug)]
pub struct PlaceArgs {
    /// OUT of `cityunion clear`; nothing else may be working on it
    #[arg(long = "in", value_name = "OUT", conflicts_with = "config")]
    folder: Option<PathBuf>,
    /// Address of the Apache Kafka on which clearing nodes are running
    #[arg(long, value_name = "HOST:PORT")]
    kafka: Option<String>,
    /// What the names of its topics begin with
    #[arg(long, default_value = "", conflicts_with = "folder")]
    prefix: String,
    /// Configuration of a clearing node, for its Kafka and prefix
    #[arg(long, conflicts_with = "kafka")]
    config: Option<PathBuf>,
    /// Seconds to wait for the book's answer
    #[arg(long, default_value_t = 120)]
    wait_s: u64,
}

impl PlaceArgs {
    /// Those of an OUT of `clear`, or without one of clearing nodes on a Kafka.
    pub const fn of(folder: Option<PathBuf>, kafka: Option<String>, prefix: String) -> Self {
        Self { folder, kafka, prefix, config: None, wait_s: 120 }
    }

    /// Whether they name an OUT of `clear`.
    pub const fn is_out(&self) -> bool {
        self.folder.is_some()
    }
}

/// The log on which the book stands, and a node over it where none is running.
pub struct Place {
    pub log: Arc<dyn Log>,
    pub topics: Topics,
    pub scheme: Arc<SchemeView>,
    node: Option<Node>,
    wait: Duration,
    state: Option<State>,
}

impl Place {
    /// Opens what the command line names, with a node over it if it is an OUT.
    pub fn open(args: &PlaceArgs) -> Result<Self> {
        let mut place = Self::read_only(args)?;
        if let (Some(folder), Some(state)) = (&args.folder, &place.state) {
            let partitions = place.scheme.rulebooks().last().map(|rulebook| rulebook.partitions);
            let partitions =
                partitions.context("no rulebook stands on the log; run `cityunion clear` first")?;
            let config = NodeConfig {
                state_dir: state.folder().join("book"),
                work_dir: state.folder().join("work"),
                objects: Objects::open(&state.folder().join("objects").to_string_lossy())?,
                render_niceness: 0,
                out_dir: folder.clone(),
                signers: signatures::remembered(&state.folder(), folder)?,
                people: signatures::people(&state.folder())?,
                partitions,
                barrier_max: None,
                restore: None,
            };
            let node = Node::start(config, &place.log, &place.topics, &place.scheme)?;
            node.wait_until_whole(WHOLE_WAIT)?;
            place.node = Some(node);
        }
        Ok(place)
    }

    /// Opens what the command line names, and starts nothing.
    pub fn read_only(args: &PlaceArgs) -> Result<Self> {
        let wait = Duration::from_secs(args.wait_s);
        let Some(folder) = &args.folder else {
            let (kafka, prefix) = args.address()?;
            let log = KafkaLog::connect(KafkaConfig::new(&kafka, CLIENT))
                .with_context(|| format!("failed to reach Kafka at {kafka}; is it running?"))?;
            let (log, topics): (Arc<dyn Log>, _) = (Arc::new(log), Topics::new(&prefix));
            let scheme = Arc::new(SchemeView::follow(&log, &topics).context("read the cycles")?);
            return Ok(Self { log, topics, scheme, node: None, wait, state: None });
        };
        if !folder.join(".state").is_dir() {
            let text = format!("{} is no OUT of `cityunion clear`: it has no .state", folder.display());
            return Err(Usage(text).into());
        }
        let state = State::open(folder, args.kafka.as_deref())?;
        let (log, topics) = (state.log()?, state.topics());
        let scheme = Arc::new(SchemeView::follow(&log, &topics).context("read the cycles")?);
        Ok(Self { log, topics, scheme, node: None, wait, state: Some(state) })
    }

    /// The rules of the last opening, or before the first the newest version.
    pub fn rulebook(&self) -> Result<Arc<Rulebook>> {
        let newest = || self.scheme.rulebooks().last().cloned();
        self.scheme
            .last_rulebook()
            .or_else(newest)
            .context("no rulebook stands on the log; publish one first")
    }

    /// What the partitions have said of a city so far, each thing once, in the order of the log.
    pub fn history(&self, city: City) -> Result<History> {
        let cycles = self.topics.cycles();
        let bounds = self.log.bounds(&cycles)?;
        let mut history = History { events: Vec::new(), end: bounds.end };
        self.visit(&cycles, bounds.start, bounds.end, &mut |_, payload| {
            if let Some(event) = city_event(payload, city)
                && !history.events.contains(&event)
            {
                history.events.push(event);
            }
            Ok(())
        })?;
        Ok(history)
    }

    /// Visits the messages `from..end` of a partition.
    pub fn visit(
        &self,
        partition: &Partition,
        from: u64,
        end: u64,
        visit: &mut dyn FnMut(u64, Bytes) -> Result<()>,
    ) -> Result<()> {
        let visit = &mut |entry: cu_log::Entry| visit(entry.offset, entry.payload);
        visit_range(self.log.as_ref(), partition, from..end, visit)
    }

    /// Appends a message to a partition and waits until it is durable.
    pub fn append(&self, partition: &Partition, payload: Vec<u8>) -> Result<u64> {
        let mut writer = self.log.writer()?;
        Ok(append_and_wait(writer.as_mut(), partition, payload.into(), APPEND_WAIT)?)
    }

    /// Tells a partition of the book something.
    pub fn tell(&self, partition: u32, body: clearing::Body) -> Result<()> {
        let message = Clearing { body: Some(body) }.encode_to_vec();
        self.append(&self.topics.clearing(partition), message).map(drop)
    }

    /// Waits until the book has said of a city what is looked for, from an offset of `cu.cycles` on.
    pub fn hear<T>(
        &self,
        city: City,
        from: u64,
        what: &str,
        mut found: impl FnMut(&CityEvent) -> Option<T>,
    ) -> Result<T> {
        self.hear_event(from, what, |event| of_city(event, city).as_ref().and_then(&mut found))
    }

    /// Waits until an event is found on `cu.cycles`, from an offset on.
    pub fn hear_event<T>(
        &self,
        from: u64,
        what: &str,
        mut found: impl FnMut(CycleEvent) -> Option<T>,
    ) -> Result<T> {
        let deadline = Instant::now() + self.wait;
        let mut reader = self.log.reader(&[(self.topics.cycles(), from)])?;
        loop {
            for entry in reader.poll(1 << 20, POLL)? {
                if let Some(value) = CycleEvent::decode(entry.payload).ok().and_then(&mut found) {
                    return Ok(value);
                }
            }
            if let Some(why) = self.node.as_ref().and_then(Node::failed) {
                bail!("the book stands still: {why}");
            }
            if Instant::now() > deadline {
                bail!(
                    "the book did not say within {} s {what}; is a clearing node running? The message stands on \
                     the log: run the same command again, it goes on from there",
                    self.wait.as_secs()
                );
            }
        }
    }
}

impl PlaceArgs {
    /// The folder of the stores of an OUT, or of the clearing node that is configured so.
    pub fn book(&self) -> Result<Option<PathBuf>> {
        if let Some(folder) = &self.folder {
            return Ok(Some(folder.join(".state/book")));
        }
        let Some(config) = &self.config else { return Ok(None) };
        let table = table(config)?;
        let Some(state) = table.get("state_dir").and_then(toml::Value::as_str) else {
            return Err(Usage(format!("{} has no state_dir", config.display())).into());
        };
        Ok(Some(state.into()))
    }

    /// The folder of closed cycles of an OUT, or of the clearing node that is configured so.
    pub fn published(&self) -> Result<Option<PathBuf>> {
        if let Some(folder) = &self.folder {
            return Ok(Some(folder.clone()));
        }
        let Some(config) = &self.config else { return Ok(None) };
        Ok(table(config)?.get("out_dir").and_then(toml::Value::as_str).map(PathBuf::from))
    }

    /// The OUT of `clear` that is named, if one is.
    pub fn out(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// Where a service of the configuration that is named keeps its state, or an OUT's own.
    pub fn state(&self) -> Result<Option<PathBuf>> {
        match &self.folder {
            Some(folder) => Ok(Some(folder.join(".state"))),
            None => self.book(),
        }
    }

    fn address(&self) -> Result<(String, String)> {
        if let Some(kafka) = &self.kafka {
            return Ok((kafka.clone(), self.prefix.clone()));
        }
        let Some(config) = &self.config else {
            let text =
                "say where the book is: --in OUT, --kafka HOST:PORT, or --config FILE of a clearing node";
            return Err(Usage(text.to_owned()).into());
        };
        let table = table(config)?;
        let word = |key: &str| table.get("log")?.get(key)?.as_str().map(str::to_owned);
        match word("kafka") {
            Some(kafka) => Ok((kafka, word("prefix").unwrap_or_default())),
            None => Err(Usage(format!("{} has no log.kafka", config.display())).into()),
        }
    }
}

fn table(config: &Path) -> Result<toml::Table> {
    let text = std::fs::read_to_string(config).with_context(|| format!("read {}", config.display()))?;
    text.parse().with_context(|| format!("use {}", config.display()))
}

fn city_event(payload: Bytes, city: City) -> Option<CityEvent> {
    of_city(CycleEvent::decode(payload).ok()?, city)
}

fn of_city(event: CycleEvent, city: City) -> Option<CityEvent> {
    match event.body? {
        cycle_event::Body::City(event) if event.city.as_bytes() == city.spelling() => Some(event),
        _ => None,
    }
}

/// What the partitions have said of a city.
#[derive(Debug)]
pub struct History {
    pub events: Vec<CityEvent>,
    /// Where `cu.cycles` ended when it was read.
    pub end: u64,
}

impl History {
    /// The partition that keeps the city: the one where it arrived last, else that of the rulebook.
    pub fn partition(&self, city: City, rulebook: &Rulebook) -> u32 {
        let arrived = |event: &&CityEvent| matches!(event.what, Some(What::Arrived(_)));
        let last = self.events.iter().rev().find(arrived);
        last.map_or_else(|| rulebook.partition_of(city), |event| event.partition)
    }

    /// The last that a partition said of the city's being stopped or going on.
    pub fn standing(&self, partition: u32) -> Option<&CityEvent> {
        let of_it = |event: &&CityEvent| match &event.what {
            Some(What::Stopped(_)) => event.partition == partition,
            Some(What::Resumed(resumed)) => event.partition == partition && resumed.refused.is_empty(),
            _ => false,
        };
        self.events.iter().filter(of_it).max_by_key(|event| event.offset)
    }
}
