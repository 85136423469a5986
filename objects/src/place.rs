//! Where a store is, and how its futures are driven there.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use object_store::{ObjectStore, local::LocalFileSystem};

use crate::ObjectsError;

/// The place of a store.
#[derive(Clone)]
pub(crate) enum Place {
    /// A folder, by its absolute path; its futures do their work on the caller's thread.
    Folder(PathBuf),
    /// A bucket; its futures need a runtime.
    #[cfg(feature = "s3")]
    S3 { url: String, runtime: Arc<crate::s3::Driver> },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => fmt::Display::fmt(&folder.display(), f),
            #[cfg(feature = "s3")]
            Self::S3 { url, .. } => f.write_str(url),
        }
    }
}

impl Place {
    pub(crate) fn folder(&self) -> Option<&Path> {
        match self {
            Self::Folder(folder) => Some(folder),
            #[cfg(feature = "s3")]
            Self::S3 { .. } => None,
        }
    }

    /// Waits for a future of the store.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        future: impl Future<Output = object_store::Result<T>> + Send + 'static,
    ) -> object_store::Result<T> {
        match self {
            Self::Folder(_) => futures_executor::block_on(future),
            #[cfg(feature = "s3")]
            Self::S3 { runtime, .. } => runtime.run(future),
        }
    }
}

/// Opens a folder, or a bucket by its URL.
pub(crate) fn open(place: &str) -> Result<(Arc<dyn ObjectStore>, Place), ObjectsError> {
    if place.contains("://") {
        return open_url(place);
    }
    let failed = |source: Box<dyn std::error::Error + Send + Sync>| ObjectsError::Open {
        place: place.to_owned(),
        source,
    };
    if place.is_empty() {
        return Err(failed("name a folder or s3://BUCKET/PREFIX".into()));
    }
    fs::create_dir_all(place).map_err(|e| failed(e.into()))?;
    let folder = fs::canonicalize(place).map_err(|e| failed(e.into()))?;
    let store = LocalFileSystem::new_with_prefix(&folder).map_err(|e| failed(e.into()))?;
    Ok((Arc::new(store.with_fsync(true).with_automatic_cleanup(true)), Place::Folder(folder)))
}

#[cfg(feature = "s3")]
fn open_url(url: &str) -> Result<(Arc<dyn ObjectStore>, Place), ObjectsError> {
    crate::s3::open(url)
}

#[cfg(not(feature = "s3"))]
fn open_url(url: &str) -> Result<(Arc<dyn ObjectStore>, Place), ObjectsError> {
    if url.starts_with("s3://") {
        return Err(ObjectsError::NoS3 { place: url.to_owned() });
    }
    let source = "only folders and s3://BUCKET/PREFIX are known".into();
    Err(ObjectsError::Open { place: url.to_owned(), source })
}
