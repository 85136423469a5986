//! What drives the system: time, terminals, cut-offs, dark home cities, and what a person asks for.

mod bad_files;
mod cycles;
mod darkness;
mod lookup;
mod snapshot;
mod taps;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use city_adapter::acquirer::{Outcome, TakeSummary, Upload};
use clearing_node::{book::Picture, node::Request};
use domain::{city::City, date::Date, rulebook::Standing};
use simulator::World;
use switch::service::SwitchHandle;
use tonic::transport::Channel;

use super::{
    Demo,
    facts::{BadFiles, Order, TapName, Told},
    first_date,
};
use crate::{house::House, scheme_folder::SchemeFolder};
use cycles::ClosedCycles;
use darkness::{Change, Darkness};
use lookup::Lookup;
use taps::{Terminals, time_of_day};

/// Longest wait for a step of the system.
const WAIT: Duration = Duration::from_secs(120);
/// How often every city hands in a file.
const SECOND: Duration = Duration::from_secs(1);
/// How often it is looked whether something happened.
const LOOK: Duration = Duration::from_millis(20);
/// How often a snapshot is told between two seconds.
const SNAPSHOT: Duration = Duration::from_millis(250);

/// The running demo.
pub struct Stage<'a> {
    args: &'a Demo,
    house: &'a House,
    switch: &'a SwitchHandle,
    scheme: &'a SchemeFolder,
    cities: BTreeSet<City>,
    terminals: Terminals<'a>,
    directory: BTreeMap<City, Channel>,
    darkness: Darkness,
    closed: ClosedCycles,
    pictures: Vec<Option<Picture>>,
    pictures_at_ms: u64,
    begun: Instant,
    second: u64,
    cycle: u32,
    cycle_since: Instant,
    asked: bool,
    cut_off_now: bool,
    bad_files_of: Option<City>,
    lookup: Lookup,
}

impl<'a> Stage<'a> {
    /// Takes over a system that runs.
    ///
    /// # Errors
    /// If what was closed before cannot be read.
    pub fn new(
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
        let mut closed = ClosedCycles::default();
        closed.look(&status, &args.dir.join("settled"));
        let now = Instant::now();
        Ok(Self {
            args,
            house,
            switch,
            scheme,
            terminals: Terminals::new(args.dir.join("scheme").join("taps"), world, &cities),
            cities,
            directory,
            darkness: Darkness::default(),
            closed,
            pictures: house.node.partitions().values().map(|_| None).collect(),
            pictures_at_ms: 0,
            begun: now,
            second: 0,
            cycle: 0,
            cycle_since: now,
            asked: false,
            cut_off_now: false,
            bad_files_of: None,
            lookup: Lookup::default(),
        })
    }

    /// Taps, cuts off and tells, second by second, until it is asked to end, `stop` is raised, or the time is up.
    ///
    /// # Errors
    /// What stands still, or what could not be written.
    pub fn play(
        &mut self,
        stop: &AtomicBool,
        orders: &Receiver<Order>,
        tell: &SyncSender<Told>,
    ) -> Result<()> {
        let mut next = self.begun;
        while !stop.load(Ordering::Relaxed)
            && self.args.for_s.is_none_or(|max| self.begun.elapsed().as_secs() < max)
        {
            self.house.check(Some(self.switch))?;
            self.follow_cycles(tell)?;
            // Told before the next taps come: those of the last second are booked by now.
            self.tell_snapshot(tell)?;
            self.second += 1;
            if let Some(date) = self.open_date() {
                self.darken_by_itself(date, tell);
                self.tap(date)?;
            }
            // What a slow machine has lost is not caught up.
            let mut told = Instant::now();
            next = (next + SECOND).max(told);
            while Instant::now() < next && !stop.load(Ordering::Relaxed) {
                match orders.recv_timeout(LOOK.min(next.saturating_duration_since(Instant::now()))) {
                    Ok(Order::End) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
                    Ok(order) => self.obey(order, tell),
                    Err(RecvTimeoutError::Timeout) if told.elapsed() < SNAPSHOT => continue,
                    Err(RecvTimeoutError::Timeout) => {}
                }
                self.follow_cycles(tell)?;
                self.hand_in_bad_files(tell)?;
                self.tell_snapshot(tell)?;
                told = Instant::now();
            }
        }
        Ok(())
    }

    /// Lets what was taken come back, and writes the answers.
    ///
    /// # Errors
    /// If results do not come, or cannot be written.
    pub fn end(&mut self) -> Result<()> {
        self.lookup.wait();
        for city in self.darkness.cities() {
            self.switch.set_endpoint(city, self.directory.get(&city).cloned());
        }
        let cities: Vec<City> = self.cities.iter().copied().collect();
        let waited = self.house.adapter.wait_results(&cities, WAIT);
        self.house.adapter.render(&cities)?;
        waited?;
        Ok(())
    }

    /// The business date that taps are presented on now, if they are.
    fn open_date(&self) -> Option<Date> {
        let status = self.house.node.status();
        let opening = status.open_cycle()?;
        let here = self.house.scheme.open_cycle()?;
        (here.opening.cycle == opening.cycle && !self.asked)
            .then(|| Date::from_julian_day(opening.business_date))
    }

    /// Opens the first cycle, cuts off when it is time, tells of closed ones.
    fn follow_cycles(&mut self, tell: &SyncSender<Told>) -> Result<()> {
        let status = self.house.node.status();
        let version = self.scheme.rulebook.version;
        match status.openings.last() {
            None if self.asked => {}
            None => {
                self.house.node.request(Request::Open { business_date: first_date()?, version });
                self.asked = true;
            }
            Some(last) if last.cycle != self.cycle => {
                self.cycle = last.cycle;
                self.cycle_since = Instant::now();
                self.asked = false;
            }
            Some(last) if status.open && !self.asked => {
                let date = Date::from_julian_day(last.business_date).plus_days(1);
                if std::mem::take(&mut self.cut_off_now) || self.left() == Duration::ZERO {
                    self.house.node.request(Request::CutOff { opens: Some((date, version)) });
                    self.asked = true;
                }
            }
            Some(_) => {}
        }
        let news = self.closed.look(&status, &self.args.dir.join("settled"));
        if !news.is_empty() {
            let cities: Vec<City> = self.cities.iter().copied().collect();
            self.house.adapter.render(&cities)?;
        }
        news.into_iter().for_each(|closed| say(tell, Told::Closed(closed)));
        Ok(())
    }

    /// Time to the next cut-off.
    fn left(&self) -> Duration {
        Duration::from_secs(self.args.cycle_s).saturating_sub(self.cycle_since.elapsed())
    }

    /// Some cycles have a home city that goes dark for a while: its records park, then deliver.
    fn darken_by_itself(&mut self, date: Date, tell: &SyncSender<Told>) {
        let member = |city: &&City| self.scheme.rulebook.standing(**city, date) == Standing::Member;
        let paying: Vec<City> = self.directory.keys().filter(member).copied().collect();
        let second = self.cycle_since.elapsed().as_secs();
        if let Some(change) = self.darkness.by_itself(self.cycle, second, &paying) {
            self.darken(change, tell);
        }
    }

    fn darken(&self, change: Change, tell: &SyncSender<Told>) {
        let Change { city, dark } = change;
        let endpoint = self.directory.get(&city).filter(|_| !dark).cloned();
        self.switch.set_endpoint(city, endpoint);
        let name = self.name(city);
        say(
            tell,
            Told::Note(if dark {
                format!("{name} is dark: taps of its cards park")
            } else {
                format!("{name} answers again: what is parked is delivered")
            }),
        );
    }

    fn name(&self, city: City) -> String {
        let participant = self.scheme.rulebook.participant(city);
        participant.map_or_else(|| city.to_string(), |p| format!("{} {}", p.name_zh, p.name_en))
    }

    fn obey(&mut self, order: Order, tell: &SyncSender<Told>) {
        match order {
            Order::Darken(city, dark) => {
                if let Some(change) = self.darkness.set(city, dark) {
                    self.darken(change, tell);
                }
            }
            Order::BadFiles(city) => self.bad_files_of = Some(city),
            Order::CutOff if self.asked => {
                say(tell, Told::Note("the cycle is being cut off already".to_owned()));
            }
            Order::CutOff => {
                self.cut_off_now = true;
                say(tell, Told::Note("cut-off: the cycle ends, its folder appears in a moment".to_owned()));
            }
            Order::Trace(tap) => self.trace(tap, tell),
            Order::End => {}
        }
    }

    fn trace(&mut self, tap: TapName, tell: &SyncSender<Told>) {
        let settled = self.args.dir.join("settled");
        self.lookup.begin(&self.house.log, &self.house.topics, settled, tap, tell);
    }

    fn members(&self, date: Date) -> BTreeSet<City> {
        self.scheme.rulebook.members(date).collect()
    }

    fn now(&self, date: Date) -> domain::date::LocalTime {
        let cycle_ms = u128::from(self.args.cycle_s) * 1000;
        time_of_day(date, self.cycle_since.elapsed().as_millis(), cycle_ms)
    }

    /// Each member city collects its share of a second's taps and hands in a file.
    fn tap(&mut self, date: Date) -> Result<()> {
        let members = self.members(date);
        let share = self.args.rate / u32::try_from(members.len().max(1))?;
        let uploads = self.terminals.next_files(&members, share.max(1), self.now(date))?;
        self.take(uploads, &members).map(drop)
    }

    fn take(&self, uploads: Vec<Upload>, members: &BTreeSet<City>) -> Result<TakeSummary> {
        let mut taken = self.house.adapter.take(uploads, &|city| members.contains(&city), &|_| {})?;
        match taken.failures.pop() {
            Some((city, error)) => Err(error).with_context(|| format!("failed to take the files of {city}")),
            None => Ok(taken),
        }
    }

    /// Two bad files are handed in, as soon as a cycle is open.
    fn hand_in_bad_files(&mut self, tell: &SyncSender<Told>) -> Result<()> {
        let (Some(city), Some(date)) = (self.bad_files_of, self.open_date()) else { return Ok(()) };
        self.bad_files_of = None;
        let members = self.members(date);
        let Some((name, good)) = self.terminals.next_file(city, bad_files::LINES, self.now(date))? else {
            return Ok(());
        };
        let (broken, headless) = (format!("{name}-broken-lines.csv"), format!("{name}-bad-header.csv"));
        let bytes = bad_files::with_broken_lines(&good);
        let uploads = vec![
            self.terminals.upload(city, broken.clone(), &bytes)?,
            self.terminals.upload(city, headless.clone(), &bad_files::with_bad_header(&good))?,
        ];
        let taken = self.take(uploads, &members)?;
        self.house.adapter.render(&[city])?;
        let receipt = |name: &str| {
            let upload = taken.uploads.iter().find(|upload| upload.name == name);
            upload.map(|upload| receipt(&upload.outcome)).unwrap_or_default()
        };
        let settled = self.args.dir.join("settled");
        let results = settled.join("results").join(city.to_string()).join(&broken);
        let quarantined = bad_files::quarantined(&results, &bytes)?;
        let became = BadFiles {
            broken_receipt: receipt(&broken),
            headless_receipt: receipt(&headless),
            broken,
            headless,
            lines: quarantined,
            answers: settled,
        };
        say(tell, Told::BadFiles(city, became));
        Ok(())
    }
}

/// What a receipt says.
fn receipt(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Taken(sum) => format!(
            "taken: {} lines, {} presented, {} of own cards, {} malformed",
            sum.records, sum.presented, sum.local, sum.malformed
        ),
        Outcome::Refused(reason) => format!("refused: {reason}"),
        Outcome::AlreadyTaken => "taken before".to_owned(),
        Outcome::AlreadyRefused => "refused before".to_owned(),
        Outcome::Unreadable(why) => format!("not read: {why}"),
    }
}

/// Tells; who listened may have gone, which the next order shows.
fn say(tell: &SyncSender<Told>, told: Told) {
    drop(tell.send(told));
}
