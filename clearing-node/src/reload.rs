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

#[cfg(test)]
mod tests {
    use domain::{city::City, date::Date, tap::Tap};
    use zerocopy::FromZeros;

    use super::*;
    use crate::book::{
        Book,
        identities::{Claim, Entry, Key, row},
    };

    const DAY: Date = Date::from_julian_day(2_458_363);

    fn entry(sequence: u32) -> Entry {
        let mut tap = Tap::new_zeroed();
        tap.terminal_seq = sequence.into();
        let issuer: City = "cu-2000".parse().unwrap();
        Entry::new(Key::of(issuer, &tap), DAY, u64::from(sequence))
    }

    fn store_with(rows: &[(Vec<u8>, Vec<u8>)]) -> (tempfile::TempDir, RocksStore) {
        let folder = tempfile::tempdir().unwrap();
        let store = RocksStore::open(folder.path()).unwrap();
        let mut txn = store.begin();
        rows.iter().for_each(|(key, value)| txn.put(key.clone(), value.clone()));
        txn.commit(true).unwrap();
        (folder, store)
    }

    fn format(number: u32) -> (Vec<u8>, Vec<u8>) {
        (rows::FORMAT.to_vec(), number.to_be_bytes().to_vec())
    }

    #[test]
    fn every_row_of_a_store_comes_back() {
        let row = |offset: u64| {
            let entries: Vec<Entry> =
                (0..1000).map(|n| entry(u32::try_from(offset).unwrap() * 1000 + n)).collect();
            (rows::identities(DAY, offset), row::pack(&entries))
        };
        let rows: Vec<_> = (0..300).map(row).chain([format(rows::FORMAT_NOW)]).collect();
        let (_folder, store) = store_with(&rows);
        let mut identities = identities(&store, 0).unwrap();
        assert_eq!(identities.len(), 300_000);
        for sequence in (0..300_000).step_by(7) {
            assert_eq!(identities.claim(entry(sequence), DAY), Claim::SameContent, "{sequence}");
        }
        assert_eq!(Book::load(0, &store.begin(), &[]).unwrap().identities().len(), 300_000);
    }

    #[test]
    fn a_damaged_row_is_told() {
        let whole = row::pack(&[entry(1), entry(2_000_000)]);
        let torn = whole[..whole.len() - 1].to_vec();
        let (_folder, store) = store_with(&[format(rows::FORMAT_NOW), (rows::identities(DAY, 1), torn)]);
        let error = identities(&store, 0).unwrap_err();
        assert!(runtime::whole_text(&error).contains("identities row that cannot be read"), "{error:?}");
    }

    #[test]
    fn a_store_of_another_format_is_refused_and_not_misread() {
        let offset = (rows::OFFSET.to_vec(), 7_u64.to_be_bytes().to_vec());
        let (_folder, before_numbers) = store_with(std::slice::from_ref(&offset));
        let (_folder, later) = store_with(&[offset, format(rows::FORMAT_NOW + 1)]);
        for (store, number) in [(before_numbers, 1), (later, rows::FORMAT_NOW + 1)] {
            let text = runtime::whole_text(&identities(&store, 0).unwrap_err());
            assert!(text.contains(&format!("has format {number}")), "{text}");
            assert!(Book::load(0, &store.begin(), &[]).is_err());
        }
        let (_folder, empty) = store_with(&[]);
        assert!(identities(&empty, 0).unwrap().is_empty());
    }
}
