//! `demo`: the whole system in one process, with cities that never stop tapping.
//!
//! The *stage* drives the system and tells what happens; on a terminal a screen shows it and passes on what a
//! person asks for, elsewhere it becomes lines.

mod facts;
mod log_lines;
mod model;
mod plain;
mod prompt;
mod screen;
mod stage;
mod view;

use std::{
    collections::BTreeSet,
    fs,
    io::IsTerminal,
    path::PathBuf,
    process::ExitCode,
    sync::{Arc, atomic::AtomicBool, mpsc},
};

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use cu_log::{Log, embedded::EmbeddedLog, topics::Topics};
use domain::{city::City, date::Date, rulebook::Rulebook};
use simulator::{SimulateConfig, World, simulate};
use switch::service::{ServiceConfig, SwitchHandle};

use crate::{
    house::House,
    output::{Format, say},
    scheme_folder::SchemeFolder,
};
use facts::{Named, Order, Told};
use stage::Stage;

/// Business dates for which the simulated scheme has rules.
const DAYS: u32 = 28;
/// Where the first business date stands.
const FIRST_DATE: (u16, u8, u8) = (2018, 9, 1);
/// Facts that may wait to be shown.
const TOLD_MAX: usize = 64;

/// Arguments of `demo`.
#[derive(Args, Debug)]
pub struct Demo {
    /// Folder of the demo; started again it goes on where it was
    #[arg(long, default_value = ".demo")]
    pub dir: PathBuf,
    /// Simulated cities
    #[arg(long, default_value_t = 12)]
    pub cities: u32,
    /// Taps a second over all cities
    #[arg(long, default_value_t = 2000)]
    pub rate: u32,
    /// Seconds between cut-offs
    #[arg(long, default_value_t = 30)]
    pub cycle_s: u64,
    /// Stop by itself after this many seconds
    #[arg(long)]
    pub for_s: Option<u64>,
    /// Seed of the simulated cities
    #[arg(long, default_value_t = 7)]
    pub seed: u64,
    /// Print a line a second, also on a terminal
    #[arg(long)]
    pub plain: bool,
}

/// Sets up log lines so that they can be held back while the screen is ours.
pub fn init_logging() {
    runtime::logging::init_to("warn", log_lines::Lines);
}

/// Runs the command.
///
/// # Errors
/// What failed, with what to do next; started again it goes on where it was.
pub fn run(args: &Demo) -> Result<ExitCode> {
    if args.cycle_s == 0 {
        bail!(crate::errors::Usage("--cycle-s must be at least 1".to_owned()));
    }
    let scheme = scheme(args)?;
    let world =
        World::new(args.seed, u32::try_from(scheme.rulebook.participants.len())?, first_date()?, DAYS);
    let cities: BTreeSet<City> = scheme.rulebook.participants.iter().map(|p| p.city).collect();
    let settled = args.dir.join("settled");
    let state = settled.join(".state");
    fs::create_dir_all(&state).with_context(|| format!("failed to make {}", state.display()))?;
    let log: Arc<dyn Log> =
        Arc::new(EmbeddedLog::open(&state.join("log")).context("failed to open the demo's log")?);
    let signers = crate::signatures::of_scheme(&args.dir.join("scheme"), &state, &settled)?;
    let house = House::start(log, Topics::default(), &scheme.rulebook, &cities, &state, &settled, signers)?;
    house.adapter.follow(&cities.iter().copied().collect::<Vec<_>>())?;
    let homes = cities.iter().map(|city| (*city, scheme.home_city(*city))).collect();
    let directory = house.serve(homes)?;
    let switch = house.switch_over(ServiceConfig::default(), &cities, directory.clone(), &scheme.rulebook)?;
    let stop = crate::signals::stopped(&house.tokio)?;
    let stage = Stage::new(args, &house, &switch, &scheme, &world, directory, cities)?;
    let done = perform(args, stage, &stop, named(&scheme.rulebook));
    finish(switch, done)?;
    // After ^C on a terminal.
    let again = if args.plain && has_screen() { "\n" } else { "" };
    say(
        Format::Table,
        &format!("{again}stopped; closed cycles, results and receipts are in {}", settled.display()),
    );
    say(Format::Table, &format!("next: cityunion verify {}/<cycle>", settled.display()));
    Ok(ExitCode::SUCCESS)
}

/// Stops the switch; what failed before counts first.
fn finish(switch: SwitchHandle, done: Result<()>) -> Result<()> {
    let stopped = switch.stop().map_err(anyhow::Error::msg).context("stop the switch");
    done.and(stopped)
}

/// The stage plays on a thread of its own while its facts are shown here.
fn perform(args: &Demo, mut stage: Stage<'_>, stop: &AtomicBool, cities: Vec<Named>) -> Result<()> {
    let (tell, told) = mpsc::sync_channel::<Told>(TOLD_MAX);
    let (ask, orders) = mpsc::channel::<Order>();
    std::thread::scope(|scope| {
        let playing = scope.spawn(move || {
            let played = stage.play(stop, &orders, &tell);
            let ended = stage.end();
            played.and(ended)
        });
        let shown = if args.plain || !has_screen() {
            plain::show(args, &told, ask);
            Ok(())
        } else {
            screen::show(cities, stop, &told, ask)
        };
        // What is still told is nobody's any more.
        drop(told);
        let played = playing.join().unwrap_or_else(|_| Err(anyhow!("the demo's stage has panicked")));
        played.and(shown)
    })
}

/// Whether standard output is a terminal on which a picture can be drawn.
fn has_screen() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Opens the demo's scheme, which the first run makes.
fn scheme(args: &Demo) -> Result<SchemeFolder> {
    let folder = args.dir.join("scheme");
    if !folder.join("rulebook.toml").exists() {
        say(Format::Table, &format!("making a scheme of {} cities in {}", args.cities, folder.display()));
        let config = SimulateConfig {
            taps: Some(0),
            cities: args.cities,
            days: DAYS,
            seed: args.seed,
            first_date: Some(first_date()?),
            ..SimulateConfig::new(folder.clone())
        };
        simulate(&config, &mut |_| {}).context("failed to make the demo's scheme")?;
    }
    SchemeFolder::open(&folder).context("failed to read the demo's scheme; remove its folder to begin anew")
}

fn first_date() -> Result<Date> {
    let (year, month, day) = FIRST_DATE;
    Ok(Date::from_ymd(year, month, day)?)
}

fn named(rulebook: &Rulebook) -> Vec<Named> {
    let participants = rulebook.participants.iter();
    participants
        .map(|p| Named { city: p.city, name_en: p.name_en.clone(), name_zh: p.name_zh.clone() })
        .collect()
}
