//! One upload on its way from its file to the log, in bounded memory.

use std::{fs::File, mem};

use bytes::Bytes;
use proto::{Message, TapBatch};

use super::{Taker, Upload, draft, lock, source::Hashing};
use crate::{
    acquirer::{AcquirerError, Desk, inbox::Inbox, quarantine::Quarantine},
    cut::Cutter,
    journal::{CutBatch, Effect, Input, Journal, Summary},
    mapping::Mapping,
    quarantine::Script,
    tapfile::Line,
};

/// Batches that share one synced write of the journal.
const GROUP_BATCHES: usize = 8;

/// Batches that are journaled together, then published together.
#[derive(Default)]
struct Group {
    effects: Vec<Effect>,
    batches: Vec<(u64, Bytes)>,
    cut: usize,
}

/// Data lines read but not told yet.
const PROGRESS_LINES: u64 = 4096;

impl Taker<'_> {
    /// Cuts an upload, journals and publishes its batches and waits until they are durable. `expected` is the
    /// digest that an earlier pass found.
    pub(super) fn stream(
        &mut self,
        upload: &Upload,
        expected: Option<[u8; 32]>,
    ) -> Result<Summary, AcquirerError> {
        let bad = |source| AcquirerError::Upload { path: upload.path.clone(), source };
        let input = File::open(&upload.path).map_err(|error| bad(error.into()))?;
        let file =
            Inbox::open(Hashing::new(input), self.city, self.mapping_for(&upload.name)).map_err(bad)?;
        let mut group = Group::default();
        let begun = Input::Begin { name: upload.name.clone() };
        let desk = self.shared.desk(self.city);
        group.effects = {
            let mut desk = lock(&desk);
            self.epoch = desk.epoch;
            desk.journal.step(begun)?
        };
        let streamed = self.stream_file(upload, file, group, expected);
        if streamed.is_err() {
            // What was journaled in memory but not in the store must not be taken for journaled.
            lock(&desk).reload(&self.shared.store)?;
        }
        streamed
    }

    fn stream_file(
        &mut self,
        upload: &Upload,
        mut file: Inbox<Hashing<File>>,
        mut group: Group,
        expected: Option<[u8; 32]>,
    ) -> Result<Summary, AcquirerError> {
        let bad = |source| AcquirerError::Upload { path: upload.path.clone(), source };
        let draft_path = draft::path(&self.shared.drafts, self.city, &upload.name);
        let on_draft = AcquirerError::file(&draft_path);
        let mut draft = draft::Draft::create(&draft_path).map_err(on_draft)?;
        let script = self.mapping_for(&upload.name).map_or(Script::UTF_8, Mapping::script);
        let mut quarantine = Quarantine::new(self.shared.quarantine(), &upload.name, script);
        let (mut cutter, mut summary, mut told) = (Cutter::default(), Summary::default(), 0);
        while let Some(line) = file.next_line().map_err(bad)? {
            summary.records += 1;
            let written = match &line {
                Line::Tap(tap) => {
                    if !cutter.fits(tap) {
                        self.cut(&mut cutter, upload, &mut group)?;
                    }
                    cutter.push(tap);
                    summary.presented += 1;
                    summary.amount_fen += u64::from(tap.tap.amount_fen.get());
                    draft.waits(tap.tap.line.get(), &tap.texts)
                }
                Line::Local(tap) => {
                    summary.local += 1;
                    draft.local(tap)
                }
                Line::Malformed(malformed) => {
                    summary.malformed += 1;
                    quarantine.note(malformed);
                    draft.malformed(malformed)
                }
            };
            written.map_err(AcquirerError::file(&draft_path))?;
            quarantine.keep(&file)?;
            if summary.records - told >= PROGRESS_LINES {
                (self.progress)(summary.records - told);
                told = summary.records;
            }
        }
        if cutter.records() > 0 {
            self.cut(&mut cutter, upload, &mut group)?;
        }
        self.send(&mut group)?;
        (self.progress)(summary.records - told);
        quarantine.end(&file)?;
        summary.sha256 = file.into_input().digest();
        if expected.is_some_and(|expected| expected != summary.sha256) {
            return Err(AcquirerError::Changing { path: upload.path.clone() });
        }
        draft.finish().map_err(AcquirerError::file(&draft_path))?;
        quarantine.finish()?;
        self.end(upload, summary)?;
        Ok(summary)
    }

    /// Cuts the batch that waits in the cutter.
    fn cut(&mut self, cutter: &mut Cutter, upload: &Upload, group: &mut Group) -> Result<(), AcquirerError> {
        let desk = self.shared.desk(self.city);
        let number = self.same(&lock(&desk))?.number_of().unwrap_or_default();
        let batch = cutter.take(self.city, number, &upload.name);
        let effects = {
            let mut desk = lock(&desk);
            self.same(&desk)?;
            desk.journal.step(Input::Cut(cut_batch(&batch)))?
        };
        if effects.contains(&Effect::Publish { number }) {
            group.batches.push((number, batch.encode_to_vec().into()));
        }
        group.effects.extend(effects);
        group.cut += 1;
        if group.cut >= GROUP_BATCHES { self.send(group) } else { Ok(()) }
    }

    /// Journals a group with one synced write, then publishes it.
    fn send(&mut self, group: &mut Group) -> Result<(), AcquirerError> {
        let Group { mut effects, batches, .. } = mem::take(group);
        let desk = self.shared.desk(self.city);
        let through = self.flight.wait_for_room(&self.patience)?;
        {
            let mut desk = lock(&desk);
            self.same(&desk)?;
            effects.extend(desk.journal.step(Input::Durable { through })?);
            self.shared.store.write(self.city, &effects, !batches.is_empty())?;
        }
        let Some((last, _)) = batches.last() else { return Ok(()) };
        let durable = self.flight.sent(batches.len() as u64, *last);
        let partition = self.shared.topics.taps(self.city);
        let messages = batches.into_iter().map(|(_, bytes)| (partition.clone(), bytes)).collect();
        self.writer.append(messages, durable)?;
        Ok(())
    }

    /// The journal, unless it was read again since the file was begun: then it knows less than was cut.
    fn same<'d>(&self, desk: &'d Desk) -> Result<&'d Journal, AcquirerError> {
        if desk.epoch == self.epoch {
            Ok(&desk.journal)
        } else {
            Err(AcquirerError::Reopened { city: self.city })
        }
    }

    /// Ends an upload once everything of it is durable.
    fn end(&mut self, upload: &Upload, summary: Summary) -> Result<(), AcquirerError> {
        let through = self.flight.wait_for_all(&self.patience)?;
        let desk = self.shared.desk(self.city);
        let mut desk = lock(&desk);
        self.same(&desk)?;
        let mut effects = desk.journal.step(Input::Durable { through })?;
        effects.extend(desk.journal.step(Input::End(summary))?);
        desk.keep(&self.shared.store, &effects, true)?;
        desk.unwritten.insert(upload.name.clone());
        Ok(())
    }
}

fn cut_batch(batch: &TapBatch) -> CutBatch {
    let digest = batch.digest.as_ref().try_into().unwrap_or_default();
    CutBatch { number: batch.number, digest, records: batch.records }
}
