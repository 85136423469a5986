//! What a replay found, as tables.

use std::path::Path;

use archive::manifest::hex;
use clearing_node::replay;
use files::verify::{Failure, compare::Comparison};
use proto::Published;
use serde_json::{Value, json};

use crate::output::Sheet;

/// Everything that was found.
pub struct Found {
    cycles: Sheet,
    differences: Sheet,
    listed_max: usize,
    total: u64,
    cycle: String,
    before: u64,
    files: u64,
    bytes: u64,
    kept: bool,
    notes: Vec<String>,
}

impl Found {
    /// Nothing yet.
    pub fn new(listed_max: usize) -> Self {
        let columns = ["cycle", "file", "line", "row", "field", "published", "replayed"];
        Self {
            cycles: Sheet::new("cycles", &["cycle", "files_compared", "bytes_compared", "differences"]),
            differences: Sheet::new("differences", &columns),
            listed_max,
            total: 0,
            cycle: String::new(),
            before: 0,
            files: 0,
            bytes: 0,
            kept: false,
            notes: Vec::new(),
        }
    }

    /// A version of a cycle begins, by the name of its folder.
    pub fn begin(&mut self, cycle: &str) {
        cycle.clone_into(&mut self.cycle);
        (self.before, self.files, self.bytes) = (self.total, 0, 0);
    }

    /// A folder that was in --out before is looked at, by its path.
    pub fn begin_kept(&mut self, folder: &Path) {
        self.kept = true;
        self.begin(&folder.display().to_string());
    }

    /// Whether folders were looked at that were in --out before.
    pub fn kept(&self) -> bool {
        self.kept
    }

    /// A difference in totals or plan.
    pub fn plan(&mut self, difference: replay::Difference) {
        let replay::Difference { place, row, field, published, replayed } = difference;
        self.add([json!(place), Value::Null, json!(row), json!(field), json!(published), json!(replayed)]);
    }

    /// Compares the digests of the manifests.
    pub fn digest(&mut self, published: &Published, made: &Published) {
        if published.manifest_digest != made.manifest_digest {
            let (said, made) = (hex(&published.manifest_digest), hex(&made.manifest_digest));
            let field = json!("manifest_sha256");
            self.add([json!("cu.cycles"), Value::Null, json!(""), field, json!(said), json!(made)]);
        }
    }

    /// The published folder is not there.
    pub fn missing(&mut self, folder: &str) {
        self.add([
            json!(folder),
            Value::Null,
            json!(""),
            json!("folder"),
            json!("not there"),
            json!("made again; --out keeps it"),
        ]);
    }

    /// A published folder is there of which the log says nothing; an archive may end before it.
    pub fn unknown(&mut self, folder: &str, archived: bool) {
        if archived {
            self.notes.push(format!(
                "{folder} is published and not in the archive: what was said since the last archived publication, of \
                 whatever cycle, is archived with the next one. After a disaster say it again before the portal starts \
                 (docs/disaster.md)"
            ));
            return;
        }
        self.begin(folder);
        self.add([
            json!(folder),
            Value::Null,
            json!(""),
            json!("folder"),
            json!("there"),
            json!("by this log nobody published it"),
        ]);
        self.end();
    }

    /// What a person should know besides.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// What the files say.
    pub fn files(&mut self, compared: Comparison) {
        (self.files, self.bytes) = (compared.files, compared.bytes);
        let unlisted = compared.differences_total - compared.differences.len() as u64;
        for it in compared.differences {
            let values = [
                json!(it.file),
                json!(it.line),
                json!(""),
                json!(it.field),
                json!(it.published),
                json!(it.replayed),
            ];
            self.add(values);
        }
        self.total += unlisted;
    }

    /// What is wrong with published signatures.
    pub fn signatures(&mut self, failures: Vec<Failure>) {
        for Failure { file, what, .. } in failures {
            self.add([json!(file), Value::Null, json!(""), json!("signature"), json!(what), json!("")]);
        }
    }

    fn add(&mut self, values: [Value; 6]) {
        self.total += 1;
        if self.listed() < self.listed_max {
            self.differences.row(std::iter::once(json!(self.cycle)).chain(values).collect());
        }
    }

    /// It ends.
    pub fn end(&mut self) {
        let differences = self.total - self.before;
        self.cycles.row(vec![json!(self.cycle), json!(self.files), json!(self.bytes), json!(differences)]);
    }

    /// Whether nothing differs.
    pub fn same(&self) -> bool {
        self.total == 0
    }

    /// Number of differences.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// How many of them are listed.
    pub fn listed(&self) -> usize {
        self.differences.rows.len()
    }

    /// A row a cycle.
    pub fn cycles(&self) -> Sheet {
        self.cycles.clone()
    }

    /// A row a difference.
    pub fn differences(&self) -> Sheet {
        self.differences.clone()
    }
}
