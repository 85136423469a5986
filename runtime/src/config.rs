//! Configuration: defaults < TOML file < environment < flags.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("read the configuration {path}")]
    Read {
        /// Its path.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The text is no TOML, or has a key that does not exist, or a value of the wrong kind.
    #[error("use the configuration {origin}: {message}")]
    Wrong {
        /// File or environment variable.
        origin: String,
        /// What is wrong, with the line where there is one.
        message: String,
    },
}

/// The configuration `C` (whose defaults serde knows, and which refuses unknown keys) from a TOML file and from
/// environment variables. A variable `<PREFIX>_SECTION__KEY=value` sets `section.key`; its value is read as TOML
/// where it is TOML, else as text.
///
/// # Errors
/// [`ConfigError`] naming the file or variable, the line and the key.
pub fn load<C: DeserializeOwned>(
    file: Option<&Path>,
    prefix: &str,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<C, ConfigError> {
    let mut table = toml::Table::new();
    let mut origin = "made of defaults and environment".to_owned();
    if let Some(path) = file {
        let read = |source| ConfigError::Read { path: path.to_owned(), source };
        let text = std::fs::read_to_string(path).map_err(read)?;
        origin = path.display().to_string();
        let wrong =
            |e: &dyn std::fmt::Display| ConfigError::Wrong { origin: origin.clone(), message: e.to_string() };
        // Read once as it stands, so that a mistake is shown with its line.
        toml::from_str::<C>(&text).map_err(|e| wrong(&e))?;
        table = toml::from_str(&text).map_err(|e| wrong(&e))?;
    }
    let start = format!("{prefix}_");
    let mine: BTreeMap<String, String> =
        environment.filter_map(|(k, v)| Some((k.strip_prefix(&start)?.to_lowercase(), v))).collect();
    for (key, value) in mine {
        let path: Vec<&str> = key.split("__").collect();
        set(&mut table, &path, parse_value(&value));
        origin.push_str(&format!(", {start}{}", key.to_uppercase()));
    }
    C::deserialize(table).map_err(|e| ConfigError::Wrong { origin, message: e.to_string() })
}

fn parse_value(text: &str) -> toml::Value {
    let line = format!("value = {text}");
    let parsed = toml::from_str::<toml::Table>(&line).ok().and_then(|mut table| table.remove("value"));
    parsed.unwrap_or_else(|| toml::Value::String(text.to_owned()))
}

fn set(table: &mut toml::Table, path: &[&str], value: toml::Value) {
    match path {
        [] => {}
        [key] => {
            table.insert((*key).to_owned(), value);
        }
        [section, rest @ ..] => {
            let inner = table.entry(*section).or_insert_with(|| toml::Value::Table(toml::Table::new()));
            if let toml::Value::Table(inner) = inner {
                set(inner, rest, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields, default)]
    struct Sample {
        name: String,
        limits: Limits,
    }

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields, default)]
    struct Limits {
        taps_max: u32,
    }

    impl Default for Sample {
        fn default() -> Self {
            Self { name: "default".to_owned(), limits: Limits { taps_max: 1 } }
        }
    }

    fn sample(text: &str, environment: &[(&str, &str)]) -> Result<Sample, ConfigError> {
        let folder = std::env::temp_dir().join(format!("cu-config-{}-{}", std::process::id(), text.len()));
        std::fs::write(&folder, text).unwrap();
        let environment = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        let loaded = load(Some(&folder), "CITYUNION", environment);
        std::fs::remove_file(&folder).unwrap();
        loaded
    }

    #[test]
    fn the_file_beats_the_default_and_the_environment_beats_the_file() {
        let loaded = sample("name = 'file'", &[("CITYUNION_LIMITS__TAPS_MAX", "7"), ("OTHER", "x")]);
        assert_eq!(loaded.unwrap(), Sample { name: "file".to_owned(), limits: Limits { taps_max: 7 } });
        let loaded = sample("name = 'file' ", &[("CITYUNION_NAME", "from the environment")]);
        assert_eq!(loaded.unwrap().name, "from the environment");
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_name_and_line() {
        let error = sample("name = 'x'\n\n[limits]\ntap_max = 3\n", &[]).unwrap_err().to_string();
        assert!(error.contains("tap_max") && error.contains("line 4"), "{error}");
        let error = sample("name = 'x'\n", &[("CITYUNION_NAMES", "1")]).unwrap_err().to_string();
        assert!(error.contains("names") && error.contains("CITYUNION_NAMES"), "{error}");
    }
}
