//! Where a trace is read from: an embedded log, a Kafka, published files.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, Result, bail};
use cu_log::{
    Log,
    embedded::EmbeddedLog,
    kafka::{KafkaConfig, KafkaLog},
    topics::Topics,
};

use super::{Trace, published::Folder};
use crate::{
    clear::state::Where,
    local_system::{self, ClearingNode},
};

/// What it calls itself before Kafka.
const CLIENT: &str = "cityunion-trace";

/// What can be read.
pub struct Source {
    /// The log and its topics.
    pub log: Option<(Arc<dyn Log>, Topics)>,
    /// Published files.
    pub folder: Option<Folder>,
    /// What a person should know of it.
    pub notes: Vec<String>,
}

/// Opens what the command line names.
///
/// # Errors
/// If nothing of it can be read.
pub fn open(args: &Trace) -> Result<Source> {
    let given = args.folder.as_ref().or(args.settled.as_ref());
    if let Some(path) = given.filter(|path| !path.is_dir()) {
        bail!(
            "{} is no folder; give the OUT of `cityunion clear`, or the folder of a demo or of `make up`",
            path.display()
        );
    }
    if let Some(system) = given.map(|path| local_system::clearing_node(path)).transpose()?.flatten() {
        return of_system(args, given.map_or(Path::new(""), PathBuf::as_path), &system);
    }
    let path = given.map(|path| settled(path));
    let kept = path.as_ref().map(|path| Where::kept(path)).transpose()?.flatten();
    match &args.kafka {
        Some(bootstrap) => on_kafka(args, bootstrap, path.as_deref(), kept),
        None => match path {
            Some(path) => in_folder(&path, kept),
            None => bail!("give a FOLDER, or --kafka HOST:PORT"),
        },
    }
}

/// What `make up` started in `home`: its Kafka, and what it published; that alone while the Kafka is away.
fn of_system(args: &Trace, home: &Path, system: &ClearingNode) -> Result<Source> {
    let answers = local_system::adapters(home)?.into_iter().map(|it| (it.city, it.out)).collect();
    let bootstrap = args.kafka.as_ref().unwrap_or(&system.kafka);
    let folder = Folder::with_answers(&system.settled, answers);
    let log = KafkaLog::connect(KafkaConfig::new(bootstrap, CLIENT));
    let mut notes = Vec::new();
    let log: Option<(Arc<dyn Log>, Topics)> = match log {
        Ok(log) => Some((Arc::new(log), Topics::new(args.prefix.as_deref().unwrap_or(&system.prefix)))),
        Err(error) => {
            notes.push(format!(
                "only published files were read: failed to {error}; `make up` starts it, then trace again for the rest"
            ));
            None
        }
    };
    let folder = match folder {
        Ok(folder) => Some(folder),
        Err(error) if log.is_none() => return Err(error.context(notes.join("; "))),
        Err(_) => {
            notes.push("nothing is published yet".to_owned());
            None
        }
    };
    Ok(Source { log, folder, notes })
}

/// The folder of a demo holds the one that is meant.
fn settled(path: &Path) -> PathBuf {
    let inner = path.join("settled");
    if inner.join(".state").is_dir() { inner } else { path.to_owned() }
}

fn on_kafka(args: &Trace, bootstrap: &str, path: Option<&Path>, kept: Option<Where>) -> Result<Source> {
    let kept = match kept {
        Some(Where::Kafka { prefix }) => prefix,
        _ => String::new(),
    };
    let topics = Topics::new(args.prefix.as_deref().unwrap_or(&kept));
    let log = KafkaLog::connect(KafkaConfig::new(bootstrap, CLIENT))
        .with_context(|| format!("failed to reach Kafka at {bootstrap}; is it running?"))?;
    let mut notes = Vec::new();
    let folder = match path.map(Folder::open) {
        Some(Ok(folder)) => Some(folder),
        Some(Err(error)) => {
            notes.push(format!("{error:#}"));
            None
        }
        None => {
            notes.push(
                "no files were read: --settled DIR adds the rows of closed cycles and answers".to_owned(),
            );
            None
        }
    };
    Ok(Source { log: Some((Arc::new(log), topics)), folder, notes })
}

fn in_folder(path: &Path, kept: Option<Where>) -> Result<Source> {
    let mut notes = Vec::new();
    let state = path.join(".state/log");
    let log: Option<Arc<dyn Log>> = match kept {
        Some(Where::Kafka { .. }) => {
            notes.push(
                "only published files were read: the log of this folder stands on Kafka, add --kafka HOST:PORT"
                    .to_owned(),
            );
            None
        }
        _ if !state.join("CURRENT").is_file() => {
            notes.push("only published files were read: there is no log in this folder".to_owned());
            None
        }
        _ => match EmbeddedLog::open(&state) {
            Ok(log) => Some(Arc::new(log)),
            Err(error) => {
                let why = runtime::whole_text(&error);
                notes.push(format!(
                    "only published files were read: {why}; for the rest try again when that process has ended \
                     (a running demo traces by itself: press t)"
                ));
                None
            }
        },
    };
    let folder = match Folder::open(path) {
        Ok(folder) => Some(folder),
        Err(error) if log.is_none() => return Err(error.context(notes.join("; "))),
        Err(_) => {
            notes.push("nothing is published in this folder yet".to_owned());
            None
        }
    };
    Ok(Source { log: log.map(|log| (log, Topics::default())), folder, notes })
}
