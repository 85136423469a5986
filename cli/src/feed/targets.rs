//! Where the tap files of each city go.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use domain::city::City;

use super::Feed;
use crate::errors::Usage;

/// Where one city's files go, and where its answers appear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The city.
    pub city: City,
    /// The folder that its adapter watches.
    pub inbox: PathBuf,
    /// Its receipts, where they are known.
    pub receipts: Option<PathBuf>,
}

/// `CITY=DIR`.
pub fn inbox_of(text: &str) -> Result<(City, PathBuf), String> {
    let (city, folder) = text.split_once('=').ok_or("expected CITY=DIR, such as cu-2000=/srv/inbox")?;
    let city = city.parse().map_err(|error| format!("`{city}` is {error}"))?;
    Ok((city, folder.into()))
}

/// The inboxes that the arguments name, else those of the adapters' configurations in `<local>/config`.
///
/// # Errors
/// [`Usage`] if there are none, or a configuration cannot be used.
pub fn find(args: &Feed) -> Result<Vec<Target>> {
    if !args.inbox_of.is_empty() {
        let target =
            |(city, inbox): &(City, PathBuf)| Target { city: *city, inbox: inbox.clone(), receipts: None };
        return Ok(args.inbox_of.iter().map(target).collect());
    }
    let folder = args.local.join("config");
    let hint = || {
        format!(
            "{} holds no configurations of adapters; start the system with `make up`, or name the inboxes \
             with --inbox-of CITY=DIR",
            folder.display()
        )
    };
    let mut paths: Vec<PathBuf> = fs::read_dir(&folder)
        .map_err(|_| Usage(hint()))?
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<_>>()
        .with_context(|| format!("failed to list {}", folder.display()))?;
    paths.retain(|path| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        name.starts_with("adapter-") && name.ends_with(".toml")
    });
    paths.sort();
    let targets: Vec<Target> = paths.iter().map(|path| of_configuration(path)).collect::<Result<_>>()?;
    if targets.is_empty() { Err(Usage(hint()).into()) } else { Ok(targets) }
}

fn of_configuration(path: &Path) -> Result<Target> {
    let name = path.display();
    let text = fs::read_to_string(path).with_context(|| format!("failed to read {name}"))?;
    let table: toml::Table = text.parse().map_err(|error| Usage(format!("use {name}: {error}")))?;
    let value = |key: &str| {
        let value = table.get(key).and_then(toml::Value::as_str);
        value.map(str::to_owned).ok_or_else(|| Usage(format!("use {name}: `{key}` is missing")))
    };
    let city = value("city")?;
    let city: City = city.parse().map_err(|error| Usage(format!("use {name}: city `{city}` is {error}")))?;
    let receipts = Path::new(&value("out_dir")?).join("receipts").join(format!("{city}.csv"));
    Ok(Target { city, inbox: value("inbox_dir")?.into(), receipts: Some(receipts) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inbox_is_named_with_its_city() {
        let city = "cu-A004".parse().unwrap();
        assert_eq!(inbox_of("cu-A004=/srv/a=b"), Ok((city, "/srv/a=b".into())));
        assert!(inbox_of("/srv/inbox").unwrap_err().contains("CITY=DIR"));
        assert!(inbox_of("cu-a004=x").unwrap_err().contains("cu-a004"));
    }
}
