//! What is meant by the words of a command line: a record or a file of a closed cycle, and who pays for it by the rules.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use domain::{
    city::City,
    cycle::CycleName,
    dispute::{Record, Subject, can_be_owed},
    hotlist::Hotlist,
    liability::{Facts, Liability, liability, of_result},
    rulebook::Rulebook,
};
use files::lookup::{Place, card_of, cycle_folder, records, whole_file};

use crate::{
    book::place::PlaceArgs,
    errors::{Refused, Usage},
};

/// A record, or a file, of a closed cycle.
#[derive(Args, Debug)]
pub struct Claimed {
    /// The cycle in which it was settled or refused, such as 2018-09-01-001
    #[arg(long)]
    cycle: CycleName,
    /// Terminal (PSAM) number, 12 hex digits
    #[arg(long, requires = "seq", conflicts_with = "file", required_unless_present = "file")]
    terminal: Option<String>,
    /// The terminal's sequence number of the tap
    #[arg(long, requires = "terminal")]
    seq: Option<u32>,
    /// The acquirer's file; a dispute is about all its records with cards of one home city, if no --line is given
    #[arg(long)]
    file: Option<String>,
    /// The line of the file
    #[arg(long, requires = "file")]
    line: Option<u64>,
    /// The city where the card was used [default: looked for]
    #[arg(long)]
    acquirer: Option<City>,
    /// The card's home city [default: looked for]
    #[arg(long)]
    issuer: Option<City>,
    /// The folder in which closed cycles are [default: OUT of --in, or out_dir of --config]
    #[arg(long, value_name = "OUT")]
    out: Option<PathBuf>,
}

/// By what it is told who pays.
#[derive(Args, Debug)]
pub struct Rules {
    /// The home city's hotlist.csv, for who pays by the rules to the second
    #[arg(long, value_name = "FILE")]
    hotlist: Option<PathBuf>,
}

impl Claimed {
    /// Where closed cycles are.
    pub fn folder(&self, place: &PlaceArgs) -> Result<PathBuf> {
        let published = || place.published();
        self.out.clone().map_or_else(published, |out| Ok(Some(out)))?.ok_or_else(no_folder)
    }

    /// What is meant, by whoever speaks for `city`.
    pub fn subject(&self, place: &PlaceArgs, city: City) -> Result<Subject> {
        match (&self.file, self.line) {
            (Some(file), None) => self.whole(place, file, city),
            _ => {
                let asks = |record: &Record| match record.issuer == city {
                    true => record.is_paid(),
                    false => record.acquirer == city && !record.is_paid() && can_be_owed(record.result),
                };
                self.record(place, &asks).map(Subject::Record)
            }
        }
    }

    /// All records of a file with cards of one home city: those that it paid if it is that city, else the others.
    fn whole(&self, place: &PlaceArgs, file: &str, city: City) -> Result<Subject> {
        let missing =
            |what: &str| Usage(format!("say with --{what} whose it is: a file is disputed city by city"));
        let pair = match (self.acquirer, self.issuer) {
            (Some(acquirer), None) if acquirer != city => (acquirer, city),
            (Some(acquirer), Some(issuer)) => (acquirer, issuer),
            (None, Some(issuer)) if issuer != city => (city, issuer),
            (None, Some(_)) => return Err(missing("acquirer").into()),
            (Some(_), None) => return Err(missing("issuer").into()),
            (None, None) => return Err(missing("acquirer or --issuer").into()),
        };
        let found = whole_file(&self.folder(place)?, self.cycle, pair, file, pair.1 == city);
        found.map(Subject::File).map_err(not_found)
    }

    /// The record that is meant: of several with one terminal and sequence the one that `asked` allows.
    pub fn record(&self, place: &PlaceArgs, asked: &dyn Fn(&Record) -> bool) -> Result<Record> {
        let terminal = self.terminal.as_ref().map(|terminal| terminal.to_ascii_uppercase());
        let place_of = match (&self.file, self.line, &terminal, self.seq) {
            (Some(file), Some(line), ..) => Place::Line { file, line },
            (_, _, Some(terminal), Some(terminal_seq)) => Place::Tap { terminal, terminal_seq },
            _ => {
                return Err(
                    Usage("say which record: --terminal and --seq, or --file and --line".to_owned()).into()
                );
            }
        };
        let mut found =
            records(&self.folder(place)?, self.cycle, self.acquirer, place_of).map_err(not_found)?;
        found.retain(|record| self.issuer.is_none_or(|issuer| record.issuer == issuer));
        if found.iter().any(asked) {
            found.retain(asked);
        }
        match &found[..] {
            [record] => Ok(record.clone()),
            [] => Err(Refused("no record there has a card of that home city".to_owned()).into()),
            several => {
                let row = |it: &Record| {
                    format!(
                        "--acquirer {} --file {} --line {}: {} of {}",
                        it.acquirer, it.file, it.line, it.result, it.issuer
                    )
                };
                let rows: Vec<String> = several.iter().map(row).collect();
                Err(Usage(format!("several records are meant; say which line:\n  {}", rows.join("\n  ")))
                    .into())
            }
        }
    }
}

/// What the files do not say is refused, and no failure.
fn not_found(error: files::lookup::LookupError) -> anyhow::Error {
    match error {
        files::lookup::LookupError::Files(error) => {
            anyhow::Error::from(error).context("failed to look it up")
        }
        other => Refused(format!("failed to {other}")).into(),
    }
}

fn no_folder() -> anyhow::Error {
    Usage("say with --out in which folder closed cycles are".to_owned()).into()
}

impl Rules {
    /// Who pays for something by the rules, in words; nothing of a whole file.
    pub fn words(&self, subject: &Subject, folder: Option<PathBuf>) -> Result<Option<String>> {
        let Subject::Record(record) = subject else { return Ok(None) };
        let Some(hotlist) = &self.hotlist else { return Ok(Some(of_result(record.result).to_string())) };
        let folder = folder.ok_or_else(no_folder)?;
        self.of_paid(record, hotlist, &folder).map(|found| Some(found.to_string()))
    }

    /// Who pays for a record that was cleared, so terminal and cryptogram were in order, by a hotlist of today.
    fn of_paid(
        &self,
        record: &Record,
        hotlist: &std::path::Path,
        folder: &std::path::Path,
    ) -> Result<Liability> {
        let read = || format!("failed to read {}", hotlist.display());
        let hotlist = Hotlist::parse(&fs::read(hotlist).with_context(read)?).with_context(read)?;
        let Some((card, tapped_at)) = card_of(folder, record).map_err(not_found)? else {
            return Ok(of_result(record.result));
        };
        let rules = cycle_folder(folder, record.cycle).map_err(not_found)?.join(files::layout::RULEBOOK_FILE);
        let rules = fs::read(&rules).with_context(|| format!("failed to read {}", rules.display()))?;
        let rulebook = Rulebook::parse(&rules).context("failed to read the rules of the cycle")?;
        Ok(liability(&Facts {
            terminal_known: true,
            tac_valid: true,
            tapped_at,
            hot_from: hotlist.of(record.issuer).hot_from(card),
            grace_hours: rulebook.hotlist_grace_hours,
        }))
    }
}
