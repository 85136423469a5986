//! Words of the names that columns have in files of many countries.

/// A weight, and the words that have it. A negative weight says that a column is another one.
pub(super) type Words = &'static [(i32, &'static [&'static str])];

pub(super) const OTHER_TIMES: Words = &[
    (1, &["exit", "end", "出站"]),
    (-1, &["entry", "enter", "ent", "start", "进站", "上车"]),
    (-2, &["creat", "minutes"]),
    (-3, &["upload", "update", "import", "process", "business", "上传"]),
    (-4, &["close", "settle", "clearing", "清算", "结算", "入库", "type", "name", "period"]),
    (-5, &["valid", "expir", "birth", "有效"]),
    (-6, &["duration", "timezone", "zone"]),
];

pub(super) const TIMES: Words = &[
    (
        4,
        &[
            "time",
            "date",
            "fecha",
            "hora",
            "datum",
            "zeit",
            "heure",
            "uhrzeit",
            "timestamp",
            "时间",
            "日期",
            "时刻",
            "일시",
            "시간",
            "시각",
            "일자",
            "日時",
            "時刻",
        ],
    ),
    (3, &["tapped", "dt"]),
    (2, &["data"]),
    (1, &["datetime", "tap", "deal", "trans", "txn", "交易", "刷卡"]),
];

pub(super) const OTHER_MONEY: Words = &[
    (-5, &["discount", "优惠", "count", "id", "code"]),
    (
        -6,
        &[
            "tax",
            "tip",
            "toll",
            "surcharge",
            "miles",
            "distance",
            "type",
            "zone",
            "product",
            "class",
            "name",
            "类型",
            "time",
            "date",
        ],
    ),
    (-8, &["balance", "余额", "saldo", "잔액", "currency"]),
];

pub(super) const PAID: Words = &[
    (6, &["charged", "paid", "deduct", "实收", "实扣", "扣款"]),
    (
        4,
        &[
            "amount", "amt", "money", "debit", "金额", "importe", "betrag", "montant", "monto", "valor",
            "요금", "금액", "運賃",
        ],
    ),
    (3, &["charge", "payment", "price", "fare", "cost", "total", "preis", "prix", "tarifa", "tarif"]),
    (2, &["value", "交易金额", "消费"]),
    (-2, &["base"]),
    (-3, &["full"]),
    (-4, &["original", "应收", "原价", "before", "after"]),
];

pub(super) const FULL: Words = &[
    (6, &["应收", "原价"]),
    (5, &["before discount", "票价"]),
    (4, &["fare", "full", "original", "gross", "list price", "기본"]),
    (3, &["value", "standard"]),
    (-4, &["paid", "charged"]),
];

pub(super) const TERMINALS: Words = &[
    (6, &["psam"]),
    (
        5,
        &["terminal", "device", "validator", "turnstile", "终端", "设备", "机具", "단말", "端末", "valideur"],
    ),
    (4, &["sam", "equ", "machine", "reader", "pos", "scp", "lector", "gerät", "automat"]),
    (3, &["gate", "unit"]),
    (1, &["equip"]),
    (-3, &["serial"]),
    (-4, &["name"]),
    (-5, &["type"]),
    (-6, &["status", "city", "position", "counter"]),
    (-8, &["seq", "流水"]),
];

pub(super) const SEQUENCES: Words = &[
    (6, &["seq", "流水", "secuencia"]),
    (5, &["序号", "trace", "stan", "일련"]),
    (4, &["trans no", "txn no", "transaction no", "transaction id", "txn id", "record no", "record id"]),
    (3, &["serial", "trip id", "row id", "numero op"]),
    (1, &["sequence"]),
    (-6, &["card", "卡", "version", "station", "stop", "应用"]),
];

pub(super) const CARDS: Words = &[
    (6, &["应用序列"]),
    (5, &["卡号", "media id", "medium id", "카드", "tarjeta", "カード", "prestige"]),
    (4, &["card", "pan", "karte", "carte"]),
    (3, &["token", "hash", "cuid", "support id", "passenger id"]),
    (2, &["card no", "card id", "card num"]),
    (-6, &["company", "product", "trip", "transaction", "record", "event", "order", "journey"]),
    (
        -8,
        &[
            "type", "类型", "类别", "counter", "count", "计数", "次数", "version", "city", "城市", "balance",
            "issuer", "发卡", "name", "종류", "구분",
        ],
    ),
];

pub(super) const COUNTERS: Words = &[
    (6, &["card seq", "交易次数", "消费次数"]),
    (5, &["counter", "计数", "atc"]),
    (3, &["card count"]),
    (-8, &["passenger", "people"]),
];

pub(super) const ISSUERS: Words = &[
    (6, &["issuer", "issuing", "发卡", "home city", "card city", "属地"]),
    (4, &["city code", "城市"]),
    (3, &["city"]),
    (-3, &["name"]),
    (-8, &["acquir", "收单", "发卡时间"]),
];

pub(super) const TYPES: Words = &[
    (5, &["trans type", "txn type", "transaction type", "交易类型", "tx type"]),
    (4, &["deal type"]),
    (2, &["record type"]),
];

pub(super) const MEDIA: Words = &[
    (6, &["介质"]),
    (5, &["medium", "card type", "卡类型", "卡类别", "payment method", "payment type", "카드종류"]),
    (4, &["media"]),
    (-6, &["id"]),
];

pub(super) const SECTORS: Words = &[
    (6, &["sector", "mode", "行业", "교통수단", "verkehrsmittel"]),
    (
        5,
        &[
            "deal type",
            "transport",
            "vehicle type",
            "route type",
            "subsystem",
            "sub system",
            "交易类型",
            "modo",
        ],
    ),
    (4, &["业务", "service type", "kind"]),
    (2, &["type"]),
    (-3, &["ticket", "fare"]),
    (-4, &["card"]),
];

pub(super) const PRODUCTS: Words = &[
    (6, &["product", "票种"]),
    (5, &["fare type", "ticket type", "计费"]),
    (4, &["tariff", "fare class"]),
    (3, &["fare code"]),
    (-1, &["name"]),
    (-4, &["id"]),
];

pub(super) const OPERATORS: Words = &[
    (6, &["operator", "agency", "运营", "사업자", "betreiber", "opérateur", "operateur", "operador"]),
    (5, &["company", "公司", "운영", "empresa"]),
    (4, &["商户", "merchant"]),
    (3, &["division"]),
];

pub(super) const LINES: Words = &[
    (6, &["line", "route", "线路", "路线", "노선", "linea", "línea", "linie", "ligne", "linha"]),
    (4, &["car no", "车号"]),
    (3, &["vehicle", "bus"]),
    (1, &["line name", "linename"]),
    (-3, &["stop", "station"]),
    (-6, &["time"]),
    (-8, &["type"]),
];

pub(super) const STATIONS: Words = &[
    (
        6,
        &[
            "station",
            "정류장",
            "역명",
            "estacion",
            "estación",
            "estação",
            "haltestelle",
            "arrêt",
            "arret",
            "parada",
        ],
    ),
    (5, &["stop", "站", "gare", "stn", "駅"]),
    (4, &["역"]),
    (3, &["location"]),
    (1, &["exit", "end", "name"]),
    (-2, &["complex id"]),
    (-5, &["lat", "lon"]),
    (-6, &["seq", "sequence", "type"]),
    (-8, &["time", "时间"]),
];

pub(super) const ALGORITHMS: Words = &[(6, &["algorithm", "算法"]), (5, &["algo"])];

pub(super) const TACS: Words = &[(7, &["tac", "cryptogram", "认证码"]), (6, &["验证码"]), (4, &["mac"])];

pub(super) const KEY_VERSIONS: Words =
    &[(7, &["key ver", "keyver", "密钥版本"]), (6, &["kver"]), (5, &["key index"]), (4, &["key id"])];
