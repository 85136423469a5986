//! One home city's comparison: its own records, the folder of the cycle, and what becomes of both.

use std::{
    fs, io,
    num::NonZero,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use anyhow::{Context, Result};
use city_adapter::accepted::{CityFolder, Drafts, Origin, Record};
use domain::{act::Agreement, city::City, cycle::CycleName, rulebook::Rulebook};
use files::{
    agree::{Compared, Own, Sink, Standing, compare},
    layout::{MANIFEST_FILE, RULEBOOK_FILE, issuer_file},
    text::digest_hex,
};

/// Taps of one city that stay in memory while they are sorted, bytes.
const MEMORY_BYTES: usize = 64 << 20;
/// Differences that are listed; all are counted.
pub const LISTED_MAX: usize = 100;

/// What a city says of a cycle.
#[derive(Clone, Debug)]
pub struct Said {
    /// Its own figures.
    pub agreement: Agreement,
    /// How they compare with the file.
    pub compared: Compared,
}

/// Compares what a city accepted, below `state`, with the folder of a cycle. If it agrees, that is written down and the
/// records that the cycle pays are put with it; otherwise nothing changes.
///
/// # Errors
/// If something cannot be read or written.
pub fn said(state: &Path, city: City, cycle: CycleName, folder: &Path) -> Result<Said> {
    let name = format!("failed to compare what {city} accepted with {}", folder.display());
    let rules = fs::read(folder.join(RULEBOOK_FILE))
        .map_err(anyhow::Error::from)
        .and_then(|bytes| Ok(Rulebook::parse(&bytes)?))
        .with_context(|| format!("{name}: its {RULEBOOK_FILE}"))?;
    let store = CityFolder::of(state, city);
    let kept = store.kept(cycle).with_context(|| name.clone())?;
    let mut drafts = store.drafts(cycle).with_context(|| name.clone())?;
    let mut own = Own::new(city, rules.ownership(), store.path(), MEMORY_BYTES)?;
    for source in &kept {
        let standing = match source.origin {
            Origin::Moves => Standing::Moves,
            Origin::Stays => Standing::Stays,
            Origin::Paid(cycle) => Standing::Paid(cycle),
        };
        source
            .read(|records| take(&mut own, &mut drafts, records, standing))
            .with_context(|| name.clone())?;
    }
    let file = folder.join(issuer_file(city));
    let compared =
        compare(&mut own, &file, LISTED_MAX, &mut Noted(&mut drafts)).with_context(|| name.clone())?;
    let agreement = Agreement {
        cycle,
        city,
        count: compared.count,
        amount_fen: compared.amount_fen,
        sha256: digest_hex(&compared.sha256),
    };
    if compared.agrees() {
        let mut figures =
            serde_json::to_vec_pretty(&agreement).context("failed to write an agreement down")?;
        figures.push(b'\n');
        store
            .agree(cycle, drafts, &kept, &figures, rules.presentment_days)
            .with_context(|| format!("failed to write down that {city} agrees"))?;
    } else {
        drafts.drop_them();
    }
    Ok(Said { agreement, compared })
}

/// Gives records to the comparison.
fn take(own: &mut Own<'_>, drafts: &mut Drafts, records: &[Record], standing: Standing) -> Result<()> {
    for record in records {
        // No row can name what was tapped at a terminal of nobody; its owner may be known one day.
        if !own.take(record, standing)? && standing == Standing::Moves {
            drafts.waits(record)?;
        }
    }
    Ok(())
}

/// Notes in drafts what becomes of each record.
struct Noted<'a>(&'a mut Drafts);

impl Sink for Noted<'_> {
    fn pays(&mut self, content: &Record) -> io::Result<()> {
        self.0.pays(content)
    }

    fn waits(&mut self, content: &Record) -> io::Result<()> {
        self.0.waits(content)
    }
}

/// The same for many cities, as many at a time as the machine has cores; in their order.
///
/// # Errors
/// The first that failed.
pub fn all_say(state: &Path, cities: &[City], cycle: CycleName, folder: &Path) -> Result<Vec<Said>> {
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some(city) = cities.get(next.fetch_add(1, Ordering::Relaxed)) {
            let said = said(state, *city, cycle, folder);
            done.lock().unwrap_or_else(PoisonError::into_inner).push((*city, said));
        }
    };
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| (0..cores.min(cities.len())).for_each(|_| drop(scope.spawn(work))));
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_unstable_by_key(|(city, _)| *city);
    done.into_iter().map(|(_, said)| said).collect()
}

/// The cities that have accepted something below a service's state.
#[must_use]
pub fn cities(state: &Path) -> Vec<City> {
    let entries = fs::read_dir(state.join("accepted")).into_iter().flatten().flatten();
    let mut cities: Vec<City> =
        entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    cities.sort_unstable();
    cities
}

/// The folder of the newest version of a cycle.
#[must_use]
pub fn newest(out: &Path, cycle: CycleName) -> Option<PathBuf> {
    let is_there = |folder: &PathBuf| folder.join(MANIFEST_FILE).is_file();
    let mut newest = Some(out.join(cycle.to_string())).filter(is_there)?;
    for version in 2_u32.. {
        match Some(out.join(format!("{cycle}.v{version}"))).filter(is_there) {
            Some(folder) => newest = folder,
            None => break,
        }
    }
    Some(newest)
}
