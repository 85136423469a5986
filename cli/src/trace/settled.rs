//! What a record moved, and which record stands in its place.

use domain::{
    city::City,
    date::Date,
    result::RecordResult,
    rulebook::Rulebook,
    tap::{Kind, Product, Sector},
};

use super::{
    assemble::order,
    calendar::Calendar,
    life::{FileRow, PositionRow, Presentation, RowKind, Settlement, Stands, TapFacts},
    published::FromFolder,
};

/// How a cleared record was settled: fee line by the rules of its cycle, position by plan or file.
pub fn settlement(
    presentation: &Presentation,
    calendar: &Calendar,
    folder: &FromFolder,
) -> Option<Settlement> {
    let cleared = presentation.result().filter(|last| last.result == RecordResult::Cleared.name())?;
    let cycle = cleared.cycle.clone()?;
    let pair = (presentation.acquirer, City::parse(presentation.issuer.as_bytes()).ok()?);
    let facts = presentation.tap.as_ref()?;
    let ordinal = calendar.ordinal(&cycle);
    let (rulebook, date) = match ordinal.and_then(|ordinal| calendar.rules(ordinal)) {
        Some((rulebook, opening)) => (rulebook, Date::from_julian_day(opening.business_date)),
        None => (
            calendar.with_digest(*folder.rules.get(&cycle)?)?,
            Date::parse(cycle.get(..10)?.as_bytes()).ok()?,
        ),
    };
    let type_byte = u8::from_str_radix(&facts.type_byte, 16).ok()?;
    let kind = Kind::of_type(type_byte)?;
    let slot = slot(rulebook, pair, date, facts)?;
    let (line, rates) = (rulebook.fees.line_of(slot), rulebook.fees.rates(slot));
    let planned = ordinal.and_then(|ordinal| calendar.position(ordinal, pair, kind));
    let total = ordinal.and_then(|ordinal| {
        calendar.line_total(ordinal, pair, kind, |slot| rulebook.fees.line_of(slot) == line)
    });
    let row = presentation.rows_of(RowKind::Position).find(|row| row.get("kind") == kind.name());
    let folder = ordinal.and_then(|ordinal| calendar.folder(ordinal)).map(str::to_owned);
    Some(Settlement {
        kind: kind.name(),
        fee_line: rulebook.fees.lines.get(usize::from(line)).map(|line| line.name.clone()),
        interchange_rate: rates.interchange.rate.to_string(),
        switch_rate: rates.switch.rate.to_string(),
        basis: rulebook.fees.basis.word(),
        rulebook_version: rulebook.version,
        line_count: total.map(|(count, _)| count),
        line_amount_fen: total.map(|(_, amount_fen)| amount_fen),
        plan_offset: planned.as_ref().map(|(_, offset)| *offset),
        position: planned.map(|(row, _)| row).or_else(|| row.and_then(position_of_file)),
        folder: folder.or_else(|| row.and_then(|row| row.path.split('/').next()).map(str::to_owned)),
        cycle,
    })
}

/// The slot of the record: its fee line, and the acquirer's account.
fn slot(rulebook: &Rulebook, pair: (City, City), date: Date, facts: &TapFacts) -> Option<u16> {
    let sector = Sector::parse(facts.sector.as_bytes())?.index();
    let product = Product::parse(facts.product.as_bytes())?.index();
    Some(rulebook.fee_table(pair.0, pair.1, date).slot(sector, product))
}

fn position_of_file(row: &FileRow) -> Option<PositionRow> {
    Some(PositionRow {
        count: row.get("count").parse().ok()?,
        amount_fen: row.get("amount_fen").parse().ok()?,
        interchange_fen: row.get("interchange_fen").parse().ok()?,
        switch_fee_fen: row.get("switch_fee_fen").parse().ok()?,
    })
}

/// The paid record with whose identity a duplicate or conflict collides: the last one that is cleared in a cycle
/// not after its own.
pub fn stands(all: &[Presentation], at: usize) -> Option<Stands> {
    let this = all.get(at)?;
    let last = this.result()?;
    if last.result != RecordResult::Duplicate.name() && last.result != RecordResult::Conflict.name() {
        return None;
    }
    let scheme = |it: &Presentation| City::parse(it.issuer.as_bytes()).map(City::scheme).ok();
    let paid = |it: &Presentation| {
        let result = it.result().filter(|result| result.result == RecordResult::Cleared.name());
        let before = result.is_some_and(|result| order(&result.cycle) <= order(&last.cycle));
        before && it.acquirer == this.acquirer && scheme(it) == scheme(this)
    };
    let (index, holder) = all
        .iter()
        .enumerate()
        .filter(|(_, it)| paid(it))
        .max_by_key(|(index, it)| (it.result().map(|result| order(&result.cycle)), *index))?;
    let differs =
        if last.result == RecordResult::Conflict.name() { differs(holder, this) } else { Vec::new() };
    Some(Stands { presentation: index + 1, file: holder.file.clone(), line: holder.line, differs })
}

/// The columns of the content in which two records differ.
fn differs(stands: &Presentation, this: &Presentation) -> Vec<(&'static str, String, String)> {
    let columns = |it: &Presentation| {
        let facts = it.tap.clone().unwrap_or_default();
        [
            ("issuer", it.issuer.clone()),
            ("amount_fen", it.amount_fen.clone()),
            ("card", facts.card),
            ("card_counter", facts.card_counter),
            ("type", facts.type_byte),
            ("fare_fen", facts.fare_fen),
            ("tapped_at", facts.tapped_at),
            ("medium", facts.medium),
            ("sector", facts.sector),
            ("product", facts.product),
            ("key_version", facts.key_version.map(|version| version.to_string()).unwrap_or_default()),
            ("algorithm", facts.algorithm.unwrap_or_default().to_owned()),
            ("tac", facts.tac.unwrap_or_default()),
        ]
    };
    let known = |text: &str| !text.is_empty();
    columns(stands)
        .into_iter()
        .zip(columns(this))
        .filter(|((_, a), (_, b))| known(a) && known(b) && a != b)
        .map(|((name, a), (_, b))| (name, a, b))
        .collect()
}
