//! The portal alone: published files for banks, cities and operations.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context, Result};
use portal::{Portal, PortalConfig, answer::Answers, metrics::Metrics, name::CycleFolder};
use runtime::admin::AdminConfig;
use serde_json::{Map, json};

use super::{Configured, act, frame::Frame};
use crate::{
    args::{Action, Config, Service},
    errors::Usage,
    output::{Format, Sheet, print, say},
};

/// Arguments of `portal`.
#[derive(clap::Args, Debug)]
pub struct PortalArgs {
    #[command(subcommand)]
    action: PortalAction,
}

/// What to do with the portal.
#[derive(clap::Subcommand, Debug)]
enum PortalAction {
    /// Run it until SIGINT or SIGTERM
    Serve(ConfigFile),
    /// Read configuration, directory, certificates and keys, show what would be used, change nothing
    CheckConfig(ConfigFile),
    /// What cities and banks have said of the cycles
    Answers(AnswersArgs),
}

#[derive(clap::Args, Debug)]
struct ConfigFile {
    /// TOML file; CITYUNION_SECTION__KEY in the environment beats it
    #[arg(long)]
    config: PathBuf,
}

#[derive(clap::Args, Debug)]
struct AnswersArgs {
    /// The portal's state_dir
    #[arg(long)]
    state: PathBuf,
    /// Only about this cycle, such as 2018-09-01-001
    #[arg(long)]
    cycle: Option<CycleFolder>,
    /// How to print the answers
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

impl Configured for PortalConfig {
    fn check(&self) -> Result<()> {
        self.admin.as_ref().map_or(Ok(()), AdminConfig::check)?;
        Ok(PortalConfig::check(self)?)
    }
}

impl PortalArgs {
    /// Whether the service itself is meant, which tells what it does on standard error.
    #[must_use]
    pub const fn is_service(&self) -> bool {
        matches!(self.action, PortalAction::Serve(_) | PortalAction::CheckConfig(_))
    }

    pub(super) fn act(&self) -> Result<ExitCode> {
        let config = |file: &ConfigFile| Config { config: file.config.clone(), kafka: None };
        match &self.action {
            PortalAction::Serve(file) => act(&Service { action: Action::Run(config(file)) }, run),
            PortalAction::CheckConfig(file) => {
                act(&Service { action: Action::CheckConfig(config(file)) }, run)
            }
            PortalAction::Answers(args) => answers(args),
        }
    }
}

fn run(config: PortalConfig) -> Result<()> {
    let frame = Frame::start("portal", config.admin.as_ref(), axum::Router::new())?;
    let metrics = frame.board.register(Metrics::register);
    let portal = Portal::start(&config, metrics, frame.tokio.handle())?;
    tracing::info!("handing out {} on https://{}", config.published_dir.display(), config.listen);
    frame.run(|| Ok(portal.look()))?;
    frame.tokio.block_on(portal.stop());
    Ok(())
}

fn answers(args: &AnswersArgs) -> Result<ExitCode> {
    if !args.state.is_dir() {
        let shown = args.state.display();
        return Err(Usage(format!("--state: {shown} is no folder; name the portal's state_dir")).into());
    }
    let kept = Answers::new(&args.state).all(args.cycle).context("failed to read the answers")?;
    let mut sheet =
        Sheet::new("answers", &["cycle", "participant", "answer", "time", "manifest_sha256", "reason"]);
    sheet.below = vec!["reason"];
    for answer in &kept {
        sheet.row(vec![
            json!(answer.cycle),
            json!(answer.participant),
            json!(answer.answer),
            json!(answer.time),
            json!(answer.manifest_sha256),
            json!(answer.reason),
        ]);
    }
    if kept.is_empty() {
        say(args.output, "nobody has answered yet");
    }
    print(args.output, &Map::new(), &[sheet])?;
    Ok(ExitCode::SUCCESS)
}
