//! What a participant says of a cycle: acknowledged or refused, once.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use crate::name::CycleFolder;

/// The longest reason, characters.
pub const REASON_CHARS_MAX: usize = 500;
/// The largest kept answer, bytes.
const ANSWER_LEN_MAX: u64 = 64 * 1024;
/// The most answers that are listed.
const LISTED_MAX: usize = 1_000_000;
/// The folder of the answers in the state folder.
const FOLDER: &str = "answers";
/// The ending of a kept answer.
const ENDING: &str = ".json";

/// What may be said.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Word {
    /// The figures are accepted.
    Acknowledged,
    /// They are not; a reason says why.
    Refused,
}

/// The body of a request.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Said {
    /// The answer.
    pub answer: Word,
    /// Why it is refused.
    pub reason: Option<String>,
}

impl Said {
    /// Reads what a participant sent.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(body: &[u8]) -> Result<Self, String> {
        let form = "expected {\"answer\":\"acknowledged\"} or {\"answer\":\"refused\",\"reason\":\"…\"}";
        let said: Self = serde_json::from_slice(body).map_err(|error| format!("{error}; {form}"))?;
        let reason = said.reason.map(|reason| reason.trim().to_owned()).filter(|reason| !reason.is_empty());
        match (said.answer, &reason) {
            (Word::Refused, None) => {
                Err("reason: a refusal needs one, so that somebody can act on it".to_owned())
            }
            (Word::Acknowledged, Some(_)) => Err("reason: only a refusal has one".to_owned()),
            (_, Some(reason)) if reason.chars().count() > REASON_CHARS_MAX => {
                Err(format!("reason: longer than {REASON_CHARS_MAX} characters"))
            }
            (_, Some(reason)) if reason.chars().any(char::is_control) => {
                Err("reason: a control character; write it on one line".to_owned())
            }
            (answer, _) => Ok(Self { answer, reason }),
        }
    }
}

/// An answer as it is kept. Fields stand in the order of their keys.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// The answer.
    pub answer: Word,
    /// The cycle's folder.
    pub cycle: String,
    /// The participant's name in the directory.
    pub directory_name: String,
    /// SHA-256 of the certificate it came with.
    pub fingerprint: String,
    /// SHA-256 of the manifest that was published then: what it is an answer to.
    pub manifest_sha256: String,
    /// Who answered: a city's code, else the name in the directory.
    pub participant: String,
    /// Why it is refused.
    pub reason: Option<String>,
    /// When, in UTC+8.
    pub time: String,
}

impl Answer {
    /// Whether this says the same.
    #[must_use]
    pub fn says(&self, said: &Said) -> bool {
        self.answer == said.answer && self.reason == said.reason
    }
}

/// The kept answers: `answers/<cycle>/<participant>.json`, each written once.
#[derive(Clone, Debug)]
pub struct Answers(PathBuf);

impl Answers {
    /// The answers in a state folder.
    #[must_use]
    pub fn new(state: &Path) -> Self {
        Self(state.join(FOLDER))
    }

    /// What a participant has said.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn get(&self, cycle: CycleFolder, participant: &str) -> io::Result<Option<Answer>> {
        match read(&self.file(cycle, participant)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            read => read.map(Some),
        }
    }

    /// Keeps an answer durably; false if one stands already, which stays.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn keep(&self, cycle: CycleFolder, answer: &Answer) -> io::Result<bool> {
        let path = self.file(cycle, &answer.participant);
        let folder = self.0.join(cycle.to_string());
        fs::create_dir_all(&folder)?;
        let mut file = NamedTempFile::with_prefix_in(".", &folder)?;
        let mut bytes = serde_json::to_vec_pretty(answer)?;
        bytes.push(b'\n');
        file.write_all(&bytes)?;
        file.as_file().sync_all()?;
        match file.persist_noclobber(&path) {
            Ok(_) => {}
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
            Err(error) => return Err(error.error),
        }
        for folder in [Some(folder.as_path()), Some(self.0.as_path()), self.0.parent()].into_iter().flatten()
        {
            File::open(folder)?.sync_all()?;
        }
        Ok(true)
    }

    /// All answers, or those about one cycle, by cycle and participant.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn all(&self, only: Option<CycleFolder>) -> io::Result<Vec<Answer>> {
        let mut cycles: Vec<CycleFolder> = match only {
            Some(cycle) => vec![cycle],
            None => names(&self.0)?.iter().filter_map(|name| name.parse().ok()).collect(),
        };
        cycles.sort();
        let mut answers = Vec::new();
        for cycle in cycles {
            let mut participants = names(&self.0.join(cycle.to_string()))?;
            participants.retain(|name| name.ends_with(ENDING) && !name.starts_with('.'));
            participants.sort();
            for name in participants {
                answers.push(read(&self.0.join(cycle.to_string()).join(name))?);
            }
        }
        Ok(answers)
    }

    fn file(&self, cycle: CycleFolder, participant: &str) -> PathBuf {
        self.0.join(cycle.to_string()).join(format!("{participant}{ENDING}"))
    }
}

fn read(path: &Path) -> io::Result<Answer> {
    let mut bytes = Vec::new();
    File::open(path)?.take(ANSWER_LEN_MAX).read_to_end(&mut bytes)?;
    serde_json::from_slice(&bytes).map_err(|error| io::Error::other(format!("{}: {error}", path.display())))
}

/// What stands in a folder; nothing, if it is not there.
fn names(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries.take(LISTED_MAX) {
        names.extend(entry?.file_name().into_string());
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_must_be_whole() {
        let read = |text: &str| Said::read(text.as_bytes());
        assert_eq!(
            read("{\"answer\":\"acknowledged\"}").unwrap(),
            Said { answer: Word::Acknowledged, reason: None }
        );
        let refused = read("{\"answer\":\"refused\",\"reason\":\" 少了一笔 \"}").unwrap();
        assert_eq!(refused, Said { answer: Word::Refused, reason: Some("少了一笔".to_owned()) });
        assert!(read(&format!("{{\"answer\":\"refused\",\"reason\":\"{}\"}}", "清".repeat(500))).is_ok());
        for (text, said) in [
            ("", "expected {"),
            ("{\"answer\":\"yes\"}", "yes"),
            ("{\"answer\":\"refused\"}", "needs one"),
            ("{\"answer\":\"refused\",\"reason\":\"  \"}", "needs one"),
            ("{\"answer\":\"acknowledged\",\"reason\":\"x\"}", "only a refusal"),
            ("{\"answer\":\"refused\",\"reason\":\"a\\nb\"}", "control"),
            ("{\"answer\":\"acknowledged\",\"amount\":1}", "amount"),
        ] {
            let why = read(text).unwrap_err();
            assert!(why.contains(said), "{text}: {why}");
        }
        let long = format!("{{\"answer\":\"refused\",\"reason\":\"{}\"}}", "清".repeat(501));
        assert!(read(&long).unwrap_err().contains("500"));
    }

    #[test]
    fn the_first_answer_stands() {
        let folder = tempfile::tempdir().unwrap();
        let answers = Answers::new(folder.path());
        let cycle: CycleFolder = "2018-09-01-001".parse().unwrap();
        let answer = |participant: &str, answer| Answer {
            answer,
            cycle: cycle.to_string(),
            fingerprint: "aa".to_owned(),
            manifest_sha256: "bb".to_owned(),
            directory_name: participant.to_owned(),
            participant: participant.to_owned(),
            reason: None,
            time: "2018-09-02T00:00:00+08:00".to_owned(),
        };
        assert_eq!(answers.all(None).unwrap(), []);
        assert_eq!(answers.get(cycle, "cu-2000").unwrap(), None);
        let (first, other) = (answer("cu-2000", Word::Acknowledged), answer("cu-2000", Word::Refused));
        assert!(answers.keep(cycle, &first).unwrap());
        assert!(!answers.keep(cycle, &other).unwrap());
        assert!(answers.keep(cycle, &answer("bank", Word::Refused)).unwrap());
        assert_eq!(answers.get(cycle, "cu-2000").unwrap(), Some(first.clone()));
        assert_eq!(answers.all(Some(cycle)).unwrap(), [answer("bank", Word::Refused), first]);
        assert_eq!(answers.all(Some("2018-09-02-001".parse().unwrap())).unwrap(), []);
        let left = fs::read_dir(folder.path().join("answers/2018-09-01-001")).unwrap().count();
        assert_eq!(left, 2, "nothing of the attempt that came second is left");
    }
}
