//! Writes a scheme folder, city by city, on as many threads as wanted.

use std::{
    fs::{self, File},
    io,
    path::Path,
    sync::{
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc::{SyncSender, sync_channel},
    },
    thread,
};

use domain::date::Date;

use crate::{
    base::{self, Base},
    config::{SimulateConfig, SimulateError, Summary},
    documents,
    faults::FAULTS,
    files::{Habit, TapFile, write},
    pki,
    plan::{Plan, Share},
    presenter::Presenter,
    schedule::Intent,
    truth::{self, Tally, Truth},
    world::{Membership, World},
};

/// The most threads that work on one folder.
const THREADS_MAX: usize = 16;

/// Progress is told every so many records.
const PROGRESS_EVERY: u64 = 4_096;

/// The folder of the unfinished truth, inside the scheme folder while it is written.
const UNFINISHED: &str = ".unfinished";

/// Writes a scheme folder: rulebook, keys, certificates, hotlist, outages, tap files and the truth about them.
/// The rulebook comes last, so that a folder that was not finished is no scheme. `progress` hears
/// from time to time how many records are written.
///
/// # Errors
/// [`SimulateError`]: a setting out of range, a folder that is not empty, a base file or mapping
/// that is no use, or what the system said to a file.
pub fn simulate(config: &SimulateConfig, progress: &mut dyn FnMut(u64)) -> Result<Summary, SimulateError> {
    config.check()?;
    let base = config.base.as_ref().map(Base::open).transpose()?;
    let first_date = config.first_date.or(base.as_ref().map(Base::first_date)).unwrap_or(default_date());
    let world = World::new(config.seed, config.cities, first_date, config.days);
    let plan = Plan::new(&world, config, base)?;
    claim(&config.out)?;
    write(&config.out.join("keys.toml"), &documents::keys(&world))?;
    write(&config.out.join("hotlist.csv"), &documents::hotlist(&world))?;
    write(&config.out.join("outages.csv"), &documents::outages(&world))?;
    pki::write_pki(&config.out, &world, config.signatures)?;
    let done = all_cities(&plan, threads(config.threads), progress)?;
    join_truth(&plan)?;
    write(&config.out.join("rulebook.toml"), &documents::rulebook(&world))?;
    Ok(summary(&plan, config.cities, done))
}

fn default_date() -> Date {
    Date::from_ymd(2018, 9, 1).unwrap_or(Date::from_julian_day(2_458_363))
}

fn threads(wanted: usize) -> usize {
    let there = || thread::available_parallelism().map_or(1, usize::from);
    (if wanted == 0 { there() } else { wanted }).min(THREADS_MAX)
}

/// Makes the folder, or finds it empty.
fn claim(out: &Path) -> Result<(), SimulateError> {
    match fs::read_dir(out) {
        Ok(mut entries) => {
            if entries.next().is_some() {
                return Err(SimulateError::NotEmpty(out.to_owned()));
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return Err(SimulateError::NotEmpty(out.to_owned()));
        }
        Err(error) => return Err(SimulateError::io(out)(error)),
    }
    let unfinished = out.join(UNFINISHED);
    fs::create_dir_all(&unfinished).map_err(SimulateError::io(unfinished))
}

/// What one city came to.
struct Done {
    files: u64,
    tally: Tally,
    base: Option<crate::config::BaseSummary>,
}

/// Works through all cities; the first one that fails, in their order, is the error.
fn all_cities(
    plan: &Plan<'_>,
    threads: usize,
    progress: &mut dyn FnMut(u64),
) -> Result<Vec<Done>, SimulateError> {
    let (turn, (told, hears)) = (Turn::default(), sync_channel(64));
    let mut done: Vec<(usize, Result<Done, SimulateError>)> = thread::scope(|scope| {
        let turn = &turn;
        let workers: Vec<_> = (0..threads.max(1))
            .map(|_| {
                let told = told.clone();
                scope.spawn(move || turn.work(plan, &told))
            })
            .collect();
        drop(told);
        let mut records = 0;
        for more in hears {
            records += more;
            progress(records);
        }
        let join = |worker: thread::ScopedJoinHandle<'_, _>| match worker.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        workers.into_iter().flat_map(join).collect()
    });
    done.sort_unstable_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, result)| result).collect()
}

/// Whose turn it is.
#[derive(Default)]
struct Turn {
    next: AtomicUsize,
    stop: AtomicBool,
}

impl Turn {
    /// Takes city after city until none is left or one has failed.
    fn work(&self, plan: &Plan<'_>, told: &SyncSender<u64>) -> Vec<(usize, Result<Done, SimulateError>)> {
        let mut done = Vec::new();
        while !self.stop.load(Ordering::Relaxed) {
            let place = self.next.fetch_add(1, Ordering::Relaxed);
            if place >= plan.world.participants.len() {
                break;
            }
            let result = one_city(plan, place, told);
            self.stop.fetch_or(result.is_err(), Ordering::Relaxed);
            done.push((place, result));
        }
        done
    }
}

/// Writes all files of one city.
fn one_city(plan: &Plan<'_>, place: usize, told: &SyncSender<u64>) -> Result<Done, SimulateError> {
    let city = plan.world.participants[place].city;
    let folder = plan.out.join("taps").join(city.to_string());
    fs::create_dir_all(&folder).map_err(SimulateError::io(&folder))?;
    let shares = &plan.shares[place];
    let busiest = shares.iter().map(|share| share.records).max().unwrap_or(0);
    let mut writer = CityWriter {
        plan,
        habit: Habit::of(place),
        folder: &folder,
        presenter: Presenter::new(plan.world, place, busiest),
        truth: Truth::create(&plan.out.join(UNFINISHED).join(city.to_string()), city)?,
        files: 0,
        told,
        untold: 0,
    };
    let mut base = plan.base.as_ref().filter(|(at, _)| *at == place).map(|(_, base)| base.rides(place));
    for (day, share) in (0..).zip(shares) {
        let date = plan.world.date(day);
        if plan.world.membership(Some(place), date) == Membership::None {
            continue;
        }
        if let Some(rides) = &mut base {
            writer.base_file(date, rides)?;
        }
        if plan.empty_files {
            writer.day(date, *share)?;
        }
    }
    writer.tell();
    Ok(Done { files: writer.files, tally: writer.truth.finish()?, base: base.map(base::Rides::finish) })
}

/// Writes the files of one city.
struct CityWriter<'p> {
    plan: &'p Plan<'p>,
    habit: Habit,
    folder: &'p Path,
    presenter: Presenter<'p>,
    truth: Truth,
    files: u64,
    told: &'p SyncSender<u64>,
    untold: u64,
}

impl CityWriter<'_> {
    /// The simulated records of one day, in one file or two.
    fn day(&mut self, date: Date, share: Share) -> Result<(), SimulateError> {
        let half = share.records / 2;
        if self.habit.two_files {
            self.file(&format!("{date}-a.csv"), date, share, 0..half)?;
            self.file(&format!("{date}-b.csv"), date, share, half..share.records)
        } else {
            self.file(&format!("{date}.csv"), date, share, 0..share.records)
        }
    }

    fn file(
        &mut self,
        name: &str,
        date: Date,
        share: Share,
        records: std::ops::Range<u64>,
    ) -> Result<(), SimulateError> {
        let mut file = TapFile::create(self.folder.join(name), self.habit)?;
        self.presenter.begin_file(date);
        for at in records {
            let number = share.before + at;
            let intent = self.plan.schedule.intent(number);
            if intent == Intent::Malformed {
                self.malformed(&mut file, name, share, at)?;
            } else {
                let outcome = self.presenter.repeat(intent).unwrap_or_else(|| {
                    let ride = self.presenter.ride(at, share.records);
                    self.presenter.fresh(intent, ride)
                });
                let line = file.record(&outcome.0.record)?;
                self.truth.record(name, line, date, &outcome.1)?;
            }
            self.count();
        }
        self.files += 1;
        file.finish()
    }

    fn malformed(
        &mut self,
        file: &mut TapFile,
        name: &str,
        share: Share,
        at: u64,
    ) -> Result<(), SimulateError> {
        let turn = self.plan.schedule.malformed_before(share.before + at);
        let faults = u64::try_from(FAULTS.len()).unwrap_or(1);
        let fault = FAULTS[usize::try_from(turn % faults).unwrap_or(0)];
        let ride = self.presenter.ride(at, share.records);
        let record = self.presenter.undamaged(&ride);
        let line = file.damaged(&fault.apply(&record, self.habit.quoting))?;
        self.truth.malformed(name, line, fault.column)
    }

    /// The rows of the base file that belong to a date, each with its overlay, and between them
    /// records that repeat or contradict some of them.
    fn base_file(&mut self, date: Date, rides: &mut base::Rides<'_>) -> Result<(), SimulateError> {
        let name = format!("{date}-0-base.csv");
        let mut file = TapFile::create(self.folder.join(&name), self.habit)?;
        self.presenter.begin_file(date);
        rides.begin(date, self.plan.world)?;
        while let Some((number, ride)) = rides.next_ride(self.plan.world)? {
            let intent = self.plan.schedule.intent(number).on_base();
            if let Some((repeated, expected)) = self.presenter.repeat(intent) {
                let line = file.record(&repeated.record)?;
                self.truth.record(&name, line, date, &expected)?;
                self.count();
            }
            let (presented, expected) = self.presenter.fresh(intent, ride);
            let line = file.record(&presented.record)?;
            self.truth.record(&name, line, date, &expected)?;
            self.count();
        }
        self.files += 1;
        file.finish()
    }

    fn count(&mut self) {
        self.untold += 1;
        if self.untold >= PROGRESS_EVERY {
            self.tell();
        }
    }

    /// Nobody listens any more only when everything ends anyway.
    fn tell(&mut self) {
        let _ = self.told.send(std::mem::take(&mut self.untold));
    }
}

/// Puts the truth about all cities into one file, by city.
fn join_truth(plan: &Plan<'_>) -> Result<(), SimulateError> {
    let (path, unfinished) = (plan.out.join("truth.csv"), plan.out.join(UNFINISHED));
    write(&path, truth::HEADER)?;
    let mut all = File::options().append(true).open(&path).map_err(SimulateError::io(&path))?;
    let mut cities: Vec<_> = plan.world.cities().collect();
    cities.sort_unstable();
    for city in cities {
        let part = unfinished.join(city.to_string());
        let mut rows = File::open(&part).map_err(SimulateError::io(&part))?;
        io::copy(&mut rows, &mut all).map_err(SimulateError::io(&path))?;
    }
    fs::remove_dir_all(&unfinished).map_err(SimulateError::io(unfinished))
}

fn summary(plan: &Plan<'_>, cities: u32, done: Vec<Done>) -> Summary {
    let mut summary = Summary {
        cities,
        first_date: Some(plan.world.first_date),
        overlay: plan.base.as_ref().map(|(_, base)| base.overlay()).unwrap_or_default(),
        ..Summary::default()
    };
    for city in done {
        summary.files += city.files;
        summary.parked += city.tally.parked;
        summary.base = summary.base.or(city.base);
        for (expected, count) in city.tally.expected {
            summary.records += count;
            *summary.expected.entry(expected).or_default() += count;
        }
    }
    summary
}
