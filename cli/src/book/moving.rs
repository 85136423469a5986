//! `book move`: a city goes to another partition (docs/moving-a-city.md).

use std::{collections::BTreeSet, process::ExitCode};

use anyhow::Result;
use clap::Args;
use cu_log::topics::SWITCH_GROUP;
use domain::city::City;
use proto::{Arrived, CityEvent, Departing, Moved, city_event::What, clearing};

use super::place::{History, Place, PlaceArgs};
use crate::{
    errors::Refused,
    output::{Format, say},
};

/// Arguments of `book move`.
#[derive(Args, Debug)]
pub struct Move {
    #[command(flatten)]
    place: PlaceArgs,
    /// The city; its adapter is stopped and everything of it is answered
    #[arg(long)]
    city: City,
    /// The partition of `cu.clearing` to which it goes
    #[arg(long, value_name = "PARTITION")]
    to: u32,
}

/// A move that is on its way or about to begin.
struct Way {
    id: String,
    from: u32,
    to: u32,
    /// The part that is due; none once all are on their way.
    due: Option<u32>,
}

/// Runs the command.
pub fn run(args: &Move) -> Result<ExitCode> {
    let place = Place::open(&args.place)?;
    let (city, to) = (args.city, args.to);
    let rulebook = place.rulebook()?;
    let history = place.history(city)?;
    let at = history.partition(city, &rulebook);
    let way = match begun(&history) {
        Some(way) if way.to == to => way,
        Some(way) => {
            let text =
                format!("{city} is on its way to partition {}; finish that with --to {}", way.to, way.to);
            return Err(Refused(text).into());
        }
        None if at == to && rulebook.partition_of(city) != to => {
            tell_next(city, to, rulebook.version);
            return Ok(ExitCode::SUCCESS);
        }
        None if at == to => return Err(Refused(format!("{city} is in partition {to} already")).into()),
        None if to >= rulebook.partitions => {
            let text = format!("there are partitions 0 to {} and no other", rulebook.partitions - 1);
            return Err(Refused(text).into());
        }
        None => {
            check_drained(&place, city)?;
            // The same until the city has arrived: if this command is killed before the book has answered and run
            // again, both ask for one and the same move.
            let id = format!("move/{city}/{at}-{to}/after-{}", arrivals(&history));
            Way { id, from: at, to, due: Some(1) }
        }
    };
    go(&place, city, &way, history.end)?;
    let Arrived { batches, identities, .. } = arrival(&place, city, &way, history.end)?;
    say(
        Format::Table,
        &format!("{city} is in partition {to}: {batches} batches and {identities} paid taps are known there"),
    );
    tell_next(city, to, rulebook.version);
    Ok(ExitCode::SUCCESS)
}

fn tell_next(city: City, to: u32, version: u32) {
    say(
        Format::Table,
        &format!(
            "next: a rulebook of version {} with `{city} = {to}` under [clearing.assignment] must open the next cycle; \
             start the city's adapter when the one before is published",
            version.saturating_add(1)
        ),
    );
}

/// How often the city has arrived somewhere so far.
fn arrivals(history: &History) -> usize {
    let id = |event: &CityEvent| match &event.what {
        Some(What::Arrived(arrived)) => Some(arrived.id.clone()),
        _ => None,
    };
    history.events.iter().filter_map(id).collect::<BTreeSet<_>>().len()
}

/// The move that is on its way, if one is.
fn begun(history: &History) -> Option<Way> {
    let departed = history.events.iter().rev().find_map(|event| match &event.what {
        Some(What::Departing(departing)) if departing.refused.is_empty() => {
            Some((event.partition, departing))
        }
        _ => None,
    });
    let (from, Departing { id, to, .. }) = departed?;
    let same = |what: &What| matches!(what, What::Arrived(arrived) if arrived.id == *id);
    if history.events.iter().filter_map(|event| event.what.as_ref()).any(same) {
        return None;
    }
    let parts = history.events.iter().filter_map(|event| match &event.what {
        Some(What::Departing(part)) if part.id == *id && part.refused.is_empty() => Some(part),
        _ => None,
    });
    let furthest = parts.max_by_key(|part| part.part)?;
    let due = (!furthest.last).then_some(furthest.part + 1);
    Some(Way { id: id.clone(), from, to: *to, due })
}

/// Everything that the adapter has sent must have passed the switch.
fn check_drained(place: &Place, city: City) -> Result<()> {
    let taps = place.topics.taps(city);
    let end = place.log.bounds(&taps)?.end;
    let group = place.topics.group(SWITCH_GROUP);
    let committed = place.log.committed(&group, std::slice::from_ref(&taps))?.into_iter().next().flatten();
    let passed = committed.map_or(0, |commit| commit.offset);
    if passed >= end {
        return Ok(());
    }
    let text = format!(
        "{} messages of {city} have not passed the switch; stop its adapter and wait until they have",
        end - passed
    );
    Err(Refused(text).into())
}

fn go(place: &Place, city: City, way: &Way, heard_to: u64) -> Result<()> {
    let mut due = way.due;
    while let Some(part) = due {
        let moved = Moved { id: way.id.clone(), city: city.to_string(), from: way.from, to: way.to, part };
        place.tell(way.from, clearing::Body::Moved(moved))?;
        let departed =
            place.hear(city, heard_to, "that a part is on its way", |event| match &event.what {
                Some(What::Departing(it)) if it.id == way.id && it.part == part => Some(it.clone()),
                _ => None,
            })?;
        if !departed.refused.is_empty() {
            return Err(Refused(format!("{city} does not move: {}", departed.refused)).into());
        }
        due = (!departed.last).then_some(part + 1);
    }
    Ok(())
}

fn arrival(place: &Place, city: City, way: &Way, heard_to: u64) -> Result<Arrived> {
    place.hear(city, heard_to, "that the city is whole in its new partition", |event| match &event.what {
        Some(What::Arrived(arrived)) if arrived.id == way.id => Some(arrived.clone()),
        _ => None,
    })
}
