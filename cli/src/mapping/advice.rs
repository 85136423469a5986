//! What to do about a column that a mapping does not make.

use city_adapter::tapfile::Column;

/// What to do.
pub fn about(column: Column) -> &'static str {
    match column {
        Column::Terminal => {
            "say where the number of the terminal (PSAM) stands: `column = …`, with `form` and `prefix`"
        }
        Column::TerminalSeq => {
            "say where the terminal's own counter stands; if there is none: `derive = \
                    \"second\"` or `derive = \"count\"`"
        }
        Column::Issuer => {
            "say which column tells the card's home city, translated by `values` or a table; if it follows from the \
             card's \
             number: a table with `prefixes` or `ranges`"
        }
        Column::Card => "say where the card's application serial stands",
        Column::CardCounter => "say where the card's transaction counter stands",
        Column::Type => "say where 06 or 09 stands; if all are plain purchases: `constant = \"06\"`",
        Column::AmountFen => "say where the amount that was paid stands, and its `unit`",
        Column::FareFen => {
            "say where the fare before discount stands; without discounts, the column of the amount"
        }
        Column::TappedAt => "say where the time stands, and its `formats`",
        Column::Medium => "one of cpu, bank, sim, nfc, qr: a column with `values`, or `constant = \"cpu\"`",
        Column::Sector => "one of the contract's sectors: a column with `values`, or a `constant`",
        Column::Product => {
            "one of flat, distance, time, trips, pass: a column with `values`, or a `constant`"
        }
        Column::Operator | Column::Line | Column::Station => "may be missing; it is empty then",
        Column::KeyVersion => "say where the key version of the cryptogram stands",
        Column::Algorithm => "3des or sm4: a column, or a `constant`",
        Column::Tac => {
            "say where the card's cryptogram stands; the terminals must deliver it, no home \
                    city pays without it"
        }
    }
}

/// Whether no tap can be presented without it.
pub const fn is_needed(column: Column) -> bool {
    !matches!(column, Column::Operator | Column::Line | Column::Station)
}
