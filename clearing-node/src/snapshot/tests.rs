//! Snapshots of real stores in a folder.

mod attempts;
mod damage;
mod pruning;
mod taking;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
    time::{Duration, SystemTime},
};

use cu_objects::{Objects, Sum};
use proto::Message as _;
use tempfile::TempDir;

use super::{
    Catalog, Found, Restored, SnapshotError, Taken, Which, checkpoint::Checkpoint, restore, take::Taker,
};
use crate::{
    book::{
        rows::{self, CycleRow, StateRow},
        tip::Tip,
    },
    rocks::RocksStore,
    store::Txn as _,
};

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

/// Stores of partition 1, and an object store.
struct Shop {
    folder: TempDir,
    objects: Objects,
}

impl Shop {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let objects = Objects::open(folder.path().join("objects").to_str().unwrap()).unwrap();
        Self { folder, objects }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn store(&self, name: &str) -> RocksStore {
        RocksStore::open(&self.path(name)).unwrap()
    }

    fn taker(&self) -> Taker {
        Taker::new(self.objects.clone(), 1)
    }

    fn put(&self, taker: &mut Taker, store: &RocksStore) -> Result<Taken, SnapshotError> {
        let checkpoint = Checkpoint::take(store, &self.path("checkpoint"))?;
        taker.put(&checkpoint, SystemTime::now(), &AtomicBool::new(false))
    }

    /// A snapshot by a process that remembers nothing.
    fn snapshot(&self, store: &RocksStore) -> Taken {
        self.put(&mut self.taker(), store).unwrap()
    }

    fn restore(&self, name: &str) -> Option<Restored> {
        restore(&self.objects, 1, &self.path(name), Which::default(), &|_| Ok(true)).unwrap()
    }

    fn file(&self, object: &str) -> PathBuf {
        self.objects.file(object).unwrap()
    }
}

/// Folds messages up to `offset` (not included), each a row of bytes that do not compress.
fn fold(store: &RocksStore, from: u64, to: u64) {
    for offset in from..to {
        let mut txn = store.begin();
        let words = (0..256).flat_map(|at| Sum::of(format!("{offset} {at}").as_bytes()).sha256);
        txn.put([b"b/".as_slice(), &offset.to_be_bytes()].concat(), words.collect());
        txn.put(rows::OFFSET.to_vec(), (offset + 1).to_be_bytes().to_vec());
        txn.put(rows::TIP.to_vec(), Tip::of(offset, &offset.to_be_bytes()).pack());
        txn.commit(true).unwrap();
    }
}

/// A marker at `offset` closes the cycle before, if there was one, and opens `cycle`.
fn mark(store: &RocksStore, offset: u64, cycle: u32) {
    let mut txn = store.begin();
    let key = rows::cycle(cycle - 1);
    if let Some(mut row) = rows::load::<CycleRow>(&txn, &key, "cycle").unwrap() {
        row.end_offset = Some(offset);
        txn.put(key, row.encode_to_vec());
    }
    let row = CycleRow { first_offset: offset + 1, ..CycleRow::default() };
    txn.put(rows::cycle(cycle), row.encode_to_vec());
    let state = StateRow { last_cycle: cycle, open: true, ..StateRow::default() };
    txn.put(rows::STATE.to_vec(), state.encode_to_vec());
    txn.put(rows::OFFSET.to_vec(), (offset + 1).to_be_bytes().to_vec());
    txn.commit(true).unwrap();
}

fn rows_of(store: &RocksStore) -> Rows {
    let mut rows = Rows::new();
    let mut visit = |key: &[u8], value: &[u8]| {
        rows.insert(key.to_vec(), value.to_vec());
        Ok(())
    };
    store.begin().scan(b"", &mut visit).unwrap();
    rows
}

/// What attempts to restore `name` have left beside it.
fn left_beside(shop: &Shop, name: &str) -> Vec<String> {
    let entries = fs::read_dir(shop.folder.path()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|found| found.starts_with(&format!("{name}.restoring"))).collect()
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

fn offsets(catalog: &Catalog) -> Vec<u64> {
    catalog.whole().map(|(found, _): (&Found, _)| found.next_offset).collect()
}

/// Nothing is young.
const AT_ONCE: Duration = Duration::ZERO;
