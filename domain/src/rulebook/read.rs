//! Reads the rulebook's tables and refuses what contradicts itself.

use std::collections::{BTreeMap, BTreeSet};

use super::{Participant, read_terms};
use crate::{
    city::City,
    document::{Fault, Table, Value, fen, integer, name, parsed, text},
    fees::{Basis, Fee, FeeLine, FeeRates, Fees, Rate},
    limits::Limits,
    settlement::FIGURE_FEN_MAX,
    tap::{Product, Sector},
    terminal::TerminalPrefix,
    terms::Terms,
};

const PRESENTMENT_DAYS_MAX: u32 = 3650;
const GRACE_HOURS_MAX: u32 = 87_600;
const FEE_LINES_MAX: usize = 10_000;
/// The most that fee lines, the default rates among them, times the accounts of a city may come to.
const SLOTS_MAX: usize = 1 << 16;
const PARTITIONS_MAX: u32 = 1024;
const NAME_BYTES_MAX: usize = 256;

/// The fields of fees, in `[fees]` and in each fee line.
const FEE_FIELDS: [&str; 6] = [
    "interchange_rate",
    "interchange_min_fen",
    "interchange_max_fen",
    "switch_rate",
    "switch_min_fen",
    "switch_max_fen",
];

/// The top-level keys that have a meaning here.
const KNOWN: [&str; 10] = [
    "version",
    "presentment_days",
    "hotlist_grace_hours",
    "fees",
    "participant",
    "clearing",
    "cut_off",
    "settlement",
    "limits",
    "disputes",
];

/// What the document says.
pub(super) struct Body {
    pub(super) version: u32,
    pub(super) presentment_days: u32,
    pub(super) hotlist_grace_hours: u32,
    pub(super) fees: Fees,
    pub(super) participants: Vec<Participant>,
    pub(super) partitions: u32,
    pub(super) assignment: BTreeMap<City, u32>,
    pub(super) terms: Terms,
    pub(super) limits: Limits,
    pub(super) unknown_tables: Vec<String>,
    /// Fields without a meaning in the tables that allow them, such as `[limits] x`.
    pub(super) unknown_fields: Vec<String>,
}

pub(super) fn rulebook(top: &Table<'_>) -> Result<Body, Fault> {
    let participants = participants(top)?;
    let (partitions, assignment) = clearing(top)?;
    let terms = read_terms::terms(top)?;
    read_terms::check_sector_accounts(top)?;
    let limits = limits(top)?;
    let cities = participants.keys().copied().collect();
    let (version, presentment_days) = (version(top)?, presentment_days(top)?);
    let hotlist_grace_hours = hotlist_grace_hours(top)?;
    let fees = fees(top, &cities)?;
    check_slots(top, &fees, participants.values())?;
    Ok(Body {
        version,
        presentment_days,
        hotlist_grace_hours,
        fees,
        participants: participants.into_values().collect(),
        partitions,
        assignment,
        terms,
        limits,
        unknown_fields: unknown_fields(top)?,
        unknown_tables: top
            .fields()
            .map(|(key, _)| key.to_owned())
            .filter(|key| !KNOWN.contains(&key.as_str()))
            .collect(),
    })
}

/// The faults of each part by itself: one part that cannot be read does not hide those of the others.
pub(super) fn faults(top: &Table<'_>) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut found = |fault: Option<Fault>| faults.extend(fault);
    found(version(top).err());
    found(presentment_days(top).err());
    found(hotlist_grace_hours(top).err());
    found(clearing(top).err());
    found(read_terms::terms(top).err());
    found(read_terms::check_sector_accounts(top).err());
    found(limits(top).err());
    let tables = match top.tables("participant") {
        Ok(tables) => tables,
        Err(fault) => {
            found(Some(fault));
            Vec::new()
        }
    };
    tables.iter().for_each(|table| found(participant(table).err()));
    found(participants(top).err());
    // A participant that is wrong elsewhere is one all the same.
    let cities = tables.iter().filter_map(|table| table.required("city", parsed).ok()).collect();
    match top.table("fees") {
        Ok(Some(table)) => {
            found(fees_alone(&table).err());
            match table.tables("line") {
                Ok(lines) => lines.iter().for_each(|line| found(fee_line(line, &cities).err())),
                Err(fault) => found(Some(fault)),
            }
        }
        Ok(None) => found(fees(top, &cities).err()),
        Err(fault) => found(Some(fault)),
    }
    faults
}

fn version(top: &Table<'_>) -> Result<u32, Fault> {
    top.required("version", integer(1..=u32::MAX))
}

fn presentment_days(top: &Table<'_>) -> Result<u32, Fault> {
    top.required("presentment_days", integer(0..=PRESENTMENT_DAYS_MAX))
}

fn hotlist_grace_hours(top: &Table<'_>) -> Result<u32, Fault> {
    top.required("hotlist_grace_hours", integer(0..=GRACE_HOURS_MAX))
}

/// The fields of the tables that allow others, which have no meaning here.
fn unknown_fields(top: &Table<'_>) -> Result<Vec<String>, Fault> {
    let mut unknown = Vec::new();
    for (name, known) in [
        ("cut_off", &["time", "times", "holidays"][..]),
        ("settlement", &read_terms::SETTLEMENT_FIELDS[..]),
        ("limits", &LIMIT_FIELDS[..]),
    ] {
        let fields = top.table(name)?.into_iter().flat_map(|table| table.fields());
        let others = fields.map(|(field, _)| field).filter(|field| !known.contains(field));
        unknown.extend(others.map(|field| format!("[{name}] {field}")));
    }
    Ok(unknown)
}

const LIMIT_FIELDS: [&str; 1] = ["net_debit_warn_percent"];
const LEVELS_MAX: usize = 10;

fn limits(top: &Table<'_>) -> Result<Limits, Fault> {
    let mut limits = Limits::default();
    let Some(table) = top.table("limits")? else { return Ok(limits) };
    let [field] = LIMIT_FIELDS;
    if let Some(levels) = table.list(field, integer(1..=100))? {
        if levels.len() > LEVELS_MAX {
            return Err(table.fault(field, format_args!("{} levels; at most {LEVELS_MAX}", levels.len())));
        }
        if levels.windows(2).any(|pair| matches!(pair, [lower, higher] if higher <= lower)) {
            return Err(table.fault(field, "not rising; write each level once, the lowest first"));
        }
        limits.net_debit_warn_percent = levels;
    }
    Ok(limits)
}

fn participants(top: &Table<'_>) -> Result<BTreeMap<City, Participant>, Fault> {
    let mut participants = BTreeMap::new();
    let mut owners: BTreeMap<TerminalPrefix, City> = BTreeMap::new();
    for table in top.tables("participant")? {
        let participant = participant(&table)?;
        let city = participant.city;
        for prefix in &participant.terminal_prefixes {
            if let Some(other) = owners.insert(*prefix, city).filter(|other| *other != city) {
                let why = format_args!(
                    "{city} and {other} both have the prefix {prefix}; state different terminal_prefixes for them"
                );
                return Err(table.fault("terminal_prefixes", why));
            }
        }
        if participants.insert(city, participant).is_some() {
            return Err(table.fault("city", format_args!("{city} is a participant twice; keep one entry")));
        }
    }
    if participants.is_empty() {
        return Err(top.fault("participant", "no participant at all; state at least one [[participant]]"));
    }
    Ok(participants)
}

fn participant(table: &Table<'_>) -> Result<Participant, Fault> {
    table.only(&[
        "city",
        "name_en",
        "name_zh",
        "joined",
        "left",
        "suspended_from",
        "suspended_until",
        "terminal_prefixes",
        "bank",
        "account",
        "account_name",
        "sector_account",
        "net_debit_cap_fen",
    ])?;
    let city: City = table.required("city", parsed)?;
    let prefix = |value: Value<'_>| {
        let text = text(value)?;
        TerminalPrefix::parse(text).map_err(|error| format!("`{text}`: {error}"))
    };
    let terminal_prefixes = match table.list("terminal_prefixes", prefix)? {
        Some(prefixes) => prefixes,
        None => vec![TerminalPrefix::of_city(city)],
    };
    let participant = Participant {
        city,
        name_en: table.required("name_en", name(NAME_BYTES_MAX))?,
        name_zh: table.required("name_zh", name(NAME_BYTES_MAX))?,
        joined: table.required("joined", parsed)?,
        left: table.optional("left", parsed)?,
        suspended_from: table.optional("suspended_from", parsed)?,
        suspended_until: table.optional("suspended_until", parsed)?,
        terminal_prefixes,
        account: read_terms::account(table)?,
        sector_accounts: read_terms::sector_accounts(table)?,
        net_debit_cap_fen: table.optional("net_debit_cap_fen", fen(FIGURE_FEN_MAX))?,
    };
    check_dates(table, &participant)?;
    Ok(participant)
}

/// Dates that could never apply are slips, so they are refused.
fn check_dates(table: &Table<'_>, participant: &Participant) -> Result<(), Fault> {
    let Participant { joined, left, suspended_from, suspended_until, .. } = participant;
    if left.is_some_and(|left| left <= *joined) {
        return Err(table.fault("left", format_args!("not after joined = {joined}")));
    }
    match (suspended_from, suspended_until) {
        (None, Some(_)) => {
            return Err(table.fault("suspended_until", "without suspended_from; state when it begins"));
        }
        (Some(from), Some(until)) if until <= from => {
            return Err(table.fault("suspended_until", format_args!("not after suspended_from = {from}")));
        }
        _ => {}
    }
    if let (Some(from), Some(left)) = (suspended_from, left)
        && from >= left
    {
        return Err(
            table.fault("suspended_from", format_args!("not before left = {left}: it would never apply"))
        );
    }
    if suspended_until.is_some_and(|until| until <= *joined) {
        return Err(
            table.fault("suspended_until", format_args!("not after joined = {joined}: it would never apply"))
        );
    }
    Ok(())
}

fn fees(top: &Table<'_>, cities: &BTreeSet<City>) -> Result<Fees, Fault> {
    let Some(table) = top.table("fees")? else {
        return Err(top.fault("fees", "missing; state [fees] with basis, interchange_rate and switch_rate"));
    };
    let (basis, default) = fees_alone(&table)?;
    let lines = table.tables("line")?;
    if lines.len() > FEE_LINES_MAX {
        return Err(table.fault("line", format_args!("{} fee lines; at most {FEE_LINES_MAX}", lines.len())));
    }
    let lines = lines.iter().map(|line| fee_line(line, cities)).collect::<Result<_, _>>()?;
    Ok(Fees { basis, default, lines })
}

/// Totals number a fee line and an account of the acquirer together, in 16 bits.
fn check_slots<'p>(
    top: &Table<'_>,
    fees: &Fees,
    mut participants: impl Iterator<Item = &'p Participant>,
) -> Result<(), Fault> {
    let lines = usize::from(fees.slots_of_account());
    let fits = |accounts: usize| lines.saturating_mul(accounts) <= SLOTS_MAX;
    let Some(many) = participants.find(|it| !fits(it.accounts().count())) else { return Ok(()) };
    let (city, accounts) = (many.city, many.accounts().count());
    let most = (SLOTS_MAX / accounts.max(1)).saturating_sub(1);
    let why = format_args!(
        "{} fee lines; at most {most} beside the {accounts} accounts of {city}: take some of either out",
        fees.lines.len()
    );
    Err(top.fault("fees", why))
}

/// `[fees]` without its lines.
fn fees_alone(table: &Table<'_>) -> Result<(Basis, FeeRates), Fault> {
    table.only(&[&["basis", "line"], &FEE_FIELDS[..]].concat())?;
    let words = Basis::ALL.map(Basis::word);
    let basis = |value: Value<'_>| {
        let text = text(value)?;
        let found = Basis::ALL.into_iter().find(|basis| basis.word() == text);
        found.ok_or_else(|| format!("`{text}` is no basis; known: {}", words.join(", ")))
    };
    Ok((table.required("basis", basis)?, rates(table)?))
}

fn rates(table: &Table<'_>) -> Result<FeeRates, Fault> {
    let [interchange_rate, interchange_min, interchange_max, switch_rate, switch_min, switch_max] =
        FEE_FIELDS;
    Ok(FeeRates {
        interchange: fee(table, interchange_rate, interchange_min, interchange_max)?,
        switch: fee(table, switch_rate, switch_min, switch_max)?,
    })
}

fn fee(table: &Table<'_>, rate: &'static str, least: &'static str, most: &'static str) -> Result<Fee, Fault> {
    let rate = table.required(rate, |value| {
        let text = text(value)
            .map_err(|_| "a bare number: write the rate as decimal text in quotes, such as \"0.003\"")?;
        Rate::parse(text).map_err(|error| format!("`{text}`: {error}"))
    })?;
    let min_fen = table.optional(least, integer(0..=u32::MAX))?.unwrap_or(0);
    let max_fen = table.optional(most, integer(0..=u32::MAX))?;
    if max_fen.is_some_and(|max_fen| max_fen < min_fen) {
        return Err(table.fault(most, format_args!("less than {least} = {min_fen}")));
    }
    Ok(Fee { rate, min_fen, max_fen })
}

fn fee_line(table: &Table<'_>, cities: &BTreeSet<City>) -> Result<FeeLine, Fault> {
    let selectors = ["name", "acquirer", "issuer", "sector", "product", "from", "until"];
    table.only(&[&selectors[..], &FEE_FIELDS[..]].concat())?;
    let city = |value: Value<'_>| {
        let city: City = parsed(value)?;
        match cities.contains(&city) {
            true => Ok(city),
            false => Err(format!("{city} is no participant; correct it or add the participant")),
        }
    };
    let line = FeeLine {
        name: table.required("name", name(NAME_BYTES_MAX))?,
        acquirer: table.optional("acquirer", city)?,
        issuer: table.optional("issuer", city)?,
        sector: table.optional("sector", word(Sector::parse, Sector::ALL, Sector::word))?,
        product: table.optional("product", word(Product::parse, Product::ALL, Product::word))?,
        from: table.optional("from", parsed)?,
        until: table.optional("until", parsed)?,
        rates: rates(table)?,
    };
    if let (Some(from), Some(until)) = (line.from, line.until)
        && until <= from
    {
        return Err(table.fault("until", format_args!("not after from = {from}")));
    }
    Ok(line)
}

/// A word out of a closed list.
pub(super) fn word<T: Copy>(
    parse: impl Fn(&[u8]) -> Option<T>,
    all: &'static [T],
    spelling: impl Fn(T) -> &'static str,
) -> impl Fn(Value<'_>) -> Result<T, String> {
    move |value| {
        let text = text(value)?;
        parse(text.as_bytes()).ok_or_else(|| {
            let known: Vec<_> = all.iter().map(|item| spelling(*item)).collect();
            format!("`{text}` is unknown; known: {}", known.join(", "))
        })
    }
}

fn clearing(top: &Table<'_>) -> Result<(u32, BTreeMap<City, u32>), Fault> {
    let Some(table) = top.table("clearing")? else { return Ok((1, BTreeMap::new())) };
    table.only(&["partitions", "assignment"])?;
    let partitions = table.optional("partitions", integer(1..=PARTITIONS_MAX))?.unwrap_or(1);
    let Some(stated) = table.table("assignment")? else { return Ok((partitions, BTreeMap::new())) };
    let one = |(key, _): (&str, Value<'_>)| {
        let city: City = key.parse().map_err(|error| stated.fault(key, error))?;
        let partition = stated.required(key, integer(0..=partitions.saturating_sub(1)))?;
        Ok((city, partition))
    };
    let assignment = stated.fields().map(one).collect::<Result<_, Fault>>()?;
    Ok((partitions, assignment))
}
