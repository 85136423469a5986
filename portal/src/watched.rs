//! The directory's file, read again when it changes.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{directory::Directory, error::PortalError};

/// The largest directory, bytes.
const DIRECTORY_LEN_MAX: u64 = 4 << 20;

/// A directory that is read again when its file changes. A file that is wrong changes nothing.
#[derive(Debug)]
pub struct Watched {
    path: PathBuf,
    text: String,
    current: Arc<Directory>,
    trouble: Option<String>,
}

impl Watched {
    /// Reads the file.
    ///
    /// # Errors
    /// If it cannot be read, or is wrong.
    pub fn open(path: &Path) -> Result<Self, PortalError> {
        let text = read(path).map_err(PortalError::io("read", path))?;
        let wrong = |why| PortalError::Directory { path: path.to_owned(), why };
        let current = Arc::new(Directory::parse(&text).map_err(wrong)?);
        Ok(Self { path: path.to_owned(), text, current, trouble: None })
    }

    /// The directory as it was when the file was last right.
    #[must_use]
    pub fn current(&self) -> Arc<Directory> {
        Arc::clone(&self.current)
    }

    /// What is wrong with the file now.
    #[must_use]
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Looks at the file again.
    pub fn look(&mut self) {
        match read(&self.path) {
            Ok(text) if text == self.text => {}
            Ok(text) => {
                match Directory::parse(&text) {
                    Ok(directory) => {
                        tracing::info!("the directory has changed: {} certificates", directory.len());
                        self.current = Arc::new(directory);
                        self.trouble = None;
                    }
                    Err(why) => self.complain(&why),
                }
                self.text = text;
            }
            Err(error) => self.complain(&error.to_string()),
        }
    }

    fn complain(&mut self, why: &str) {
        let why = format!("{}: {}; the one before still counts", self.path.display(), why.trim_end());
        if self.trouble.as_ref() != Some(&why) {
            tracing::error!("the directory cannot be used: {why}");
        }
        self.trouble = Some(why);
        // Read again even if the text comes back as it was.
        self.text.clear();
    }
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(DIRECTORY_LEN_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > DIRECTORY_LEN_MAX {
        return Err(io::Error::other(format!("larger than {DIRECTORY_LEN_MAX} bytes")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::Fingerprint;

    fn entry(digit: &str, rest: &str) -> String {
        format!("[[certificate]]\nsha256 = \"{}\"\n{rest}\n", digit.repeat(64))
    }

    #[test]
    fn a_file_that_is_wrong_changes_nothing_and_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("directory.toml");
        let (one, bank) = (Fingerprint::read(&"a".repeat(64)).unwrap(), "name = \"x\"\nrole = \"bank\"");
        std::fs::write(&path, entry("a", bank)).unwrap();
        let mut watched = Watched::open(&path).unwrap();
        std::fs::write(&path, "[[certificate").unwrap();
        watched.look();
        assert!(watched.trouble().is_some() && watched.current().find(&one).is_some());
        std::fs::write(&path, entry("b", bank)).unwrap();
        watched.look();
        assert!(watched.trouble().is_none() && watched.current().find(&one).is_none());
        std::fs::remove_file(&path).unwrap();
        watched.look();
        assert!(watched.trouble().is_some() && watched.current().len() == 1);
        std::fs::write(&path, entry("b", bank)).unwrap();
        watched.look();
        assert_eq!(watched.trouble(), None, "the text of before counts again");
    }
}
