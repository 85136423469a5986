//! One look at log and published files, put together.

use std::{collections::BTreeSet, sync::Arc};

use anyhow::Result;
use cu_log::{Log, topics::Topics};
use domain::{
    city::{City, Scheme},
    result::RecordResult,
};

use super::{
    assemble,
    calendar::Calendar,
    disputes,
    fold::Fold,
    life::{CityName, Life, Looked},
    published::{Folder, FromFolder},
    query::{Query, scheme_word},
    scan::{self, FromLog, Progress},
};

/// Looks for a tap on a log, in a folder, or both.
pub fn look(
    log: Option<(&Arc<dyn Log>, &Topics)>,
    folder: Option<&Folder>,
    query: Query,
    everywhere: bool,
    progress: Progress<'_>,
) -> Result<Life> {
    let read =
        log.map(|(log, topics)| scan::from_log(log, topics, query, everywhere, progress)).transpose()?;
    let (fold, mut calendar, known, mut looked, everywhere) = match read {
        Some(FromLog { fold, calendar, known, looked, everywhere }) => {
            (Some(fold), calendar, Some(known), looked, everywhere)
        }
        None => (None, Calendar::default(), None, Vec::new(), everywhere),
    };
    let mut found = FromFolder::default();
    if let Some(folder) = folder {
        if fold.is_none() {
            folder.rules(&mut calendar, &mut found);
        }
        look_in(folder, &query, fold.as_ref(), &calendar, everywhere, progress, &mut found);
    }
    looked.append(&mut found.looked);
    let mut seen = BTreeSet::new();
    looked.retain(|it: &Looked| seen.insert((it.place.clone(), it.read.clone())));
    let topics = log.map(|(_, topics)| topics.clone()).unwrap_or_default();
    let mut presentations = assemble::presentations(fold.as_ref(), &calendar, &topics, &found);
    known.iter().for_each(|known| disputes::attach(known, &mut presentations));
    let mut near = found.near.list();
    near.extend(fold.iter().flat_map(|fold| fold.near.list()));
    near.sort();
    near.dedup_by_key(|it| (it.terminal_seq, it.acquirer, it.file.clone(), it.line));
    let mut life = Life {
        terminal: query.terminal.to_string(),
        terminal_seq: query.terminal_seq,
        scheme: query.scheme.map(scheme_word),
        owners: calendar.owners(query.terminal),
        presentations,
        presentations_left_out: fold.as_ref().map_or(0, |fold| fold.left_out),
        near,
        cities: Vec::new(),
        topic_prefix: topics.prefix().to_owned(),
        looked,
        notes: notes(fold.as_ref(), &calendar),
        next: Vec::new(),
    };
    life.cities = cities(&life, &calendar);
    life.notes.extend(found.notes.list());
    two_identities(&mut life);
    if !life.found() {
        life.next = what_next(&life, &query, &found, log.is_some());
    }
    Ok(life)
}

/// Reads the published files: of the cities that presented the tap and those that own the terminal, of every city
/// only if nothing is there or `everywhere` is asked for.
fn look_in(
    folder: &Folder,
    query: &Query,
    fold: Option<&Fold>,
    calendar: &Calendar,
    everywhere: bool,
    progress: Progress<'_>,
    found: &mut FromFolder,
) {
    let mut first: BTreeSet<City> = fold.map(Fold::acquirers).unwrap_or_default();
    first.extend(calendar.owners(query.terminal).iter().map(|owner| owner.city));
    let cycles = fold.filter(|fold| fold.found()).map(|fold| cycles_of(fold, calendar));
    folder.look(query, &first, cycles.as_ref(), progress, found);
    let nothing = found.rows.is_empty() && !fold.is_some_and(Fold::found);
    if everywhere || nothing {
        let others = folder.cities().difference(&first).copied().collect();
        folder.look(query, &others, cycles.as_ref(), progress, found);
    }
    if found.rows.is_empty() && fold.is_none() {
        folder.look_near(query, folder.cities(), found);
    }
}

/// The cycles in which the records that the log knows have rows.
fn cycles_of(fold: &Fold, calendar: &Calendar) -> BTreeSet<String> {
    let batches = fold.batches.values();
    let first = batches.clone().filter_map(|batch| batch.arrival.as_ref()?.cycle).min().unwrap_or(1);
    let last = batches.flat_map(|batch| &batch.found).map(|record| match record.results.last() {
        Some(told) if told.result != RecordResult::Parked => told.cycle,
        _ => calendar.last(),
    });
    calendar.names(first, last.max().unwrap_or(first))
}

fn cities(life: &Life, calendar: &Calendar) -> Vec<CityName> {
    let mut cities: BTreeSet<City> = life.owners.iter().map(|owner| owner.city).collect();
    for presentation in &life.presentations {
        cities.insert(presentation.acquirer);
        cities.extend(City::parse(presentation.issuer.as_bytes()).ok());
    }
    cities.into_iter().filter_map(|city| calendar.names_of(city)).collect()
}

fn notes(fold: Option<&Fold>, calendar: &Calendar) -> Vec<String> {
    let mut notes = Vec::new();
    let unreadable = calendar.unreadable + fold.map_or(0, |fold| fold.unreadable);
    if unreadable > 0 {
        notes.push(format!(
            "{unreadable} messages on the log cannot be read and were passed over; was it written by another version?"
        ));
    }
    for ((city, number), batch) in fold.iter().flat_map(|fold| &fold.batches) {
        if batch.contradicted {
            notes.push(format!(
                "batch {number} of {city} came again with other content (another digest): the city stands still \
                 until a person has looked at its adapter's state"
            ));
        }
    }
    notes
}

/// The scheme of the card is part of the identity.
fn two_identities(life: &mut Life) {
    let issuers = life.presentations.iter().map(|it| City::parse(it.issuer.as_bytes()));
    let schemes: BTreeSet<Scheme> = issuers.filter_map(Result::ok).map(City::scheme).collect();
    if schemes.len() > 1 {
        life.notes.push(
            "these are two transactions: the scheme of the card (cu or tu) is part of the identity; --scheme shows \
             one of them"
                .to_owned(),
        );
    }
}

/// What somebody who looked in vain can do.
fn what_next(life: &Life, query: &Query, found: &FromFolder, on_log: bool) -> Vec<String> {
    let mut next = Vec::new();
    match life.owners.as_slice() {
        [] => next.push(format!(
            "no participant owns this terminal: compare its number with the terminal_prefixes of the rulebook \
             (prefixes are matched from the left, {} …)",
            life.terminal.get(..4).unwrap_or_default()
        )),
        _ if life.near.is_empty() => next.push("no record of this terminal is known at all: check its number".to_owned()),
        _ => next.push("check the sequence against the nearest records above".to_owned()),
    }
    if let Some(scheme) = query.scheme {
        next.push(format!("only {} cards were meant: leave --scheme out", scheme_word(scheme)));
    }
    if let [(city, file, line), ..] = found.unnamed.first.as_slice() {
        next.push(format!(
            "{} malformed lines have no readable terminal or sequence, so it may be one of them, first line {line} of \
             results/{city}/{file}",
            found.unnamed.count
        ));
    }
    if let [(city, file), ..] = found.refused.as_slice() {
        next.push(format!(
            "{} uploads were refused whole, first {file} of {city}: receipts/{city}.csv says why",
            found.refused.len()
        ));
    }
    if !on_log {
        next.push(
            "the log was not read: what is not yet in a closed cycle or an answer is not found".to_owned(),
        );
    }
    next.push(
        "a file that was not handed in or not yet taken is on no log: look into the city's receipts"
            .to_owned(),
    );
    next
}
