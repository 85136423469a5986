//! What a closed folder says of money, without its detail: rules, positions, nets and items, each file as its manifest
//! has it.

use std::path::{Path, PathBuf};

use domain::{
    cycle::CycleName,
    rulebook::Rulebook,
    settlement::{Item, Net, Payments, Position, SettleError},
};

use crate::{error::FilesError, verify};

/// The figures of a version of a closed cycle.
#[derive(Clone, Debug)]
pub struct Figures {
    /// The folder.
    pub folder: PathBuf,
    /// The cycle.
    pub cycle: CycleName,
    /// The version of its plan, 1 for the first.
    pub version: u32,
    /// SHA-256 of its manifest, lower-case hex.
    pub manifest_sha256: String,
    /// Its rules.
    pub rulebook: Rulebook,
    /// The rows of `positions.csv`.
    pub positions: Vec<Position>,
    /// The rows of `net.csv`.
    pub net: Vec<Net>,
    /// The rows of `items.csv`.
    pub items: Vec<Item>,
}

impl Figures {
    /// Reads those of a folder. Detail is not read and nothing is recomputed: `verify` does that.
    ///
    /// # Errors
    /// [`FilesError::NoManifest`] if it is no cycle folder, [`FilesError::Damaged`] if a file is not what the manifest
    /// says or has another form.
    pub fn read(folder: &Path) -> Result<Self, FilesError> {
        verify::read_figures(folder)
    }

    /// Who pays whom, and what each net is made of. What goes over accounts by sector follows from the detail alone: here
    /// each city pays and is paid over one account.
    ///
    /// # Errors
    /// [`SettleError`] if a figure is beyond what messages hold.
    pub fn payments(&self) -> Result<Payments, SettleError> {
        Payments::of(&self.net, &self.positions, &self.items)
    }
}
