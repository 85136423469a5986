//! `book resume`: a stopped city goes on, first in the book, then at the switch, and what was passed over comes again.

use std::{collections::BTreeMap, path::PathBuf, process::ExitCode};

use anyhow::{Context, Result, bail};
use clap::Args;
use domain::city::City;
use proto::{BatchResult, Bytes, CityEvent, Message, TapBatch, TapResume, city_event::What, clearing};

use super::place::{Place, PlaceArgs};
use crate::{
    errors::Refused,
    output::{Format, say},
};

/// Rounds of copies: in each, what the adapter sent between the copies of the one before comes again.
const ROUNDS_MAX: usize = 20;

/// Arguments of `book resume`.
#[derive(Args, Debug)]
pub struct Resume {
    #[command(flatten)]
    place: PlaceArgs,
    /// The stopped city
    #[arg(long)]
    city: City,
    /// Why it may go on; kept on the log with your name
    #[arg(long, required_unless_present = "look")]
    reason: Option<String>,
    /// Who says so [default: $USER]
    #[arg(long)]
    operator: Option<String>,
    /// Show why it is stopped and what would happen, and change nothing
    #[arg(long)]
    look: bool,
    /// A tap file of the city as it was taken, to make missing batches from it again
    #[arg(long)]
    file: Option<PathBuf>,
    /// The mapping of that file, if the city has one
    #[arg(long, requires = "file")]
    mapping: Option<PathBuf>,
}

/// Runs the command.
pub fn run(args: &Resume) -> Result<ExitCode> {
    let place = Place::open(&args.place)?;
    let city = args.city;
    let history = place.history(city)?;
    let rulebook = place.rulebook()?;
    let partition = history.partition(city, &rulebook);
    let Some(standing) = history.standing(partition) else {
        return Err(Refused(format!("{city} is not stopped: nothing was ever said against it")).into());
    };
    let (id, next) = match &standing.what {
        Some(What::Stopped(why)) => {
            let next = next_number(&place, city, standing)?;
            say(Format::Table, &format!("{city} is stopped: {why}"));
            say(Format::Table, &format!("its batch {next} is due; everything from it on will come again"));
            (format!("resume/{city}/{partition}/{}", standing.offset), next)
        }
        Some(What::Resumed(resumed)) => {
            let copies = Copies::read(&place, city, &resumed.id, standing.next)?;
            if copies.is_whole() {
                return Err(Refused(format!("{city} is not stopped; it went on with {}", resumed.id)).into());
            }
            say(Format::Table, &format!("{city} goes on in the book already; its batches come again"));
            (resumed.id.clone(), standing.next)
        }
        _ => bail!("what the book said last of {city} cannot be understood"),
    };
    if args.look {
        return Ok(ExitCode::SUCCESS);
    }
    if matches!(standing.what, Some(What::Stopped(_))) {
        in_the_book(args, &place, standing, &id, next, history.end)?;
    }
    let copied = at_the_switch(args, &place, &id, next)?;
    say(
        Format::Table,
        &format!("{city} goes on from batch {next}: {copied} batches stand on its tap log again"),
    );
    Ok(ExitCode::SUCCESS)
}

/// The number that is due: what the book has answered since it spoke may have moved it on.
fn next_number(place: &Place, city: City, stopped: &CityEvent) -> Result<u64> {
    let results = place.topics.results(city);
    let bounds = place.log.bounds(&results)?;
    let mut next = stopped.next;
    place.visit(&results, bounds.start, bounds.end, &mut |_, payload| {
        let result = BatchResult::decode(payload).context("read a result")?;
        next = next.max(result.number + 1);
        Ok(())
    })?;
    Ok(next)
}

fn in_the_book(
    args: &Resume,
    place: &Place,
    stopped: &CityEvent,
    id: &str,
    next: u64,
    heard_to: u64,
) -> Result<()> {
    let city = args.city;
    let user = || std::env::var("USER").unwrap_or_else(|_| "unknown".to_owned());
    let resume = proto::Resume {
        id: id.to_owned(),
        city: city.to_string(),
        next,
        reason: args.reason.clone().unwrap_or_default(),
        operator: args.operator.clone().unwrap_or_else(user),
        taps_end: place.log.bounds(&place.topics.taps(city))?.end,
    };
    place.tell(stopped.partition, clearing::Body::Resume(resume))?;
    let refused = place.hear(city, heard_to, "that the city goes on", |event| match &event.what {
        Some(What::Resumed(resumed)) if resumed.id == id => Some(resumed.refused.clone()),
        _ => None,
    })?;
    if refused.is_empty() {
        return Ok(());
    }
    Err(Refused(format!("{city}: {refused}; look again with --look")).into())
}

/// Lets the switch go on, and puts everything from `next` on behind that, in order. What the adapter sends meanwhile
/// lands between the copies, and comes again in the next round. How many copies it took.
fn at_the_switch(args: &Resume, place: &Place, id: &str, next: u64) -> Result<u64> {
    let (city, taps) = (args.city, place.topics.taps(args.city));
    let mut copied = 0;
    for _ in 0..ROUNDS_MAX {
        let copies = Copies::read(place, city, id, next)?;
        if copies.resumed_at.is_none() {
            let resume = Some(TapResume { id: id.to_owned(), next });
            let batch = TapBatch { acquirer: city.to_string(), resume, ..TapBatch::default() };
            place.append(&taps, batch.encode_to_vec())?;
            continue;
        }
        if copies.is_whole() {
            return Ok(copied);
        }
        for number in copies.due..=copies.last {
            let payload = match copies.at.get(&number) {
                Some(offset) => read_one(place, city, *offset)?,
                None => made_again(args, &copies, place, number)?,
            };
            place.append(&taps, payload.to_vec())?;
            copied += 1;
        }
    }
    bail!("{city} sends faster than its batches can be put in order; stop its adapter and run this again")
}

/// The batches of a city on its tap log, from a number on.
struct Copies {
    /// Where the message stands that lets the switch go on.
    resumed_at: Option<u64>,
    /// Where each number stands last.
    at: BTreeMap<u64, u64>,
    /// The number that is due behind the message, as the switch sees it.
    due: u64,
    /// The highest number on the log.
    last: u64,
}

impl Copies {
    fn read(place: &Place, city: City, id: &str, next: u64) -> Result<Self> {
        let taps = place.topics.taps(city);
        let bounds = place.log.bounds(&taps)?;
        let mut copies = Self { resumed_at: None, at: BTreeMap::new(), due: next, last: next - 1 };
        place.visit(&taps, bounds.start, bounds.end, &mut |offset, payload| {
            let Ok(batch) = TapBatch::decode(payload) else { return Ok(()) };
            match &batch.resume {
                Some(resume) if resume.id == id => copies.resumed_at = Some(offset),
                Some(_) => {}
                // Without records it is only a question about the batch.
                None if batch.number >= next && !batch.parts.is_empty() => {
                    copies.at.insert(batch.number, offset);
                    copies.last = copies.last.max(batch.number);
                    if copies.resumed_at.is_some() && batch.number == copies.due {
                        copies.due += 1;
                    }
                }
                None => {}
            }
            Ok(())
        })?;
        Ok(copies)
    }

    fn is_whole(&self) -> bool {
        self.resumed_at.is_some() && self.due > self.last
    }
}

fn read_one(place: &Place, city: City, offset: u64) -> Result<Bytes> {
    let mut found = None;
    place.visit(&place.topics.taps(city), offset, offset + 1, &mut |_, payload| {
        found = Some(payload);
        Ok(())
    })?;
    found.context("a batch that was seen on the log is gone")
}

/// A batch that is nowhere on the log, made from its file again. A neighbour that is on the log shows that it is the
/// very file.
fn made_again(args: &Resume, copies: &Copies, place: &Place, number: u64) -> Result<Bytes> {
    let city = args.city;
    let Some(path) = &args.file else {
        bail!(
            "batch {number} of {city} is not on its tap log: run this again with --file and the tap file that it was \
             cut from (the adapter's status names the file of each batch); until then {city} waits"
        );
    };
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let mapping = args.mapping.as_deref().map(mapping).transpose()?;
    let batches = city_adapter::acquirer::recut(path, name, city, mapping.as_ref())
        .with_context(|| format!("cut {} again", path.display()))?;
    let renumbered = |batch: &TapBatch, number: u64| {
        let digest = proto::digest::batch(&batch.acquirer, number, &batch.file, &batch.parts);
        TapBatch { number, digest: digest.to_vec().into(), ..batch.clone() }
    };
    let mut alone = None;
    for (place_in_file, batch) in (0_u64..).zip(&batches) {
        let Some(first) = number.checked_sub(place_in_file).filter(|first| *first > 0) else { break };
        let candidate = renumbered(batch, number);
        for (neighbour, of) in (first..).zip(&batches).filter(|(n, _)| *n != number) {
            let Some(offset) = copies.at.get(&neighbour) else { continue };
            let known = TapBatch::decode(read_one(place, city, *offset)?).context("read a batch")?;
            if known.digest == renumbered(of, neighbour).digest {
                return Ok(candidate.encode_to_vec().into());
            }
        }
        alone = (batches.len() == 1).then_some(candidate);
    }
    alone.map(|batch| batch.encode_to_vec().into()).with_context(|| {
        format!(
            "{} is not the file of batch {number}: none of its batches stands on the log beside it under the name \
             `{name}`; use the file as it was taken, under its own name",
            path.display()
        )
    })
}

fn mapping(path: &std::path::Path) -> Result<city_adapter::mapping::Mapping> {
    let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    city_adapter::mapping::Mapping::parse(&text).with_context(|| format!("use {}", path.display()))
}
