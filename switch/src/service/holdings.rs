//! Which acquirers this switch has, and how far each has come or gone. No thread, no clock.

use std::collections::{BTreeMap, BTreeSet};

use domain::city::City;

/// How it stands with an acquirer.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Hold {
    /// Its positions are being read.
    Coming,
    /// Its taps are taken.
    Working,
    /// No more taps are taken; it goes when nothing is in work any more, or at this time, milliseconds.
    Leaving { until_ms: u64 },
    /// It cannot be worked for, and why.
    Failed(String),
}

/// Who waits until acquirers are given up.
struct Waiting<T> {
    left: BTreeSet<City>,
    tell: T,
}

/// The acquirers of a switch. Each time one is owned anew it gets another turn, so that what was under way
/// before is not taken for what belongs to it now. `T` tells those who wait until acquirers are given up.
pub(super) struct Holdings<T> {
    turns: u64,
    held: BTreeMap<City, (u64, Hold)>,
    waiting: Vec<Waiting<T>>,
}

impl<T> Default for Holdings<T> {
    fn default() -> Self {
        Self { turns: 0, held: BTreeMap::new(), waiting: Vec::new() }
    }
}

impl<T> Holdings<T> {
    /// It is owned from now on; its turn.
    pub(super) fn own(&mut self, acquirer: City) -> u64 {
        self.turns += 1;
        self.held.insert(acquirer, (self.turns, Hold::Coming));
        self.turns
    }

    /// Its positions were found; false if it is another's by now, or another turn's.
    pub(super) fn found(&mut self, acquirer: City, turn: u64) -> bool {
        match self.held.get_mut(&acquirer) {
            Some((its, hold @ Hold::Coming)) if *its == turn => {
                *hold = Hold::Working;
                true
            }
            _ => false,
        }
    }

    /// Whether it has this turn and no other.
    pub(super) fn has(&self, acquirer: City, turn: u64) -> bool {
        self.held.get(&acquirer).is_some_and(|(its, _)| *its == turn)
    }

    /// Its present turn.
    pub(super) fn turn(&self, acquirer: City) -> Option<u64> {
        self.held.get(&acquirer).map(|(turn, _)| *turn)
    }

    /// Whether its taps are taken.
    pub(super) fn takes_taps(&self, acquirer: City) -> bool {
        matches!(self.held.get(&acquirer), Some((_, Hold::Working)))
    }

    /// It cannot be worked for.
    pub(super) fn fail(&mut self, acquirer: City, why: String) {
        if let Some((_, hold)) = self.held.get_mut(&acquirer) {
            *hold = Hold::Failed(why);
        }
    }

    /// These are given up: what is in work for them may be finished until a time, then `tell` comes back.
    /// Returns those that are to take no more taps.
    pub(super) fn leave(&mut self, acquirers: &[City], until_ms: u64, tell: T) -> Vec<City> {
        let mut working = Vec::new();
        for acquirer in acquirers {
            if let Some((_, hold @ Hold::Working)) = self.held.get_mut(acquirer) {
                *hold = Hold::Leaving { until_ms };
                working.push(*acquirer);
            } else if !matches!(self.held.get(acquirer), Some((_, Hold::Leaving { .. }))) {
                self.held.remove(acquirer);
            }
        }
        let left = acquirers.iter().copied().filter(|it| self.held.contains_key(it)).collect();
        self.waiting.push(Waiting { left, tell });
        working
    }

    /// Those that can go now.
    pub(super) fn due(&self, now_ms: u64, in_work: impl Fn(City) -> bool) -> Vec<City> {
        let due = self.held.iter().filter(|(acquirer, (_, hold))| match hold {
            Hold::Leaving { until_ms } => *until_ms <= now_ms || !in_work(**acquirer),
            _ => false,
        });
        due.map(|(acquirer, _)| *acquirer).collect()
    }

    /// Whether it is being given up.
    pub(super) fn is_leaving(&self, acquirer: City) -> bool {
        matches!(self.held.get(&acquirer), Some((_, Hold::Leaving { .. })))
    }

    /// It is gone.
    pub(super) fn gone(&mut self, acquirer: City) {
        self.held.remove(&acquirer);
        for waiting in &mut self.waiting {
            waiting.left.remove(&acquirer);
        }
    }

    /// Who need not wait any more.
    pub(super) fn given_up(&mut self) -> Vec<T> {
        let done = self.waiting.extract_if(.., |waiting| waiting.left.is_empty());
        done.map(|waiting| waiting.tell).collect()
    }

    /// Those whose positions are being read.
    pub(super) fn coming(&self) -> BTreeSet<City> {
        let coming = self.held.iter().filter(|(_, (_, hold))| *hold == Hold::Coming);
        coming.map(|(acquirer, _)| *acquirer).collect()
    }

    /// Those that cannot be worked for, and why.
    pub(super) fn failed(&self) -> impl Iterator<Item = (City, &str)> {
        self.held.iter().filter_map(|(acquirer, (_, hold))| match hold {
            Hold::Failed(why) => Some((*acquirer, why.as_str())),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn city(code: &str) -> City {
        format!("cu-{code}").parse().unwrap_or_else(|_| panic!("{code}"))
    }

    #[test]
    fn what_belonged_to_an_earlier_turn_is_not_taken() {
        let (one, mut holdings) = (city("2000"), Holdings::<()>::default());
        let first = holdings.own(one);
        assert_eq!(holdings.coming(), BTreeSet::from([one]));
        holdings.gone(one);
        let second = holdings.own(one);
        assert!(!holdings.found(one, first), "its positions are those of the first turn");
        assert!(!holdings.takes_taps(one));
        assert!(holdings.found(one, second) && holdings.takes_taps(one));
        assert!(!holdings.has(one, first) && holdings.has(one, second));
    }

    #[test]
    fn it_goes_when_nothing_is_in_work_or_the_time_is_over() {
        let [one, two, three] = ["2000", "3000", "4000"].map(city);
        let mut holdings = Holdings::default();
        for acquirer in [one, two, three] {
            let turn = holdings.own(acquirer);
            assert!(acquirer == three || holdings.found(acquirer, turn));
        }
        assert_eq!(holdings.leave(&[one, two, three], 5_000, "all"), [one, two]);
        assert_eq!(holdings.turn(three), None, "what had not come is gone at once");
        assert!(!holdings.takes_taps(one));
        assert_eq!(holdings.due(4_999, |acquirer| acquirer == two), [one]);
        holdings.gone(one);
        assert!(holdings.given_up().is_empty());
        assert_eq!(holdings.due(5_000, |_| true), [two]);
        holdings.gone(two);
        assert_eq!(holdings.given_up(), ["all"]);
        assert!(holdings.given_up().is_empty());
    }

    #[test]
    fn one_that_failed_is_shown_until_it_is_given_up() {
        let (one, mut holdings) = (city("2000"), Holdings::default());
        let turn = holdings.own(one);
        holdings.found(one, turn);
        holdings.fail(one, "messages are missing".to_owned());
        assert_eq!(holdings.failed().collect::<Vec<_>>(), [(one, "messages are missing")]);
        assert!(!holdings.takes_taps(one));
        assert!(holdings.leave(&[one], 0, ()).is_empty());
        assert_eq!((holdings.failed().count(), holdings.given_up().len()), (0, 1));
    }
}
