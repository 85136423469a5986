//! Whose CA signatures were checked by. One that lies beside what it certifies proves nothing by itself, so people are
//! told what to compare.

use std::path::PathBuf;

use anyhow::Result;
use serde_json::{Map, Value, json};
use signing::Trust;

use crate::{
    args::Verify,
    output::{Sheet, say},
    signatures,
};

/// The CA certificates, and the file that they are from.
pub(super) struct Trusted {
    trust: Trust,
    file: PathBuf,
    named: bool,
}

impl Trusted {
    /// Those of the command line, else those beside the cycles; none without.
    pub(super) fn of(args: &Verify, folders: &[PathBuf]) -> Result<Option<Self>> {
        let found = signatures::trusted(args.ca.as_deref(), folders)?;
        Ok(found.map(|(trust, file)| Self { trust, file, named: args.ca.is_some() }))
    }

    /// The certificates.
    pub(super) const fn trust(&self) -> &Trust {
        &self.trust
    }
}

/// The certificates as a table for programs; empty if there are none.
pub(super) fn sheet(trusted: Option<&Trusted>, facts: &mut Map<String, Value>) -> Sheet {
    let mut sheet = Sheet::new("ca", &["subject", "sha256"]);
    for (subject, sha256) in trusted.iter().flat_map(|trusted| trusted.trust.authorities()) {
        sheet.row(vec![json!(subject), json!(sha256)]);
    }
    facts.insert("ca_file".to_owned(), json!(trusted.map(|trusted| &trusted.file)));
    facts.insert("ca_given".to_owned(), json!(trusted.is_some_and(|trusted| trusted.named)));
    sheet
}

/// Tells people whom was trusted.
pub(super) fn tell(args: &Verify, trusted: Option<&Trusted>) {
    let Some(Trusted { trust, file, named }) = trusted else { return };
    say(args.output, &format!("\ntrusted: {}", file.display()));
    for (subject, sha256) in trust.authorities() {
        say(args.output, &format!("  {subject}, SHA-256 {sha256}"));
    }
    if !named {
        let text = "  it lies beside the cycles: compare it with the one that the clearing house gave you, or name that with --ca";
        say(args.output, text);
    }
}
