//! The cities and the versions of the rules, as text for the code under test and as plain terms for the
//! reference.

use std::{fmt::Write, sync::Arc};

use domain::{city::City, rulebook::Rulebook};

/// How many partitions the book has.
pub const PARTITIONS: u32 = 2;
/// How many cities present taps; all of them are home cities too.
pub const ACQUIRERS: usize = 3;
/// How many home cities there are.
pub const ISSUERS: usize = 4;
/// The city that is paid for the metro over an account of its own.
pub const BY_SECTOR: usize = 0;
/// Julian day of the first business date, 2018-09-01.
pub const FIRST_DATE: i32 = 2_458_363;
/// The longest presentment window.
const DAYS_MAX: u32 = 6;

/// The cities by index: the first three present taps; two schemes.
pub fn city(index: usize) -> City {
    const NAMES: [&[u8; 7]; ISSUERS] = [b"cu-2000", b"cu-5180", b"tu-2000", b"cu-3100"];
    City::parse(NAMES[index]).unwrap()
}

/// All acquirers.
pub fn acquirers() -> impl Iterator<Item = City> {
    (0..ACQUIRERS).map(city)
}

/// The index of a city.
pub fn index_of(wanted: City) -> usize {
    (0..ISSUERS).find(|index| city(*index) == wanted).unwrap()
}

/// The city of a name.
pub fn parse(name: &str) -> City {
    (0..ISSUERS).map(city).find(|city| city.spelling() == *name.as_bytes()).unwrap()
}

/// The partition that keeps a city's taps, by the table of the first rulebook.
pub fn partition_of(of: City) -> u32 {
    u32::from(of == city(1))
}

/// First byte of the terminals of a prefix.
pub fn terminal_byte(prefix: usize) -> u8 {
    0xA0 + u8::try_from(prefix).unwrap()
}

/// How a home city stands under a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Member,
    Left,
    Suspended,
}

/// What a version of the rules says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    pub version: u32,
    pub days: u32,
    /// Owner of each terminal prefix.
    pub owners: [Option<usize>; 3],
    pub standing: [Standing; ISSUERS],
    pub per_record: bool,
    /// The partition of each city.
    pub places: [u32; ISSUERS],
}

/// A version with its bytes.
#[derive(Clone, Debug)]
pub struct Document {
    pub terms: Terms,
    pub rulebook: Arc<Rulebook>,
}

impl Terms {
    pub fn first(days: u32, per_record: bool) -> Self {
        let owners = [Some(0), Some(1), Some(2)];
        let places = std::array::from_fn(|index| partition_of(city(index)));
        Self { version: 1, days, owners, standing: [Standing::Member; ISSUERS], per_record, places }
    }

    /// The next version, one thing changed; `None` where the change makes no sense.
    pub fn changed(&self, dice: &mut super::dice::Dice, prefixes: Prefixes) -> Option<Self> {
        let mut next = Self { version: self.version + 1, ..self.clone() };
        let about_prefixes = prefixes == Prefixes::Mostly && dice.permille(700);
        match if about_prefixes { 2 } else { dice.below(6) } {
            0 => next.days += u32::try_from(dice.pick(&[1, 2, 3])).unwrap(),
            1 => next.days = next.days.saturating_sub(dice.pick(&[1, 2])).max(1),
            2 | 3 => {
                let prefix = if prefixes == Prefixes::Any { dice.below(3) } else { dice.pick(&[2, 2, 1]) };
                next.owners[prefix] = match self.owners[prefix] {
                    Some(_) => {
                        if prefixes == Prefixes::Seldom && dice.permille(600) {
                            return None;
                        }
                        None
                    }
                    None => Some(dice.below(ACQUIRERS)),
                };
                if dice.permille(200) {
                    next.owners[prefix] = Some(dice.below(ACQUIRERS));
                }
            }
            _ => {
                let standing = [Standing::Member, Standing::Member, Standing::Left, Standing::Suspended];
                next.standing[dice.below(ISSUERS)] = dice.pick(&standing);
            }
        }
        (next.days <= DAYS_MAX).then_some(next)
    }

    /// The rulebook as a city would write it.
    pub fn document(self) -> Document {
        let basis = if self.per_record { "per_record" } else { "cycle_bilateral" };
        let mut toml = format!(
            "version = {}\npresentment_days = {}\nhotlist_grace_hours = 24\n[fees]\nbasis = \"{basis}\"\n\
             interchange_rate = \"0.003\"\nswitch_rate = \"0.001\"\n\
             [[fees.line]]\nname = \"metro\"\nsector = \"metro\"\ninterchange_rate = \"0.01\"\nswitch_rate = \"0\"\n",
            self.version, self.days
        );
        for index in 0..ISSUERS {
            let city = city(index);
            let held = (0..3).filter(|prefix| self.owners[*prefix] == Some(index));
            let prefixes: Vec<String> = held.map(|p| format!("\"{:02X}\"", terminal_byte(p))).collect();
            let standing = match self.standing[index] {
                Standing::Member => "",
                Standing::Left => "left = \"2011-01-01\"\n",
                Standing::Suspended => "suspended_from = \"2011-01-01\"\n",
            };
            writeln!(
                toml,
                "[[participant]]\ncity = \"{city}\"\nname_en = \"n\"\nname_zh = \"名\"\njoined = \"2010-01-01\"\n\
                 {standing}terminal_prefixes = [{}]",
                prefixes.join(", ")
            )
            .unwrap();
            if index == BY_SECTOR {
                toml.push_str(
                    "[[participant.sector_account]]\nsectors = [\"metro\"]\nbank = \"ICBKCNBJ\"\naccount = \"62\"\n",
                );
            }
        }
        let partitions = self.places.iter().fold(PARTITIONS, |most, place| most.max(place + 1));
        write!(toml, "[clearing]\npartitions = {partitions}\n[clearing.assignment]\n").unwrap();
        for acquirer in acquirers() {
            writeln!(toml, "\"{acquirer}\" = {}", self.places[index_of(acquirer)]).unwrap();
        }
        let rulebook = Rulebook::parse(toml.as_bytes()).map_err(|e| e.to_string()).unwrap();
        Document { terms: self, rulebook: Arc::new(rulebook) }
    }
}

/// How often changes of the rules move terminal prefixes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prefixes {
    Any,
    Seldom,
    Mostly,
}
