//! `agree`: a home city compares what a closed cycle has it pay with what it accepted itself, and says so.

mod house;
mod own;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result};
use clap::Args;
use domain::{act::Act, city::City, cycle::CycleName};
use files::layout::issuer_file;
use serde_json::{Map, json};
use signing::Signer;

use crate::{
    acts::perform,
    book::place::{Place, PlaceArgs},
    errors::{Refused, Usage},
    output::{Format, Sheet, print, say},
};

pub use house::of_house;
pub use own::{cities, newest};

/// Exit code when a city does not agree.
const DIFFERENT: u8 = 4;

/// Arguments of `agree`.
#[derive(Args, Debug)]
#[command(after_help = "\
A city that agrees notes it beside its own records; with its certificate it also says so to the clearing house, as it
does if it does not agree. An adapter does this after each cycle, from a timer:
  cityunion agree --config adapter.toml --published fetched/ --cycle 2018-09-01-001 --certificate cu-2000.pem

`clear` does it for its home cities by itself.

Exit codes: 0 everybody agrees, 1 failed, 2 the command line is wrong, 3 refused, 4 somebody does not agree.")]
pub struct Agree {
    #[command(flatten)]
    place: PlaceArgs,
    /// The cycle, such as 2018-09-01-001
    #[arg(long)]
    cycle: CycleName,
    /// The home city; may be repeated [default: all whose records are here and that have a file in the cycle]
    #[arg(long, value_name = "CITY")]
    city: Vec<City>,
    /// Folder of published cycles, or of what was fetched from the portal [default: OUT]
    #[arg(long, value_name = "FOLDER")]
    published: Option<PathBuf>,
    /// The city's certificate (PEM): the clearing house is told what the city says
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,
    /// Its private key (PKCS#8, PEM, readable by nobody else) [default: beside the certificate, as NAME.key]
    #[arg(long, value_name = "FILE", requires = "certificate")]
    key: Option<PathBuf>,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// Runs the command.
///
/// # Errors
/// What failed, with what to do next.
pub fn run(args: &Agree) -> Result<ExitCode> {
    let signer = args.signer()?;
    // While an OUT is open, nobody else clears into it.
    let place = match (&signer, args.place.out()) {
        (Some(_), _) => Some(Place::open(&args.place)?),
        (None, Some(_)) => Some(Place::read_only(&args.place)?),
        (None, None) => None,
    };
    let state = args.place.state()?.ok_or_else(|| {
        Usage("say where the city's records are: --in OUT, or --config FILE of its adapter".to_owned())
    })?;
    let folder = args.folder()?;
    let cities = args.cities(&state, &folder)?;
    let said = own::all_say(&state, &cities, args.cycle, &folder)?;
    if let (Some(place), Some(signer)) = (&place, &signer) {
        for said in &said {
            perform(place, signer, Act::Agree { figures: said.agreement.clone() })?;
        }
    }
    show(args, &said)
}

impl Agree {
    fn signer(&self) -> Result<Option<Signer>> {
        let Some(certificate) = &self.certificate else { return Ok(None) };
        if self.city.len() != 1 {
            return Err(Usage("a certificate is one city's: name it with --city".to_owned()).into());
        }
        let key = self.key.clone().unwrap_or_else(|| certificate.with_extension("key"));
        Signer::read(certificate, &key).map(Some).context("failed to sign")
    }

    fn folder(&self) -> Result<PathBuf> {
        let Some(published) = self.published.as_deref().or_else(|| self.place.out()) else {
            let text = "say where the cycle is: --published FOLDER, or --in OUT";
            return Err(Usage(text.to_owned()).into());
        };
        newest(published, self.cycle).ok_or_else(|| {
            let text =
                format!("{} is not in {}: it is not closed, or not fetched", self.cycle, published.display());
            Refused(text).into()
        })
    }

    fn cities(&self, state: &Path, folder: &Path) -> Result<Vec<City>> {
        let mut here = cities(state);
        if here.is_empty() {
            let text = format!("there are no records of home cities in {}", state.join("accepted").display());
            return Err(Refused(text).into());
        }
        // One that joined later has no file in the cycle.
        here.retain(|city| folder.join(issuer_file(*city)).is_file());
        Ok(if self.city.is_empty() { here } else { self.city.clone() })
    }
}

fn show(args: &Agree, said: &[own::Said]) -> Result<ExitCode> {
    let mut figures = Sheet::new("agreements", &["city", "agrees", "count", "amount_fen", "sha256"]);
    let mut differences = Sheet::new("differences", &["city", "line", "what", "why", "row"]);
    let (mut lines, mut more) = (Vec::new(), 0_u64);
    for own::Said { agreement, compared } in said {
        figures.row(vec![
            json!(agreement.city),
            json!(compared.agrees()),
            json!(agreement.count),
            json!(agreement.amount_fen),
            json!(agreement.sha256),
        ]);
        for it in &compared.differences {
            let (what, why) = (it.what.word(), it.what.to_string());
            differences.row(vec![
                json!(agreement.city),
                json!(it.line),
                json!(what),
                json!(why),
                json!(it.row),
            ]);
            lines.push(format!("  {} {it}", agreement.city));
        }
        let listed = u64::try_from(compared.differences.len()).unwrap_or(u64::MAX);
        more = more.saturating_add(compared.differences_total.saturating_sub(listed));
    }
    let agree = said.iter().all(|said| said.compared.agrees());
    let facts = [("cycle", json!(args.cycle.to_string())), ("agreed", json!(agree))];
    let facts: Map<_, _> = facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    // People get one line for each difference.
    let sheets = if args.output == Format::Table { vec![figures] } else { vec![figures, differences] };
    print(args.output, &facts, &sheets)?;
    if !lines.is_empty() {
        say(args.output, "\ndifferences");
    }
    lines.iter().for_each(|line| say(args.output, line));
    if more > 0 {
        say(args.output, &format!("  and {more} more"));
    }
    if agree {
        say(args.output, &format!("\nevery row of {} is one that its home city accepted", args.cycle));
        return Ok(ExitCode::SUCCESS);
    }
    say(args.output, &format!("\n{} is NOT what its home cities accepted", args.cycle));
    Ok(ExitCode::from(DIFFERENT))
}
