//! Words of the texts that stand in columns of kinds.

/// What a text of a file says in a word of the contract: words in which it may be found.
pub(super) type Meanings = &'static [(&'static str, &'static [&'static str])];

pub(super) const SECTOR_TEXTS: Meanings = &[
    (
        "metro",
        &[
            "metro",
            "subway",
            "rail",
            "tube",
            "underground",
            "lul",
            "train",
            "dlr",
            "tfl",
            "ltb rail",
            "地铁",
            "轨道",
            "지하철",
            "도시철도",
            "전철",
            "u-bahn",
            "métro",
            "subte",
            "出站",
            "電車",
        ],
    ),
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
pub(super) const PRODUCT_TEXTS: Meanings = &[
    (
        "pass",
        &[
            "pass",
            "月票",
            "period",
            "season",
            "travelcard",
            "abono",
            "monthly",
            "weekly",
            "unlimited",
            "정기",
        ],
    ),
    ("trips", &["trips", "次卡", "carnet", "multi", "计次"]),
    ("distance", &["distance", "分段", "计程", "distancia", "里程"]),
    ("time", &["hourly", "计时", "timed"]),
    ("flat", &["flat", "single", "一票制", "单程", "定额", "payg", "ppy", "pay as you go", "full fare"]),
];
pub(super) const MEDIUM_TEXTS: Meanings = &[
    ("qr", &["qr", "二维码", "扫码", "barcode"]),
    ("nfc", &["nfc", "apple pay", "google pay", "wallet", "mobile"]),
    ("sim", &["sim", "手机卡"]),
    ("bank", &["bank", "银行", "银联", "pboc", "emv", "credit", "debit", "visa", "contactless", "신용"]),
    (
        "cpu",
        &[
            "cpu",
            "smart",
            "ic card",
            "ic卡",
            "oyster",
            "clipper",
            "omny",
            "普通卡",
            "교통카드",
            "transit card",
        ],
    ),
];
pub(super) const ENTRY_TEXTS: &[&str] = &[
    "入站", "进站", "上车", "entry", "enter", "entrada", "entrée", "tap on", "tapon", "tap-on", "check in",
    "checkin", "check-in", "in", "승차",
];
