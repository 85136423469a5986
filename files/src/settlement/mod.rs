//! `settlement/`: what banks and participants read of a closed cycle. Everything here is a function of the cycle's
//! name, its rules, nets, positions and items.

mod camt053;
mod cycle;
mod pacs029;
mod pain001;
mod parts;
mod statement;
pub(crate) mod yuan;

use std::path::Path;

use domain::{
    city::City,
    cycle::CycleName,
    rulebook::Rulebook,
    settlement::{Item, Party, Settlement},
};

#[cfg(test)]
pub(crate) use self::camt053::Entry;
pub(crate) use self::{
    camt053::{Camt053, Statement},
    cycle::Cycle,
    pacs029::Pacs029,
    pain001::Pain001,
    parts::{Amount, Direction, PartyId, cut},
};
use crate::{error::FilesError, layout::SettlementFile};

/// Makes the settlement files of a cycle.
pub(crate) struct Messages<'a> {
    cycle: Cycle<'a>,
}

impl<'a> Messages<'a> {
    /// Those of this cycle.
    ///
    /// # Errors
    /// [`FilesError::Unsettled`] if a figure is larger than a message may hold.
    pub(crate) fn of(
        name: CycleName,
        version: u32,
        rulebook: &'a Rulebook,
        settlement: &'a Settlement,
        items: &[Item],
    ) -> Result<Self, FilesError> {
        Cycle::of(name, version, rulebook, settlement, items).map(|cycle| Self { cycle })
    }

    /// Which there are, by name: none in a cycle without movements, none of a city without a net.
    pub(crate) fn files(&self) -> Vec<SettlementFile> {
        settlement_files(self.cycle.nets().map(|(party, _)| party))
    }

    /// The bytes of one of them.
    ///
    /// # Errors
    /// [`FilesError::Message`] if it cannot be encoded.
    pub(crate) fn render(&self, file: SettlementFile) -> Result<Vec<u8>, FilesError> {
        let made = match file {
            SettlementFile::Pacs029 => parts::to_xml(&Pacs029::of(&self.cycle)),
            SettlementFile::Pain001 => parts::to_xml(&Pain001::of(&self.cycle)),
            SettlementFile::Camt053(city) => parts::to_xml(&Camt053::of(&self.cycle, city)),
            SettlementFile::Statement(city) => Ok(statement::page(&self.cycle, city)),
        };
        made.map(String::into_bytes)
            .map_err(|source| FilesError::Message { file: file.name(), source: Box::new(source) })
    }

    /// Writes all of them into a cycle's folder and tells of each.
    ///
    /// # Errors
    /// [`FilesError`] if one cannot be encoded or the disk refuses.
    pub(crate) fn write(
        &self,
        dir: &Path,
        mut written: impl FnMut(SettlementFile, &[u8]),
    ) -> Result<(), FilesError> {
        let files = self.files();
        if let Some(folder) = files.first().map(|_| dir.join(crate::layout::SETTLEMENT_FOLDER)) {
            std::fs::create_dir_all(&folder).map_err(FilesError::io("create", &folder))?;
        }
        for file in files {
            let bytes = self.render(file)?;
            crate::folder::write_file(&dir.join(file.name()), &bytes)?;
            written(file, &bytes);
        }
        Ok(())
    }
}

/// The settlement files of a cycle, by name, from those whose net is not 0.
pub(crate) fn settlement_files(with_nets: impl Iterator<Item = Party>) -> Vec<SettlementFile> {
    let parties: Vec<Party> = with_nets.collect();
    let cities = || parties.iter().filter_map(|party| city(*party));
    let mut files: Vec<SettlementFile> = cities().map(SettlementFile::Camt053).collect();
    if !parties.is_empty() {
        files.extend([SettlementFile::Pacs029, SettlementFile::Pain001]);
    }
    files.extend(cities().map(SettlementFile::Statement));
    files
}

const fn city(party: Party) -> Option<City> {
    match party {
        Party::City(city) => Some(city),
        Party::Scheme => None,
    }
}
