//! How far the cycle is, by the record beside it (`releases/<cycle>.json`): whether these files are still to be carried
//! out.

use std::{fs, path::Path};

use ::report::{Cycle, Words};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// The folder of the records.
const FOLDER: &str = "releases";

/// What of a record counts here (docs/contract.md §6).
#[derive(Debug, Deserialize)]
struct Record {
    version: u32,
    manifest_sha256: String,
    state: String,
    #[serde(default)]
    not_agreed: Vec<String>,
    #[serde(default)]
    steps: Vec<Step>,
}

#[derive(Debug, Deserialize)]
struct Step {
    what: String,
}

/// How a folder stands.
#[derive(Debug)]
pub struct Released {
    /// The name of the cycle, without a version.
    name: String,
    version: u32,
    record: Record,
}

/// How the folder of a cycle stands; none if no record is about it.
pub fn read(folder: &Path, cycle: &Cycle) -> Option<Released> {
    let (name, version) = match cycle.name.split_once(".v") {
        Some((name, version)) => (name, version.parse().ok()?),
        None => (cycle.name.as_str(), 1),
    };
    let path = folder.canonicalize().ok()?.parent()?.join(FOLDER).join(format!("{name}.json"));
    let record: Record = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    // A record of an earlier version knows nothing of these files, nor does one of other files.
    let about = version < record.version
        || (version == record.version && record.manifest_sha256 == cycle.manifest_sha256);
    about.then(|| Released { name: name.to_owned(), version, record })
}

impl Released {
    fn is_replaced(&self) -> bool {
        self.version < self.record.version
    }

    /// Why these files are not to be carried out, if they are not.
    pub fn warning(&self) -> Option<Words> {
        let Self { name, record, .. } = self;
        let Record { version, state, not_agreed, .. } = record;
        let because = self.why().map_or_else(String::new, |why| format!(": {why}"));
        if self.is_replaced() {
            return Some(Words {
                en: format!(
                    "REPLACED{because}; version {version} counts ({name}.v{version}, {state}): do not carry these files out"
                ),
                zh: format!(
                    "已被替代{because}；以第 {version} 版为准（{name}.v{version}），请勿执行本版文件"
                ),
            });
        }
        match state.as_str() {
            "refused" | "failed" => Some(Words {
                en: format!(
                    "{}{because}; another version takes its place: do not carry these files out",
                    state.to_uppercase()
                ),
                zh: format!("未能付款{because}；将由下一版替代，请勿执行本版文件"),
            }),
            "disputed" => {
                let cities = not_agreed.join("; ");
                Some(Words {
                    en: format!("DISPUTED: {cities}; it is not released"),
                    zh: format!("有异议：{cities}；尚未放行"),
                })
            }
            _ => None,
        }
    }

    /// The step that has ended the last version that ended.
    fn why(&self) -> Option<&str> {
        let ended = |what: &&str| {
            what.starts_with("refused by the bank")
                || what.starts_with("approved: ") && what.contains(" does not pay in ")
        };
        self.record.steps.iter().rev().map(|step| step.what.as_str()).find(ended)
    }

    /// The same for programs.
    pub fn facts(&self, facts: &mut Map<String, Value>) {
        let state = if self.is_replaced() { "replaced" } else { self.record.state.as_str() };
        facts.insert("state".to_owned(), json!(state));
        facts.insert("version".to_owned(), json!(self.version));
        facts.insert("current_version".to_owned(), json!(self.record.version));
    }
}
