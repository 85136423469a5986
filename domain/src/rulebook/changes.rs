//! What one version of the rules changes in another, in words, and from when.

use std::{collections::BTreeMap, fmt};

use super::{Participant, Rulebook};
use crate::{
    date::Date,
    fees::{Fee, FeeLine, FeeRates},
    tap::Sector,
    terms::{Account, Terms, Weekday},
};

/// Something that changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What it concerns, such as `cu-2000` or `fee line metro-delta`.
    pub subject: String,
    /// What changes, in words.
    pub what: String,
    /// The first business date that it concerns; none if it is whatever the version rules first.
    pub from: Option<Date>,
}

/// What `new` changes in `old`: the general rules, then cities, then fee lines, partitions, and how nets are paid.
#[must_use]
pub fn changes(old: &Rulebook, new: &Rulebook) -> Vec<Change> {
    let mut told = Told::default();
    told.general(old, new);
    told.participants(old, new);
    told.fee_lines(&old.fees.lines, &new.fees.lines);
    told.partitions(old, new);
    told.terms(&old.terms, &new.terms);
    told.value(
        "limits",
        "net_debit_warn_percent",
        list(&old.limits.net_debit_warn_percent),
        list(&new.limits.net_debit_warn_percent),
    );
    told.0
}

/// A fee line with the number that tells it from others of the same name.
pub(super) fn by_name(lines: &[FeeLine]) -> BTreeMap<(&str, usize), (usize, &FeeLine)> {
    let mut counted: BTreeMap<&str, usize> = BTreeMap::new();
    let mut named = BTreeMap::new();
    for (place, line) in lines.iter().enumerate() {
        let number = counted.entry(&line.name).or_default();
        named.insert((line.name.as_str(), *number), (place, line));
        *number += 1;
    }
    named
}

#[derive(Default)]
struct Told(Vec<Change>);

impl Told {
    fn say(&mut self, subject: impl fmt::Display, what: impl fmt::Display, from: Option<Date>) {
        self.0.push(Change { subject: subject.to_string(), what: what.to_string(), from });
    }

    /// A value that holds from the version's first opening on.
    fn value<T: fmt::Display>(&mut self, subject: impl fmt::Display, name: &str, old: T, new: T) {
        let (old, new) = (old.to_string(), new.to_string());
        if old != new {
            self.say(subject, format_args!("{name}: {old} → {new}"), None);
        }
    }

    fn general(&mut self, old: &Rulebook, new: &Rulebook) {
        self.value("window", "presentment_days", old.presentment_days, new.presentment_days);
        self.value("window", "hotlist_grace_hours", old.hotlist_grace_hours, new.hotlist_grace_hours);
        self.value("fees", "basis", old.fees.basis.word(), new.fees.basis.word());
        self.rates("fees", &old.fees.default, &new.fees.default, None);
    }

    fn rates(&mut self, subject: &str, old: &FeeRates, new: &FeeRates, from: Option<Date>) {
        for (name, old, new) in
            [("interchange", &old.interchange, &new.interchange), ("switch fee", &old.switch, &new.switch)]
        {
            if old != new {
                self.say(subject, format_args!("{name}: {} → {}", fee(old), fee(new)), from);
            }
        }
    }

    fn participants(&mut self, old: &Rulebook, new: &Rulebook) {
        for left in old.participants.iter().filter(|p| new.participant(p.city).is_none()) {
            self.say(left.city, "is no participant any more: not even its terminals are known", None);
        }
        for participant in &new.participants {
            match old.participant(participant.city) {
                Some(before) => self.participant(before, participant),
                None => self.joins(participant),
            }
        }
    }

    fn joins(&mut self, new: &Participant) {
        let (city, name) = (new.city, &new.name_en);
        let until = new.left.map(|left| format!(", until {left} (excluded)")).unwrap_or_default();
        let suspended = suspension(new).map(|words| format!(", {words}")).unwrap_or_default();
        self.say(city, format_args!("{name} joins{until}{suspended}"), Some(new.joined));
    }

    fn participant(&mut self, old: &Participant, new: &Participant) {
        let city = new.city;
        if old.joined != new.joined {
            let what = format!("joined: {} → {}", old.joined, new.joined);
            self.say(city, what, Some(old.joined.min(new.joined)));
        }
        if old.left != new.left {
            let what = match new.left {
                Some(left) => format!("leaves: no member from {left} on"),
                None => "does not leave".to_owned(),
            };
            self.say(city, what, old.left.into_iter().chain(new.left).min());
        }
        if suspension(old) != suspension(new) {
            let what = suspension(new).unwrap_or_else(|| "is not suspended".to_owned());
            self.say(city, what, suspension_changes(old, new));
        }
        self.value(city, "name_en", &old.name_en, &new.name_en);
        self.value(city, "name_zh", &old.name_zh, &new.name_zh);
        self.value(city, "terminal_prefixes", list(&old.terminal_prefixes), list(&new.terminal_prefixes));
        self.account(&city.to_string(), &old.account, &new.account);
        self.sector_accounts(old, new);
        let cap = |cap: Option<u64>| cap.map_or_else(|| "none".to_owned(), |fen| format!("{fen} fen"));
        self.value(city, "net_debit_cap_fen", cap(old.net_debit_cap_fen), cap(new.net_debit_cap_fen));
    }

    fn account(&mut self, subject: &str, old: &Account, new: &Account) {
        self.value(subject, "bank", stated(old.bank.as_ref()), stated(new.bank.as_ref()));
        self.value(subject, "account", stated(old.number.as_ref()), stated(new.number.as_ref()));
        self.value(subject, "account_name", stated(old.name.as_ref()), stated(new.name.as_ref()));
    }

    /// Over which account each sector is paid: those that change alike in one line.
    fn sector_accounts(&mut self, old: &Participant, new: &Participant) {
        let paid = |it: &Participant, sector| match it.account_of(sector) {
            0 => "its main account".to_owned(),
            number => it.account_numbered(number).map(account_in_words).unwrap_or_default(),
        };
        let city = new.city;
        // References to banks name an account by its number.
        let numbered = |it: &Participant| {
            let words = |number| it.account_numbered(number).map(account_in_words).unwrap_or_default();
            it.accounts().skip(1).map(words).collect::<Vec<_>>()
        };
        let (before, after) = (numbered(old), numbered(new));
        let place = |one: &String| after.iter().position(|other| other == one);
        if (0..).zip(&before).any(|(at, one)| place(one).is_some_and(|now| now != at)) {
            self.value(city, "accounts by sector, as references number them", list(&before), list(&after));
        }
        let mut changed: Vec<((String, String), Vec<&str>)> = Vec::new();
        for sector in Sector::ALL {
            let change = (paid(old, *sector), paid(new, *sector));
            if change.0 == change.1 {
                continue;
            }
            match changed.iter_mut().find(|(known, _)| *known == change) {
                Some((_, sectors)) => sectors.push(sector.word()),
                None => changed.push((change, vec![sector.word()])),
            }
        }
        for ((old, new), sectors) in changed {
            self.value(city, &format!("settles {} over", list(&sectors)), old, new);
        }
    }

    fn fee_lines(&mut self, old: &[FeeLine], new: &[FeeLine]) {
        let (before, after) = (by_name(old), by_name(new));
        for ((name, _), _) in before.iter().filter(|(key, _)| !after.contains_key(*key)) {
            self.say(format_args!("fee line {name}"), "is taken out", None);
        }
        for (key, (_, line)) in &after {
            let subject = format!("fee line {}", key.0);
            let Some((_, was)) = before.get(key) else {
                let (what, from) = (line_in_words(line), line.from);
                self.say(subject, format_args!("is new: {what}"), from);
                continue;
            };
            let dates = |line: &FeeLine| (line.from, line.until);
            if dates(was) != dates(line) {
                let what = format!("applies {} → {}", window(was), window(line));
                self.say(&subject, what, window_changes(was, line));
            }
            if selectors(was) != selectors(line) {
                self.say(&subject, format_args!("for {} → {}", selectors(was), selectors(line)), line.from);
            }
            self.rates(&subject, &was.rates, &line.rates, line.from);
        }
        let order = |lines: &BTreeMap<(&str, usize), (usize, &FeeLine)>, other: &BTreeMap<_, _>| {
            let mut common: Vec<_> = lines
                .iter()
                .filter(|(key, _)| other.contains_key(*key))
                .map(|(key, (at, _))| (*at, *key))
                .collect();
            common.sort_unstable();
            common.into_iter().map(|(_, (name, number))| (name.to_owned(), number)).collect::<Vec<_>>()
        };
        if order(&before, &after) != order(&after, &before) {
            self.say("fee lines", "stand in another order; the first that matches a record applies", None);
        }
    }

    fn partitions(&mut self, old: &Rulebook, new: &Rulebook) {
        self.value("clearing", "partitions", old.partitions, new.partitions);
        let cities = old.assignment.keys().chain(new.assignment.keys());
        let cities: std::collections::BTreeSet<_> = cities.copied().collect();
        for city in cities {
            self.value(city, "partition", old.partition_of(city), new.partition_of(city));
        }
    }

    fn terms(&mut self, old: &Terms, new: &Terms) {
        self.value("cut_off", "times", times(old), times(new));
        self.value("settlement", "name", stated(old.name.as_ref()), stated(new.name.as_ref()));
        self.account("settlement", &old.account, &new.account);
        let days =
            |terms: &Terms| list(&terms.days_off.iter().map(|day| Weekday::word(*day)).collect::<Vec<_>>());
        self.value("settlement", "days_off", days(old), days(new));
        let dates = |dates: &std::collections::BTreeSet<Date>| list(&dates.iter().collect::<Vec<_>>());
        self.value("settlement", "holidays", dates(&old.holidays), dates(&new.holidays));
        self.value("settlement", "working_days", dates(&old.working_days), dates(&new.working_days));
        self.value("settlement", "settle_after_days", old.settle_after_days, new.settle_after_days);
        self.value("settlement", "agreement_days", old.agreement_days, new.agreement_days);
        let (old, new) = (old.disputes, new.disputes);
        self.value("disputes", "dispute_days", old.dispute_days, new.dispute_days);
        self.value("disputes", "answer_days", old.answer_days, new.answer_days);
    }
}

fn list<T: fmt::Display>(values: &[T]) -> String {
    match values {
        [] => "none".to_owned(),
        values => values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    }
}

/// An account by sector: number, bank, and the name that it is held under if that is stated.
fn account_in_words(account: &Account) -> String {
    let name = account.name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
    format!("{} at {}{name}", stated(account.number.as_ref()), stated(account.bank.as_ref()))
}

fn stated<T: fmt::Display>(value: Option<&T>) -> String {
    value.map_or_else(|| "none".to_owned(), ToString::to_string)
}

fn times(terms: &Terms) -> String {
    let time = |second: &u32| format!("{:02}:{:02}", second / 3600, second / 60 % 60);
    match &terms.cut_off_times[..] {
        [] => "midnight".to_owned(),
        times => times.iter().map(time).collect::<Vec<_>>().join(", "),
    }
}

fn fee(fee: &Fee) -> String {
    let least = if fee.min_fen > 0 { format!(", at least {} fen", fee.min_fen) } else { String::new() };
    let most = fee.max_fen.map(|fen| format!(", at most {fen} fen")).unwrap_or_default();
    format!("{}{least}{most}", fee.rate)
}

fn suspension(participant: &Participant) -> Option<String> {
    let from = participant.suspended_from?;
    let until = participant.suspended_until.map(|until| format!(" until {until} (excluded)"));
    Some(format!("suspended from {from}{}", until.unwrap_or_default()))
}

/// The first date on which one is suspended and the other is not.
fn suspension_changes(old: &Participant, new: &Participant) -> Option<Date> {
    if old.suspended_from == new.suspended_from {
        return old.suspended_until.into_iter().chain(new.suspended_until).min();
    }
    old.suspended_from.into_iter().chain(new.suspended_from).min()
}

fn window(line: &FeeLine) -> String {
    match (line.from, line.until) {
        (None, None) => "always".to_owned(),
        (Some(from), None) => format!("from {from}"),
        (None, Some(until)) => format!("until {until} (excluded)"),
        (Some(from), Some(until)) => format!("from {from} until {until} (excluded)"),
    }
}

/// The first date on which one line applies and the other does not, if both begin somewhere.
fn window_changes(old: &FeeLine, new: &FeeLine) -> Option<Date> {
    if old.from == new.from {
        return old.until.into_iter().chain(new.until).min();
    }
    old.from.zip(new.from).map(|(old, new)| old.min(new))
}

fn selectors(line: &FeeLine) -> String {
    let parts = [
        line.acquirer.map(|city| format!("acquirer {city}")),
        line.issuer.map(|city| format!("issuer {city}")),
        line.sector.map(|sector| format!("sector {}", sector.word())),
        line.product.map(|product| format!("product {}", product.word())),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() { "every record".to_owned() } else { parts.join(", ") }
}

fn line_in_words(line: &FeeLine) -> String {
    let FeeRates { interchange, switch } = &line.rates;
    format!(
        "for {}, {}; interchange {}; switch fee {}",
        selectors(line),
        window(line),
        fee(interchange),
        fee(switch)
    )
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::testing::{date, rulebook};

    pub(in crate::rulebook) const OLD: &str = r#"
version = 1
presentment_days = 10
hotlist_grace_hours = 24
[fees]
basis = "cycle_bilateral"
interchange_rate = "0.003"
switch_rate = "0.001"
[[fees.line]]
name = "metro"
sector = "metro"
interchange_rate = "0.0025"
switch_rate = "0.0005"
[[fees.line]]
name = "autumn"
from = "2018-09-01"
until = "2018-12-01"
interchange_rate = "0"
switch_rate = "0"
[[participant]]
city = "cu-2000"
name_en = "Shanghai"
name_zh = "上海"
joined = "2018-01-01"
[[participant]]
city = "cu-3000"
name_en = "Tianjin"
name_zh = "天津"
joined = "2018-01-01"
"#;

    fn told(new: &str) -> Vec<(String, String, Option<Date>)> {
        let found = changes(&rulebook(OLD), &rulebook(new));
        found.into_iter().map(|change| (change.subject, change.what, change.from)).collect()
    }

    fn one(subject: &str, what: &str, from: Option<&str>) -> (String, String, Option<Date>) {
        (subject.to_owned(), what.to_owned(), from.map(date))
    }

    #[test]
    fn nothing_is_told_of_what_stays() {
        assert_eq!(told(&OLD.replace("version = 1", "version = 2")), []);
    }

    #[test]
    fn each_change_is_told_in_words_with_the_date_it_concerns() {
        let new = OLD
            .replace("presentment_days = 10", "presentment_days = 12")
            .replace(
                "interchange_rate = \"0.0025\"",
                "interchange_rate = \"0.0025\"\ninterchange_max_fen = 500",
            )
            .replace("until = \"2018-12-01\"", "until = \"2018-11-01\"")
            .replace(
                "\"上海\"\njoined = \"2018-01-01\"",
                "\"上海\"\njoined = \"2018-01-01\"\n[[participant.sector_account]]\n\
                 sectors = [\"utility\", \"parking\"]\nbank = \"ICBKCNBJ\"\naccount = \"6222-1\"\naccount_name = \"P\"",
            )
            .replace(
                "\"天津\"",
                "\"天津\"\nleft = \"2019-01-01\"\nsuspended_from = \"2018-10-01\"\nnet_debit_cap_fen = 9",
            )
            + "[[participant]]\ncity = \"cu-4000\"\nname_en = \"Chongqing\"\nname_zh = \"重庆\"\n\
               joined = \"2018-10-01\"\n[disputes]\nanswer_days = 14\n[cut_off]\ntimes = [\"04:00\", \"16:00\"]\n\
               [[fees.line]]\nname = \"bus\"\nsector = \"bus\"\nfrom = \"2018-10-01\"\n\
               interchange_rate = \"0.001\"\nswitch_rate = \"0\"\nswitch_min_fen = 2\n";
        let expected = [
            one("window", "presentment_days: 10 → 12", None),
            one("cu-2000", "settles parking, utility over: its main account → 6222-1 at ICBKCNBJ (P)", None),
            one("cu-3000", "leaves: no member from 2019-01-01 on", Some("2019-01-01")),
            one("cu-3000", "suspended from 2018-10-01", Some("2018-10-01")),
            one("cu-3000", "net_debit_cap_fen: none → 9 fen", None),
            one("cu-4000", "Chongqing joins", Some("2018-10-01")),
            one(
                "fee line autumn",
                "applies from 2018-09-01 until 2018-12-01 (excluded) → from 2018-09-01 until 2018-11-01 (excluded)",
                Some("2018-11-01"),
            ),
            one(
                "fee line bus",
                "is new: for sector bus, from 2018-10-01; interchange 0.001; switch fee 0, at least 2 fen",
                Some("2018-10-01"),
            ),
            one("fee line metro", "interchange: 0.0025 → 0.0025, at most 500 fen", None),
            one("cut_off", "times: midnight → 04:00, 16:00", None),
            one("disputes", "answer_days: 10 → 14", None),
        ];
        assert_eq!(told(&new), expected);
    }

    #[test]
    fn lines_that_change_places_are_told() {
        let swapped =
            OLD.replace("\"metro\"\nsector = \"metro\"", "\"x\"").replace("\"autumn\"", "\"metro\"");
        let swapped = swapped.replace("name = \"x\"", "name = \"autumn\"");
        let told = told(&swapped);
        assert!(
            told.iter().any(|(subject, what, _)| subject == "fee lines" && what.contains("another order"))
        );
    }
}
