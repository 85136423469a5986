//! `mapping guess`: proposes a mapping by looking at a file.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write as _},
    path::Path,
    process::ExitCode,
};

use anyhow::{Context, Result, bail};
use city_adapter::guess::{Guess as Guessed, guess};

use super::{Guess, look};
use crate::output::{Format, say};

/// Runs the command.
///
/// # Errors
/// If the file cannot be read, has no lines, or the mapping cannot be written.
pub fn run(args: &Guess) -> Result<ExitCode> {
    let name = args.data.display();
    let sample = if args.data == Path::new("-") {
        look::head(&mut io::stdin().lock())
    } else {
        let mut file = File::open(&args.data).with_context(|| {
            format!("failed to open {name}; name a file of raw data, or - for standard input")
        })?;
        if file.metadata().is_ok_and(|about| about.is_dir()) {
            bail!("{name} is a folder; name a file in it");
        }
        look::sample(&mut file)
    };
    let sample = sample.with_context(|| format!("failed to read {name}"))?;
    let proposal = match guess(&sample) {
        Guessed::Proposal(proposal) => proposal,
        Guessed::Canonical => {
            say(Format::Table, &format!("{name} is of layout cityunion-tap/1: it needs no mapping"));
            return Ok(ExitCode::SUCCESS);
        }
        Guessed::Empty => bail!("{name} has no rows to guess from; take a file of an ordinary day"),
    };
    let Some(out) = &args.out else {
        say(Format::Table, proposal.to_toml().trim_end());
        return Ok(ExitCode::SUCCESS);
    };
    let mut file = OpenOptions::new().write(true).create_new(true).open(out).with_context(|| {
        format!("failed to make {}; it must not exist yet: name another file with --out", out.display())
    })?;
    file.write_all(proposal.to_toml().as_bytes())
        .and_then(|()| file.sync_all())
        .with_context(|| format!("failed to write {}", out.display()))?;
    say(Format::Table, &format!("found: {}", listed(proposal.found())));
    say(Format::Table, &format!("to fill in: {}", listed(proposal.open())));
    say(
        Format::Table,
        &format!(
            "\nnext: read and edit {0}, then\n  cityunion mapping check {0} --sample {name}",
            out.display()
        ),
    );
    Ok(ExitCode::SUCCESS)
}

fn listed(columns: &[&str]) -> String {
    if columns.is_empty() { "nothing".to_owned() } else { columns.join(", ") }
}
