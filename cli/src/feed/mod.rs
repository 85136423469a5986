//! `feed`: plays a day of a scheme folder into the inboxes of running adapters.

mod inbox;
mod pace;
mod pieces;
mod play;
mod ready;
mod targets;

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context, Result};
use clap::Args;
use domain::{city::City, date::Date};

use self::{
    pace::{Curve, Pace, Wanted},
    play::Play,
    targets::Target,
};
use crate::{
    errors::Usage,
    local_system,
    output::Format,
    scheme_folder::{SchemeFolder, TapFile},
};

/// Arguments of `feed`.
#[derive(Args, Debug)]
pub struct Feed {
    /// The scheme folder whose tap files are played [default: that of --local]
    #[arg(long)]
    scheme: Option<PathBuf>,
    /// Folder of a system that `make up` started
    #[arg(long, default_value = ".local", conflicts_with = "inbox_of")]
    local: PathBuf,
    /// The inbox of a city, for adapters that run elsewhere; once for each city
    #[arg(long, value_name = "CITY=DIR", value_parser = targets::inbox_of)]
    inbox_of: Vec<(City, PathBuf)>,
    /// The day to play [default: the earliest in the names of the tap files]
    #[arg(long)]
    date: Option<Date>,
    /// Taps over all cities: 5000/s, 300000/min, 1000000/h, or max for no pause at all
    #[arg(long, default_value = "5000/s", conflicts_with = "speed")]
    rate: Wanted,
    /// How the rate goes over the day
    #[arg(long, value_enum, default_value_t, conflicts_with = "speed")]
    curve: Curve,
    /// Seconds of the day that pass in one second, in place of a rate: 600 plays a day in 144 s
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    speed: Option<u32>,
    /// Let each city hold back so many pieces and hand them in together
    #[arg(long, value_name = "PIECES", num_args = 0..=1, default_missing_value = "10")]
    bursts: Option<usize>,
    /// Taps in each of the small files that a tap file is cut into
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..))]
    piece_taps: u64,
    /// Hand the files in as they are, with their manifests
    #[arg(long)]
    whole_files: bool,
    /// Seconds to wait at the end until the adapters have taken everything (with --local)
    #[arg(long, default_value_t = 300)]
    wait_s: u64,
    /// How to print the summary
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

impl Feed {
    fn pace(&self) -> Pace {
        match (self.speed, self.rate) {
            (Some(speed), _) => Pace::Speed(speed),
            (None, Wanted::Rate(rate)) => Pace::Rate(rate, self.curve),
            (None, Wanted::Max) => Pace::AtOnce,
        }
    }
}

/// Runs the command.
///
/// # Errors
/// What failed, with what to do next; what was handed in is known, so that the same command goes on.
pub fn run(args: &Feed) -> Result<ExitCode> {
    let adapters = match args.inbox_of.is_empty() {
        true => local_system::adapters(&args.local)?,
        false => Vec::new(),
    };
    let targets = targets::find(args, &adapters)?;
    ready::check(&args.local, &adapters)?;
    let scheme = match &args.scheme {
        Some(scheme) => scheme.clone(),
        None if args.inbox_of.is_empty() => args.local.join("scheme"),
        None => return Err(Usage("name the scheme folder with --scheme DIR".to_owned()).into()),
    };
    let files = files(&scheme, args.date, &targets)?;
    let mut pieces = Vec::new();
    for file in &files {
        let cut = pieces::cut(file, args.piece_taps, args.whole_files);
        pieces.extend(cut.with_context(|| format!("failed to read {}", file.path.display()))?);
    }
    Play { args, pieces: &pieces, targets: &targets }.run()
}

/// The tap files of the day, of the cities that have an inbox, by city and name.
fn files(scheme: &std::path::Path, date: Option<Date>, targets: &[Target]) -> Result<Vec<TapFile>> {
    let folder = SchemeFolder::open(scheme).context("failed to read the scheme folder")?;
    let taps = folder.taps().context("failed to read the scheme folder")?;
    taps.passed_over.iter().for_each(|notice| tracing::warn!("{notice}"));
    let dates = || taps.files.iter().filter_map(TapFile::date);
    let Some(date) = date.or_else(|| dates().min()) else {
        let text = format!("no tap file in {} has a date in its name; give --date", scheme.display());
        return Err(Usage(text).into());
    };
    let (of_day, others): (Vec<TapFile>, Vec<TapFile>) =
        taps.files.iter().cloned().partition(|file| file.date() == Some(date));
    if of_day.is_empty() {
        let text = format!("no tap file in {} begins with {date}", scheme.display());
        return Err(Usage(text).into());
    }
    if !others.is_empty() {
        tracing::info!("{} tap files of other days are left out", others.len());
    }
    let (fed, without): (Vec<TapFile>, Vec<TapFile>) =
        of_day.into_iter().partition(|file| targets.iter().any(|target| target.city == file.city));
    for file in without {
        tracing::warn!("{}/{} is left out: the city has no inbox here", file.city, file.name);
    }
    Ok(fed)
}
