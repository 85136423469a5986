//! Real taps to build on: read through a mapping, they bring time, place, operator and fare.

use std::{collections::BTreeMap, fs::File, path::PathBuf, sync::Arc};

use city_adapter::{
    mapping::{Mapped, MappedReader, MappedRow, Mapping, MappingError},
    tapfile::Column,
};
use domain::{
    city::City,
    date::{Date, LocalTime},
    tap::{Medium, Product, Sector},
};

use crate::{
    config::{BaseInput, BaseSummary, SimulateError},
    tapper::Ride,
    world::World,
};

/// What only the base file can tell.
const NEEDED: [Column; 3] = [Column::Terminal, Column::AmountFen, Column::TappedAt];

/// Terminal sequences that the file does not tell begin here, far from those of simulated taps.
const FIRST_SEQ: u32 = 1_000_000_000;

/// A base file with its mapping.
pub(crate) struct Base {
    file: PathBuf,
    acquirer: City,
    mapping: Mapping,
    first_date: Date,
}

impl Base {
    /// Reads the mapping and looks into the file for its first tap.
    pub(crate) fn open(input: &BaseInput) -> Result<Self, SimulateError> {
        let mapping = Mapping::load(&input.mapping).map_err(|error| match error {
            MappingError::Unreadable { path, source } => SimulateError::io(&path)(source),
            source => SimulateError::Mapping { path: input.mapping.clone(), source },
        })?;
        if let Some(column) = mapping.missing().find(|column| NEEDED.contains(column)) {
            return Err(SimulateError::MappingLacks {
                mapping: input.mapping.clone(),
                column: column.name(),
            });
        }
        let placeholder = Date::from_julian_day(0);
        let mut base =
            Self { file: input.file.clone(), acquirer: input.acquirer, mapping, first_date: placeholder };
        let mut rows = base.rides(0);
        rows.open()?;
        base.first_date = match rows.next_row()? {
            Some((_, at)) => at.date,
            None => {
                let first_bad = rows.summary.first_bad.take();
                return Err(SimulateError::EmptyBase { file: input.file.clone(), first_bad });
            }
        };
        Ok(base)
    }
}

impl Base {
    /// The city whose terminals collected the file.
    pub(crate) fn acquirer(&self) -> City {
        self.acquirer
    }

    /// The date of the first tap in the file.
    pub(crate) fn first_date(&self) -> Date {
        self.first_date
    }

    /// What the simulator adds to the file's rows.
    pub(crate) fn overlay(&self) -> Vec<String> {
        let missing = |column| self.mapping.missing().any(|missing| missing == column);
        let mut overlay = vec![
            "home city, card and card counter of every tap are invented".to_owned(),
            "key version, algorithm and cryptogram are made with the test keys".to_owned(),
        ];
        if missing(Column::TerminalSeq) {
            overlay.push(format!("terminal sequences count from {FIRST_SEQ} at each terminal"));
        }
        let defaults = [
            (Column::Type, "type is 06"),
            (Column::FareFen, "the fare is the amount"),
            (Column::Medium, "medium is cpu"),
            (Column::Sector, "sector is bus"),
            (Column::Product, "product is flat"),
        ];
        overlay.extend(
            defaults.iter().filter(|(column, _)| missing(*column)).map(|(_, text)| (*text).to_owned()),
        );
        overlay.push(
            "a few taps have a wrong key or cryptogram, a hot card, or a card of the city itself, of no member, \
             or of a suspended or unreachable city"
                .to_owned(),
        );
        overlay.push("a few records are presented again, some of them with other content".to_owned());
        overlay
    }

    /// The taps of the file, for participant number `place`.
    pub(crate) fn rides(&self, place: usize) -> Rides<'_> {
        Rides {
            base: self,
            place,
            reader: None,
            passes: 0,
            until: None,
            from: None,
            sequences: BTreeMap::new(),
            summary: BaseSummary::default(),
        }
    }
}

/// Reads the file once for each business date, so that its rows may stand in any order.
pub(crate) struct Rides<'b> {
    base: &'b Base,
    place: usize,
    reader: Option<MappedReader<File>>,
    passes: u32,
    from: Option<Date>,
    until: Option<Date>,
    /// The next sequence of each terminal.
    sequences: BTreeMap<[u8; 6], u32>,
    summary: BaseSummary,
}

impl Rides<'_> {
    /// From here on the taps of `date` come, in file order; with the first business date also
    /// those before it, with the last also those after it.
    pub(crate) fn begin(&mut self, date: Date, world: &World) -> Result<(), SimulateError> {
        self.from = (date != world.first_date).then_some(date);
        self.until = (date != world.last_date()).then_some(date);
        self.open()
    }

    /// The next tap, with its number among all taps of the file.
    pub(crate) fn next_ride(&mut self, world: &World) -> Result<Option<(u64, Ride)>, SimulateError> {
        while let Some((row, at)) = self.next_row()? {
            let wanted = self.from.is_none_or(|from| from <= at.date)
                && self.until.is_none_or(|until| at.date <= until);
            if let Some(ride) = wanted.then(|| self.ride(row, at, world)).flatten() {
                self.summary.rows += 1;
                return Ok(Some((self.summary.rows, ride)));
            }
        }
        Ok(None)
    }

    /// What was read.
    pub(crate) fn finish(self) -> BaseSummary {
        self.summary
    }

    fn open(&mut self) -> Result<(), SimulateError> {
        let path = &self.base.file;
        let file = File::open(path).map_err(SimulateError::io(path))?;
        let wrong = |source| SimulateError::Mapping { path: path.clone(), source };
        self.reader = Some(self.base.mapping.reader(file).map_err(wrong)?);
        self.passes += 1;
        Ok(())
    }

    /// The next row that has what is needed; bad ones are counted when they are seen first.
    fn next_row(&mut self) -> Result<Option<(MappedRow, LocalTime)>, SimulateError> {
        let Some(reader) = &mut self.reader else { return Ok(None) };
        loop {
            let wrong = |source| SimulateError::Mapping { path: self.base.file.clone(), source };
            match reader.next_row().map_err(wrong)? {
                None => {
                    self.summary.dropped = reader.dropped();
                    return Ok(None);
                }
                Some(Mapped::Row(row)) => {
                    if let Some(at) = row.tapped_at {
                        return Ok(Some((row.clone(), at)));
                    }
                }
                Some(Mapped::Bad(bad)) if self.passes == 1 => {
                    self.summary.bad += 1;
                    self.summary.first_bad.get_or_insert(bad.to_string());
                }
                Some(Mapped::Bad(_)) => {}
            }
        }
    }

    fn ride(&mut self, row: MappedRow, tapped_at: LocalTime, world: &World) -> Option<Ride> {
        let (terminal, amount_fen) = (row.terminal?, row.amount_fen?);
        let terminal_seq = row.terminal_seq.unwrap_or_else(|| {
            let next = self.sequences.entry(terminal).or_insert(FIRST_SEQ);
            *next = next.wrapping_add(1);
            next.wrapping_sub(1)
        });
        let texts = [row.operator, row.line_name, row.station].map(Option::unwrap_or_default);
        Some(Ride {
            terminal,
            terminal_seq,
            type_byte: row.type_byte.unwrap_or(0x06),
            medium: row.medium.unwrap_or(Medium::Cpu),
            sector: row.sector.unwrap_or(Sector::Bus),
            product: row.product.unwrap_or(Product::Flat),
            amount_fen,
            fare_fen: row.fare_fen.unwrap_or(amount_fen),
            tapped_at,
            texts: Arc::new(texts),
            foreign: world.terminal_owner(terminal) != Some(self.place),
        })
    }
}
