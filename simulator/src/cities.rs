//! Names and codes of real cities, and invented ones beyond them.

use domain::city::{City, Scheme};

/// A city as the world knows it, before it joins anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedCity {
    /// Scheme and code.
    pub city: City,
    /// English name.
    pub name_en: String,
    /// Chinese name.
    pub name_zh: String,
}

/// City Union codes are the first four digits of the city's postcode, T-Union codes the region
/// codes of bank cards; both schemes number on their own, so some codes occur in both.
const REAL: &str = include_str!("../data/cities.csv");

/// The number of different invented cities.
const SYNTHETIC_MAX: u16 = 0x1000;

/// The most cities a scheme can have.
pub const CITIES_MAX: u32 = 4_000;

/// The first `count` cities: the real ones in the order of the data file, then invented ones with
/// codes from `B000`.
#[must_use]
pub fn first(count: u32) -> Vec<NamedCity> {
    let count = usize::try_from(count.min(CITIES_MAX)).unwrap_or(usize::MAX);
    REAL.lines()
        .skip(1)
        .filter_map(parse_line)
        .chain((0..SYNTHETIC_MAX).filter_map(synthetic))
        .take(count)
        .collect()
}

fn parse_line(line: &str) -> Option<NamedCity> {
    let mut fields = line.split(',');
    let (name_en, name_zh) = (fields.next()?.to_owned(), fields.next()?.to_owned());
    let city = format!("{}-{}", fields.next()?, fields.next()?).parse().ok()?;
    Some(NamedCity { city, name_en, name_zh })
}

/// Invented city `number`: every fifth one is of T-Union.
fn synthetic(number: u16) -> Option<NamedCity> {
    let scheme = if number % 5 == 4 { Scheme::TUnion } else { Scheme::CityUnion };
    let code = format!("B{number:03X}");
    let city = City::new(scheme, code.as_bytes().try_into().ok()?).ok()?;
    Some(NamedCity {
        city,
        name_en: format!("Synthetic {}", u32::from(number) + 1),
        name_zh: format!("虚拟{}", u32::from(number) + 1),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_line_of_the_data_file_is_a_city_of_its_own() {
        let lines = u32::try_from(REAL.lines().count() - 1).unwrap();
        let real = first(lines);
        assert!(real.iter().all(|c| !c.name_en.starts_with("Synthetic")), "a line of cities.csv was skipped");
        let all = first(CITIES_MAX);
        assert_eq!(all.len(), 4_000);
        assert_eq!(all.iter().map(|c| c.city).collect::<BTreeSet<_>>().len(), 4_000);
    }

    #[test]
    fn both_schemes_and_a_shared_code_are_among_the_first() {
        let spelled: Vec<String> = first(4).iter().map(|c| c.city.to_string()).collect();
        assert_eq!(spelled, ["cu-2000", "cu-3100", "cu-3120", "tu-3120"]);
    }
}
