//! The system that `make up` started in a folder, as the configurations there say.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use domain::city::City;
use toml::{Table, Value};

use crate::errors::Usage;

/// The adapter of a city.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adapter {
    /// The city.
    pub city: City,
    /// The folder that it watches.
    pub inbox: PathBuf,
    /// The folder in which results and receipts appear.
    pub out: PathBuf,
    /// `HOST:PORT` of its admin port, if it has one.
    pub admin: Option<String>,
}

/// The clearing node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClearingNode {
    /// `HOST:PORT` of Kafka.
    pub kafka: String,
    /// What its topic names begin with.
    pub prefix: String,
    /// The folder in which closed cycles appear.
    pub settled: PathBuf,
}

/// The adapters, by the names of their configurations; none if there are no configurations.
///
/// # Errors
/// [`Usage`] if a configuration cannot be used.
pub fn adapters(folder: &Path) -> Result<Vec<Adapter>> {
    let folder = folder.join("config");
    let failed = || format!("failed to list {}", folder.display());
    let entries = match fs::read_dir(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.with_context(failed)?,
    };
    let paths = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<PathBuf>>>();
    let mut paths = paths.with_context(failed)?;
    paths.retain(|path| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        name.starts_with("adapter-") && name.ends_with(".toml")
    });
    paths.sort();
    paths.iter().map(|path| adapter(path)).collect()
}

fn adapter(path: &Path) -> Result<Adapter> {
    let table = read(path)?;
    let city = needed(path, &table, &["city"])?;
    let city: City =
        city.parse().map_err(|error| Usage(format!("use {}: city `{city}` is {error}", path.display())))?;
    Ok(Adapter {
        city,
        inbox: needed(path, &table, &["inbox_dir"])?.into(),
        out: needed(path, &table, &["out_dir"])?.into(),
        admin: text(&table, &["admin", "listen"]),
    })
}

/// The clearing node; `None` if there is no configuration of one.
///
/// # Errors
/// [`Usage`] if its configuration cannot be used.
pub fn clearing_node(folder: &Path) -> Result<Option<ClearingNode>> {
    let path = folder.join("config/clearing-node.toml");
    if !path.is_file() {
        return Ok(None);
    }
    let table = read(&path)?;
    Ok(Some(ClearingNode {
        kafka: needed(&path, &table, &["log", "kafka"])?,
        prefix: text(&table, &["log", "prefix"]).unwrap_or_default(),
        settled: needed(&path, &table, &["out_dir"])?.into(),
    }))
}

/// The process that `make up` started as the adapter of a city, if it is known.
#[must_use]
pub fn process_of_adapter(folder: &Path, city: City) -> Option<u32> {
    let text = fs::read_to_string(folder.join(format!("run/adapter-{city}.pid"))).ok()?;
    text.trim().parse().ok()
}

fn read(path: &Path) -> Result<Table> {
    let text = fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))?;
    Ok(text.parse().map_err(|error| Usage(format!("use {}: {error}", path.display())))?)
}

fn needed(path: &Path, table: &Table, keys: &[&str]) -> Result<String> {
    let missing = || Usage(format!("use {}: `{}` is missing", path.display(), keys.join(".")));
    Ok(text(table, keys).ok_or_else(missing)?)
}

fn text(table: &Table, keys: &[&str]) -> Option<String> {
    let (last, tables) = keys.split_last()?;
    let table = tables.iter().try_fold(table, |table, key| table.get(*key).and_then(Value::as_table))?;
    table.get(*last).and_then(Value::as_str).map(str::to_owned)
}
