//! The life of a tap from what log and published files tell.

use std::collections::BTreeMap;

use domain::{
    city::City,
    result::RecordResult,
    tap::{Algorithm, Medium, Product, Sector, Tap},
};

use super::{
    calendar::Calendar,
    fold::{Arrival, Batch, Fold, Record, Said, Told},
    life::{
        BatchPlace, FileRow, Offsets, OutcomePlace, Park, Presentation, ResultSaid, RowKind, TapFacts,
        VerdictSaid,
    },
    published::FromFolder,
    settled::{settlement, stands},
};

/// The presentations, in the order in which they came.
#[must_use]
pub fn presentations(
    fold: Option<&Fold>,
    calendar: &Calendar,
    topics: &cu_log::topics::Topics,
    folder: &FromFolder,
) -> Vec<Presentation> {
    let mut found = BTreeMap::new();
    for ((city, number), batch) in fold.iter().flat_map(|fold| &fold.batches) {
        for record in &batch.found {
            let teller = Teller { city: *city, number: *number, batch, record, fold, calendar, topics };
            let presentation = teller.presentation();
            found.insert((*city, batch.file.clone(), presentation.line), presentation);
        }
    }
    attach(&mut found, folder);
    let first_numbers = first_numbers(&found);
    let mut all: Vec<Presentation> = found.into_values().collect();
    for presentation in &mut all {
        results_of_files(presentation);
        presentation.settlement = settlement(presentation, calendar, folder);
    }
    all.sort_by_cached_key(|it| {
        let number = first_numbers.get(&(it.acquirer, it.file.clone())).copied().unwrap_or(u64::MAX);
        (it.acquirer, number, it.file.clone(), it.line)
    });
    let stands: Vec<_> = (0..all.len()).map(|at| stands(&all, at)).collect();
    for (presentation, stands) in all.iter_mut().zip(stands) {
        presentation.stands = stands;
    }
    all
}

type Key = (City, String, u32);

/// The number of the first batch of each file.
fn first_numbers(found: &BTreeMap<Key, Presentation>) -> BTreeMap<(City, String), u64> {
    let mut numbers = BTreeMap::new();
    for ((city, file, _), presentation) in found {
        let Some(batch) = &presentation.batch else { continue };
        let first = numbers.entry((*city, file.clone())).or_insert(batch.number);
        *first = batch.number.min(*first);
    }
    numbers
}

/// One record that the log told of.
struct Teller<'a> {
    city: City,
    number: u64,
    batch: &'a Batch,
    record: &'a Record,
    fold: Option<&'a Fold>,
    calendar: &'a Calendar,
    topics: &'a cu_log::topics::Topics,
}

impl Teller<'_> {
    fn cycle(&self, cycle: u32) -> Option<String> {
        let told = || self.fold?.cycle_names.get(&cycle).cloned();
        self.calendar.name(cycle).or_else(told)
    }

    fn presentation(&self) -> Presentation {
        let (tap, batch) = (&self.record.tap, self.batch);
        Presentation {
            acquirer: self.city,
            file: batch.file.clone(),
            line: tap.line.get(),
            issuer: self.record.issuer.to_string(),
            amount_fen: tap.amount_fen.get().to_string(),
            tap: Some(facts(tap, self.record.texts.as_ref())),
            batch: Some(BatchPlace {
                number: self.number,
                position: tap.position.get(),
                records: batch.records,
                digest: batch.digest.iter().map(|byte| format!("{byte:02x}")).collect(),
                topic: self.topics.taps(self.city).topic.to_string(),
                offsets: batch.taps.clone(),
            }),
            outcome: batch.arrival.as_ref().map(|arrival| self.outcome(arrival)),
            verdicts: self.record.verdicts.iter().map(|said| self.verdict(said)).collect(),
            park: self.park(),
            results: self.record.results.iter().map(|told| self.result(told)).collect(),
            stands: None,
            settlement: None,
            disputes: Vec::new(),
            refunds: Vec::new(),
            rows: Vec::new(),
        }
    }

    fn outcome(&self, arrival: &Arrival) -> OutcomePlace {
        OutcomePlace {
            partition: arrival.partition,
            offset: arrival.offset,
            cycle: arrival.cycle.and_then(|cycle| self.cycle(cycle)),
            again: arrival.again.clone(),
            headers: arrival.headers.clone(),
        }
    }

    fn verdict(&self, said: &Said) -> VerdictSaid {
        let rejection: Option<domain::result::Rejection> = said.verdict.into();
        VerdictSaid {
            verdict: rejection.map_or("accepted", |rejection| RecordResult::Rejected(rejection).reason()),
            late: said.late,
            partition: said.partition,
            offsets: said.offsets.clone(),
            cycle: said.cycle.and_then(|cycle| self.cycle(cycle)),
        }
    }

    fn result(&self, told: &Told) -> ResultSaid {
        ResultSaid {
            result: told.result.name().to_owned(),
            reason: told.result.reason().to_owned(),
            decided_by: told.result.decided_by().to_owned(),
            cycle: self.cycle(told.cycle),
            offset: Some(told.offset),
        }
    }

    /// A record whose part waited, unless the centre rejected it as it came.
    fn park(&self) -> Option<Park> {
        let results = &self.record.results;
        let waited = results.first().is_none_or(|first| first.result == RecordResult::Parked);
        let arrived = self.batch.arrival.as_ref().and_then(|arrival| arrival.cycle);
        let ended = results.last().filter(|last| last.result != RecordResult::Parked);
        (self.record.parked && waited).then(|| Park {
            offsets: self.record.park.clone(),
            since: arrived.and_then(|cycle| self.cycle(cycle)),
            until: ended.and_then(|last| self.cycle(last.cycle)),
        })
    }
}

fn facts(tap: &Tap, texts: Option<&[String; 3]>) -> TapFacts {
    let word = |word: Option<&'static str>| word.unwrap_or("?").to_owned();
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02X}")).collect::<String>();
    let text = |at: usize| texts.and_then(|texts| texts.get(at)).filter(|text| !text.is_empty()).cloned();
    TapFacts {
        card: hex(&tap.card),
        card_counter: tap.card_counter.get().to_string(),
        type_byte: hex(&[tap.type_byte]),
        fare_fen: tap.fare_fen.get().to_string(),
        tapped_at: tap.tapped_at().to_string(),
        medium: word(Medium::from_index(tap.medium).map(Medium::word)),
        sector: word(Sector::from_index(tap.sector).map(Sector::word)),
        product: word(Product::from_index(tap.product).map(Product::word)),
        operator: text(0),
        route: text(1),
        station: text(2),
        key_version: Some(tap.key_version),
        algorithm: Algorithm::from_index(tap.algorithm).map(Algorithm::word),
        tac: Some(hex(&tap.tac)),
    }
}

/// Gives every row to its presentation; a record that only files tell of becomes one.
fn attach(found: &mut BTreeMap<Key, Presentation>, folder: &FromFolder) {
    for (city, row) in &folder.rows {
        let key = match row.kind {
            RowKind::Acquirer => Some((row.get("file").to_owned(), row.get("line"))),
            RowKind::Answer => row.path.rsplit('/').next().map(|name| (name.to_owned(), row.get("line"))),
            _ => None,
        };
        let Some((file, Ok(line))) = key.map(|(file, line)| (file, line.parse::<u32>())) else { continue };
        let presentation =
            found.entry((*city, file.clone(), line)).or_insert_with(|| of_files(*city, file, line, row));
        presentation.rows.push(row.clone());
    }
    for (city, row) in &folder.rows {
        for presentation in found.values_mut().filter(|it| it.acquirer == *city) {
            if belongs(presentation, row) {
                presentation.rows.push(row.clone());
            }
        }
    }
    for presentation in found.values_mut() {
        presentation.rows.sort_by_key(|row| (row.kind, order(&row.cycle)));
        facts_of_files(presentation);
    }
}

fn of_files(city: City, file: String, line: u32, row: &FileRow) -> Presentation {
    Presentation {
        acquirer: city,
        file,
        line,
        issuer: row.get("issuer").to_owned(),
        amount_fen: row.get("amount_fen").to_owned(),
        tap: None,
        batch: None,
        outcome: None,
        verdicts: Vec::new(),
        park: None,
        results: Vec::new(),
        stands: None,
        settlement: None,
        disputes: Vec::new(),
        refunds: Vec::new(),
        rows: Vec::new(),
    }
}

/// Whether a row of a receipt, a home city or a position belongs to a record.
fn belongs(presentation: &Presentation, row: &FileRow) -> bool {
    let paid_in = |cycle: &str| {
        presentation.rows_of(RowKind::Acquirer).any(|taken| {
            taken.cycle.as_deref() == Some(cycle)
                && taken.get("result") == RecordResult::Cleared.name()
                && taken.path.split('/').next() == row.path.split('/').next()
        })
    };
    let cycle = row.cycle.as_deref().unwrap_or_default();
    match row.kind {
        RowKind::Receipt => row.get("file") == presentation.file,
        RowKind::Issuer => paid_in(cycle) && row.path.ends_with(&format!("/{}.csv", presentation.issuer)),
        RowKind::Position => paid_in(cycle) && row.get("issuer") == presentation.issuer,
        RowKind::Acquirer | RowKind::Answer => false,
    }
}

/// The home city's row tells most columns of the record.
fn facts_of_files(presentation: &mut Presentation) {
    if presentation.tap.is_some() {
        return;
    }
    let row = presentation.rows_of(RowKind::Issuer).next().cloned();
    presentation.tap = row.map(|row| {
        let text = |column: &str| row.get(column).to_owned();
        TapFacts {
            card: text("card"),
            card_counter: text("card_counter"),
            type_byte: text("type"),
            fare_fen: text("fare_fen"),
            tapped_at: text("tapped_at"),
            medium: text("medium"),
            sector: text("sector"),
            product: text("product"),
            ..TapFacts::default()
        }
    });
}

/// Where the log told nothing, the files' rows are the results, cycle after cycle.
fn results_of_files(presentation: &mut Presentation) {
    if !presentation.results.is_empty() {
        return;
    }
    let said = |row: &FileRow, cycle: &str| ResultSaid {
        result: row.get("result").to_owned(),
        reason: row.get("reason").to_owned(),
        decided_by: row.get("decided_by").to_owned(),
        cycle: (!cycle.is_empty()).then(|| cycle.to_owned()),
        offset: None,
    };
    let mut results: Vec<ResultSaid> = Vec::new();
    for row in presentation.rows_of(RowKind::Acquirer) {
        let next = said(row, row.cycle.as_deref().unwrap_or_default());
        if results.last() != Some(&next) {
            results.push(next);
        }
    }
    let answer = presentation.rows_of(RowKind::Answer).next();
    let answer = answer.filter(|row| !row.get("result").is_empty()).map(|row| said(row, row.get("cycle")));
    results.extend(answer.filter(|answer| !results.contains(answer)));
    let parked = |it: &&ResultSaid| it.result == RecordResult::Parked.name();
    if presentation.park.is_none() && presentation.batch.is_none() {
        presentation.park = results.first().filter(parked).map(|first| Park {
            offsets: Offsets::default(),
            since: first.cycle.clone(),
            until: results.last().filter(|last| !parked(last)).and_then(|last| last.cycle.clone()),
        });
    }
    presentation.results = results;
}

/// Cycles in their order.
pub fn order(cycle: &Option<String>) -> Option<domain::cycle::CycleName> {
    cycle.as_ref()?.parse().ok()
}
