//! The documents of a scheme folder: rulebook, keys, hotlist, outages.

use std::{fmt::Write as _, ops::RangeInclusive};

use domain::{date::Date, terms::Weekday};

use crate::world::{GRACE_HOURS, PRESENTMENT_DAYS, Participant, World};

/// The rulebook with all participants.
pub(crate) fn rulebook(world: &World) -> String {
    let mut text = format!(
        "# Rules of a simulated scheme.\nversion = 1\npresentment_days = {PRESENTMENT_DAYS}\n\
         hotlist_grace_hours = {GRACE_HOURS}\n\n\
         [cut_off]\ntime = \"23:59\"\n\n\
         {}\n\
         [fees]\nbasis = \"cycle_bilateral\"\ninterchange_rate = \"0.003\"\nswitch_rate = \"0.001\"\n",
        settlement(world)
    );
    if let Some(first) = world.participants.first() {
        let _ = write!(
            text,
            "\n[[fees.line]]\nname = \"first-city-metro\"\nacquirer = \"{}\"\nsector = \"metro\"\n\
             interchange_rate = \"0.0025\"\nswitch_rate = \"0.0005\"\n",
            first.city
        );
    }
    text.push_str(
        "\n[[fees.line]]\nname = \"bikes\"\nsector = \"bike\"\n\
         interchange_rate = \"0.00125\"\nswitch_rate = \"0\"\n",
    );
    text.push_str("\n[clearing]\npartitions = 2\n\n[clearing.assignment]\n");
    for (place, participant) in world.participants.iter().enumerate() {
        let _ = writeln!(text, "{} = {}", participant.city, place % 2);
    }
    for (place, participant) in world.participants.iter().enumerate() {
        text.push_str(&entry(place, participant));
    }
    text
}

/// Banks that are well known; the accounts are nobody's.
const BANKS: [&str; 5] = ["102100099996", "ABOCCNBJ", "104100000004", "PCBCCNBJ", "301290000007"];

/// How nets are paid: an account of the scheme, and the holidays that always fall on the same days, with the days that
/// are worked for the long one.
fn settlement(world: &World) -> String {
    let last = world.first_date.plus_days(i32::try_from(world.days).unwrap_or(i32::MAX));
    let (mut holidays, mut working_days) = (Vec::new(), Vec::new());
    for year in world.first_date.ymd().0..=last.ymd().0.saturating_add(1) {
        let dates = |month, days: RangeInclusive<u8>| {
            days.filter_map(move |day| Date::from_ymd(year, month, day).ok())
        };
        holidays.extend(dates(1, 1..=1).chain(dates(5, 1..=1)).chain(dates(10, 1..=7)));
        let of = |day: &Date, weekday| Weekday::of(*day) == weekday;
        working_days.extend(dates(9, 24..=30).find(|day| of(day, Weekday::Sunday)));
        working_days.extend(dates(10, 8..=14).find(|day| of(day, Weekday::Saturday)));
    }
    format!(
        "[settlement]\nname = \"城市一卡通模拟清算中心\"\nbank = \"{}\"\naccount = \"9000000000000000000\"\n\
         account_name = \"城市一卡通模拟清算中心（测试）\"\nholidays = [{}]\nworking_days = [{}]\n",
        BANKS[0],
        quoted(&holidays),
        quoted(&working_days)
    )
}

fn quoted(dates: &[Date]) -> String {
    dates.iter().map(|date| format!("\"{date}\"")).collect::<Vec<_>>().join(", ")
}

/// A TEST account; every tenth participant states none.
fn account(place: usize, participant: &Participant) -> String {
    if place % 10 == 9 {
        return String::new();
    }
    let bank = BANKS[place % BANKS.len()];
    format!(
        "bank = \"{bank}\"\naccount = \"9{:018}\"\naccount_name = \"{}一卡通公司（测试）\"\n",
        place + 1,
        participant.name_zh
    )
}

/// One participant. Every fourth one whose prefix is its code leaves it to the default.
fn entry(place: usize, participant: &Participant) -> String {
    let Participant { city, name_en, name_zh, joined, prefixes, .. } = participant;
    let mut text = format!(
        "\n[[participant]]\ncity = \"{city}\"\nname_en = \"{name_en}\"\nname_zh = \"{name_zh}\"\n\
         joined = \"{joined}\"\n"
    );
    let dates = [
        ("left", participant.left),
        ("suspended_from", participant.suspended_from),
        ("suspended_until", participant.suspended_until),
    ];
    for (name, date) in dates {
        if let Some(date) = date {
            let _ = writeln!(text, "{name} = \"{date}\"");
        }
    }
    let code = city.code();
    let by_default = [String::from_utf8_lossy(&code)];
    if place % 4 != 3 || *prefixes != by_default {
        let quoted: Vec<String> = prefixes.iter().map(|prefix| format!("\"{prefix}\"")).collect();
        let _ = writeln!(text, "terminal_prefixes = [{}]", quoted.join(", "));
    }
    text.push_str(&account(place, participant));
    text
}

/// TEST master keys of all participants.
pub(crate) fn keys(world: &World) -> String {
    let mut text =
        "# TEST keys of a simulated scheme. Worthless, and refused outside test mode.\n".to_owned();
    for participant in &world.participants {
        for key in &participant.keys {
            let _ = write!(
                text,
                "\n[[key]]\ncity = \"{}\"\nversion = {}\nalgorithm = \"{}\"\npurchase_master = \"{}\"\n\
                 load_master = \"{}\"\n",
                participant.city,
                key.version,
                key.algorithm.word(),
                hex(&key.purchase),
                hex(&key.load),
            );
        }
    }
    text
}

/// The hotlist, by issuer, card and time.
pub(crate) fn hotlist(world: &World) -> String {
    let mut rows: Vec<String> = world
        .participants
        .iter()
        .flat_map(|p| p.hot.iter().map(move |hot| (p.city, hot)))
        .flat_map(|(city, hot)| {
            let times = [Some(hot.effective_at), hot.again_at];
            times.into_iter().flatten().map(move |at| format!("{city},{},{at}\n", hex(&hot.card)))
        })
        .collect();
    rows.sort_unstable();
    format!("issuer,card,effective_at\n{}", rows.concat())
}

/// Which home city is dark on which business date.
pub(crate) fn outages(world: &World) -> String {
    let mut rows: Vec<String> = world
        .participants
        .iter()
        .flat_map(|p| p.dark.iter().map(move |date| format!("{},{date}\n", p.city)))
        .collect();
    rows.sort_unstable();
    format!("issuer,business_date\n{}", rows.concat())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}
