//! The tables of a closed cycle as Parquet files, with types, for those who analyse them.
//!
//! What is published stays what it is: the files are written elsewhere, from a folder that is only read, and each says
//! which manifest it was made from. The same folder gives the same bytes, wherever and however often it is read. Memory
//! is bounded by a group of rows.

mod column;
mod error;
mod rows;
mod table;

use std::{
    ffi::OsStr,
    fs::{self, File},
    path::{Path, PathBuf},
};

use files::{
    layout::{MANIFEST_FILE, Member},
    manifest::Manifest,
    text::digest_hex,
};
use sha2::{Digest as _, Sha256};

pub use error::ColumnarError;

use self::table::Source;

/// The layout of the files, as each of them says. Columns are those of the CSV files.
pub const LAYOUT: &str = "cityunion-parquet/1";
/// The ending of their names.
const ENDING: &str = "parquet";

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// The folder.
    pub folder: PathBuf,
    /// Its files, by the names of their CSV files.
    pub tables: Vec<Table>,
}

/// One file that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// What it is.
    pub member: Member,
    /// Name relative to the folder, with `/`.
    pub name: String,
    /// Rows.
    pub rows: u64,
    /// Size in bytes.
    pub bytes: u64,
}

/// Writes every CSV file of the cycle folder `from` as Parquet into a folder of the same name in `to`, which is made if
/// there is none. It appears whole or not at all. `heard` is told how many bytes were read, and of how many.
///
/// # Errors
/// [`ColumnarError`]; nothing is visible then.
pub fn export(from: &Path, to: &Path, heard: &mut dyn FnMut(u64, u64)) -> Result<Exported, ColumnarError> {
    let from = from.canonicalize().map_err(ColumnarError::io("find", from))?;
    let name = from.file_name().ok_or_else(|| ColumnarError::NoCycle(from.clone()))?;
    let (manifest, sha256) = read_manifest(&from)?;
    let target = free_place(&from, to, name)?;
    let scratch = tempfile::Builder::new().prefix(".export-").tempdir_in(to);
    let scratch = scratch.map_err(ColumnarError::io("write into", to))?;
    let folder = scratch.path().join(name);
    fs::create_dir(&folder).map_err(ColumnarError::io("make", &folder))?;
    let is_table = |name: &str| Member::of(name).layout().is_some();
    let listed: Vec<_> = manifest.files.iter().filter(|entry| is_table(&entry.name)).collect();
    let bytes_total = listed.iter().fold(0_u64, |sum, entry| sum.saturating_add(entry.size));
    let mut tables = Vec::new();
    for entry in listed {
        let member = Member::of(&entry.name);
        let Some(layout) = member.layout() else { continue };
        let source = Source {
            path: from.join(&entry.name),
            entry,
            layout,
            cycle: name.to_string_lossy().into_owned(),
            manifest_sha256: sha256.clone(),
        };
        let name = Path::new(&entry.name).with_extension(ENDING);
        let path = folder.join(&name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(ColumnarError::io("make", parent))?;
        }
        let file = File::create_new(&path).map_err(ColumnarError::io("write", &path))?;
        let file = source.convert(file, table::GROUP_ROWS, &mut |bytes| heard(bytes, bytes_total))?;
        file.sync_all().map_err(ColumnarError::io("write", &path))?;
        let bytes = file.metadata().map_err(ColumnarError::io("read", &path))?.len();
        let rows = entry.rows.unwrap_or_default();
        tables.push(Table { member, name: name.to_string_lossy().into_owned(), rows, bytes });
    }
    files::sync_tree(&folder)?;
    fs::rename(&folder, &target).map_err(ColumnarError::io("write", &target))?;
    Ok(Exported { folder: target, tables })
}

/// Where the folder goes: where nothing is yet, and not into what was published. Makes `to`.
fn free_place(from: &Path, to: &Path, name: &OsStr) -> Result<PathBuf, ColumnarError> {
    let inside = |to: &Path| to.canonicalize().is_ok_and(|to| to.starts_with(from));
    // It may not be there yet.
    let absolute = std::path::absolute(to).map_err(ColumnarError::io("find", to))?;
    if absolute.ancestors().any(inside) {
        return Err(ColumnarError::Inside(to.to_owned()));
    }
    fs::create_dir_all(to).map_err(ColumnarError::io("make", to))?;
    let target = to.join(name);
    match target.symlink_metadata() {
        Ok(_) => Err(ColumnarError::There(target)),
        Err(_) => Ok(target),
    }
}

/// The manifest and its SHA-256.
fn read_manifest(from: &Path) -> Result<(Manifest, String), ColumnarError> {
    let path = from.join(MANIFEST_FILE);
    let bytes = match fs::read(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(ColumnarError::NoCycle(from.to_owned()));
        }
        bytes => bytes.map_err(ColumnarError::io("read", &path))?,
    };
    let manifest = Manifest::from_bytes(&bytes).map_err(|source| ColumnarError::Manifest { path, source })?;
    Ok((manifest, digest_hex(&Sha256::digest(&bytes).into())))
}

#[cfg(test)]
mod tests;
