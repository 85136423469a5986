//! The book alone: outcomes that stand on the log become identities, totals, exceptions and results, durable, while
//! ten million identities are remembered.

use std::{
    fs,
    path::Path,
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

use anyhow::{Result, ensure};
use clearing_node::partition::Partition;
use cu_log::{Log, topics::Topics};

use super::scene::{CITIES, Scene, WAIT, business_date};

/// Records of a batch.
const RECORDS: u64 = 4096;
/// Identities that are remembered before the first tap, of the day before.
const REMEMBERED: u64 = 10_000_000;
/// Taps that come before the clock starts.
const WARM_UP: u64 = 1_000_000;

/// What one run measured.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    /// Records booked per second.
    pub taps_per_s: u64,
    /// Bytes of memory a remembered identity.
    pub bytes_per_identity: u64,
}

/// A log full of outcomes.
pub struct Prepared {
    scene: Scene,
    taps: u64,
    /// Identities that the book remembers before the first of them.
    remembered: u64,
}

/// Writes outcomes for at least `taps` records, and those to warm up, onto an embedded log in `dir`, for a book that
/// remembers.
///
/// # Errors
/// If the log fails.
pub fn prepare(dir: &Path, taps: u64) -> Result<Prepared> {
    fill(Scene::make(&dir.join("log"))?, taps + WARM_UP, REMEMBERED)
}

/// Writes outcomes for at least `taps` records onto a log that has none of these topics yet, for an empty book.
///
/// # Errors
/// If the log fails.
pub fn prepare_on(log: Arc<dyn Log>, topics: Topics, taps: u64) -> Result<Prepared> {
    fill(Scene::make_on(log, topics)?, taps, 0)
}

fn fill(scene: Scene, taps: u64, remembered: u64) -> Result<Prepared> {
    scene.open_by_marker()?;
    let mut writer = scene.log.writer()?;
    let day = business_date()?;
    let batches = taps.div_ceil(RECORDS);
    for batch in 0..batches {
        let (index, number) = (usize::try_from(batch % CITIES)?, batch / CITIES + 1);
        let first = remembered / CITIES + (number - 1) * RECORDS;
        scene.append(writer.as_mut(), index, number, first..first + RECORDS, day)?;
    }
    writer.flush(WAIT)?;
    Ok(Prepared { scene, taps: batches * RECORDS, remembered })
}

/// Folds the log into a book that remembers, and measures after the warm-up.
///
/// # Errors
/// If a partition stands still.
pub fn run(prepared: &Prepared, dir: &Path) -> Result<Measured> {
    run_after(prepared, WARM_UP, dir)
}

/// The same; the clock begins when about `warm_up` of the records are booked.
///
/// # Errors
/// If a partition stands still.
pub fn run_after(prepared: &Prepared, warm_up: u64, dir: &Path) -> Result<Measured> {
    let Prepared { scene, taps, remembered } = prepared;
    let folder = |number: u32| dir.join(format!("book-{number}"));
    fs::create_dir_all(dir)?;
    let yesterday = business_date()?.julian_day() - 1;
    scene.remember(folder, yesterday..yesterday + 1, remembered / CITIES)?;
    let partitions = scene.partitions(folder)?;
    let (warm, clock) = wait_for(&partitions, |arrived, _| arrived >= warm_up)?;
    let (_, end) = wait_for(&partitions, |arrived, unpublished| arrived >= *taps && unpublished == 0)?;
    let elapsed_ns = end.duration_since(clock).as_nanos().max(1);
    let sum = |read: fn(&Partition) -> u64| partitions.iter().map(read).sum::<u64>();
    let identities = sum(|p| p.progress.identities.load(Ordering::Relaxed));
    let bytes = sum(|p| p.progress.identities_bytes.load(Ordering::Relaxed));
    ensure!(identities == remembered + taps, "{identities} of {} are remembered", remembered + taps);
    Ok(Measured {
        taps_per_s: u64::try_from(u128::from(taps - warm) * 1_000_000_000 / elapsed_ns)?,
        bytes_per_identity: bytes / identities.max(1),
    })
}

/// Waits until enough records have arrived; says how many, and when that was.
pub fn wait_for(partitions: &[Partition], enough: impl Fn(u64, u64) -> bool) -> Result<(u64, Instant)> {
    let since = Instant::now();
    loop {
        let arrived = partitions.iter().map(arrived).sum();
        let unpublished = partitions.iter().map(|p| p.progress.unpublished.load(Ordering::Relaxed)).sum();
        if enough(arrived, unpublished) {
            return Ok((arrived, Instant::now()));
        }
        if let Some(why) = partitions.iter().find_map(Partition::failed) {
            anyhow::bail!(why);
        }
        ensure!(since.elapsed() < WAIT, "the book did not finish within {WAIT:?}");
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

fn arrived(partition: &Partition) -> u64 {
    partition.progress.booked.lock().unwrap_or_else(std::sync::PoisonError::into_inner).arrived
}
