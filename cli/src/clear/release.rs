//! The batch process releases what it has closed: nobody sits beside `clear` who could approve it.

use std::time::Duration;

use anyhow::Result;
use clap::ValueEnum;
use clearing_node::{
    book::opening_name,
    node::{CycleStatus, Request},
};
use domain::{
    act::{Act, Signer},
    cycle::CycleName,
    release::{Closed, State},
};
use proto::Opening;

use crate::{
    acts::written,
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
    house.node.request(Request::Decide(Box::new(written(Act::Release { of })), Signer::batch()));
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
