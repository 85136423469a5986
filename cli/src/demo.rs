//! `demo`: the whole system in one process, with cities that never stop tapping.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::IsTerminal,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{Arc, PoisonError, atomic::Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use city_adapter::acquirer::Upload;
use clearing_node::{
    book::Booked,
    node::{CycleStatus, Request},
};
use cu_log::{Log, embedded::EmbeddedLog, topics::Topics};
use domain::{
    city::City,
    date::{Date, LocalTime},
    rulebook::Standing,
};
use simulator::{LiveCity, SimulateConfig, World, simulate};
use switch::service::{ServiceConfig, SwitchHandle};
use tonic::transport::Channel;

use crate::{
    args::Demo,
    house::House,
    output::{Format, say, thousands},
    scheme_folder::{SchemeFolder, TapFile, Taps, list_city},
};

/// Business dates for which the simulated scheme has rules.
const DAYS: u32 = 28;
/// Every so many cycles one home city goes dark for a while.
const DARK_EVERY: u32 = 2;
/// Seconds of a cycle after which it goes dark, and how long it stays so.
const DARK_S: (u64, u64) = (8, 10);
/// Longest wait for a step of the system.
const WAIT: Duration = Duration::from_secs(120);
/// Where the first business date stands.
const FIRST_DATE: (u16, u8, u8) = (2018, 9, 1);

/// Runs the command.
///
/// # Errors
/// What failed, with what to do next; started again it goes on where it was.
pub fn run(args: &Demo) -> Result<ExitCode> {
    if args.cycle_s == 0 {
        bail!(crate::errors::Usage("--cycle-s must be at least 1".to_owned()));
    }
    let (year, month, day) = FIRST_DATE;
    let first_date = Date::from_ymd(year, month, day)?;
    let folder = args.dir.join("scheme");
    if !folder.join("rulebook.toml").exists() {
        say(Format::Table, &format!("making a scheme of {} cities in {}", args.cities, folder.display()));
        let config = SimulateConfig {
            taps: Some(0),
            cities: args.cities,
            days: DAYS,
            seed: args.seed,
            first_date: Some(first_date),
            ..SimulateConfig::new(folder.clone())
        };
        simulate(&config, &mut |_| {}).context("failed to make the demo's scheme")?;
    }
    let scheme = SchemeFolder::open(&folder)
        .context("failed to read the demo's scheme; remove its folder to begin anew")?;
    let world = World::new(args.seed, u32::try_from(scheme.rulebook.participants.len())?, first_date, DAYS);
    let cities: BTreeSet<City> = scheme.rulebook.participants.iter().map(|p| p.city).collect();
    let settled = args.dir.join("settled");
    let state = settled.join(".state");
    fs::create_dir_all(&state).with_context(|| format!("failed to make {}", state.display()))?;
    let log: Arc<dyn Log> =
        Arc::new(EmbeddedLog::open(&state.join("log")).context("failed to open the demo's log")?);
    let house = House::start(log, Topics::default(), &scheme.rulebook, &cities, &state, &settled)?;
    house.adapter.follow(&cities.iter().copied().collect::<Vec<_>>())?;
    let homes = cities.iter().map(|city| (*city, scheme.home_city(*city))).collect();
    let directory = house.serve(homes)?;
    let switch = house.switch_over(ServiceConfig::default(), &cities, directory.clone(), &scheme.rulebook)?;
    let mut show = Show::new(args, &house, &switch, &scheme, &world, directory, cities)?;
    let done = show.play(&folder.join("taps"));
    let last = show.end(&settled);
    switch.stop().map_err(anyhow::Error::msg).context("stop the switch")?;
    done.and(last)?;
    Ok(ExitCode::SUCCESS)
}

/// The running demo.
struct Show<'a> {
    args: &'a Demo,
    house: &'a House,
    switch: &'a SwitchHandle,
    scheme: &'a SchemeFolder,
    cities: BTreeSet<City>,
    tappers: Vec<(City, LiveCity<'a>)>,
    world: &'a World,
    directory: BTreeMap<City, Channel>,
    dark: Option<City>,
    cycle: u32,
    cycle_since: Instant,
    asked: bool,
    published: usize,
    shown: (Instant, u64),
}

impl<'a> Show<'a> {
    fn new(
        args: &'a Demo,
        house: &'a House,
        switch: &'a SwitchHandle,
        scheme: &'a SchemeFolder,
        world: &'a World,
        directory: BTreeMap<City, Channel>,
        cities: BTreeSet<City>,
    ) -> Result<Self> {
        let status =
            house.node.wait_for(0, "read", WAIT, |status| status.caught_up.then(|| status.clone()))?;
        let published = status.published.len();
        let now = Instant::now();
        Ok(Self {
            args,
            house,
            switch,
            scheme,
            cities,
            tappers: Vec::new(),
            world,
            directory,
            dark: None,
            cycle: 0,
            cycle_since: now,
            asked: false,
            published,
            shown: (now, 0),
        })
    }

    /// Taps, cuts off and shows, second by second, until it is stopped.
    fn play(&mut self, taps: &Path) -> Result<()> {
        let stop = crate::signals::stopped(&self.house.tokio)?;
        say(
            Format::Table,
            &format!("every {} s a cut-off; Ctrl-C ends it, started again it goes on", self.args.cycle_s),
        );
        let started = Instant::now();
        let mut second = 0;
        while !stop.load(Ordering::Relaxed)
            && self.args.for_s.is_none_or(|max| started.elapsed().as_secs() < max)
        {
            self.house.check(Some(self.switch))?;
            let status = self.house.node.status();
            self.follow_cycles(&status)?;
            if let Some(date) = self.open_date(&status) {
                self.darken(date);
                self.tap(taps, date)?;
            }
            self.show(&self.house.node.status());
            second += 1;
            let next = started + Duration::from_secs(second);
            while Instant::now() < next && !stop.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        Ok(())
    }

    fn open_date(&self, status: &CycleStatus) -> Option<Date> {
        let opening = status.open_cycle()?;
        let here = self.house.scheme.open_cycle()?;
        (here.opening.cycle == opening.cycle && !self.asked)
            .then(|| Date::from_julian_day(opening.business_date))
    }

    /// Opens the first cycle, cuts off when it is time, tells of closed ones.
    fn follow_cycles(&mut self, status: &CycleStatus) -> Result<()> {
        let version = self.scheme.rulebook.version;
        match status.openings.last() {
            None if self.asked => {}
            None => {
                let (year, month, day) = FIRST_DATE;
                let business_date = Date::from_ymd(year, month, day)?;
                self.house.node.request(Request::Open { business_date, version });
                self.asked = true;
            }
            Some(last) if last.cycle != self.cycle => {
                self.cycle = last.cycle;
                self.cycle_since = Instant::now();
                self.asked = false;
            }
            Some(last) if status.open && !self.asked => {
                let date = Date::from_julian_day(last.business_date).plus_days(1);
                if self.cycle_since.elapsed() >= Duration::from_secs(self.args.cycle_s) {
                    self.house.node.request(Request::CutOff { opens: Some((date, version)) });
                    self.asked = true;
                }
            }
            Some(_) => {}
        }
        for published in status.published.iter().skip(self.published) {
            let folder: PathBuf = self.args.dir.join("settled").join(&published.folder);
            say(Format::Table, &format!("closed    {}", folder.display()));
        }
        if status.published.len() > self.published {
            self.published = status.published.len();
            self.house.adapter.render(&self.cities.iter().copied().collect::<Vec<_>>())?;
        }
        Ok(())
    }

    /// Some cycles have a home city that goes dark for a while: its records park, then deliver.
    fn darken(&mut self, date: Date) {
        let (from, long) = DARK_S;
        let now = self.cycle_since.elapsed().as_secs();
        let due = self.cycle.is_multiple_of(DARK_EVERY) && (from..from + long).contains(&now);
        match (due, self.dark) {
            (true, None) => {
                let member = |city: &&City| self.scheme.rulebook.standing(**city, date) == Standing::Member;
                let paying: Vec<City> = self.directory.keys().filter(member).copied().collect();
                let at = usize::try_from(self.cycle).unwrap_or(0) % paying.len().max(1);
                let Some(city) = paying.get(at).copied() else { return };
                self.switch.set_endpoint(city, None);
                self.dark = Some(city);
            }
            (false, Some(city)) => {
                self.switch.set_endpoint(city, self.directory.get(&city).cloned());
                self.dark = None;
            }
            _ => {}
        }
    }

    /// Each member city collects its share of a second's taps and hands in a file.
    fn tap(&mut self, taps: &Path, date: Date) -> Result<()> {
        let first = self.tappers.is_empty();
        if first {
            self.tappers = tappers(taps, self.world, &self.cities)?;
        }
        let cycle_ms = u128::from(self.args.cycle_s) * 1000;
        let second = u32::try_from(self.cycle_since.elapsed().as_millis().min(cycle_ms) * 86_399 / cycle_ms)?;
        let members: BTreeSet<City> = self.scheme.rulebook.members(date).collect();
        let share = self.args.rate / u32::try_from(members.len().max(1))?;
        // What was being handed in when the demo was killed is handed in again.
        let mut uploads = if first { last_files(taps, &self.cities)? } else { Vec::new() };
        for (city, live) in self.tappers.iter_mut().filter(|(city, _)| members.contains(city)) {
            let bytes = live.next_file(share.max(1), LocalTime { date, second });
            let name = format!("{date}-{:012}.csv", live.counter());
            let path = taps.join(city.to_string()).join(&name);
            write_whole(&path, &bytes).with_context(|| format!("failed to write {}", path.display()))?;
            uploads.push(Upload { city: *city, path, name });
        }
        let taken = self.house.adapter.take(uploads, &|city| members.contains(&city), &|_| {})?;
        match taken.failures.into_iter().next() {
            Some((city, error)) => Err(error).with_context(|| format!("failed to take the files of {city}")),
            None => Ok(()),
        }
    }

    fn show(&mut self, status: &CycleStatus) {
        let partitions = &self.house.node.partitions;
        let mut booked = Booked::default();
        let mut parked = 0;
        for partition in partitions {
            let one = *partition.progress.booked.lock().unwrap_or_else(PoisonError::into_inner);
            booked.arrived += one.arrived;
            booked.cleared += one.cleared;
            booked.rejected += one.rejected + one.duplicate + one.conflict;
            parked += partition.progress.parked_records.load(Ordering::Relaxed);
        }
        let (since, before) = self.shown;
        let elapsed_ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
        let rate = (booked.arrived - before) * 1000 / elapsed_ms;
        self.shown = (Instant::now(), booked.arrived);
        let open = status
            .open_cycle()
            .map_or_else(|| "none".to_owned(), |o| clearing_node::book::opening_name(o).to_string());
        let number = |n: u64| thousands(&n.to_string());
        let dark = self.dark.map_or_else(String::new, |city| format!("  dark {city}"));
        say(
            Format::Table,
            &format!(
                "{:>7} taps/s  cleared {:>11}  rejected {:>7}  parked {:>6}  open {open}{dark}",
                number(rate),
                number(booked.cleared),
                number(booked.rejected),
                number(parked)
            ),
        );
    }

    /// Lets what was taken come back, and writes the answers.
    fn end(&self, settled: &Path) -> Result<()> {
        if let Some(city) = self.dark {
            self.switch.set_endpoint(city, self.directory.get(&city).cloned());
        }
        let cities: Vec<City> = self.cities.iter().copied().collect();
        let waited = self.house.adapter.wait_results(&cities, WAIT);
        self.house.adapter.render(&cities)?;
        waited?;
        let again = if std::io::stdout().is_terminal() { "\n" } else { "" };
        say(
            Format::Table,
            &format!("{again}stopped; closed cycles, results and receipts are in {}", settled.display()),
        );
        say(Format::Table, &format!("next: cityunion verify {}/<cycle>", settled.display()));
        Ok(())
    }
}

/// The cities' terminals, each going on after the last file that it handed in.
fn tappers<'w>(taps: &Path, world: &'w World, cities: &BTreeSet<City>) -> Result<Vec<(City, LiveCity<'w>)>> {
    let mut tappers = Vec::new();
    for city in cities {
        let folder = taps.join(city.to_string());
        fs::create_dir_all(&folder).with_context(|| format!("failed to make {}", folder.display()))?;
        let mut counter = 0;
        for entry in fs::read_dir(&folder).with_context(|| format!("failed to list {}", folder.display()))? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            let made = name.strip_suffix(".csv").and_then(|name| name.rsplit('-').next()?.parse().ok());
            counter = counter.max(made.unwrap_or(0));
        }
        tappers.extend(LiveCity::new(world, *city, counter).map(|live| (*city, live)));
    }
    Ok(tappers)
}

/// The file that each city made last.
fn last_files(taps: &Path, cities: &BTreeSet<City>) -> Result<Vec<Upload>> {
    let mut last = Vec::new();
    for city in cities {
        let mut found = Taps::default();
        list_city(&taps.join(city.to_string()), *city, &mut found)?;
        last.extend(found.files.iter().max().map(TapFile::upload));
    }
    Ok(last)
}

fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let draft = path.with_extension("part");
    fs::write(&draft, bytes)?;
    fs::rename(&draft, path)
}
