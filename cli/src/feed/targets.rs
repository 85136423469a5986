//! Where the tap files of each city go.

use std::path::PathBuf;

use anyhow::Result;
use domain::city::City;

use super::Feed;
use crate::{errors::Usage, local_system::Adapter};

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

/// The inboxes that the arguments name, else those of the adapters in `local`.
///
/// # Errors
/// [`Usage`] if there are none.
pub fn find(args: &Feed, local: &[Adapter]) -> Result<Vec<Target>> {
    if !args.inbox_of.is_empty() {
        let target =
            |(city, inbox): &(City, PathBuf)| Target { city: *city, inbox: inbox.clone(), receipts: None };
        return Ok(args.inbox_of.iter().map(target).collect());
    }
    if local.is_empty() {
        let text = format!(
            "{} holds no configurations of adapters; start the system with `make up`, or name the inboxes \
             with --inbox-of CITY=DIR",
            args.local.join("config").display()
        );
        return Err(Usage(text).into());
    }
    Ok(local.iter().map(of_adapter).collect())
}

fn of_adapter(adapter: &Adapter) -> Target {
    let receipts = adapter.out.join("receipts").join(format!("{}.csv", adapter.city));
    Target { city: adapter.city, inbox: adapter.inbox.clone(), receipts: Some(receipts) }
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
