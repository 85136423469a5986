//! The home cities of a house agree by themselves.

use std::{path::Path, time::Duration};

use anyhow::Result;
use domain::{
    act::{Act, Role, Signer},
    city::City,
    cycle::CycleName,
    release::State,
};

use clearing_node::node::{CycleStatus, Request};

use super::own::{Said, all_say, cities, newest};
use crate::{acts::by_rule, house::House};

/// How long the clearing node may take to hear a few of them.
const WAIT: Duration = Duration::from_secs(600);
/// How many are told to the clearing node at a time: it takes sixteen.
const TOLD_AT_ONCE: usize = 8;

/// Has the home cities of a house say whether they agree with a closed cycle, those that have not said it. `ordinal` is
/// the cycle's number for the machine. Whoever does not agree is an alarm.
///
/// # Errors
/// If something cannot be read, or the clearing node does not take it.
pub fn of_house(house: &House, state: &Path, out: &Path, cycle: CycleName, ordinal: u32) -> Result<()> {
    // A cycle of a time before home cities kept records.
    if cities(state).is_empty() {
        return Ok(());
    }
    let status = house.node.status();
    let asked = silent(&status, cycle);
    let Some(folder) = newest(out, cycle).filter(|_| !asked.is_empty()) else { return Ok(()) };
    house.accepted.end_segments();
    let said = all_say(state, &asked, cycle, &folder)?;
    for said in said.iter().filter(|said| !said.compared.agrees()) {
        house.node.alarm(alarm(said));
    }
    for told in said.chunks(TOLD_AT_ONCE) {
        for Said { agreement, .. } in told {
            let by = Signer { name: agreement.city.to_string(), role: Role::City(agreement.city) };
            let id = format!("agree-{cycle}-{}", agreement.city);
            let written = by_rule(id, status.log.clone(), Act::Agree { figures: agreement.clone() });
            house.node.request(Request::Decide(Box::new(written), by));
        }
        house.node.wait_for(ordinal, "agreed to", WAIT, |status| {
            let silent = silent(status, cycle);
            told.iter().all(|said| !silent.contains(&said.agreement.city)).then_some(())
        })?;
    }
    Ok(())
}

/// The home cities that have not said whether they agree.
fn silent(status: &CycleStatus, cycle: CycleName) -> Vec<City> {
    let closed = status.closed.iter().find(|closed| closed.plan.cycle == cycle);
    let Some(closed) = closed.filter(|it| it.state == State::Closed && it.folder.is_some()) else {
        return Vec::new();
    };
    closed.plan.homes.keys().filter(|city| !closed.agreements.contains_key(city)).copied().collect()
}

fn alarm(said: &Said) -> String {
    let (city, cycle) = (said.agreement.city, said.agreement.cycle);
    let first = said.compared.differences.first().map(ToString::to_string).unwrap_or_default();
    format!(
        "{city} does not agree with {} rows of {cycle}: {first}; look with `cityunion agree --in OUT --cycle {cycle}`",
        said.compared.differences_total
    )
}
