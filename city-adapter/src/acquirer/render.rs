//! Writes the answers: a results file for each upload, a receipts file for each city.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, BufRead, BufReader, BufWriter, Write},
    path::Path,
    sync::Mutex,
};

use domain::city::City;

use super::{
    AcquirerError, AcquirerHost, Desk, Shared,
    draft::{self, DECIDED, WAITS},
    lock,
    source::hex,
    spread,
};
use crate::{
    durable::{make_folders, sync_folder},
    fields::write_field,
    journal::{Input, Journal, Known, Outcome, UploadRow, UploadState},
};

/// The header of a results file.
pub const RESULTS_HEADER: &str =
    "line,terminal,terminal_seq,issuer,amount_fen,result,reason,decided_by,cycle\n";

/// The header of a receipts file.
pub const RECEIPTS_HEADER: &str = "file,sha256,records,malformed,local,presented,amount_fen,state,reason\n";

const BUFFER_LEN: usize = 256 * 1024;

/// The end of the row of a record that has no result yet.
const NO_RESULT: &[u8] = b",,,,\n";

impl AcquirerHost {
    /// Writes `results/<city>/<name>.csv` of every upload of `cities` whose results changed, and
    /// `receipts/<city>.csv` of each of them. Each file appears whole. A record whose result has not come yet
    /// has empty texts in its last four columns.
    ///
    /// # Errors
    /// [`AcquirerError::File`] or [`AcquirerError::Answers`], for example on a full disk; nothing half-written stays
    /// under its final name, and all that can be written is.
    pub fn render(&self, cities: &[City]) -> Result<(), AcquirerError> {
        let done = spread(cities.to_vec(), |city| self.shared.render_city(city));
        done.into_iter().collect()
    }
}

/// What the results file of one upload needs from the journal, as of one moment.
struct Answers {
    upload: UploadRow,
    /// Records and result of each batch, in order.
    batches: Vec<(u32, Option<Known>)>,
    cycles: BTreeMap<u32, String>,
    complete: bool,
}

impl Shared {
    fn render_city(&self, city: City) -> Result<(), AcquirerError> {
        let desk = self.desk(city);
        self.render_receipts(city, &desk)?;
        let names = lock(&desk).unwritten.clone();
        let mut failed = Vec::new();
        for name in names {
            match self.render_upload(city, &desk, &name) {
                Ok(()) => {}
                // The others may still be written.
                Err(error @ AcquirerError::File { .. }) => failed.push((name, error)),
                Err(error) => return Err(error),
            }
        }
        let others = failed.len().saturating_sub(1);
        failed.into_iter().next().map_or(Ok(()), |(name, source)| {
            Err(AcquirerError::Answers { name, others, source: Box::new(source) })
        })
    }

    /// Writes the receipts if uploads were decided since.
    fn render_receipts(&self, city: City, desk: &Mutex<Desk>) -> Result<(), AcquirerError> {
        let (uploads, receipts) = {
            let desk = lock(desk);
            let uploads = desk.journal.uploads().len();
            if desk.receipts == Some(uploads) {
                return Ok(());
            }
            (uploads, receipts(&desk.journal))
        };
        let folder = self.out.join("receipts");
        replace(&folder, &format!("{city}.csv"), false, |to| to.write_all(&receipts))?;
        lock(desk).receipts = Some(uploads);
        Ok(())
    }

    fn render_upload(&self, city: City, desk: &Mutex<Desk>, name: &str) -> Result<(), AcquirerError> {
        let answers = {
            let mut desk = lock(desk);
            desk.unwritten.remove(name);
            Answers::of(&desk, name)
        };
        let Some(answers) = answers else { return Ok(()) };
        let written = self.render_file(city, &answers);
        let mut desk = lock(desk);
        if let Err(error) = written {
            desk.unwritten.insert(name.to_owned());
            return Err(error);
        }
        if answers.complete {
            // Durable before the draft goes: without it nothing can be written anew.
            let effects = desk.journal.step(Input::Close { name: name.to_owned() })?;
            desk.keep(&self.store, &effects, true)?;
            desk.unwritten.remove(name);
            let draft = draft::path(&self.drafts, city, name);
            fs::remove_file(&draft).map_err(AcquirerError::file(&draft))?;
        }
        Ok(())
    }

    fn render_file(&self, city: City, answers: &Answers) -> Result<(), AcquirerError> {
        let name = &answers.upload.name;
        let path = draft::path(&self.drafts, city, name);
        let draft = File::open(&path).map_err(AcquirerError::file(&path))?;
        let draft = BufReader::with_capacity(BUFFER_LEN, draft);
        replace(&self.results_folder(city), name, answers.complete, |to| write_results(draft, answers, to))
    }
}

impl Answers {
    fn of(desk: &Desk, name: &str) -> Option<Self> {
        let journal = &desk.journal;
        let taken = |row: &&UploadRow| row.state() == UploadState::Taken && !row.closed;
        let upload = journal.upload(name).filter(taken)?.clone();
        let numbers = upload.first_number..upload.first_number + upload.batches;
        let batch = |number| journal.result_of(number).map(|(records, known)| (records, known.cloned()));
        let batches: Vec<_> = numbers.map(batch).collect::<Option<_>>()?;
        let mut cycles = BTreeMap::new();
        for known in batches.iter().filter_map(|(_, known)| known.as_ref()) {
            let outcomes = known.exceptions().iter().map(|(_, outcome)| *outcome);
            for outcome in outcomes.chain([known.default()]) {
                let name = || journal.cycle_name(outcome.cycle).unwrap_or_default().to_owned();
                cycles.entry(outcome.cycle).or_insert_with(name);
            }
        }
        let complete = journal.is_complete(&upload);
        Some(Self { upload, batches, cycles, complete })
    }
}

/// Joins the rows of a draft with the results of its batches.
fn write_results(mut draft: impl BufRead, answers: &Answers, to: &mut dyn Write) -> io::Result<()> {
    to.write_all(RESULTS_HEADER.as_bytes())?;
    let mut batches = answers.batches.iter();
    let (mut current, mut position) = (batches.next(), 0);
    let mut endings = Endings { cycles: &answers.cycles, known: BTreeMap::new() };
    let mut row = Vec::new();
    loop {
        row.clear();
        if draft.read_until(b'\n', &mut row)? == 0 {
            break;
        }
        match row.split_first() {
            Some((&DECIDED, row)) => to.write_all(row)?,
            Some((&WAITS, row)) => {
                while current.is_some_and(|(records, _)| position >= *records) {
                    (current, position) = (batches.next(), 0);
                }
                let known = current.and_then(|(_, known)| known.as_ref());
                to.write_all(row.strip_suffix(b"\n").unwrap_or(row))?;
                let place = u16::try_from(position).unwrap_or(u16::MAX);
                to.write_all(known.map_or(NO_RESULT, |known| endings.of(known.at(place))))?;
                position += 1;
            }
            _ => return Err(io::Error::other("a row of the draft cannot be read")),
        }
    }
    match current {
        Some((records, _)) if position < *records => Err(io::Error::other("the draft is cut short")),
        _ if batches.next().is_some() => Err(io::Error::other("the draft is cut short")),
        _ => Ok(()),
    }
}

/// The ends of rows, of which there are few.
struct Endings<'a> {
    cycles: &'a BTreeMap<u32, String>,
    known: BTreeMap<(u8, u32), Vec<u8>>,
}

impl Endings<'_> {
    fn of(&mut self, outcome: Outcome) -> &[u8] {
        self.known.entry((outcome.result.code(), outcome.cycle)).or_insert_with(|| {
            let cycle = self.cycles.get(&outcome.cycle).map_or("", String::as_str);
            let result = outcome.result;
            format!(",{},{},{},{cycle}\n", result.name(), result.reason(), result.decided_by()).into_bytes()
        })
    }
}

/// The receipts file of a city.
fn receipts(journal: &Journal) -> Vec<u8> {
    let mut text = RECEIPTS_HEADER.as_bytes().to_vec();
    for row in journal.uploads() {
        write_field(&mut text, row.name.as_bytes());
        let counts = [row.records, row.malformed, row.local, row.presented, row.amount_fen];
        let counts = counts.map(|count| count.to_string()).join(",");
        let state = if row.state() == UploadState::Taken { "taken" } else { "refused" };
        text.extend_from_slice(format!(",{},{counts},{state},", hex(&row.sha256)).as_bytes());
        write_field(&mut text, row.reason.as_bytes());
        text.push(b'\n');
    }
    text
}

/// Writes a file beside its place and puts it there whole.
fn replace(
    folder: &Path,
    name: &str,
    durable: bool,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), AcquirerError> {
    let to = folder.join(name);
    make_folders(folder).map_err(AcquirerError::file(folder))?;
    let digest = hex(&proto::digest::bytes(name.as_bytes())[..16]);
    let beside = folder.join(format!(".{digest}.tmp"));
    let written = File::create(&beside).and_then(|file| {
        let mut file = BufWriter::with_capacity(BUFFER_LEN, file);
        write(&mut file)?;
        file.flush()?;
        if durable { file.get_ref().sync_data() } else { Ok(()) }
    });
    let placed = written.and_then(|()| fs::rename(&beside, &to));
    let placed = placed.and_then(|()| if durable { sync_folder(folder) } else { Ok(()) });
    placed.map_err(|source| {
        // What is left is of no use; the error that counts is the first.
        drop(fs::remove_file(&beside));
        AcquirerError::File { path: to, source }
    })
}
