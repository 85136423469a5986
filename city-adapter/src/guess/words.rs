//! Names that columns have in files of many countries, and words that stand in them.

use crate::tapfile::Column;

/// Words of names with their weight for a target column; a negative weight says that it is another one.
type Words = &'static [(&'static str, i32)];

const OTHER_TIMES: Words = &[
    ("close", -4), ("settle", -4), ("clearing", -4), ("upload", -3), ("creat", -2), ("updat", -3), ("valid", -5),
    ("expir", -5), ("birth", -5), ("import", -3), ("process", -3), ("business", -3), ("清算", -4), ("结算", -4),
    ("入库", -4), ("上传", -3), ("有效", -5), ("entry", -1), ("enter", -1), ("ent", -1), ("start", -1), ("进站", -1), ("上车", -1),
    ("exit", 1), ("end", 1), ("出站", 1), ("duration", -6), ("timezone", -6), ("zone", -6), ("minutes", -2), ("type", -4), ("name", -4), ("period", -4),
];
const TIMES: Words = &[
    ("time", 4), ("datetime", 1), ("date", 4), ("tapped", 3), ("tap", 1), ("deal", 1), ("trans", 1),
    ("txn", 1), ("fecha", 4), ("hora", 4), ("datum", 4), ("zeit", 4), ("heure", 4), ("uhrzeit", 4), ("data", 2), ("dt", 3), ("timestamp", 4),
    ("时间", 4), ("日期", 4), ("时刻", 4), ("交易", 1), ("刷卡", 1), ("일시", 4), ("시간", 4), ("시각", 4), ("일자", 4), ("日時", 4), ("時刻", 4),
];
const OTHER_MONEY: Words = &[
    ("balance", -8), ("余额", -8), ("saldo", -8), ("잔액", -8), ("discount", -5), ("优惠", -5), ("count", -5), ("tax", -6),
    ("tip", -6), ("toll", -6), ("surcharge", -6), ("miles", -6), ("distance", -6), ("type", -6), ("zone", -6), ("product", -6),
    ("class", -6), ("id", -5), ("code", -5), ("name", -6), ("类型", -6), ("time", -6), ("date", -6), ("currency", -8),
];
const PAID: Words = &[
    ("amount", 4), ("amt", 4), ("money", 4), ("charged", 6), ("charge", 3), ("paid", 6), ("payment", 3), ("deduct", 6),
    ("debit", 4), ("price", 3), ("fare", 3), ("cost", 3), ("value", 2), ("total", 3), ("金额", 4), ("实收", 6), ("实扣", 6), ("扣款", 6),
    ("交易金额", 2), ("消费", 2), ("importe", 4), ("betrag", 4), ("preis", 3), ("montant", 4), ("prix", 3), ("monto", 4), ("tarifa", 3), ("tarif", 3),
    ("valor", 4), ("요금", 4), ("금액", 4), ("運賃", 4), ("original", -4), ("full", -3), ("应收", -4), ("原价", -4), ("before", -4), ("after", -4), ("base", -2),
];
const FULL: Words = &[
    ("fare", 4), ("full", 4), ("original", 4), ("gross", 4), ("value", 3), ("list price", 4), ("standard", 3), ("before discount", 5),
    ("应收", 6), ("原价", 6), ("票价", 5), ("기본", 4), ("paid", -4), ("charged", -4),
];
const TERMINALS: Words = &[
    ("terminal", 5), ("psam", 6), ("sam", 4), ("equ", 4), ("equip", 1), ("device", 5), ("machine", 4), ("validator", 5),
    ("reader", 4), ("gate", 3), ("pos", 4), ("turnstile", 5), ("scp", 4), ("unit", 3), ("终端", 5), ("设备", 5), ("机具", 5), ("단말", 5), ("端末", 5),
    ("lector", 4), ("validador", 5), ("valideur", 5), ("gerät", 4), ("automat", 4), ("type", -5), ("seq", -8), ("serial", -3), ("流水", -8),
    ("status", -6), ("name", -4), ("city", -6), ("position", -6), ("counter", -6),
];
const SEQUENCES: Words = &[
    ("seq", 6), ("sequence", 1), ("serial", 3), ("流水", 6), ("序号", 5), ("trace", 5), ("stan", 5), ("trans no", 4), ("txn no", 4), ("transaction no", 4),
    ("transaction id", 4), ("txn id", 4), ("trip id", 3), ("record no", 4), ("record id", 4), ("row id", 3), ("일련", 5), ("secuencia", 6), ("numero op", 3),
    ("card", -6), ("卡", -6), ("version", -6), ("station", -6), ("stop", -6), ("应用", -6),
];
const CARDS: Words = &[
    ("card", 4), ("pan", 4), ("卡号", 5), ("card no", 2), ("card id", 2), ("card num", 2), ("media id", 5), ("medium id", 5), ("token", 3), ("hash", 3),
    ("카드", 5), ("tarjeta", 5), ("karte", 4), ("carte", 4), ("カード", 5), ("应用序列", 6), ("prestige", 5), ("cuid", 3), ("support id", 3), ("passenger id", 3),
    ("type", -8), ("类型", -8), ("类别", -8), ("counter", -8), ("count", -8), ("计数", -8), ("次数", -8), ("version", -8), ("city", -8), ("城市", -8), ("balance", -8),
    ("issuer", -8), ("发卡", -8), ("company", -6), ("name", -8), ("product", -6), ("trip", -6), ("transaction", -6), ("record", -6), ("event", -6), ("order", -6), ("journey", -6), ("종류", -8), ("구분", -8),
];
const COUNTERS: Words = &[
    ("counter", 5), ("card count", 3), ("card seq", 6), ("交易次数", 6), ("消费次数", 6), ("计数", 5), ("atc", 5), ("passenger", -8), ("people", -8),
];
const ISSUERS: Words = &[
    ("issuer", 6), ("issuing", 6), ("发卡", 6), ("home city", 6), ("card city", 6), ("city code", 4), ("city", 3), ("城市", 4), ("属地", 6),
    ("acquir", -8), ("收单", -8), ("name", -3), ("发卡时间", -8),
];
const TYPES: Words = &[("trans type", 5), ("txn type", 5), ("transaction type", 5), ("交易类型", 5), ("deal type", 4), ("record type", 2), ("tx type", 5)];
const MEDIA: Words = &[("medium", 5), ("media", 4), ("card type", 5), ("卡类型", 5), ("卡类别", 5), ("介质", 6), ("payment method", 5), ("payment type", 5), ("카드종류", 5), ("id", -6)];
const SECTORS: Words = &[
    ("sector", 6), ("mode", 6), ("行业", 6), ("业务", 4), ("deal type", 5), ("transport", 5), ("vehicle type", 5), ("route type", 5), ("subsystem", 5), ("sub system", 5),
    ("交易类型", 5), ("service type", 4), ("type", 2), ("교통수단", 6), ("modo", 5), ("verkehrsmittel", 6), ("kind", 4), ("card", -4), ("ticket", -3), ("fare", -3),
];
const PRODUCTS: Words = &[
    ("product", 6), ("fare type", 5), ("ticket type", 5), ("票种", 6), ("计费", 5), ("tariff", 4), ("fare class", 4), ("fare code", 3), ("id", -4), ("name", -1),
];
const OPERATORS: Words = &[
    ("operator", 6), ("company", 5), ("agency", 6), ("公司", 5), ("运营", 6), ("商户", 4), ("merchant", 4), ("운영", 5), ("사업자", 6), ("empresa", 5),
    ("betreiber", 6), ("opérateur", 6), ("operateur", 6), ("transporteur", 5), ("operador", 6), ("division", 3),
];
const LINES: Words = &[
    ("line", 6), ("route", 6), ("线路", 6), ("路线", 6), ("노선", 6), ("linea", 6), ("línea", 6), ("linie", 6), ("ligne", 6), ("linha", 6), ("car no", 4), ("vehicle", 3), ("bus", 3),
    ("车号", 4), ("line name", 1), ("linename", 1), ("type", -8), ("time", -6), ("stop", -3), ("station", -3),
];
const STATIONS: Words = &[
    ("station", 6), ("stop", 5), ("站", 5), ("location", 3), ("정류장", 6), ("역명", 6), ("역", 4), ("estacion", 6), ("estación", 6), ("estação", 6), ("haltestelle", 6), ("arrêt", 6), ("arret", 6),
    ("gare", 5), ("parada", 6), ("stn", 5), ("駅", 5), ("exit", 1), ("end", 1), ("name", 1), ("lat", -5), ("lon", -5), ("seq", -6), ("sequence", -6), ("type", -6), ("time", -8), ("时间", -8),
    ("complex id", -2),
];
const KEY_VERSIONS: Words = &[("key ver", 7), ("keyver", 7), ("密钥版本", 7), ("key index", 5), ("key id", 4), ("kver", 6)];
const ALGORITHMS: Words = &[("algorithm", 6), ("algo", 5), ("算法", 6)];
const TACS: Words = &[("tac", 7), ("cryptogram", 7), ("认证码", 7), ("验证码", 6), ("mac", 4)];

/// How well a name fits a target column; more is better, 0 and less is not.
pub(super) fn weight(target: Column, name: &str) -> i32 {
    let lists: &[Words] = match target {
        Column::TappedAt => &[TIMES, OTHER_TIMES],
        Column::AmountFen => &[PAID, OTHER_MONEY],
        Column::FareFen => &[FULL, OTHER_MONEY],
        Column::Terminal => &[TERMINALS],
        Column::TerminalSeq => &[SEQUENCES],
        Column::Card => &[CARDS],
        Column::CardCounter => &[COUNTERS],
        Column::Issuer => &[ISSUERS],
        Column::Type => &[TYPES],
        Column::Medium => &[MEDIA],
        Column::Sector => &[SECTORS],
        Column::Product => &[PRODUCTS],
        Column::Operator => &[OPERATORS],
        Column::Line => &[LINES],
        Column::Station => &[STATIONS],
        Column::KeyVersion => &[KEY_VERSIONS],
        Column::Algorithm => &[ALGORITHMS],
        Column::Tac => &[TACS],
    };
    let own = if name == target.name() { 10 } else { 0 };
    let plain = normal(name);
    let joined: String = plain.chars().filter(|c| *c != ' ').collect();
    let words = lists.iter().copied().flatten();
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

/// What a text of a file says in a word of the contract: words in which it may be found.
type Meanings = &'static [(&'static str, &'static [&'static str])];

const SECTOR_TEXTS: Meanings = &[
    ("metro", &["metro", "subway", "rail", "tube", "underground", "lul", "train", "dlr", "tfl", "ltb rail", "地铁", "轨道", "지하철", "도시철도", "전철", "u-bahn", "métro", "subte", "出站", "電車"]),
    ("bus", &["bus", "autobus", "colectivo", "公交", "巴士", "버스", "brt", "ltb", "バス", "omnibus"]),
    ("taxi", &["taxi", "出租", "택시", "cab"]),
    ("ferry", &["ferry", "轮渡", "boat", "페리"]),
    ("bike", &["bike", "bicycle", "自行车", "单车", "자전거", "bici"]),
    ("parking", &["parking", "停车", "주차", "car park"]),
    ("utility", &["utility", "水费", "电费", "燃气"]),
    ("scenic", &["scenic", "景区", "景点", "公园", "museum"]),
    ("library", &["library", "图书"]),
    ("school", &["school", "校园", "学校", "campus"]),
    ("retail", &["retail", "shop", "商户", "零售", "便利", "超市", "편의점"]),
];
const PRODUCT_TEXTS: Meanings = &[
    ("pass", &["pass", "月票", "period", "season", "travelcard", "abono", "monthly", "weekly", "unlimited", "정기"]),
    ("trips", &["trips", "次卡", "carnet", "multi", "计次"]),
    ("distance", &["distance", "分段", "计程", "distancia", "里程"]),
    ("time", &["hourly", "计时", "timed"]),
    ("flat", &["flat", "single", "一票制", "单程", "定额", "payg", "ppy", "pay as you go", "full fare"]),
];
const MEDIUM_TEXTS: Meanings = &[
    ("qr", &["qr", "二维码", "扫码", "barcode"]),
    ("nfc", &["nfc", "apple pay", "google pay", "wallet", "mobile"]),
    ("sim", &["sim", "手机卡"]),
    ("bank", &["bank", "银行", "银联", "pboc", "emv", "credit", "debit", "visa", "contactless", "신용"]),
    ("cpu", &["cpu", "smart", "ic card", "ic卡", "oyster", "clipper", "omny", "普通卡", "교통카드", "transit card"]),
];
const ENTRY_TEXTS: &[&str] =
    &["入站", "进站", "上车", "entry", "enter", "entrada", "entrée", "tap on", "tapon", "tap-on", "check in", "checkin", "check-in", "in", "승차"];

/// The contract's word that a text of a file means, as far as words tell.
pub(super) fn meaning(target: Column, text: &str) -> Option<&'static str> {
    let meanings = match target {
        Column::Sector => SECTOR_TEXTS,
        Column::Product => PRODUCT_TEXTS,
        Column::Medium => MEDIUM_TEXTS,
        _ => return None,
    };
    let (plain, joined) = forms(text);
    let exact = meanings.iter().find(|(meaning, _)| plain.trim() == *meaning);
    let found = exact.or_else(|| meanings.iter().find(|(_, words)| words.iter().any(|word| has(&plain, &joined, word))));
    found.map(|(meaning, _)| *meaning)
}

/// Whether a text means that somebody went in, and will pay when going out.
pub(super) fn is_entry(text: &str) -> bool {
    let (plain, joined) = forms(text);
    ENTRY_TEXTS.iter().any(|word| has(&plain, &joined, word))
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
        assert!(is_entry("地铁入站") && is_entry("Tap on") && is_entry("IN") && !is_entry("地铁出站") && !is_entry("inner"));
    }
}
