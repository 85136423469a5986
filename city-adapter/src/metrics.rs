//! What a city's adapter tells of itself in numbers.

use std::{fs, io, path::Path};

use domain::city::City;
use prometheus_client::{metrics::gauge::Gauge, registry::Registry};
use runtime::metrics::{gauge, number};

use crate::{acquirer::AcquirerHost, ingest::Condition};

/// The instruments.
#[derive(Debug)]
pub struct Metrics {
    last_batch: Gauge,
    waiting_batches: Gauge,
    stopped: Gauge,
    journal_bytes: Gauge,
    ingest_spool_bytes: Gauge,
    ingest_silent_ms: Gauge,
}

impl Metrics {
    /// Adds the instruments to a registry.
    pub fn register(registry: &mut Registry) -> Self {
        let adapter = registry.sub_registry_with_prefix("adapter");
        Self {
            last_batch: gauge(adapter, "last_batch", "Highest batch number given out"),
            waiting_batches: gauge(adapter, "waiting_batches", "Batches without any result so far"),
            stopped: gauge(adapter, "stopped", "1 while the city is stopped until somebody looks"),
            journal_bytes: gauge(adapter, "journal_bytes", "Size of the adapter's state on the disk"),
            ingest_spool_bytes: gauge(adapter, "ingest_spool_bytes", "Streamed lines not on the log yet"),
            ingest_silent_ms: gauge(adapter, "ingest_silent_ms", "How long none of them has reached the log"),
        }
    }

    /// Shows how the taps that are streamed are.
    pub fn show_ingest(&self, condition: &Condition) {
        self.ingest_spool_bytes.set(number(condition.spool_bytes));
        self.ingest_silent_ms.set(number(condition.silent_ms));
    }

    /// Shows how the acquiring side of a city is. `state` is the folder of its journal.
    pub fn show(&self, host: &AcquirerHost, city: City, state: &Path) {
        self.last_batch.set(number(host.last_number(city)));
        self.waiting_batches.set(number(host.open_batches(city)));
        self.stopped.set(i64::from(!host.stopped().is_empty()));
        match bytes_of(state) {
            Ok(bytes) => drop(self.journal_bytes.set(number(bytes))),
            // A file that went away while it was looked at: the next look counts again.
            Err(error) => tracing::debug!(%error, "the size of {} is not known", state.display()),
        }
    }
}

/// Bytes of all files in a folder and the folders in it.
fn bytes_of(folder: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                bytes += entry.metadata()?.len();
            }
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_of_a_folder_counts_the_folders_in_it() {
        let folder = tempfile::TempDir::new().unwrap();
        fs::create_dir(folder.path().join("journal")).unwrap();
        fs::write(folder.path().join("journal/000004.log"), [0; 700]).unwrap();
        fs::write(folder.path().join("LOCK"), [0; 5]).unwrap();
        assert_eq!(bytes_of(folder.path()).unwrap(), 705);
    }
}
