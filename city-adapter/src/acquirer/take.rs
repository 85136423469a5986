//! Takes uploads: decides on each, cuts it into batches, journals and publishes them.

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use cu_log::Writer;
use domain::city::City;
use runtime::whole_text;

use super::{AcquirerError, AcquirerHost, Shared, draft, lock, source, spread};
use crate::{
    ingest::is_upload,
    journal::{Input, JournalError, Summary, UploadRow, UploadState},
    mapping::Mapping,
};
pub(super) use flight::Flight;
pub use flight::Patience;
use source::{Manifest, Survey, digest_of, survey};

mod flight;
mod stream;

/// The longest name of an upload, in bytes.
const NAME_LEN_MAX: usize = 255;

/// A file that a city has put into its inbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// The city whose terminals collected the taps.
    pub city: City,
    /// Where the file stands; its manifest, if any, beside it.
    pub path: PathBuf,
    /// Its base name with `.csv`.
    pub name: String,
}

/// What became of an upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All of it is on the log.
    Taken(Summary),
    /// The same name and bytes were taken before.
    AlreadyTaken,
    /// The same name and bytes were refused before.
    AlreadyRefused,
    /// None of it was published.
    Refused(String),
    /// It could not be read at all; nothing is remembered of it and it may be tried again.
    Unreadable(String),
}

/// An upload and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenUpload {
    /// The city.
    pub city: City,
    /// Base name with `.csv`.
    pub name: String,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a scan.
#[derive(Debug, Default)]
pub struct TakeSummary {
    /// Every upload that was decided, by city and name.
    pub uploads: Vec<TakenUpload>,
    /// Cities of which not all uploads could be taken, and why. Running again goes on where it stopped.
    pub failures: Vec<(City, AcquirerError)>,
}

impl TakeSummary {
    /// The sums over what was taken now.
    #[must_use]
    pub fn totals(&self) -> Summary {
        let mut sum = Summary::default();
        for upload in &self.uploads {
            if let Outcome::Taken(taken) = &upload.outcome {
                sum.records += taken.records;
                sum.malformed += taken.malformed;
                sum.local += taken.local;
                sum.presented += taken.presented;
                sum.amount_fen += taken.amount_fen;
            }
        }
        sum
    }
}

impl AcquirerHost {
    /// Takes what a scan of the inboxes found: each city's files in name order, cities side by side. Returns
    /// when everything that was taken is durable on the log.
    ///
    /// `member` says whether a city is a member on the open cycle's business date. `progress` is told how many
    /// data lines were read since it was last told.
    ///
    /// # Errors
    /// [`AcquirerError::Log`] if the log gives no writer. What concerns one city is in
    /// [`TakeSummary::failures`], so that the others go on.
    pub fn take(
        &self,
        scan: Vec<Upload>,
        member: &(dyn Fn(City) -> bool + Sync),
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<TakeSummary, AcquirerError> {
        let mut cities: BTreeMap<City, Vec<Upload>> = BTreeMap::new();
        for upload in scan {
            cities.entry(upload.city).or_default().push(upload);
        }
        for city in self.shared.in_progress() {
            cities.entry(city).or_default();
        }
        let mut work = Vec::new();
        for (city, mut uploads) in cities {
            uploads.sort_unstable_by(|a, b| a.name.cmp(&b.name));
            let len: u64 = uploads.iter().filter_map(|u| fs::metadata(&u.path).ok()).map(|m| m.len()).sum();
            work.push((len, city, uploads));
        }
        // The largest first, so that no thread is left alone with it in the end.
        work.sort_by_key(|(len, ..)| std::cmp::Reverse(*len));
        // A writer for each thread; one that failed is not used again.
        let writers = Mutex::new(vec![self.shared.log.writer()?]);
        let done = spread(work, |(_, city, uploads)| {
            let spare = lock(&writers).pop();
            let writer = match spare.map_or_else(|| self.shared.log.writer(), Ok) {
                Ok(writer) => writer,
                Err(error) => return (city, Vec::new(), Some(error.into())),
            };
            let mut taker = Taker::new(&self.shared, city, writer, progress);
            let failed = taker.run(uploads, member).err();
            if failed.is_none() {
                lock(&writers).push(taker.writer);
            }
            (city, taker.taken, failed)
        });
        let mut summary = TakeSummary::default();
        for (city, taken, failed) in done {
            summary.uploads.extend(taken);
            summary.failures.extend(failed.map(|error| (city, error)));
        }
        summary.uploads.sort_by(|a, b| (a.city, &a.name).cmp(&(b.city, &b.name)));
        summary.failures.sort_by_key(|(city, _)| *city);
        Ok(summary)
    }
}

/// Takes the uploads of one city.
struct Taker<'a> {
    shared: &'a Shared,
    city: City,
    mapping: Option<Arc<Mapping>>,
    writer: Box<dyn Writer>,
    flight: Flight,
    patience: Patience,
    progress: &'a (dyn Fn(u64) + Sync),
    taken: Vec<TakenUpload>,
    /// The epoch of the desk when the file being taken was begun.
    epoch: u64,
}

impl<'a> Taker<'a> {
    fn new(
        shared: &'a Shared,
        city: City,
        writer: Box<dyn Writer>,
        progress: &'a (dyn Fn(u64) + Sync),
    ) -> Self {
        let mapping = lock(&shared.mappings).get(&city).cloned();
        let flight = lock(&shared.flights).entry(city).or_default().clone();
        let patience = lock(&shared.patience).clone();
        Self { shared, city, mapping, writer, flight, patience, progress, taken: Vec::new(), epoch: 0 }
    }

    fn run(&mut self, uploads: Vec<Upload>, member: &dyn Fn(City) -> bool) -> Result<(), AcquirerError> {
        let desk = self.shared.desk(self.city);
        // What an earlier take left on its way is not sent a second time.
        let through = self.flight.settle(&self.patience)?;
        lock(&desk).step(&self.shared.store, Input::Durable { through })?;
        let in_progress = lock(&desk).journal.in_progress().map(str::to_owned);
        let (first, rest): (Vec<_>, Vec<_>) =
            uploads.into_iter().partition(|upload| Some(&upload.name) == in_progress.as_ref());
        if let (Some(name), true) = (in_progress, first.is_empty()) {
            return Err(JournalError::InProgress { city: self.city, name }.into());
        }
        // A file that was begun was decided on then.
        for upload in first {
            let summary = self.stream(&upload, None)?;
            self.told(upload.name, Outcome::Taken(summary));
        }
        for upload in rest {
            let outcome = self.decide(&upload, member)?;
            self.told(upload.name, outcome);
        }
        Ok(())
    }

    /// The mapping of the city, for files that come from its systems as they are.
    fn mapping_for(&self, name: &str) -> Option<&Mapping> {
        self.mapping.as_deref().filter(|_| !is_upload(name))
    }

    fn told(&mut self, name: String, outcome: Outcome) {
        self.taken.push(TakenUpload { city: self.city, name, outcome });
    }

    fn decide(&mut self, upload: &Upload, member: &dyn Fn(City) -> bool) -> Result<Outcome, AcquirerError> {
        if upload.name.len() > NAME_LEN_MAX || upload.name.contains(['/', '\0', '\n', '\r']) {
            return Ok(Outcome::Unreadable("its name cannot be kept".to_owned()));
        }
        let desk = self.shared.desk(self.city);
        let known = lock(&desk).journal.upload(&upload.name).cloned();
        if let Some(known) = known {
            return self.again(upload, &known);
        }
        let manifest = match Manifest::beside(&upload.path) {
            Ok(manifest) => manifest,
            Err(error) => return Ok(Outcome::Unreadable(format!("its manifest cannot be read: {error}"))),
        };
        let is_member = member(self.city);
        let whole_first = self.mapping.as_ref().is_some_and(|mapping| mapping.has_controls());
        if is_member && manifest.is_none() && !whole_first {
            return match self.stream(upload, None) {
                Ok(summary) => Ok(Outcome::Taken(summary)),
                Err(AcquirerError::Upload { source, .. }) if source.is_of_header() => {
                    self.surveyed(upload, |_| Err(source.to_string()))
                }
                Err(error) => self.unreadable_if_untouched(error),
            };
        }
        self.surveyed(upload, |found| {
            if !is_member {
                return Err("the city is no member on the business date".to_owned());
            }
            if let Some(why) = &found.bad_header {
                return Err(why.clone());
            }
            manifest.map_or(Ok(()), |manifest| manifest.and_then(|manifest| manifest.check(found)))
        })
    }

    /// Surveys an upload and takes it if `judge` has nothing against it.
    fn surveyed(
        &mut self,
        upload: &Upload,
        judge: impl FnOnce(&Survey) -> Result<(), String>,
    ) -> Result<Outcome, AcquirerError> {
        let found = match survey(&upload.path, self.city, self.mapping_for(&upload.name)) {
            Ok(found) => found,
            Err(error) => return Ok(Outcome::Unreadable(whole_text(&error))),
        };
        match judge(&found) {
            Ok(()) => self.stream(upload, Some(found.summary.sha256)).map(Outcome::Taken),
            Err(reason) => self.refuse(upload, &found.summary, reason),
        }
    }

    fn refuse(&mut self, upload: &Upload, found: &Summary, reason: String) -> Result<Outcome, AcquirerError> {
        let desk = self.shared.desk(self.city);
        let mut desk = lock(&desk);
        let (name, sha256) = (upload.name.clone(), found.sha256);
        let input = Input::Refuse { name, sha256, records: found.records, reason: reason.clone() };
        desk.step(&self.shared.store, input)?;
        Ok(Outcome::Refused(reason))
    }

    /// An upload under a name that is known.
    fn again(&mut self, upload: &Upload, known: &UploadRow) -> Result<Outcome, AcquirerError> {
        let sha256 = match digest_of(&upload.path) {
            Ok(sha256) => sha256,
            Err(error) => return Ok(Outcome::Unreadable(error.to_string())),
        };
        let desk = self.shared.desk(self.city);
        let same = lock(&desk).journal.upload_of(&upload.name, sha256).map(UploadRow::state);
        Ok(match same {
            Some(UploadState::Taken) => Outcome::AlreadyTaken,
            Some(_) => Outcome::AlreadyRefused,
            None => {
                let reason = match known.state() {
                    UploadState::Taken => {
                        "a file of this name with other bytes was taken before; send it under another name"
                    }
                    _ => "a file of this name was refused before; send it under another name",
                };
                return self.surveyed(upload, |_| Err(reason.to_owned()));
            }
        })
    }

    /// A file that cannot be read is no failure of the city while nothing of it was journaled.
    fn unreadable_if_untouched(&self, error: AcquirerError) -> Result<Outcome, AcquirerError> {
        let desk = self.shared.desk(self.city);
        match error {
            AcquirerError::Upload { source, .. } if lock(&desk).journal.in_progress().is_none() => {
                Ok(Outcome::Unreadable(whole_text(&source)))
            }
            error => Err(error),
        }
    }
}
