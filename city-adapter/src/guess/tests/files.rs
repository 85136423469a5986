//! Files in the styles of many countries.

/// A file and what must be told about it.
pub struct Example {
    pub name: &'static str,
    pub bytes: Vec<u8>,
    /// Tables of the proposal, each on one line.
    pub tables: &'static [(&'static str, &'static str)],
    /// Target columns that it leaves to a person.
    pub gaps: &'static [&'static str],
    /// Rows that the proposal reads as it is, and rows that it cannot.
    pub rows: usize,
    pub bad: usize,
}

const ROWS: u32 = 60;

/// Numbers that look random.
const fn mix(n: u32) -> u32 {
    let n = (n ^ (n >> 15)).wrapping_mul(0x2C1B_3C6D);
    let n = (n ^ (n >> 12)).wrapping_mul(0x297A_2D39);
    n ^ (n >> 15)
}

const fn pick<'a>(n: u32, of: &[&'a str]) -> &'a str {
    of[mix(n) as usize % of.len()]
}

fn card(n: u32) -> u64 {
    (u64::from(mix(n)) << 32 | u64::from(mix(n + 7000))) % 9_000_000_000_000_000 + 1_000_000_000_000_000
}

/// Hour, minute, second.
fn clock(n: u32) -> (u32, u32, u32) {
    (6 + mix(n) % 17, mix(n + 1000) % 60, mix(n + 2000) % 60)
}

fn lines(head: &str, one: impl Fn(u32) -> String) -> String {
    let rows: String = (0..ROWS).map(|n| format!("{}\n", one(n))).collect();
    format!("{head}{rows}")
}

fn encoded(text: &str, label: &str) -> Vec<u8> {
    encoding_rs::Encoding::for_label(label.as_bytes()).unwrap().encode(text).0.into_owned()
}

pub fn all() -> Vec<Example> {
    vec![
        chinese_spreadsheet(),
        london(),
        chicago(),
        seoul(),
        madrid(),
        gbk_places(),
        pipes_with_control_lines(),
        device_events(),
        no_names(),
        titles_above(),
        gb18030_tabs(),
        floats(),
    ]
}

fn chinese_spreadsheet() -> Example {
    let text = lines(
        "卡号\t交易时间\t终端编号\t终端流水号\t交易金额\t应收金额\t发卡城市\t卡类型\t线路\t站点\r\n",
        |n| {
            let (h, m, _) = clock(n);
            let fen = 100 + mix(n) % 30 * 50;
            let terminal = mix(n) % 3;
            format!(
                "{}\t2018/9/{} {h}:{m:02}\t20000000{terminal:04}\t{}\t{}.{:02}\t{}.{:02}\t{}\t{}\t{}\t人民广场\r",
                card(n),
                1 + n / 50,
                900 + n,
                fen / 100,
                fen % 100,
                fen / 80,
                fen % 100,
                pick(n, &["天津", "上海"]),
                pick(n, &["普通卡", "银联卡", "手机NFC"]),
                pick(n, &["1号线", "49路"]),
            )
        },
    );
    Example {
        name: "a spreadsheet's UTF-16 with tabs",
        bytes: format!("\u{FEFF}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect(),
        tables: &[
            ("file", "encoding = \"utf-16le\"; separator = \"tab\""),
            ("columns.tapped_at", "column = \"交易时间\"; formats = [\"%Y/%-m/%-d %-H:%M\"]"),
            ("columns.amount_fen", "column = \"交易金额\"; unit = \"yuan\""),
            ("columns.fare_fen", "column = \"应收金额\"; unit = \"yuan\""),
            ("columns.terminal", "column = \"终端编号\"; form = \"bcd\""),
            ("columns.terminal_seq", "column = \"终端流水号\""),
            ("columns.card", "column = \"卡号\"; form = \"bcd\""),
            ("columns.line", "column = \"线路\""),
            ("columns.station", "column = \"站点\""),
        ],
        gaps: &["issuer", "card_counter", "type", "sector", "product", "key_version", "algorithm", "tac"],
        rows: 60,
        bad: 0,
    }
}

fn london() -> Example {
    let head =
        "downo,daytype,SubSystem,StartStn,EndStation,EntTimeHHMM,EXTimeHHMM,FFare,DFare,FinalProduct\n";
    let text = lines(head, |n| {
        let (h, m, _) = clock(n);
        let full = 100 + mix(n) % 4 * 60;
        format!(
            "3,Tue,{},Richmond,{},{h:02}:{m:02},{:02}:{m:02},{full},{},{}",
            pick(n, &["LUL", "LTB", "DLR"]),
            pick(n, &["Romford", "Sudbury Hill"]),
            h + 1,
            full - full / 3,
            pick(n, &["PAYG", "LUL Travelcard-7 day"]),
        )
    });
    Example {
        name: "journeys without a date",
        bytes: text.into_bytes(),
        tables: &[
            ("columns.amount_fen", "column = \"DFare\"; unit = \"fen\""),
            ("columns.fare_fen", "column = \"FFare\"; unit = \"fen\""),
            ("columns.station", "column = \"EndStation\""),
            ("columns.sector", "column = \"SubSystem\""),
        ],
        gaps: &["tapped_at", "terminal", "card", "tac"],
        rows: 60,
        bad: 0,
    }
}

fn chicago() -> Example {
    let text = lines("Trip ID,Trip Start Timestamp,Fare,Trip Miles,Company,Pickup Latitude\n", |n| {
        let (h, m, s) = clock(n);
        let half = if h < 12 { "AM" } else { "PM" };
        let fen = 325 + mix(n) % 200_000;
        format!(
            "{:08x}{:08x},09/{:02}/2018 {:02}:{m:02}:{s:02} {half},\"${},{:03}.{:02}\",{}.{:02},Flash Cab,41.{:09}",
            mix(n),
            mix(n + 1),
            1 + n % 28,
            (h + 11) % 12 + 1,
            1 + fen / 100_000,
            fen / 100 % 1000,
            fen % 100,
            mix(n) % 9,
            mix(n) % 100,
            mix(n) % 1_000_000_000,
        )
    });
    Example {
        name: "twelve hours, currency signs, thousands",
        bytes: text.into_bytes(),
        tables: &[
            ("columns.tapped_at", "column = \"Trip Start Timestamp\"; formats = [\"%m/%d/%Y %I:%M:%S %p\"]"),
            ("columns.amount_fen", "column = \"Fare\"; remove = [\"$\"]; thousands = \",\"; unit = \"yuan\""),
            ("columns.operator", "column = \"Company\""),
        ],
        gaps: &["terminal", "card"],
        rows: 60,
        bad: 0,
    }
}

fn seoul() -> Example {
    let text = lines(
        "카드번호,승차일시,교통수단,노선명,승차정류장명,단말기번호,요금\n",
        |n| {
            let (h, m, s) = clock(n);
            format!(
                "{},20180901{h:02}{m:02}{s:02},{},{},{},{},{}",
                card(n),
                pick(n, &["지하철", "버스"]),
                pick(n, &["2호선", "370번"]),
                pick(n, &["강남", "서울역"]),
                102_030_400 + mix(n) % 5,
                pick(n, &["1250", "720", "1300"]),
            )
        },
    );
    Example {
        name: "Korean",
        bytes: encoded(&text, "euc-kr"),
        tables: &[
            ("file", "encoding = \"euc-kr\"; separator = \",\""),
            ("columns.tapped_at", "column = \"승차일시\"; formats = [\"%Y%m%d%H%M%S\"]"),
            ("columns.card", "column = \"카드번호\"; form = \"bcd\""),
            ("columns.terminal", "column = \"단말기번호\"; form = \"bcd\""),
            ("columns.sector", "column = \"교통수단\""),
            ("columns.line", "column = \"노선명\""),
            ("columns.station", "column = \"승차정류장명\""),
        ],
        gaps: &["terminal_seq"],
        rows: 60,
        bad: 0,
    }
}

fn madrid() -> Example {
    let text = lines("Fecha;Hora;Tarjeta;Lector;Operacion;Linea;Parada;Importe;Saldo\n", |n| {
        let (h, m, s) = clock(n);
        format!(
            "{:02}/09/2018;{h:02}:{m:02}:{s:02};{};{};{};L{};{};{},{:02};{},10",
            1 + n % 28,
            1_000_000_000 + mix(n) % 3_000_000_000,
            4000 + mix(n) % 3,
            100 + n,
            mix(n) % 9,
            pick(n, &["Plaza Mayor", "Estación Norte", "Ñuñoa"]),
            1 + mix(n) % 9,
            mix(n) % 4 * 25,
            mix(n) % 80,
        )
    });
    Example {
        name: "semicolons, comma decimals, date and clock in two columns",
        bytes: encoded(&text, "windows-1252"),
        tables: &[
            ("file", "encoding = \"windows-1252\"; separator = \";\""),
            ("fields.\"date and clock\"", "join = [\"Fecha\", \"Hora\"]; with = \" \""),
            ("columns.tapped_at", "column = \"date and clock\"; formats = [\"%d/%m/%Y %H:%M:%S\"]"),
            ("columns.amount_fen", "column = \"Importe\"; decimal = \",\"; unit = \"yuan\""),
            ("columns.card", "column = \"Tarjeta\"; form = \"bcd\""),
            ("columns.terminal", "column = \"Lector\"; form = \"bcd\""),
            ("columns.terminal_seq", "column = \"Operacion\""),
        ],
        gaps: &["fare_fen", "issuer"],
        rows: 60,
        bad: 0,
    }
}

fn gbk_places() -> Example {
    let mut bytes = Vec::new();
    let mut sum = 0;
    for n in 0..ROWS {
        let (h, m, s) = clock(n);
        let fen = 100 + mix(n) % 30 * 50;
        sum += fen;
        let operator = encoded(pick(n, &["公交一公司", "轨道交通", "公交二公司"]), "gbk");
        let row = format!(
            "D5180{:08X}{:09}{:08X}{:08X}20180901{h:02}{m:02}{s:02}{fen:08}",
            mix(n % 20),
            900 + n,
            mix(n),
            mix(n + 9)
        );
        bytes.extend_from_slice(row.as_bytes());
        bytes.extend_from_slice(&operator);
        bytes.extend(std::iter::repeat_n(b' ', 16 - operator.len()));
        bytes.extend_from_slice(format!("{:08X}\r\n", mix(n + 99)).as_bytes());
    }
    let mut file = format!("H20180901{ROWS:08}\r\n").into_bytes();
    file.extend_from_slice(&bytes);
    file.extend_from_slice(format!("T{ROWS:08}{sum:012}\r\n").as_bytes());
    Example {
        name: "GBK in places, with control lines",
        bytes: file,
        tables: &[
            ("file", "encoding = \"gbk\"; fixed = true"),
            ("header", "starts_with = \"H\"; records = { at = 10, length = 8 }"),
            (
                "trailer",
                "starts_with = \"T\"; records = { at = 2, length = 8 }; amount = { at = 10, length = 12, unit = \"fen\" }",
            ),
            ("columns.terminal", "at = 2; length = 12"),
            ("columns.terminal_seq", "at = 14; length = 9"),
            ("columns.card", "at = 23; length = 16"),
            ("columns.tapped_at", "at = 39; length = 14; formats = [\"%Y%m%d%H%M%S\"]"),
            ("columns.amount_fen", "at = 53; length = 8; unit = \"fen\""),
            ("columns.tac", "at = 77; length = 8"),
        ],
        gaps: &["issuer"],
        rows: 60,
        bad: 0,
    }
}

fn pipes_with_control_lines() -> Example {
    let mut sum = 0;
    let rows: String = (0..ROWS)
        .map(|n| {
            let (h, m, s) = clock(n);
            let fen = 100 + mix(n) % 30 * 50;
            sum += fen;
            let card = u64::from(mix(n)) << 32 | u64::from(mix(n + 5));
            let h = if h == 22 { 25 } else { h };
            format!(
                "D|20180901|{h:02}{m:02}{s:02}|31200000{:04}|{}|{card:016X}|{}.{:02}|{}|NULL\n",
                mix(n) % 4,
                100 + n,
                fen / 100,
                fen % 100,
                pick(n, &["BUS", "METRO"]),
            )
        })
        .collect();
    Example {
        name: "pipes, no names, service day, control lines that count themselves",
        bytes: format!("HDR|20180901|{}\n{rows}TRL|{}|{}.{:02}\n", ROWS + 2, ROWS + 2, sum / 100, sum % 100)
            .into_bytes(),
        tables: &[
            ("file", "encoding = \"utf-8\"; separator = \"|\"; names = false; empty = [\"NULL\"]"),
            ("header", "starts_with = \"HDR\"; records = { column = 3, subtract = 2 }"),
            (
                "trailer",
                "starts_with = \"TRL\"; records = { column = 2, subtract = 2 }; amount = { column = 3, unit = \"yuan\" }",
            ),
            ("fields.\"date and clock\"", "join = [2, 3]; with = \" \""),
            (
                "columns.tapped_at",
                "column = \"date and clock\"; formats = [\"%Y%m%d %H%M%S\"]; service_day_until = \"30:00\"",
            ),
            ("columns.terminal", "column = 4; form = \"bcd\""),
            ("columns.terminal_seq", "column = 5"),
            ("columns.card", "column = 6"),
            ("columns.amount_fen", "column = 7; unit = \"yuan\""),
            ("columns.sector", "column = 8"),
        ],
        gaps: &["issuer", "tac"],
        rows: 60,
        bad: 0,
    }
}

fn device_events() -> Example {
    let head = "event_id,transaction_time,device_id,media_id,fare_product_id,fare_amount,currency,agency_id,route_id,stop_id\n";
    let text = lines(head, |n| {
        let (h, m, s) = clock(n);
        format!(
            "{n},2018-09-01T{h:02}:{m:02}:{s:02}-05:00,VAL{:04},{:08x}{:08x}{:08x},{},{},USD,MTA,R{},S{}",
            mix(n) % 9,
            mix(n),
            mix(n + 1),
            mix(n + 2),
            pick(n, &["adult_single", "day_pass"]),
            pick(n, &["2.75", "1.35"]),
            mix(n) % 5,
            mix(n) % 20,
        )
    });
    Example {
        name: "device events with zones",
        bytes: text.into_bytes(),
        tables: &[
            ("columns.tapped_at", "column = \"transaction_time\"; formats = [\"%Y-%m-%dT%H:%M:%S%z\"]"),
            ("columns.card", "column = \"media_id\"; keep = \"last\""),
            ("columns.amount_fen", "column = \"fare_amount\"; unit = \"yuan\""),
            ("columns.operator", "column = \"agency_id\""),
            ("columns.line", "column = \"route_id\""),
            ("columns.station", "column = \"stop_id\""),
            ("columns.product", "column = \"fare_product_id\""),
        ],
        gaps: &["terminal"],
        rows: 60,
        bad: 0,
    }
}

fn no_names() -> Example {
    let text = lines("", |n| {
        let amount = pick(n, &["000000C8", "0000012C", "00000640"]);
        let seconds = 1_535_760_000_u64 + u64::from(mix(n) % 60_000);
        format!(
            "{}000,{:08X}{:08X},5180{:08X},{amount},{:08X}",
            seconds,
            mix(n),
            mix(n + 1),
            mix(n % 9),
            mix(n + 3)
        )
    });
    Example {
        name: "no names, milliseconds, hex amounts",
        bytes: text.into_bytes(),
        tables: &[
            ("file", "encoding = \"utf-8\"; separator = \",\"; names = false"),
            ("columns.tapped_at", "column = 1; unix = \"millis\""),
            ("columns.card", "column = 2"),
            ("columns.terminal", "column = 3"),
            ("columns.amount_fen", "column = 4; unit = \"fen\"; form = \"hex\""),
            ("columns.tac", "column = 5"),
        ],
        gaps: &["sector", "medium"],
        rows: 60,
        bad: 0,
    }
}

fn titles_above() -> Example {
    let text = lines("Monthly report of the bus company\n\nprinted 2018-10-01\nBus,Date,Price\n", |n| {
        format!("{},{:02}-SEP-18,{}.5", 100 + mix(n) % 7, 1 + n % 28, 1 + mix(n) % 3)
    });
    Example {
        name: "titles above the names, two-digit years, short decimals",
        bytes: text.into_bytes(),
        tables: &[
            ("file", "encoding = \"utf-8\"; separator = \",\"; skip = 3"),
            ("columns.tapped_at", "column = \"Date\"; formats = [\"%d-%b-%y\"]; pivot = 70"),
            ("columns.amount_fen", "column = \"Price\"; unit = \"yuan\""),
            ("columns.line", "column = \"Bus\""),
        ],
        gaps: &["card"],
        rows: 60,
        bad: 0,
    }
}

fn gb18030_tabs() -> Example {
    let text = lines("卡号\t时间\t站点\t金额\n", |n| {
        let (h, m, s) = clock(n);
        format!(
            "{}\t2018-09-01 {h:02}:{m:02}:{s:02}\t{}\t{}",
            card(n),
            pick(n, &["㐀街", "人民广场", "南京西路"]),
            200 + mix(n) % 5 * 100
        )
    });
    Example {
        name: "GB 18030 with characters of four bytes",
        bytes: encoded(&text, "gb18030"),
        tables: &[
            ("file", "encoding = \"gb18030\"; separator = \"tab\""),
            ("columns.tapped_at", "column = \"时间\"; formats = [\"%Y-%m-%d %H:%M:%S\"]"),
            ("columns.amount_fen", "column = \"金额\"; unit = \"fen\""),
            ("columns.station", "column = \"站点\""),
        ],
        gaps: &["terminal"],
        rows: 60,
        bad: 0,
    }
}

fn floats() -> Example {
    let text = lines("card_id,tap_time,device,amount,amount\n", |n| {
        let (h, m, s) = clock(n);
        format!(
            "{}.0,2018-09-01T{h:02}:{m:02}:{s:02}Z,{}.0,{}.0,0",
            37_000_000 + mix(n) % 900_000,
            7000 + mix(n) % 4,
            200 + mix(n) % 4 * 100
        )
    });
    Example {
        name: "numbers written as floats, two columns of one name",
        bytes: text.into_bytes(),
        tables: &[
            ("columns.tapped_at", "column = \"tap_time\"; formats = [\"%Y-%m-%dT%H:%M:%S%z\"]"),
            ("columns.card", "column = \"card_id\"; float = true; form = \"bcd\""),
            ("columns.terminal", "column = \"device\"; float = true; form = \"bcd\""),
            ("columns.amount_fen", "column = 4; unit = \"fen\"; float = true"),
        ],
        gaps: &["terminal_seq"],
        rows: 60,
        bad: 0,
    }
}
