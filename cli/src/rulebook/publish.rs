//! `rulebook publish`: a new version goes onto the log, after everything that speaks against it has been looked for.

use std::{
    collections::BTreeSet,
    io::{self, BufRead as _, IsTerminal as _},
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
};

use anyhow::{Context, Result, bail};
use clap::Args;
use clearing_node::book::opening_name;
use domain::{
    calendar::cut_off_allowed,
    date::Date,
    rulebook::{Rulebook, changes::changes, past::retroactive},
};
use proto::Opening;
use serde_json::{Map, json};

use super::{diff, hex, read};
use crate::{
    book::place::{Place, PlaceArgs},
    errors::{Refused, Usage},
    house::publish_rulebook,
    output::{Format, Sheet, print, say},
};

/// Arguments of `rulebook publish`.
#[derive(Args, Debug)]
pub struct Publish {
    /// The rulebook
    file: PathBuf,
    #[command(flatten)]
    place: PlaceArgs,
    /// Do not ask whether it is meant
    #[arg(long)]
    yes: bool,
    /// Show what would happen, and change nothing
    #[arg(long, conflicts_with = "yes")]
    look: bool,
    /// How to print what changes
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// What the log says of rules and cycles.
struct Standing {
    rulebooks: Vec<Arc<Rulebook>>,
    openings: Vec<Opening>,
    /// The ordinal of the last cycle that was cut off.
    ended: u32,
}

/// Runs the command.
pub fn run(args: &Publish) -> Result<ExitCode> {
    let new = read(&args.file)?;
    let place = Place::read_only(&args.place)?;
    let scheme = &place.scheme;
    let standing =
        Standing { rulebooks: scheme.rulebooks(), openings: scheme.openings(), ended: scheme.ended() };
    if standing.has(&new)? {
        say(
            args.output,
            &format!("version {} is on the log already, {}", new.version, standing.rules_from(&new)),
        );
        return Ok(ExitCode::SUCCESS);
    }
    standing.refuse_past(&new)?;
    standing.refuse_next(&place, &new)?;
    show(args, &standing, &new)?;
    if args.look {
        return Ok(ExitCode::SUCCESS);
    }
    if !args.yes && !asked(args, &new)? {
        say(args.output, "nothing was published");
        return Ok(ExitCode::SUCCESS);
    }
    let specs: Vec<_> = new.participants.iter().flat_map(|p| place.topics.of_city(p.city)).collect();
    place.log.create_topics(&specs).context("create the topics of its cities")?;
    publish_rulebook(place.log.as_ref(), &place.topics, scheme, &new)?;
    let same = scheme.rulebooks().iter().filter(|known| known.version == new.version).count();
    if same > 1 {
        bail!(
            "somebody else published another version {} at the same moment, and whichever stands first counts: look with \
             `cityunion rulebook list`, and publish what you mean with a higher version",
            new.version
        );
    }
    say(args.output, &format!("\nversion {} is on the log; it {}", new.version, standing.rules_from(&new)));
    if args.place.is_out() {
        let text =
            "`cityunion clear` rules by the rulebook.toml of its scheme folder: put this file there too";
        say(args.output, text);
    }
    Ok(ExitCode::SUCCESS)
}

impl Standing {
    /// The version that would be followed.
    fn newest(&self) -> Option<&Arc<Rulebook>> {
        self.rulebooks.last()
    }

    /// Whether it stands there already.
    fn has(&self, new: &Rulebook) -> Result<bool> {
        if let Some(known) = self.rulebooks.iter().find(|known| known.version == new.version) {
            if known.digest() == new.digest() {
                return Ok(true);
            }
            let text = format!(
                "version {} is on the log with other bytes (SHA-256 {}); a version never changes: give the changed \
                 rulebook a higher one",
                new.version,
                hex(&known.digest())
            );
            return Err(Refused(text).into());
        }
        match self.newest() {
            Some(newest) if newest.version > new.version => {
                let text = format!(
                    "version {} is on the log already; give this one a higher version than {}",
                    newest.version, newest.version
                );
                Err(Refused(text).into())
            }
            _ => Ok(false),
        }
    }

    /// The business dates on which no cycle will open any more.
    fn closed(&self) -> BTreeSet<Date> {
        let dates = |opening: &Opening| Date::from_julian_day(opening.business_date);
        let open = self.openings.iter().find(|opening| opening.cycle > self.ended).map(dates);
        let all = self.openings.iter().map(dates);
        all.filter(|date| open.is_none_or(|open| *date < open)).collect()
    }

    fn refuse_past(&self, new: &Rulebook) -> Result<()> {
        let Some(newest) = self.newest() else { return Ok(()) };
        let found = retroactive(newest, new, &self.closed());
        if found.is_empty() {
            return Ok(());
        }
        let all: Vec<String> = found.iter().map(ToString::to_string).collect();
        let text =
            format!("it would change the rules of business dates that are closed:\n  {}", all.join("\n  "));
        Err(Refused(text).into())
    }

    /// Refuses what could not rule the next cycle, as the coordinator would.
    fn refuse_next(&self, place: &Place, new: &Rulebook) -> Result<()> {
        let Some(last) = self.openings.last() else { return Ok(()) };
        let ruling = |opening: &Opening| {
            let date = Date::from_julian_day(opening.business_date);
            place.scheme.rulebook_of(opening).map(|rulebook| (date, rulebook)).with_context(|| {
                format!("rulebook version {} of an earlier cycle is not on the log", opening.rulebook_version)
            })
        };
        let history: Vec<_> = self.openings.iter().map(ruling).collect::<Result<_>>()?;
        let past: Vec<(Date, &Rulebook)> = history.iter().map(|(date, rules)| (*date, &**rules)).collect();
        let name = opening_name(last);
        let next = past.last().map_or(name.business_date, |(_, rules)| rules.terms.date_after(name));
        cut_off_allowed(&past, &place.scheme.moved(), next, new)
            .map_err(|why| Refused(format!("it could not rule the next cycle: {why}")).into())
    }

    fn rules_from(&self, new: &Rulebook) -> String {
        let ruled = |opening: &&Opening| opening.rulebook_version == new.version;
        if let Some(first) = self.openings.iter().find(ruled) {
            return format!("rules from {} on", opening_name(first));
        }
        match self.openings.last() {
            None => "rules from the first opening on".to_owned(),
            Some(last) if last.cycle > self.ended => format!(
                "rules from the opening after {} on, which is open under version {} to its end",
                opening_name(last),
                last.rulebook_version
            ),
            Some(last) => format!("rules from the opening after {} on", opening_name(last)),
        }
    }

    /// The business date of the cycle that is open, or was last.
    fn last_date(&self) -> Option<Date> {
        self.openings.last().map(|opening| Date::from_julian_day(opening.business_date))
    }
}

/// What speaks for looking twice, and what changes.
fn show(args: &Publish, standing: &Standing, new: &Rulebook) -> Result<()> {
    let mut facts = Map::new();
    facts.insert("version".to_owned(), json!(new.version));
    facts.insert("sha256".to_owned(), json!(hex(&new.digest())));
    facts.insert("follows".to_owned(), json!(standing.newest().map(|newest| newest.version)));
    let mut warnings = Sheet::new("warnings", &["warning"]);
    for warning in new.warnings() {
        warnings.row(vec![json!(warning)]);
    }
    let found = standing.newest().map(|newest| changes(newest, new)).unwrap_or_default();
    let sheets = [warnings, diff::sheet(&found, standing.last_date())];
    let people = args.output == Format::Table;
    let sheets: Vec<Sheet> = sheets.into_iter().filter(|sheet| !people || !sheet.rows.is_empty()).collect();
    print(args.output, &facts, &sheets)?;
    match standing.newest() {
        None => say(args.output, "\nno rulebook stands on the log: this is the first"),
        Some(newest) if found.is_empty() => {
            say(args.output, &format!("\nit rules as version {} does", newest.version));
        }
        Some(_) => {}
    }
    Ok(())
}

/// Asks the person at the terminal.
fn asked(args: &Publish, new: &Rulebook) -> Result<bool> {
    if !io::stdin().is_terminal() {
        let text = "nobody is at the terminal to say that it is meant: look with --look, then say --yes";
        return Err(Usage(text.to_owned()).into());
    }
    say(args.output, &format!("\nput version {} on the log for good? Type yes:", new.version));
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).context("read the answer")?;
    Ok(line.trim() == "yes")
}
