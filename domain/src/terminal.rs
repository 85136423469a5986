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

    /// Terminal numbers with different owners here and in `other`, those owned only here included
    /// (as `None` there) but not those owned only there.
    pub fn moved_to(&self, other: &Self) -> Vec<Moved> {
        let mut moved = Vec::new();
        for range in &self.ranges {
            let mut first = range.first;
            let start = other.ranges.partition_point(|there| there.last < range.first);
            for there in other.ranges[start..].iter().take_while(|there| there.first <= range.last) {
                if first < there.first {
                    moved.push(Moved { first, from: range.owner, to: None });
                }
                if there.owner != range.owner {
                    moved.push(Moved {
                        first: first.max(there.first),
                        from: range.owner,
                        to: Some(there.owner),
                    });
                }
                first = there.last + 1;
            }
            if first <= range.last {
                moved.push(Moved { first, from: range.owner, to: None });
            }
        }
        moved
    }
}

/// A stretch of terminal numbers that changes its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    /// The lowest number of the stretch.
    pub first: u64,
    /// The owner before.
    pub from: City,
    /// The owner after, if any.
    pub to: Option<City>,
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
