//! The home cities' own records, wherever the states of their adapters are.

use std::path::PathBuf;

use city_adapter::accepted::{CityFolder, Record};
use domain::{city::City, cycle::CycleName};
use files::{FilesError, reconcile::Accepted};

/// The records of all home cities that are here.
pub struct Own {
    /// States of adapters, or of an OUT.
    pub states: Vec<PathBuf>,
    /// The cycle.
    pub cycle: CycleName,
}

/// An error on the way through a reader of another crate.
struct Failed(FilesError);

impl From<std::io::Error> for Failed {
    fn from(error: std::io::Error) -> Self {
        Self(FilesError::Spool(error))
    }
}

impl Accepted for Own {
    fn records(
        &mut self,
        issuer: City,
        each: &mut dyn FnMut(&Record) -> Result<(), FilesError>,
    ) -> Result<Option<bool>, FilesError> {
        let folders = self.states.iter().map(|state| CityFolder::of(state, issuer));
        let Some(store) = folders.into_iter().find(|store| store.path().is_dir()) else { return Ok(None) };
        let kept = store.kept(self.cycle).map_err(FilesError::Spool)?;
        let agreed = kept.iter().any(|kept| kept.is_agreed());
        for file in kept.iter().filter(|kept| !agreed || kept.is_agreed()) {
            let read = file.read(|records| records.iter().try_for_each(|it| each(it).map_err(Failed)));
            read.map_err(|Failed(error)| error)?;
        }
        Ok(Some(agreed))
    }
}
