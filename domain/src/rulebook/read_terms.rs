//! Reads `[settlement]`, `[cut_off]`, `[disputes]` and the accounts of participants.

use std::collections::BTreeSet;

use super::read::word;
use crate::{
    date::{Date, LocalTime},
    document::{Fault, Table, Value, integer, name, parsed, text},
    tap::Sector,
    terms::{ACCOUNT_NAME_CHARS_MAX, Account, CURRENCY, DisputeTerms, SectorAccount, Terms, Weekday},
};

/// The most days that a list of them may have.
const DAYS_MAX: usize = 10_000;
/// The most cycles that a business date may have by its cut-off times: one an hour.
const TIMES_MAX: usize = 24;
const SETTLE_AFTER_DAYS_MAX: u32 = 30;
/// The most days that home cities may have to agree.
const AGREEMENT_DAYS_MAX: u32 = 365;
/// The longest window of disputes, days: ten years.
const DISPUTE_DAYS_MAX: u32 = 3650;
/// The longest name of the scheme: what ISO 20022 allows.
const NAME_CHARS_MAX: usize = 140;

/// The fields of `[settlement]` that have a meaning.
pub(super) const SETTLEMENT_FIELDS: [&str; 10] = [
    "name",
    "bank",
    "account",
    "account_name",
    "currency",
    "days_off",
    "holidays",
    "working_days",
    "settle_after_days",
    "agreement_days",
];

/// The fields of `[disputes]`.
const DISPUTE_FIELDS: [&str; 2] = ["dispute_days", "answer_days"];

/// How nets are paid, by `[settlement]` and `[cut_off]`, and until when they may be disputed.
pub(super) fn terms(top: &Table<'_>) -> Result<Terms, Fault> {
    let mut terms = cut_off(top)?;
    terms.disputes = disputes(top)?;
    let Some(table) = top.table("settlement")? else { return Ok(terms) };
    terms.name = table.optional("name", short_name(NAME_CHARS_MAX))?;
    terms.account = account(&table)?;
    table.optional("currency", |value| match text(value)? {
        CURRENCY => Ok(()),
        other => Err(format!("`{other}`: only {CURRENCY} is settled; leave it out or write \"{CURRENCY}\"")),
    })?;
    if let Some(days) = table.list("days_off", weekday)? {
        terms.days_off = days.into_iter().collect();
    }
    if terms.days_off.len() == Weekday::ALL.len() {
        return Err(table.fault("days_off", "all seven days: nothing would ever be paid"));
    }
    terms.holidays.extend(dates(&table, "holidays")?);
    terms.working_days = dates(&table, "working_days")?;
    if let Some(both) = terms.working_days.intersection(&terms.holidays).next() {
        let why = format_args!("{both} is a holiday too (here or in [cut_off]); keep one of them");
        return Err(table.fault("working_days", why));
    }
    let after = table.optional("settle_after_days", integer(0..=SETTLE_AFTER_DAYS_MAX))?;
    terms.settle_after_days = after.unwrap_or(terms.settle_after_days);
    let agreement = table.optional("agreement_days", integer(0..=AGREEMENT_DAYS_MAX))?;
    terms.agreement_days = agreement.unwrap_or(terms.agreement_days);
    Ok(terms)
}

fn disputes(top: &Table<'_>) -> Result<DisputeTerms, Fault> {
    let default = DisputeTerms::default();
    let Some(table) = top.table("disputes")? else { return Ok(default) };
    table.only(&DISPUTE_FIELDS)?;
    let days = |field, least| table.optional(field, integer(least..=DISPUTE_DAYS_MAX));
    let [dispute_days, answer_days] = DISPUTE_FIELDS;
    Ok(DisputeTerms {
        dispute_days: days(dispute_days, 0)?.unwrap_or(default.dispute_days),
        answer_days: days(answer_days, 1)?.unwrap_or(default.answer_days),
    })
}

/// When cycles end is decided by whoever calls cut-offs, by the times that stand here; messages are dated by them too.
fn cut_off(top: &Table<'_>) -> Result<Terms, Fault> {
    let mut terms = Terms::default();
    let Some(table) = top.table("cut_off")? else { return Ok(terms) };
    let one = table.optional("time", time_of_day)?;
    let several = table.list("times", time_of_day)?;
    terms.cut_off_times = match (one, several) {
        (Some(_), Some(_)) => return Err(table.fault("times", "beside time; keep one of them")),
        (one, None) => one.into_iter().collect(),
        (None, Some(times)) => times,
    };
    let times = &terms.cut_off_times;
    if times.is_empty() && table.fields().any(|(field, _)| field == "times") {
        return Err(table.fault("times", "empty; state at least one, or leave it out"));
    }
    if times.len() > TIMES_MAX {
        return Err(table.fault("times", format_args!("{} times; at most {TIMES_MAX} a day", times.len())));
    }
    if times.windows(2).any(|pair| matches!(pair, [earlier, later] if later <= earlier)) {
        return Err(table.fault("times", "not in order; write each time once, the earliest first"));
    }
    terms.holidays = dates(&table, "holidays")?;
    Ok(terms)
}

/// Seconds since midnight.
fn time_of_day(value: Value<'_>) -> Result<u32, String> {
    let text = text(value)?;
    let time = LocalTime::parse(format!("2000-01-01T{text}:00").as_bytes());
    time.map(|time| time.second)
        .map_err(|_| format!("`{text}` is no time of day: write HH:MM, such as \"23:30\""))
}

/// Bank, number and name of an account.
pub(super) fn account(table: &Table<'_>) -> Result<Account, Fault> {
    Ok(Account {
        bank: table.optional("bank", parsed)?,
        number: table.optional("account", parsed)?,
        name: table.optional("account_name", short_name(ACCOUNT_NAME_CHARS_MAX))?,
    })
}

/// The accounts by sector of a participant, beside its main one.
pub(super) fn sector_accounts(participant: &Table<'_>) -> Result<Vec<SectorAccount>, Fault> {
    let main = account(participant)?;
    let mut accounts: Vec<SectorAccount> = Vec::new();
    for table in participant.tables("sector_account")? {
        let one = sector_account(&table)?;
        let twice = one.sectors.iter().find(|sector| accounts.iter().any(|it| it.sectors.contains(sector)));
        if let Some(sector) = twice {
            let why = format_args!("{} has an account already; state each sector once", sector.word());
            return Err(table.fault("sectors", why));
        }
        if is_same(&one.account, &main) {
            let why = "that of the participant itself; leave this table out, or state another account";
            return Err(table.fault("account", why));
        }
        if accounts.iter().any(|it| is_same(&one.account, &it.account)) {
            let why = "another table of the participant has it; put all its sectors into one";
            return Err(table.fault("account", why));
        }
        accounts.push(one);
    }
    Ok(accounts)
}

/// Refuses an account by sector that is the scheme's own: the scheme would pay itself.
pub(super) fn check_sector_accounts(top: &Table<'_>) -> Result<(), Fault> {
    // An account that cannot be read is a fault of its own.
    let scheme = top.table("settlement")?.and_then(|table| account(&table).ok()).unwrap_or_default();
    for participant in top.tables("participant")? {
        for table in participant.tables("sector_account")? {
            if account(&table).is_ok_and(|its| is_same(&its, &scheme)) {
                let why = "that of [settlement], over which everybody pays; state an account of the city";
                return Err(table.fault("account", why));
            }
        }
    }
    Ok(())
}

fn sector_account(table: &Table<'_>) -> Result<SectorAccount, Fault> {
    table.only(&["sectors", "bank", "account", "account_name"])?;
    let listed = table.list("sectors", word(Sector::parse, Sector::ALL, Sector::word))?;
    let listed = listed.ok_or_else(|| table.fault("sectors", "missing; state it"))?;
    if listed.is_empty() {
        return Err(table.fault("sectors", "empty; state at least one, or leave the table out"));
    }
    let sectors: BTreeSet<Sector> = listed.iter().copied().collect();
    if sectors.len() < listed.len() {
        return Err(table.fault("sectors", "one of them is there twice; state each sector once"));
    }
    for field in ["bank", "account"] {
        table.required(field, text)?;
    }
    Ok(SectorAccount { sectors, account: account(table)? })
}

/// Whether two accounts are one: of the same number, and not of two banks.
pub(super) fn is_same(one: &Account, other: &Account) -> bool {
    let same_bank = one.bank.is_none() || other.bank.is_none() || one.bank == other.bank;
    one.number.is_some() && one.number == other.number && same_bank
}

fn dates(table: &Table<'_>, field: &str) -> Result<BTreeSet<Date>, Fault> {
    let dates = table.list(field, parsed::<Date>)?.unwrap_or_default();
    if dates.len() > DAYS_MAX {
        return Err(table.fault(field, format_args!("{} days; at most {DAYS_MAX}", dates.len())));
    }
    Ok(dates.into_iter().collect())
}

fn weekday(value: Value<'_>) -> Result<Weekday, String> {
    let text = text(value)?;
    let known = Weekday::ALL.map(Weekday::word);
    let found = Weekday::ALL.into_iter().find(|day| day.word() == text);
    found.ok_or_else(|| format!("`{text}` is no day of the week; known: {}", known.join(", ")))
}

/// A name of at most so many characters.
fn short_name(chars_max: usize) -> impl Fn(Value<'_>) -> Result<String, String> {
    move |value| {
        let text = name(chars_max.saturating_mul(4))(value)?;
        if text.chars().count() > chars_max {
            return Err(format!("longer than {chars_max} characters"));
        }
        Ok(text)
    }
}
