//! What the reports beside a cycle count: uploads that are missing, cards whose counter went back.

use std::path::Path;

use serde_json::{Map, Value, json};

/// Sums over all cities of `OUT/reports/<cycle>/summary.csv`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Watched {
    gaps: u64,
    missing: u64,
    filled: u64,
    counters: u64,
}

/// What stands beside the folder of a cycle; none if there are no reports.
pub fn read(cycle: &Path) -> Option<Watched> {
    let cycle = cycle.canonicalize().ok()?;
    let name = cycle.file_name()?;
    let mut reader =
        csv::Reader::from_path(cycle.parent()?.join("reports").join(name).join("summary.csv")).ok()?;
    let headers = reader.headers().ok()?.clone();
    let mut sum = Watched::default();
    for row in reader.records() {
        let row = row.ok()?;
        for (column, text) in headers.iter().zip(&row) {
            let count = || text.parse::<u64>().unwrap_or_default();
            match column {
                "gaps" => sum.gaps += count(),
                "missing" => sum.missing += count(),
                "filled" => sum.filled += count(),
                "counters" => sum.counters += count(),
                _ => {}
            }
        }
    }
    Some(sum)
}

impl Watched {
    /// One line for a person.
    pub fn line(&self) -> String {
        format!(
            "{} gaps in terminals' sequences ({} numbers missing), {} of earlier cycles filled; {} card counters \
             went back (reports/)",
            self.gaps, self.missing, self.filled, self.counters
        )
    }

    /// The counts for programs.
    pub fn facts(&self, facts: &mut Map<String, Value>) {
        let counts = [
            ("sequence_gaps", self.gaps),
            ("sequences_missing", self.missing),
            ("sequence_gaps_filled", self.filled),
            ("card_counters_back", self.counters),
        ];
        facts.extend(counts.map(|(name, count)| (name.to_owned(), json!(count))));
    }
}
