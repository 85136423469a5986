//! Names that columns have in files of many countries, and words that stand in them.

use names::Words;

use crate::tapfile::Column;

mod names;
mod texts;

/// How well a name fits a target column; more is better, 0 and less is not.
pub(super) fn weight(target: Column, name: &str) -> i32 {
    let lists: &[Words] = match target {
        Column::TappedAt => &[names::TIMES, names::OTHER_TIMES],
        Column::AmountFen => &[names::PAID, names::OTHER_MONEY],
        Column::FareFen => &[names::FULL, names::OTHER_MONEY],
        Column::Terminal => &[names::TERMINALS],
        Column::TerminalSeq => &[names::SEQUENCES],
        Column::Card => &[names::CARDS],
        Column::CardCounter => &[names::COUNTERS],
        Column::Issuer => &[names::ISSUERS],
        Column::Type => &[names::TYPES],
        Column::Medium => &[names::MEDIA],
        Column::Sector => &[names::SECTORS],
        Column::Product => &[names::PRODUCTS],
        Column::Operator => &[names::OPERATORS],
        Column::Line => &[names::LINES],
        Column::Station => &[names::STATIONS],
        Column::KeyVersion => &[names::KEY_VERSIONS],
        Column::Algorithm => &[names::ALGORITHMS],
        Column::Tac => &[names::TACS],
    };
    let own = if name == target.name() { 10 } else { 0 };
    let plain = normal(name);
    let joined: String = plain.chars().filter(|c| *c != ' ').collect();
    let groups = lists.iter().copied().flatten();
    let words = groups.flat_map(|(weight, words)| words.iter().map(move |word| (word, weight)));
    own + words.filter(|(word, _)| has(&plain, &joined, word)).map(|(_, weight)| weight).sum::<i32>()
}

/// Whether it is a usual name of some column.
pub(super) fn is_known(name: &str) -> bool {
    name.chars().count() <= 40 && Column::ALL.into_iter().any(|target| weight(target, name) >= 3)
}

/// Lower case, one space between words: `dealDate`, `DEAL_DATE` and `deal date` are the same.
fn normal(name: &str) -> String {
    let mut plain = String::from(" ");
    let mut lower_before = false;
    let mut ascii_before = true;
    for c in name.chars() {
        if !c.is_alphanumeric() {
            lower_before = false;
            if !plain.ends_with(' ') {
                plain.push(' ');
            }
            continue;
        }
        let new_word = c.is_uppercase() && lower_before || c.is_ascii() != ascii_before;
        if new_word && !plain.ends_with(' ') {
            plain.push(' ');
        }
        ascii_before = c.is_ascii();
        lower_before = c.is_lowercase();
        plain.extend(c.to_lowercase());
    }
    if !plain.ends_with(' ') {
        plain.push(' ');
    }
    plain
}

/// Short Latin words must stand alone, longer ones may be part of one.
fn has(plain: &str, joined: &str, word: &str) -> bool {
    if !word.is_ascii() {
        return joined.contains(word);
    }
    if word.contains(' ') || word.len() >= 5 {
        let tight: String = word.chars().filter(|c| *c != ' ').collect();
        return plain.contains(word) || joined.contains(&tight);
    }
    plain.contains(&format!(" {word} "))
        || (word.len() == 4 && word != "line" && (joined.starts_with(word) || joined.ends_with(word)))
}

/// The contract's word that a text of a file means, as far as words tell.
pub(super) fn meaning(target: Column, text: &str) -> Option<&'static str> {
    let meanings = match target {
        Column::Sector => texts::SECTOR_TEXTS,
        Column::Product => texts::PRODUCT_TEXTS,
        Column::Medium => texts::MEDIUM_TEXTS,
        _ => return None,
    };
    let (plain, joined) = forms(text);
    let exact = meanings.iter().find(|(meaning, _)| plain.trim() == *meaning);
    let found = exact
        .or_else(|| meanings.iter().find(|(_, words)| words.iter().any(|word| has(&plain, &joined, word))));
    found.map(|(meaning, _)| *meaning)
}

/// Whether a text means that somebody went in, and will pay when going out.
pub(super) fn is_entry(text: &str) -> bool {
    let (plain, joined) = forms(text);
    texts::ENTRY_TEXTS.iter().any(|word| has(&plain, &joined, word))
}

fn forms(text: &str) -> (String, String) {
    let plain = normal(text);
    let joined = plain.chars().filter(|c| *c != ' ').collect();
    (plain, joined)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_many_countries_are_known() {
        let names = [
            (Column::TappedAt, "deal_date"),
            (Column::TappedAt, "transit_timestamp"),
            (Column::TappedAt, "交易时间"),
            (Column::TappedAt, "FechaHora"),
            (Column::TappedAt, "거래일시"),
            (Column::AmountFen, "实收金额"),
            (Column::AmountFen, "FareAmt"),
            (Column::FareFen, "FullFare"),
            (Column::Terminal, "equ_no"),
            (Column::Terminal, "psam_no"),
            (Column::Terminal, "단말기번호"),
            (Column::TerminalSeq, "交易流水号"),
            (Column::Card, "card_no"),
            (Column::Card, "CardNumber"),
            (Column::Card, "Tarjeta"),
            (Column::Line, "Route"),
            (Column::Station, "EndStn"),
            (Column::Station, "Haltestelle"),
            (Column::Tac, "TAC"),
            (Column::KeyVersion, "key_version"),
        ];
        for (target, name) in names {
            assert!(weight(target, name) >= 3, "{name}: {}", weight(target, name));
            let best = Column::ALL.into_iter().max_by_key(|other| weight(*other, name)).unwrap();
            assert!(weight(best, name) == weight(target, name), "{name} is rather {}", best.name());
        }
        for (target, name) in [
            (Column::TappedAt, "close_date"),
            (Column::AmountFen, "card balance"),
            (Column::Card, "card type"),
            (Column::Terminal, "terminal_seq"),
            (Column::Line, "online"),
        ] {
            assert!(weight(target, name) < 3, "{name}");
        }
    }

    #[test]
    fn texts_mean_words_of_the_contract() {
        for (target, text, want) in [
            (Column::Sector, "地铁出站", Some("metro")),
            (Column::Sector, "巴士", Some("bus")),
            (Column::Sector, "LUL", Some("metro")),
            (Column::Sector, "business", None),
            (Column::Medium, "QR code", Some("qr")),
            (Column::Product, "Monthly pass", Some("pass")),
            (Column::Operator, "bus", None),
        ] {
            assert_eq!(meaning(target, text), want, "{text}");
        }
        assert!(
            is_entry("地铁入站")
                && is_entry("Tap on")
                && is_entry("IN")
                && !is_entry("地铁出站")
                && !is_entry("inner")
        );
    }
}
