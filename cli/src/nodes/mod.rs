//! The running clearing nodes that a command asks: where their admin ports are, and which of them to believe.

mod client;

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;

use self::client::Client;
use crate::{
    errors::{Refused, Usage},
    services::cycles::{
        detail::Detail,
        node::NodeView,
        view::{CutOff, View},
    },
};

/// Where `make up` writes the configuration of the first clearing node; those of others stand beside it.
const LOCAL_CONFIG: &str = ".local/config/clearing-node.toml";

/// Where the clearing nodes answer.
#[derive(Args, Debug)]
pub struct Nodes {
    /// Admin port of a clearing node; once for each node [default: those of --config]
    #[arg(long = "node", visible_alias = "admin", value_name = "HOST:PORT", conflicts_with = "config")]
    nodes: Vec<String>,
    /// Configuration of a clearing node, for its admin port; once for each node [default: those of `make up`]
    #[arg(long, value_name = "FILE")]
    config: Vec<PathBuf>,
}

/// What a node answered.
#[derive(Debug)]
pub struct Answer<T> {
    /// `HOST:PORT` of its admin port.
    pub admin: String,
    /// What it said, or why it said nothing.
    pub said: Result<T>,
}

impl Nodes {
    /// The cycles as the node sees them that coordinates them; where none does, as one of the others does.
    ///
    /// # Errors
    /// If no node answers.
    pub fn cycles(&self) -> Result<View> {
        Ok(self.coordinating()?.1)
    }

    /// All that is known of a cycle.
    ///
    /// # Errors
    /// [`Refused`] if there is no such cycle; or if no node answers.
    pub fn cycle(&self, name: &str) -> Result<Detail> {
        match self.coordinating()?.0.cycle(name)? {
            Some(detail) => Ok(detail),
            None => {
                let text = format!("no cycle {name} is known; `cityunion cycle list` names those that are");
                Err(Refused(text).into())
            }
        }
    }

    /// Asks for a cut-off; returns when it stands on the log.
    ///
    /// # Errors
    /// [`Refused`] if it cannot be; or if no node coordinates the cycles.
    pub fn cut_off(&self, asked: &CutOff) -> Result<()> {
        let (client, view) = self.coordinating()?;
        if view.role == "standby" {
            bail!(
                "{} only stands by, and no other node that was asked coordinates the cycles: name the one that does \
                 with --node HOST:PORT, or ask again in a moment",
                client.admin()
            );
        }
        client.cut_off(asked)
    }

    /// Has a partition that stands still try again, on the node that owns it.
    ///
    /// # Errors
    /// [`Refused`] if no node that answers owns it, or it does not stand still.
    pub fn resume(&self, partition: u32) -> Result<String> {
        for client in self.clients()? {
            let owns = |view: &NodeView| view.partitions.iter().any(|owned| owned.partition == partition);
            if client.node().is_ok_and(|view| owns(&view)) {
                client.resume(partition)?;
                return Ok(client.admin().to_owned());
            }
        }
        let text = format!(
            "no node that was asked owns partition {partition}; name all nodes with --node HOST:PORT"
        );
        Err(Refused(text).into())
    }

    /// What each node says of itself.
    ///
    /// # Errors
    /// If no admin port is named.
    pub fn all(&self) -> Result<Vec<Answer<NodeView>>> {
        let clients = self.clients()?;
        Ok(clients
            .iter()
            .map(|client| Answer { admin: client.admin().to_owned(), said: client.node() })
            .collect())
    }

    fn coordinating(&self) -> Result<(Client, View)> {
        let mut first = None;
        let mut failed = None;
        for client in self.clients()? {
            match client.cycles() {
                Ok(view) if view.role == "coordinates" => return Ok((client, view)),
                Ok(view) => first = first.or(Some((client, view))),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        match (first, failed) {
            (Some(found), _) => Ok(found),
            (None, Some(error)) => Err(error),
            (None, None) => Err(Usage("name a clearing node with --node HOST:PORT".to_owned()).into()),
        }
    }

    fn clients(&self) -> Result<Vec<Client>> {
        if !self.nodes.is_empty() {
            return Ok(self.nodes.iter().map(|admin| Client::new(admin.clone())).collect());
        }
        let paths = if self.config.is_empty() { local() } else { self.config.clone() };
        paths.iter().map(|path| Ok(Client::new(of_configuration(path)?))).collect()
    }
}

/// The configurations of the clearing nodes that `make up` started.
fn local() -> Vec<PathBuf> {
    let first = PathBuf::from(LOCAL_CONFIG);
    let mut paths = Vec::new();
    for entry in
        first.parent().and_then(|folder| std::fs::read_dir(folder).ok()).into_iter().flatten().flatten()
    {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("clearing-node-") && name.ends_with(".toml") {
            paths.push(entry.path());
        }
    }
    paths.sort();
    paths.insert(0, first);
    paths
}

/// The admin port that the configuration of a clearing node names.
fn of_configuration(path: &Path) -> Result<String> {
    let hint = "name the admin port with --node HOST:PORT, or the configuration with --config FILE";
    let text = std::fs::read_to_string(path)
        .map_err(|error| Usage(format!("read {}: {error}; {hint}", path.display())))?;
    let table: toml::Table =
        text.parse().map_err(|error| Usage(format!("use {}: {error}", path.display())))?;
    let listen = table.get("admin").and_then(|admin| admin.get("listen")).and_then(toml::Value::as_str);
    match listen {
        Some(listen) => Ok(listen.to_owned()),
        None => Err(Usage(format!("{} has no admin.listen; {hint}", path.display())).into()),
    }
}
