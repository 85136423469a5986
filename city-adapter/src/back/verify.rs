//! Reading written lines again.

use std::collections::BTreeMap;

use super::{Back, BackError, Totals, Unfit};
use crate::{
    mapping::{Mapped, MappedRow, MappingError, text::shortened},
    tapfile::Column,
};

/// A line that was written, and the tap that it is of.
#[derive(Clone, Debug)]
pub struct Tried {
    /// The line as [`Back::line`] gives it.
    pub line: Vec<u8>,
    /// The tap.
    pub row: MappedRow,
}

impl Back {
    /// Reads lines through the mapping, as a file of their own. For each line that does not come back as its
    /// tap: why.
    ///
    /// # Errors
    /// [`BackError::Mapping`] if not even the file as a whole can be read.
    pub fn verify(&self, tried: &[Tried]) -> Result<Vec<Option<Unfit>>, BackError> {
        let totals = Totals {
            records: tried.len().try_into().unwrap_or(u64::MAX),
            amount_fen: tried.iter().map(|tried| u64::from(tried.row.amount_fen.unwrap_or(0))).sum(),
        };
        let mut file = self.head(totals);
        for tried in tried {
            file.extend_from_slice(&tried.line);
            file.push(b'\n');
        }
        file.extend_from_slice(&self.tail(totals));
        let file = self.encoded(file);
        let mut reader = self.mapping.reader(&file[..])?;
        let mut came: BTreeMap<usize, Result<MappedRow, Unfit>> = BTreeMap::new();
        let place = |line: u32| usize::try_from(line).unwrap_or(0).saturating_sub(self.head_lines() + 1);
        let mut complaint = None;
        loop {
            match reader.next_row() {
                Ok(Some(Mapped::Row(row))) => drop(came.insert(place(row.line), Ok(row.clone()))),
                Ok(Some(Mapped::Bad(bad))) => {
                    let unfit = Unfit {
                        column: bad.column,
                        why: format!("the written line does not read back: {}", bad.reason),
                    };
                    came.insert(place(bad.line), Err(unfit));
                }
                Ok(None) => break,
                Err(error @ MappingError::Control(_)) => {
                    complaint = Some(error);
                    break;
                }
                Err(other) => return Err(other.into()),
            }
        }
        let found: Vec<Option<Unfit>> =
            tried.iter().enumerate().map(|(at, tried)| difference(&tried.row, came.remove(&at))).collect();
        match complaint {
            // The figures are those of lines that are all well, so it is the control line itself.
            Some(error) if found.iter().all(Option::is_none) => Err(error.into()),
            _ => Ok(found),
        }
    }
}

fn difference(wanted: &MappedRow, came: Option<Result<MappedRow, Unfit>>) -> Option<Unfit> {
    let row = match came {
        None => {
            let why = "the mapping's filters leave the written line out".to_owned();
            return Some(Unfit { column: "line", why });
        }
        Some(Err(unfit)) => return Some(unfit),
        Some(Ok(row)) => row,
    };
    let text = |row: &MappedRow, column| super::value::canonical(column, row);
    let column = Column::ALL.into_iter().find(|column| text(wanted, *column) != text(&row, *column))?;
    let (own, other) = (text(wanted, column), text(&row, column));
    let why = format!(
        "`{}` comes back as `{}`: the other layout cannot hold it",
        shortened(own.as_bytes()),
        shortened(other.as_bytes())
    );
    Some(Unfit { column: column.name(), why })
}
