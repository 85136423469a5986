//! A batch as the book reads it: its parts in place, its records in file order.

use bytes::Bytes;
use domain::{
    city::City,
    result::Verdict,
    tap::{Kind, Tap},
};
use proto::Part;

/// Most records that a batch can have.
pub const RECORDS_MAX: usize = 4096;

/// A part with what is said about it.
#[derive(Clone, Debug)]
pub struct PartView {
    /// Home city.
    pub issuer: City,
    /// Its taps, as bytes.
    pub taps: Bytes,
    /// A verdict for each, or parked.
    pub codes: Option<Bytes>,
}

/// Where a record stands: part, and place in the part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Index of the part.
    pub part: u16,
    /// Index of the tap in the part.
    pub tap: u16,
}

impl PartView {
    /// Reads a part with its verdicts.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(part: Part, codes: Option<Bytes>) -> Result<Self, String> {
        let issuer =
            City::parse(part.issuer.as_bytes()).map_err(|e| format!("issuer `{}` is {e}", part.issuer))?;
        let taps = Tap::slice(&part.taps).ok_or("the taps of a part are no whole number of records")?;
        if taps.is_empty() {
            return Err(format!("the part of {issuer} is empty"));
        }
        if taps.iter().any(|tap| Kind::of_type(tap.type_byte).is_none()) {
            return Err(format!("the part of {issuer} holds a transaction type that moves no money"));
        }
        if let Some(codes) = &codes {
            if codes.len() != taps.len() {
                return Err(format!("{issuer} gave {} verdicts for {} taps", codes.len(), taps.len()));
            }
            if codes.iter().any(|code| Verdict::from_code(*code).is_none()) {
                return Err(format!("{issuer} gave a verdict that does not exist"));
            }
        }
        Ok(Self { issuer, taps: part.taps, codes })
    }

    /// The taps.
    #[must_use]
    pub fn taps(&self) -> &[Tap] {
        Tap::slice(&self.taps).unwrap_or_default()
    }
}

/// The records of all parts in file order: a whole batch, every position taken once.
///
/// # Errors
/// What is wrong with the batch.
pub fn whole_in_file_order(parts: &[PartView], records: u32) -> Result<Vec<Place>, String> {
    let count: usize = parts.iter().map(|part| part.taps().len()).sum();
    if count > RECORDS_MAX || Ok(count) != usize::try_from(records) {
        return Err(format!("{count} records stand where {records} are announced (at most {RECORDS_MAX})"));
    }
    let mut order = vec![Place { part: u16::MAX, tap: 0 }; count];
    for (part, view) in (0_u16..).zip(parts) {
        for (tap, record) in (0_u16..).zip(view.taps()) {
            let position = record.position.get();
            match order.get_mut(usize::from(position)) {
                Some(free) if free.part == u16::MAX => *free = Place { part, tap },
                _ => return Err(format!("position {position} stands twice or beyond the batch")),
            }
        }
    }
    Ok(order)
}

/// The records of some parts of a batch in file order.
#[must_use]
pub fn some_in_file_order(parts: &[PartView]) -> Vec<Place> {
    let mut order: Vec<(u16, Place)> = Vec::new();
    for (part, view) in (0_u16..).zip(parts) {
        for (tap, record) in (0_u16..).zip(view.taps()) {
            order.push((record.position.get(), Place { part, tap }));
        }
    }
    order.sort_unstable_by_key(|(position, _)| *position);
    order.into_iter().map(|(_, place)| place).collect()
}
