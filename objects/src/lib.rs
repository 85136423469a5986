//! The object store: named pieces of bytes that outlive a machine, in a folder or in an S3-compatible store.
//!
//! A synchronous face over the crate `object_store`. A put is there whole or not at all and is durable when
//! it returns. Names are made of parts between slashes. Calls may take as long as the store takes, so none
//! belongs on a thread that must answer.

mod error;
mod name;
mod place;
mod read;
#[cfg(feature = "s3")]
mod s3;
mod sum;
mod sweep;
mod take;
mod write;

use std::{path::PathBuf, sync::Arc, time::SystemTime};

use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};

pub use error::ObjectsError;
pub use read::ObjectReader;
pub use sum::Sum;

use place::Place;

/// Most objects that one listing returns.
pub const LIST_MAX: usize = 1_000_000;

/// An object as a listing shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its whole name.
    pub name: String,
    /// Its length, bytes.
    pub bytes: u64,
    /// When it was last put, by the store's clock.
    pub modified: SystemTime,
}

/// An object store. Clones share it.
#[derive(Clone)]
pub struct Objects {
    store: Arc<dyn ObjectStore>,
    place: Place,
}

impl std::fmt::Debug for Objects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Objects").field(&self.place()).finish()
    }
}

impl Objects {
    /// Opens a store: `s3://bucket/prefix` (credentials, region and endpoint from the environment's `AWS_…`),
    /// or else the path of a folder, which is made if it is not there.
    ///
    /// # Errors
    /// [`ObjectsError::Open`] if the place cannot be used, [`ObjectsError::NoS3`] if this program was built
    /// without S3.
    pub fn open(place: &str) -> Result<Self, ObjectsError> {
        let (store, place) = place::open(place)?;
        Ok(Self { store, place })
    }

    /// Where it is, for messages.
    #[must_use]
    pub fn place(&self) -> String {
        self.place.to_string()
    }

    /// The file that holds an object, if the store is a folder: for reading only.
    #[must_use]
    pub fn file(&self, name: &str) -> Option<PathBuf> {
        name::checked(name).ok()?;
        self.place.folder().map(|folder| folder.join(name))
    }

    /// Every object below a prefix of whole parts (`snapshots/partition-1` does not find
    /// `snapshots/partition-10/…`), by name. An empty prefix lists everything.
    ///
    /// # Errors
    /// [`ObjectsError`] if the store does not answer, or holds more than [`LIST_MAX`] there.
    pub fn list(&self, prefix: &str) -> Result<Vec<Object>, ObjectsError> {
        let prefix = if prefix.is_empty() { None } else { Some(name::checked(prefix)?) };
        let store = Arc::clone(&self.store);
        let listing =
            async move { store.list(prefix.as_ref()).take(LIST_MAX + 1).try_collect::<Vec<_>>().await };
        let found = self.place.run(listing).map_err(|e| self.failed("list", "objects", e))?;
        if found.len() > LIST_MAX {
            return Err(ObjectsError::TooMany { place: self.place(), limit: LIST_MAX });
        }
        let mut objects: Vec<Object> = found.into_iter().map(shown).collect();
        objects.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(objects)
    }

    /// The length of an object in bytes, or none if there is no such object.
    ///
    /// # Errors
    /// [`ObjectsError`] if the store does not answer.
    pub fn size(&self, name: &str) -> Result<Option<u64>, ObjectsError> {
        let path = name::checked(name)?;
        let store = Arc::clone(&self.store);
        match self.place.run(async move { store.head(&path).await }) {
            Ok(meta) => Ok(Some(meta.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed("look for", name, error)),
        }
    }

    /// Whether there is such an object.
    ///
    /// # Errors
    /// [`ObjectsError`] if the store does not answer.
    pub fn exists(&self, name: &str) -> Result<bool, ObjectsError> {
        Ok(self.size(name)?.is_some())
    }

    /// Deletes an object; one that is not there is deleted already.
    ///
    /// # Errors
    /// [`ObjectsError`] if the store does not answer.
    pub fn delete(&self, name: &str) -> Result<(), ObjectsError> {
        let path = name::checked(name)?;
        let store = Arc::clone(&self.store);
        let deleting = async move {
            let mut deleted = store.delete_stream(stream::iter([Ok(path)]).boxed());
            deleted.next().await.transpose()
        };
        match self.place.run(deleting) {
            Ok(_) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.failed("delete", name, error)),
        }
    }

    fn failed(&self, doing: &'static str, name: &str, source: object_store::Error) -> ObjectsError {
        let (place, name) = (self.place(), name.to_owned());
        match source {
            // Where nothing is read, it is the bucket that is not there.
            object_store::Error::NotFound { .. } if doing == "read" => ObjectsError::NotFound { place, name },
            source => ObjectsError::Store { doing, place, name, source: Box::new(source) },
        }
    }
}

fn shown(meta: ObjectMeta) -> Object {
    Object { name: meta.location.to_string(), bytes: meta.size, modified: meta.last_modified.into() }
}

#[cfg(test)]
mod tests;
