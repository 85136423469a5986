//! The open items of an older system: a file in the columns of `items.csv`.

use std::{collections::BTreeSet, fmt::Display, path::Path};

use anyhow::{Context, Result};
use clearing_node::wire::item_from_wire;
use domain::{
    city::City,
    cycle::CycleName,
    rulebook::Rulebook,
    settlement::{FIGURE_FEN_MAX, ItemKind},
};
use proto::Adjustment;

use crate::errors::Usage;

/// The columns, exactly.
const HEADER: [&str; 8] =
    ["item", "kind", "debtor", "creditor", "amount_fen", "original_cycle", "reference", "reason"];
/// Longest text in a column, bytes.
const TEXT_LEN_MAX: usize = 256;
/// Most items in a file.
const ITEMS_MAX: usize = 100_000;
/// Most bad lines that are named.
const BAD_SHOWN: usize = 20;

/// Reads the file to its end; a bad line refuses it whole.
///
/// # Errors
/// [`Usage`] that names every bad line with its column.
pub fn read(path: &Path, rulebook: &Rulebook) -> Result<Vec<Adjustment>> {
    let mut reader =
        csv::ReaderBuilder::new().from_path(path).with_context(|| format!("open {}", path.display()))?;
    let header = reader.headers().with_context(|| format!("read {}", path.display()))?;
    if header.iter().ne(HEADER) {
        let text = format!("{}, line 1: the header must be {}", path.display(), HEADER.join(","));
        return Err(Usage(text).into());
    }
    let (mut items, mut ids, mut bad) = (Vec::new(), BTreeSet::new(), Vec::new());
    for row in reader.records() {
        let row = row.with_context(|| format!("read {}", path.display()))?;
        let line = row.position().map_or(0, csv::Position::line);
        let read = item(&row, rulebook).and_then(|item| {
            let first = ids.insert(item.id.clone());
            if first { Ok(item) } else { Err("item: occurs twice in the file".to_owned()) }
        });
        match read {
            Ok(item) => items.push(item),
            Err(why) => bad.push(format!("{}, line {line}, {why}", path.display())),
        }
        if items.len() > ITEMS_MAX || bad.len() > BAD_SHOWN {
            break;
        }
    }
    if items.len() > ITEMS_MAX {
        return Err(Usage(format!("{} has more than {ITEMS_MAX} items; split it", path.display())).into());
    }
    if bad.is_empty() {
        return Ok(items);
    }
    let text = format!("nothing is imported; correct these lines and run this again:\n{}", bad.join("\n"));
    Err(Usage(text).into())
}

fn item(row: &csv::StringRecord, rulebook: &Rulebook) -> Result<Adjustment, String> {
    let text = |at: usize| {
        let text = row.get(at).unwrap_or_default();
        match text.len() > TEXT_LEN_MAX || text.chars().any(char::is_control) {
            true => Err(format!("{}: expected plain text of at most {TEXT_LEN_MAX} bytes", HEADER[at])),
            false => Ok(text.to_owned()),
        }
    };
    let wrong = |at: usize, why: &dyn Display| format!("{}: {why}", HEADER[at]);
    let party = |at: usize| {
        let city: City = row.get(at).unwrap_or_default().parse().map_err(|error| wrong(at, &error))?;
        match rulebook.participant(city) {
            Some(_) => Ok(city),
            None => Err(wrong(at, &format_args!("{city} is no participant of the rulebook"))),
        }
    };
    let id = text(0)?;
    if id.is_empty() {
        return Err(wrong(0, &"expected a name that no other item has or ever had"));
    }
    let kind = text(1)?;
    if !ItemKind::ALL.iter().any(|known| known.word() == kind) {
        return Err(wrong(1, &"expected adjustment, refund or dispute"));
    }
    let (debtor, creditor) = (party(2)?, party(3)?);
    if debtor == creditor {
        return Err(wrong(3, &"expected another city than the debtor"));
    }
    let amount = text(4)?;
    let plain = !amount.is_empty() && !amount.starts_with('0') && amount.bytes().all(|b| b.is_ascii_digit());
    let amount_fen = amount.parse().ok().filter(|fen| plain && *fen <= FIGURE_FEN_MAX);
    let amount_fen =
        amount_fen.ok_or_else(|| wrong(4, &format_args!("expected whole fen from 1 to {FIGURE_FEN_MAX}")))?;
    let original_cycle = text(5)?;
    if !original_cycle.is_empty() && original_cycle.parse::<CycleName>().is_err() {
        return Err(wrong(5, &"expected nothing, or the folder name of a cycle such as 2018-09-01-001"));
    }
    let adjustment = Adjustment {
        id,
        kind,
        debtor: debtor.to_string(),
        creditor: creditor.to_string(),
        amount_fen,
        original_cycle,
        reference: text(6)?,
        reason: text(7)?,
    };
    // What the coordinator could not read would hold up the close.
    item_from_wire(&adjustment).map(|_| adjustment).ok_or_else(|| "line: cannot be an item".to_owned())
}

#[cfg(test)]
mod tests {

    use super::*;

    const RULES: &str = "version = 1\npresentment_days = 10\nhotlist_grace_hours = 24\n\
        fees = { basis = \"cycle_bilateral\", interchange_rate = \"0\", switch_rate = \"0\" }\n\
        [[participant]]\ncity = \"cu-2000\"\nname_en = \"A\"\nname_zh = \"甲\"\njoined = \"2018-01-01\"\n\
        [[participant]]\ncity = \"cu-3000\"\nname_en = \"B\"\nname_zh = \"乙\"\njoined = \"2018-01-01\"\n";

    #[test]
    fn a_bad_line_is_named_with_its_column_and_refuses_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("items.csv");
        let rules = Rulebook::parse(RULES.as_bytes()).unwrap();
        let good = "a-1,refund,cu-2000,cu-3000,500,,ticket 7,paid twice";
        let read = |line: &str| {
            std::fs::write(&path, format!("{}\n{good}\n{line}\n", HEADER.join(","))).unwrap();
            read(&path, &rules).map_err(|error| error.to_string())
        };
        let items = read("a-2,dispute,cu-3000,cu-2000,1,2018-08-31-001,,").unwrap();
        assert_eq!((items.len(), items[0].amount_fen, items[1].kind.as_str()), (2, 500, "dispute"));
        for (line, column) in [
            ("a-1,refund,cu-2000,cu-3000,500,,,", "item"),
            (",refund,cu-2000,cu-3000,500,,,", "item"),
            ("b,gift,cu-2000,cu-3000,500,,,", "kind"),
            ("b,refund,cu-9999,cu-3000,500,,,", "debtor"),
            ("b,refund,cu-2000,cu-2000,500,,,", "creditor"),
            ("b,refund,cu-2000,cu-3000,05,,,", "amount_fen"),
            ("b,refund,cu-2000,cu-3000,0,,,", "amount_fen"),
            ("b,refund,cu-2000,cu-3000,5.00,,,", "amount_fen"),
            ("b,refund,cu-2000,cu-3000,500,august,,", "original_cycle"),
        ] {
            let why = read(line).unwrap_err();
            assert!(why.contains(&format!("line 3, {column}: ")), "{line}: {why}");
        }
    }
}
