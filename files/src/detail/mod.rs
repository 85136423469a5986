//! The detail of one cycle: every record the centre took, every record a home city pays for.
//!
//! Records come in log order and leave in the order of the files. What does not fit into the
//! memory allowed is sorted through temporary files.

mod rows;
mod spool;
mod taps;

use std::{io, path::Path};

use domain::{city::City, tap::Tap};

pub use rows::AcquirerRow;
pub(crate) use rows::{AcquirerRows, PackedRow};
pub(crate) use spool::Merge;
pub(crate) use taps::IssuerTaps;

use crate::error::FilesError;

/// A sensible share of memory for the detail of one cycle, bytes, over all its partitions.
pub const MEMORY_BYTES_DEFAULT: usize = 256 << 20;

/// The detail of one cycle, or of one partition of it, gathered in any order.
#[derive(Debug)]
pub struct Detail {
    pub(crate) taps: IssuerTaps,
    pub(crate) rows: AcquirerRows,
}

impl Detail {
    /// Starts gathering. At most about `memory_bytes_max` bytes of taps are kept in memory; the
    /// rest goes to unnamed temporary files in `work_dir`, which must exist.
    ///
    /// # Errors
    /// If no temporary file can be created.
    pub fn new(work_dir: &Path, memory_bytes_max: usize) -> io::Result<Self> {
        Ok(Self { taps: IssuerTaps::new(work_dir, memory_bytes_max)?, rows: AcquirerRows::new(work_dir)? })
    }

    /// Takes a cleared record: a row of `issuer/<city>.csv`. Quickest when records of one pair of
    /// cities follow each other.
    ///
    /// # Errors
    /// [`FilesError::Spool`] if the temporary file cannot be written.
    pub fn cleared(&mut self, issuer: City, acquirer: City, tap: &Tap) -> Result<(), FilesError> {
        self.taps.push(issuer, acquirer, tap).map_err(FilesError::Spool)
    }

    /// Takes rows of `acquirer/<city>.csv`, all of the same input file. Quickest when their lines
    /// rise and follow those of the call before; any order is right.
    ///
    /// # Errors
    /// [`FilesError::Spool`] if the temporary file cannot be written.
    pub fn acquirer_rows(
        &mut self,
        acquirer: City,
        file: &str,
        rows: &[AcquirerRow],
    ) -> Result<(), FilesError> {
        self.rows.push(acquirer, file, rows).map_err(FilesError::Spool)
    }
}
