//! Taps from back-ends that stream: journals them, acknowledges them, and makes ordinary uploads of them.
//!
//! It is no second way to the log. What is journaled here is sealed into tap files that are put into the
//! city's inbox; from there the acquiring side takes them like any other, and says when they are on the log.
//! Sequence *s* of a source stands in the upload with the greatest first sequence up to *s*, on the line
//! *s* − first + 2.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread::{self, JoinHandle},
};

use domain::city::City;

use crate::{acquirer::AcquirerHost, journal};
use work::{Places, Work};
use worker::Worker;

pub use self::core::{LoadError, UploadState, is_upload};
pub use config::{IngestConfig, IngestConfigError};
pub use service::IngestService;
pub use work::Condition;

mod config;
mod core;
mod line;
mod place;
mod rows;
mod service;
mod source;
mod store;
#[cfg(test)]
mod tests;
mod work;
mod worker;

/// Why the ingest could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The store failed.
    #[error("the spool of the ingest in {path} cannot be used; see that there is room and permission")]
    Store {
        /// Its folder.
        path: PathBuf,
        /// What RocksDB says.
        source: rocksdb::Error,
    },
    /// The store is none of ours.
    #[error("{path} holds no spool of an ingest; give an empty folder or the right one")]
    Rows {
        /// Its folder.
        path: PathBuf,
        /// What does not fit.
        source: LoadError,
    },
    /// A file could not be put into the inbox.
    #[error("{path} cannot be written; see that the inbox is there and has room")]
    Inbox {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// No thread could be started.
    #[error("no thread can be started for the ingest")]
    Thread(#[source] io::Error),
}

/// Says what became of uploads.
pub trait Uploads: Send + Sync {
    /// What became of the upload with this name and these bytes.
    fn state_of(&self, name: &str, sha256: &[u8; 32]) -> UploadState;
}

/// The uploads of one city, as its journal knows them.
pub struct CityUploads {
    /// The journal's host.
    pub host: AcquirerHost,
    /// The city.
    pub city: City,
}

impl Uploads for CityUploads {
    fn state_of(&self, name: &str, sha256: &[u8; 32]) -> UploadState {
        match self.host.upload_of(self.city, name, sha256) {
            Some(row) => match row.state() {
                journal::UploadState::Taken => UploadState::Taken,
                journal::UploadState::Refused => UploadState::Refused { reason: row.reason },
                journal::UploadState::Taking => UploadState::Unknown,
            },
            None => UploadState::Unknown,
        }
    }
}

/// The ingest of one city. Dropped, it ends after what it is doing.
pub struct Ingest {
    work: mpsc::Sender<Work>,
    thread: Option<JoinHandle<()>>,
    streams_max: usize,
    condition: Arc<Mutex<Condition>>,
}

impl Ingest {
    /// Opens the spool in `state` (made if it does not exist) and begins to work. Uploads are put into `inbox`,
    /// and `uploads` says what became of them. One process at a time may have a state folder open.
    ///
    /// # Errors
    /// [`IngestError::Store`], [`IngestError::Rows`], [`IngestError::Thread`].
    pub fn start(
        state: &Path,
        inbox: &Path,
        uploads: impl Uploads + 'static,
        config: &IngestConfig,
    ) -> Result<Self, IngestError> {
        let uploads = Arc::new(uploads);
        let places = Places { store: state.join("ingest"), inbox: inbox.to_owned(), uploads };
        let worker = Worker::new(places, config.limits())?;
        let condition = worker.condition();
        let (work, queue) = mpsc::channel();
        let run = move || worker.run(&queue);
        let thread =
            thread::Builder::new().name("ingest".to_owned()).spawn(run).map_err(IngestError::Thread)?;
        Ok(Self { work, thread: Some(thread), streams_max: config.streams_max, condition })
    }

    /// What streams speak to.
    #[must_use]
    pub fn service(&self) -> IngestService {
        IngestService::new(self.work.clone(), self.streams_max)
    }

    /// How the spool was a moment ago.
    #[must_use]
    pub fn condition(&self) -> Condition {
        self.condition.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether it has ended, which it does by itself only if something is badly wrong.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl Drop for Ingest {
    fn drop(&mut self) {
        // If nobody listens it has ended already.
        drop(self.work.send(Work::Stop));
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread of the ingest panicked");
        }
    }
}
