//! `clear`: one business date of a scheme folder, from tap files to a closed cycle.
//!
//! It runs the services that run alone elsewhere. Everything it does is a fact on the log before it counts, so
//! killed at any instant and run again it goes on where it was and ends with the same bytes.

mod choose;
pub mod release;
pub mod state;
mod summary;

use std::{
    collections::BTreeSet,
    path::Path,
    process::ExitCode,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use city_adapter::acquirer::Outcome;
use clearing_node::node::Request;
use domain::{city::City, date::Date, rulebook::Rulebook};
use proto::Opening;
use signing::Signers;
use switch::{core::SwitchConfig, service::ServiceConfig, service::SwitchHandle};

use self::{choose::Choice, release::Releaser, state::State, summary::Run};
use crate::{
    agree,
    args::Clear,
    errors::Usage,
    house::House,
    output::say,
    progress::Progress,
    scheme_folder::{SchemeFolder, TapFile, Taps, home_cities},
    signatures,
};

/// Longest wait for anything that the machine alone decides: an hour a step, then it is a fault.
const WAIT: Duration = Duration::from_secs(3600);
/// How often a waiting step looks.
const LOOK: Duration = Duration::from_millis(10);

/// Runs the command.
///
/// # Errors
/// What failed, with what to do next; nothing is lost then.
pub fn run(args: &Clear) -> Result<ExitCode> {
    let started = Instant::now();
    refuse_mixing(&args.scheme, &args.out)?;
    let scheme = SchemeFolder::open(&args.scheme).context("failed to read the scheme folder")?;
    let taps = scheme.taps().context("failed to read the scheme folder")?;
    for notice in scheme.notices.iter().chain(&taps.passed_over) {
        tracing::warn!("{notice}");
    }
    let state = State::open(&args.out, args.kafka.as_deref())?;
    let mut cities: BTreeSet<City> = scheme.rulebook.participants.iter().map(|p| p.city).collect();
    cities.extend(&taps.cities);
    let signers = signatures::of_scheme(&args.scheme, &state.folder(), &args.out)?;
    if signers.is_none() {
        tracing::warn!("the scheme has no pki/: its cycles are not signed");
    }
    let (folder, rulebook) = (state.folder(), &scheme.rulebook);
    let house =
        House::start(state.log()?, state.topics(), rulebook, &cities, &folder, &args.out, signers.clone())?;
    // A city that has left the scheme may still have records in the park.
    cities.extend(house.adapter.cities());
    house.adapter.follow(&cities.iter().copied().collect::<Vec<_>>())?;
    let mut clearing = Clearing { args, scheme: &scheme, taps: &taps, house: &house, cities, signers };
    let run = clearing.run(started)?;
    let code = run.print(args)?;
    drop(house);
    Ok(code)
}

/// Input and output stay apart: what is written among the tap files would be read as some.
fn refuse_mixing(scheme: &Path, out: &Path) -> Result<()> {
    // What is not there yet is no scheme folder.
    let (Ok(scheme), Ok(at)) = (scheme.canonicalize(), out.canonicalize()) else { return Ok(()) };
    if at == scheme || at.starts_with(scheme.join("taps")) {
        let text = format!(
            "--out {} is the scheme folder itself: name a folder beside it, such as settled/",
            out.display()
        );
        return Err(Usage(text).into());
    }
    Ok(())
}

/// One run of `clear`.
struct Clearing<'a> {
    args: &'a Clear,
    scheme: &'a SchemeFolder,
    taps: &'a Taps,
    house: &'a House,
    cities: BTreeSet<City>,
    signers: Option<Arc<Signers>>,
}

impl Clearing<'_> {
    fn run(&mut self, started: Instant) -> Result<Run> {
        self.house.node.wait_for(0, "read", WAIT, |status| status.caught_up.then_some(()))?;
        let mut run = Run::new(started);
        self.agree_to_last()?;
        let unfinished = self.finish_unfinished(&mut run)?;
        // A run that finds a cycle half done finishes it, as the run that was interrupted would have.
        let goes_on = match (unfinished, self.args.business_date) {
            (Some(_), None) => false,
            (Some(done), Some(wanted)) => wanted != done,
            (None, _) => true,
        };
        if goes_on {
            match self.choose() {
                Ok(Choice::Clear(date)) => self.clear_date(date, &mut run)?,
                Ok(Choice::NothingNew(text)) => run.nothing_new(text),
                Err(refused) => {
                    // What was finished just now is answered all the same.
                    self.write_answers()?;
                    return Err(refused);
                }
            }
        }
        self.write_answers()?;
        run.finish(self.house, &self.args.out)?;
        Ok(run)
    }

    /// Finishes the cycle that an interrupted run left, and names its business date.
    fn finish_unfinished(&self, run: &mut Run) -> Result<Option<Date>> {
        let status = self.house.node.status();
        let Some(last) = status.openings.last().cloned() else { return Ok(None) };
        if status.published(last.cycle).is_some() {
            return Ok(None);
        }
        say(self.args.output, &format!("going on with {}, which was interrupted", name_of(&last)));
        if status.open {
            self.present(&last, run)?;
        } else {
            self.pass_barrier(&last)?;
        }
        self.close(&last, run)?;
        Ok(Some(date_of(&last)))
    }

    fn choose(&self) -> Result<Choice> {
        let status = self.house.node.status();
        let closed: Vec<Date> = status.openings.iter().map(date_of).collect();
        let new: Vec<&TapFile> =
            self.taps.files.iter().filter(|file| !self.house.adapter.knows(file.city, &file.name)).collect();
        choose::business_date(self.args.business_date, &closed, &self.taps.files, &new, crate::today())
    }

    fn clear_date(&self, date: Date, run: &mut Run) -> Result<()> {
        // Better now than at its end.
        if let Some(signers) = &self.signers {
            signers.on(date).context("failed to sign the cycle")?;
        }
        release::remember(&self.args.out.join(".state"), date, self.args.release)?;
        let version = self.scheme.rulebook.version;
        let due = self.house.node.status().openings.last().map_or(1, |last| last.cycle + 1);
        self.house.node.request(Request::Open { business_date: date, version });
        let opening = self.house.node.wait_for(due, "opened", WAIT, |status| {
            status.open_cycle().filter(|opening| opening.cycle == due).cloned()
        })?;
        self.present(&opening, run)?;
        self.close(&opening, run)
    }

    /// The cut-off was said, but the switch had not yet committed everything that the cut-off names.
    fn pass_barrier(&self, opening: &Opening) -> Result<()> {
        let passed = || self.house.node.status().barrier_waits_for.is_empty();
        if passed() {
            return Ok(());
        }
        let (switch, ..) = self.start_switch(opening)?;
        self.wait(Some(&switch), "the switch's positions", || Ok(passed()))?;
        switch.stop().map_err(anyhow::Error::msg).context("stop the switch")
    }

    /// A switch with the home cities that are up on the cycle's business date.
    fn start_switch(&self, opening: &Opening) -> Result<(SwitchHandle, BTreeSet<City>, Arc<Rulebook>)> {
        let rules = self.house.scheme.wait_for(WAIT, |view| view.rulebook_of(opening))?;
        let homes = home_cities(self.scheme, &rules, date_of(opening));
        let up = homes.keys().copied().collect();
        Ok((self.house.switch(patient(), &self.cities, homes, &rules)?, up, rules))
    }

    /// Brings every tap file that is due into the open cycle.
    fn present(&self, opening: &Opening, run: &mut Run) -> Result<()> {
        let date = date_of(opening);
        let (switch, up, rules) = self.start_switch(opening)?;
        self.wait(Some(&switch), "parked records of home cities that are up again", || {
            Ok(switch.parked_waiting_for(|city| up.contains(&city)) == 0)
        })?;
        self.take(date, &rules, run)?;
        let open = || self.cities.iter().map(|city| self.house.adapter.open_batches(*city)).sum::<u64>();
        let total = open();
        let progress = Progress::of("batches answered", total);
        self.wait(Some(&switch), "the results of every batch", || {
            if let Some((city, why)) = self.house.adapter.stopped().into_iter().next() {
                bail!("{city} is stopped: {why}");
            }
            self.check_stopped()?;
            let left = open();
            progress.reach(total.saturating_sub(left));
            Ok(left == 0)
        })?;
        progress.finish();
        self.house.node.request(Request::CutOff { opens: None });
        self.house.node.wait_for(opening.cycle, "cut off", WAIT, |status| {
            (!status.open && status.barrier_waits_for.is_empty()).then_some(())
        })?;
        switch.stop().map_err(anyhow::Error::msg).context("stop the switch")
    }

    fn take(&self, date: Date, rules: &Rulebook, run: &mut Run) -> Result<()> {
        let due = |file: &&TapFile| file.date().is_none_or(|named| named <= date);
        let files: Vec<&TapFile> = self.taps.files.iter().filter(due).collect();
        let uploads = files.iter().map(|file| file.upload()).collect();
        run.waiting = self.taps.files.len() - files.len();
        let members: BTreeSet<City> = rules.members(date).collect();
        let progress = Progress::lines("taps read");
        let taken = self
            .house
            .adapter
            .take(uploads, &|city| members.contains(&city), &|lines| progress.add(lines))?;
        progress.finish();
        for upload in &taken.uploads {
            match &upload.outcome {
                Outcome::Refused(why) => {
                    run.refused += 1;
                    tracing::warn!("{}/{} is refused: {why}", upload.city, upload.name);
                }
                Outcome::Unreadable(why) => {
                    run.unreadable += 1;
                    tracing::warn!("{}/{} cannot be taken: {why}", upload.city, upload.name);
                }
                _ => {}
            }
        }
        run.taken = Some(taken.totals());
        for (city, error) in taken.failures.iter().skip(1) {
            tracing::error!("{city}: {error:#}");
        }
        match taken.failures.into_iter().next() {
            Some((city, error)) => Err(error).with_context(|| format!("failed to take the files of {city}")),
            None => Ok(()),
        }
    }

    /// Waits until the cycle's folder is there.
    fn close(&self, opening: &Opening, run: &mut Run) -> Result<()> {
        let published = self
            .house
            .node
            .wait_for(opening.cycle, "published", WAIT, |status| status.published(opening.cycle).cloned())?;
        run.closed.push(published.folder);
        self.agree(opening)
    }

    /// What an interrupted run left unsaid.
    fn agree_to_last(&self) -> Result<()> {
        let status = self.house.node.status();
        match status.openings.last().filter(|last| status.published(last.cycle).is_some()) {
            Some(last) => self.agree(last),
            None => Ok(()),
        }
    }

    /// The home cities compare the cycle with what they accepted themselves; where all agree it is released.
    fn agree(&self, opening: &Opening) -> Result<()> {
        let (state, name) = (self.args.out.join(".state"), clearing_node::book::opening_name(opening));
        agree::of_house(self.house, &state, &self.args.out, name, opening.cycle)?;
        // A cycle is released by whom it was begun for, whatever a later run says.
        match release::releaser_of(&state, name)? {
            Releaser::Batch => release::release(self.house, opening, self.args.output),
            Releaser::People => Ok(()),
        }
    }

    /// Writes the answers to the cities: results and receipts.
    fn write_answers(&self) -> Result<()> {
        self.wait(None, "the last results", || {
            let partitions = self.house.node.partitions();
            Ok(partitions.values().all(|progress| progress.unpublished.load(Ordering::Relaxed) == 0))
        })?;
        let cities: Vec<City> = self.cities.iter().copied().collect();
        self.house.adapter.catch_up(&cities, WAIT)?;
        self.house.adapter.render(&cities)?;
        Ok(())
    }

    fn check_stopped(&self) -> Result<()> {
        let partitions = self.house.node.partitions();
        match partitions.values().find_map(|progress| progress.stopped_cities().into_iter().next()) {
            Some((city, why)) => bail!("{city} is stopped: {why}"),
            None => Ok(()),
        }
    }

    fn wait(
        &self,
        switch: Option<&SwitchHandle>,
        what: &str,
        mut done: impl FnMut() -> Result<bool>,
    ) -> Result<()> {
        let deadline = Instant::now() + WAIT;
        while !done()? {
            self.house.check(switch)?;
            if Instant::now() > deadline {
                bail!("{what} did not come within {WAIT:?}; run the same command again to go on");
            }
            std::thread::sleep(LOOK);
        }
        Ok(())
    }
}

/// A switch that parks by outages alone, never by time.
pub(crate) fn patient() -> ServiceConfig {
    let switch = SwitchConfig {
        park_after_ms: None,
        request_deadline_ms: 3_600_000,
        attempts_max: u32::MAX,
        ..SwitchConfig::default()
    };
    ServiceConfig { switch, ..ServiceConfig::default() }
}

fn date_of(opening: &Opening) -> Date {
    Date::from_julian_day(opening.business_date)
}

fn name_of(opening: &Opening) -> String {
    clearing_node::book::opening_name(opening).to_string()
}
