//! The book's store in memory, with the semantics of the real one: reads of gathered writes, scans of
//! committed rows, operations applied in order at the commit.

use std::collections::BTreeMap;

use clearing_node::store::{StoreError, Txn, Visit};

/// What is durable.
pub type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

enum Write {
    Put(Vec<u8>, Vec<u8>),
    Delete(Vec<u8>),
    DeleteRange(Vec<u8>, Vec<u8>),
}

/// Writes gathered over rows. Dropping it is the crash before the commit.
pub struct Gathered<'a> {
    rows: &'a Rows,
    writes: Vec<Write>,
    read_back: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

impl<'a> Gathered<'a> {
    pub fn over(rows: &'a Rows) -> Self {
        Self { rows, writes: Vec::new(), read_back: BTreeMap::new() }
    }

    /// Ends the transaction; what it wrote can then be committed.
    pub fn finish(self) -> Writes {
        Writes(self.writes)
    }
}

/// The writes of a finished transaction.
pub struct Writes(Vec<Write>);

impl Writes {
    /// Makes all of them durable at once.
    pub fn commit(self, rows: &mut Rows) {
        for write in self.0 {
            match write {
                Write::Put(key, value) => {
                    rows.insert(key, value);
                }
                Write::Delete(key) => {
                    rows.remove(&key);
                }
                Write::DeleteRange(from, to) => {
                    if from < to {
                        let gone: Vec<_> = rows.range(from..to).map(|(key, _)| key.clone()).collect();
                        for key in gone {
                            rows.remove(&key);
                        }
                    }
                }
            }
        }
    }
}

impl Txn for Gathered<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(match self.read_back.get(key) {
            Some(value) => value.clone(),
            None => self.rows.get(key).cloned(),
        })
    }

    fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.read_back.insert(key.clone(), Some(value.clone()));
        self.writes.push(Write::Put(key, value));
    }

    fn delete(&mut self, key: Vec<u8>) {
        self.read_back.insert(key.clone(), None);
        self.writes.push(Write::Delete(key));
    }

    fn delete_range(&mut self, from: Vec<u8>, to: Vec<u8>) {
        self.writes.push(Write::DeleteRange(from, to));
    }

    fn scan(&self, prefix: &[u8], visit: &mut Visit<'_>) -> Result<(), StoreError> {
        for (key, value) in self.rows.range(prefix.to_vec()..) {
            if !key.starts_with(prefix) {
                break;
            }
            visit(key, value)?;
        }
        Ok(())
    }
}
