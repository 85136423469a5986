//! Writes the file of an upload into the inbox, where the ordinary way of a tap file begins.

use std::{
    fs::{self, File},
    io::{BufWriter, Write},
    path::Path,
};

use sha2::{Digest, Sha256};

use super::{
    IngestError, Uploads,
    core::{SealedUpload, UploadState},
    store::Store,
};
use crate::tapfile::HEADER;

/// The file that is being written, in the inbox itself so that it can be renamed; nobody takes a hidden file.
const UNFINISHED: &str = ".ingest.tmp";

const BUFFER_LEN: usize = 256 * 1024;

/// Writes the file of an upload, unless the city's journal knows it already. Returns its digest.
pub fn place(
    store: &Store,
    upload: &SealedUpload,
    inbox: &Path,
    uploads: &dyn Uploads,
) -> Result<[u8; 32], IngestError> {
    let unfinished = inbox.join(UNFINISHED);
    let on_file = |source| IngestError::Inbox { path: unfinished.clone(), source };
    let file = File::create(&unfinished).map_err(on_file)?;
    let mut file = BufWriter::with_capacity(BUFFER_LEN, file);
    let mut hash = Sha256::new();
    let mut write = |bytes: &[u8]| {
        hash.update(bytes);
        file.write_all(bytes).map_err(on_file)
    };
    write(HEADER.as_bytes())?;
    write(b"\n")?;
    store.lines(&upload.source, upload.first, upload.through, write)?;
    let sha256 = hash.finalize().into();
    let name = upload.name();
    if uploads.state_of(&name, &sha256) == UploadState::Unknown {
        file.flush().and_then(|()| file.get_ref().sync_all()).map_err(on_file)?;
        let path = inbox.join(name);
        fs::rename(&unfinished, &path)
            .and_then(|()| File::open(inbox)?.sync_all())
            .map_err(|source| IngestError::Inbox { path, source })?;
    } else {
        fs::remove_file(&unfinished).map_err(on_file)?;
    }
    Ok(sha256)
}
