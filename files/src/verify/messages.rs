//! `settlement/` against nets, positions, items and rulebook.
//!
//! Each message is read and its arithmetic written out here once more, apart from the one that made it. What then
//! remains (accounts, dates, names, ids, wording) is compared with the message made anew.

mod arithmetic;
mod leaves;

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read as _},
    path::Path,
};

use domain::{
    cycle::CycleName,
    rulebook::Rulebook,
    settlement::{AccountPosition, Item, Net, Party, Position, Settlement},
};

use super::report::{Check, Findings};
use crate::{
    error::FilesError,
    layout::{self, SettlementFile},
    manifest::Manifest,
    settlement::{Messages, settlement_files},
};

/// The largest message that is read, bytes.
const MESSAGE_BYTES_MAX: u64 = 256 << 20;

/// What messages must follow from.
pub(super) struct Facts<'a> {
    /// The folder.
    pub(super) folder: &'a Path,
    /// The cycle.
    pub(super) cycle: CycleName,
    /// Its rules.
    pub(super) rulebook: &'a Rulebook,
    /// The rows of `net.csv`.
    pub(super) net: Vec<Net>,
    /// The rows of `positions.csv`.
    pub(super) positions: Vec<Position>,
    /// The rows of `items.csv`.
    pub(super) items: Vec<Item>,
    /// What goes over accounts by sector, by the detail.
    pub(super) accounts: Vec<AccountPosition>,
    /// Whether the cycle was closed before there were messages.
    pub(super) before_messages: bool,
}

impl Facts<'_> {
    /// The nets that are not 0.
    fn nets(&self) -> BTreeMap<Party, i64> {
        let nets = self.net.iter().map(|net| (net.participant, net.net_fen));
        nets.filter(|(_, net)| *net != 0).collect()
    }
}

/// Checks that every message is there, no other one is, and all say what the cycle gives.
pub(super) fn check(
    facts: Facts<'_>,
    manifest: &Manifest,
    findings: &mut Findings,
) -> Result<(), FilesError> {
    let nets = facts.nets();
    let expected = settlement_files(nets.keys().copied());
    let inside = format!("{}/", layout::SETTLEMENT_FOLDER);
    let listed: Vec<&str> = manifest
        .files
        .iter()
        .map(|file| file.name.as_str())
        .filter(|name| name.starts_with(&inside))
        .collect();
    for name in &listed {
        if !SettlementFile::of(name).is_some_and(|file| expected.contains(&file)) {
            let what = "net.csv gives no such message: the net is 0, or it is no file of this layout";
            findings.fail(Check::Messages, name, None, what);
        }
    }
    if facts.before_messages && listed.is_empty() && !expected.is_empty() {
        let what = "none: the cycle was closed before there were any, and no earlier one has some";
        findings.skipped(Check::Messages, what);
        return Ok(());
    }
    let parts = arithmetic::parts(&facts);
    let version = manifest.version();
    let due = arithmetic::due(&facts);
    let Facts { folder, cycle, rulebook, net, positions, items, accounts, .. } = facts;
    let settlement = Settlement { positions, net, accounts };
    let messages = match Messages::of(cycle, version, rulebook, &settlement, &items) {
        Ok(messages) => messages,
        Err(e) => {
            let what = format!("messages cannot be recomputed: {}", text_of(&e));
            findings.fail(Check::Messages, layout::NET_FILE, None, what);
            return Ok(());
        }
    };
    let mut missing = 0_usize;
    for file in &expected {
        let name = file.name();
        if !listed.contains(&name.as_str()) {
            let what = "it is missing, though net.csv gives nets that are not 0";
            findings.fail(Check::Messages, &name, None, what);
            continue;
        }
        let Some(published) = read(folder, &name, findings)? else {
            missing = missing.saturating_add(1);
            continue;
        };
        let known = arithmetic::Known { cycle, version, nets: &nets, parts: &parts, due: &due };
        let faults = match arithmetic::check(*file, &published, &known) {
            faults if faults.is_empty() => leaves::compare(*file, &published, &messages.render(*file)?),
            faults => faults,
        };
        for what in faults {
            findings.fail(Check::Messages, &name, None, what);
        }
    }
    let what = match expected.len() {
        0 => "none, since every net is 0".to_owned(),
        files => format!("{files} files recomputed from nets, positions, items and rulebook"),
    };
    findings.checked(Check::Messages, what);
    if missing > 0 {
        findings.skipped(Check::Messages, &format!("{missing} of {} files are missing", expected.len()));
    }
    Ok(())
}

/// Reads a message whole. A missing one was already told.
fn read(folder: &Path, name: &str, findings: &mut Findings) -> Result<Option<String>, FilesError> {
    let path = folder.join(name);
    let mut text = String::new();
    let read = File::open(&path).and_then(|file| file.take(MESSAGE_BYTES_MAX).read_to_string(&mut text));
    match read {
        Ok(bytes) if bytes as u64 == MESSAGE_BYTES_MAX => {
            findings.fail(Check::Messages, name, None, "it is larger than any message of ours");
            Ok(None)
        }
        Ok(_) => Ok(Some(text)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) if e.kind() == io::ErrorKind::InvalidData => {
            findings.fail(Check::Messages, name, None, "it is not UTF-8");
            Ok(None)
        }
        Err(e) => Err(FilesError::io("read", &path)(e)),
    }
}

/// An error with what is behind it.
fn text_of(error: &FilesError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
