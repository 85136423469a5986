//! Words in two languages.

use domain::{
    date::Date,
    result::{RecordResult, Rejection},
    settlement::ItemKind,
    tap::{Medium, Product, Sector},
};

/// The same words in English and Chinese.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// English.
    pub en: String,
    /// Simplified Chinese.
    pub zh: String,
}

/// Words that are known beforehand.
pub fn words(en: &str, zh: &str) -> Words {
    Words { en: en.to_owned(), zh: zh.to_owned() }
}

/// A date as people write it.
pub fn date(date: Date) -> Words {
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let (year, month, day) = date.ymd();
    let name = MONTHS.get(usize::from(month).saturating_sub(1)).copied().unwrap_or_default();
    Words { en: format!("{day} {name} {year}"), zh: format!("{year}年{month}月{day}日") }
}

/// A sector.
pub fn sector(sector: Sector) -> Words {
    match sector {
        Sector::Bus => words("Bus", "公交"),
        Sector::Metro => words("Metro", "地铁"),
        Sector::Taxi => words("Taxi", "出租车"),
        Sector::Ferry => words("Ferry", "轮渡"),
        Sector::Bike => words("Bike", "公共自行车"),
        Sector::Parking => words("Parking", "停车"),
        Sector::Utility => words("Utilities", "公用事业"),
        Sector::Scenic => words("Scenic sites", "景点"),
        Sector::Library => words("Libraries", "图书馆"),
        Sector::School => words("Schools", "校园"),
        Sector::Retail => words("Retail", "零售"),
    }
}

/// A product.
pub fn product(product: Product) -> Words {
    match product {
        Product::Flat => words("Flat fare", "一票制"),
        Product::Distance => words("By distance", "按里程"),
        Product::Time => words("By time", "按时间"),
        Product::Trips => words("Trip ticket", "计次票"),
        Product::Pass => words("Pass", "定期票"),
    }
}

/// A medium.
pub fn medium(medium: Medium) -> Words {
    match medium {
        Medium::Cpu => words("Transit card", "交通卡"),
        Medium::Bank => words("Bank card", "银行卡"),
        Medium::Sim => words("SIM card", "手机SIM卡"),
        Medium::Nfc => words("Phone (NFC)", "手机NFC"),
        Medium::Qr => words("QR code", "二维码"),
    }
}

/// A result and what it means.
pub fn result(result: RecordResult) -> (Words, Words) {
    match result {
        RecordResult::Cleared => (words("Cleared", "已清算"), words("the home city pays", "由发卡城市付款")),
        RecordResult::Duplicate => (
            words("Duplicate", "重复"),
            words("the same record again; paid once", "同一记录重复上传，只付一次"),
        ),
        RecordResult::Conflict => (
            words("Conflict", "冲突"),
            words(
                "same terminal and number, other content; paid to nobody until a person decides",
                "终端与流水号相同而内容不同；人工裁定前不付款",
            ),
        ),
        RecordResult::Parked => (
            words("Parked", "挂起"),
            words("waits for its home city, which did not answer", "发卡城市未应答，等待下一周期"),
        ),
        RecordResult::Rejected(reason) => (words("Rejected", "拒绝"), rejection(reason)),
    }
}

fn rejection(reason: Rejection) -> Words {
    match reason {
        Rejection::ForeignTerminal => words("the terminal belongs to another city", "终端属于其他城市"),
        Rejection::UnknownIssuer => words("no such home city on this business date", "该营业日无此发卡城市"),
        Rejection::IssuerSuspended => words("the home city is suspended", "发卡城市已暂停"),
        Rejection::Future => words("tapped after the business date", "交易时间晚于营业日"),
        Rejection::Late => words("presented too late", "超过提交期限"),
        Rejection::UnknownKey => words("the home city has no such key", "发卡城市无此密钥"),
        Rejection::TacInvalid => words("the cryptogram does not fit", "TAC 校验不符"),
        Rejection::Hotlisted => words("the card was on the hotlist", "卡片在黑名单中"),
    }
}

/// A kind of item.
pub fn item(kind: ItemKind) -> Words {
    match kind {
        ItemKind::Adjustment => words("Adjustment", "调整"),
        ItemKind::Refund => words("Refund", "退款"),
        ItemKind::Dispute => words("Dispute", "争议"),
    }
}
