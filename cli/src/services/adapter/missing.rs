//! `cityunion adapter missing`: which members have sent nothing for the open business date, by the log alone.

use std::{collections::BTreeMap, process::ExitCode, sync::Arc, time::Duration};

use anyhow::{Context, Result, bail};
use cu_log::{Log, LogError, topics::Topics, visit_range};
use domain::{city::City, cycle::CycleName, date::Date, tap::Tap};
use proto::{CycleEvent, Message, Opening, TapBatch, cycle_event::Body};
use runtime::scheme::SchemeView;
use serde_json::{Map, Value, json};
use zerocopy::FromBytes;

use super::super::LogConfig;
use crate::output::{Format, Sheet, print, say};

const POLL_WAIT: Duration = Duration::from_secs(10);

/// Arguments of `adapter missing`.
#[derive(clap::Args, Debug)]
pub struct MissingArgs {
    /// Address of Apache Kafka
    #[arg(long, value_name = "HOST:PORT")]
    kafka: String,
    /// What all topic names begin with
    #[arg(long, default_value = "")]
    prefix: String,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

pub fn run(args: &MissingArgs) -> Result<ExitCode> {
    let config = LogConfig::at(&args.kafka, &args.prefix);
    let (log, topics) = config.open("cityunion-missing")?;
    let scheme = match SchemeView::follow(&log, &topics) {
        Err(LogError::NoTopic(topic)) => bail!(
            "there is no topic {topic} at {}: no clearing node has run there; start one (`make up`, or `cityunion \
             clearing-node run --config FILE`), or give what its topic names begin with as --prefix",
            args.kafka
        ),
        followed => followed.context("read the cycles")?,
    };
    let Some(open) = scheme.open_cycle() else {
        bail!(
            "no cycle is open: nobody is expected to send; ask again when the clearing node has opened one"
        );
    };
    let history = History::read(log.as_ref(), &topics)?;
    let date = Date::from_julian_day(open.opening.business_date);
    let (mut missing, mut members) = (Vec::new(), 0);
    for participant in open.rulebook.participants.iter().filter(|p| p.is_member(date)) {
        members += 1;
        let end = end_of(&log, &topics, participant.city)?;
        if history.sent_since(participant.city, end) {
            continue;
        }
        let last = if end == 0 { None } else { Some(last_batch(&log, &topics, participant.city, end)?) };
        missing.push((participant, history.cycle_of(participant.city, end), last));
    }
    let mut sheet = Sheet::new(
        "missing",
        &["city", "name_en", "name_zh", "last_cycle", "last_file", "last_batch", "last_tap_date"],
    );
    for (participant, cycle, last) in &missing {
        let of = |value: fn(&Last) -> Value| last.as_ref().map_or(Value::Null, value);
        sheet.row(vec![
            json!(participant.city.to_string()),
            json!(participant.name_en),
            json!(participant.name_zh),
            json!(cycle.map(|cycle| cycle.to_string())),
            of(|last| json!(last.file)),
            of(|last| json!(last.number)),
            of(|last| json!(last.tapped)),
        ]);
    }
    let cycle = name_of(&open.opening);
    let sent = members - missing.len();
    let text =
        format!("cycle {cycle}: {sent} of {members} members have sent taps, {} nothing", missing.len());
    say(args.output, &text);
    let facts =
        json!({ "business_date": date, "cycle": cycle.to_string(), "members": members, "sent": sent });
    let facts: Map<String, Value> = facts.as_object().cloned().unwrap_or_default();
    print(args.output, &facts, &[sheet])?;
    Ok(ExitCode::SUCCESS)
}

/// The last batch of a city.
struct Last {
    file: String,
    number: u64,
    /// The latest date of its taps.
    tapped: Option<Date>,
}

/// Where the cities' tap logs ended at each cut-off.
#[derive(Default)]
struct History {
    openings: BTreeMap<u32, Opening>,
    /// By cycle; the first cut-off of a cycle counts.
    ends: BTreeMap<u32, BTreeMap<City, u64>>,
}

impl History {
    fn read(log: &dyn Log, topics: &Topics) -> Result<Self> {
        let cycles = topics.cycles();
        let bounds = log.bounds(&cycles)?;
        let mut history = Self::default();
        visit_range(log, &cycles, bounds, &mut |entry| {
            let event = CycleEvent::decode(entry.payload).context("read an event on cu.cycles")?;
            history.take(event);
            anyhow::Ok(())
        })?;
        Ok(history)
    }

    fn take(&mut self, event: CycleEvent) {
        match event.body {
            Some(Body::Opening(opening)) => self.opened(opening),
            Some(Body::CutOff(cut))
                if self.openings.contains_key(&cut.cycle) && !self.ends.contains_key(&cut.cycle) =>
            {
                // A city that the cut-off leaves out ends where it did before.
                let mut ends = self.ends.values().next_back().cloned().unwrap_or_default();
                let city = |acquirer: &str| acquirer.parse::<City>().ok();
                ends.extend(cut.barrier.iter().filter_map(|end| Some((city(&end.acquirer)?, end.offset))));
                self.ends.insert(cut.cycle, ends);
                cut.opens.into_iter().for_each(|opening| self.opened(opening));
            }
            _ => {}
        }
    }

    fn opened(&mut self, opening: Opening) {
        self.openings.entry(opening.cycle).or_insert(opening);
    }

    /// Whether a tap log that ends at `end` has grown since the last cut-off.
    fn sent_since(&self, city: City, end: u64) -> bool {
        let before = self.ends.values().next_back().and_then(|ends| ends.get(&city)).copied();
        end > before.unwrap_or_default()
    }

    /// The cycle in which a tap log reached `end`; none if it is empty.
    fn cycle_of(&self, city: City, end: u64) -> Option<CycleName> {
        let reached = |ends: &BTreeMap<City, u64>| ends.get(&city).is_some_and(|known| *known >= end);
        let (cycle, _) = self.ends.iter().find(|(_, ends)| end > 0 && reached(ends))?;
        self.openings.get(cycle).map(name_of)
    }
}

fn name_of(opening: &Opening) -> CycleName {
    let business_date = Date::from_julian_day(opening.business_date);
    CycleName { business_date, sequence: opening.sequence }
}

fn end_of(log: &Arc<dyn Log>, topics: &Topics, city: City) -> Result<u64> {
    match log.bounds(&topics.taps(city)) {
        Ok(bounds) => Ok(bounds.end),
        Err(LogError::NoTopic(_)) => Ok(0),
        Err(error) => Err(error.into()),
    }
}

fn last_batch(log: &Arc<dyn Log>, topics: &Topics, city: City, end: u64) -> Result<Last> {
    let read = |offset: u64| -> Result<TapBatch> {
        let mut reader = log.reader(&[(topics.taps(city), offset)])?;
        let entry = reader.poll(1, POLL_WAIT)?.into_iter().next().context("read the last batch of a city")?;
        TapBatch::decode(entry.payload).context("read the last batch of a city")
    };
    let mut offset = end - 1;
    let mut batch = read(offset)?;
    // What lets a stopped city go on is no batch.
    while batch.resume.is_some() && offset > 0 {
        offset -= 1;
        batch = read(offset)?;
    }
    let taps = batch.parts.iter().flat_map(|part| part.taps.chunks_exact(size_of::<Tap>()));
    let day = |bytes: &[u8]| Tap::read_from_bytes(bytes).ok().map(|tap| tap.tapped_day.get());
    let tapped = taps.filter_map(day).max().map(Date::from_julian_day);
    Ok(Last { file: batch.file, number: batch.number, tapped })
}

#[cfg(test)]
mod tests {
    use proto::{CutOff, TapEnd};

    use super::*;

    fn opening(cycle: u32) -> Opening {
        let first = "2018-09-01".parse::<Date>().unwrap();
        let business_date = first.plus_days(i32::try_from(cycle).unwrap() - 1).julian_day();
        Opening { cycle, business_date, sequence: 1, ..Opening::default() }
    }

    fn cut_off(cycle: u32, ends: &[(&str, u64)]) -> CycleEvent {
        let end = |(city, offset): &(&str, u64)| TapEnd { acquirer: (*city).to_owned(), offset: *offset };
        let barrier = ends.iter().map(end).collect();
        let cut = CutOff { cycle, opens: Some(opening(cycle + 1)), barrier };
        CycleEvent { body: Some(Body::CutOff(cut)) }
    }

    #[test]
    fn who_sent_nothing_since_the_last_cut_off_and_when_it_did() {
        let (city, other): (City, City) = ("cu-2000".parse().unwrap(), "cu-3000".parse().unwrap());
        let mut history = History::default();
        history.take(CycleEvent { body: Some(Body::Opening(opening(1))) });
        assert!(!history.sent_since(city, 0), "an empty log");
        assert!(history.sent_since(city, 1));
        history.take(cut_off(1, &[("cu-2000", 5)]));
        // Said twice: the first counts. The second cut-off leaves a city out.
        history.take(cut_off(1, &[("cu-2000", 9)]));
        history.take(cut_off(2, &[("cu-3000", 2)]));
        assert!(!history.sent_since(city, 5));
        assert!(history.sent_since(city, 6));
        assert_eq!(history.cycle_of(city, 5).unwrap().to_string(), "2018-09-01-001");
        assert_eq!(history.cycle_of(other, 2).unwrap().to_string(), "2018-09-02-001");
        assert_eq!(history.cycle_of(other, 0), None);
    }
}
