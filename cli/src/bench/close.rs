//! The close of a cycle of ten million taps by a whole clearing node: how long from marker to plan, and what the
//! close does to the batches that go on coming.
//!
//! Small batches come at a steady pace all the while. The latency of a batch is the time from handing it to the
//! log until its result is read from the log, so both are durable. A close lasts some ten milliseconds, too short
//! for a percentile: so several small cycles are closed before the large one, and the batches that were sent
//! during any of the closes are taken together. What is sent while a closed cycle is rendered counts
//! neither as inside nor as outside.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use clearing_node::node::{Node, NodeConfig, Request};
use cu_objects::Objects;
use domain::date::Date;
use proto::{BatchResult, Message};

use super::scene::{CITIES, PARTITIONS, PRESENTMENT_DAYS, Scene, WAIT, business_date};

/// Records of a batch before the pace is measured.
const BULK_RECORDS: u64 = 4096;
/// Records of a batch of the steady traffic.
const RECORDS: u64 = 256;
/// How often such a batch comes.
const PACE: Duration = Duration::from_millis(2);
/// How long traffic goes on before each cut-off.
const QUIET: Duration = Duration::from_millis(500);
/// Identities that are remembered at the start, a tenth of each of ten days: each opening but the first
/// forgets a day.
const REMEMBERED: u64 = 10_000_000;
/// How much rendering stands back, as in a clearing node's default.
const RENDER_NICENESS: i32 = 10;
/// Small cycles that are closed before the large one: their closes give some five hundred batches together, without
/// which a 99th percentile would be a few stalls of the disk.
const SMALL_CYCLES: i32 = 99;
/// Cycles of one business date. Every further date forgets one, and taps must not become late.
const CYCLES_A_DAY: i32 = 10;

/// How long one look at the log waits.
const HEAR: Duration = Duration::from_millis(50);
/// Numbers of fields of an event of the cycles.
const CUT_OFF: u8 = 2;
const PLAN: u8 = 4;
const PUBLISHED: u8 = 5;

/// What was measured.
#[derive(Clone, Debug)]
pub struct Measured {
    /// From the cut-off on the log, just before the markers, to the plan on the log, of the large cycle.
    pub close_us: u64,
    /// Latencies of batches sent during a close, in microseconds, sorted.
    pub inside_us: Vec<u64>,
    /// Latencies of batches sent while no cycle is closed or rendered, in microseconds, sorted.
    pub outside_us: Vec<u64>,
}

impl Measured {
    /// The 99th percentile inside in per cent of that outside.
    pub fn ratio_percent(&self) -> u64 {
        percentile(&self.inside_us, 99) * 100 / percentile(&self.outside_us, 99).max(1)
    }
}

/// A percentile of sorted values.
pub fn percentile(sorted: &[u64], percent: usize) -> u64 {
    sorted.get((sorted.len() * percent).div_ceil(100).saturating_sub(1)).copied().unwrap_or(0)
}

/// When a cycle was cut off, planned and published.
#[derive(Clone, Copy, Debug, Default)]
struct Times {
    cut_off: Option<Instant>,
    plan: Option<Instant>,
    published: Option<Instant>,
}

/// What the log has said so far.
#[derive(Default)]
struct Heard {
    /// By acquirer and number: when the batch was handed over, and when its result was there.
    batches: BTreeMap<(usize, u64), (Instant, Option<Instant>)>,
    cycles: BTreeMap<u32, Times>,
    failed: Option<String>,
}

/// Runs a node, fills a cycle with `taps`, and closes it.
///
/// # Errors
/// If the node stands still.
pub fn run(dir: &Path, taps: u64) -> Result<Measured> {
    let scene = Scene::make(&dir.join("log"))?;
    let (state, work, out) = (dir.join("state"), dir.join("work"), dir.join("out"));
    [&state, &work, &out].into_iter().try_for_each(fs::create_dir_all)?;
    let today = business_date()?;
    let days = today.julian_day() - PRESENTMENT_DAYS..today.julian_day();
    let each = REMEMBERED / CITIES / u64::try_from(PRESENTMENT_DAYS)?;
    scene.remember(|number| state.join(format!("partition-{number}")), days, each)?;
    let config = NodeConfig {
        state_dir: state,
        work_dir: work,
        objects: Objects::open(&dir.join("objects").to_string_lossy())?,
        render_niceness: RENDER_NICENESS,
        out_dir: out,
        signers: None,
        people: None,
        partitions: PARTITIONS,
        barrier_max: None,
        restore: None,
    };
    let node = Node::start(config, &scene.log, &scene.topics, &scene.scheme)?;
    node.wait_until_whole(WAIT)?;
    let version = scene.rulebook.version;
    node.request(Request::Open { business_date: today, version });
    node.wait_for(1, "opened", WAIT, |status| status.open_cycle().map(|_| ()))?;
    wait_for_marker(&scene)?;
    let (heard, stop) = (Arc::new(Mutex::new(Heard::default())), AtomicBool::new(false));
    let first = REMEMBERED / CITIES;
    std::thread::scope(|scope| {
        for listen in [hear_results, hear_events] {
            let (scene, heard, stop) = (&scene, &heard, &stop);
            scope.spawn(move || {
                if let Err(error) = listen(scene, heard, stop) {
                    lock(heard).failed.get_or_insert(format!("{error:#}"));
                }
            });
        }
        let traffic = Traffic { scene: &scene, heard: &heard, next: vec![(1, first); scene.cities.len()] };
        let closed = close_cycles(&node, &heard, traffic, taps, today, version);
        stop.store(true, Ordering::Relaxed);
        closed
    })?;
    let heard = lock(&heard);
    measure(&heard)
}

/// Closes the small cycles and then the large one, with traffic all the while.
fn close_cycles(
    node: &Node,
    heard: &Mutex<Heard>,
    mut traffic: Traffic<'_>,
    taps: u64,
    today: Date,
    version: u32,
) -> Result<()> {
    for small in 1..=SMALL_CYCLES {
        traffic.steady(|since| since >= QUIET)?;
        let cycle = u32::try_from(small)?;
        node.request(Request::CutOff { opens: Some((today.plus_days(small / CYCLES_A_DAY), version)) });
        traffic.steady(|_| times(heard, cycle).published.is_some())?;
        ensure!(node.failed().is_none(), "{:?}", node.failed());
    }
    traffic.bulk(taps)?;
    traffic.steady(|since| since >= QUIET)?;
    let large = u32::try_from(SMALL_CYCLES)? + 1;
    let next = today.plus_days((SMALL_CYCLES + 1) / CYCLES_A_DAY);
    node.request(Request::CutOff { opens: Some((next, version)) });
    traffic.steady(|_| times(heard, large).plan.is_some())?;
    traffic.drained()
}

fn lock(heard: &Mutex<Heard>) -> std::sync::MutexGuard<'_, Heard> {
    heard.lock().unwrap_or_else(PoisonError::into_inner)
}

fn times(heard: &Mutex<Heard>, cycle: u32) -> Times {
    lock(heard).cycles.get(&cycle).copied().unwrap_or_default()
}

/// Batches of all cities in turn.
struct Traffic<'a> {
    scene: &'a Scene,
    heard: &'a Mutex<Heard>,
    /// Number and first serial of each city's next batch.
    next: Vec<(u64, u64)>,
}

impl Traffic<'_> {
    /// A batch every [`PACE`], until it is enough.
    fn steady(&mut self, enough: impl Fn(Duration) -> bool) -> Result<()> {
        let mut writer = self.scene.log.writer()?;
        let since = Instant::now();
        for (turn, index) in (1_u32..).zip((0..self.next.len()).cycle()) {
            let due = since + PACE * turn;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            self.batch(writer.as_mut(), index, RECORDS)?;
            if enough(since.elapsed()) {
                return Ok(());
            }
            ensure!(since.elapsed() < WAIT, "a cycle was not closed within {WAIT:?}");
            if let Some(why) = lock(self.heard).failed.clone() {
                anyhow::bail!(why);
            }
        }
        Ok(())
    }

    /// As many taps as fast as they are taken; returns when all are booked.
    fn bulk(&mut self, taps: u64) -> Result<()> {
        let mut writer = self.scene.log.writer()?;
        let before: Vec<u64> = self.next.iter().map(|(number, _)| *number).collect();
        for (_, index) in (0..taps.div_ceil(BULK_RECORDS)).zip((0..self.next.len()).cycle()) {
            self.batch(writer.as_mut(), index, BULK_RECORDS)?;
        }
        self.drained()?;
        // They came as fast as they could, so their latencies tell nothing.
        let bulk = |index: usize, number: u64| number >= before[index] && number < self.next[index].0;
        lock(self.heard).batches.retain(|(index, number), _| !bulk(*index, *number));
        Ok(())
    }

    fn batch(&mut self, writer: &mut dyn cu_log::Writer, index: usize, records: u64) -> Result<()> {
        let (number, first) = self.next[index];
        self.next[index] = (number + 1, first + records);
        let day = business_date()?;
        lock(self.heard).batches.insert((index, number), (Instant::now(), None));
        self.scene.append(writer, index, number, first..first + records, day)
    }

    /// Waits for the results of everything.
    fn drained(&self) -> Result<()> {
        let since = Instant::now();
        while lock(self.heard).batches.values().any(|(_, answered)| answered.is_none()) {
            ensure!(since.elapsed() < WAIT, "results did not come within {WAIT:?}");
            std::thread::sleep(PACE);
        }
        Ok(())
    }
}

/// Waits until the first marker stands in every partition.
fn wait_for_marker(scene: &Scene) -> Result<()> {
    let since = Instant::now();
    for number in 0..PARTITIONS {
        while scene.log.bounds(&scene.topics.clearing(number))?.end == 0 {
            ensure!(since.elapsed() < WAIT, "no cycle was opened within {WAIT:?}");
            std::thread::sleep(PACE);
        }
    }
    Ok(())
}

/// Hears events as they come, and notes when. They are not decoded here: a plan is large, and this must not take
/// the time of what is measured.
fn hear_events(scene: &Scene, heard: &Mutex<Heard>, stop: &AtomicBool) -> Result<()> {
    let mut events = scene.log.reader(&[(scene.topics.cycles(), 0)])?;
    while !stop.load(Ordering::Relaxed) {
        for entry in events.poll(1 << 20, HEAR)? {
            let now = Some(Instant::now());
            let mut heard = lock(heard);
            let cycles = &mut heard.cycles;
            let last = cycles.last_key_value().map_or(0, |(cycle, _)| *cycle);
            // The first byte of an event is its field's number, above three bits.
            match entry.payload.first().map(|tag| tag >> 3) {
                Some(CUT_OFF) => cycles.entry(last + 1).or_default().cut_off = now,
                Some(PLAN) => cycles.entry(last).or_default().plan = now,
                Some(PUBLISHED) => cycles.entry(last).or_default().published = now,
                _ => {}
            }
        }
    }
    Ok(())
}

/// Hears results as they come.
fn hear_results(scene: &Scene, heard: &Mutex<Heard>, stop: &AtomicBool) -> Result<()> {
    let starts = scene.cities.iter().map(|city| (scene.topics.results(*city), 0));
    let mut results = scene.log.reader(&starts.collect::<Vec<_>>())?;
    while !stop.load(Ordering::Relaxed) {
        for entry in results.poll(1 << 20, HEAR)? {
            let now = Instant::now();
            let result = BatchResult::decode(entry.payload)?;
            let Some(index) = scene.cities.iter().position(|city| city.to_string() == result.acquirer) else {
                continue;
            };
            if let Some((_, answered)) = lock(heard).batches.get_mut(&(index, result.number)) {
                answered.get_or_insert(now);
            }
        }
    }
    Ok(())
}

fn measure(heard: &Heard) -> Result<Measured> {
    let closes: Vec<Times> = heard.cycles.values().copied().filter(|times| times.cut_off.is_some()).collect();
    let large = closes.last().copied().unwrap_or_default();
    let (Some(cut_off), Some(plan)) = (large.cut_off, large.plan) else {
        anyhow::bail!("the large cycle was not closed");
    };
    let (mut inside_us, mut outside_us) = (Vec::new(), Vec::new());
    for (sent, answered) in heard.batches.values() {
        let Some(answered) = answered else { continue };
        let latency_us = u64::try_from(answered.duration_since(*sent).as_micros())?;
        // By when it was sent, not by when it was on its way: slow ones would meet a close more often.
        let within = |from: Option<Instant>, to: Option<Instant>| {
            from.is_some_and(|from| from <= *sent) && to.is_none_or(|to| *sent < to)
        };
        if closes.iter().any(|close| within(close.cut_off, close.plan)) {
            inside_us.push(latency_us);
        } else if !closes.iter().any(|close| within(close.plan, close.published)) {
            outside_us.push(latency_us);
        }
    }
    inside_us.sort_unstable();
    outside_us.sort_unstable();
    Ok(Measured { close_us: u64::try_from(plan.duration_since(cut_off).as_micros())?, inside_us, outside_us })
}
