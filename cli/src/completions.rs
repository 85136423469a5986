//! `completions`: what a shell needs to complete the commands and options.

use std::{io::Write, process::ExitCode};

use anyhow::Result;
use clap::{Args, CommandFactory};
use clap_complete::{Shell, generate};

use crate::args::Cli;

/// Arguments of `completions`.
#[derive(Args, Debug)]
#[command(after_help = "\
Write the script to where your shell looks for it, then open a new shell:
  bash  cityunion completions bash > ~/.local/share/bash-completion/completions/cityunion
  zsh   cityunion completions zsh > ~/.zfunc/_cityunion     (with `fpath+=~/.zfunc` before `compinit`)
  fish  cityunion completions fish > ~/.config/fish/completions/cityunion.fish")]
pub struct Completions {
    /// The shell
    #[arg(value_enum)]
    pub shell: Shell,
}

/// Runs the command.
///
/// # Errors
/// If standard output cannot be written, other than because its reader has gone.
pub fn run(args: &Completions) -> Result<ExitCode> {
    let mut script = Vec::new();
    generate(args.shell, &mut Cli::command(), "cityunion", &mut script);
    match std::io::stdout().write_all(&script) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(ExitCode::SUCCESS),
    }
}
