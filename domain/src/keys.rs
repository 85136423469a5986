//! TEST master keys by city, key version and algorithm (`keys.toml`), and the keys of one home city.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    fmt,
    sync::Arc,
};

use crate::{
    city::City,
    document::{self, Fault, Table, Value, integer, parsed, text},
    tac::{CityCipher, Key, Tac, city_factor},
    tap::{Algorithm, Tap},
};

/// All test keys of a scheme. Its `Debug` form shows no key.
#[derive(Clone, Default)]
pub struct KeyRing {
    masters: BTreeMap<City, BTreeMap<(u8, Algorithm), Masters>>,
}

/// The master keys of one version and algorithm.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Masters {
    /// For purchases.
    pub purchase: Key,
    /// For loads, if the city offers them.
    pub load: Option<Key>,
}

/// Why a key file is refused. No message shows a key.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// Something in it is missing, misspelt or there twice.
    #[error("the key file is wrong in {0}")]
    Wrong(Fault),
}

impl KeyRing {
    /// Reads `keys.toml` (files contract §5).
    ///
    /// # Errors
    /// [`KeysError`], naming the line, entry and field.
    pub fn parse(toml_text: &str) -> Result<Self, KeysError> {
        document::read(toml_text, ring).map_err(KeysError::Wrong)
    }

    /// The keys of a home city, ready for use; none if it has none.
    #[must_use]
    pub fn of(&self, city: City) -> IssuerKeys {
        let masters = self.masters.get(&city).into_iter().flatten();
        IssuerKeys::new(
            city,
            masters.map(|((version, algorithm), masters)| (*version, *algorithm, masters.purchase)),
        )
    }

    /// The master keys of a city, by version and algorithm, in order.
    pub fn masters(&self, city: City) -> impl Iterator<Item = (u8, Algorithm, Masters)> {
        let masters = self.masters.get(&city).into_iter().flatten();
        masters.map(|((version, algorithm), masters)| (*version, *algorithm, *masters))
    }

    /// The cities that have keys, in order.
    pub fn cities(&self) -> impl Iterator<Item = City> {
        self.masters.keys().copied()
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing").field("cities", &self.masters.len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Masters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Masters").finish_non_exhaustive()
    }
}

fn ring(top: &Table<'_>) -> Result<KeyRing, Fault> {
    let mut ring = KeyRing::default();
    top.only(&["key"])?;
    for table in top.tables("key")? {
        table.only(&["city", "version", "algorithm", "purchase_master", "load_master"])?;
        let city: City = table.required("city", parsed)?;
        let version = table.required("version", integer(0..=255))?;
        let version = u8::try_from(version).map_err(|error| table.fault("version", error))?;
        let algorithm = table.required("algorithm", algorithm)?;
        let masters = Masters {
            purchase: table.required("purchase_master", key)?,
            load: table.optional("load_master", key)?,
        };
        match ring.masters.entry(city).or_default().entry((version, algorithm)) {
            Entry::Vacant(place) => place.insert(masters),
            Entry::Occupied(_) => {
                let why = format_args!("{city} has {} version {version} twice; keep one", algorithm.word());
                return Err(table.fault("version", why));
            }
        };
    }
    Ok(ring)
}

fn algorithm(value: Value<'_>) -> Result<Algorithm, String> {
    let text = text(value)?;
    Algorithm::parse(text.as_bytes()).ok_or_else(|| format!("`{text}` is unknown; known: 3des, sm4"))
}

/// 32 hex digits. The message keeps what they are to itself.
fn key(value: Value<'_>) -> Result<Key, String> {
    let text = text(value).map_err(|_| "not text: write 32 hex digits in quotes")?;
    let mut key = [0; 16];
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let hex = |digit: u8| char::from(digit).to_digit(16).and_then(|n| u8::try_from(n).ok());
    let byte = |[high, low]: [u8; 2]| Some((hex(high)? << 4) | hex(low)?);
    let complete = pairs.len() == key.len() && rest.is_empty();
    for (byte_of_key, pair) in key.iter_mut().zip(pairs) {
        *byte_of_key = byte(*pair).filter(|_| complete).ok_or("not a key: write 32 hex digits")?;
    }
    if complete { Ok(key) } else { Err("not a key: write 32 hex digits".to_owned()) }
}

/// The purchase keys of one home city, diversified to the city and with their schedules ready.
///
/// Cheap to clone. Its `Debug` form shows no key.
#[derive(Clone, Default)]
pub struct IssuerKeys {
    /// Sorted by version and algorithm index.
    keys: Arc<[((u8, u8), CityCipher)]>,
}

impl IssuerKeys {
    /// Makes the city's keys from master keys. Of two masters of one version and algorithm, the
    /// last counts.
    pub fn new(city: City, masters: impl IntoIterator<Item = (u8, Algorithm, Key)>) -> Self {
        let factor = city_factor(city);
        let by_id: BTreeMap<_, _> = masters
            .into_iter()
            .map(|(version, algorithm, master)| {
                let city_key = CityCipher::new(algorithm, &master).diversify(factor);
                ((version, algorithm.index()), CityCipher::new(algorithm, &city_key))
            })
            .collect();
        Self { keys: by_id.into_iter().collect() }
    }

    /// The right TAC of a purchase; `None` if the tap's key version and algorithm are unknown here.
    #[must_use]
    pub fn tac(&self, tap: &Tap) -> Option<Tac> {
        let id = (tap.key_version, tap.algorithm);
        let found = self.keys.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        self.keys.get(found).map(|(_, cipher)| cipher.purchase_tac(tap))
    }
}

impl fmt::Debug for IssuerKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuerKeys").field("keys", &self.keys.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{city, hex, tap};

    const MASTER: &str = "0123456789ABCDEFFEDCBA9876543210";

    fn entry(city: &str, version: u8, algorithm: &str, master: &str) -> String {
        format!(
            "[[key]]\ncity = \"{city}\"\nversion = {version}\nalgorithm = \"{algorithm}\"\n\
             purchase_master = \"{master}\"\n"
        )
    }

    #[test]
    fn a_home_city_uses_the_key_of_version_and_algorithm() -> Result<(), KeysError> {
        let degenerate = "0123456789ABCDEF0123456789ABCDEF";
        let ring = KeyRing::parse(
            &[
                entry("cu-2000", 1, "3des", MASTER),
                entry("cu-2000", 1, "sm4", MASTER),
                entry("cu-2000", 2, "3des", degenerate),
                entry("tu-2900", 1, "3des", MASTER),
            ]
            .concat(),
        )?;
        let tac = |home: &str, version, algorithm| {
            let mut tap = tap();
            tap.key_version = version;
            tap.algorithm = algorithm;
            ring.of(city(home)).tac(&tap)
        };
        assert_eq!(tac("cu-2000", 1, 0), Some(hex("65DC916F")));
        assert_eq!(tac("cu-2000", 1, 1), Some(hex("A10BBDA3")));
        assert_eq!(tac("cu-2000", 2, 0), Some(hex("A66621FD")));
        assert_eq!(tac("tu-2900", 1, 0), Some(hex("E66D28FA")));
        assert_eq!(tac("cu-2000", 2, 1), None);
        assert_eq!(tac("cu-2000", 3, 0), None);
        assert_eq!(tac("cu-2000", 1, 2), None, "an algorithm beyond the list");
        assert_eq!(tac("cu-2900", 1, 0), None, "the other scheme's city of that code");
        Ok(())
    }

    #[test]
    fn load_masters_are_optional() -> Result<(), KeysError> {
        let with_load =
            entry("cu-2000", 1, "sm4", MASTER) + "load_master = \"000102030405060708090A0B0C0D0E0F\"\n";
        let ring = KeyRing::parse(&(with_load + &entry("cu-3000", 1, "sm4", MASTER)))?;
        let load = |home: &str| ring.masters(city(home)).next().and_then(|(_, _, masters)| masters.load);
        assert_eq!(load("cu-2000"), Some(std::array::from_fn(|i| u8::try_from(i).unwrap_or(0))));
        assert_eq!(load("cu-3000"), None);
        Ok(())
    }

    #[test]
    fn refusals_name_entry_and_field_but_no_key() {
        let good = entry("cu-2000", 1, "3des", MASTER);
        let cases = [
            (good.replace("cu-2000", "cu-20"), "line 2, [[key]] 1, city"),
            (good.replace("3des", "aes"), "line 4, [[key]] 1, algorithm"),
            (good.replace("= 1", "= 256"), "line 3, [[key]] 1, version"),
            (good.replace("FEDC", "FED"), "line 5, [[key]] 1, purchase_master"),
            (good.replace("FEDC", "FEDX"), "line 5, [[key]] 1, purchase_master"),
            (good.replace("purchase_master", "master"), "line 5, [[key]] 1, master"),
            (good.clone() + &good, "line 8, [[key]] 2, version"),
            (good.replace("[[key]]", "[[keys]]"), "line 1, keys"),
            (good.replace("[[key]]", "[key]"), "line 1, key"),
            (good.replace("version = 1\n", ""), "line 1, [[key]] 1, version: missing"),
        ];
        for (toml, place) in cases {
            let message = KeyRing::parse(&toml).map_or_else(|error| error.to_string(), |_| String::new());
            assert!(message.contains(place), "{toml}\n{message}");
            assert!(!message.contains("0123456789"), "a key in: {message}");
        }
    }

    #[test]
    fn no_debug_form_shows_a_key() -> Result<(), KeysError> {
        let ring = KeyRing::parse(&entry("cu-2000", 1, "3des", MASTER))?;
        let masters: Vec<_> = ring.masters(city("cu-2000")).collect();
        let shown = format!("{ring:?} {:?} {masters:?}", ring.of(city("cu-2000")));
        assert_eq!(
            shown,
            "KeyRing { cities: 1, .. } IssuerKeys { keys: 1, .. } [(1, TripleDes, Masters { .. })]"
        );
        Ok(())
    }
}
