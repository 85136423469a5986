//! One tap in the fixed 52-byte layout in which it travels from the adapter to the book.
//!
//! The layout is part of the wire contract (`proto/cityunion/v1/log.proto`): little-endian,
//! packed, no padding. Fixed bytes are read in place, a thousand times faster than fields.

use zerocopy::{
    FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned,
    little_endian::{I32, U16, U32},
};

use crate::date::{Date, LocalTime};

/// The length in bytes of a [`Tap`].
pub const TAP_LEN: usize = 52;

/// One presented tap, without its home city (which its part of the batch names) and without the
/// free texts (which travel beside it).
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Tap {
    /// Physical line in its file, 1-based (the header is line 1).
    pub line: U32,
    /// Place in its batch in file order, 0-based; every place occurs once in a batch.
    pub position: U16,
    /// Terminal (PSAM) number.
    pub terminal: [u8; 6],
    /// Terminal transaction sequence.
    pub terminal_seq: U32,
    /// Application serial of the card, the key factor.
    pub card: [u8; 8],
    /// The card's transaction counter.
    pub card_counter: U16,
    /// Transaction type byte as the card signed it: `0x06` purchase, `0x09` compound purchase.
    pub type_byte: u8,
    /// [`Medium`] as its index.
    pub medium: u8,
    /// [`Sector`] as its index.
    pub sector: u8,
    /// [`Product`] as its index.
    pub product: u8,
    /// Deducted amount, fen.
    pub amount_fen: U32,
    /// Fare before discount, fen.
    pub fare_fen: U32,
    /// Local date of the tap, Julian day number.
    pub tapped_day: I32,
    /// Local time of the tap, seconds since midnight.
    pub tapped_second: U32,
    /// Key version of the cryptogram.
    pub key_version: u8,
    /// [`Algorithm`] as its index.
    pub algorithm: u8,
    /// The cryptogram.
    pub tac: [u8; 4],
}

const _: () = assert!(size_of::<Tap>() == TAP_LEN);

/// The first byte of the content: everything but line and position.
const CONTENT_START: usize = 6;

/// The length in bytes of [`Tap::content_bytes`].
pub const CONTENT_LEN: usize = TAP_LEN - CONTENT_START;

impl Tap {
    /// Local time of the tap.
    #[must_use]
    pub fn tapped_at(&self) -> LocalTime {
        LocalTime { date: Date::from_julian_day(self.tapped_day.get()), second: self.tapped_second.get() }
    }

    /// Every column of the tap file except operator, line and station, and the issuer.
    #[must_use]
    pub fn content_bytes(&self) -> &[u8] {
        &self.as_bytes()[CONTENT_START..]
    }

    /// Terminal number as a number, big-endian, for ordered look-ups.
    #[must_use]
    pub fn terminal_number(&self) -> u64 {
        let [a, b, c, d, e, f] = self.terminal;
        u64::from_be_bytes([0, 0, a, b, c, d, e, f])
    }

    /// The taps in a part's bytes; `None` if their length is no multiple of [`TAP_LEN`].
    #[must_use]
    pub fn slice(bytes: &[u8]) -> Option<&[Self]> {
        <[Self]>::ref_from_bytes(bytes).ok()
    }
}

/// A closed list of words, written as the contract spells them and carried as an index.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum $name { $(#[doc = concat!("`", $word, "`")] $variant),+ }

        impl $name {
            /// All of them, in index order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word of the contract.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// The index that travels.
            #[must_use]
            pub const fn index(self) -> u8 { self as u8 }

            /// The word of an index; `None` beyond the list.
            #[must_use]
            pub fn from_index(index: u8) -> Option<Self> {
                Self::ALL.get(usize::from(index)).copied()
            }

            /// Reads the word; `None` if it is not in the list.
            #[must_use]
            pub fn parse(text: &[u8]) -> Option<Self> {
                $(if text == $word.as_bytes() { return Some(Self::$variant); })+
                None
            }
        }
    };
}

words! {
    /// What the traveller held to the reader.
    Medium { Cpu = "cpu", Bank = "bank", Sim = "sim", Nfc = "nfc", Qr = "qr" }
}
words! {
    /// Where the card was used.
    Sector {
        Bus = "bus", Metro = "metro", Taxi = "taxi", Ferry = "ferry", Bike = "bike", Parking = "parking",
        Utility = "utility", Scenic = "scenic", Library = "library", School = "school", Retail = "retail",
    }
}
words! {
    /// How the fare was made.
    Product { Flat = "flat", Distance = "distance", Time = "time", Trips = "trips", Pass = "pass" }
}
words! {
    /// The cryptogram's algorithm.
    Algorithm { TripleDes = "3des", Sm4 = "sm4" }
}

/// The kind of movement a record makes, the column `kind` of positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// The home city pays the acquirer.
    Purchase = 0,
    /// The city that took the cash owes the home city.
    Load = 1,
    /// A purchase taken back.
    PurchaseReversal = 2,
    /// A load taken back.
    LoadReversal = 3,
}

impl Kind {
    /// All kinds, in index order. Positions sort them by [`Kind::name`].
    pub const ALL: [Self; 4] = [Self::Purchase, Self::Load, Self::PurchaseReversal, Self::LoadReversal];

    /// The word of the contract.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Purchase => "purchase",
            Self::Load => "load",
            Self::PurchaseReversal => "purchase_reversal",
            Self::LoadReversal => "load_reversal",
        }
    }

    /// The kind that a card's transaction type byte makes; `None` for a type that is no movement.
    #[must_use]
    pub const fn of_type(type_byte: u8) -> Option<Self> {
        match type_byte {
            0x06 | 0x09 => Some(Self::Purchase),
            _ => None,
        }
    }
}
