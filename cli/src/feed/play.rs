//! Hands pieces in when they are due, and waits until they are taken.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::ExitCode,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use domain::city::City;
use serde_json::{Map, json};

use super::{
    Feed,
    inbox::{self, Inbox},
    pace::{self, Load},
    pieces::Piece,
    targets::Target,
};
use crate::{
    output::{Sheet, print, say, thousands},
    progress::Progress,
};

/// Longest sleep: how fast Ctrl-C is heard.
const LOOK: Duration = Duration::from_millis(50);
/// How often the receipts are looked at.
const RECEIPTS_EVERY: Duration = Duration::from_millis(500);
/// How often it is told what is open still, where no progress is shown.
const SAY_EVERY: Duration = Duration::from_secs(15);
/// Exit code when it was interrupted.
const INTERRUPTED: u8 = 130;

/// A day to play.
pub(super) struct Play<'a> {
    pub(super) args: &'a Feed,
    pub(super) pieces: &'a [Piece],
    pub(super) targets: &'a [Target],
}

/// What was handed in.
#[derive(Debug, Default)]
struct Done {
    pieces: u64,
    taps: u64,
    before: u64,
    took: Duration,
}

/// What the receipts say of a city's pieces.
#[derive(Debug, Default)]
struct Taken {
    taken: u64,
    refused: Vec<(String, String)>,
    open: u64,
}

impl Play<'_> {
    pub(super) fn run(&self) -> Result<ExitCode> {
        let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let tokio = tokio.context("start the runtime that hears signals")?;
        let stop = crate::signals::stopped(&tokio)?;
        self.play(&stop)
    }

    fn play(&self, stop: &AtomicBool) -> Result<ExitCode> {
        let mut inboxes = BTreeMap::new();
        for target in self.targets {
            inboxes.insert(target.city, Inbox::open(target.city, &target.inbox)?);
        }
        let mut new = Vec::new();
        let mut done = Done::default();
        for piece in self.pieces {
            let inbox = inboxes.get(&piece.city).with_context(|| format!("{} has no inbox", piece.city))?;
            if inbox.has(piece)? {
                done.before += 1;
            } else {
                new.push(piece);
            }
        }
        if !self.hand_in(&new, &mut inboxes, &mut done, stop)? {
            let left = new.len() as u64 - done.pieces;
            say(
                self.args.output,
                &format!("stopped, {left} pieces are left: run the same command again to go on"),
            );
            return Ok(ExitCode::from(INTERRUPTED));
        }
        let taken = self.wait(stop)?;
        if stop.load(Ordering::Relaxed) {
            return Ok(ExitCode::from(INTERRUPTED));
        }
        self.summary(&done, &taken)?;
        Ok(ExitCode::SUCCESS)
    }

    /// Hands in what is due; whether it came to the end.
    fn hand_in(
        &self,
        new: &[&Piece],
        inboxes: &mut BTreeMap<City, Inbox>,
        done: &mut Done,
        stop: &AtomicBool,
    ) -> Result<bool> {
        let loads: Vec<Load> = new.iter().map(|piece| piece.load()).collect();
        let schedule = pace::schedule(&loads, self.args.pace(), self.args.bursts);
        let progress = Progress::of("taps handed in", loads.iter().map(|load| load.taps).sum());
        let started = Instant::now();
        for (due, at) in schedule {
            if !sleep_until(started + due, stop) {
                progress.finish();
                return Ok(false);
            }
            let piece = new[at];
            if let Some(inbox) = inboxes.get_mut(&piece.city) {
                inbox.hand_in(piece)?;
            }
            progress.add(piece.taps);
            done.pieces += 1;
            done.taps += piece.taps;
            done.took = started.elapsed();
        }
        progress.finish();
        Ok(true)
    }

    /// Waits until every piece has a receipt, where receipts are known.
    fn wait(&self, stop: &AtomicBool) -> Result<BTreeMap<City, Taken>> {
        let deadline = Instant::now() + Duration::from_secs(self.args.wait_s);
        let progress = Progress::waiting("waiting until the adapters have taken everything".to_owned());
        let mut told: Option<Instant> = None;
        loop {
            let taken = self.taken()?;
            let open: u64 = taken.values().map(|taken| taken.open).sum();
            if open == 0 || stop.load(Ordering::Relaxed) {
                progress.finish();
                return Ok(taken);
            }
            progress.say(format!("{open} pieces are not taken yet"));
            if progress.is_hidden() && told.is_none_or(|at| at.elapsed() > SAY_EVERY) {
                say(self.args.output, &format!("waiting until the adapters have taken {open} pieces"));
                told = Some(Instant::now());
            }
            if Instant::now() > deadline {
                progress.finish();
                let of = taken.iter().filter(|(_, taken)| taken.open > 0).map(|(city, _)| city.to_string());
                bail!(
                    "{open} pieces of {} are not taken after {} s; a file that is dated after the business date of the \
                     open cycle waits for its day (`cityunion cycle status`), else look into the logs of the \
                     adapters (`make logs`); run the same command again to wait on",
                    of.collect::<Vec<_>>().join(", "),
                    self.args.wait_s
                );
            }
            sleep_until(Instant::now() + RECEIPTS_EVERY, stop);
        }
    }

    fn taken(&self) -> Result<BTreeMap<City, Taken>> {
        let mut all = BTreeMap::new();
        for target in self.targets {
            let Some(path) = &target.receipts else { continue };
            let receipts = inbox::receipts(path)?;
            let taken: &mut Taken = all.entry(target.city).or_default();
            for piece in self.pieces.iter().filter(|piece| piece.city == target.city) {
                match receipts.get(&(piece.name.clone(), inbox::hex(&piece.sha256))) {
                    None => taken.open += 1,
                    Some(Ok(())) => taken.taken += 1,
                    Some(Err(why)) => taken.refused.push((piece.name.clone(), why.clone())),
                }
            }
        }
        Ok(all)
    }

    fn summary(&self, done: &Done, taken: &BTreeMap<City, Taken>) -> Result<()> {
        let mut fed = Sheet::new("fed", &["city", "pieces", "taps", "taken", "refused"]);
        let cities: BTreeSet<City> = self.pieces.iter().map(|piece| piece.city).collect();
        for city in cities {
            let of_city = self.pieces.iter().filter(|piece| piece.city == city);
            let taps: u64 = of_city.clone().map(|piece| piece.taps).sum();
            let known = taken.get(&city);
            let count = known.map(|known| known.taken);
            let refused = known.map(|known| known.refused.len());
            let pieces = of_city.count();
            fed.row(vec![json!(city.to_string()), json!(pieces), json!(taps), json!(count), json!(refused)]);
        }
        let mut refused = Sheet::new("refused", &["city", "file", "reason"]);
        for (city, known) in taken {
            for (name, why) in &known.refused {
                refused.row(vec![json!(city.to_string()), json!(name), json!(why)]);
            }
        }
        let millis = u64::try_from(done.took.as_millis()).unwrap_or(u64::MAX);
        let mut facts = Map::new();
        facts.insert("handed_in_pieces".to_owned(), json!(done.pieces));
        facts.insert("handed_in_taps".to_owned(), json!(done.taps));
        facts.insert("handed_in_before_pieces".to_owned(), json!(done.before));
        facts.insert("milliseconds".to_owned(), json!(millis));
        let output = self.args.output;
        print(output, &facts, &[fed, refused])?;
        let number = |n: u64| thousands(&n.to_string());
        let rate = done.taps.saturating_mul(1_000).checked_div(millis).unwrap_or(done.taps);
        let (taps, pieces, rate) = (number(done.taps), number(done.pieces), number(rate));
        let took = format!("{}.{} s", millis / 1_000, millis % 1_000 / 100);
        say(output, &format!("\n{taps} taps in {pieces} pieces handed in within {took} ({rate} taps/s)"));
        if done.before > 0 {
            say(output, &format!("{} pieces were handed in before", number(done.before)));
        }
        if self.args.inbox_of.is_empty() {
            let config = self.args.local.join("config/clearing-node.toml");
            say(output, &format!("next: cityunion cycle cut-off --config {}", config.display()));
        }
        Ok(())
    }
}

/// Sleeps; whether it came to the end of it.
fn sleep_until(when: Instant, stop: &AtomicBool) -> bool {
    loop {
        if stop.load(Ordering::Relaxed) {
            return false;
        }
        let left = when.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        std::thread::sleep(left.min(LOOK));
    }
}
