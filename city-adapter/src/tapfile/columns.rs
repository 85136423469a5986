//! The columns of `cityunion-tap/1` and the one spelling that each allows.

use domain::{
    city::City,
    date::{Date, LocalTime},
    tap::{Algorithm, Medium, Product, Sector, Tap},
};

use crate::fields::Fields;

/// The header of the layout, exactly.
pub const HEADER: &str = "terminal,terminal_seq,issuer,card,card_counter,type,amount_fen,fare_fen,tapped_at,\
medium,sector,product,operator,line,station,key_version,algorithm,tac";

/// The longest free text, in bytes.
pub const TEXT_LEN_MAX: usize = 64;

/// The columns by their place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Column {
    /// Terminal (PSAM) number.
    Terminal,
    /// Terminal transaction sequence.
    TerminalSeq,
    /// Home city of the card.
    Issuer,
    /// Application serial of the card.
    Card,
    /// The card's transaction counter.
    CardCounter,
    /// Transaction type.
    Type,
    /// Deducted amount.
    AmountFen,
    /// Fare before discount.
    FareFen,
    /// Local time of the tap.
    TappedAt,
    /// What was held to the reader.
    Medium,
    /// Where the card was used.
    Sector,
    /// How the fare was made.
    Product,
    /// Operator, free text.
    Operator,
    /// Line, free text.
    Line,
    /// Station, free text.
    Station,
    /// Key version of the cryptogram.
    KeyVersion,
    /// Algorithm of the cryptogram.
    Algorithm,
    /// The cryptogram.
    Tac,
}

impl Column {
    /// All columns, in their order.
    pub const ALL: [Self; 18] = [
        Self::Terminal,
        Self::TerminalSeq,
        Self::Issuer,
        Self::Card,
        Self::CardCounter,
        Self::Type,
        Self::AmountFen,
        Self::FareFen,
        Self::TappedAt,
        Self::Medium,
        Self::Sector,
        Self::Product,
        Self::Operator,
        Self::Line,
        Self::Station,
        Self::KeyVersion,
        Self::Algorithm,
        Self::Tac,
    ];

    /// The name that the header gives it.
    #[must_use]
    pub fn name(self) -> &'static str {
        HEADER.split(',').nth(self.index()).unwrap_or_default()
    }

    /// Its place, 0-based.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self as u8)
    }

    /// The column of a name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|column| column.name() == name)
    }

    /// What the column must look like, for the person who has to mend the line.
    #[must_use]
    pub const fn expected(self) -> &'static str {
        match self {
            Self::Terminal => "expected 12 upper-case hex digits",
            Self::Card => "expected 16 upper-case hex digits",
            Self::Tac => "expected 8 upper-case hex digits",
            Self::TerminalSeq | Self::AmountFen | Self::FareFen => {
                "expected an integer from 0 to 4294967295 without leading zeros"
            }
            Self::CardCounter => "expected an integer from 0 to 65535 without leading zeros",
            Self::KeyVersion => "expected an integer from 0 to 255 without leading zeros",
            Self::Issuer => "expected a city such as cu-2000",
            Self::Type => "expected 06 or 09",
            Self::TappedAt => "expected a calendar time such as 2018-09-01T07:30:00",
            Self::Medium => "expected cpu or bank or sim or nfc or qr",
            Self::Sector => {
                "expected bus or metro or taxi or ferry or bike or parking or utility or scenic or library or \
                 school or retail"
            }
            Self::Product => "expected flat or distance or time or trips or pass",
            Self::Operator | Self::Line | Self::Station => "longer than 64 bytes",
            Self::Algorithm => "expected 3des or sm4",
        }
    }
}

/// Reads the fields of lines; remembers the last date and issuer, which mostly repeat.
#[derive(Default)]
pub struct ColumnReader {
    date: Option<([u8; 10], Date)>,
    issuer: Option<([u8; City::SPELLING_LEN], City)>,
}

impl ColumnReader {
    /// The tap in the fields of `line`.
    ///
    /// # Errors
    /// The first column, in column order, that is spelled otherwise than the contract says.
    pub fn tap(&mut self, line: &[u8], fields: &Fields, number: u32) -> Result<(City, Tap), Column> {
        let field = |column: Column| (fields.get(line, column.index()), column);
        let terminal = hex(field(Column::Terminal))?;
        let terminal_seq = u32_of(field(Column::TerminalSeq))?;
        let issuer = self.issuer(field(Column::Issuer))?;
        let card = hex(field(Column::Card))?;
        let card_counter: u16 = narrow(field(Column::CardCounter))?;
        let type_byte = type_byte(field(Column::Type))?;
        let amount_fen = u32_of(field(Column::AmountFen))?;
        let fare_fen = u32_of(field(Column::FareFen))?;
        let tapped_at = self.tapped_at(field(Column::TappedAt))?;
        let medium = word(field(Column::Medium), Medium::parse)?.index();
        let sector = word(field(Column::Sector), Sector::parse)?.index();
        let product = word(field(Column::Product), Product::parse)?.index();
        for (text, column) in [Column::Operator, Column::Line, Column::Station].map(field) {
            if text.len() > TEXT_LEN_MAX {
                return Err(column);
            }
        }
        let tap = Tap {
            line: number.into(),
            position: 0.into(),
            terminal,
            terminal_seq: terminal_seq.into(),
            card,
            card_counter: card_counter.into(),
            type_byte,
            medium,
            sector,
            product,
            amount_fen: amount_fen.into(),
            fare_fen: fare_fen.into(),
            tapped_day: tapped_at.date.julian_day().into(),
            tapped_second: tapped_at.second.into(),
            key_version: narrow(field(Column::KeyVersion))?,
            algorithm: word(field(Column::Algorithm), Algorithm::parse)?.index(),
            tac: hex(field(Column::Tac))?,
        };
        Ok((issuer, tap))
    }

    fn issuer(&mut self, (text, column): (&[u8], Column)) -> Result<City, Column> {
        match self.issuer {
            Some((last, city)) if text == last => Ok(city),
            _ => {
                let city = City::parse(text).map_err(|_| column)?;
                self.issuer = Some((city.spelling(), city));
                Ok(city)
            }
        }
    }

    fn tapped_at(&mut self, (text, column): (&[u8], Column)) -> Result<LocalTime, Column> {
        let (day, time) = text.split_first_chunk::<10>().ok_or(column)?;
        let date = match self.date {
            Some((last, date)) if *day == last => date,
            _ => {
                let date = Date::parse(day).map_err(|_| column)?;
                self.date = Some((*day, date));
                date
            }
        };
        let [b'T', h1, h2, b':', m1, m2, b':', s1, s2] = time else { return Err(column) };
        let two = |a: &u8, b: &u8| {
            let digits = a.is_ascii_digit() && b.is_ascii_digit();
            digits.then(|| (a - b'0') * 10 + (b - b'0')).ok_or(column)
        };
        LocalTime::new(date, two(h1, h2)?, two(m1, m2)?, two(s1, s2)?).map_err(|_| column)
    }
}

/// Exactly 2 × N upper-case hex digits.
fn hex<const N: usize>((text, column): (&[u8], Column)) -> Result<[u8; N], Column> {
    let (pairs, []) = text.as_chunks::<2>() else { return Err(column) };
    let pairs: &[[u8; 2]; N] = pairs.try_into().map_err(|_| column)?;
    let mut bytes = [0; N];
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = (nibble(*high).ok_or(column)? << 4) | nibble(*low).ok_or(column)?;
    }
    Ok(bytes)
}

/// The value of an upper-case hex digit.
pub fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// Decimal digits without sign, spaces or leading zeros.
fn u32_of((text, column): (&[u8], Column)) -> Result<u32, Column> {
    match text {
        [b'0'] => Ok(0),
        [b'1'..=b'9', rest @ ..] if rest.len() < 10 && rest.iter().all(u8::is_ascii_digit) => {
            let number = text.iter().fold(0_u64, |number, digit| number * 10 + u64::from(digit - b'0'));
            u32::try_from(number).map_err(|_| column)
        }
        _ => Err(column),
    }
}

fn narrow<N: TryFrom<u32>>(field: (&[u8], Column)) -> Result<N, Column> {
    N::try_from(u32_of(field)?).map_err(|_| field.1)
}

fn word<W>((text, column): (&[u8], Column), parse: impl Fn(&[u8]) -> Option<W>) -> Result<W, Column> {
    parse(text).ok_or(column)
}

fn type_byte((text, column): (&[u8], Column)) -> Result<u8, Column> {
    match text {
        b"06" => Ok(0x06),
        b"09" => Ok(0x09),
        _ => Err(column),
    }
}
