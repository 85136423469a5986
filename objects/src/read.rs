//! Reading objects.

use std::{
    fs::File,
    io::{self, Read, Write as _},
    path::Path,
    sync::Arc,
};

use bytes::{Buf as _, Bytes};
use futures_util::{StreamExt as _, stream::BoxStream};
use object_store::{GetResultPayload, ObjectStoreExt as _};

use crate::{Objects, ObjectsError, Sum, name, place::Place, sum::Summing};

/// Bytes that are copied at once.
const COPY_BYTES: usize = 256 << 10;

/// Reads an object from its beginning, in bounded memory. One that ends before its length is an error.
pub struct ObjectReader {
    body: Body,
    place: Place,
    name: String,
    left: u64,
}

enum Body {
    File(File),
    /// What has arrived and is not read yet, and what is still to come.
    Stream(Bytes, BoxStream<'static, object_store::Result<Bytes>>),
}

impl std::fmt::Debug for ObjectReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ObjectReader").field("name", &self.name).field("left", &self.left).finish()
    }
}

impl ObjectReader {
    /// Bytes not read yet.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.left
    }
}

impl Read for ObjectReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = match &mut self.body {
            Body::File(file) => file.read(buffer)?,
            Body::Stream(arrived, coming) => {
                while arrived.is_empty() {
                    // A stream that cannot go on stays with this reader: the next read says so again.
                    let stream = std::mem::replace(coming, futures_util::stream::empty().boxed());
                    let (next, rest) = self.place.run(async move { Ok(stream.into_future().await) })?;
                    *coming = rest;
                    match next.transpose()? {
                        Some(bytes) => *arrived = bytes,
                        None => break,
                    }
                }
                let count = arrived.len().min(buffer.len());
                arrived.copy_to_slice(buffer.get_mut(..count).unwrap_or_default());
                count
            }
        };
        if count == 0 && !buffer.is_empty() && self.left > 0 {
            let why = format!("object {} in {} ends {} bytes early", self.name, self.place, self.left);
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, why));
        }
        self.left = self.left.saturating_sub(count as u64);
        Ok(count)
    }
}

impl Objects {
    /// Opens an object for reading.
    ///
    /// # Errors
    /// [`ObjectsError::NotFound`], or another if the store does not answer.
    pub fn reader(&self, name: &str) -> Result<ObjectReader, ObjectsError> {
        let path = name::checked(name)?;
        let store = Arc::clone(&self.store);
        let got = self.place.run(async move { store.get(&path).await });
        let got = got.map_err(|e| self.failed("read", name, e))?;
        let left = got.meta.size;
        let body = match got.payload {
            GetResultPayload::File(file, _) => Body::File(file),
            GetResultPayload::Stream(stream) => Body::Stream(Bytes::new(), stream),
        };
        Ok(ObjectReader { body, place: self.place.clone(), name: name.to_owned(), left })
    }

    /// The bytes of an object of at most `bytes_max`.
    ///
    /// # Errors
    /// [`ObjectsError::NotFound`], [`ObjectsError::TooLarge`], or another if the store does not answer.
    pub fn get_bytes(&self, name: &str, bytes_max: u64) -> Result<Vec<u8>, ObjectsError> {
        let mut reader = self.reader(name)?;
        let bytes = reader.left();
        if bytes > bytes_max {
            let (place, name) = (self.place(), name.to_owned());
            return Err(ObjectsError::TooLarge { place, name, bytes, limit: bytes_max });
        }
        let mut read = Vec::new();
        reader.by_ref().take(bytes).read_to_end(&mut read).map_err(|e| self.unread(name, e))?;
        Ok(read)
    }

    /// Copies an object into a new file, durable when this returns (its entry in the folder is not yet: sync
    /// the folder after the last file). Returns length and digest of what was read.
    ///
    /// # Errors
    /// [`ObjectsError::NotFound`], [`ObjectsError::File`] if the file exists or cannot be written, or another if
    /// the store does not answer; a part of the file may be left then.
    pub fn get_file(&self, name: &str, file: &Path) -> Result<Sum, ObjectsError> {
        let failed = |source| ObjectsError::File { doing: "write", path: file.to_owned(), source };
        let mut reader = self.reader(name)?;
        let mut copy = File::create_new(file).map_err(failed)?;
        let mut sum = Summing::default();
        let mut buffer = vec![0; COPY_BYTES];
        loop {
            let count = reader.read(&mut buffer).map_err(|e| self.unread(name, e))?;
            let Some(read) = buffer.get(..count).filter(|read| !read.is_empty()) else { break };
            sum.add(read);
            copy.write_all(read).map_err(failed)?;
        }
        copy.sync_all().map_err(failed)?;
        Ok(sum.done())
    }

    /// Reads an object to its end and returns its length and digest.
    ///
    /// # Errors
    /// [`ObjectsError::NotFound`], or another if the store does not answer.
    pub fn sum(&self, name: &str) -> Result<Sum, ObjectsError> {
        let mut reader = self.reader(name)?;
        let mut sum = Summing::default();
        let mut buffer = vec![0; COPY_BYTES];
        loop {
            let count = reader.read(&mut buffer).map_err(|e| self.unread(name, e))?;
            match buffer.get(..count) {
                Some(read) if count > 0 => sum.add(read),
                _ => return Ok(sum.done()),
            }
        }
    }

    fn unread(&self, name: &str, source: io::Error) -> ObjectsError {
        let (place, name) = (self.place(), name.to_owned());
        ObjectsError::Store { doing: "read", place, name, source: Box::new(source) }
    }
}
