//! What the tests of this crate share.

use zerocopy::FromZeros;

use crate::{
    city::City,
    date::{Date, LocalTime},
    rulebook::Rulebook,
    tap::Tap,
};

pub(crate) fn city(text: &str) -> City {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

pub(crate) fn date(text: &str) -> Date {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

pub(crate) fn time(text: &str) -> LocalTime {
    LocalTime::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

pub(crate) fn rulebook(toml: &str) -> Rulebook {
    Rulebook::parse(toml.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{toml}"))
}

/// The bytes of hex digits; spaces are for the reader.
pub(crate) fn hex<const N: usize>(text: &str) -> [u8; N] {
    let digits: Vec<u8> =
        text.chars().filter_map(|c| c.to_digit(16)).filter_map(|digit| u8::try_from(digit).ok()).collect();
    let (pairs, rest) = digits.as_chunks::<2>();
    assert!(rest.is_empty() && pairs.len() == N, "{text} is not {N} bytes");
    std::array::from_fn(|index| pairs[index][0] << 4 | pairs[index][1])
}

/// The purchase of the published vectors: 2.00 yuan at terminal 364001000748.
pub(crate) fn tap() -> Tap {
    let tapped_at = time("2024-01-02T03:04:05");
    let mut tap = Tap::new_zeroed();
    tap.terminal = hex("364001000748");
    tap.terminal_seq = 0x123.into();
    tap.card = hex("0000000012345678");
    tap.type_byte = 0x06;
    tap.amount_fen = 200.into();
    tap.fare_fen = 200.into();
    tap.tapped_day = tapped_at.date.julian_day().into();
    tap.tapped_second = tapped_at.second.into();
    tap.key_version = 1;
    tap
}
