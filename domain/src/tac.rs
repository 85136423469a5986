//! The cryptogram that makes an offline tap payable: keys of a card and the TAC itself.
//!
//! A city's master key becomes, by the city's factor, the city key and, by the card's serial, the
//! card key. The card signs amount, type, terminal, sequence and time with it. The rule for 3DES is
//! the published one of the purse; the rule for SM4 is ours, until an official one is known.

use des::{
    Des, TdesEde2,
    cipher::{Block, BlockCipherEncrypt, KeyInit},
};
use sm4::Sm4;

use crate::{
    city::{City, Scheme},
    date::LocalTime,
    tap::{Algorithm, Tap},
};

/// A double-length DES key or an SM4 key.
pub type Key = [u8; 16];

/// The cryptogram.
pub type Tac = [u8; 4];

/// The factor that turns a master key into a city's key.
#[must_use]
pub fn city_factor(city: City) -> [u8; 8] {
    let [a, b] = city.code_bytes();
    match city.scheme() {
        Scheme::CityUnion => [a, b, 0xFF, 0, 0, 0, 0, 0],
        Scheme::TUnion => [0, 0, 0, 0, 0, 0, a, b],
    }
}

/// One diversification step: the key of whoever the factor names.
#[must_use]
pub fn diversify(algorithm: Algorithm, key: &Key, factor: [u8; 8]) -> Key {
    CityCipher::new(algorithm, key).diversify(factor)
}

/// What a purchase's TAC covers, 22 bytes.
#[must_use]
pub fn purchase_input(tap: &Tap) -> [u8; 22] {
    let mut input = [0; 22];
    input[..4].copy_from_slice(&tap.amount_fen.get().to_be_bytes());
    input[4] = tap.type_byte;
    input[5..11].copy_from_slice(&tap.terminal);
    input[11..15].copy_from_slice(&tap.terminal_seq.get().to_be_bytes());
    input[15..].copy_from_slice(&bcd_time(tap.tapped_at()));
    input
}

/// What a load's TAC covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadInput {
    /// The balance after the load, fen.
    pub balance_fen: u32,
    /// The card's online transaction sequence.
    pub online_sequence: u16,
    /// The amount loaded, fen.
    pub amount_fen: u32,
    /// Transaction type byte, `0x02`.
    pub type_byte: u8,
    /// Terminal (PSAM) number.
    pub terminal: [u8; 6],
    /// Local time of the load.
    pub loaded_at: LocalTime,
}

/// The TAC of a purchase, by the card's key.
#[must_use]
pub fn purchase_tac(algorithm: Algorithm, card_key: &Key, tap: &Tap) -> Tac {
    tac(algorithm, card_key, &purchase_input(tap))
}

/// The TAC of a load, by the card's key.
#[must_use]
pub fn load_tac(algorithm: Algorithm, card_key: &Key, load: &LoadInput) -> Tac {
    let mut input = [0; 24];
    input[..4].copy_from_slice(&load.balance_fen.to_be_bytes());
    input[4..6].copy_from_slice(&load.online_sequence.to_be_bytes());
    input[6..10].copy_from_slice(&load.amount_fen.to_be_bytes());
    input[10] = load.type_byte;
    input[11..17].copy_from_slice(&load.terminal);
    input[17..].copy_from_slice(&bcd_time(load.loaded_at));
    tac(algorithm, card_key, &input)
}

/// The session key of an online step: the card's key applied to random, counter and terminal bytes.
#[must_use]
pub fn session_key(card_key: &Key, input: [u8; 8]) -> [u8; 8] {
    let mut block = Block::<TdesEde2>::from(input);
    TdesEde2::new(card_key.into()).encrypt_block(&mut block);
    block.into()
}

/// The code under a single-length session key (MAC1, MAC2): DES-CBC, first half of the last block.
#[must_use]
pub fn session_mac(session_key: [u8; 8], message: &[u8]) -> Tac {
    cbc_tac(&Des::new(&session_key.into()), message)
}

/// A cryptogram over `input`, by the card's key.
fn tac(algorithm: Algorithm, card_key: &Key, input: &[u8]) -> Tac {
    match algorithm {
        Algorithm::TripleDes => {
            let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = *card_key;
            let single = [a ^ i, b ^ j, c ^ k, d ^ l, e ^ m, f ^ n, g ^ o, h ^ p];
            session_mac(single, input)
        }
        Algorithm::Sm4 => cbc_tac(&Sm4::new(card_key.into()), input),
    }
}

/// CBC with a zero start over the input padded `80 00…`; the first 4 bytes of the last block.
fn cbc_tac<C: BlockCipherEncrypt>(cipher: &C, input: &[u8]) -> Tac {
    let mut state = Block::<C>::default();
    let mut blocks = input.chunks_exact(state.len());
    for block in &mut blocks {
        state.iter_mut().zip(block).for_each(|(s, b)| *s ^= b);
        cipher.encrypt_block(&mut state);
    }
    // The padding always adds its 80, so a full last block is followed by one of padding alone.
    let rest = blocks.remainder();
    state.iter_mut().zip(rest.iter().chain(&[0x80])).for_each(|(s, b)| *s ^= b);
    cipher.encrypt_block(&mut state);
    [state[0], state[1], state[2], state[3]]
}

/// A local time as the card signs it: `YYYYMMDDHHMMSS` in BCD.
fn bcd_time(time: LocalTime) -> [u8; 7] {
    let (year, month, day) = time.date.ymd();
    let (hour, minute, second) = time.hms();
    let bcd = |n: u8| ((n / 10) << 4) | (n % 10);
    let part = |n: u16| u8::try_from(n).map_or(0, bcd);
    [part(year / 100), part(year % 100), bcd(month), bcd(day), bcd(hour), bcd(minute), bcd(second)]
}

/// A city's (or a master) key with its schedule ready, to derive the keys below it.
#[derive(Clone)]
pub(crate) enum CityCipher {
    /// Double-length DES.
    TripleDes(Box<TdesEde2>),
    /// SM4.
    Sm4(Box<Sm4>),
}

impl CityCipher {
    pub(crate) fn new(algorithm: Algorithm, key: &Key) -> Self {
        match algorithm {
            Algorithm::TripleDes => Self::TripleDes(Box::new(TdesEde2::new(key.into()))),
            Algorithm::Sm4 => Self::Sm4(Box::new(Sm4::new(key.into()))),
        }
    }

    /// The key for a factor: the factor and its complement, encrypted.
    pub(crate) fn diversify(&self, factor: [u8; 8]) -> Key {
        let mut key = [0; 16];
        let (left, right) = key.split_at_mut(8);
        left.copy_from_slice(&factor);
        right.copy_from_slice(&factor.map(|byte| !byte));
        match self {
            Self::TripleDes(cipher) => {
                for half in key.as_chunks_mut::<8>().0 {
                    cipher.encrypt_block(half.into());
                }
            }
            Self::Sm4(cipher) => cipher.encrypt_block((&mut key).into()),
        }
        key
    }

    /// The purchase TAC of the card with that serial.
    pub(crate) fn purchase_tac(&self, tap: &Tap) -> Tac {
        let algorithm = match self {
            Self::TripleDes(_) => Algorithm::TripleDes,
            Self::Sm4(_) => Algorithm::Sm4,
        };
        purchase_tac(algorithm, &self.diversify(tap.card), tap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{city, hex, tap, time};

    const MASTER: &str = "0123456789ABCDEF FEDCBA9876543210";

    fn card_key(algorithm: Algorithm, home: &str) -> Key {
        let city_key = diversify(algorithm, &hex(MASTER), city_factor(city(home)));
        diversify(algorithm, &city_key, hex("0000000012345678"))
    }

    #[test]
    fn published_session_key_and_codes() {
        let session = session_key(&hex("1122334455667788 8877665544332211"), hex("1122334400000001"));
        assert_eq!(session, hex("003238ABC57659DD"));
        let message: [u8; 18] = hex("00001000 06 001122334455 20120229135100");
        assert_eq!(session_mac(session, &message), hex("F15CAB75"));
        assert_eq!(session_mac(session, &hex::<4>("00001000")), hex("56988A13"));
    }

    #[test]
    fn purchase_under_a_published_key() {
        let mut tap = tap();
        let tapped_at = time("2012-02-29T13:51:00");
        tap.amount_fen = 0x1000.into();
        tap.terminal = hex("001122334455");
        tap.terminal_seq = 1.into();
        tap.tapped_day = tapped_at.date.julian_day().into();
        tap.tapped_second = tapped_at.second.into();
        assert_eq!(purchase_input(&tap), hex("00001000 06 001122334455 00000001 20120229 135100"));
        let key = hex("0011223344556677 8899AABBCCDDEEFF");
        assert_eq!(purchase_tac(Algorithm::TripleDes, &key, &tap), hex("B3A0D49C"));
    }

    #[test]
    fn keys_diversify_by_city_then_card() {
        let city_key = diversify(Algorithm::TripleDes, &hex(MASTER), city_factor(city("cu-2000")));
        assert_eq!(city_key, hex("03BF54ADF4B5631B 9FD8897247986FA4"));
        assert_eq!(card_key(Algorithm::TripleDes, "cu-2000"), hex("D0CFA1621E5D43FD EC26220A69A166F8"));
        assert_eq!(city_factor(city("cu-A004")), hex("A004FF0000000000"));
        assert_eq!(city_factor(city("tu-2900")), hex("0000000000002900"));
    }

    /// The example of the national standard of SM4, which is one diversification step.
    #[test]
    fn sm4_diversifies_as_the_standard_encrypts() {
        let key = diversify(Algorithm::Sm4, &hex(MASTER), hex("0123456789ABCDEF"));
        assert_eq!(key, hex("681EDF34D206965E 86B3E94F536E4246"));
    }

    #[test]
    fn purchases_of_both_schemes_and_algorithms() {
        // The first is published with the key facts; the others were computed with OpenSSL.
        let cases = [
            (Algorithm::TripleDes, "cu-2000", "65DC916F"),
            (Algorithm::TripleDes, "tu-2900", "E66D28FA"),
            (Algorithm::Sm4, "cu-2000", "A10BBDA3"),
            (Algorithm::Sm4, "tu-2900", "3ACD1A39"),
        ];
        for (algorithm, home, expected) in cases {
            let found = purchase_tac(algorithm, &card_key(algorithm, home), &tap());
            assert_eq!(found, hex(expected), "{algorithm:?} {home}");
        }
    }

    #[test]
    fn loads() {
        let load = LoadInput {
            balance_fen: 5000,
            online_sequence: 1,
            amount_fen: 2000,
            type_byte: 0x02,
            terminal: hex("364001000748"),
            loaded_at: time("2024-01-02T03:04:05"),
        };
        let key = hex("0011223344556677 8899AABBCCDDEEFF");
        // 24 bytes fill their blocks, so 3DES sees a whole block of padding. Computed with OpenSSL.
        assert_eq!(load_tac(Algorithm::TripleDes, &key, &load), hex("57C4C2BB"));
        assert_eq!(load_tac(Algorithm::Sm4, &key, &load), hex("10421255"));
    }

    #[test]
    fn equal_key_halves_are_legal() {
        let key = hex("0123456789ABCDEF 0123456789ABCDEF");
        assert_eq!(purchase_tac(Algorithm::TripleDes, &key, &tap()), hex("0F37F06E"));
    }
}
