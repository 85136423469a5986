//! When each piece of a day is handed in: a function of counts, times of the day and the wanted pace.

use std::{collections::BTreeMap, str::FromStr, time::Duration};

use domain::city::City;

/// What is known of a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Whose it is.
    pub city: City,
    /// Taps in it.
    pub taps: u64,
    /// Second of the day of its last tap.
    pub second: u32,
}

/// How fast a day is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// So many taps a second over all cities, on average.
    Rate(Rate, Curve),
    /// So many seconds of the day in one second.
    Speed(u32),
    /// Without any pause.
    AtOnce,
}

/// How the rate goes over the day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Curve {
    /// The same all the time
    #[default]
    Flat,
    /// As the taps were made: high in the rush hours, low at night
    RushHour,
}

/// Taps in a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    taps: u64,
    per: Duration,
}

/// Why a text is no rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a rate: expected such as 5000/s, 300000/min, 1000000/h or max")]
pub struct RateError;

/// A rate, or `max` for no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// So many taps in a time.
    Rate(Rate),
    /// As fast as it goes.
    Max,
}

impl FromStr for Wanted {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        if text == "max" {
            return Ok(Self::Max);
        }
        let (taps, unit) = text.split_once('/').unwrap_or((text, "s"));
        let seconds = match unit {
            "s" => 1,
            "min" => 60,
            "h" => 3_600,
            _ => return Err(RateError),
        };
        let taps = taps.parse().ok().filter(|taps| *taps > 0).ok_or(RateError)?;
        Ok(Self::Rate(Rate { taps, per: Duration::from_secs(seconds) }))
    }
}

impl Rate {
    /// How long so many taps take.
    fn time_of(self, taps: u64) -> Duration {
        part(self.per, taps, self.taps)
    }
}

/// `time × part / whole`, `time` itself for a `whole` of 0.
fn part(time: Duration, part: u64, whole: u64) -> Duration {
    let nanos = time.as_nanos().saturating_mul(part.into()).checked_div(whole.into());
    nanos.map_or(time, |nanos| Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
}

/// When each piece is due after the start, in the order in which they are due, each with its place in `loads`.
/// The pieces of a city stay in their order. With `burst`, a city holds back so many pieces and hands them in
/// together.
#[must_use]
pub fn schedule(loads: &[Load], pace: Pace, burst: Option<usize>) -> Vec<(Duration, usize)> {
    let seconds = non_decreasing(loads);
    let mut order: Vec<usize> = (0..loads.len()).collect();
    order.sort_by_key(|at| (seconds[*at], *at));
    let mut due = vec![Duration::ZERO; loads.len()];
    let mut taps = 0;
    let total = loads.iter().map(|load| load.taps).sum();
    let first = order.first().map_or(0, |at| seconds[*at]);
    let last = order.last().map_or(0, |at| seconds[*at]);
    for at in &order {
        taps += loads[*at].taps;
        let since = u64::from(seconds[*at] - first);
        due[*at] = match pace {
            Pace::AtOnce => Duration::ZERO,
            Pace::Rate(rate, Curve::Flat) => rate.time_of(taps),
            Pace::Rate(rate, Curve::RushHour) => part(rate.time_of(total), since, u64::from(last - first)),
            Pace::Speed(speed) => part(Duration::from_secs(since), 1, speed.into()),
        };
    }
    if let Some(burst) = burst {
        hold_back(loads, &mut due, burst.max(1));
    }
    order.sort_by_key(|at| (due[*at], *at));
    order.into_iter().map(|at| (due[at], at)).collect()
}

/// The times of the pieces, none before that of an earlier piece of its city.
fn non_decreasing(loads: &[Load]) -> Vec<u32> {
    let mut latest: BTreeMap<City, u32> = BTreeMap::new();
    let one = |load: &Load| {
        let latest = latest.entry(load.city).or_default();
        *latest = load.second.max(*latest);
        *latest
    };
    loads.iter().map(one).collect()
}

/// Every piece of a group is due when the last one of it is.
fn hold_back(loads: &[Load], due: &mut [Duration], burst: usize) {
    let mut of_city: BTreeMap<City, Vec<usize>> = BTreeMap::new();
    for (at, load) in loads.iter().enumerate() {
        of_city.entry(load.city).or_default().push(at);
    }
    for pieces in of_city.values() {
        for group in pieces.chunks(burst) {
            let last = group.iter().map(|at| due[*at]).max().unwrap_or_default();
            group.iter().for_each(|at| due[*at] = last);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(city: &str, taps: u64, second: u32) -> Load {
        Load { city: city.parse().unwrap(), taps, second }
    }

    fn rate(text: &str) -> Rate {
        match text.parse().unwrap() {
            Wanted::Rate(rate) => rate,
            Wanted::Max => panic!("no rate"),
        }
    }

    fn millis(schedule: &[(Duration, usize)]) -> Vec<(u128, usize)> {
        schedule.iter().map(|(due, at)| (due.as_millis(), *at)).collect()
    }

    /// Two cities with a quiet night and a rush hour at eight.
    fn day() -> Vec<Load> {
        vec![
            load("cu-2000", 100, 3_600),
            load("cu-2000", 100, 28_800),
            load("cu-2000", 100, 30_600),
            load("cu-3000", 100, 27_000),
            load("cu-3000", 100, 32_400),
        ]
    }

    #[test]
    fn a_flat_rate_is_kept_over_all_cities_whatever_the_time_of_the_taps() {
        let found = schedule(&day(), Pace::Rate(rate("1000/s"), Curve::Flat), None);
        assert_eq!(millis(&found), [(100, 0), (200, 3), (300, 1), (400, 2), (500, 4)]);
    }

    #[test]
    fn a_rush_hour_has_the_same_average_and_the_shape_of_the_day() {
        let found = schedule(&day(), Pace::Rate(rate("1000/s"), Curve::RushHour), None);
        // 500 ms for the 28,800 s from one to nine o'clock.
        assert_eq!(millis(&found), [(0, 0), (406, 3), (437, 1), (468, 2), (500, 4)]);
    }

    #[test]
    fn a_speed_shortens_the_day() {
        let found = schedule(&day(), Pace::Speed(3_600), None);
        assert_eq!(millis(&found), [(0, 0), (6_500, 3), (7_000, 1), (7_500, 2), (8_000, 4)]);
    }

    #[test]
    fn bursts_hold_back_what_a_city_hands_in_together() {
        let found = schedule(&day(), Pace::Rate(rate("1000/s"), Curve::Flat), Some(2));
        assert_eq!(millis(&found), [(300, 0), (300, 1), (400, 2), (500, 3), (500, 4)]);
    }

    #[test]
    fn the_pieces_of_a_city_stay_in_order_even_if_their_times_do_not() {
        let loads = [load("cu-2000", 10, 900), load("cu-2000", 10, 0), load("cu-3000", 10, 500)];
        for pace in [Pace::Rate(rate("10/s"), Curve::RushHour), Pace::Speed(100), Pace::AtOnce] {
            let order: Vec<usize> = schedule(&loads, pace, None).iter().map(|(_, at)| *at).collect();
            let place = |piece| order.iter().position(|at| *at == piece).unwrap();
            assert!(place(0) < place(1), "{pace:?}: {order:?}");
        }
    }

    #[test]
    fn nothing_and_one_piece_have_a_schedule_too() {
        assert_eq!(schedule(&[], Pace::AtOnce, Some(3)), []);
        let one = [load("cu-2000", 60, 5)];
        assert_eq!(millis(&schedule(&one, Pace::Rate(rate("60/min"), Curve::Flat), None)), [(60_000, 0)]);
        assert_eq!(millis(&schedule(&one, Pace::Speed(60), None)), [(0, 0)]);
    }

    #[test]
    fn rates_are_spelled_with_their_time() {
        assert_eq!(rate("5000"), rate("5000/s"));
        assert_eq!(rate("60/min").time_of(1), Duration::from_secs(1));
        assert_eq!("max".parse(), Ok(Wanted::Max));
        for wrong in ["", "0/s", "-1", "5000/d", "5.5/s", "s"] {
            assert_eq!(wrong.parse::<Wanted>(), Err(RateError), "{wrong}");
        }
    }
}
