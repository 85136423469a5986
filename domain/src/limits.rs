//! How much a participant may come to owe in a cycle, and how near it is. Nothing is rejected by it: the taps were made.
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions)]

use crate::{
    city::City,
    rulebook::Rulebook,
    settlement::{Net, Party},
};

/// What cities receive in all, fen; negative if they pay.
pub fn nets_of_cities(nets: &[Net]) -> impl Iterator<Item = (City, i64)> {
    nets.iter().filter_map(|net| match net.participant {
        Party::City(city) => Some((city, net.net_fen)),
        Party::Scheme => None,
    })
}

/// The table `[limits]` of a rulebook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The parts of its cap, per cent, at which a participant's net debit is told; rising, at most 100.
    pub net_debit_warn_percent: Vec<u32>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { net_debit_warn_percent: vec![50, 80, 95] }
    }
}

impl Limits {
    /// Whether nothing else is stated.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// A participant's net debit beside its cap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exposure {
    /// The participant.
    pub city: City,
    /// What it owes in all, fen; 0 if it receives.
    pub net_debit_fen: u64,
    /// The most it should come to owe in a cycle, fen.
    pub cap_fen: u64,
    /// The highest level that is reached, per cent of the cap.
    pub level_percent: Option<u32>,
}

impl Exposure {
    /// Whether it owes more than its cap.
    #[must_use]
    pub const fn is_beyond(&self) -> bool {
        self.net_debit_fen > self.cap_fen
    }

    /// The net debit in whole per cent of the cap, rounded down; `None` beyond a cap of 0.
    #[must_use]
    pub fn percent(&self) -> Option<u64> {
        if self.net_debit_fen == 0 {
            return Some(0);
        }
        let hundredfold = u128::from(self.net_debit_fen).saturating_mul(100);
        u64::try_from(hundredfold.checked_div(self.cap_fen.into())?).ok()
    }
}

/// The net debits of all participants that have a cap, in the order of the nets: what each receives in all, fen.
#[must_use]
pub fn exposures(rulebook: &Rulebook, nets: impl IntoIterator<Item = (City, i64)>) -> Vec<Exposure> {
    let one = |(city, net_fen): (City, i64)| {
        let cap_fen = rulebook.participant(city)?.net_debit_cap_fen?;
        let net_debit_fen = if net_fen < 0 { net_fen.unsigned_abs() } else { 0 };
        let mut exposure = Exposure { city, net_debit_fen, cap_fen, level_percent: None };
        let reached = |level: &&u32| {
            let needed = u128::from(cap_fen).saturating_mul(u128::from(**level));
            net_debit_fen > 0 && u128::from(net_debit_fen).saturating_mul(100) >= needed
        };
        exposure.level_percent = rulebook.limits.net_debit_warn_percent.iter().filter(reached).max().copied();
        Some(exposure)
    };
    nets.into_iter().filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{city, rulebook};

    const RULES: &str = r#"
version = 1
presentment_days = 10
hotlist_grace_hours = 24
fees = { basis = "cycle_bilateral", interchange_rate = "0", switch_rate = "0" }
limits = { net_debit_warn_percent = [50, 80] }
[[participant]]
city = "cu-2000"
name_en = "Shanghai"
name_zh = "上海"
joined = "2018-01-01"
net_debit_cap_fen = 1000
[[participant]]
city = "cu-3000"
name_en = "Tianjin"
name_zh = "天津"
joined = "2018-01-01"
[[participant]]
city = "cu-4000"
name_en = "Chongqing"
name_zh = "重庆"
joined = "2018-01-01"
net_debit_cap_fen = 0
"#;

    fn net(participant: &str, net_fen: i64) -> (City, i64) {
        (city(participant), net_fen)
    }

    #[test]
    fn a_level_is_reached_to_the_fen_and_a_cap_is_beyond_by_one() {
        let rules = rulebook(RULES);
        let of = |net_fen| {
            let one = exposures(&rules, [net("cu-2000", net_fen)])[0];
            (one.net_debit_fen, one.level_percent, one.percent(), one.is_beyond())
        };
        assert_eq!(of(5000), (0, None, Some(0), false), "who receives owes nothing");
        assert_eq!(of(0), (0, None, Some(0), false));
        assert_eq!(of(-499), (499, None, Some(49), false));
        assert_eq!(of(-500), (500, Some(50), Some(50), false));
        assert_eq!(of(-799), (799, Some(50), Some(79), false));
        assert_eq!(of(-800), (800, Some(80), Some(80), false));
        assert_eq!(of(-1000), (1000, Some(80), Some(100), false));
        assert_eq!(of(-1001), (1001, Some(80), Some(100), true));
    }

    #[test]
    fn without_a_cap_there_is_nothing_to_tell_and_a_cap_of_nothing_allows_nothing() {
        let rules = rulebook(RULES);
        let found = exposures(&rules, [net("cu-3000", -1_000_000), net("cu-4000", -1), net("cu-9999", -1)]);
        let expected =
            Exposure { city: city("cu-4000"), net_debit_fen: 1, cap_fen: 0, level_percent: Some(80) };
        assert_eq!(found, [expected]);
        assert!(expected.is_beyond() && expected.percent().is_none());
        let nothing = exposures(&rules, [net("cu-4000", 0)])[0];
        assert_eq!((nothing.level_percent, nothing.is_beyond()), (None, false));
    }
}
