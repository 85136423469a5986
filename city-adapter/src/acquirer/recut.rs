//! A file that was taken is cut again: the same bytes give the same batches.

use std::{fs::File, path::Path};

use domain::city::City;
use proto::TapBatch;

use super::inbox::{Inbox, InboxError};
use crate::{cut::Cutter, mapping::Mapping, tapfile::Line};

/// The batches of a file under its name, numbered from 1.
///
/// # Errors
/// [`InboxError`] if the file cannot be read as one of the city.
pub fn recut(
    path: &Path,
    name: &str,
    city: City,
    mapping: Option<&Mapping>,
) -> Result<Vec<TapBatch>, InboxError> {
    let mut file = Inbox::open(File::open(path)?, city, mapping)?;
    let (mut cutter, mut batches) = (Cutter::default(), Vec::new());
    while let Some(line) = file.next_line()? {
        let Line::Tap(tap) = line else { continue };
        if !cutter.fits(&tap) {
            batches.push(cutter.take(city, batches.len() as u64 + 1, name));
        }
        cutter.push(&tap);
    }
    if cutter.records() > 0 {
        batches.push(cutter.take(city, batches.len() as u64 + 1, name));
    }
    Ok(batches)
}
