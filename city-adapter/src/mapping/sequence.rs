//! Terminal sequences for systems that have none.

use std::collections::HashMap;

use super::{row::MappedRow, spec::Derive};

/// The Julian day of 2000-01-01.
const FIRST_DAY: i32 = 2_451_545;
/// Rows of a terminal and day that can be numbered.
const COUNT_MAX: u32 = 99_999;

/// How many rows each terminal has had on each day.
pub type Numbers = HashMap<([u8; 6], i32), u32>;

/// The sequence of a record whose other columns are made.
///
/// # Errors
/// Why there is none.
pub fn derived_sequence(derive: Derive, row: &MappedRow, numbers: &mut Numbers) -> Result<u32, String> {
    let (Some(terminal), Some(at)) = (row.terminal, row.tapped_at) else {
        return Err("cannot be derived without terminal and tapped_at".to_owned());
    };
    let days = i64::from(at.date.julian_day() - FIRST_DAY);
    let sequence = match derive {
        Derive::Second => days * 86_400 + i64::from(at.second),
        Derive::Count => {
            let number = numbers.entry((terminal, at.date.julian_day())).or_insert(0);
            if *number >= COUNT_MAX {
                return Err(format!("the terminal has more than {COUNT_MAX} rows on {}", at.date));
            }
            *number += 1;
            days * (i64::from(COUNT_MAX) + 1) + i64::from(*number)
        }
    };
    u32::try_from(sequence).map_err(|_| format!("cannot be derived from a tap on {}", at.date))
}
