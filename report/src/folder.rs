//! A closed cycle's folder: its manifest and its rules.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use domain::{city::City, cycle::CycleName, rulebook::Rulebook};
use files::{
    layout::{self, Member},
    manifest::{FileEntry, Manifest},
    text::digest_hex,
};
use sha2::{Digest as _, Sha256};

use crate::error::ReportError;

/// How many cycles an error names at most.
const HINTS_MAX: usize = 3;

/// A cycle folder whose manifest and rules have been read.
pub struct Folder {
    /// Where it is.
    pub path: PathBuf,
    /// Its manifest.
    pub manifest: Manifest,
    /// SHA-256 of the manifest's bytes, lower-case hex.
    pub manifest_sha256: String,
    /// The rules of the cycle.
    pub rulebook: Rulebook,
}

impl Folder {
    /// Reads manifest and rulebook.
    ///
    /// # Errors
    /// If it is no closed cycle, of another layout, or one of the two is damaged.
    pub fn open(path: &Path) -> Result<Self, ReportError> {
        let file = path.join(layout::MANIFEST_FILE);
        let bytes = match fs::read(&file) {
            Ok(bytes) => bytes,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Err(ReportError::NoCycle { folder: path.to_owned(), hint: hint(path) });
            }
            Err(error) => return Err(ReportError::io("read", &file)(error)),
        };
        let manifest =
            Manifest::from_bytes(&bytes).map_err(|source| ReportError::Manifest { path: file, source })?;
        if manifest.layout != layout::CYCLE_LAYOUT {
            return Err(ReportError::Layout { folder: path.to_owned(), layout: manifest.layout });
        }
        let file = path.join(layout::RULEBOOK_FILE);
        let rules = fs::read(&file).map_err(ReportError::io("read", &file))?;
        let rulebook =
            Rulebook::parse(&rules).map_err(|source| ReportError::Rulebook { path: file, source })?;
        let manifest_sha256 = digest_hex(&Sha256::digest(&bytes).into());
        Ok(Self { path: path.to_owned(), manifest, manifest_sha256, rulebook })
    }

    /// The folder's name if it is this cycle's, with the version of a correction, else the manifest's.
    pub fn name(&self) -> String {
        let stated = format!("{}-{}", self.manifest.business_date, self.manifest.cycle);
        let absolute = fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        let name = absolute.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let correction = name.strip_prefix(&stated).and_then(|rest| rest.strip_prefix(".v"));
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if correction.is_some_and(is_number) { name.to_owned() } else { stated }
    }

    /// The cities with a detail file of one side, in order.
    pub fn cities<'f>(
        &'f self,
        side: impl Fn(Member) -> Option<City> + 'f,
    ) -> impl Iterator<Item = City> + 'f {
        self.manifest.files.iter().filter_map(move |file| side(Member::of(&file.name)))
    }

    /// Bytes of all detail files.
    pub fn detail_bytes(&self) -> u64 {
        let detail =
            |file: &&FileEntry| matches!(Member::of(&file.name), Member::Acquirer(_) | Member::Issuer(_));
        self.manifest.files.iter().filter(detail).map(|file| file.size).sum()
    }
}

/// What to name instead of a folder that is no cycle.
#[must_use]
pub fn hint(path: &Path) -> String {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let mut cycles: Vec<String> = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.split(".v").next().is_some_and(|name| name.parse::<CycleName>().is_ok()))
        .collect();
    cycles.sort_unstable();
    match cycles.last() {
        None => "name a folder that `cityunion clear` has closed, such as settled/2018-09-01-001".to_owned(),
        Some(last) => {
            let shown = &cycles[cycles.len().saturating_sub(HINTS_MAX)..];
            format!(
                "it holds {} ({} in all): name one, such as {}",
                shown.join(", "),
                cycles.len(),
                path.join(last).display()
            )
        }
    }
}
