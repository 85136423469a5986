//! The store port of the book: one atomic write for everything that belongs together.

/// The store failed; the text names what was being done.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// RocksDB said no.
    #[error("the book's store failed while {doing}")]
    Backend {
        /// What was being done.
        doing: &'static str,
        /// What RocksDB said.
        #[source]
        source: rocksdb::Error,
    },
    /// A row does not decode: the store was written by something else, or is damaged.
    #[error(
        "the book's store holds a {row} row that cannot be read; restore it from a snapshot or replay the log"
    )]
    Damaged {
        /// Which kind of row.
        row: &'static str,
    },
    /// Another version of the program wrote the store.
    #[error(
        "the book's store has format {found}, this program reads {wanted}; move the partition's folder away: \
         the store is built again from the log"
    )]
    Format {
        /// Its format.
        found: u32,
        /// The format that this program reads.
        wanted: u32,
    },
}

/// Is shown the key and value of a row.
pub type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> Result<(), StoreError> + 'a;

/// Reads and gathers writes; nothing is durable before the owner of the transaction commits it.
pub trait Txn {
    /// The value of a key, as of the writes gathered so far.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// Gathers a write.
    fn put(&mut self, key: Vec<u8>, value: Vec<u8>);

    /// Gathers a deletion.
    fn delete(&mut self, key: Vec<u8>);

    /// Gathers the deletion of every **committed** key in `from..to`.
    fn delete_range(&mut self, from: Vec<u8>, to: Vec<u8>);

    /// Visits every **committed** row whose key begins with `prefix`, in key order.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read, or what `visit` returns.
    fn scan(&self, prefix: &[u8], visit: &mut Visit<'_>) -> Result<(), StoreError>;
}
