//! Putting objects.

use std::{fs::File, io::Read as _, path::Path, sync::Arc};

use bytes::Bytes;
use object_store::{MultipartUpload, ObjectStoreExt as _, PutPayload};

use crate::{Objects, ObjectsError, Sum, name, sum::Summing};

/// Bytes that travel at once. S3 takes 10,000 such parts an object.
pub(crate) const PART_BYTES: usize = 16 << 20;

impl Objects {
    /// Puts bytes under a name, in place of what was there.
    ///
    /// # Errors
    /// [`ObjectsError`] if the store does not take it; then what was there is still there.
    pub fn put_bytes(&self, name: &str, bytes: impl Into<Bytes>) -> Result<(), ObjectsError> {
        let path = name::checked(name)?;
        let store = Arc::clone(&self.store);
        let payload = PutPayload::from(bytes.into());
        let put = self.place.run(async move { store.put(&path, payload).await });
        put.map(drop).map_err(|e| self.failed("put", name, e))
    }

    /// Puts a copy of a file under a name, in place of what was there; memory is bounded by two parts. Returns
    /// length and digest of what was put.
    ///
    /// # Errors
    /// [`ObjectsError`] if the file cannot be read or the store does not take it; then what was there is still
    /// there.
    pub fn put_file(&self, name: &str, file: &Path) -> Result<Sum, ObjectsError> {
        let failed = |source| ObjectsError::File { doing: "read", path: file.to_owned(), source };
        let mut source = File::open(file).map_err(failed)?;
        let mut sum = Summing::default();
        let mut next = |sum: &mut Summing| {
            let mut part = Vec::new();
            source.by_ref().take(PART_BYTES as u64).read_to_end(&mut part).map_err(failed)?;
            sum.add(&part);
            Ok::<_, ObjectsError>(Bytes::from(part))
        };
        let first = next(&mut sum)?;
        if first.len() < PART_BYTES {
            self.put_bytes(name, first)?;
            return Ok(sum.done());
        }
        let mut upload = self.begin(name)?;
        let mut part = first;
        while !part.is_empty() {
            upload = self.put_part(upload, name, part)?;
            match next(&mut sum) {
                Ok(read) => part = read,
                Err(error) => {
                    self.abort(upload);
                    return Err(error);
                }
            }
        }
        self.complete(upload, name)?;
        Ok(sum.done())
    }

    fn begin(&self, name: &str) -> Result<Box<dyn MultipartUpload>, ObjectsError> {
        let path = name::checked(name)?;
        let store = Arc::clone(&self.store);
        let begun = self.place.run(async move { store.put_multipart(&path).await });
        begun.map_err(|e| self.failed("put", name, e))
    }

    fn put_part(
        &self,
        mut upload: Box<dyn MultipartUpload>,
        name: &str,
        part: Bytes,
    ) -> Result<Box<dyn MultipartUpload>, ObjectsError> {
        match self.place.run(upload.put_part(part.into())) {
            Ok(()) => Ok(upload),
            Err(error) => {
                self.abort(upload);
                Err(self.failed("put", name, error))
            }
        }
    }

    fn complete(&self, mut upload: Box<dyn MultipartUpload>, name: &str) -> Result<(), ObjectsError> {
        let completing = async move {
            let done = upload.complete().await;
            if done.is_err() {
                drop(upload.abort().await);
            }
            done
        };
        self.place.run(completing).map(drop).map_err(|e| self.failed("put", name, e))
    }

    /// Lets the store forget the parts; a store that cannot is cleaned by [`Objects::sweep`] or its own rules.
    fn abort(&self, mut upload: Box<dyn MultipartUpload>) {
        drop(self.place.run(async move { upload.abort().await }));
    }
}
