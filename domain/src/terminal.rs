//! Who owns a terminal: the longest prefix of its number that a participant holds.

use std::fmt;

use crate::city::City;

/// Hex digits in a terminal number.
const DIGITS: u32 = 12;

/// The first hex digits of a terminal number, 1 to 12 of them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TerminalPrefix {
    /// The lowest terminal number with the prefix.
    first: u64,
    /// How many digits it fixes.
    digits: u32,
}

/// Why a text is no terminal prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a terminal prefix: expected 1 to 12 upper-case hex digits, such as 2000")]
pub struct TerminalPrefixError;

impl TerminalPrefix {
    /// Reads 1 to 12 upper-case hex digits.
    ///
    /// # Errors
    /// [`TerminalPrefixError`] for any other text.
    pub fn parse(text: &str) -> Result<Self, TerminalPrefixError> {
        let upper_hex = text.bytes().all(|b| b.is_ascii_digit() || (b'A'..=b'F').contains(&b));
        let digits = u32::try_from(text.len()).map_err(|_| TerminalPrefixError)?;
        if !upper_hex || !(1..=DIGITS).contains(&digits) {
            return Err(TerminalPrefixError);
        }
        let value = u64::from_str_radix(text, 16).map_err(|_| TerminalPrefixError)?;
        Ok(Self { first: value << (4 * (DIGITS - digits)), digits })
    }

    /// The prefix a city has unless it states others: the four digits of its code.
    #[must_use]
    pub fn of_city(city: City) -> Self {
        let code = u64::from(u16::from_be_bytes(city.code_bytes()));
        Self { first: code << (4 * (DIGITS - 4)), digits: 4 }
    }

    /// The lowest terminal number with the prefix.
    #[must_use]
    pub const fn first(self) -> u64 {
        self.first
    }

    /// The highest terminal number with the prefix.
    #[must_use]
    pub const fn last(self) -> u64 {
        self.first | ((1 << (4 * (DIGITS - self.digits))) - 1)
    }
}

impl fmt::Display for TerminalPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.first >> (4 * (DIGITS - self.digits));
        let width = usize::try_from(self.digits).unwrap_or(0);
        write!(f, "{value:0width$X}")
    }
}

impl fmt::Debug for TerminalPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Terminal numbers from `first` to `last`, both included, that one participant owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnedRange {
    /// The lowest.
    pub first: u64,
    /// The highest.
    pub last: u64,
    /// Their owner.
    pub owner: City,
}

/// The owner of every terminal number, as disjoint ranges in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ownership {
    ranges: Vec<OwnedRange>,
}

impl Ownership {
    /// Compiles prefixes; the longest owns, so inner prefixes cut holes into outer ones.
    #[must_use]
    pub fn new(prefixes: impl IntoIterator<Item = (TerminalPrefix, City)>) -> Self {
        let mut prefixes: Vec<_> = prefixes.into_iter().collect();
        // By first number, outer before inner: prefixes nest or are apart, they never straddle.
        prefixes.sort_unstable();
        let mut ranges = Ranges::default();
        let mut open: Vec<(TerminalPrefix, City)> = Vec::new();
        for (prefix, city) in prefixes {
            while let Some((outer, owner)) = open.pop_if(|(outer, _)| outer.last() < prefix.first()) {
                ranges.up_to(outer.last(), owner);
            }
            if let Some((_, owner)) = open.last() {
                ranges.before(prefix.first(), *owner);
            }
            ranges.start_at(prefix.first());
            open.push((prefix, city));
        }
        while let Some((outer, owner)) = open.pop() {
            ranges.up_to(outer.last(), owner);
        }
        Self { ranges: ranges.done }
    }

    /// The owner of a terminal number; `None` if no prefix matches.
    #[must_use]
    pub fn owner(&self, terminal: u64) -> Option<City> {
        let after = self.ranges.partition_point(|range| range.first <= terminal);
        let range = self.ranges.get(after.checked_sub(1)?)?;
        (terminal <= range.last).then_some(range.owner)
    }

    /// The ranges, disjoint and in order; neighbours of one owner are one range.
    #[must_use]
    pub fn ranges(&self) -> &[OwnedRange] {
        &self.ranges
    }

    /// The first stretch that belongs to somebody here and to somebody else in `later`.
    #[must_use]
    pub fn first_move(&self, later: &Self) -> Option<Move> {
        self.ranges.iter().find_map(|before| {
            let start = later.ranges.partition_point(|after| after.last < before.first);
            let shared = later.ranges.iter().skip(start).take_while(|after| after.first <= before.last);
            let taken = shared.into_iter().find(|after| after.owner != before.owner)?;
            Some(Move { first: before.first.max(taken.first), from: before.owner, to: taken.owner })
        })
    }
}

/// A stretch of terminal numbers that changes hands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// The lowest number of the stretch.
    pub first: u64,
    /// The owner before.
    pub from: City,
    /// The owner after.
    pub to: City,
}

/// Ranges while they are built from left to right.
#[derive(Default)]
struct Ranges {
    done: Vec<OwnedRange>,
    /// The first number not yet given to anybody.
    next: u64,
}

impl Ranges {
    /// Gives everything from where we are up to `last` to the owner.
    fn up_to(&mut self, last: u64, owner: City) {
        if self.next > last {
            return;
        }
        match self.done.last_mut() {
            Some(range) if range.owner == owner && range.last + 1 == self.next => range.last = last,
            _ => self.done.push(OwnedRange { first: self.next, last, owner }),
        }
        self.next = last + 1;
    }

    /// Gives everything from where we are to just before `first` to the owner.
    fn before(&mut self, first: u64, owner: City) {
        if let Some(last) = first.checked_sub(1) {
            self.up_to(last, owner);
        }
    }

    /// Leaves what lies between to nobody.
    fn start_at(&mut self, first: u64) {
        self.next = self.next.max(first);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::city;

    fn ownership(prefixes: &[(&str, &str)]) -> Ownership {
        let parse = |text| TerminalPrefix::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        Ownership::new(prefixes.iter().map(|(prefix, owner)| (parse(prefix), city(owner))))
    }

    fn number(terminal: &str) -> u64 {
        u64::from_str_radix(terminal, 16).unwrap_or(u64::MAX)
    }

    #[test]
    fn prefixes_come_back_and_others_are_refused() {
        for text in ["0", "F", "2000", "A004", "00", "FFFFFFFFFFFF", "364001000748"] {
            assert_eq!(TerminalPrefix::parse(text).map(|prefix| prefix.to_string()), Ok(text.to_owned()));
        }
        for text in ["", "a0", "G", " 2", "+2", "0x2", "2000000000000"] {
            assert_eq!(TerminalPrefix::parse(text), Err(TerminalPrefixError), "{text}");
        }
        assert_eq!(TerminalPrefix::of_city(city("cu-A004")).to_string(), "A004");
        assert_eq!(TerminalPrefix::of_city(city("tu-0001")).to_string(), "0001");
    }

    #[test]
    fn the_longest_prefix_owns() {
        let owners = ownership(&[
            ("2000", "cu-2000"),
            ("20001", "cu-3000"),
            ("200012", "cu-2000"),
            ("2000FFFFFFFF", "cu-4000"),
            ("0", "tu-0001"),
            ("FFFF", "tu-2900"),
        ]);
        let cases = [
            ("200000000000", Some("cu-2000")),
            ("200010000000", Some("cu-3000")),
            ("200011FFFFFF", Some("cu-3000")),
            ("200012000000", Some("cu-2000")),
            ("200012FFFFFF", Some("cu-2000")),
            ("200013000000", Some("cu-3000")),
            ("200020000000", Some("cu-2000")),
            ("2000FFFFFFFE", Some("cu-2000")),
            ("2000FFFFFFFF", Some("cu-4000")),
            ("1FFFFFFFFFFF", None),
            ("200100000000", None),
            ("000000000000", Some("tu-0001")),
            ("0FFFFFFFFFFF", Some("tu-0001")),
            ("100000000000", None),
            ("FFFFFFFFFFFF", Some("tu-2900")),
        ];
        for (terminal, owner) in cases {
            assert_eq!(owners.owner(number(terminal)), owner.map(city), "{terminal}");
        }
    }

    #[test]
    fn nothing_is_owned_without_prefixes() {
        assert_eq!(ownership(&[]).owner(0), None);
    }

    fn prefix_lists() -> impl Strategy<Value = Vec<(String, City)>> {
        // Few digits, so that prefixes nest deeply and touch.
        let cities = prop::sample::select(vec![city("cu-0001"), city("cu-0002"), city("cu-0003")]);
        let lists = prop::collection::btree_map("[0F]{0,3}[01F]", cities, 0..8);
        lists.prop_map(|list| list.into_iter().collect())
    }

    /// The rule itself, prefix by prefix.
    fn naive_owner(prefixes: &[(String, City)], terminal: &str) -> Option<City> {
        let matching = prefixes.iter().filter(|(prefix, _)| terminal.starts_with(prefix.as_str()));
        matching.max_by_key(|(prefix, _)| prefix.len()).map(|(_, owner)| *owner)
    }

    fn compiled(prefixes: &[(String, City)]) -> Ownership {
        let parse =
            |text: &str| TerminalPrefix::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        Ownership::new(prefixes.iter().map(|(prefix, owner)| (parse(prefix), *owner)))
    }

    /// Every stretch that lists of such prefixes can tell apart, by its first terminal.
    fn stretches() -> impl Iterator<Item = String> {
        (0..=0xFFFF_u32).map(|start| format!("{start:04X}00000000"))
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

        #[test]
        fn compiled_ranges_own_what_the_rule_says(prefixes in prefix_lists(), tail in "[0-9A-F]{8}") {
            let owners = compiled(&prefixes);
            for ranges in owners.ranges().windows(2) {
                prop_assert!(ranges[0].last < ranges[1].first);
            }
            for start in stretches() {
                let terminal = format!("{}{tail}", &start[..4]);
                prop_assert_eq!(owners.owner(number(&terminal)), naive_owner(&prefixes, &terminal), "{}", terminal);
            }
        }

        #[test]
        fn moves_are_found_where_both_own(before in prefix_lists(), after in prefix_lists()) {
            let found = compiled(&before).first_move(&compiled(&after));
            let expected = stretches().find_map(|terminal| {
                let (from, to) = (naive_owner(&before, &terminal)?, naive_owner(&after, &terminal)?);
                (from != to).then(|| Move { first: number(&terminal), from, to })
            });
            prop_assert_eq!(found, expected);
        }
    }
}
