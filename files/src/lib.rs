//! The cycle folder that cities and banks read: written from a settlement and its detail, published
//! whole or not at all, and verified from its own files.
//!
//! The same input always gives the same bytes: rows are sorted by their content, never by their
//! arrival, and nothing here reads a clock or a random number.

pub mod agree;
pub mod answer;
mod correct;
mod detail;
mod detail_files;
mod error;
mod figures;
mod folder;
mod join;
pub mod layout;
pub mod lookup;
pub mod manifest;
pub mod proof;
mod publish;
pub mod reconcile;
mod segment;
mod settlement;
mod sign;
pub mod table;
pub mod text;
pub mod verify;

pub use correct::correct;
pub use detail::{AcquirerRow, Detail, MEMORY_BYTES_DEFAULT};
pub use error::FilesError;
pub use figures::Figures;
pub use folder::{CycleInput, Published, assemble};
pub use join::Segment;
pub use publish::{publish, sync_tree};
pub use segment::{
    Block, LocalSegment, SEGMENT_LAYOUT, SEGMENT_MANIFEST_FILE, SegmentFile, SegmentFiles, SegmentManifest,
    write_segment,
};
pub use sign::sign;
pub use verify::verify;

#[cfg(test)]
mod tests;
