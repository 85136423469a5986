//! The reference of a payment: the end-to-end id that goes to the bank and that its answer repeats.

use super::Party;
use crate::cycle::CycleName;

/// Which payment a reference means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    /// The cycle.
    pub cycle: CycleName,
    /// Which version of its plan; 1 is the first.
    pub version: u32,
    /// Whose payment; the scheme's is its own net, which no leg pays.
    pub party: Party,
}

/// The reference of a city's payment, or of the scheme's net: `2018-09-01-001-cu-2000`, of a later version of the plan
/// `2018-09-01-001.v2-cu-2000`. At most 35 characters, as messages allow, for every version below 10,000.
#[must_use]
pub fn reference(cycle: CycleName, version: u32, party: Party) -> String {
    if version > 1 { format!("{cycle}.v{version}-{party}") } else { format!("{cycle}-{party}") }
}

impl Reference {
    /// Reads what [`reference`] writes; `None` for any other text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (rest, party) = match text.strip_suffix("-scheme") {
            Some(rest) => (rest, Party::Scheme),
            None => {
                let (at, _) = text.rmatch_indices('-').nth(1)?;
                let city = text.get(at..)?.strip_prefix('-')?.parse().ok()?;
                (text.get(..at)?, Party::City(city))
            }
        };
        let (cycle, version) = match rest.split_once(".v") {
            None => (rest, 1),
            Some((cycle, version)) => (cycle, version.parse().ok()?),
        };
        let read = Self { cycle: cycle.parse().ok()?, version, party };
        (reference(read.cycle, version, party) == text).then_some(read)
    }
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
        ] {
            let read = Reference::parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(reference(read.cycle, read.version, read.party), text);
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
        ] {
            assert_eq!(Reference::parse(text), None, "{text}");
        }
    }
}
