//! What a rulebook says, and everything that is refused in one.

use super::*;
use crate::{
    fees::Basis,
    tap::{Product, Sector},
    testing::{city, date, hex, rulebook},
};

/// Line numbers in the tests below count from here; the first line is empty.
const GOOD: &str = r#"
version = 3
presentment_days = 10
hotlist_grace_hours = 24
[fees]
basis = "cycle_bilateral"
interchange_rate = "0.003"
switch_rate = "0.001"
[[fees.line]]
name = "metro-delta"
acquirer = "cu-2000"
issuer = "cu-3120"
sector = "metro"
product = "distance"
from = "2018-09-01"
until = "2018-10-01"
interchange_rate = "0.0025"
switch_rate = "0.0005"
[[participant]]
city = "tu-3120"
name_en = "Yangzhou"
name_zh = "扬州"
joined = "2018-01-01"
terminal_prefixes = ["3121", "31210"]
[[participant]]
city = "cu-2000"
name_en = "Shanghai"
name_zh = "上海"
joined = "2018-01-01"
left = "2019-01-01"
suspended_from = "2018-06-01"
suspended_until = "2018-06-08"
[[participant]]
city = "cu-3120"
name_en = "Shaoxing"
name_zh = "绍兴"
joined = "2018-03-01"
[clearing]
partitions = 4
[clearing.assignment]
cu-2000 = 3
tu-9999 = 1
[cut_off]
time = "23:30"
holidays = ["2018-10-01"]
[limits]
anything = true
[directory]
x = 1
"#;

#[test]
fn everything_it_says_is_there() {
    let rules = rulebook(GOOD);
    assert_eq!((rules.version, rules.presentment_days, rules.hotlist_grace_hours), (3, 10, 24));
    assert_eq!(rules.fees.basis, Basis::CycleBilateral);
    assert_eq!(rules.fees.default.interchange.rate.to_string(), "0.003");
    let line = &rules.fees.lines[0];
    assert_eq!((line.acquirer, line.issuer), (Some(city("cu-2000")), Some(city("cu-3120"))));
    assert_eq!((line.sector, line.product), (Some(Sector::Metro), Some(Product::Distance)));
    assert_eq!((line.from, line.until), (Some(date("2018-09-01")), Some(date("2018-10-01"))));
    assert_eq!(line.rates.switch.rate.to_string(), "0.0005");
    let cities: Vec<String> = rules.participants.iter().map(|p| p.city.to_string()).collect();
    assert_eq!(cities, ["cu-2000", "cu-3120", "tu-3120"]);
    let shanghai = rules.participant(city("cu-2000"));
    assert_eq!(shanghai.map(|p| (&*p.name_en, &*p.name_zh)), Some(("Shanghai", "上海")));
    assert_eq!(rules.participant(city("tu-2000")), None);
    assert_eq!(rules.partitions, 4);
    let partitions = ["cu-2000", "cu-3120", "tu-9999"].map(|name| rules.partition_of(city(name)));
    assert_eq!(partitions, [3, 0, 1]);
    assert_eq!(rules.unknown_tables(), ["directory"]);
    assert_eq!(rules.bytes(), GOOD.as_bytes());
    assert_eq!(
        rulebook(
            &GOOD
                .replace("[clearing]\npartitions = 4\n[clearing.assignment]\ncu-2000 = 3\ntu-9999 = 1\n", "")
        )
        .partitions,
        1
    );
}

#[test]
fn the_digest_is_of_the_very_bytes() {
    assert_eq!(rulebook(GOOD).digest(), rulebook(GOOD).digest());
    assert_ne!(rulebook(GOOD).digest(), rulebook(&format!("{GOOD}# a remark\n")).digest());
    let expected = hex("E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855");
    assert_ne!(rulebook(GOOD).digest(), expected, "that of no bytes");
}

#[test]
fn terminals_default_to_the_citys_code() {
    let rules = rulebook(GOOD);
    let owner = |terminal: &str| rules.terminal_owner(hex(terminal)).map(|city| city.to_string());
    assert_eq!(owner("200000000000").as_deref(), Some("cu-2000"));
    assert_eq!(owner("312000000000").as_deref(), Some("cu-3120"));
    assert_eq!(owner("312101000000").as_deref(), Some("tu-3120"));
    assert_eq!(owner("400000000000"), None);
}

#[test]
fn membership_and_suspension_by_date() {
    let rules = rulebook(GOOD);
    let standing = |day: &str| rules.standing(city("cu-2000"), date(day));
    let members = |day: &str| rules.members(date(day)).map(|city| city.to_string()).collect::<Vec<_>>();
    assert_eq!(standing("2017-12-31"), Standing::Unknown);
    assert_eq!(standing("2018-01-01"), Standing::Member);
    assert_eq!(standing("2018-05-31"), Standing::Member);
    assert_eq!(standing("2018-06-01"), Standing::Suspended);
    assert_eq!(standing("2018-06-07"), Standing::Suspended);
    assert_eq!(standing("2018-06-08"), Standing::Member);
    assert_eq!(standing("2018-12-31"), Standing::Member);
    assert_eq!(standing("2019-01-01"), Standing::Unknown);
    assert_eq!(rules.standing(city("tu-2000"), date("2018-06-01")), Standing::Unknown);
    assert_eq!(members("2018-02-28"), ["cu-2000", "tu-3120"]);
    assert_eq!(members("2018-06-01"), ["cu-2000", "cu-3120", "tu-3120"], "suspended ones included");
    assert_eq!(members("2019-01-01"), ["cu-3120", "tu-3120"]);
}

#[test]
fn input_as_editors_leave_it_is_accepted() {
    assert_eq!(rulebook(&GOOD.replace('\n', "\r\n")).version, 3);
    assert_eq!(rulebook(&format!("\u{FEFF}{GOOD}")).version, 3);
    assert_eq!(rulebook(&GOOD.replace("[\"3121\", \"31210\"]", "[]")).participants[2].terminal_prefixes, []);
}

/// Replaces one text in the good rulebook and expects a refusal that holds each of the others.
fn check(text: &str, replacement: &str, expected: &[&str]) {
    assert_eq!(GOOD.matches(text).count(), 1, "`{text}` is not there once");
    let toml = GOOD.replace(text, replacement);
    let message =
        Rulebook::parse(toml.as_bytes()).map_or_else(|error| error.to_string(), |_| "accepted".to_owned());
    for part in expected {
        assert!(message.contains(part), "`{replacement}` for `{text}`: {message}\nlacks: {part}");
    }
}

#[test]
fn top_level_refusals() {
    check("version = 3\n", "", &["version: missing"]);
    check("version = 3", "version = 0", &["line 2, version: not a whole number from 1"]);
    check("version = 3", "version = \"3\"", &["line 2, version: not a whole number"]);
    check("version = 3", "version = 4294967296", &["line 2, version"]);
    check("presentment_days = 10\n", "", &["presentment_days: missing"]);
    check("presentment_days = 10", "presentment_days = 3651", &["line 3, presentment_days", "0 to 3650"]);
    check("presentment_days = 10", "presentment_days = -1", &["line 3, presentment_days"]);
    check("presentment_days = 10", "presentment_days = 10.0", &["line 3, presentment_days"]);
    check("hotlist_grace_hours = 24\n", "", &["hotlist_grace_hours: missing"]);
    check("hotlist_grace_hours = 24", "hotlist_grace_hours = 87601", &["line 4, hotlist_grace_hours"]);
    check("version = 3", "version = 3\nversion = 3", &["line 3", "not TOML"]);
    check("version = 3", "version = ", &["line 2", "not TOML"]);
    check("[limits]\nanything = true\n", "[[limits]]\n", &["limits: not a table: write [limits]"]);
}

#[test]
fn fee_refusals() {
    let fees = &GOOD[GOOD.find("[fees]").unwrap_or(0)..GOOD.find("[[participant]]").unwrap_or(0)];
    check(fees, "", &["fees: missing"]);
    check(
        "cycle_bilateral",
        "monthly",
        &["line 6, [fees], basis", "`monthly`", "cycle_bilateral, per_record"],
    );
    check("basis = \"cycle_bilateral\"\n", "", &["line 5, [fees], basis: missing"]);
    check("\"0.003\"", "0.003", &["line 7, [fees], interchange_rate", "in quotes", "\"0.003\""]);
    check("\"0.001\"", "0", &["line 8, [fees], switch_rate", "in quotes"]);
    check("\"0.001\"", "\"1.001\"", &["line 8, [fees], switch_rate", "above 1"]);
    check("\"0.001\"", "\"0.0010000000000\"", &["line 8, [fees], switch_rate", "more than 12 decimals"]);
    check("\"0.001\"", "\"0,001\"", &["line 8, [fees], switch_rate", "not a rate"]);
    check("switch_rate = \"0.001\"\n", "", &["line 5, [fees], switch_rate: missing"]);
    check(
        "[fees]\n",
        "[fees]\nbasic = 1\n",
        &["line 6, [fees], basic: unknown", "basis, line, interchange_rate"],
    );
    check("name = \"metro-delta\"\n", "", &["line 9, [[fees.line]] 1, name: missing"]);
    check("name = \"metro-delta\"", "name = \"\"", &["line 10, [[fees.line]] 1, name: empty"]);
    check("\"metro\"", "\"tram\"", &["line 13, [[fees.line]] 1, sector", "`tram`", "bus, metro"]);
    check("\"distance\"", "\"km\"", &["line 14, [[fees.line]] 1, product", "`km`", "flat, distance"]);
    check(
        "acquirer = \"cu-2000\"",
        "acquirer = \"2000\"",
        &["line 11, [[fees.line]] 1, acquirer", "not a city"],
    );
    check(
        "acquirer = \"cu-2000\"",
        "acquirer = \"cu-2001\"",
        &["line 11", "acquirer: cu-2001 is no participant"],
    );
    check(
        "until = \"2018-10-01\"",
        "until = \"2018-09-01\"",
        &["line 16", "until: not after from = 2018-09-01"],
    );
    check("from = \"2018-09-01\"", "from = 2018-09-01", &["line 15", "from", "put it in quotes"]);
    check("sector = \"metro\"", "sectors = \"metro\"", &["line 13, [[fees.line]] 1, sectors: unknown"]);
    check("\"0.0025\"", "0.0025", &["line 17, [[fees.line]] 1, interchange_rate", "in quotes"]);
}

#[test]
fn participant_refusals() {
    let participants = &GOOD[GOOD.find("[[participant]]").unwrap_or(0)..GOOD.find("[clearing]").unwrap_or(0)];
    check(participants, "", &["participant: no participant at all"]);
    check("city = \"tu-3120\"\n", "", &["line 19, [[participant]] 1, city: missing"]);
    check("city = \"tu-3120\"", "city = \"tu-312\"", &["line 20, [[participant]] 1, city", "`tu-312`"]);
    check(
        "city = \"tu-3120\"",
        "city = \"cu-2000\"",
        &["line 26, [[participant]] 2, city: cu-2000", "twice"],
    );
    check("name_zh = \"上海\"\n", "", &["line 25, [[participant]] 2, name_zh: missing"]);
    check(
        "name_en = \"Shanghai\"",
        "name_en = 1",
        &["line 27, [[participant]] 2, name_en", "put it in quotes"],
    );
    check(
        "\"Shanghai\"",
        "\"Shanghai\"\ndescription = \"\"",
        &["line 28, [[participant]] 2, description: unknown"],
    );
    check(
        "left = \"2019-01-01\"",
        "left = \"2018-01-01\"",
        &["line 30", "left: not after joined = 2018-01-01"],
    );
    check(
        "left = \"2019-01-01\"",
        "left = \"2019-02-29\"",
        &["line 30", "`2019-02-29`", "not a calendar date"],
    );
    check("suspended_from = \"2018-06-01\"\n", "", &["line 31", "suspended_until: without suspended_from"]);
    check(
        "\"2018-06-08\"",
        "\"2018-06-01\"",
        &["line 32", "suspended_until: not after suspended_from = 2018-06-01"],
    );
    check(
        "left = \"2019-01-01\"",
        "left = \"2018-06-01\"",
        &["line 31", "suspended_from", "would never apply"],
    );
    check(
        "joined = \"2018-01-01\"\nleft",
        "joined = \"2018-06-08\"\nleft",
        &["line 32", "suspended_until", "would never apply"],
    );
    check(
        "\"3121\", ",
        "\"3120\", ",
        &["line 33", "[[participant]] 3", "cu-3120 and tu-3120", "prefix 3120"],
    );
    check(
        "\"31210\"",
        "\"3121a\"",
        &["line 24, [[participant]] 1, terminal_prefixes", "`3121a`", "upper-case"],
    );
    check("\"31210\"", "\"\"", &["line 24, [[participant]] 1, terminal_prefixes"]);
    check("\"31210\"", "\"3121000000000\"", &["line 24", "1 to 12"]);
    check("[\"3121\", \"31210\"]", "\"3121\"", &["line 24", "terminal_prefixes: not a list"]);
    check(participants, "[participant]\n", &["participant: not a list of tables: write [[participant]]"]);
}

#[test]
fn clearing_and_cut_off_refusals() {
    check("partitions = 4", "partitions = 0", &["line 39, [clearing], partitions"]);
    check("partitions = 4", "partition = 4", &["line 39, [clearing], partition: unknown"]);
    check("cu-2000 = 3", "cu-2000 = 4", &["line 41, [clearing.assignment], cu-2000", "from 0 to 3"]);
    check("tu-9999 = 1", "Shanghai = 1", &["line 42, [clearing.assignment], Shanghai: not a city"]);
    check("\"23:30\"", "\"24:00\"", &["line 44, [cut_off], time", "`24:00`", "HH:MM"]);
    check("\"23:30\"", "\"9:30\"", &["line 44, [cut_off], time"]);
    check("[\"2018-10-01\"]", "[\"2018-10-01\", \"1 Oct\"]", &["line 45, [cut_off], holidays", "`1 Oct`"]);
}

#[test]
fn fees_have_a_least_and_a_most() {
    let fees =
        "switch_rate = \"0.0005\"\ninterchange_min_fen = 1\ninterchange_max_fen = 500\nswitch_max_fen = 0";
    let rules = rulebook(&GOOD.replace("switch_rate = \"0.0005\"", fees));
    let rates = &rules.fees.lines[0].rates;
    assert_eq!((rates.interchange.min_fen, rates.interchange.max_fen), (1, Some(500)));
    assert_eq!((rates.switch.min_fen, rates.switch.max_fen), (0, Some(0)));
    assert_eq!((rules.fees.default.interchange.min_fen, rules.fees.default.interchange.max_fen), (0, None));
    let line = "switch_rate = \"0.0005\"";
    check(line, &format!("{line}\nswitch_min_fen = -1"), &["[[fees.line]] 1, switch_min_fen", "from 0 to"]);
    let crossed = format!("{line}\nswitch_min_fen = 3\nswitch_max_fen = 2");
    check(line, &crossed, &["[[fees.line]] 1, switch_max_fen: less than switch_min_fen = 3"]);
}

#[test]
fn cut_off_times_stand_in_order() {
    let times = |text: &str| GOOD.replace("time = \"23:30\"", text);
    let rules = rulebook(&times("times = [\"04:00\", \"16:00\"]"));
    assert_eq!(rules.terms.cut_off_times, [4 * 3600, 16 * 3600]);
    for (text, expected) in [
        ("times = []", "[cut_off], times: empty"),
        ("times = [\"16:00\", \"04:00\"]", "[cut_off], times: not in order"),
        ("times = [\"04:00\", \"04:00\"]", "[cut_off], times: not in order"),
        ("times = [\"4:00\"]", "[cut_off], times: `4:00` is no time of day"),
        ("time = \"04:00\"\ntimes = [\"04:00\"]", "[cut_off], times: beside time"),
    ] {
        check("time = \"23:30\"", text, &[expected]);
    }
}

#[test]
fn limits_and_caps() {
    let rules = rulebook(&GOOD.replace("\"上海\"", "\"上海\"\nnet_debit_cap_fen = 5_000_000_000"));
    let cap = |name: &str| rules.participant(city(name)).and_then(|p| p.net_debit_cap_fen);
    assert_eq!((cap("cu-2000"), cap("cu-3120")), (Some(5_000_000_000), None));
    assert_eq!(rules.limits.net_debit_warn_percent, [50, 80, 95], "what holds where nothing is stated");
    let stated = |levels: &str| format!("[limits]\nnet_debit_warn_percent = {levels}");
    assert_eq!(rulebook(&GOOD.replace("[limits]", &stated("[70]"))).limits.net_debit_warn_percent, [70]);
    check("[limits]", &stated("[80, 50]"), &["[limits], net_debit_warn_percent: not rising"]);
    check(
        "[limits]",
        &stated("[0]"),
        &["[limits], net_debit_warn_percent: not a whole number from 1 to 100"],
    );
    check(
        "\"上海\"",
        "\"上海\"\nnet_debit_cap_fen = \"5\"",
        &["[[participant]] 2, net_debit_cap_fen: not a whole"],
    );
}

/// A person sees all that is wrong, not one fault after each correction.
#[test]
fn every_fault_is_named_at_once() {
    assert_eq!(Rulebook::faults(GOOD.as_bytes()).map_err(|error| error.to_string()), Ok(Vec::new()));
    let wrong = GOOD
        .replace("presentment_days = 10", "presentment_days = \"ten\"")
        .replace("basis = \"cycle_bilateral\"", "basis = \"weekly\"")
        .replace("sector = \"metro\"", "sector = \"subway\"")
        .replace("joined = \"2018-03-01\"", "joined = \"2018-3-1\"")
        .replace("city = \"cu-2000\"\nname", "city = \"cu-2000\"\nnamed = 1\nname")
        .replace("partitions = 4", "partitions = 0")
        .replace("\"23:30\"", "\"23.30\"");
    let faults = Rulebook::faults(wrong.as_bytes()).unwrap();
    let named: Vec<(&str, &str)> = faults.iter().map(|fault| (&*fault.entry, &*fault.field)).collect();
    let expected = [
        ("", "presentment_days"),
        ("[fees]", "basis"),
        ("[[fees.line]] 1", "sector"),
        ("[[participant]] 2", "named"),
        ("[[participant]] 3", "joined"),
        ("[clearing]", "partitions"),
        ("[cut_off]", "time"),
    ];
    assert_eq!(named, expected);
    assert!(faults.windows(2).all(|pair| pair[0].line < pair[1].line));
    assert_eq!(Rulebook::faults(b"a = [[[").unwrap().len(), 1, "what is no TOML has one fault");
    let twice = GOOD.replace("city = \"cu-3120\"\nname", "city = \"cu-2000\"\nname");
    let faults = Rulebook::faults(twice.as_bytes()).unwrap();
    assert!(
        faults.iter().any(|fault| fault.why.contains("both have the prefix") || fault.why.contains("twice"))
    );
}

#[test]
fn slips_are_warned_of() {
    let warned = |toml: &str| rulebook(toml).warnings();
    let hidden = "[[participant]]\ncity = \"tu-3120\"";
    let line = "[[fees.line]]\nname = \"again\"\nissuer = \"cu-3120\"\nacquirer = \"cu-2000\"\nsector = \"metro\"\n\
        product = \"distance\"\nfrom = \"2018-09-02\"\nuntil = \"2018-10-01\"\ninterchange_rate = \"0\"\nswitch_rate = \"0\"\n";
    let account = "\"上海\"\nbank = \"ICBKCNBJ\"\naccount = \"1\"";
    let found = warned(&GOOD.replacen(hidden, &format!("{line}{hidden}"), 1).replace("\"上海\"", account));
    let expected = [
        "directory: has no meaning here",
        "[limits] anything: has no meaning here",
        "cu-3120: no bank, no account; messages",
        "tu-3120: no bank, no account; messages",
        "tu-9999: is no participant",
        "[[fees.line]] 2 `again`: never applies, line 1 `metro-delta` before it takes",
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (warning, words) in found.iter().zip(expected) {
        assert!(warning.contains(words), "{warning}\nlacks: {words}");
    }
    let wider = line.replace("from = \"2018-09-02\"", "from = \"2018-08-31\"");
    let found = warned(&GOOD.replacen(hidden, &format!("{wider}{hidden}"), 1));
    assert!(!found.iter().any(|warning| warning.contains("never applies")), "a day before the other begins");
}

#[test]
fn bytes_that_are_no_rulebook() {
    let message =
        |bytes: &[u8]| Rulebook::parse(bytes).map_or_else(|error| error.to_string(), |_| String::new());
    assert!(message(b"\xFF\xFE").contains("not UTF-8"));
    assert!(message(b"").contains("missing") || message(b"").contains("no participant"));
    assert!(message(b"a = [[[").contains("line 1"));
}

const SETTLEMENT: &str = r#"
[settlement]
name = "城市一卡通清算中心"
bank = "102100099996"
account = "1234567890"
account_name = "Clearing House"
currency = "CNY"
days_off = ["sunday"]
holidays = ["2018-10-02"]
working_days = ["2018-09-30"]
settle_after_days = 2
agreement_days = 3
"#;

#[test]
fn how_nets_are_paid() {
    let accounts = "\"上海\"\nbank = \"ICBKCNBJ\"\naccount = \"62220000-1\"\naccount_name = \"上海公共交通卡股份有限公司\"";
    let rules = rulebook(&(GOOD.replace("\"上海\"", accounts) + SETTLEMENT));
    let terms = &rules.terms;
    assert_eq!(terms.name.as_deref(), Some("城市一卡通清算中心"));
    assert_eq!(terms.account.bank, Some(crate::terms::Bank::Cnaps("102100099996".to_owned())));
    assert_eq!(terms.account.number.as_ref().map(ToString::to_string).as_deref(), Some("1234567890"));
    assert_eq!(terms.account.name.as_deref(), Some("Clearing House"));
    assert_eq!(terms.cut_off("2018-09-28-001".parse().unwrap()).to_string(), "2018-09-28T23:30:00");
    // Saturday is worked here, Sunday the 30th too; 1 October stands in [cut_off], 2 October here.
    for (business_date, settled) in
        [("2018-09-28", "2018-09-30"), ("2018-09-29", "2018-10-03"), ("2018-10-05", "2018-10-08")]
    {
        assert_eq!(terms.settlement_date(date(business_date)), date(settled), "{business_date}");
    }
    let shanghai = rules.participant(city("cu-2000")).map(|p| p.account.clone()).unwrap_or_default();
    assert_eq!(shanghai.bank.map(|bank| bank.to_string()).as_deref(), Some("ICBKCNBJ"));
    assert_eq!(shanghai.number.map(|number| number.to_string()).as_deref(), Some("62220000-1"));
    assert_eq!(shanghai.name.as_deref(), Some("上海公共交通卡股份有限公司"));
    let other = rules.participant(city("cu-3120")).map(|p| p.account.clone());
    assert_eq!(other, Some(crate::terms::Account::default()), "all of it is optional");
    assert_eq!(rules.unknown_tables(), ["directory"]);
}

#[test]
fn settlement_refusals() {
    let refused = |text: &str, replacement: &str| {
        let toml = GOOD.to_owned() + &SETTLEMENT.replace(text, replacement);
        assert!(toml.len() > GOOD.len() && SETTLEMENT.contains(text), "{text}");
        Rulebook::parse(toml.as_bytes()).map_or_else(|error| error.to_string(), |_| "accepted".to_owned())
    };
    let seven =
        "[\"monday\", \"tuesday\", \"wednesday\", \"thursday\", \"friday\", \"saturday\", \"sunday\"]";
    for (text, replacement, expected) in [
        ("\"102100099996\"", "\"1021000\"", "[settlement], bank: `1021000`: not a bank"),
        ("\"1234567890\"", "\"12 34\"", "[settlement], account: `12 34`: not an account number"),
        ("\"1234567890\"", "1234567890", "[settlement], account: integer where text is expected"),
        ("\"CNY\"", "\"HKD\"", "[settlement], currency: `HKD`: only CNY is settled"),
        (
            "[\"sunday\"]",
            "[\"Sunday\"]",
            "[settlement], days_off: `Sunday` is no day of the week; known: monday",
        ),
        ("[\"sunday\"]", seven, "[settlement], days_off: all seven days"),
        ("2018-10-02", "2018-10-32", "[settlement], holidays: `2018-10-32`"),
        ("2018-09-30", "2018-10-02", "[settlement], working_days: 2018-10-02 is a holiday too"),
        (
            "2018-09-30",
            "2018-10-01",
            "[settlement], working_days: 2018-10-01 is a holiday too (here or in [cut_off])",
        ),
        (
            "agreement_days = 3",
            "agreement_days = 366",
            "[settlement], agreement_days: not a whole number from 0 to 365",
        ),
        (
            "settle_after_days = 2",
            "settle_after_days = 31",
            "[settlement], settle_after_days: not a whole number from 0 to 30",
        ),
        ("\"Clearing House\"", "\"\"", "[settlement], account_name: empty"),
        ("[settlement]", "[[settlement]]", "settlement: not a table: write [settlement]"),
    ] {
        let message = refused(text, replacement);
        assert!(message.contains(expected), "`{replacement}`: {message}\nlacks: {expected}");
    }
    assert_eq!(
        refused("settle_after_days = 2", "agent = \"x\""),
        "accepted",
        "a table may say more; check warns"
    );
    check("\"扬州\"", "\"扬州\"\nbank = \"X\"", &["line 23, [[participant]] 1, bank: `X`: not a bank"]);
    let long = format!("\"扬州\"\naccount_name = \"{}\"", "名".repeat(71));
    check("\"扬州\"", &long, &["[[participant]] 1, account_name: longer than 70 characters"]);
}

#[test]
fn until_when_disputes_may_be_opened_and_answered() {
    let days = |toml: &str| {
        let terms = rulebook(&(GOOD.to_owned() + toml)).terms.disputes;
        (terms.dispute_days, terms.answer_days)
    };
    assert_eq!(days(""), (30, 10), "the default");
    assert_eq!(days("[disputes]\nanswer_days = 5\n"), (30, 5));
    assert_eq!(days("[disputes]\ndispute_days = 0\nanswer_days = 1\n"), (0, 1));
    let rules = rulebook(&(GOOD.to_owned() + "[disputes]\n"));
    assert_eq!(rules.unknown_tables(), ["directory"]);
    for (toml, expected) in [
        ("answer_days = 0", "[disputes], answer_days: not a whole number from 1 to 3650"),
        ("dispute_days = 3651", "[disputes], dispute_days: not a whole number from 0 to 3650"),
        ("answer_hours = 7", "[disputes], answer_hours: unknown; known here: dispute_days, answer_days"),
    ] {
        let text = format!("{GOOD}[disputes]\n{toml}\n");
        let message = Rulebook::parse(text.as_bytes()).map_or_else(|e| e.to_string(), |_| String::new());
        assert!(message.contains(expected), "`{toml}`: {message}");
    }
}

/// Shanghai with two accounts by sector beside its main one.
const BY_SECTOR: &str = "\"上海\"\nbank = \"ICBKCNBJ\"\naccount = \"62-0\"\n\
    [[participant.sector_account]]\nsectors = [\"parking\", \"utility\"]\nbank = \"102100099996\"\naccount = \"62-1\"\n\
    account_name = \"Parking\"\n[[participant.sector_account]]\nsectors = [\"retail\"]\nbank = \"ABOCCNBJ\"\n\
    account = \"62-0\"\n";

/// The good rulebook with these words instead of those in Shanghai's accounts, which stand behind its dates.
fn by_sector(text: &str, replacement: &str) -> String {
    assert_eq!(BY_SECTOR.matches(text).count(), 1, "`{text}` is not there once");
    let (name, accounts) = BY_SECTOR.split_once("[[").unwrap_or_default();
    let (name, accounts) = match name.contains(text) {
        true => (name.replace(text, replacement), format!("[[{accounts}")),
        false => (name.to_owned(), format!("[[{accounts}").replace(text, replacement)),
    };
    let last = "suspended_until = \"2018-06-08\"\n";
    GOOD.replace("\"上海\"\n", &name).replace(last, &format!("{last}{accounts}"))
}

#[test]
fn a_city_may_have_accounts_by_sector() {
    let rules = rulebook(&by_sector("62-1", "62-1"));
    let shanghai = rules.participant(city("cu-2000")).unwrap();
    let numbers =
        [Sector::Bus, Sector::Parking, Sector::Utility, Sector::Retail].map(|it| shanghai.account_of(it));
    assert_eq!(numbers, [0, 1, 1, 2]);
    let stated = |number| {
        let account = shanghai.account_numbered(number)?;
        Some((account.number.as_ref()?.to_string(), account.bank.as_ref()?.to_string(), account.name.clone()))
    };
    let of = |number: &str, bank: &str, name: Option<&str>| {
        Some((number.to_owned(), bank.to_owned(), name.map(str::to_owned)))
    };
    assert_eq!(stated(0), of("62-0", "ICBKCNBJ", None));
    assert_eq!(stated(1), of("62-1", "102100099996", Some("Parking")));
    assert_eq!(stated(2), of("62-0", "ABOCCNBJ", None), "another bank's account may have the same number");
    assert_eq!(stated(3), None);
    assert_eq!(shanghai.accounts().collect::<Vec<_>>(), [0, 1, 2]);
    assert!(rules.has_sector_accounts() && !rulebook(GOOD).has_sector_accounts());
    // One fee line: the line is 0, the default 1; two more for each account by sector, of the acquirer alone.
    let slot = |acquirer: &str, issuer: &str, sector: Sector, product: Product| {
        let table = rules.fee_table(city(acquirer), city(issuer), date("2018-09-01"));
        (table.slot(sector.index(), product.index()), table.slot_count())
    };
    assert_eq!(slot("cu-2000", "cu-3120", Sector::Metro, Product::Distance), (0, 6));
    assert_eq!(slot("cu-2000", "cu-3120", Sector::Bus, Product::Flat), (1, 6));
    assert_eq!(slot("cu-2000", "cu-3120", Sector::Parking, Product::Time), (3, 6));
    assert_eq!(slot("cu-2000", "tu-3120", Sector::Retail, Product::Flat), (5, 6));
    assert_eq!(slot("cu-3120", "cu-2000", Sector::Retail, Product::Flat), (1, 2));
    let of_slots: Vec<(u16, u8)> =
        (0..6).map(|it| (rules.fees.line_of(it), rules.fees.account_of(it))).collect();
    assert_eq!(of_slots, [(0, 0), (1, 0), (0, 1), (1, 1), (0, 2), (1, 2)]);
    assert_eq!(rules.fees.rates(4), &rules.fees.lines[0].rates);
    assert_eq!(rules.fees.rates(5), &rules.fees.default);
}

/// References to banks name an account by its place among the tables.
#[test]
fn accounts_that_change_places_are_told() {
    let table = |sector: &str, number: &str| {
        format!(
            "[[participant.sector_account]]\nsectors = [\"{sector}\"]\nbank = \"ICBKCNBJ\"\naccount = \"{number}\"\n"
        )
    };
    let (bus, metro) = (table("bus", "62-1"), table("metro", "62-2"));
    let with = |tables: &str| {
        let last = "suspended_until = \"2018-06-08\"\n";
        rulebook(&GOOD.replace(last, &format!("{last}{tables}")))
    };
    let told = |old: &str, new: &str| {
        let changes = super::changes::changes(&with(old), &with(new));
        changes.into_iter().map(|change| change.what).collect::<Vec<_>>()
    };
    let both = [bus.as_str(), &metro].concat();
    let turned = [metro.as_str(), &bus].concat();
    let says = "accounts by sector, as references number them: 62-1 at ICBKCNBJ, 62-2 at ICBKCNBJ → \
                62-2 at ICBKCNBJ, 62-1 at ICBKCNBJ";
    assert_eq!(told(&both, &turned), [says]);
    assert_eq!(
        told(&bus, &both),
        ["settles metro over: its main account → 62-2 at ICBKCNBJ"],
        "one more is no other order"
    );
}

#[test]
fn accounts_by_sector_that_are_refused() {
    let refused = |toml: &str| {
        Rulebook::parse(toml.as_bytes()).map_or_else(|error| error.to_string(), |_| "taken".to_owned())
    };
    for (text, replacement, expected) in [
        (
            "[\"parking\", \"utility\"]",
            "[]",
            "[[participant.sector_account]] 1, sectors: empty; state at least one",
        ),
        ("sectors = [\"parking\", \"utility\"]\n", "", "[[participant.sector_account]] 1, sectors: missing"),
        ("[\"parking\", \"utility\"]", "\"parking\"", "sectors: not a list"),
        (
            "\"utility\"",
            "\"parking\"",
            "[[participant.sector_account]] 1, sectors: one of them is there twice",
        ),
        ("\"utility\"", "\"garage\"", "sectors: `garage` is unknown; known: bus, metro"),
        (
            "[\"retail\"]",
            "[\"retail\", \"utility\"]",
            "[[participant.sector_account]] 2, sectors: utility has an account already",
        ),
        ("account = \"62-1\"\n", "", "[[participant.sector_account]] 1, account: missing; state it"),
        ("bank = \"102100099996\"\n", "", "[[participant.sector_account]] 1, bank: missing; state it"),
        ("\"62-1\"", "\"62/1\"", "account: `62/1`: not an account number"),
        ("\"102100099996\"", "\"icbc\"", "bank: `icbc`: not a bank"),
        (
            "\"ABOCCNBJ\"",
            "\"ICBKCNBJ\"",
            "[[participant.sector_account]] 2, account: that of the participant itself",
        ),
        (
            "bank = \"ICBKCNBJ\"\n",
            "",
            "[[participant.sector_account]] 2, account: that of the participant itself",
        ),
        (
            "account_name = \"Parking\"",
            "name = \"Parking\"",
            "name: unknown; known here: sectors, bank, account, account_name",
        ),
    ] {
        let message = refused(&by_sector(text, replacement));
        assert!(message.contains(expected), "`{replacement}`: {message}\nlacks: {expected}");
    }
    let same =
        by_sector("bank = \"102100099996\"\naccount = \"62-1\"", "bank = \"ABOCCNBJ\"\naccount = \"62-0\"");
    assert!(
        refused(&same).contains("2, account: another table of the participant has it"),
        "{}",
        refused(&same)
    );
    let named = Rulebook::faults(by_sector("62-1", "").as_bytes()).unwrap();
    assert_eq!(named.iter().map(|fault| &*fault.field).collect::<Vec<_>>(), ["account"]);
}

/// An account by sector is never the scheme's. A main account may be: versions that stand on logs are read for ever.
#[test]
fn accounts_of_others_are_refused_or_warned_of() {
    let of_scheme = |bank: &str| {
        let scheme = SETTLEMENT.replace("\"102100099996\"", bank).replace("1234567890", "62-1");
        by_sector("62-1", "62-1") + &scheme
    };
    let toml = of_scheme("\"102100099996\"");
    let refused = Rulebook::parse(toml.as_bytes()).map_or_else(|error| error.to_string(), |_| String::new());
    let expected =
        "[[participant.sector_account]] 1, account: that of [settlement], over which everybody pays";
    assert!(refused.contains(expected), "{refused}\nlacks: {expected}");
    let faults = Rulebook::faults(toml.as_bytes()).unwrap();
    assert_eq!(faults.iter().map(|fault| &*fault.field).collect::<Vec<_>>(), ["account"]);
    assert_eq!(faults[0].line, toml.lines().position(|line| line == "account = \"62-1\"").unwrap() + 1);
    // Another bank may have the same number.
    assert!(rulebook(&of_scheme("\"ICBKCNBJ\"")).has_sector_accounts());

    let warned = |toml: &str| -> Vec<String> {
        let all = rulebook(toml).warnings();
        all.into_iter().filter(|it| it.contains("account is") || it.contains("is one of")).collect()
    };
    let toml = by_sector("62-1", "62-1") + SETTLEMENT;
    assert_eq!(warned(&toml), [""; 0], "every account is one of one party");
    let with =
        |account: &str| toml.replace("\"绍兴\"\n", &format!("\"绍兴\"\nbank = \"102100099996\"\n{account}"));
    let found = warned(&with("account = \"62-1\"\n"));
    assert_eq!(found, ["[[participant]] cu-3120: account 62-1 is one of cu-2000 too; is it misspelt?"]);
    let found = warned(&with("account = \"1234567890\"\n"));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].starts_with("[[participant]] cu-3120: its account is that of [settlement]"),
        "{found:?}"
    );
}

/// Lines, the default rates among them, times accounts fit into 16 bits: 12 accounts leave 65,536 / 12 − 1 = 5,460 lines.
#[test]
fn lines_and_accounts_together_are_bounded() {
    let account = |sector: &Sector| {
        format!(
            "[[participant.sector_account]]\nsectors = [\"{0}\"]\nbank = \"ICBKCNBJ\"\naccount = \"62-{0}\"\n",
            sector.word()
        )
    };
    let line = "[[fees.line]]\nname = \"n\"\ninterchange_rate = \"0\"\nswitch_rate = \"0\"\n";
    let with = |lines: usize, accounts: usize| {
        let accounts: String = Sector::ALL.iter().take(accounts).map(account).collect();
        let last = "joined = \"2018-03-01\"\n";
        let text = GOOD.replace(last, &format!("{last}{accounts}"));
        let text =
            text.replacen("[[participant]]\n", &format!("{}[[participant]]\n", line.repeat(lines - 1)), 1);
        Rulebook::parse(text.as_bytes()).map_or_else(|error| error.to_string(), |_| "taken".to_owned())
    };
    assert_eq!(with(10_000, 5), "taken");
    assert_eq!(with(5_460, 11), "taken");
    let message = with(5_461, 11);
    assert!(message.contains("5461 fee lines; at most 5460 beside the 12 accounts of cu-3120"), "{message}");
}
