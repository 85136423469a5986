//! The reference of a payment: the end-to-end id that goes to the bank and that its answer repeats.

use super::{Party, PartyAccount};
use crate::cycle::CycleName;

/// Which payment a reference means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    /// The cycle.
    pub cycle: CycleName,
    /// Which version of its plan; 1 is the first.
    pub version: u32,
    /// Over which account; the scheme's is its own net, which no leg pays.
    pub account: PartyAccount,
}

/// The reference of a payment over a city's account, or of the scheme's net: `2018-09-01-001-cu-2000`, of a later version
/// of the plan `2018-09-01-001.v2-cu-2000`, over the city's first account by sector `2018-09-01-001-cu-2000-1`. At most 35
/// characters, as messages allow, for every version below 10,000 and, by sector, every sequence below 10,000,000.
#[must_use]
pub fn reference(cycle: CycleName, version: u32, account: impl Into<PartyAccount>) -> String {
    let account = account.into();
    if version > 1 { format!("{cycle}.v{version}-{account}") } else { format!("{cycle}-{account}") }
}

impl Reference {
    /// Reads what [`reference`] writes; `None` for any other text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (rest, account) = match text.strip_suffix("-scheme") {
            Some(rest) => (rest, Party::Scheme.into()),
            None => of_main_account(text).or_else(|| of_sector_account(text))?,
        };
        let (cycle, version) = match rest.split_once(".v") {
            None => (rest, 1),
            Some((cycle, version)) => (cycle, version.parse().ok()?),
        };
        let read = Self { cycle: cycle.parse().ok()?, version, account };
        (reference(read.cycle, version, account) == text).then_some(read)
    }
}

/// What stands before a city, and the city's main account.
fn of_main_account(text: &str) -> Option<(&str, PartyAccount)> {
    let (at, _) = text.rmatch_indices('-').nth(1)?;
    let city = text.get(at..)?.strip_prefix('-')?.parse().ok()?;
    Some((text.get(..at)?, Party::City(city).into()))
}

/// The same where the number of an account follows the city.
fn of_sector_account(text: &str) -> Option<(&str, PartyAccount)> {
    let (of_city, number) = text.rsplit_once('-')?;
    let (rest, main) = of_main_account(of_city)?;
    Some((rest, PartyAccount { number: number.parse().ok()?, ..main }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_come_back() {
        for text in [
            "2018-09-01-001-cu-2000",
            "2018-09-01-001-scheme",
            "2018-09-01-1000-tu-A004",
            "2018-09-01-001.v2-cu-2000",
            "2018-09-01-4294967295.v999-cu-2000",
            "2018-09-01-001.v12-scheme",
            "2018-09-01-001-cu-2000-1",
            "2018-09-01-9999999.v9999-tu-2000-11",
        ] {
            let read = Reference::parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(reference(read.cycle, read.version, read.account), text);
            assert!(text.len() <= 35, "{text}");
        }
        for text in [
            "",
            "-",
            "cu-2000",
            "2018-09-01-001",
            "2018-09-01-001-",
            "2018-09-01-001-cu-200",
            "2018-09-01-001-cu-2000 ",
            "2018-09-01-01-cu-2000",
            "2018-09-01-001.v1-cu-2000",
            "2018-09-01-001.v0-cu-2000",
            "2018-09-01-001.v02-cu-2000",
            "2018-09-01-001.v-cu-2000",
            "2018-09-01-001-Scheme",
            "银行",
            "2018-09-01-001-上海",
            "2018-09-01-001-cu-2000-0",
            "2018-09-01-001-cu-2000-01",
            "2018-09-01-001-cu-2000-256",
            "2018-09-01-001-cu-2000-1-1",
            "2018-09-01-001-scheme-1",
        ] {
            assert_eq!(Reference::parse(text), None, "{text}");
        }
    }
}
