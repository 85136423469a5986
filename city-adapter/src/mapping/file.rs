//! A file of another layout, read as if it were a tap file.

use std::io::Read;

use domain::{city::City, tap::Tap};

use super::{Counts, Mapped, MappedReader, MappedRow, Mapping, MappingError};
use crate::{
    lines::KeptLine,
    tapfile::{Column, Line, Malformed, RawTexts, Reason, TapLine},
};

/// A tap file of another layout. Rows that the mapping drops are no lines of it.
pub struct MappedFile<R> {
    reader: MappedReader<R>,
    acquirer: City,
    terminal: Vec<u8>,
    terminal_seq: Vec<u8>,
    issuer: Vec<u8>,
    amount_fen: Vec<u8>,
}

impl<R: Read> MappedFile<R> {
    /// Begins to read the file of `acquirer`.
    ///
    /// # Errors
    /// [`MappingError::Incomplete`], or as [`Mapping::reader`].
    pub fn open(input: R, acquirer: City, mapping: &Mapping) -> Result<Self, MappingError> {
        mapping.check_complete()?;
        let [terminal, terminal_seq, issuer, amount_fen] = [const { Vec::new() }; 4];
        let reader = mapping.reader(input)?;
        Ok(Self { reader, acquirer, terminal, terminal_seq, issuer, amount_fen })
    }

    /// The next row that is not dropped; `None` at the end of the file. A row that the mapping cannot read is
    /// malformed, without its texts: they are not those of the tap file's columns.
    ///
    /// # Errors
    /// As [`MappedReader::next_row`].
    pub fn next_line(&mut self) -> Result<Option<Line<'_>>, MappingError> {
        let row = match self.reader.next_row()? {
            None => return Ok(None),
            Some(Mapped::Bad(bad)) => {
                let reason = Reason::Mapped { column: bad.column, why: &bad.reason };
                let texts = RawTexts::default();
                return Ok(Some(Line::Malformed(Malformed { line: bad.line, reason, texts })));
            }
            Some(Mapped::Row(row)) => row,
        };
        let (issuer, tap) = whole(row).map_err(MappingError::Incomplete)?;
        let texts = [
            (Column::Terminal, &mut self.terminal),
            (Column::TerminalSeq, &mut self.terminal_seq),
            (Column::Issuer, &mut self.issuer),
            (Column::AmountFen, &mut self.amount_fen),
        ];
        for (column, text) in texts {
            text.clear();
            row.write(column, text);
        }
        let line = TapLine {
            issuer,
            tap,
            operator: row.operator.as_deref().unwrap_or_default().as_bytes(),
            line: row.line_name.as_deref().unwrap_or_default().as_bytes(),
            station: row.station.as_deref().unwrap_or_default().as_bytes(),
            texts: RawTexts {
                terminal: &self.terminal,
                terminal_seq: &self.terminal_seq,
                issuer: &self.issuer,
                amount_fen: &self.amount_fen,
            },
        };
        Ok(Some(if issuer == self.acquirer { Line::Local(line) } else { Line::Tap(line) }))
    }

    /// As [`MappedReader::raw`].
    pub fn raw(&self) -> &[u8] {
        self.reader.raw()
    }

    /// As [`MappedReader::head`].
    pub fn head(&self) -> &[KeptLine] {
        self.reader.head()
    }

    /// As [`MappedReader::entry`].
    pub fn entry(&self) -> Option<&KeptLine> {
        self.reader.entry()
    }

    /// As [`MappedReader::tail`].
    pub fn tail(&self) -> Option<KeptLine> {
        self.reader.tail()
    }

    /// As [`MappedReader::counts`].
    pub fn counts(&self) -> Counts {
        self.reader.counts()
    }

    /// The input, for what was found out while it was read.
    pub fn into_input(self) -> R {
        self.reader.into_input()
    }
}

/// The tap of a row, or the name of a column that it lacks.
fn whole(row: &MappedRow) -> Result<(City, Tap), &'static str> {
    let tapped_at = row.tapped_at.ok_or("tapped_at")?;
    let tap = Tap {
        line: row.line.into(),
        position: 0.into(),
        terminal: row.terminal.ok_or("terminal")?,
        terminal_seq: row.terminal_seq.ok_or("terminal_seq")?.into(),
        card: row.card.ok_or("card")?,
        card_counter: row.card_counter.ok_or("card_counter")?.into(),
        type_byte: row.type_byte.ok_or("type")?,
        medium: row.medium.ok_or("medium")?.index(),
        sector: row.sector.ok_or("sector")?.index(),
        product: row.product.ok_or("product")?.index(),
        amount_fen: row.amount_fen.ok_or("amount_fen")?.into(),
        fare_fen: row.fare_fen.ok_or("fare_fen")?.into(),
        tapped_day: tapped_at.date.julian_day().into(),
        tapped_second: tapped_at.second.into(),
        key_version: row.key_version.ok_or("key_version")?,
        algorithm: row.algorithm.ok_or("algorithm")?.index(),
        tac: row.tac.ok_or("tac")?,
    };
    Ok((row.issuer.ok_or("issuer")?, tap))
}
