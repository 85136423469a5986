//! A checkpoint: the files of a store as they were at one moment, beside the store that goes on.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{CycleNote, SnapshotError, TipNote};
use crate::{
    book::{
        rows::{self, CycleRow, StateRow},
        tip::Tip,
    },
    rocks::RocksStore,
    store::{StoreError, Txn},
};

/// Where a store stands in its partition and between cycles.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// The next offset to fold.
    pub next_offset: u64,
    /// The last message that was folded.
    pub tip: Option<TipNote>,
    /// Ordinal of the last cycle that was opened; 0 before the first.
    pub last_cycle: u32,
    /// Whether it is still open.
    pub open: bool,
    /// The last two cycles, by ordinal.
    pub cycles: Vec<CycleNote>,
}

impl Position {
    /// Reads it from a store's rows.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn read(txn: &dyn Txn) -> Result<Self, StoreError> {
        let state: StateRow = rows::load(txn, rows::STATE, "state")?.unwrap_or_default();
        let tip = txn.get(rows::TIP)?.map(|bytes| Tip::unpack(&bytes)).transpose()?;
        let mut cycles = Vec::new();
        for cycle in [state.last_cycle.saturating_sub(1), state.last_cycle] {
            if let Some(row) = rows::load::<CycleRow>(txn, &rows::cycle(cycle), "cycle")? {
                let CycleRow { first_offset, end_offset, .. } = row;
                cycles.push(CycleNote { cycle, first_offset, end_offset });
            }
        }
        let tip = tip.map(|tip| TipNote { offset: tip.offset, digest: format!("{:032x}", tip.digest) });
        let next_offset = rows::next_offset(txn)?;
        Ok(Self { next_offset, tip, last_cycle: state.last_cycle, open: state.open, cycles })
    }

    /// Ordinal of the last closed cycle; 0 if there is none.
    #[must_use]
    pub fn closed_cycle(&self) -> u32 {
        self.last_cycle.saturating_sub(u32::from(self.open))
    }
}

/// A folder with a checkpoint; dropping it removes the folder.
#[derive(Debug)]
pub(super) struct Checkpoint {
    folder: PathBuf,
    /// Where the store stood.
    pub(super) position: Position,
    /// Names of the files, in order.
    pub(super) files: Vec<String>,
}

impl Checkpoint {
    /// Takes a checkpoint of a store that may be at work; `folder` is on its file system and nobody else's. The
    /// folding goes on meanwhile: what RocksDB has in memory is written out beside it, files of rows are linked.
    ///
    /// # Errors
    /// [`SnapshotError::Store`], [`SnapshotError::Folder`].
    pub(super) fn take(store: &RocksStore, folder: &Path) -> Result<Self, SnapshotError> {
        remove(folder)?;
        let mut checkpoint =
            Self { folder: folder.to_owned(), position: Position::default(), files: Vec::new() };
        store.checkpoint(folder)?;
        for entry in fs::read_dir(folder).map_err(SnapshotError::folder("read", folder))? {
            let entry = entry.map_err(SnapshotError::folder("read", folder))?;
            checkpoint.files.push(entry.file_name().to_string_lossy().into_owned());
        }
        checkpoint.files.sort_unstable();
        // From the copy itself: the store has gone on.
        checkpoint.position = Position::read(&RocksStore::open_to_read(folder)?.begin())?;
        Ok(checkpoint)
    }

    pub(super) fn path(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }
}

impl Drop for Checkpoint {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.folder) {
            tracing::warn!("{}", runtime::whole_text(&error));
        }
    }
}

/// Removes a folder, if it is there.
pub(super) fn remove(folder: &Path) -> Result<(), SnapshotError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(SnapshotError::folder("remove", folder)(error))
        }
        _ => Ok(()),
    }
}
