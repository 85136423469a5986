//! `book import`: what an older system has paid becomes known before the first tap file comes, and its open items
//! become adjustments of the open cycle.

use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, bail};
use city_adapter::tapfile::{Line, TapFile};
use clap::Args;
use clearing_node::book::{IDENTITIES_MAX, identity_to_wire};
use domain::{city::City, rulebook::Rulebook, tap::Tap};
use proto::{Adjustment, Imported, city_event::What, clearing};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::{
    items,
    place::{History, Place, PlaceArgs},
};
use crate::{
    errors::{Refused, Usage},
    output::{Format, print, say},
};

/// Partition that takes the open items of every city. It never changes, so an id is known wherever its city moves.
const ITEMS_PARTITION: u32 = 0;
/// Most bad lines that are named.
const BAD_SHOWN: usize = 20;

/// Arguments of `book import`.
#[derive(Args, Debug)]
pub struct Import {
    #[command(flatten)]
    place: PlaceArgs,
    /// The city whose terminals collected what was paid
    #[arg(long)]
    city: City,
    /// What the older system has paid, as a tap file (docs/go-live.md)
    #[arg(long, required_unless_present = "open_items")]
    identities: Option<PathBuf>,
    /// Its open items, in the columns of items.csv
    #[arg(long)]
    open_items: Option<PathBuf>,
    /// Import although the city has presented taps already
    #[arg(long)]
    force: bool,
    /// Check the files and change nothing
    #[arg(long)]
    check: bool,
    /// How to print what was imported
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// Runs the command.
pub fn run(args: &Import) -> Result<ExitCode> {
    let place = Place::open(&args.place)?;
    let rulebook = place.rulebook()?;
    if rulebook.participant(args.city).is_none() {
        return Err(Refused(format!("{} is no participant of the rulebook", args.city)).into());
    }
    // Both files are checked to their end before anything of either is told.
    let survey = args.identities.as_deref().map(|path| survey(path, args.city, &rulebook)).transpose()?;
    let items = args.open_items.as_deref().map(|path| items::read(path, &rulebook)).transpose()?;
    let mut facts = Map::new();
    if let Some(survey) = &survey {
        facts.insert("paid_taps".to_owned(), json!(survey.paid));
        facts.insert("own_cards_left_out".to_owned(), json!(survey.local));
    }
    if let Some(items) = &items {
        facts.insert("open_items".to_owned(), json!(items.len()));
    }
    if !args.check {
        if let (Some(path), Some(survey)) = (&args.identities, &survey) {
            identities(args, &place, &rulebook, path, survey, &mut facts)?;
        }
        for item in items.unwrap_or_default() {
            tell_item(&place, item)?;
        }
    }
    print(args.output, &facts, &[])?;
    if args.check {
        say(args.output, "the files are good; nothing was told to the book (--check)");
    }
    Ok(ExitCode::SUCCESS)
}

/// What a file of paid taps holds.
struct Survey {
    sha256: [u8; 32],
    paid: u64,
    local: u64,
}

/// Reads a file of paid taps to its end. A bad line refuses it whole: a tap that is left out could be paid again.
fn survey(path: &Path, city: City, rulebook: &Rulebook) -> Result<Survey> {
    let sha256 = digest_of(path)?;
    let (mut bad, mut bad_lines) = (Vec::new(), 0_u64);
    let mut found = Survey { sha256, paid: 0, local: 0 };
    let mut file = open(path, city)?;
    while let Some(line) = file.next_line().with_context(|| format!("read {}", path.display()))? {
        let (number, why) = match line {
            Line::Tap(tap) if rulebook.terminal_owner(tap.tap.terminal) == Some(city) => {
                found.paid += 1;
                continue;
            }
            Line::Tap(tap) => {
                (tap.tap.line.get(), format!("terminal: belongs to another participant than {city}"))
            }
            Line::Local(_) => {
                found.local += 1;
                continue;
            }
            Line::Malformed(malformed) => (malformed.line, malformed.reason.to_string()),
        };
        bad_lines += 1;
        if bad.len() < BAD_SHOWN {
            bad.push(format!("{}, line {number}, {why}", path.display()));
        }
    }
    if bad_lines > 0 {
        let text = format!(
            "{bad_lines} lines are wrong, so nothing is imported; correct them and run this again:\n{}",
            bad.join("\n")
        );
        return Err(Usage(text).into());
    }
    Ok(found)
}

fn open(path: &Path, city: City) -> Result<TapFile<File>> {
    let input = File::open(path).with_context(|| format!("open {}", path.display()))?;
    TapFile::open(input, city).with_context(|| format!("use {}", path.display()))
}

fn digest_of(path: &Path) -> Result<[u8; 32]> {
    let mut hash = Sha256::new();
    let mut input = File::open(path).with_context(|| format!("open {}", path.display()))?;
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = input.read(&mut buffer).with_context(|| format!("read {}", path.display()))?;
        match buffer.get(..read).filter(|bytes| !bytes.is_empty()) {
            Some(bytes) => hash.update(bytes),
            None => return Ok(hash.finalize().into()),
        }
    }
}

fn identities(
    args: &Import,
    place: &Place,
    rulebook: &Rulebook,
    path: &Path,
    survey: &Survey,
    facts: &mut Map<String, Value>,
) -> Result<()> {
    let city = args.city;
    let digest: String = survey.sha256.iter().map(|byte| format!("{byte:02x}")).collect();
    let id = format!("import/{city}/{digest}");
    let history = place.history(city)?;
    let imported = match imported(&history, &id) {
        Some(imported) => {
            say(args.output, "these paid taps were imported before; nothing was told again");
            imported
        }
        None => {
            send(args, place, history.partition(city, rulebook), path, survey, &id)?;
            place.hear(city, history.end, "that the import is whole", |event| match &event.what {
                Some(What::Imported(imported)) if imported.id == id => Some(imported.clone()),
                _ => None,
            })?
        }
    };
    if !imported.refused.is_empty() {
        return Err(Refused(imported.refused).into());
    }
    let Imported { taken, held, conflicts, too_old, .. } = imported;
    for (name, value) in [
        ("remembered", taken),
        ("remembered_before", held),
        ("held_with_other_content", conflicts),
        ("before_the_drop_line", too_old),
    ] {
        facts.insert(name.to_owned(), json!(value));
    }
    Ok(())
}

fn imported(history: &History, id: &str) -> Option<Imported> {
    history.events.iter().rev().find_map(|event| match &event.what {
        Some(What::Imported(imported)) if imported.id == id && imported.refused.is_empty() => {
            Some(imported.clone())
        }
        _ => None,
    })
}

/// Tells the partition of the city every paid tap, in parts. What an interrupted run has told is known there.
fn send(args: &Import, place: &Place, partition: u32, path: &Path, survey: &Survey, id: &str) -> Result<()> {
    let mut file = open(path, args.city)?;
    let mut part = Part { args, place, partition, id, number: 0, bytes: Vec::new(), paid: 0 };
    while let Some(line) = file.next_line().with_context(|| format!("read {}", path.display()))? {
        let Line::Tap(tap) = line else { continue };
        part.push(tap.issuer, &tap.tap)?;
    }
    if part.paid != survey.paid {
        bail!("{} changed while it was read; run this again", path.display());
    }
    part.tell(true)
}

struct Part<'a> {
    args: &'a Import,
    place: &'a Place,
    partition: u32,
    id: &'a str,
    number: u32,
    bytes: Vec<u8>,
    paid: u64,
}

impl Part<'_> {
    fn push(&mut self, issuer: City, tap: &Tap) -> Result<()> {
        let entry = identity_to_wire(issuer, tap);
        if self.bytes.len() + entry.len() > IDENTITIES_MAX * entry.len() {
            self.tell(false)?;
        }
        self.bytes.extend_from_slice(&entry);
        self.paid += 1;
        Ok(())
    }

    fn tell(&mut self, last: bool) -> Result<()> {
        self.number += 1;
        let import = proto::Import {
            id: self.id.to_owned(),
            city: self.args.city.to_string(),
            part: self.number,
            last,
            identities: std::mem::take(&mut self.bytes).into(),
            identities_total: self.paid,
            overlap: self.args.force,
            arrival: None,
        };
        self.place.tell(self.partition, clearing::Body::Import(import))
    }
}

fn tell_item(place: &Place, item: Adjustment) -> Result<()> {
    place.tell(ITEMS_PARTITION, clearing::Body::Adjustment(item))
}
