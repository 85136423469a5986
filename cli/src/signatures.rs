//! Who signs cycles, and the CA certificate that is left beside them for those who check.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, Result};
use signing::{Algorithm, Signers, Trust};

use crate::errors::{Refused, Usage};

/// The CA certificates by which the signatures of cycles are checked: beside the cycles, and in a folder of keys.
pub const CA_FILE: &str = "ca.pem";
/// The folder of keys and certificates of a scheme.
const PKI: &str = "pki";
/// The folder in it of what people and participants are known by.
const PEOPLE: &str = "tls";
/// Where the state of an OUT remembers that folder.
const LINK: &str = "pki";

/// The signers of a scheme folder, if it has keys; `state` remembers where they are for other commands.
///
/// # Errors
/// If they cannot be used.
pub fn of_scheme(scheme: &Path, state: &Path, out: &Path) -> Result<Option<Arc<Signers>>> {
    let folder = scheme.join(PKI);
    if !folder.is_dir() {
        unsigned(out, &format!("there are no keys in {}", folder.display()))?;
        return Ok(None);
    }
    let folder = folder.canonicalize().with_context(|| format!("failed to find {}", folder.display()))?;
    let signers = open(&folder, &folder.join(CA_FILE), None, out)?;
    let link = state.join(LINK);
    if fs::read_link(&link).ok().as_deref() != Some(&folder) {
        drop(fs::remove_file(&link));
        symlink(&folder, &link).with_context(|| format!("failed to write {}", link.display()))?;
    }
    Ok(Some(signers))
}

/// Refuses to go on without signers where cycles are signed: one that appeared unsigned would stay so for good.
///
/// # Errors
/// `why` there are none.
pub fn unsigned(out: &Path, why: &str) -> Result<()> {
    let ca = out.join(CA_FILE);
    if !ca.is_file() {
        return Ok(());
    }
    let text = format!("{why}, and {} says that cycles here are signed: bring the keys back", ca.display());
    Err(Refused(text).into())
}

/// The signers that the last `clear` into an OUT had, if it had some.
///
/// # Errors
/// If they cannot be used any more.
pub fn remembered(state: &Path, out: &Path) -> Result<Option<Arc<Signers>>> {
    let Ok(folder) = fs::read_link(state.join(LINK)) else { return Ok(None) };
    open(&folder, &folder.join(CA_FILE), None, out).map(Some)
}

/// The CA that certifies people and participants, if the keys of the last `clear` have one.
///
/// # Errors
/// If it cannot be used.
pub fn people(state: &Path) -> Result<Option<Trust>> {
    let ca = state.join(LINK).join(PEOPLE).join(CA_FILE);
    if !ca.is_file() {
        return Ok(None);
    }
    Trust::read(&ca).map(Some).context("failed to know people")
}

/// Opens a folder of pairs, checks all of them, and leaves the CA certificates in `out`. With `only` a pair of another
/// algorithm is refused.
///
/// # Errors
/// If a pair cannot be used, or cycles in `out` were signed under another CA.
pub fn open(folder: &Path, ca: &Path, only: Option<Algorithm>, out: &Path) -> Result<Arc<Signers>> {
    let signers = Signers::open(folder, ca, only).context("failed to sign cycles")?;
    leave_ca(&signers, out)?;
    Ok(Arc::new(signers))
}

/// Leaves the CA certificates beside the cycles. They are replaced only by more of them: a cycle that was signed under
/// an earlier one must stay verifiable.
fn leave_ca(signers: &Signers, out: &Path) -> Result<()> {
    let (from, to) = (signers.ca(), out.join(CA_FILE));
    let failed = |path: &Path| format!("failed to leave {}", path.display());
    let bytes = fs::read(from).with_context(|| failed(&to))?;
    match fs::read(&to) {
        Ok(there) if there == bytes => return Ok(()),
        Ok(_) => {
            let earlier = Trust::read(&to).context("failed to sign cycles")?;
            if !signers.trust()?.has_all_of(&earlier) {
                let text = format!(
                    "{} has a CA certificate that {} lacks, so cycles signed under it could not be verified any more: \
                     put both certificates into {}",
                    to.display(),
                    from.display(),
                    from.display()
                );
                return Err(Refused(text).into());
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| failed(&to)),
    }
    fs::create_dir_all(out).with_context(|| failed(&to))?;
    // One name, so that what a killed run leaves is the next one's. Nodes that share the folder write the same bytes,
    // and any of them may be the one that renames them.
    let draft = out.join(format!(".{CA_FILE}.draft"));
    let written = File::create(&draft).and_then(|mut file| {
        file.write_all(&bytes)?;
        file.sync_all()
    });
    match written.and_then(|()| fs::rename(&draft, &to)) {
        Err(_) if fs::read(&to).is_ok_and(|there| there == bytes) => Ok(()),
        written => written.with_context(|| failed(&to)),
    }
}

/// The CA certificates to check with: the file that was named, else `ca.pem` in one of the folders; none without.
///
/// # Errors
/// If the file cannot be used.
pub fn trust(named: Option<&Path>, folders: &[PathBuf]) -> Result<Option<Trust>> {
    Ok(trusted(named, folders)?.map(|(trust, _)| trust))
}

/// The same with the file that they are from.
///
/// # Errors
/// As [`trust`].
pub fn trusted(named: Option<&Path>, folders: &[PathBuf]) -> Result<Option<(Trust, PathBuf)>> {
    let beside = || folders.iter().map(|folder| folder.join(CA_FILE)).find(|path| path.is_file());
    let Some(path) = named.map(Path::to_owned).or_else(beside) else { return Ok(None) };
    let trust = Trust::read(&path);
    trust
        .map(|trust| Some((trust, path)))
        .map_err(|error| Usage(format!("{:#}", anyhow::Error::from(error))).into())
}
