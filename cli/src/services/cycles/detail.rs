//! How far each cycle is, for `cycle list` and `cycle show`.

use std::{
    path::Path,
    time::{Duration, SystemTime},
};

use clearing_node::{
    book::opening_name,
    coordinator::Stage,
    node::{CycleProgress, CycleStatus},
};
use domain::{
    date::{Date, LocalTime},
    limits::Exposure,
};
use serde::{Deserialize, Serialize};

/// A cycle in a list.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Its name, such as `2018-09-01-001`.
    pub cycle: String,
    /// `OPEN`, `CLOSING`, `CLOSED` (the plan is made) or `PUBLISHED` (the folder is there).
    pub state: String,
    /// What a cycle on its way waits for: `barrier`, `totals`, `plan` or `segments`.
    pub waits: Option<String>,
    /// The cities (barrier) or partitions (totals) that it waits for.
    pub waits_for: Vec<String>,
    /// For how long it has been in this state or has waited for this, seconds, as far as this node knows.
    pub for_s: Option<u64>,
    /// When this node saw it open, in UTC+8; none if that was before it started.
    pub opened_at: Option<String>,
    /// When this node saw it cut off.
    pub cut_off_at: Option<String>,
    /// When this node saw its plan.
    pub closed_at: Option<String>,
    /// When this node saw its folder published.
    pub published_at: Option<String>,
}

/// One cycle, with all that is known of it.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub struct Detail {
    /// As in a list.
    #[serde(flatten)]
    pub row: Row,
    /// Its ordinal.
    pub ordinal: u32,
    /// Its business date, such as `2018-09-01`.
    pub business_date: String,
    /// The version of the rules that rule it.
    pub rulebook_version: u32,
    /// SHA-256 of its plan, once that is made.
    pub plan: Option<String>,
    /// Its folder, with its path, once it is published.
    pub folder: Option<String>,
    /// What it is in each partition whose totals are in.
    pub ranges: Vec<PartRange>,
    /// Partitions whose totals are missing.
    pub missing: Vec<u32>,
    /// Why its close stands still, if it does.
    pub halted: Option<String>,
    /// What participants with a cap owe: so far, or by the plan once it is made.
    #[serde(default)]
    pub net_debits: Vec<NetDebit>,
}

/// A participant's net debit beside its cap.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct NetDebit {
    /// The participant.
    pub city: String,
    /// What it owes in all, fen.
    pub net_debit_fen: u64,
    /// Its cap, fen.
    pub cap_fen: u64,
    /// The net debit in whole per cent of the cap; none beyond a cap of 0.
    pub percent: Option<u64>,
    /// The highest warning level that is reached, per cent.
    pub level_percent: Option<u32>,
    /// Whether it is beyond the cap.
    pub beyond_cap: bool,
}

impl From<&Exposure> for NetDebit {
    fn from(exposure: &Exposure) -> Self {
        Self {
            city: exposure.city.to_string(),
            net_debit_fen: exposure.net_debit_fen,
            cap_fen: exposure.cap_fen,
            percent: exposure.percent(),
            level_percent: exposure.level_percent,
            beyond_cap: exposure.is_beyond(),
        }
    }
}

/// Where a cycle is in a partition of `cu.clearing`.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct PartRange {
    /// Number of the partition.
    pub partition: u32,
    /// Offset after the marker that opened it.
    pub first_offset: u64,
    /// Offset of the marker that closed it.
    pub end_offset: u64,
}

impl Row {
    /// The row of a cycle at a time `now`.
    #[must_use]
    pub fn of(cycle: &CycleProgress, now: SystemTime) -> Self {
        let (state, waits_for): (_, Vec<String>) = match &cycle.stage {
            Stage::Open => ("OPEN", Vec::new()),
            Stage::Barrier(cities) => ("CLOSING", cities.iter().map(ToString::to_string).collect()),
            Stage::Totals(missing) => ("CLOSING", missing.iter().map(ToString::to_string).collect()),
            Stage::Plan => ("CLOSING", Vec::new()),
            Stage::Segments(missing) => ("CLOSED", missing.iter().map(ToString::to_string).collect()),
            Stage::Closed => ("CLOSED", Vec::new()),
            Stage::Published => ("PUBLISHED", Vec::new()),
        };
        let seen = |stages: &[&str]| stages.iter().filter_map(|stage| cycle.seen.get(stage).copied()).min();
        let at = |stages: &[&str]| seen(stages).map(in_china);
        let waits = state == "CLOSING" || matches!(cycle.stage, Stage::Segments(_));
        let since = cycle.since().and_then(|since| now.duration_since(since).ok());
        Self {
            cycle: opening_name(&cycle.opening).to_string(),
            state: state.to_owned(),
            waits: waits.then(|| cycle.stage.name().to_owned()),
            waits_for,
            for_s: since.as_ref().map(Duration::as_secs),
            opened_at: at(&["open"]),
            cut_off_at: at(&["barrier", "totals", "plan"]),
            closed_at: at(&["segments", "closed"]),
            published_at: at(&["published"]),
        }
    }
}

impl Detail {
    /// The cycle of a name, if it is known. `out_dir` is where folders appear.
    #[must_use]
    pub fn of(status: &CycleStatus, out_dir: &Path, name: &str) -> Option<Self> {
        let cycle = status.cycles.iter().find(|cycle| opening_name(&cycle.opening).to_string() == name)?;
        let opening = &cycle.opening;
        let range = |(partition, range): (&u32, &std::ops::Range<u64>)| PartRange {
            partition: *partition,
            first_offset: range.start,
            end_offset: range.end,
        };
        let missing = match &cycle.stage {
            Stage::Totals(missing) => missing.clone(),
            _ => Vec::new(),
        };
        let published = status.published(opening.cycle);
        let halted = [&status.halted, &status.unrendered, &status.segment_failed];
        let halted = halted.into_iter().find_map(Clone::clone);
        Some(Self {
            row: Row::of(cycle, SystemTime::now()),
            ordinal: opening.cycle,
            business_date: Date::from_julian_day(opening.business_date).to_string(),
            rulebook_version: opening.rulebook_version,
            plan: cycle.plan_digest.as_ref().map(|digest| hex(digest)),
            folder: published.map(|published| out_dir.join(&published.folder).display().to_string()),
            ranges: cycle.ranges.iter().map(range).collect(),
            missing,
            net_debits: cycle.exposures.iter().map(NetDebit::from).collect(),
            halted: halted.filter(|_| !matches!(cycle.stage, Stage::Open | Stage::Published)),
        })
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A time as clocks in China show it.
pub fn in_china(at: SystemTime) -> String {
    format!("{}+08:00", LocalTime::of_unix(time::OffsetDateTime::from(at).unix_timestamp()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proto::Opening;

    use super::*;

    #[test]
    fn a_late_partition_is_named_with_how_long_it_is_missing() {
        let begun = SystemTime::UNIX_EPOCH + Duration::from_secs(1_535_760_000);
        let date: Date = "2018-09-01".parse().unwrap();
        let opening =
            Opening { cycle: 1, business_date: date.julian_day(), sequence: 1, ..Opening::default() };
        let cycle = CycleProgress {
            opening,
            stage: Stage::Totals(vec![3]),
            seen: BTreeMap::from([("open", begun), ("totals", begun + Duration::from_secs(3600))]),
            ranges: BTreeMap::new(),
            plan_digest: None,
            exposures: Vec::new(),
        };
        let row = Row::of(&cycle, begun + Duration::from_secs(3690));
        assert_eq!(
            (row.state.as_str(), row.waits.as_deref(), row.for_s),
            ("CLOSING", Some("totals"), Some(90))
        );
        assert_eq!(row.waits_for, ["3"]);
        assert_eq!(row.opened_at.unwrap(), "2018-09-01T08:00:00+08:00");
        assert_eq!(row.cut_off_at.unwrap(), "2018-09-01T09:00:00+08:00");
        assert_eq!(row.published_at, None);
    }
}
