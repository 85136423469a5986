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

    /// What has ended this version. Each version but the current one has ended; a record keeps the last steps.
    fn why(&self) -> Option<&str> {
        let Record { version: current, state, steps, .. } = &self.record;
        let over = matches!(state.as_str(), "refused" | "failed");
        let last = if over { *current } else { current.checked_sub(1)? };
        let after = usize::try_from(last.checked_sub(self.version)?).ok()?;
        steps.iter().rev().filter_map(|step| ended(&step.what)).nth(after)
    }

    /// The same for programs.
    pub fn facts(&self, facts: &mut Map<String, Value>) {
        let state = if self.is_replaced() { "replaced" } else { self.record.state.as_str() };
        facts.insert("state".to_owned(), json!(state));
        facts.insert("version".to_owned(), json!(self.version));
        facts.insert("current_version".to_owned(), json!(self.record.version));
    }
}

/// The words of a step, if it ends a version.
fn ended(what: &str) -> Option<&str> {
    match what.strip_prefix("approved: ") {
        Some(decision) => decision.contains(" does not pay in ").then_some(decision),
        None => what.starts_with("refused by the bank").then_some(what),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_has_ended_by_its_own_step() {
        let step = |what: &str| Step { what: what.to_owned() };
        let why = |version, state: &str| {
            let steps = vec![
                step("approved: release 2018-09-01-001"),
                step("approved: cu-2000 does not pay in 2018-09-01-001 (no cover)"),
                step("refused by the bank: account closed"),
                step("proposed: release 2018-09-01-001"),
            ];
            let (manifest_sha256, state) = (String::new(), state.to_owned());
            let record = Record { version: 3, manifest_sha256, state, not_agreed: Vec::new(), steps };
            let released = Released { name: "2018-09-01-001".to_owned(), version, record };
            released.why().map(str::to_owned)
        };
        let failed = Some("cu-2000 does not pay in 2018-09-01-001 (no cover)".to_owned());
        let refused = Some("refused by the bank: account closed".to_owned());
        assert_eq!(
            (why(1, "closed"), why(2, "closed"), why(3, "closed")),
            (failed.clone(), refused.clone(), None)
        );
        assert_eq!(
            (why(3, "refused"), why(2, "refused"), why(1, "refused")),
            (refused, failed, None),
            "no longer kept"
        );
    }
}
