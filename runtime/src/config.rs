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
    let mut text = None;
    if let Some(path) = file {
        let read = |source| ConfigError::Read { path: path.to_owned(), source };
        let file = std::fs::read_to_string(path).map_err(read)?;
        origin = path.display().to_string();
        let wrong =
            |e: toml::de::Error| ConfigError::Wrong { origin: origin.clone(), message: e.to_string() };
        table = toml::from_str(&file).map_err(wrong)?;
        text = Some(file);
    }
    let of_file = origin.clone();
    let start = format!("{prefix}_");
    let mine: BTreeMap<String, String> =
        environment.filter_map(|(k, v)| Some((k.strip_prefix(&start)?.to_lowercase(), v))).collect();
    for (key, value) in mine {
        let path: Vec<&str> = key.split("__").collect();
        origin.push_str(&format!(", {start}{}", key.to_uppercase()));
        set(&mut table, &path, parse_value(&value))
            .map_err(|message| ConfigError::Wrong { origin: origin.clone(), message })?;
    }
    C::deserialize(table).map_err(|error| {
        // A mistake of the file alone is shown with its line.
        let in_file = text.as_deref().and_then(|text| toml::from_str::<C>(text).err());
        match in_file.filter(|in_file| in_file.message() == error.message()) {
            Some(in_file) => ConfigError::Wrong { origin: of_file, message: in_file.to_string() },
            None => ConfigError::Wrong { origin, message: error.to_string() },
        }
    })
}

fn parse_value(text: &str) -> toml::Value {
    let line = format!("value = {text}");
    let parsed = toml::from_str::<toml::Table>(&line).ok().and_then(|mut table| table.remove("value"));
    parsed.unwrap_or_else(|| toml::Value::String(text.to_owned()))
}

fn set(table: &mut toml::Table, path: &[&str], value: toml::Value) -> Result<(), String> {
    match path {
        [] => Ok(()),
        [key] => {
            table.insert((*key).to_owned(), value);
            Ok(())
        }
        [section, rest @ ..] => {
            let inner = table.entry(*section).or_insert_with(|| toml::Value::Table(toml::Table::new()));
            match inner {
                toml::Value::Table(inner) => set(inner, rest, value),
                _ => Err(format!("`{section}` is no section")),
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
    fn the_environment_may_give_what_the_file_leaves_out() {
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Required {
            log: BTreeMap<String, String>,
        }
        let environment = [("CITYUNION_LOG__KAFKA".to_owned(), "127.0.0.1:9092".to_owned())];
        let loaded: Required = load(None, "CITYUNION", environment.into_iter()).unwrap();
        assert_eq!(loaded.log["kafka"], "127.0.0.1:9092");
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_name_and_line() {
        let error = sample("name = 'x'\n\n[limits]\ntap_max = 3\n", &[]).unwrap_err().to_string();
        assert!(error.contains("tap_max") && error.contains("line 4"), "{error}");
        let error = sample("name = 'x'\n", &[("CITYUNION_NAMES", "1")]).unwrap_err().to_string();
        assert!(error.contains("names") && error.contains("CITYUNION_NAMES"), "{error}");
    }
}
