//! The batch process releases what it has closed: nobody sits beside `clear` who could approve it.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};
use clap::ValueEnum;
use clearing_node::{
    book::opening_name,
    node::{CycleStatus, Request},
};
use domain::{
    act::{Act, Signer},
    cycle::CycleName,
    date::Date,
    release::{Closed, State},
};
use proto::Opening;

use crate::{
    acts::by_rule,
    house::House,
    output::{Format, say},
};

/// How long the clearing node may take.
const WAIT: Duration = Duration::from_secs(600);

/// Who releases a closed cycle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Releaser {
    /// The batch process, as `batch`; the cycle says so
    #[default]
    Batch,
    /// Two people, with `cityunion cycle propose` and `cityunion cycle release`
    People,
}

/// Where it is remembered who releases the cycles of a business date.
fn path(state: &Path, date: Date) -> PathBuf {
    state.join("release").join(date.to_string())
}

/// Remembers who releases the cycles that begin now on a business date. Once `people` always `people`.
///
/// # Errors
/// If it cannot be written.
pub fn remember(state: &Path, date: Date, releaser: Releaser) -> Result<()> {
    let path = path(state, date);
    if releaser == Releaser::Batch && path.exists() {
        return Ok(());
    }
    let failed = || format!("failed to write {}", path.display());
    fs::create_dir_all(state.join("release")).with_context(failed)?;
    fs::write(&path, releaser.word()).with_context(failed)
}

/// Who releases a cycle; people, if nobody has said anything.
///
/// # Errors
/// If what was remembered cannot be read.
pub fn releaser_of(state: &Path, cycle: CycleName) -> Result<Releaser> {
    let path = path(state, cycle.business_date);
    match fs::read_to_string(&path) {
        Ok(word) if word == Releaser::Batch.word() => Ok(Releaser::Batch),
        Ok(_) => Ok(Releaser::People),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Releaser::People),
        Err(error) => Err(error).with_context(|| format!("failed to read {}", path.display())),
    }
}

impl Releaser {
    const fn word(self) -> &'static str {
        match self {
            Self::Batch => "batch",
            Self::People => "people",
        }
    }
}

/// Releases a closed cycle as `batch`, unless a home city stands against it: then it stays closed, and is an alarm.
///
/// # Errors
/// If the clearing node does not take it.
pub fn release(house: &House, opening: &Opening, format: Format) -> Result<()> {
    let (cycle, status) = (opening_name(opening), house.node.status());
    let Some(closed) = waiting(&status, cycle) else { return Ok(()) };
    let against = closed.disagreements();
    if !against.is_empty() {
        let why: Vec<String> = against.iter().map(ToString::to_string).collect();
        house.node.alarm(format!(
            "{cycle} is not released: {}; look with `cityunion cycle releases {cycle} --in OUT`",
            why.join("; ")
        ));
        return Ok(());
    }
    let Some(of) = closed.released() else { return Ok(()) };
    let id = format!("release-{cycle}-v{}", of.version);
    let written = by_rule(id, status.log.clone(), Act::Release { of });
    house.node.request(Request::Decide(Box::new(written), Signer::batch()));
    house
        .node
        .wait_for(opening.cycle, "released", WAIT, |status| waiting(status, cycle).is_none().then_some(()))?;
    say(format, &format!("{cycle} is released as `batch`, without four eyes"));
    Ok(())
}

/// The cycle, if it is closed and nothing more.
fn waiting(status: &CycleStatus, cycle: CycleName) -> Option<&Closed> {
    status.closed(cycle).filter(|closed| closed.state == State::Closed && closed.folder.is_some())
}
