//! What to simulate, what came of it, and what can stand in the way.

use std::{collections::BTreeMap, io, path::PathBuf};

use city_adapter::mapping::MappingError;
use domain::{city::City, date::Date};
use signing::Algorithm;

use crate::cities::CITIES_MAX;

/// The most business dates of one scheme folder.
pub const DAYS_MAX: u32 = 366;

/// The most taps of one scheme folder.
pub const TAPS_MAX: u64 = 4_000_000_000;

/// What to simulate.
#[derive(Clone, Debug)]
pub struct SimulateConfig {
    /// The scheme folder to write; must be empty or not exist.
    pub out: PathBuf,
    /// Records over all days and cities. `None`: 100,000, or none but the base file's with a base.
    pub taps: Option<u64>,
    /// Participants, 1 to [`CITIES_MAX`].
    pub cities: u32,
    /// Consecutive business dates, 1 to [`DAYS_MAX`].
    pub days: u32,
    /// The same seed gives the same bytes.
    pub seed: u64,
    /// First business date. `None`: the date of the base file's first row, else 2018-09-01.
    pub first_date: Option<Date>,
    /// How the signer of cycles and its CA sign. Certificates for connections are of ECDSA whatever this is.
    pub signatures: Algorithm,
    /// A real tap file to build on.
    pub base: Option<BaseInput>,
    /// Threads to work with; 0 for as many as the machine has. Does not change a byte.
    pub threads: usize,
}

/// A real tap file and how to read it.
#[derive(Clone, Debug)]
pub struct BaseInput {
    /// The tap file.
    pub file: PathBuf,
    /// The mapping file that tells its columns.
    pub mapping: PathBuf,
    /// The city whose terminals collected it.
    pub acquirer: City,
}

impl SimulateConfig {
    /// The usual folder: 100,000 taps of 80 cities on one day, seed 7.
    #[must_use]
    pub fn new(out: PathBuf) -> Self {
        Self {
            out,
            taps: None,
            cities: 80,
            days: 1,
            seed: 7,
            first_date: None,
            signatures: Algorithm::EcdsaP256Sha256,
            base: None,
            threads: 0,
        }
    }

    /// Checks the ranges.
    ///
    /// # Errors
    /// [`SimulateError::OutOfRange`] naming the setting.
    pub fn check(&self) -> Result<(), SimulateError> {
        let range = |setting, value: u64, least: u64, most: u64| {
            if (least..=most).contains(&value) {
                Ok(())
            } else {
                Err(SimulateError::OutOfRange { setting, value, least, most })
            }
        };
        range("cities", self.cities.into(), 1, CITIES_MAX.into())?;
        range("days", self.days.into(), 1, DAYS_MAX.into())?;
        range("taps", self.taps.unwrap_or(0), 0, TAPS_MAX)
    }
}

/// What was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Participants.
    pub cities: u32,
    /// First business date of the folder's files; `None` before anything was simulated.
    pub first_date: Option<Date>,
    /// Tap files.
    pub files: u64,
    /// Records: data lines of all tap files.
    pub records: u64,
    /// Records by what must come of them, spelled as in `truth.csv`; a record that waits counts
    /// with its last row.
    pub expected: BTreeMap<String, u64>,
    /// Records that are parked at the end of some business date.
    pub parked: u64,
    /// With a base file: what the simulator added to its rows, in plain sentences.
    pub overlay: Vec<String>,
    /// With a base file: what was read of it.
    pub base: Option<BaseSummary>,
}

/// What was read of a base file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BaseSummary {
    /// Rows that became taps.
    pub rows: u64,
    /// Rows that the mapping drops.
    pub dropped: u64,
    /// Rows that the mapping cannot read; they are left out.
    pub bad: u64,
    /// The first of them, with line and column.
    pub first_bad: Option<String>,
}

/// Why nothing, or not everything, was simulated.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    /// A setting is out of range.
    #[error("{setting} = {value} is out of range; choose {least} to {most}")]
    OutOfRange {
        /// Name of the setting.
        setting: &'static str,
        /// Its value.
        value: u64,
        /// The least allowed.
        least: u64,
        /// The most allowed.
        most: u64,
    },
    /// Something stands where the folder should be written.
    #[error("{} is not an empty folder; remove it or name another one", .0.display())]
    NotEmpty(PathBuf),
    /// A file or folder could not be read or written.
    #[error("use {}: is it there, may it be written, has the disk room?", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Keys and certificates cannot be made.
    #[error(transparent)]
    Signing(#[from] signing::SigningError),
    /// The mapping, or the base file read through it, is no use.
    #[error("{} cannot be used", path.display())]
    Mapping {
        /// The mapping or the base file.
        path: PathBuf,
        /// What is wrong with it.
        source: MappingError,
    },
    /// The mapping does not make a column that only the base file can tell.
    #[error("the mapping {} has no table [columns.{column}]; add it", mapping.display())]
    MappingLacks {
        /// The mapping file.
        mapping: PathBuf,
        /// The missing column.
        column: &'static str,
    },
    /// The base file has no row that becomes a tap.
    #[error("{} has no row that the mapping makes a tap of{}", file.display(), first_bad.as_deref().map(|bad| format!("; the first bad one: {bad}")).unwrap_or_default())]
    EmptyBase {
        /// The base file.
        file: PathBuf,
        /// What is wrong with the first row that could not be read.
        first_bad: Option<String>,
    },
    /// The base file's city is not a member on every business date.
    #[error(
        "{city} does not take part on every day of a scheme of {cities} cities; simulate more cities or name another acquirer"
    )]
    Absent {
        /// The base file's city.
        city: City,
        /// How many cities take part.
        cities: u32,
    },
}

impl SimulateError {
    /// Makes an [`SimulateError::Io`] of a system error.
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}
