//! Which home cities do not answer: some by themselves, now and then, until a person takes it over.

use std::collections::BTreeSet;

use domain::city::City;

/// Every so many cycles one home city goes dark for a while.
const DARK_EVERY: u32 = 2;
/// Seconds of a cycle after which it goes dark, and how long it stays so.
const DARK_S: (u64, u64) = (8, 10);

/// A home city that begins or ends to be dark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// The home city.
    pub city: City,
    /// Whether it is dark from now on.
    pub dark: bool,
}

/// The dark home cities.
#[derive(Debug, Default)]
pub struct Darkness {
    dark: BTreeSet<City>,
    by_hand: bool,
}

impl Darkness {
    /// The home cities that are dark.
    pub fn cities(&self) -> impl Iterator<Item = City> {
        self.dark.iter().copied()
    }

    /// A person darkens a city, or ends it. From then on nothing goes dark by itself.
    pub fn set(&mut self, city: City, dark: bool) -> Option<Change> {
        self.by_hand = true;
        let changed = if dark { self.dark.insert(city) } else { self.dark.remove(&city) };
        changed.then_some(Change { city, dark })
    }

    /// What changes by itself in this second of this cycle, if `paying` are the home cities that can go dark.
    pub fn by_itself(&mut self, cycle: u32, second: u64, paying: &[City]) -> Option<Change> {
        if self.by_hand {
            return None;
        }
        let (from, long) = DARK_S;
        let due = cycle.is_multiple_of(DARK_EVERY) && (from..from + long).contains(&second);
        let change = match (due, self.dark.first()) {
            (true, None) => {
                let at = usize::try_from(cycle).unwrap_or(0) % paying.len().max(1);
                Change { city: *paying.get(at)?, dark: true }
            }
            (false, Some(city)) => Change { city: *city, dark: false },
            _ => return None,
        };
        if change.dark {
            self.dark.insert(change.city)
        } else {
            self.dark.remove(&change.city)
        };
        Some(change)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn city(text: &str) -> City {
        text.parse().unwrap()
    }

    #[test]
    fn every_second_cycle_one_city_goes_dark_for_ten_seconds() {
        let paying = [city("cu-2000"), city("cu-3000"), city("cu-4000")];
        let mut darkness = Darkness::default();
        let mut seen = Vec::new();
        for cycle in 1..=4 {
            for second in 0..30 {
                let change = darkness.by_itself(cycle, second, &paying);
                seen.extend(change.map(|c| (cycle, second, c.city.to_string(), c.dark)));
            }
        }
        let wanted = [(2, 8, "cu-4000", true), (2, 18, "cu-4000", false), (4, 8, "cu-3000", true)];
        assert_eq!(seen[..3], wanted.map(|(c, s, n, d)| (c, s, n.to_owned(), d)));
        assert_eq!(seen.len(), 4);
        assert_eq!(darkness.by_itself(6, 9, &[]), None, "nobody is there to go dark");
    }

    #[test]
    fn what_a_person_darkens_stays_dark_until_that_person_ends_it() {
        let mut darkness = Darkness::default();
        let (one, two) = (city("cu-2000"), city("cu-3000"));
        assert_eq!(darkness.set(one, true), Some(Change { city: one, dark: true }));
        assert_eq!(darkness.set(one, true), None);
        for second in 0..30 {
            assert_eq!(darkness.by_itself(2, second, &[one, two]), None);
        }
        assert_eq!(darkness.cities().collect::<Vec<_>>(), [one]);
        assert_eq!(darkness.set(one, false), Some(Change { city: one, dark: false }));
        assert_eq!(darkness.cities().count(), 0);
    }
}
