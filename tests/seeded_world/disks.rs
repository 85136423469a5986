//! Where a node of the model keeps its store: in memory, or in a real RocksDB.

use clearing_node::{
    rocks::RocksStore,
    store::{StoreError, Txn},
};
use tempfile::TempDir;

use super::{
    reference::Check,
    store::{Gathered, Rows},
};

/// A store with what can happen to it.
pub trait Disk: Sized {
    /// A new one.
    fn empty() -> Result<Self, String>;

    /// What is durable, once more: what a start after a kill finds, or a snapshot.
    fn copy(&self) -> Result<Self, String>;

    /// Shows it to a reader.
    fn read<T>(&self, reader: &mut dyn FnMut(&dyn Txn) -> Result<T, String>) -> Result<T, String>;

    /// Gathers a transaction and commits it, or loses it.
    fn write(&mut self, commit: bool, writer: &mut dyn FnMut(&mut dyn Txn) -> Check) -> Check;

    /// All rows.
    fn rows(&self) -> Result<Rows, String> {
        self.read(&mut |txn| {
            let mut rows = Rows::new();
            let mut visit = |key: &[u8], value: &[u8]| -> Result<(), StoreError> {
                rows.insert(key.to_vec(), value.to_vec());
                Ok(())
            };
            txn.scan(b"", &mut visit).map_err(|e| e.to_string())?;
            Ok(rows)
        })
    }
}

/// In memory.
pub struct InMemory(Rows);

impl Disk for InMemory {
    fn empty() -> Result<Self, String> {
        Ok(Self(Rows::new()))
    }

    fn copy(&self) -> Result<Self, String> {
        Ok(Self(self.0.clone()))
    }

    fn read<T>(&self, reader: &mut dyn FnMut(&dyn Txn) -> Result<T, String>) -> Result<T, String> {
        reader(&Gathered::over(&self.0))
    }

    fn write(&mut self, commit: bool, writer: &mut dyn FnMut(&mut dyn Txn) -> Check) -> Check {
        let mut txn = Gathered::over(&self.0);
        writer(&mut txn)?;
        let writes = txn.finish();
        if commit {
            writes.commit(&mut self.0);
        }
        Ok(())
    }
}

/// A RocksDB in a folder of its own.
pub struct OnRocks {
    store: RocksStore,
    folder: TempDir,
}

impl OnRocks {
    fn open(folder: TempDir) -> Result<Self, String> {
        let store = RocksStore::open(folder.path()).map_err(|e| e.to_string())?;
        Ok(Self { store, folder })
    }
}

impl Disk for OnRocks {
    fn empty() -> Result<Self, String> {
        Self::open(tempfile::tempdir().map_err(|e| e.to_string())?)
    }

    /// The files as they lie there while the database is open, as a kill leaves them.
    fn copy(&self) -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
        let copied = std::fs::read_dir(self.folder.path()).and_then(|mut files| {
            files.try_for_each(|file| {
                let file = file?;
                std::fs::copy(file.path(), folder.path().join(file.file_name())).map(drop)
            })
        });
        copied.map_err(|e| e.to_string())?;
        Self::open(folder)
    }

    fn read<T>(&self, reader: &mut dyn FnMut(&dyn Txn) -> Result<T, String>) -> Result<T, String> {
        reader(&self.store.begin())
    }

    fn write(&mut self, commit: bool, writer: &mut dyn FnMut(&mut dyn Txn) -> Check) -> Check {
        let mut txn = self.store.begin();
        writer(&mut txn)?;
        if commit { txn.commit(false).map_err(|e| e.to_string()) } else { Ok(()) }
    }
}
