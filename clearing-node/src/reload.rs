//! A start reads the identities back: this thread reads rows, others put them back, as many as there are cores.

use std::thread::Builder;

use crossbeam_channel::{Receiver, Sender};

use crate::{
    book::{
        Halt,
        identities::{Identities, Restoring},
        rows,
    },
    partition::PartitionError,
    rocks::RocksStore,
    store::{StoreError, Txn},
};

/// Bytes of rows that are handed over at once.
const HANDED_BYTES: usize = 256 << 10;
/// How many of these may wait for a thread.
const WAITING_MAX: usize = 4;
/// At most this many threads fill the table.
const THREADS_MAX: usize = 16;

/// Keys and values of rows.
type Rows = Vec<(Box<[u8]>, Box<[u8]>)>;

/// The identities that stand in a store.
///
/// # Errors
/// [`PartitionError`] if the store cannot be read, has another format or is damaged.
pub fn identities(store: &RocksStore, partition: u32) -> Result<Identities, PartitionError> {
    let halt = |error: StoreError| PartitionError::Halt { partition, halt: Halt::Store(error) };
    let txn = store.begin();
    rows::check_format(&txn).map_err(halt)?;
    let restoring = Restoring::default();
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(THREADS_MAX);
    std::thread::scope(|scope| -> Result<(), PartitionError> {
        let (sender, handed) = crossbeam_channel::bounded(WAITING_MAX * threads);
        let mut fillers = Vec::new();
        for _ in 0..threads {
            let (restoring, handed) = (&restoring, handed.clone());
            let filler = Builder::new().name(format!("clearing-load-{partition}"));
            let filler = filler.spawn_scoped(scope, move || fill(restoring, &handed));
            fillers.push(filler.map_err(PartitionError::Thread)?);
        }
        drop(handed);
        hand_over(&txn, &sender).map_err(halt)?;
        drop(sender);
        for filler in fillers {
            let panicked = |_| Err(StoreError::Damaged { row: "identities" });
            filler.join().unwrap_or_else(panicked).map_err(halt)?;
        }
        Ok(())
    })?;
    Ok(restoring.finish())
}

/// Reads every row and hands it over.
fn hand_over(txn: &dyn Txn, sender: &Sender<Rows>) -> Result<(), StoreError> {
    let (mut gathered, mut bytes) = (Rows::new(), 0);
    // If nobody takes rows any more, each has found a damaged one, and says so itself.
    let send = |rows: Rows| drop(sender.send(rows));
    txn.scan(rows::IDENTITIES, &mut |key, row| {
        gathered.push((Box::from(key), Box::from(row)));
        bytes += row.len();
        if bytes >= HANDED_BYTES {
            send(std::mem::take(&mut gathered));
            bytes = 0;
        }
        Ok(())
    })?;
    send(gathered);
    Ok(())
}

fn fill(restoring: &Restoring, handed: &Receiver<Rows>) -> Result<(), StoreError> {
    let mut entries = Vec::new();
    for gathered in handed {
        for (key, row) in gathered {
            entries.clear();
            rows::unpack_identities(&key, &row, &mut entries)?;
            restoring.restore(&entries);
        }
    }
    Ok(())
}
