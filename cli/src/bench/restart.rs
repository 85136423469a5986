//! A restart with many remembered identities: from opening the stores until the first batch is answered.

use std::{fs, path::Path, sync::PoisonError, time::Instant};

use anyhow::{Result, ensure};

use super::{
    book::wait_for,
    scene::{CITIES, PRESENTMENT_DAYS, Scene, WAIT, business_date},
};

/// Records of the first batch of each city: all of them are remembered, so each is a duplicate.
const RECORDS: u64 = 1000;

/// Makes stores that remember `identities` taps of ten days, and starts on them `runs` times. Returns the
/// milliseconds of each start.
///
/// # Errors
/// If a partition stands still, or does not remember.
pub fn run(dir: &Path, identities: u64, runs: usize) -> Result<Vec<u64>> {
    let scene = Scene::make(&dir.join("log"))?;
    let today = business_date()?.julian_day();
    let each = identities / CITIES / u64::try_from(PRESENTMENT_DAYS)?;
    let stores = dir.join("remembered");
    let store = |number: u32| stores.join(format!("book-{number}"));
    fs::create_dir_all(&stores)?;
    scene.remember(store, today - PRESENTMENT_DAYS + 1..today + 1, each)?;
    scene.open_by_marker()?;
    let mut writer = scene.log.writer()?;
    let last = each * u64::try_from(PRESENTMENT_DAYS)?;
    let mut measured = Vec::new();
    for number in 1..=u64::try_from(runs)? {
        for index in 0..usize::try_from(CITIES)? {
            scene.append(writer.as_mut(), index, number, last - RECORDS..last, business_date()?)?;
        }
        writer.flush(WAIT)?;
        let started = Instant::now();
        let partitions = scene.partitions(store)?;
        wait_for(&partitions, |arrived, unpublished| arrived == CITIES * RECORDS && unpublished == 0)?;
        measured.push(u64::try_from(started.elapsed().as_millis())?);
        let duplicates: u64 = partitions
            .iter()
            .map(|p| p.progress.booked.lock().unwrap_or_else(PoisonError::into_inner).duplicate)
            .sum();
        ensure!(duplicates == CITIES * RECORDS, "{duplicates} duplicates were recognised");
    }
    Ok(measured)
}
