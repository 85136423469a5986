//! The terminals of a city and the taps on them: places, times and fares.

use std::sync::Arc;

use domain::{
    date::LocalTime,
    tap::{Medium, Product, Sector},
};

use crate::{dice::Dice, record::Texts};

/// What a terminal knows of a tap: everything but the card.
#[derive(Clone, Debug)]
pub(crate) struct Ride {
    pub(crate) terminal: [u8; 6],
    pub(crate) terminal_seq: u32,
    pub(crate) type_byte: u8,
    pub(crate) medium: Medium,
    pub(crate) sector: Sector,
    pub(crate) product: Product,
    pub(crate) amount_fen: u32,
    pub(crate) fare_fen: u32,
    pub(crate) tapped_at: LocalTime,
    pub(crate) texts: Texts,
    /// The terminal belongs to another participant, or to none.
    pub(crate) foreign: bool,
}

/// A card reader.
struct Terminal {
    number: [u8; 6],
    next_seq: u32,
    sector: Sector,
    texts: Texts,
}

/// All terminals of a city.
pub(crate) struct Tapper {
    terminals: Vec<Terminal>,
}

/// The sectors that terminals are in, as often as they stand here.
const SECTORS: [Sector; 24] = {
    use Sector as S;
    [
        S::Bus,
        S::Metro,
        S::Bus,
        S::Bus,
        S::Metro,
        S::Taxi,
        S::Bus,
        S::Ferry,
        S::Metro,
        S::Bike,
        S::Bus,
        S::Parking,
        S::Metro,
        S::Utility,
        S::Bus,
        S::Scenic,
        S::Bus,
        S::Library,
        S::Metro,
        S::School,
        S::Bus,
        S::Retail,
        S::Retail,
        S::Taxi,
    ]
};

/// The media, as often as they are used.
const MEDIA: [Medium; 10] = {
    use Medium as M;
    [M::Cpu, M::Cpu, M::Cpu, M::Cpu, M::Cpu, M::Nfc, M::Nfc, M::Sim, M::Bank, M::Qr]
};

/// Taps by hour of the day, two rush hours.
const HOURS: [u32; 24] =
    [3, 1, 0, 0, 2, 14, 48, 96, 88, 56, 44, 46, 50, 48, 44, 48, 62, 92, 98, 68, 48, 40, 26, 12];

/// Per cent of the fare that is deducted.
const DISCOUNTS: [u32; 12] = [100, 100, 100, 100, 100, 100, 95, 95, 90, 80, 80, 50];

const STATIONS: [&str; 16] = [
    "人民广场",
    "火车站",
    "市政府",
    "体育中心",
    "大学城",
    "中山路",
    "会展中心",
    "机场",
    "客运中心",
    "",
    "东门, 2号口",
    "老街\"夜市\"",
    "International Airport T2",
    "科技园",
    "这个站的名字很长正好六十四个字节没有空余的x",
    "Güell",
];

impl Tapper {
    /// `count` terminals with numbers under `prefixes` (upper-case hex), numbered from `first`.
    pub(crate) fn new(prefixes: &[String], name_zh: &str, first: u32, count: u32, dice: &mut Dice) -> Self {
        let terminals = (first..first.saturating_add(count)).map(|number| {
            let place = usize::try_from(number).unwrap_or(0);
            let sector = SECTORS[place % SECTORS.len()];
            Terminal {
                number: terminal_number(&prefixes[place % prefixes.len()], number),
                next_seq: if number == first { 0 } else { dice.below(1 << 24) },
                sector,
                texts: Arc::new(texts(sector, name_zh, dice)),
            }
        });
        Self { terminals: terminals.collect() }
    }

    /// The next tap on any of the terminals.
    pub(crate) fn ride(&mut self, tapped_at: LocalTime, dice: &mut Dice) -> Ride {
        let at = dice.index(self.terminals.len());
        let terminal = &mut self.terminals[at];
        let terminal_seq = terminal.next_seq;
        terminal.next_seq = terminal_seq.wrapping_add(1);
        ride(terminal.number, terminal_seq, terminal.sector, terminal.texts.clone(), tapped_at, dice)
    }

    /// Tap number `number` of all taps ever, when they go round the terminals in turn: what
    /// terminal and sequence it has follows from the number alone.
    pub(crate) fn ride_in_turn(&self, number: u64, tapped_at: LocalTime, dice: &mut Dice) -> Ride {
        let count = u64::try_from(self.terminals.len()).unwrap_or(1);
        let terminal = &self.terminals[usize::try_from(number % count).unwrap_or(0)];
        let seq = u32::try_from(number / count).unwrap_or(u32::MAX);
        ride(terminal.number, seq, terminal.sector, terminal.texts.clone(), tapped_at, dice)
    }
}

fn ride(
    terminal: [u8; 6],
    terminal_seq: u32,
    sector: Sector,
    texts: Texts,
    tapped_at: LocalTime,
    dice: &mut Dice,
) -> Ride {
    let (product, fare_fen) = fare(sector, dice);
    let amount_fen = match product {
        Product::Pass => 0,
        _ => fare_fen / 100 * dice.pick(&DISCOUNTS) + fare_fen % 100,
    };
    let compound = sector == Sector::Metro || product == Product::Distance;
    Ride {
        terminal,
        terminal_seq,
        type_byte: if compound { 0x09 } else { 0x06 },
        medium: dice.pick(&MEDIA),
        sector,
        product,
        amount_fen,
        fare_fen,
        tapped_at,
        texts,
        foreign: false,
    }
}

/// A terminal number: a prefix and decimal digits.
pub(crate) fn terminal_number(prefix: &str, number: u32) -> [u8; 6] {
    let digits = 12_usize.saturating_sub(prefix.len());
    let hex = u64::from_str_radix(&format!("{prefix}{number:0digits$}"), 16).unwrap_or(0);
    let [_, _, a, b, c, d, e, f] = hex.to_be_bytes();
    [a, b, c, d, e, f]
}

fn texts(sector: Sector, name_zh: &str, dice: &mut Dice) -> [String; 3] {
    let number = dice.below(20) + 1;
    let station = dice.pick(&STATIONS).to_owned();
    match sector {
        Sector::Bus => [format!("{name_zh}公交"), format!("{number}路"), String::new()],
        Sector::Metro => [format!("{name_zh}地铁"), format!("{number}号线"), station],
        Sector::Ferry => [format!("{name_zh}轮渡"), String::new(), station],
        Sector::Bike => [String::new(), String::new(), station],
        other => [format!("{name_zh} {}", other.word()), String::new(), station],
    }
}

/// How the fare is made and what it is before discount, fen. A few rides cost nothing.
fn fare(sector: Sector, dice: &mut Dice) -> (Product, u32) {
    let mut steps = |least: u32, step: u32, count: u32| least + step * dice.below(count);
    let (product, fare_fen) = match sector {
        Sector::Bus => (Product::Flat, steps(100, 50, 5)),
        Sector::Metro => (Product::Distance, steps(200, 100, 9)),
        Sector::Taxi => (Product::Distance, steps(1_100, 30, 200)),
        Sector::Ferry => (Product::Trips, steps(200, 100, 3)),
        Sector::Bike => (Product::Time, steps(50, 50, 6)),
        Sector::Parking => (Product::Time, steps(500, 250, 20)),
        Sector::Utility => (Product::Flat, steps(1_000, 7, 3_000)),
        Sector::Scenic => (Product::Flat, steps(1_500, 500, 30)),
        Sector::Library => (Product::Flat, steps(0, 10, 4)),
        Sector::School => (Product::Flat, steps(50, 5, 300)),
        Sector::Retail => (Product::Flat, steps(101, 1, 9_000)),
    };
    match (sector, dice.below(20)) {
        (Sector::Bus | Sector::Metro, 0) => (Product::Pass, fare_fen),
        (Sector::Bus, 1 | 2) => (Product::Trips, fare_fen),
        (Sector::Bus, 3 | 4) => (Product::Distance, fare_fen),
        (Sector::Metro, 1) => (Product::Time, fare_fen),
        _ => (product, fare_fen),
    }
}

/// The second of the day of record `at` of `count`, somewhere in its share of the day: later
/// records are not earlier.
pub(crate) fn second_of_day(at: u64, count: u64, dice: &mut Dice) -> u32 {
    const GRAIN: u64 = 3_600;
    let day: u64 = HOURS.iter().map(|weight| u64::from(*weight) * GRAIN).sum();
    let place =
        |at: u64| u64::try_from(u128::from(at) * u128::from(day) / u128::from(count.max(1))).unwrap_or(0);
    let (from, to) = (place(at), place(at + 1));
    let room = u32::try_from(to - from).unwrap_or(u32::MAX);
    let mut rest = (from + u64::from(dice.below(room))).min(day - 1);
    for (hour, weight) in (0..).zip(HOURS) {
        let share = u64::from(weight) * GRAIN;
        if rest < share {
            return hour * 3_600 + u32::try_from(rest / u64::from(weight)).unwrap_or(0);
        }
        rest -= share;
    }
    86_399
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_runs_forward_and_stays_within_itself() {
        for count in [1, 2, 7, 1_000, 200_000] {
            let mut dice = Dice::new(3, 3);
            let mut last = 0;
            for at in 0..count {
                let second = second_of_day(at, count, &mut dice);
                assert!((last..86_400).contains(&second), "{at} of {count}: {second} after {last}");
                last = second;
            }
        }
    }

    #[test]
    fn nobody_pays_more_than_the_fare_and_texts_fit() {
        let mut dice = Dice::new(3, 4);
        let mut tapper = Tapper::new(&["2000".to_owned(), "20007".to_owned()], "上海", 0, 500, &mut dice);
        let noon = LocalTime::parse(b"2018-09-01T12:00:00").unwrap();
        let rides: Vec<Ride> = (0..20_000).map(|_| tapper.ride(noon, &mut dice)).collect();
        assert!(rides.iter().all(|ride| ride.amount_fen <= ride.fare_fen));
        assert!(
            rides.iter().any(|ride| ride.amount_fen == 0)
                && rides.iter().any(|ride| ride.amount_fen < ride.fare_fen)
        );
        assert!(rides.iter().all(|ride| ride.texts.iter().all(|text| text.len() <= 64)));
        assert!(rides.iter().any(|ride| ride.texts.iter().any(|text| text.len() == 64)));
        assert!(Sector::ALL.iter().all(|sector| rides.iter().any(|ride| ride.sector == *sector)));
    }
}
