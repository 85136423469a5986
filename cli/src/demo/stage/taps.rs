//! The cities' terminals: tap files without end.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use city_adapter::acquirer::Upload;
use domain::{
    city::City,
    date::{Date, LocalTime},
};
use simulator::{LiveCity, World};

use crate::{
    demo::facts::TapName,
    scheme_folder::{TapFile, Taps, list_city},
};

/// The terminals of all cities, with the folder of their files.
pub struct Terminals<'w> {
    folder: PathBuf,
    world: &'w World,
    cities: BTreeSet<City>,
    live: Vec<(City, LiveCity<'w>)>,
    /// Of each city the first tap of its last file but one, and of its last.
    recent: BTreeMap<City, (TapName, TapName)>,
}

impl<'w> Terminals<'w> {
    /// Terminals that have not tapped yet in this process.
    #[must_use]
    pub fn new(folder: PathBuf, world: &'w World, cities: &BTreeSet<City>) -> Self {
        Self { folder, world, cities: cities.clone(), live: Vec::new(), recent: BTreeMap::new() }
    }

    /// A file of `share` taps of each member city, ready to be handed in. The first time the files that were
    /// being handed in when the demo was killed are among them.
    ///
    /// # Errors
    /// If a folder or file cannot be read or written.
    pub fn next_files(
        &mut self,
        members: &BTreeSet<City>,
        share: u32,
        around: LocalTime,
    ) -> Result<Vec<Upload>> {
        let mut uploads = Vec::new();
        if self.live.is_empty() {
            self.begin()?;
            uploads = last_files(&self.folder, &self.cities)?;
        }
        for (city, live) in self.live.iter_mut().filter(|(city, _)| members.contains(city)) {
            let bytes = live.next_file(share, around);
            let name = format!("{}-{:012}.csv", around.date, live.counter());
            if let Some(tap) = first_tap(&bytes) {
                let earlier = self.recent.remove(city).map_or_else(|| tap.clone(), |(_, last)| last);
                self.recent.insert(*city, (earlier, tap));
            }
            uploads.push(upload(&self.folder, *city, name, &bytes)?);
        }
        Ok(uploads)
    }

    /// The next taps of one city as a file that is not handed in yet; its name is without `.csv`.
    ///
    /// # Errors
    /// If the folders of tap files cannot be listed.
    pub fn next_file(
        &mut self,
        city: City,
        taps: u32,
        around: LocalTime,
    ) -> Result<Option<(String, Vec<u8>)>> {
        if self.live.is_empty() {
            self.begin()?;
        }
        let live = self.live.iter_mut().find(|(known, _)| *known == city);
        Ok(live.map(|(_, live)| {
            let bytes = live.next_file(taps, around);
            (format!("{}-{:012}", around.date, live.counter()), bytes)
        }))
    }

    /// Puts a file where a city's files are.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn upload(&self, city: City, name: String, bytes: &[u8]) -> Result<Upload> {
        upload(&self.folder, city, name, bytes)
    }

    /// A tap of each city that was handed in a second ago or earlier.
    pub fn recent(&self) -> impl Iterator<Item = (City, &TapName)> {
        self.recent.iter().map(|(city, (earlier, _))| (*city, earlier))
    }

    /// Each city goes on after the last file that it handed in.
    fn begin(&mut self) -> Result<()> {
        for city in &self.cities {
            let folder = self.folder.join(city.to_string());
            fs::create_dir_all(&folder).with_context(|| format!("failed to make {}", folder.display()))?;
            let mut counter = 0;
            let listed =
                fs::read_dir(&folder).with_context(|| format!("failed to list {}", folder.display()));
            for entry in listed? {
                counter = counter.max(counter_of(&entry?.file_name().to_string_lossy()).unwrap_or(0));
            }
            self.live.extend(LiveCity::new(self.world, *city, counter).map(|live| (*city, live)));
        }
        Ok(())
    }
}

/// The terminals' counter in the name of a file: `2018-09-01-000000000166.csv`, perhaps with a word after it.
fn counter_of(name: &str) -> Option<u64> {
    let name = name.strip_suffix(".csv")?;
    name.split('-').nth(3)?.parse().ok()
}

/// Date and time of a moment of a cycle that plays a whole day.
pub fn time_of_day(date: Date, passed_ms: u128, cycle_ms: u128) -> LocalTime {
    let second = passed_ms.min(cycle_ms) * 86_399 / cycle_ms.max(1);
    LocalTime { date, second: u32::try_from(second).unwrap_or(86_399) }
}

/// The tap of a file's first data line.
fn first_tap(bytes: &[u8]) -> Option<TapName> {
    let line = bytes.split(|b| *b == b'\n').nth(1)?;
    let mut fields = line.split(|b| *b == b',').map(|field| String::from_utf8_lossy(field).into_owned());
    Some(TapName { terminal: fields.next()?, sequence: fields.next()?.parse().ok()? })
}

/// The file that each city made last.
fn last_files(folder: &Path, cities: &BTreeSet<City>) -> Result<Vec<Upload>> {
    let mut last = Vec::new();
    for city in cities {
        let mut found = Taps::default();
        list_city(&folder.join(city.to_string()), *city, &mut found)?;
        last.extend(found.files.iter().max().map(TapFile::upload));
    }
    Ok(last)
}

fn upload(folder: &Path, city: City, name: String, bytes: &[u8]) -> Result<Upload> {
    let path = folder.join(city.to_string()).join(&name);
    write_whole(&path, bytes).with_context(|| format!("failed to write {}", path.display()))?;
    Ok(Upload { city, path, name })
}

fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let draft = path.with_extension("part");
    fs::write(&draft, bytes)?;
    fs::rename(&draft, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counter_of_a_file_is_in_its_name() {
        assert_eq!(counter_of("2018-09-01-000000000166.csv"), Some(166));
        assert_eq!(counter_of("2018-09-01-000000000200-broken-lines.csv"), Some(200));
        assert_eq!(counter_of("2018-09-01-000000000166.part"), None);
    }

    #[test]
    fn a_cycle_plays_a_day() {
        let date = Date::from_ymd(2018, 9, 1).unwrap();
        assert_eq!(time_of_day(date, 0, 30_000).second, 0);
        assert_eq!(time_of_day(date, 15_000, 30_000).second, 43_199);
        assert_eq!(time_of_day(date, 99_000, 30_000).second, 86_399);
    }
}
